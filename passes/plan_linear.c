/* A list scheduler for the units (row chunk, block of outputs) of a linear on the arrays.
 *
 * Weights are at 8 bits and pass by once or are kept, as the buffers allow. Units are issued in waves of as many as
 * there are arrays. In a wave all first blocks of inputs are multiplied, then all second ones, and so on, so that units
 * of a wave share the blocks of rows and of weights that they have in common; a block that is still on chip is not
 * loaded again. Several cuts are tried: large blocks pay the wavefront's fill less often and move less, small ones
 * balance the arrays and leave room to load ahead. */
#include "passes/plan_linear.h"

#include <string.h>

#include "passes/instr.h"
#include "passes/plan.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

/* Of the cuts within this of the shortest the one that moves least is taken. */
static const double worthwhile = 0.02;

/* Steps that a cut may have, and tiles of outputs and depths of a block that are worth trying. */
enum { STEPS_WORTH_TRYING = 400000, LEAST_DEPTH = 64 };
static const uint32_t tiles_of_block[] = {1, 2, 3, 4, 6, 8, 12, 16, 18, 24, 32, 64};
static const uint32_t depths[] = {UINT32_MAX, 4096, 2048, 1536, 1024, 768, 512, 256, 128, LEAST_DEPTH};
/* In even cuts: as many row chunks; and each strip one, only where nothing larger fits. */
static const uint32_t chunk_counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 32, UINT32_MAX};

/* ---- sizes and prices -------------------------------------------------------------------------------------------- */

uint64_t linear_rows_bytes(const layer_info *l, uint32_t row, uint32_t rows, uint32_t depth) {
    return l->is_static ? cost_block_bytes(l->bits[LAYER_Q] + row, rows, depth, false)
                        : (uint64_t)rows * (depth + 4ull);
}

uint64_t linear_weights_bytes(uint32_t cols, uint32_t depth) {
    return (uint64_t)cols * (8ull + depth);
}

uint64_t linear_bound(const dtq_machine *machine, const linear_shape *s) {
    const layer_info *l = s->layer;
    /* rows of 4 bits take 2 cycles with weights of 8, rows of 8 bits take 4 */
    uint64_t high = l->queries < l->slots ? l->queries : l->high, pes = dtq_machine_pes(machine);
    uint64_t work = 2 * ((uint64_t)l->queries + high) * s->inputs * s->outputs;
    return (work + pes - 1) / pes;
}

/* ---- one cut ----------------------------------------------------------------------------------------------------- */

/** Copies of a block that live on chip, in a ring. */
typedef struct {
    uint64_t held;
    uint64_t *free, *ready; /* by place: when its readers are through, when its block is there */
    uint32_t *number;       /* by what the block holds: the load that brought it last, + 1 */
    uint32_t loads;
} ring;

typedef struct {
    uint32_t chunk, block;
} unit;

typedef struct {
    pass_context *ctx;
    const dtq_machine *machine;
    const linear_shape *shape;
    const linear_cut *cut;
    linear_plan *plan;
    uint32_t blocks[2], parts; /* blocks: of outputs, by orientation */
    unit *units;
    uint32_t unit_count;
    ring rows, weights;
    uint64_t sums_held, *sums_free;
    uint64_t *array_free, load_free, store_free;
    matmul_price *price; /* [chunk][whole or last block][whole or last part] */
    bool keep;
    size_t room;
} scheduler;

static uint32_t piece(uint32_t index, uint32_t block, uint32_t all, uint32_t *first) {
    *first = index * block;
    return all - *first < block ? all - *first : block;
}

uint32_t linear_outputs(const linear_cut *cut, uint32_t outputs, uint32_t chunk, uint32_t block, uint32_t *first) {
    return piece(block, cut->output_block[cut->turned[chunk]], outputs, first);
}

uint32_t linear_inputs(const linear_cut *cut, uint32_t inputs, uint32_t part, uint32_t *first) {
    return piece(part, cut->input_block, inputs, first);
}

