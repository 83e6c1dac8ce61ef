/* Edit distance with transpositions (optimal string alignment), over short words. */
#include "runtime/base/words.h"

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t dtq_edit_distance(const char *a, size_t n, const char *b, size_t m) {
    size_t rows[3][DTQ_WORD_LONGEST + 1]; /* row i - 2, i - 1 and i of the table, in turn */
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}
