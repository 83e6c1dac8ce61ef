/* The plan of an attention layer whose keys do not fit on chip at once: they come in blocks, in two passes over them (a
 * causal layer in three). Strips of queries are issued in waves, as many as there are arrays and buffers for their
 * probabilities: all strips of a wave meet a block before the next one comes, so that it is loaded once for all of
 * them. */
#include "passes/instr.h"
#include "passes/plan.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/** How many blocks of keys and values are on chip at once, and of scores for each strip of a wave. */
typedef struct {
    uint64_t k, v, s;
} copies;

/* Loads run ahead of the arrays; P.V of a block runs beside softmax of the next; one after the other. */
static const copies block_copies[] = {{2, 2, 2}, {1, 2, 1}, {1, 1, 1}};
enum { COPIES = sizeof block_copies / sizeof *block_copies };

/** Bytes of blocks of `keys` keys at 8 bits, whichever they are. */
static uint64_t key_block_bytes(const layer_info *l, uint32_t keys) {
    return keys * (l->head_dim + 4ull);
}

static uint64_t value_block_bytes(const layer_info *l, uint32_t keys) {
    return (uint64_t)keys * l->head_dim + (l->causal ? 4ull * keys : 8ull * l->head_dim);
}

/** The most keys of a block such that all copies fit for a wave of so many strips, 0 if not even one key does. */
static uint32_t keys_for_blocks(const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t wave,
                                const copies *c) {
    uint32_t held = 0, too_many = l->keys + 1;
    while (too_many - held > 1) {
        uint32_t keys = held + (too_many - held) / 2;
        if (buffer_fit(key_block_bytes(l, keys), m->buffers_k) >= c->k &&
            buffer_fit(value_block_bytes(l, keys), m->buffers_v) >= c->v &&
            buffer_fit(cost_scores_bytes(rows, keys), m->buffers_scores) >= c->s * wave)
            held = keys;
        else
            too_many = keys;
    }
    return held > m->vssa_cols && held < l->keys ? held - held % (uint32_t)m->vssa_cols : held;
}

/** Bytes of a strip of queries, at 8 bits. */
static uint64_t query_strip_bytes(const layer_info *l, uint32_t rows) {
    return rows * (l->head_dim + 4ull);
}

/** Whether the output of `rows` rows fits: two accumulators, or one result if a block holds all keys. */
static bool output_fits(const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t keys) {
    return cost_out_bytes(rows, l->head_dim, keys == l->keys) <= m->buffers_out;
}

uint32_t plan_block_rows(const dtq_machine *m, const layer_info *l) {
    uint32_t limit = (uint32_t)m->vssa_rows < l->queries ? (uint32_t)m->vssa_rows : l->queries, best = 0;
    const copies *smallest = &block_copies[COPIES - 1];
    uint64_t most = 0;
    for (uint32_t rows = 1; rows <= limit; rows++) {
        uint64_t units = buffer_fit(cost_probs_bytes(rows, l->keys, l->causal), m->buffers_probs);
        uint64_t busy = (units < m->vssa_arrays ? units : m->vssa_arrays) * rows;
        uint32_t keys = keys_for_blocks(m, l, rows, 1, smallest);
        bool held = keys && output_fits(m, l, rows, keys) && query_strip_bytes(l, rows) <= m->buffers_q;
        if (held && busy >= most && busy) {
            most = busy;
            best = rows;
        }
    }
    return best;
}

