/* Sentencepiece's precompiled character maps, which replace characters and short sequences of them. Private to
 * frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_CHARSMAP_H
#define DTQ_TOKENIZER_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

/** A double-array trie whose leaves say where in `texts` the replacement begins, which ends with a NUL. */
typedef struct {
    const uint32_t *units;
    size_t unit_count;
    const char *texts; /* [text_bytes], UTF-8, the last byte a NUL */
    size_t text_bytes;
} charsmap;

/** Reads a map from base64, as tokenizer.json has it. NULL if it is damaged; then *why says how. It lives in `a`. */
const charsmap *charsmap_read(arena *a, const char *base64, const char **why);

/** Well-formed UTF-8 after the replacements, as tokenizers 0.23 does them: of each grapheme cluster of less than six
 *  bytes the whole is replaced if any beginning of it is in the map, by what stands for the shortest; else each of its
 *  characters. `text` itself or memory from `a`; its length goes to *bytes. */
const char *charsmap_apply(const charsmap *m, arena *a, const char *text, size_t *bytes);

#endif
