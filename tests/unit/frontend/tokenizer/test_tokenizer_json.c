/* tokenizer.json as a vocabulary: the same ids as a vocab.txt of the same tokens, the rules it may set, gaps among
 * ids, and the files that are refused. wordpiece_tokenizer.json has the tokens of wordpiece_vocab.txt, shuffled. */
#include <stdio.h>

#include "frontend/tokenizer/tokenizers.h"
#include "frontend_util.h"

static const char shuffled[] = DTQC_SOURCE_DIR "/tests/unit/frontend/tokenizer/wordpiece_tokenizer.json";
static const char lines[] = DTQC_SOURCE_DIR "/tests/unit/frontend/tokenizer/wordpiece_vocab.txt";

/* Ids with gaps, in no order, with characters beyond U+FFFF as pairs of escapes and as they are. */
static const char small[] =
    "{\"version\": \"1.0\", \"truncation\": {\"max_length\": 3}, \"padding\": null,\n"
    " \"added_tokens\": [\n"
    "  {\"id\": 7, \"content\": \"[CLS]\", \"special\": true, \"normalized\": false, \"single_word\": false},\n"
    "  {\"id\": 9, \"content\": \"[SEP]\", \"special\": true, \"lstrip\": true}],\n"
    " \"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true,"
    " \"strip_accents\": null, \"lowercase\": true},\n"
    " \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},\n"
    " \"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 9], \"cls\": [\"[CLS]\", 7]},\n"
    " \"decoder\": {\"type\": \"WordPiece\"},\n"
    " \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\","
    " \"max_input_chars_per_word\": 100, \"vocab\": {\n"
    "  \"[UNK]\": 2000000000, \"cat\": 40, \"##s\": 30, \"\\ud83d\\ude00\": 20, \"\xf0\x9f\x98\x81\": 21,\n"
    "  \"##\\uD83D\\uDE02x\": 22, \"caf\\u00e9\": 50, \"cafe\": 51, \"Cafe\": 52, \"Caf\\u00e9\": 53,\n"
    "  \"\\u4e2d\\u6587\": 60, \"\\u4e2d\": 61, \"\\u6587\": 62, \"i\\u0307s\": 70, \"is\": 71, \"[SEP]\": 9}}}\n";

/** Writes `small` with one piece of its text replaced, and returns the path. */
static const char *changed(const char *from, const char *to) {
    const char *at = strstr(small, from);
    ck_assert_msg(at, "no '%s' to change", from);
    return put("tokenizer.json",
               arena_printf(A, "%s%s%s", arena_strndup(A, small, (size_t)(at - small)), to, at + strlen(from)));
}

static const char *ids_of(const wordpiece *w, const char *text) {
    token_list t;
    ck_assert(wordpiece_encode(w, A, D, text, NULL, 0, 0, &t));
    const char *ids = "";
    for (size_t i = 0; i < t.count; i++)
        ids = arena_printf(A, "%s%s%u", ids, i ? " " : "", t.ids[i]);
    return ids;
}

static wordpiece *load(const char *path, bool lower_case) {
    wordpiece *w = wordpiece_load(A, D, path, lower_case);
    EXPECT_NO_ERROR();
    ck_assert_ptr_nonnull(w);
    return w;
}

START_TEST(same_ids_as_vocab_txt) {
    static const char *const texts[] = {"The cat, un-playing.",
                                        "Unaffable! Caf\u00e9 NA\u00cfVE",
                                        "\u4e2d\u6587cat \u03a3\u03a3\u03a3 \u00df SS",
                                        "\u0130STANBUL \ud55c the\u200bcat",
                                        "[MASK] the [SEP]cat[sep] a'b?\u00bf",
                                        "loloing catx e\u0301e \u0378"};
    for (int lower_case = 0; lower_case < 2; lower_case++) {
        const wordpiece *json = load(shuffled, lower_case), *txt = load(lines, lower_case);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            ck_assert_str_eq(ids_of(json, texts[i]), ids_of(txt, texts[i]));
        for (uint32_t id = 0; id < 50; id++)
            ck_assert_str_eq(wordpiece_token(json, id), wordpiece_token(txt, id));
        ck_assert_ptr_null(wordpiece_token(json, 50));
    }
    ck_assert_str_eq(ids_of(load(shuffled, true), "The cat, un-playing."), "2 25 30 19 26 23 29 18 20 3");
}
END_TEST

