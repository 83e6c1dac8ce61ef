/* Tokenisers: text to ids and back, by a model's own files. */
#ifndef DTQ_FRONTEND_TOKENIZER_TOKENIZERS_H
#define DTQ_FRONTEND_TOKENIZER_TOKENIZERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"

typedef struct tokenizer tokenizer;

/** An id that no token has. */
#define TOKEN_NONE UINT32_MAX

/** Bytes, which may hold NULs. */
typedef struct {
    const char *text;
    size_t bytes;
} token_string;

typedef struct {
    bool lower_case; /* of a BERT vocabulary; others have their own rules */
} tokenizer_settings;

/** Loads the tokeniser of a model's own files. A directory's is the first of these that it holds, a file's is known by
 *  its name and what is in it:
 *
 *  - tokenizer.json (Hugging Face): WordPiece of the BERT family; byte pairs: over bytes (GPT-2, Llama 3, Qwen,
 *    SmolLM), or over characters with bytes to fall back to (Llama 2); or Unigram (XLM-R). Parts that are not known are
 *    errors at their place. tokenizer_config.json beside it says which tokens begin and end a text.
 *  - vocab.txt: WordPiece.
 *  - vocab.json with merges.txt (or encoder.json with vocab.bpe): GPT-2, with tokenizer_config.json.
 *  - tokenizer.bin (any *.bin): llama2.c.
 *  - a model in a file (*.gguf): what its metadata say.
 *
 *  `o` may be NULL: lower case as BERT's uncased models. The tokeniser lives in the arena and may be used by several
 *  threads at once. NULL after an error. */
tokenizer *tokenizer_load(arena *a, diag *d, const char *path, const tokenizer_settings *o);
/** The files that decide what tokenizer_load makes of `path`: those that it reads, as far as they are there. */
enum { TOKENIZER_FILES = 16 };
size_t tokenizer_files(arena *a, const char *path, const char *files[TOKENIZER_FILES]);
/** The most ids that texts for a model of so many positions are cut to: fewer where the files say so (max_seq_length).
 */
size_t tokenizer_limit(const tokenizer *t, size_t positions);

/** Kinds of tokens, numbered as sentencepiece and GGUF do. */
typedef enum {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED,
    TOKEN_BYTE
} token_type;

/** A vocabulary as GGUF holds it, in arrays; ids are their indices. Everything stays the caller's. */
typedef struct {
    src_loc loc;       /* where messages point */
    const char *model; /* "gpt2": byte pairs over bytes by `merges`; "llama": over characters by `scores` */
    const char *pre;   /* how "gpt2" cuts words (tokenizer.ggml.pre; NULL: default): gpt-2, smollm, llama-bpe, qwen2 and
                          their kin */
    size_t count;
    const token_string *tokens; /* "llama": U+2581 for a space, <0xXX> for bytes */
    const float *scores;        /* "llama": the higher, the earlier a merge */
    const int32_t *types;       /* token_type each; NULL: all normal */
    size_t merge_count;
    const token_string *merges;  /* "gpt2": two texts with a space between, best first */
    uint32_t bos, eos, unk, pad; /* ids, or TOKEN_NONE */
    bool add_bos, add_eos;       /* around every text */
    bool add_space_prefix;       /* "llama": before every text */
} token_vocabulary;

/** What holds of a vocabulary of that model where its file says nothing. */
token_vocabulary token_vocabulary_of(const char *name);
/** Sets how a "gpt2" cuts words, and what holds of such vocabularies where the file says nothing. NULL: llama.cpp's
 * default. */
void token_vocabulary_set_pre(token_vocabulary *v, const char *pre);
/** The tokeniser of a vocabulary, of which it keeps nothing; NULL after an error. */
tokenizer *tokenizer_from_vocabulary(arena *a, diag *d, const token_vocabulary *v);

typedef struct {
    size_t count;
    uint32_t *ids;
    uint32_t *segments; /* 1 for the second of a pair, else 0 */
    bool truncated;
} token_list;

typedef struct {
    token_string pair; /* second text, if its `text` is not NULL; an error if the model has no pairs */
    size_t limit;      /* most ids, the frame's included: the longer text is cut first; 0: no limit */
    size_t pad_to;     /* at least so many ids, the last ones [PAD] */
    bool bare;         /* without the frame that the model puts around texts ([CLS] and [SEP], <s>), and its prompt */
    bool literal;      /* control tokens written in the text are text */
} encode_options;

/** The ids of a text: UTF-8 of less than 2 GiB; `o` may be NULL. False after an error. */
bool tokenizer_encode(const tokenizer *t, arena *a, diag *d, const char *text, size_t bytes, const encode_options *o,
                      token_list *out);

typedef struct {
    bool continues; /* the ids follow others: the space that begins a text stays */
    bool control;   /* control tokens are written, not left out */
} decode_options;

/** The text that ids stand for, in the arena, NUL-terminated. Of byte pairs exactly the bytes that were encoded (but
 * for what the model normalises), which are UTF-8 unless ids end within a character; of WordPiece words with spaces
 *  between. Ids without a token stand for nothing. `o` may be NULL. */
token_string tokenizer_decode(const tokenizer *t, arena *a, const uint32_t *ids, size_t count, const decode_options *o);

/** A token as the vocabulary writes it, NUL-terminated; text NULL if no token has the id. */
token_string tokenizer_token(const tokenizer *t, uint32_t id);
/** The id of a token as the vocabulary writes it, or TOKEN_NONE. */
uint32_t tokenizer_find(const tokenizer *t, const char *text, size_t bytes);
/** The highest id and one more: what a model's vocabulary must have at least. */
uint32_t tokenizer_vocabulary(const tokenizer *t);

/** Tokens with a task. BERT's [CLS] begins and its [SEP] ends a text. */
typedef enum { TOKEN_BOS, TOKEN_EOS, TOKEN_UNK, TOKEN_PAD, TOKEN_ROLES } token_role;
/** The id of the token with that task, or TOKEN_NONE. */
uint32_t tokenizer_role(const tokenizer *t, token_role role);

typedef struct wordpiece wordpiece;
/** Loads a vocabulary: a tokenizer.json of a BERT tokeniser if the path ends in .json (ids may have gaps; its rules for
 *  accents and ideographs hold, and accents go with the case where it has none), else a vocab.txt. `lower_case` holds
 *  for both. NULL after an error (no [UNK], [CLS] or [SEP], not UTF-8, duplicates, another kind of tokeniser). */
wordpiece *wordpiece_load(arena *a, diag *d, const char *path, bool lower_case);
/** Tokenises a sentence or a pair as BERT does, truncated to at most `limit` ids (longest sentence first; 0: no limit)
 *  and, if pad_to > count, padded with [PAD]. */
bool wordpiece_encode(const wordpiece *w, arena *a, diag *d, const char *text, const char *pair, size_t limit,
                      size_t pad_to, token_list *out);
const char *wordpiece_token(const wordpiece *w, uint32_t id); /* NULL if no token has it */

#endif
