/* The plan of one attention layer: how its rows and keys are cut, which array runs which piece, and in which order work
 * is issued. schedule-tiles turns it into instructions. Private to passes/. */
#ifndef DTQ_PASSES_PLAN_H
#define DTQ_PASSES_PLAN_H

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/passes.h"
#include "passes/strips.h"

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
    uint32_t chunks;        /* row chunks of a head, each one or more strips */
    strip *chunk;           /* [chunks] */
    uint32_t block, blocks; /* keys of a block, and how many blocks; one block: all keys at once */
    bool pipelined;         /* with blocks: P.V of a block is issued after softmax of the next */
    bool keeps_scores;   /* with blocks: scores of all blocks stay on chip until the last pass, and are computed once */
    bool keeps_values;   /* and values, so that they are loaded once */
    bool spreads;        /* with blocks: each Q.K^T goes to the array that is free first, also those of one strip */
    bool overlaps;       /* and those of a wave are issued between the P.V of the wave before */
    uint32_t wave;       /* with blocks: most steps that are issued together, each on an array of its own */
    uint32_t wave_heads; /* and most key/value heads of which they are */
    plan_step *steps;
    size_t step_count;
    uint64_t estimate; /* cycles the list scheduler expects of the layer */
    uint64_t period;   /* and until a layer that is planned alike can follow it */
} layer_plan;

/** What follows a layer. Layers overlap where nothing but token ids makes one wait for the one before. */
typedef struct {
    uint32_t layers; /* that overlap with the one before each */
    bool choose;     /* they take their tokens by the importance that the layer before measures */
} plan_followers;

/** Whether some buffer holds less than a strip for each array and one that follows: then arrays wait for more than each
 *  other, and what occupies them less may still end later. */
bool plan_is_tight(arena *a, const dtq_machine *machine, const layer_info *l);
/** Whether each strip can be worked on against all keys at once; else keys come in blocks. */
bool plan_holds_strips(const dtq_machine *machine, const layer_info *l, const strip_list *strips);
/** The same of the strips that an array takes. */
bool plan_holds_keys(arena *a, const dtq_machine *machine, const layer_info *l);

/** The strips that suit the machine: as high as an array takes; where keys come in blocks as high as keeps most PEs
 * busy, since all probabilities of a strip stay on chip. Orientations are those of `l->turned`. */
strip_list plan_strips(arena *a, const dtq_machine *machine, const layer_info *l);

/** Rows of a strip when keys come in blocks: rows times arrays that find a buffer are the most. 0 if not one row fits.
 */
uint32_t plan_block_rows(const dtq_machine *machine, const layer_info *l);

/** The array that is free first, the lowest of equal ones; not one of those that are `taken` (NULL: none is). */
uint32_t plan_first_free(const uint64_t *array_free, uint32_t arrays, const bool *taken);

/** The first step behind the wave that begins at step `first` of a plan with blocks: its steps meet the keys of at most
 * `wave_heads` key/value heads. */
size_t plan_wave_end(const layer_plan *plan, const layer_info *l, size_t first);

/** plan_layer of a layer whose keys come in blocks (plan_blocks.c). */
bool plan_blocks(pass_context *ctx, const dtq_machine *machine, const layer_info *l, const strip_list *strips,
                 src_loc loc, layer_plan *out);
/** The same of a layer that `plan` plans with all keys at once: takes its place if it is expected to be over first. */
void plan_blocks_if_shorter(pass_context *ctx, const dtq_machine *machine, const layer_info *l,
                            const strip_list *strips, uint64_t least, layer_plan *plan);

/** Plans a layer on the context's machine: its strips in their order, but that the largest pieces of all heads may go
 * first where strips ascend. Of the cuts it takes the one by which the layer and its `followers`, planned alike, end
 * first. False after an error: something cannot be split far enough. */
bool plan_layer(pass_context *ctx, const dtq_machine *machine, const layer_info *l, const strip_list *strips,
                plan_followers followers, src_loc loc, layer_plan *out);

#endif
