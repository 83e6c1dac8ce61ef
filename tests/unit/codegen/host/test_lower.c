/* Lowering of graphs to host programs: a golden of a small encoder, and what must hold of any. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/host/host.h"

static char *contents(arena *a, const char *name) {
    FILE *f = fopen(arena_printf(a, "%s/tests/unit/codegen/host/%s", DTQC_SOURCE_DIR, name), "rb");
    ck_assert_ptr_nonnull(f);
    char *text = arena_alloc(a, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, f);
    text[n] = 0;
    fclose(f);
    return text;
}

static ir_module *tiny(arena *a, diag *d) {
    char *text = contents(a, "tiny.dtir");
    ir_module *m = ir_parse(a, d, "tiny.dtir", text, strlen(text));
    ck_assert_ptr_nonnull(m);
    return m;
}

/* DTQ_UPDATE=1 rewrites the golden. */
START_TEST(an_encoder_becomes_three_regions) {
    arena *a = arena_new();
    diag *d = diag_new(a, stderr);
    const host_program *p = host_lower(a, d, tiny(a, d));
    ck_assert_ptr_nonnull(p);
    const char *text = host_program_text(a, p);
    if (getenv("DTQ_UPDATE")) {
        FILE *f = fopen(arena_printf(a, "%s/tests/unit/codegen/host/tiny.host", DTQC_SOURCE_DIR), "wb");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
    }
    const char *want = contents(a, "tiny.host");
    while (*text && *want) { /* line by line: a failure shows one */
        size_t n = strcspn(text, "\n"), m = strcspn(want, "\n");
        ck_assert_str_eq(arena_strndup(a, text, n), arena_strndup(a, want, m));
        text += n + (text[n] == '\n');
        want += m + (want[m] == '\n');
    }
    ck_assert(!*text && !*want);
    arena_free(a);
}
END_TEST

/* Two values that live at once in a region lie apart in scratch; buffers of a region's inputs are not its outputs. */
START_TEST(values_that_live_together_lie_apart) {
    arena *a = arena_new();
    diag *d = diag_new(a, stderr);
    const host_program *p = host_lower(a, d, tiny(a, d));
    for (uint32_t r = 0; r <= p->layer_count; r++) {
        const host_region *region = &p->regions[r];
        for (uint32_t s = 0; s < region->step_count; s++) {
            const host_step *step = &region->steps[s];
            const host_value *to = &p->values[step->result];
            const uint32_t operands[] = {step->a, step->b};
            for (int i = 0; i < 2; i++) {
                if (operands[i] == HOST_NOTHING)
                    continue;
                const host_value *from = &p->values[operands[i]];
                if (to->buffer != HOST_NOTHING || from->buffer != HOST_NOTHING)
                    ck_assert_uint_ne(to->buffer, from->buffer);
                else if (step->kind != HOST_ACTIVATION && step->kind != HOST_ADD) /* those work in place */
                    ck_assert(to->scratch + to->width <= from->scratch || from->scratch + from->width <= to->scratch);
            }
            for (uint32_t i = 0; region->gathers && i < region->input_count; i++)
                ck_assert(to->buffer == HOST_NOTHING || to->buffer != p->values[region->inputs[i].value].buffer);
        }
    }
    arena_free(a);
}
END_TEST

START_TEST(instructions_are_refused) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    ir_module *m = tiny(a, d);
    m->level = IR_STREAM;
    ck_assert_ptr_null(host_lower(a, d, m));
    ck_assert_int_ne(diag_exit_code(d), 0);
    arena_free(a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("lower");
    TCase *t = tcase_create("all");
    tcase_add_test(t, an_encoder_becomes_three_regions);
    tcase_add_test(t, values_that_live_together_lie_apart);
    tcase_add_test(t, instructions_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
