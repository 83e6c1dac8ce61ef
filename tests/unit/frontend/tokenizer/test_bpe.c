/* Byte pairs from a tokenizer.json: ids worked out by hand from a dozen merges, long words against a merging loop that
 * follows the definition, what may stand around a model, and files that are refused. */
#include <stdio.h>

#include "frontend/tokenizer/tokenizers.h"
#include "frontend_util.h"
#include "ir/base/file.h"

/* Bytes as characters: U+0120 is the space, U+010A the line feed, U+00C3 U+00A9 the two bytes of an e with an accent.
 * Pieces: U+2581 for spaces, bytes to fall back to for a and for the e with an accent. */
static const char *text_of_file(const char *name) {
    size_t bytes;
    const char *path = arena_printf(A, "%s/tests/unit/frontend/tokenizer/%s", DTQC_SOURCE_DIR, name);
    const char *text = file_read(A, D, path, 1 << 16, &bytes);
    ck_assert_msg(text, "%s", first_error());
    return text;
}

static const char *bytes_json(void) {
    return text_of_file("bpe_bytes.json");
}

static const char *pieces_json(void) {
    return text_of_file("bpe_pieces.json");
}

static tokenizer *load(const char *json) {
    tokenizer *t = tokenizer_load(A, D, put("tokenizer.json", json), NULL);
    EXPECT_NO_ERROR();
    ck_assert_ptr_nonnull(t);
    return t;
}

/** `json` with one piece of its text replaced. */
static const char *changed(const char *json, const char *from, const char *to) {
    const char *at = strstr(json, from);
    ck_assert_msg(at, "no '%s' to change", from);
    return arena_printf(A, "%s%s%s", arena_strndup(A, json, (size_t)(at - json)), to, at + strlen(from));
}

static const char *list_of(const uint32_t *ids, size_t count) {
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = arena_printf(A, "%s%s%u", text, i ? " " : "", ids[i]);
    return text;
}

static const char *ids_with(const tokenizer *t, const char *text, const encode_options *o) {
    token_list l;
    ck_assert_msg(tokenizer_encode(t, A, D, text, strlen(text), o, &l), "%s", first_error());
    return list_of(l.ids, l.count);
}

static const char *ids_of(const tokenizer *t, const char *text) {
    return ids_with(t, text, NULL);
}

static const char *text_of(const tokenizer *t, const char *ids, const decode_options *o) {
    uint32_t list[64];
    size_t count = 0;
    for (char *p = (char *)ids; *p && count < 64;)
        list[count++] = (uint32_t)strtoul(p, &p, 10);
    return tokenizer_decode(t, A, list, count, o).text;
}

/* ---- ids --------------------------------------------------------------------------------------------------------- */

START_TEST(merges_by_rank) {
    static const struct {
        const char *text, *ids;
    } cases[] = {
        {"", ""},
        {"a", "0"},
        {"ab", "5"},
        {"abc", "6"},    /* bc first, then a bc */
        {" abc", "3 6"}, /* a bc goes before the space and a */
        {" ab", "3 5"},
        {" ac", "7 2"},
        {"aab", "0 5"}, /* the leftmost pair that merges */
        {"ababab", "13 5"},
        {"abababab", "13 13"},
        {"1212", "8 9 8 9"}, /* digits stand alone, though 12 is a token */
        {"\u00e9", "12"},
        {"a\nb", "0 14 1"},
        {"azb", "5"}, /* a byte without a token leaves nothing, not even a gap */
        {"a<e>b", "0 19 1"},
        {"<e><e>", "19 19"},
        {"<e", "16"},
        {"<b>a", "20 0"},
        {"a  b", "0 3 3 1"},
    };
    const tokenizer *t = load(bytes_json());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(strcmp(ids_of(t, cases[i].text), cases[i].ids) == 0, "'%s': %s, not %s", cases[i].text,
                      ids_of(t, cases[i].text), cases[i].ids);
    ck_assert_uint_eq(tokenizer_vocabulary(t), 22);
    ck_assert_str_eq(tokenizer_token(t, 6).text, "abc");
    ck_assert_ptr_null(tokenizer_token(t, 22).text);
    ck_assert_uint_eq(tokenizer_find(t, "\u0120a", 3), 7);
    ck_assert_uint_eq(tokenizer_find(t, " a", 2), TOKEN_NONE);
}
END_TEST

