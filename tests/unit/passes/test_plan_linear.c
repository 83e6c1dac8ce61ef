/* The plan of a linear on the arrays: complete, within the buffers, its strips the best there are, its estimate what
 * the timeline says. DTQ_SEED repeats a random run. */
#include "codegen/random_problem.h"
#include "passes/linear.h"
#include "passes/pass_util.h"
#include "runtime/machine_members.h"

static random_source begin(const char *test) {
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 26};
    printf("plan_linear, %s: seed %llu\n", test, (unsigned long long)source.state);
    return source;
}

typedef struct {
    arena *memory;
    dtq_machine machine;
    layer_info layer;
    linear_shape shape;
    pass_context ctx;
} problem;

/** A linear by itself. Not static: precisions are known only at run time. Some have rows in front that are no queries.
 */
static problem *problem_new(random_source *r, bool is_static, bool tight) {
    arena *a = arena_new();
    problem *p = ARENA_ARRAY(a, problem, 1);
    *p = (problem){.memory = a};
    dtq_machine_init(&p->machine);
    p->machine.vssa_arrays = random_in(r, 1, 4);
    p->machine.vssa_rows = random_in(r, 1, 7);
    p->machine.vssa_cols = random_in(r, 1, 7);
    p->machine.top_drain = random_in(r, 0, 2);
    p->machine.dram_gb_per_s = random_in(r, 1, 64);
    p->machine.top_linear = DTQ_LINEAR_VSSA;
    if (tight) {
        p->machine.buffers_q = random_in(r, 300, 3000);
        p->machine.buffers_k = random_in(r, 300, 3000);
        p->machine.buffers_out = random_in(r, 150, 1500);
    }
    layer_info *l = &p->layer;
    l->slots = random_in(r, 1, 40);
    l->query_first = random_in(r, 0, 2) ? 0 : random_in(r, 0, l->slots - 1);
    l->queries = l->slots - l->query_first;
    l->keys = l->slots;
    l->is_static = is_static;
    l->high = l->query_first ? l->slots : random_in(r, 0, l->slots);
    if (is_static) {
        l->bits[LAYER_Q] = arena_alloc(a, l->slots);
        for (uint32_t i = 0; i < l->slots; i++)
            l->bits[LAYER_Q][i] = i < l->slots - l->high ? 4 : 8;
        for (uint32_t i = 0; random_in(r, 0, 3) == 0 && i < l->slots; i++)
            l->bits[LAYER_Q][i] = random_in(r, 0, 1) ? 8 : 4;
    }
    p->shape = (linear_shape){l, random_in(r, 1, 300), random_in(r, 1, 60)};
    p->ctx = (pass_context){
        .arena = a, .diag = diag_new(a, NULL), .cost = cost_new(a, &p->machine), .optimise = random_in(r, 0, 3) > 0};
    return p;
}

static linear_cut random_cut(random_source *r, problem *p) {
    uint32_t n = p->layer.queries, chunks = 0;
    linear_cut cut = {.edge = ARENA_ARRAY(p->memory, uint32_t, n + 1),
                      .turned = ARENA_ARRAY(p->memory, uint8_t, n),
                      .output_block = {random_in(r, 1, p->shape.outputs), random_in(r, 1, p->shape.outputs)},
                      .input_block = random_in(r, (p->shape.inputs + 4) / 5, p->shape.inputs),
                      .rows_outer = random_in(r, 0, 1)};
    cut.edge[0] = p->layer.query_first;
    for (uint32_t row = 0; row < n;) {
        row += random_in(r, 1, n - row < 15 ? n - row : 15);
        cut.turned[chunks] = p->layer.is_static && random_in(r, 0, 1);
        cut.edge[++chunks] = p->layer.query_first + row;
    }
    cut.chunks = chunks;
    return cut;
}

/** What a load brought. */
typedef struct {
    uint32_t chunk, block, part;
    uint8_t turned;
    uint64_t bytes;
} loaded;

typedef struct {
    const problem *p;
    const linear_plan *plan;
    loaded *rows, *weights;
    uint32_t rows_loaded, weights_loaded;
    uint32_t *array, *next_part; /* of units */
    uint8_t *stored;
    uint32_t *done; /* [queries][outputs]: inputs multiplied */
} walk;

static uint32_t rows_of(const walk *w, uint32_t chunk) {
    return w->plan->cut.edge[chunk + 1] - w->plan->cut.edge[chunk];
}

