/* A list scheduler for the units (head, row chunk) of one attention layer.
 *
 * Cutting rows finer balances the arrays and lets softmax overlap, but every piece pays its own wavefront fill; the
 * plan tries several cuts and keeps the shortest. Inside a cut the rule is: the array that is free first takes the
 * oldest unit whose probabilities are ready for P.V; if there is none, the next Q.K^T, as long as buffers hold its
 * result. */
#include "passes/plan.h"

#include <stdlib.h>

#include "passes/instr.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

/* Cuts with this many units cost more time to plan and run than they can win. */
enum { UNITS_WORTH_TRYING = 20000 };

/* The coarsest cut within this of the shortest is taken: finer ones are not worth their instructions. */
static const double worthwhile = 0.01;

/** Bytes of the widest of some blocks: blocks of one operand get buffers of equal size. */
static uint64_t widest_block(const layer_info *l, int operand, const strip *blocks, uint32_t count) {
    uint64_t widest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bytes = layer_block_bytes(l, operand, blocks[i].row, blocks[i].rows);
        widest = bytes > widest ? bytes : widest;
    }
    return widest;
}

/* ---- all keys at once ------------------------------------------------------------------------------------------ */

/** How many of each buffer fit for a cut; zero of any means that the cut is impossible. */
typedef struct {
    uint64_t q, k, v, s, p, o;
} fits;

static fits fit_cut(const dtq_machine *m, const layer_info *l, const strip *chunks, uint32_t count) {
    const strip whole = {.row = l->key_first, .rows = l->keys};
    uint32_t rows = 0;
    for (uint32_t c = 0; c < count; c++)
        rows = chunks[c].rows > rows ? chunks[c].rows : rows;
    return (fits){
        .q = buffer_fit(widest_block(l, LAYER_Q, chunks, count), m->buffers_q),
        .k = buffer_fit(widest_block(l, LAYER_K, &whole, 1), m->buffers_k),
        .v = buffer_fit(widest_block(l, LAYER_V, &whole, 1), m->buffers_v),
        .s = buffer_fit(cost_scores_bytes(rows, l->keys), m->buffers_scores),
        .p = buffer_fit(cost_probs_bytes(rows, l->keys, l->causal), m->buffers_probs),
        .o = buffer_fit(cost_out_bytes(rows, l->head_dim, true), m->buffers_out),
    };
}

static bool fits_all(const fits *f) {
    return f->q && f->k && f->v && f->s && f->p && f->o;
}

bool plan_is_tight(arena *a, const dtq_machine *m, const layer_info *l) {
    const strip_list strips = strips_cut(a, m, l, UINT32_MAX);
    const fits f = fit_cut(m, l, strips.strips, strips.count);
    const uint64_t units = (uint64_t)l->heads * strips.count,
                   wanted = m->vssa_arrays < units ? m->vssa_arrays + 1 : m->vssa_arrays;
    if (!fits_all(&f))
        return false;
    return f.q < wanted || f.s < wanted || f.p < wanted || f.o < wanted;
}

/** The strips of a layer, each priced by what it occupies an array, or all alike. */
typedef struct {
    const strip_list *list;
    uint64_t *before; /* [count + 1] price of the strips in front */
} priced_strips;

static priced_strips price_strips(pass_context *ctx, const dtq_machine *m, const layer_info *l, const strip_list *list,
                                  bool by_price) {
    priced_strips s = {list, ARENA_ARRAY(ctx->arena, uint64_t, list->count + 1)};
    for (uint32_t i = 0; i < list->count; i++) {
        const strip *one = &list->strips[i];
        uint64_t price = 1;
        if (by_price)
            price = layer_price(ctx->cost, m, l, true, one->row, one->rows, l->key_first, l->keys).cycles +
                    layer_price(ctx->cost, m, l, false, one->row, one->rows, l->key_first, l->keys).cycles;
        s.before[i + 1] = s.before[i] + price;
    }
    return s;
}

/** The edge between strips in front of which the price is nearest to `goal`. */
static uint32_t nearest_edge(const priced_strips *s, uint64_t goal) {
    uint32_t at = 0;
    while (s->before[at] < goal)
        at++;
    return at > 0 && goal - s->before[at - 1] < s->before[at] - goal ? at - 1 : at;
}

/** Cuts rows into `chunks` pieces of whole strips, their prices as even as can be, and wherever a strip cannot go on
 *  with the one before: a chunk is one instruction. More pieces than strips: each strip is one. */
