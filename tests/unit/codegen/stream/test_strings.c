/* The table of distinct strings. */
#include "codegen/stream/strings.h"
#include "ir_util.h"

START_TEST(strings_are_numbered_in_order) {
    arena *a = arena_new();
    string_table *t = string_table_new(a);
    size_t count;
    string_list(t, &count);
    ck_assert_uint_eq(count, 0);
    char text[] = "layer.0";
    ck_assert_uint_eq(string_add(t, text), 0);
    ck_assert_uint_eq(string_add(t, ""), 1);
    ck_assert_uint_eq(string_add(t, "layer.1"), 2);
    text[6] = '1'; /* the table has its own copy */
    ck_assert_uint_eq(string_add(t, text), 2);
    ck_assert_uint_eq(string_add(t, "layer.0"), 0);
    ck_assert_uint_eq(string_add(t, ""), 1);
    const char **list = string_list(t, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(list[0], "layer.0");
    ck_assert_str_eq(list[1], "");
    ck_assert_str_eq(list[2], "layer.1");
    arena_free(a);
}
END_TEST

START_TEST(many_strings_keep_their_numbers) {
    enum { MANY = 5000 };
    arena *a = arena_new();
    string_table *t = string_table_new(a);
    char text[32];
    for (int again = 0; again < 2; again++)
        for (uint32_t i = 0; i < MANY; i++) {
            snprintf(text, sizeof text, "layer.%u.attention", i);
            ck_assert_uint_eq(string_add(t, text), i);
        }
    size_t count;
    const char **list = string_list(t, &count);
    ck_assert_uint_eq(count, MANY);
    ck_assert_str_eq(list[4321], "layer.4321.attention");
    arena_free(a);
}
END_TEST

IR_MAIN("strings", strings_are_numbered_in_order, many_strings_keep_their_numbers)
