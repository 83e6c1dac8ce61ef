/* Hugging Face's config.json. Private to the frontend. */
#ifndef DTQ_FRONTEND_HUGGINGFACE_H
#define DTQ_FRONTEND_HUGGINGFACE_H

#include "frontend/files/document.h"
#include "frontend/models/model.h"

/** Reads a config.json of the model type bert, distilbert, roberta, gpt2, llama, mistral or qwen2: the transformer, and
 * whose names its weights have. False after an error, also for what would make the model another than is built from it.
 */
bool huggingface_config(arena *a, diag *d, const doc_node *root, transformer *out, weight_family *family);
/** Reads what sentence-transformers puts behind the transformer in `directory`: pooling and normalisation. `t->hidden`
 * is set. False after an error, also for what cannot be computed. */
bool sentence_modules_read(arena *a, diag *d, const char *directory, src_loc loc, transformer *t);

#endif
