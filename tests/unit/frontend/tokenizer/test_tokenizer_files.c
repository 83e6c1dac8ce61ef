/* Tokenisers from their models' other files: GPT-2's two, llama2.c's one, arrays as GGUF has them, directories; what
 * tokenizer_config.json says; WordPiece behind the same interface. Ids are worked out by hand. */
#include <math.h>
#include <stdio.h>

#include "frontend/tokenizer/tokenizers.h"
#include "frontend_util.h"

static const char *list_of(const uint32_t *ids, size_t count) {
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = arena_printf(A, "%s%s%u", text, i ? " " : "", ids[i]);
    return text;
}

static const char *ids_of(const tokenizer *t, const char *text) {
    token_list l;
    ck_assert_msg(tokenizer_encode(t, A, D, text, strlen(text), NULL, &l), "%s", first_error());
    return list_of(l.ids, l.count);
}

static const char *text_of(const tokenizer *t, const char *ids) {
    uint32_t list[64];
    size_t count = 0;
    for (char *p = (char *)ids; *p && count < 64;)
        list[count++] = (uint32_t)strtoul(p, &p, 10);
    return tokenizer_decode(t, A, list, count, NULL).text;
}

static tokenizer *load(const char *path) {
    tokenizer *t = tokenizer_load(A, D, path, NULL);
    EXPECT_NO_ERROR();
    ck_assert_ptr_nonnull(t);
    return t;
}

static void refuse(const char *path, const char *says, uint32_t line) {
    ck_assert_msg(!tokenizer_load(A, D, path, NULL), "taken, where \"%s\" was expected", says);
    ck_assert_msg(first_place().line == line, "in line %u, not %u: %s", first_place().line, line, first_error());
    EXPECT_ERROR(says);
}

/* ---- GPT-2 ------------------------------------------------------------------------------------------------------- */

static const char vocab_json[] = "{\"a\": 0, \"b\": 1, \"\\u0120\": 2, \"ab\": 3, \"\\u0120a\": 4,\n"
                                 " \"<|endoftext|>\": 6, \"1\": 5}";

START_TEST(gpt2_files) {
    const char *path = put("vocab.json", vocab_json);
    put("merges.txt", "#version: 0.2\na b\n\u0120 a\n");
    const tokenizer *t = load(path);
    ck_assert_str_eq(ids_of(t, "ab a ab<|endoftext|>11"), "3 4 2 3 6 5 5");
    ck_assert_str_eq(text_of(t, "3 4 2 3 6 5 5"), "ab a ab11");
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_BOS), 6);
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_EOS), 6);
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_PAD), TOKEN_NONE);
    ck_assert_uint_eq(tokenizer_vocabulary(t), 7);
    put("merges.txt", "\u0120 a\r\na b\r\n"); /* no heading; another order */
    ck_assert_str_eq(ids_of(load(path), " ab"), "4 1");
    put("tokenizer_config.json", "{\"bos_token\": {\"content\": \"b\"}, \"eos_token\": \"<|endoftext|>\","
                                 " \"pad_token\": null, \"add_bos_token\": true, \"add_prefix_space\": true}");
    t = load(path);
    ck_assert_str_eq(ids_of(t, "a1"), "1 4 5");
    ck_assert_str_eq(ids_of(t, "ab"), "1 4 1"); /* a control token is found before anything merges */
    ck_assert_str_eq(text_of(t, "1 4 5"), " a1");
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_BOS), 1);
    put("tokenizer_config.json", "{\"bos_token\": \"<s>\"}");
    t = load(path);
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_BOS), 6);
    ck_assert_uint_eq(diag_count(D, DIAG_WARNING), 1); /* no such token */
}
END_TEST

START_TEST(gpt2_files_refused) {
    const char *path = put("vocab.json", vocab_json);
    refuse(path, "no merges.txt beside it", 0);
    put("merges.txt", "#version: 0.2\na b\na  b\n");
    refuse(path, "one space between", 3);
    put("merges.txt", "a b\nab\n");
    refuse(path, "one space between", 2);
    put("merges.txt", "a b\n\na b\n");
    refuse(path, "one space between", 2);
    put("merges.txt", "a b\nb c\n");
    refuse(path, "the right side 'c'", 2);
    put_bytes("merges.txt", "a b\nb \xff\n", 8);
    refuse(path, "not UTF-8", 2);
    put("merges.txt", "a b\n");
    put("tokenizer_config.json", "{\n\"add_bos_token\": 3}");
    refuse(path, "add_bos_token", 2);
    put("tokenizer_config.json", "[]");
    refuse(path, "tokenizer_config.json", 1);
    refuse(put("vocab.json", "{\"a\": 0,\n\"b\": 0}"), "the id 0 is another token's", 2);
    refuse(put("vocab.json", "{\"a\": \"b\"}"), "a token's id", 1);
}
END_TEST

