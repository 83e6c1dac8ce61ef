/* Spaces: axes, grids, constraints, and every way to get one wrong. */
#include "frontend/explore/space.h"

#include "frontend_util.h"

static bool owner(void *context, diag *d, src_loc loc, const char **path, axis_kind *out) {
    (void)context;
    *out = strncmp(*path, "vssa", 4) == 0 || strncmp(*path, "buffers", 7) == 0 ? AXIS_TARGET_KEY : AXIS_POLICY_KEY;
    return strncmp(*path, "bad", 3) != 0 || diag_error(d, loc, "no key");
}

static space *read_space(const char *text) {
    return space_load(A, D, put("space.yaml", text), owner, NULL);
}

static const char *texts(const axis *x) {
    const char *all = "";
    for (size_t i = 0; i < x->count; i++)
        all = arena_printf(A, "%s%s%s", all, i ? " " : "", x->texts[i]);
    return all;
}

START_TEST(axes) {
    const space *s = read_space("vssa.rows: [8, 11, 16]\nbuffers.*: {from: 16 KiB, to: 100 KiB, times: 2}\n"
                                "vssa.cols: {from: 3, to: 9, step: 3}\nimportance: [mean, {rule: probe}]\n"
                                "all.ratios.0: {from: .1, to: .3, step: .1}\npolicy: [b, a]\n");
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->count, 6);
    ck_assert_str_eq(texts(&s->axes[0]), "8 11 16");
    ck_assert_str_eq(texts(&s->axes[1]), "16384 32768 65536");
    ck_assert_str_eq(texts(&s->axes[2]), "3 6 9");
    ck_assert_str_eq(texts(&s->axes[3]), "mean {rule: probe}");
    ck_assert_str_eq(texts(&s->axes[4]), "0.1 0.2 0.3");
    ck_assert_int_eq(s->axes[0].form, AXIS_NUMBERS);
    ck_assert_int_eq(s->axes[3].form, AXIS_CHOICES);
    ck_assert_int_eq(s->axes[3].kind, AXIS_POLICY_KEY);
    ck_assert_int_eq(s->axes[5].kind, AXIS_POLICY);
    ck_assert_uint_eq(space_size(s), 3u * 3 * 3 * 2 * 3 * 2);
}
END_TEST

/** Of 20 steps there are 231 ways, of which 1 keeps nothing. */
START_TEST(shares) {
    const space *s = read_space("layers.1-5.ratios: {step: .05}\nlayers.6.ratios: {step: .25, 0: [0, .5], 8: [.5, 1]}\n"
                                "layers.7.counts: {step: 8, tokens: 16}\n");
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->axes[0].count, 230);
    ck_assert_str_eq(texts(&s->axes[1]), "{0: 0, 4: 0, 8: 1} {0: 0, 4: 0.25, 8: 0.75} {0: 0, 4: 0.5, 8: 0.5} "
                                         "{0: 0.25, 4: 0, 8: 0.75} {0: 0.25, 4: 0.25, 8: 0.5} {0: 0.5, 4: 0, 8: 0.5}");
    ck_assert_str_eq(texts(&s->axes[2]),
                     "{0: 0, 4: 0, 8: 16} {0: 0, 4: 8, 8: 8} {0: 0, 4: 16, 8: 0} {0: 8, 4: 0, 8: 8} "
                     "{0: 8, 4: 8, 8: 0}");
    for (size_t i = 0; i < s->axes[0].count; i++) {
        const double *r = s->axes[0].shares[i];
        ck_assert_double_eq_tol(r[0] + r[1] + r[2], 1, 1e-12);
        ck_assert(r[0] < 1 && r[0] >= 0 && r[1] >= 0 && r[2] >= 0);
    }
}
END_TEST

/** Numbers of points count them all, each once. */
START_TEST(points) {
    const space *s = read_space("vssa.rows: [1, 2, 3]\nvssa.cols: [4, 5]\n");
    uint32_t p[2];
    bool seen[3][2] = {{false}};
    for (uint64_t i = 0; i < space_size(s); i++) {
        space_point(s, i, p);
        ck_assert(!seen[p[0]][p[1]]);
        seen[p[0]][p[1]] = true;
    }
    doc_edit e[2];
    ck_assert_uint_eq(space_edits(s, p, AXIS_TARGET_KEY, e), 2);
    ck_assert_str_eq(e[1].path, "vssa.cols");
    ck_assert_str_eq(e[1].value->text, "5");
    ck_assert_uint_eq(space_edits(s, p, AXIS_POLICY_KEY, e), 0);
}
END_TEST

