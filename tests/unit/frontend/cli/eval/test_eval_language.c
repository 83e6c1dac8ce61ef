/* Windows over running text, and what a language model's logits cost. */
#include "frontend_util.h"

#include <math.h>
#include <string.h>

#include "frontend/cli/eval/task.h"
#include "frontend/cli/eval/windows.h"

static void expect(size_t tokens, window_rule rule, size_t count, const window *wanted) {
    arena *a = arena_new();
    size_t got;
    const window *list = windows_cut(a, tokens, &rule, &got);
    ck_assert_uint_eq(got, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(list[i].from, wanted[i].from);
        ck_assert_uint_eq(list[i].count, wanted[i].count);
        ck_assert_uint_eq(list[i].scored, wanted[i].scored);
    }
    arena_free(a);
}

START_TEST(strides) {
    expect(10, (window_rule){4, 2, false, 0}, 4, (const window[]){{0, 4, 1}, {2, 4, 2}, {4, 4, 2}, {6, 4, 2}});
    expect(9, (window_rule){4, 2, false, 0}, 4, (const window[]){{0, 4, 1}, {2, 4, 2}, {4, 4, 2}, {5, 4, 3}});
    expect(10, (window_rule){4, 4, false, 0}, 3,
           (const window[]){{0, 4, 1}, {4, 4, 1}, {6, 4, 2}}); /* 4 has none before it */
    expect(4, (window_rule){4, 1, false, 0}, 1, (const window[]){{0, 4, 1}});
    expect(3, (window_rule){4, 1, false, 0}, 1, (const window[]){{0, 3, 1}});
    expect(1, (window_rule){4, 1, false, 0}, 0, NULL);
    expect(9, (window_rule){4, 4, true, 0}, 3, (const window[]){{0, 4, 0}, {4, 4, 0}, {5, 4, 3}});
    expect(9, (window_rule){4, 2, true, 0}, 4, (const window[]){{0, 4, 0}, {2, 4, 2}, {4, 4, 2}, {5, 4, 3}});
    expect(1, (window_rule){4, 4, true, 0}, 1, (const window[]){{0, 1, 0}});
    expect(0, (window_rule){4, 1, false, 0}, 0, NULL);
}
END_TEST

START_TEST(only_the_last_tokens) {
    expect(10, (window_rule){4, 2, false, 2}, 4, (const window[]){{0, 4, 2}, {2, 4, 2}, {4, 4, 2}, {6, 4, 2}});
    expect(9, (window_rule){4, 2, false, 2}, 4, (const window[]){{0, 4, 2}, {2, 4, 2}, {4, 4, 2}, {5, 4, 3}});
    expect(9, (window_rule){4, 4, false, 1}, 3, (const window[]){{0, 4, 3}, {4, 4, 3}, {5, 4, 3}});
    expect(3, (window_rule){4, 1, false, 2}, 0, NULL);
}
END_TEST

/* Whatever the rule: windows lie inside, ascend, and no token counts twice; without `last` all but the first do, and
 * those that begin a window. */
START_TEST(no_token_counts_twice) {
    arena *a = arena_new();
    for (uint32_t length = 2; length < 9; length++)
        for (uint32_t stride = 1; stride <= length; stride++)
            for (size_t tokens = 0; tokens < 40; tokens++) {
                size_t count, missed = 0, seen = 1;
                const window *list = windows_cut(a, tokens, &(window_rule){length, stride, false, 0}, &count);
                for (size_t i = 0; i < count; i++) {
                    const window *w = &list[i];
                    bool ok = w->scored >= 1 && w->scored < w->count && w->from + w->count <= tokens &&
                              w->from + w->scored >= seen;
                    ck_assert_msg(ok, "length %u, stride %u, %zu tokens", length, stride, tokens);
                    missed += w->from + w->scored - seen;
                    seen = w->from + w->count;
                }
                ck_assert_msg(tokens < 2 || (seen == tokens && (stride == length || missed == 0)),
                              "length %u, stride %u, %zu tokens", length, stride, tokens);
            }
    arena_free(a);
}
END_TEST

START_TEST(rows_speak_of_the_next_token) {
    static const uint32_t tokens[] = {2, 0, 1, 2};
    static const float logits[] = {1, 0, 0, /* token 1 is 0 */ 0, 2, 0, /* 1 */ 0, 0, 3, /* 2 */ 9, 9, 9};
    double one = log(exp(1) + 2) - 1, two = log(exp(2) + 2) - 2, three = log(exp(3) + 2) - 3;
    float data[12];
    memcpy(data, logits, sizeof data);
    eval_vector v = {data, 12};
    eval_task_language.reduce(&(eval_input){4, tokens, NULL, 1}, 4, &v);
    ck_assert_uint_eq(v.count, 3);
    ck_assert_float_eq_tol(data[0], (float)one, 1e-6F);
    ck_assert_float_eq_tol(data[1], (float)two, 1e-6F);
    ck_assert_float_eq_tol(data[2], (float)three, 1e-6F);
    float last[12];
    memcpy(last, logits, sizeof last);
    eval_vector outputs[] = {v, {last, 12}};
    eval_task_language.reduce(&(eval_input){4, tokens, NULL, 3}, 4, &outputs[1]);
    ck_assert_uint_eq(outputs[1].count, 1);
    double values[EVAL_METRICS_MOST];
    eval_results r = {.samples = 2, .outputs = outputs};
    ck_assert(eval_task_language.score(NULL, &r, values));
    ck_assert_double_eq_tol(values[0], (one + two + 2 * three) / 4, 1e-6); /* of tokens, not of windows */
    ck_assert_double_eq_tol(values[1], exp(values[0]), 1e-12);
}
END_TEST

TEST_MAIN("eval language", strides, only_the_last_tokens, no_token_counts_twice, rows_speak_of_the_next_token)
