/* Lowering of a linear to the arrays: the host makes codes of its rows; then the steps of its plan, one instruction
 * each. */
#include "passes/lower_linear.h"

#include <string.h>

/** A linear while it is emitted. */
typedef struct {
    host_lowering *h;
    linear_shape shape;
    linear_plan plan;
    const char *source, *weight, *bias;
    src_loc loc;
    ir_value codes, result;
    ir_value *rows, *weights, *sums; /* rings of the blocks on chip */
} work;

static uint32_t rows_of(const work *w, const linear_step *s) {
    return w->plan.cut.edge[s->chunk + 1] - w->plan.cut.edge[s->chunk];
}

static uint32_t depth_of(const work *w, const linear_step *s, uint32_t *first) {
    return linear_inputs(&w->plan.cut, w->shape.inputs, s->part, first);
}

static uint32_t cols_of(const work *w, const linear_step *s, uint32_t *first) {
    return linear_outputs(&w->plan.cut, w->shape.outputs, s->chunk, s->block, first);
}

static size_t append(work *w, dtq_opcode code, unsigned queue, const ir_value *buffers, size_t count) {
    size_t op = instr_append(w->h->r->to, code, queue, buffers, count, w->source, w->loc);
    ir_set_int(w->h->r->to, op, w->h->keys->layer, w->shape.layer->index);
    return op;
}

static void set_rows(work *w, size_t op, const linear_step *s) {
    ir_set_int(w->h->r->to, op, w->h->keys->row, w->plan.cut.edge[s->chunk]);
    ir_set_int(w->h->r->to, op, w->h->keys->rows, rows_of(w, s));
}

static void set_tensors(work *w, size_t op) {
    instr_set_text(w->h->r->to, op, w->h->keys->weight, w->weight);
    instr_set_text(w->h->r->to, op, w->h->keys->bias, w->bias);
}

static void emit_codes(work *w, ir_value src) {
    ir_value buffers[3] = {w->result, src, w->codes};
    set_tensors(w, append(w, DTQ_OP_CODES, DTQ_HOST, buffers, 3));
}

static void emit_load_rows(work *w, const linear_step *s) {
    const instr_keys *k = w->h->keys;
    ir_module *m = w->h->r->to;
    uint32_t input, depth = depth_of(w, s, &input);
    uint64_t bytes = linear_rows_bytes(w->shape.layer, w->plan.cut.edge[s->chunk], rows_of(w, s), depth);
    ir_value x = instr_buffer(m, "q", bytes, NULL, w->loc), buffers[2] = {w->codes, x};
    size_t op = append(w, DTQ_OP_LOAD_ROWS, DTQ_LOAD, buffers, 2);
    set_rows(w, op, s);
    ir_set_int(m, op, k->input, input);
    ir_set_int(m, op, k->depth, depth);
    ir_set_int(m, op, k->width, w->shape.inputs);
    w->rows[s->rows % w->plan.rows_held] = x;
}

static void emit_load_weights(work *w, const linear_step *s) {
    const instr_keys *k = w->h->keys;
    ir_module *m = w->h->r->to;
    uint32_t input, depth = depth_of(w, s, &input);
    uint32_t output, cols = cols_of(w, s, &output);
    ir_value block = instr_buffer(m, "k", linear_weights_bytes(cols, depth), NULL, w->loc);
    size_t op = append(w, DTQ_OP_LOAD_WEIGHTS, DTQ_LOAD, &block, 1);
    set_tensors(w, op);
    ir_set_int(m, op, k->output, output);
    ir_set_int(m, op, k->cols, cols);
    ir_set_int(m, op, k->input, input);
    ir_set_int(m, op, k->depth, depth);
    w->weights[s->weights % w->plan.weights_held] = block;
}

