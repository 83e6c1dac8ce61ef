/* Pre-tokenisers against what two independent implementations of regular expressions (Oniguruma's and Python's regex)
 * make of the originals' expressions. */
#include "frontend/tokenizer/split.h"
#include "frontend_util.h"

typedef struct {
    char *text;
    size_t count;
} cut_list;

static void add_cut(void *user, const char *word, size_t bytes) {
    cut_list *l = user;
    l->text = arena_printf(A, "%s%s%.*s", l->text, l->count++ ? "|" : "", (int)bytes, word);
}

/** "a| b" */
static const char *cuts(const split_step *steps, size_t count, const char *text, bool first) {
    cut_list l = {arena_strdup(A, ""), 0};
    split_text(steps, count, A, text, strlen(text), first, add_cut, &l);
    return l.text;
}

static const struct {
    const char *text, *gpt2, *llama3, *qwen2, *smollm, *numbers;
} cases[] = {
    {"Hello world", "Hello| world", "Hello| world", "Hello| world", "Hello| world", "Hello world"},
    {"it's IT'S we'll 'tis ''re", "it|'s| IT|'|S| we|'ll| '|tis| ''|re", "it|'s| IT|'S| we|'ll| '|tis| ''|re",
     "it|'s| IT|'S| we|'ll| '|tis| ''|re", "it|'s| IT|'|S| we|'ll| '|tis| ''|re", "it's IT'S we'll 'tis ''re"},
    {"a  b   c", "a| | b|  | c", "a| | b|  | c", "a| | b|  | c", "a| | b|  | c", "a  b   c"},
    {"x\n\n  y \n", "x|\n\n | y| \n", "x|\n\n| | y| \n", "x|\n\n| | y| \n", "x|\n\n | y| \n", "x\n\n  y \n"},
    {"  lead", " | lead", " | lead", " | lead", " | lead", "  lead"},
    {"tail  ", "tail|  ", "tail|  ", "tail|  ", "tail|  ", "tail  "},
    {"12345 67", "12345| 67", "123|45| |67", "1|2|3|4|5| |6|7", "1|2|3|4|5| |6|7", "12345| |67"},
    {"a1b22", "a|1|b|22", "a|1|b|22", "a|1|b|2|2", "a|1|b|2|2", "a|1|b|22"},
    {"\u00a0\u00a0x", "\u00a0|\u00a0|x", "\u00a0|\u00a0x", "\u00a0|\u00a0x", "\u00a0|\u00a0|x", "\u00a0\u00a0x"},
    {"!? ok...", "!?| ok|...", "!?| ok|...", "!?| ok|...", "!?| ok|...", "!? ok..."},
    {"\u00e9\u00e8 \u4e2d\u6587", "\u00e9\u00e8| \u4e2d\u6587", "\u00e9\u00e8| \u4e2d\u6587",
     "\u00e9\u00e8| \u4e2d\u6587", "\u00e9\u00e8| \u4e2d\u6587", "\u00e9\u00e8 \u4e2d\u6587"},
    {"\u00bd\u2167 \u0663", "\u00bd\u2167| \u0663", "\u00bd\u2167| |\u0663", "\u00bd|\u2167| |\u0663",
     "\u00bd|\u2167| |\u0663", "\u00bd\u2167| |\u0663"},
    {"'\u017f'S", "'|\u017f|'|S", "'\u017f|'S", "'\u017f|'S", "'|\u017f|'|S", "'\u017f'S"}, /* a long s is an s */
    {"\r\n\r\n a", "\r\n\r\n| a", "\r\n\r\n| a", "\r\n\r\n| a", "\r\n\r\n| a", "\r\n\r\n a"},
    {"a\u0301b", "a|\u0301|b", "a|\u0301b", "a|\u0301b", "a|\u0301|b", "a\u0301b"},
    {"!\n\nx", "!|\n|\n|x", "!\n\n|x", "!\n\n|x", "!|\n|\n|x", "!\n\nx"},
    {" 5  6", " 5| | 6", " |5| | |6", " |5| | |6", " |5|  |6", " |5|  |6"}, /* no look-ahead over a cut */
    {"\u2003\u3000z", "\u2003|\u3000|z", "\u2003|\u3000z", "\u2003|\u3000z", "\u2003|\u3000|z", "\u2003\u3000z"},
    {"", "", "", "", "", ""},
};

