#include "isa_util.h"

#include "runtime/machine_members.h"

static void check_error(const char *path) {
    char *text = read_text(path, NULL), golden[520];
    dtq_program *p;
    dtq_error e = {0};
    ck_assert_msg(!dtq_assemble(strrchr(path, '/') + 1, text, strlen(text), &p, &e), "%s assembles", path);
    ck_assert_ptr_null(p);
    snprintf(golden, sizeof golden, "%.*s.err", (int)strlen(path) - 6, path);
    size_t n = strlen(e.message);
    memcpy(e.message + n, "\n", 2);
    check_golden(golden, e.message, n + 1);
    free(text);
}

START_TEST(errors_have_a_place_and_words) {
    ck_assert_int_gt(each_dtasm("asm_err", check_error), 25);
}
END_TEST

#define START  ".version 9\n.program model=\"m\" tokenizer=\"\" vocabulary=0 positions=0\n"
#define STREAM START ".stream seq=6 dram=0x280 input=tokens output=hidden output_at=0 output_width=4\n"

START_TEST(layout_is_free) {
    dtq_program *p = assemble("t", STREAM "# a comment\r\n\n  store :\tstore rows = 2 o=0x1F head=1 row=3 layer=0#x");
    const dtq_instr *in = p->streams[0].instrs;
    ck_assert_uint_eq(p->streams[0].count, 1);
    ck_assert_ptr_null(p->streams[0].sources);
    ck_assert_uint_eq(DTQ_GET(in, STORE, rows), 2);
    ck_assert_uint_eq(DTQ_GET(in, STORE, o), 31);
    ck_assert_uint_eq(DTQ_GET(in, STORE, head), 1);
    dtq_program_free(p);
}
END_TEST

START_TEST(sources_imply_the_instruction) {
    dtq_program *p =
        assemble("t", STREAM "store: store layer=7 head=1 row=3 rows=2 o=0 @ \"a\" \"f\":4:5 head=none col=9\n"
                             "store: wait from=load untimed=no @ \"b\"\n");
    const dtq_source *s = p->streams[0].sources;
    ck_assert_uint_eq(p->string_count, 3); /* a, f, b: strings need no row of their own */
    ck_assert_str_eq(p->strings[s[0].op], "a");
    ck_assert_str_eq(p->strings[s[0].file], "f");
    ck_assert(s[0].line == 4 && s[0].col == 5 && s[0].layer == 7 && s[0].head == UINT32_MAX);
    ck_assert(s[0].row == 3 && s[0].rows == 2 && s[0].tile_col == 9 && s[0].tile_cols == 0);
    ck_assert(s[1].layer == UINT32_MAX && s[1].head == UINT32_MAX && s[1].rows == 0 && s[1].line == 0);
    dtq_program_free(p);
}
END_TEST

START_TEST(machine_starts_at_its_defaults) {
    dtq_program *p = assemble("t", START ".machine buffers.q = 77\n");
    dtq_machine m;
    dtq_machine_init(&m);
    m.buffers_q = 77;
    ck_assert_mem_eq(p->machine, &m, sizeof m);
    ck_assert_uint_eq(p->target_hash, dtq_machine_hash(&m));
    dtq_program_free(p);
}
END_TEST

/* Any text gives a program or an error, never anything else (run with sanitizers). */
START_TEST(damaged_text_is_harmless) {
    uint64_t seed = test_seed();
    size_t bytes = 0;
    char *text = read_text(DTQC_SOURCE_DIR "/tests/isa/good/corners.dtasm", &bytes);
    char *copy = malloc(bytes);
    for (int i = 0; i < 1500; i++) {
        memcpy(copy, text, bytes);
        size_t length = i % 3 ? bytes : next_random(&seed) % (bytes + 1);
        for (uint64_t n = next_random(&seed) % 4; n > 0 && length; n--)
            copy[next_random(&seed) % length] =
                (i % 2 ? "0159.\"\\@$=:*#\n x"[next_random(&seed) % 16] : (char)next_random(&seed));
        char *exact = malloc(length ? length : 1); /* so that reading past the end is seen */
        memcpy(exact, copy, length);
        dtq_program *p;
        dtq_error e = {0};
        if (dtq_assemble("t", exact, length, &p, &e))
            dtq_program_free(p);
        else
            ck_assert_uint_gt(strlen(e.message), 0);
        free(exact);
    }
    free(copy);
    free(text);
}
END_TEST

RUN_TESTS("asm", errors_have_a_place_and_words, layout_is_free, sources_imply_the_instruction,
          machine_starts_at_its_defaults, damaged_text_is_harmless)
