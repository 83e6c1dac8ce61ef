/* What every tile of a matmul costs, by the cost model. Private to codegen/report/. */
#ifndef DTQ_REPORT_TILE_GRID_H
#define DTQ_REPORT_TILE_GRID_H

#include "codegen/report/counters.h"

/** Tiles of one side that cost the same: so many slots or channels, of them so many at 8 bits. */
typedef struct {
    uint32_t size, high;
} tile_class;

/** The tiles of one side of the grid. */
typedef struct {
    uint32_t count;
    uint32_t *class_of; /* [count] */
    tile_class *classes;
    uint32_t class_count;
} tile_side;

/** The tiles of one head's matmul, cut as a whole: rows by columns of the array. What a tile costs depends on the
 * classes of its row and its column alone. */
typedef struct {
    tile_side rows, cols;
    double *step_cycles;     /* [row classes][column classes] of the slowest PE in a step; P.V: mean over the steps */
    double *stall_ratio;     /* [row classes][column classes] Eq. 3 */
    uint32_t steps;          /* of the reduction */
    uint64_t tiles, stalled; /* stalled: not all PEs of the tile cost the same */
    double stall_ratio_mean, step_cycles_sum;
} tile_grid;

/** Q.K^T of queries q [queries] and keys k [keys] at these bits, reduction over head_dim. */
tile_grid tile_grid_qk(arena *a, cost_model *cost, const dtq_machine *machine, const uint8_t *q, uint32_t queries,
                       const uint8_t *k, uint32_t keys, uint32_t head_dim);
/** P.V: rows p [queries], head_dim columns, reduction over values v [keys]. */
tile_grid tile_grid_pv(arena *a, cost_model *cost, const dtq_machine *machine, const uint8_t *p, uint32_t queries,
                       const uint8_t *v, uint32_t keys, uint32_t head_dim);

/** Precisions of a layer's operands in one order of its slots. */
typedef struct {
    const uint8_t *bits[DTQ_OPERANDS]; /* q and p [slots], k and v [keys] */
} slot_order;

typedef enum {
    ORIGIN_KNOWN,   /* the policy names tokens, or all have one precision */
    ORIGIN_RUN,     /* what a run on data chose */
    ORIGIN_EXAMPLE, /* one placement drawn at random: only data decide */
} order_origin;

/** The slots of a layer in the tokens' original order, each at the precision it was chosen for; `chosen` [seq] is what
 * a run chose (0: pruned), or NULL. */
slot_order original_order(arena *a, const ir_module *m, const layer_facts *l, const uint8_t *chosen,
                          order_origin *origin);
/** The slots of a layer clustered by precision, as compiled; low-first if the module is not clustered. */
slot_order clustered_order(arena *a, const ir_module *m, const layer_facts *l);

#endif
