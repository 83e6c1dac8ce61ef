/* Vector kernels for every processor: four floats a register. */
#define KERNEL(name) name
#define KERNEL_TARGET
#define LANES        4
#define TILE_ROWS    2
#define TILE_OUTPUTS 1
#include "runtime/kernels/kernels_attention.h"
#include "runtime/kernels/kernels_body.h"

enum { BLOCK = DTQ_PACK_OUTPUTS, GROUP = DTQ_PACK_INPUTS, ROWS = 32, DEPTH = 512, DEPTH_GROUPS = DEPTH / GROUP };

/* Codes widened to 16 bits and unpacked, a piece at a time: then a plain dot product vectorises everywhere. */
typedef struct {
    int16_t x[ROWS][DEPTH];
    int16_t w[BLOCK][DEPTH];
    int32_t part[ROWS][BLOCK], acc[ROWS][BLOCK];
} piece;

static void add_piece(const dtq_linear_i8 *l, size_t row, size_t rows, const int8_t *weight, size_t group, piece *t) {
    const size_t groups = l->input_groups - group < DEPTH_GROUPS ? l->input_groups - group : DEPTH_GROUPS;
    const size_t used = groups * GROUP, depth = (used + DTQ_DOTS_PAD - 1) / DTQ_DOTS_PAD * DTQ_DOTS_PAD;
    /* dtq_dots takes rows of `depth`, so they follow each other at that distance. */
    int16_t *x = &t->x[0][0], *w = &t->w[0][0];
    for (size_t r = 0; r < rows; r++) {
        const int8_t *codes = l->codes + ((row + r) * l->input_groups + group) * GROUP;
        for (size_t k = 0; k < depth; k++)
            x[r * depth + k] = k < used ? codes[k] : 0;
    }
    for (size_t o = 0; o < BLOCK; o++) {
        const int8_t *codes = weight + (group * BLOCK + o) * GROUP;
        for (size_t k = 0; k < depth; k++)
            w[o * depth + k] = k < used ? codes[k / GROUP * BLOCK * GROUP + k % GROUP] : 0;
    }
    dtq_dots(x, rows, w, BLOCK, depth, &t->part[0][0]);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < BLOCK; o++)
            t->acc[r][o] += t->part[r][o];
}

static void linear_i8(const dtq_linear_i8 *l, size_t first, size_t last) {
    piece t;
    for (size_t block = first / BLOCK; block * BLOCK < last; block++) {
        const int8_t *weight = l->weight + block * l->input_groups * BLOCK * GROUP;
        const size_t outputs = last - block * BLOCK < BLOCK ? last - block * BLOCK : BLOCK;
        for (size_t row = 0; row < l->rows; row += ROWS) {
            const size_t rows = l->rows - row < ROWS ? l->rows - row : ROWS;
            memset(t.acc, 0, sizeof t.acc);
            for (size_t group = 0; group < l->input_groups; group += DEPTH_GROUPS)
                add_piece(l, row, rows, weight, group, &t);
            for (size_t r = 0; r < rows; r++) {
                float *y = l->dst + l->ids[row + r] * l->outputs + block * BLOCK;
                for (size_t o = 0; o < outputs; o++)
                    y[o] = rescale(l, row + r, block * BLOCK + o, t.acc[r][o]);
            }
        }
    }
}

const dtq_kernels dtq_kernels_generic = {
    .name = "generic",
    .linear_f32 = linear_f32,
    .linear_i8 = linear_i8,
    .quantise_row = quantise_row,
    .quantise_by = quantise_by,
    .norm = norm,
    .rmsnorm = rmsnorm,
    .act = act,
    .dot = dot,
    .axpy = axpy,
};