static void cut_strips(arena *a, const dtq_machine *m, layer_plan *plan, const priced_strips *s, uint32_t chunks) {
    const strip_list *list = s->list;
    bool *cut = ARENA_ARRAY(a, bool, list->count + 1);
    for (uint32_t c = 1; c < chunks; c++)
        cut[nearest_edge(s, s->before[list->count] * c / chunks)] = true;
    plan->chunk = ARENA_ARRAY(a, strip, list->count);
    plan->chunks = 0;
    for (uint32_t i = 0; i < list->count; i++)
        if (i == 0 || cut[i] || chunks > list->count || !strips_join(m, list, i))
            plan->chunk[plan->chunks++] = list->strips[i];
        else
            plan->chunk[plan->chunks - 1].rows += list->strips[i].rows;
}

typedef struct {
    uint32_t head, chunk;
    uint64_t ready; /* when its probabilities are there */
} unit;

/** State of the list scheduler. Rings hold when the buffer that a unit takes over becomes free. */
typedef struct {
    uint64_t *array_free, *s_free, *o_free, *q_free, *p_free;
    uint64_t load_free, softmax_free, importance_free, store_free;
    uint64_t *began;                          /* by array: when its first step began; UINT64_MAX: it has none */
    uint64_t *k_ready, *v_ready;              /* by key/value head; UINT64_MAX: not loaded */
    uint64_t *k_free, *v_free;                /* by key/value head: when the last so far that reads them ends */
    uint64_t *qk, *softmax, *importance, *pv; /* cycles by chunk */
} scheduler;

static uint64_t load(pass_context *ctx, const dtq_machine *m, scheduler *s, uint64_t bytes, uint64_t not_before) {
    s->load_free = dtq_later(s->load_free, not_before) + cost_dram(ctx->cost, bytes);
    return s->load_free + m->dram_latency_cycles;
}

typedef struct {
    uint64_t size;
    uint32_t chunk;
} sized_chunk;

static int by_size(const void *a, const void *b) {
    const sized_chunk *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1) : (x->chunk > y->chunk) - (x->chunk < y->chunk);
}

/** Orders units head by head, or (largest first) all heads' largest chunks first, which ends more evenly: chunks of the
 *  most rows or, where rows of one number see fewer keys than others, of the most cycles. */
static unit *order_units(arena *a, const layer_info *l, const layer_plan *plan, const scheduler *s,
                         bool largest_first) {
    size_t n = 0;
    unit *units = ARENA_ARRAY(a, unit, (size_t)l->heads * plan->chunks);
    sized_chunk *sorted = ARENA_ARRAY(a, sized_chunk, plan->chunks);
    for (uint32_t c = 0; c < plan->chunks; c++)
        sorted[c] = (sized_chunk){l->clusters.count ? s->qk[c] + s->pv[c] : plan->chunk[c].rows, c};
    if (largest_first)
        qsort(sorted, plan->chunks, sizeof *sorted, by_size);
    for (uint32_t from = 0, to; from < plan->chunks; from = to) {
        for (to = from + 1; to < plan->chunks && (!largest_first || sorted[to].size == sorted[from].size);)
            to++;
        for (uint32_t h = 0; h < l->heads; h++)
            for (uint32_t c = from; c < to; c++)
                units[n++] = (unit){h, sorted[c].chunk, 0};
    }
    return units;
}

/** Loads the keys of a key/value head, whose buffer the head `resident` before it has left. Where not all are resident,
 *  heads are in order: the readers of that one have been issued. */
static void load_keys(pass_context *ctx, const dtq_machine *m, const layer_info *l, const fits *f, scheduler *s,
                      uint32_t kv) {
    const uint64_t left = kv >= f->k ? s->k_free[kv - f->k] : 0;
    s->k_ready[kv] = load(ctx, m, s, layer_block_bytes(l, LAYER_K, l->key_first, l->keys), left);
}

static void load_values(pass_context *ctx, const dtq_machine *m, const layer_info *l, const fits *f, scheduler *s,
                        uint32_t kv) {
    const uint64_t left = kv >= f->v ? s->v_free[kv - f->v] : 0;
    s->v_ready[kv] = load(ctx, m, s, layer_block_bytes(l, LAYER_V, l->key_first, l->keys), left);
}

