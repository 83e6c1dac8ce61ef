#include <math.h>
#include <unistd.h>

#include "numerics_util.h"
#include "runtime/kernels/kernels.h"
#include "runtime/weights/weights.h"

/* What the model below saw of its weights. */
static const void *const *seen;

static void look(dtq_host_frame *f) {
    seen = f->weights;
    dtq_host_select(f, 0);
}

static const dtq_host_variant variants[] = {{.run = look}};

enum { FILE_FLOATS = 1 << 16, WEIGHTS_MOST = 8 };

/* A plan of one layer and some tensors, and a model that wants them laid out. */
typedef struct {
    char directory[64];
    float *data; /* [FILE_FLOATS] of the file */
    dtq_file file;
    dtq_tensor tensors[WEIGHTS_MOST];
    dtq_layer layer;
    dtq_stream stream;
    dtq_program program;
    dtq_host_weight weights[WEIGHTS_MOST];
    dtq_host_model model;
    dtq_host *host;
} world;

static const uint32_t no_ids[] = {0};

static void world_init(world *w) {
    memset(w, 0, sizeof *w);
    (void)snprintf(w->directory, sizeof w->directory, "/tmp/dtq_host_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->directory));
    rng r = {7};
    w->data = random_floats(&r, FILE_FLOATS, 2.0f);
    w->layer = (dtq_layer){.slots = 1, .heads = 1, .kv_heads = 1, .head_dim = 4, .ids = no_ids};
    w->stream = (dtq_stream){.seq = 1, .layer_count = 1, .layers = &w->layer, .output_width = 1};
    w->program = (dtq_program){
        .file_count = 1, .files = &w->file, .tensors = w->tensors, .stream_count = 1, .streams = &w->stream};
    w->model = (dtq_host_model){.abi = DTQ_HOST_ABI, .variant_count = 1, .variants = variants, .weights = w->weights};
}

static void add(world *w, dtq_tensor t, dtq_host_layout layout) {
    w->tensors[w->program.tensor_count] = t;
    w->weights[w->model.weight_count++] = (dtq_host_weight){w->program.tensor_count++, layout};
}

static bool world_open(world *w, unsigned threads, dtq_error *e) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/w", w->directory);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(w->data, sizeof(float), FILE_FLOATS, f), FILE_FLOATS);
    (void)fclose(f);
    w->file = (dtq_file){.path = path};
    ck_assert(dtq_file_describe(&w->file, NULL, 1, NULL, e));
    w->file.path = "w";
    w->host =
        dtq_host_open(&w->model, &w->program, &(dtq_host_options){.directory = w->directory, .threads = threads}, e);
    (void)unlink(path);
    if (!w->host)
        return false;
    const uint32_t token = 0;
    dtq_output out;
    ck_assert(dtq_host_run(w->host, 1, &(dtq_input){.tokens = &token}, false, &out, e));
    dtq_output_free(&out);
    return true;
}

