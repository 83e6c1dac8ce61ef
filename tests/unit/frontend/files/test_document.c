/* YAML and JSON as located trees. */
#include <stdio.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend_util.h"

static doc_node *yaml(const char *text) {
    return doc_parse(A, D, "t.yaml", text, strlen(text), false);
}

static doc_node *json(const char *text) {
    return doc_parse(A, D, "t.json", text, strlen(text), true);
}

START_TEST(tree_and_places) {
    const doc_node *root = yaml("a: 1\nlist:\n  - x\n  - {p: 'q', r: [2, 3]}\n\"quoted key\": ~\n");
    EXPECT_NO_ERROR();
    ck_assert_int_eq(root->kind, DOC_MAPPING);
    ck_assert_uint_eq(root->count, 3);
    ck_assert_str_eq(root->keys[2], "quoted key");
    const doc_node *list = doc_find(root, "list");
    ck_assert_int_eq(list->kind, DOC_SEQUENCE);
    ck_assert_uint_eq(list->count, 2);
    ck_assert_uint_eq(list->loc.line, 3);
    ck_assert_uint_eq(list->items[1]->loc.line, 4);
    ck_assert_uint_eq(list->items[1]->loc.col, 5);
    const doc_node *p = doc_find(list->items[1], "p");
    ck_assert_str_eq(p->text, "q");
    ck_assert(p->quoted);
    ck_assert_uint_eq(p->loc.col, 9);
    ck_assert_str_eq(p->loc.file, "t.yaml");
    ck_assert_ptr_null(doc_find(root, "b"));
    ck_assert_ptr_null(doc_find(p, "b"));
}
END_TEST

START_TEST(empty_values_are_at_their_key) {
    const doc_node *root = yaml("one: 1\nempty:\n");
    const doc_node *n = doc_find(root, "empty");
    int64_t v;
    ck_assert_uint_eq(n->loc.line, 2);
    ck_assert(!doc_int(D, n, "empty", 0, 9, &v));
    EXPECT_ERROR("empty must be a whole number from 0 to 9, not nothing");
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "duplicate key 'a'; it stands at 1:1 already"},
        {"&x a: 1\n", "an anchor (&name) must mark a value, not a key"},
        {"a: &x 1\n*x : 2\n", "a key must be a word or number, not an alias"},
        {"a: *x\n", "the alias *x names no complete value above it"},
        {"a: &x [1, *x]\n", "the alias *x names no complete value above it"},
        {"a: !!int 1\n", "tags"},
        {"? [1, 2]\n: 3\n", "a key must be"},
        {"--- 1\n--- 2\n", "a second document"},
        {"", "empty"},
        {"# only a comment\n", "empty"},
        {"a: [1, 2\n", "not YAML"},
        {"%YAML 3.0\n---\na: 1\n", "not YAML"},
        {"a: \xff\xfe\n", "not text: the byte 0xff begins no UTF-8 character"},
        {"a: \xc0\x80\n", "byte 0xc0"},
        {"a: \xed\xa0\x80\n", "byte 0xed"},
        {"a: \xc3", "byte 0xc3"},
        {"a: \"x\\0y\"\n", "NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(!yaml(cases[i].text), "accepted: %s", cases[i].text);
        EXPECT_ERROR(cases[i].message);
    }
    ck_assert_ptr_null(doc_parse(A, D, "t", "a\0b", 3, false));
    EXPECT_ERROR("byte 0x00 is not allowed");
}
END_TEST

START_TEST(json_is_strict) {
    static const char *const bad[] = {"{\"a\":1,}",        "{'a':1}", "{\"a\":01}", "{\"a\":1 /* c */}",
                                      "{\"a\":1,\"a\":2}", "[1,2",    "{\"a\":1}}"};
    const doc_node *root = json("{\"a\": [1, \"2\", null], \"b\": {\"c\": true}}");
    EXPECT_NO_ERROR();
    ck_assert_uint_eq(doc_find(root, "a")->count, 3);
    ck_assert(doc_find(root, "a")->items[1]->quoted);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!json(bad[i]), "accepted: %s", bad[i]);
        EXPECT_ERROR("");
    }
}
END_TEST

