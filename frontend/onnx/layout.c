/* Operators that move elements and compute nothing: one view (view.h) of what they move, whatever it is. Rows that a
 * view leaves whole, or in order less some columns, are rows again: columns are a linear of their own, by the part of
 * the weight that makes them, where it lies. */
#include <string.h>

#include "frontend/onnx/term.h"

/* ---- parts of weights ---------------------------------------------------------------------------------------------
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
    term *t = term_new(im, TERM_LINEAR, x->a, x);
    t->transposed = x->transposed;
    t->width = (uint32_t)count;
    t->rank = x->rank;
    memcpy(t->dims, x->dims, sizeof t->dims);
    t->dims[t->rank - 1] = (int64_t)count;
    t->weight = onnx_tensor_part(im, x->weight, x->transposed ? 1 : 0, first, count);
    t->bias = x->bias ? onnx_tensor_part(im, x->bias, x->bias->rank - 1, first, count) : NULL;
    return t;
}

/* ---- laying out ---------------------------------------------------------------------------------------------------
 */

bool layout_begin(const term *x, layout *out) {
    *out = (layout){.factor = 1, .coded = x->kind == TERM_CODES};
    x = term_strip(out->coded ? x->a : x, &out->factor);
    if (x->kind == TERM_UNKNOWN)
        return false;
    int64_t elements = term_elements(x);
    if (elements <= 0 || elements > VIEW_MAX_ELEMENTS)
        return false;
    out->view = term_view(x, &out->base);
    return true;
}

onnx_view term_view(const term *x, const term **base) {
    *base = x->kind == TERM_VIEW ? x->a : x;
    return x->kind == TERM_VIEW ? *x->view : view_of(x->rank, x->dims);
}

/** Elements of numbers, moved. */
static const term *numbers_moved(importer *im, const term *x, const onnx_view *v, const int64_t *dims) {
    int64_t count = 1, at = v->first;
    int64_t index[VIEW_ATOMS] = {0};
    for (uint32_t i = 0; i < v->rank; i++)
        count *= dims[i];
    if (count > ONNX_MAX_FOLD)
        return term_unknown(im, "makes a constant larger than is computed");
    double *values = ARENA_ARRAY(im->a, double, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        values[i] = x->kind == TERM_NUMBERS ? x->values[at] : term_weight_at(x, at);
        for (uint32_t j = v->count; j-- > 0;) {
            at += v->atom[j].step;
            if (++index[j] < v->atom[j].size)
                break;
            at -= v->atom[j].step * v->atom[j].size;
            index[j] = 0;
        }
    }
    return term_numbers_new(im, v->rank, dims, x->kind == TERM_NUMBERS ? x->type : x->weight->type, values);
}

