#include <check.h>

#include "runtime/sim/queues.h"
#include "sim_util.h"

typedef struct {
    dtq_stream stream;
    dtq_instr instrs[64];
} program;

#define ADD(p, op, q, ...)                                                                                             \
    (p)->instrs[(p)->stream.count++] = (dtq_instr) {                                                                   \
        DTQ_OP_##op, (uint8_t)(q), {                                                                                   \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

static program *start(program *p) {
    *p = (program){0};
    p->stream.instrs = p->instrs;
    return p;
}

START_TEST(splitmix64_is_the_known_generator) {
    uint64_t state = 1234567;
    ck_assert_uint_eq(dtq_splitmix64(&state), UINT64_C(6457827717110365317));
    ck_assert_uint_eq(dtq_splitmix64(&state), UINT64_C(3203168211198807973));
}
END_TEST

START_TEST(round_robin_in_queue_order) {
    program p;
    start(&p);
    for (unsigned i = 0; i < 2; i++) {
        ADD(&p, TOPK, DTQ_TOPK, 0);
        ADD(&p, LOAD, DTQ_LOAD, 0);
        ADD(&p, QK, DTQ_ARRAY0, 0);
    }
    const unsigned queues[] = {DTQ_LOAD, DTQ_TOPK, DTQ_ARRAY0, DTQ_LOAD, DTQ_TOPK, DTQ_ARRAY0};
    const uint32_t instrs[] = {1, 0, 2, 4, 3, 5};
    dtq_queues q;
    dtq_error e;
    ck_assert(dtq_queues_init(&q, &p.stream, 1, false, 0, &e));
    unsigned queue;
    uint32_t instr;
    for (unsigned i = 0; i < 6; i++) {
        ck_assert(dtq_queues_pick(&q, &queue, &instr));
        ck_assert_uint_eq(queue, queues[i]);
        ck_assert_uint_eq(instr, instrs[i]);
        dtq_queues_retire(&q, queue, 0);
    }
    ck_assert(!dtq_queues_pick(&q, &queue, &instr));
    ck_assert(dtq_queues_finished(&q, &e));
    dtq_queues_free(&q);
}
END_TEST

START_TEST(tokens_come_first_in_first_out) {
    program p;
    start(&p);
    ADD(&p, SIGNAL, DTQ_LOAD, DTQ_ARRAY0);
    ADD(&p, SIGNAL, DTQ_LOAD, DTQ_ARRAY0);
    ADD(&p, SIGNAL, DTQ_LOAD, DTQ_STORE);
    ADD(&p, WAIT, DTQ_ARRAY0, DTQ_LOAD);
    ADD(&p, WAIT, DTQ_ARRAY0, DTQ_LOAD);
    ADD(&p, WAIT, DTQ_STORE, DTQ_LOAD);
    dtq_queues q;
    dtq_error e;
    ck_assert(dtq_queues_init(&q, &p.stream, 1, false, 0, &e));
    unsigned queue;
    uint32_t instr;
    for (uint64_t stamp = 7; stamp <= 9; stamp++) {
        q.last = DTQ_HOST; /* so that it is the load queue's turn */
        ck_assert(dtq_queues_pick(&q, &queue, &instr));
        ck_assert_uint_eq(queue, DTQ_LOAD);
        ck_assert_uint_eq(dtq_queues_retire(&q, queue, stamp), 0);
    }
    ck_assert_uint_eq(dtq_queues_retire(&q, DTQ_ARRAY0, 0), 7);
    ck_assert_uint_eq(dtq_queues_retire(&q, DTQ_STORE, 0), 9);
    ck_assert_uint_eq(dtq_queues_retire(&q, DTQ_ARRAY0, 0), 8);
    ck_assert(dtq_queues_finished(&q, &e));
    dtq_queues_free(&q);
}
END_TEST

START_TEST(a_wait_holds_its_queue) {
    program p;
    start(&p);
    ADD(&p, WAIT, DTQ_ARRAY0 + 1, DTQ_ARRAY0);
    ADD(&p, QK, DTQ_ARRAY0, 0);
    ADD(&p, SIGNAL, DTQ_ARRAY0, DTQ_ARRAY0 + 1);
    for (uint64_t seed = 0; seed < 20; seed++) {
        dtq_queues q;
        dtq_error e;
        ck_assert(dtq_queues_init(&q, &p.stream, 2, true, seed, &e));
        const uint32_t order[] = {1, 2, 0};
        for (unsigned i = 0; i < 3; i++) {
            unsigned queue;
            uint32_t instr;
            ck_assert(dtq_queues_pick(&q, &queue, &instr));
            ck_assert_uint_eq(instr, order[i]);
            dtq_queues_retire(&q, queue, 0);
        }
        dtq_queues_free(&q);
    }
}
END_TEST

START_TEST(shuffle_reaches_every_queue) {
    program p;
    start(&p);
    for (unsigned a = 0; a < 20; a++)
        ADD(&p, QK, DTQ_ARRAY0 + 12 * a, 0);
    unsigned firsts = 0;
    bool seen[DTQ_QUEUE_MAX + 1] = {false};
    for (uint64_t seed = 0; seed < 200; seed++) {
        dtq_queues q;
        dtq_error e;
        unsigned queue;
        uint32_t instr;
        ck_assert(dtq_queues_init(&q, &p.stream, 240, true, seed, &e));
        ck_assert(dtq_queues_pick(&q, &queue, &instr));
        ck_assert_uint_eq(queue, p.instrs[instr].queue);
        firsts += !seen[queue];
        seen[queue] = true;
        dtq_queues_free(&q);
    }
    ck_assert_uint_eq(firsts, 20);
}
END_TEST

START_TEST(deadlock_names_what_each_queue_waits_for) {
    program p;
    start(&p);
    ADD(&p, LOAD, DTQ_LOAD, 0);
    ADD(&p, WAIT, DTQ_ARRAY0, DTQ_SOFTMAX);
    ADD(&p, SIGNAL, DTQ_ARRAY0, DTQ_SOFTMAX);
    ADD(&p, WAIT, DTQ_SOFTMAX, DTQ_ARRAY0);
    ADD(&p, SIGNAL, DTQ_SOFTMAX, DTQ_ARRAY0);
    ADD(&p, WAIT, DTQ_STORE, DTQ_LOAD);
    dtq_queues q;
    dtq_error e = {0};
    unsigned queue;
    uint32_t instr;
    ck_assert(dtq_queues_init(&q, &p.stream, 1, false, 0, &e));
    while (dtq_queues_pick(&q, &queue, &instr))
        dtq_queues_retire(&q, queue, 0);
    ck_assert(!dtq_queues_finished(&q, &e));
    ck_assert_int_eq(e.status, DTQ_DEADLOCK);
    ck_assert_str_eq(e.message,
                     "deadlock: 3 queues stuck"
                     "\n  softmax: 0 of 2 done, next is instruction 3 `wait array0`: no token from array0, "
                     "which is stuck before 1 signal to it"
                     "\n  store: 0 of 1 done, next is instruction 5 `wait load`: no token from load, which has ended"
                     "\n  array0: 0 of 2 done, next is instruction 1 `wait softmax`: no token from softmax, "
                     "which is stuck before 1 signal to it");
    dtq_queues_free(&q);
}
END_TEST

START_TEST(a_long_deadlock_report_is_cut_between_queues) {
    program p;
    start(&p);
    for (unsigned a = 0; a < 60; a++)
        ADD(&p, WAIT, DTQ_ARRAY0 + a, DTQ_LOAD);
    dtq_queues q;
    dtq_error e = {0};
    ck_assert(dtq_queues_init(&q, &p.stream, 60, false, 0, &e));
    ck_assert(!dtq_queues_finished(&q, &e));
    const char *last = strrchr(e.message, '\n');
    unsigned told = 0, more = 0;
    for (const char *at = e.message; (at = strchr(at, '\n')); at++)
        told++;
    ck_assert_int_eq(sscanf(last, "\n  and %u more", &more), 1);
    ck_assert_uint_eq(told - 1 + more, 60);
    dtq_queues_free(&q);
}
END_TEST

START_TEST(queues_that_the_machine_lacks_are_refused) {
    dtq_queues q;
    dtq_error e = {0};
    program p;
    start(&p);
    ADD(&p, QK, DTQ_ARRAY0 + 1, 0);
    ck_assert(!dtq_queues_init(&q, &p.stream, 1, false, 0, &e));
    ck_assert_int_eq(e.status, DTQ_BAD_PROGRAM);
    dtq_queues_free(&q);
    start(&p);
    ADD(&p, WAIT, DTQ_LOAD, DTQ_ARRAY0 + 1);
    ck_assert(!dtq_queues_init(&q, &p.stream, 1, false, 0, &e));
    dtq_queues_free(&q);
    start(&p);
    p.instrs[p.stream.count++] = (dtq_instr){DTQ_OP_COUNT, DTQ_LOAD, {0}};
    ck_assert(!dtq_queues_init(&q, &p.stream, 1, false, 0, &e));
    dtq_queues_free(&q);
}
END_TEST

int main(void) {
    Suite *s = suite_create("queues");
    TCase *t = tcase_create("order");
    tcase_add_test(t, splitmix64_is_the_known_generator);
    tcase_add_test(t, round_robin_in_queue_order);
    tcase_add_test(t, tokens_come_first_in_first_out);
    tcase_add_test(t, a_wait_holds_its_queue);
    tcase_add_test(t, shuffle_reaches_every_queue);
    tcase_add_test(t, deadlock_names_what_each_queue_waits_for);
    tcase_add_test(t, a_long_deadlock_report_is_cut_between_queues);
    tcase_add_test(t, queues_that_the_machine_lacks_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
