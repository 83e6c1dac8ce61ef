/* Weights: files mapped, numbers converted and quantised at first use. */
#include "runtime/weights/weights.h"
#include "runtime/entry.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/numerics/rotary.h"
#include "runtime/parallel.h"
#include "runtime/weights/dtype.h"
#include "runtime/weights/weights_coded.h"

#include "runtime/opened.h"
#include "runtime/turn.h"

void dtq_coded_weight_free(dtq_coded_weight *first) {
    while (first) {
        dtq_coded_weight *next = first->next;
        free(first->codes);
        free(first->scales);
        free(first->shifts);
        free(first);
        first = next;
    }
}

/* What was made of one tensor. */
typedef struct {
    float *floats; /* owned; NULL where the file serves */
    dtq_weight_i8 *int8;
    dtq_coded_weight *coded; /* a list: what schemes made of it */
} made;

struct dtq_weights {
    dtq_turn turn; /* of the run that uses it */
    const dtq_program *program;
    dtq_opened *files;
    made *made;
};

/* ---- opening ------------------------------------------------------------------------------------------------- */

static bool check_tensor(const dtq_program *p, const dtq_tensor *t, dtq_error *e) {
    const char *wrong = dtq_tensor_layout_wrong(t);
    if (wrong)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %s, %u x %u: %s", t->name, t->shape[0], t->shape[1], wrong);
    if ((uint64_t)t->shape[0] * t->shape[1] > UINT64_MAX / 4)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %s, %u x %u: too large", t->name, t->shape[0], t->shape[1]);
    if (t->file == UINT32_MAX)
        return true;
    if (t->file >= p->file_count)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %s: refers to file %u of %zu", t->name, t->file, p->file_count);
    if (dtq_tensor_end(t) > p->files[t->file].bytes)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %s: lies outside of %s", t->name, p->files[t->file].path);
    return true;
}

dtq_weights *dtq_do_weights_open_with(const dtq_program *p, const dtq_weights_options *o, dtq_error *e) {
    static const dtq_weights_options defaults;
    dtq_weights *w = calloc(1, sizeof *w);
    if (!w) {
        (void)dtq_no_memory(e, sizeof *w, "weights");
        return NULL;
    }
    w->program = p;
    w->files = calloc(p->file_count + 1, sizeof *w->files);
    w->made = calloc(p->tensor_count + 1, sizeof *w->made);
    bool ok = w->files && w->made;
    if (!ok) {
        (void)dtq_no_memory(e, (p->file_count + 1) * sizeof *w->files + (p->tensor_count + 1) * sizeof *w->made,
                            "weights");
    }
    for (size_t i = 0; w->files && i < p->file_count; i++)
        w->files[i] = DTQ_OPENED_NONE;
    for (size_t i = 0; ok && i < p->tensor_count; i++)
        ok = check_tensor(p, &p->tensors[i], e);
    for (size_t i = 0; ok && i < p->file_count; i++)
        ok = !dtq_program_file_has_weights(p, i) || dtq_opened_open(&w->files[i], &p->files[i], o ? o : &defaults, e);
    if (!ok) {
        dtq_weights_close(w);
        return NULL;
    }
    return w;
}

dtq_turn *dtq_weights_turn(dtq_weights *w) {
    return w ? &w->turn : NULL;
}

static void free_int8(dtq_weight_i8 *q) {
    if (q) {
        free(q->codes);
        free(q->scales);
        free(q->sums);
        free(q);
    }
}

dtq_coded_weight **dtq_weights_coded_list(dtq_weights *w, uint64_t tensor) {
    return &w->made[tensor].coded;
}

bool dtq_weights_unchanged(const dtq_weights *w, dtq_error *e) {
    for (size_t i = 0; w && i < w->program->file_count; i++)
        if (!dtq_opened_unchanged(&w->files[i], &w->program->files[i].hash, e))
            return false;
    return true;
}

