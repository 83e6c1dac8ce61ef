/* Names and sizes of the memories. */
#include "passes/pass_util.h"
#include "passes/spaces.h"
#include "runtime/machine_members.h"

START_TEST(names_are_found) {
    static const char *const names[] = {"q", "k", "v", "scores", "probs", "out", "importance", "dram"};
    for (int s = 0; s <= SPACE_DRAM; s++) {
        ck_assert_str_eq(space_name(s), names[s]);
        ck_assert_int_eq(space_find(names[s]), s);
    }
    ck_assert_int_eq(space_find("prob"), -1);
    ck_assert_int_eq(space_find(""), -1);
    ck_assert_int_eq(space_find(NULL), -1);
}
END_TEST

START_TEST(sizes_are_the_machines) {
    dtq_machine m;
    dtq_machine_init(&m);
    uint64_t *const sizes[SPACES] = {&m.buffers_q,     &m.buffers_k,   &m.buffers_v,         &m.buffers_scores,
                                     &m.buffers_probs, &m.buffers_out, &m.buffers_importance};
    for (uint64_t s = 0; s < SPACES; s++)
        *sizes[s] = 100 + s;
    for (int s = 0; s < SPACES; s++)
        ck_assert_uint_eq(space_capacity(&m, s), 100 + (uint64_t)s);
}
END_TEST

IR_MAIN("spaces", names_are_found, sizes_are_the_machines)
