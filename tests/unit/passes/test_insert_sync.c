/* insert-sync: tokens are balanced, enough, and not one too many. DTQ_SEED repeats a run. */
#include "codegen/random_problem.h"
#include "passes/pass_util.h"

static bool is_sync(const dtq_instr *in) {
    return in->op == DTQ_OP_WAIT || in->op == DTQ_OP_SIGNAL;
}

/** The channel of a wait or signal. */
static size_t channel_of(const dtq_instr *in) {
    return in->op == DTQ_OP_WAIT ? DTQ_GET(in, WAIT, from) * 256 + in->queue
                                 : in->queue * 256u + DTQ_GET(in, SIGNAL, to);
}

static dtq_program *program_of(pass_case *c) {
    dtq_program *program = codegen_program(c->memory, c->d, (const ir_module *const *)&c->m, 1);
    ck_assert_msg(program, "%s", ir_diag_text(c->memory, c->d));
    return program;
}

/** Every channel gives as many tokens as it gets, none before it has got it. */
static void expect_balance(const dtq_stream *s) {
    uint32_t put[256 * 16] = {0}, taken[256 * 16] = {0};
    for (size_t i = 0; i < s->count; i++) {
        if (!is_sync(&s->instrs[i]))
            continue;
        size_t channel = channel_of(&s->instrs[i]);
        ck_assert_uint_lt(channel, sizeof put / sizeof *put);
        bool wait = s->instrs[i].op == DTQ_OP_WAIT;
        (wait ? taken : put)[channel]++;
        ck_assert_msg(taken[channel] <= put[channel], "instruction %zu takes a token before it is there", i);
    }
    ck_assert_mem_eq(put, taken, sizeof put);
}

/** The stream without token number `nth` of the channel that wait `wait` takes it from: how it verifies. */
static bool verifies_without(pass_case *c, const dtq_program *program, size_t wait) {
    const dtq_stream *s = &program->streams[0];
    dtq_stream cut = *s;
    cut.instrs = ARENA_ARRAY(c->memory, dtq_instr, s->count);
    cut.sources = ARENA_ARRAY(c->memory, dtq_source, s->count);
    cut.count = 0;
    size_t channel = channel_of(&s->instrs[wait]), number = 0, signals = 0;
    for (size_t i = 0; i < wait; i++)
        number += s->instrs[i].op == DTQ_OP_WAIT && channel_of(&s->instrs[i]) == channel;
    for (size_t i = 0; i < s->count; i++) {
        bool matching = s->instrs[i].op == DTQ_OP_SIGNAL && channel_of(&s->instrs[i]) == channel && signals++ == number;
        if (i == wait || matching)
            continue;
        cut.sources[cut.count] = s->sources[i];
        cut.instrs[cut.count++] = s->instrs[i];
    }
    ck_assert_uint_eq(cut.count, s->count - 2);
    dtq_error e;
    return dtq_verify(program, &cut, &e);
}

typedef struct {
    unsigned timed, untimed;
} token_count;

/** Tokens without which the program still verifies. */
static token_count redundant_tokens(pass_case *c) {
    const dtq_program *program = program_of(c);
    const dtq_stream *s = &program->streams[0];
    dtq_error e;
    ck_assert_msg(dtq_verify(program, s, &e), "%s", e.message);
    expect_balance(s);
    token_count redundant = {0};
    for (size_t i = 0; i < s->count; i++)
        if (s->instrs[i].op == DTQ_OP_WAIT && verifies_without(c, program, i))
            (DTQ_GET(&s->instrs[i], WAIT, untimed) ? &redundant.untimed : &redundant.timed)[0]++;
    return redundant;
}