START_TEST(ids_with_gaps) {
    const wordpiece *w = load(put("tokenizer.json", small), true);
    ck_assert_str_eq(ids_of(w, "cats Cat dog [SEP]"), "7 40 30 40 2000000000 9 9");
    ck_assert_str_eq(wordpiece_token(w, 7), "[CLS]"); /* an added token alone */
    ck_assert_str_eq(wordpiece_token(w, 40), "cat");
    ck_assert_str_eq(wordpiece_token(w, 2000000000), "[UNK]");
    static const uint32_t none[] = {0, 6, 8, 41, 1999999999, 2000000001, UINT32_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_ptr_null(wordpiece_token(w, none[i]));
}
END_TEST

START_TEST(escapes_in_keys) {
    const wordpiece *w = load(put("tokenizer.json", small), true);
    ck_assert_str_eq(wordpiece_token(w, 20), "\U0001f600");
    ck_assert_str_eq(wordpiece_token(w, 22), "##\U0001f602x");
    ck_assert_str_eq(ids_of(w, "\U0001f600 \U0001f601 \U0001f600\U0001f602x"), "7 20 21 20 22 9");
    static const char *const broken[] = {"\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\ud83d\\ud83d\""};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        ck_assert_ptr_null(wordpiece_load(A, D, changed("\"cat\"", broken[i]), true));
        ck_assert_uint_eq(first_place().line, 10);
        EXPECT_ERROR("not JSON");
    }
}
END_TEST

