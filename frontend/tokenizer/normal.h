/* Normalisers: what is done to a text before it is cut. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_NORMAL_H
#define DTQ_TOKENIZER_NORMAL_H

#include <stdbool.h>
#include <stddef.h>

#include "frontend/tokenizer/charsmap.h"
#include "ir/base/arena.h"

typedef enum {
    NORMAL_NFC,
    NORMAL_NFD,
    NORMAL_NFKC,
    NORMAL_NFKD,
    NORMAL_LOWER,
    NORMAL_PREPEND,
    NORMAL_REPLACE,
    NORMAL_SPACES,
    NORMAL_STRIP,
    NORMAL_CHARSMAP
} normal_kind;

typedef struct {
    normal_kind kind;
    const char *from, *to; /* PREPEND puts `to` before a text that is not empty, REPLACE puts it for every `from`, and
                              SPACES for two or more U+0020 */
    bool left, right;      /* where STRIP takes white space away */
    const charsmap *map;   /* of CHARSMAP */
} normal_step;

/** Well-formed UTF-8 after all steps: `text` itself or memory from `a`. Its length goes to *bytes. */
const char *normalize(const normal_step *steps, size_t count, arena *a, const char *text, size_t *bytes);

/** `text` with `to` for every `from`, which is not empty: `text` itself or memory from `a`. */
const char *replace_all(const char *from, const char *to, arena *a, const char *text, size_t *bytes);

#endif
