/* Products of matrices of codes. Integer sums have no order, so that compilers may vectorise them as they like. */
#include "runtime/kernels/kernels_codes.h"

#include "runtime/parallel.h"

#ifdef __has_feature
#define FEATURE(name) __has_feature(name)
#else
#define FEATURE(name) 0
#endif
/* What chooses a clone runs before ThreadSanitizer does, which would have it report to a runtime that is not there. */
#if defined(__x86_64__) && defined(__has_attribute) && !defined(__SANITIZE_THREAD__) && !FEATURE(thread_sanitizer)
#if __has_attribute(target_clones)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#endif
#endif
#ifndef FOR_EACH_PROCESSOR
#define FOR_EACH_PROCESSOR
#endif

typedef struct {
    const int8_t *x, *w;
    size_t rows, outputs, inputs;
    int32_t *out;
} product;

FOR_EACH_PROCESSOR static int32_t dot(const int8_t *restrict a, const int8_t *restrict b, size_t n) {
    int32_t sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += (int16_t)(a[k] * b[k]);
    return sum;
}

static void strip(void *context, size_t first, size_t last) {
    const product *p = context;
    for (size_t o = first; o < last; o++)
        for (size_t r = 0; r < p->rows; r++)
            p->out[r * p->outputs + o] = dot(p->x + r * p->inputs, p->w + o * p->inputs, p->inputs);
}

void dtq_codes_product(const int8_t *x, const int8_t *w, size_t rows, size_t outputs, size_t inputs, unsigned threads,
                       int32_t *out) {
    product p = {x, w, rows, outputs, inputs, out};
    dtq_parallel(threads, outputs, strip, &p);
}