/** The last `held` blocks are on chip. */
static void expect_room(const loaded *blocks, uint32_t count, uint32_t held, uint64_t capacity) {
    uint64_t bytes = 0;
    for (uint32_t i = count > held ? count - held : 0; i < count; i++)
        bytes += blocks[i].bytes;
    ck_assert_uint_le(bytes, capacity);
}

static void load(walk *w, const linear_step *s) {
    const linear_cut *cut = &w->plan->cut;
    uint32_t first, depth = linear_inputs(cut, w->p->shape.inputs, s->part, &first);
    uint32_t cols = linear_outputs(cut, w->p->shape.outputs, s->chunk, s->block, &first);
    loaded block = {s->chunk, s->block, s->part, cut->turned[s->chunk], 0};
    if (s->kind == LINEAR_LOAD_ROWS) {
        ck_assert_uint_eq(s->rows, w->rows_loaded);
        block.bytes = linear_rows_bytes(&w->p->layer, cut->edge[s->chunk], rows_of(w, s->chunk), depth);
        w->rows[w->rows_loaded++] = block;
        expect_room(w->rows, w->rows_loaded, w->plan->rows_held, w->p->machine.buffers_q);
    } else {
        ck_assert_uint_eq(s->weights, w->weights_loaded);
        block.bytes = linear_weights_bytes(cols, depth);
        w->weights[w->weights_loaded++] = block;
        expect_room(w->weights, w->weights_loaded, w->plan->weights_held, w->p->machine.buffers_k);
    }
}

/** Multiplies what was loaded, if it still is there. */
static void multiply(walk *w, const linear_step *s) {
    const linear_cut *cut = &w->plan->cut;
    ck_assert_uint_lt(s->array, w->p->machine.vssa_arrays);
    ck_assert_uint_lt(s->rows, w->rows_loaded);
    ck_assert_uint_lt(s->weights, w->weights_loaded);
    ck_assert_uint_le(w->rows_loaded - s->rows, w->plan->rows_held);
    ck_assert_uint_le(w->weights_loaded - s->weights, w->plan->weights_held);
    const loaded *x = &w->rows[s->rows], *y = &w->weights[s->weights];
    ck_assert(x->chunk == s->chunk && x->part == s->part);
    ck_assert(y->block == s->block && y->part == s->part && y->turned == cut->turned[s->chunk]);
    ck_assert_uint_eq(w->next_part[s->unit], s->part); /* sums of one place, in order, by one array */
    if (s->part == 0)
        w->array[s->unit] = s->array;
    ck_assert_uint_eq(w->array[s->unit], s->array);
    w->next_part[s->unit]++;
    uint32_t input, output, depth = linear_inputs(cut, w->p->shape.inputs, s->part, &input);
    uint32_t cols = linear_outputs(cut, w->p->shape.outputs, s->chunk, s->block, &output);
    for (uint32_t row = cut->edge[s->chunk]; row < cut->edge[s->chunk + 1]; row++)
        for (uint32_t c = output; c < output + cols; c++) {
            uint32_t *sum = &w->done[(row - w->p->layer.query_first) * w->p->shape.outputs + c];
            ck_assert_uint_eq(*sum, input); /* from the first input to the last, none twice */
            *sum += depth;
        }
}

static void expect_complete(const problem *p, const linear_plan *plan) {
    uint32_t n = p->layer.queries, units = (uint32_t)plan->step_count, under_way = 0;
    walk w = {.p = p,
              .plan = plan,
              .rows = ARENA_ARRAY(p->memory, loaded, plan->step_count),
              .weights = ARENA_ARRAY(p->memory, loaded, plan->step_count),
              .array = ARENA_ARRAY(p->memory, uint32_t, units),
              .next_part = ARENA_ARRAY(p->memory, uint32_t, units),
              .stored = ARENA_ARRAY(p->memory, uint8_t, units),
              .done = ARENA_ARRAY(p->memory, uint32_t, (size_t)n * p->shape.outputs)};
    for (size_t i = 0; i < plan->step_count; i++) {
        const linear_step *s = &plan->steps[i];
        if (s->kind == LINEAR_LOAD_ROWS || s->kind == LINEAR_LOAD_WEIGHTS) {
            load(&w, s);
        } else if (s->kind == LINEAR_MATMUL) {
            under_way += s->part == 0;
            ck_assert_uint_le(under_way, plan->sums_held);
            multiply(&w, s);
        } else {
            ck_assert_uint_eq(w.stored[s->unit]++, 0);
            ck_assert_uint_eq(w.next_part[s->unit],
                              (p->shape.inputs + plan->cut.input_block - 1) / plan->cut.input_block);
            under_way--;
        }
    }
    ck_assert_uint_eq(under_way, 0);
    for (uint32_t i = 0; i < n * p->shape.outputs; i++)
        ck_assert_uint_eq(w.done[i], p->shape.inputs);
}

