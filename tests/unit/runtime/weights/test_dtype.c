#include "numerics_util.h"
#include "runtime/weights/dtype.h"

enum { POINTS = 14 };

/* Two blocks of each type: byte i is (7 i i + 37 i + 13) >> 1, but for the float16s, which are 0x2e66 (d) and 0xb0cd
 * (m), in the second block 3 more. The numbers are those of the Python package gguf 0.17 (quants.dequantize). */
static const struct {
    dtq_dtype type;
    size_t count;
    size_t at[POINTS];
    float want[POINTS];
} cases[] = {
    {DTQ_Q4_0,
     8,
     {0, 1, 15, 16, 31, 32, 49, 63},
     {0x1.998p-4f, 0x1.ffep-2f, -0x1.998p-2f, -0x1.ffep-2f, -0x1.ffep-2f, -0x1.9a4p-1f, 0x1.9a4p-4f, -0x1.9a4p-2f}},
    {DTQ_Q4_1,
     8,
     {0, 1, 15, 16, 31, 32, 49, 63},
     {0x1.4cbp-1f, 0x1.b31p-1f, 0x1.664p-2f, 0x1.4cbp-1f, 0x1.664p-2f, 0x1.99p-5f, 0x1.cd6p-2f, 0x1.b3dp-1f}},
    {DTQ_Q5_0,
     8,
     {0, 1, 15, 16, 31, 32, 49, 63},
     {0x1.332p-2f, -0x1.4cb8p+0f, -0x1.665p+0f, -0x1.998p-4f, 0x1.ccbp-1f, -0x1.33bp+0f, -0x1.66f8p-1f, 0x1.33bp-1f}},
    {DTQ_Q5_1,
     8,
     {0, 1, 15, 16, 31, 32, 49, 63},
     {0x1.b31p-1f, 0x1.4cbp-1f, 0x1.465p+1f, 0x1.132p+1f, 0x1.3fe8p+0f, 0x1.cd6p-2f, 0x1.da5p+0f, 0x1.8088p-1f}},
    {DTQ_Q8_0,
     8,
     {0, 1, 15, 16, 31, 32, 49, 63},
     {0x1.6cb6p+2f, 0x1.2987p+3f, 0x1.4cb8p+2f, -0x1.931ap+2f, 0x1.e648p+2f, 0x1.1a0cp+3f, 0x1.a712p+2f, 0x1.8705p+2f}},
    {DTQ_Q4_K,
     14,
     {0, 1, 15, 16, 31, 33, 95, 130, 190, 225, 255, 256, 273, 511},
     {0x1.3e61p+4f, 0x1.7cd2p+3f, 0x1.c99ap+3f, 0x1.b002p+3f, 0x1.4b2dp+4f, 0x1.2989p+4f, 0x1.4354p+6f, 0x1.17fdp+3f,
      0x1.e988p+4f, 0x1.4b23p+4f, 0x1.7b2p+4f, 0x1.0facp+5f, 0x1.858p+4f, 0x1.de664p+5f}},
    {DTQ_Q5_K,
     14,
     {0, 1, 15, 16, 31, 33, 95, 130, 190, 225, 255, 256, 273, 511},
     {0x1.3e61p+4f, 0x1.7cd2p+3f, 0x1.b18dp+4f, 0x1.b002p+3f, 0x1.0bf68p+5f, 0x1.1fefp+5f, 0x1.44d3p+7f, 0x1.17fdp+3f,
      0x1.03264p+6f, 0x1.931e8p+4f, 0x1.118acp+5f, 0x1.e14p+2f, 0x1.e14p+2f, 0x1.d28ap+3f}},
    {DTQ_Q6_K,
     14,
     {0, 1, 15, 16, 31, 33, 95, 130, 190, 225, 255, 256, 273, 511},
     {-0x1.f314p+3f, 0x1.9fe6p+5f, -0x1.42524p+6f, 0x1.4febp+6f, 0x1.13eecp+7f, -0x1.20546p+8f, -0x1.6cb6p+4f,
      -0x1.f7e08p+5f, 0x1.35ecap+6f, -0x1.94b38p+5f, -0x1.af184p+5f, 0x1.7d9ac8p+7f, 0x1.01352p+5f, 0x1.5c8d6p+7f}},
};

