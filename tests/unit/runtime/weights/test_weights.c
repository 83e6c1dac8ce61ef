#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "numerics_util.h"
#include "runtime/kernels/kernels.h"
#include "runtime/weights/weights.h"

static char directory[64];

static void write_file(const char *name, const void *data, size_t bytes) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}

static void make_directory(void) {
    (void)snprintf(directory, sizeof directory, "/tmp/dtq_weights_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/w", directory);
    (void)unlink(path);
    (void)rmdir(directory);
}

/* A program of one file and one tensor in it. */
typedef struct {
    dtq_file file;
    dtq_tensor tensor;
    dtq_program program;
} one;

static void one_init(one *o, const void *data, size_t bytes, dtq_tensor t) {
    write_file("w", data, bytes);
    char path[128];
    dtq_error e;
    (void)snprintf(path, sizeof path, "%s/w", directory);
    o->file = (dtq_file){.path = path};
    ck_assert(dtq_file_describe(&o->file, NULL, 1, NULL, &e));
    o->file.path = "w";
    o->tensor = t;
    o->program = (dtq_program){.file_count = 1, .files = &o->file, .tensor_count = 1, .tensors = &o->tensor};
}

START_TEST(floats_are_read_in_place) {
    const float data[] = {9, 1, 2, 3, 4, 5, 6};
    one o;
    one_init(&o, data, sizeof data, (dtq_tensor){.name = "t", .offset = 4, .shape = {2, 3}});
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    const float *x = dtq_weights_float(w, 0, &e);
    ck_assert_bits(x, data + 1, 6);
    float row[3];
    ck_assert(dtq_weights_row(w, 0, 1, row, &e));
    ck_assert_bits(row, data + 4, 3);
    ck_assert_fails(dtq_weights_row(w, 0, 2, row, &e), e, "no row 2");
    size_t rows, columns;
    ck_assert(dtq_weights_shape(w, 0, &rows, &columns));
    ck_assert_uint_eq(rows, 2);
    ck_assert_uint_eq(columns, 3);
    ck_assert(!dtq_weights_shape(w, 1, &rows, &columns));
    ck_assert(!dtq_weights_shape(NULL, 0, &rows, &columns));
    dtq_weights_close(w);
}
END_TEST

START_TEST(odd_offsets_are_copied) {
    const float data[] = {1.5f, -2.5f};
    uint8_t bytes[11] = {0};
    memcpy(bytes + 3, data, sizeof data);
    one o;
    one_init(&o, bytes, sizeof bytes, (dtq_tensor){.name = "t", .offset = 3, .shape = {1, 2}});
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    const float *x = dtq_weights_float(w, 0, &e);
    ck_assert_bits(x, data, 2);
    ck_assert_ptr_eq(x, dtq_weights_float(w, 0, &e));
    dtq_weights_close(w);
}
END_TEST

START_TEST(halves_are_widened) {
    const uint16_t f16[] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0x0400, 0x7c00, 0x8000};
    const float want[] = {1.0f, -2.0f, 0x1p-24f, -0x1.ff8p-15f, 65504.0f, 0x1p-14f, INFINITY, -0.0f};
    one o;
    one_init(&o, f16, sizeof f16, (dtq_tensor){.name = "t", .shape = {2, 4}, .dtype = DTQ_F16});
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    const float *x = dtq_weights_float(w, 0, &e);
    ck_assert_bits(x, want, 8);
    dtq_weights_close(w);
    const uint16_t bf16[] = {0x3f80, 0xc040};
    one_init(&o, bf16, sizeof bf16, (dtq_tensor){.name = "t", .shape = {1, 2}, .dtype = DTQ_BF16});
    w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    x = dtq_weights_float(w, 0, &e);
    ck_assert_float_eq(x[0], 1.0f);
    ck_assert_float_eq(x[1], -3.0f);
    dtq_weights_close(w);
}
END_TEST

START_TEST(transposed_weights_are_turned) {
    const float data[] = {1, 2, 3, 4, 5, 6}; /* [inputs 2][outputs 3] */
    const float want[] = {1, 4, 2, 5, 3, 6};
    one o;
    one_init(&o, data, sizeof data, (dtq_tensor){.name = "t", .shape = {2, 3}, .transposed = 1});
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    size_t rows, columns;
    ck_assert(dtq_weights_shape(w, 0, &rows, &columns));
    ck_assert_uint_eq(rows, 3);
    ck_assert_uint_eq(columns, 2);
    const dtq_weight_i8 *q = dtq_weights_int8(w, 0, 1, &e);
    ck_assert_ptr_nonnull(q);
    ck_assert_float_eq(q->scales[2], 6.0f / 127.0f);
    ck_assert_int_eq(q->codes[2 * 4], 64); /* output 2, input 0: 3 of 6 */
    ck_assert_int_eq(q->codes[2 * 4 + 1], 127);
    const float *x = dtq_weights_float(w, 0, &e);
    ck_assert_bits(x, want, 6);
    dtq_weights_close(w);
}
END_TEST

