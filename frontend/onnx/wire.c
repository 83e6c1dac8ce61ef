/* Protocol buffers as bytes. Every length is checked against the bytes that are left before anything is looked at.
 * Groups, which end only where their own end tag says, are no fields here: ONNX has none. */
#include "frontend/onnx/wire.h"

#include <stddef.h>

bool wire_varint(wire *w, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

/** `count` bytes, least significant first. */
static bool read_fixed(wire *w, unsigned count, uint64_t *out) {
    if (wire_left(w) < count)
        return false;
    *out = 0;
    for (unsigned i = 0; i < count; i++)
        *out |= (uint64_t)w->at[i] << (8 * i);
    w->at += count;
    return true;
}

static bool read_bytes(wire *w, wire *out) {
    uint64_t length;
    if (!wire_varint(w, &length) || length > wire_left(w))
        return false;
    *out = (wire){w->at, w->at + length};
    w->at += length;
    return true;
}

bool wire_next(wire *w, wire_field *out) {
    wire rest = *w;
    uint64_t tag;
    *out = (wire_field){0};
    if (wire_done(w) || !wire_varint(&rest, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return false;
    out->field = (uint32_t)(tag >> 3);
    out->type = (wire_type)(tag & 7);
    bool ok = false;
    if (out->type == WIRE_VARINT)
        ok = wire_varint(&rest, &out->number);
    else if (out->type == WIRE_BYTES)
        ok = read_bytes(&rest, &out->bytes);
    else if (out->type == WIRE_FIXED32 || out->type == WIRE_FIXED64)
        ok = read_fixed(&rest, out->type == WIRE_FIXED32 ? 4 : 8, &out->number);
    if (ok)
        *w = rest;
    return ok;
}
