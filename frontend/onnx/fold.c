/* Operators folded over constants: what exporters write to find out sizes, positions and masks. Sizes are
 * numbers, as a graph is read for one length at a time, and the mask of tokens is all ones; so this is plain
 * arithmetic, operator by operator, of elements as float64, rounded to float32 where they are of that type. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/term.h"

/* ---- element by element -------------------------------------------------------------------------------------------
 */

bool term_broadcast(const term *x, const term *y, uint32_t *rank, int64_t dims[ONNX_MAX_RANK]) {
    *rank = x->rank > y->rank ? x->rank : y->rank;
    for (uint32_t i = 0; i < *rank; i++) {
        int64_t a = i + x->rank < *rank ? 1 : x->dims[i + x->rank - *rank];
        int64_t b = i + y->rank < *rank ? 1 : y->dims[i + y->rank - *rank];
        if (a != b && a != 1 && b != 1)
            return false;
        dims[i] = a == 1 ? b : a;
    }
    return true;
}

/** Element of `x` at `index` of what it is broadcast to. */
static double broadcast_at(const term *x, uint32_t rank, const int64_t *index) {
    int64_t at = 0;
    if (x->kind == TERM_UNIFORM)
        return x->number;
    for (uint32_t i = rank - x->rank; i < rank; i++) {
        int64_t size = x->dims[i - (rank - x->rank)];
        at = at * size + (size == 1 ? 0 : index[i]);
    }
    return x->values[at];
}

static void step(uint32_t rank, const int64_t *dims, int64_t *index) {
    for (uint32_t i = rank; i-- > 0;) {
        if (++index[i] < dims[i])
            return;
        index[i] = 0;
    }
}

typedef double (*function)(double x, double y);
static double f_add(double x, double y) {
    return x + y;
}
static double f_subtract(double x, double y) {
    return x - y;
}
static double f_multiply(double x, double y) {
    return x * y;
}
static double f_divide(double x, double y) {
    return x / y;
}
static double f_modulo(double x, double y) {
    return x - y * floor(x / y);
}
static double f_equal(double x, double y) {
    return x == y;
}
static double f_greater(double x, double y) {
    return x > y;
}
static double f_less(double x, double y) {
    return x < y;
}
static double f_at_least(double x, double y) {
    return x >= y;
}
static double f_at_most(double x, double y) {
    return x <= y;
}
static double f_and(double x, double y) {
    return x != 0 && y != 0;
}
static double f_or(double x, double y) {
    return x != 0 || y != 0;
}
static double f_xor(double x, double y) {
    return (x != 0) != (y != 0);
}
static double f_not(double x, double y) {
    return x == y; /* y is 0 */
}
static double f_is_nan(double x, double y) {
    return isnan(x) || isnan(y);
}
static double f_is_infinite(double x, double y) {
    return isinf(x) || isinf(y);
}
static double f_negate(double x, double y) {
    return y - x;
}
static double f_absolute(double x, double y) {
    return fabs(x + y);
}
static double f_root(double x, double y) {
    return sqrt(x + y);
}
static double f_reciprocal(double x, double y) {
    return 1 / (x + y);
}
static double f_exp(double x, double y) {
    return exp(x + y);
}
static double f_log(double x, double y) {
    return log(x + y);
}
static double f_sin(double x, double y) {
    return sin(x + y);
}
static double f_cos(double x, double y) {
    return cos(x + y);
}
static double f_floor(double x, double y) {
    return floor(x + y);
}
static double f_ceil(double x, double y) {
    return ceil(x + y);
}