typedef struct {
    uint32_t left, right, result;
} merge;

/** The definition: the best pair, of equal ones the leftmost, until none is left. Letters from a on are the ids from 0.
 */
static const char *merged_slowly(const merge *merges, size_t count, const char *text) {
    uint32_t ids[512];
    size_t n = 0;
    for (; text[n]; n++)
        ids[n] = (uint32_t)(text[n] - 'a');
    for (bool found = true; found;) {
        found = false;
        for (size_t m = 0; m < count && !found; m++) {
            for (size_t i = 0; i + 1 < n && !found; i++) {
                if (ids[i] != merges[m].left || ids[i + 1] != merges[m].right)
                    continue;
                ids[i] = merges[m].result;
                memmove(ids + i + 1, ids + i + 2, (n - i - 2) * sizeof *ids);
                n--;
                found = true;
            }
        }
    }
    return list_of(ids, n);
}

static const char *random_word(uint64_t *random, uint64_t most, unsigned letters) {
    size_t n = 1 + (size_t)(next_random(random) % most);
    char *text = arena_alloc(A, n + 1);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + next_random(random) % letters);
    return text;
}

/** A token that no merge makes has all pairs of letters beside each other, so that no word is cut. */
START_TEST(long_words) {
    static const merge merges[] = {{1, 2, 4}, {0, 1, 5}, {0, 4, 6}, {3, 0, 7}, {10, 11, 12}, {8, 9, 15}, {5, 5, 13}};
    const tokenizer *t = load(bytes_json());
    uint64_t random = 5;
    for (int round = 0; round < 400; round++) {
        const char *text = random_word(&random, round < 200 ? 40 : 500, 3);
        ck_assert_str_eq(ids_of(t, text), merged_slowly(merges, sizeof merges / sizeof *merges, text));
    }
}
END_TEST

/** Merges of any two tokens, in any order. */
START_TEST(random_vocabularies) {
    enum { LETTERS = 4, TOKENS = 24 };
    uint64_t random = 9;
    for (int round = 0; round < 150; round++) {
        const char *texts[TOKENS] = {"a", "b", "c", "d"}, *vocab = "\"aabbccddacadbdcbdba\": 99", *list = "";
        merge merges[TOKENS];
        size_t tokens = LETTERS, count = 0;
        for (size_t i = 0; i < LETTERS; i++)
            vocab = arena_printf(A, "%s, \"%s\": %zu", vocab, texts[i], i);
        while (tokens < TOKENS) {
            merge m = {(uint32_t)(next_random(&random) % tokens), (uint32_t)(next_random(&random) % tokens), 0};
            const char *text = arena_printf(A, "%s%s", texts[m.left], texts[m.right]);
            bool known = false;
            for (size_t i = 0; i < tokens; i++)
                known = known || strcmp(texts[i], text) == 0;
            if (known)
                continue;
            vocab = arena_printf(A, "%s, \"%s\": %zu", vocab, text, tokens);
            m.result = (uint32_t)tokens;
            texts[tokens++] = text;
            size_t at = (size_t)(next_random(&random) % (count + 1));
            memmove(merges + at + 1, merges + at, (count++ - at) * sizeof *merges);
            merges[at] = m;
        }
        for (size_t i = 0; i < count; i++)
            list = arena_printf(A, "%s%s\"%s %s\"", list, i ? ", " : "", texts[merges[i].left], texts[merges[i].right]);
        const tokenizer *t = load(arena_printf(A, "{\"model\": {\"vocab\": {%s}, \"merges\": [%s]}}", vocab, list));
        for (int i = 0; i < 8; i++) {
            const char *text = random_word(&random, i < 2 ? 24 : 200, LETTERS);
            ck_assert_str_eq(ids_of(t, text), merged_slowly(merges, count, text));
        }
    }
}
END_TEST

