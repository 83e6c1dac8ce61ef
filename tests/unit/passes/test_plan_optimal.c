/* The list scheduler against the exact optimum on small layers: branch and bound over every way to join strips to row
 * chunks, every order in which units are issued, and every choice of an array, timed by the rules of
 * runtime/sim/TIMING.md with buffers that hold everything. DTQ_SEED repeats a random run. */
#include "codegen/random_problem.h"
#include "passes/pass_util.h"
#include "passes/plan.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

enum { UNITS_MOST = 5, ARRAYS_MOST = 3, STRIPS_MOST = 6 };

typedef struct {
    uint32_t head, chunk;
} unit;

/** What does not change during one search. */
typedef struct {
    const dtq_machine *machine;
    cost_model *cost;
    layer_info l;
    uint32_t edge[STRIPS_MOST + 1], chunks;
    matmul_price qk[STRIPS_MOST], pv[STRIPS_MOST];
    unit units[UNITS_MOST];
    uint32_t unit_count;
    uint64_t best;
    uint64_t visited;
} search;

/** Clocks of the engines after some steps. */
typedef struct {
    uint64_t array[ARRAYS_MOST], load, softmax, topk, store, done;
    uint64_t k[UNITS_MOST], v[UNITS_MOST]; /* by head: when it is there; 0: not loaded */
    uint64_t ready[UNITS_MOST];            /* probabilities of a unit */
    uint8_t state[UNITS_MOST];             /* 0 nothing, 1 scores, 2 all issued */
    uint64_t left;                         /* cycles of the arrays' work that is not issued */
} clocks;

static uint64_t load(const search *s, clocks *c, int operand, uint32_t row, uint32_t rows) {
    c->load += cost_dram(s->cost, layer_block_bytes(&s->l, operand, row, rows));
    return c->load + s->machine->dram_latency_cycles;
}

static void issue_scores(const search *s, clocks *c, uint32_t u, uint32_t array) {
    const layer_info *l = &s->l;
    uint32_t head = s->units[u].head, chunk = s->units[u].chunk;
    uint32_t row = s->edge[chunk], rows = s->edge[chunk + 1] - row;
    if (!c->k[head])
        c->k[head] = load(s, c, LAYER_K, 0, l->keys);
    uint64_t q = load(s, c, LAYER_Q, row, rows), start = dtq_later(c->array[array], dtq_later(q, c->k[head]));
    c->array[array] = start + s->qk[chunk].cycles;
    uint64_t scores = c->array[array] + s->qk[chunk].latency;
    c->softmax = dtq_later(c->softmax, scores) + cost_softmax(s->cost, rows, l->keys);
    c->ready[u] = c->softmax + s->machine->softmax_latency_cycles;
    c->topk = dtq_later(c->topk, c->ready[u]) + cost_importance(s->cost, rows, l->keys);
    c->left -= s->qk[chunk].cycles;
    c->state[u] = 1;
}

static void issue_outputs(const search *s, clocks *c, uint32_t u, uint32_t array) {
    uint32_t head = s->units[u].head, chunk = s->units[u].chunk, rows = s->edge[chunk + 1] - s->edge[chunk];
    if (!c->v[head])
        c->v[head] = load(s, c, LAYER_V, 0, s->l.keys);
    uint64_t start = dtq_later(c->array[array], dtq_later(c->ready[u], c->v[head]));
    c->array[array] = start + s->pv[chunk].cycles;
    c->store =
        dtq_later(c->store, c->array[array] + s->pv[chunk].latency) + cost_dram(s->cost, 4ull * rows * s->l.head_dim);
    c->done = dtq_later(c->done, c->store + s->machine->dram_latency_cycles);
    c->left -= s->pv[chunk].cycles;
    c->state[u] = 2;
}

/** No end can be earlier: what is done, and the arrays' work spread evenly. */
static uint64_t bound(const search *s, const clocks *c) {
    uint64_t arrays = s->machine->vssa_arrays, sum = c->left;
    for (uint64_t a = 0; a < arrays; a++)
        sum += c->array[a];
    return dtq_later(c->done, dtq_later(c->topk, (sum + arrays - 1) / arrays));
}

static void visit(search *s, const clocks *c) {
    bool finished = true;
    s->visited++;
    if (bound(s, c) >= s->best)
        return;
    for (uint32_t u = 0; u < s->unit_count; u++) {
        if (c->state[u] == 2)
            continue;
        finished = false;
        for (uint32_t a = 0; a < s->machine->vssa_arrays; a++) {
            bool again = false; /* arrays that are free at the same time are the same */
            for (uint32_t b = 0; b < a; b++)
                again = again || c->array[b] == c->array[a];
            if (again)
                continue;
            clocks next = *c;
            if (c->state[u] == 0)
                issue_scores(s, &next, u, a);
            else
                issue_outputs(s, &next, u, a);
            visit(s, &next);
        }
    }
    if (finished) {
        uint64_t end =
            dtq_later(c->done, c->topk + cost_topk(s->cost, s->l.keys, 0, false) + s->machine->topk_latency_cycles);
        s->best = end < s->best ? end : s->best;
    }
}