START_TEST(constraints) {
    const space *s =
        read_space("vssa.rows: [1]\nconstraints: [area_mm2 <= 1.5, loss<fp32 + .01, acc >= fp32 - 1, x > fp32]\n");
    ck_assert_ptr_nonnull(s);
    const constraint *c = s->constraints;
    ck_assert_str_eq(c[1].metric, "loss");
    ck_assert(constraint_holds(&c[0], 1.5, 7) && !constraint_holds(&c[0], 1.51, 7));
    ck_assert(constraint_holds(&c[1], 3, 3) && !constraint_holds(&c[1], 3.01, 3));
    ck_assert(constraint_holds(&c[2], 2, 3) && !constraint_holds(&c[2], 1.9, 3));
    ck_assert(constraint_holds(&c[3], 4, 3) && !constraint_holds(&c[3], 3, 3));
    ck_assert(!constraint_holds(&c[0], (double)NAN, 0));
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *text, *says;
        unsigned line, col;
    } cases[] = {
        {"[1]\n", "a space must be a mapping", 1, 1},
        {"{}\n", "the space has no axis", 1, 1},
        {"vssa.rows: 3\n", "must be a list of choices or a range", 1, 12},
        {"vssa.rows: []\n", "has no choices", 1, 12},
        {"vssa.rows: [1, 2, 1]\n", "the choice 1 twice", 1, 19},
        {"bad.key: [1]\n", "no key", 1, 1},
        {"vssa.rows: {from: 1, to: 2}\n", "either `step` or `times`", 1, 12},
        {"vssa.rows: {from: 1, to: 2, step: 1, times: 2}\n", "either `step` or `times`", 1, 12},
        {"vssa.rows: {from: 3, to: 2, step: 1}\n", "above its end", 1, 12},
        {"vssa.rows: {from: 0, to: 2, times: 2}\n", "must be above 0", 1, 12},
        {"vssa.rows: {from: 1, to: 2, times: 1}\n", "times must be a number from", 1, 36},
        {"vssa.rows: {from: 1, to: 1000000, step: 1}\n", "has 1000000 values", 1, 12},
        {"vssa.rows: {from: 1 KB, to: 2, step: 1}\n", "sizes are bytes", 1, 19},
        {"vssa.rows: {to: 2, step: 1}\n", "lacks the key 'from'", 1, 12},
        {"all.ratios: {step: .3}\n", "has no whole number of steps", 1, 20},
        {"all.ratios: {step: .5, 0: [0, 2]}\n", "a bound must be a number", 1, 31},
        {"all.ratios: {step: .5, 0: .5}\n", "must be [least, most]", 1, 27},
        {"all.ratios: {step: .5, 0: [.9, 1], 8: [.9, 1]}\n", "no shares on the grid", 1, 13},
        {"all.ratios: {step: .5, tokens: 3}\n", "unknown key 'tokens'", 1, 24},
        {"all.counts: {step: 4}\n", "counts need `tokens`", 1, 13},
        {"vssa.rows: [1]\nconstraints: [area]\n", "is no constraint", 2, 15},
        {"vssa.rows: [1]\nconstraints: [area <= x]\n", "is no constraint", 2, 15},
        {"vssa.rows: [1]\nconstraints: [area <= 1 2]\n", "is no constraint", 2, 15},
        {"vssa.rows: [1]\nconstraints: [<= 1]\n", "is no constraint", 2, 15},
        {"vssa.rows: [1]\nconstraints: area <= 1\n", "constraints must be a list", 2, 14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t before = diag_total(D);
        ck_assert_msg(!read_space(cases[i].text), "%s", cases[i].text);
        ck_assert_uint_gt(diag_total(D), before);
        const diag_entry *e = diag_at(D, before);
        ck_assert_msg(strstr(e->message, cases[i].says), "%s: %s", cases[i].text, e->message);
        ck_assert_msg(e->loc.line == cases[i].line && e->loc.col == cases[i].col, "%s: %u:%u", cases[i].text,
                      e->loc.line, e->loc.col);
    }
}
END_TEST

TEST_MAIN("space", axes, shares, points, constraints, refused)
