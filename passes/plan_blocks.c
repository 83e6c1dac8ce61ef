/* The plan of an attention layer whose keys come in blocks, since they do not fit on chip at once, or not those of
 * enough heads. There are two passes over them (a causal layer has three). Strips of queries are issued in waves, as
 * many as there are arrays and buffers for their probabilities: all strips of a wave meet a block before the next one
 * comes, so that it is loaded once for all of them. Where the strips of one key/value head are fewer than the arrays,
 * as in a step of generation, a wave has strips of several, with a block of each. If the scores of a wave stay on chip
 * between the passes, they are computed once, and keys are loaded once. Waves may then overlap: scores of
 * the next are computed while this one's probabilities meet values. Sums of P.V go over the blocks of a strip in their
 * order and stay on one array; blocks of scores may be of any, so that a strip keeps several arrays busy. */
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

/* Of longer waves only halves are tried. */
enum { WAVES_WORTH_TRYING = 32 };

/* Blocks that fit and are not larger than this are not cut finer: filling the arrays would cost too much. */
enum { SMALLEST_BLOCK = 128 };

/** Bytes of blocks of `keys` keys at 8 bits, whichever they are. */
static uint64_t key_block_bytes(const layer_info *l, uint32_t keys) {
    return keys * (l->head_dim + 4ull);
}

static uint64_t value_block_bytes(const layer_info *l, uint32_t keys) {
    return (uint64_t)keys * l->head_dim + (l->causal ? 4ull * keys : 8ull * l->head_dim);
}

/** The most keys of a block such that all copies fit for a wave of so many strips of `heads` key/value heads, 0 if not
 *  even one key does. They are a multiple of `step` if there is room for that. */
static uint32_t keys_for_blocks(const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t wave, uint32_t heads,
                                uint32_t step, const copies *c) {
    uint32_t held = 0, too_many = l->keys + 1;
    while (too_many - held > 1) {
        uint32_t keys = held + (too_many - held) / 2;
        if (buffer_fit(key_block_bytes(l, keys), m->buffers_k) >= c->k * heads &&
            buffer_fit(value_block_bytes(l, keys), m->buffers_v) >= c->v * heads &&
            buffer_fit(cost_scores_bytes(rows, keys), m->buffers_scores) >= c->s * wave)
            held = keys;
        else
            too_many = keys;
    }
    return held > step && held < l->keys ? held - held % step : held;
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
        uint32_t keys = keys_for_blocks(m, l, rows, 1, 1, (uint32_t)m->vssa_cols, smallest);
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
    uint32_t keys, blocks, wave, heads;
    const copies *held;
    bool scores, values; /* that stay on chip between passes */
    bool spreads;        /* Q.K^T of a strip over the arrays */
    bool overlaps;       /* with the next wave */
    uint64_t cycles;     /* about */
} block_cut;

/** Whether scores of all blocks of a wave fit, and values; and beside them what the next wave begins with. */
static bool keep(const dtq_machine *m, const layer_info *l, uint32_t rows, block_cut *cut) {
    const uint64_t blocks = cut->blocks, scores = buffer_fit(cost_scores_bytes(rows, cut->keys), m->buffers_scores);
    cut->scores = scores >= blocks * cut->wave;
    cut->values = cut->scores && buffer_fit(value_block_bytes(l, cut->keys), m->buffers_v) >= blocks * cut->heads;
    return !cut->overlaps ||
           (scores >= (blocks + 1) * cut->wave && cut->held->v > 1 &&
            buffer_fit(cost_probs_bytes(rows, l->keys, l->causal), m->buffers_probs) >= 2ull * cut->wave &&
            buffer_fit(query_strip_bytes(l, rows), m->buffers_q) >= 2ull * cut->wave);
}

/** Cycles of an array for a strip and all keys, in blocks: of Q.K^T or of P.V. */
static uint64_t strip_cycles(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows,
                             const block_cut *cut, bool qk) {
    const uint32_t before_last = (cut->blocks - 1) * cut->keys, row = l->query_first;
    return (cut->blocks - 1ull) * layer_price(ctx->cost, m, l, qk, row, rows, l->key_first, cut->keys).cycles +
           layer_price(ctx->cost, m, l, qk, row, rows, l->key_first + before_last, l->keys - before_last).cycles;
}

/** Cycles of all waves. A strip's P.V is on one array, Q.K^T on all where it is spread; softmax or DMA may take longer;
 *  what is not loaded ahead is waited for, as is softmax between the passes. */
