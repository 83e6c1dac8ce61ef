/* One product that makes queries, keys and values at once, taken apart: each becomes a linear of its own, by the rows
 * or columns of the weight that make it, where they lie. Exporters cut with Split, Slice or Gather: rows; heads; or
 * rows reshaped to [batch, seq, parts, heads, head_dim] and transposed in ways that the table below lists. */
#include <string.h>

#include "frontend/onnx/term.h"

/* ---- constants ----------------------------------------------------------------------------------------------------
 */

const onnx_tensor *onnx_tensor_part(importer *im, const onnx_tensor *t, unsigned axis, uint64_t first, uint64_t count) {
    onnx_tensor *part = ARENA_NEW(im->a, onnx_tensor);
    uint64_t width = onnx_type_bytes(t->type), columns = t->rank ? t->dims[t->rank - 1] : 1;
    uint64_t stride = t->rank == 2 && t->stride ? t->stride : columns;
    bool by_rows = t->rank == 2 && axis == 0;
    uint64_t skipped = first * (by_rows ? stride : 1) * width;
    *part = *t;
    part->offset += skipped;
    part->data = t->data ? t->data + skipped : NULL;
    part->dims[axis] = count;
    part->elements = t->elements / t->dims[axis] * count;
    part->stride = stride;
    part->bytes = width * (by_rows || t->rank == 1 ? part->elements : stride * (t->dims[0] - 1) + count);
    if (t->codes && (t->codes->scales || t->codes->zeros) && t->codes->by_rows == by_rows) {
        onnx_codes *codes = ARENA_NEW(im->a, onnx_codes);
        *codes = *t->codes;
        codes->scales =
            codes->scales ? onnx_tensor_part(im, codes->scales, codes->scales->rank - 1, first, count) : NULL;
        codes->zeros = codes->zeros ? onnx_tensor_part(im, codes->zeros, codes->zeros->rank - 1, first, count) : NULL;
        part->codes = codes;
    }
    return part;
}

const term *term_columns(importer *im, const term *x, uint64_t first, uint64_t count) {
    if (x->kind != TERM_LINEAR)
        return term_unknown(im, "rows can be taken apart only where a product with a constant makes them");
    if (count == 0 || first > x->width || count > x->width - first)
        return term_unknown(im, arena_printf(im->a, "takes elements %llu to %llu of rows of %u",
                                             (unsigned long long)first, (unsigned long long)(first + count), x->width));
    term *t = term_new(im, TERM_LINEAR, x->a, NULL);
    t->transposed = x->transposed;
    t->width = (uint32_t)count;
    t->weight = onnx_tensor_part(im, x->weight, x->transposed ? 1 : 0, first, count);
    t->bias = x->bias ? onnx_tensor_part(im, x->bias, x->bias->rank - 1, first, count) : NULL;
    return t;
}

/* ---- layouts ------------------------------------------------------------------------------------------------------
 */

