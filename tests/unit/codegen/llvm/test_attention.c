/* Generated attention at every level, against the scalar reference. */
#include "llvm_util.h"

enum { SLOTS_MOST = 200, LAYER = 2, WORKER = 1, GUARD = 64, FILL = 0xa5 };

typedef struct {
    uint32_t heads, kv_heads, head_dim;
    bool causal;
} shape;

/* Inputs of one layer, dense rows as the reference takes them, and the generated code's view of them. */
typedef struct {
    shape s;
    uint32_t slots, key_slots, low; /* keys are slots [0, key_slots) */
    uint8_t bits[DTQ_OPERANDS][SLOTS_MOST];
    float limits[DTQ_HOST_OPERANDS][SLOTS_MOST + LANES];
    uint32_t ids[SLOTS_MOST + LANES], key_ids[SLOTS_MOST + 2 * LANES], key_of[SLOTS_MOST];
    uint64_t low_keys, keys;
    uint32_t
        first_query; /* rows of the generated code are slots from here on; others are keys only, and in the cache */
    bool cached;
    float *in[3];
} problem;

static void *guarded(size_t bytes) {
    uint8_t *at = aligned_alloc(64, (bytes + GUARD + 63) / 64 * 64);
    ck_assert_ptr_nonnull(at);
    memset(at, FILL, bytes + GUARD);
    return at;
}

static void check_guard(const void *block, size_t bytes) {
    size_t i = 0;
    while (i < GUARD && ((const uint8_t *)block)[bytes + i] == FILL)
        i++;
    ck_assert_uint_eq(i, GUARD);
}

static uint32_t below(uint64_t *state, uint32_t n) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

static size_t heads_of(const problem *p, int operand) {
    return operand == DTQ_Q ? p->s.heads : p->s.kv_heads;
}

/* Ids ascend in each cluster, as a selection leaves them; now and then they are in any order. */
static void choose_ids(problem *p, uint64_t *state) {
    bool taken[4 * SLOTS_MOST] = {false};
    for (uint32_t i = 0; i < p->slots; i++) {
        uint32_t id = below(state, 4 * SLOTS_MOST);
        while (taken[id])
            id = (id + 1) % (4 * SLOTS_MOST);
        taken[id] = true;
        p->ids[i] = id;
    }
    if (below(state, 4) == 0)
        return;
    for (uint32_t i = 0; i < p->slots; i++)
        for (uint32_t j = i + 1; j < (i < p->low ? p->low : i < p->key_slots ? p->key_slots : p->slots); j++)
            if (p->ids[j] < p->ids[i]) {
                uint32_t t = p->ids[i];
                p->ids[i] = p->ids[j];
                p->ids[j] = t;
            }
}

/* Numbers of every size: rows that are large, small or nothing, and channels that differ. */
static float *choose_rows(const problem *p, int operand, uint64_t *state) {
    static const float sizes[] = {1.0f, 1.0f, 3.0f, 1e-6f, 1e6f, 0.0f};
    size_t width = heads_of(p, operand) * p->s.head_dim;
    float *x = malloc(p->slots * width * sizeof *x);
    ck_assert_ptr_nonnull(x);
    bool wild = below(state, 2);
    for (size_t i = 0; i < p->slots; i++) {
        float size = wild ? sizes[below(state, 6)] : 2.0f;
        for (size_t c = 0; c < width; c++)
            x[i * width + c] = size * random_float(state) * (c % 7 == 3 ? 0.125f : 1.0f);
    }
    return x;
}

static problem make(shape s, uint32_t slots, uint64_t *state) {
    problem p = {.s = s, .slots = slots};
    uint32_t kind = below(state, 4);
    p.key_slots = below(state, 3) ? slots : 1 + below(state, slots);
    p.low = kind == 0 ? 0 : kind == 1 ? p.key_slots : below(state, p.key_slots + 1);
    p.cached = s.causal && below(state, 2);
    p.first_query = p.cached && p.key_slots == slots && below(state, 2) ? below(state, slots) : 0;
    p.low_keys = row_stride(p.low);
    p.keys = p.low_keys + row_stride(p.key_slots - p.low);
    for (uint32_t i = 0; i < slots; i++) {
        for (int o = 0; o < DTQ_OPERANDS; o++)
            p.bits[o][i] = o == DTQ_V ? (i < p.low ? 4 : 8) : below(state, 2) ? 4 : 8;
        for (int o = 0; o < 3; o++)
            p.limits[o][i] = p.bits[o][i] == 4 ? 7.0f : 127.0f;
        p.limits[DTQ_HOST_P][i] = p.bits[DTQ_P][i] == 4 ? 15.0f : 255.0f;
    }
    choose_ids(&p, state);
    memset(p.key_ids, 0xff, sizeof p.key_ids);
    for (uint32_t i = 0; i < p.key_slots; i++) {
        p.key_of[i] = i < p.low ? i : (uint32_t)p.low_keys + i - p.low;
        p.key_ids[p.key_of[i]] = p.ids[i];
    }
    for (int o = 0; o < 3; o++)
        p.in[o] = choose_rows(&p, o, state);
    return p;
}

