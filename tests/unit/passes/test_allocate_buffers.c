/* allocate-buffers: no two buffers live at once share a byte, and all lie in their spaces. DTQ_SEED repeats a run. */
#include "codegen/random_problem.h"
#include "passes/pass_util.h"
#include "passes/spaces.h"

typedef struct {
    size_t first, last;
    uint64_t lo, hi;
    int space;
} placed;

/** Where each buffer lies and from which to which op it is live; DRAM with a name, or of a layer, always is. */
static placed *placed_buffers(const pass_case *c) {
    placed *p = ARENA_ARRAY(c->memory, placed, c->m->value_count);
    for (size_t v = 0; v < c->m->value_count; v++) {
        size_t def = c->m->defs[v];
        p[v].space = space_find(ir_str(c->m, def, IR_KEY_space));
        p[v].lo = (uint64_t)ir_int(c->m, def, IR_KEY_address, -1);
        p[v].hi = p[v].lo + (uint64_t)ir_int(c->m, def, IR_KEY_bytes, -1);
        p[v].first = SIZE_MAX;
    }
    for (size_t op = 0; op < c->m->op_count; op++)
        for (size_t i = 0; i < c->m->ops[op].operand_count; i++) {
            ir_value v = ir_operand(c->m, op, i);
            if (v == IR_NONE)
                continue;
            p[v].first = p[v].first == SIZE_MAX ? op : p[v].first;
            p[v].last = op;
            if (c->m->ops[op].code == IR_LAYER)
                p[v].first = 0;
        }
    for (size_t v = 0; v < c->m->value_count; v++) {
        bool layer_region = p[v].first == 0;
        if (p[v].space == SPACE_DRAM && (layer_region || ir_str(c->m, c->m->defs[v], IR_KEY_name)))
            p[v].first = 0, p[v].last = c->m->op_count;
    }
    return p;
}

static void check_places(const pass_case *c, int i) {
    const placed *p = placed_buffers(c);
    for (size_t v = 0; v < c->m->value_count; v++) {
        if (p[v].first == SIZE_MAX)
            continue;
        ck_assert_msg(ir_get(c->m, c->m->defs[v], IR_KEY_address), "case %d: %%%zu has no address", i, v);
        if (p[v].space == SPACE_DRAM)
            ck_assert_uint_eq(p[v].lo % 64, 0);
        else if (p[v].hi > space_capacity(c->m->machine, p[v].space))
            ck_abort_msg("case %d: %%%zu ends at %llu of %s", i, v, (unsigned long long)p[v].hi,
                         space_name(p[v].space));
        for (size_t w = 0; w < v; w++) {
            bool together = p[w].first != SIZE_MAX && p[w].space == p[v].space && p[w].first <= p[v].last &&
                            p[v].first <= p[w].last;
            if (together && p[w].lo < p[v].hi && p[v].lo < p[w].hi)
                ck_abort_msg("case %d: %%%zu and %%%zu share bytes of %s", i, w, v, space_name(p[v].space));
        }
    }
}