/** A million letters without a cut are no more than that. */
START_TEST(very_long_words) {
    enum { COUNT = 1 << 20 };
    const tokenizer *t = load(bytes_json());
    char *text = arena_alloc(A, COUNT + 1);
    memset(text, 'a', COUNT);
    for (size_t i = 1; i < COUNT; i += 2)
        text[i] = 'b';
    token_list l;
    ck_assert(tokenizer_encode(t, A, D, text, COUNT, NULL, &l));
    ck_assert_uint_eq(l.count, COUNT / 4);
    for (size_t i = 0; i < l.count; i++)
        ck_assert_uint_eq(l.ids[i], 13);
    memset(text, 'b', COUNT);
    ck_assert(tokenizer_encode(t, A, D, text, COUNT, NULL, &l));
    ck_assert_uint_eq(l.count, COUNT);
}
END_TEST

START_TEST(bytes_to_fall_back_to) {
    static const struct {
        const char *text, *ids;
    } cases[] = {
        {"", "1"},
        {"b", "1 9"},
        {"bc", "1 9 8"},
        {" b", "1 6 9"}, /* the space before, and its own; two make a token, but later */
        {"\u00e9b", "1 6 3 4 7"},
        {"a", "1 6 5"},
        {"xyb", "1 6 0 7"},        /* no bytes for x: one unknown token for both */
        {"x\u00e9y", "1 6 3 4 0"}, /* the unknown waits behind bytes */
        {"b</s>b", "1 9 2 9"},     /* every part gets a space before */
        {"  ", "1 11 6"},
    };
    const tokenizer *t = load(pieces_json());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(strcmp(ids_of(t, cases[i].text), cases[i].ids) == 0, "'%s': %s, not %s", cases[i].text,
                      ids_of(t, cases[i].text), cases[i].ids);
    ck_assert_str_eq(ids_of(load(changed(pieces_json(), "\"fuse_unk\": true", "\"fuse_unk\": false")), "xyb"),
                     "1 6 0 0 7");
    ck_assert_str_eq(ids_of(load(changed(pieces_json(), "\"unk_token\": \"<unk>\"", "\"unk_token\": null")), "xyb"),
                     "1 9");
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_UNK), 0);
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_BOS), 1);
    ck_assert_uint_eq(tokenizer_role(t, TOKEN_EOS), TOKEN_NONE);
}
END_TEST

START_TEST(whole_words) {
    ck_assert_str_eq(ids_of(load(bytes_json()), "abab"), "13");
    const char *no_such_merge = changed(bytes_json(), ", \"ab ab\"]", "]");
    ck_assert_str_eq(ids_of(load(no_such_merge), "abab\u00e9 ab"), "5 5 12 3 5");
    const tokenizer *t = load(changed(no_such_merge, "\"ignore_merges\": false", "\"ignore_merges\": true"));
    ck_assert_str_eq(ids_of(t, "abab"), "13");
    ck_assert_str_eq(ids_of(t, "ababa"), "5 5 0");
    ck_assert_str_eq(ids_of(t, " a"), "7"); /* known as the vocabulary spells it */
}
END_TEST