START_TEST(json_escapes) {
    const doc_node *root = json("{\"\\ud83d\\ude00\": \"x\\uD834\\uDD1Ey\", \"\\u00e9\\u4e2d\": \"\\\\ud83d\\/\\\"\"}");
    EXPECT_NO_ERROR();
    ck_assert_str_eq(root->keys[0], "\U0001f600");
    ck_assert_str_eq(root->items[0]->text, "x\U0001d11ey");
    ck_assert_str_eq(root->keys[1], "\u00e9\u4e2d");
    ck_assert_str_eq(root->items[1]->text, "\\ud83d/\"");
    static const char *const bad[] = {"[\"\\ud83d\"]",  "[\"\\ude00\"]", "[\"\\ud83d\\u0041\"]", "[\"\\ud83d\\ud83d\"]",
                                      "[\"\\ud83dx\"]", "[\"\\u12\"]",   "[\"\\x41\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!json(bad[i]), "accepted: %s", bad[i]);
        EXPECT_ERROR("not JSON");
    }
}
END_TEST

START_TEST(messages_are_one_line) {
    const doc_node *n = json("[\"a\\nb\\u001b[1m\"]");
    int word;
    ck_assert(!doc_word(D, n->items[0], "n", "x|y", &word));
    EXPECT_ERROR("n must be x or y, not text \"a?b?[1m\"");
}
END_TEST

START_TEST(depth_is_bounded) {
    for (size_t depth = 60; depth <= 100000; depth = depth < 70 ? depth + 1 : depth * 10) {
        char *text = arena_alloc(A, depth + 1);
        memset(text, '[', depth);
        ck_assert_ptr_null(yaml(text));
        ck_assert_ptr_null(json(text));
    }
    const doc_node *n = yaml("[[[[[[[[[[1]]]]]]]]]]");
    ck_assert_ptr_nonnull(n);
}
END_TEST

/* An alias is a copy: the same value, which is changed for itself. The later of two anchors of one name counts. */
START_TEST(aliases) {
    const doc_node *n = yaml("a: &x {p: [1, &y 2], q: *y}\nb: *x\nc: [*y, *x]\nd: &x 3\ne: *x\n");
    int64_t i;
    ck_assert_ptr_nonnull(n);
    const doc_node *a = doc_find(n, "a"), *b = doc_find(n, "b"), *c = doc_find(n, "c");
    ck_assert_ptr_ne(a, b);
    ck_assert_uint_eq(b->count, 2);
    ck_assert(doc_int(D, doc_find(a, "q"), "n", 0, 9, &i) && i == 2);
    ck_assert(doc_int(D, doc_find(b, "p")->items[1], "n", 0, 9, &i) && i == 2);
    ck_assert(doc_int(D, c->items[0], "n", 0, 9, &i) && i == 2);
    ck_assert(doc_int(D, doc_find(c->items[1], "q"), "n", 0, 9, &i) && i == 2);
    ck_assert(doc_int(D, doc_find(n, "e"), "n", 0, 9, &i) && i == 3);
    ck_assert_uint_eq(b->loc.line, 1); /* where the value is written */
    EXPECT_NO_ERROR();
}
END_TEST

