/* Declarations of the pass functions that passes.def names. Private to passes/. */
#ifndef DTQ_PASS_LIST_H
#define DTQ_PASS_LIST_H

#include "passes/passes.h"

#define PASS(function, name, levels, requires, pipeline, analysis, doc)                                                \
    bool pass_##function(pass_context *ctx, ir_module **m);
#include "passes/passes.def"

/** Reports that no pass has that name; false. */
bool pass_unknown(diag *d, const char *name);

/** Whether the types of a module of the graph or tile level are those that infer-shapes finds; says where not. */
bool shapes_hold(pass_context *ctx, ir_module *m);

#endif
