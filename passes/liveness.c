/* liveness (analysis): the most bytes live at once in each on-chip space, by layer, in the order of the instructions.
 */
#include "passes/instr.h"
#include "passes/pass_list.h"
#include "passes/spaces.h"

typedef struct {
    int64_t bytes[SPACES];
} usage;

/** Space of an operand, or -1 if it is none or in DRAM. */
static int on_chip_space(const ir_module *m, ir_value v) {
    int space = v == IR_NONE ? -1 : space_find(ir_str(m, m->defs[v], IR_KEY_space));
    return space == SPACE_DRAM ? -1 : space;
}

/** Adds buffers that `op` uses first, notes the peak, removes those that it uses last. */
static void visit(const ir_module *m, size_t op, const size_t *last, bool *seen, usage *live, usage *peak) {
    for (size_t i = 0; i < m->ops[op].operand_count; i++) {
        ir_value v = ir_operand(m, op, i);
        int space = on_chip_space(m, v);
        if (space < 0 || seen[v])
            continue;
        seen[v] = true;
        live->bytes[space] += ir_int(m, m->defs[v], IR_KEY_bytes, 0);
        if (live->bytes[space] > peak->bytes[space])
            peak->bytes[space] = live->bytes[space];
    }
    for (size_t i = 0; i < m->ops[op].operand_count; i++) {
        ir_value v = ir_operand(m, op, i);
        int space = on_chip_space(m, v);
        if (space >= 0 && last[v] == op)
            live->bytes[space] -= ir_int(m, m->defs[v], IR_KEY_bytes, 0);
    }
}

bool pass_liveness(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    unsigned layer_key = (unsigned)ir_key_find("layer", 5);
    size_t *last = ARENA_ARRAY(ctx->arena, size_t, m->value_count + 1), layers = 0;
    bool *seen = ARENA_ARRAY(ctx->arena, bool, m->value_count + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        layers += m->ops[op].code == IR_LAYER;
        for (size_t i = 0; i < m->ops[op].operand_count; i++)
            if (ir_operand(m, op, i) != IR_NONE)
                last[ir_operand(m, op, i)] = op;
    }
    usage live = {{0}}, *peaks = ARENA_ARRAY(ctx->arena, usage, layers + 1);
    for (size_t op = 0; op < m->op_count; op++) {
        int64_t layer = ir_is_instr((ir_opcode)m->ops[op].code) ? ir_int(m, op, layer_key, -1) : -1;
        if (layer >= 0 && (size_t)layer < layers)
            visit(m, op, last, seen, &live, &peaks[layer]);
    }
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_LAYER)
            ir_set_ints(m, op, IR_KEY_live, peaks[ir_int(m, op, IR_KEY_index, 0)].bytes, SPACES);
    return true;
}
