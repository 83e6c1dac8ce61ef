/* The instructions of the host queue: everything of a model that is not attention. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/exec.h"
#include "runtime/kernels/kernels.h"
#include "runtime/numerics/host_operands.h"
#include "runtime/numerics/host_rows.h"
#include "runtime/numerics/probe.h"
#include "runtime/parallel.h"
#include "runtime/schemes/scheme_ops.h"
#include "runtime/sim/layout.h"
#include "runtime/weights/weights.h"

/* The int32 sum of so many products of codes cannot overflow. */
enum { INT8_INPUTS_MAX = 131072 };

/* ---- embedding ----------------------------------------------------------------------------------------------- */

/* dst = row `row` of the table, or dst += it. */
static bool add_row(const dtq_exec *x, uint64_t table, size_t row, const char *what, uint32_t id, size_t width,
                    bool first, float *dst, float *scratch, dtq_error *e) {
    size_t rows = 0, columns = 0;
    if (!dtq_tensor_shape(x, table, &rows, &columns, e))
        return false;
    if (columns != width) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %s has %zu columns where %zu are needed",
                        x->program->tensors[table].name, columns, width);
    }
    if (row >= rows) {
        return dtq_fail(e, DTQ_BAD_INPUT, "token %u: %s %zu is not below %zu, the rows of %s", id, what, row, rows,
                        x->program->tensors[table].name);
    }
    if (!dtq_weights_row(x->weights, table, row, first ? dst : scratch, e))
        return false;
    for (size_t c = 0; !first && c < width; c++)
        dst[c] = dst[c] + scratch[c];
    return true;
}

static bool host_embed(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    size_t vocabulary = 0, width = 0;
    const uint64_t word = DTQ_GET(in, EMBED, word), position = DTQ_GET(in, EMBED, position);
    const uint64_t type = DTQ_GET(in, EMBED, type);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, EMBED, layer), &r, e) || !dtq_tensor_shape(x, word, &vocabulary, &width, e))
        return false;
    if (!x->input || !x->input->tokens)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program takes token ids as its input, and there are none");
    float *dst = dtq_matrix(x, DTQ_GET(in, EMBED, dst), x->stream->seq, width, e);
    float *scratch = malloc(width * sizeof *scratch);
    bool ok = dst != NULL;
    if (ok && !scratch)
        ok = dtq_no_memory(e, width * sizeof *scratch, "an embedding");
    for (uint32_t i = 0; ok && i < r.rows; i++) {
        const uint32_t id = r.ids[i];
        const uint32_t segment = x->input->segments ? x->input->segments[id] : 0;
        float *to = dst + (size_t)id * width;
        ok = add_row(x, word, x->input->tokens[id], "vocabulary id", id, width, true, to, scratch, e) &&
             (position == DTQ_NONE(EMBED, position) ||
              add_row(x, position, id, "position", id, width, false, to, scratch, e)) &&
             (type == DTQ_NONE(EMBED, type) || add_row(x, type, segment, "segment", id, width, false, to, scratch, e));
    }
    free(scratch);
    return ok;
}

/* ---- linear -------------------------------------------------------------------------------------------------- */

typedef struct {
    const dtq_kernels *kernels;
    const dtq_linear_f32 *f32;
    const dtq_linear_i8 *i8;
    size_t outputs;
} linear_job;

/* Items are strips of outputs, wide enough for the largest tile of any kernel. */
enum { STRIP = 64 };

static void linear_strips(void *context, size_t first, size_t last) {
    const linear_job *j = context;
    const size_t end = last * STRIP < j->outputs ? last * STRIP : j->outputs;
    if (j->f32)
        j->kernels->linear_f32(j->f32, first * STRIP, end);
    else
        j->kernels->linear_i8(j->i8, first * STRIP, end);
}

static void run_linear(const dtq_exec *x, linear_job *j) {
    dtq_parallel(x->threads, (j->outputs + STRIP - 1) / STRIP, linear_strips, j);
}

/* Precision of row i of a linear whose rows have their queries': [slots] from the first query on. False where the layer
 * has not chosen them yet. */
