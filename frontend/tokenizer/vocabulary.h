/* What all sources of a WordPiece vocabulary share. Private to the frontend. */
#ifndef DTQ_TOKENIZER_VOCABULARY_H
#define DTQ_TOKENIZER_VOCABULARY_H

/** The largest vocab.txt or tokenizer.json that is read. */
enum { VOCABULARY_BYTES = 64 << 20 };

/** BERT's special tokens; known by their text, whatever their ids; tokenizer_config.json may name others. [PAD] and
 * [MASK] may be missing. */
enum { PAD, UNK, CLS, SEP, MASK, SPECIALS };

/** What begins a token that continues a word. */
#define CONTINUATION "##"

/** Says, beside the vocabulary, which tokens begin and end a text. */
#define TOKENIZER_CONFIG "tokenizer_config.json"

#endif
