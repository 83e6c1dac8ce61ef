/* What the readers of an ONNX file share. Private to frontend/onnx. */
#ifndef DTQ_FRONTEND_ONNX_READER_H
#define DTQ_FRONTEND_ONNX_READER_H

#include "frontend/onnx/graph.h"

typedef struct {
    arena *a;
    diag *d;
    src_loc whole;
    const uint8_t *data;
    uint64_t bytes;
} onnx_reader;

/** Text of a field, up to its first NUL; "" of what is no text. */
const char *reader_text(onnx_reader *r, wire bytes);
/** An error if `w` stopped before its end: `what` is malformed. */
bool reader_ended(onnx_reader *r, const wire *w, const char *what);
/** Reads a TensorProto. */
bool reader_tensor(onnx_reader *r, wire w, onnx_tensor *t);

#endif
