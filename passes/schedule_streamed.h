/* From a layer that streams to instructions. Private to passes/. */
#ifndef DTQ_PASSES_SCHEDULE_STREAMED_H
#define DTQ_PASSES_SCHEDULE_STREAMED_H

#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/pass_list.h"

/** Emits the layer behind its host.quant: far codes of `operands` (q, k, v), then block by block what their rows see.
 */
bool schedule_streamed(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l,
                       const ir_value operands[3], const char *source, src_loc loc);

#endif
