#include "numerics_util.h"
#include "runtime/schemes/scheme.h"

static char why[256];

static dtq_scheme parsed(const char *text) {
    dtq_scheme s = {0};
    ck_assert_msg(dtq_scheme_parse(text, &s, why, sizeof why), "%s: %s", text, why);
    return s;
}

static void refused(const char *text, const char *words) {
    dtq_scheme s;
    ck_assert_msg(!dtq_scheme_parse(text, &s, why, sizeof why), "%s", text);
    ck_assert_msg(strstr(why, words), "'%s' does not say '%s'", why, words);
}

START_TEST(every_scheme_reads_back) {
    char text[DTQ_SCHEME_TEXT_MOST];
    for (unsigned k = 0; k < DTQ_SCHEMES; k++) {
        dtq_scheme s = dtq_scheme_of((dtq_scheme_kind)k);
        ck_assert(dtq_scheme_check(&s, why, sizeof why));
        for (unsigned i = 0; i <= dtq_schemes[k].param_count; i++) {
            const dtq_scheme back = parsed(dtq_scheme_text(&s, text));
            ck_assert_msg(dtq_scheme_same(&s, &back), "%s", text);
            if (i < dtq_schemes[k].param_count) {
                const dtq_scheme_param *p = &dtq_schemes[k].params[i];
                s.values[i] = p->whole ? p->lo : p->lo + (p->hi - p->lo) / 3; /* 17 digits */
                ck_assert(!dtq_scheme_same(&s, &back) || s.values[i] == p->def);
            }
        }
    }
}
END_TEST

START_TEST(what_is_not_said_has_its_default) {
    const dtq_scheme s = parsed("q-bert weight_bits=3");
    ck_assert_int_eq(s.kind, DTQ_SCHEME_QBERT);
    ck_assert_double_eq(s.values[DTQ_SCHEME_PARAM(QBERT, weight_bits)], 3);
    ck_assert_double_eq(s.values[DTQ_SCHEME_PARAM(QBERT, groups)], 128);
    char text[DTQ_SCHEME_TEXT_MOST];
    ck_assert_str_eq(dtq_scheme_text(&s, text), "q-bert weight_bits=3 groups=128 exact_zero=1");
    const dtq_scheme zero = {0}, mixed = parsed("mixed");
    ck_assert(dtq_scheme_same(&zero, &mixed));
}
END_TEST

START_TEST(wrong_texts) {
    refused("", "there is no scheme ''");
    refused("ibert", "did you mean 'i-bert'?");
    refused("q-bert weight_bit=4", "did you mean 'weight_bits'?");
    refused("q-bert weight_bits", "no key=value");
    refused("q-bert weight_bits=", "not followed by a number");
    refused("q-bert weight_bits=four", "not followed by a number");
    refused("q-bert weight_bits=4 weight_bits=4", "stands twice");
    refused("q-bert weight_bits=9", "weight_bits is a whole number in 2..8 bits, not 9");
    refused("q-bert weight_bits=4.5", "whole number");
    refused("q-bert weight_bits=nan", "whole number");
    refused("q8bert groups=2", "no parameter of q8bert");
}
END_TEST

START_TEST(wrong_structures) {
    dtq_scheme s = {.kind = DTQ_SCHEMES};
    ck_assert(!dtq_scheme_check(&s, why, sizeof why));
    s = dtq_scheme_of(DTQ_SCHEME_QBERT);
    s.values[1] = 0;
    ck_assert(!dtq_scheme_check(&s, why, sizeof why));
    s = dtq_scheme_of(DTQ_SCHEME_QBERT);
    s.values[3] = 1;
    ck_assert(!dtq_scheme_check(&s, why, sizeof why));
}
END_TEST

START_TEST(ops_without_definition) {
    const dtq_scheme ibert = dtq_scheme_of(DTQ_SCHEME_IBERT), mixed = {0};
    ck_assert(dtq_scheme_lacks(&ibert, "rotary"));
    ck_assert(dtq_scheme_lacks(&ibert, "silu"));
    ck_assert(!dtq_scheme_lacks(&ibert, "rot"));
    ck_assert(!dtq_scheme_lacks(&ibert, "gelu"));
    ck_assert(!dtq_scheme_lacks(&mixed, "rotary"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("scheme");
    TCase *c = tcase_create("scheme");
    tcase_add_test(c, every_scheme_reads_back);
    tcase_add_test(c, what_is_not_said_has_its_default);
    tcase_add_test(c, wrong_texts);
    tcase_add_test(c, wrong_structures);
    tcase_add_test(c, ops_without_definition);
    suite_add_tcase(s, c);
    return run_suite(s);
}
