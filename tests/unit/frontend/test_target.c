/* Target files. */
#include "frontend_util.h"

#include "frontend/target.h"
#include "runtime/machine_members.h"

static bool load_file(const char *path, dtq_machine *m) {
    any_target t;
    bool ok = target_load(A, D, path, &t);
    if (ok)
        *m = *t.machine;
    return ok && t.is_machine;
}

static bool load(const char *text, dtq_machine *m) {
    return load_file(put("machine.yaml", text), m);
}

START_TEST(three_lines_are_enough) {
    dtq_machine m, def;
    dtq_machine_init(&def);
    ck_assert(load("kind: vssa\nvssa: {arrays: 1, rows: 3, cols: 3}\ndrain: ideal\nprob_bits: 8\n", &m));
    EXPECT_NO_ERROR();
    ck_assert_uint_eq(m.vssa_rows, 3);
    ck_assert_uint_eq(m.top_drain, DTQ_DRAIN_IDEAL);
    ck_assert_uint_eq(m.top_prob_bits, DTQ_PROB_8);
    ck_assert_uint_eq(m.buffers_scores, def.buffers_scores);
    ck_assert_str_eq(m.name, "machine");
}
END_TEST

START_TEST(shipped) {
    dtq_machine m;
    ck_assert(load_file("examples/targets/dtqatten.yaml", &m));
    ck_assert_uint_eq(dtq_machine_pes(&m), 3168);
    ck_assert_str_eq(m.name, "dtqatten");
    ck_assert_uint_eq(m.buffers_k, 2 * 1024 * 64 * 12 / 8);
    ck_assert(load_file("examples/targets/array3x3.yaml", &m));
    ck_assert_uint_eq(dtq_machine_pes(&m), 9);
    ck_assert_uint_eq(m.top_drain, DTQ_DRAIN_IDEAL);
    ck_assert(load_file("examples/targets/array32x32.yaml", &m));
    ck_assert_uint_eq(dtq_machine_pes(&m), 1024);
    ck_assert_uint_eq(m.top_drain, DTQ_DRAIN_SERIAL);
    EXPECT_NO_ERROR();
}
END_TEST

/** Every parameter, at both ends of its range and between, survives printing and reading. */
START_TEST(printed_reads_back) {
    for (int round = 0; round < 3; round++) {
        dtq_machine m, back;
        dtq_machine_init(&m);
        snprintf(m.name, sizeof m.name, "odd \"name\" \\ %d", round);
        for (size_t i = 0; i < dtq_machine_param_count; i++) {
            const dtq_machine_param *p = &dtq_machine_params[i];
            double v = round == 0 ? p->lo : round == 1 ? p->hi : p->lo + (p->hi - p->lo) / 3;
            dtq_machine_set(&m, p, p->kind == DTQ_PARAM_REAL ? v : (double)(uint64_t)v);
        }
        char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);
        any_target t = {.name = m.name, .kind = "vssa", .is_machine = true, .cluster = true, .machine = &m};
        target_print(&t, f);
        fclose(f);
        bool ok = load(text, &back);
        free(text);
        EXPECT_NO_ERROR();
        ck_assert(ok);
        ck_assert_str_eq(back.name, m.name);
        ck_assert_uint_eq(dtq_machine_hash(&back), dtq_machine_hash(&m));
    }
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *text, *message;
        uint32_t line, col;
    } cases[] = {
        {"vssa: {rows: 3}\n", "lacks the key 'kind'; write `kind: vssa`", 1, 1},
        {"kind: gpu\n", "kind must be vssa", 1, 7},
        {"kind: vssa\nvssa: {rowz: 3}\n", "unknown key 'rowz' in vssa; did you mean 'rows'?", 2, 8},
        {"kind: vssa\nbufers: {}\n", "did you mean 'buffers'?", 2, 1},
        {"kind: vssa\nvssa: {rows: 0}\n", "vssa.rows (PEs) must be a whole number from 1 to 1024, not '0'", 2, 14},
        {"kind: vssa\nvssa: {rows: three}\n", "not 'three'", 2, 14},
        {"kind: vssa\nvssa: 3\n", "vssa must be a mapping", 2, 7},
        {"kind: vssa\nclock_ghz: -1\n", "clock_ghz (GHz) must be a number from 0.001 to 20, not '-1'", 2, 12},
        {"kind: vssa\ndrain: overlaped\n", "did you mean 'overlapped'?", 2, 8},
        {"kind: vssa\nprob_bits: 5\n", "prob_bits must be row, 8 or 4, not '5'", 2, 12},
        {"[1]\n", "a target must be a mapping", 1, 1},
        {"kind: vssa\nname: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "70 bytes", 2,
         7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dtq_machine m;
        ck_assert_msg(!load(cases[i].text, &m), "accepted: %s", cases[i].text);
        src_loc at = first_place();
        ck_assert_msg(at.line == cases[i].line && at.col == cases[i].col, "%s: at %u:%u", cases[i].text, at.line,
                      at.col);
        EXPECT_ERROR(cases[i].message);
    }
}
END_TEST

