/* How a value of any rank lies over a row-major base: what reshapes, transpositions, slices and copies make of it. An
 * axis is a product of atoms, each so many elements at one distance, so that every reshape is exact whatever it splits
 * and joins. Sizes are above zero. Private to frontend/onnx. */
#ifndef DTQ_FRONTEND_ONNX_VIEW_H
#define DTQ_FRONTEND_ONNX_VIEW_H

#include "frontend/onnx/graph.h"

enum { VIEW_ATOMS = 32, VIEW_MAX_ELEMENTS = 1 << 30 };

typedef struct {
    int64_t size, step; /* step 0: copies */
    uint32_t axis;
} view_atom;

typedef struct onnx_view {
    uint32_t rank, count;
    int64_t first; /* element of the base where it begins */
    view_atom atom[VIEW_ATOMS];
} onnx_view;

/** The whole of a base of these sizes. */
onnx_view view_of(uint32_t rank, const int64_t *dims);
void view_dims(const onnx_view *v, int64_t dims[ONNX_MAX_RANK]);
/** False if the sizes hold another number of elements, or cut what has no common distance. */
bool view_reshape(onnx_view *v, uint32_t rank, const int64_t *dims);
void view_transpose(onnx_view *v, const uint32_t *perm);
/** Elements start, start + by, … of an axis; they are there. False if they have no common distance. */
bool view_slice(onnx_view *v, uint32_t axis, int64_t start, int64_t count, int64_t by);
/** Copies along axes of one element, and along new ones in front. False if sizes contradict. */
bool view_expand(onnx_view *v, uint32_t rank, const int64_t *dims);
/** The atoms of axes whose bit is set, in order, neighbours joined where they can be. */
uint32_t view_runs(const onnx_view *v, uint32_t axes, view_atom runs[VIEW_ATOMS]);

#endif
