/* Which ops a view shows: each by what it says itself, synchronisation by its neighbour, buffers by their users. */
#include "ir/view.h"
#include "runtime/isa/instruction.h"

#include <string.h>

/* Where instructions say these. */
typedef struct {
    unsigned layer, head;
} view_keys;

/* Strips say nothing of their layer; they follow its attention. */
static bool is_strip(const ir_op *op) {
    return op->code == IR_TILE_QK || op->code == IR_TILE_SOFTMAX || op->code == IR_TILE_IMPORTANCE ||
           op->code == IR_TILE_PV || op->code == IR_TILE_TOPK;
}

static bool is_shown(const ir_module *m, size_t op, int64_t layer, const view_keys *k, const ir_view *v) {
    const int64_t head = ir_int(m, op, k->head, -1), queue = ir_int(m, op, IR_KEY_queue, -1);
    if (v->by_layer && (layer < v->first_layer || layer > v->last_layer))
        return false;
    if (v->by_head && head >= 0 && head != v->head)
        return false;
    return !v->by_queue || queue == v->queue;
}

/* A wait is shown with the next instruction of its queue, a signal with the last one. */
static void show_synchronisation(arena *a, const ir_module *m, bool *shown) {
    bool *now = ARENA_ARRAY(a, bool, UINT8_MAX + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        const int64_t queue = ir_int(m, op, IR_KEY_queue, -1);
        if (queue < 0 || queue > UINT8_MAX)
            continue;
        if (m->ops[op].code == IR_INSTR(DTQ_OP_SIGNAL))
            shown[op] = now[queue];
        else if (m->ops[op].code != IR_INSTR(DTQ_OP_WAIT))
            now[queue] = shown[op];
    }
    memset(now, 0, UINT8_MAX + 1);
    for (size_t op = m->op_count; op-- > 0;) {
        const int64_t queue = ir_int(m, op, IR_KEY_queue, -1);
        if (queue < 0 || queue > UINT8_MAX)
            continue;
        if (m->ops[op].code == IR_INSTR(DTQ_OP_WAIT))
            shown[op] = now[queue];
        else if (m->ops[op].code != IR_INSTR(DTQ_OP_SIGNAL))
            now[queue] = shown[op];
    }
}

static void show_buffers(const ir_module *m, bool *shown) {
    for (size_t op = 0; op < m->op_count; op++) {
        for (unsigned i = 0; shown[op] && i < m->ops[op].operand_count; i++) {
            const ir_value v = m->operands[m->ops[op].operands + i];
            if (v != IR_NONE && m->ops[m->defs[v]].code == IR_BUFFER)
                shown[m->defs[v]] = true;
        }
    }
}

bool *ir_view_ops(arena *a, const ir_module *m, const ir_view *v) {
    const view_keys keys = {(unsigned)ir_key_find("layer", strlen("layer")),
                            (unsigned)ir_key_find("head", strlen("head"))};
    bool *shown = ARENA_ARRAY(a, bool, m->op_count);
    int64_t layer = -1;
    for (size_t op = 0; op < m->op_count; op++) {
        if (!is_strip(&m->ops[op]))
            layer = ir_int(m, op, keys.layer, ir_int(m, op, IR_KEY_index, -1));
        shown[op] = is_shown(m, op, layer, &keys, v);
    }
    if (ir_view_is_whole(v))
        return shown;
    show_synchronisation(a, m, shown);
    show_buffers(m, shown);
    return shown;
}

const char *ir_view_text(arena *a, const ir_view *v) {
    char name[16];
    const char *layers = !v->by_layer ? ""
                         : v->first_layer == v->last_layer
                             ? arena_printf(a, "layer %u", v->first_layer)
                             : arena_printf(a, "layers %u..%u", v->first_layer, v->last_layer);
    const char *head = v->by_head ? arena_printf(a, "%shead %u", v->by_layer ? ", " : "", v->head) : "";
    const char *queue = v->by_queue ? arena_printf(a, "%squeue %s", v->by_layer || v->by_head ? ", " : "",
                                                   dtq_queue_name(v->queue, name))
                                    : "";
    return arena_printf(a, "%s%s%s", layers, head, queue);
}