static uint32_t cols_of(const scheduler *s, uint32_t chunk, uint32_t block) {
    uint32_t first;
    return linear_outputs(s->cut, s->shape->outputs, chunk, block, &first);
}

static uint32_t depth_of(const scheduler *s, uint32_t part) {
    uint32_t first;
    return linear_inputs(s->cut, s->shape->inputs, part, &first);
}

static void record(scheduler *s, linear_step step) {
    linear_plan *p = s->plan;
    if (s->keep) {
        if (p->step_count == s->room) {
            size_t room = s->room ? 2 * s->room : 256;
            linear_step *grown = ARENA_ARRAY(s->ctx->arena, linear_step, room);
            if (p->step_count)
                memcpy(grown, p->steps, p->step_count * sizeof *grown);
            p->steps = grown;
            s->room = room;
        }
        p->steps[p->step_count] = step;
    }
    p->step_count++;
}

/** Brings a block in, unless it is still there; the number of the load that brought it. */
static uint32_t bring(scheduler *s, ring *r, uint32_t what, uint64_t bytes, linear_step step) {
    if (r->number[what] && r->loads - (r->number[what] - 1) <= r->held)
        return r->number[what] - 1;
    uint32_t number = r->loads++;
    uint64_t start = dtq_later(s->load_free, r->free[number % r->held]);
    s->load_free = start + cost_dram(s->ctx->cost, bytes);
    r->ready[number % r->held] = s->load_free + s->machine->dram_latency_cycles;
    s->plan->loaded += bytes;
    r->number[what] = number + 1;
    *(step.kind == LINEAR_LOAD_ROWS ? &step.rows : &step.weights) = number;
    record(s, step);
    return number;
}

static void multiply(scheduler *s, uint32_t number, uint32_t part, uint32_t array) {
    const layer_info *l = s->shape->layer;
    uint32_t chunk = s->units[number].chunk, block = s->units[number].block, turned = s->cut->turned[chunk];
    uint32_t row = s->cut->edge[chunk], rows = s->cut->edge[chunk + 1] - row;
    uint32_t cols = cols_of(s, chunk, block), depth = depth_of(s, part);
    linear_step step = {.array = array, .chunk = chunk, .block = block, .part = part, .unit = number};
    step.kind = LINEAR_LOAD_ROWS;
    step.rows = bring(s, &s->rows, chunk * s->parts + part, linear_rows_bytes(l, row, rows, depth), step);
    step.kind = LINEAR_LOAD_WEIGHTS;
    step.weights = bring(s, &s->weights, (turned * s->blocks[0] + block) * s->parts + part,
                         linear_weights_bytes(cols, depth), step);
    step.kind = LINEAR_MATMUL;
    uint64_t *rows_free = &s->rows.free[step.rows % s->rows.held];
    uint64_t *weights_free = &s->weights.free[step.weights % s->weights.held];
    uint64_t *sums_free = &s->sums_free[number % s->sums_held];
    uint64_t start = dtq_later(s->array_free[array], dtq_later(s->rows.ready[step.rows % s->rows.held],
                                                               s->weights.ready[step.weights % s->weights.held]));
    if (part == 0)
        start = dtq_later(start, *sums_free);
    const matmul_price *p = &s->price[(chunk * 2 + (block + 1 == s->blocks[turned])) * 2 + (part + 1 == s->parts)];
    s->array_free[array] = start + p->cycles;
    uint64_t done = start + p->cycles + p->latency;
    *rows_free = dtq_later(*rows_free, done);
    *weights_free = dtq_later(*weights_free, done);
    record(s, step);
    if (part + 1 < s->parts)
        return;
    step.kind = LINEAR_STORE;
    s->store_free = dtq_later(s->store_free, done) + cost_dram(s->ctx->cost, 4ull * rows * cols);
    *sums_free = s->store_free + s->machine->dram_latency_cycles;
    record(s, step);
}