static void issue_qk(pass_context *ctx, const dtq_machine *m, const layer_info *l, const layer_plan *plan,
                     const fits *f, scheduler *s, unit *u, size_t number, uint32_t array) {
    uint32_t kv = u->head / (l->heads / l->kv_heads);
    uint32_t row = plan->chunk[u->chunk].row, rows = plan->chunk[u->chunk].rows;
    if (s->k_ready[kv] == UINT64_MAX)
        load_keys(ctx, m, l, f, s, kv);
    if (l->causal && s->v_ready[kv] == UINT64_MAX)
        load_values(ctx, m, l, f, s, kv);
    uint64_t q_ready = load(ctx, m, s, layer_block_bytes(l, LAYER_Q, row, rows), s->q_free[number % f->q]);
    uint64_t start =
        dtq_later(dtq_later(s->array_free[array], s->s_free[number % f->s]), dtq_later(q_ready, s->k_ready[kv]));
    uint64_t end = start + s->qk[u->chunk];
    uint64_t drain = m->top_drain == DTQ_DRAIN_IDEAL ? 0 : m->vssa_rows;
    s->array_free[array] = s->q_free[number % f->q] = end;
    s->k_free[kv] = dtq_later(s->k_free[kv], end);
    uint64_t scores = dtq_later(end + drain, s->p_free[number % f->p]);
    s->softmax_free = dtq_later(s->softmax_free, scores) + s->softmax[u->chunk];
    u->ready = s->softmax_free + m->softmax_latency_cycles;
    s->s_free[number % f->s] = u->ready;
    s->importance_free = dtq_later(s->importance_free, u->ready) + s->importance[u->chunk];
    s->p_free[number % f->p] = s->importance_free;
}

static void issue_pv(pass_context *ctx, const dtq_machine *m, const layer_info *l, const layer_plan *plan,
                     const fits *f, scheduler *s, const unit *u, size_t number, uint32_t array) {
    uint32_t kv = u->head / (l->heads / l->kv_heads), rows = plan->chunk[u->chunk].rows;
    if (s->v_ready[kv] == UINT64_MAX)
        load_values(ctx, m, l, f, s, kv);
    uint64_t start =
        dtq_later(dtq_later(s->array_free[array], u->ready), dtq_later(s->v_ready[kv], s->o_free[number % f->o]));
    uint64_t end = start + s->pv[u->chunk];
    s->array_free[array] = end;
    s->v_free[kv] = dtq_later(s->v_free[kv], end);
    s->p_free[number % f->p] = dtq_later(s->p_free[number % f->p], end);
    s->store_free = dtq_later(s->store_free, end) + cost_dram(ctx->cost, 4ull * rows * l->head_dim);
    s->o_free[number % f->o] = s->store_free + m->dram_latency_cycles;
}

/** Causal scores need the scales of their values, so values are loaded with the keys and live until their last P.V:
 * whether there is room for those of the next unit beside those still to be used. Heads are in order if not all are
 * resident. */
static bool values_fit(const layer_info *l, const fits *f, const unit *units, size_t next_qk, size_t next_pv,
                       size_t count) {
    uint32_t group = l->heads / l->kv_heads;
    if (!l->causal || f->v >= l->kv_heads || next_qk >= count)
        return true;
    return units[next_qk].head / group - units[next_pv].head / group < f->v;
}

/** How long after a layer the next one can begin that is planned alike. Queues are in order: an array's first step
 *  waits for the last one of the layer before. Where the next layer's tokens are chosen by this one's importance, its
 *  loads wait for that, too. */
static uint64_t layer_period(const scheduler *s, uint32_t arrays, bool choose) {
    uint64_t period = choose ? s->importance_free : 0;
    for (uint32_t i = 0; i < arrays; i++)
        if (s->began[i] != UINT64_MAX)
            period = dtq_later(period, s->array_free[i] - s->began[i]);
    return period;
}

