/* orient-tiles: which way query rows lie on the array, strip by strip, and which cluster comes first.
 *
 * An array of R x C PEs takes R query rows against C keys at a time or, turned, C query rows against R keys. Partial
 * tiles cost as much as whole ones, so a few strips of the other height at the end of a cluster fit it better, and of
 * the two orders of the clusters the one whose edges do. Strips are chosen by dynamic programming over the slots, by
 * what they cost without skew plus a fill of the wavefront at every change of orientation (rows of one orientation run
 * as one instruction); what comes out is kept only if the cost model finds both matmuls together shorter with it. */
#include <string.h>

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/pass_list.h"
#include "passes/plan.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

enum { UPRIGHT, TURNED, ORIENTATIONS };

/** What strips of one orientation cost: height, and cycles for each unit of cost of the costliest query or row of P,
 *  by how many tiles of Q.K^T, or keys of P.V, from the first on. */
typedef struct {
    uint32_t height, width;
    uint64_t *qk, *pv; /* [tiles + 1], [keys + 1] */
} strip_price;

/** A tile costs as much as its costliest key. */
static void price_strips(arena *a, const dtq_machine *m, const layer_info *l, strip_price out[ORIENTATIONS]) {
    const uint8_t *keys = l->bits[LAYER_K] + l->col_first, *values = l->bits[LAYER_V] + l->key_first;
    for (int o = 0; o < ORIENTATIONS; o++) {
        strip_price *p = &out[o];
        p->height = (uint32_t)(o == TURNED ? m->vssa_cols : m->vssa_rows);
        p->width = (uint32_t)(o == TURNED ? m->vssa_rows : m->vssa_cols);
        p->qk = ARENA_ARRAY(a, uint64_t, (uint32_t)dtq_ceil_div(l->cols, p->width) + 1);
        p->pv = ARENA_ARRAY(a, uint64_t, l->keys + 1);
        for (uint32_t t = 0, at = 0; at < l->cols; t++, at += p->width) {
            uint32_t some = l->cols - at < p->width ? l->cols - at : p->width;
            p->qk[t + 1] = p->qk[t] + l->head_dim * (memchr(keys + at, 8, some) ? 2u : 1u);
        }
        for (uint32_t i = 0; i < l->keys; i++)
            p->pv[i + 1] = p->pv[i] + (uint32_t)dtq_ceil_div(l->head_dim, p->width) * (values[i] / 4u);
    }
}

static uint64_t strip_cost(const layer_info *l, const strip_price *p, uint32_t row, uint32_t rows) {
    uint64_t q = memchr(l->bits[LAYER_Q] + row, 8, rows) ? 2 : 1, v = memchr(l->bits[LAYER_P] + row, 8, rows) ? 2 : 1;
    const dtq_hidden keys = layer_hidden(l, row, rows), tiles = dtq_hidden_tiles(keys, l->cols, p->width);
    return q * (p->qk[(uint32_t)dtq_ceil_div(l->cols, p->width)] - (p->qk[tiles.to] - p->qk[tiles.from])) +
           v * (p->pv[l->keys] - (p->pv[keys.to] - p->pv[keys.from]));
}

/** Chooses the orientation of every row: the cheapest way from each slot to the end, from the end on. */
static uint8_t *choose_strips(arena *a, const dtq_machine *m, const layer_info *l) {
    strip_price prices[ORIENTATIONS];
    price_strips(a, m, l, prices);
    const uint64_t change = 2 * (m->vssa_rows + m->vssa_cols);
    uint64_t *best[ORIENTATIONS]; /* from slot i on, the first strip in that orientation */
    for (int o = 0; o < ORIENTATIONS; o++)
        best[o] = ARENA_ARRAY(a, uint64_t, l->slots + 1);
    uint8_t *next[ORIENTATIONS]; /* orientation of the strip behind it */
    for (int o = 0; o < ORIENTATIONS; o++)
        next[o] = arena_alloc(a, l->slots + 1);
    const uint32_t last = l->query_first + l->queries;
    for (uint32_t i = last; i-- > l->query_first;)
        for (int o = 0; o < ORIENTATIONS; o++) {
            uint32_t rows = last - i < prices[o].height ? last - i : prices[o].height, end = i + rows;
            uint64_t stay = best[o][end], leave = best[1 - o][end] + (end < last ? change : 0);
            next[o][i] = (uint8_t)(leave < stay ? 1 - o : o);
            best[o][i] = strip_cost(l, &prices[o], i, rows) + (leave < stay ? leave : stay);
        }
    uint8_t *turned = arena_alloc(a, l->slots);
    memset(turned, UPRIGHT, l->slots);
    int o = best[TURNED][l->query_first] < best[UPRIGHT][l->query_first] ? TURNED : UPRIGHT;
    for (uint32_t i = l->query_first; i < last;) {
        uint32_t rows = last - i < prices[o].height ? last - i : prices[o].height;
        memset(turned + i, o, rows);
        o = next[o][i];
        i += rows;
    }
    return turned;
}

static uint64_t exact_cost(pass_context *ctx, const ir_module *m, const layer_info *l) {
    return layer_price(ctx->cost, m->machine, l, true, l->query_first, l->queries, l->col_first, l->cols).cycles +
           layer_price(ctx->cost, m->machine, l, false, l->query_first, l->queries, l->key_first, l->keys).cycles;
}