static void emit_matmul(work *w, const linear_step *s) {
    const instr_keys *k = w->h->keys;
    ir_module *m = w->h->r->to;
    uint32_t input, depth = depth_of(w, s, &input);
    uint32_t output, cols = cols_of(w, s, &output);
    bool first = s->part == 0, last = input + depth == w->shape.inputs;
    ir_value *sums = &w->sums[s->unit % w->plan.sums_held];
    if (first)
        *sums = instr_buffer(m, "out", 4ull * rows_of(w, s) * cols, NULL, w->loc);
    ir_value buffers[3] = {w->rows[s->rows % w->plan.rows_held], w->weights[s->weights % w->plan.weights_held], *sums};
    size_t op = append(w, DTQ_OP_MATMUL, DTQ_ARRAY0 + s->array, buffers, 3);
    instr_set_text(m, op, k->flags, first && last ? "only" : first ? "first" : last ? "last" : "middle");
    set_rows(w, op, s);
    ir_set_int(m, op, k->cols, cols);
    ir_set_int(m, op, k->depth, depth);
    if (w->plan.cut.turned[s->chunk])
        instr_set_text(m, op, k->turned, "yes");
}

static void emit_store(work *w, const linear_step *s) {
    const instr_keys *k = w->h->keys;
    ir_module *m = w->h->r->to;
    uint32_t output, cols = cols_of(w, s, &output);
    ir_value buffers[2] = {w->sums[s->unit % w->plan.sums_held], w->result};
    size_t op = append(w, DTQ_OP_STORE_ROWS, DTQ_STORE, buffers, 2);
    set_rows(w, op, s);
    ir_set_int(m, op, k->output, output);
    ir_set_int(m, op, k->cols, cols);
    ir_set_int(m, op, k->width, w->shape.outputs);
}

bool lower_linear(host_lowering *h, const layer_info *layers, size_t op) {
    const ir_module *from = h->r->from;
    arena *a = h->ctx->arena;
    const char *bias = ir_str(from, op, IR_KEY_bias_tensor);
    work w = {.h = h,
              .shape = linear_read(from, op, layers),
              .source = ir_str(from, op, IR_KEY_source),
              .weight = ir_str(from, op, IR_KEY_tensor),
              .bias = bias ? bias : "",
              .loc = from->ops[op].loc};
    uint64_t seq = from->header.seq;
    if (!ir_get(from, op, IR_KEY_row_edges))
        return diag_error(h->ctx->diag, w.loc, "a linear on the arrays has not been cut; run tile-linears before");
    linear_cut cut = linear_read_cut(a, from, op);
    if (!plan_linear_cut(h->ctx, from->machine, &w.shape, &cut, &w.plan))
        return diag_error(h->ctx->diag, w.loc,
                          "blocks of %u outputs and %u inputs do not fit the machine's buffers; make output_block or "
                          "input_block smaller",
                          cut.output_block[0], cut.input_block);
    w.rows = ARENA_ARRAY(a, ir_value, w.plan.rows_held);
    w.weights = ARENA_ARRAY(a, ir_value, w.plan.weights_held);
    w.sums = ARENA_ARRAY(a, ir_value, w.plan.sums_held);
    w.result = instr_buffer(h->r->to, "dram", 4 * seq * w.shape.outputs, NULL, w.loc);
    w.codes = instr_buffer(h->r->to, "dram", seq * (w.shape.inputs + 4ull), NULL, w.loc);
    ir_value src = rebuild_operand(h->r, op, 0);
    h->r->map[from->ops[op].result] = w.result;
    emit_codes(&w, src);
    for (size_t i = 0; i < w.plan.step_count; i++) {
        const linear_step *s = &w.plan.steps[i];
        switch ((linear_step_kind)s->kind) {
        case LINEAR_LOAD_ROWS:
            emit_load_rows(&w, s);
            break;
        case LINEAR_LOAD_WEIGHTS:
            emit_load_weights(&w, s);
            break;
        case LINEAR_MATMUL:
            emit_matmul(&w, s);
            break;
        case LINEAR_STORE:
            emit_store(&w, s);
            break;
        }
    }
    return true;
}
