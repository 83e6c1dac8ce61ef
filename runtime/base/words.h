/* What several rooms ask of words. */
#ifndef DTQRT_BASE_WORDS_H
#define DTQRT_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** Whether the last bytes of `text` are `end`. */
static inline bool dtq_ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && memcmp(text + n - m, end, m) == 0;
}

enum { DTQ_WORD_LONGEST = 64 };
/** How many letters must be changed, added, left out or swapped with their neighbour to make `b` [m] of `a` [n]
 * (optimal string alignment). Neither is longer than DTQ_WORD_LONGEST. */
size_t dtq_edit_distance(const char *a, size_t n, const char *b, size_t m);

#endif
