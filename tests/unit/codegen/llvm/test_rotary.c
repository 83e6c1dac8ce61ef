/* Rotation at every level, against the scalar definition. */
#include "llvm_util.h"
#include "runtime/kernels/kernels.h"

enum { ROWS = 3, WIDEST = 512, POSITIONS = 9 };

typedef void rotary_fn(const float *src, const float *table, const uint32_t *ids, float *dst, uint64_t rows);

static const struct {
    size_t heads, head_dim;
} shapes[] = {{1, 2}, {5, 2}, {3, 6}, {4, 8}, {1, 10}, {3, 16}, {2, 40}, {2, 48}, {9, 32}, {3, 64}, {1, 80}};

static void check(const machine_level *level, size_t heads, size_t head_dim, channel_pairs pairs, uint64_t *state) {
    static float x[ROWS * WIDEST], y[ROWS * WIDEST], table[POSITIONS * WIDEST], want[WIDEST];
    static const uint32_t ids[ROWS] = {7, 0, 8};
    size_t width = heads * head_dim, stride = row_stride(width);
    kernels k = kernels_begin(level);
    kernels_add(&k, emit_rotary(&k.e, width, head_dim, pairs));
    void *const *f = kernels_load(&k);
    memset(x, 0, sizeof x);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < width; i++)
            x[r * stride + i] = random_float(state);
    for (size_t i = 0; i < POSITIONS * head_dim; i++)
        table[i] = random_float(state);
    memset(y, 0x7f, sizeof y);
    ((rotary_fn *)f[0])(x, table, ids, y, ROWS);
    for (size_t r = 0; r < ROWS; r++) {
        dtq_rotate(x + r * stride, width, table + ids[r] * head_dim, head_dim, (dtq_pairs)pairs, want);
        ck_assert_msg(memcmp(want, y + r * stride, width * sizeof *want) == 0,
                      "%zu heads of %zu, pairs %d, row %zu is not the scalar one", heads, head_dim, (int)pairs, r);
        for (size_t i = width; i < stride; i++)
            ck_assert(y[r * stride + i] == 0);
    }
    kernels_end(&k);
}

START_TEST(rows_turn_as_defined) {
    machine_level levels[MACHINE_LEVELS_MOST];
    unsigned count = kernel_levels(levels);
    uint64_t state = test_seed();
    for (unsigned l = 0; l < count; l++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (channel_pairs p = PAIRS_HALVES; p <= PAIRS_ADJACENT; p++)
                check(&levels[l], shapes[s].heads, shapes[s].head_dim, p, &state);
}
END_TEST

int main(void) {
    Suite *s = suite_create("rotary");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rows_turn_as_defined);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
