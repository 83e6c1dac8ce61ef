/* What a causal mask hides by the order of slots alone, against its definition. */
#include "isa_util.h"
#include "runtime/isa/program.h"

/** The definition: slots of one cluster ascend by position, so what stands behind a row there is after it. */
static bool hides(uint32_t slots, uint32_t high, uint32_t muted, dtq_slot_order order, uint32_t row, uint32_t key) {
    enum { MUTED, LOW, HIGH };
    int kind[2];
    const uint32_t slot[2] = {row, key};
    for (int i = 0; i < 2; i++) {
        const bool high_first = order == DTQ_ORDER_HIGH_FIRST;
        if (high_first ? slot[i] >= slots - muted : slot[i] < muted)
            kind[i] = MUTED;
        else if (order == DTQ_ORDER_ORIGINAL)
            kind[i] = LOW;
        else
            kind[i] = (high_first ? slot[i] < high : slot[i] >= slots - high) ? HIGH : LOW;
    }
    return kind[0] == kind[1] && key > row;
}

START_TEST(hidden_keys_are_those_behind_in_the_same_cluster) {
    for (uint32_t slots = 1; slots <= 9; slots++)
        for (uint32_t high = 0; high <= slots; high++)
            for (uint32_t muted = 0; muted + high <= slots && muted < slots; muted++)
                for (int order = 0; order <= DTQ_ORDER_ORIGINAL; order++) {
                    const dtq_layer l = {.slots = slots,
                                         .high = high,
                                         .muted = muted,
                                         .order = (uint8_t)order,
                                         .causal = DTQ_CAUSAL_SKIPS};
                    const dtq_clusters c = dtq_layer_clusters(&l);
                    const uint32_t first = dtq_first_key(&l), keys = dtq_keys(&l);
                    for (uint32_t row = 0; row < slots; row++)
                        for (uint32_t rows = 1; rows <= slots - row; rows++) {
                            const dtq_hidden h = dtq_hidden_from(&c, row, rows, first, keys);
                            uint64_t pairs = 0, steps = 0;
                            for (uint32_t i = row; i < row + rows; i++) {
                                uint32_t sees = 0;
                                for (uint32_t key = first; key < first + keys; key++)
                                    sees += !hides(slots, high, muted, (dtq_slot_order)order, i, key);
                                pairs += sees;
                                steps += (sees + 3) / 4;
                            }
                            ck_assert_uint_eq(dtq_pairs_seen(&c, row, rows, first, keys), pairs);
                            ck_assert_uint_eq(dtq_steps_seen(&c, row, rows, first, keys, 4), steps);
                            for (uint32_t key = 0; key < keys; key++) {
                                bool hidden = true;
                                for (uint32_t i = row; i < row + rows; i++)
                                    hidden &= hides(slots, high, muted, (dtq_slot_order)order, i, first + key);
                                ck_assert_int_eq(key >= h.from && key < h.to, hidden);
                            }
                        }
                }
}
END_TEST

START_TEST(a_tile_is_left_out_if_all_of_it_is_hidden) {
    for (uint32_t cols = 1; cols <= 12; cols++)
        for (uint32_t width = 1; width <= 5; width++)
            for (uint32_t from = 0; from <= cols; from++)
                for (uint32_t to = from; to <= cols; to++) {
                    const dtq_hidden t = dtq_hidden_tiles((dtq_hidden){from, to}, cols, width);
                    for (uint32_t tile = 0; tile * width < cols; tile++) {
                        const uint32_t first = tile * width, end = first + width < cols ? first + width : cols;
                        ck_assert_int_eq(tile >= t.from && tile < t.to, from <= first && end <= to && from < to);
                    }
                }
}
END_TEST

START_TEST(layers_that_skip_have_ids_in_order) {
    uint32_t ids[4] = {1, 3, 0, 2};
    uint8_t bits[4] = {4, 4, 8, 8};
    dtq_layer l = {.slots = 4,
                   .high = 2,
                   .heads = 1,
                   .kv_heads = 1,
                   .head_dim = 2,
                   .ids = ids,
                   .causal = DTQ_CAUSAL_SKIPS,
                   .bits = {bits, bits, bits, bits}};
    ck_assert_ptr_null(dtq_layer_wrong(&l, 4));
    l.order = DTQ_ORDER_ORIGINAL;
    ck_assert_str_eq(dtq_layer_wrong(&l, 4), "token ids do not ascend inside each cluster");
    l.causal = DTQ_CAUSAL_YES;
    ck_assert_ptr_null(dtq_layer_wrong(&l, 4));
    l.causal = DTQ_CAUSAL_SKIPS;
    l.ids = NULL;
    ck_assert_ptr_null(dtq_layer_wrong(&l, 4));
    l.bits[DTQ_P] = NULL;
    ck_assert_str_eq(dtq_layer_wrong(&l, 4), "what is left out follows from precisions of slots, which must be known");
    l.causal = DTQ_CAUSAL_SKIPS + 1;
    ck_assert_ptr_nonnull(dtq_layer_wrong(&l, 4));
}
END_TEST

RUN_TESTS("masked", hidden_keys_are_those_behind_in_the_same_cluster, a_tile_is_left_out_if_all_of_it_is_hidden,
          layers_that_skip_have_ids_in_order)
