/* What every tile of a matmul costs, by the cost model. Private to codegen/report/. */
#ifndef DTQ_REPORT_TILE_GRID_H
#define DTQ_REPORT_TILE_GRID_H

#include "codegen/report/counters.h"

/** Tiles of one side that cost the same: so many slots or channels, of them so many at 8 bits. */
typedef struct {
    uint32_t size, high;
} tile_class;

/** The tiles of one side of a band. */
typedef struct {
    uint32_t count;
    uint32_t *class_of; /* [count] */
    tile_class *classes;
    uint32_t class_count;
} tile_side;

/** Neighbouring rows of a matmul whose tiles lie the same way: upright, rows of the matmul on rows of the array, or
 *  turned, on its columns. What a tile costs depends on the classes of its row and its column alone. */
typedef struct {
    uint32_t first; /* row of the matmul */
    bool turned;
    tile_side rows, cols;
    double *step_cycles; /* [row classes][column classes] of the slowest PE in a step; P.V: mean over the steps */
    double *stall_ratio; /* [row classes][column classes] Eq. 3 */
} tile_band;

/** The tiles of one head's matmul, each band cut as a whole. */
typedef struct {
    tile_band *bands;
    uint32_t band_count;
    uint32_t steps;          /* of the reduction */
    uint64_t tiles, stalled; /* stalled: not all PEs of the tile cost the same */
    double stall_ratio_mean, step_cycles_sum;
} tile_grid;

/** Precisions of a layer's operands in one order of its slots, and how tiles lie. */
typedef struct {
    const uint8_t *bits[DTQ_OPERANDS]; /* q and p [queries], k and v [keys] */
    const uint8_t *turned;             /* [queries]; NULL: all upright */
} slot_order;

/** Q.K^T of `queries` and `keys` in this order, reduction over head_dim. */
tile_grid tile_grid_qk(arena *a, cost_model *cost, const dtq_machine *machine, const slot_order *order,
                       uint32_t queries, uint32_t keys, uint32_t head_dim);
/** P.V: rows of `queries`, head_dim columns, reduction over the values of `keys`. */
tile_grid tile_grid_pv(arena *a, cost_model *cost, const dtq_machine *machine, const slot_order *order,
                       uint32_t queries, uint32_t keys, uint32_t head_dim);

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
