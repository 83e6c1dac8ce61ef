/* Reshapes, transpositions, slices and copies as arithmetic of atoms. */
#include "frontend/onnx/view.h"

#include <string.h>

static bool put(onnx_view *v, int64_t size, int64_t step, uint32_t axis) {
    if (size == 1)
        return true;
    if (v->count == VIEW_ATOMS)
        return false;
    v->atom[v->count++] = (view_atom){size, step, axis};
    return true;
}

onnx_view view_of(uint32_t rank, const int64_t *dims) {
    onnx_view v = {.rank = rank};
    int64_t step = 1;
    for (uint32_t i = 0; i < rank; i++)
        step *= dims[i];
    for (uint32_t i = 0; i < rank; i++) {
        step /= dims[i];
        (void)put(&v, dims[i], step, i);
    }
    return v;
}

void view_dims(const onnx_view *v, int64_t dims[ONNX_MAX_RANK]) {
    for (uint32_t i = 0; i < ONNX_MAX_RANK; i++)
        dims[i] = 1;
    for (uint32_t i = 0; i < v->count; i++)
        dims[v->atom[i].axis] *= v->atom[i].size;
}

uint32_t view_runs(const onnx_view *v, uint32_t axes, view_atom runs[VIEW_ATOMS]) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        const view_atom *atom = &v->atom[i];
        if (!(axes >> atom->axis & 1))
            continue;
        if (n && runs[n - 1].step == atom->size * atom->step)
            runs[n - 1] = (view_atom){runs[n - 1].size * atom->size, atom->step, atom->axis};
        else
            runs[n++] = *atom;
    }
    return n;
}

bool view_reshape(onnx_view *v, uint32_t rank, const int64_t *dims) {
    onnx_view out = {.rank = rank, .first = v->first};
    view_atom runs[VIEW_ATOMS];
    uint32_t count = view_runs(v, UINT32_MAX, runs), at = 0;
    for (uint32_t i = 0; i < rank; i++)
        for (int64_t left = dims[i]; left > 1;) {
            if (at == count)
                return false;
            view_atom *run = &runs[at];
            int64_t size = run->size <= left ? run->size : left;
            if (left % size != 0 || run->size % size != 0)
                return false;
            run->size /= size;
            if (!put(&out, size, run->step * run->size, i))
                return false;
            left /= size;
            at += run->size == 1;
        }
    *v = out;
    return at == count;
}

void view_transpose(onnx_view *v, const uint32_t *perm) {
    onnx_view out = {.rank = v->rank, .first = v->first};
    for (uint32_t i = 0; i < v->rank; i++)
        for (uint32_t j = 0; j < v->count; j++)
            if (v->atom[j].axis == perm[i])
                (void)put(&out, v->atom[j].size, v->atom[j].step, i);
    *v = out;
}

bool view_slice(onnx_view *v, uint32_t axis, int64_t start, int64_t count, int64_t by) {
    onnx_view out = {.rank = v->rank, .first = v->first};
    view_atom runs[VIEW_ATOMS];
    uint32_t n = view_runs(v, 1U << axis, runs), at = 0;
    int64_t inner = 1;
    for (uint32_t i = 1; i < n; i++)
        inner *= runs[i].size;
    if (n > 1 && (by != 1 || start % inner != 0 || count % inner != 0))
        return false;
    if (n) {
        out.first += start / inner * runs[0].step;
        runs[0].size = count / inner;
        runs[0].step *= by;
    }
    for (uint32_t i = 0; i < v->rank; i++) {
        for (; i == axis && at < n; at++)
            if (!put(&out, runs[at].size, runs[at].step, i))
                return false;
        for (uint32_t j = 0; j < v->count && i != axis; j++)
            if (v->atom[j].axis == i && !put(&out, v->atom[j].size, v->atom[j].step, i))
                return false;
    }
    *v = out;
    return true;
}

bool view_expand(onnx_view *v, uint32_t rank, const int64_t *dims) {
    int64_t own[ONNX_MAX_RANK];
    onnx_view out = {.rank = rank, .first = v->first};
    view_dims(v, own);
    if (rank < v->rank)
        return false;
    for (uint32_t i = 0, front = rank - v->rank; i < rank; i++) {
        int64_t size = i < front ? 1 : own[i - front];
        if (size == 1 && !put(&out, dims[i], 0, i))
            return false;
        if (size != 1 && size != dims[i])
            return false;
        for (uint32_t j = 0; j < v->count && size != 1; j++)
            if (v->atom[j].axis == i - front && !put(&out, v->atom[j].size, v->atom[j].step, i))
                return false;
    }
    *v = out;
    return true;
}