START_TEST(expressions) {
    split_step gpt2, llama3, qwen2;
    ck_assert(
        split_of_pattern("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", &gpt2));
    ck_assert(split_of_pattern("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
                               " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                               &llama3));
    ck_assert(split_of_pattern("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
                               " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                               &qwen2));
    ck_assert(!split_of_pattern("\\w+", &gpt2));
    const split_step smollm[2] = {{.kind = SPLIT_DIGITS, .digits = 1}, gpt2};
    const split_step numbers = {.kind = SPLIT_DIGITS, .digits = UINT32_MAX};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_str_eq(cuts(&gpt2, 1, cases[i].text, true), cases[i].gpt2);
        ck_assert_str_eq(cuts(&llama3, 1, cases[i].text, true), cases[i].llama3);
        ck_assert_str_eq(cuts(&qwen2, 1, cases[i].text, true), cases[i].qwen2);
        ck_assert_str_eq(cuts(smollm, 2, cases[i].text, true), cases[i].smollm);
        ck_assert_str_eq(cuts(&numbers, 1, cases[i].text, true), cases[i].numbers);
        ck_assert_str_eq(cuts(NULL, 0, cases[i].text, true), cases[i].text);
    }
}
END_TEST

START_TEST(texts) {
    static const struct {
        split_separator separator;
        const char *cuts;
    } separators[] = {{SEPARATOR_ISOLATED, "-|a|-|-|b|-"},
                      {SEPARATOR_REMOVED, "a|b"},
                      {SEPARATOR_WITH_PREVIOUS, "-|a-|-|b-"},
                      {SEPARATOR_WITH_NEXT, "-a|-|-b|-"}};
    for (size_t i = 0; i < sizeof separators / sizeof *separators; i++) {
        split_step s = {.kind = SPLIT_TEXT, .text = "-", .bytes = 1, .separator = separators[i].separator};
        ck_assert_str_eq(cuts(&s, 1, "-a--b-", true), separators[i].cuts);
    }
}
END_TEST

START_TEST(spaces) {
    static const struct {
        split_prepend prepend;
        bool first;
        const char *text, *cuts;
    } marks[] = {
        {PREPEND_ALWAYS, false, "a b", "_a|_b"}, {PREPEND_FIRST, true, "a b", "_a|_b"},
        {PREPEND_FIRST, false, "a b", "a|_b"},   {PREPEND_NEVER, true, "a b", "a|_b"},
        {PREPEND_ALWAYS, true, " a", "_a"}, /* one is there */
        {PREPEND_ALWAYS, true, "_a", "_a"},      {PREPEND_ALWAYS, true, "  a ", "_|_a|_"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const split_step steps[2] = {{.kind = SPLIT_SPACE, .text = "_", .bytes = 1, .prepend = marks[i].prepend},
                                     {.kind = SPLIT_TEXT, .text = "_", .bytes = 1, .separator = SEPARATOR_WITH_NEXT}};
        ck_assert_str_eq(cuts(steps, 2, marks[i].text, marks[i].first), marks[i].cuts);
    }
    const split_step prefix[2] = {{.kind = SPLIT_PREFIX}, {.kind = SPLIT_GPT2}};
    ck_assert_str_eq(cuts(prefix, 2, "a b", true), " a| b");
    ck_assert_str_eq(cuts(prefix, 2, " a b", true), " a| b");
}
END_TEST

/** llama.cpp's default, four expressions one after the other, as Python's regex cuts by them. */
START_TEST(default_of_llama_cpp) {
    static const char *const rows[][2] = {
        {"don't", "don|'|t"},
        {"#include <stdio.h>", "#|include| |<|stdio|.|h|>"},
        {"a  b\n\n c12345 6789", "a| | b|\n\n| c|123|45| |678|9"},
        {"x\u0661\u0662\u0663\u06641234 \u00bd", "x|\u0661\u0662\u0663\u0664|123|4| |\u00bd"},
        {"a`b\u00abc\u00bb $9.50", "a|`|b|\u00ab|c|\u00bb| |$|9|.|50"},
        {"1\u066123 ~==> ok...\n\nx  ", "1\u066123| |~==>| ok|...|\n|\n|x|  "},
        {"\u4e2d\u6587\u3002 12", "\u4e2d\u6587|\u3002| |12"},
    };
    static const split_step steps[] = {{.kind = SPLIT_MARKS},
                                       {.kind = SPLIT_GPT2},
                                       {.kind = SPLIT_DIGITS, .digits = UINT32_MAX},
                                       {.kind = SPLIT_TRIPLE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_str_eq(cuts(steps, 4, rows[i][0], true), rows[i][1]);
}
END_TEST

TEST_MAIN("split", expressions, texts, spaces, default_of_llama_cpp)