static bool query_bits(const dtq_exec *x, const dtq_rows *r, const uint8_t **bits, dtq_error *e) {
    if (!x->exact && dtq_chooses(r->layer)) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u chooses its own tokens: a linear cannot go by their bits",
                        r->index);
    }
    *bits = r->slots->bits[DTQ_Q] + (r->ids - r->slots->ids);
    return true;
}

static bool bad_input(const dtq_exec *x, const dtq_rows *r, uint64_t tensor, uint32_t i, dtq_error *e) {
    return dtq_fail(e, DTQ_BAD_INPUT, "layer %u, input of linear %s, token %u: a value is not finite, or 2^50 or more",
                    r->index, x->program->tensors[tensor].name, r->ids[i]);
}

/* `bits`: of each row, or NULL if all have 8. */
static bool linear_int8(dtq_exec *x, const dtq_rows *r, const dtq_linear_f32 *f, uint64_t tensor, const uint8_t *bits,
                        dtq_error *e) {
    if (f->inputs > INT8_INPUTS_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "an int8 linear of %zu inputs; at most %d", f->inputs, INT8_INPUTS_MAX);
    const dtq_weight_i8 *w = dtq_weights_int8(x->weights, tensor, x->threads, e);
    if (!w)
        return false;
    const size_t stride = w->input_groups * DTQ_PACK_INPUTS;
    int8_t *codes = calloc(r->rows, stride);
    float *scales = malloc(r->rows * sizeof *scales);
    linear_job j = {.kernels = dtq_kernels_choose(x->scalar), .outputs = f->outputs};
    bool ok = codes && scales;
    if (!ok)
        (void)dtq_no_memory(e, r->rows * (stride + sizeof *scales), "an int8 linear");
    for (uint32_t i = 0; ok && i < r->rows; i++) {
        if (!j.kernels->quantise_row(f->src + (size_t)r->ids[i] * f->inputs, f->inputs, bits ? bits[i] : 8,
                                     codes + i * stride, &scales[i])) {
            ok = bad_input(x, r, tensor, i, e);
        }
    }
    if (ok) {
        const dtq_linear_i8 job = {codes,      scales,   f->dst,    f->ids,  f->rows, w->input_groups,
                                   f->outputs, w->codes, w->scales, w->sums, f->bias};
        j.i8 = &job;
        run_linear(x, &j);
    }
    free(codes);
    free(scales);
    return ok;
}

static bool host_linear(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    dtq_linear_f32 f = {0};
    const uint64_t weight = DTQ_GET(in, LINEAR, weight), path = DTQ_GET(in, LINEAR, path);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, LINEAR, layer), &r, e) ||
        !dtq_tensor_shape(x, weight, &f.outputs, &f.inputs, e) ||
        !dtq_vector(x, DTQ_GET(in, LINEAR, bias), DTQ_NONE(LINEAR, bias), &f.outputs, &f.bias, e)) {
        return false;
    }
    f.src = dtq_matrix(x, DTQ_GET(in, LINEAR, src), x->stream->seq, f.inputs, e);
    f.dst = f.src ? dtq_matrix(x, DTQ_GET(in, LINEAR, dst), x->stream->seq, f.outputs, e) : NULL;
    f.ids = r.ids;
    f.rows = r.rows;
    if (!f.dst)
        return false;
    if (path != DTQ_LINEAR_FP32 && !x->exact) {
        const uint8_t *bits = NULL;
        return (path != DTQ_LINEAR_MIXED || query_bits(x, &r, &bits, e)) && linear_int8(x, &r, &f, weight, bits, e);
    }
    f.weight = dtq_weights_float(x->weights, weight, e);
    if (!f.weight)
        return false;
    linear_job j = {.kernels = dtq_kernels_choose(x->scalar), .f32 = &f, .outputs = f.outputs};
    run_linear(x, &j);
    return true;
}

