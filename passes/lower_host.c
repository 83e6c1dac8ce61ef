/* Lowering of graph ops outside attention to instructions of the host queue. Every value becomes a DRAM buffer with one
 * row for each original token; an instruction works on the rows of the tokens active in its layer. */
#include "passes/lower_host.h"

#include <string.h>

static uint32_t width_of(const host_lowering *h, size_t op, size_t operand) {
    return h->r->from->types[ir_operand(h->r->from, op, operand)].dim[1];
}

/** A DRAM buffer for the op's result, [seq][width] or one row. */
static ir_value result_buffer(host_lowering *h, size_t op) {
    const ir_module *from = h->r->from;
    ir_value old = from->ops[op].result;
    ir_type type = from->types[old];
    uint64_t bytes = 4ull * type.dim[0] * type.dim[1];
    const char *name = from->ops[op].code == IR_INPUT ? ir_str(from, op, IR_KEY_name) : NULL;
    ir_value buffer = instr_buffer(h->r->to, "dram", bytes, name, from->ops[op].loc);
    h->r->map[old] = buffer;
    return buffer;
}

/** The value of attribute `from_key` as the field `key` of an instruction takes it: a tensor that is not there is "", a
 * number is of 32 bits. */
static void set_field(host_lowering *h, size_t op, unsigned from_key, size_t instr, unsigned key) {
    const ir_attr *attr = ir_get(h->r->from, op, from_key);
    if (ir_key_get(key)->kind == IR_KIND_REAL)
        ir_set_real(h->r->to, instr, key, attr ? (double)(float)attr->r : 0);
    else
        ir_set_str(h->r->to, instr, key, attr ? attr->s : "");
}

/** The op as the lowering of its row says: the instruction, then its fields, "gamma=tensor eps=epsilon". Its first
 * buffer is the op's result, the others are its operands. */
static bool lower_by_row(host_lowering *h, size_t op, const char *row) {
    const ir_module *from = h->r->from;
    const size_t name = strcspn(row, " ");
    const ir_opcode code = ir_opcode_find(row, name);
    const dtq_op_info *isa = &dtq_ops[IR_ISA_OP(code)];
    ir_value buffers[DTQ_FIELDS_MAX];
    size_t operands = 0, count = 1;
    for (unsigned i = 0; i < isa->field_count; i++)
        operands += isa->fields[i].kind == DTQ_KIND_DRAM;
    for (; count < operands; count++)
        buffers[count] = rebuild_operand(h->r, op, count - 1);
    buffers[0] = result_buffer(h, op);
    const size_t instr = instr_append(h->r->to, (dtq_opcode)IR_ISA_OP(code), DTQ_HOST, buffers, count,
                                      ir_str(from, op, IR_KEY_source), from->ops[op].loc);
    for (unsigned i = 0; i < isa->field_count; i++)
        if (isa->fields[i].kind == DTQ_KIND_LAYER)
            ir_set_int(h->r->to, instr, h->keys->layer, h->layer);
        else if (isa->fields[i].kind == DTQ_KIND_INT)
            ir_set_int(h->r->to, instr, h->keys->width, width_of(h, op, 0));
    for (const char *at = row + name; *at == ' ';) {
        const char *field = at + 1, *key = field + strcspn(field, "=") + 1;
        const size_t length = strcspn(key, " ");
        set_field(h, op, (unsigned)ir_key_find(key, length), instr,
                  (unsigned)ir_key_find(field, (size_t)(key - field) - 1));
        at = key + length;
    }
    return true;
}

/** The output has a name that says what it is. */
static bool lower_output(host_lowering *h, size_t op) {
    const ir_module *from = h->r->from;
    ir_module *to = h->r->to;
    const ir_value buffer = rebuild_operand(h->r, op, 0);
    const ir_opcode made_by = (ir_opcode)from->ops[from->defs[ir_operand(from, op, 0)]].code;
    ir_set_str(to, to->defs[buffer], IR_KEY_name,
               made_by == IR_POOL || made_by == IR_NORMALIZE ? "output.pooled"
               : from->header.qkv_input                      ? "output.attention"
                                                             : "output.hidden");
    return true;
}

bool lower_host_op(host_lowering *h, size_t op) {
    const ir_module *from = h->r->from;
    const ir_opcode code = (ir_opcode)from->ops[op].code;
    const ir_op_info *info = ir_info(code);
    if (info->lowering && *info->lowering)
        return lower_by_row(h, op, info->lowering);
    if (code == IR_OUTPUT)
        return lower_output(h, op);
    if (code != IR_INPUT)
        return diag_internal(h->ctx->diag, from->ops[op].loc, "schedule-tiles has no rule for %s", info->spelling);
    if (from->types[from->ops[op].result].elem == IR_ELEM_F32)
        result_buffer(h, op);
    return true;
}