START_TEST(random_buffers_never_collide) {
    enum { CASES = 150 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {seed ? strtoull(seed, NULL, 10) : 31};
    printf("allocate-buffers: seed %llu\n", (unsigned long long)source.state);
    unsigned placed_whole = 0, refused = 0;
    for (int i = 0; i < CASES; i++) {
        pass_case c = {.memory = arena_new()};
        c.d = diag_new(c.memory, NULL);
        random_problem problem = random_problem_new(c.memory, &source, i % 2);
        c.m = random_problem_graph(c.memory, &problem);
        if (pass_run(&c, TO_ADDRESSES, problem.optimise)) {
            check_places(&c, i);
            placed_whole++;
        } else {
            ck_assert_int_eq(diag_exit_code(c.d), EXIT_INPUT);
            refused++;
        }
        pass_end(&c);
    }
    ck_assert_uint_gt(placed_whole, CASES / 2);
    ck_assert_uint_lt(refused, CASES / 3);
}
END_TEST

/* Layers with fewer and fewer tokens: slots of another size, and regions that outlive their layer. */
START_TEST(layers_of_different_size_never_collide) {
    attention_problem p = {.seq = 60,
                           .heads = 4,
                           .machine = FIG5_MACHINE "vssa.arrays = 2\n",
                           .policy = {"counts = [0, 40, 20]", "counts = [21, 30, 9]", "counts = [50, 7, 3]"}};
    pass_case c = pass_attention(p, TO_ADDRESSES, true);
    check_places(&c, 0);
    pass_end(&c);
}
END_TEST

static const char *addresses(const pass_case *c, const char *space) {
    const char *text = "";
    for (size_t op = 0; op < c->m->op_count; op++)
        if (c->m->ops[op].code == IR_BUFFER && strcmp(ir_str(c->m, op, IR_KEY_space), space) == 0)
            text = arena_printf(c->memory, "%s%s%lld", text, *text ? " " : "",
                                (long long)ir_int(c->m, op, IR_KEY_address, -1));
    return text;
}

/* Query blocks of 58 bytes in slots of 64, used round robin: the fourth head takes the place of the first. */
START_TEST(slots_are_used_round_robin) {
    attention_problem p = {.heads = 4, .machine = FIG5_MACHINE "buffers.q = 200\n", .policy = {FIG5_POLICY}};
    pass_case c = pass_attention(p, TO_ADDRESSES, false);
    ck_assert_str_eq(addresses(&c, "q"), "0 64 128 0");
    ck_assert_str_eq(addresses(&c, "importance"), "0");
    pass_end(&c);
    p.machine = FIG5_MACHINE "buffers.q = 60\n"; /* less than a slot, enough for a block */
    c = pass_attention(p, TO_ADDRESSES, false);
    ck_assert_str_eq(addresses(&c, "q"), "0 0 0 0");
    pass_end(&c);
}
END_TEST

START_TEST(a_buffer_that_nobody_uses_has_no_address) {
    const char *text = "dtir 1 stream\nmodel = \"m\"\nseq = 9\npasses = [schedule-tiles, lower-schedule]\n"
                       "%a = buffer {space = dram, bytes = 65} : buffer\n"
                       "%b = buffer {space = dram, bytes = 4} : buffer\n"
                       "%c = buffer {space = dram, bytes = 4} : buffer\n"
                       "%d = buffer {space = dram, bytes = 4} : buffer\n"
                       "host.normalize %b, %a {queue = host, width = 1}\n"
                       "host.normalize %d, %b {queue = host, width = 1}\n";
    pass_case c = pass_text(text, "allocate-buffers", false);
    ck_assert_str_eq(addresses(&c, "dram"), "0 128 -1 0"); /* a is dead when d is made */
    pass_end(&c);
}
END_TEST

START_TEST(blocks_that_do_not_fit_are_refused) {
    const char *text = "dtir 1 stream\nmodel = \"m\"\nseq = 9\nmachine \"toy\" {\nbuffers.q = 64\n}\n"
                       "passes = [schedule-tiles, lower-schedule]\n"
                       "%%c = buffer {space = dram, bytes = 144} : buffer\n"
                       "layer %%c, %%c, %%c, %%c, %%c, %%c, %%c, %%c {index = 0, slots = 9, high = 2, query_heads = 1, "
                       "kv_heads = 1, head_dim = 4, mask = none, importance_rule = mean, order = original, "
                       "static_bits = no, segments = [7*4, 2*8]}\n"
                       "%%a = buffer {space = q, bytes = %u} : buffer\n%%b = buffer {space = q, bytes = 20} : buffer\n"
                       "%%k = buffer {space = k, bytes = 36} : buffer\n%%s = buffer {space = scores, bytes = 36} : "
                       "buffer\n"
                       "load %%a {queue = load, operand = q, layer = 0, head = 0, row = 0, rows = 1}\n"
                       "load %%b {queue = load, operand = q, layer = 0, head = 0, row = 0, rows = 1}\n"
                       "qk %%a, %%k, %%s {queue = array0, layer = 0, head = 0, row = 0, rows = 1, col = 0, cols = 1}\n";
    arena *a = arena_new();
    pass_refuses_text(arena_printf(a, text, 65u), "allocate-buffers",
                      "t.dtir:10:1: layer 0 does not fit: a block of 65 bytes in buffers.q, which has 64");
    pass_refuses_text(arena_printf(a, text, 40u), "allocate-buffers",
                      "t.dtir:11:1: layer 0 needs more than 1 blocks of ");
    arena_free(a);
}
END_TEST

IR_MAIN("allocate-buffers", random_buffers_never_collide, layers_of_different_size_never_collide,
        slots_are_used_round_robin, a_buffer_that_nobody_uses_has_no_address, blocks_that_do_not_fit_are_refused)
