/* cluster-precision: puts the slots of one precision next to each other (paper, section IV-C). Then the precision of
 * every slot is known at compile time, though not which token sits in it. With `cluster = none` slots keep the original
 * order (the paper's "Systolic-based design"), and precision is static only where the policy names every token. Tokens
 * that are queries only stand next to the 4-bit cluster, away from the 8-bit one, or in front where there is none. */
#include <string.h>

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/pass_list.h"

typedef enum { LOW_FIRST, HIGH_FIRST, ORIGINAL } slot_order;
static const char *const order_names[] = {"low-first", "high-first", "original"};
static const char *const order_words[] = {"clustered, 4-bit first", "clustered, 8-bit first", "in original order"};

/** Bits of the active tokens in original order, those of `muted` queries in front. */
static uint8_t *active_bits(arena *a, const ir_attr *token_bits, uint32_t slots, uint32_t muted) {
    size_t count;
    const uint8_t *all = ir_runs_expand(a, token_bits, &count);
    uint8_t *bits = arena_alloc(a, slots);
    uint32_t n = muted;
    memset(bits, 4, muted);
    for (size_t id = 0; id < count && n < slots; id++)
        if (all[id])
            bits[n++] = all[id];
    return bits;
}

static void set_operand_bits(pass_context *ctx, ir_module *m, size_t op, const uint8_t *bits, uint32_t slots) {
    uint8_t *p = arena_alloc(ctx->arena, slots);
    for (uint32_t i = 0; i < slots; i++)
        p[i] = layer_prob_bits(m->machine, bits[i]);
    uint8_t *copy = arena_alloc(ctx->arena, slots), *same = copy;
    memcpy(copy, bits, slots);
    if (ir_chooses_late(m, op)) { /* nobody knows yet which query or key is which */
        same = arena_alloc(ctx->arena, slots);
        memset(same, 4, slots);
        memset(p, layer_prob_bits(m->machine, 4), slots);
    }
    uint8_t *const operands[LAYER_OPERANDS] = {same, same, copy, p};
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

static matmul_cycles price(pass_context *ctx, const ir_module *m, size_t op, const uint8_t *bits, uint32_t slots,
                           slot_order order) {
    uint32_t dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0), muted = (uint32_t)ir_int(m, op, IR_KEY_muted, 0);
    uint32_t first = layer_first_key(muted, order_names[order]), keys = slots - muted;
    uint8_t *p = arena_alloc(ctx->arena, slots);
    for (uint32_t i = 0; i < slots; i++)
        p[i] = layer_prob_bits(m->machine, bits[i]);
    uint32_t queries = (uint32_t)ir_int(m, op, IR_KEY_queries, slots);
    uint32_t row = layer_first_query(slots, (uint32_t)ir_int(m, op, IR_KEY_high, 0), queries, order_names[order]);
    const dtq_clusters clusters =
        dtq_clusters_of(slots, (uint32_t)ir_int(m, op, IR_KEY_high, 0), muted, ir_slot_order(order_names[order]));
    const char *mask = ir_str(m, op, IR_KEY_mask);
    const cost_mask causal = {&clusters, row, first},
                    *skipped = mask && strcmp(mask, "causal") == 0 && !ir_by_late(m, op) ? &causal : NULL;
    return (matmul_cycles){cost_qk_masked(ctx->cost, bits + row, queries, bits + first, keys, dim, 0, skipped).cycles,
                           cost_pv_masked(ctx->cost, p + row, queries, bits + first, keys, dim, 0, skipped).cycles};
}

/** The paper's order, 4-bit first, unless it costs a matmul more than the order the tokens came in: with a partial last
 *  tile left to the 8-bit tokens it may. 8-bit first then hardly ever does; where it does too, tokens stay put. */
static slot_order cheapest_order(pass_context *ctx, const ir_module *m, size_t op, const uint8_t *original,
                                 uint32_t low, uint32_t high) {
    matmul_cycles most = price(ctx, m, op, original, low + high, ORIGINAL);
    for (slot_order o = LOW_FIRST; o < ORIGINAL; o++) {
        matmul_cycles c = price(ctx, m, op, clustered_bits(ctx->arena, low, high, o == HIGH_FIRST), low + high, o);
        if (c.qk <= most.qk && c.pv <= most.pv)
            return o;
    }
    return ORIGINAL;
}

static bool cluster(pass_context *ctx, ir_module *m, size_t op) {
    uint32_t slots = (uint32_t)ir_int(m, op, IR_KEY_slots, 0), high = (uint32_t)ir_int(m, op, IR_KEY_high, 0);
    uint32_t low = slots - high, muted = (uint32_t)ir_int(m, op, IR_KEY_muted, 0); /* low: with the muted ones */
    const char *wanted = ir_str(m, op, IR_KEY_cluster);
    const ir_attr *token_bits = ir_get(m, op, IR_KEY_token_bits);
    slot_order order = !wanted || strcmp(wanted, "low-first") == 0 ? LOW_FIRST
                       : strcmp(wanted, "high-first") == 0         ? HIGH_FIRST
                                                                   : ORIGINAL;
    /* Ratios say how many, not which: that ties go to the lowest ids is no order to count on. */
    bool by_name = token_bits && !ir_get(m, op, IR_KEY_ratios) && !ir_get(m, op, IR_KEY_counts);
    uint8_t *original = by_name ? active_bits(ctx->arena, token_bits, slots, muted) : NULL;
    if (order == LOW_FIRST && original && ctx->optimise)
        order = cheapest_order(ctx, m, op, original, low, high);
    uint8_t *bits = original;
    if (order != ORIGINAL || (!original && (high == 0 || low == muted)))
        bits = clustered_bits(ctx->arena, low, high, order == HIGH_FIRST);

    ir_set_str(m, op, IR_KEY_order, order_names[order]);
    ir_set_str(m, op, IR_KEY_static_bits, bits ? "yes" : "no");
    long long index = (long long)ir_int(m, op, IR_KEY_index, 0);
    size_t count = 0;
    if (bits) {
        ir_run *runs = ir_runs_of(ctx->arena, bits, slots, &count);
        ir_set_runs(m, op, IR_KEY_segments, runs, count);
        set_operand_bits(ctx, m, op, bits, slots);
        diag_remark(ctx->diag, m->ops[op].loc, "cluster-precision", "layer %lld: slots %s, %zu segment%s", index,
                    order_words[order], count, count == 1 ? "" : "s");
        return true;
    }
    if (muted || ir_get(m, op, IR_KEY_queries) || ir_by_late(m, op))
        return diag_error(
            ctx->diag, m->ops[op].loc,
            "layer %lld prunes keys alone, which needs clusters; leave out --no-cluster, or give `cluster` "
            "another word than none",
            index);
    if (ir_importance_rows(m, op, false) > 1)
        return diag_error(
            ctx->diag, m->ops[op].loc,
            "layer %lld chooses for each key/value head, so that a slot has another token, and precision, "
            "in each, which needs clusters; leave out --no-cluster, or give `cluster` another word than "
            "none",
            index);
    const ir_run runs[2] = {{low, 4}, {high, 8}}; /* neither is empty: else bits would be static */
    ir_set_runs(m, op, IR_KEY_segments, runs, 2);
    diag_remark(ctx->diag, m->ops[op].loc, "cluster-precision",
                "layer %lld: slots in original order, so cycles depend on data: the report gives expectations", index);
    return true;
}

bool pass_cluster_precision(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_ATTENTION && !cluster(ctx, m, op))
            return false;
    return true;
}
