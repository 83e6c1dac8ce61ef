/* The plan of a linear on the arrays: how its rows, outputs and inputs are cut, which array multiplies which piece, and
 * in which order blocks are brought in. schedule-tiles turns it into instructions. Private to passes/. */
#ifndef DTQ_PASSES_PLAN_LINEAR_H
#define DTQ_PASSES_PLAN_LINEAR_H

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/passes.h"

typedef enum { LINEAR_LOAD_ROWS, LINEAR_LOAD_WEIGHTS, LINEAR_MATMUL, LINEAR_STORE } linear_step_kind;

/** One step, in issue order. A matmul works on the blocks that the loads numbered `rows` and `weights` brought (each
 *  counted from 0), and a unit's sums stay in one place from its first part to its store. */
typedef struct {
    uint8_t kind;
    uint32_t array, chunk, block, part; /* row chunk, block of outputs, block of inputs */
    uint32_t rows, weights, unit;
} linear_step;

/** How a linear is cut: a unit is a row chunk by a block of outputs. */
typedef struct {
    uint32_t chunks;
    uint32_t *edge;           /* row chunk c is query slots [edge[c], edge[c + 1]) */
    uint8_t *turned;          /* by chunk, 1: its rows lie along the array's columns, and outputs along its rows */
    uint32_t output_block[2]; /* outputs of a matmul whose rows are not turned, and are */
    uint32_t input_block;
    bool rows_outer; /* all outputs of a row chunk before the next, or all rows of a block of outputs */
} linear_cut;

typedef struct {
    linear_cut cut;
    uint64_t loaded;                             /* bytes from DRAM */
    uint64_t estimate;                           /* cycles the list scheduler expects */
    uint32_t rows_held, weights_held, sums_held; /* blocks that the buffers hold at once */
    linear_step *steps;
    size_t step_count;
} linear_plan;

/** The shape of a linear and the layer whose slots its rows are. */
typedef struct {
    const layer_info *layer;
    uint32_t inputs, outputs;
} linear_shape;

/** The best cut of those tried: the one with the fewest bytes from DRAM, then the fewest instructions, within a
 * fiftieth of the shortest estimate; its plan has no steps. False after an error: a buffer cannot hold even the
 * smallest blocks. */
bool plan_linear(pass_context *ctx, const dtq_machine *machine, const linear_shape *s, src_loc loc, linear_plan *out);

/** The plan of one cut, with its steps. False if it does not fit the machine's buffers. */
bool plan_linear_cut(pass_context *ctx, const dtq_machine *machine, const linear_shape *s, const linear_cut *cut,
                     linear_plan *out);

/** Strips of the query rows, from the first to the last: strip i is slots [edge[i], edge[i + 1]). */
typedef struct {
    uint32_t count;
    uint32_t *edge;  /* [count + 1] */
    uint8_t *turned; /* [count] */
} linear_strips;

/** The strips whose tiles cost least, and of those ways the one with the fewest: a strip costs its costliest row in
 * each of its tiles, of which there are fewer the wider they are. `ways`: bit 0 if rows may lie along the array's rows,
 * bit 1 if along its columns. The layer is static. */
linear_strips linear_best_strips(pass_context *ctx, const dtq_machine *m, const linear_shape *s, unsigned ways);

/** Bytes of blocks, as dtq_rows_bytes and dtq_weights_bytes of the runtime. */
uint64_t linear_rows_bytes(const layer_info *l, uint32_t row, uint32_t rows, uint32_t depth);
uint64_t linear_weights_bytes(uint32_t cols, uint32_t depth);

/** Outputs [*first, + result) of block `block` of chunk `chunk`, and inputs of a part likewise. */
uint32_t linear_outputs(const linear_cut *cut, uint32_t outputs, uint32_t chunk, uint32_t block, uint32_t *first);
uint32_t linear_inputs(const linear_cut *cut, uint32_t inputs, uint32_t part, uint32_t *first);

/** How a matmul of chunk `chunk` walks its tiles: WALK_… of cost.h. Serpentine changes nothing where all weights have
 * one precision. */
static inline unsigned linear_walk(const linear_cut *cut, uint32_t chunk) {
    return cut->turned[chunk] ? WALK_TURNED : 0;
}

/** Work over PEs, at the precisions that the policy asks for: no schedule is shorter. */
uint64_t linear_bound(const dtq_machine *machine, const linear_shape *s);

#endif