/** A weight of which another part, or whose transposition, is looked at; numbers where the file has no such matrix. */
static const term *weight_moved(importer *im, const term *x, const onnx_view *v, const int64_t *dims) {
    const onnx_tensor *from = x->weight;
    view_atom runs[VIEW_ATOMS];
    uint32_t n = view_runs(v, UINT32_MAX, runs);
    int64_t sizes[2] = {1, 1}, count = 1;
    uint32_t rank = 0;
    for (uint32_t i = 0; i < x->rank; i++) /* without axes of one */
        if (x->dims[i] != 1 && rank++ < 2)
            sizes[rank - 1] = x->dims[i];
    for (uint32_t i = 0; i < v->rank; i++)
        count *= dims[i];
    bool matrix = from->rank == 2 && rank == 2, vector = from->rank >= 1 && rank == 1,
         whole = count == term_elements(x);
    bool in_order = n == 0 || (n == 1 && runs[0].step == 1 && v->first == 0);
    term *t = term_new(im, TERM_WEIGHT, NULL, NULL);
    t->weight = from;
    t->transposed = x->transposed;
    t->table = x->table;
    t->number = x->number;
    uint32_t others = 0;
    for (uint32_t i = 0; i < v->rank; i++)
        others += dims[i] != 1;
    if (whole && in_order && others == rank)
        return term_with_dims(im, t, v->rank, dims);
    if (whole && in_order && !x->transposed && !from->codes && !from->stride) {
        onnx_tensor *copy = ARENA_NEW(im->a, onnx_tensor);
        *copy = *from;
        copy->rank = v->rank;
        for (uint32_t i = 0; i < v->rank; i++)
            copy->dims[i] = (uint64_t)dims[i];
        t->weight = copy;
        return term_with_dims(im, t, v->rank, dims);
    }
    if (matrix && whole && n == 2 && runs[0].step == 1 && runs[1].step == sizes[1] && others == 2) {
        t->transposed = !x->transposed;
        return term_with_dims(im, t, v->rank, dims);
    }
    /* Rows from `first` on, or columns of all rows, or elements of a vector. */
    int64_t columns = sizes[1], first = v->first, row = first / columns;
    if (matrix && n == 1 && runs[0].step == 1 && first % columns == 0 && count % columns == 0 && others == 2) {
        t->table = x->transposed || x->table ? x->table : from;
        t->number += (double)row;
        t->weight = onnx_tensor_part(im, from, x->transposed ? 1 : 0, (uint64_t)row, (uint64_t)(count / columns));
        return term_with_dims(im, t, v->rank, dims);
    }
    if (matrix && n == 2 && runs[0].step == columns && runs[0].size == sizes[0] && runs[1].step == 1 &&
        first + runs[1].size <= columns && others == 2) {
        t->weight = onnx_tensor_part(im, from, x->transposed ? 0 : 1, (uint64_t)first, (uint64_t)runs[1].size);
        return term_with_dims(im, t, v->rank, dims);
    }
    if (vector && from->rank == 1 && n == 1 && runs[0].step == 1 && others == 1) {
        t->weight = onnx_tensor_part(im, from, 0, (uint64_t)first, (uint64_t)count);
        return term_with_dims(im, t, v->rank, dims);
    }
    const term *numbers;
    if ((from->data || from->ints) && !x->transposed && !from->codes && from->elements <= VIEW_MAX_ELEMENTS &&
        onnx_type_bytes(from->type) && count <= ONNX_MAX_FOLD)
        return numbers_moved(im, x, v, dims);
    if (!term_numbers(im, x, &numbers))
        return term_unknown(im, "moves elements of a weight to where they are no part of it; fold constants first");
    return numbers->kind == TERM_UNIFORM ? term_with_dims(im, numbers, v->rank, dims)
                                         : numbers_moved(im, numbers, v, dims);
}

static const term *view_term(importer *im, const term *base, const onnx_view *v, const int64_t *dims) {
    onnx_view *kept = ARENA_NEW(im->a, onnx_view);
    term *t = term_new(im, TERM_VIEW, base, NULL);
    *kept = *v;
    t->view = kept;
    return term_with_dims(im, t, v->rank, dims);
}

/** Rows, if the view is of rows: all, all less some columns, or one. */
static const term *rows_moved(importer *im, const term *x, const onnx_view *v, const int64_t *dims) {
    view_atom runs[VIEW_ATOMS];
    uint32_t n = view_runs(v, UINT32_MAX, runs);
    int64_t width = x->width, rows = term_elements(x) / width, last = v->rank ? dims[v->rank - 1] : 1;
    int64_t column = v->first % width, row = v->first / width, count = n ? runs[n - 1].size : 1;
    bool step = n == 0 || runs[n - 1].step == 1;
    if (step && n <= 1 && v->first == 0 && count == rows * width && (last == width || width == 1))
        return term_with_dims(im, x, v->rank, dims);
    if (x->kind == TERM_LINEAR && n == 1 && width > 1 && runs[0].step == width && runs[0].size == rows &&
        v->first < width && v->rank <= 3) /* a single column */
        return term_with_dims(im, term_columns(im, x, (uint64_t)column, 1), v->rank, dims);
    bool all = n == 2 && step && runs[0].step == width && runs[0].size == rows && v->first < width;
    bool one = n <= 1 && step && column + count <= width;
    if ((!all && !one) || last != count || (count < width && (x->kind != TERM_LINEAR || v->rank > 3)))
        return view_term(im, x, v, dims);
    const term *part = count < width ? term_columns(im, x, (uint64_t)column, (uint64_t)count) : x;
    if (all || rows == 1 || part->kind == TERM_UNKNOWN)
        return part->kind == TERM_UNKNOWN ? part : term_with_dims(im, part, v->rank, dims);
    if (row != 0 && row != rows - 1)
        return term_unknown(im, "takes a row that is neither the first nor the last");
    term *t = term_new(im, TERM_POOL, part, NULL);
    t->function = row == 0 ? 2 : 3;
    return term_with_dims(im, t, v->rank, dims);
}