static void drop(problem *p) {
    for (int o = 0; o < 3; o++)
        free(p->in[o]);
}

/* ---- generated code --------------------------------------------------------------------------------------------- */

typedef struct {
    kernels k;
    attention_shape a;
    dtq_host_task *pack, *strips;
} compiled;

static dtq_host_task *task_at(void *const *functions, unsigned number) {
    dtq_host_task *task;
    memcpy(&task, &functions[number], sizeof task);
    return task;
}

static compiled compile(const machine_level *level, shape s) {
    compiled c = {.k = kernels_begin(level),
                  .a = {s.heads, s.kv_heads, s.head_dim, s.causal, .q = 4, .k = 0, .v = 2, .out = 1, .operands = 3}};
    unsigned pack = kernels_add(&c.k, emit_attention_pack(&c.k.e, &c.a));
    unsigned strips = kernels_add(&c.k, emit_attention_strips(&c.k.e, &c.a));
    ck_assert_ptr_eq(emit_attention_pack(&c.k.e, &c.a), c.k.functions[pack]);
    ck_assert_ptr_eq(emit_attention_strips(&c.k.e, &c.a), c.k.functions[strips]);
    void *const *f = kernels_load(&c.k);
    c.pack = task_at(f, pack);
    c.strips = task_at(f, strips);
    return c;
}

/* The rows that a run computes. */
static float *padded_rows(const problem *p, int operand) {
    size_t width = heads_of(p, operand) * p->s.head_dim, stride = row_stride(width), rows = p->slots - p->first_query;
    float *x = guarded(rows * stride * sizeof *x);
    memset(x, 0, rows * stride * sizeof *x);
    for (size_t i = 0; i < rows; i++)
        memcpy(x + i * stride, p->in[operand] + (p->first_query + i) * width, width * sizeof *x);
    return x;
}

enum { POSITIONS = 4 * SLOTS_MOST };

/* By id, as runs before this one have left them; NULL if nothing is cached. */
static float *cached_rows(const problem *p, int operand) {
    size_t width = heads_of(p, operand) * p->s.head_dim, stride = row_stride(width);
    size_t bytes = POSITIONS * stride * sizeof(float);
    float *x = p->cached ? guarded(bytes) : NULL;
    if (x)
        memset(x, 0, bytes);
    for (size_t i = 0; x && i < p->first_query; i++)
        memcpy(x + p->ids[i] * stride, p->in[operand] + i * width, width * sizeof *x);
    return x;
}

static void check_cache(const problem *p, int operand, float *cache) {
    size_t width = heads_of(p, operand) * p->s.head_dim, stride = row_stride(width);
    for (size_t i = 0; cache && i < p->slots; i++)
        if (memcmp(cache + p->ids[i] * stride, p->in[operand] + i * width, width * sizeof *cache) != 0)
            ck_abort_msg("slot %zu: the cache does not hold the row of operand %d", i, operand);
    if (cache)
        check_guard(cache, POSITIONS * stride * sizeof(float));
    free(cache);
}

