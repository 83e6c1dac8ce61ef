#include <math.h>
#include <unistd.h>

#include "numerics_util.h"
#include "runtime/dtqrt.h"

enum { SEQ = 6, WIDTH = 5, VOCABULARY = 10 };
enum { WORD, POSITION, TYPE, LINEAR, TENSORS };

/* A plan of two lengths and one layer, whose slots are not in host order, and a model of hand-made code. */
typedef struct {
    dtq_tensor tensors[TENSORS];
    dtq_layer layers[2];
    dtq_stream streams[2];
    dtq_machine machine;
    dtq_program program;
    dtq_host_buffer buffers[3];
    dtq_host_variant variants[DTQ_HOST_LEVELS];
    dtq_host_model model;
    uint32_t tokens[SEQ], segments[SEQ];
    dtq_input input;
} world;

static const uint32_t ids[] = {4, 1, 0, 5, 2, 3};
static const uint8_t bits[] = {8, 4, 8, 4, 4, 8};
static const uint32_t one_id[] = {0};
static const uint8_t one_bits[] = {4};

static const dtq_host_site sites[] = {{DTQ_HOST_SITE_WORD, 0, WORD},    {DTQ_HOST_SITE_POSITION, 0, POSITION},
                                      {DTQ_HOST_SITE_TYPE, 0, TYPE},    {DTQ_HOST_SITE_Q, 0, 0},
                                      {DTQ_HOST_SITE_K, 0, 0},          {DTQ_HOST_SITE_V, 0, 0},
                                      {DTQ_HOST_SITE_LINEAR, 0, LINEAR}};
enum { SITE_WORD, SITE_POSITION, SITE_TYPE, SITE_Q, SITE_K, SITE_V, SITE_LINEAR, SITES };

static void only_select(dtq_host_frame *f) {
    dtq_host_select(f, 0);
}

static void world_init(world *w, void (*run)(dtq_host_frame *f)) {
    memset(w, 0, sizeof *w);
    static const char *const names[] = {"word", "position", "type", "linear"};
    static const uint32_t rows[] = {VOCABULARY, SEQ, 2, 3};
    for (uint32_t t = 0; t < TENSORS; t++) {
        w->tensors[t] = (dtq_tensor){
            .name = names[t], .file = UINT32_MAX, .shape = {rows[t], WIDTH}, .seed = 100 * t, .scale = 1.0f};
    }
    for (uint32_t i = 0; i < 2; i++) {
        w->layers[i] = (dtq_layer){.slots = i == 0 ? 1 : SEQ, .heads = 2, .kv_heads = 1, .head_dim = 3};
        w->layers[i].ids = i == 0 ? one_id : ids;
        w->layers[i].high = i == 0 ? 0 : 3;
        w->layers[i].order = DTQ_ORDER_ORIGINAL;
        for (int o = 0; o < DTQ_OPERANDS; o++)
            w->layers[i].bits[o] = i == 0 ? one_bits : bits;
        w->streams[i] = (dtq_stream){.seq = i == 0 ? 1 : SEQ,
                                     .layer_count = 1,
                                     .layers = &w->layers[i],
                                     .output = DTQ_OUTPUT_HIDDEN,
                                     .output_width = WIDTH};
    }
    w->program = (dtq_program){
        .tensor_count = TENSORS, .tensors = w->tensors, .stream_count = 2, .streams = w->streams, .model = "m"};
    for (unsigned b = 0; b < 3; b++)
        w->buffers[b] = (dtq_host_buffer){.fixed = 4, .per_row = 64, .per_key = 8};
    w->variants[0] = (dtq_host_variant){.level = DTQ_HOST_PORTABLE, .scratch = {.fixed = 100}, .run = run};
    w->model = (dtq_host_model){.abi = DTQ_HOST_ABI,
                                .variant_count = 1,
                                .variants = w->variants,
                                .buffer_count = 3,
                                .buffers = w->buffers,
                                .input_buffers = {2, 0, 1},
                                .site_count = SITES,
                                .sites = sites};
    for (uint32_t i = 0; i < SEQ; i++)
        w->tokens[i] = i + 2;
    w->input = (dtq_input){.tokens = w->tokens};
}

