/* Edit distance with transpositions (optimal string alignment), over short words. */
#include "runtime/isa/suggest.h"

#include <stdio.h>

enum { LONGEST = 63 };

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

static unsigned edit_distance(const char *a, size_t n, const char *b, size_t m) {
    unsigned rows[3][LONGEST + 1]; /* row i - 2, i - 1 and i of the table, in turn */
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void dtq_suggest_init(dtq_suggest *s, const char *word, size_t length) {
    *s = (dtq_suggest){word, length, NULL, 0, (unsigned)(length == 2 ? 1 : length / 3) + 1};
}

void dtq_suggest_offer(dtq_suggest *s, const char *candidate, size_t length) {
    if (s->length > LONGEST || length > LONGEST)
        return;
    unsigned distance = edit_distance(s->word, s->length, candidate, length);
    if (distance < s->distance) {
        s->distance = distance;
        s->best = candidate;
        s->best_length = length;
    }
}

const char *dtq_suggest_text(const dtq_suggest *s, char *buf, size_t room) {
    if (s->best)
        snprintf(buf, room, "; did you mean '%.*s'?", (int)s->best_length, s->best);
    else
        buf[0] = '\0';
    return buf;
}