/* Operators of one operand, whose second one is 0, and of two or more. */
static const struct {
    const char *op;
    function f;
    unsigned operands;
    bool truth; /* gives BOOL */
} elementwise[] = {
    {"Add", f_add, 2, false},
    {"Sub", f_subtract, 2, false},
    {"Mul", f_multiply, 2, false},
    {"Div", f_divide, 2, false},
    {"Mod", f_modulo, 2, false},
    {"Pow", pow, 2, false},
    {"Max", fmax, 2, false},
    {"Min", fmin, 2, false},
    {"Equal", f_equal, 2, true},
    {"Greater", f_greater, 2, true},
    {"Less", f_less, 2, true},
    {"GreaterOrEqual", f_at_least, 2, true},
    {"LessOrEqual", f_at_most, 2, true},
    {"And", f_and, 2, true},
    {"Or", f_or, 2, true},
    {"Xor", f_xor, 2, true},
    {"Not", f_not, 1, true},
    {"IsNaN", f_is_nan, 1, true},
    {"IsInf", f_is_infinite, 1, true},
    {"Neg", f_negate, 1, false},
    {"Abs", f_absolute, 1, false},
    {"Sqrt", f_root, 1, false},
    {"Reciprocal", f_reciprocal, 1, false},
    {"Exp", f_exp, 1, false},
    {"Log", f_log, 1, false},
    {"Sin", f_sin, 1, false},
    {"Cos", f_cos, 1, false},
    {"Floor", f_floor, 1, false},
    {"Ceil", f_ceil, 1, false},
};
enum { ELEMENTWISE = sizeof elementwise / sizeof *elementwise };

/** As the type holds it. */
static double rounded(double value, int64_t type) {
    return onnx_type_is_real(type) ? (type == ONNX_DOUBLE ? value : (double)(float)value) : trunc(value);
}

static const term *too_large(importer *im) {
    return term_unknown(im, "makes a constant larger than is computed");
}

static const term *each(importer *im, function f, const term *x, const term *y, int64_t type) {
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK], index[ONNX_MAX_RANK] = {0}, count = 1;
    if (!term_broadcast(x, y, &rank, dims))
        return term_unknown(im, "its operands have sizes that contradict");
    for (uint32_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(count, dims[i], &count))
            return too_large(im);
    if (x->kind == TERM_UNIFORM && y->kind == TERM_UNIFORM)
        return term_uniform_of(im, rank, dims, type, rounded(f(x->number, y->number), type));
    if (count > ONNX_MAX_FOLD)
        return too_large(im);
    double *values = ARENA_ARRAY(im->a, double, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++, step(rank, dims, index))
        values[i] = rounded(f(broadcast_at(x, rank, index), broadcast_at(y, rank, index)), type);
    return term_numbers_new(im, rank, dims, type, values);
}

static const term *fold_each(importer *im, size_t row) {
    const term *x = im->in[0], *zero = term_uniform(im, 0);
    if (elementwise[row].operands == 1)
        return each(im, elementwise[row].f, x, zero, elementwise[row].truth ? ONNX_BOOL : x->type);
    for (size_t i = 1; i < im->node->input_count; i++) {
        if (!im->in[i])
            return term_unknown(im, "lacks an input");
        x = each(im, elementwise[row].f, x, im->in[i], elementwise[row].truth ? ONNX_BOOL : x->type);
        if (x->kind == TERM_UNKNOWN)
            return x;
    }
    return x;
}

/* ---- other operators ----------------------------------------------------------------------------------------------
 */

static const term *constant(importer *im) {
    const onnx_attr *value = onnx_attribute(im->node, "value");
    const onnx_attr *real = onnx_attribute(im->node, "value_float"), *whole = onnx_attribute(im->node, "value_int");
    size_t count;
    const int64_t *list = node_ints(im, "value_ints", SIZE_MAX, &count);
    if (value && value->tensor)
        return term_constant(im, value->tensor);
    if (real)
        return term_uniform(im, (double)real->f);
    if (!whole && !list)
        return term_unknown(im, "a constant of this form is not read");
    const int64_t dims[1] = {(int64_t)count};
    double *values = ARENA_ARRAY(im->a, double, count + 1);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)list[i];
    if (!list)
        *values = (double)whole->i;
    return term_numbers_new(im, list ? 1 : 0, dims, ONNX_INT64, values);
}

