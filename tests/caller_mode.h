/* Floating-point modes that a program may be in when it calls the library. For tests of libdtqrt, also on processors of
 * another kind than x86-64. */
#ifndef CALLER_MODE_H
#define CALLER_MODE_H

#include <fenv.h>
#include <stdint.h>

typedef enum {
    CALLER_DEFAULT,
    CALLER_FLUSHES, /* subnormal operands and results are zeros */
    CALLER_UPWARD,
    CALLER_DOWNWARD,
    CALLER_TOWARDS_ZERO,
    CALLER_TRAPS, /* every exception, inexact results included; where the processor can */
    CALLER_MODES
} caller_mode;

static const char *const caller_mode_names[] = {"default", "flushes", "upward", "downward", "towards zero", "traps"};

/* FTZ and DAZ of MXCSR, FZ of FPCR. */
static inline void caller_flushes(void) {
#if defined(__x86_64__)
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    mxcsr |= 0x8040;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr |= UINT64_C(1) << 24;
    __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
#endif
}

/* Enters a mode from the default one. */
static inline void caller_mode_set(caller_mode m) {
    static const int rounding[CALLER_MODES] = {
        [CALLER_DEFAULT] = FE_TONEAREST, [CALLER_FLUSHES] = FE_TONEAREST,       [CALLER_UPWARD] = FE_UPWARD,
        [CALLER_DOWNWARD] = FE_DOWNWARD, [CALLER_TOWARDS_ZERO] = FE_TOWARDZERO, [CALLER_TRAPS] = FE_TONEAREST};
    (void)fesetenv(FE_DFL_ENV);
    (void)fesetround(rounding[m]);
    if (m == CALLER_FLUSHES)
        caller_flushes();
    if (m == CALLER_TRAPS)
        (void)feenableexcept(FE_ALL_EXCEPT);
}

/* All that a mode is, and the exceptions that were raised in it. */
static inline uint64_t caller_mode_get(void) {
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t control;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(control));
    return (uint64_t)control << 32 | mxcsr;
#elif defined(__aarch64__)
    uint64_t fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
    return fpcr << 32 | fpsr;
#else
    return (uint64_t)fegetround();
#endif
}

#endif