/* ---- llama2.c ---------------------------------------------------------------------------------------------------- */

static char file[8192];
static size_t file_bytes;

static void add_word32(uint32_t word) {
    for (int i = 0; i < 4; i++)
        file[file_bytes++] = (char)(word >> 8 * i);
}

static void add_token(float score, const char *text) {
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    add_word32(bits);
    add_word32((uint32_t)strlen(text));
    memcpy(file + file_bytes, text, strlen(text));
    file_bytes += strlen(text);
}

/** The 259 tokens that every file has, then: 259 is " ". */
static void begin_file(void) {
    static const char *const pieces[] = {" ", "a", "b", "ab", " a", "ba", "aba"};
    static const float scores[] = {-100, -100, -100, -2, -1, -2, -9};
    file_bytes = 0;
    add_word32(7);
    add_token(0, "<unk>");
    add_token(0, "\n<s>\n");
    add_token(0, "\n</s>\n");
    for (unsigned i = 0; i < 256; i++)
        add_token(0, arena_printf(A, "<0x%02X>", i));
    for (size_t i = 0; i < 7; i++)
        add_token(scores[i], pieces[i]);
}

START_TEST(llama2c_files) {
    static const struct {
        const char *text, *ids;
    } cases[] = {
        {"", "1"},
        {"a", "1 263"},           /* " a" */
        {"ab", "1 263 261"},      /* " a" is better than "ab" */
        {"bab", "1 259 264 261"}, /* "ba" and "ab" are equally good: the left one */
        {"bbab", "1 259 261 264 261"},
        {" a", "1 259 263"},
        {"\n", "1 259 13"}, /* its byte and 3 */
        {"\u00e9a", "1 259 198 172 260"},
        {"<s>", "1 259 63 118 65"}, /* control tokens are not found in texts */
        {"bb aba", "1 259 261 261 263 264"},
        {"b aba", "1 259 261 263 264"},
    };
    begin_file();
    const char *path = put_bytes("tok.bin", file, file_bytes);
    const tokenizer *t = load(path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(strcmp(ids_of(t, cases[i].text), cases[i].ids) == 0, "'%s': %s, not %s", cases[i].text,
                      ids_of(t, cases[i].text), cases[i].ids);
        ck_assert_str_eq(text_of(t, cases[i].ids), cases[i].text);
    }
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_BOS), 1);
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_EOS), 2);
    ck_assert_uint_eq(tokenizer_vocabulary(t), 266);
    token_list l;
    const encode_options pair = {.pair = {"b", 1}};
    ck_assert(!tokenizer_encode(t, A, D, "a", 1, &pair, &l));
    EXPECT_ERROR("has no pairs");
}
END_TEST

START_TEST(llama2c_files_refused) {
    begin_file();
    size_t whole = file_bytes;
    refuse(put_bytes("a.bin", file, 3), "no tokenizer.bin of llama2.c", 0);
    refuse(put_bytes("a.bin", file, 4), "holds 0 tokens", 0);
    refuse(put_bytes("a.bin", file, whole - 1), "token 265 is cut off", 0);
    refuse(put_bytes("a.bin", file, whole - 4), "token 265 is cut off", 0);
    refuse(put_bytes("a.bin", file, 4 + 13), "holds 1 tokens", 0);
    add_token(NAN, "x");
    refuse(put_bytes("a.bin", file, file_bytes), "the score of token 266", 0);
    file_bytes = whole;
    add_token(0, "12345678");
    refuse(put_bytes("a.bin", file, file_bytes), "token 266 has 8 bytes", 0);
    file_bytes = whole;
    add_token(0, "");
    refuse(put_bytes("a.bin", file, file_bytes), "token 266 has 0 bytes", 0);
    file[0] = 0;
    refuse(put_bytes("a.bin", file, whole), "no tokenizer.bin of llama2.c", 0);
    begin_file();
    char *byte = memmem(file, whole, "<0x0A>", 6);
    byte[3] = '1';
    refuse(put_bytes("a.bin", file, whole), "token 13 must be the byte <0x0A>", 0);
}
END_TEST

