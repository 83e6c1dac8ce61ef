/* The facts of a program that its instructions do not hold: the layer table, the weights and what names the model. The
 * generators of programs and of plans share them. Private to codegen/. */
#ifndef DTQ_CODEGEN_LAYERS_H
#define DTQ_CODEGEN_LAYERS_H

#include "ir/ir.h"
#include "runtime/program.h"

/** What an `attention`, `tile.attention` or `layer` op says of its layer, addresses aside (0); arrays live in `a`. */
dtq_layer layer_facts(arena *a, const ir_module *m, size_t op);

/** The `ids` of an op, or NULL. */
const uint32_t *layer_ids(arena *a, const ir_module *m, size_t op);

/** Files and tensors of a module's weights, in `a`, which needs the module no more: each file once, by its absolute
 *  path. False after an error: a file cannot be read, or there are more tensors than a program holds. */
bool weights_describe(arena *a, diag *d, const ir_module *m, dtq_program *p);

/** Model, tokenizer, machine and sizes, from the header of a module, of which nothing is needed behind this. */
void program_describe(arena *a, const ir_module *m, dtq_program *p);

#endif