static const term *constant_of_shape(importer *im) {
    const onnx_attr *value = onnx_attribute(im->node, "value");
    const onnx_tensor *t = value ? value->tensor : NULL;
    size_t rank;
    const int64_t *dims = node_ints(im, NULL, 0, &rank);
    int64_t count = 1;
    if (t && (t->elements != 1 || (!t->data && !t->ints)))
        return term_unknown(im, "its value must be one number");
    if ((!dims && rank) || rank > ONNX_MAX_RANK)
        return term_unknown(im, "makes a constant of sizes that are not known");
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(count, dims[i], &count))
            return term_unknown(im, "makes a constant of sizes that cannot be");
    double number = !t ? 0 : t->ints ? (double)t->ints[0] : onnx_element(t, 0);
    return count == 0 ? term_numbers_new(im, (uint32_t)rank, dims, t ? t->type : ONNX_FLOAT, NULL)
                      : term_uniform_of(im, (uint32_t)rank, dims, t ? t->type : ONNX_FLOAT, number);
}

static const term *shape(importer *im) {
    const term *x = im->in[0];
    int64_t first = node_int(im, "start", 0), last = node_int(im, "end", INT64_MAX), n = x->rank;
    first = first < -n ? 0 : first < 0 ? first + n : first > n ? n : first;
    last = last < -n ? 0 : last < 0 ? last + n : last > n ? n : last;
    int64_t count = first < last ? last - first : 0;
    double *values = ARENA_ARRAY(im->a, double, ONNX_MAX_RANK);
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)x->dims[first + i];
    return term_numbers_new(im, 1, &count, ONNX_INT64, values);
}

static const term *size(importer *im) {
    return term_uniform_of(im, 0, NULL, ONNX_INT64, (double)term_elements(im->in[0]));
}

static const term *cast(importer *im) {
    int64_t to = node_int(im, "to", 0);
    const term *x = im->in[0], *zero = term_uniform(im, 0);
    if (!onnx_type_is_real(to) && !onnx_type_is_whole(to) && to != ONNX_INT8 && to != ONNX_UINT8)
        return term_unknown(im, "casts to a type that is not read");
    if (to != ONNX_BOOL)
        return each(im, f_add, x, zero, to);
    const term *none = each(im, f_not, x, zero, ONNX_BOOL);
    return none->kind == TERM_UNKNOWN ? none : each(im, f_not, none, zero, ONNX_BOOL);
}

static const term *concat(importer *im) {
    const term *x = im->in[0];
    int64_t axis = node_int(im, "axis", 0), total = 0, outer = 1, inner = 1, dims[ONNX_MAX_RANK];
    size_t n = im->node->input_count;
    axis = axis < 0 ? axis + x->rank : axis;
    if (axis < 0 || axis >= x->rank)
        return term_unknown(im, "joins along an axis that its operands have not");
    memcpy(dims, x->dims, sizeof dims);
    for (size_t i = 0; i < n; i++) {
        bool fits = im->in[i] && im->in[i]->rank == x->rank;
        for (uint32_t j = 0; j < x->rank && fits; j++)
            fits = j == axis || im->in[i]->dims[j] == x->dims[j];
        if (!fits || __builtin_add_overflow(total, im->in[i]->dims[axis], &total))
            return term_unknown(im, "joins what have sizes that contradict");
    }
    dims[axis] = total;
    for (uint32_t j = 0; j < x->rank; j++)
        if (__builtin_mul_overflow(*(j < axis ? &outer : &inner), j == axis ? 1 : dims[j], j < axis ? &outer : &inner))
            return too_large(im);
    int64_t count;
    if (__builtin_mul_overflow(outer, inner, &count) || __builtin_mul_overflow(count, total, &count) ||
        count > ONNX_MAX_FOLD)
        return too_large(im);
    double *values = ARENA_ARRAY(im->a, double, (size_t)count + 1);
    int64_t at = 0;
    for (int64_t o = 0; o < outer; o++)
        for (size_t i = 0; i < n; i++)
            for (int64_t j = 0, run = im->in[i]->dims[axis] * inner; j < run; j++)
                values[at++] = term_number_at(im->in[i], o * run + j);
    return term_numbers_new(im, x->rank, dims, x->type, values);
}

