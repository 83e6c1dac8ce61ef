/* Hugging Face's tokenizer.json. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_JSON_H
#define DTQ_TOKENIZER_JSON_H

#include "frontend/files/document.h"
#include "frontend/tokenizer/bert_rules.h"
#include "frontend/tokenizer/tokenizer.h"
#include "frontend/tokenizer/tokenizers.h"

typedef struct {
    bool lower_case;
    bool accents_said; /* the file says whether accents go; else they go with the case */
    bool strip_accents;
    bool split_ideographs;
    size_t count;
    listed_token *tokens; /* ascending by id, which may leave gaps; no text and no id twice */
    size_t added_count;
    found_token *added; /* but for BERT's special tokens */
} wordpiece_json;

/** Reads a tokenizer.json whose model is WordPiece with the prefix "##", whose normaliser and pre-tokeniser are BERT's,
 *  whose post-processor, if there is one, makes BERT's frame of [CLS] and [SEP]. `truncation`, `padding` and `decoder`
 * are passed over: whoever encodes says how long. False after an error that says what stands there and what would be
 * right. */
bool json_wordpiece(arena *a, diag *d, const doc_node *root, wordpiece_json *out);

/** Reads a tokenizer.json whose model is BPE. False after an error that names the part that cannot be had. */
bool json_bpe(arena *a, diag *d, const doc_node *root, tokenizer *out);

/** Reads a tokenizer.json whose model is Unigram, likewise. */
bool json_unigram(arena *a, diag *d, const doc_node *root, tokenizer *out);

/* What models of pieces share (json_tokens.c). */
/** A part of the file that must be there and be of a kind; else NULL and an error that calls it `what`. */
const doc_node *json_need(diag *d, const doc_node *mapping, const char *key, const char *what, doc_kind kind);
/** The table of the model's tokens [count], behind which there is room, and of those in `added` (or NULL). */
bool json_tokens(arena *a, diag *d, listed_token *tokens, size_t count, const doc_node *added, tokenizer *out);
/** Added tokens, found in texts from now on. */
bool json_added(arena *a, diag *d, const doc_node *added, tokenizer *out);
/** Without a tokenizer_config.json the frame says which tokens begin and end a text. */
void json_frame_roles(tokenizer *t);
/** Whether the tokens of the frame are there. */
bool json_frame_check(diag *d, const doc_node *root, const tokenizer *t);

/* The parts of a tokenizer.json (json_parts.c); a part that is missing or null does nothing. */
bool json_normalizer(diag *d, const doc_node *root, text_rules *out);
bool json_pre_tokenizer(diag *d, const doc_node *root, text_rules *out);
bool json_decoder(diag *d, const doc_node *root, text_rules *out);
bool json_post_processor(diag *d, const doc_node *root, text_rules *out);

/** An id as it stands in JSON. */
bool json_id(diag *d, const doc_node *n, const char *what, uint32_t *id);

#endif