const term *layout_end(importer *im, const layout *l) {
    int64_t dims[ONNX_MAX_RANK];
    const term *x = l->base, *t;
    const onnx_view *v = &l->view;
    view_dims(v, dims);
    view_atom runs[VIEW_ATOMS];
    uint32_t n = view_runs(v, UINT32_MAX, runs);
    bool whole =
        v->first == 0 && (n == 0 || (n == 1 && runs[0].step == 1)) && (n ? runs[0].size : 1) == term_elements(x);
    uint32_t r = x->rank, s = v->rank;
    if (x->kind == TERM_UNIFORM)
        t = term_with_dims(im, x, v->rank, dims);
    else if (x->kind == TERM_NUMBERS)
        t = numbers_moved(im, x, v, dims);
    else if (x->kind == TERM_WEIGHT)
        t = weight_moved(im, x, v, dims);
    else if (whole && (x->kind == TERM_IDS || x->kind == TERM_TYPES ||
                       (r > 1 && s > 1 && dims[s - 1] == x->dims[r - 1] && dims[s - 2] == x->dims[r - 2])))
        t = term_with_dims(im, x, v->rank, dims);
    else
        t = term_is_rows(x) ? rows_moved(im, x, v, dims) : view_term(im, x, v, dims);
    if (t->kind == TERM_UNKNOWN)
        return t;
    t = term_scale(im, t, l->factor);
    return l->coded ? term_new(im, TERM_CODES, t, NULL) : t;
}

const term *term_turn(importer *im, const term *x) {
    layout l;
    uint32_t perm[ONNX_MAX_RANK];
    if (!layout_begin(x, &l) || l.view.rank < 2)
        return term_unknown(im, "transposes what has no two axes");
    for (uint32_t i = 0; i < l.view.rank; i++)
        perm[i] = i + 2 < l.view.rank ? i : 2 * l.view.rank - 3 - i;
    view_transpose(&l.view, perm);
    return layout_end(im, &l);
}

/* ---- operators ----------------------------------------------------------------------------------------------------
 */

static const char *const NO_SIZES = "its operand has no sizes that are known";

static const term *reshaped(importer *im, uint32_t rank, const int64_t *dims, const char *wrong) {
    layout l;
    if (!layout_begin(im->in[0], &l)) {
        /* Nothing to move: no elements. */
        int64_t count = 1;
        for (uint32_t i = 0; i < rank; i++)
            count *= dims[i];
        bool empty = im->in[0]->kind == TERM_NUMBERS && term_elements(im->in[0]) == 0 && count == 0;
        return empty ? term_with_dims(im, im->in[0], rank, dims) : term_unknown(im, NO_SIZES);
    }
    return view_reshape(&l.view, rank, dims) ? layout_end(im, &l) : term_unknown(im, wrong);
}

static const term *reshape(importer *im) {
    size_t n;
    const int64_t *sizes = node_ints(im, "shape", 1, &n);
    const term *x = im->in[0];
    int64_t dims[ONNX_MAX_RANK], known = 1, elements = term_elements(x);
    size_t open = SIZE_MAX;
    bool zeros = node_int(im, "allowzero", 0) != 0, fits = n <= ONNX_MAX_RANK;
    if (!sizes && n)
        return term_unknown(im, "reshapes to sizes that are not known");
    for (size_t i = 0; fits && i < n; i++) {
        dims[i] = sizes[i] == 0 && !zeros && i < x->rank ? x->dims[i] : sizes[i];
        if (sizes[i] == -1 && open == SIZE_MAX)
            open = i;
        else
            fits = dims[i] >= 0 && !__builtin_mul_overflow(known, dims[i], &known);
    }
    const char *wrong = "this reshape neither keeps rows nor splits them into heads nor joins heads";
    if (fits && open != SIZE_MAX) {
        fits = known > 0 && elements % known == 0;
        dims[open] = fits ? elements / known : 0;
    }
    return fits ? reshaped(im, (uint32_t)n, dims, wrong) : term_unknown(im, wrong);
}

