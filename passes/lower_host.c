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

/** An instruction whose first buffer is the op's result and whose others are its operands. */
static size_t emit(host_lowering *h, size_t op, dtq_opcode code) {
    const ir_module *from = h->r->from;
    ir_value buffers[3];
    size_t operands = from->ops[op].operand_count, count = 1;
    for (size_t i = 0; i < operands && count < 3 && code != DTQ_OP_EMBED; i++)
        buffers[count++] = rebuild_operand(h->r, op, i);
    buffers[0] = result_buffer(h, op);
    size_t instr =
        instr_append(h->r->to, code, DTQ_HOST, buffers, count, ir_str(from, op, IR_KEY_source), from->ops[op].loc);
    if (code != DTQ_OP_NORMALIZE)
        ir_set_int(h->r->to, instr, h->keys->layer, h->layer);
    return instr;
}

/** Copies a tensor name into a TENSOR field; "" where the op has none. */
static void set_tensor(host_lowering *h, size_t op, unsigned from_key, size_t instr, unsigned key) {
    const char *name = ir_str(h->r->from, op, from_key);
    ir_set_str(h->r->to, instr, key, name ? name : "");
}

bool lower_host_op(host_lowering *h, size_t op) {
    const ir_module *from = h->r->from;
    ir_module *to = h->r->to;
    const instr_keys *k = h->keys;
    size_t instr;
    switch ((ir_opcode)from->ops[op].code) {
    case IR_INPUT:
        if (from->types[from->ops[op].result].elem == IR_ELEM_F32)
            result_buffer(h, op);
        return true;
    case IR_EMBED:
        instr = emit(h, op, DTQ_OP_EMBED);
        set_tensor(h, op, IR_KEY_tensor, instr, k->word);
        set_tensor(h, op, IR_KEY_position_tensor, instr, k->position);
        set_tensor(h, op, IR_KEY_type_tensor, instr, k->type);
        return true;
    case IR_LINEAR:
        instr = emit(h, op, DTQ_OP_LINEAR);
        ir_set_str(to, instr, k->path, ir_str(from, op, IR_KEY_arithmetic));
        set_tensor(h, op, IR_KEY_tensor, instr, k->weight);
        set_tensor(h, op, IR_KEY_bias_tensor, instr, k->bias);
        return true;
    case IR_LAYERNORM:
        instr = emit(h, op, DTQ_OP_NORM);
        set_tensor(h, op, IR_KEY_tensor, instr, k->gamma);
        set_tensor(h, op, IR_KEY_bias_tensor, instr, k->beta);
        ir_set_real(to, instr, k->eps, (double)(float)ir_real(from, op, IR_KEY_epsilon, 0));
        return true;
    case IR_RMSNORM:
        instr = emit(h, op, DTQ_OP_RMSNORM);
        set_tensor(h, op, IR_KEY_tensor, instr, k->gamma);
        ir_set_real(to, instr, k->eps, (double)(float)ir_real(from, op, IR_KEY_epsilon, 0));
        return true;
    case IR_AFFINE:
        instr = emit(h, op, DTQ_OP_AFFINE);
        set_tensor(h, op, IR_KEY_tensor, instr, k->gain);
        set_tensor(h, op, IR_KEY_bias_tensor, instr, k->offset);
        return true;
    case IR_ROTARY:
        instr = emit(h, op, DTQ_OP_ROTARY);
        ir_set_str(to, instr, k->pairs, ir_str(from, op, IR_KEY_pairing));
        set_tensor(h, op, IR_KEY_tensor, instr, k->table);
        break;
    case IR_ACTIVATION:
        instr = emit(h, op, DTQ_OP_ACT);
        break;
    case IR_ADD:
        instr = emit(h, op, DTQ_OP_ADD);
        break;
    case IR_MULTIPLY:
        instr = emit(h, op, DTQ_OP_MUL);
        break;
    case IR_POOL:
        instr = emit(h, op, DTQ_OP_POOL);
        break;
    case IR_NORMALIZE:
        instr = emit(h, op, DTQ_OP_NORMALIZE);
        break;
    case IR_OUTPUT: {
        ir_value buffer = rebuild_operand(h->r, op, 0);
        ir_opcode made_by = (ir_opcode)from->ops[from->defs[ir_operand(from, op, 0)]].code;
        ir_set_str(to, to->defs[buffer], IR_KEY_name,
                   made_by == IR_POOL || made_by == IR_NORMALIZE ? "output.pooled"
                   : from->header.qkv_input                      ? "output.attention"
                                                                 : "output.hidden");
        return true;
    }
    default:
        return diag_internal(h->ctx->diag, from->ops[op].loc, "schedule-tiles has no rule for %s",
                             ir_info((ir_opcode)from->ops[op].code)->spelling);
    }
    ir_set_int(to, instr, k->width, width_of(h, op, 0));
    if (ir_str(from, op, IR_KEY_function))
        ir_set_str(to, instr, k->kind, ir_str(from, op, IR_KEY_function));
    return true;
}
