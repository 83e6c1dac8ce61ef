/* The floating-point mode of a thread. NUMERICS.md's numbers are those of the default mode: round to nearest, ties to
 * even, subnormal numbers kept, exceptions masked. A caller may have any other: programs built with -ffast-math flush
 * subnormal numbers, interval arithmetic rounds upward, debugging runs trap. Private to runtime/. */
#ifndef DTQRT_FLOAT_MODE_H
#define DTQRT_FLOAT_MODE_H

#include <fenv.h>
#include <stdint.h>

/** What dtq_float_enter found. */
typedef struct {
#if defined(__x86_64__)
    uint32_t mxcsr;   /* of vectors and scalars: rounding, FTZ, DAZ, masks, and the exceptions that were raised */
    uint16_t control; /* of the x87 unit, whose rounding glibc reads where it converts numbers from and to text */
#elif defined(__aarch64__)
    uint64_t fpcr, fpsr; /* rounding, FZ, DN, AHP, traps; the exceptions that were raised */
#else
    fenv_t all;
#endif
} dtq_float_mode;

/** Puts the calling thread into the default mode; returns the one it was in. */
dtq_float_mode dtq_float_enter(void);

/** Puts it back, and forgets the exceptions raised since: the caller sees only its own. */
void dtq_float_leave(const dtq_float_mode *caller);

#endif
