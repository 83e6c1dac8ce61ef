/* The plan of one attention layer: how its rows and keys are cut, which array runs which piece, and in which order work
 * is issued. schedule-tiles turns it into instructions. Private to passes/. */
#ifndef DTQ_PASSES_PLAN_H
#define DTQ_PASSES_PLAN_H

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/passes.h"

/** One decision of the list scheduler, in issue order. */
typedef enum {
    PLAN_QK, /* scores and softmax of a unit */
    PLAN_PV, /* its P.V */
    PLAN_ALL /* a unit whose keys are cut into blocks: everything, on one array */
} plan_kind;

typedef struct {
    uint8_t kind;
    uint32_t head, chunk, array;
} plan_step;

typedef struct {
    uint32_t chunks; /* row chunks of a head; chunk c is slots [edge[c], edge[c + 1]) */
    uint32_t *edge;
    uint32_t block, blocks; /* keys of a block, and how many blocks; one block: all keys at once */
    bool pipelined;         /* with blocks: P.V of a block is issued after softmax of the next */
    uint32_t wave;          /* with blocks: most steps that are issued together, each on an array of its own */
    plan_step *steps;
    size_t step_count;
    uint64_t estimate; /* cycles the list scheduler expects of the layer */
} layer_plan;

/** Whether a strip of queries can be worked on against all keys at once; else keys come in blocks. */
bool plan_holds_keys(const dtq_machine *machine, const layer_info *l);

/** The array that is free first, the lowest of equal ones; not one of those that are `taken` (NULL: none is). */
uint32_t plan_first_free(const uint64_t *array_free, uint32_t arrays, const bool *taken);

/** The first step behind the wave that begins at step `first` of a plan with blocks: its steps meet the same keys. */
size_t plan_wave_end(const layer_plan *plan, const layer_info *l, size_t first);

/** plan_layer of a layer whose keys come in blocks (plan_blocks.c). */
bool plan_blocks(pass_context *ctx, const dtq_machine *machine, const layer_info *l, src_loc loc, layer_plan *out);

/** Plans a layer on the context's machine. False after an error: something cannot be split far enough. */
bool plan_layer(pass_context *ctx, const dtq_machine *machine, const layer_info *l, src_loc loc, layer_plan *out);

#endif
