/* Splitting independent work over threads. Private to runtime/. */
#ifndef DTQRT_NUMERICS_PARALLEL_H
#define DTQRT_NUMERICS_PARALLEL_H

#include <stddef.h>

/** Calls work(context, first, last) for ranges that together cover [0, items), on up to `threads` threads, and returns
 *  when all are done. A range must not depend on another, so the result does not depend on the split. */
void dtq_parallel(unsigned threads, size_t items, void (*work)(void *context, size_t first, size_t last),
                  void *context);

#endif
