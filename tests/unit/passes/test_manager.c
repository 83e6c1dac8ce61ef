/* The pass manager: names, requirements, levels, dumps and times. */
#include "passes/pass_util.h"

static const attention_problem fig5 = {.policy = {FIG5_POLICY}};

START_TEST(the_table_is_in_order) {
    for (size_t i = 0; i < pass_count; i++) {
        const pass_info *p = &pass_table[i];
        ck_assert_ptr_eq(pass_find(p->name), p);
        ck_assert(p->levels && *p->doc);
        for (const char *word = p->requires; *word; word += strspn(word, " |")) {
            size_t n = strcspn(word, " |"), before = 0;
            while (before < i && (strlen(pass_table[before].name) != n || strncmp(pass_table[before].name, word, n)))
                before++;
            ck_assert_msg(before < i, "%s requires what does not stand before it", p->name);
            word += n;
        }
    }
    ck_assert_ptr_null(pass_find("bound"));
}
END_TEST

START_TEST(pipelines_differ_in_what_optimises) {
    size_t count, plain_count;
    const char *const *all = passes_pipeline(true, &count), *const *plain = passes_pipeline(false, &plain_count);
    ck_assert_uint_eq(count, pass_count);
    ck_assert_uint_eq(plain_count, pass_count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pass_table[i].name, "lower-layers") == 0) {
            ck_assert(!all[i] && !plain[i]); /* only who asks for it */
            continue;
        }
        ck_assert_str_eq(all[i], pass_table[i].name);
        if (strcmp(all[i], "snap-precision") == 0 || strcmp(all[i], "orient-tiles") == 0 ||
            strcmp(all[i], "skip-masked") == 0)
            ck_assert_ptr_null(plain[i]);
        else
            ck_assert_str_eq(plain[i], all[i]);
    }
}
END_TEST

START_TEST(what_cannot_run_is_refused) {
    pass_refuses(fig5, "infer-shape", "there is no pass 'infer-shape'; did you mean 'infer-shapes'?");
    pass_refuses(fig5, "xyzzy", "there is no pass 'xyzzy'; `dtqc opt --list` lists them");
    pass_refuses(fig5, "assign-precision",
                 "pass assign-precision requires infer-shapes to have run before; add it to --passes");
    pass_refuses(fig5, "infer-shapes cluster-precision",
                 "pass cluster-precision requires assign-precision to have run before; add it to --passes");
    pass_refuses(fig5, "timeline", "pass timeline cannot run at the graph level; its levels: stream");
    pass_refuses(fig5, TO_TILES " balance-qk", "pass balance-qk cannot run at the tile level; its levels: graph");
    pass_refuses(fig5, TO_ORDERED " snap-precision",
                 "pass snap-precision comes before reorder-tokens, which has run on this module already");
    pass_refuses(fig5, TO_SYNC " insert-sync", "pass insert-sync has already run on this module");
}
END_TEST

/* Passes that ran are remembered by the module, also through lowering and text. */
START_TEST(analyses_run_again_and_passes_are_remembered) {
    pass_case c = pass_attention(fig5, TO_ORDERED " bounds bops bounds", false);
    ck_assert(pass_run(&c, "bounds bops tile-attention", false));
    ck_assert(ir_pass_ran(c.m, "bounds") && ir_pass_ran(c.m, "tile-attention") && !ir_pass_ran(c.m, "stall"));
    ck_assert_uint_eq(c.m->pass_count, 7);
    size_t bytes;
    char *text = ir_text(c.memory, c.m, &bytes);
    c.m = ir_parse(c.memory, c.d, "again.dtir", text, bytes);
    ck_assert(pass_run(&c, "stall stall schedule-tiles", false));
    ck_assert(ir_pass_ran(c.m, "stall") && ir_pass_ran(c.m, "schedule-tiles"));
    pass_end(&c);
}
END_TEST

typedef struct {
    char *text;
    bool ok;
} dumped;

static dumped dump_of(pass_case *c, pass_options o, const char *const *names, size_t count) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(out);
    o.dump = o.times = out;
    dumped d = {.ok = passes_run(c->memory, c->d, &c->m, names, count, &o)};
    ck_assert_int_eq(fclose(out), 0);
    d.text = arena_strdup(c->memory, text);
    free(text);
    return d;
}

static size_t occurrences(const char *text, const char *what) {
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    return n;
}

static pass_case begin(void) {
    arena *a = arena_new();
    pass_case c = pass_begin(attention_text(a, fig5));
    arena_free(a);
    return c;
}

static const char *const chain[] = {"infer-shapes",      "assign-precision", NULL,
                                    "cluster-precision", "reorder-tokens",   "tile-attention"};
enum { CHAIN = sizeof chain / sizeof *chain };

