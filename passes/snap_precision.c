/* snap-precision: a tile with one 8-bit row costs as much as one full of them, so the 4-bit tokens that share a mixed
 * tile may run at 8 bits where that costs nothing. Rows of Q (with their rows of P) and columns of K are promoted and
 * priced one after the other; a promotion stays only if no matmul of the layer takes a cycle more and the loads, which
 * grow, do not become what limits the layer. Explicit token_bits are left as they are. */
#include <string.h>

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/pass_list.h"
#include "runtime/machine_members.h"

typedef struct {
    uint64_t qk, pv; /* cycles of one head */
    uint64_t load;   /* cycles that the loads of all heads occupy the DMA */
    uint64_t arrays; /* cycles that both matmuls of all heads occupy the arrays, spread evenly */
} price;

static price price_of(pass_context *ctx, const ir_module *m, const layer_info *l) {
    price p;
    p.qk = layer_price(ctx->cost, m->machine, l, true, l->query_first, l->queries, l->col_first, l->cols).cycles;
    p.pv = layer_price(ctx->cost, m->machine, l, false, l->query_first, l->queries, l->key_first, l->keys).cycles;
    uint64_t bytes =
        l->heads * cost_block_bytes(l->bits[LAYER_Q] + l->query_first, l->queries, l->head_dim, false) +
        l->kv_heads * (cost_block_bytes(l->bits[LAYER_K] + l->key_first, l->keys, l->head_dim, false) +
                       cost_block_bytes(l->bits[LAYER_V] + l->key_first, l->keys, l->head_dim, !l->causal));
    p.load = cost_dram(ctx->cost, bytes);
    p.arrays = l->heads * (p.qk + p.pv) / m->machine->vssa_arrays;
    return p;
}

/** Slots [begin, end) at 4 bits that share a tile with the 8-bit cluster. */
typedef struct {
    uint32_t begin, end;
} neighbours;

/** `begin`, `end`: the tile that the edge between the clusters cuts. */
static neighbours neighbours_in(const layer_info *l, uint32_t edge, uint32_t begin, uint32_t end) {
    if (!l->high || l->high == l->keys || begin == edge)
        return (neighbours){0, 0};
    return strcmp(l->order, "low-first") == 0 ? (neighbours){begin, edge} : (neighbours){edge, end};
}

/** First slot of the second cluster. */
static uint32_t cluster_edge(const layer_info *l) {
    return strcmp(l->order, "low-first") == 0 ? l->slots - l->high : l->high;
}

static neighbours in_strip(const dtq_machine *m, const layer_info *l) {
    uint32_t edge = cluster_edge(l), row = 0, end = 0;
    if (l->queries < l->slots) /* they have 8 bits */
        return (neighbours){0, 0};
    for (; end <= edge && end < l->slots; end = layer_strip_end(l, m, row, l->slots))
        row = end;
    return neighbours_in(l, edge, row, end);
}

/** Of keys, in tiles of `width`. */
static neighbours in_tile(const layer_info *l, uint32_t width) {
    uint32_t edge = cluster_edge(l), begin = edge - (edge - l->key_first) % width, end = l->key_first + l->keys;
    return neighbours_in(l, edge, begin, end - begin < width ? end : begin + width);
}

/** Promotes them in each of the given operands, if that costs nothing. Returns how many. */
static uint32_t try_promotion(pass_context *ctx, const ir_module *m, const layer_info *l, neighbours n,
                              const int *operands, size_t count) {
    if (n.begin >= n.end)
        return 0;
    uint8_t *saved[LAYER_OPERANDS];
    price before = price_of(ctx, m, l);
    for (size_t i = 0; i < count; i++) {
        saved[i] = arena_alloc(ctx->arena, l->slots);
        memcpy(saved[i], l->bits[operands[i]], l->slots);
        memset(l->bits[operands[i]] + n.begin, 8, n.end - n.begin);
    }
    price after = price_of(ctx, m, l);
    if (after.qk <= before.qk && after.pv <= before.pv && (after.load <= before.load || after.load <= after.arrays))
        return n.end - n.begin;
    for (size_t i = 0; i < count; i++)
        memcpy(l->bits[operands[i]], saved[i], l->slots);
    return 0;
}

/** A layer as it was found, and what was promoted: most layers of a model are like the one before. */
typedef struct {
    bool any;
    layer_info found, snapped;
    uint32_t q, p, k;
} outcome;

static void try_all(pass_context *ctx, const ir_module *m, outcome *o) {
    static const int rows[] = {LAYER_Q, LAYER_P}, query[] = {LAYER_Q}, cols[] = {LAYER_K};
    const layer_info *l = &o->snapped;
    neighbours strip = in_strip(m->machine, l);
    neighbours narrow = in_tile(l, (uint32_t)m->machine->vssa_cols), wide = in_tile(l, (uint32_t)m->machine->vssa_rows);
    bool row_probs = m->machine->top_prob_bits == DTQ_PROB_ROW;
    o->any = true;
    o->p = row_probs ? try_promotion(ctx, m, l, strip, rows, 2) : 0;
    o->q = o->p ? o->p : try_promotion(ctx, m, l, strip, query, 1);
    o->k =
        l->turned ? try_promotion(ctx, m, l, wide, cols, 1) : 0; /* tiles of turned strips are as wide as arrays high */
    if (!o->k)
        o->k = try_promotion(ctx, m, l, narrow, cols, 1);
}

static void snap(pass_context *ctx, ir_module *m, size_t op, outcome *last) {
    layer_info l = layer_read(ctx->arena, m, op);
    const char *allowed = ir_str(m, op, IR_KEY_promote);
    long long index = l.index;
    if (!l.is_static || l.late || strcmp(l.order, "original") == 0 || (allowed && strcmp(allowed, "none") == 0)) {
        diag_remark(ctx->diag, m->ops[op].loc, "snap-precision", "layer %lld: nothing promoted: %s", index,
                    l.late                                             ? "its rows and columns are all alike"
                    : !l.is_static || strcmp(l.order, "original") == 0 ? "slots are not clustered"
                                                                       : "the policy names every token's bits");
        return;
    }
    if (!last->any || !layer_alike(&last->found, &l) || strcmp(last->found.order, l.order) != 0) {
        *last = (outcome){.found = l, .snapped = layer_read(ctx->arena, m, op)};
        try_all(ctx, m, last);
    }
    layer_set_bits(m, op, last->snapped.bits, l.slots);
    diag_remark(ctx->diag, m->ops[op].loc, "snap-precision",
                "layer %lld: %u query rows, %u rows of probabilities and %u key columns promoted to 8 bits at no cycle",
                index, last->q, last->p, last->k);
}

bool pass_snap_precision(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    outcome last = {0};
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_ATTENTION)
            snap(ctx, m, op, &last);
    return true;
}
