/* Operators on numbers and sizes: what exporters write to find out how a reshape is to be made, which positions there
 * are, and what the mask adds. A program takes only tokens that are there, so the mask is one everywhere and what is
 * computed from it is a number. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "frontend/onnx/term.h"

static term *ints_new(importer *im, size_t count, int64_t **ints) {
    term *t = term_new(im, TERM_INTS, NULL, NULL);
    *ints = ARENA_ARRAY(im->a, int64_t, count + 1);
    t->ints = *ints;
    t->count = count;
    return t;
}

/** A number for each element of a mask: as many as the mask has. */
static const term *uniform_like(importer *im, double number, const term *mask) {
    term *t = term_new(im, TERM_UNIFORM, NULL, NULL);
    t->number = number;
    t->ints = mask->ints;
    return t;
}

static bool is_symbol(int64_t n) {
    return n <= DIM_LAST;
}

/* ---- constants ----------------------------------------------------------------------------------------------------
 */

/** Element `i` of a tensor whose bytes are here. */
static double element(const onnx_tensor *t, uint64_t i) {
    const uint8_t *at = t->data + i * onnx_type_bytes(t->type);
    float f;
    double r;
    int32_t i32;
    int64_t i64;
    switch (t->type) {
    case ONNX_FLOAT:
        memcpy(&f, at, sizeof f);
        return (double)f;
    case ONNX_DOUBLE:
        memcpy(&r, at, sizeof r);
        return r;
    case ONNX_INT32:
        memcpy(&i32, at, sizeof i32);
        return i32;
    case ONNX_INT64:
        memcpy(&i64, at, sizeof i64);
        return (double)i64;
    case ONNX_INT8:
        return (int8_t)*at;
    default:
        return *at;
    }
}

static bool is_whole(int64_t type) {
    return type == ONNX_INT32 || type == ONNX_INT64 || type == ONNX_BOOL;
}

const term *term_constant(importer *im, const onnx_tensor *t) {
    bool real = t->type == ONNX_FLOAT || t->type == ONNX_DOUBLE;
    if (real && t->elements == 1 && t->data)
        return term_uniform(im, element(t, 0));
    if (is_whole(t->type) && t->elements <= ONNX_MAX_INTS && (t->data || t->ints || t->elements == 0)) {
        int64_t *ints;
        term *out = ints_new(im, (size_t)t->elements, &ints);
        out->scalar = t->rank == 0;
        for (uint64_t i = 0; i < t->elements; i++) {
            ints[i] = t->ints ? t->ints[i] : 0;
            if (!t->ints && t->type == ONNX_INT64)
                memcpy(&ints[i], t->data + i * sizeof *ints, sizeof *ints);
            else if (!t->ints)
                ints[i] = (int64_t)element(t, i);
            if (ints[i] <= DIM_LAST) /* as far below as this: no symbol */
                ints[i] = DIM_LAST + 1;
        }
        out->weight = t;
        return out;
    }
    term *out = term_new(im, TERM_WEIGHT, NULL, NULL);
    out->weight = t;
    return out;
}

static const term *constant(importer *im) {
    const onnx_attr *value = onnx_attribute(im->node, "value");
    const onnx_attr *real = onnx_attribute(im->node, "value_float"), *whole = onnx_attribute(im->node, "value_int");
    int64_t *ints;
    size_t count;
    const int64_t *list = node_ints(im, "value_ints", SIZE_MAX, &count);
    if (value && value->tensor)
        return term_constant(im, value->tensor);
    if (real)
        return term_uniform(im, (double)real->f);
    if (!whole && !list)
        return term_unknown(im, "a constant of this form is not read");
    term *t = ints_new(im, list ? count : 1, &ints);
    t->scalar = !list;
    if (list)
        memcpy(ints, list, count * sizeof *ints);
    else
        *ints = whole->i;
    return t;
}

static const term *constant_of_shape(importer *im) {
    const onnx_attr *value = onnx_attribute(im->node, "value");
    const onnx_tensor *t = value ? value->tensor : NULL;
    if (t && (t->elements != 1 || (!t->data && !t->ints)))
        return term_unknown(im, "its value must be one number");
    return term_uniform(im, !t ? 0 : t->ints ? (double)t->ints[0] : element(t, 0));
}