START_TEST(added_tokens) {
    static const struct {
        const char *flags, *text, *ids;
    } cases[] = {
        {"", "a <b> b", "0 3 20 3 1"},
        {", \"lstrip\": true", "a  <b> b", "0 20 3 1"},
        {", \"rstrip\": true", "a <b>\u3000 b", "0 3 20 1"},
        {", \"lstrip\": true, \"rstrip\": true", "a <b>  <b> b", "0 20 20 1"},
        {", \"single_word\": true", "a<b> <b> <b>c", "0 1 3 20 3 1 2"},
        {", \"single_word\": true", "\u00e9<b> \u0301<b>", "12 1 3 17 18 1"}, /* letters and marks beyond ASCII */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *flags = arena_printf(A, "\"special\": false, \"normalized\": false%s}]", cases[i].flags);
        const tokenizer *t = load(changed(bytes_json(), "\"special\": false, \"normalized\": false}]", flags));
        ck_assert_str_eq(ids_of(t, cases[i].text), cases[i].ids);
    }
    const encode_options literal = {.literal = true};
    ck_assert_str_eq(ids_with(load(bytes_json()), "a<e><b>", &literal), "0 16 20"); /* < and > have no tokens */
}
END_TEST

START_TEST(longest_added_token) {
    const char *more = "{\"id\": 20, \"content\": \"<b>\", \"normalized\": false},\n"
                       "  {\"id\": 30, \"content\": \"<b>c\", \"normalized\": false},"
                       "  {\"id\": 31, \"content\": \"c<\", \"normalized\": false},"
                       "  {\"id\": 32, \"content\": \"\", \"normalized\": false}]";
    const tokenizer *t = load(
        changed(bytes_json(), "{\"id\": 20, \"content\": \"<b>\", \"special\": false, \"normalized\": false}]", more));
    ck_assert_str_eq(ids_of(t, "<b>c<b>"), "30 20");
    ck_assert_str_eq(ids_of(t, "c<b>c"), "31 1 2");
}
END_TEST

START_TEST(normal_forms) {
    static const struct {
        const char *type, *text, *ids;
    } cases[] = {
        {"NFC", "e\u0301", "12"},
        {"NFD", "\u00e9", "16 17 18"},           /* e and the mark */
        {"NFD", "e\u0301\u0327", "16 17 17 18"}, /* the cedilla goes first; 0xA7 has no token */
        {"NFKC", "e\u0301\u2460", "12 8"},
        {"NFKD", "\u00e9\u2460", "16 17 18 8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *said = arena_printf(A, "\"normalizer\": {\"type\": \"%s\"}", cases[i].type);
        ck_assert_str_eq(ids_of(load(changed(bytes_json(), "\"normalizer\": null", said)), cases[i].text),
                         cases[i].ids);
    }
    const char *nfc = changed(bytes_json(), "\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}");
    const char *both = changed(nfc, "\"content\": \"<b>\", \"special\": false, \"normalized\": false",
                               "\"content\": \"e\\u0301\", \"special\": false, \"normalized\": true");
    ck_assert_str_eq(ids_of(load(both), "\u00e9ae\u0301"), "20 0 20"); /* what is found is normalised, too */
    ck_assert_str_eq(ids_of(load(changed(both, "\"normalized\": true", "\"normalized\": false")), "\u00e9ae\u0301"),
                     "12 0 20");
}
END_TEST

/** Marks out of order cost no more than marks in order. */
START_TEST(many_marks) {
    enum { MARKS = 200000 };
    const tokenizer *t = load(changed(bytes_json(), "\"normalizer\": null", "\"normalizer\": {\"type\": \"NFD\"}"));
    char *text = arena_alloc(A, MARKS * 4 + 1), *p = text;
    for (int i = 0; i < MARKS; i++)
        p = stpcpy(p, i % 2 ? "\u0327" : "\u0301"); /* classes 202 and 230 */
    token_list l;
    ck_assert(tokenizer_encode(t, A, D, text, strlen(text), NULL, &l));
    ck_assert_uint_eq(l.count, MARKS + MARKS / 2); /* 0xA7 has no token */
}
END_TEST