/** The same layer with its clusters the other way round. */
static layer_info reversed(arena *a, const layer_info *l) {
    layer_info r = *l;
    bool low_first = strcmp(l->order, "low-first") == 0;
    uint32_t first = low_first ? l->slots - l->high : l->high; /* slots of the cluster that is first now */
    for (int i = 0; i < LAYER_OPERANDS; i++) {
        r.bits[i] = arena_alloc(a, l->slots);
        memcpy(r.bits[i], l->bits[i] + first, l->slots - first);
        memcpy(r.bits[i] + (l->slots - first), l->bits[i], first);
    }
    r.order = low_first ? "high-first" : "low-first";
    r.key_first = layer_first_key(l->muted, r.order);
    r.col_first = l->late ? 0 : r.key_first;
    r.query_first = layer_first_query(l->slots, l->high, l->queries, r.order);
    if (l->clusters.count)
        r.clusters =
            dtq_clusters_of(l->slots, l->high, l->muted, low_first ? DTQ_ORDER_HIGH_FIRST : DTQ_ORDER_LOW_FIRST);
    return r;
}

typedef struct {
    layer_info found, chosen;
    uint64_t before, after; /* cycles of both matmuls of a head */
    uint64_t end;           /* what candidates are compared by */
    bool tight, any;
} outcome;

/** When the layer ends as it is planned on a machine of tight buffers; UINT64_MAX: it cannot be. */
static uint64_t planned(pass_context *ctx, const ir_module *m, const layer_info *l) {
    const src_loc nowhere = {0};
    const strip_list strips = plan_strips(ctx->arena, m->machine, l);
    pass_context quiet = *ctx;
    quiet.diag = diag_new(ctx->arena, NULL);
    layer_plan plan;
    return plan_layer(&quiet, m->machine, l, &strips, (plan_followers){0}, nowhere, &plan) ? plan.estimate : UINT64_MAX;
}

/** Keeps a candidate, walked in either order, if it is shorter than all before: what it occupies an array or, where
 *  buffers are tight, what the plan says. */
static void consider(pass_context *ctx, const ir_module *m, outcome *o, layer_info candidate) {
    for (int serpentine = 0; serpentine < 2; serpentine++) {
        candidate.serpentine = serpentine;
        const uint64_t cycles = exact_cost(ctx, m, &candidate);
        const uint64_t end = o->tight ? planned(ctx, m, &candidate) : cycles;
        if (end < o->end) {
            o->after = cycles;
            o->end = end;
            o->chosen = candidate;
        }
    }
}

static void decide(pass_context *ctx, const ir_module *m, outcome *o, bool may_reverse) {
    o->chosen = o->found;
    o->before = o->after = exact_cost(ctx, m, &o->found);
    o->tight = plan_is_tight(ctx->arena, m->machine, &o->found);
    o->end = o->tight ? planned(ctx, m, &o->found) : o->after;
    const bool whole =
        plan_holds_keys(ctx->arena, m->machine, &o->found) || /* strips, not cut lower for blocks of keys */
        plan_block_rows(m->machine, &o->found) >= o->found.queries;
    const bool turns = m->machine->vssa_rows != m->machine->vssa_cols && whole;
    layer_info orders[2] = {o->found, may_reverse ? reversed(ctx->arena, &o->found) : o->found};
    for (int i = 0; i < (may_reverse ? 2 : 1); i++) {
        consider(ctx, m, o, orders[i]);
        if (!turns)
            continue;
        layer_info turned = orders[i];
        turned.turned = choose_strips(ctx->arena, m->machine, &orders[i]);
        consider(ctx, m, o, turned);
    }
}

static void apply(ir_module *m, size_t op, const layer_info *l) {
    size_t count;
    layer_set_bits(m, op, l->bits, l->slots);
    ir_set_str(m, op, IR_KEY_order, l->order);
    const ir_run low = {l->slots - l->high, 4}, high = {l->high, 8};
    bool low_first = strcmp(l->order, "low-first") == 0;
    const ir_run segments[2] = {low_first ? low : high, low_first ? high : low};
    if (l->high && l->high < l->slots)
        ir_set_runs(m, op, IR_KEY_segments, segments, 2);
    if (l->serpentine)
        ir_set_str(m, op, IR_KEY_tile_order, "serpentine");
    if (l->turned && memchr(l->turned, TURNED, l->slots)) {
        ir_run *runs = ir_runs_of(m->arena, l->turned, l->slots, &count);
        ir_set_runs(m, op, IR_KEY_turned_rows, runs, count);
    }
}

static void orient(pass_context *ctx, ir_module *m, size_t op, outcome *last) {
    layer_info l = layer_read(ctx->arena, m, op);
    const char *wanted = ir_str(m, op, IR_KEY_cluster);
    if (!l.is_static || strcmp(l.order, "original") == 0)
        return;
    if (!last->any || !layer_alike(&last->found, &l) || strcmp(last->found.order, l.order) != 0) {
        *last = (outcome){.found = l, .any = true};
        decide(ctx, m, last, l.high && l.high < l.keys && (!wanted || strcmp(wanted, "low-first") == 0));
    }
    if (last->after == last->before)
        return;
    apply(m, op, &last->chosen);
    uint32_t turned = 0;
    for (uint32_t i = 0; last->chosen.turned && i < l.slots; i++)
        turned += last->chosen.turned[i];
    diag_remark(
        ctx->diag, m->ops[op].loc, "orient-tiles",
        "layer %u: %s cluster first, %u of %u query rows along the array's columns: a head takes %llu cycles of "
        "an array, not %llu",
        l.index, strcmp(last->chosen.order, "low-first") == 0 ? "4-bit" : "8-bit", turned, l.queries,
        (unsigned long long)last->after, (unsigned long long)last->before);
}

bool pass_orient_tiles(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    outcome last = {0};
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_ATTENTION)
            orient(ctx, m, op, &last);
    return true;
}
