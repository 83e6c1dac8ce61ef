/* A model as read from any of its formats, before a graph of one length is built from it. Private to the frontend. */
#ifndef DTQ_FRONTEND_MODEL_H
#define DTQ_FRONTEND_MODEL_H

#include "frontend/frontend.h"

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
#define POOLING_WORDS    "none|mean|first|last"
#define IMPORTANCE_WORDS "mean|sum"
typedef enum { NORM_POST, NORM_PRE } norm_placement;
typedef enum { POOLING_NONE, POOLING_MEAN, POOLING_FIRST, POOLING_LAST } pooling_kind;

/** A stack of equal transformer blocks between learned embeddings and an optional pooling. BERT is post-norm: the sum
 * of a block's input and output is normalised, so are the embeddings. GPT-2 is pre-norm and causal: a block's input is
 *  normalised, and the last block's output. */
typedef struct {
    uint32_t layers, hidden, heads, kv_heads, ffn;
    uint32_t activation, norm, pooling, importance; /* words above */
    double norm_epsilon;
    bool causal, normalize, qkv_bias, linear_bias;
    uint32_t positions, vocabulary, types; /* rows of the embedding tables; types 0: there is none */
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
    const char *vocabulary; /* file, or NULL */
    bool lower_case;
    ir_tensor *tensors; /* of a transformer: all of its weights, found and checked */
    size_t tensor_count;
};

/** What a description that says nothing else gets. */
transformer transformer_defaults(void);
/** Fills what follows from other members (kv_heads, ffn) and checks what they say together. */
bool transformer_check(diag *d, src_loc loc, transformer *t);
/** Appends the transformer's ops; `m->header` is set. */
void transformer_build(const model *from, ir_module *m, const char *arithmetic, bool cluster);

/** Sets the attributes that every attention op has; `op` has its three operands. */
void attention_describe(ir_module *m, size_t op, uint32_t index, uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                        bool causal, uint32_t importance, bool cluster);

/* ---- weights (weights.c) ----------------------------------------------------------------------------------------- */

typedef enum {
#define WEIGHT(role, place, name, bert, rows, cols, fill, needed) WEIGHT_##role,
#include "frontend/weights.def"
    WEIGHT_ROLES
} weight_role;

/** Name of a weight in the tensor table, or NULL if the model has no such weight. `layer` counts for block weights. */
const char *weight_name(arena *a, const transformer *t, weight_role role, uint32_t layer);
/** Seeded numbers for all weights: the same seed gives the same model everywhere. */
void weights_synthetic(arena *a, model *m, uint64_t seed);
/** Finds all weights in a safetensors file: by dtqc's own names (weights.def), which every transformer has, or, of a
 *  post-norm model, by those of the BERT family. `prefix`: what its names begin with, or NULL to find out ("" or
 *  "bert."). */
bool weights_safetensors(arena *a, diag *d, model *m, const char *path, const char *prefix);

/* ---- formats ----------------------------------------------------------------------------------------------------- */

model *model_from_yaml(arena *a, diag *d, const char *path);
model *model_from_directory(arena *a, diag *d, const char *path);
model *model_from_onnx(arena *a, diag *d, const char *path);
/** What a Hugging Face directory says beside config.json and weights: pooling, normalisation and vocabulary. */
bool model_read_surroundings(arena *a, diag *d, const char *directory, model *m);

#endif