static uint64_t estimate(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t strips,
                         const block_cut *cut) {
    const uint64_t passes = l->causal ? 3 : 2, blocks = cut->blocks, arrays = cut->spreads ? m->vssa_arrays : cut->wave;
    const uint64_t products = cut->scores ? 1 : passes, values = l->causal && !cut->values ? 2 : 1;
    const uint64_t strips_of_head = (uint64_t)(l->heads / l->kv_heads) * strips;
    const uint64_t waves = dtq_ceil_div(l->kv_heads, cut->heads) * dtq_ceil_div(strips_of_head * cut->heads, cut->wave);
    const uint64_t load_k = cost_dram(ctx->cost, key_block_bytes(l, cut->keys)),
                   load_v = cost_dram(ctx->cost, value_block_bytes(l, cut->keys));
    const uint64_t softmax = cut->wave * cost_softmax(ctx->cost, rows, cut->keys);
    const uint64_t qk = strip_cycles(ctx, m, l, rows, cut, true), pv = strip_cycles(ctx, m, l, rows, cut, false);
    const uint64_t last = cut->scores ? 0 : 1, one = dtq_ceil_div(qk, blocks), pieces = blocks * cut->wave;
    const uint64_t others = arrays > cut->wave ? arrays - cut->wave : 0; /* that P.V leaves to Q.K^T beside it */
    const uint64_t first = dtq_ceil_div(pieces * (products - last), arrays) * one;
    uint64_t second = dtq_later(pv, dtq_ceil_div(cut->wave * (pv + (cut->overlaps ? 1 : last) * qk), arrays));
    if (last || cut->overlaps)
        second = others ? dtq_later(second, least(dtq_ceil_div(pieces, others) * one, second + one)) : pv + qk;
    uint64_t longest = cut->overlaps ? second : first + second;
    longest = dtq_later(longest, passes * blocks * softmax);
    longest = dtq_later(longest, blocks * cut->heads * (products * load_k + values * load_v));
    const uint64_t ahead = cut->held->k > 1 ? 0 : blocks * products * (load_k + m->dram_latency_cycles);
    uint64_t between = cut->scores ? (passes - 1) * m->softmax_latency_cycles + softmax + (cut->overlaps ? one : 0) : 0;
    if (cut->scores && l->causal)
        between += blocks * dtq_later(softmax, cut->values ? 0 : cut->heads * load_v);
    return waves * (longest + ahead + between) + (cut->overlaps ? first : 0);
}

/** Matmuls of Q.K^T of all waves, as a measure of how many instructions there are. */
static uint64_t pieces(const layer_info *l, uint32_t strips, const block_cut *cut) {
    return (cut->scores ? 1ull : 2ull) * cut->blocks * (l->heads * (uint64_t)strips);
}

/** Tries a wave with blocks of so many keys: it is the best if it is over first or, with a limit, if it is over by then
 * and has the fewest pieces. */
static void try_keys(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t strips,
                     block_cut cut, uint64_t limit, block_cut *best) {
    if (!cut.keys || !output_fits(m, l, rows, cut.keys))
        return;
    cut.blocks = (uint32_t)dtq_ceil_div(l->keys, cut.keys);
    if (ctx->optimise && !keep(m, l, rows, &cut))
        return;
    cut.cycles = estimate(ctx, m, l, rows, strips, &cut);
    if (limit ? cut.cycles <= limit && pieces(l, strips, &cut) < pieces(l, strips, best) : cut.cycles < best->cycles)
        *best = cut;
}

/** Tries the cuts of one wave: the most keys that fit and, but at -O0, fewer, since many pieces suit many arrays; they
 *  are a multiple of what a tile takes of them, whichever way it lies. */
static void try_wave(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t strips,
                     block_cut cut, uint64_t limit, block_cut *best) {
    const uint32_t steps[] = {(uint32_t)m->vssa_cols, (uint32_t)m->vssa_rows};
    for (size_t i = 0; i < (cut.spreads ? 1 : COPIES); i++) /* spread pieces need keys that are loaded ahead */
        for (size_t j = 0; j < (ctx->optimise ? sizeof steps / sizeof *steps : 1); j++) {
            cut.held = &block_copies[i];
            cut.keys = keys_for_blocks(m, l, rows, cut.wave, cut.heads, steps[j], cut.held);
            try_keys(ctx, m, l, rows, strips, cut, limit, best);
            for (uint32_t keys = cut.keys / 3 * 2; cut.spreads && keys > SMALLEST_BLOCK; keys = keys / 3 * 2) {
                cut.keys = keys - keys % steps[j];
                try_keys(ctx, m, l, rows, strips, cut, limit, best);
            }
        }
}

