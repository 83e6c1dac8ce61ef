/* Slot tables as devices of the library tell of them. Private to runtime/. */
#ifndef DTQRT_DEVICE_TABLES_H
#define DTQRT_DEVICE_TABLES_H

#include "runtime/device/device.h"
#include "runtime/exec.h"

/** Table `table` of a layer as `x` has it. */
static inline bool dtq_device_table(const dtq_exec *x, uint32_t layer, uint32_t table, dtq_device_slots *out,
                                    dtq_error *e) {
    if (layer >= x->stream->layer_count || table >= dtq_tables(&x->stream->layers[layer]))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "there is no table %u of layer %u", table, layer);
    const dtq_slots *t = &x->slots[layer];
    const bool ready = t->ready || table < t->chosen;
    *out = (dtq_device_slots){.ids = ready ? dtq_slot_ids(x, layer, table) : NULL};
    for (int o = 0; o < DTQ_OPERANDS; o++)
        out->bits[o] = t->bits[o];
    return true;
}

#endif
