/* From files to the graph level of the IR: models, targets, policies, tensors and text. Reports every error with its
 * place and what would be right. */
#ifndef DTQ_FRONTEND_H
#define DTQ_FRONTEND_H

#include "ir/ir.h"
#include "runtime/file.h"
#include "runtime/machine_members.h"
#include "runtime/streamed.h"
#include "runtime/systems/systems.h"

/* ---- documents: YAML and JSON with locations (frontend/files/document.c, on libfyaml's events)
 * ------------------------ */

typedef enum { DOC_SCALAR, DOC_SEQUENCE, DOC_MAPPING } doc_kind;

/** A node of a parsed YAML or JSON file; lives in the arena. */
typedef struct doc_node {
    doc_kind kind;
    src_loc loc;
    bool quoted;      /* scalar written in quotes: never a number, bool or null */
    const char *text; /* scalar */
    size_t count;     /* children: items, or values of a mapping */
    struct doc_node **items;
    const char **keys; /* of a mapping */
    src_loc *key_locs;
} doc_node;

/** Parses a file of at most `limit` bytes (0: 16 MiB). Aliases and duplicate keys are errors. NULL after an error. */
doc_node *doc_load(arena *a, diag *d, const char *path, size_t limit);
doc_node *doc_parse(arena *a, diag *d, const char *name, const char *text, size_t bytes, bool json);
/** The value of `key`, or NULL. */
doc_node *doc_find(const doc_node *mapping, const char *key);
/** Typed reads; false after an error that names the value and what would be right. */
bool doc_int(diag *d, const doc_node *n, const char *what, int64_t lo, int64_t hi, int64_t *out);
bool doc_real(diag *d, const doc_node *n, const char *what, double lo, double hi, double *out);
bool doc_bool(diag *d, const doc_node *n, const char *what, bool *out);
bool doc_string(diag *d, const doc_node *n, const char *what, const char **out);
/** Index of the scalar among `words` ("a|b|c"), with a did-you-mean. */
bool doc_word(diag *d, const doc_node *n, const char *what, const char *words, int *out);
/** Errors for every key of the mapping that is not among `keys`, with a did-you-mean. */
bool doc_keys(diag *d, const doc_node *mapping, const char *what, const char *const *keys, size_t count);

/* ---- files ------------------------------------------------------------------------------------------------------- */

/** Reads a whole regular file into the arena (NUL added); NULL after an error. */
char *file_read(arena *a, diag *d, const char *path, size_t limit, size_t *bytes);

/** Maps a regular file to read it; an empty one is no bytes at NULL. *stamp, if not NULL, is what it had then of
 *  dtq_file_describe's numbers. False after an error. */
bool file_map(diag *d, const char *path, const uint8_t **data, uint64_t *bytes, uint64_t *stamp);
void file_unmap(const uint8_t *data, uint64_t bytes);

/** A file that is whole or is not there, by a dtq_writer: put in its place by file_commit. */
typedef struct {
    FILE *out;
    dtq_writer file;
} file_writer;
bool file_begin(file_writer *w, diag *d, const char *path);
bool file_commit(file_writer *w, diag *d); /* the first write that failed is told */
void file_abandon(file_writer *w);

/* ---- safetensors (frontend/files/safetensors.c) ---------------------------------------------------------------------
 */

typedef struct {
    const char *name, *dtype; /* "F32", "F16", "BF16", "U64", "I64" … */
    uint32_t rank;
    uint64_t shape[8];
    uint64_t offset, bytes; /* from the start of the file */
} st_tensor;

typedef struct {
    const char *path;
    const uint8_t *data;   /* the whole file */
    uint64_t bytes, stamp; /* stamp: as of file_map; 0: in memory */
    bool mapped;           /* by safetensors_open */
    size_t count;
    st_tensor *tensors; /* ascending by name */
} safetensors;

/** Maps a file and checks its header: sizes, overlaps, dtypes, shapes; hostile headers are errors. NULL after an error.
 */
safetensors *safetensors_open(arena *a, diag *d, const char *path);
/** The same for a file's bytes in memory, which stay the caller's; `name` stands in messages. */
safetensors *safetensors_parse(arena *a, diag *d, const char *name, const uint8_t *data, uint64_t bytes);
void safetensors_close(safetensors *s);
const st_tensor *safetensors_find(const safetensors *s, const char *name);

