/* Which instructions a part of a program has: each by what it says itself, synchronisation by its neighbour. */
#include "runtime/isa/part.h"

#include <string.h>

#include "runtime/isa/isa.h"

enum { QUEUES = UINT8_MAX + 1 };

static bool says(const dtq_instr *in, const dtq_program_part *part) {
    const dtq_op_info *op = &dtq_ops[in->op];
    const int layer = dtq_layer_field(in->op);
    if (part->by_layer && (layer < 0 || in->f[layer] < part->first_layer || in->f[layer] > part->last_layer))
        return false;
    for (unsigned i = 0; part->by_head && i < op->field_count; i++)
        if (op->fields[i].kind == DTQ_KIND_HEAD && in->f[i] != part->head)
            return false;
    return !part->by_queue || in->queue == part->queue;
}

void dtq_part_of(const dtq_stream *s, const dtq_program_part *part, bool *has) {
    bool now[QUEUES] = {false};
    for (size_t i = 0; i < s->count; i++) {
        const dtq_instr *in = &s->instrs[i];
        if (in->op == DTQ_OP_SIGNAL)
            has[i] = now[in->queue];
        else if (in->op != DTQ_OP_WAIT)
            has[i] = now[in->queue] = says(in, part);
    }
    memset(now, 0, sizeof now);
    for (size_t i = s->count; i-- > 0;) {
        const dtq_instr *in = &s->instrs[i];
        if (in->op == DTQ_OP_WAIT)
            has[i] = now[in->queue];
        else if (in->op != DTQ_OP_SIGNAL)
            now[in->queue] = has[i];
    }
}