START_TEST(any_cut_is_complete_and_fits) {
    enum { CASES = 400 };
    random_source r = begin("any cut");
    unsigned refused = 0, parts = 0, again = 0;
    for (int i = 0; i < CASES; i++) {
        problem *p = problem_new(&r, i % 5 != 0, i % 2);
        linear_cut cut = random_cut(&r, p);
        linear_plan plan;
        if (plan_linear_cut(&p->ctx, &p->machine, &p->shape, &cut, &plan)) {
            expect_complete(p, &plan);
            parts += cut.input_block < p->shape.inputs;
            uint32_t loads = 0;
            for (size_t s = 0; s < plan.step_count; s++)
                loads += plan.steps[s].kind == LINEAR_LOAD_WEIGHTS;
            again += loads > plan.weights_held;
        } else {
            refused++; /* because of the buffers */
            ck_assert_msg(i % 2, "case %d does not fit buffers of megabytes", i);
        }
        arena_free(p->memory);
    }
    ck_assert_uint_lt(refused, CASES / 2);
    ck_assert_uint_gt(parts, CASES / 4);
    ck_assert_uint_gt(again, CASES / 20);
}
END_TEST

START_TEST(the_chosen_cut_is_complete_and_fits) {
    enum { CASES = 80 };
    random_source r = begin("the chosen cut");
    unsigned refused = 0;
    for (int i = 0; i < CASES; i++) {
        problem *p = problem_new(&r, i % 5 != 0, i % 2);
        linear_plan chosen, plan;
        if (plan_linear(&p->ctx, &p->machine, &p->shape, (src_loc){0}, &chosen)) {
            ck_assert(plan_linear_cut(&p->ctx, &p->machine, &p->shape, &chosen.cut, &plan));
            ck_assert_uint_eq(plan.step_count, chosen.step_count);
            ck_assert_uint_eq(plan.estimate, chosen.estimate);
            ck_assert_uint_ge(plan.estimate, linear_bound(&p->machine, &p->shape));
            ck_assert(plan.cut.input_block % 2 == 0 || plan.cut.input_block == p->shape.inputs);
            expect_complete(p, &plan);
        } else {
            refused++;
            ck_assert_int_eq(diag_exit_code(p->ctx.diag), EXIT_INPUT);
        }
        arena_free(p->memory);
    }
    ck_assert_uint_lt(refused, CASES / 4);
}
END_TEST

/* ---- strips ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const problem *p;
    unsigned ways;
    uint64_t cost, strips; /* of the best way found */
} search;

static uint64_t strip_cost(const problem *p, uint32_t row, uint32_t end, bool turned) {
    uint64_t width = turned ? p->machine.vssa_rows : p->machine.vssa_cols, cost = 1;
    for (; row < end; row++)
        cost = p->layer.bits[LAYER_Q][row] == 8 ? 2 : cost;
    return cost * ((p->shape.outputs + width - 1) / width);
}

/** Every way to cut the rows from `row` on. */
static void try_all(search *s, uint32_t row, uint64_t cost, uint64_t strips) {
    uint32_t end = s->p->layer.query_first + s->p->layer.queries;
    if (row == end) {
        if (cost < s->cost || (cost == s->cost && strips < s->strips)) {
            s->cost = cost;
            s->strips = strips;
        }
        return;
    }
    for (unsigned turned = 0; turned < 2; turned++) {
        uint64_t height = turned ? s->p->machine.vssa_cols : s->p->machine.vssa_rows;
        for (uint32_t next = row + 1; (s->ways >> turned & 1) && next <= end && next - row <= height; next++)
            try_all(s, next, cost + strip_cost(s->p, row, next, turned), strips + 1);
    }
}