START_TEST(strides_skip_what_is_between_rows) {
    const float data[] = {9, 1, 2, 3, 4, 5, 6, 7, 8}; /* [inputs 2][outputs 2 of 4] */
    const float want[] = {1, 5, 2, 6}, dense[] = {1, 2, 5, 6};
    one o;
    one_init(&o, data, sizeof data,
             (dtq_tensor){.name = "t", .offset = 4, .shape = {2, 2}, .stride = 4, .transposed = 1});
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    const float *x = dtq_weights_float(w, 0, &e);
    ck_assert_bits(x, want, 4);
    dtq_weights_close(w);
    o.tensor.transposed = 0;
    w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_null(dtq_weights_in_place(w, 0));
    x = dtq_weights_float(w, 0, &e);
    ck_assert_bits(x, dense, 4);
    float row[3];
    ck_assert(dtq_weights_row(w, 0, 1, row, &e));
    ck_assert_bits(row, dense + 2, 2);
    dtq_weights_read(w, 0, 1, 3, row);
    ck_assert_bits(row, dense + 1, 3);
    dtq_weights_close(w);
    o.tensor.stride = 5;
    o.tensor.offset = 8; /* the last element is the file's */
    w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    dtq_weights_close(w);
    o.tensor.stride = 6;
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "tensor t: lies outside");
    o.tensor.stride = 1;
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "stride is below");
}
END_TEST

START_TEST(codes_are_scaled) {
    /* Scales of three columns; then [inputs 2][outputs 2 of 3] codes, their zero points. */
    struct {
        float scales[3];
        int8_t codes[6], zeros[3];
    } data = {{9, 0.5f, 2}, {99, -128, 127, 99, 3, 4}, {99, -1, 7}};
    const float want[] = {-63.5f, 2, 240, -6}, by_rows[] = {-256, 254};
    one o;
    one_init(&o, &data, sizeof data,
             (dtq_tensor){.name = "t",
                          .dtype = DTQ_I8,
                          .offset = 13,
                          .shape = {2, 2},
                          .stride = 3,
                          .transposed = 1,
                          .scales = 4,
                          .zeros = 19});
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    const float *x = dtq_weights_float(w, 0, &e);
    ck_assert_bits(x, want, 4);
    const dtq_weight_i8 *q = dtq_weights_int8(w, 0, 1, &e);
    ck_assert_ptr_nonnull(q);
    ck_assert_float_eq(q->scales[1], 240.0f / 127.0f);
    dtq_weights_close(w);
    o.tensor.transposed = 0;
    o.tensor.zeros = 0;
    o.tensor.by_rows = 1;
    o.tensor.scales = 8; /* the first row's; the second's is not looked at */
    w = dtq_weights_open(&o.program, directory, &e);
    float row[2];
    ck_assert(dtq_weights_row(w, 0, 0, row, &e));
    ck_assert_bits(row, by_rows, 2);
    dtq_weights_close(w);
    o.tensor.zeros = 20; /* the second zero point is the file's last byte */
    o.tensor.by_rows = 0;
    w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    dtq_weights_close(w);
    o.tensor.zeros = sizeof data - 1;
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "tensor t: lies outside");
}
END_TEST

START_TEST(rotary_tables_are_computed) {
    dtq_tensor table[] = {{.name = "r", .file = UINT32_MAX, .dtype = DTQ_ROTARY, .shape = {3, 4}, .scale = 10000}};
    const dtq_program p = {.tensor_count = 1, .tensors = table};
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&p, NULL, &e);
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_null(dtq_weights_in_place(w, 0));
    float row[4];
    ck_assert(dtq_weights_row(w, 0, 2, row, &e));
    for (int c = 0; c < 4; c++) {
        const double angle = c % 2 ? 0.02 : 2;
        ck_assert_float_eq(row[c], (float)(c < 2 ? cos(angle) : sin(angle)));
    }
    dtq_weights_close(w);
}
END_TEST