/** Says which buffer cannot hold even the smallest piece: one row, one key. */
static bool report_misfit(pass_context *ctx, const dtq_machine *m, const layer_info *l, src_loc loc) {
    const struct {
        const char *what, *buffer;
        uint64_t need, have;
    } pieces[] = {
        {"one row of probabilities", "probs", cost_probs_bytes(1, l->keys, l->causal), m->buffers_probs},
        {"one row of output", "out", cost_out_bytes(1, l->head_dim, false), m->buffers_out},
        {"one query", "q", query_strip_bytes(l, 1), m->buffers_q},
        {"one key", "k", key_block_bytes(l, 1), m->buffers_k},
        {"one value", "v", value_block_bytes(l, 1), m->buffers_v},
        {"one score", "scores", cost_scores_bytes(1, 1), m->buffers_scores},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (pieces[i].need > pieces[i].have)
            return diag_error(
                ctx->diag, loc,
                "layer %u does not fit: %s of %u tokens takes %llu bytes, buffers.%s has %llu; %llu bytes "
                "are missing and nothing is left to split",
                l->index, pieces[i].what, l->keys, (unsigned long long)pieces[i].need, pieces[i].buffer,
                (unsigned long long)pieces[i].have, (unsigned long long)(pieces[i].need - pieces[i].have));
    return diag_internal(ctx->diag, loc, "layer %u does not fit, and no buffer is too small", l->index);
}

/** Strips whose queries, probabilities and outputs are on chip at once, at most one an array. */
static uint32_t longest_wave(const dtq_machine *m, const layer_info *l, uint32_t rows) {
    uint64_t wave = least(m->vssa_arrays, buffer_fit(cost_probs_bytes(rows, l->keys, l->causal), m->buffers_probs));
    wave = least(wave, buffer_fit(query_strip_bytes(l, rows), m->buffers_q));
    wave = least(wave, buffer_fit(cost_out_bytes(rows, l->head_dim, false), m->buffers_out));
    return wave ? (uint32_t)wave : 1; /* one fits; its sums perhaps only if a block holds all keys */
}

/** A way to cut keys and to group strips. */
typedef struct {
    uint32_t keys, wave;
    const copies *held;
    uint64_t cycles; /* about */
} block_cut;

/** Cycles of all waves, each as long as its array or as softmax has work; what is not loaded ahead is waited for. */
static uint64_t estimate(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t strips,
                         const block_cut *cut) {
    uint64_t passes = l->causal ? 3 : 2, blocks = (uint32_t)dtq_ceil_div(l->keys, cut->keys),
             group = l->heads / l->kv_heads;
    uint64_t waves = l->kv_heads * (uint64_t)(uint32_t)dtq_ceil_div((uint32_t)group * strips, cut->wave);
    uint64_t array = passes * layer_price(ctx->cost, m, l, true, l->query_first, rows, l->key_first, cut->keys).cycles +
                     layer_price(ctx->cost, m, l, false, l->query_first, rows, l->key_first, cut->keys).cycles;
    uint64_t softmax = passes * cut->wave * cost_softmax(ctx->cost, rows, cut->keys), block = array;
    block = softmax > block ? softmax : block;
    uint64_t load = cost_dram(ctx->cost, key_block_bytes(l, cut->keys)) + m->dram_latency_cycles;
    return waves * blocks * (block + (cut->held->k > 1 ? 0 : passes * load));
}

/** The cut that is over first; of equal ones the longest wave. */
static block_cut choose_cut(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows,
                            uint32_t strips) {
    block_cut best = {.cycles = UINT64_MAX};
    for (uint32_t wave = longest_wave(m, l, rows); wave > 0; wave = wave > 1 ? (wave + 1) / 2 : 0)
        for (size_t i = 0; i < COPIES; i++) {
            block_cut cut = {
                .keys = keys_for_blocks(m, l, rows, wave, &block_copies[i]), .wave = wave, .held = &block_copies[i]};
            if (!cut.keys || !output_fits(m, l, rows, cut.keys))
                continue;
            cut.cycles = estimate(ctx, m, l, rows, strips, &cut);
            if (cut.cycles < best.cycles)
                best = cut;
        }
    return best;
}

size_t plan_wave_end(const layer_plan *plan, const layer_info *l, size_t first) {
    uint32_t group = l->heads / l->kv_heads;
    size_t end = first + 1;
    while (end < plan->step_count && end - first < plan->wave &&
           plan->steps[end].head / group == plan->steps[first].head / group)
        end++;
    return end;
}

bool plan_blocks(pass_context *ctx, const dtq_machine *m, const layer_info *l, const strip_list *strips, src_loc loc,
                 layer_plan *plan) {
    uint32_t rows = 0;
    for (uint32_t i = 0; i < strips->count; i++)
        rows = strips->strips[i].rows > rows ? strips->strips[i].rows : rows;
    uint32_t most = plan_block_rows(m, l);
    if (!most)
        return report_misfit(ctx, m, l, loc);
    block_cut cut = choose_cut(ctx, m, l, rows, strips->count);
    if (!cut.keys)
        return diag_error(ctx->diag, loc,
                          "layer %u: its keys come in blocks, and a strip of %u rows does not fit beside them; cut it "
                          "into strips of at most %u rows",
                          l->index, rows, most);
    uint32_t arrays = (uint32_t)m->vssa_arrays;
    plan->chunks = strips->count;
    plan->chunk = strips->strips;
    plan->block = cut.keys;
    plan->blocks = (uint32_t)dtq_ceil_div(l->keys, cut.keys);
    plan->wave = cut.wave;
    plan->pipelined = cut.held->v > 1;
    plan->estimate = cut.cycles;
    plan->steps = ARENA_ARRAY(ctx->arena, plan_step, (size_t)l->heads * plan->chunks);
    plan->step_count = 0;
    for (uint32_t h = 0; h < l->heads; h++)
        for (uint32_t c = 0; c < plan->chunks; c++)
            plan->steps[plan->step_count++] = (plan_step){.kind = PLAN_ALL, .head = h, .chunk = c};
    uint64_t *array_free = ARENA_ARRAY(ctx->arena, uint64_t, arrays);
    for (size_t first = 0, end; first < plan->step_count; first = end) {
        bool *taken = ARENA_ARRAY(ctx->arena, bool, arrays);
        end = plan_wave_end(plan, l, first);
        for (size_t s = first; s < end; s++) {
            uint32_t array = plan->steps[s].array = plan_first_free(array_free, arrays, taken);
            taken[array] = true;
            array_free[array] += plan->chunk[plan->steps[s].chunk].rows; /* rows differ in the last strip alone */
        }
    }
    return true;
}
