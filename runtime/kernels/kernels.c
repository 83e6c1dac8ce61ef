/* Which kernels this processor runs. */
#include "runtime/kernels/kernels.h"

unsigned dtq_kernels_available(const dtq_kernels *out[4]) {
    unsigned n = 0;
    out[n++] = &dtq_kernels_scalar;
    out[n++] = &dtq_kernels_generic;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) {
        out[n++] = &dtq_kernels_avx2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vnni")) {
            out[n++] = &dtq_kernels_avx512;
        }
    }
#endif
    return n;
}

const dtq_kernels *dtq_kernels_choose(bool scalar) {
    const dtq_kernels *tables[4];
    const unsigned n = dtq_kernels_available(tables);
    return scalar ? tables[0] : tables[n - 1];
}