/** Issues all units in waves: as many as there are arrays and places for sums. */
static void issue(scheduler *s) {
    uint32_t arrays = (uint32_t)s->machine->vssa_arrays;
    uint32_t wave = s->sums_held < arrays ? (uint32_t)s->sums_held : arrays, units = s->unit_count;
    uint32_t *array = ARENA_ARRAY(s->ctx->arena, uint32_t, arrays);
    bool *taken = ARENA_ARRAY(s->ctx->arena, bool, arrays);
    for (uint32_t first = 0; first < units; first += wave) {
        uint32_t end = units - first < wave ? units : first + wave;
        memset(taken, 0, arrays * sizeof *taken);
        for (uint32_t u = first; u < end; u++) {
            array[u - first] = plan_first_free(s->array_free, arrays, taken);
            taken[array[u - first]] = true;
        }
        for (uint32_t part = 0; part < s->parts; part++)
            for (uint32_t u = first; u < end; u++)
                multiply(s, u, part, array[u - first]);
    }
}

static void open_ring(scheduler *s, ring *r, uint64_t held, uint32_t kinds, uint32_t loads) {
    r->held = held < loads ? held : loads; /* more places than blocks are never used */
    r->free = ARENA_ARRAY(s->ctx->arena, uint64_t, r->held);
    r->ready = ARENA_ARRAY(s->ctx->arena, uint64_t, r->held);
    r->number = ARENA_ARRAY(s->ctx->arena, uint32_t, kinds);
}

static void price_units(scheduler *s) {
    const layer_info *l = s->shape->layer;
    s->price = ARENA_ARRAY(s->ctx->arena, matmul_price, 4 * (size_t)s->cut->chunks);
    for (uint32_t c = 0; c < s->cut->chunks; c++)
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t row = s->cut->edge[c], cols = cols_of(s, c, i / 2 ? s->blocks[s->cut->turned[c]] - 1 : 0);
            uint32_t depth = depth_of(s, i % 2 ? s->parts - 1 : 0);
            s->price[4 * c + i] = layer_linear_price(s->ctx->cost, l, row, s->cut->edge[c + 1] - row, cols, depth,
                                                     linear_walk(s->cut, c));
        }
}

/** All units in the order of issue. */
static void list_units(scheduler *s) {
    const linear_cut *cut = s->cut;
    uint32_t most = s->blocks[0] > s->blocks[1] ? s->blocks[0] : s->blocks[1];
    s->units = ARENA_ARRAY(s->ctx->arena, unit, (size_t)most * cut->chunks);
    for (uint32_t i = 0; i < most * cut->chunks; i++) {
        unit u = {cut->rows_outer ? i / most : i % cut->chunks, cut->rows_outer ? i % most : i / cut->chunks};
        if (u.block < s->blocks[cut->turned[u.chunk]])
            s->units[s->unit_count++] = u;
    }
}

