/* "Did you mean": the candidate nearest to a misspelt word. */
#include "runtime/base/suggest.h"

#include <stdio.h>

#include "runtime/base/words.h"

void dtq_suggest_init(dtq_suggest *s, const char *word, size_t length) {
    *s = (dtq_suggest){word, length, NULL, 0, (unsigned)(length == 2 ? 1 : length / 3) + 1};
}

void dtq_suggest_offer(dtq_suggest *s, const char *candidate, size_t length) {
    if (s->length > DTQ_WORD_LONGEST || length > DTQ_WORD_LONGEST)
        return;
    const unsigned distance = (unsigned)dtq_edit_distance(s->word, s->length, candidate, length);
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
