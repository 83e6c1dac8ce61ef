/* The outline of a graph: what a policy and the passes that follow it look at, for another length. */
#include "codegen/host/plan.h"

enum { SPARE = 16 /* attributes that policy and passes add to an attention */ };

/** Stands for a value that the outline does not compute; each is made when it is first asked for. */
typedef struct {
    const char *name;
    ir_value value;
    uint32_t columns; /* 0: not made yet */
} stand_in;

static ir_value stand_in_for(ir_module *to, stand_in *s, ir_type type) {
    if (s->columns == type.dim[1])
        return s->value;
    type.dim[0] = to->header.seq;
    size_t op = ir_append(to, IR_INPUT, NULL, 0, type, (src_loc){0});
    ir_set_str(to, op, IR_KEY_name, s->name);
    s->value = ir_result(to, op);
    s->columns = type.dim[1];
    return s->value;
}

static bool is_row(ir_opcode code) {
    return code == IR_POOL || code == IR_NORMALIZE;
}

ir_module *host_plan_outline(arena *a, const ir_module *graph, uint32_t seq) {
    ir_module *to = ir_module_like(a, graph, IR_GRAPH);
    to->header.seq = seq;
    stand_in rows[] = {{.name = "q"}, {.name = "k"}, {.name = "v"}};
    ir_value row = IR_NONE; /* the last result of one row */
    for (size_t op = 0; op < graph->op_count; op++) {
        ir_opcode code = (ir_opcode)graph->ops[op].code;
        if (code != IR_ATTENTION && code != IR_OUTPUT && !is_row(code))
            continue;
        ir_value operands[3];
        size_t count = graph->ops[op].operand_count;
        for (size_t i = 0; i < count; i++) {
            ir_value from = ir_operand(graph, op, i);
            operands[i] = is_row((ir_opcode)graph->ops[graph->defs[from]].code)
                              ? row
                              : stand_in_for(to, &rows[i], graph->types[from]);
        }
        ir_value result = graph->ops[op].result;
        ir_type type = result == IR_NONE ? (ir_type){0} : graph->types[result];
        if (code == IR_ATTENTION)
            type.dim[0] = seq;
        size_t at = ir_append(to, code, operands, count, type, graph->ops[op].loc);
        ir_copy_attrs(to, at, graph, op, code == IR_ATTENTION ? SPARE : 0);
        if (is_row(code))
            row = ir_result(to, at);
    }
    return to;
}
