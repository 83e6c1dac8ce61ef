/* Instructions of a layer's probe. Private to passes/. */
#ifndef DTQ_PASSES_SCHEDULE_PROBE_H
#define DTQ_PASSES_SCHEDULE_PROBE_H

#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/passes.h"

/** Appends to `m` what chooses the slots of layer `l`: host.probe of the DRAM buffers q and k, and for each key/value
 *  head its load, its row on an array and its votes; then the choice. */
void schedule_probe(pass_context *ctx, ir_module *m, const instr_keys *keys, const layer_info *l, ir_value q,
                    ir_value k, const char *source, src_loc loc);

#endif