static const term *flatten(importer *im) {
    const term *x = im->in[0];
    int64_t axis = node_int(im, "axis", 1), dims[2] = {1, 1};
    axis = axis < 0 ? axis + x->rank : axis;
    for (uint32_t i = 0; i < x->rank; i++)
        dims[i < axis ? 0 : 1] *= x->dims[i];
    return reshaped(im, 2, dims, NO_SIZES);
}

static bool axis_bits(const int64_t *axes, size_t count, uint32_t rank, uint32_t *bits) {
    *bits = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank)
            return false;
        *bits |= 1U << axis;
    }
    return true;
}

static const term *unsqueeze(importer *im) {
    size_t count;
    const term *x = im->in[0];
    const int64_t *axes = node_ints(im, "axes", 1, &count);
    uint32_t bits, rank = x->rank + (uint32_t)count, at = 0;
    int64_t dims[ONNX_MAX_RANK];
    if (!axes || count > ONNX_MAX_RANK || rank > ONNX_MAX_RANK || !axis_bits(axes, count, rank, &bits))
        return term_unknown(im, "adds axes that are not known, or too many");
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = bits >> i & 1 || at >= x->rank ? 1 : x->dims[at++];
    return reshaped(im, rank, dims, NO_SIZES);
}

static const term *squeeze(importer *im) {
    size_t count;
    const term *x = im->in[0];
    const int64_t *axes = node_ints(im, "axes", 1, &count);
    uint32_t bits = 0, rank = 0;
    int64_t dims[ONNX_MAX_RANK];
    if ((axes && !axis_bits(axes, count, x->rank, &bits)) || (!axes && im->in[1]))
        return term_unknown(im, "removes axes that are not known");
    for (uint32_t i = 0; i < x->rank; i++) {
        bool drop = axes ? bits >> i & 1 : x->dims[i] == 1;
        if (drop && x->dims[i] != 1)
            return term_unknown(im, "removes an axis of more than one element");
        if (!drop)
            dims[rank++] = x->dims[i];
    }
    return reshaped(im, rank, dims, NO_SIZES);
}

static const term *transpose(importer *im) {
    size_t count;
    layout l;
    const int64_t *perm = node_ints(im, "perm", SIZE_MAX, &count);
    uint32_t order[ONNX_MAX_RANK], seen;
    if (!layout_begin(im->in[0], &l))
        return term_unknown(im, NO_SIZES);
    uint32_t rank = l.view.rank;
    if (perm && (count != rank || !axis_bits(perm, count, rank, &seen) || seen != (1U << rank) - 1))
        return term_unknown(im, "its permutation is not one of its operand's axes");
    for (uint32_t i = 0; i < rank; i++)
        order[i] = !perm ? rank - 1 - i : (uint32_t)(perm[i] < 0 ? perm[i] + rank : perm[i]);
    view_transpose(&l.view, order);
    return layout_end(im, &l);
}

static const term *expand(importer *im) {
    size_t n;
    layout l;
    const int64_t *sizes = node_ints(im, NULL, 1, &n);
    int64_t dims[ONNX_MAX_RANK];
    if (!sizes || n > ONNX_MAX_RANK || !layout_begin(im->in[0], &l))
        return term_unknown(im, "copies to sizes that are not known");
    uint32_t own = l.view.rank, rank = n > own ? (uint32_t)n : own;
    const term *x = im->in[0];
    int64_t count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t from = i + own < rank ? 1 : x->dims[i + own - rank], to = i + n < rank ? 1 : sizes[i + n - rank];
        dims[i] = from == 1 ? to : from;
        if (dims[i] <= 0 || __builtin_mul_overflow(count, dims[i], &count) || count > VIEW_MAX_ELEMENTS ||
            (to != 1 && from != 1 && to != from))
            return term_unknown(im, "copies to sizes that contradict its operand's");
    }
    /* One number of each row: what it stands beside takes it for all elements. */
    if (l.base->kind >= TERM_SCALE && l.base->kind < TERM_CODES && own && x->dims[own - 1] == 1)
        return term_with_dims(im, x, rank, dims);
    return view_expand(&l.view, rank, dims) ? layout_end(im, &l)
                                            : term_unknown(im, "copies to sizes that contradict its operand's");
}

