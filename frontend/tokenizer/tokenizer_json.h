/* Hugging Face's tokenizer.json, as far as it describes a BERT tokeniser. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_JSON_H
#define DTQ_TOKENIZER_JSON_H

#include "frontend/frontend.h"

typedef struct {
    const char *text;
    uint32_t id;
    src_loc loc; /* of the id */
} json_token;

typedef struct {
    bool lower_case;
    bool accents_said; /* the file says whether accents go; else they go with the case */
    bool strip_accents;
    bool split_ideographs;
    size_t count;
    json_token *tokens; /* ascending by id, which may leave gaps; no text and no id twice */
} tokenizer_json;

/** Reads a tokenizer.json whose model is WordPiece with the prefix "##", whose normaliser and pre-tokeniser are BERT's,
 *  whose post-processor, if there is one, makes BERT's frame of [CLS] and [SEP], and whose added tokens are BERT's
 *  special tokens. `truncation`, `padding` and `decoder` are passed over: whoever encodes says how long. False after an
 *  error that says what stands there and what would be right. */
bool tokenizer_json_load(arena *a, diag *d, const char *path, tokenizer_json *out);

#endif
