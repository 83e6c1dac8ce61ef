/* Building a new module from an old one op by op. */
#include "passes/rebuild.h"

rebuild rebuild_begin(const ir_module *from, ir_level level) {
    rebuild r = {.from = from, .to = ir_module_like(from->arena, from, level)};
    r.to->text_file = from->text_file;
    r.to->origins = from->origins;
    r.to->origin_count = from->origin_count;
    r.to->tensors = from->tensors; /* both live in one arena, and no pass changes the table */
    r.to->tensor_count = from->tensor_count;
    r.to->tensor_capacity = from->tensor_count;
    for (size_t i = 0; i < from->pass_count; i++)
        ir_mark_pass(r.to, from->passes[i]);
    r.map = ARENA_ARRAY(from->arena, ir_value, from->value_count + 1);
    for (size_t i = 0; i < from->value_count; i++)
        r.map[i] = IR_NONE;
    return r;
}

ir_value rebuild_operand(const rebuild *r, size_t op, size_t index) {
    ir_value v = ir_operand(r->from, op, index);
    return v == IR_NONE ? IR_NONE : r->map[v];
}

size_t rebuild_copy(rebuild *r, size_t op) {
    const ir_op *old = &r->from->ops[op];
    ir_value operands[16];
    size_t count = old->operand_count < 16 ? old->operand_count : 16;
    for (size_t i = 0; i < count; i++)
        operands[i] = rebuild_operand(r, op, i);
    ir_type type = old->result == IR_NONE ? (ir_type){0} : r->from->types[old->result];
    size_t copy = ir_append(r->to, (ir_opcode)old->code, operands, count, type, old->loc);
    ir_copy_attrs(r->to, copy, r->from, op, r->spare);
    if (old->result != IR_NONE)
        r->map[old->result] = ir_result(r->to, copy);
    return copy;
}
