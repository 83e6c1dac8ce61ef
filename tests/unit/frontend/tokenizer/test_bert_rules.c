/* Which files hold for a BERT vocabulary, against what transformers gives (bert_rules.tsv, which bert_rules.py
 * records), and what is added to one. */
#include "frontend/models/model.h"
#include "frontend_util.h"

static const char rows[] = DTQC_SOURCE_DIR "/tests/unit/frontend/tokenizer/bert_rules.tsv";
static const char *const vocabulary[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "moch", "##te",
                                         "möch",  "Moch",  "Möch",  "moc",   "中",     "中文", "##文"};
enum { TOKENS = sizeof vocabulary / sizeof *vocabulary, FIELDS = 7 };

static const char *json_of(const char *normalizer) {
    const char *tokens = "";
    for (size_t i = 0; i < TOKENS; i++)
        tokens = arena_printf(A, "%s%s\"%s\": %zu", tokens, i ? ", " : "", vocabulary[i], i);
    return arena_printf(
        A,
        "{\"normalizer\": {\"type\": \"BertNormalizer\", %s, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},"
        "\"model\": {\"type\": \"WordPiece\", \"vocab\": {%s}}}",
        normalizer + 1, tokens);
}

static void put_vocabulary(void) {
    const char *lines = "";
    for (size_t i = 0; i < TOKENS; i++)
        lines = arena_printf(A, "%s%s\n", lines, vocabulary[i]);
    put("vocab.txt", lines);
}

static void drop(const char *name) {
    unlink(arena_printf(A, "%s/%s", scratch, name));
}

static tokenizer *of_directory(void) {
    model m = {.path = scratch};
    m.transformer = transformer_defaults();
    ck_assert_msg(model_read_surroundings(A, D, scratch, &m), "%s", first_error());
    tokenizer *t = model_tokenizer(&m, A, D);
    ck_assert_msg(t, "%s", first_error());
    return t;
}

static const char *ids_of(const tokenizer *t, const char *text) {
    const char *out = "";
    token_list l;
    ck_assert(tokenizer_encode(t, A, D, text, strlen(text), NULL, &l));
    for (size_t i = 0; i < l.count; i++)
        out = arena_printf(A, "%s%s%u", out, i ? " " : "", l.ids[i]);
    return out;
}

START_TEST(as_transformers_has_it) {
    static const char *const texts[] = {"Möchte", "MOCHTE", "möchte", "中文"};
    size_t bytes, count = 0;
    char *text = file_read(A, D, rows, 1 << 20, &bytes);
    ck_assert_ptr_nonnull(text);
    put("config.json", "{}");
    for (char *line = text, *next; *line; line = next, count++) {
        char *at[FIELDS], *stop = strchr(line, '\n');
        *stop = '\0';
        next = stop + 1;
        for (int f = 0; f < FIELDS; f++, line = line ? line + 1 : NULL) {
            at[f] = line;
            line = strchr(line, '\t');
            if (line)
                *line = '\0';
        }
        drop("vocab.txt");
        drop("tokenizer.json");
        drop("tokenizer_config.json");
        if (*at[0] == '1')
            put_vocabulary();
        if (*at[1] != '-')
            put("tokenizer.json", json_of(at[1]));
        if (*at[2] != '-')
            put("tokenizer_config.json", at[2]);
        tokenizer *t = of_directory();
        for (int k = 0; k < 4; k++) {
            const char *got = ids_of(t, texts[k]);
            ck_assert_msg(strcmp(got, at[3 + k]) == 0, "vocab.txt %s, normalizer %s, config %s, text %s: %s, not %s",
                          at[0], at[1], at[2], texts[k], got, at[3 + k]);
        }
    }
    ck_assert_uint_gt(count, 100);
}
END_TEST

START_TEST(added_to_a_vocabulary) {
    put("config.json", "{}");
    put_vocabulary();
    put("added_tokens.json", "{\"<date>\": 14}");
    put("tokenizer_config.json", "{\"added_tokens_decoder\": {\"14\": {\"content\": \"<date>\"}, \"16\": {\"content\": "
                                 "\"New\", \"single_word\": true}}}");
    tokenizer *t = of_directory();
    ck_assert_str_eq(ids_of(t, "moch<date>moc New NewNew"), "2 5 14 10 16 1 3");
    ck_assert_uint_eq(tokenizer_vocabulary(t), 17);
    /* As names of the frame. */
    put("tokenizer_config.json", "{\"cls_token\": \"moch\", \"sep_token\": {\"content\": \"moc\"}}");
    ck_assert_str_eq(ids_of(of_directory(), "中"), "5 11 10");
    /* A line has its number; the last of equal ones counts. */
    drop("added_tokens.json");
    put("tokenizer_config.json", "{}");
    put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n\nb\na\n");
    ck_assert_str_eq(ids_of(of_directory(), "a b"), "2 7 6 3");
}
END_TEST

START_TEST(refused) {
    static const char *const cases[][2] = {
        {"{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", "tokenizer_class 'BertJapaneseTokenizer'"},
        {"{\"word_tokenizer_type\": \"mecab\"}", "'word_tokenizer_type' is not known here"},
        {"{\"truncation_side\": \"left\"}", "'truncation_side' must be null or one of right"},
        {"{\"never_split\": [\"x\"]}", "'never_split' must be null"},
        {"{\"added_tokens_decoder\": {\"14\": {\"content\": \"x\", \"normalized\": true}}}",
         "normalized must be false"},
        {"{\"added_tokens_decoder\": {\"14\": {}}}", "must give, by a token's id, its content"},
        {"{\"added_tokens_decoder\": {\"3\": {\"content\": \"moch\"}}}", "has the id 3, but 5 in the vocabulary"},
        {"{\"added_tokens_decoder\": {\"3\": {\"content\": \"new\"}}}", "the id 3 is another token's"},
    };
    put("config.json", "{}");
    put_vocabulary();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("tokenizer_config.json", cases[i][0]);
        ck_assert_ptr_null(tokenizer_load(A, D, scratch, NULL));
        EXPECT_ERROR(cases[i][1]);
    }
}
END_TEST

TEST_MAIN("bert_rules", as_transformers_has_it, added_to_a_vocabulary, refused)