/* ---- sizes --------------------------------------------------------------------------------------------------------
 */

static const term *shape(importer *im) {
    const term *whole = term_shape(im, im->in[0]);
    int64_t first = node_int(im, "start", 0), last = node_int(im, "end", INT64_MAX), n = (int64_t)whole->count;
    if (whole->kind != TERM_INTS || (first == 0 && last == INT64_MAX))
        return whole;
    first = first < -n ? 0 : first < 0 ? first + n : first > n ? n : first;
    last = last < -n ? 0 : last < 0 ? last + n : last > n ? n : last;
    int64_t *ints;
    term *t = ints_new(im, first < last ? (size_t)(last - first) : 0, &ints);
    memcpy(ints, whole->ints + first, t->count * sizeof *ints);
    return t;
}

static const term *same(importer *im) {
    return im->in[0];
}

/** Uniform if it is one number that is known, as an operand of arithmetic. */
static const term *as_uniform(importer *im, const term *t) {
    bool all = t->kind == TERM_INTS && t->count > 0 && !is_symbol(t->ints[0]);
    for (size_t i = 1; all && i < t->count; i++)
        all = t->ints[i] == t->ints[0];
    return all ? term_uniform(im, (double)t->ints[0]) : t;
}

static const term *cast(importer *im) {
    const term *x = im->in[0];
    int64_t to = node_int(im, "to", 0);
    const term *codes = to == ONNX_FLOAT ? term_cast_codes(im, x) : NULL;
    if (codes)
        return codes;
    if (x->kind == TERM_INTS && !is_whole(to))
        return as_uniform(im, x);
    if (x->kind == TERM_UNIFORM && to == ONNX_BOOL)
        return uniform_like(im, x->number != 0, x);
    if (x->kind == TERM_UNIFORM && is_whole(to) && x->number == floor(x->number) && fabs(x->number) < 1e9 && !x->ints) {
        int64_t *ints;
        term *t = ints_new(im, 1, &ints);
        *ints = (int64_t)x->number;
        t->scalar = true;
        return t;
    }
    if (term_is_rows(x) && to != ONNX_FLOAT)
        return term_unknown(im, "rows are float32; they cannot become another type");
    return x;
}

static const term *gather_ints(importer *im, const term *from, const term *which) {
    int64_t *ints;
    term *t = ints_new(im, which->count, &ints);
    t->scalar = which->scalar;
    for (size_t i = 0; i < which->count; i++) {
        int64_t at = which->ints[i] < 0 ? which->ints[i] + (int64_t)from->count : which->ints[i];
        if (is_symbol(which->ints[i]) || at < 0 || at >= (int64_t)from->count)
            return term_unknown(im, "gathers from outside of its operand");
        ints[i] = from->ints[at];
    }
    return t;
}

/** 0, 1, 2 … for every position of the input. */
static bool counts_up(const importer *im, const term *t) {
    for (size_t i = 0; i < t->count; i++)
        if (t->ints[i] != (int64_t)i)
            return false;
    return (int64_t)t->count == im->seq;
}