/** Runs the list scheduler over one cut; fills steps, estimate and period. */
static void schedule_cut(pass_context *ctx, const dtq_machine *m, const layer_info *l, layer_plan *plan, const fits *f,
                         bool largest_first, bool choose) {
    arena *a = ctx->arena;
    uint32_t arrays = (uint32_t)m->vssa_arrays;
    size_t count = (size_t)l->heads * plan->chunks;
    fits ring = *f;
    uint64_t *const sizes[] = {&ring.q, &ring.s, &ring.p, &ring.o};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        *sizes[i] = *sizes[i] < count ? *sizes[i] : count;
    scheduler s = {.array_free = ARENA_ARRAY(a, uint64_t, arrays),
                   .began = ARENA_ARRAY(a, uint64_t, arrays),
                   .s_free = ARENA_ARRAY(a, uint64_t, ring.s),
                   .p_free = ARENA_ARRAY(a, uint64_t, ring.p),
                   .o_free = ARENA_ARRAY(a, uint64_t, ring.o),
                   .q_free = ARENA_ARRAY(a, uint64_t, ring.q),
                   .k_ready = ARENA_ARRAY(a, uint64_t, l->kv_heads),
                   .v_ready = ARENA_ARRAY(a, uint64_t, l->kv_heads),
                   .k_free = ARENA_ARRAY(a, uint64_t, l->kv_heads),
                   .v_free = ARENA_ARRAY(a, uint64_t, l->kv_heads),
                   .qk = ARENA_ARRAY(a, uint64_t, plan->chunks),
                   .softmax = ARENA_ARRAY(a, uint64_t, plan->chunks),
                   .importance = ARENA_ARRAY(a, uint64_t, plan->chunks),
                   .pv = ARENA_ARRAY(a, uint64_t, plan->chunks)};
    for (uint32_t h = 0; h < l->kv_heads; h++)
        s.k_ready[h] = s.v_ready[h] = UINT64_MAX;
    for (uint32_t i = 0; i < arrays; i++)
        s.began[i] = UINT64_MAX;
    for (uint32_t c = 0; c < plan->chunks; c++) {
        uint32_t row = plan->chunk[c].row, rows = plan->chunk[c].rows;
        s.qk[c] = layer_price(ctx->cost, m, l, true, row, rows, l->key_first, l->keys).cycles;
        s.softmax[c] = layer_softmax_cycles(m, l, row, rows, l->key_first, l->keys);
        s.importance[c] = layer_importance_cycles(m, l, row, rows);
        s.pv[c] = layer_price(ctx->cost, m, l, false, row, rows, l->key_first, l->keys).cycles;
    }
    unit *units = order_units(a, l, plan, &s, largest_first);
    plan->steps = ARENA_ARRAY(a, plan_step, 2 * count);
    plan->step_count = 0;
    for (size_t next_qk = 0, next_pv = 0; next_pv < count;) {
        uint32_t array = plan_first_free(s.array_free, arrays, NULL);
        bool pv_ready = next_pv < next_qk && units[next_pv].ready <= s.array_free[array];
        bool qk_allowed =
            next_qk < count && next_qk - next_pv < f->p && values_fit(l, f, units, next_qk, next_pv, count);
        bool qk = !pv_ready && qk_allowed;
        size_t number = qk ? next_qk++ : next_pv++;
        unit *u = &units[number];
        if (qk)
            issue_qk(ctx, m, l, plan, &ring, &s, u, number, array);
        else
            issue_pv(ctx, m, l, plan, &ring, &s, u, number, array);
        if (s.began[array] == UINT64_MAX)
            s.began[array] = s.array_free[array] - (qk ? s.qk : s.pv)[u->chunk];
        plan->steps[plan->step_count++] =
            (plan_step){.kind = qk ? PLAN_QK : PLAN_PV, .head = u->head, .chunk = u->chunk, .array = array};
    }
    plan->estimate = s.store_free + m->dram_latency_cycles;
    plan->period = layer_period(&s, arrays, choose);
    plan->block = l->keys;
    plan->blocks = 1;
}

/** The next number of chunks worth trying after `chunks`: all small ones, then steps of an eighth, then whole strips.
 */
static uint32_t next_cut(uint32_t chunks, uint32_t strips) {
    uint32_t next = chunks + (chunks < 8 ? 1 : chunks / 8);
    return chunks < strips && next > strips ? strips : next;
}

/** Plans that were tried. */
typedef struct {
    layer_plan *plans;
    uint32_t count;
    plan_followers followers;
    uint64_t shortest; /* of plan_total */
} tried;

/** When the last of a layer and its followers ends. */
static uint64_t plan_total(const layer_plan *plan, const tried *t) {
    return plan->estimate + t->followers.layers * plan->period;
}

/** Tries one cut, if buffers hold its chunks. */
static void try_cut(pass_context *ctx, const dtq_machine *m, const layer_info *l, const priced_strips *priced,
                    uint32_t chunks, tried *t) {
    layer_plan plan = {0};
    cut_strips(ctx->arena, m, &plan, priced, chunks);
    fits f = fit_cut(m, l, plan.chunk, plan.chunks);
    if (!fits_all(&f))
        return;
    bool may_sort = f.k >= l->kv_heads && f.v >= l->kv_heads && priced->list->ascending;
    for (int largest = 0; largest <= (ctx->optimise && may_sort); largest++) {
        schedule_cut(ctx, m, l, &plan, &f, largest, t->followers.choose);
        const uint64_t total = plan_total(&plan, t);
        t->shortest = total < t->shortest ? total : t->shortest;
        t->plans[t->count++] = plan;
    }
}