START_TEST(metaspace) {
    static const char from[] = "\"normalizer\": {\"type\": \"Sequence\"";
    const char *plain = changed(pieces_json(), "\"pre_tokenizer\": null",
                                "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\\u2581\", "
                                "\"prepend_scheme\": \"first\", \"split\": true}");
    plain = changed(plain, from, "\"was\": {\"type\": \"Sequence\"");
    ck_assert_str_eq(ids_of(load(plain), "b  b"), "1 9 6 9");
    ck_assert_str_eq(ids_of(load(plain), "b</s>b"), "1 9 2 7"); /* only what begins the text gets a space */
    ck_assert_str_eq(ids_of(load(changed(plain, "\"first\"", "\"always\"")), "b</s>b"), "1 9 2 9");
    ck_assert_str_eq(ids_of(load(changed(plain, "\"first\"", "\"never\"")), "b b"), "1 7 9");
    ck_assert_str_eq(ids_of(load(changed(plain, "\"split\": true", "\"split\": false")), "b   c"), "1 9 11 6 8");
}
END_TEST

/* ---- frames ------------------------------------------------------------------------------------------------------ */

START_TEST(frames_around_texts) {
    const tokenizer *t = load(pieces_json());
    token_list l;
    const encode_options pair = {.pair = {"c", 1}};
    ck_assert(tokenizer_encode(t, A, D, "b", 1, &pair, &l));
    ck_assert_str_eq(list_of(l.ids, l.count), "1 9 2 6 8");
    ck_assert_str_eq(list_of(l.segments, l.count), "0 0 1 1 1");
    ck_assert(!l.truncated);
    const encode_options bare = {.bare = true};
    ck_assert_str_eq(ids_with(t, "b", &bare), "9");
    const encode_options limit = {.limit = 3};
    ck_assert(tokenizer_encode(t, A, D, "bbbb", 4, &limit, &l));
    ck_assert_str_eq(list_of(l.ids, l.count), "1 9 7");
    ck_assert(l.truncated);
    const encode_options padded = {.pad_to = 4};
    ck_assert(!tokenizer_encode(t, A, D, "b", 1, &padded, &l));
    EXPECT_ERROR("no token to pad with");
    const encode_options few = {.pair = {"c", 1}, .limit = 1};
    ck_assert(!tokenizer_encode(t, A, D, "b", 1, &few, &l));
    EXPECT_ERROR("1 tokens are too few");
    ck_assert(!tokenizer_encode(t, A, D, "a\xff", 2, NULL, &l));
    EXPECT_ERROR("byte 0xff at offset 1");
    const encode_options broken = {.pair = {"\xc3", 1}};
    ck_assert(!tokenizer_encode(t, A, D, "a", 1, &broken, &l));
    EXPECT_ERROR("the second text of the pair is not UTF-8");
}
END_TEST

START_TEST(other_post_processors) {
    static const char roberta[] = "\"post_processor\": {\"type\": \"RobertaProcessing\", \"sep\": [\"b\", 1],"
                                  " \"cls\": [\"a\", 0], \"trim_offsets\": true, \"add_prefix_space\": false}";
    const tokenizer *t = load(changed(bytes_json(), "\"post_processor\": null", roberta));
    token_list l;
    const encode_options pair = {.pair = {"ab", 2}};
    ck_assert(tokenizer_encode(t, A, D, "c", 1, &pair, &l));
    ck_assert_str_eq(list_of(l.ids, l.count), "0 2 1 1 5 1");
    ck_assert_str_eq(list_of(l.segments, l.count), "0 0 0 0 0 0");
    const char *byte_level =
        "\"post_processor\": {\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}]}";
    t = load(changed(bytes_json(), "\"post_processor\": null", byte_level));
    ck_assert(tokenizer_encode(t, A, D, "c", 1, &pair, &l));
    ck_assert_str_eq(list_of(l.ids, l.count), "2 5");
    ck_assert_str_eq(list_of(l.segments, l.count), "0 1");
}
END_TEST

/* ---- texts ------------------------------------------------------------------------------------------------------- */