/* Files of several kinds, each with a table and a place of its own. */
START_TEST(several_kinds) {
    static const dtq_machine_param rows[] = {
        {"top", "speed", DTQ_PARAM_REAL, 1, 0, 10, "m/s", NULL, "how fast", 0},
        {"parts", "wheels", DTQ_PARAM_INT, 4, 1, 8, "wheels", NULL, "on the ground", sizeof(double)},
        {"parts", "colour", DTQ_PARAM_ENUM, 0, 0, 1, NULL, "red|blue", "of all", 2 * sizeof(double)},
    };
    struct {
        double speed;
        uint64_t wheels, colour;
    } cart = {.speed = 1, .wheels = 4};
    dtq_machine m;
    dtq_machine_init(&m);
    const target_kind kinds[] = {{"vssa", dtq_machine_params, dtq_machine_param_count, &m}, {"cart", rows, 3, &cart}};
    const struct {
        const char *text, *message;
        size_t kind;
    } cases[] = {
        {"kind: cart\nspeed: 2.5\nparts: {colour: blue}\n", NULL, 1},
        {"kind: vssa\nvssa: {rows: 3}\n", NULL, 0},
        {"kind: cart\nvssa: {rows: 3}\n", "unknown key 'vssa' in the target", 1},
        {"kind: cart\nparts: {wheels: 9}\n", "parts.wheels (wheels) must be a whole number from 1 to 8, not '9'", 1},
        {"kind: boat\nspeed: x\n", "kind must be vssa or cart, not 'boat'", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        D = diag_new(A, NULL);
        size_t kind = 99;
        const char *name = NULL;
        bool ok = target_read(A, D, put("own.yaml", cases[i].text), kinds, 2, "vssa or cart", &kind, &name);
        ck_assert_uint_eq(kind, cases[i].kind);
        ck_assert(ok == !cases[i].message);
        if (ok) {
            ck_assert_str_eq(name, "own");
        } else {
            ck_assert_uint_eq(diag_count(D, DIAG_ERROR), 1); /* keys of a kind that is none are not told */
            EXPECT_ERROR(cases[i].message);
        }
    }
    ck_assert_double_eq(cart.speed, 2.5);
    ck_assert_uint_eq(cart.wheels, 4);
    ck_assert_uint_eq(cart.colour, 1);
    ck_assert_uint_eq(m.vssa_rows, 3);
    char text[512] = {0};
    FILE *f = fmemopen(text, sizeof text - 1, "w");
    target_write(&kinds[1], "own", f);
    fclose(f);
    ck_assert_str_eq(text, "kind: cart\nname: \"own\"\n"
                           "speed: 2.5                       # m/s: how fast\n"
                           "parts:\n"
                           "  wheels: 4                        # wheels: on the ground\n"
                           "  colour: blue                     # red|blue: of all\n");
}
END_TEST

/* A system of one's own is a file, too. */
START_TEST(systems) {
    any_target t;
    const char *path = put("mine.yaml", "kind: a3\nclock_ghz: 0.5\nsearch: {iterations: 0.25}\n");
    ck_assert(target_load(A, D, path, &t));
    EXPECT_NO_ERROR();
    ck_assert(!t.is_machine && !t.cluster);
    ck_assert_int_eq(t.system, DTQ_SYSTEM_a3);
    ck_assert_str_eq(t.kind, "a3");
    ck_assert_str_eq(t.machine->name, "mine");
    ck_assert_double_eq(t.machine->top_clock_ghz, 0.5);
    ck_assert_double_eq(t.params.a3.search_iterations, 0.25);
    ck_assert_double_eq(t.params.a3.search_threshold, 0.05);
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    target_print(&t, f);
    fclose(f);
    any_target back;
    ck_assert(target_load(A, D, put("back.yaml", text), &back));
    free(text);
    ck_assert_mem_eq(&back.params.a3, &t.params.a3, sizeof t.params.a3);
    ck_assert(target_load(A, D, "examples/targets/systolic.yaml", &t));
    ck_assert(t.is_machine && !t.cluster);
}
END_TEST

START_TEST(mutations) {
    static const char text[] =
        "kind: vssa\nname: x\nclock_ghz: 1.5\nvssa: {arrays: 16, rows: 18, cols: 11}\ndrain: serial\n"
        "prob_bits: row\ndram:\n  gb_per_s: 512\n  latency_cycles: 100\n";
    uint64_t seed = 77;
    printf("mutations: seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 1000; i++) {
        char changed[512];
        size_t n = mutate(&seed, text, sizeof text - 1, changed, sizeof changed);
        dtq_machine m;
        const char *path = put_bytes("fuzz.yaml", changed, n);
        D = diag_new(A, NULL);
        check_verdict(load_file(path, &m), i);
    }
}
END_TEST

TEST_MAIN("target", three_lines_are_enough, shipped, printed_reads_back, refused, several_kinds, systems, mutations)
