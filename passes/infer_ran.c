/* Which passes have run on a module that was read: each leaves something behind, so a text need not say it. What a pass
 * that only adds leaves on any op shows that it ran; if it is missing on another, derived.c and the manager say so. */
#include <string.h>

#include "passes/layer.h"
#include "passes/linear.h"
#include "passes/pass_list.h"

static bool any_has(const ir_module *m, unsigned key) {
    for (size_t op = 0; op < m->op_count; op++)
        if (ir_get(m, op, key))
            return true;
    return false;
}

static bool layer_has(const ir_module *m, unsigned key) {
    for (size_t op = 0; op < m->op_count; op++)
        if (layer_declares((ir_opcode)m->ops[op].code) && ir_get(m, op, key))
            return true;
    return false;
}

static bool any_op(const ir_module *m, ir_opcode code) {
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == code)
            return true;
    return false;
}

static bool all_typed(const ir_module *m) {
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].result != IR_NONE && m->types[m->ops[op].result].elem == IR_ELEM_NONE)
            return false;
    return m->op_count > 0;
}

/** Whether an op names a constant that balance-qk works with. */
static bool is_balanced(const ir_module *m) {
    const char *query = ir_balance_tensor(m->arena, 0, "query");
    for (size_t op = 0; op < m->op_count; op++) {
        const char *name = ir_str(m, op, IR_KEY_tensor);
        if (name && strcmp(name, query) == 0)
            return true;
    }
    return false;
}

static bool has_policy(const ir_module *m) {
    static const ir_key keys[] = {IR_KEY_ratios, IR_KEY_counts,  IR_KEY_token_bits,
                                  IR_KEY_prune,  IR_KEY_cluster, IR_KEY_promote};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (layer_has(m, keys[i]))
            return true;
    return false;
}

void passes_infer_ran(ir_module *m) {
    if (!m->text_file || m->pass_count)
        return;
    const bool tile = m->level >= IR_TILE, schedule = m->level >= IR_SCHEDULE, stream = m->level >= IR_STREAM;
    const bool system = schedule && !any_op(m, IR_I_STORE) && any_op(m, IR_LAYER);
    const bool assigned = tile || layer_has(m, IR_KEY_slots),
               clustered = tile || layer_has(m, IR_KEY_order) || layer_has(m, IR_KEY_segments);
    const bool timed = stream && any_has(m, IR_KEY_start);
    const bool stalled = m->level == IR_TILE && any_has(m, IR_KEY_tile_cycles),
               priced = (schedule && !system) || stalled;
    const struct {
        const char *pass;
        bool ran;
    } marks[] = {
        {"infer-shapes", assigned || all_typed(m)},
        {"balance-qk", m->level == IR_GRAPH && is_balanced(m)},
        {"assign-precision", assigned},
        {"cluster-precision", clustered},
        {"reorder-tokens", tile || (clustered && !has_policy(m))},
        {"tile-attention", tile && !system},
        {"lower-layers", system},
        {"bounds", priced || layer_has(m, IR_KEY_bound_cycles)},
        {"bops", priced || layer_has(m, IR_KEY_bops)},
        {"tile-linears", m->level == IR_TILE && any_has(m, IR_KEY_row_edges)},
        {"stall", stalled},
        {"schedule-tiles", schedule && !system},
        {"lower-schedule", stream},
        {"allocate-buffers", stream && any_has(m, IR_KEY_address)},
        {"liveness", stream && (any_has(m, IR_KEY_live) || (timed && !system))},
        {"insert-sync", timed || (stream && any_op(m, IR_I_SIGNAL))},
        {"timeline", timed},
    };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i].ran)
            ir_mark_pass(m, marks[i].pass);
}