typedef struct {
    const char *name, *dtype;
    uint32_t rank;
    uint64_t shape[8];
    const void *data;
    uint64_t bytes;
} st_output;
/** Writes a file of these tensors, whole or not at all. */
bool safetensors_write(diag *d, const char *path, const st_output *tensors, size_t count);

/* ---- targets, policies, models ---------------------------------------------------------------------------------- */

/** A kind of target: the word behind `kind:`, its parameters, and where they are read to: a struct at its defaults. */
typedef struct {
    const char *name;
    const dtq_machine_param *params;
    size_t param_count;
    void *out;
} target_kind;
/** Reads a target file of any of these kinds; *kind says which, and the name goes to the arena. What a file says
 * wrongly of its kind is answered by `kinds_hint`, "kind must be …". */
bool target_read(arena *a, diag *d, const char *path, const target_kind *kinds, size_t kind_count,
                 const char *kinds_hint, size_t *kind, const char **name);
/** Writes the YAML of a target of that kind, which target_read reads back. */
void target_write(const target_kind *k, const char *name, FILE *out);

/** A target: a machine that programs are made for, or a system that computes attention in a way of its own. */
typedef struct {
    const char *name, *kind; /* kind: "vssa", "systolic", or a row of runtime/systems/systems.def */
    bool is_machine;         /* vssa or systolic: `machine` holds, else `params` of `system` */
    bool cluster;            /* vssa alone: tokens of one precision stand together */
    dtq_machine machine;     /* of a system: the default one, with the system's name and clock */
    dtq_system_kind system;
    dtq_system_params params;
} any_target;
/** Reads a target file of any kind: every key of runtime/machine.def or of the system's table, by its section; missing
 *  ones get their defaults. */
bool target_load(arena *a, diag *d, const char *path, any_target *out);
/** Writes all of its parameters, with units and docs as comments, as YAML that target_load reads back. */
void target_print(const any_target *t, FILE *out);

typedef struct {
    src_loc loc;
    enum { POLICY_RATIOS, POLICY_COUNTS, POLICY_BITS } kind;
    double ratios[3]; /* 0, 4, 8 bits */
    uint32_t counts[3];
    uint8_t *bits; /* [bit_count], each 0, 4 or 8 */
    size_t bit_count;
    int64_t *pinned; /* ids, or from the end: -1 is the last token; each once, ascending */
    size_t pinned_count;
} policy_layer;

typedef struct {
    const char *path, *name;
    size_t layer_count; /* rows of `layers`; 0 if only `all` */
    policy_layer *layers;
    policy_layer *all;   /* one line for all layers alike, or NULL */
    src_loc loc;         /* of `layers` or `all` */
    bool prune_keys;     /* pruned tokens stay as queries */
    uint32_t queries;    /* 0, or for a cache: the last so many tokens (at most all) are the queries */
    bool importance_set; /* the file says which rule; else the model's own holds */
    src_loc importance_loc;
    int importance;          /* which: a dtq_importance_rule, with the seed of a random one */
    dtq_streaming streaming; /* of `streamed`: but `kept`, which each layer says */
    dtq_scheme scheme;       /* the arithmetic; if not `mixed`, `all` has all tokens at 8 bits */
    src_loc scheme_loc;
} policy;

/** Whether each layer chooses its keys by its own probe (dtq_probes). */
bool policy_probes(const policy *p);
/** Whether its layers choose block by block (dtq_streams). */
bool policy_streams(const policy *p);
policy *policy_load(arena *a, diag *d, const char *path);
/** All tokens at `bits`; with 8 the policy that applies without a file. */
policy *policy_uniform(arena *a, unsigned bits);
/** A copy of the policy in which every layer pins the last `count` tokens, too; but not layers by token_bits,
 *  nor any of `streamed`, where all tokens stay queries. */
policy *policy_pin_last(arena *a, const policy *p, uint32_t count);
/** Attaches the policy to the attention ops of a graph module (attributes ratios, counts, token_bits, pinned, prune,
 * queries). Layer 0 of a model with more than a bare attention runs all 8-bit unless it has explicit token_bits. */
