/* "Did you mean": the candidate nearest to a misspelt word; private to runtime/. */
#ifndef DTQRT_BASE_SUGGEST_H
#define DTQRT_BASE_SUGGEST_H

#include <stddef.h>

typedef struct {
    const char *word; /* what was written */
    size_t length;
    const char *best; /* nearest candidate so far, or NULL */
    size_t best_length;
    unsigned distance;
} dtq_suggest;

/** Starts looking for what `word` may have meant: up to a third of its letters may differ, one of two. */
void dtq_suggest_init(dtq_suggest *s, const char *word, size_t length);
void dtq_suggest_offer(dtq_suggest *s, const char *candidate, size_t length);
/** "; did you mean 'x'?", or "" if nothing is near; `buf` is returned. */
const char *dtq_suggest_text(const dtq_suggest *s, char *buf, size_t room);

#endif