static const term *gather(importer *im) {
    const term *from = im->in[0], *which = im->in[1];
    if (from->kind == TERM_INTS && which->kind == TERM_INTS)
        return gather_ints(im, from, which);
    if (from->kind == TERM_UNIFORM && which->kind != TERM_UNKNOWN) /* all alike, whichever are chosen */
        return term_uniform(im, from->number);
    if (term_is_rows(from) && which->kind == TERM_INTS && which->count == 1 && which->ints[0] == 0 &&
        node_int(im, "axis", 0) == 1) {
        term *t = term_new(im, TERM_POOL, from, NULL);
        t->function = 2;
        return t;
    }
    if ((from->kind == TERM_PARTS || from->kind == TERM_SPLIT || from->kind == TERM_HEADS ||
         from->kind == TERM_SCALE) &&
        which->kind == TERM_INTS && which->count == 1 && which->ints[0] >= 0) {
        const term *part = term_part(im, from, node_int(im, "axis", 0), (uint64_t)which->ints[0], 1);
        bool drops = which->scalar && part->kind != TERM_UNKNOWN;
        const term *one = drops ? term_drop_axis(im, part, node_int(im, "axis", 0)) : NULL;
        return one ? one : part;
    }
    if (from->kind != TERM_WEIGHT || from->weight->rank != 2 || from->transposed || node_int(im, "axis", 0) != 0 ||
        from->weight->dims[1] > UINT32_MAX)
        return term_unknown(im, "gathers neither sizes nor rows of a table");
    if (which->kind == TERM_INTS)
        which = counts_up(im, which) ? term_new(im, TERM_POSITIONS, NULL, NULL) : as_uniform(im, which);
    if (which->kind != TERM_IDS && which->kind != TERM_TYPES && which->kind != TERM_POSITIONS &&
        (which->kind != TERM_UNIFORM || which->number != 0))
        return term_unknown(im, "the rows of a table must be chosen by token ids, token types or positions");
    term *t = term_new(im, TERM_EMBEDDING, which, NULL);
    t->weight = from->weight;
    t->width = (uint32_t)from->weight->dims[1];
    return t;
}

static const term *concat(importer *im) {
    size_t total = 0, at = 0, indices = 0;
    for (size_t i = 0; i < im->node->input_count; i++) {
        bool ints = im->in[i]->kind == TERM_INTS;
        if (ints && im->in[i]->count > ONNX_MAX_INTS)
            return term_unknown(im, "joins more numbers than are read");
        total += ints ? im->in[i]->count : 0;
        indices += im->in[i]->kind == TERM_POSITIONS || im->in[i]->kind == TERM_UNIFORM;
        if (!ints && im->in[i]->kind != TERM_POSITIONS && im->in[i]->kind != TERM_UNIFORM)
            return term_unknown(im, "joins what are no sizes");
    }
    if (indices)
        return term_new(im, TERM_INDICES, NULL, NULL);
    int64_t *ints;
    term *t = ints_new(im, total, &ints);
    for (size_t i = 0; i < im->node->input_count; i++)
        for (size_t j = 0; j < im->in[i]->count; j++)
            ints[at++] = im->in[i]->ints[j];
    return t;
}

/** The first `seq` of numbers that count up, or of a table's rows; a part of sizes. */
static const term *slice(importer *im) {
    const term *x = im->in[0];
    size_t starts, ends, steps, axes;
    const int64_t *start = node_ints(im, "starts", 1, &starts), *end = node_ints(im, "ends", 2, &ends);
    const int64_t *axis = node_ints(im, "axes", 3, &axes), *step = node_ints(im, "steps", 4, &steps);
    if (x->kind == TERM_UNIFORM)
        return term_uniform(im, x->number);
    if (!start || !end || starts != 1 || ends != 1 || (step && (steps != 1 || step[0] != 1)))
        return term_unknown(im, "a slice is known only along one axis, by steps of one");
    double factor = 1;
    const term *rows = term_strip(x, &factor);
    if (rows->kind == TERM_PARTS || rows->kind == TERM_SPLIT || rows->kind == TERM_HEADS || term_is_rows(rows)) {
        if (!axis || is_symbol(end[0]) || start[0] < 0 || end[0] <= start[0])
            return term_unknown(im, "a slice of rows is known only of elements, heads or parts counted from the first");
        uint64_t last = (uint64_t)end[0], room = term_axis_size(x, axis[0]);
        last = last < room ? last : room;
        return (uint64_t)start[0] < last
                   ? term_part(im, x, axis[0], (uint64_t)start[0], last - (uint64_t)start[0])
                   : term_unknown(im, "a slice of rows is known only along elements, heads or parts");
    }
    bool whole = start[0] == 0 && (end[0] == im->seq || end[0] >= INT32_MAX);
    if (whole && (x->kind == TERM_POSITIONS || x->kind == TERM_IDS || x->kind == TERM_TYPES))
        return x;
    if (x->kind == TERM_WEIGHT && whole && (!axis || axis[0] == 0) && x->weight->rank == 2 &&
        x->weight->dims[1] <= UINT32_MAX) {
        term *t = term_new(im, TERM_EMBEDDING, term_new(im, TERM_POSITIONS, NULL, NULL), NULL);
        t->weight = x->weight;
        t->width = (uint32_t)x->weight->dims[1];
        return t;
    }
    if (x->kind != TERM_INTS)
        return term_unknown(im, "slices neither sizes nor positions");
    int64_t n = (int64_t)x->count, last = is_symbol(end[0]) ? n : end[0];
    if (whole && end[0] == im->seq) {
        const term *zero = as_uniform(im, x);
        bool iota = n > 0;
        for (int64_t i = 0; i < n && iota; i++)
            iota = x->ints[i] == i;
        if (iota && (n > 1 || is_symbol(im->seq)))
            return term_new(im, TERM_POSITIONS, NULL, NULL);
        if (zero->kind == TERM_UNIFORM)
            return zero;
    }
    int64_t first = start[0] < -n ? 0 : start[0] < 0 ? start[0] + n : start[0];
    last = last < 0 ? last + n : last > n ? n : last;
    if (is_symbol(start[0]) || is_symbol(end[0]) || first < 0 || first > last)
        return term_unknown(im, "slices outside of its operand");
    int64_t *ints;
    term *t = ints_new(im, (size_t)(last - first), &ints);
    memcpy(ints, x->ints + first, t->count * sizeof *ints);
    return t;
}