/** All schedules of one way to join strips, unless it makes too many units. */
static void search_chunks(search *s) {
    uint32_t all = s->l.keys;
    s->unit_count = s->l.heads * s->chunks;
    if (s->unit_count > UNITS_MOST)
        return;
    clocks c = {0};
    for (uint32_t i = 0; i < s->chunks; i++) {
        uint32_t row = s->edge[i], rows = s->edge[i + 1] - row;
        s->qk[i] = layer_price(s->cost, s->machine, &s->l, true, row, rows, 0, all);
        s->pv[i] = layer_price(s->cost, s->machine, &s->l, false, row, rows, 0, all);
        c.left += s->l.heads * (s->qk[i].cycles + s->pv[i].cycles);
    }
    for (uint32_t u = 0; u < s->unit_count; u++)
        s->units[u] = (unit){u / s->chunks, u % s->chunks};
    visit(s, &c);
}

/** Every way to join the layer's strips to chunks; where the orientation changes a chunk ends. True if none was left
 * out. */
static bool search_cuts(search *s) {
    uint32_t edges[STRIPS_MOST + 1] = {0}, strips = 0, n = s->l.slots;
    while (edges[strips] < n) {
        if (strips == STRIPS_MOST)
            return false;
        edges[strips + 1] = layer_strip_end(&s->l, s->machine, edges[strips], n);
        strips++;
    }
    for (uint32_t cuts = 0; cuts < 1u << (strips - 1); cuts++) {
        s->chunks = 0;
        bool legal = true;
        for (uint32_t i = 1; i <= strips; i++) {
            bool cut = i == strips || cuts >> (i - 1) & 1;
            legal = legal && (cut || layer_turned(&s->l, edges[i]) == layer_turned(&s->l, edges[i - 1]));
            if (cut)
                s->edge[++s->chunks] = edges[i];
        }
        if (legal)
            search_chunks(s);
    }
    return s->l.heads * strips <= UNITS_MOST;
}

START_TEST(near_the_optimum_of_all_schedules) {
    enum { CASES = 300 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 3};
    printf("plan_optimal: seed %llu\n", (unsigned long long)source.state);
    double excess = 0, worst = 0;
    unsigned met = 0, optimal = 0;
    for (int i = 0; i < CASES; i++) {
        arena *a = arena_new();
        uint32_t heads = random_in(&source, 1, 4), n = random_in(&source, 8, 40), high = random_in(&source, 1, n - 1);
        const char *machine = arena_printf(
            a,
            "vssa.arrays = %u\nvssa.rows = %u\nvssa.cols = %u\nsoftmax.latency_cycles = %u\ndram.latency_cycles = %u\n",
            random_in(&source, 1, ARRAYS_MOST), random_in(&source, 8, 18), random_in(&source, 6, 12),
            random_in(&source, 0, 90), random_in(&source, 0, 100));
        attention_problem problem = {.seq = n,
                                     .heads = heads,
                                     .head_dim = 16u << random_in(&source, 0, 2),
                                     .machine = machine,
                                     .policy = {arena_printf(a, "counts = [0, %u, %u]", n - high, high)}};
        pass_case whole = pass_attention(problem, TO_ORDERED, true);
        search s = {.machine = whole.m->machine, .cost = cost_new(a, whole.m->machine), .best = UINT64_MAX};
        ck_assert(pass_run(&whole, "bounds", true));
        s.l = layer_read(a, whole.m, find_op(whole.m, IR_ATTENTION, 0));
        bool all = search_cuts(&s);
        ck_assert(pass_run(
            &whole,
            "tile-attention bounds bops schedule-tiles lower-schedule allocate-buffers liveness insert-sync timeline",
            true));
        uint64_t got = 0;
        for (size_t op = 0; op < whole.m->op_count; op++)
            if (ir_is_instr((ir_opcode)whole.m->ops[op].code) &&
                ir_int(whole.m, op, IR_KEY_queue, DTQ_HOST) != DTQ_HOST)
                got = dtq_later(got, (uint64_t)ir_int(whole.m, op, IR_KEY_done, 0));
        if (all) {
            ck_assert_msg(got >= s.best, "case %d: %llu cycles, and the optimum is %llu", i, (unsigned long long)got,
                          (unsigned long long)s.best);
            double ratio = (double)got / (double)s.best - 1;
            met++;
            optimal += got <= s.best;
            excess += ratio;
            worst = ratio > worst ? ratio : worst;
        }
        pass_end(&whole);
        arena_free(a);
    }
    printf("plan_optimal: %u cases, %u at the optimum, %.2f %% above it in the mean, %.1f %% at worst\n", met, optimal,
           100 * excess / met, 100 * worst);
    ck_assert_uint_gt(met, CASES / 4);
    ck_assert_double_le(excess / met, 0.03);
}
END_TEST

IR_MAIN("plan_optimal", near_the_optimum_of_all_schedules)
