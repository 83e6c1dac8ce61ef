/* The back end as the compiler sees it: every form of a small model, processors by name, and loading objects. */
#include <check.h>
#include <llvm-c/Core.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/host/host.h"
#include "codegen/llvm/machine.h"

const host_backend *dtq_llvm_backend(void);

static host_program *tiny(arena *a, diag *d) {
    FILE *f = fopen(DTQC_SOURCE_DIR "/tests/unit/codegen/host/tiny.dtir", "rb");
    ck_assert_ptr_nonnull(f);
    char *text = arena_alloc(a, 1 << 16);
    size_t n = fread(text, 1, 1 << 16, f);
    fclose(f);
    ir_module *m = ir_parse(a, d, "tiny.dtir", text, n);
    ck_assert_ptr_nonnull(m);
    host_program *p = host_lower(a, d, m);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* What a form of the model looks like, in memory of malloc. */
static char *emitted(host_form form, const char *cpu, size_t *bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, stderr);
    host_options o = {.name = "tiny", .cpu = cpu, .banner = "a model\n\nin some form"};
    char *text = NULL;
    FILE *out = open_memstream(&text, bytes);
    ck_assert_ptr_nonnull(out);
    ck_assert(dtq_llvm_backend()->emit(a, d, tiny(a, d), &o, form, out));
    ck_assert_int_eq(fclose(out), 0);
    arena_free(a);
    return text;
}

START_TEST(every_form_names_the_model_and_says_what_it_is) {
    static const struct {
        host_form form;
        const char *cpu, *begins, *has;
    } forms[] = {
        {HOST_FORM_LLVM, "x86-64-v3", "; a model\n;\n; in some form\n", "@tiny = "},
        {HOST_FORM_ASM, "x86-64-v4", "# a model\n#\n# in some form\n", "\ntiny:"},
        {HOST_FORM_C, NULL, "/*", "tiny"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t bytes, again;
        char *text = emitted(forms[i].form, forms[i].cpu, &bytes),
             *second = emitted(forms[i].form, forms[i].cpu, &again);
        ck_assert_int_eq(strncmp(text, forms[i].begins, strlen(forms[i].begins)), 0);
        ck_assert_ptr_nonnull(strstr(text, forms[i].has));
        ck_assert_uint_eq(bytes, again); /* nothing in it depends on where memory lies */
        ck_assert_mem_eq(text, second, bytes);
        free(text);
        free(second);
    }
}
END_TEST

START_TEST(levels_differ_and_dispatch_has_them_all) {
    size_t bytes;
    char *v2 = emitted(HOST_FORM_ASM, "x86-64-v2", &bytes);
    ck_assert_ptr_null(strstr(v2, "%ymm"));
    free(v2);
    char *v3 = emitted(HOST_FORM_ASM, "x86-64-v3", &bytes);
    ck_assert_ptr_nonnull(strstr(v3, "%ymm"));
    ck_assert_ptr_null(strstr(v3, "%zmm"));
    free(v3);
    char *all = emitted(HOST_FORM_ASM, "dispatch", &bytes);
    static const char *const has[] = {"run.v2:", "run.v3:", "run.v4:", "run.vnni:", "vpdpbusd"};
    for (size_t i = 0; i < sizeof has / sizeof *has; i++)
        ck_assert_ptr_nonnull(strstr(all, has[i]));
    free(all);
}
END_TEST

START_TEST(unknown_processors_are_refused) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    machine_level levels[MACHINE_LEVELS_MOST];
    ck_assert_uint_eq(machine_levels(a, d, "pentium", levels), 0);
    ck_assert_int_ne(diag_exit_code(d), 0);
    ck_assert_uint_eq(machine_levels(a, d, "dispatch", levels), 4);
    for (unsigned i = 1; i < 4; i++)
        ck_assert_uint_lt(levels[i - 1].level, levels[i].level);
    ck_assert_ptr_nonnull(strchr(machine_native(a), ' '));
    arena_free(a);
}
END_TEST

static void nothing(void) {}

static host_code *load_with(diag *d, arena *a, const host_bytes *object, size_t symbols, const dtq_host_model **model) {
    static const char *const names[] = {"dtq_host_parallel", "dtq_host_select", "dtq_host_probe", "dtq_host_whole",
                                        "dtq_host_row",      "dtq_host_bad",    "dtq_host_watch"};
    host_symbol table[7];
    for (size_t i = 0; i < 7; i++)
        table[i] = (host_symbol){names[i], (void *)(uintptr_t)nothing};
    return dtq_llvm_backend()->load(a, d, object->data, object->bytes, "tiny", table, symbols, model);
}

START_TEST(objects_load_and_say_what_they_lack) {
    arena *a = arena_new();
    diag *d = diag_new(a, stderr), *unheard = diag_new(a, NULL);
    host_options o = {.name = "tiny", .cpu = "native", .banner = ""};
    host_bytes object;
    ck_assert(dtq_llvm_backend()->object(a, d, tiny(a, d), &o, &object));
    const dtq_host_model *model = NULL;
    host_code *code = load_with(d, a, &object, 7, &model);
    ck_assert_ptr_nonnull(code);
    ck_assert_uint_eq(model->abi, DTQ_HOST_ABI);
    ck_assert_uint_eq(model->variant_count, 1);
    ck_assert_uint_eq(model->weight_count, tiny(a, d)->weight_count);
    dtq_llvm_backend()->unload(code);
    ck_assert_ptr_null(load_with(unheard, a, &object, 1, &model));
    ck_assert_ptr_nonnull(strstr(diag_at(unheard, diag_total(unheard) - 1)->message, "dtq_host_"));
    host_bytes rubbish = {(uint8_t *)"not an object", 13};
    ck_assert_ptr_null(load_with(unheard, a, &rubbish, 7, &model));
    free(object.data);
    arena_free(a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("backend");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_form_names_the_model_and_says_what_it_is);
    tcase_add_test(t, levels_differ_and_dispatch_has_them_all);
    tcase_add_test(t, unknown_processors_are_refused);
    tcase_add_test(t, objects_load_and_say_what_they_lack);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
