/* What rules of all tables read of a node: its attributes, and operators that several names stand for. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/term.h"

int64_t node_int(const importer *im, const char *name, int64_t missing) {
    const onnx_attr *attr = onnx_attribute(im->node, name);
    return attr && attr->has_int ? attr->i : missing;
}

double node_real(const importer *im, const char *name, double missing) {
    const onnx_attr *attr = onnx_attribute(im->node, name);
    return attr && attr->has_float ? (double)attr->f : missing;
}

const int64_t *node_ints(importer *im, const char *name, size_t index, size_t *count) {
    const onnx_attr *attr = name ? onnx_attribute(im->node, name) : NULL;
    const term *in = index < im->node->input_count ? im->in[index] : NULL, *numbers;
    *count = attr ? attr->int_count : 0;
    if (attr || !in || !term_numbers(im, in, &numbers) || term_elements(numbers) > ONNX_MAX_FOLD)
        return attr ? attr->ints : NULL;
    int64_t n = term_elements(numbers), *ints = ARENA_ARRAY(im->a, int64_t, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) {
        double number = term_number_at(numbers, i);
        if (isnan(number))
            return NULL;
        ints[i] = number >= 0x1p63 ? INT64_MAX : number <= -0x1p63 ? INT64_MIN : (int64_t)number;
    }
    *count = (size_t)n;
    return ints;
}

const term *node_activation(importer *im, uint32_t index) {
    const term *x = im->in[0];
    if (im->in[1])
        x = term_add(im, x, im->in[1]);
    if (x->kind == TERM_UNKNOWN)
        return x;
    return term_is_rows(x) ? term_activation(im, x, index) : term_unknown(im, "an activation is known only of rows");
}

const term *node_layernorm(importer *im, const term *x, size_t gamma, double epsilon) {
    const term *g = im->in[gamma], *b = im->in[gamma + 1];
    if (!g || g->kind != TERM_WEIGHT || (b && b->kind != TERM_WEIGHT))
        return term_unknown(im, "factors and offsets must be constants");
    return term_layernorm(im, x, g->weight, b ? b->weight : NULL, node_real(im, "epsilon", epsilon));
}

const term *node_rmsnorm(importer *im, const term *x, size_t gamma, double epsilon) {
    const term *g = im->in[gamma];
    if (x->kind == TERM_VIEW && g && g->kind == TERM_WEIGHT && !im->in[gamma + 1])
        return term_head_norm(im, x, g->weight, node_real(im, "epsilon", epsilon));
    const term *norm = im->in[gamma + 1] ? term_unknown(im, "normalises without a mean, but with offsets")
                                         : node_layernorm(im, x, gamma, epsilon);
    return norm->kind == TERM_UNKNOWN ? norm : term_without_mean(im, norm);
}
