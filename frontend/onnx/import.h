/* ONNX models from memory: what files, tests and the fuzzer have in common. */
#ifndef DTQ_FRONTEND_ONNX_IMPORT_H
#define DTQ_FRONTEND_ONNX_IMPORT_H

#include "frontend/models/models.h"

/** The model in these bytes, which are a file's: weights are named by their places in it, not copied. Nothing around
 * the file is looked at but files of weights. NULL after an error. */
model *model_from_onnx_bytes(arena *a, diag *d, const char *path, const uint8_t *data, uint64_t bytes);

#endif