/** The best of all cuts; of equal ones the longest wave. */
static block_cut best_cut(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows, uint32_t strips,
                          bool spreads, uint64_t limit) {
    block_cut best = {.cycles = UINT64_MAX, .blocks = UINT32_MAX};
    const uint32_t longest = longest_wave(m, l, rows);
    const uint64_t strips_of_head = (uint64_t)(l->heads / l->kv_heads) * strips;
    const bool all = spreads && longest <= WAVES_WORTH_TRYING;
    for (uint32_t wave = longest; wave > 0; wave = all ? wave - 1 : wave > 1 ? (wave + 1) / 2 : 0)
        for (int overlaps = 0; overlaps <= spreads; overlaps++) {
            const block_cut cut = {.wave = wave, .heads = 1, .spreads = spreads, .overlaps = overlaps};
            try_wave(ctx, m, l, rows, strips, cut, limit, &best);
        }
    for (uint32_t heads = 2; ctx->optimise && heads <= l->kv_heads && heads * strips_of_head <= longest; heads++) {
        const block_cut cut = {.wave = (uint32_t)(heads * strips_of_head), .heads = heads, .spreads = spreads};
        try_wave(ctx, m, l, rows, strips, cut, limit, &best);
    }
    return best;
}

/** The shortest cut whose strips keep to one array each or, where that is clearly shorter, the coarsest of those that
 * are about as short as the shortest whose strips are spread. */
static block_cut choose_cut(pass_context *ctx, const dtq_machine *m, const layer_info *l, uint32_t rows,
                            uint32_t strips) {
    const block_cut plain = best_cut(ctx, m, l, rows, strips, false, 0);
    if (!ctx->optimise || !plain.keys)
        return plain;
    const block_cut spread = best_cut(ctx, m, l, rows, strips, true, 0);
    if (!spread.keys || spread.cycles > plain.cycles - plain.cycles / 8)
        return plain;
    return best_cut(ctx, m, l, rows, strips, true, spread.cycles + spread.cycles / 64);
}

size_t plan_wave_end(const layer_plan *plan, const layer_info *l, size_t first) {
    uint32_t group = l->heads / l->kv_heads;
    size_t end = first + 1;
    while (end < plan->step_count && end - first < plan->wave &&
           plan->steps[end].head / group - plan->steps[first].head / group < plan->wave_heads)
        end++;
    return end;
}

static uint32_t highest(const strip_list *strips) {
    uint32_t rows = 0;
    for (uint32_t i = 0; i < strips->count; i++)
        rows = strips->strips[i].rows > rows ? strips->strips[i].rows : rows;
    return rows;
}

/** The plan of a cut. */
static layer_plan carry_out(pass_context *ctx, const dtq_machine *m, const layer_info *l, const strip_list *strips,
                            const block_cut *cut) {
    uint32_t arrays = (uint32_t)m->vssa_arrays;
    layer_plan made = {0}, *plan = &made;
    plan->chunks = strips->count;
    plan->chunk = strips->strips;
    plan->block = cut->keys;
    plan->blocks = cut->blocks;
    plan->wave = cut->wave;
    plan->wave_heads = cut->heads;
    plan->keeps_scores = cut->scores;
    plan->keeps_values = cut->values;
    plan->spreads = cut->spreads;
    plan->overlaps = cut->overlaps;
    plan->pipelined = cut->held->v > 1;
    plan->estimate = cut->cycles;
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
    return made;
}

bool plan_blocks(pass_context *ctx, const dtq_machine *m, const layer_info *l, const strip_list *strips, src_loc loc,
                 layer_plan *plan) {
    const uint32_t rows = highest(strips), most = plan_block_rows(m, l);
    if (!most)
        return report_misfit(ctx, m, l, loc);
    const block_cut cut = choose_cut(ctx, m, l, rows, strips->count);
    if (!cut.keys)
        return diag_error(ctx->diag, loc,
                          "layer %u: its keys come in blocks, and a strip of %u rows does not fit beside them; cut it "
                          "into strips of at most %u rows",
                          l->index, rows, most);
    *plan = carry_out(ctx, m, l, strips, &cut);
    return true;
}

void plan_blocks_if_shorter(pass_context *ctx, const dtq_machine *m, const layer_info *l, const strip_list *strips,
                            uint64_t least, layer_plan *plan) {
    const block_cut cut = choose_cut(ctx, m, l, highest(strips), strips->count);
    if (cut.keys && cut.cycles < dtq_later(least, plan->estimate))
        *plan = carry_out(ctx, m, l, strips, &cut);
}
