/* The JSON writer: nesting, escapes, broken UTF-8, numbers that read back. */
#include "codegen/report_util.h"

#include <float.h>
#include <math.h>

static char *write_text(const char *value) {
    memory_file f;
    json_writer w = {.out = memory_open(&f)};
    json_str(&w, NULL, value);
    return memory_close(&f);
}

static char *write_real(double value) {
    memory_file f;
    json_writer w = {.out = memory_open(&f)};
    json_real(&w, NULL, value);
    return memory_close(&f);
}

static void expect_text(const char *value, const char *wanted) {
    char *text = write_text(value);
    ck_assert_str_eq(text, wanted);
    free(text);
}

static void expect_real(double value, const char *wanted) {
    char *text = write_real(value);
    ck_assert_str_eq(text, wanted);
    free(text);
}

START_TEST(nests) {
    memory_file f;
    json_writer w = {.out = memory_open(&f)};
    json_open(&w, NULL, '{');
    json_int(&w, "a", -7);
    json_open(&w, "b", '[');
    json_bool(&w, NULL, true);
    json_open(&w, NULL, '{');
    w.compact = true;
    json_int(&w, "x", 1);
    json_int(&w, "y", INT64_MAX);
    json_close(&w, '}');
    w.compact = false;
    json_open(&w, NULL, '[');
    json_close(&w, ']');
    json_close(&w, ']');
    json_str(&w, "c", NULL);
    json_close(&w, '}');
    char *text = memory_close(&f);
    ck_assert_str_eq(text,
                     "{\n  \"a\": -7,\n  \"b\": [\n    true,\n    {\"x\": 1, \"y\": 9223372036854775807},\n    []\n  ],"
                     "\n  \"c\": null\n}\n");
    ck_assert(json_valid(text));
    free(text);
}
END_TEST

START_TEST(escapes) {
    expect_text("a\"b\\c/\b\f\n\r\t", "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\"");
    expect_text("\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"");
    expect_text("", "\"\"");
    expect_text("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80",
                "\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}
END_TEST

#define BAD "\xEF\xBF\xBD"
START_TEST(replaces_broken_utf8) {
    expect_text("\x80", "\"" BAD "\"");                         /* a continuation alone */
    expect_text("\xC0\xAF", "\"" BAD BAD "\"");                 /* overlong */
    expect_text("\xE0\x9F\xBF", "\"" BAD BAD BAD "\"");         /* overlong */
    expect_text("\xED\xA0\x80", "\"" BAD BAD BAD "\"");         /* surrogate */
    expect_text("\xF4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* above U+10FFFF */
    expect_text("\xF0\x8F\xBF\xBF", "\"" BAD BAD BAD BAD "\""); /* overlong */
    expect_text("\xFFx", "\"" BAD "x\"");
    expect_text("x\xE2\x82", "\"x" BAD BAD "\""); /* cut short by the end */
    expect_text("\xC3(", "\"" BAD "(\"");
    expect_text("\xF4\x8F\xBF\xBF\xED\x9F\xBF", "\"\xF4\x8F\xBF\xBF\xED\x9F\xBF\""); /* the last that are right */
}
END_TEST

START_TEST(numbers_are_shortest) {
    expect_real(140, "140");
    expect_real(1e6, "1000000");
    expect_real(-3, "-3");
    expect_real(0.0, "0");
    expect_real(-0.0, "0");
    expect_real(0.1, "0.1");
    expect_real(0.1 + 0.2, "0.30000000000000004");
    expect_real(1.0 / 3, "0.3333333333333333");
    expect_real(9007199254740991.0, "9007199254740991");
    expect_real(1e300, "1e+300");
    expect_real(5e-324, "5e-324");
    expect_real(NAN, "null");
    expect_real(INFINITY, "null");
    expect_real(-INFINITY, "null");
}
END_TEST

START_TEST(numbers_read_back) {
    const uint64_t seed = 20240611;
    uint64_t state = seed;
    for (int i = 0; i < 20000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = state ^ state >> 33;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        char *text = write_real(value);
        ck_assert_msg(strtod(text, NULL) == value, "seed %llu: %a printed as %s", (unsigned long long)seed, value,
                      text);
        ck_assert(json_valid(text));
        free(text);
    }
}
END_TEST

REPORT_MAIN("json_writer", nests, escapes, replaces_broken_utf8, numbers_are_shortest, numbers_read_back)
