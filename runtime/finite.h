/* Numbers that are not finite: NaN and the infinities. Private to runtime/. */
#ifndef DTQRT_FINITE_H
#define DTQRT_FINITE_H

#include "runtime/exec.h"

/** Whether none of n numbers is NaN or infinite. */
bool dtq_all_finite(const float *x, size_t n);

/** DTQ_NOT_FINITE in words: `op` of the model made the first such number of a run. `token`: UINT32_MAX if it made one
 * row for all tokens. Returns false. */
bool dtq_not_finite(dtq_error *e, uint32_t layer, const char *op, uint32_t token);

/** Whether what a host instruction has just written is finite; if not, says so. By the source of instruction `i`. */
bool dtq_watch_instr(const dtq_exec *x, size_t i, dtq_error *e);

/** The same of the attention of a layer. */
bool dtq_watch_attention(const dtq_exec *x, uint32_t layer, dtq_error *e);

#endif
