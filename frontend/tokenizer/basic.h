/* BERT's basic tokeniser: text to normalised words. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_BASIC_H
#define DTQ_TOKENIZER_BASIC_H

#include <stdbool.h>
#include <stddef.h>

/** Words longer than this many characters are never looked up: the whole word is [UNK]. */
enum { BASIC_WORD_CHARACTERS = 100 };

/** Receives a word: UTF-8, `bytes` long, not NUL-terminated, gone after the call. A word of more than
 *  BASIC_WORD_CHARACTERS characters comes as NULL. */
typedef void (*basic_word_fn)(void *user, const char *word, size_t bytes);

/** What is done to characters. BERT's uncased models do all three, its cased ones only set ideographs apart. */
typedef struct {
    bool lower_case, strip_accents, split_ideographs;
} basic_rules;

/** Splits `text` into words as BERT's BasicTokenizer does, in this order: drops U+0000, U+FFFD and control characters
 *  (categories Cc, Cf, Co; but tab, line feed and carriage return are white space); with `split_ideographs` sets
 *  ideographs apart; with `strip_accents` decomposes canonically (NFD) and drops accents (category Mn); with
 *  `lower_case` lower-cases character by character (so a final sigma stays a sigma); cuts at white space; makes each
 *  punctuation character (ASCII 33-47, 58-64, 91-96, 123-126 and categories P*) a word of its own. Unassigned
 *  characters are letters: to most vocabularies an unknown word. Returns `bytes`, or the offset of the first byte that
 *  is not UTF-8; words before it may have been given out. */
size_t basic_words(const char *text, size_t bytes, basic_rules rules, basic_word_fn word, void *user);

#endif