static bool host_codes(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r = {0};
    size_t outputs = 0, inputs = 0;
    const uint32_t seq = x->stream->seq;
    const uint64_t weight = DTQ_GET(in, CODES, weight), at = DTQ_GET(in, CODES, codes);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, CODES, layer), &r, e) || !dtq_tensor_shape(x, weight, &outputs, &inputs, e))
        return false;
    if (inputs > INT8_INPUTS_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "an int8 linear of %zu inputs; at most %d", inputs, INT8_INPUTS_MAX);
    const float *src = dtq_matrix(x, DTQ_GET(in, CODES, src), seq, inputs, e);
    float *scales = src ? dtq_matrix(x, at, seq, 1, e) : NULL;
    if (!scales)
        return false;
    if (dtq_codes_bytes(seq, (uint32_t)inputs) > x->stream->dram_bytes - at)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: the codes of a linear's rows lie outside of DRAM", r.index);
    uint8_t *codes = (uint8_t *)(scales + seq);
    const uint8_t *bits = NULL;
    if (!query_bits(x, &r, &bits, e))
        return false;
    int8_t *scratch = malloc(inputs);
    if (!scratch)
        return dtq_no_memory(e, inputs, "the codes of a linear's rows");
    bool ok = true;
    for (uint32_t i = 0; ok && i < r.rows; i++) {
        const uint32_t id = r.ids[i];
        ok = dtq_kernels_choose(x->scalar)->quantise_row(src + id * inputs, inputs, bits[i], scratch, &scales[id]) ||
             bad_input(x, &r, weight, i, e);
        if (ok)
            dtq_pack_row(scratch, (uint32_t)inputs, bits[i], codes + id * inputs);
    }
    free(scratch);
    return ok;
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

static float float_of(uint64_t bits) {
    const uint32_t b = (uint32_t)bits;
    float v;
    memcpy(&v, &b, sizeof v);
    return v;
}

/* The result of an instruction on rows of one width; NULL (and an error) if it or *src, its operand, does not fit. */
static float *rows_to_rows(const dtq_exec *x, uint64_t src_at, uint64_t dst_at, size_t width, const float **src,
                           dtq_error *e) {
    *src = dtq_matrix(x, src_at, x->stream->seq, width, e);
    return *src ? dtq_matrix(x, dst_at, x->stream->seq, width, e) : NULL;
}

static bool host_norm(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    size_t width = 0;
    const float *gamma, *beta;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, NORM, layer), &r, e) ||
        !dtq_vector(x, DTQ_GET(in, NORM, gamma), UINT64_MAX, &width, &gamma, e) ||
        !dtq_vector(x, DTQ_GET(in, NORM, beta), DTQ_NONE(NORM, beta), &width, &beta, e)) {
        return false;
    }
    const float *src;
    float *dst = rows_to_rows(x, DTQ_GET(in, NORM, src), DTQ_GET(in, NORM, dst), width, &src, e);
    const dtq_kernels *kernels = dtq_kernels_choose(x->scalar);
    for (uint32_t i = 0; dst && i < r.rows; i++) {
        const size_t at = r.ids[i] * width;
        kernels->norm(src + at, width, gamma, beta, float_of(DTQ_GET(in, NORM, eps)), dst + at);
    }
    return dst != NULL;
}

static bool host_rmsnorm(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    size_t part = 0;
    const size_t width = DTQ_GET(in, RMSNORM, width);
    const float *gamma;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, RMSNORM, layer), &r, e) ||
        !dtq_vector(x, DTQ_GET(in, RMSNORM, gamma), UINT64_MAX, &part, &gamma, e)) {
        return false;
    }
    if (part == 0 || width % part != 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "rows of %zu are no whole parts of %zu", width, part);
    const float *src;
    float *dst = rows_to_rows(x, DTQ_GET(in, RMSNORM, src), DTQ_GET(in, RMSNORM, dst), width, &src, e);
    const dtq_kernels *kernels = dtq_kernels_choose(x->scalar);
    for (uint32_t i = 0; dst && i < r.rows; i++)
        for (size_t at = r.ids[i] * width, end = at + width; at < end; at += part)
            kernels->rmsnorm(src + at, part, gamma, float_of(DTQ_GET(in, RMSNORM, eps)), dst + at);
    return dst != NULL;
}

