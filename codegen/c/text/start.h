#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "compile without -ffast-math and its parts: every operation on floats is meant as it is written"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* and not -ffp-contract=fast, which overrules it */
#pragma clang fp reassociate(off)
#pragma clang diagnostic ignored "-Wunused-function"
#pragma clang diagnostic ignored "-Wunused-parameter"
#pragma clang diagnostic ignored "-Wunused-variable"
#pragma clang diagnostic ignored "-Wunused-const-variable"
#pragma clang diagnostic ignored "-Wunused-label"
#pragma clang diagnostic ignored "-Wunused-but-set-variable"
#pragma clang diagnostic ignored "-Wtautological-compare"
#pragma clang diagnostic ignored "-Wself-assign"
#pragma clang diagnostic ignored "-Wparentheses-equality"
#pragma clang diagnostic ignored "-Wincompatible-library-redeclaration"
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#pragma GCC diagnostic ignored "-Wunused-label"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wtautological-compare"
#pragma GCC diagnostic ignored "-Warray-bounds"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
#else
#pragma STDC FP_CONTRACT OFF
#endif

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 /* 16: _Float16 by itself, float as it is */
#error "floats have more precision here than they should"
#endif
_Static_assert(sizeof(void *) == 8, "addresses of 64 bits");

#if defined(__GNUC__)
#define DTQ_ALWAYS_INLINE inline __attribute__((always_inline))
#define DTQ_NOINLINE __attribute__((noinline))
#define DTQ_WEAK __attribute__((weak))
#define DTQ_UNREACHABLE __builtin_unreachable()
#else
#define DTQ_ALWAYS_INLINE inline
#define DTQ_NOINLINE
#define DTQ_WEAK
#define DTQ_UNREACHABLE for (;;)
#endif
#define DTQ_INLINE static DTQ_ALWAYS_INLINE

/* Bytes of the vectors that the processor has. Wider ones are made of halves. 0: vectors are structs, operations are
 * loops; -DDTQ_PLAIN_C asks for it. */
#if !defined(DTQ_NATIVE)
#if defined(DTQ_PLAIN_C) || !defined(__GNUC__)
#define DTQ_NATIVE 0
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    (defined(__clang__) || !defined(__SANITIZE_ADDRESS__)) /* gcc misaligns wider ones in its frames */
#define DTQ_NATIVE 64
#elif defined(__AVX2__)
#define DTQ_NATIVE 32
#else
#define DTQ_NATIVE 16
#endif
#endif

/* Operations by loops are functions proper: inlined, they would take minutes to compile and gain little. */
#if DTQ_NATIVE == 0 && defined(__GNUC__)
#define DTQ_FUNCTION static __attribute__((noinline, unused))
#else
#define DTQ_FUNCTION DTQ_INLINE
#endif

/* ---- memory: no alignment is assumed, and no type of what is there ---- */

#define DTQ_SCALAR(name, type) \
    DTQ_INLINE type ir_load_##name(const void *p) { \
        type x; \
        memcpy(&x, p, sizeof x); \
        return x; \
    } \
    DTQ_INLINE void ir_store_##name(void *p, type x) { \
        memcpy(p, &x, sizeof x); \
    }
DTQ_SCALAR(bool, bool)
DTQ_SCALAR(u8, uint8_t)
DTQ_SCALAR(u16, uint16_t)
DTQ_SCALAR(u32, uint32_t)
DTQ_SCALAR(u64, uint64_t)
DTQ_SCALAR(f32, float)
DTQ_SCALAR(f64, double)
DTQ_SCALAR(ptr, char *)