static dtq_host *open_world(const world *w, unsigned threads) {
    dtq_error e;
    dtq_host *h = dtq_host_open(&w->model, &w->program, &(dtq_host_options){.threads = threads}, &e);
    ck_assert_msg(h, "%s", e.message);
    return h;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

#define ck_assert_refused(w, text)                                                                                     \
    do {                                                                                                               \
        dtq_error refused;                                                                                             \
        ck_assert_fails(dtq_host_open(&(w).model, &(w).program, NULL, &refused) != NULL, refused, text);               \
    } while (0)

START_TEST(variants_are_chosen_by_level) {
    world w;
    world_init(&w, only_select);
    const dtq_host_level best = dtq_host_detect();
    for (uint64_t l = 0; l < DTQ_HOST_LEVELS; l++)
        w.variants[l] = (dtq_host_variant){.level = l, .run = only_select};
    w.model.variant_count = DTQ_HOST_LEVELS;
    for (unsigned levels = 0; levels <= DTQ_HOST_LEVELS; levels++) {
        dtq_error e;
        dtq_host *h = dtq_host_open(&w.model, &w.program, &(dtq_host_options){.levels = levels}, &e);
        ck_assert_msg(h, "%s", e.message);
        ck_assert_int_eq(dtq_host_chosen(h), levels == 0 || levels - 1 > best ? best : levels - 1);
        ck_assert_ptr_eq(dtq_host_plan(h), &w.program);
        dtq_host_close(h);
    }
    w.variants[0].level = DTQ_HOST_V3;
    w.model.variant_count = 1;
    dtq_error e;
    ck_assert_fails(dtq_host_open(&w.model, &w.program, &(dtq_host_options){.levels = DTQ_HOST_PORTABLE + 1}, &e) !=
                        NULL,
                    e, "generated for x86-64-v3, and this is any processor");
    w.model.variant_count = 0;
    ck_assert_refused(w, "generated for no processor");
}
END_TEST

START_TEST(models_and_plans_that_do_not_fit_are_refused) {
    world w;
    world_init(&w, only_select);
    dtq_error e;
    ck_assert_fails(dtq_host_open(&w.model, NULL, NULL, &e) != NULL, e, "carries no plan");
    w.program.scheme = dtq_scheme_of(DTQ_SCHEME_IBERT);
    ck_assert_fails(dtq_host_open(&w.model, &w.program, NULL, &e) != NULL, e, "of the scheme i-bert");
    w.program.scheme = (dtq_scheme){0};
    w.model.abi = DTQ_HOST_ABI + 1;
    ck_assert_refused(w, "runtime interface");
    world_init(&w, only_select);
    w.layers[1].ids = NULL;
    ck_assert_refused(w, "tokens, layer 0: no layer selects its 6 tokens");
    world_init(&w, only_select);
    const uint32_t beyond[] = {0, 1, 2, 3, 4, SEQ};
    w.layers[1].ids = beyond;
    ck_assert_refused(w, "a token id is not below seq");
    world_init(&w, only_select);
    w.layers[1].head_dim = 4;
    ck_assert_refused(w, "the plans for 1 and for 6 tokens are of different models");
    world_init(&w, only_select);
    w.streams[1].layer_count = 0;
    ck_assert_refused(w, "the plan for 6 tokens: 0 layers");
    world_init(&w, only_select);
    w.program.stream_count = 0;
    ck_assert_refused(w, "no layers for any length");
    world_init(&w, only_select);
    w.program.tensor_count = LINEAR;
    ck_assert_refused(w, "a tensor 3 that the plan has not");
    const dtq_host_weight weight = {TENSORS, DTQ_HOST_F32};
    world_init(&w, only_select);
    w.model.weight_count = 1;
    w.model.weights = &weight;
    ck_assert_refused(w, "needs tensor 4, and the plan has 4");
    const dtq_host_site far = {DTQ_HOST_SITE_Q, 1, 0};
    world_init(&w, only_select);
    w.model.site_count = 1;
    w.model.sites = &far;
    ck_assert_refused(w, "a layer 1");
    world_init(&w, only_select);
    w.streams[0].input = w.streams[1].input = DTQ_INPUT_QKV;
    w.buffers[2].per_row = 60;
    ck_assert_refused(w, "no room for its input q of 6 channels");
    world_init(&w, only_select);
    w.streams[0].output = w.streams[1].output = DTQ_OUTPUT_ATTENTION;
    ck_assert_refused(w, "not that of the attention heads");
    world_init(&w, only_select);
    w.buffers[1].per_row = UINT64_MAX / 2;
    ck_assert_refused(w, "out of memory");
    world_init(&w, only_select);
    w.tensors[0].shape[0] = 0;
    ck_assert_refused(w, "tensor word");
    dtq_host_close(NULL);
}
END_TEST

START_TEST(a_model_may_carry_its_plan) {
    world w;
    world_init(&w, only_select);
    dtq_machine_init(&w.machine);
    w.program.machine = &w.machine;
    dtq_error e;
    uint8_t *data = NULL;
    size_t bytes = 0;
    w.program.target_hash = dtq_machine_hash(&w.machine);
    ck_assert_msg(dtq_program_encode(&w.program, &data, &bytes, &e), "%s", e.message);
    w.model.plan = data;
    w.model.plan_bytes = bytes;
    dtq_host *h = dtq_host_open(&w.model, NULL, NULL, &e);
    ck_assert_msg(h, "%s", e.message);
    ck_assert_uint_eq(dtq_host_plan(h)->stream_count, 2);
    ck_assert_uint_eq(dtq_host_plan(h)->streams[1].count, 0);
    dtq_output out;
    ck_assert_msg(dtq_host_run(h, SEQ, &w.input, true, &out, &e), "%s", e.message);
    ck_assert_mem_eq(out.bits, ((uint8_t[]){8, 4, 4, 8, 8, 4}), SEQ);
    dtq_output_free(&out);
    dtq_host_close(h);
    data[bytes / 2] ^= 1;
    ck_assert_fails(dtq_host_open(&w.model, NULL, NULL, &e) != NULL, e, "checksum");
    free(data);
}
END_TEST

/* ---- running --------------------------------------------------------------------------------------------------- */

/* What the frame promises: zeroed aligned memory of the sizes asked for, and the input. */
static void look_at_frame(dtq_host_frame *f) {
    ck_assert_uint_eq(f->layers[0].slots, f->seq);
    for (size_t b = 0; b < 3; b++) {
        ck_assert_uint_eq((uintptr_t)f->buffers[b] % 64, 0);
        ck_assert(b == 0 || (uint8_t *)f->buffers[b] - (uint8_t *)f->buffers[b - 1] >= 4 + 64 * SEQ + 8 * 32);
        memset(f->buffers[b], 0xff, 4 + 64 * f->seq + 8 * f->layers[0].keys);
    }
    for (size_t t = 0; t < 2; t++) {
        ck_assert_uint_eq((uintptr_t)f->scratch[t] % 64, 0);
        memset(f->scratch[t], 0xff, 100);
        for (uint64_t k = 0; k < f->layers[0].keys; k++)
            ck_assert_uint_eq(f->importance[t][k], 0);
    }
    ck_assert_uint_eq(f->tokens[0], 2);
    ck_assert_ptr_null(f->segments);
    for (uint64_t i = 0; i < f->seq * WIDTH; i++) {
        ck_assert_float_eq(f->output[i], 0.0f);
        f->output[i] = (float)i;
    }
    f->importance[0][0] = 77;
    f->importance[1][0] = 3;
    dtq_host_select(f, 0);
    ck_assert_uint_eq(f->ascending[0], f->seq == 1 ? 0 : 4); /* token 0 is the second of the 8-bit ones: slot 3 + 1 */
}

START_TEST(the_frame_is_as_promised) {
    world w;
    world_init(&w, look_at_frame);
    dtq_host *h = open_world(&w, 2);
    dtq_error e;
    dtq_output out;
    for (uint32_t turn = 0; turn < 4; turn++) {
        const uint32_t seq = turn % 2 == 0 ? SEQ : 1;
        ck_assert_msg(dtq_host_run(h, seq, &w.input, true, &out, &e), "%s", e.message);
        ck_assert_uint_eq(out.count, seq * WIDTH);
        ck_assert_float_eq(out.data[out.count - 1], (float)(seq * WIDTH - 1));
        ck_assert_uint_eq(out.importance[seq == 1 ? 0 : 1], 80 / seq); /* the first 4-bit token is 1 */
        dtq_output_free(&out);
    }
    ck_assert_fails(dtq_host_run(h, 3, &w.input, true, &out, &e), e, "no plan for 3 tokens");
    ck_assert_fails(dtq_host_run(h, SEQ, NULL, true, &out, &e), e, "no input given");
    ck_assert_fails(dtq_host_run(h, SEQ, &(dtq_input){0}, true, &out, &e), e, "takes token ids as its input");
    dtq_host_close(h);
}
END_TEST

static void copy_inputs(dtq_host_frame *f) {
    const float *q = f->buffers[2], *k = f->buffers[0], *v = f->buffers[1];
    for (uint64_t i = 0; i < f->seq; i++) {
        const uint64_t id = f->layers[0].ids[i];
        for (uint64_t c = 0; c < 16; c++) {
            const uint64_t element_of_q = (c / 3 * SEQ + id) * 3 + c % 3;
            ck_assert_float_eq(q[i * 16 + c], c < 6 ? (float)(element_of_q + 1) : 0.0f);
            ck_assert_float_eq(k[i * 16 + c], c < 3 ? (float)(100 + id * 3 + c) : 0.0f);
            ck_assert_float_eq(v[i * 16 + c], c < 3 ? (float)(200 + id * 3 + c) : 0.0f);
        }
    }
    memset(f->buffers[2], 0xff, f->seq * 64);
    dtq_host_select(f, 0);
}

START_TEST(inputs_are_gathered_in_host_order) {
    world w;
    world_init(&w, copy_inputs);
    w.streams[0].input = w.streams[1].input = DTQ_INPUT_QKV;
    float q[2 * SEQ * 3], k[SEQ * 3], v[SEQ * 3];
    for (int i = 0; i < 2 * SEQ * 3; i++) {
        q[i] = (float)(i + 1);
        k[i % (SEQ * 3)] = (float)(100 + i % (SEQ * 3));
        v[i % (SEQ * 3)] = (float)(200 + i % (SEQ * 3));
    }
    for (unsigned threads = 1; threads < 4; threads++) {
        dtq_host *h = open_world(&w, threads);
        dtq_error e;
        dtq_output out;
        for (int turn = 0; turn < 2; turn++) {
            ck_assert(dtq_host_run(h, SEQ, &(dtq_input){.q = q, .k = k, .v = v}, false, &out, &e));
            dtq_output_free(&out);
        }
        ck_assert_fails(dtq_host_run(h, SEQ, &(dtq_input){.q = q, .k = k}, false, &out, &e), e,
                        "at least one is missing");
        dtq_host_close(h);
    }
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------------------------- */

/* Rows of three tables, as an embedding takes them. */
static void take_rows(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    (void)argument;
    float *room = (float *)(void *)f->scratch[worker];
    for (uint64_t i = first; i < last; i++) {
        const uint64_t id = f->layers[0].ids[i];
        const uint64_t rows[] = {f->tokens[id], id, f->segments ? f->segments[id] : 0};
        for (uint64_t s = 0; s < 3; s++) {
            const float *row = dtq_host_row(f, s, rows[s], i, room);
            for (uint64_t c = 0; row && c < WIDTH; c++)
                f->output[id * WIDTH + c] += row[c];
        }
    }
}

static void embed(dtq_host_frame *f) {
    dtq_host_parallel(f, f->layers[0].slots, 1, 1, take_rows, 0);
    dtq_host_select(f, 0);
}

/* The message of the other engines. */
static dtq_error engine_says(world *w) {
    dtq_error e = {0};
    dtq_instr in[] = {{DTQ_OP_EMBED, DTQ_HOST, {0, 0, WORD, POSITION, TYPE}}};
    w->streams[1].dram_bytes = 4096;
    w->streams[1].count = 1;
    w->streams[1].instrs = in;
    w->layers[1].out = 1024;
    w->layers[1].importance_at = 2048;
    dtq_weights *weights = dtq_weights_open(&w->program, NULL, &e);
    ck_assert_ptr_nonnull(weights);
    dtq_output out;
    const dtq_run_options o = {.engine = DTQ_ENGINE_REF};
    ck_assert(!dtq_run(&w->program, &w->streams[1], weights, &w->input, &o, &out, NULL, false, &e));
    dtq_weights_close(weights);
    return e;
}

static float element(const world *w, uint64_t tensor, uint64_t row, uint64_t column) {
    const dtq_tensor *t = &w->tensors[tensor];
    rng r = {t->seed + row * WIDTH + column};
    return rng_float(&r);
}

START_TEST(rows_come_from_tables) {
    world w;
    world_init(&w, embed);
    dtq_host *h = open_world(&w, 2);
    dtq_error e;
    dtq_output out;
    ck_assert_msg(dtq_host_run(h, SEQ, &w.input, false, &out, &e), "%s", e.message);
    for (uint64_t id = 0; id < SEQ; id++) {
        for (uint64_t c = 0; c < WIDTH; c++) {
            ck_assert_float_eq(out.data[id * WIDTH + c], element(&w, WORD, w.tokens[id], c) +
                                                             element(&w, POSITION, id, c) + element(&w, TYPE, 0, c));
        }
    }
    dtq_output_free(&out);
    dtq_host_close(h);
}
END_TEST

START_TEST(rows_that_no_table_has_are_told_as_the_engines_do) {
    rng r = rng_seeded("rows_that_no_table_has_are_told_as_the_engines_do");
    for (int trial = 0; trial < 60; trial++) {
        world w;
        world_init(&w, embed);
        w.tensors[POSITION].shape[0] = rng_below(&r, 3) == 0 ? 5 : SEQ;
        w.input.segments = w.segments;
        for (uint32_t i = 0; i < SEQ; i++) {
            w.tokens[i] = rng_below(&r, 4) == 0 ? VOCABULARY + i : i;
            w.segments[i] = rng_below(&r, 5) == 0 ? 2 + i : 1;
        }
        w.segments[rng_below(&r, SEQ)] = UINT32_MAX;
        const dtq_error want = engine_says(&w);
        dtq_host *h = open_world(&w, 1 + rng_below(&r, 3));
        dtq_error e;
        dtq_output out;
        ck_assert_fails(dtq_host_run(h, SEQ, &w.input, false, &out, &e), e, "is not below");
        ck_assert_str_eq(e.message, want.message);
        ck_assert_int_eq(e.status, want.status);
        ck_assert_ptr_null(out.data);
        dtq_host_close(h);
    }
}
END_TEST

/* Reports everything about all slots but 0 and 1, in disorder. */
static uint64_t first_site;

static void complain(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    (void)argument, (void)worker;
    for (uint64_t i = last; i-- > first;) {
        for (uint64_t site = SITES; site-- > first_site;)
            for (uint64_t head = 2; head-- > 0 && i >= 2;)
                dtq_host_bad(f, site, i, head);
    }
}

static void run_bad(dtq_host_frame *f) {
    dtq_host_parallel(f, f->layers[0].slots, 1, 2, complain, 0);
    if (f->failed == 0)
        dtq_host_select(f, 0);
}

START_TEST(the_first_number_that_is_none_is_told) {
    world w;
    world_init(&w, run_bad);
    static const char *const messages[] = {
        [SITE_Q] = "layer 0, operand q, head 0, token 4: a value is not finite, or 2^50 or more",
        [SITE_K] = "layer 0, operand k, head 0, token 4: a value is not finite, or 2^50 or more",
        [SITE_V] = "layer 0, operand v, head 0, token 4: a value is not finite, or 2^50 or more",
        [SITE_LINEAR] = "layer 0, input of linear linear, token 4: a value is not finite, or 2^50 or more"};
    for (unsigned threads = 1; threads < 4; threads++) {
        dtq_host *h = open_world(&w, threads);
        for (first_site = SITE_Q; first_site < SITES; first_site++) {
            dtq_error e;
            dtq_output out;
            ck_assert_fails(dtq_host_run(h, SEQ, &w.input, true, &out, &e), e, messages[first_site]);
            ck_assert_str_eq(e.message, messages[first_site]);
            ck_assert_int_eq(e.status, DTQ_BAD_INPUT);
            /* The next run knows nothing of it. */
            ck_assert(dtq_host_run(h, 1, &w.input, true, &out, &e));
            dtq_output_free(&out);
        }
        dtq_host_close(h);
    }
}
END_TEST

static void nonsense(dtq_host_frame *f) {
    if (f->seq == 1)
        dtq_host_bad(f, SITES, 0, 0);
    else
        ck_assert_ptr_null(dtq_host_row(f, SITE_Q, 0, 0, NULL));
    ck_assert_uint_ne(f->failed, 0);
}

START_TEST(nonsense_of_generated_code_is_an_error) {
    world w;
    world_init(&w, nonsense);
    dtq_host *h = open_world(&w, 1);
    dtq_error e;
    dtq_output out;
    ck_assert_fails(dtq_host_run(h, 1, &w.input, true, &out, &e), e, "a place that it does not know");
    ck_assert_fails(dtq_host_run(h, SEQ, &w.input, true, &out, &e), e, "rows of what is no table");
    dtq_host_close(h);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_open");
    TCase *c = tcase_create("host_open");
    tcase_add_test(c, variants_are_chosen_by_level);
    tcase_add_test(c, models_and_plans_that_do_not_fit_are_refused);
    tcase_add_test(c, a_model_may_carry_its_plan);
    tcase_add_test(c, the_frame_is_as_promised);
    tcase_add_test(c, inputs_are_gathered_in_host_order);
    tcase_add_test(c, rows_come_from_tables);
    tcase_add_test(c, rows_that_no_table_has_are_told_as_the_engines_do);
    tcase_add_test(c, the_first_number_that_is_none_is_told);
    tcase_add_test(c, nonsense_of_generated_code_is_an_error);
    suite_add_tcase(s, c);
    return run_suite(s);
}
