/* Attention of a layer that chooses late, as instructions. Private to passes/. */
#ifndef DTQ_PASSES_SCHEDULE_LATE_H
#define DTQ_PASSES_SCHEDULE_LATE_H

#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/passes.h"
#include "passes/strips.h"

/** Rows of a head in pieces, how many of the tables have probabilities on chip at once, and cycles until it is about
 *  over. */
typedef struct {
    strip *chunk;
    uint32_t chunks, ahead;
    uint64_t estimate;
} late_plan;

/** Plans a layer on the machine of `m`. False after an error: a buffer cannot hold what must wait for the choice. */
bool plan_late(pass_context *ctx, ir_module *m, const layer_info *l, const strip_list *strips, src_loc loc,
               late_plan *out);

/** Appends the instructions to `m`, behind the codes of their operands, by the plan of this layer or one alike. */
void schedule_late(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l, const late_plan *plan,
                   const char *source, src_loc loc);

#endif