static int64_t clamp(int64_t n, int64_t least, int64_t most) {
    return n < least ? least : n > most ? most : n;
}

static const term *slice(importer *im) {
    size_t starts, ends, steps, axes;
    layout l;
    const int64_t *start = node_ints(im, "starts", 1, &starts), *end = node_ints(im, "ends", 2, &ends);
    const int64_t *axis = node_ints(im, "axes", 3, &axes), *step = node_ints(im, "steps", 4, &steps);
    if (!start || !end || starts != ends || (axis && axes != starts) || (step && steps != starts) ||
        (!axis && im->in[3]) || (!step && im->in[4]))
        return term_unknown(im, "slices by what is not known");
    const term *x = im->in[0];
    bool some = layout_begin(x, &l);
    for (size_t i = 0; i < starts; i++) {
        int64_t at = axis ? axis[i] : (int64_t)i, by = step ? step[i] : 1;
        at = at < 0 ? at + x->rank : at;
        if (at < 0 || at >= x->rank || by == 0 || by == INT64_MIN)
            return term_unknown(im, "slices an axis that its operand has not, or by steps of 0");
        int64_t n = x->dims[at], first = start[i] < 0 ? start[i] + n : start[i],
                last = end[i] < 0 ? end[i] + n : end[i];
        first = by > 0 ? clamp(first, 0, n) : clamp(first, 0, n - 1);
        last = by > 0 ? clamp(last, 0, n) : end[i] < -n ? -1 : clamp(last, -1, n - 1);
        int64_t count = by > 0 ? (last - first + by - 1) / by : (first - last - by - 1) / -by;
        if (count <= 0 && (x->kind == TERM_NUMBERS || x->kind == TERM_UNIFORM) && starts == 1) {
            int64_t dims[ONNX_MAX_RANK];
            memcpy(dims, x->dims, sizeof dims);
            dims[at] = 0;
            return term_numbers_new(im, x->rank, dims, x->type, NULL);
        }
        if (!some || count <= 0)
            return term_unknown(im, "takes none of its operand");
        if (!view_slice(&l.view, (uint32_t)at, first, count, by))
            return term_unknown(im, "takes parts of what lies in several pieces");
    }
    return some ? layout_end(im, &l) : x;
}

static const term *split(importer *im) {
    const term *x = im->in[0];
    size_t listed, outputs = im->node->output_count;
    const int64_t *sizes = node_ints(im, "split", 1, &listed);
    int64_t axis = node_int(im, "axis", 0), first = 0;
    axis = axis < 0 ? axis + x->rank : axis;
    layout whole;
    if (axis < 0 || axis >= x->rank || outputs == 0 || outputs > ONNX_MAX_OUTPUTS || (sizes && listed != outputs) ||
        !layout_begin(x, &whole))
        return term_unknown(im, "a split is known along an axis of its operand, into at most 8");
    int64_t size = x->dims[axis], equal = (size + (int64_t)outputs - 1) / (int64_t)outputs;
    for (size_t i = 0; i < outputs; i++) {
        layout l = whole;
        int64_t count = sizes ? sizes[i] : clamp(equal, 0, size - first);
        if (count <= 0 || count > size - first)
            return term_unknown(im, arena_printf(im->a, "its parts are not the %lld that it splits", (long long)size));
        if (!view_slice(&l.view, (uint32_t)axis, first, count, 1))
            return term_unknown(im, "takes parts of what lies in several pieces");
        const term *t = layout_end(im, &l);
        if (t->kind == TERM_UNKNOWN)
            return t;
        im->out[i] = t;
        first += count;
    }
    return first == size ? im->out[0]
                         : term_unknown(im, arena_printf(im->a, "its parts make %lld of the %lld that it splits",
                                                         (long long)first, (long long)size));
}

