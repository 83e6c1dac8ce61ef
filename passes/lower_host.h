/* Lowering of graph ops outside attention to instructions of the host queue. Private to passes/. */
#ifndef DTQ_PASSES_LOWER_HOST_H
#define DTQ_PASSES_LOWER_HOST_H

#include "passes/instr.h"
#include "passes/passes.h"
#include "passes/rebuild.h"

typedef struct {
    pass_context *ctx;
    rebuild *r; /* its map takes graph values to DRAM buffers */
    const instr_keys *keys;
    uint32_t layer; /* whose token ids the rows are: the survivors after the last attention met */
} host_lowering;

/** Lowers one op that is no attention; false after an error. Inputs of token ids make no instruction. */
bool lower_host_op(host_lowering *h, size_t op);

#endif
