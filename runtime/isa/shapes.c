/* Shapes of the host's matrices and tensors, read off the docs of isa.def: "r: float [seq][width]", "[outputs] or
 * none". What an instruction touches, and what its tensors must be, follow from its row. */
#include "runtime/isa/shapes.h"

#include <string.h>

/* "[name]" at *at, which is moved behind it. */
static const char *bracket(const char **at, size_t *length) {
    if (**at != '[')
        return NULL;
    const char *name = *at + 1;
    *length = strcspn(name, "]");
    *at = name + *length + (name[*length] == ']');
    return name;
}

dtq_columns dtq_field_columns(const dtq_field_info *f) {
    static const char matrix[] = ": float ";
    dtq_columns c = {0};
    size_t rows = 0, length = 0;
    const char *at = f->kind == DTQ_KIND_DRAM ? strstr(f->doc, matrix) : NULL;
    if (!at)
        return c;
    at += sizeof matrix - 1;
    const char *row = bracket(&at, &rows), *name = row ? bracket(&at, &length) : NULL;
    return name ? (dtq_columns){name, length, rows == 1 && *row == '1'} : c;
}

const char *dtq_field_vector(const dtq_field_info *f, size_t *length) {
    const char *at = f->doc, *name = f->kind == DTQ_KIND_TENSOR ? bracket(&at, length) : NULL;
    if (name && *at != '[')
        return name;
    *length = 0;
    return NULL;
}

static bool same(const char *name, size_t length, const char *other, size_t other_length) {
    return other && length == other_length && memcmp(name, other, length) == 0;
}

dtq_dimension dtq_find_dimension(const dtq_op_info *op, const char *name, size_t length) {
    for (int i = 0; i < op->field_count; i++)
        if (op->fields[i].kind == DTQ_KIND_INT && same(name, length, op->fields[i].name, strlen(op->fields[i].name)))
            return (dtq_dimension){i, 0, false};
    for (int i = 0; i < op->field_count; i++) {
        const dtq_field_info *f = &op->fields[i];
        const char *at = f->doc;
        size_t rows = 0, cols = 0;
        if (f->kind != DTQ_KIND_TENSOR)
            continue;
        const char *first = bracket(&at, &rows), *second = first ? bracket(&at, &cols) : NULL;
        if (same(name, length, first, rows))
            return (dtq_dimension){i, 0, !second};
        if (same(name, length, second, cols))
            return (dtq_dimension){i, 1, false};
    }
    return (dtq_dimension){-1, 0, false};
}