START_TEST(strips_are_the_best_there_are) {
    enum { CASES = 300 };
    random_source r = begin("strips");
    unsigned mixed = 0;
    for (int i = 0; i < CASES; i++) {
        problem *p = problem_new(&r, true, false);
        p->layer.queries = p->layer.queries < 9 ? p->layer.queries : 9;
        search s = {.p = p, .ways = random_in(&r, 1, 3), .cost = UINT64_MAX};
        try_all(&s, p->layer.query_first, 0, 0);
        linear_strips got = linear_best_strips(&p->ctx, &p->machine, &p->shape, s.ways);
        uint64_t cost = 0;
        uint32_t turned = 0;
        ck_assert_uint_eq(got.edge[0], p->layer.query_first);
        ck_assert_uint_eq(got.edge[got.count], p->layer.query_first + p->layer.queries);
        for (uint32_t k = 0; k < got.count; k++) {
            ck_assert(s.ways >> got.turned[k] & 1);
            ck_assert_uint_lt(got.edge[k], got.edge[k + 1]);
            ck_assert_uint_le(got.edge[k + 1] - got.edge[k],
                              got.turned[k] ? p->machine.vssa_cols : p->machine.vssa_rows);
            cost += strip_cost(p, got.edge[k], got.edge[k + 1], got.turned[k]);
            turned += got.turned[k];
        }
        ck_assert_uint_eq(cost, s.cost);
        ck_assert_uint_eq(got.count, s.strips);
        mixed += turned > 0 && turned < got.count;
        arena_free(p->memory);
    }
    ck_assert_uint_gt(mixed, 5);
}
END_TEST

/* ---- estimates --------------------------------------------------------------------------------------------------- */

/** The first linear of a program has the engines for itself: the timeline is what the schedule makes of its plan. */
START_TEST(the_estimate_is_the_timeline) {
    enum { CASES = 60 };
    random_source r = begin("estimates");
    unsigned compared = 0;
    for (int i = 0; i < CASES; i++) {
        problem *p = problem_new(&r, true, i % 3 == 0);
        arena *a = p->memory;
        uint32_t tokens = random_in(&r, 4, 60), high = random_in(&r, 0, tokens);
        uint32_t kv = random_in(&r, 1, 3), group = random_in(&r, 1, 3), dim = 2 * random_in(&r, 1, 30);
        const char *text = arena_printf(
            a,
            "dtir 1 graph\nmodel = \"m\"\nseq = %u\nvocabulary = 9\npositions = 99\nmachine \"toy\" {\n}\n"
            "tensor \"words\" {dtype = synthetic, rows = 9, cols = %u, seed = 1, mean = 0, scale = 1}\n"
            "tensor \"w\" {dtype = synthetic, rows = %u, cols = %u, seed = 1, mean = 0, scale = 1}\n"
            "%%t = input {name = \"tokens\"} : u32[%u]\n%%x = embed %%t {tensor = \"words\"} : ?\n"
            "%%q = linear %%x {tensor = \"w\", outputs = %u, arithmetic = mixed, source = \"query\"} : ?\n"
            "%%a = attention %%q, %%x, %%x {index = 0, query_heads = %u, kv_heads = %u, head_dim = %u, mask = none, "
            "importance_rule = mean, counts = [0, %u, %u], source = \"a\"} : ?\noutput %%a\n",
            tokens, kv * dim, kv * group * dim, kv * dim, tokens, kv * group * dim, kv * group, kv, dim, tokens - high,
            high);
        pass_case c = pass_begin(text);
        *c.m->machine = p->machine;
        bool fits = pass_run(&c, TO_TILES " tile-linears", true);
        if (fits) {
            layer_info *layers = linear_layers(a, c.m);
            size_t op = find_op(c.m, IR_LINEAR, 0);
            linear_shape shape = linear_read(c.m, op, layers);
            linear_cut cut = linear_read_cut(a, c.m, op);
            linear_plan plan;
            ck_assert(plan_linear_cut(&p->ctx, &p->machine, &shape, &cut, &plan));
            fits = pass_run(&c, "schedule-tiles lower-schedule allocate-buffers liveness insert-sync timeline", true);
            ck_assert(fits || diag_exit_code(c.d) == EXIT_INPUT); /* the attention may not */
            int64_t end = 0;
            for (size_t i_op = 0; i_op < c.m->op_count; i_op++)
                if (c.m->ops[i_op].code == IR_INSTR(DTQ_OP_STORE_ROWS) && ir_int(c.m, i_op, IR_KEY_done, 0) > end)
                    end = ir_int(c.m, i_op, IR_KEY_done, 0);
            ck_assert(!fits || end > 0);
            ck_assert_msg(!fits || plan.estimate == (uint64_t)end, "case %d: %llu estimated, %lld in the timeline", i,
                          (unsigned long long)plan.estimate, (long long)end);
            compared += fits;
        }
        pass_end(&c);
        arena_free(a);
    }
    ck_assert_uint_gt(compared, CASES / 2);
}
END_TEST

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void refuses(problem *p, const char *message) {
    linear_plan plan;
    ck_assert(!plan_linear(&p->ctx, &p->machine, &p->shape, (src_loc){0}, &plan));
    ck_assert_str_eq(diag_at(p->ctx.diag, diag_total(p->ctx.diag) - 1)->message, message);
}