/* Runs both tasks in pieces; `importance` may be NULL. Returns rows as out [slots][row_stride]; frame.failed. */
static float *run(const compiled *c, const problem *p, uint64_t *importance, uint64_t *failed) {
    dtq_host_buffer operands = attention_operands_size(&c->a), scratch = attention_scratch_size(&c->a);
    uint32_t rows = p->slots - p->first_query, key_rows[SLOTS_MOST];
    size_t operand_bytes = operands.fixed + operands.per_row * rows + operands.per_key * p->keys;
    size_t scratch_bytes = scratch.fixed + scratch.per_row * rows + scratch.per_key * p->keys;
    float *keys = cached_rows(p, DTQ_K), *values = cached_rows(p, DTQ_V);
    for (uint32_t i = 0; i < p->key_slots; i++)
        key_rows[i] = p->cached ? p->ids[i] : i;
    size_t out_bytes = rows * row_stride((uint64_t)p->s.heads * p->s.head_dim) * sizeof(float);
    float *in[3] = {padded_rows(p, DTQ_Q), padded_rows(p, DTQ_K), padded_rows(p, DTQ_V)}, *out = guarded(out_bytes);
    memset(out, 0, out_bytes);
    void *buffers[5] = {in[DTQ_K], out, in[DTQ_V], guarded(operand_bytes), in[DTQ_Q]};
    uint8_t *scratches[2] = {NULL, guarded(scratch_bytes)};
    uint64_t *sums[2] = {NULL, importance};
    dtq_host_slots layers[LAYER + 1] = {0};
    layers[LAYER] = (dtq_host_slots){.slots = rows,
                                     .key_slots = p->key_slots,
                                     .low = p->low,
                                     .low_keys = p->low_keys,
                                     .keys = p->keys,
                                     .ids = p->ids + p->first_query,
                                     .key_ids = p->key_ids,
                                     .limits = {p->limits[DTQ_HOST_Q] + p->first_query, p->limits[DTQ_HOST_K],
                                                p->limits[DTQ_HOST_V], p->limits[DTQ_HOST_P] + p->first_query},
                                     .key_rows = key_rows,
                                     .cached_keys = keys,
                                     .cached_values = values};
    dtq_host_frame frame = {
        .layers = layers, .buffers = buffers, .scratch = scratches, .importance = importance ? sums : NULL};
    c->pack(&frame, LAYER, p->s.kv_heads / 2, p->s.kv_heads, WORKER);
    c->pack(&frame, LAYER, 0, p->s.kv_heads / 2, WORKER);
    uint64_t items = (uint64_t)p->s.heads * ((rows + ATTENTION_STRIP_ROWS - 1) / ATTENTION_STRIP_ROWS);
    for (uint64_t done = 0, n; done < items; done += n) {
        n = items - done < 3 ? items - done : 3;
        c->strips(&frame, LAYER, items - done - n, items - done, WORKER);
    }
    *failed = frame.failed;
    check_guard(out, out_bytes);
    check_guard(buffers[3], operand_bytes);
    check_guard(scratches[1], scratch_bytes);
    check_cache(p, DTQ_K, keys);
    check_cache(p, DTQ_V, values);
    free(scratches[1]);
    free(buffers[3]);
    for (int o = 0; o < 3; o++)
        free(in[o]);
    return out;
}

/* ---- comparison ------------------------------------------------------------------------------------------------- */

/* Check writes a file for every assertion, so that only what differs meets one. */
static void compare(const compiled *c, const problem *p, const char *level) {
    size_t width = (size_t)p->s.heads * p->s.head_dim, stride = row_stride(width);
    float *want = malloc(p->slots * width * sizeof *want);
    uint64_t want_importance[SLOTS_MOST], importance[SLOTS_MOST + 2 * LANES] = {0}, failed;
    ck_assert_ptr_nonnull(want);
    dtq_attention ref = {.slots = p->slots,
                         .heads = p->s.heads,
                         .kv_heads = p->s.kv_heads,
                         .head_dim = p->s.head_dim,
                         .causal = p->s.causal,
                         .importance_rule = DTQ_IMPORTANCE_SUM,
                         .ids = p->ids,
                         .bits = {p->bits[0], p->bits[1], p->bits[2], p->bits[3]},
                         .q = p->in[0],
                         .k = p->in[1],
                         .v = p->in[2],
                         .out = want,
                         .importance = want_importance,
                         .keys = p->key_slots,
                         .first_query = p->first_query,
                         .queries = p->slots - p->first_query};
    dtq_error error = {0};
    ck_assert_msg(dtq_attention_ref(&ref, &error), "%s", error.message);
    float *asked = run(c, p, importance, &failed), *unasked = run(c, p, NULL, &failed);
    ck_assert_uint_eq(failed, 0);
    char where[200];
    snprintf(where, sizeof where, "%s, %u/%u heads of %u%s, %u slots (%u keys, %u low, %u cached%s)", level, p->s.heads,
             p->s.kv_heads, p->s.head_dim, p->s.causal ? ", causal" : "", p->slots, p->key_slots, p->low,
             p->first_query, p->cached ? "" : "; no cache");
    for (size_t i = 0; i < p->slots; i++) {
        for (size_t at = 0; at < stride; at++) {
            if (i < p->first_query)
                continue;
            float expected = at < width ? want[i * width + at] : 0.0f, got = asked[(i - p->first_query) * stride + at];
            if (memcmp(&got, &expected, sizeof got) != 0)
                ck_abort_msg("%s: slot %zu column %zu: %a, not %a", where, i, at, (double)got, (double)expected);
        }
        if (i < p->key_slots && importance[p->key_of[i]] != want_importance[i])
            ck_abort_msg("%s: importance of slot %zu: %llu, not %llu", where, i,
                         (unsigned long long)importance[p->key_of[i]], (unsigned long long)want_importance[i]);
    }
    for (size_t j = 0; j < p->keys; j++)
        if (p->key_ids[j] == UINT32_MAX && importance[j] != 0)
            ck_abort_msg("%s: importance of key %zu, which is none", where, j);
    ck_assert_mem_eq(asked, unasked, (p->slots - p->first_query) * stride * sizeof(float));
    free(want);
    free(asked);
    free(unasked);
}