/* What aliases stand for is bounded in number and in depth, whatever the file. */
START_TEST(aliases_are_bounded) {
    char text[8192];
    size_t used = (size_t)snprintf(text, sizeof text, "a0: &a0 [1, 1]\n");
    for (int i = 1; i < 40; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    ck_assert_ptr_null(yaml(text));
    EXPECT_ERROR("stand for more than 65536 values");
    used = (size_t)snprintf(text, sizeof text, "a0: &a0 [1]\n");
    for (int i = 1; i < 80; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    ck_assert_ptr_null(yaml(text));
    EXPECT_ERROR("nested deeper than 64 levels");
    used = 0;
    for (int i = 0; i < 300; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "a%d: &x%d 1\n", i, i);
    ck_assert_ptr_null(yaml(text));
    EXPECT_ERROR("at most 256 anchors");
}
END_TEST

/* Numbers of YAML 1.2's core schema: 0x and 0o, without a sign. */
START_TEST(based_numbers) {
    const doc_node *n = yaml("[0x10, 0xfF, 0o17, 017, 0x, 0o8, -0x1, 0x8000000000000000]");
    static const int64_t values[] = {16, 255, 15, 17};
    int64_t i;
    for (size_t k = 0; k < n->count; k++) {
        bool good = doc_int(D, n->items[k], "n", INT64_MIN, INT64_MAX, &i);
        ck_assert_msg(good == (k < 4), "%s", n->items[k]->text);
        ck_assert(!good || i == values[k]);
        if (!good)
            EXPECT_ERROR("n must be a whole number");
    }
    for (const char *const *word = (const char *const[]){"[Null]", "[NULL]", "[~]", "[null]", NULL}; *word; word++)
        ck_assert(doc_is_null(yaml(*word)->items[0]));
    ck_assert(!doc_is_null(yaml("[nUll]")->items[0]));
}
END_TEST

START_TEST(numbers) {
    const doc_node *n = yaml("[7, -3, '7', 7.5, 1e3, .28, 99999999999999999999, 0x1g, +5, nan, inf, '', 1 2, [1]]");
    int64_t i;
    double r;
    ck_assert(doc_int(D, n->items[0], "n", 0, 10, &i) && i == 7);
    ck_assert(doc_int(D, n->items[1], "n", -5, 10, &i) && i == -3);
    ck_assert(doc_int(D, n->items[8], "n", -5, 10, &i) && i == 5);
    ck_assert(doc_real(D, n->items[3], "n", 0, 10, &r) && r == 7.5);
    ck_assert(doc_real(D, n->items[4], "n", 0, 1e4, &r) && r == 1000);
    ck_assert(doc_real(D, n->items[5], "n", 0, 1, &r) && r == .28);
    EXPECT_NO_ERROR();
    static const size_t not_ints[] = {2, 3, 4, 6, 7, 9, 11, 12, 13}, not_reals[] = {2, 7, 9, 10, 11, 12, 13};
    for (size_t k = 0; k < sizeof not_ints / sizeof *not_ints; k++) {
        ck_assert(!doc_int(D, n->items[not_ints[k]], "n", -1000, 1000, &i));
        EXPECT_ERROR("n must be a whole number from -1000 to 1000, not ");
    }
    for (size_t k = 0; k < sizeof not_reals / sizeof *not_reals; k++) {
        ck_assert(!doc_real(D, n->items[not_reals[k]], "n", 0, 1e30, &r));
        EXPECT_ERROR("n must be a number from 0 to 1e+30, not ");
    }
    ck_assert(!doc_int(D, n->items[0], "n", 8, 10, &i));
    EXPECT_ERROR("not '7'");
    ck_assert(!doc_int(D, n->items[0], "n", 0, 6, &i));
    EXPECT_ERROR("not '7'");
    ck_assert(!doc_int(D, n->items[2], "n", 0, 10, &i));
    EXPECT_ERROR("not text \"7\"");
    ck_assert(!doc_real(D, n->items[5], "n", .5, 1, &r));
    EXPECT_ERROR("from 0.5 to 1, not '.28'");
}
END_TEST

START_TEST(words_and_keys) {
    static const char *const keys[] = {"rows", "cols"};
    const doc_node *n = yaml("{drain: serail, rowz: 1, rows: 2, x: 3, yes: true, no: off, s: abc}");
    int word;
    bool b = false;
    const char *s;
    ck_assert(!doc_word(D, n->items[0], "drain", "ideal|serial|overlapped", &word));
    EXPECT_ERROR("drain must be ideal, serial or overlapped, not 'serail'; did you mean 'serial'?");
    ck_assert(doc_word(D, n->items[2], "w", "1|2|3", &word) && word == 1);
    ck_assert(doc_bool(D, n->items[4], "b", &b) && b);
    ck_assert(!doc_bool(D, n->items[5], "b", &b));
    EXPECT_ERROR("b must be true or false, not 'off'");
    ck_assert(doc_string(D, n->items[6], "s", &s));
    ck_assert_str_eq(s, "abc");
    ck_assert(!doc_keys(D, n, "vssa", keys, 2));
    ck_assert_uint_eq(diag_count(D, DIAG_ERROR), 6);
    ck_assert_uint_eq(first_place().col, 2);
    EXPECT_ERROR("unknown key 'drain' in vssa; it may have: rows, cols");
    ck_assert(!doc_keys(D, n->items[0], "vssa", keys, 2));
    EXPECT_ERROR("vssa must be a mapping (key: value), not 'serail'");
}
END_TEST

START_TEST(files) {
    const doc_node *n = doc_load(A, D, put("x.json", "{\"a\": 1}"), 0);
    ck_assert_ptr_nonnull(n);
    ck_assert_ptr_null(doc_load(A, D, put("y.json", "a: 1"), 0));
    EXPECT_ERROR("not JSON");
    ck_assert_ptr_nonnull(doc_load(A, D, put("y.yaml", "a: 1"), 0));
    ck_assert_ptr_null(doc_load(A, D, put("z.yaml", "a: 12345678"), 5));
    EXPECT_ERROR("is 11 bytes long; at most 5 are read");
}
END_TEST

START_TEST(many_keys_are_fast) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    for (int i = 0; i < 8000; i++)
        fprintf(f, "%s\"key.%d.weight\": {\"dtype\": \"F32\", \"shape\": [1, 2]}", i ? "," : "{", i);
    fputc('}', f);
    fclose(f);
    const doc_node *n = doc_parse(A, D, "big.json", text, bytes, true);
    free(text);
    EXPECT_NO_ERROR();
    ck_assert_uint_eq(n->count, 8000);
    ck_assert_str_eq(n->keys[7999], "key.7999.weight");
}
END_TEST

START_TEST(mutations) {
    static const char *const seeds[] = {
        "kind: vssa\nvssa: {arrays: 1, rows: 3, cols: 3}\ndrain: ideal  # comment\nprob_bits: row\n",
        "layers:\n- token_bits: [4, 8, 4]\n- {ratios: {0: .28, 4: .414, 8: .306}, pinned: [0]}\nname: \"a \\n b\"\n",
        "{\"a\": [1, 2.5e3, \"x\\u00e9\", null], \"b\": {\"c\": true, \"d\": \"\"}}",
    };
    uint64_t seed = 0x5eed, rounds = 0;
    printf("mutations: seed %#llx\n", (unsigned long long)seed);
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++)
        for (int i = 0; i < 1000; i++, rounds++) {
            char text[512];
            size_t n = mutate(&seed, seeds[s], strlen(seeds[s]), text, sizeof text);
            arena *whole = A;
            A = arena_new();
            D = diag_new(A, NULL);
            check_verdict(doc_parse(A, D, "fuzz", text, n, s == 2) != NULL, rounds);
            arena_free(A);
            A = whole;
        }
    D = diag_new(A, NULL);
}
END_TEST

TEST_MAIN("document", tree_and_places, empty_values_are_at_their_key, refused, json_is_strict, json_escapes,
          messages_are_one_line, depth_is_bounded, aliases, aliases_are_bounded, based_numbers, numbers, words_and_keys,
          files, many_keys_are_fast, mutations)
