/* The C that emitted C begins with, compiled as it stands: all of its pieces together, in the order of printing. */
#include "codegen/c/text/start.h"

#include "codegen/c/text/intrinsics.h"

#include "codegen/c/text/vectors.h"

#include "codegen/c/text/bits.h"

#include "codegen/c/text/count.h"

#include "codegen/c/text/swap.h"

#include "codegen/c/text/prefetch.h"

#include "codegen/c/text/shuffles.h"

#include "codegen/c/text/roundeven.h"

#include "codegen/c/text/square_root.h"

#include "codegen/c/text/mask_bits.h"

#include "codegen/c/text/masked.h"

#include "codegen/c/text/dot4.h"

#include <check.h>
#include <stdlib.h>

START_TEST(dot4_of_unsigned_and_signed_bytes) {
    ck_assert_uint_eq(ir_dot4(7, 0xff020304u, 0x80ff0201u), 7u + (uint32_t)(255 * -128 + 2 * -1 + 3 * 2 + 4 * 1));
}
END_TEST

START_TEST(bytes_are_swapped) {
    ck_assert_uint_eq(ir_swapped(0x1122334455667788u, 64), 0x8877665544332211u);
    ck_assert_uint_eq(ir_swapped(0x1122u, 16), 0x2211u);
}
END_TEST

int main(void) {
    Suite *s = suite_create("text");
    TCase *t = tcase_create("text");
    tcase_add_test(t, dot4_of_unsigned_and_signed_bytes);
    tcase_add_test(t, bytes_are_swapped);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