static bool schedule(pass_context *ctx, const dtq_machine *m, const linear_shape *shape, const linear_cut *cut,
                     bool keep, linear_plan *out) {
    *out = (linear_plan){.cut = *cut};
    scheduler s = {.ctx = ctx, .machine = m, .shape = shape, .cut = cut, .plan = out, .keep = keep};
    s.parts = (uint32_t)dtq_ceil_div(shape->inputs, cut->input_block);
    for (int turned = 0; turned < 2; turned++)
        s.blocks[turned] = (uint32_t)dtq_ceil_div(shape->outputs, cut->output_block[turned]);
    uint64_t tallest = 0, widest = 0, largest = 0; /* blocks of rows, of weights, of sums */
    for (uint32_t c = 0; c < cut->chunks; c++) {
        uint32_t row = cut->edge[c], rows = cut->edge[c + 1] - row, cols = cols_of(&s, c, 0);
        tallest = dtq_later(tallest, linear_rows_bytes(shape->layer, row, rows, depth_of(&s, 0)));
        widest = dtq_later(widest, linear_weights_bytes(cols, depth_of(&s, 0)));
        largest = dtq_later(largest, 4ull * rows * cols);
    }
    uint64_t rows_held = buffer_fit(tallest, m->buffers_q), weights_held = buffer_fit(widest, m->buffers_k);
    uint64_t sums_held = buffer_fit(largest, m->buffers_out);
    uint64_t most = (uint64_t)cut->chunks * (s.blocks[0] + s.blocks[1]) * s.parts;
    if (!rows_held || !weights_held || !sums_held || 4 * most > STEPS_WORTH_TRYING)
        return false;
    list_units(&s);
    open_ring(&s, &s.rows, rows_held, cut->chunks * s.parts, s.unit_count * s.parts);
    open_ring(&s, &s.weights, weights_held, (s.blocks[0] + s.blocks[1]) * s.parts, s.unit_count * s.parts);
    s.sums_held = sums_held < s.unit_count ? sums_held : s.unit_count;
    s.sums_free = ARENA_ARRAY(ctx->arena, uint64_t, s.sums_held);
    s.array_free = ARENA_ARRAY(ctx->arena, uint64_t, m->vssa_arrays);
    price_units(&s);
    issue(&s);
    out->estimate = s.store_free + m->dram_latency_cycles;
    out->rows_held = (uint32_t)s.rows.held;
    out->weights_held = (uint32_t)s.weights.held;
    out->sums_held = (uint32_t)s.sums_held;
    return true;
}

bool plan_linear_cut(pass_context *ctx, const dtq_machine *machine, const linear_shape *s, const linear_cut *cut,
                     linear_plan *out) {
    return schedule(ctx, machine, s, cut, true, out);
}

/* ---- cuts worth trying ------------------------------------------------------------------------------------------- */

static uint32_t strip_height(const dtq_machine *m, bool turned) {
    return (uint32_t)(turned ? m->vssa_cols : m->vssa_rows);
}

/* By dynamic programming from the last row to the first. Shorter strips than the array takes keep clusters apart. */
linear_strips linear_best_strips(pass_context *ctx, const dtq_machine *m, const linear_shape *s, unsigned ways) {
    const layer_info *l = s->layer;
    uint32_t n = l->queries, first = l->query_first;
    struct {
        uint64_t cost;
        uint32_t strips, rows;
        bool turned;
    } *best = arena_array(ctx->arena, n + 1, sizeof *best);
    for (uint32_t row = n; row-- > 0;)
        for (int turned = 0; turned < 2; turned++) {
            if (!(ways >> turned & 1))
                continue;
            uint32_t height = strip_height(m, turned), width = strip_height(m, !turned);
            uint64_t tiles = (uint32_t)dtq_ceil_div(s->outputs, width), cost = 1;
            for (uint32_t rows = 1; rows <= height && row + rows <= n; rows++) {
                if (l->bits[LAYER_Q][first + row + rows - 1] == 8)
                    cost = 2;
                uint64_t sum = cost * tiles + best[row + rows].cost;
                uint32_t strips = 1 + best[row + rows].strips;
                bool none = !best[row].rows;
                if (none || sum < best[row].cost || (sum == best[row].cost && strips < best[row].strips)) {
                    best[row].cost = sum;
                    best[row].strips = strips;
                    best[row].rows = rows;
                    best[row].turned = turned;
                }
            }
        }
    linear_strips out = {.edge = ARENA_ARRAY(ctx->arena, uint32_t, n + 1),
                         .turned = ARENA_ARRAY(ctx->arena, uint8_t, n)};
    out.edge[0] = first;
    for (uint32_t row = 0; row < n; row += best[row].rows) {
        out.turned[out.count] = best[row].turned;
        out.edge[++out.count] = first + row + best[row].rows;
    }
    return out;
}