static void put_half(uint8_t *at, unsigned half) {
    at[0] = (uint8_t)half;
    at[1] = (uint8_t)(half >> 8);
}

static void fill(dtq_dtype type, uint8_t *data) {
    const uint32_t bytes = dtq_dtypes[type].bytes;
    for (uint32_t i = 0; i < 2 * bytes; i++)
        data[i] = (uint8_t)((7 * i * i + 37 * i + 13) >> 1);
    for (uint32_t b = 0; b < 2; b++) {
        uint8_t *block = data + b * bytes;
        put_half(block + (type == DTQ_Q6_K ? 208 : 0), 0x2e66 + 3 * b);
        if (type == DTQ_Q4_1 || type == DTQ_Q5_1 || type == DTQ_Q4_K || type == DTQ_Q5_K)
            put_half(block + 2, 0xb0cd + 3 * b);
    }
}

START_TEST(blocks_are_widened_as_ggml_does) {
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        uint8_t data[512];
        float x[512];
        fill(cases[c].type, data);
        dtq_widen(cases[c].type, data, 0, 2 * dtq_dtypes[cases[c].type].elements, x);
        for (size_t i = 0; i < cases[c].count; i++) {
            ck_assert_msg(x[cases[c].at[i]] == cases[c].want[i], "%s, element %zu: %a, not %a",
                          dtq_dtypes[cases[c].type].word, cases[c].at[i], (double)x[cases[c].at[i]],
                          (double)cases[c].want[i]);
        }
    }
}
END_TEST

START_TEST(any_part_is_that_part) {
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        uint8_t data[512];
        float x[512], part[512];
        const size_t all = 2 * dtq_dtypes[cases[c].type].elements;
        fill(cases[c].type, data);
        dtq_widen(cases[c].type, data, 0, all, x);
        for (size_t first = 0; first < all; first += 7) {
            for (size_t n = 0; n <= all - first; n += 13) {
                part[n] = 77;
                dtq_widen(cases[c].type, data, first, n, part);
                ck_assert_bits(part, x + first, n);
                ck_assert_float_eq(part[n], 77);
            }
        }
    }
}
END_TEST

