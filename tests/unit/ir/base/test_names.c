#include "ir/base/names.h"
#include "ir_util.h"

START_TEST(names_are_kept_apart) {
    arena *a = arena_new();
    names t = {.arena = a};
    bool added;
    ck_assert_ptr_null(names_find(&t, "x", 1));
    for (uint32_t i = 0; i < 10000; i++) {
        char *name = arena_printf(a, "v%u", i);
        ck_assert_uint_eq(names_add(&t, name, strlen(name), i, &added)->number, i);
        ck_assert(added);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        char *name = arena_printf(a, "v%u", i);
        const names_entry *entry = names_find(&t, name, strlen(name));
        ck_assert_ptr_nonnull(entry);
        ck_assert_uint_eq(entry->number, i);
        ck_assert_uint_eq(names_add(&t, name, strlen(name), 7, &added)->number, i);
        ck_assert(!added);
    }
    ck_assert_uint_eq(t.count, 10000);
    ck_assert_ptr_null(names_find(&t, "v10000", 6));
    ck_assert_ptr_nonnull(names_find(&t, "v10000", 5)); /* only the given bytes count */
    names_add(&t, "", 0, 1, &added);
    ck_assert(added);
    ck_assert_ptr_nonnull(names_find(&t, "", 0));
    arena_free(a);
}
END_TEST

IR_MAIN("names", names_are_kept_apart)
