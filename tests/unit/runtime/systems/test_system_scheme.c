/* Parameters of systems as those of schemes, and which of them can be computed. */
#include "numerics_util.h"
#include "runtime/systems/systems.h"

START_TEST(schemes_have_the_rows_of_systems) {
    for (int k = 0; k < DTQ_SYSTEM_KINDS; k++) {
        dtq_system_params p;
        dtq_system_init((dtq_system_kind)k, &p);
        const dtq_scheme s = dtq_system_scheme((dtq_system_kind)k, &p);
        const dtq_scheme_info *scheme = &dtq_schemes[s.kind];
        const dtq_system_info *system = &dtq_system_table[k];
        ck_assert_str_eq(scheme->word, system->name);
        ck_assert_uint_eq(scheme->param_count, system->param_count);
        ck_assert_str_eq(scheme->undefined, "");
        for (size_t i = 0; i < system->param_count; i++) {
            const dtq_machine_param *row = &system->params[i];
            const dtq_scheme_param *param = &scheme->params[i];
            char key[96];
            snprintf(key, sizeof key, "%s_%s", row->section, row->name);
            ck_assert_str_eq(param->key, key);
            ck_assert(param->def == row->def && param->lo == row->lo && param->hi == row->hi);
            ck_assert_int_eq(param->whole, row->kind != DTQ_PARAM_REAL);
        }
        const dtq_scheme plain = dtq_scheme_of(s.kind);
        ck_assert(dtq_scheme_same(&s, &plain));
    }
}
END_TEST

/* Any parameters survive the way into a scheme, its text, and back. */
START_TEST(parameters_come_back) {
    rng r = rng_seeded("parameters_come_back");
    for (int round = 0; round < 100; round++) {
        const dtq_system_kind kind = (dtq_system_kind)rng_below(&r, DTQ_SYSTEM_KINDS);
        dtq_system_kind back_kind = DTQ_SYSTEM_KINDS;
        dtq_system_params p, back;
        dtq_system_init(kind, &p);
        for (size_t i = 0; i < dtq_system_table[kind].param_count; i++) {
            const dtq_machine_param *row = &dtq_system_table[kind].params[i];
            const double value = row->lo + (row->hi - row->lo) * rng_below(&r, 1000) / 999.0;
            dtq_param_set(&p, row, value);
        }
        const dtq_scheme s = dtq_system_scheme(kind, &p);
        char text[DTQ_SCHEME_TEXT_MOST], why[256];
        dtq_scheme parsed;
        ck_assert_msg(dtq_scheme_parse(dtq_scheme_text(&s, text), &parsed, why, sizeof why), "%s: %s", text, why);
        ck_assert(strlen(text) + 1 < sizeof text);
        ck_assert(dtq_scheme_system(&parsed, &back_kind, &back));
        ck_assert_int_eq(back_kind, kind);
        for (size_t i = 0; i < dtq_system_table[kind].param_count; i++) {
            const dtq_machine_param *row = &dtq_system_table[kind].params[i];
            ck_assert(dtq_param_get(&back, row) == dtq_param_get(&p, row));
        }
    }
}
END_TEST

START_TEST(other_schemes_are_no_systems) {
    const dtq_scheme mixed = {.kind = DTQ_SCHEME_MIXED};
    dtq_system_kind kind;
    dtq_system_params p;
    ck_assert(!dtq_scheme_system(&mixed, &kind, &p));
    ck_assert(!dtq_scheme_is_system(&mixed));
}
END_TEST

START_TEST(widths_are_limited) {
    dtq_system_params p;
    dtq_error e;
    for (int k = 0; k < DTQ_SYSTEM_KINDS; k++) {
        dtq_system_init((dtq_system_kind)k, &p);
        ck_assert_msg(dtq_system_computes((dtq_system_kind)k, &p, &e), "%s", e.message);
    }
    dtq_system_init(DTQ_SYSTEM_eyeriss, &p);
    p.eyeriss.array_word_bits = 32;
    ck_assert_fails(dtq_system_computes(DTQ_SYSTEM_eyeriss, &p, &e), e, "array.word_bits is 32 bits");
    dtq_system_init(DTQ_SYSTEM_a3, &p);
    p.a3.pipeline_operand_bits = 1;
    ck_assert_fails(dtq_system_computes(DTQ_SYSTEM_a3, &p, &e), e, "pipeline.operand_bits is 1 bits");
    dtq_system_init(DTQ_SYSTEM_mnnfast, &p);
    p.mnnfast.pipeline_operand_bits = 17;
    ck_assert_fails(dtq_system_computes(DTQ_SYSTEM_mnnfast, &p, &e), e, "pipeline.operand_bits is 17 bits");
    dtq_system_init(DTQ_SYSTEM_spatten, &p);
    p.spatten.dram_word_bits = 10;
    p.spatten.dram_refetch_bits = 7;
    ck_assert_fails(dtq_system_computes(DTQ_SYSTEM_spatten, &p, &e), e,
                    "dram.word_bits + dram.refetch_bits is 17 bits");
    p.spatten.tokens_schedule = 1;
    ck_assert_fails(dtq_system_computes(DTQ_SYSTEM_spatten, &p, &e), e, "tokens.schedule is policy");
}
END_TEST

int main(void) {
    Suite *s = suite_create("system_scheme");
    TCase *c = tcase_create("system_scheme");
    tcase_add_test(c, schemes_have_the_rows_of_systems);
    tcase_add_test(c, parameters_come_back);
    tcase_add_test(c, other_schemes_are_no_systems);
    tcase_add_test(c, widths_are_limited);
    suite_add_tcase(s, c);
    return run_suite(s);
}