START_TEST(changed_files_are_refused) {
    const float data[] = {1, 2, 3, 4};
    const float other[] = {1, 2, 3, 5};
    one o;
    dtq_error e;
    one_init(&o, data, sizeof data, (dtq_tensor){.name = "t", .shape = {2, 2}});
    write_file("w", other, sizeof other);
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "not the file");
    write_file("w", data, 12);
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "has 12 bytes");
    o.file.path = "absent";
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "absent");
    o.file.path = "/tmp";
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "not a regular file");
}
END_TEST

/* Also where neither the start nor the time of the file tells: a checkpoint that differs in its last linear. */
START_TEST(checkpoints_that_differ_late_are_refused) {
    enum { FLOATS = 1 << 18 };
    float *data = calloc(FLOATS, sizeof *data);
    one o;
    dtq_error e;
    one_init(&o, data, FLOATS * sizeof *data, (dtq_tensor){.name = "t", .shape = {1, FLOATS}});
    data[FLOATS - 1] = 1;
    write_file("w", data, FLOATS * sizeof *data);
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "as many bytes, but others");
    ck_assert_int_eq(e.status, DTQ_BAD_INPUT);
    const dtq_weights_options copy = {.directory = directory, .copy = true};
    ck_assert_fails(dtq_weights_open_with(&o.program, &copy, &e), e, "as many bytes, but others");
    free(data);
}
END_TEST

static void in_directory(const char *name, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", directory, name);
}

START_TEST(files_written_to_in_use_are_noticed) {
    const float data[] = {1, 2, 3, 4}, other[] = {1, 2, 3, 5};
    char path[128], renamed[128];
    one o;
    dtq_error e;
    one_init(&o, data, sizeof data, (dtq_tensor){.name = "t", .shape = {2, 2}});
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    ck_assert(dtq_weights_unchanged(w, &e));
    in_directory("w", path);
    in_directory("w2", renamed);
    ck_assert_int_eq(chmod(path, 0600), 0); /* a change of the file, and of no number */
    ck_assert_int_eq(rename(path, renamed), 0);
    ck_assert(dtq_weights_unchanged(w, &e));
    write_file("w2", other, sizeof other);
    ck_assert(!dtq_weights_unchanged(w, &e));
    ck_assert(e.status == DTQ_BAD_INPUT && strstr(e.message, "written to while"));
    write_file("w2", other, 8);
    ck_assert(!dtq_weights_unchanged(w, &e));
    dtq_weights_close(w);
    ck_assert_int_eq(unlink(renamed), 0);
    ck_assert(dtq_weights_unchanged(NULL, &e));
}
END_TEST

/* A mapping of a file that became shorter ends the process; a copy stays. */
START_TEST(copies_stay) {
    const float data[] = {1, 2, 3, 4};
    char path[128];
    one o;
    dtq_error e;
    one_init(&o, data, sizeof data, (dtq_tensor){.name = "t", .shape = {2, 2}});
    const dtq_weights_options copy = {.directory = directory, .copy = true};
    dtq_weights *w = dtq_weights_open_with(&o.program, &copy, &e);
    ck_assert_msg(w, "%s", e.message);
    in_directory("w", path);
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_assert_bits(dtq_weights_float(w, 0, &e), data, 4);
    ck_assert(dtq_weights_unchanged(w, &e));
    dtq_weights_close(w);
}
END_TEST

START_TEST(tensors_outside_of_files_are_refused) {
    const float data[] = {1, 2, 3, 4};
    one o;
    dtq_error e;
    one_init(&o, data, sizeof data, (dtq_tensor){.name = "wide", .shape = {2, 3}});
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "tensor wide: lies outside");
    o.tensor = (dtq_tensor){.name = "shifted", .offset = 4, .shape = {2, 2}};
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "tensor shifted: lies outside");
    o.tensor = (dtq_tensor){.name = "late", .offset = UINT64_MAX - 3, .shape = {1, 1}};
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "tensor late: lies outside");
    o.tensor = (dtq_tensor){.name = "lost", .file = 1, .shape = {1, 1}};
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "refers to file 1");
    o.tensor = (dtq_tensor){.name = "none", .shape = {0, 1}};
    ck_assert_fails(dtq_weights_open(&o.program, directory, &e), e, "0 x 1");
}
END_TEST

