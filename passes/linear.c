/* Reading a linear on the arrays. */
#include "passes/linear.h"

#include "runtime/machine_members.h"

#include <string.h>

layer_info *linear_layers(arena *a, const ir_module *m) {
    int64_t last = 0;
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_TILES && ir_int(m, op, IR_KEY_index, 0) > last)
            last = ir_int(m, op, IR_KEY_index, 0);
    layer_info *layers = ARENA_ARRAY(a, layer_info, (size_t)last + 1);
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_TILES) {
            layer_info l = layer_read(a, m, op);
            layers[l.index] = l;
        }
    return layers;
}

bool linear_on_arrays(const ir_module *m, size_t op) {
    return m->machine->top_linear == DTQ_LINEAR_VSSA && m->ops[op].code == IR_LINEAR &&
           strcmp(ir_str(m, op, IR_KEY_arithmetic), "mixed") == 0;
}

linear_shape linear_read(const ir_module *m, size_t op, const layer_info *layers) {
    int64_t layer = -1;
    bool behind = false;
    for (size_t i = 0; i < m->op_count && !behind; i++)
        if (m->ops[i].code == IR_TILES) {
            layer = ir_int(m, i, IR_KEY_index, 0);
            behind = i > op;
        }
    const ir_type *input = &m->types[ir_operand(m, op, 0)];
    return (linear_shape){.layer = layer < 0 ? NULL : &layers[layer],
                          .inputs = input->dim[1],
                          .outputs = (uint32_t)ir_int(m, op, IR_KEY_outputs, 0)};
}

linear_cut linear_read_cut(arena *a, const ir_module *m, size_t op) {
    const ir_attr *edges = ir_get(m, op, IR_KEY_row_edges);
    const char *outer = ir_str(m, op, IR_KEY_outer);
    linear_cut cut = {.chunks = edges->count - 1,
                      .edge = ARENA_ARRAY(a, uint32_t, edges->count),
                      .input_block = (uint32_t)ir_int(m, op, IR_KEY_input_block, 1),
                      .rows_outer = outer && strcmp(outer, "rows") == 0};
    const ir_attr *blocks = ir_get(m, op, IR_KEY_output_block);
    for (int i = 0; i < 2; i++)
        cut.output_block[i] = blocks->ints[i] ? (uint32_t)blocks->ints[i] : (uint32_t)ir_int(m, op, IR_KEY_outputs, 1);
    const ir_attr *turned = ir_get(m, op, IR_KEY_turned_chunks);
    cut.turned = ARENA_ARRAY(a, uint8_t, edges->count);
    for (uint32_t i = 0; i < edges->count; i++)
        cut.edge[i] = (uint32_t)edges->ints[i];
    for (uint32_t i = 0; turned && i < turned->count && i < cut.chunks; i++)
        cut.turned[i] = turned->ints[i] != 0;
    return cut;
}
