/* Names of values and what they mean. Private to frontend/onnx. */
#ifndef DTQ_FRONTEND_ONNX_BINDINGS_H
#define DTQ_FRONTEND_ONNX_BINDINGS_H

#include "frontend/onnx/term.h"

typedef struct {
    const char *name; /* NULL: a free slot */
    const term *value;
    size_t node; /* index + 1 of the node that made it; 0: none */
} binding;

typedef struct bindings {
    binding *slots;
    size_t mask;
} bindings;

/** Room for `count` names. */
bindings bindings_new(arena *a, size_t count);
/** The slot of a name: its own, or the free one where it belongs. */
binding *bindings_slot(const bindings *b, const char *name);

#endif
