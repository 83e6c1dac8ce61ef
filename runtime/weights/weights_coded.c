/* Weights in few bits, with a scale for a group of outputs (NUMERICS.md, "Schemes"). */
#include "runtime/weights/weights_coded.h"
#include "runtime/entry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float too_large = 0x1p50f, too_small = 0x1p-50f;

static dtq_coded_weight *allocate(size_t outputs, size_t inputs, bool shifted) {
    dtq_coded_weight *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->outputs = outputs;
    q->inputs = inputs;
    q->codes = malloc(outputs * inputs + 1);
    q->scales = malloc(outputs * sizeof *q->scales);
    q->shifts = shifted ? malloc(outputs * sizeof *q->shifts) : NULL;
    if (!q->codes || !q->scales || (shifted && !q->shifts)) {
        dtq_coded_weight_free(q);
        return NULL;
    }
    return q;
}

static bool has_shift(dtq_code_form form) {
    return form == DTQ_CODES_RANGE || form == DTQ_CODES_RANGE_ZERO;
}

static int8_t within(float c, float low, float high) {
    c = c > high ? high : c;
    c = c < low ? low : c;
    return (int8_t)c;
}

/* Codes of n numbers between `least` and `least + width`; `half` is 2^(bits-1). */
static void encode_range(const float *x, size_t n, float half, float least, float width, int8_t *codes, float *scale,
                         float *shift) {
    *scale = width < too_small ? 1.0f : width / (2 * half - 1);
    *shift = least + half * *scale; /* of code 0 */
    for (size_t i = 0; i < n; i++)
        codes[i] = within(dtq_do_rne((x[i] - *shift) / *scale), -half, half - 1);
}

static void encode_range_zero(const float *x, size_t n, float half, float least, float width, int8_t *codes,
                              float *scale, float *shift) {
    *scale = (width < 1e-8f ? 1e-8f : width) / (2 * half - 1);
    const float steps = dtq_do_rne(least / *scale) + half;
    *shift = steps * *scale;
    for (size_t i = 0; i < n; i++)
        codes[i] = within(dtq_do_rne(x[i] / *scale) - steps, -half, half - 1);
}

/* The codes of n numbers that share a scale; false if one is not finite or huge. */
static bool encode_group(const float *x, size_t n, unsigned bits, dtq_code_form form, int8_t *codes, float *scale,
                         float *shift) {
    const float half = (float)(1u << (bits - 1));
    float least = x[0], largest = x[0];
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) < too_large))
            return false;
        least = x[i] < least ? x[i] : least;
        largest = x[i] > largest ? x[i] : largest;
    }
    if (has_shift(form)) {
        (form == DTQ_CODES_RANGE ? encode_range : encode_range_zero)(x, n, half, least, largest - least, codes, scale,
                                                                     shift);
        return true;
    }
    const float magnitude = -least > largest ? -least : largest, most = half - 1;
    *scale = magnitude < too_small ? 1.0f : magnitude / most;
    for (size_t i = 0; i < n; i++)
        codes[i] = within(dtq_do_rne(x[i] / *scale), -most, form == DTQ_CODES_IBERT ? most - 1 : most);
    return true;
}

static bool encode(const float *x, size_t groups, unsigned bits, dtq_code_form form, dtq_coded_weight *q) {
    const size_t each = groups == 0 ? 1 : (q->outputs + groups - 1) / groups;
    for (size_t first = 0; first < q->outputs; first += each) {
        const size_t end = q->outputs - first < each ? q->outputs : first + each;
        float scale, shift = 0.0f;
        if (!encode_group(x + first * q->inputs, (end - first) * q->inputs, bits, form, q->codes + first * q->inputs,
                          &scale, &shift)) {
            return false;
        }
        for (size_t o = first; o < end; o++) {
            q->scales[o] = scale;
            if (q->shifts)
                q->shifts[o] = shift;
        }
    }
    return true;
}

const dtq_coded_weight *dtq_weights_coded(dtq_weights *w, uint64_t tensor, unsigned bits, size_t groups,
                                          dtq_code_form form, dtq_error *e) {
    dtq_coded_weight **list = dtq_weights_coded_list(w, tensor);
    for (const dtq_coded_weight *q = *list; q; q = q->next)
        if (q->bits == bits && q->groups == groups && q->form == form)
            return q;
    size_t outputs = 0, inputs = 0;
    (void)dtq_weights_shape(w, tensor, &outputs, &inputs);
    const float *x = dtq_weights_float(w, tensor, e);
    if (!x)
        return NULL;
    dtq_coded_weight *q = allocate(outputs, inputs, has_shift(form));
    if (!q) {
        (void)dtq_no_memory(e, sizeof *q + outputs * (inputs + sizeof *q->scales + sizeof *q->shifts) + 1,
                            "a weight of %zu by %zu codes", outputs, inputs);
        return NULL;
    }
    if (!encode(x, groups, bits, form, q)) {
        dtq_coded_weight_free(q);
        (void)dtq_fail(e, DTQ_BAD_INPUT, "tensor %llu: a weight is not finite, or 2^50 or more",
                       (unsigned long long)tensor);
        return NULL;
    }
    q->bits = bits;
    q->groups = groups;
    q->form = form;
    q->next = *list;
    *list = q;
    return q;
}
