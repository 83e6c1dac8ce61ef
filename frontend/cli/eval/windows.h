/* Windows over running text: how a model of so many positions reads more tokens than that. */
#ifndef DTQ_EVAL_WINDOWS_H
#define DTQ_EVAL_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef struct {
    uint32_t length; /* tokens of a window, at least 2 */
    uint32_t stride; /* from the start of one to that of the next, 1 to length */
    bool led;        /* something stands before each window, from which its first token is predicted */
    uint32_t last;   /* at most so many tokens at the end of a window count; 0: all that no window before it had */
} window_rule;

typedef struct {
    size_t from;     /* first token */
    uint32_t count;  /* tokens */
    uint32_t scored; /* the first one that counts; at least 1 if nothing stands before it */
} window;

/** Cuts `tokens` tokens into windows. The last one ends at the end, moved back rather than short; where all tokens are
 *  fewer than a window they are one, or with `last` none. Tokens that none of them scores make no window. */
window *windows_cut(arena *a, size_t tokens, const window_rule *rule, size_t *count);

#endif