static void world_free(world *w) {
    dtq_host_close(w->host);
    (void)rmdir(w->directory);
    free(w->data);
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

START_TEST(floats_are_used_where_they_lie_or_padded) {
    world w;
    world_init(&w);
    dtq_error e;
    add(&w, (dtq_tensor){.name = "fits", .offset = 4, .shape = {4, 32}}, DTQ_HOST_F32);
    add(&w, (dtq_tensor){.name = "vector", .offset = 8, .shape = {1, 48}}, DTQ_HOST_VECTOR);
    add(&w, (dtq_tensor){.name = "odd", .offset = 4, .shape = {5, 35}}, DTQ_HOST_F32);
    add(&w, (dtq_tensor){.name = "short", .offset = 12, .shape = {1, 35}}, DTQ_HOST_VECTOR);
    add(&w, (dtq_tensor){.name = "unaligned", .offset = 2, .shape = {1, 16}}, DTQ_HOST_VECTOR);
    add(&w, (dtq_tensor){.name = "turned", .offset = 4, .shape = {35, 21}, .transposed = 1}, DTQ_HOST_F32);
    add(&w, (dtq_tensor){.name = "made", .file = UINT32_MAX, .shape = {3, 7}, .scale = 1.0f}, DTQ_HOST_F32);
    w.weights[w.model.weight_count++] = (dtq_host_weight){2, DTQ_HOST_F32}; /* once more */
    ck_assert_msg(world_open(&w, 2, &e), "%s", e.message);
    ck_assert_bits((const float *)seen[0], w.data + 1, 4 * 32);
    ck_assert_bits((const float *)seen[1], w.data + 2, 48);
    const float *odd = seen[2], *turned = seen[5], *made = seen[6];
    for (size_t o = 0; o < 8; o++)
        for (size_t k = 0; k < 48; k++)
            ck_assert_float_eq(odd[o * 48 + k], o < 5 && k < 35 ? w.data[1 + o * 35 + k] : 0.0f);
    for (size_t k = 0; k < 48; k++)
        ck_assert_float_eq(((const float *)seen[3])[k], k < 35 ? w.data[3 + k] : 0.0f);
    ck_assert_mem_eq(seen[4], (const uint8_t *)w.data + 2, 16 * sizeof(float));
    for (size_t o = 0; o < 24; o++)
        for (size_t k = 0; k < 48; k++)
            ck_assert_float_eq(turned[o * 48 + k], o < 21 && k < 35 ? w.data[1 + k * 21 + o] : 0.0f);
    for (size_t i = 0; i < 4 * 16; i++) {
        const size_t o = i / 16, k = i % 16;
        ck_assert_float_eq(made[i], o < 3 && k < 7 ? dtq_synthetic(&w.tensors[6], o * 7 + k) : 0.0f);
    }
    ck_assert_ptr_eq(seen[7], seen[2]);
    for (size_t i = 2; i < 7; i++)
        ck_assert_uint_eq((uintptr_t)seen[i] % 64, 0);
    world_free(&w);
}
END_TEST

START_TEST(parts_of_wider_matrices_and_blocks) {
    world w;
    world_init(&w);
    dtq_error e;
    add(&w, (dtq_tensor){.name = "part", .offset = 8, .shape = {20, 16}, .stride = 50, .transposed = 1}, DTQ_HOST_F32);
    add(&w, (dtq_tensor){.name = "rows", .offset = 4, .shape = {4, 16}, .stride = 48}, DTQ_HOST_F32);
    add(&w, (dtq_tensor){.name = "blocks", .offset = 4, .shape = {3, 64}, .dtype = DTQ_Q8_0}, DTQ_HOST_F32);
    uint8_t *blocks = (uint8_t *)(w.data + 1);
    for (size_t i = 0; i < 3 * 2 * 34; i++)
        blocks[i] = i % 34 == 0 ? 0 : i % 34 == 1 ? 0x3c : (uint8_t)(i * 7); /* scales are 1 */
    ck_assert_msg(world_open(&w, 2, &e), "%s", e.message);
    const float *part = seen[0], *rows = seen[1], *widened = seen[2];
    for (size_t o = 0; o < 16; o++)
        for (size_t k = 0; k < 32; k++)
            ck_assert_bits(&part[o * 32 + k], k < 20 ? &w.data[2 + k * 50 + o] : &(float){0}, 1);
    for (size_t r = 0; r < 4; r++)
        ck_assert_bits(rows + 16 * r, w.data + 1 + 48 * r, 16);
    for (size_t r = 0; r < 3; r++)
        for (size_t c = 0; c < 64; c++)
            ck_assert_float_eq(widened[r * 64 + c], (float)(int8_t)blocks[(2 * r + c / 32) * 34 + 2 + c % 32]);
    world_free(&w);
}
END_TEST

/* Element [o][k] of panels of 64 outputs. */
static int8_t panel_code(const int8_t *codes, size_t outputs, size_t inputs, size_t o, size_t k) {
    const size_t all = round_up(outputs, 16), groups = round_up(inputs, 4) / 4, panel = o / 64;
    const size_t width = all - panel * 64 < 64 ? all - panel * 64 : 64;
    return codes[panel * 64 * groups * 4 + (k / 4 * width + o % 64) * 4 + k % 4];
}

static void check_int8(const world *w, uint64_t tensor, const int8_t *codes, const float *scales,
                       const int32_t *offset) {
    dtq_error e;
    dtq_program p = w->program;
    p.file_count = 0;
    dtq_weights *weights = dtq_weights_open(&p, NULL, &e);
    ck_assert_msg(weights, "%s", e.message);
    const dtq_weight_i8 *want = dtq_weights_int8(weights, tensor, 1, &e);
    ck_assert_msg(want, "%s", e.message);
    const size_t n = want->outputs;
    for (size_t o = 0; o < round_up(n, 16); o++) {
        for (size_t k = 0; k < want->input_groups * 4; k++) {
            const size_t at = (o / 16 * want->input_groups + k / 4) * 64 + o % 16 * 4 + k % 4;
            ck_assert_int_eq(panel_code(codes, n, want->inputs, o, k), want->codes[at]);
        }
        ck_assert_float_eq(scales[o], o < n ? want->scales[o] : 0.0f);
        ck_assert_int_eq(offset[o], -128 * want->sums[o]);
    }
    dtq_weights_close(weights);
}

START_TEST(int8_panels_hold_the_codes_of_the_other_engines) {
    static const uint32_t shapes[][2] = {{1, 1}, {16, 4}, {64, 64}, {70, 33}, {130, 17}, {200, 100}, {333, 5}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (uint8_t transposed = 0; transposed < 2; transposed++) {
            for (unsigned threads = 1; threads < 4; threads += 2) {
                world w;
                world_init(&w);
                const uint32_t rows = shapes[i][transposed], columns = shapes[i][1 - transposed];
                add(&w,
                    (dtq_tensor){.name = "w",
                                 .file = UINT32_MAX,
                                 .shape = {rows, columns},
                                 .transposed = transposed,
                                 .seed = i,
                                 .scale = 0.3f},
                    DTQ_HOST_I8_CODES);
                w.weights[1] = (dtq_host_weight){0, DTQ_HOST_I8_SCALES};
                w.weights[2] = (dtq_host_weight){0, DTQ_HOST_I8_OFFSET};
                w.weights[3] = (dtq_host_weight){0, DTQ_HOST_I8_CODES};
                w.model.weight_count = 4;
                dtq_error e;
                ck_assert_msg(world_open(&w, threads, &e), "%s", e.message);
                ck_assert_ptr_eq(seen[3], seen[0]);
                check_int8(&w, 0, seen[0], seen[1], seen[2]);
                world_free(&w);
            }
        }
    }
}
END_TEST

START_TEST(int8_of_a_file_is_that_of_its_numbers) {
    world w;
    world_init(&w);
    enum { N = 100, K = 50 };
    add(&w, (dtq_tensor){.name = "plain", .shape = {N, K}}, DTQ_HOST_I8_CODES);
    add(&w, (dtq_tensor){.name = "turned", .shape = {N, K}, .transposed = 1}, DTQ_HOST_I8_CODES);
    dtq_error e;
    ck_assert_msg(world_open(&w, 2, &e), "%s", e.message);
    for (size_t o = 0; o < N; o++) {
        float scale;
        ck_assert(dtq_scale(w.data + o * K, K, 1, 8, &scale));
        for (size_t k = 0; k < K; k++)
            ck_assert_int_eq(panel_code(seen[0], N, K, o, k), dtq_quantise(w.data[o * K + k], scale, 8));
    }
    for (size_t o = 0; o < K; o++) {
        float scale;
        ck_assert(dtq_scale(w.data + o, N, K, 8, &scale));
        for (size_t k = 0; k < N; k++)
            ck_assert_int_eq(panel_code(seen[1], K, N, o, k), dtq_quantise(w.data[k * K + o], scale, 8));
    }
    world_free(&w);
}
END_TEST

START_TEST(weights_that_are_no_numbers_are_refused) {
    for (unsigned threads = 1; threads < 4; threads++) {
        world w;
        world_init(&w);
        add(&w, (dtq_tensor){.name = "w", .shape = {150, 9}}, DTQ_HOST_I8_CODES);
        w.data[100 * 9 + 3] = NAN;
        w.data[149 * 9] = -0x1p50f;
        dtq_error e, other;
        ck_assert_fails(world_open(&w, threads, &e), e,
                        "tensor w, output 100: a weight is not finite, or 2^50 or more");
        dtq_tensor bad = {.name = "w", .file = UINT32_MAX, .shape = {1, 1}, .mean = 0x1p51f};
        const dtq_program p = {.tensor_count = 1, .tensors = &bad};
        dtq_weights *weights = dtq_weights_open(&p, NULL, &other);
        ck_assert_ptr_null(dtq_weights_int8(weights, 0, 1, &other));
        ck_assert_str_eq(strstr(other.message, ": a weight"), strstr(e.message, ": a weight"));
        ck_assert_int_eq(e.status, other.status);
        dtq_weights_close(weights);
        world_free(&w);
    }
}
END_TEST

START_TEST(linears_of_too_many_inputs_are_refused) {
    world w;
    world_init(&w);
    add(&w, (dtq_tensor){.name = "w", .file = UINT32_MAX, .shape = {1, 131073}}, DTQ_HOST_I8_CODES);
    dtq_error e;
    ck_assert_fails(world_open(&w, 1, &e), e, "an int8 linear of 131073 inputs; at most 131072");
    world_free(&w);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_weights");
    TCase *c = tcase_create("host_weights");
    tcase_add_test(c, floats_are_used_where_they_lie_or_padded);
    tcase_add_test(c, parts_of_wider_matrices_and_blocks);
    tcase_add_test(c, int8_panels_hold_the_codes_of_the_other_engines);
    tcase_add_test(c, int8_of_a_file_is_that_of_its_numbers);
    tcase_add_test(c, weights_that_are_no_numbers_are_refused);
    tcase_add_test(c, linears_of_too_many_inputs_are_refused);
    suite_add_tcase(s, c);
    return run_suite(s);
}
