/* Allocations of dtqc that can be made to fail: calls of the C library that the linker turns to failing.c (--wrap).
 * What libfyaml, utf8proc, LLVM and the C library itself allocate, the buffers of its streams among it, does not come
 * by here. */
#ifndef DTQ_TESTS_FAULTS_FAILING_H
#define DTQ_TESTS_FAULTS_FAILING_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t count;      /* allocations so far */
    size_t fail_at;    /* this one fails, counted from 1; 0: none */
    bool all_later;    /* and so do all behind it */
    const char *which; /* the function that failed first; NULL: none */
    size_t bytes;      /* what it asked for; 0: the function does not say */
} failing;

/** NULL: none is counted, and none fails. */
extern failing *allocations;

#endif
