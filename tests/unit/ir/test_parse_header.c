#include "ir_util.h"

#include "runtime/machine_members.h"

static const char *first_error(arena *a, const char *text) {
    diag *d = diag_new(a, NULL);
    ck_assert_msg(!ir_parse(a, d, "t", text, strlen(text)), "%s", text);
    ck_assert_uint_gt(diag_total(d), 0);
    return diag_at(d, 0)->message;
}

START_TEST(settings_are_read) {
    arena *a = arena_new();
    ir_module *m = ir_parse_text(a, NULL,
                                 "# first a comment\n\ndtir 1 stream # level\nmodel = \"m\"\ntokenizer = \"v.txt\"\n"
                                 "lower_case = yes\nseq = 128\nvocabulary = 30522\npositions = 512\n"
                                 "qkv_input = no\npasses = [infer-shapes,\n  stall]\n");
    ck_assert_int_eq(m->level, IR_STREAM);
    ck_assert_str_eq(m->header.model, "m");
    ck_assert_str_eq(m->header.tokenizer, "v.txt");
    ck_assert(m->header.lower_case && !m->header.qkv_input);
    ck_assert_uint_eq(m->header.seq, 128);
    ck_assert_uint_eq(m->header.vocabulary, 30522);
    ck_assert_uint_eq(m->header.positions, 512);
    ck_assert(ir_pass_ran(m, "stall") && ir_pass_ran(m, "infer-shapes"));
    arena_free(a);
}
END_TEST

START_TEST(schemes_survive) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_GRAPH);
    ck_assert_ptr_null(strstr(ir_text(a, m, NULL), "scheme"));
    for (unsigned k = 0; k < DTQ_SCHEMES; k++) {
        m->header.scheme = dtq_scheme_of((dtq_scheme_kind)k);
        for (unsigned i = 0; i < dtq_schemes[k].param_count; i++)
            m->header.scheme.values[i] = dtq_schemes[k].params[i].lo;
        ck_assert(dtq_scheme_same(&ir_parse_text(a, NULL, ir_text(a, m, NULL))->header.scheme, &m->header.scheme));
    }
    ck_assert_str_eq(first_error(a, "dtir 1 graph\nscheme = \"i-brt\"\n"),
                     "there is no scheme 'i-brt'; did you mean 'i-bert'?");
    ck_assert_str_eq(first_error(a, "dtir 1 graph\nscheme = i-bert\n"), "expected a string in quotes, found `i-bert`");
    arena_free(a);
}
END_TEST

START_TEST(every_machine_parameter_survives) {
    arena *a = arena_new();
    ir_module *m = ir_module_new(a, IR_GRAPH);
    strcpy(m->machine->name, "a \"machine\"");
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        double value = p->kind == DTQ_PARAM_REAL ? p->lo + (p->hi - p->lo) / 3 : i % 2 ? p->lo : p->hi;
        dtq_machine_set(m->machine, p, value);
    }
    ir_module *back = ir_parse_text(a, NULL, ir_text(a, m, NULL));
    ck_assert_str_eq(back->machine->name, "a \"machine\"");
    for (size_t i = 0; i < dtq_machine_param_count; i++)
        ck_assert_double_eq(dtq_machine_get(back->machine, &dtq_machine_params[i]),
                            dtq_machine_get(m->machine, &dtq_machine_params[i]));
    arena_free(a);
}
END_TEST

START_TEST(tensors_are_read) {
    arena *a = arena_new();
    ir_module *m = ir_parse_text(
        a, NULL,
        "dtir 1 graph\ntensor \"w\" {dtype = BF16, rows = 2, cols = 3, stride = 7, transposed = yes, "
        "file = \"f\", offset = 18446744073709551615, file_bytes = 9, seed = 3,\n"
        "  mean = -0.5, scale = 1e-3, scales = 80, zeros = 18446744073709551615, by_rows = yes} @ \"x\":4:5\n");
    const ir_tensor *t = &m->tensors[0];
    ck_assert_str_eq(t->name, "w");
    ck_assert_str_eq(t->dtype, "BF16");
    ck_assert_str_eq(t->file, "f");
    ck_assert(t->transposed && t->stride == 7 && t->rows == 2 && t->cols == 3 && t->offset == UINT64_MAX &&
              t->file_bytes == 9);
    ck_assert(t->seed == 3 && t->mean == -0.5 && t->scale == 1e-3);
    ck_assert(t->scales == 80 && t->zeros == UINT64_MAX && t->by_rows);
    ck_assert(t->origin.line == 4 && strcmp(t->origin.file, "x") == 0 && strcmp(t->loc.file, "t.dtir") == 0);
    ir_module *back = ir_parse_text(a, NULL, ir_text(a, m, NULL));
    ck_assert(ir_equal(m, back));
    arena_free(a);
}
END_TEST

START_TEST(mistakes_are_named) {
    arena *a = arena_new();
    static const char *const cases[][2] = {
        {"", "this is no IR text; its first line must be `dtir 1 graph`, `dtir 1 tile`, `dtir 1 schedule` or `dtir 1 "
             "stream`"},
        {"dtir 1", "expected a level: graph, tile, schedule or stream, but the text ends"},
        {"dtir one graph", "expected a whole number, found `one`"},
        {"dtir 1 graph x", "expected the end of the line, found `x`"},
        {"dtir 1 graph\nseq 4", "unknown op `seq`."},
        {"dtir 1 graph\nseq = -4", "expected a whole number, found `-4`"},
        {"dtir 1 graph\nmachine \"m\" { vssa.rows = 2", "expected `section.name = value` or `}`, but the text ends"},
        {"dtir 1 graph\nmachine \"m\" {}\nmachine \"m\" {}", "`machine` is given twice; remove one"},
        {"dtir 1 graph\nmachine \"0123456789012345678901234567890123456789012345678901234567890123\" {}",
         "the machine's name has more than 63 bytes; shorten it"},
        {"dtir 1 graph\nmachine \"m\" { vssa.rows = 1025 }", "number out of range; the largest here is 1024"},
        {"dtir 1 graph\nmachine \"m\" { top.clock_ghz = 0 }", "`top.clock_ghz` must be between 0.001 and 20 GHz"},
        {"dtir 1 graph\npasses = []\npasses = []", "`passes` is given twice; remove one"},
        {"dtir 1 graph\npasses = [a b]", "expected `,` or `]`, found `b`"},
        {"dtir 1 graph\ntensor \"t\" {}", "tensor \"t\" has no `dtype`; give F32, F16, BF16 or synthetic"},
        {"dtir 1 graph\nweights []", "expected a string in quotes, found `]`"},
        {"dtir 1 graph\nweights [\"t\" {dtype = F32}, \"u\" {rows = 3, rows = 3}]",
         "`rows` is given twice; remove one"},
        {"dtir 1 graph\nweights [\"t\" {dtype = F32}", "expected `,` or `]`, but the text ends"},
        {"dtir 1 graph\ntensor \"t\" {row = 3}", "unknown key `row` of a tensor; did you mean `rows`?"},
        {"dtir 1 graph\ntensor \"t\" {rows = 3, rows = 3}", "`rows` is given twice; remove one"},
        {"dtir 1 graph\ntensor t {rows = 3}", "expected a string in quotes, found `t`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(first_error(a, cases[i][0]), cases[i][1]);
    arena_free(a);
}
END_TEST

IR_MAIN("parse_header", settings_are_read, schemes_survive, every_machine_parameter_survives, tensors_are_read,
        mistakes_are_named)
