/* A model as read from any of its formats, before a graph of one length is built from it. Private to the frontend. */
#ifndef DTQ_FRONTEND_MODEL_H
#define DTQ_FRONTEND_MODEL_H

#include "frontend/files/tensor_store.h"
#include "frontend/models/models.h"

enum {
    MODEL_MAX_TOKENS = 65536,
    MODEL_MAX_LAYERS = 4095,
    MODEL_MAX_HEADS = 4095,
    MODEL_MAX_WIDTH = 65536,
    MODEL_MAX_FFN = 1 << 20,
    MODEL_MAX_VOCABULARY = 1 << 24,
};

/* Words of the formats; a member of the same name holds the index. */
#define ACTIVATION_WORDS "gelu|gelu_tanh|relu|silu|tanh"
#define NORM_WORDS       "post|pre"
#define NORM_KIND_WORDS  "layer|rms"
#define POSITION_WORDS   "learned|rotary"
#define PAIRING_WORDS    "halves|adjacent"
#define HEAD_WORDS       "none|tied|own|masked"
#define POOLING_WORDS    "none|mean|first|last"
#define IMPORTANCE_WORDS "mean|sum"
typedef enum {
    ACTIVATION_GELU,
    ACTIVATION_GELU_TANH,
    ACTIVATION_RELU,
    ACTIVATION_SILU,
    ACTIVATION_TANH
} activation_kind;
typedef enum { NORM_POST, NORM_PRE } norm_placement;
typedef enum { NORM_LAYER, NORM_RMS } norm_kind;
typedef enum { POSITION_LEARNED, POSITION_ROTARY } position_kind;
typedef enum { PAIRING_HALVES, PAIRING_ADJACENT } rotary_pairing;
typedef enum { HEAD_NONE, HEAD_TIED, HEAD_OWN, HEAD_MASKED } head_kind; /* MASKED: tied, behind a block of its own */
/** How checkpoints call the classifier: classifier, score, qa_outputs, cls.seq_relationship, or
 *  classifier.out_proj. */
typedef enum { CLASSIFIER_PLAIN, CLASSIFIER_SCORE, CLASSIFIER_SPANS, CLASSIFIER_NEXT, CLASSIFIER_OUT } classifier_name;
typedef enum { POOLING_NONE, POOLING_MEAN, POOLING_FIRST, POOLING_LAST } pooling_kind;

/** A stack of equal transformer blocks behind embeddings. BERT is post-norm: the sum of a block's input and output is
 *  normalised, so are the embeddings. GPT-2 and Llama are pre-norm and causal: a block's input is normalised, and the
 * last block's output. Behind the blocks: nothing, pooling, pooling and a classifier, or scores of all tokens of the
 * vocabulary. */
typedef struct {
    uint32_t layers, hidden, heads, kv_heads, head_dim, ffn;
    uint32_t activation, norm, norm_kind, pooling, importance; /* words above */
    uint32_t position_kind, pairing, head;                     /* words above */
    double norm_epsilon, rotary_base;
    bool causal, normalize;
    bool qkv_bias, output_bias, linear_bias; /* of projections, of attention's output, of the FFN */
    bool head_norm;                          /* each head's query and key are divided by their root mean squares */
    bool gated;                              /* FFN: down(activation(gate(x)) * up(x)) */
    bool pooler;                             /* a linear and tanh of the pooled row */
    uint32_t positions, vocabulary, types;   /* rows of the embedding tables; types 0: there is none */
    uint32_t classes; /* of a classifier of the pooled row, or without pooling of every row; 0: none */
    bool classifier_bias;
    uint32_t pooler_activation; /* an activation_kind */
    uint32_t first_position;    /* rows of the table of positions above that of a text's first token */
    classifier_name classifier_name;
    const char *frequencies; /* of rotary positions, where they are scaled (runtime/numerics/rotary.h); or NULL */
} transformer;

/** An attention layer alone, between q, k, v and the output. */
typedef struct {
    uint32_t tokens, heads, kv_heads, head_dim, importance;
    bool causal;
} bare_attention;

struct model {
    const char *path, *name;
    src_loc loc; /* of the description: where ops come from */
    bool bare;   /* attention, not transformer, is filled */
    bare_attention attention;
    transformer transformer;
    uint32_t tokens;        /* default length; 0: all positions */
    const char *vocabulary; /* file that tokenizer_load reads, or NULL */
    bool lower_case;
    ir_tensor *tensors; /* of a transformer: all of its weights, found and checked */
    size_t tensor_count;
};

/** What a description that says nothing else gets. */
transformer transformer_defaults(void);
/** Fills what follows from other members (kv_heads, head_dim, ffn) and checks what they say together. */
bool transformer_check(diag *d, src_loc loc, transformer *t);
/** Appends the transformer's ops; `m->header` is set. */
void transformer_build(const model *from, ir_module *m, const model_options *o);

/** Sets the attributes that every attention op has; `op` has its three operands. */
void attention_describe(ir_module *m, size_t op, uint32_t index, uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                        bool causal, uint32_t importance, bool cluster);

/* ---- weights (weights.c) ----------------------------------------------------------------------------------------- */

typedef enum {
#define WEIGHT(role, ...) WEIGHT_##role,
#include "frontend/models/weights.def"
    WEIGHT_ROLES
} weight_role;

/** Name of a weight in the tensor table, or NULL if the model has no such weight. `layer` counts for block weights. */
const char *weight_name(arena *a, const transformer *t, weight_role role, uint32_t layer);
/** Rows and columns of a weight, as [outputs][inputs]. */
void weight_shape(const transformer *t, weight_role role, uint32_t *rows, uint32_t *cols);
/** True for a weight that is in each layer. */
bool weight_in_block(weight_role role);
/** Seeded numbers for all weights: the same seed gives the same model everywhere. */
void weights_synthetic(arena *a, model *m, uint64_t seed);

/** Whose names the tensors of a file have. */
typedef enum {
    FAMILY_OWN,
    FAMILY_BERT,
    FAMILY_GPT2,
    FAMILY_LLAMA,
    FAMILY_GGUF,
    FAMILY_ROBERTA,
    FAMILY_DISTILBERT,
    FAMILIES
} weight_family;
/** Finds all weights among the tensors of a file or more. `family` FAMILIES: find out. `prefix`: what the names begin
 *  with, or NULL to find out. */
bool weights_find(arena *a, diag *d, model *m, const tensor_store *from, weight_family family, const char *prefix);

/* ---- formats ----------------------------------------------------------------------------------------------------- */

model *model_from_yaml(arena *a, diag *d, const char *path);
model *model_from_directory(arena *a, diag *d, const char *path);
model *model_from_onnx(arena *a, diag *d, const char *path);
bool model_is_onnx(const char *path);
/** The ONNX file in a directory whose weights it is, as exporters lay it beside a config.json; NULL where the directory
 * has none, or safetensors. */
const char *model_directory_graph(arena *a, const char *path);
/** A directory's own name: it is what the user called the model. */
const char *model_directory_name(arena *a, const char *path);
model *model_from_gguf(arena *a, diag *d, const char *path);
model *model_from_llama2c(arena *a, diag *d, const char *path);
/** The same of a file's bytes in memory. */
model *model_from_llama2c_bytes(arena *a, diag *d, const char *path, const uint8_t *data, uint64_t bytes);
/** Sets the stamp (file_map) of the weights that lie in the model's own file. */
void model_stamp(model *m, uint64_t stamp);
/** What a Hugging Face directory says beside config.json and weights: pooling, normalisation and vocabulary. */
bool model_read_surroundings(arena *a, diag *d, const char *directory, model *m);

#endif