START_TEST(layouts) {
    static const struct {
        dtq_tensor tensor;
        const char *wrong;
        uint64_t bytes; /* where nothing is wrong */
    } rows[] = {
        {{.shape = {3, 4}}, NULL, 48},
        {{.shape = {3, 4}, .stride = 10}, NULL, 96},
        {{.shape = {3, 4}, .stride = 3}, "stride is below", 0},
        {{.shape = {2, 64}, .dtype = DTQ_Q4_1}, NULL, 80},
        {{.shape = {2, 32}, .dtype = DTQ_Q4_1, .stride = 96}, NULL, 80},
        {{.shape = {2, 32}, .dtype = DTQ_Q4_1, .stride = 48}, "whole number of blocks", 0},
        {{.shape = {2, 48}, .dtype = DTQ_Q4_1}, "whole number of blocks", 0},
        {{.shape = {0, 4}}, "a dimension is 0", 0},
        {{.shape = {1, 4}, .dtype = DTQ_DTYPES}, "no known word", 0},
        {{.shape = {1, 4}, .transposed = 2}, "no known word", 0},
        {{.shape = {1, 4}, .scale = INFINITY}, "not finite", 0},
        {{.shape = {1, 32}, .dtype = DTQ_Q8_0, .file = UINT32_MAX}, "it has none", 0},
        {{.shape = {1, 4}, .stride = 4, .file = UINT32_MAX}, "it has none", 0},
        {{.shape = {8, 4}, .dtype = DTQ_ROTARY, .scale = 10000, .file = UINT32_MAX}, NULL, 0},
        {{.shape = {8, 4}, .dtype = DTQ_ROTARY, .scale = 10000}, "in no file", 0},
        {{.shape = {8, 5}, .dtype = DTQ_ROTARY, .scale = 10000, .file = UINT32_MAX}, "pairs of columns", 0},
        {{.shape = {8, 4}, .dtype = DTQ_ROTARY, .scale = 0.5f, .file = UINT32_MAX}, "its base", 0},
        {{.shape = {UINT32_MAX, UINT32_MAX}}, NULL, UINT64_MAX},
        {{.shape = {2, 4}, .dtype = DTQ_I8, .scales = 8}, NULL, 8},
        {{.shape = {2, 4}, .dtype = DTQ_I32, .stride = 5}, NULL, 36},
        {{.shape = {2, 4}, .dtype = DTQ_I8, .by_rows = 2}, "no known word", 0},
        {{.shape = {2, 4}, .dtype = DTQ_U8, .file = UINT32_MAX}, "codes are in no file", 0},
        {{.shape = {2, 4}, .scales = 8}, "scales and zeros are of I8", 0},
        {{.shape = {2, 4}, .dtype = DTQ_F16, .zeros = 8}, "scales and zeros are of I8", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *wrong = dtq_tensor_layout_wrong(&rows[i].tensor);
        ck_assert_msg(rows[i].wrong ? wrong && strstr(wrong, rows[i].wrong) : !wrong, "row %zu: %s", i,
                      wrong ? wrong : "nothing");
        if (!wrong)
            ck_assert_uint_eq(dtq_tensor_bytes(&rows[i].tensor), rows[i].bytes);
    }
}
END_TEST

START_TEST(codes_of_a_whole_tensor) {
    /* Codes, from byte 4 three zero points of each type, from byte 16 three scales. */
    static const float scales[] = {0.5f, 2.0f, 0x1.8p-3f};
    uint8_t file[28] = {0x80, 0xff, 3, 250, 1, 0xfe, 200};
    memcpy(file + 16, scales, sizeof scales);
    const struct {
        dtq_tensor tensor;
        float want[3];
    } rows[] = {
        {{.shape = {1, 3}, .dtype = DTQ_I8, .scale = 0.25f, .mean = -3}, {-31.25f, 0.5f, 1.5f}},
        {{.shape = {1, 3}, .dtype = DTQ_U8, .scale = 0.25f, .mean = 128}, {0, 31.75f, -31.25f}},
        {{.shape = {1, 3}, .dtype = DTQ_I8, .scales = 16, .zeros = 4}, {-64.5f, 2, 11.0625f}},
        {{.shape = {1, 3}, .dtype = DTQ_U8, .scales = 16, .zeros = 4}, {63.5f, 2, -36.9375f}},
        {{.shape = {3, 1}, .dtype = DTQ_I8, .scales = 16, .by_rows = 1}, {-64, -2, 0.5625f}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float have[3];
        ck_assert_ptr_null(dtq_tensor_layout_wrong(&rows[i].tensor));
        dtq_widen((dtq_dtype)rows[i].tensor.dtype, file, 0, 3, have);
        dtq_scale_codes(&rows[i].tensor, file, 0, 3, have);
        for (int k = 0; k < 3; k++)
            ck_assert_msg(have[k] == rows[i].want[k], "row %zu, %d: %a", i, k, (double)have[k]);
        dtq_scale_codes(&rows[i].tensor, file, 2, 1, (float[]){0});
    }
    const int32_t wide[] = {-70000, 5};
    float have[2];
    dtq_widen(DTQ_I32, (const uint8_t *)wide, 0, 2, have);
    ck_assert(have[0] == -70000 && have[1] == 5);
    ck_assert_uint_eq(dtq_tensor_end(&rows[2].tensor), 28);
    ck_assert_uint_eq(dtq_tensor_end(&(dtq_tensor){.shape = {1, 3}, .dtype = DTQ_I8, .zeros = UINT64_MAX}), UINT64_MAX);
    ck_assert_uint_eq(dtq_tensor_end(&(dtq_tensor){.shape = {5, 3}, .offset = 7}), 67);
}
END_TEST

int main(void) {
    Suite *s = suite_create("dtype");
    TCase *c = tcase_create("dtype");
    tcase_add_test(c, blocks_are_widened_as_ggml_does);
    tcase_add_test(c, any_part_is_that_part);
    tcase_add_test(c, layouts);
    tcase_add_test(c, codes_of_a_whole_tensor);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