void dtq_weights_close(dtq_weights *w) {
    if (!w)
        return;
    for (size_t i = 0; w->files && i < w->program->file_count; i++)
        dtq_opened_close(&w->files[i]);
    for (size_t i = 0; w->made && i < w->program->tensor_count; i++) {
        free(w->made[i].floats);
        free_int8(w->made[i].int8);
        dtq_coded_weight_free(w->made[i].coded);
    }
    free(w->files);
    free(w->made);
    free(w);
}

/* ---- elements ------------------------------------------------------------------------------------------------ */

float dtq_synthetic(const dtq_tensor *t, uint64_t index) {
    /* splitmix64 (Steele, Lea, Flood 2014): one step from state seed + index; its top 24 bits are the number. */
    uint64_t z = t->seed + index + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z = z ^ z >> 31;
    const float u = (float)((int32_t)(z >> 40) - (1 << 23)) * 0x1p-23f;
    return t->mean + t->scale * u;
}

static bool is_dense(const dtq_tensor *t) {
    return t->stride == 0 || t->stride == t->shape[1];
}

/* Elements that a stride lies between. */
static void read_rows(const dtq_tensor *t, const uint8_t *from, uint64_t first, size_t n, float *out) {
    while (n > 0) {
        const uint64_t row = first / t->shape[1], column = first % t->shape[1];
        const size_t take = t->shape[1] - column < n ? (size_t)(t->shape[1] - column) : n;
        dtq_widen((dtq_dtype)t->dtype, from, row * t->stride + column, take, out);
        first += take;
        out += take;
        n -= take;
    }
}

/* Elements [first, first + n), counted along the rows of the tensor. */
static void read_elements(const dtq_weights *w, const dtq_tensor *t, uint64_t first, size_t n, float *out) {
    if (t->dtype == DTQ_ROTARY) {
        dtq_rotary_read(t->scale, t->frequencies, t->shape[1], first, n, out);
        return;
    }
    if (t->file == UINT32_MAX) {
        for (size_t i = 0; i < n; i++)
            out[i] = dtq_synthetic(t, first + i);
        return;
    }
    const uint8_t *file = w->files[t->file].data, *from = file + t->offset;
    if (is_dense(t))
        dtq_widen((dtq_dtype)t->dtype, from, first, n, out);
    else
        read_rows(t, from, first, n, out);
    if (dtq_dtype_is_coded(t->dtype))
        dtq_scale_codes(t, file, first, n, out);
}

void dtq_weights_read(const dtq_weights *w, uint64_t tensor, uint64_t first, size_t n, float *out) {
    read_elements(w, &w->program->tensors[tensor], first, n, out);
}

static const float *in_place(const dtq_weights *w, const dtq_tensor *t) {
    if (t->file == UINT32_MAX || t->dtype != DTQ_F32 || t->transposed || !is_dense(t))
        return NULL;
    const uint8_t *at = w->files[t->file].data + t->offset;
    return (uintptr_t)at % sizeof(float) == 0 ? (const float *)(const void *)at : NULL;
}

const float *dtq_weights_in_place(const dtq_weights *w, uint64_t tensor) {
    return in_place(w, &w->program->tensors[tensor]);
}

bool dtq_weights_shape(const dtq_weights *w, uint64_t tensor, size_t *rows, size_t *columns) {
    if (!w || tensor >= w->program->tensor_count)
        return false;
    const dtq_tensor *t = &w->program->tensors[tensor];
    *rows = t->shape[t->transposed ? 1 : 0];
    *columns = t->shape[t->transposed ? 0 : 1];
    return true;
}