static const term *range(importer *im) {
    for (size_t i = 0; i < 3; i++)
        if (term_elements(im->in[i]) != 1)
            return term_unknown(im, "counts by what is not one number");
    double from = term_number_at(im->in[0], 0), to = term_number_at(im->in[1], 0), by = term_number_at(im->in[2], 0);
    double count = ceil((to - from) / by);
    if (!(count <= (double)ONNX_MAX_FOLD))
        return too_large(im);
    const int64_t n = count > 0 ? (int64_t)count : 0;
    double *values = ARENA_ARRAY(im->a, double, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++)
        values[i] = rounded(from + (double)i * by, im->in[0]->type);
    return term_numbers_new(im, 1, &n, im->in[0]->type, values);
}

static const term *where(importer *im) {
    const term *c = im->in[0], *x = im->in[1], *y = im->in[2];
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK], index[ONNX_MAX_RANK] = {0}, count = 1;
    term both = {.rank = 0};
    if (!term_broadcast(x, y, &both.rank, both.dims) || !term_broadcast(c, &both, &rank, dims))
        return term_unknown(im, "its operands have sizes that contradict");
    for (uint32_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(count, dims[i], &count))
            return too_large(im);
    const term *chosen = c->kind == TERM_UNIFORM ? (c->number != 0 ? x : y) : NULL;
    if (chosen && chosen->kind == TERM_UNIFORM)
        return term_uniform_of(im, rank, dims, x->type, chosen->number);
    if (count > ONNX_MAX_FOLD)
        return too_large(im);
    double *values = ARENA_ARRAY(im->a, double, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++, step(rank, dims, index))
        values[i] = broadcast_at(broadcast_at(c, rank, index) != 0 ? x : y, rank, index);
    return term_numbers_new(im, rank, dims, x->type, values);
}

/** Elements of any axis, in any order. */
static const term *gather(importer *im) {
    const term *x = im->in[0], *which = im->in[1];
    int64_t axis = node_int(im, "axis", 0), dims[ONNX_MAX_RANK], outer = 1, inner = 1, count = 1;
    axis = axis < 0 ? axis + x->rank : axis;
    uint32_t rank = x->rank + which->rank - 1; /* layout.c has looked at it */
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = i < axis ? x->dims[i] : i < axis + which->rank ? which->dims[i - axis] : x->dims[i - which->rank + 1];
    for (uint32_t i = 0; i < x->rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : x->dims[i];
    int64_t n = term_elements(which), size = x->dims[axis], at = 0;
    if (__builtin_mul_overflow(outer * inner, n, &count) || count > ONNX_MAX_FOLD)
        return too_large(im);
    double *values = ARENA_ARRAY(im->a, double, (size_t)count + 1);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++) {
            int64_t from = (int64_t)term_number_at(which, i);
            for (int64_t j = 0; j < inner; j++)
                values[at++] = term_number_at(x, (o * size + (from < 0 ? from + size : from)) * inner + j);
        }
    return term_numbers_new(im, rank, dims, x->type, values);
}

/** Where a tuple of indices begins among elements; -1 outside. */
static int64_t tuple_at(const term *x, const term *indices, int64_t tuple, int64_t length, int64_t inner) {
    int64_t at = 0;
    for (int64_t i = 0; i < length; i++) {
        double index = term_number_at(indices, tuple * length + i), size = (double)x->dims[i];
        if (!(index >= -size && index < size))
            return -1;
        at = at * x->dims[i] + (int64_t)(index < 0 ? index + size : index);
    }
    return at * inner;
}

static bool tuples(const term *x, const term *indices, int64_t *length, int64_t *inner, int64_t *count) {
    if (indices->rank == 0 || term_elements(indices) <= 0)
        return false;
    *length = indices->dims[indices->rank - 1];
    *inner = 1;
    *count = term_elements(indices) / *length;
    for (uint32_t i = (uint32_t)(*length > x->rank ? x->rank : *length); i < x->rank; i++)
        *inner *= x->dims[i];
    return *length <= x->rank && *count <= ONNX_MAX_FOLD && *inner <= ONNX_MAX_FOLD && *count * *inner <= ONNX_MAX_FOLD;
}