START_TEST(modules_are_printed_after_passes) {
    pass_case c = begin();
    dumped d = dump_of(&c, (pass_options){.print_after = "cluster-precision", .dump_level = -1}, chain, CHAIN);
    ck_assert(d.ok);
    ck_assert_uint_eq(occurrences(d.text, "# --- "), 1);
    ck_assert_int_eq(strncmp(d.text, "# --- cluster-precision ---\ndtir 1 graph\n", 41), 0);
    ck_assert_ptr_nonnull(strstr(d.text, "static_bits = yes"));
    ck_assert_ptr_null(strstr(d.text, "ids ="));
    pass_end(&c);
    c = begin();
    d = dump_of(&c, (pass_options){.print_after = "all", .dump_level = -1}, chain, CHAIN);
    ck_assert_uint_eq(occurrences(d.text, "# --- "), 5);
    ck_assert_uint_eq(occurrences(d.text, "dtir 1 tile"), 1);
    pass_end(&c);
    c = begin();
    d = dump_of(&c, (pass_options){.print_after = "cluster-precisio", .dump_level = -1}, chain, CHAIN);
    ck_assert(!d.ok);
    ck_assert_str_eq(diag_at(c.d, 0)->message,
                     "there is no pass 'cluster-precisio'; did you mean 'cluster-precision'?");
    ck_assert_str_eq(d.text, "");
    pass_end(&c);
}
END_TEST

/* A level is printed when the module is last at it: before lowering, or at the end. */
START_TEST(levels_are_printed_when_they_are_left) {
    pass_case c = begin();
    dumped d = dump_of(&c, (pass_options){.dump_level = IR_GRAPH}, chain, CHAIN);
    ck_assert_uint_eq(occurrences(d.text, "# --- graph ---\n"), 1);
    ck_assert_ptr_nonnull(strstr(d.text, "ids = [0, 2, 3, 5, 6, 7, 8, 1, 4]"));
    pass_end(&c);
    c = begin();
    d = dump_of(&c, (pass_options){.dump_level = IR_TILE}, chain, CHAIN);
    ck_assert_uint_eq(occurrences(d.text, "# --- tile ---\n"), 1);
    pass_end(&c);
    c = begin();
    d = dump_of(&c, (pass_options){.dump_level = IR_STREAM}, chain, CHAIN);
    ck_assert_str_eq(d.text, "");
    pass_end(&c);
}
END_TEST

START_TEST(times_are_a_table) {
    pass_case c = begin();
    dumped d = dump_of(&c, (pass_options){.dump_level = -1, .time_passes = true}, chain, CHAIN);
    ck_assert_uint_eq(occurrences(d.text, "\n"), 7); /* a head, five passes, the total */
    ck_assert_int_eq(strncmp(d.text, "pass ", 5), 0);
    ck_assert_ptr_nonnull(strstr(d.text, "\ntotal "));
    pass_end(&c);
}
END_TEST

START_TEST(verifying_after_the_last_pass_changes_no_module) {
    pass_case each = begin(), last = begin();
    dumped a = dump_of(&each, (pass_options){.print_after = "all", .dump_level = -1}, chain, CHAIN);
    dumped b =
        dump_of(&last, (pass_options){.print_after = "all", .dump_level = -1, .verify_last = true}, chain, CHAIN);
    ck_assert(a.ok && b.ok);
    ck_assert_str_eq(a.text, b.text);
    /* What is not valid before the first pass is refused in both cases. */
    last.m->ops[0].code = IR_OPCODES;
    ck_assert(!dump_of(&last, (pass_options){.dump_level = -1, .verify_last = true}, chain, 0).ok);
    pass_end(&each);
    pass_end(&last);
}
END_TEST

START_TEST(a_module_that_is_not_valid_is_not_touched) {
    pass_case c = begin();
    ir_unset(c.m, find_op(c.m, IR_ATTENTION, 0), IR_KEY_head_dim);
    ck_assert(!pass_run(&c, "infer-shapes", false));
    ck_assert_int_eq(diag_exit_code(c.d), EXIT_INPUT);
    ck_assert(!ir_pass_ran(c.m, "infer-shapes"));
    pass_end(&c);
}
END_TEST

/* A text may list passes whose work somebody took out of it. */
START_TEST(what_listed_passes_leave_must_be_there) {
    static const struct {
        const char *passes, *policy, *message;
    } cases[] = {
        {"infer-shapes", "", "the value has no type, though infer-shapes is listed as run"},
        {"assign-precision", "", "`attention` has no `slots`, though assign-precision is listed as run"},
        {"assign-precision", ", slots = 9", "`attention` has no `high`, though assign-precision is listed as run"},
        {"cluster-precision", "", "`attention` has no `order`, though cluster-precision is listed as run"},
        {"cluster-precision", ", slots = 9, high = 9, order = low-first, static_bits = yes, segments = [9*8]",
         "`attention` has no `q_bits`, though cluster-precision is listed as run"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        const char *text = arena_printf(
            a,
            "dtir 1 graph\nmodel = \"m\"\nseq = 9\nqkv_input = yes\npasses = [%s]\n"
            "%%q = input {name = \"q\"} : f32[9, 4]\n%%a = attention %%q, %%q, %%q {index = 0, query_heads = 1, "
            "kv_heads = 1, head_dim = 4, mask = none, importance_rule = mean%s} : ?\noutput %%a\n",
            cases[i].passes, cases[i].policy);
        pass_refuses_text(text, "bounds", arena_printf(a, "t.dtir:7:1: %s", cases[i].message));
        arena_free(a);
    }
}
END_TEST

IR_MAIN("manager", the_table_is_in_order, pipelines_differ_in_what_optimises, what_cannot_run_is_refused,
        analyses_run_again_and_passes_are_remembered, modules_are_printed_after_passes,
        levels_are_printed_when_they_are_left, times_are_a_table, verifying_after_the_last_pass_changes_no_module,
        a_module_that_is_not_valid_is_not_touched, what_listed_passes_leave_must_be_there)