START_TEST(llama2c_mutations) {
    begin_file();
    uint64_t random = 77;
    char text[8192];
    for (uint64_t round = 0; round < 2000; round++) {
        size_t n = mutate(&random, file, file_bytes, text, sizeof text);
        D = diag_new(A, NULL);
        tokenizer *t = tokenizer_load(A, D, put_bytes("tok.bin", text, n), NULL);
        check_verdict(t != NULL, round);
        if (t)
            ids_of(t, "aba \u00e9 ab");
    }
}
END_TEST

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

#define TEXT(s) {s, sizeof(s) - 1}

static token_vocabulary ranked(void) {
    static const token_string tokens[] = {TEXT("a"),       TEXT("b"),  TEXT("\u0120"), TEXT("ab"),     TEXT("\u0120a"),
                                          TEXT("<|end|>"), TEXT("1"),  TEXT("11"),     TEXT("<tool>"), TEXT("'"),
                                          TEXT("S"),       TEXT("'S"), TEXT("pad")};
    static const token_string merges[] = {TEXT("a b"), TEXT("\u0120 a"), TEXT("1 1"), TEXT("' S")};
    static const int32_t types[] = {1, 1, 1, 1, 1, 3, 1, 1, 4, 1, 1, 1, 5};
    token_vocabulary v = token_vocabulary_of("gpt2");
    v.count = sizeof tokens / sizeof *tokens;
    v.tokens = tokens;
    v.types = types;
    v.merge_count = sizeof merges / sizeof *merges;
    v.merges = merges;
    v.eos = 5;
    return v;
}

static token_vocabulary scored(void) {
    static const token_string tokens[] = {TEXT("<unk>"),   TEXT("<s>"),    TEXT("</s>"),   TEXT("<0xC3>"),
                                          TEXT("<0xA9>"),  TEXT("\u2581"), TEXT("a"),      TEXT("b"),
                                          TEXT("\u2581a"), TEXT("ab"),     TEXT("<tool>"), TEXT("ba")};
    static const float scores[] = {0, 0, 0, 0, 0, -9, -9, -9, -1, -2, 0, 5};
    static const int32_t types[] = {2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 4, 5};
    token_vocabulary v = token_vocabulary_of("llama");
    v.count = sizeof tokens / sizeof *tokens;
    v.tokens = tokens;
    v.types = types;
    v.scores = scores;
    return v;
}

static tokenizer *of(const token_vocabulary *v) {
    tokenizer *t = tokenizer_from_vocabulary(A, D, v);
    EXPECT_NO_ERROR();
    ck_assert_ptr_nonnull(t);
    return t;
}

START_TEST(arrays_by_rank) {
    token_vocabulary v = ranked();
    v.pre = "smollm";
    ck_assert_str_eq(ids_of(of(&v), "ab a11<|end|>'S<tool>"), "3 4 6 6 5 9 10 8");
    v.pre = "gpt-2";
    ck_assert_str_eq(ids_of(of(&v), "ab a11'S"), "3 4 7 9 10");
    v.pre = "qwen2";
    ck_assert_str_eq(ids_of(of(&v), "ab a11'S"), "3 4 6 6 11");
    v.pre = "llama-bpe";
    ck_assert_str_eq(ids_of(of(&v), "ab a11'S"), "3 4 7 11");
    ck_assert_str_eq(text_of(of(&v), "3 4 5 8"), "ab a<tool>");
    v.bos = 0;
    v.add_bos = v.add_eos = true;
    ck_assert_str_eq(ids_of(of(&v), "b"), "0 1 5");
    ck_assert_uint_eq(tokenizer_role(of(&v), TOKEN_EOS), 5);
    v.types = NULL;
    ck_assert_str_eq(ids_of(of(&v), "<tool>"), "0 5"); /* all normal, and no letters for it */
}
END_TEST

START_TEST(arrays_by_score) {
    token_vocabulary v = scored();
    ck_assert_str_eq(ids_of(of(&v), "ab<tool>ab</s>"), "1 8 7 10 8 7 2");
    ck_assert_str_eq(ids_of(of(&v), "bab\u00e9x"), "1 5 7 9 3 4 0"); /* "ba" is unused */
    ck_assert_str_eq(text_of(of(&v), "1 8 7 3 4 8"), "ab\u00e9 a");
    v.add_space_prefix = v.add_bos = false;
    ck_assert_str_eq(ids_of(of(&v), "ab a"), "9 8");
    v.unk = TOKEN_NONE;
    ck_assert_str_eq(ids_of(of(&v), "axb"), "9");
    v.types = NULL;
    ck_assert_str_eq(ids_of(of(&v), "bab"), "11 7");
}
END_TEST