static float *make_floats(const dtq_weights *w, const dtq_tensor *t, dtq_error *e) {
    const size_t rows = t->shape[0], columns = t->shape[1];
    float *out = malloc(rows * columns * sizeof *out);
    float *row = t->transposed ? malloc(columns * sizeof *row) : NULL;
    if (!out || (t->transposed && !row)) {
        free(out);
        free(row);
        (void)dtq_no_memory(e, (rows * columns + (t->transposed ? columns : 0)) * sizeof *out, "tensor %s", t->name);
        return NULL;
    }
    if (!t->transposed)
        read_elements(w, t, 0, rows * columns, out);
    for (size_t r = 0; t->transposed && r < rows; r++) {
        read_elements(w, t, r * columns, columns, row);
        for (size_t c = 0; c < columns; c++)
            out[c * rows + r] = row[c];
    }
    free(row);
    return out;
}

const float *dtq_weights_float(dtq_weights *w, uint64_t tensor, dtq_error *e) {
    const dtq_tensor *t = &w->program->tensors[tensor];
    const float *here = in_place(w, t);
    if (here)
        return here;
    made *m = &w->made[tensor];
    if (!m->floats)
        m->floats = make_floats(w, t, e);
    return m->floats;
}

bool dtq_weights_row(const dtq_weights *w, uint64_t tensor, size_t row, float *out, dtq_error *e) {
    const dtq_tensor *t = &w->program->tensors[tensor];
    if (t->transposed || row >= t->shape[0])
        return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %s has no row %zu", t->name, row);
    read_elements(w, t, (uint64_t)row * t->shape[1], t->shape[1], out);
    return true;
}

/* ---- 8 bits -------------------------------------------------------------------------------------------------- */

typedef struct {
    const dtq_weights *weights;
    const dtq_tensor *tensor;
    const float *floats; /* NULL: read row by row */
    dtq_weight_i8 *to;
    size_t *bad; /* [output blocks]: 1 + an output whose weights cannot be quantised, 0 if all can; SIZE_MAX: memory */
} quantising;

static void quantise_blocks(void *context, size_t first, size_t last) {
    const quantising *j = context;
    dtq_weight_i8 *to = j->to;
    const dtq_kernels *kernels = dtq_kernels_choose(false);
    float *row = malloc(to->inputs * sizeof *row);
    int8_t *codes = malloc(to->inputs);
    if (!row || !codes) {
        j->bad[first] = SIZE_MAX;
        last = first;
    }
    for (size_t o = first * DTQ_PACK_OUTPUTS; o < last * DTQ_PACK_OUTPUTS && o < to->outputs; o++) {
        const size_t block = o / DTQ_PACK_OUTPUTS;
        const float *x = j->floats ? j->floats + o * to->inputs : row;
        if (!j->floats)
            read_elements(j->weights, j->tensor, (uint64_t)o * to->inputs, to->inputs, row);
        if (!kernels->quantise_row(x, to->inputs, 8, codes, &to->scales[o])) {
            j->bad[block] = o + 1;
            break;
        }
        int8_t *at = to->codes + (block * to->input_groups * DTQ_PACK_OUTPUTS + o % DTQ_PACK_OUTPUTS) * DTQ_PACK_INPUTS;
        int32_t sum = 0;
        for (size_t k = 0; k < to->inputs; k++)
            sum += codes[k];
        const size_t whole = to->inputs / DTQ_PACK_INPUTS;
        for (size_t g = 0; g < whole; g++)
            memcpy(at + g * DTQ_PACK_OUTPUTS * DTQ_PACK_INPUTS, codes + g * DTQ_PACK_INPUTS, DTQ_PACK_INPUTS);
        memcpy(at + whole * DTQ_PACK_OUTPUTS * DTQ_PACK_INPUTS, codes + whole * DTQ_PACK_INPUTS,
               to->inputs - whole * DTQ_PACK_INPUTS);
        to->sums[o] = sum;
    }
    free(row);
    free(codes);
}

