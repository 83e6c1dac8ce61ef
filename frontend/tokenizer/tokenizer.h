/* What a tokeniser is made of, whatever files it came from. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_TOKENIZER_H
#define DTQ_TOKENIZER_TOKENIZER_H

#include "frontend/files/document.h"
#include "frontend/tokenizer/added.h"
#include "frontend/tokenizer/bpe.h"
#include "frontend/tokenizer/decode.h"
#include "frontend/tokenizer/frame.h"
#include "frontend/tokenizer/normal.h"
#include "frontend/tokenizer/split.h"
#include "frontend/tokenizer/token_table.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/unigram.h"

enum { MOST_STEPS = 16 };

/** What happens to a text before and after its words are looked up. */
typedef struct {
    size_t normal_count, split_count, decode_count;
    normal_step normal[MOST_STEPS];
    split_step split[MOST_STEPS];
    decode_step decode[MOST_STEPS];
    arena *arena;        /* where what the steps refer to lives */
    bool byte_level;     /* the vocabulary spells bytes as characters */
    const char *between; /* decoded tokens */
    frames frames;
} text_rules;

struct tokenizer {
    const token_table *tokens;
    bool *special; /* [tokens->count] by place: control tokens, which stand for no text */
    uint32_t roles[TOKEN_ROLES];
    text_rules rules;
    wordpiece *words; /* or NULL */
    unigram *pieces;  /* or NULL; neither: byte pairs */
    bpe bpe;
    added_token *added;
    size_t added_count;
    added_set raw, normalized; /* of added tokens, by the text that they are found in */
    uint32_t limit;            /* most ids that texts are cut to, as the model's files say; 0: nothing is said */
    const char *prompt;        /* put before every text, or NULL */
};

/** A tokeniser of byte pairs without tokens; to be filled in. */
tokenizer *tokenizer_new(arena *a);
/** The table, ready for bpe_merges_*; tokens are ascending by id. */
void tokenizer_set_tokens(tokenizer *t, arena *a, const listed_token *tokens, size_t count);
/** Finds `place` in texts as it stands from now on; `text` is what stands there. Added tokens of more than ADDED_BYTES
 *  are an error at `loc`. `t->added` has room for it. */
bool tokenizer_add(tokenizer *t, arena *a, diag *d, src_loc loc, added_token token, const char *text, size_t bytes);
/** The merge of two texts, each of which must be a token, and joined too; else an error at `loc`. */
bool tokenizer_read_merge(const tokenizer *t, diag *d, src_loc loc, token_string left, token_string right,
                          bpe_merge *out);
/** The rules of sentencepiece's decoders: U+2581 is a space, tokens <0xXX> are bytes, the first space goes. */
void tokenizer_decode_pieces(text_rules *r);

/** Texts are lower-cased first of all, character by character, if the rules do not do so anyway. */
void tokenizer_lower_case(tokenizer *t);

/* Readers of files: NULL after an error. */
/** A tokenizer.json, or a vocab.json with the merges beside it; parsed. */
tokenizer *json_load(arena *a, diag *d, const doc_node *root, bool lower_case);
/** GPT-2's vocab.json, parsed, and the text of its merges, with the name that messages give it. */
tokenizer *gpt2_load(arena *a, diag *d, const doc_node *root, const char *name, const char *merges, size_t bytes);
/** llama2.c's tokenizer.bin. */
tokenizer *llama2c_load(arena *a, diag *d, const char *name, const unsigned char *data, size_t bytes);
/** What the metadata of a GGUF file describe; of the file it keeps nothing. */
tokenizer *gguf_tokenizer_load(arena *a, diag *d, const char *path);
/** What the tokenizer_config.json beside `path` says of the tokens that begin, end and pad texts; nothing if it is not
 *  there. `config`, unless it is NULL, gets the file. */
bool tokenizer_read_config(tokenizer *t, arena *a, diag *d, const char *path, const doc_node **config);

/* WordPiece as one model among others (wordpiece.c). */
wordpiece *wordpiece_from_json(arena *a, diag *d, const doc_node *root, bool lower_case);
const token_table *wordpiece_tokens(const wordpiece *w);
void wordpiece_lower_case(wordpiece *w);
const frames *wordpiece_frames(const wordpiece *w);
/** Ids of the special tokens, and whether a place is one. */
uint32_t wordpiece_special(const wordpiece *w, token_role role);
bool wordpiece_is_special(const wordpiece *w, uint32_t place);
/** Appends the ids of a text without a frame; `literal` finds no special tokens in it. */
void wordpiece_text(const wordpiece *w, const char *text, size_t bytes, bool literal, id_list *out);

/** Whether the text is UTF-8 and not too long; else an error that calls it `what`. */
bool text_check(diag *d, const char *what, const char *text, size_t bytes);

#endif