START_TEST(synthetic_numbers_follow_splitmix64) {
    /* splitmix64 from state 0 gives e220a8397b1dcdaf first, then 6e789e6aa1b965f4. */
    const dtq_tensor t = {.name = "s", .file = UINT32_MAX, .shape = {3, 5}, .seed = 0, .mean = 0.0f, .scale = 1.0f};
    ck_assert_float_eq(dtq_synthetic(&t, 0), (float)(0xe220a8 - 0x800000) * 0x1p-23f);
    const dtq_tensor next = {.seed = 0x9e3779b97f4a7c15u, .mean = 1.0f, .scale = 0.5f};
    ck_assert_float_eq(dtq_synthetic(&next, 0), 1.0f + 0.5f * ((float)(0x6e789e - 0x800000) * 0x1p-23f));
    dtq_tensor table[] = {t};
    const dtq_program p = {.tensor_count = 1, .tensors = table};
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&p, NULL, &e);
    ck_assert_ptr_nonnull(w);
    const float *x = dtq_weights_float(w, 0, &e);
    float row[5];
    for (size_t r = 0; r < 3; r++) {
        ck_assert(dtq_weights_row(w, 0, r, row, &e));
        ck_assert_bits(row, x + r * 5, 5);
        ck_assert_float_eq(row[4], dtq_synthetic(&t, r * 5 + 4));
    }
    dtq_weights_close(w);
}
END_TEST

START_TEST(codes_are_packed_and_summed) {
    rng r = rng_seeded("codes_are_packed_and_summed");
    for (size_t outputs = 1; outputs < 40; outputs += 6) {
        for (size_t inputs = 1; inputs < 24; inputs += 5) {
            float *x = random_floats(&r, outputs * inputs, 1.0f);
            one o;
            one_init(&o, x, outputs * inputs * sizeof *x,
                     (dtq_tensor){.name = "t", .shape = {(uint32_t)outputs, (uint32_t)inputs}});
            dtq_error e;
            dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
            const dtq_weight_i8 *q = dtq_weights_int8(w, 0, 3, &e);
            ck_assert_ptr_nonnull(q);
            ck_assert_ptr_eq(q, dtq_weights_int8(w, 0, 1, &e));
            for (size_t i = 0; i < outputs; i++) {
                float scale;
                int32_t sum = 0;
                ck_assert(dtq_scale(x + i * inputs, inputs, 1, 8, &scale));
                ck_assert_float_eq(q->scales[i], scale);
                for (size_t k = 0; k < inputs; k++) {
                    const int8_t code = q->codes[((i / 16 * q->input_groups + k / 4) * 16 + i % 16) * 4 + k % 4];
                    ck_assert_int_eq(code, dtq_quantise(x[i * inputs + k], scale, 8));
                    sum += code;
                }
                ck_assert_int_eq(q->sums[i], sum);
            }
            dtq_weights_close(w);
            free(x);
        }
    }
}
END_TEST

START_TEST(weights_that_cannot_be_quantised_are_named) {
    float data[40] = {0};
    data[2 * 20 - 1] = NAN;
    one o;
    one_init(&o, data, sizeof data, (dtq_tensor){.name = "bad", .shape = {2, 20}});
    dtq_error e;
    dtq_weights *w = dtq_weights_open(&o.program, directory, &e);
    ck_assert_ptr_nonnull(w);
    ck_assert_fails(dtq_weights_int8(w, 0, 2, &e), e, "tensor bad, output 1");
    dtq_weights_close(w);
    dtq_weights_close(NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("weights");
    TCase *c = tcase_create("weights");
    tcase_add_checked_fixture(c, make_directory, remove_directory);
    tcase_add_test(c, floats_are_read_in_place);
    tcase_add_test(c, odd_offsets_are_copied);
    tcase_add_test(c, halves_are_widened);
    tcase_add_test(c, transposed_weights_are_turned);
    tcase_add_test(c, strides_skip_what_is_between_rows);
    tcase_add_test(c, codes_are_scaled);
    tcase_add_test(c, rotary_tables_are_computed);
    tcase_add_test(c, changed_files_are_refused);
    tcase_add_test(c, checkpoints_that_differ_late_are_refused);
    tcase_add_test(c, files_written_to_in_use_are_noticed);
    tcase_add_test(c, copies_stay);
    tcase_add_test(c, tensors_outside_of_files_are_refused);
    tcase_add_test(c, synthetic_numbers_follow_splitmix64);
    tcase_add_test(c, codes_are_packed_and_summed);
    tcase_add_test(c, weights_that_cannot_be_quantised_are_named);
    suite_add_tcase(s, c);
    return run_suite(s);
}