static dtq_weight_i8 *allocate_int8(size_t outputs, size_t inputs) {
    dtq_weight_i8 *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    const size_t blocks = (outputs + DTQ_PACK_OUTPUTS - 1) / DTQ_PACK_OUTPUTS;
    const size_t groups = (inputs + DTQ_PACK_INPUTS - 1) / DTQ_PACK_INPUTS;
    q->outputs = outputs;
    q->inputs = inputs;
    q->input_groups = groups;
    /* One group more than there are, so that the last copy above may be of length 0 inside the block. */
    q->codes = calloc(blocks * groups + 1, DTQ_PACK_OUTPUTS * DTQ_PACK_INPUTS);
    q->scales = calloc(outputs, sizeof *q->scales);
    q->sums = calloc(blocks * DTQ_PACK_OUTPUTS, sizeof *q->sums);
    if (!q->codes || !q->scales || !q->sums) {
        free_int8(q);
        return NULL;
    }
    return q;
}

/* All that dtq_weights_int8 takes for a tensor. */
static size_t int8_bytes(size_t outputs, size_t inputs) {
    const size_t blocks = (outputs + DTQ_PACK_OUTPUTS - 1) / DTQ_PACK_OUTPUTS;
    const size_t groups = (inputs + DTQ_PACK_INPUTS - 1) / DTQ_PACK_INPUTS;
    return sizeof(dtq_weight_i8) + (blocks * groups + 1) * DTQ_PACK_OUTPUTS * DTQ_PACK_INPUTS +
           outputs * sizeof(float) + blocks * (DTQ_PACK_OUTPUTS * sizeof(int32_t) + sizeof(size_t));
}

const dtq_weight_i8 *dtq_weights_int8(dtq_weights *w, uint64_t tensor, unsigned threads, dtq_error *e) {
    const dtq_tensor *t = &w->program->tensors[tensor];
    made *m = &w->made[tensor];
    if (m->int8)
        return m->int8;
    size_t outputs = 0, inputs = 0;
    (void)dtq_weights_shape(w, tensor, &outputs, &inputs);
    const bool had_floats = m->floats != NULL;
    const float *floats = t->transposed ? dtq_weights_float(w, tensor, e) : in_place(w, t);
    if (t->transposed && !floats)
        return NULL;
    const size_t blocks = (outputs + DTQ_PACK_OUTPUTS - 1) / DTQ_PACK_OUTPUTS;
    dtq_weight_i8 *q = allocate_int8(outputs, inputs);
    size_t *bad = calloc(blocks, sizeof *bad);
    bool ok = q && bad;
    if (!ok) {
        (void)dtq_no_memory(e, int8_bytes(outputs, inputs), "the 8-bit codes of tensor %s", t->name);
    } else {
        quantising job = {w, t, floats, q, bad};
        dtq_parallel(threads, blocks, quantise_blocks, &job);
    }
    for (size_t b = 0; ok && b < blocks; b++) {
        if (bad[b] == SIZE_MAX) {
            ok = dtq_no_memory(e, inputs * (sizeof *floats + 1), "the 8-bit codes of tensor %s", t->name);
        } else if (bad[b] != 0) {
            ok = dtq_fail(e, DTQ_BAD_INPUT, "tensor %s, output %zu: a weight is not finite, or 2^50 or more", t->name,
                          bad[b] - 1);
        }
    }
    free(bad);
    if (t->transposed && !had_floats) {
        free(m->floats);
        m->floats = NULL;
    }
    if (!ok) {
        free_int8(q);
        return NULL;
    }
    m->int8 = q;
    return q;
}

void dtq_weight_output(const dtq_weight_i8 *w, size_t output, size_t first, size_t n, int8_t *out) {
    const size_t block = output / DTQ_PACK_OUTPUTS * w->input_groups, lane = output % DTQ_PACK_OUTPUTS;
    for (size_t i = 0; i < n; i++) {
        const size_t group = block + (first + i) / DTQ_PACK_INPUTS;
        out[i] = w->codes[(group * DTQ_PACK_OUTPUTS + lane) * DTQ_PACK_INPUTS + (first + i) % DTQ_PACK_INPUTS];
    }
}