static const term *gather_nd(importer *im) {
    const term *x = im->in[0], *which = im->in[1];
    int64_t length, inner, count, dims[ONNX_MAX_RANK], at = 0;
    if (node_int(im, "batch_dims", 0) != 0 || !tuples(x, which, &length, &inner, &count) ||
        which->rank - 1 + x->rank - (uint32_t)length > ONNX_MAX_RANK)
        return term_unknown(im, "gathers by indices that are not read");
    uint32_t rank = 0;
    for (uint32_t i = 0; i + 1 < which->rank; i++)
        dims[rank++] = which->dims[i];
    for (uint32_t i = (uint32_t)length; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    double *values = ARENA_ARRAY(im->a, double, (size_t)(count * inner) + 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t from = tuple_at(x, which, i, length, inner);
        if (from < 0)
            return term_unknown(im, "gathers from outside of its operand");
        for (int64_t j = 0; j < inner; j++)
            values[at++] = term_number_at(x, from + j);
    }
    return term_numbers_new(im, rank, dims, x->type, values);
}

static const term *scatter_nd(importer *im) {
    const term *x = im->in[0], *which = im->in[1], *updates = im->in[2];
    int64_t length, inner, count, n = term_elements(x);
    const onnx_attr *reduction = onnx_attribute(im->node, "reduction");
    if ((reduction && reduction->s && strcmp(reduction->s, "none") != 0) || n > ONNX_MAX_FOLD ||
        !tuples(x, which, &length, &inner, &count) || term_elements(updates) != count * inner)
        return term_unknown(im, "writes by indices that are not read");
    double *values = ARENA_ARRAY(im->a, double, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++)
        values[i] = term_number_at(x, i);
    for (int64_t i = 0; i < count; i++) {
        int64_t to = tuple_at(x, which, i, length, inner);
        if (to < 0)
            return term_unknown(im, "writes outside of its operand");
        for (int64_t j = 0; j < inner; j++)
            values[to + j] = term_number_at(updates, i * inner + j);
    }
    return term_numbers_new(im, x->rank, x->dims, x->type, values);
}

/** Elements of a matrix above or below a diagonal are 0. */
static const term *trilu(importer *im) {
    const term *x = im->in[0];
    int64_t n = term_elements(x), upper = node_int(im, "upper", 1);
    double k = im->in[1] && term_elements(im->in[1]) == 1 ? term_number_at(im->in[1], 0) : 0;
    if (x->rank < 2 || n > ONNX_MAX_FOLD)
        return term_unknown(im, "takes a triangle of what is no matrix, or too large");
    int64_t columns = x->dims[x->rank - 1], rows = x->dims[x->rank - 2];
    double *values = ARENA_ARRAY(im->a, double, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) {
        int64_t ahead = i % columns - i / columns % rows;
        values[i] = (upper ? (double)ahead >= k : (double)ahead <= k) ? term_number_at(x, i) : 0;
    }
    return term_numbers_new(im, x->rank, x->dims, x->type, values);
}

static const term *cumulative_sum(importer *im) {
    const term *x = im->in[0];
    int64_t n = term_elements(x), inner = 1;
    if (node_int(im, "exclusive", 0) != 0 || node_int(im, "reverse", 0) != 0 || term_elements(im->in[1]) != 1 ||
        n > ONNX_MAX_FOLD)
        return term_unknown(im, "sums otherwise than from the first on");
    double axis = term_number_at(im->in[1], 0);
    axis = axis < 0 ? axis + x->rank : axis;
    if (!(axis >= 0 && axis < x->rank))
        return term_unknown(im, "sums along an axis that its operand has not");
    for (uint32_t i = (uint32_t)axis + 1; i < x->rank; i++)
        inner *= x->dims[i];
    double *values = ARENA_ARRAY(im->a, double, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++)
        values[i] = term_number_at(x, i) + (i / inner % x->dims[(uint32_t)axis] ? values[i - inner] : 0);
    return term_numbers_new(im, x->rank, x->dims, x->type, values);
}

static const term *tile(importer *im) {
    const term *x = im->in[0];
    size_t n;
    const int64_t *times = node_ints(im, "repeats", 1, &n);
    int64_t dims[ONNX_MAX_RANK], index[ONNX_MAX_RANK] = {0}, inside[ONNX_MAX_RANK] = {0}, count = 1;
    if (!times || n != x->rank)
        return term_unknown(im, "repeats by what is not known");
    for (uint32_t i = 0; i < x->rank; i++)
        if (times[i] <= 0 || __builtin_mul_overflow(x->dims[i], times[i], &dims[i]) ||
            __builtin_mul_overflow(count, dims[i], &count) || count > ONNX_MAX_FOLD)
            return too_large(im);
    double *values = ARENA_ARRAY(im->a, double, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++, step(x->rank, dims, index)) {
        for (uint32_t j = 0; j < x->rank; j++)
            inside[j] = index[j] % x->dims[j];
        values[i] = broadcast_at(x, x->rank, inside);
    }
    return term_numbers_new(im, x->rank, dims, x->type, values);
}

static const term *clip(importer *im) {
    const term *x = im->in[0];
    for (size_t i = 1; i < 3 && x->kind != TERM_UNKNOWN; i++)
        if (im->in[i])
            x = each(im, i == 1 ? fmax : fmin, x, im->in[i], x->type);
    return x;
}

static const term *reduce(importer *im) {
    const term *x = im->in[0];
    const char *op = im->node->op;
    size_t n;
    const int64_t *axes = node_ints(im, "axes", 1, &n);
    bool gone[ONNX_MAX_RANK] = {false}, keep = node_int(im, "keepdims", 1) != 0;
    int64_t kept[ONNX_MAX_RANK], dims[ONNX_MAX_RANK], index[ONNX_MAX_RANK] = {0}, count = term_elements(x), groups = 1;
    uint32_t rank = 0;
    if (count <= 0 || count > ONNX_MAX_FOLD || (!axes && im->in[1]))
        return term_unknown(im, "reduces axes that are not known, or too many elements");
    for (size_t i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + x->rank : axes[i];
        if (axis < 0 || axis >= x->rank)
            return term_unknown(im, "reduces an axis that its operand has not");
        gone[axis] = true;
    }
    for (uint32_t i = 0; i < x->rank; i++) {
        gone[i] = gone[i] || n == 0;
        kept[i] = gone[i] ? 1 : x->dims[i];
        groups *= kept[i];
        if (keep || !gone[i])
            dims[rank++] = kept[i];
    }
    bool most = strcmp(op, "ReduceMax") == 0, least = strcmp(op, "ReduceMin") == 0,
         mean = strcmp(op, "ReduceMean") == 0;
    double *values = ARENA_ARRAY(im->a, double, (size_t)groups + 1);
    for (int64_t i = 0; i < groups; i++)
        values[i] = most ? -INFINITY : least ? INFINITY : strcmp(op, "ReduceProd") == 0 ? 1 : 0;
    for (int64_t i = 0; i < count; i++, step(x->rank, x->dims, index)) {
        int64_t at = 0;
        for (uint32_t j = 0; j < x->rank; j++)
            at = at * kept[j] + (gone[j] ? 0 : index[j]);
        double v = term_number_at(x, i), *to = &values[at];
        *to = most ? fmax(*to, v) : least ? fmin(*to, v) : strcmp(op, "ReduceProd") == 0 ? *to * v : *to + v;
    }
    for (int64_t i = 0; i < groups; i++)
        values[i] = rounded(mean ? values[i] * (double)groups / (double)count : values[i], x->type);
    return term_numbers_new(im, rank, dims, x->type, values);
}

/** Of constants, as angles are made of frequencies and positions. */
static const term *matmul(importer *im) {
    const term *x = im->in[0], *y = im->in[1];
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK], index[ONNX_MAX_RANK] = {0}, count = 1;
    if (x->rank < 2 || y->rank < 2 || x->dims[x->rank - 1] != y->dims[y->rank - 2])
        return term_unknown(im, "multiplies constants whose sizes contradict");
    int64_t inner = x->dims[x->rank - 1];
    term left = *x, right = *y;
    left.dims[x->rank - 1] = right.dims[y->rank - 2] = 1;
    if (!term_broadcast(&left, &right, &rank, dims))
        return term_unknown(im, "multiplies constants whose sizes contradict");
    for (uint32_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(count, dims[i], &count))
            return too_large(im);
    if (count > ONNX_MAX_FOLD || inner > ONNX_MAX_FOLD || count * inner > ONNX_MAX_FOLD)
        return too_large(im);
    double *values = ARENA_ARRAY(im->a, double, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++, step(rank, dims, index)) {
        int64_t row = index[rank - 2], column = index[rank - 1];
        for (int64_t k = 0; k < inner; k++) {
            index[rank - 1] = k;
            double a = broadcast_at(x, rank, index);
            index[rank - 1] = column;
            index[rank - 2] = k;
            values[i] += a * broadcast_at(y, rank, index);
            index[rank - 2] = row;
        }
        values[i] = rounded(values[i], x->type);
    }
    return term_numbers_new(im, rank, dims, x->type, values);
}

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *op;
    onnx_rule rule;
    unsigned least;
    bool any; /* of any operand, constant or not */
} folds[] = {
    {"Constant", constant, 0, true},
    {"Shape", shape, 1, true},
    {"Size", size, 1, true},
    {"ConstantOfShape", constant_of_shape, 1, false},
    {"Cast", cast, 1, false},
    {"Concat", concat, 1, false},
    {"Range", range, 3, false},
    {"Where", where, 3, false},
    {"Gather", gather, 2, false},
    {"GatherND", gather_nd, 2, false},
    {"ScatterND", scatter_nd, 3, false},
    {"Trilu", trilu, 1, false},
    {"CumSum", cumulative_sum, 2, false},
    {"Tile", tile, 2, false},
    {"MatMul", matmul, 2, false},
    {"Clip", clip, 1, false},
    {"ReduceSum", reduce, 1, false},
    {"ReduceMean", reduce, 1, false},
    {"ReduceMax", reduce, 1, false},
    {"ReduceMin", reduce, 1, false},
    {"ReduceProd", reduce, 1, false},
};

