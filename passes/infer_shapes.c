/* infer-shapes: types every value of a graph from its inputs and weights, and refuses weights that do not fit. */
#include <string.h>

#include "passes/pass_list.h"

static ir_type matrix(uint32_t rows, uint32_t cols) {
    return (ir_type){.elem = IR_ELEM_F32, .rank = 2, .dim = {rows, cols}};
}

static bool same_type(const ir_type *a, const ir_type *b) {
    return a->elem == b->elem && a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

/** The tensor that attribute `key` of the op names, NULL if the op has none. The verifier has seen that it exists. */
static const ir_tensor *tensor_of(const ir_module *m, size_t op, unsigned key) {
    const char *name = ir_str(m, op, key);
    return name ? &m->tensors[ir_tensor_find(m, name)] : NULL;
}

static bool wrong_shape(pass_context *ctx, const ir_module *m, size_t op, const ir_tensor *t, uint32_t rows,
                        uint32_t cols) {
    return diag_error(ctx->diag, t->loc.line ? t->loc : m->ops[op].loc,
                      "tensor \"%s\" is [%u, %u]; the model needs [%u, %u] here", t->name, t->rows, t->cols, rows,
                      cols);
}

/** A vector of `width`, or none: biases, gains. */
static bool check_vector(pass_context *ctx, const ir_module *m, size_t op, unsigned key, uint32_t width) {
    const ir_tensor *t = tensor_of(m, op, key);
    return !t || (t->rows == 1 && t->cols == width) || wrong_shape(ctx, m, op, t, 1, width);
}

static bool infer_embed(pass_context *ctx, ir_module *m, size_t op, ir_type *out) {
    const ir_tensor *word = tensor_of(m, op, IR_KEY_tensor);
    const ir_tensor *position = tensor_of(m, op, IR_KEY_position_tensor);
    const ir_tensor *type = tensor_of(m, op, IR_KEY_type_tensor);
    if (position && position->cols != word->cols)
        return wrong_shape(ctx, m, op, position, position->rows, word->cols);
    if (type && type->cols != word->cols)
        return wrong_shape(ctx, m, op, type, type->rows, word->cols);
    if (position && position->rows < m->header.seq)
        return diag_error(ctx->diag, m->ops[op].loc, "a sequence of %u tokens does not fit: the model has %u positions",
                          m->header.seq, position->rows);
    *out = matrix(m->header.seq, word->cols);
    return true;
}

static bool infer_linear(pass_context *ctx, ir_module *m, size_t op, ir_type in, ir_type *out) {
    const ir_tensor *w = tensor_of(m, op, IR_KEY_tensor);
    uint32_t outputs = (uint32_t)ir_int(m, op, IR_KEY_outputs, 0);
    uint32_t rows = w->transposed ? in.dim[1] : outputs, cols = w->transposed ? outputs : in.dim[1];
    if (w->rows != rows || w->cols != cols)
        return wrong_shape(ctx, m, op, w, rows, cols);
    *out = matrix(in.dim[0], outputs);
    return check_vector(ctx, m, op, IR_KEY_bias_tensor, outputs);
}

static bool infer_attention(pass_context *ctx, ir_module *m, size_t op, const ir_type *in, ir_type *out) {
    uint32_t heads = (uint32_t)ir_int(m, op, IR_KEY_query_heads, 0), kv = (uint32_t)ir_int(m, op, IR_KEY_kv_heads, 0);
    uint32_t dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0);
    uint32_t width[3] = {heads * dim, kv * dim, kv * dim};
    if (!heads || !kv || !dim || heads % kv)
        return diag_error(ctx->diag, m->ops[op].loc,
                          "%u query heads over %u key/value heads of %u channels: heads must be a multiple of kv_heads",
                          heads, kv, dim);
    for (int i = 0; i < 3; i++)
        if (in[i].dim[1] != width[i])
            return diag_error(ctx->diag, m->ops[op].loc, "operand %c of attention is %u wide; %u heads of %u need %u",
                              "qkv"[i], in[i].dim[1], i ? kv : heads, dim, width[i]);
    *out = matrix(in[0].dim[0], width[0]);
    return true;
}

