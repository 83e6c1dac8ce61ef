/* What writing and reading a container share: its sections and the tables of a layer. Private to runtime/isa/. */
#ifndef DTQRT_ISA_CONTAINER_H
#define DTQRT_ISA_CONTAINER_H

#include "runtime/layer.h"

/* Order of the sections in a file: the first five once, the last three for each stream. */
enum { PROGRAM, MACHINE, STRINGS, FILES, TENSORS, STREAM, LAYERS, TEXT, SECTION_KINDS };
/* The first byte of a layer: which tables follow, or what they are. */
enum {
    LAYER_IDS = 1u << DTQ_OPERANDS,              /* ids follow */
    LAYER_ALL_TOKENS = 1u << (DTQ_OPERANDS + 1), /* ids are 0, 1, 2, ... */
    LAYER_ROLES = 1u << (DTQ_OPERANDS + 2),      /* muted, key_only and cached follow, not all of them 0 */
    LAYER_AGAIN = 1u << 7,                       /* the layer before once more; nothing follows */
    LAYER_KNOWN = LAYER_IDS - 1 + LAYER_IDS + LAYER_ALL_TOKENS + LAYER_ROLES
};
enum {
    STREAM_KINDS = SECTION_KINDS - STREAM,
    HEADER_BYTES = 40,
    ENTRY_BYTES = 24,
    CHECKED_FROM = 24, /* the checksum covers what follows it */
    LAYER_BYTES_LEAST = 1
};

/** Whether ids are 0, 1, 2, ... [count]. */
static inline bool counts_up(const uint32_t *ids, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] != i)
            return false;
    return true;
}

#endif
