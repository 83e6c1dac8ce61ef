/* Declarations of the pass functions that passes.def names. Private to passes/. */
#ifndef DTQ_PASS_LIST_H
#define DTQ_PASS_LIST_H

#include "passes/passes.h"

#define PASS(function, name, levels, requires, pipeline, analysis, doc)                                                \
    bool pass_##function(pass_context *ctx, ir_module **m);
#include "passes/passes.def"

#endif
