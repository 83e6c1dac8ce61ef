/* Pre-tokenisers: a text is cut into words, and no token reaches over a cut. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_SPLIT_H
#define DTQ_TOKENIZER_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef enum {
    SPLIT_GPT2,   /* GPT-2's expression */
    SPLIT_CL100K, /* that of cl100k, Llama 3 and Qwen 2, which differ in how many digits stand together: `digits` */
    SPLIT_DIGITS, /* numbers, of `digits` digits at most, apart from the rest */
    SPLIT_MARKS,  /* runs of punctuation and of $+<=>^~| apart from the rest */
    SPLIT_TRIPLE, /* three digits of ASCII apart from the rest */
    SPLIT_TEXT,   /* at every `text` */
    SPLIT_WORDS,  /* at white space, which goes */
    SPLIT_SPACE,  /* no cut: U+0020 becomes `text`, and one is put before as `prepend` says */
    SPLIT_PREFIX, /* no cut: a space before a word that has none */
} split_kind;

/** What becomes of the text that SPLIT_TEXT cuts at. */
typedef enum { SEPARATOR_ISOLATED, SEPARATOR_REMOVED, SEPARATOR_WITH_PREVIOUS, SEPARATOR_WITH_NEXT } split_separator;

typedef enum { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS } split_prepend;

typedef struct {
    split_kind kind;
    unsigned digits;
    const char *text;
    size_t bytes;
    split_separator separator;
    split_prepend prepend;
} split_step;

/** Receives a word, gone after the call. */
typedef void (*split_word_fn)(void *user, const char *word, size_t bytes);

/** What the regular expression of a Split pre-tokeniser cuts; false if it is none of those that are known. */
bool split_of_pattern(const char *pattern, split_step *out);

/** Cuts well-formed UTF-8 by the steps, each cutting what those before it left. `first`: nothing of the text stands
 *  before. Buffers that steps need come from `scratch`. */
void split_text(const split_step *steps, size_t count, arena *scratch, const char *text, size_t bytes, bool first,
                split_word_fn word, void *user);

#endif
