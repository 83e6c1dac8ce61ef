#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir_util.h"

static bool all_are(const unsigned char *block, size_t size, size_t value) {
    size_t same = 0;
    while (same < size && block[same] == value)
        same++;
    return same == size;
}

START_TEST(memory_is_zero_aligned_and_apart) {
    arena *a = arena_new();
    unsigned char *blocks[2000];
    size_t sizes[2000], sum = 0;
    for (size_t i = 0; i < 2000; i++) {
        sizes[i] = i % 7 == 0 ? 100 * i : i % 50;
        blocks[i] = arena_alloc(a, sizes[i]);
        ck_assert_uint_eq((uintptr_t)blocks[i] % 16, 0);
        ck_assert(all_are(blocks[i], sizes[i], 0));
        memset(blocks[i], (int)(i & 255), sizes[i]);
        sum += sizes[i];
    }
    for (size_t i = 0; i < 2000; i++)
        ck_assert(all_are(blocks[i], sizes[i], i & 255));
    ck_assert_uint_ge(arena_used(a), sum);
    ck_assert_uint_le(arena_used(a), sum + 2000 * 16);
    arena_free(a);
}
END_TEST

START_TEST(strings_are_copied) {
    arena *a = arena_new();
    char text[] = "abcdef";
    char *whole = arena_strdup(a, text), *part = arena_strndup(a, text, 3), *longer = arena_strndup(a, text, 100);
    text[0] = 'x';
    ck_assert_str_eq(whole, "abcdef");
    ck_assert_str_eq(part, "abc");
    ck_assert_str_eq(longer, "abcdef");
    ck_assert_str_eq(arena_printf(a, "%s-%d", part, 42), "abc-42");
    ck_assert_uint_eq(strlen(arena_printf(a, "%*d", 100000, 1)), 100000);
    arena_free(a);
    arena_free(NULL);
}
END_TEST

START_TEST(pools_grow_and_go) {
    arena *a = arena_new();
    static const size_t sizes[] = {0, 10, 1000, 300000, 1 << 20, (1 << 20) + 1, 5 << 20, 20 << 20};
    unsigned char *pools[3] = {NULL, NULL, NULL};
    for (size_t i = 1; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t p = 0; p < 3; p++) {
            pools[p] = arena_resize(a, pools[p], sizes[i - 1], sizes[i]);
            ck_assert_uint_eq((uintptr_t)pools[p] % 16, 0);
            ck_assert(all_are(pools[p], sizes[i - 1], p + 1));
            ck_assert(all_are(pools[p] + sizes[i - 1], sizes[i] - sizes[i - 1], 0));
            memset(pools[p], (int)p + 1, sizes[i]);
        }
    size_t before = arena_used(a);
    arena_release(a, pools[1], 20 << 20);
    arena_release(a, NULL, 0);
    ck_assert_uint_le(arena_used(a), before - (20 << 20) + 4096);
    ck_assert(all_are(pools[0], 20 << 20, 1));
    ck_assert(all_are(pools[2], 20 << 20, 3));
    arena_free(a);
}
END_TEST

/* An overflowing product is out of memory, and that is told with exit code 1. */
START_TEST(overflow_ends_the_process) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        static arena *volatile kept; /* so that it is no leak */
        kept = arena_new();
        arena_array(kept, SIZE_MAX / 8 + 2, 8); /* 8 bytes, were it not for the overflow */
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), EXIT_INPUT);
}
END_TEST

IR_MAIN("arena", memory_is_zero_aligned_and_apart, strings_are_copied, pools_grow_and_go, overflow_ends_the_process)
