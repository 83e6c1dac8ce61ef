/* liveness (analysis): the most bytes live at once in each on-chip space, by layer, in the order of the instructions.
 */
#include "passes/instr.h"
#include "passes/pass_list.h"
#include "passes/spaces.h"

typedef struct {
    int64_t bytes[SPACES];
} usage;

/** A value: what it takes and when that ends. */
typedef struct {
    size_t last; /* op that uses it last */
    int64_t bytes;
    int space; /* -1: none, or DRAM */
    bool seen;
} buffer;

static buffer *find_buffers(arena *a, const ir_module *m) {
    buffer *buffers = ARENA_ARRAY(a, buffer, m->value_count + 1);
    for (size_t v = 0; v < m->value_count; v++) {
        int space = space_find(ir_str(m, m->defs[v], IR_KEY_space));
        buffers[v] =
            (buffer){.bytes = ir_int(m, m->defs[v], IR_KEY_bytes, 0), .space = space == SPACE_DRAM ? -1 : space};
    }
    for (size_t op = 0; op < m->op_count; op++)
        for (size_t i = 0; i < m->ops[op].operand_count; i++)
            if (ir_operand(m, op, i) != IR_NONE)
                buffers[ir_operand(m, op, i)].last = op;
    return buffers;
}

/** Adds buffers that `op` uses first, notes the peak, removes those that it uses last. */
static void visit(const ir_module *m, size_t op, buffer *buffers, usage *live, usage *peak) {
    for (size_t i = 0; i < m->ops[op].operand_count; i++) {
        ir_value v = ir_operand(m, op, i);
        if (v == IR_NONE || buffers[v].space < 0 || buffers[v].seen)
            continue;
        int space = buffers[v].space;
        buffers[v].seen = true;
        live->bytes[space] += buffers[v].bytes;
        if (live->bytes[space] > peak->bytes[space])
            peak->bytes[space] = live->bytes[space];
    }
    for (size_t i = 0; i < m->ops[op].operand_count; i++) {
        ir_value v = ir_operand(m, op, i);
        if (v != IR_NONE && buffers[v].space >= 0 && buffers[v].last == op)
            live->bytes[buffers[v].space] -= buffers[v].bytes;
    }
}

bool pass_liveness(pass_context *ctx, ir_module **module) {
    (void)ctx;
    ir_module *m = *module;
    unsigned layer_key = (unsigned)ir_key_find("layer", 5);
    arena *scratch = arena_new();
    buffer *buffers = find_buffers(scratch, m);
    size_t layers = 0;
    for (size_t op = 0; op < m->op_count; op++)
        layers += m->ops[op].code == IR_LAYER;
    usage live = {{0}}, *peaks = ARENA_ARRAY(scratch, usage, layers + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        int64_t layer = ir_is_instr((ir_opcode)m->ops[op].code) ? ir_int(m, op, layer_key, -1) : -1;
        if (layer >= 0 && (size_t)layer < layers)
            visit(m, op, buffers, &live, &peaks[layer]);
    }
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_LAYER)
            ir_set_ints(m, op, IR_KEY_live, peaks[ir_int(m, op, IR_KEY_index, 0)].bytes, SPACES);
    arena_free(scratch);
    return true;
}
