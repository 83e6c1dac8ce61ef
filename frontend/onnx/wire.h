/* Protocol buffers as bytes: fields one after the other, nothing copied, nothing nested followed by itself. */
#ifndef DTQ_FRONTEND_ONNX_WIRE_H
#define DTQ_FRONTEND_ONNX_WIRE_H

#include <stdbool.h>
#include <stdint.h>

/** Bytes of a message that are still to be read, inside a file that outlives them. */
typedef struct {
    const uint8_t *at, *end;
} wire;

typedef enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 } wire_type;

/** A field: `number` of VARINT, FIXED32 and FIXED64; `bytes` of BYTES, which may be a message. */
typedef struct {
    uint32_t field;
    wire_type type;
    uint64_t number;
    wire bytes;
} wire_field;

/** Reads the next field. False at the end and at what is no field; wire_done tells which. */
bool wire_next(wire *w, wire_field *out);
/** Reads a varint of at most ten bytes. */
bool wire_varint(wire *w, uint64_t *out);
/** True if everything was read. */
static inline bool wire_done(const wire *w) {
    return w->at == w->end;
}
static inline uint64_t wire_left(const wire *w) {
    return (uint64_t)(w->end - w->at);
}

#endif
