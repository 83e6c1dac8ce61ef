/* The table of settings, and the one in frontend/models/MODELS.md, which is this one: DTQ_UPDATE=1 rewrites it. */
#include "frontend/files/settings.h"
#include "frontend_util.h"

static const char path[] = DTQC_SOURCE_DIR "/frontend/models/MODELS.md";

/** "a|b" as `a`, `b`. */
static void put_keys(FILE *out, const char *keys) {
    for (const char *at = keys; *at; at += strcspn(at, "|"), at += *at == '|')
        fprintf(out, "%s`%.*s`", at == keys ? "" : ", ", (int)strcspn(at, "|"), at);
}

static void put_models(FILE *out, unsigned models) {
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{MODELS_BERT, "BERT"},
                 {MODELS_GPT2, "GPT-2"},
                 {MODELS_ROTARY, "Llama and kin"},
                 {MODELS_ROBERTA, "RoBERTa"},
                 {MODELS_DISTILBERT, "DistilBERT"}};
    bool first = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (models & names[i].bit && models != MODELS_ANY) {
            fprintf(out, "%s%s", first ? "" : ", ", names[i].name);
            first = false;
        }
}

static void put_table(FILE *out) {
    fputs("| file | models | keys | what is done |\n| --- | --- | --- | --- |\n", out);
    for (size_t i = 0; i < settings_row_count; i++) {
        const settings_row *r = &settings_rows[i];
        fprintf(out, "| %s | ", settings_file_name(r->file));
        put_models(out, r->models);
        fputs(" | ", out);
        put_keys(out, r->keys);
        fputs(" | ", out);
        if (!r->allowed) {
            fputs("obeyed |\n", out);
        } else if (!*r->allowed) {
            fprintf(out, "ignored: %s |\n", r->why);
        } else {
            fputs("must be null or ", out);
            put_keys(out, r->allowed);
            fprintf(out, "; else %s |\n", r->why);
        }
    }
}

START_TEST(table_of_the_manual) {
    static const char mark[] = "<!-- settings -->";
    size_t bytes;
    const char *text = file_read(A, D, path, 1 << 20, &bytes);
    const char *start = text ? strstr(text, mark) : NULL, *end = start ? strstr(start, "<!-- end -->") : NULL;
    ck_assert_ptr_nonnull(end);
    start += strlen(mark);
    char *table = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&table, &size);
    put_table(out);
    ck_assert_int_eq(fclose(out), 0);
    const char *whole = arena_printf(A, "%.*s\n%s%s", (int)(start - text), text, table, end);
    free(table);
    if (getenv("DTQ_UPDATE")) {
        out = fopen(path, "wb");
        ck_assert_ptr_nonnull(out);
        fputs(whole, out);
        ck_assert_int_eq(fclose(out), 0);
    } else {
        ck_assert_msg(strcmp(text, whole) == 0,
                      "the table of MODELS.md is not settings.def; DTQ_UPDATE=1 test_settings rewrites it");
    }
}
END_TEST

/** No key stands in two rows that meet, so that none of them is without effect. */
START_TEST(each_key_once) {
    for (size_t i = 0; i < settings_row_count; i++)
        for (const char *at = settings_rows[i].keys; *at; at += strcspn(at, "|"), at += *at == '|') {
            const char *key = arena_printf(A, "|%.*s|", (int)strcspn(at, "|"), at);
            for (size_t k = i + 1; k < settings_row_count; k++)
                ck_assert_msg(settings_rows[k].file != settings_rows[i].file ||
                                  !(settings_rows[k].models & settings_rows[i].models) ||
                                  !strstr(arena_printf(A, "|%s|", settings_rows[k].keys), key),
                              "%s stands in two rows of %s", key, settings_file_name(settings_rows[i].file));
        }
}
END_TEST

TEST_MAIN("settings", table_of_the_manual, each_key_once)