START_TEST(decoding) {
    const decode_options control = {.control = true}, continues = {.continues = true};
    const tokenizer *t = load(bytes_json());
    ck_assert_str_eq(text_of(t, "3 6 12 14", NULL), " abc\u00e9\n");
    ck_assert_str_eq(text_of(t, "0 19 20 99", NULL), "a<b>"); /* no control tokens, nothing for an id without one */
    ck_assert_str_eq(text_of(t, "0 19", &control), "a<e>");
    ck_assert_str_eq(text_of(t, "10", NULL), "\xc3"); /* half a character is that byte */
    ck_assert_str_eq(text_of(t, "", NULL), "");
    t = load(pieces_json());
    ck_assert_str_eq(text_of(t, "1 9 6 3 4 2", NULL), "b \u00e9");
    ck_assert_str_eq(text_of(t, "1 9 6 3 4 2", &control), "<s> b \u00e9</s>");
    ck_assert_str_eq(text_of(t, "9 9", &continues), " b b");
    ck_assert_str_eq(text_of(t, "11 7", NULL), " b"); /* one space goes */
    const char *at = strstr(pieces_json(), "{\"type\": \"Sequence\", \"decoders\"");
    const char *end = strstr(at, "]},\n");
    const char *old = arena_strndup(A, at, (size_t)(end - at) + 2);
    t = load(changed(pieces_json(), old, "{\"type\": \"Metaspace\", \"replacement\": \"\\u2581\"}"));
    ck_assert_str_eq(text_of(t, "9 9", NULL), "b b");
    ck_assert_str_eq(text_of(t, "9 9", &continues), " b b");
    t = load(changed(pieces_json(), old, "null"));
    ck_assert_str_eq(text_of(t, "7 8", NULL), "b c");
}
END_TEST

START_TEST(what_was_encoded) {
    const tokenizer *t = load(bytes_json());
    static const char *const texts[] = {"abc 12\n\n a", "\u00e9 \u00e9", "  ab<e>", ""};
    const decode_options control = {.control = true};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_str_eq(text_of(t, ids_of(t, texts[i]), &control), texts[i]);
}
END_TEST

