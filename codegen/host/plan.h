/* What planning many lengths of one model shares. Part of codegen's public interface. */
#ifndef DTQ_CODEGEN_HOST_PLAN_H
#define DTQ_CODEGEN_HOST_PLAN_H

#include "codegen/host/host.h"

/** The attentions and the output of a graph for `seq` tokens: what the passes up to reorder-tokens plan a length by,
 *  without the ops and weights between, so that a plan of hundreds of lengths takes no more time than it must.
 *  `graph`: for any length, types inferred, no policy applied. */
ir_module *host_plan_outline(arena *a, const ir_module *graph, uint32_t seq);

/** A plan without lengths yet, with room for `most`: names, machine and weights of `graph`, a whole one. The strings of
 *  `graph` are shared. NULL after an error. */
dtq_program *host_plan_begin(arena *a, diag *d, const ir_module *graph, size_t most);
/** Adds the length of a module after reorder-tokens, an outline or a whole graph; lengths come ascending. Nothing of
 * the module is referred to. False after an error. */
bool host_plan_add(arena *a, diag *d, dtq_program *p, const ir_module *m);

#endif