static const shape shapes[] = {
    {12, 12, 32, false}, {2, 1, 64, false}, {3, 3, 1, false},   {2, 2, 3, false},  {4, 2, 16, false},
    {3, 1, 33, false},   {2, 2, 80, false}, {1, 1, 200, false}, {12, 4, 32, true}, {2, 1, 64, true},
    {3, 3, 1, true},     {2, 2, 33, true},  {4, 2, 80, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(every_level_equals_the_reference) {
    static const uint32_t lengths[] = {1, 2, 15, 16, 17, 33, 70, 128, 200};
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    ck_assert_uint_gt(count, 0);
    uint64_t state = test_seed() + (uint64_t)_i;
    for (unsigned l = 0; l < count; l++) {
        compiled c = compile(&levels[l], shapes[_i]);
        for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++)
            for (int repeat = 0; repeat < 3; repeat++) {
                problem p = make(shapes[_i], lengths[n], &state);
                compare(&c, &p, levels[l].suffix);
                drop(&p);
            }
        kernels_end(&c.k);
    }
}
END_TEST

/* Quotients next to halves, where a product with the reciprocal could round another way than the division. */
START_TEST(codes_next_to_halves_are_those_of_the_division) {
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (int causal = 0; causal < 2; causal++) {
            shape s = {1, 1, 32, causal};
            compiled c = compile(&levels[l], s);
            for (int repeat = 0; repeat < 10; repeat++) {
                problem p = make(s, 100, &state);
                for (int o = 0; o < 3; o++)
                    for (size_t i = 0; i < p.slots; i++) {
                        float *row = p.in[o] + i * s.head_dim, most = 1.5f + random_float(&state);
                        float limit = p.bits[o][i] == 4 ? 7.0f : 127.0f, scale = most / limit;
                        for (size_t at = 0; at < s.head_dim; at++) {
                            float half = ((float)below(&state, (uint32_t)limit) + 0.5f) * scale;
                            row[at] = nextafterf(half, at % 3 == 0 ? 0.0f : at % 3 == 1 ? most : half);
                        }
                        row[0] = most;
                    }
                compare(&c, &p, levels[l].suffix);
                drop(&p);
            }
            kernels_end(&c.k);
        }
}
END_TEST

/* Each bad number is told of with its site, slot and head, and the largest good one is none. */
START_TEST(numbers_that_cannot_be_quantised_are_reported) {
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p50f, -0x1p50f};
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (int causal = 0; causal < 2; causal++) {
            shape s = {4, 2, 33, causal};
            compiled c = compile(&levels[l], s);
            for (int repeat = 0; repeat < 60; repeat++) {
                problem p = make(s, 1 + below(&state, 70), &state);
                int operand = repeat % 3;
                uint32_t heads = (uint32_t)heads_of(&p, operand);
                uint32_t first = operand == DTQ_Q ? p.first_query : 0;
                uint32_t slot = first + below(&state, (operand == DTQ_Q ? p.slots : p.key_slots) - first);
                uint32_t head = below(&state, heads), channel = below(&state, s.head_dim);
                float *x = &p.in[operand][((size_t)slot * heads + head) * s.head_dim + channel];
                uint64_t failed;
                *x = nextafterf(0x1p50f, 0);
                free(run(&c, &p, NULL, &failed));
                ck_assert_uint_eq(failed, 0);
                *x = bad[repeat % 5];
                free(run(&c, &p, NULL, &failed));
                ck_assert_uint_eq(failed, 1 + (3 * LAYER + (uint64_t)operand) * 1000000 + (slot - first) * 1000 + head);
                drop(&p);
            }
            kernels_end(&c.k);
        }
}
END_TEST

int main(void) {
    Suite *s = suite_create("llvm_attention");
    TCase *t = tcase_create("bits");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_level_equals_the_reference, 0, SHAPES);
    tcase_add_test(t, codes_next_to_halves_are_those_of_the_division);
    tcase_add_test(t, numbers_that_cannot_be_quantised_are_reported);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