/** Rows of a table, by token ids, types, or constants that count up: positions. NULL if the indices are none. */
static const term *table_rows(importer *im, const term *table, const term *which) {
    const term *at = which;
    embedding_index index = which->kind == TERM_IDS ? INDEX_WORDS : INDEX_TYPES;
    double first = 0;
    if (which->kind != TERM_IDS && which->kind != TERM_TYPES) {
        if (!term_numbers(im, which, &at))
            return NULL;
        int64_t n = term_elements(at);
        index = at->kind == TERM_UNIFORM ? INDEX_FIRST_TYPE : INDEX_POSITIONS;
        first = n ? term_number_at(at, 0) : -1;
        for (int64_t i = 0; i < n && index == INDEX_POSITIONS; i++)
            if (at->values[i] != first + (double)i)
                return NULL;
        if (first < 0 || (at->kind == TERM_UNIFORM && first != 0) || (at->kind != TERM_UNIFORM && n != im->seq) ||
            first + (double)(index == INDEX_POSITIONS ? n : 1) > (double)table->weight->dims[0])
            return NULL;
    }
    term *t = term_new(im, TERM_EMBEDDING, NULL, NULL);
    t->function = index;
    t->number = first;
    t->weight = table->weight;
    t->width = (uint32_t)table->weight->dims[1];
    return t;
}

static const term *gather(importer *im) {
    const term *x = im->in[0], *which = im->in[1], *at;
    int64_t axis = node_int(im, "axis", 0), dims[ONNX_MAX_RANK], n = term_elements(which);
    uint32_t rank = x->rank + which->rank - 1;
    axis = axis < 0 ? axis + x->rank : axis;
    if (axis < 0 || axis >= x->rank || rank > ONNX_MAX_RANK)
        return term_unknown(im, "gathers along an axis that its operand has not");
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = i < axis ? x->dims[i] : i < axis + which->rank ? which->dims[i - axis] : x->dims[i - which->rank + 1];
    if (x->kind == TERM_UNIFORM && n > 0) /* all alike, whichever are chosen */
        return term_with_dims(im, x, rank, dims);
    if (x->kind == TERM_WEIGHT && x->weight->rank == 2 && x->rank == 2 && !x->transposed && axis == 0 &&
        x->weight->dims[1] <= UINT32_MAX) {
        const term *rows = table_rows(im, x, which);
        return rows ? term_with_dims(im, rows, rank, dims)
                    : term_unknown(im, "the rows of a table must be chosen by token ids, token types or positions");
    }
    layout l;
    if (!term_numbers(im, which, &at) || n == 0 || !layout_begin(x, &l))
        return term_unknown(im, "gathers neither sizes nor rows of a table");
    int64_t size = x->dims[axis], first = (int64_t)term_number_at(at, 0);
    first = first < 0 ? first + size : first;
    for (int64_t i = 0; i < n; i++) {
        double index = term_number_at(at, i);
        if (!(index >= -(double)size && index < (double)size))
            return term_unknown(im, "gathers from outside of its operand");
        index = index < 0 ? index + (double)size : index;
        if (index != (double)(first + i)) { /* not one after the other */
            const term *folded = onnx_fold(im);
            return folded ? folded : term_unknown(im, "gathers rows in another order");
        }
    }
    return view_slice(&l.view, (uint32_t)axis, first, n, 1) && view_reshape(&l.view, rank, dims)
               ? layout_end(im, &l)
               : term_unknown(im, "takes parts of what lies in several pieces");
}

const onnx_operator onnx_layout_operators[] = {
    {"Reshape", reshape, 1}, {"Flatten", flatten, 1}, {"Unsqueeze", unsqueeze, 1}, {"Squeeze", squeeze, 1},
    {"Expand", expand, 2},   {"Slice", slice, 1},     {"Transpose", transpose, 1}, {"Split", split, 1},
    {"Gather", gather, 2},   {NULL, NULL, 0},
};