bool policy_apply(const policy *p, ir_module *m, diag *d);

typedef struct {
    uint32_t seq;           /* 0: the model's own tokens or positions */
    const char *arithmetic; /* of linears: "fp32", "int8", or "mixed", where those outside of blocks have int8 */
    bool cluster;           /* false: --no-cluster */
    bool last_row;          /* of a model that generates: the output is the last token's row of scores alone */
} model_options;

/** A model as read: everything that does not depend on the length, so that many lengths build from one reading. */
typedef struct model model;
/** Reads a model YAML; a Hugging Face directory (config.json, safetensors in one file or several, a tokeniser) of the
 *  BERT family, GPT-2, Llama, Mistral or Qwen2; an ONNX file (*.onnx) of an encoder of the BERT family; a GGUF file
 *  (*.gguf) of the architecture llama or qwen2; or a llama2.c checkpoint (*.bin). NULL after an error. */
model *model_load(arena *a, diag *d, const char *path);
/** Writes a line for each node of an ONNX graph: what model_load makes of it, or why nothing. False if the path is no
 *  ONNX file's. Of a file that is malformed it writes nothing: model_load has the errors. */
bool model_explain(arena *a, const char *path, FILE *out);
const char *model_name(const model *m);
uint32_t model_positions(const model *m);     /* longest sequence; for a bare attention its tokens */
bool model_generates(const model *m);         /* causal, with a score for every token of the vocabulary in each row */
bool model_is_attention(const model *m);      /* bare attention problem: input q, k, v */
const char *model_vocabulary(const model *m); /* path that tokenizer_load reads, or NULL */
bool model_lower_case(const model *m);
/** Has the graphs built from `m`, which was loaded into `a`, balance the channels of queries and keys by the constants
 * of a file that `dtqc calibrate` wrote for this model (passes/balance_qk.c). False after an error. */
bool model_balance(model *m, arena *a, diag *d, const char *path);
/** What calibration saw of one layer: of each channel of a key/value head [kv_heads * head_dim] the mean, the least and
 *  the largest key, and the largest magnitude of the queries of its heads. */
typedef struct {
    size_t width;
    const double *mean;
    const float *least, *largest, *query;
} balance_range;
/** Writes the constants of all layers for model_balance, whole or not at all; q of a layer is `heads` heads wide. */
bool balance_write(arena *a, diag *d, const char *path, const balance_range *layers, size_t count, uint32_t heads,
                   uint32_t kv_heads);
/** Builds the graph module for one length; ops carry locations in the model's file. NULL after an error. */
ir_module *model_build(const model *m, arena *a, diag *d, const model_options *o);

/* ---- text (frontend/tokenizer/) ---------------------------------------------------------------------------------- */

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
 *  - tokenizer.json (Hugging Face): WordPiece of the BERT family, or byte pairs: over bytes (GPT-2, Llama 3, Qwen,
 *    SmolLM), or over characters with bytes to fall back to (Llama 2). Parts that are not known are errors at their
 *    place. tokenizer_config.json beside it says which tokens begin and end a text.
 *  - vocab.txt: WordPiece.
 *  - vocab.json with merges.txt (or encoder.json with vocab.bpe): GPT-2, with tokenizer_config.json.
 *  - tokenizer.bin (any *.bin): llama2.c.
 *  - a model in a file (*.gguf): what its metadata say.
 *
 *  `o` may be NULL: lower case as BERT's uncased models. The tokeniser lives in the arena and may be used by several
 *  threads at once. NULL after an error. */
tokenizer *tokenizer_load(arena *a, diag *d, const char *path, const tokenizer_settings *o);
/** The files that decide what tokenizer_load makes of `path`: those that it reads, as far as they are there. */
enum { TOKENIZER_FILES = 3 };
size_t tokenizer_files(arena *a, const char *path, const char *files[TOKENIZER_FILES]);
/** The same of a model that names its vocabulary. */
tokenizer *model_tokenizer(const model *m, arena *a, diag *d);

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
    const char *pre;   /* how "gpt2" cuts words (tokenizer.ggml.pre): gpt-2, smollm, llama-bpe, qwen2 and their kin */
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
    bool bare;         /* without the frame that the model puts around texts ([CLS] and [SEP], <s>) */
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
