/* Models: from their files to the graph level of the IR. */
#ifndef DTQ_FRONTEND_MODELS_MODELS_H
#define DTQ_FRONTEND_MODELS_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "frontend/tokenizer/tokenizers.h"
#include "ir/ir.h"

typedef struct {
    uint32_t seq;           /* 0: the model's own tokens or positions */
    const char *arithmetic; /* of linears: "fp32", "int8", or "mixed", where those outside of blocks have int8 */
    bool cluster;           /* false: --no-cluster */
    bool last_row;          /* of a model that generates: the output is the last token's row of scores alone */
} model_options;

/** A model as read: everything that does not depend on the length, so that many lengths build from one reading. */
typedef struct model model;
/** Reads a model YAML; a Hugging Face directory (config.json, safetensors in one file or several, a tokeniser) of the
 *  BERT family, GPT-2, Llama, Mistral or Qwen2; an ONNX file (*.onnx) of an encoder of the BERT family or of a decoder
 * like GPT-2 or Llama; a GGUF file
 *  (*.gguf) of the architecture llama or qwen2; or a llama2.c checkpoint (*.bin). NULL after an error. */
model *model_load(arena *a, diag *d, const char *path);
/** Writes a line for each node of an ONNX graph: what model_load makes of it, or why nothing. False if the path is no
 *  ONNX file's. Of a file that is malformed it writes nothing: model_load has the errors. */
bool model_explain(arena *a, const char *path, FILE *out);
const char *model_name(const model *m);
uint32_t model_positions(const model *m); /* longest sequence; for a bare attention its tokens */
bool model_generates(const model *m);     /* causal, with a score for every token of the vocabulary in each row */
/** Tokens that end a text. */
typedef struct {
    size_t count;
    const uint32_t *ids;
} token_ends;
/** Those that generation_config.json or config.json of a directory names; none where neither does, and the tokeniser's
 * holds. False after an error, also if the directory asks for a choice of tokens that `generate` does not make. */
bool model_ends(const model *m, arena *a, diag *d, token_ends *out);
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

/** The tokeniser of a model that names its vocabulary, as tokenizer_load has it. */
tokenizer *model_tokenizer(const model *m, arena *a, diag *d);

#endif
