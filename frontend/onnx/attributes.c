/* What rules of all tables read of a node: its attributes, and operators that several names stand for. */
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

const int64_t *node_ints(const importer *im, const char *name, size_t index, size_t *count) {
    const onnx_attr *attr = onnx_attribute(im->node, name);
    const term *in = index < im->node->input_count ? im->in[index] : NULL;
    *count = attr ? attr->int_count : in && in->kind == TERM_INTS ? in->count : 0;
    return attr ? attr->ints : in && in->kind == TERM_INTS ? in->ints : NULL;
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