/* 10 rows of 8 bits on 4 x 3 PEs, 100 inputs and 50 outputs, which may be cut down to 64 and to a tile's. */
START_TEST(what_cannot_fit_is_an_error_in_words) {
    random_source r = {1};
    problem *p = problem_new(&r, true, false);
    p->machine.vssa_rows = 4;
    p->machine.vssa_cols = 3;
    p->ctx.optimise = false;
    p->layer.slots = p->layer.queries = p->layer.high = 10;
    p->layer.query_first = 0;
    p->layer.bits[LAYER_Q] = arena_alloc(p->memory, 10);
    memset(p->layer.bits[LAYER_Q], 8, 10);
    p->shape.inputs = 100;
    p->shape.outputs = 50;
    dtq_machine m = p->machine;
    linear_plan plan;
    p->machine.buffers_q = 4 * 68;
    p->machine.buffers_k = 3 * 72;
    p->machine.buffers_out = 4 * 4 * 3;
    ck_assert(plan_linear(&p->ctx, &p->machine, &p->shape, (src_loc){0}, &plan));
    ck_assert_uint_eq(plan.cut.chunks, 3);
    ck_assert_uint_eq(plan.cut.output_block[0], 3);
    ck_assert_uint_eq(plan.cut.input_block, 64);
    p->machine.buffers_q--;
    refuses(p, "a linear of 100 inputs and 50 outputs does not fit: a strip of rows of 64 inputs takes 272 bytes, "
               "buffers.q has 271; enlarge it, or leave linears to the host (`linear: host`)");
    p->machine.buffers_q = m.buffers_q;
    p->machine.buffers_k--;
    refuses(p, "a linear of 100 inputs and 50 outputs does not fit: a tile of weights of 64 inputs takes 216 bytes, "
               "buffers.k has 215; enlarge it, or leave linears to the host (`linear: host`)");
    p->machine.buffers_k = m.buffers_k;
    p->machine.buffers_out--;
    refuses(p, "a linear of 100 inputs and 50 outputs does not fit: a tile of sums takes 48 bytes, buffers.out has 47; "
               "enlarge it, or leave linears to the host (`linear: host`)");
    p->machine.buffers_out = 4 * 4 * 3;
    p->machine.buffers_q = 4 * 68;
    p->shape.outputs = 1u << 19;
    refuses(p, "a linear of 100 inputs and 524288 outputs takes more than 400000 instructions on this machine; enlarge "
               "its buffers, or leave linears to the host (`linear: host`)");
    arena_free(p->memory);
}
END_TEST

/* More strips than the largest number of even chunks: each may stand alone. */
START_TEST(many_strips_fit_one_by_one) {
    random_source r = {1};
    problem *p = problem_new(&r, true, false);
    p->machine.vssa_rows = p->machine.vssa_cols = 2;
    p->layer.slots = p->layer.queries = p->layer.high = 400;
    p->layer.query_first = 0;
    p->layer.bits[LAYER_Q] = arena_alloc(p->memory, 400);
    memset(p->layer.bits[LAYER_Q], 8, 400);
    p->shape.inputs = p->shape.outputs = 64;
    p->machine.buffers_q = 2 * 68;
    linear_plan plan;
    ck_assert_msg(plan_linear(&p->ctx, &p->machine, &p->shape, (src_loc){0}, &plan), "%s",
                  ir_diag_text(p->memory, p->ctx.diag));
    ck_assert_uint_eq(plan.cut.chunks, 200);
    arena_free(p->memory);
}
END_TEST

IR_MAIN("plan_linear", any_cut_is_complete_and_fits, the_chosen_cut_is_complete_and_fits, strips_are_the_best_there_are,
        the_estimate_is_the_timeline, what_cannot_fit_is_an_error_in_words, many_strips_fit_one_by_one)