START_TEST(no_token_of_a_small_program_can_go) {
    static const attention_problem cases[] = {
        {.policy = {FIG5_POLICY}},
        {.mask = "causal", .policy = {FIG5_POLICY}},
        {.heads = 2, .machine = FIG5_MACHINE "vssa.arrays = 2\n", .policy = {FIG5_POLICY}},
        {.machine = FIG5_MACHINE "buffers.k = 64\n", .policy = {""}},
        {.machine = FIG5_MACHINE "top.prefetch = data\n", .policy = {"counts = [0, 7, 2]", "counts = [1, 6, 2]"}},
        {.machine = FIG5_MACHINE "top.prefetch = data\n",
         .policy = {"counts = [0, 7, 2]", "counts = [1, 6, 2]", "counts = [3, 4, 2]"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pass_case c = pass_attention(cases[i], TO_TIMELINE, false);
        token_count redundant = redundant_tokens(&c);
        ck_assert_msg(redundant.timed + redundant.untimed == 0, "case %zu: %u tokens can go", i,
                      redundant.timed + redundant.untimed);
        pass_end(&c);
    }
}
END_TEST

/* A chain through an untimed token orders execution but not time, so it replaces no token: where the host waits off the
 * clock for stores, it waits for the loads before them too. No more than one for each of the two steps to the next
 * layer. */
START_TEST(untimed_chains_replace_no_token) {
    attention_problem p = {.policy = {"counts = [0, 7, 2]", "counts = [1, 6, 2]", "counts = [3, 4, 2]"}};
    pass_case c = pass_attention(p, TO_TIMELINE, false);
    token_count redundant = redundant_tokens(&c);
    ck_assert_uint_eq(redundant.timed, 0);
    ck_assert_uint_le(redundant.untimed, 2);
    pass_end(&c);
}
END_TEST

START_TEST(random_programs_are_balanced_and_have_no_token_too_many) {
    enum { CASES = 16 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 41};
    printf("insert-sync: seed %llu\n", (unsigned long long)source.state);
    unsigned tested = 0;
    for (int i = 0; i < CASES; i++) {
        pass_case c = {.memory = arena_new()};
        c.d = diag_new(c.memory, NULL);
        random_problem problem = random_problem_new(c.memory, &source, i % 2);
        c.m = random_problem_graph(c.memory, &problem);
        if (pass_run(&c, TO_TIMELINE, problem.optimise) && c.m->op_count < 300) {
            token_count redundant = redundant_tokens(&c);
            ck_assert_msg(redundant.timed + redundant.untimed == 0, "case %d: %u tokens can go", i,
                          redundant.timed + redundant.untimed);
            tested++;
        }
        pass_end(&c);
    }
    ck_assert_uint_gt(tested, CASES / 4);
}
END_TEST

static void expect_untimed(const char *prefetch, bool off_the_clock) {
    arena *a = arena_new();
    attention_problem p = {.machine = arena_printf(a, FIG5_MACHINE "top.prefetch = %s\n", prefetch),
                           .policy = {"counts = [0, 7, 2]", "counts = [1, 6, 2]"}};
    pass_case c = pass_attention(p, TO_SYNC, false);
    unsigned untimed = 0;
    for (size_t op = 0; op < c.m->op_count; op++) {
        bool wait = c.m->ops[op].code == IR_INSTR(DTQ_OP_WAIT), signal = c.m->ops[op].code == IR_INSTR(DTQ_OP_SIGNAL);
        if (!wait && !signal)
            continue;
        int64_t queue = ir_int(c.m, op, IR_KEY_queue, -1);
        int64_t other = ir_int(c.m, op, field_key(wait ? "from" : "to"), -1);
        int64_t from = wait ? other : queue, to = wait ? queue : other;
        bool is = strcmp(ir_str(c.m, op, field_key("untimed")), "yes") == 0;
        ck_assert_msg(is == (off_the_clock && to == DTQ_HOST && from != DTQ_TOPK), "op %zu", op);
        untimed += is;
    }
    ck_assert_msg((untimed > 0) == off_the_clock, "%u untimed", untimed);
    pass_end(&c);
    arena_free(a);
}

/* The host takes stored rows off the clock, but token ids on it. */
START_TEST(only_the_hosts_waits_for_data_are_untimed) {
    expect_untimed("ids", true);
    expect_untimed("data", false);
}
END_TEST

/* Two queues on one buffer, by hand: read after write, write after read. The second load reads a buffer that nobody
 * wrote since, so it needs no token of its own. */
START_TEST(tokens_follow_overlaps) {
    const char *text = "dtir 1 stream\nmodel = \"m\"\nseq = 9\npasses = [allocate-buffers]\n"
                       "%c = buffer {space = dram, bytes = 144, address = 0} : buffer\n"
                       "layer %c, %c, %c, %c, %c, %c, %c, %c {index = 0, slots = 9, high = 2, query_heads = 1, "
                       "kv_heads = 1, head_dim = 4, mask = none, importance_rule = mean, order = original, "
                       "static_bits = no, segments = [7*4, 2*8]}\n"
                       "%x = buffer {space = q, bytes = 10, address = 0} : buffer\n"
                       "%y = buffer {space = q, bytes = 10, address = 9} : buffer\n"
                       "%z = buffer {space = q, bytes = 10, address = 19} : buffer\n"
                       "%k = buffer {space = k, bytes = 10, address = 0} : buffer\n"
                       "%s = buffer {space = scores, bytes = 10, address = 0} : buffer\n"
                       "load %x {queue = load, operand = q, layer = 0, head = 0, row = 0, rows = 1}\n"
                       "load %z {queue = load, operand = q, layer = 0, head = 0, row = 0, rows = 1}\n"
                       "qk %x, %k, %s {queue = array0, layer = 0, head = 0, row = 0, rows = 1, col = 0, cols = 1}\n"
                       "load %z {queue = load, operand = q, layer = 0, head = 0, row = 0, rows = 1}\n"
                       "load %y {queue = load, operand = q, layer = 0, head = 0, row = 0, rows = 1}\n";
    pass_case c = pass_text(text, "insert-sync", false);
    const char *order = "";
    for (size_t op = 0; op < c.m->op_count; op++)
        if (ir_is_instr((ir_opcode)c.m->ops[op].code))
            order = arena_printf(c.memory, "%s%s/%lld ", order, dtq_ops[IR_ISA_OP(c.m->ops[op].code)].mnemonic,
                                 (long long)ir_int(c.m, op, IR_KEY_queue, -1));
    /* %y shares its first byte with %x: it waits for qk to have read that */
    ck_assert_str_eq(order, "load/1 signal/1 load/1 wait/5 qk/5 signal/5 load/1 wait/1 load/1 ");
    pass_end(&c);
}
END_TEST

IR_MAIN("insert-sync", no_token_of_a_small_program_can_go, untimed_chains_replace_no_token,
        random_programs_are_balanced_and_have_no_token_too_many, only_the_hosts_waits_for_data_are_untimed,
        tokens_follow_overlaps)