static bool host_rotary(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    size_t positions = 0, head_dim = 0;
    const size_t width = DTQ_GET(in, ROTARY, width);
    const uint64_t table = DTQ_GET(in, ROTARY, table);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, ROTARY, layer), &r, e) ||
        !dtq_tensor_shape(x, table, &positions, &head_dim, e)) {
        return false;
    }
    if (positions < x->stream->seq || head_dim == 0 || head_dim % 2 != 0 || width % head_dim != 0) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "table %s of %zu rows of %zu does not rotate %u rows of %zu",
                        x->program->tensors[table].name, positions, head_dim, x->stream->seq, width);
    }
    const float *angles = dtq_weights_float(x->weights, table, e);
    if (!angles)
        return false;
    const float *src;
    float *dst = rows_to_rows(x, DTQ_GET(in, ROTARY, src), DTQ_GET(in, ROTARY, dst), width, &src, e);
    for (uint32_t i = 0; dst && i < r.rows; i++) {
        dtq_rotate(src + r.ids[i] * width, width, angles + r.ids[i] * head_dim, head_dim,
                   (dtq_pairs)DTQ_GET(in, ROTARY, pairs), dst + r.ids[i] * width);
    }
    return dst != NULL;
}

static bool host_affine(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    size_t width = 0;
    const float *gain, *offset;
    if (!dtq_rows_of_layer(x, DTQ_GET(in, AFFINE, layer), &r, e) ||
        !dtq_vector(x, DTQ_GET(in, AFFINE, gain), UINT64_MAX, &width, &gain, e) ||
        !dtq_vector(x, DTQ_GET(in, AFFINE, offset), DTQ_NONE(AFFINE, offset), &width, &offset, e)) {
        return false;
    }
    const float *src;
    float *dst = rows_to_rows(x, DTQ_GET(in, AFFINE, src), DTQ_GET(in, AFFINE, dst), width, &src, e);
    for (uint32_t i = 0; dst && i < r.rows; i++) {
        const size_t at = r.ids[i] * width;
        for (size_t c = 0; c < width; c++) {
            const float y = src[at + c] * gain[c];
            dst[at + c] = offset ? y + offset[c] : y;
        }
    }
    return dst != NULL;
}

static bool host_act(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const size_t width = DTQ_GET(in, ACT, width);
    const uint64_t kind = DTQ_GET(in, ACT, kind);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, ACT, layer), &r, e))
        return false;
    if (kind > DTQ_ACT_SILU)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "activation %llu does not exist", (unsigned long long)kind);
    const float *src;
    float *dst = rows_to_rows(x, DTQ_GET(in, ACT, src), DTQ_GET(in, ACT, dst), width, &src, e);
    const dtq_kernels *kernels = dtq_kernels_choose(x->scalar);
    for (uint32_t i = 0; dst && i < r.rows; i++) {
        const size_t at = r.ids[i] * width;
        kernels->act((dtq_act)kind, src + at, width, dst + at);
    }
    return dst != NULL;
}

/* The rows of the two operands and the result of an element-wise instruction; false after an error. */
static bool pair_of_rows(dtq_exec *x, const dtq_instr *in, dtq_rows *r, const float **a, const float **b, float **dst,
                         dtq_error *e) {
    _Static_assert(DTQ_F(ADD, a) == DTQ_F(MUL, a) && DTQ_F(ADD, b) == DTQ_F(MUL, b) &&
                       DTQ_F(ADD, dst) == DTQ_F(MUL, dst) && DTQ_F(ADD, width) == DTQ_F(MUL, width) &&
                       DTQ_F(ADD, layer) == DTQ_F(MUL, layer),
                   "host.add and host.mul have the same fields");
    const size_t width = DTQ_GET(in, ADD, width);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, ADD, layer), r, e))
        return false;
    *a = dtq_matrix(x, DTQ_GET(in, ADD, a), x->stream->seq, width, e);
    *b = *a ? dtq_matrix(x, DTQ_GET(in, ADD, b), x->stream->seq, width, e) : NULL;
    *dst = *b ? dtq_matrix(x, DTQ_GET(in, ADD, dst), x->stream->seq, width, e) : NULL;
    return *dst != NULL;
}

static bool host_add(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const float *a, *b;
    float *dst;
    const size_t width = DTQ_GET(in, ADD, width);
    if (!pair_of_rows(x, in, &r, &a, &b, &dst, e))
        return false;
    for (uint32_t i = 0; i < r.rows; i++) {
        const size_t at = r.ids[i] * width;
        for (size_t c = 0; c < width; c++)
            dst[at + c] = a[at + c] + b[at + c];
    }
    return true;
}

