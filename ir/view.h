/* Parts of a module, for people: ops of some layers, one head, one queue. */
#ifndef DTQ_IR_VIEW_H
#define DTQ_IR_VIEW_H

#include <stdio.h>

#include "ir/ir.h"
#include "runtime/program.h"

/** What a dump shows: ops as a part of a program has instructions. Zero-initialised it shows the whole module. */
typedef dtq_program_part ir_view;

static inline bool ir_view_is_whole(const ir_view *v) {
    return !v->by_layer && !v->by_head && !v->by_queue;
}

/** Which ops the view shows: bool [op_count], in `a`. An op is shown if it is of a wanted layer, head and queue. One
 * that says nothing of heads (a strip, a layer's declaration) is of every head. One that says nothing of a layer or of
 * a queue is of none, but strips are of the attention before them. A `wait` belongs to the instruction behind it on its
 * queue, a `signal` to the one before it. Buffers are shown with the ops that name them. */
bool *ir_view_ops(arena *a, const ir_module *m, const ir_view *v);

/** One line that says what a view shows, and that its text is no module: "layers 1..2, queue array0". In `a`. */
const char *ir_view_text(arena *a, const ir_view *v);

/** Prints the ops of a view, without header, machine and tensors; a whole view is printed as ir_print does. What is
 *  printed of a part begins with a comment and does not parse. */
void ir_print_view(const ir_module *m, const ir_view *v, FILE *out);

#endif
