/* cluster-precision: puts the slots of one precision next to each other (paper, section IV-C). Then the precision of
 * every slot is known at compile time, though not which token sits in it. With `cluster = none` slots keep the original
 * order (the paper's "Systolic-based design"), and precision is static only where the policy names every token. */
#include <string.h>

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/pass_list.h"

/** Bits of the active tokens in original order. */
static uint8_t *active_bits(arena *a, const ir_attr *token_bits, uint32_t slots) {
    size_t count;
    const uint8_t *all = ir_runs_expand(a, token_bits, &count);
    uint8_t *bits = arena_alloc(a, slots);
    uint32_t n = 0;
    for (size_t id = 0; id < count && n < slots; id++)
        if (all[id])
            bits[n++] = all[id];
    return bits;
}

static void set_operand_bits(pass_context *ctx, ir_module *m, size_t op, const uint8_t *bits, uint32_t slots) {
    uint8_t *p = arena_alloc(ctx->arena, slots);
    for (uint32_t i = 0; i < slots; i++)
        p[i] = layer_prob_bits(&m->machine, bits[i]);
    uint8_t *copy = arena_alloc(ctx->arena, slots);
    memcpy(copy, bits, slots);
    uint8_t *const operands[LAYER_OPERANDS] = {copy, copy, copy, p};
    layer_set_bits(m, op, operands, slots);
}

static uint8_t *clustered_bits(arena *a, uint32_t low, uint32_t high, bool high_first) {
    uint8_t *bits = arena_alloc(a, (size_t)low + high);
    memset(bits, high_first ? 8 : 4, (size_t)low + high);
    memset(bits + (high_first ? high : low), high_first ? 4 : 8, high_first ? low : high);
    return bits;
}

typedef struct {
    uint64_t qk, pv;
} matmul_cycles;

static matmul_cycles price(pass_context *ctx, const ir_module *m, size_t op, const uint8_t *bits, uint32_t slots) {
    uint32_t dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0);
    uint8_t *p = arena_alloc(ctx->arena, slots);
    for (uint32_t i = 0; i < slots; i++)
        p[i] = layer_prob_bits(&m->machine, bits[i]);
    return (matmul_cycles){cost_qk(ctx->cost, bits, slots, bits, slots, dim).cycles,
                           cost_pv(ctx->cost, p, slots, bits, slots, dim).cycles};
}

/** Whether 4-bit first costs a matmul more than the order the tokens came in: that happens when a partial last tile is
 *  left to the 8-bit tokens. 8-bit first then leaves it to the 4-bit ones. */
static bool low_first_loses(pass_context *ctx, const ir_module *m, size_t op, const uint8_t *original, uint32_t low,
                            uint32_t high) {
    uint32_t slots = low + high;
    matmul_cycles before = price(ctx, m, op, original, slots);
    matmul_cycles after = price(ctx, m, op, clustered_bits(ctx->arena, low, high, false), slots);
    return after.qk > before.qk || after.pv > before.pv;
}

static void cluster(pass_context *ctx, ir_module *m, size_t op) {
    uint32_t slots = (uint32_t)ir_int(m, op, IR_KEY_slots, 0), high = (uint32_t)ir_int(m, op, IR_KEY_high, 0);
    uint32_t low = slots - high;
    const char *wanted = ir_str(m, op, IR_KEY_cluster);
    const ir_attr *token_bits = ir_get(m, op, IR_KEY_token_bits);
    bool none = wanted && strcmp(wanted, "none") == 0, high_first = wanted && strcmp(wanted, "high-first") == 0;
    bool by_name = token_bits && !ir_get(m, op, IR_KEY_ratios) && !ir_get(m, op, IR_KEY_counts);
    bool alike = high == 0 || high == slots;
    uint8_t *bits = NULL;
    if (none) {
        /* Ratios say how many, not which: that ties go to the lowest ids is no order to count on. */
        bits = by_name ? active_bits(ctx->arena, token_bits, slots)
               : alike ? clustered_bits(ctx->arena, low, high, false)
                       : NULL;
    } else {
        if (ctx->optimise && by_name && !high_first)
            high_first = low_first_loses(ctx, m, op, active_bits(ctx->arena, token_bits, slots), low, high);
        bits = clustered_bits(ctx->arena, low, high, high_first);
    }
    ir_set_str(m, op, IR_KEY_order, none ? "original" : high_first ? "high-first" : "low-first");
    ir_set_str(m, op, IR_KEY_static_bits, bits ? "yes" : "no");
    long long index = (long long)ir_int(m, op, IR_KEY_index, 0);
    if (bits) {
        size_t count;
        ir_run *runs = ir_runs_of(ctx->arena, bits, slots, &count);
        ir_set_runs(m, op, IR_KEY_segments, runs, count);
        set_operand_bits(ctx, m, op, bits, slots);
        diag_remark(ctx->diag, m->ops[op].loc, "cluster-precision", "layer %lld: slots %s, %zu segment%s", index,
                    none         ? "in original order"
                    : high_first ? "clustered, 8-bit first"
                                 : "clustered, 4-bit first",
                    count, count == 1 ? "" : "s");
    } else {
        ir_run runs[2];
        size_t count = 0;
        if (low)
            runs[count++] = (ir_run){low, 4};
        if (high)
            runs[count++] = (ir_run){high, 8};
        ir_set_runs(m, op, IR_KEY_segments, runs, count);
        diag_remark(ctx->diag, m->ops[op].loc, "cluster-precision",
                    "layer %lld: slots in original order, so cycles depend on data: the report gives expectations",
                    index);
    }
}

bool pass_cluster_precision(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_ATTENTION)
            cluster(ctx, m, op);
    return true;
}