static const term *range(importer *im) {
    const term *from = im->in[0], *to = im->in[1], *by = im->in[2];
    bool ints = from->kind == TERM_INTS && to->kind == TERM_INTS && by->kind == TERM_INTS && from->count == 1 &&
                to->count == 1 && by->count == 1;
    if (ints && from->ints[0] == 0 && to->ints[0] == im->seq && by->ints[0] == 1)
        return term_new(im, TERM_POSITIONS, NULL, NULL);
    if (ints && from->ints[0] == 0 && by->ints[0] == 1 && (to->ints[0] == im->batch || to->ints[0] == 1)) {
        int64_t *zero; /* texts are computed one at a time */
        term *t = ints_new(im, 1, &zero);
        *zero = 0;
        return t;
    }
    return term_unknown(im, "a range is known only of all positions: from 0 to the length by 1");
}

/** Copies along new axes: sizes do not matter where all elements, or all rows, are alike. */
static const term *expand(importer *im) {
    const term *x = as_uniform(im, im->in[0]);
    if (x->kind == TERM_UNIFORM)
        return term_uniform(im, x->number);
    if (x->kind == TERM_POSITIONS || x->kind == TERM_TYPES || x->kind == TERM_IDS)
        return x;
    return term_unknown(im, "copies what is neither positions nor all alike");
}

/** A matrix of what may have any rank. */
static const term *flatten(importer *im) {
    const term *x = as_uniform(im, im->in[0]);
    return x->kind == TERM_UNIFORM ? term_uniform(im, x->number)
                                   : term_unknown(im, "flattens what is not the same for all tokens");
}

/** Adds or removes axes of one element. */
static const term *axes_of_one(importer *im) {
    const term *x = im->in[0];
    if (x->kind == TERM_UNIFORM)
        return term_uniform(im, x->number);
    if (x->kind == TERM_INTS) {
        term *t = term_new(im, TERM_INTS, NULL, NULL);
        *t = *x;
        t->scalar = strcmp(im->node->op, "Squeeze") == 0 && x->count == 1;
        return t;
    }
    if (x->kind == TERM_POSITIONS || x->kind == TERM_EMBEDDING)
        return x;
    size_t count;
    const int64_t *axes = node_ints(im, "axes", 1, &count);
    bool squeezes = strcmp(im->node->op, "Squeeze") == 0 && axes && count == 1;
    const term *one = squeezes ? term_drop_axis(im, x, axes[0]) : NULL;
    if (one)
        return one;
    return term_unknown(im, "adds an axis to what is neither sizes nor positions nor a mask");
}