static size_t row_of(const char *op) {
    size_t i = 0;
    while (i < ELEMENTWISE && strcmp(elementwise[i].op, op) != 0)
        i++;
    for (size_t j = 0; i == ELEMENTWISE + j && j < sizeof folds / sizeof *folds; j++)
        i += strcmp(folds[j].op, op) != 0;
    return i;
}

bool onnx_folds(const char *op) {
    return row_of(op) < ELEMENTWISE + sizeof folds / sizeof *folds;
}

const term *onnx_fold(importer *im) {
    size_t row = row_of(im->node->op), other = row - ELEMENTWISE;
    if (!onnx_folds(im->node->op))
        return NULL;
    unsigned least = row < ELEMENTWISE ? elementwise[row].operands : folds[other].least;
    for (unsigned i = 0; i < least; i++)
        if (!im->in[i])
            return term_unknown(im, "lacks an input");
    bool any = row >= ELEMENTWISE && folds[other].any;
    const term *numbers[ONNX_MAX_INPUTS] = {NULL}, *given[ONNX_MAX_INPUTS];
    for (size_t i = 0; i < im->node->input_count && !any; i++) /* before any is loaded */
        if (im->in[i] && im->in[i]->kind != TERM_NUMBERS && im->in[i]->kind != TERM_UNIFORM &&
            im->in[i]->kind != TERM_WEIGHT)
            return NULL;
    for (size_t i = 0; i < im->node->input_count && !any; i++)
        if (im->in[i] && !term_numbers(im, im->in[i], &numbers[i]))
            return NULL;
    if (any)
        return folds[other].rule(im);
    memcpy(given, im->in, sizeof given);
    memcpy(im->in, numbers, sizeof numbers);
    const term *out = row < ELEMENTWISE ? fold_each(im, row) : folds[other].rule(im);
    memcpy(im->in, given, sizeof given);
    return out;
}