static bool host_mul(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const float *a, *b;
    float *dst;
    const size_t width = DTQ_GET(in, MUL, width);
    if (!pair_of_rows(x, in, &r, &a, &b, &dst, e))
        return false;
    for (uint32_t i = 0; i < r.rows; i++) {
        const size_t at = r.ids[i] * width;
        for (size_t c = 0; c < width; c++)
            dst[at + c] = a[at + c] * b[at + c];
    }
    return true;
}

/* ---- pooling ------------------------------------------------------------------------------------------------- */

enum { POOL_MEAN, POOL_FIRST, POOL_LAST };

static bool host_pool(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_rows r;
    const size_t width = DTQ_GET(in, POOL, width);
    const uint64_t kind = DTQ_GET(in, POOL, kind);
    if (!dtq_rows_of_layer(x, DTQ_GET(in, POOL, layer), &r, e))
        return false;
    const float *src = dtq_matrix(x, DTQ_GET(in, POOL, src), x->stream->seq, width, e);
    float *dst = src ? dtq_matrix(x, DTQ_GET(in, POOL, dst), 1, width, e) : NULL;
    if (!dst)
        return false;
    /* In the order of the original positions, so that the slot order changes no bit. */
    bool *active = calloc(x->stream->seq, sizeof *active);
    if (!active)
        return dtq_no_memory(e, x->stream->seq * sizeof *active, "pooling");
    uint32_t first = x->stream->seq, last = 0;
    for (uint32_t i = 0; i < r.rows; i++) {
        const uint32_t id = r.ids[i];
        active[id] = true;
        first = id < first ? id : first;
        last = id > last ? id : last;
    }
    if (kind == POOL_MEAN) {
        memset(dst, 0, width * sizeof *dst);
        for (uint32_t id = first; id <= last; id++)
            for (size_t c = 0; active[id] && c < width; c++)
                dst[c] = dst[c] + src[id * width + c];
        for (size_t c = 0; c < width; c++)
            dst[c] = dst[c] / (float)r.rows;
    } else {
        memcpy(dst, src + (kind == POOL_FIRST ? first : last) * width, width * sizeof *dst);
    }
    free(active);
    return true;
}

static bool host_normalize(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    const size_t width = DTQ_GET(in, NORMALIZE, width);
    const float *src = dtq_matrix(x, DTQ_GET(in, NORMALIZE, src), 1, width, e);
    float *dst = src ? dtq_matrix(x, DTQ_GET(in, NORMALIZE, dst), 1, width, e) : NULL;
    if (!dst)
        return false;
    const float length = sqrtf(dtq_kernels_choose(x->scalar)->dot(src, src, width));
    const float divisor = length > 1e-12f ? length : 1e-12f;
    for (size_t c = 0; c < width; c++)
        dst[c] = src[c] / divisor;
    return true;
}

/* ---- dispatch ------------------------------------------------------------------------------------------------ */

bool dtq_host_mixed(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    static dtq_host_op *const table[DTQ_OP_COUNT] = {
        [DTQ_OP_EMBED] = host_embed,
        [DTQ_OP_LINEAR] = host_linear,
        [DTQ_OP_NORM] = host_norm,
        [DTQ_OP_ACT] = host_act,
        [DTQ_OP_ADD] = host_add,
        [DTQ_OP_QUANT] = dtq_queue_quant,
        [DTQ_OP_POOL] = host_pool,
        [DTQ_OP_NORMALIZE] = host_normalize,
        [DTQ_OP_RMSNORM] = host_rmsnorm,
        [DTQ_OP_ROTARY] = host_rotary,
        [DTQ_OP_MUL] = host_mul,
        [DTQ_OP_AFFINE] = host_affine,
        [DTQ_OP_CODES] = host_codes,
        [DTQ_OP_PROBE_CODES] = dtq_queue_probe,
        [DTQ_OP_FAR_CODES] = dtq_queue_far,
    };
    if (in->op >= DTQ_OP_COUNT || !table[in->op])
        return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %u is not the host's", in->op);
    return table[in->op](x, in, e);
}