/** Tries cuts of a layer whose keys fit at once; false if none fits. At -O0 a strip is a strip, and a layer is alone.
 * Where some see fewer keys than others, chunks of as many strips are tried beside chunks of as many cycles: buffers
 * are as large as the chunk of the most rows, so that more of them are on their way. */
static bool plan_whole(pass_context *ctx, const dtq_machine *m, const layer_info *l, const strip_list *list,
                       plan_followers followers, layer_plan *out) {
    priced_strips by_price = price_strips(ctx, m, l, list, ctx->optimise);
    priced_strips by_count = l->clusters.count ? price_strips(ctx, m, l, list, false) : by_price;
    uint32_t strips = list->count;
    tried t = {ARENA_ARRAY(ctx->arena, layer_plan, 4 * (size_t)strips + 2), 0, {0}, UINT64_MAX};
    if (ctx->optimise)
        t.followers = followers;
    for (uint32_t chunks = 1; chunks <= strips; chunks = next_cut(chunks, strips)) {
        try_cut(ctx, m, l, &by_price, chunks, &t);
        if (l->clusters.count)
            try_cut(ctx, m, l, &by_count, chunks, &t);
        if ((!ctx->optimise && m->vssa_arrays == 1) || (uint64_t)l->heads * chunks > UNITS_WORTH_TRYING)
            break;
    }
    /* Strips of unequal prices are not all cut apart above, and two of them may be more than a buffer holds. */
    if (ctx->optimise && (uint64_t)l->heads * strips <= UNITS_WORTH_TRYING)
        try_cut(ctx, m, l, &by_price, strips + 1, &t);
    for (uint32_t i = 0; i < t.count; i++)
        if ((double)plan_total(&t.plans[i], &t) <= (1.0 + worthwhile) * (double)t.shortest) {
            *out = t.plans[i];
            return true;
        }
    return false;
}

bool plan_holds_strips(const dtq_machine *machine, const layer_info *l, const strip_list *strips) {
    fits f = fit_cut(machine, l, strips->strips, strips->count);
    return fits_all(&f);
}

bool plan_holds_keys(arena *a, const dtq_machine *machine, const layer_info *l) {
    strip_list strips = strips_cut(a, machine, l, UINT32_MAX);
    return plan_holds_strips(machine, l, &strips);
}

strip_list plan_strips(arena *a, const dtq_machine *machine, const layer_info *l) {
    strip_list strips = strips_cut(a, machine, l, UINT32_MAX);
    uint32_t rows = plan_holds_strips(machine, l, &strips) ? 0 : plan_block_rows(machine, l);
    return rows ? strips_cut(a, machine, l, rows) : strips;
}

/** Cycles that a layer takes at least with all keys of a head at once, if the strips of the heads whose keys and values
 *  are on chip together are fewer than the arrays; else 0. The list scheduler loads keys as if there were room. Keys
 * make way for those of the next head when their Q.K^T is over, values after P.V; those of a causal layer come with the
 * keys.
 */
static uint64_t cycles_of_idle_arrays(pass_context *ctx, const dtq_machine *m, const layer_info *l,
                                      const strip_list *strips) {
    const fits f = fit_cut(m, l, strips->strips, strips->count);
    const uint64_t resident = f.k < f.v ? f.k : f.v;
    const uint64_t strips_of_head = (uint64_t)(l->heads / l->kv_heads) * strips->count;
    if (resident >= l->kv_heads || resident * strips_of_head >= m->vssa_arrays)
        return 0;
    if (l->clusters.count &&
        strips->count > 1) /* strips that see more keys than the first, by which blocks are priced */
        return 0;
    const strip *first = &strips->strips[0];
    const uint64_t qk = layer_price(ctx->cost, m, l, true, first->row, first->rows, l->key_first, l->keys).cycles,
                   pv = layer_price(ctx->cost, m, l, false, first->row, first->rows, l->key_first, l->keys).cycles;
    return dtq_ceil_div(l->kv_heads, resident) * (l->causal ? qk + pv : dtq_later(qk, pv));
}

bool plan_layer(pass_context *ctx, const dtq_machine *machine, const layer_info *l, const strip_list *strips,
                plan_followers followers, src_loc loc, layer_plan *out) {
    *out = (layer_plan){0};
    if (plan_whole(ctx, machine, l, strips, followers, out)) {
        const uint64_t least = ctx->optimise ? cycles_of_idle_arrays(ctx, machine, l, strips) : 0;
        if (least)
            plan_blocks_if_shorter(ctx, machine, l, strips, least, out);
        return true;
    }
    *out = (layer_plan){0};
    return plan_blocks(ctx, machine, l, strips, loc, out);
}