START_TEST(rules_of_the_normaliser) {
    static const struct {
        const char *accents;
        bool lower_case;
        const char *ids;
    } cases[] = {
        {"null", true, "7 51 71 9"},          /* cafe is */
        {"null", false, "7 53 2000000000 9"}, /* Cafe with its accent; no such word */
        {"true", true, "7 51 71 9"},           {"true", false, "7 52 2000000000 9"}, /* Cafe, Is */
        {"false", true, "7 50 70 9"}, /* an I with a dot becomes an i and a dot */
        {"false", false, "7 53 2000000000 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path =
            changed("\"strip_accents\": null", arena_printf(A, "\"strip_accents\": %s", cases[i].accents));
        ck_assert_str_eq(ids_of(load(path, cases[i].lower_case), "Caf\u00e9 \u0130s"), cases[i].ids);
    }
    ck_assert_str_eq(ids_of(load(put("tokenizer.json", small), true), "\u4e2d\u6587"), "7 61 62 9");
    const char *path = changed("\"handle_chinese_chars\": true", "\"handle_chinese_chars\": false");
    ck_assert_str_eq(ids_of(load(path, true), "\u4e2d\u6587"), "7 60 9");
}
END_TEST

/** What may be left out. */
START_TEST(short_files) {
    ck_assert_str_eq(
        ids_of(load(put("tokenizer.json", "{\"normalizer\":{\"type\":\"BertNormalizer\"},"
                                          "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{\"type\":"
                                          "\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"[SEP]\":1,\"[CLS]\":2,\"a\":3}}}"),
                    true),
               "a b"),
        "2 3 0 1");
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *from, *to, *says;
        uint32_t line;
    } cases[] = {
        {"{\"type\": \"WordPiece\", \"unk", "{\"type\": \"BPE\", \"unk",
         "model.type must be WordPiece, not text \"BPE\"", 9},
        {"{\"type\": \"WordPiece\", \"unk", "{\"unk", "model has no type; it must be WordPiece", 9},
        {"\"model\":", "\"modal\":", "the file has no model; it must be of type WordPiece", 1},
        {"BertNormalizer", "Sequence", "normalizer.type must be BertNormalizer, not text \"Sequence\"", 5},
        {"BertNormalizer", "Bert\\nNormalizer", "normalizer.type must be BertNormalizer, not text \"Bert?Norm", 5},
        {"\"normalizer\": {", "\"normalizer\": null, \"x\": {", "the file has no normalizer; it must be of type", 5},
        {"\"clean_text\": true", "\"clean_text\": false", "normalizer.clean_text must be true, not 'false'", 5},
        {"\"strip_accents\": null", "\"strip_accents\": 1", "normalizer.strip_accents must be true or false", 5},
        {"{\"type\": \"BertPreTokenizer\"}", "[1]", "pre_tokenizer must be a mapping (key: value), not a list", 6},
        {"BertPreTokenizer", "Whitespace", "pre_tokenizer.type must be BertPreTokenizer, not text \"Whitespace\"", 6},
        {"\"BertProcessing\"", "\"RobertaProcessing\"", "must be TemplateProcessing or BertProcessing, not text", 7},
        {"[\"[SEP]\", 9]", "[\"</s>\", 9]", "post_processor.sep must be [SEP], not text \"</s>\"", 7},
        {"\"BertProcessing\"", "\"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}]",
         "post_processor.single must be the template [CLS]:0 $A:0 [SEP]:0", 7},
        {"\"unk_token\": \"[UNK]\"", "\"unk_token\": \"<unk>\"", "model.unk_token must be [UNK], not text", 9},
        {"\"##\",", "\"@@\",", "model.continuing_subword_prefix must be ##, not text \"@@\"", 9},
        {"\": 100,", "\": 50,", "model.max_input_chars_per_word must be 100, not '50'", 9},
        {"\"vocab\": {", "\"vocab\": 1, \"x\": {", "model.vocab must be a mapping (key: value), not '1'", 9},
        {"\"vocab\": {", "\"x\": {", "model has no vocab", 9},
        {"\"cat\": 40", "\"cat\": -1", "a token's id must be a whole number from 0 to 2147483647, not '-1'", 10},
        {"\"cat\": 40", "\"cat\": 2147483648", "a token's id must be a whole number", 10},
        {"\"cat\": 40", "\"cat\": \"40\"", "a token's id must be a whole number", 10},
        {"\"##s\": 30", "\"##s\": 40", "the id 40 is another token's, at 10:31", 10},
        {"\"##s\": 30", "\"cat\": 30", "duplicate key 'cat'", 10},
        {"\"##s\": 30", "\"##s\": 7", "the id 7 is another token's, at 3:10", 10},
        {"\"[UNK]\": 2", "\"[XXX]\": 2", "the vocabulary has no token [UNK]", 0},
        {"{\"id\": 9", "{\"id\": 8", "the added token [SEP] has the id 8, but 9 in model.vocab", 4},
        {"[SEP]\", \"special\"", "[CLS]\", \"special\"", "the added token [CLS] stands in the list twice", 4},
        {"\"[CLS]\", \"special\"", "\"<s>\", \"special\"", "the vocabulary has no token [CLS]", 0},
        {"\"content\": \"[CLS]\",", "", "an added token must have a content and an id", 3},
        {"\"single_word\": false", "\"single_word\": true", "added_tokens.single_word must be false, not 'true'", 3},
        {"\"added_tokens\": [", "\"added_tokens\": 5, \"x\": [", "added_tokens must be a list, not '5'", 2},
        {"\"decoder\":", "\"decoder\"", "not JSON", 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(!wordpiece_load(A, D, changed(cases[i].from, cases[i].to), true), "accepted: %s", cases[i].to);
        ck_assert_msg(diag_total(D) == 1, "%zu messages for %s", diag_total(D), cases[i].to);
        ck_assert_msg(cases[i].line == first_place().line, "line %u for %s", first_place().line, cases[i].to);
        EXPECT_ERROR(cases[i].says);
    }
    ck_assert_ptr_null(wordpiece_load(A, D, put("tokenizer.json", "[]"), true));
    EXPECT_ERROR("tokenizer.json must be a mapping");
    ck_assert_ptr_null(wordpiece_load(A, D, "/nowhere/tokenizer.json", true));
    EXPECT_ERROR("");
}
END_TEST

/** A vocabulary of BERT's size in reasonable time, also under sanitizers: nothing is quadratic. */
START_TEST(thirty_thousand_tokens) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    fputs("{\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},"
          "\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3",
          f);
    for (int i = 30000; i > 3; i--)
        fprintf(f, ", \"%sw%d\": %d", i % 2 ? "##" : "", i, i);
    fputs("}}}", f);
    fclose(f);
    const wordpiece *w = load(put_bytes("tokenizer.json", text, bytes), true);
    free(text);
    ck_assert_str_eq(ids_of(w, "w30000w29999 w4"), "2 30000 29999 4 3");
}
END_TEST

START_TEST(mutations) {
    uint64_t seed = 0x70c3;
    size_t accepted = 0;
    printf("mutations: seed %#llx\n", (unsigned long long)seed);
    for (uint64_t round = 0; round < 1500; round++) {
        char text[4096];
        size_t n = mutate(&seed, small, sizeof small - 1, text, sizeof text);
        const char *path = put_bytes("tokenizer.json", text, n);
        arena *whole = A;
        A = arena_new();
        D = diag_new(A, NULL);
        const wordpiece *w = wordpiece_load(A, D, path, round % 2);
        check_verdict(w != NULL, round);
        if (w) {
            accepted++;
            ids_of(w, "cats \U0001f600\U0001f602x Caf\u00e9 [SEP] \u4e2d\u6587 \u0130s");
        }
        arena_free(A);
        A = whole;
    }
    D = diag_new(A, NULL);
    ck_assert_uint_gt(accepted, 50);
}
END_TEST

TEST_MAIN("tokenizer_json", same_ids_as_vocab_txt, ids_with_gaps, escapes_in_keys, rules_of_the_normaliser, short_files,
          refused, thirty_thousand_tokens, mutations)
