/* Looking for numbers that are not finite, as fast as memory is read. */
#include <string.h>

#include "runtime/finite.h"

bool dtq_all_finite(const float *x, size_t n) {
    enum { BLOCK = 1024 };
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t count = n - at < BLOCK ? n - at : BLOCK;
        uint32_t found = 0;
        for (size_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, &x[at + i], sizeof bits);
            found |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        if (found != 0)
            return false;
    }
    return true;
}
