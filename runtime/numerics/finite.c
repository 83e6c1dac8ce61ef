/* Where a number that is not finite first arose. */
#include "runtime/finite.h"

#include <string.h>

#include "runtime/numerics/host_rows.h"
#include "runtime/weights/weights.h"

bool dtq_not_finite(dtq_error *e, uint32_t layer, const char *op, uint32_t token) {
    char where[32] = "";
    if (token != UINT32_MAX)
        (void)snprintf(where, sizeof where, ", token %u", token);
    return dtq_fail(
        e, DTQ_NOT_FINITE,
        "layer %u, %s%s: the first value that is not finite (NaN or an infinity); check weights and input, or "
        "go on with --allow-nonfinite (in a program: allow_nonfinite)",
        layer, op, where);
}

static const char *source_of(const dtq_exec *x, size_t i) {
    const dtq_stream *s = x->stream;
    const char *op =
        s->sources && s->sources[i].op < x->program->string_count ? x->program->strings[s->sources[i].op] : "";
    return op[0] != 0 ? op : dtq_ops[s->instrs[i].op].mnemonic;
}

/* Operand `name` of an instruction; false if it has none. */
static bool operand(const dtq_instr *in, const char *name, uint64_t *value) {
    const dtq_op_info *op = &dtq_ops[in->op];
    for (unsigned f = 0; f < op->field_count; f++) {
        if (strcmp(op->fields[f].name, name) == 0) {
            *value = in->f[f];
            return true;
        }
    }
    return false;
}

/* Elements of a row of what an instruction writes: its `width`, outputs of a weight, columns of another tensor. */
static size_t width_of(const dtq_exec *x, const dtq_instr *in) {
    static const char *const of_tensor[] = {"weight", "word", "gamma", "gain"};
    uint64_t number;
    if (operand(in, "width", &number))
        return number;
    for (unsigned t = 0; t < sizeof of_tensor / sizeof *of_tensor; t++) {
        size_t rows = 0, columns = 0;
        dtq_error unheard;
        if (operand(in, of_tensor[t], &number) && dtq_tensor_shape(x, number, &rows, &columns, &unheard))
            return t == 0 ? rows : columns;
    }
    return 0;
}

bool dtq_watch_instr(const dtq_exec *x, size_t i, dtq_error *e) {
    const dtq_instr *in = &x->stream->instrs[i];
    uint64_t dst, layer = x->stream->layer_count != 0 ? x->stream->layer_count - 1 : 0;
    if (!operand(in, "dst", &dst))
        return true; /* writes no floats */
    const bool one_row = in->op == DTQ_OP_POOL || in->op == DTQ_OP_NORMALIZE;
    (void)operand(in, "layer", &layer);
    const size_t width = width_of(x, in);
    dtq_rows r = {0};
    if (!one_row && !dtq_rows_of_layer(x, layer, &r, e))
        return false;
    const float *rows = dtq_matrix(x, dst, one_row ? 1 : x->stream->seq, width, e);
    if (!rows)
        return false;
    for (uint32_t row = 0; row < (one_row ? 1 : r.rows); row++) {
        const uint32_t id = one_row ? 0 : r.ids[row];
        if (!dtq_all_finite(rows + (size_t)id * width, width))
            return dtq_not_finite(e, (uint32_t)layer, source_of(x, i), one_row ? UINT32_MAX : id);
    }
    return true;
}

bool dtq_watch_attention(const dtq_exec *x, uint32_t layer, dtq_error *e) {
    const dtq_stream *s = x->stream;
    const dtq_layer *l = &s->layers[layer];
    const size_t width = (size_t)l->heads * l->head_dim;
    const float *rows = dtq_matrix(x, l->out, s->seq, width, e);
    dtq_rows r = {0};
    if (!rows || !dtq_rows_of_layer(x, layer, &r, e))
        return false;
    const char *op = "attention";
    for (size_t i = 0; i < s->count; i++) {
        if (s->instrs[i].op == DTQ_OP_PV && DTQ_GET(&s->instrs[i], PV, layer) == layer) {
            op = source_of(x, i);
            break;
        }
    }
    for (uint32_t row = 0; row < r.rows; row++)
        if (!dtq_all_finite(rows + r.ids[row] * width, width))
            return dtq_not_finite(e, layer, op, r.ids[row]);
    return true;
}