START_TEST(arrays_refused) {
    static const float broken_scores[12] = {NAN};
    static const token_string broken_token = TEXT("\xff"), broken_merge = TEXT("ab"), wrong_merge = TEXT("b b");
    token_vocabulary v[9];
    static const char *const says[] = {"of the model 'unigram'",
                                       "pre-tokeniser 'tekken'",
                                       "the id 13, but there are 13",
                                       "merge 0 must be two texts",
                                       "the result 'bb'",
                                       "token 0 of the vocabulary is not UTF-8",
                                       "has no scores",
                                       "the score of token 0",
                                       "a vocabulary of 0 tokens"};
    for (int i = 0; i < 9; i++)
        v[i] = i < 6 ? ranked() : scored();
    v[0].model = "unigram";
    v[1].pre = "tekken";
    v[2].eos = 13;
    v[3].merges = &broken_merge;
    v[4].merges = &wrong_merge;
    v[3].merge_count = v[4].merge_count = 1;
    v[5].tokens = &broken_token;
    v[5].types = NULL;
    v[5].count = 1;
    v[5].eos = TOKEN_NONE;
    v[6].scores = NULL;
    v[7].scores = broken_scores;
    v[8].count = 0;
    for (int i = 0; i < 9; i++) {
        ck_assert_ptr_null(tokenizer_from_vocabulary(A, D, &v[i]));
        EXPECT_ERROR(says[i]);
    }
}
END_TEST

/* ---- directories, WordPiece -------------------------------------------------------------------------------------- */

START_TEST(directories) {
    refuse(scratch, "has no tokenizer.json", 0);
    refuse(arena_printf(A, "%s/none", scratch), "", 0);
    begin_file();
    put_bytes("tokenizer.bin", file, file_bytes);
    ck_assert_uint_eq(tokenizer_vocabulary(load(scratch)), 266);
    put("encoder.json", vocab_json);
    put("vocab.bpe", "#version: 0.2\na b\n");
    ck_assert_uint_eq(tokenizer_vocabulary(load(scratch)), 7);
    put("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n");
    ck_assert_uint_eq(tokenizer_vocabulary(load(scratch)), 3);
    put("tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 0}, \"merges\": []}}"); /* no type: GPT-2's was so */
    ck_assert_uint_eq(tokenizer_vocabulary(load(scratch)), 1);
    ck_assert_uint_eq(tokenizer_role(load(scratch), TOKEN_EOS), TOKEN_NONE);
    put("tokenizer_config.json", "{\"eos_token\": \"a\"}");
    ck_assert_uint_eq(tokenizer_role(load(scratch), TOKEN_EOS), 0);
}
END_TEST

START_TEST(word_pieces) {
    const char *path = put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n.\n'\ns\ndo\nn\nt\n");
    const tokenizer *t = load(path);
    ck_assert_str_eq(ids_of(t, "Playing."), "2 4 5 6 3");
    ck_assert_str_eq(text_of(t, "2 4 5 6 3"), "playing.");
    ck_assert_str_eq(text_of(t, "4 4 8"), "play play s");
    token_list l;
    const encode_options pair = {.pair = {"s", 1}, .pad_to = 8}, bare = {.bare = true}, literal = {.literal = true};
    ck_assert(tokenizer_encode(t, A, D, "play", 4, &pair, &l));
    ck_assert_str_eq(list_of(l.ids, l.count), "2 4 3 8 3 0 0 0");
    ck_assert_str_eq(list_of(l.segments, l.count), "0 0 0 1 1 0 0 0");
    ck_assert(tokenizer_encode(t, A, D, "play", 4, &bare, &l));
    ck_assert_str_eq(list_of(l.ids, l.count), "4");
    ck_assert(tokenizer_encode(t, A, D, "[SEP]", 5, &literal, &l));
    ck_assert_str_eq(list_of(l.ids, l.count), "2 1 1 1 3");
    ck_assert_str_eq(ids_of(t, "[SEP]"), "2 3 3");
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_BOS), 2);
    const tokenizer_settings cased = {.lower_case = false};
    ck_assert_str_eq(ids_of(tokenizer_load(A, D, path, &cased), "Play"), "2 1 3");
}
END_TEST

TEST_MAIN("tokenizer_files", gpt2_files, gpt2_files_refused, llama2c_files, llama2c_files_refused, llama2c_mutations,
          arrays_by_rank, arrays_by_score, arrays_refused, directories, word_pieces)
