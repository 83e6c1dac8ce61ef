#include <time.h>

#include "ir_util.h"

START_TEST(locations_are_kept) {
    arena *a = arena_new();
    ir_module *m = ir_parse_text(a, NULL, "dtir 1 graph\n%x = input {name = \"x\"} @ \"model.yaml\":7:9\noutput %x\n");
    ck_assert_str_eq(m->ops[0].loc.file, "t.dtir"); /* where it stands */
    ck_assert_uint_eq(m->ops[0].loc.line, 2);
    const src_loc *origin = ir_origin(m, &m->ops[0].loc);
    ck_assert_str_eq(origin->file, "model.yaml");
    ck_assert_uint_eq(origin->line, 7);
    ck_assert_uint_eq(origin->col, 9);
    ck_assert_ptr_eq(ir_origin(m, &m->ops[1].loc), &m->ops[1].loc); /* it comes from the text, which prints nothing */
    ck_assert_uint_eq(m->ops[1].loc.line, 3);
    const char *text = ir_text(a, m, NULL);
    ck_assert_ptr_nonnull(strstr(text, "%0 = input {name = \"x\"} : ? @ \"model.yaml\":7:9\noutput %0\n"));
    m->text_file = NULL; /* as in a module of another text */
    ck_assert_ptr_nonnull(strstr(ir_text(a, m, NULL), "output %0 @ \"t.dtir\":3:1\n"));
    arena_free(a);
}
END_TEST

START_TEST(a_caret_repeats_the_location_before) {
    arena *a = arena_new();
    static const char text[] = "%0 = input {name = \"x\"} : ? @ \"m.yaml\":7:9\n"
                               "%1 = input {name = \"y\"} : ?\n"
                               "%2 = input {name = \"z\"} : ? @ ^\n";
    ir_module *m = ir_parse_text(a, NULL, arena_printf(a, "dtir 1 graph\n%s", text));
    ck_assert_uint_eq(ir_origin(m, &m->ops[2].loc)->line, 7);
    ck_assert_uint_eq(ir_origin(m, &m->ops[1].loc)->line, 3); /* not repeated: where it stands */
    ck_assert_ptr_nonnull(strstr(ir_text(a, m, NULL), text));
    diag *d = diag_new(a, NULL);
    ck_assert_ptr_null(ir_parse_text(a, d, "dtir 1 graph\n%0 = input {name = \"x\"} @ ^\n"));
    ck_assert_ptr_nonnull(strstr(diag_at(d, 0)->message, "repeats the location before it"));
    arena_free(a);
}
END_TEST

START_TEST(values_may_have_names) {
    arena *a = arena_new();
    ir_module *m = ir_parse_text(a, NULL,
                                 "dtir 1 graph\n%a.b-c_9 = input {name = \"x\"} : f32[2, 3]\n"
                                 "%7 = input {name = \"y\"}\n%0 = add %7, %a.b-c_9\n");
    ck_assert_uint_eq(ir_operand(m, 2, 0), 1);
    ck_assert_uint_eq(ir_operand(m, 2, 1), 0);
    ck_assert_uint_eq(m->types[0].rank, 2);
    ck_assert_uint_eq(m->types[1].elem, IR_ELEM_NONE);
    arena_free(a);
}
END_TEST

START_TEST(lists_have_bounds) {
    arena *a = arena_new();
    static const char start[] = "dtir 1 tile\nseq = 1\ntile.qk {tiles = ";
    ck_assert_ptr_null(ir_parse_text(a, diag_new(a, NULL), arena_printf(a, "%s[16777216*4, 1*4]}\n", start)));
    ck_assert_ptr_null(ir_parse_text(a, diag_new(a, NULL), arena_printf(a, "%s[9223372036854775807*4]}\n", start)));
    ck_assert_ptr_null(ir_parse_text(a, diag_new(a, NULL), arena_printf(a, "%s[-1*4]}\n", start)));
    ir_module *m = ir_parse_text(a, NULL, arena_printf(a, "%s[16777215*4, 1*8]}\n", start));
    ck_assert_int_eq(ir_get(m, 0, IR_KEY_tiles)->runs[0].count, 16777215);
    m = ir_parse_text(a, NULL, arena_printf(a, "%s[]}\n", start));
    ck_assert_uint_eq(ir_get(m, 0, IR_KEY_tiles)->count, 0);
    arena_free(a);
}
END_TEST

