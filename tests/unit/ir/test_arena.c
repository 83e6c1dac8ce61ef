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

/* An overflowing product is out of memory, and that ends the process with exit code 3. */
START_TEST(overflow_ends_the_process) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
        static arena *volatile kept; /* so that it is no leak */
        kept = arena_new();
        arena_array(kept, SIZE_MAX / 2, 3);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), EXIT_INTERNAL);
}
END_TEST

IR_MAIN("arena", memory_is_zero_aligned_and_apart, strings_are_copied, overflow_ends_the_process)