/** A table with a row for each position of the sequence and as many columns as a head has channels, an even number. */
static bool check_rotary(pass_context *ctx, const ir_module *m, size_t op, ir_type in) {
    const ir_tensor *t = tensor_of(m, op, IR_KEY_tensor);
    uint32_t dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0);
    if (!dim || dim % 2 || in.dim[1] % dim)
        return diag_error(ctx->diag, m->ops[op].loc,
                          "rows of %u channels in heads of %u cannot be rotated: heads must be of an even number of "
                          "channels that divides the width",
                          in.dim[1], dim);
    return (t->cols == dim && t->rows >= m->header.seq) || wrong_shape(ctx, m, op, t, m->header.seq, dim);
}

/** Operands of one type, which is the result's, and vectors of its width. */
static bool infer_same(pass_context *ctx, ir_module *m, size_t op, const ir_type *in, ir_type *out) {
    const size_t last = m->ops[op].operand_count - 1u;
    if (in[0].dim[0] != in[last].dim[0] || in[0].dim[1] != in[last].dim[1])
        return diag_error(ctx->diag, m->ops[op].loc, "%s of [%u, %u] and [%u, %u]: shapes must be equal",
                          ir_info((ir_opcode)m->ops[op].code)->spelling, in[0].dim[0], in[0].dim[1], in[last].dim[0],
                          in[last].dim[1]);
    *out = in[0];
    return check_vector(ctx, m, op, IR_KEY_tensor, in[0].dim[1]) &&
           check_vector(ctx, m, op, IR_KEY_bias_tensor, in[0].dim[1]);
}

/** The same, where the row is made of parts as long as the vector. */
static bool infer_parts(pass_context *ctx, ir_module *m, size_t op, ir_type in, ir_type *out) {
    const ir_tensor *t = tensor_of(m, op, IR_KEY_tensor);
    *out = in;
    return (t->rows == 1 && in.dim[1] % t->cols == 0) || wrong_shape(ctx, m, op, t, 1, in.dim[1]);
}

static bool infer_op(pass_context *ctx, ir_module *m, size_t op, const ir_type *in, ir_type *out) {
    switch (ir_info((ir_opcode)m->ops[op].code)->shape) {
    case IR_SHAPE_EMBED:
        return infer_embed(ctx, m, op, out);
    case IR_SHAPE_LINEAR:
        return infer_linear(ctx, m, op, in[0], out);
    case IR_SHAPE_ATTENTION:
        return infer_attention(ctx, m, op, in, out);
    case IR_SHAPE_SAME:
        return infer_same(ctx, m, op, in, out);
    case IR_SHAPE_PARTS:
        return infer_parts(ctx, m, op, in[0], out);
    case IR_SHAPE_ROTARY:
        *out = in[0];
        return check_rotary(ctx, m, op, in[0]);
    case IR_SHAPE_ONE_ROW:
        *out = matrix(1, in[0].dim[1]);
        return true;
    default:
        return diag_internal(ctx->diag, m->ops[op].loc, "infer-shapes has no rule for %s",
                             ir_info((ir_opcode)m->ops[op].code)->spelling);
    }
}

/** Types of operands to the type of the op's result. False: said why. */
static bool infer_result(pass_context *ctx, ir_module *m, size_t op, ir_type *out) {
    ir_type in[3] = {{0}};
    for (size_t i = 0; i < m->ops[op].operand_count && i < 3; i++)
        in[i] = m->types[ir_operand(m, op, i)];
    if (!infer_op(ctx, m, op, in, out))
        return false;
    const ir_type *have = &m->types[m->ops[op].result];
    return have->elem == IR_ELEM_NONE || same_type(have, out) ||
           diag_error(ctx->diag, m->ops[op].loc, "the value is written as [%u, %u] but comes out as [%u, %u]",
                      have->dim[0], have->dim[1], out->dim[0], out->dim[1]);
}

/* Inputs say their type themselves, and token ids that of their select. */
static bool has_inferred_type(const ir_module *m, size_t op) {
    return m->ops[op].result != IR_NONE && m->ops[op].code != IR_INPUT && m->ops[op].code != IR_SELECT;
}

bool shapes_hold(pass_context *ctx, ir_module *m) {
    ir_type out;
    for (size_t op = 0; op < m->op_count; op++)
        if (has_inferred_type(m, op) && !infer_result(ctx, m, op, &out))
            return false;
    return true;
}

bool pass_infer_shapes(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    for (size_t op = 0; op < m->op_count; op++) {
        ir_type out;
        if (!has_inferred_type(m, op))
            continue;
        if (!infer_result(ctx, m, op, &out))
            return false;
        m->types[m->ops[op].result] = out;
    }
    return true;
}
