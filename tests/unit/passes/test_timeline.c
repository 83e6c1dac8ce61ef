/* timeline: small streams whose times are worked out by hand. */
#include "passes/pass_util.h"

/* One head of nine tokens (7 at 4 bits, 2 at 8) of four channels on a 3 x 3 array without skew; 16 bytes a cycle. */
static pass_case run(const char *instrs) {
    arena *a = arena_new();
    const char *text = arena_printf(
        a,
        "dtir 1 stream\nmodel = \"m\"\nseq = 9\nmachine \"toy\" {\ntop.drain = ideal\nvssa.rows = 3\nvssa.cols = 3\n"
        "dram.gb_per_s = 16\ndram.latency_cycles = 10\nsoftmax.lanes = 4\nsoftmax.latency_cycles = 7\n}\n"
        "passes = [insert-sync]\n"
        "%%c = buffer {space = dram, bytes = 144, address = 0} : buffer\n"
        "layer %%c, %%c, %%c, %%c, %%c, %%c, %%c, %%c {index = 0, slots = 9, high = 2, query_heads = 1, kv_heads = 1, "
        "head_dim = 4, mask = none, importance_rule = mean, order = low-first, static_bits = yes, "
        "segments = [7*4, 2*8], q_bits = [7*4, 2*8], k_bits = [7*4, 2*8], v_bits = [7*4, 2*8], p_bits = [7*4, 2*8]}\n"
        "%%q = buffer {space = q, bytes = 58, address = 0} : buffer\n"
        "%%k = buffer {space = k, bytes = 58, address = 0} : buffer\n"
        "%%s = buffer {space = scores, bytes = 396, address = 0} : buffer\n"
        "%%p = buffer {space = probs, bytes = 225, address = 0} : buffer\n%s",
        instrs);
    pass_case c = pass_text(text, "timeline", false);
    arena_free(a);
    return c;
}

#define LOAD_Q "load %q {queue = load, operand = q, layer = 0, head = 0, row = 0, rows = 9}\n"
#define LOAD_K "load %k {queue = load, operand = k, layer = 0, head = 0, row = 0, rows = 9}\n"
#define QK     "qk %q, %k, %s {queue = array0, layer = 0, head = 0, row = 0, rows = 9, col = 0, cols = 9}\n"
#define SOFTMAX                                                                                                        \
    "softmax %s, _, %p {queue = softmax, mode = full, layer = 0, head = 0, row = 0, rows = 9, col = 0, cols = 9}\n"
#define TOKEN(from, to, untimed)                                                                                       \
    "signal {queue = " from ", to = " to ", untimed = " untimed "}\nwait {queue = " to ", from = " from                \
    ", untimed = " untimed "}\n"

static void expect_times(pass_case *c, dtq_opcode code, size_t nth, const char *start, const char *busy,
                         const char *done) {
    size_t op = find_op(c->m, IR_INSTR(code), nth);
    expect_attr(c, op, IR_KEY_start, start);
    expect_attr(c, op, IR_KEY_busy, busy);
    expect_attr(c, op, IR_KEY_done, done);
}

/* 58 bytes take 4 cycles and 10 more until they are there: 14; the next load 4..8, there at 18. Q.K^T waits for both
 * and takes 4 channels times 16 (four tiles of 1, four of 2, one of 4). */
START_TEST(three_instructions) {
    pass_case c = run(LOAD_Q LOAD_K TOKEN("load", "array0", "no") QK);
    expect_times(&c, DTQ_OP_LOAD, 0, "0", "4", "14");
    expect_times(&c, DTQ_OP_LOAD, 1, "4", "4", "18");
    expect_times(&c, DTQ_OP_QK, 0, "18", "64", "82");
    expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_WAIT), 0), IR_KEY_start, "none");
    pass_end(&c);
}
END_TEST

/* Softmax: 9 rows of ceil(9 / 4) cycles and 7 more; the array's second product starts when its first is over. */
START_TEST(queues_run_side_by_side) {
    pass_case c = run(LOAD_Q LOAD_K TOKEN("load", "array0", "no") QK TOKEN("array0", "softmax", "no") SOFTMAX QK);
    expect_times(&c, DTQ_OP_SOFTMAX, 0, "82", "27", "116");
    expect_times(&c, DTQ_OP_QK, 1, "82", "64", "146");
    pass_end(&c);
}
END_TEST

