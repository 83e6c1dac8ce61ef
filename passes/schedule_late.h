/* Attention of a layer that chooses late, as instructions. Private to passes/. */
#ifndef DTQ_PASSES_SCHEDULE_LATE_H
#define DTQ_PASSES_SCHEDULE_LATE_H

#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/passes.h"
#include "passes/strips.h"

/** Appends them to `m`, behind the codes of its operands. False after an error: a buffer cannot hold what must wait for
 *  the choice. */
bool schedule_late(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l,
                   const strip_list *strips, const char *source, src_loc loc);

#endif