/** As many rows a strip as the array has. */
static linear_strips plain_strips(pass_context *ctx, const dtq_machine *m, const layer_info *l) {
    uint32_t count = (uint32_t)dtq_ceil_div(l->queries, (uint32_t)m->vssa_rows);
    linear_strips out = {.count = count,
                         .edge = ARENA_ARRAY(ctx->arena, uint32_t, count + 1),
                         .turned = ARENA_ARRAY(ctx->arena, uint8_t, count)};
    for (uint32_t i = 0; i <= count; i++)
        out.edge[i] = l->query_first + (i < count ? i * (uint32_t)m->vssa_rows : l->queries);
    return out;
}

/** Joins strips to `chunks` row chunks as even as can be. A chunk is one matmul, which cuts its rows itself: it ends
 * where the orientation changes and behind a strip that is shorter than the array takes. */
static void cut_rows(pass_context *ctx, const dtq_machine *m, const linear_strips *s, uint32_t chunks,
                     linear_cut *cut) {
    cut->edge = ARENA_ARRAY(ctx->arena, uint32_t, s->count + 1);
    cut->turned = ARENA_ARRAY(ctx->arena, uint8_t, s->count);
    cut->chunks = 0;
    cut->edge[0] = s->edge[0];
    for (uint32_t i = 1; i <= s->count; i++) {
        bool even = chunks >= s->count || (uint64_t)i * chunks / s->count != (uint64_t)(i - 1) * chunks / s->count;
        bool turns = i < s->count && s->turned[i] != s->turned[i - 1];
        bool is_short = s->edge[i] - s->edge[i - 1] < strip_height(m, s->turned[i - 1]);
        if (i == s->count || even || turns || is_short) {
            cut->turned[cut->chunks] = s->turned[i - 1];
            cut->edge[++cut->chunks] = s->edge[i];
        }
    }
}

static uint32_t at_most(uint32_t a, uint64_t b) {
    return a < b ? a : (uint32_t)b;
}

/** Says which buffer cannot hold the smallest block of rows that are not turned. */
static bool report_misfit(pass_context *ctx, const dtq_machine *m, const linear_shape *s, src_loc loc) {
    uint32_t rows = at_most(s->layer->queries, m->vssa_rows), cols = at_most(s->outputs, m->vssa_cols);
    uint32_t depth = at_most(s->inputs, LEAST_DEPTH);
    const struct {
        const char *what, *buffer;
        uint64_t need, have;
        bool inputs;
    } pieces[] = {
        {"a strip of rows", "q", rows * (depth + 4ull), m->buffers_q, true},
        {"a tile of weights", "k", linear_weights_bytes(cols, depth), m->buffers_k, true},
        {"a tile of sums", "out", 4ull * rows * cols, m->buffers_out, false},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (pieces[i].need > pieces[i].have)
            return diag_error(ctx->diag, loc,
                              "a linear of %u inputs and %u outputs does not fit: %s%s takes %llu bytes, buffers.%s "
                              "has %llu; enlarge it, or leave linears to the host (`linear: host`)",
                              s->inputs, s->outputs, pieces[i].what,
                              pieces[i].inputs ? arena_printf(ctx->arena, " of %u inputs", depth) : "",
                              (unsigned long long)pieces[i].need, pieces[i].buffer, (unsigned long long)pieces[i].have);
    return diag_error(ctx->diag, loc,
                      "a linear of %u inputs and %u outputs takes more than %d instructions on this machine; enlarge "
                      "its buffers, or leave linears to the host (`linear: host`)",
                      s->inputs, s->outputs, STEPS_WORTH_TRYING);
}

/** Plans without steps, and where they were found to be. */
typedef struct {
    linear_plan *plans;
    size_t count, room;
} tried;

static void keep_plan(arena *a, tried *t, const linear_plan *plan) {
    if (t->count == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        linear_plan *grown = ARENA_ARRAY(a, linear_plan, room);
        if (t->count)
            memcpy(grown, t->plans, t->count * sizeof *grown);
        t->plans = grown;
        t->room = room;
    }
    t->plans[t->count++] = *plan;
}

/** Tries a cut of rows and outputs with the inputs in one, and in smaller and smaller blocks until as much is on chip
 * as the arrays can use at once, and once more. */
static void try_depths(pass_context *ctx, const dtq_machine *m, const linear_shape *s, linear_cut cut, tried *t) {
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        if (depths[d] != UINT32_MAX && depths[d] >= s->inputs)
            continue;
        cut.input_block = depths[d] < s->inputs ? depths[d] : s->inputs;
        bool enough = false;
        for (int outer = 0; outer < 2; outer++) {
            arena *scratch = arena_new(); /* nothing of a plan without steps lives in it */
            pass_context inner = *ctx;
            inner.arena = scratch;
            linear_plan plan;
            cut.rows_outer = outer != 0;
            if (schedule(&inner, m, s, &cut, false, &plan)) {
                keep_plan(ctx->arena, t, &plan);
                enough = enough || (plan.rows_held >= 2 && plan.weights_held > m->vssa_arrays);
            }
            arena_free(scratch);
        }
        if (enough)
            break;
    }
}