START_TEST(operand_lists_have_bounds) {
    arena *a = arena_new();
    char *text = arena_alloc(a, 400000);
    strcpy(text, "dtir 1 tile\n%x = input {name = \"x\"}\n%y = tile.select %x");
    size_t n = strlen(text);
    for (int i = 0; i < 70000; i++, n += 4)
        memcpy(text + n, ", %x", 4);
    diag *d = diag_new(a, NULL);
    ck_assert_ptr_null(ir_parse_text(a, d, text));
    ck_assert_str_eq(diag_at(d, 0)->message, "no op has that many operands");
    arena_free(a);
}
END_TEST

START_TEST(many_errors_are_cut_short) {
    arena *a = arena_new();
    char *text = arena_alloc(a, 600100);
    strcpy(text, "dtir 1 graph\n");
    for (size_t i = 0, n = strlen(text); i < 100000; i++, n += 6)
        memcpy(text + n, "lineX\n", 6);
    diag *d = diag_new(a, NULL);
    ck_assert_ptr_null(ir_parse_text(a, d, text));
    ck_assert_uint_le(diag_total(d), 21);
    arena_free(a);
}
END_TEST

/* ---- hostile text: any change of a good file is read or refused, never a crash, a hang or a module that cannot print
 */

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static char *read_golden(arena *a, const char *name, size_t *bytes) {
    FILE *in = fopen(arena_printf(a, "%s/tests/ir/%s", DTQC_SOURCE_DIR, name), "rb");
    ck_assert_ptr_nonnull(in);
    char *text = arena_alloc(a, 1 << 16);
    *bytes = fread(text, 1, 1 << 16, in);
    fclose(in);
    return text;
}

static void mutate(char *text, size_t *bytes, const char *other, size_t other_bytes, uint64_t *state) {
    for (uint64_t edits = 1 + next_random(state) % 4; edits > 0 && *bytes > 0; edits--) {
        size_t at = next_random(state) % *bytes, length = 1 + next_random(state) % 12;
        length = length < *bytes - at ? length : *bytes - at;
        switch (next_random(state) % 5) {
        case 0:
            text[at] = (char)next_random(state);
            break;
        case 1:
            text[at] = "{}[]%=,.:*@\"-\n_#90"[next_random(state) % 18];
            break;
        case 2: /* cut something out */
            memmove(text + at, text + at + length, *bytes - at - length);
            *bytes -= length;
            break;
        case 3: /* cut the rest off */
            *bytes = next_random(state) % 8 ? *bytes : at;
            break;
        default: /* a piece of another file */
            if (length < other_bytes)
                memcpy(text + at, other + next_random(state) % (other_bytes - length), length);
        }
    }
}

START_TEST(hostile_text_is_survived) {
    static const char *const files[] = {"graph.dtir", "tile.dtir", "stream.dtir", "err_attributes.dtir"};
    uint64_t seed = (uint64_t)time(NULL);
    const char *given = getenv("DTQ_SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    uint64_t state = seed;
    for (int round = 0; round < 1500; round++) {
        size_t bytes = 0, other_bytes = 0;
        arena *a = arena_new();
        char *text = read_golden(a, files[next_random(&state) % 4], &bytes);
        char *other = read_golden(a, files[next_random(&state) % 4], &other_bytes);
        mutate(text, &bytes, other, other_bytes, &state);
        char *exact = malloc(bytes + 1); /* no byte after the end, so that reading one is noticed */
        ck_assert_ptr_nonnull(exact);
        exact = realloc(memcpy(exact, text, bytes), bytes ? bytes : 1);
        diag *d = diag_new(a, NULL);
        diag_source(d, "t", exact, bytes);
        ir_module *m = ir_parse(a, d, "t", exact, bytes);
        free(exact);
        ck_assert_msg((!m) == (diag_count(d, DIAG_ERROR) > 0), "seed %llu", (unsigned long long)seed);
        if (m) {
            size_t printed_bytes = 0, again_bytes = 0;
            char *printed = ir_text(a, m, &printed_bytes);
            ir_verify(m, d);
            ir_module *again = ir_parse(a, d, "t", printed, printed_bytes);
            ck_assert_msg(again, "seed %llu: what is printed does not parse: %s", (unsigned long long)seed,
                          ir_diag_text(a, d));
            char *reprinted = ir_text(a, again, &again_bytes);
            ck_assert_msg(printed_bytes == again_bytes && memcmp(printed, reprinted, printed_bytes) == 0,
                          "seed %llu: printing is not the same again", (unsigned long long)seed);
        }
        ir_diag_text(a, d);
        arena_free(a);
    }
}
END_TEST

IR_MAIN("parse", locations_are_kept, a_caret_repeats_the_location_before, values_may_have_names, lists_have_bounds,
        operand_lists_have_bounds, many_errors_are_cut_short, hostile_text_is_survived)
