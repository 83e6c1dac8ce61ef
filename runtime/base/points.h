/* Numbers with a decimal point, whatever the language of the program that this library is part of. */
#ifndef DTQRT_BASE_POINTS_H
#define DTQRT_BASE_POINTS_H

#include <locale.h>

/** The locale of this thread, kept from dtq_points_begin to dtq_points_end. */
typedef struct {
    locale_t c, before;
} dtq_points;

/** Makes strtod, printf and their kin use a decimal point. Only this thread is touched. Without memory for a locale
 *  nothing changes. */
static inline dtq_points dtq_points_begin(void) {
    dtq_points p = {newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0};
    p.before = p.c ? uselocale(p.c) : (locale_t)0;
    return p;
}

/** Gives the thread back the locale that it had. */
static inline void dtq_points_end(dtq_points p) {
    if (p.c) {
        uselocale(p.before);
        freelocale(p.c);
    }
}

#endif