/* How rows in parts lie, by term.function. The first is what a reshape of rows makes. */
static const struct {
    int64_t perm[5];     /* which makes it of `from` */
    term_kind from, one; /* `one`: what a single part is, without the axis */
    uint32_t rank, axis; /* of the parts */
} layouts[] = {
    {{0}, TERM_LINEAR, TERM_SPLIT, 5, 2},
    {{2, 0, 3, 1, 4}, TERM_PARTS, TERM_HEADS, 5, 0},
    {{2, 0, 1, 3, 4}, TERM_PARTS, TERM_SPLIT, 5, 0},
    {{0, 2, 3, 1, 4}, TERM_PARTS, TERM_HEADS, 5, 1},
    {{0, 3, 2, 1, 4}, TERM_PARTS, TERM_HEADS, 5, 2},
    {{2, 0, 1, 3}, TERM_SPLIT, TERM_LINEAR, 4, 0},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static const term *parts(importer *im, const term *rows, uint32_t layout, uint32_t count, uint32_t heads) {
    term *t = term_new(im, TERM_PARTS, rows, NULL);
    t->function = layout;
    t->count = count;
    t->heads = heads;
    return t;
}

const term *term_in_parts(importer *im, const term *x, const int64_t dims[3]) {
    int64_t sizes[3], known = 1, open = -1;
    for (int i = 0; i < 3; i++) {
        sizes[i] = dims[i];
        if (dims[i] == -1 && open < 0)
            open = i;
        else if (dims[i] <= 0 || dims[i] > x->width || (known *= dims[i]) > x->width)
            return term_unknown(im, "its sizes do not make the rows that it splits");
    }
    if (open >= 0)
        sizes[open] = x->width / known;
    if (sizes[0] * sizes[1] * sizes[2] != x->width)
        return term_unknown(im, arena_printf(im->a, "rows of %u do not make %lld parts of %lld heads of %lld", x->width,
                                             (long long)sizes[0], (long long)sizes[1], (long long)sizes[2]));
    return parts(im, x, 0, (uint32_t)sizes[0], (uint32_t)sizes[1]);
}

const term *term_transpose_parts(importer *im, const term *x, const int64_t *perm, size_t rank) {
    for (uint32_t i = 1; i < LAYOUTS; i++) {
        if (layouts[i].from != x->kind || layouts[i].rank != rank || (x->kind == TERM_PARTS && x->function != 0) ||
            memcmp(layouts[i].perm, perm, rank * sizeof *perm) != 0)
            continue;
        return x->kind == TERM_PARTS ? parts(im, x->a, i, (uint32_t)x->count, x->heads)
                                     : parts(im, x->a, i, x->heads, 1);
    }
    return NULL;
}

/** The rows of `x`, which are `old` heads or parts, from `first` on. */
static const term *pieces(importer *im, const term *x, uint64_t old, uint64_t first, uint64_t count) {
    uint64_t each = x->width / old;
    if (first > old || count > old - first)
        return term_unknown(im, arena_printf(im->a, "takes parts %llu to %llu of %llu", (unsigned long long)first,
                                             (unsigned long long)(first + count), (unsigned long long)old));
    return term_columns(im, x->a, first * each, count * each);
}

const term *term_part(importer *im, const term *x, int64_t axis, uint64_t first, uint64_t count) {
    double factor = 1;
    const term *inner = term_strip(x, &factor), *rows = NULL;
    bool in_parts = inner->kind == TERM_PARTS, in_heads = inner->kind == TERM_SPLIT || inner->kind == TERM_HEADS;
    int64_t rank = in_parts ? (int64_t)layouts[inner->function].rank : in_heads ? 4 : 3;
    axis = axis < 0 ? axis + rank : axis;
    if (term_is_rows(inner) && axis == 2)
        return term_scale(im, term_columns(im, inner, first, count), factor);
    if (in_parts && axis == layouts[inner->function].axis)
        rows = pieces(im, inner, inner->count, first, count);
    else if (in_heads && axis == (inner->kind == TERM_SPLIT ? 2 : 1))
        rows = pieces(im, inner, inner->heads, first, count);
    else if ((in_heads || in_parts) && axis >= 2)
        return term_unknown(im, "queries, keys and values of each head lie side by side in its weight: they are no "
                                "columns at one distance, and cannot be used where they are; export them as three");
    if (!rows || rows->kind == TERM_UNKNOWN)
        return rows ? rows : term_unknown(im, "only rows, their heads and their parts can be taken apart");
    if (in_parts)
        return term_scale(im, parts(im, rows, inner->function, (uint32_t)count, inner->heads), factor);
    term *t = term_new(im, inner->kind, rows, NULL);
    t->heads = (uint32_t)count;
    return term_scale(im, t, factor);
}

const term *term_drop_axis(importer *im, const term *x, int64_t axis) {
    double factor = 1;
    const term *inner = term_strip(x, &factor), *out = NULL;
    bool in_heads = inner->kind == TERM_SPLIT || inner->kind == TERM_HEADS, in_parts = inner->kind == TERM_PARTS;
    int64_t rank = in_parts ? layouts[inner->function].rank : 4;
    int64_t at = in_parts ? layouts[inner->function].axis : inner->kind == TERM_SPLIT ? 2 : 1;
    if ((axis < 0 ? axis + rank : axis) != at)
        return NULL;
    if (in_heads && inner->heads == 1)
        out = inner->a;
    if (in_parts && inner->count == 1) {
        term_kind one = layouts[inner->function].one;
        term *t = term_new(im, one, inner->a, NULL);
        t->heads = inner->heads;
        out = one == TERM_LINEAR ? inner->a : t;
    }
    return out ? term_scale(im, out, factor) : NULL;
}

/* ---- operators ----------------------------------------------------------------------------------------------------
 */

uint64_t term_axis_size(const term *x, int64_t axis) {
    double factor = 1;
    x = term_strip(x, &factor);
    if (x->kind == TERM_PARTS)
        return (axis < 0 ? axis + layouts[x->function].rank : axis) == layouts[x->function].axis ? x->count : 0;
    if (x->kind == TERM_SPLIT)
        return axis == 2 || axis == -2 ? x->heads : axis == 3 || axis == -1 ? x->width / x->heads : 0;
    if (x->kind == TERM_HEADS)
        return axis == 1 || axis == -3 ? x->heads : axis == 3 || axis == -1 ? x->width / x->heads : 0;
    return term_is_rows(x) && (axis == 2 || axis == -1) ? x->width : 0;
}

static const term *split(importer *im) {
    const term *x = im->in[0];
    size_t listed, outputs = im->node->output_count;
    const int64_t *sizes = node_ints(im, "split", 1, &listed);
    int64_t axis = node_int(im, "axis", 0);
    uint64_t whole = term_axis_size(x, axis), equal = outputs ? (whole + outputs - 1) / outputs : 0, first = 0;
    if (whole == 0 || outputs > ONNX_MAX_OUTPUTS || (sizes && listed != outputs))
        return term_unknown(im, "a split is known of rows, heads or parts of rows, into at most 8");
    for (size_t i = 0; i < outputs; i++) {
        uint64_t last = first + equal < whole ? equal : whole - first;
        int64_t size = sizes ? sizes[i] : (int64_t)last;
        const term *t = size < 0 || (uint64_t)size > whole - first
                            ? term_unknown(im, arena_printf(im->a, "its parts are not the %llu that it splits",
                                                            (unsigned long long)whole))
                            : term_part(im, x, axis, first, (uint64_t)size);
        if (t->kind == TERM_UNKNOWN)
            return t;
        im->out[i] = t;
        first += (uint64_t)size;
    }
    return first == whole ? im->out[0]
                          : term_unknown(im, arena_printf(im->a, "its parts make %llu of the %llu that it splits",
                                                          (unsigned long long)first, (unsigned long long)whole));
}

const onnx_operator onnx_split_operators[] = {
    {"Split", split, 1},
    {NULL, NULL, 0},
};