/* A token carries the time of what was done before it was put there, not of what comes after. */
START_TEST(tokens_carry_their_own_time) {
    pass_case c = run(LOAD_Q TOKEN("load", "array0", "no") LOAD_K QK);
    expect_times(&c, DTQ_OP_QK, 0, "14", "64", "78");
    pass_end(&c);
    c = run(LOAD_Q LOAD_K TOKEN("load", "array0", "yes") QK); /* untimed: no time at all */
    expect_times(&c, DTQ_OP_QK, 0, "0", "64", "64");
    pass_end(&c);
    c = run(TOKEN("load", "array0", "no") LOAD_Q QK); /* put before anything was done */
    expect_times(&c, DTQ_OP_QK, 0, "0", "64", "64");
    pass_end(&c);
}
END_TEST

START_TEST(the_host_takes_no_time) {
    pass_case c = run("%x = buffer {space = dram, bytes = 4, address = 64} : buffer\n"
                      "host.normalize %x, %c {queue = host, width = 1}\n" TOKEN("host", "load", "no")
                          LOAD_Q TOKEN("load", "host", "no") "host.normalize %x, %c {queue = host, width = 1}\n" TOKEN(
                              "host", "load", "no") LOAD_K);
    expect_times(&c, DTQ_OP_LOAD, 0, "0", "4", "14");
    expect_times(&c, DTQ_OP_NORMALIZE, 1, "14", "0", "14");
    expect_times(&c, DTQ_OP_LOAD, 1, "14", "4", "28");
    pass_end(&c);
}
END_TEST

/* With skew the last tile drains its three rows after the last product: latency. */
START_TEST(a_result_is_there_after_it_has_drained) {
    pass_case c = pass_attention((attention_problem){.policy = {FIG5_POLICY}}, TO_TIMELINE, false);
    size_t qk = find_op(c.m, IR_INSTR(DTQ_OP_QK), 0), softmax = find_op(c.m, IR_INSTR(DTQ_OP_SOFTMAX), 0);
    int64_t end = ir_int(c.m, qk, IR_KEY_start, -1) + ir_int(c.m, qk, IR_KEY_busy, -1);
    ck_assert_int_eq(ir_int(c.m, qk, IR_KEY_done, -1), end + 3);
    ck_assert_int_eq(ir_int(c.m, softmax, IR_KEY_start, -1), end + 3);
    pass_end(&c);
}
END_TEST

START_TEST(a_wait_for_nothing_is_refused) {
    const char *text = "dtir 1 stream\nmodel = \"m\"\nseq = 9\npasses = [insert-sync]\n"
                       "wait {queue = load, from = array0, untimed = no}\n";
    pass_refuses_text(text, "timeline", "t.dtir:5:1: a wait has no signal before it in the list");
}
END_TEST

/* Two of nine tokens at 8 bits, nobody knows which: nine rows of 2 * 2/9 + 7/9 times two bytes and a scale of four are
 * 58 bytes, 4 cycles of 16; values have 22 bytes of codes and 32 of scales. */
START_TEST(loads_of_unknown_precision_are_expected) {
    pass_case c = pass_attention((attention_problem){.machine = FIG5_MACHINE "dram.gb_per_s = 16\n",
                                                     .policy = {"counts = [0, 7, 2], cluster = none"}},
                                 TO_TIMELINE, false);
    for (size_t load = 0; load < 3; load++)
        expect_attr(&c, find_op(c.m, IR_INSTR(DTQ_OP_LOAD), load), IR_KEY_busy, "4");
    pass_end(&c);
}
END_TEST

IR_MAIN("timeline", three_instructions, queues_run_side_by_side, tokens_carry_their_own_time, the_host_takes_no_time,
        a_result_is_there_after_it_has_drained, a_wait_for_nothing_is_refused, loads_of_unknown_precision_are_expected)