/** Tries cuts of these strips. Blocks of outputs are of whole tiles, about as wide in both orientations. */
static void try_strips(pass_context *ctx, const dtq_machine *m, const linear_shape *s, const linear_strips *strips,
                       tried *all) {
    uint32_t height = (uint32_t)m->vssa_rows, width = (uint32_t)m->vssa_cols, before = 0;
    for (size_t c = 0; c < sizeof chunk_counts / sizeof *chunk_counts; c++) {
        linear_cut cut = {0};
        if (chunk_counts[c] == UINT32_MAX && all->count > 0)
            break;
        cut_rows(ctx, m, strips, chunk_counts[c], &cut);
        if (cut.chunks == before)
            continue;
        before = cut.chunks;
        for (size_t t = 0; t < sizeof tiles_of_block / sizeof *tiles_of_block; t++) {
            uint32_t tiles = (tiles_of_block[t] * width + height / 2) / height;
            cut.output_block[0] = at_most(tiles_of_block[t] * width, s->outputs);
            cut.output_block[1] = at_most((tiles ? tiles : 1) * height, s->outputs);
            try_depths(ctx, m, s, cut, all);
            if (cut.output_block[0] == s->outputs)
                break;
        }
    }
}

/** Fewer bytes from DRAM, or as many by fewer instructions. */
static bool is_lighter(const linear_plan *a, const linear_plan *b) {
    return a->loaded != b->loaded ? a->loaded < b->loaded : a->step_count < b->step_count;
}

bool plan_linear(pass_context *ctx, const dtq_machine *machine, const linear_shape *s, src_loc loc, linear_plan *out) {
    tried all = {0};
    if (ctx->optimise && s->layer->is_static) {
        for (unsigned ways = 1; ways <= 3; ways++) {
            linear_strips strips = linear_best_strips(ctx, machine, s, ways);
            try_strips(ctx, machine, s, &strips, &all);
        }
    } else {
        linear_strips plain = plain_strips(ctx, machine, s->layer);
        try_strips(ctx, machine, s, &plain, &all);
    }
    uint64_t shortest = UINT64_MAX;
    for (size_t i = 0; i < all.count; i++)
        shortest = all.plans[i].estimate < shortest ? all.plans[i].estimate : shortest;
    const linear_plan *best = NULL;
    for (size_t i = 0; i < all.count; i++)
        if ((double)all.plans[i].estimate <= (1.0 + worthwhile) * (double)shortest &&
            (!best || is_lighter(&all.plans[i], best)))
            best = &all.plans[i];
    if (!best)
        return report_misfit(ctx, machine, s, loc);
    *out = *best;
    return true;
}
