/* The default floating-point mode, and back. By the registers themselves: fenv.h knows nothing of subnormal numbers. */
#include "runtime/float_mode.h"

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||                         \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "compile libdtqrt without -ffast-math and its parts: every operation on floats is meant as it is written"
#endif

#if defined(__x86_64__)

/* As a process finds them (System V ABI for x86-64, 3.4.1): nearest, no FTZ, no DAZ, all masked. */
enum { DEFAULT_MXCSR = 0x1f80, DEFAULT_CONTROL = 0x37f };

dtq_float_mode dtq_float_enter(void) {
    dtq_float_mode caller;
    __asm__ volatile("stmxcsr %0" : "=m"(caller.mxcsr)::"memory");
    __asm__ volatile("fnstcw %0" : "=m"(caller.control)::"memory");
    const uint32_t mxcsr = DEFAULT_MXCSR;
    const uint16_t control = DEFAULT_CONTROL;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr) : "memory");
    __asm__ volatile("fldcw %0" ::"m"(control) : "memory");
    return caller;
}

void dtq_float_leave(const dtq_float_mode *caller) {
    __asm__ volatile("ldmxcsr %0" ::"m"(caller->mxcsr) : "memory");
    __asm__ volatile("fldcw %0" ::"m"(caller->control) : "memory");
}

#elif defined(__aarch64__)

dtq_float_mode dtq_float_enter(void) {
    dtq_float_mode caller;
    __asm__ volatile("mrs %0, fpcr" : "=r"(caller.fpcr)::"memory");
    __asm__ volatile("mrs %0, fpsr" : "=r"(caller.fpsr)::"memory");
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)0) : "memory");
    return caller;
}

void dtq_float_leave(const dtq_float_mode *caller) {
    __asm__ volatile("msr fpcr, %0" ::"r"(caller->fpcr) : "memory");
    __asm__ volatile("msr fpsr, %0" ::"r"(caller->fpsr) : "memory");
}

#else

dtq_float_mode dtq_float_enter(void) {
    dtq_float_mode caller;
    (void)fegetenv(&caller.all);
    (void)fesetenv(FE_DFL_ENV);
    return caller;
}

void dtq_float_leave(const dtq_float_mode *caller) {
    (void)fesetenv(&caller->all);
}

#endif