/* ---- refused ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *from, *to, *says;
    uint32_t line;
} refused[] = {
    {"\"type\": \"BPE\"", "\"type\": \"WordLevel\"", "model.type", 10},
    {"\"normalizer\": null", "\"normalizer\": {\"type\": \"Nmt\"}", "not text \"Nmt\"", 5},
    {"\"normalizer\": null", "\"normalizer\": {}", "normalizer has no type", 5},
    {"\"normalizer\": null", "\"normalizer\": 3", "normalizer", 5},
    {"\"normalizer\": null",
     "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a\"}, \"content\": \"b\"}",
     "the regular expression of a Replace must be", 5},
    {"\"normalizer\": null",
     "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"b\"}",
     "must not be empty", 5},
    {"\"type\": \"Digits\", \"individual_digits\": true", "\"type\": \"UnicodeScripts\"", "not text \"UnicodeScripts\"",
     6},
    {"\"type\": \"Digits\", \"individual_digits\": true", "\"type\": \"ByteLevel\"", "behind ByteLevel", 7},
    {"\"type\": \"Digits\", \"individual_digits\": true",
     "\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\w+\"}, \"behavior\": \"Isolated\", \"invert\": false",
     "the regular expression is none", 6},
    {"\"type\": \"Digits\", \"individual_digits\": true",
     "\"type\": \"Split\", \"pattern\": {\"String\": \"a\"}, \"behavior\": \"Contiguous\", \"invert\": false",
     "not text \"Contiguous\"", 6},
    {"\"type\": \"Digits\", \"individual_digits\": true",
     "\"type\": \"Split\", \"pattern\": {\"String\": \"a\"}, \"behavior\": \"Isolated\", \"invert\": true", "invert",
     6},
    {"\"type\": \"Digits\", \"individual_digits\": true", "\"type\": \"Sequence\"", "without pretokenizers", 6},
    {"\"post_processor\": null", "\"post_processor\": {\"type\": \"BertProcessing\"}", "not text \"BertProcessing\"",
     8},
    {"\"post_processor\": null", "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [], \"pair\": []}",
     "must have $A once", 8},
    {"\"post_processor\": null",
     "\"post_processor\": {\"type\": \"RobertaProcessing\", \"sep\": [\"b\", 1], \"cls\": [\"a\", 77]}",
     "no token has the id 77", 8},
    {"\"decoder\": {\"type\": \"ByteLevel\"", "\"decoder\": {\"type\": \"CTC\"", "not text \"CTC\"", 9},
    {"\"dropout\": null", "\"dropout\": 0.1", "model.dropout", 10},
    {"\"unk_token\": null", "\"unk_token\": \"<none>\"", "model.unk_token", 10},
    {"\"continuing_subword_prefix\": \"\"", "\"continuing_subword_prefix\": \"##\"", "continuing_subword_prefix", 10},
    {"\"end_of_word_suffix\": null", "\"end_of_word_suffix\": \"</w>\"", "end_of_word_suffix", 11},
    {"\"id\": 19", "\"id\": 14", "is another token's", 13},
    {"\"content\": \"<e>\"", "\"content\": \"ab\"", "the id 19, but 5 in model.vocab", 3},
    {"\"content\": \"<e>\", ", "", "must have a content and an id", 3},
    {"\"a\": 0", "\"a\": -1", "a token's id", 12},
    {"\"a\": 0", "\"a\": 1", "the id 1 is another token's", 12},
    {"\"b c\"", "\"b  c\"", "one space between", 16},
    {"\"b c\"", "\"bc\"", "one space between", 16},
    {"\"b c\"", "\" c\"", "one space between", 16},
    {"\"b c\"", "\"x c\"", "the left side 'x' of a merge", 16},
    {"\"b c\"", "\"b x\"", "the right side 'x' of a merge", 16},
    {"\"b c\"", "\"c b\"", "the result 'cb' of a merge", 16},
    {"\"merges\"", "\"merged\"", "model.merges is missing", 10},
    {"\"vocab\"", "\"words\"", "model.vocab is missing", 10},
};

START_TEST(refusals) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *path = put("tokenizer.json", changed(bytes_json(), refused[i].from, refused[i].to));
        ck_assert_msg(!tokenizer_load(A, D, path, NULL), "'%s' was taken", refused[i].to);
        ck_assert_msg(first_place().line == refused[i].line, "'%s': in line %u, not %u: %s", refused[i].to,
                      first_place().line, refused[i].line, first_error());
        EXPECT_ERROR(refused[i].says);
    }
}
END_TEST

START_TEST(long_added_token) {
    char *text = arena_alloc(A, 1026);
    memset(text, 'x', 1025);
    const char *json = changed(bytes_json(), "\"<b>\"", arena_printf(A, "\"%s\"", text));
    ck_assert_ptr_null(tokenizer_load(A, D, put("tokenizer.json", json), NULL));
    EXPECT_ERROR("an added token of 1025 bytes");
}
END_TEST

START_TEST(mutations) {
    uint64_t random = 0xB9E;
    const char *const files[] = {bytes_json(), pieces_json()};
    char text[4096];
    for (uint64_t round = 0; round < 3000; round++) {
        const char *json = files[round % 2];
        size_t n = mutate(&random, json, strlen(json), text, sizeof text);
        D = diag_new(A, NULL);
        tokenizer *t = tokenizer_load(A, D, put_bytes("tokenizer.json", text, n), NULL);
        check_verdict(t != NULL, round);
        static const char said[] = "abc <e> \u00e9 12 b";
        token_list l;
        if (t && tokenizer_encode(t, A, D, said, sizeof said - 1, NULL, &l))
            tokenizer_decode(t, A, l.ids, l.count, NULL);
    }
}
END_TEST

TEST_MAIN("bpe", merges_by_rank, long_words, random_vocabularies, very_long_words, bytes_to_fall_back_to, whole_words,
          added_tokens, longest_added_token, normal_forms, many_marks, metaspace, frames_around_texts,
          other_post_processors, decoding, what_was_encoded, refusals, long_added_token, mutations)
