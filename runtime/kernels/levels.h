/* Loops that compilers vectorise, compiled for every level of processors: the best that this one has runs. */
#ifndef DTQRT_KERNELS_LEVELS_H
#define DTQRT_KERNELS_LEVELS_H

#define BODY static inline __attribute__((always_inline))

/* dtq_NAME from NAME_body. */
#if defined(__x86_64__)
#define LEVELS(type, name, parameters, arguments)                                                                      \
    __attribute__((target("avx2"))) static type name##_avx2 parameters {                                               \
        return name##_body arguments;                                                                                  \
    }                                                                                                                  \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))) static type name##_avx512 parameters {               \
        return name##_body arguments;                                                                                  \
    }                                                                                                                  \
    type dtq_##name parameters {                                                                                       \
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&                             \
                       __builtin_cpu_supports("avx512dq")                                                              \
                   ? name##_avx512 arguments                                                                           \
               : __builtin_cpu_supports("avx2") ? name##_avx2 arguments                                                \
                                                : name##_body arguments;                                               \
    }
#else
#define LEVELS(type, name, parameters, arguments)                                                                      \
    type dtq_##name parameters {                                                                                       \
        return name##_body arguments;                                                                                  \
    }
#endif

#endif