static const term *where(importer *im) {
    const term *c = as_uniform(im, im->in[0]);
    const term *all = im->in[1], *none = im->in[2];
    if (c->kind == TERM_UNIFORM)
        return c->number != 0 ? all : none;
    return term_unknown(im,
                        c->kind == TERM_UNKNOWN ? NULL : "chooses by a condition that is not the same for all tokens");
}

/** Comparisons and logic of uniform numbers; and positions are not negative. */
static const term *compare(importer *im) {
    const term *x = as_uniform(im, im->in[0]), *y = im->in[1] ? as_uniform(im, im->in[1]) : x;
    const char *op = im->node->op;
    bool order = strcmp(op, "GreaterOrEqual") == 0 || strcmp(op, "Greater") == 0;
    if (order && x->kind == TERM_POSITIONS && y->kind == TERM_UNIFORM && y->number <= (op[7] ? 0 : -1))
        return term_uniform(im, 1);
    double a = x->number, b = y->number;
    if (x->kind != TERM_UNIFORM || y->kind != TERM_UNIFORM)
        return term_unknown(im, "compares what is not the same for all tokens");
    bool yes = strcmp(op, "Equal") == 0            ? a == b
               : strcmp(op, "Greater") == 0        ? a > b
               : strcmp(op, "Less") == 0           ? a < b
               : strcmp(op, "GreaterOrEqual") == 0 ? a >= b
               : strcmp(op, "LessOrEqual") == 0    ? a <= b
               : strcmp(op, "And") == 0            ? a != 0 && b != 0
               : strcmp(op, "Or") == 0             ? a != 0 || b != 0
                                                   : a == 0;
    return term_uniform(im, yes);
}

/** Positions and zeros, broadcast: what exporters write to learn a mask's shape. */
static const term *maximum(importer *im) {
    const term *x = as_uniform(im, im->in[0]), *y = im->in[1] ? as_uniform(im, im->in[1]) : x;
    if (x->kind == TERM_UNIFORM && y->kind == TERM_UNIFORM)
        return term_uniform(im, fmax(x->number, y->number));
    if (x->kind == TERM_POSITIONS && y->kind == TERM_UNIFORM && y->number <= 0)
        return x;
    if (y->kind == TERM_POSITIONS && x->kind == TERM_UNIFORM && x->number <= 0)
        return y;
    return term_unknown(im, "a maximum is known only of numbers, and of positions and 0");
}

/** Elements of a mask: as all are alike, so are these. */
static const term *gather_nd(importer *im) {
    return im->in[0]->kind == TERM_UNIFORM ? term_uniform(im, im->in[0]->number)
                                           : term_unknown(im, "gathers from what is not the same for all tokens");
}

/** Probabilities of a row that sees a token are numbers, and every row sees itself. */
static const term *is_nan(importer *im) {
    return im->in[0]->kind == TERM_PROBS ? term_uniform(im, 0)
                                         : term_unknown(im, "only of probabilities it is known that they are numbers");
}

const onnx_operator onnx_shape_operators[] = {
    {"Constant", constant, 0},
    {"ConstantOfShape", constant_of_shape, 1},
    {"Shape", shape, 1},
    {"Identity", same, 1},
    {"Dropout", same, 1},
    {"Cast", cast, 1},
    {"Gather", gather, 2},
    {"Concat", concat, 1},
    {"Slice", slice, 1},
    {"Range", range, 3},
    {"Expand", expand, 2},
    {"Unsqueeze", axes_of_one, 1},
    {"Squeeze", axes_of_one, 1},
    {"Where", where, 3},
    {"Equal", compare, 2},
    {"Greater", compare, 2},
    {"Less", compare, 2},
    {"GreaterOrEqual", compare, 2},
    {"LessOrEqual", compare, 2},
    {"Max", maximum, 1},
    {"GatherND", gather_nd, 2},
    {"IsNaN", is_nan, 1},
    {"And", compare, 2},
    {"Or", compare, 2},
    {"Not", compare, 1},
    {"Flatten", flatten, 1},
    {NULL, NULL, 0},
};
