#include <check.h>

#include "runtime/isa/instruction.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/program.h"
#include "runtime/sim/layout.h"

START_TEST(row_bytes) {
    ck_assert_uint_eq(dtq_row_bytes(64, 8), 64);
    ck_assert_uint_eq(dtq_row_bytes(64, 4), 32);
    ck_assert_uint_eq(dtq_row_bytes(9, 4), 5); /* the last nibble has a byte of its own */
    ck_assert_uint_eq(dtq_row_bytes(1, 4), 1);
}
END_TEST

static const uint8_t bits[] = {4, 4, 8, 4, 8};

static dtq_layer layer(bool causal, bool known) {
    dtq_layer l = {.slots = 5, .heads = 1, .kv_heads = 1, .head_dim = 9, .causal = causal};
    for (unsigned o = 0; known && o < DTQ_OPERANDS; o++)
        l.bits[o] = bits;
    return l;
}

START_TEST(blocks) {
    const dtq_layer l = layer(false, true);
    /* slots 1..3: two rows of 5 bytes, one of 9, three scales */
    ck_assert_uint_eq(dtq_block_bytes(&l, DTQ_Q, 1, 3), 2 * 5 + 9 + 3 * 4);
    ck_assert_uint_eq(dtq_block_bytes(&l, DTQ_K, 1, 3), 2 * 5 + 9 + 3 * 4);
    /* values have a scale a class and channel instead */
    ck_assert_uint_eq(dtq_block_bytes(&l, DTQ_V, 1, 3), 2 * 5 + 9 + 2 * 9 * 4);
    const dtq_layer causal = layer(true, true);
    ck_assert_uint_eq(dtq_block_bytes(&causal, DTQ_V, 1, 3), 2 * 5 + 9 + 3 * 4);
}
END_TEST

START_TEST(blocks_of_unknown_precision) {
    const dtq_layer l = layer(false, false);
    ck_assert_uint_eq(dtq_block_bytes(&l, DTQ_Q, 0, 5), 5 * 9 + 5 * 4);
    ck_assert_uint_eq(dtq_block_bytes_at(&l, DTQ_Q, bits, 0, 5), 3 * 5 + 2 * 9 + 5 * 4);
}
END_TEST

START_TEST(intermediate_blocks) {
    const dtq_layer l = layer(false, true), causal = layer(true, true);
    ck_assert_uint_eq(dtq_scores_bytes(3, 5), 4 * 15 + 4 * 3 + 4 * 5);
    ck_assert_uint_eq(dtq_probs_bytes(&l, 3), 3 * 16 + 3 * 5);
    ck_assert_uint_eq(dtq_probs_bytes(&causal, 3), 3 * 16 + 2 * 3 * 5);
    ck_assert_uint_eq(dtq_out_bytes(&l, 3, true), 4 * 3 * 9);
    ck_assert_uint_eq(dtq_out_bytes(&l, 3, false), 8 * 3 * 9);
}
END_TEST

START_TEST(large_blocks_do_not_wrap) {
    ck_assert_uint_eq(dtq_scores_bytes(65536, 65536), UINT64_C(4) * 65536 * 65536 + 8 * 65536);
    const dtq_layer l = {.slots = 65536, .heads = 1, .kv_heads = 1, .head_dim = 65536};
    ck_assert_uint_eq(dtq_block_bytes(&l, DTQ_Q, 0, 65536), UINT64_C(65536) * 65536 + 4 * 65536);
    ck_assert_uint_eq(dtq_out_bytes(&l, 65536, false), UINT64_C(8) * 65536 * 65536);
}
END_TEST

int main(void) {
    Suite *s = suite_create("layout");
    TCase *t = tcase_create("bytes");
    tcase_add_test(t, row_bytes);
    tcase_add_test(t, blocks);
    tcase_add_test(t, blocks_of_unknown_precision);
    tcase_add_test(t, intermediate_blocks);
    tcase_add_test(t, large_blocks_do_not_wrap);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
