/* Weights as kernels want them: used where the file has them if it does, else copied or quantised into one block. */
#include <stdlib.h>
#include <string.h>

#include "runtime/host/host.h"
#include "runtime/kernels/kernels.h"
#include "runtime/weights/weights.h"

/* Outputs that are quantised and packed together: as many as share 64 bytes of a panel. */
enum { BLOCK = 16, PANEL_BLOCKS = DTQ_HOST_PANEL / BLOCK, GROUP = 4, ROWS_AT_ONCE = 64, INT8_INPUTS_MAX = 131072 };

/* Where a layout of a tensor is made, as an offset. */
#define UNUSED   SIZE_MAX
#define IN_PLACE (SIZE_MAX - 1)

typedef struct {
    dtq_host *host;
    size_t *places; /* [tensors][DTQ_HOST_LAYOUTS] */
} preparation;

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static size_t *place_of(const preparation *p, uint64_t tensor, dtq_host_layout layout) {
    return &p->places[tensor * DTQ_HOST_LAYOUTS + layout];
}

static void *at_place(const preparation *p, uint64_t tensor, dtq_host_layout layout) {
    return p->host->weights_at + *place_of(p, tensor, layout);
}

/* ---- where everything goes ------------------------------------------------------------------------------------- */

static bool is_int8(uint64_t layout) {
    return layout >= DTQ_HOST_I8_CODES;
}

static bool place(const preparation *p, const dtq_host_weight *w, size_t *used, dtq_error *e) {
    size_t outputs = 0, inputs = 0;
    (void)dtq_weights_shape(p->host->weights, w->tensor, &outputs, &inputs);
    if (*place_of(p, w->tensor, (dtq_host_layout)w->layout) != UNUSED)
        return true;
    if (is_int8(w->layout)) {
        if (inputs > INT8_INPUTS_MAX)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "an int8 linear of %zu inputs; at most %d", inputs, INT8_INPUTS_MAX);
        const size_t n = round_up(outputs, BLOCK);
        *place_of(p, w->tensor, DTQ_HOST_I8_CODES) = dtq_host_reserve(used, n, round_up(inputs, GROUP));
        *place_of(p, w->tensor, DTQ_HOST_I8_SCALES) = dtq_host_reserve(used, n, sizeof(float));
        *place_of(p, w->tensor, DTQ_HOST_I8_OFFSET) = dtq_host_reserve(used, n, sizeof(int32_t));
        return true;
    }
    const bool vector = w->layout == DTQ_HOST_VECTOR;
    const size_t rows = vector ? 1 : outputs, columns = vector ? outputs * inputs : inputs;
    const bool fits = columns % DTQ_HOST_LANES == 0 && (vector || rows % GROUP == 0);
    *place_of(p, w->tensor, (dtq_host_layout)w->layout) =
        fits && dtq_weights_in_place(p->host->weights, w->tensor)
            ? IN_PLACE
            : dtq_host_reserve(used, round_up(rows, vector ? 1 : GROUP),
                               round_up(columns, DTQ_HOST_LANES) * sizeof(float));
    return true;
}

/* ---- floats ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const dtq_weights *weights;
    uint64_t tensor;
    size_t inputs, outputs;
    bool transposed;
    float *to; /* [outputs][stride] */
    size_t stride;
} copying;

/* Rows [first, last) of what is in the file. */
static void copy_rows(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    (void)f, (void)worker;
    const copying *c = (const copying *)argument;
    for (size_t r = first; r < last && !c->transposed; r++)
        dtq_weights_read(c->weights, c->tensor, r * c->inputs, c->inputs, c->to + r * c->stride);
    for (size_t k = first; k < last && c->transposed; k++) {
        float part[BLOCK];
        for (size_t o = 0; o < c->outputs; o += BLOCK) {
            const size_t n = c->outputs - o < BLOCK ? c->outputs - o : BLOCK;
            dtq_weights_read(c->weights, c->tensor, k * c->outputs + o, n, part);
            for (size_t i = 0; i < n; i++)
                c->to[(o + i) * c->stride + k] = part[i];
        }
    }
}

static void copy_floats(const preparation *p, uint64_t tensor, dtq_host_layout layout) {
    dtq_host *h = p->host;
    copying c = {.weights = h->weights,
                 .tensor = tensor,
                 .transposed = h->plan->tensors[tensor].transposed != 0,
                 .to = at_place(p, tensor, layout)};
    (void)dtq_weights_shape(h->weights, tensor, &c.outputs, &c.inputs);
    c.stride = layout == DTQ_HOST_VECTOR ? c.inputs : round_up(c.inputs, DTQ_HOST_LANES);
    dtq_host_parallel(&h->frame, c.transposed ? c.inputs : c.outputs, 1, ROWS_AT_ONCE, copy_rows, (uint64_t)&c);
}

/* ---- 8 bits ---------------------------------------------------------------------------------------------------- */

/* What one worker needs to quantise a block. */
typedef struct {
    uint32_t *codes; /* [BLOCK][input_groups], four codes each */
    float *floats;   /* [BLOCK][inputs] */
} workspace;

typedef struct {
    const dtq_weights *weights;
    const dtq_kernels *kernels;
    uint64_t tensor;
    size_t inputs, outputs, input_groups;
    bool transposed;
    const float *floats; /* [outputs][inputs], or NULL */
    uint32_t *codes;     /* panels, four codes each */
    float *scales;
    int32_t *offset;
    const workspace *workspaces; /* [threads] */
    uint64_t *bad;               /* [threads] least output that cannot be quantised, UINT64_MAX: none */
} quantising;

static int32_t sum_of(const int8_t *codes, size_t n) {
    int32_t lanes[BLOCK] = {0}, sum = 0;
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        for (size_t l = 0; l < BLOCK; l++)
            lanes[l] += codes[i + l];
    for (; i < n; i++)
        sum += codes[i];
    for (size_t l = 0; l < BLOCK; l++)
        sum += lanes[l];
    return sum;
}

/* Rows [output, output + rows) as floats, a row at a time behind each other. */
static const float *block_floats(const quantising *q, size_t output, size_t rows, float *room) {
    if (q->floats)
        return q->floats + output * q->inputs;
    if (!q->transposed) {
        dtq_weights_read(q->weights, q->tensor, output * q->inputs, rows * q->inputs, room);
        return room;
    }
    for (size_t k = 0; k < q->inputs; k++) {
        float part[BLOCK];
        dtq_weights_read(q->weights, q->tensor, k * q->outputs + output, rows, part);
        for (size_t i = 0; i < rows; i++)
            room[i * q->inputs + k] = part[i];
    }
    return room;
}

/* [BLOCK][groups] to its place in a panel of `width` outputs. */
static void pack(const uint32_t *restrict codes, size_t groups, size_t width, uint32_t *restrict to) {
    for (size_t g = 0; g < groups; g++)
        for (size_t o = 0; o < BLOCK; o++)
            to[g * width + o] = codes[o * groups + g];
}

static void quantise_blocks(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    (void)f;
    const quantising own = *(const quantising *)argument, *q = &own;
    const workspace *w = &q->workspaces[worker];
    const size_t groups = q->input_groups, all = round_up(q->outputs, BLOCK);
    for (size_t output = first * BLOCK; output < last * BLOCK; output += BLOCK) {
        const size_t rows = q->outputs - output < BLOCK ? q->outputs - output : BLOCK;
        const float *x = block_floats(q, output, rows, w->floats);
        memset(w->codes, 0, BLOCK * groups * sizeof *w->codes);
        for (size_t r = 0; r < rows; r++) {
            int8_t *codes = (int8_t *)(w->codes + r * groups);
            if (!q->kernels->quantise_row(x + r * q->inputs, q->inputs, 8, codes, &q->scales[output + r])) {
                q->bad[worker] = output + r < q->bad[worker] ? output + r : q->bad[worker];
                break;
            }
            q->offset[output + r] = -128 * sum_of(codes, q->inputs);
        }
        const size_t panel = output / DTQ_HOST_PANEL * DTQ_HOST_PANEL;
        const size_t width = all - panel < DTQ_HOST_PANEL ? all - panel : DTQ_HOST_PANEL;
        pack(w->codes, groups, width, q->codes + panel * groups + (output - panel));
    }
}

static bool quantise(const preparation *p, uint64_t tensor, const workspace *workspaces, uint64_t *bad, dtq_error *e) {
    dtq_host *h = p->host;
    const dtq_tensor *t = &h->plan->tensors[tensor];
    quantising q = {.weights = h->weights,
                    .kernels = dtq_kernels_choose(false),
                    .tensor = tensor,
                    .transposed = t->transposed != 0,
                    .floats = dtq_weights_in_place(h->weights, tensor),
                    .codes = at_place(p, tensor, DTQ_HOST_I8_CODES),
                    .scales = at_place(p, tensor, DTQ_HOST_I8_SCALES),
                    .offset = at_place(p, tensor, DTQ_HOST_I8_OFFSET),
                    .workspaces = workspaces,
                    .bad = bad};
    (void)dtq_weights_shape(h->weights, tensor, &q.outputs, &q.inputs);
    q.input_groups = round_up(q.inputs, GROUP) / GROUP;
    const unsigned threads = dtq_host_pool_threads(h->pool);
    for (unsigned w = 0; w < threads; w++)
        bad[w] = UINT64_MAX;
    dtq_host_parallel(&h->frame, round_up(q.outputs, BLOCK) / BLOCK, PANEL_BLOCKS, PANEL_BLOCKS, quantise_blocks,
                      (uint64_t)&q);
    uint64_t least = UINT64_MAX;
    for (unsigned w = 0; w < threads; w++)
        least = bad[w] < least ? bad[w] : least;
    return least == UINT64_MAX ||
           dtq_fail(e, DTQ_BAD_INPUT, "tensor %s, output %llu: a weight is not finite, or 2^50 or more", t->name,
                    (unsigned long long)least);
}

static bool quantise_all(const preparation *p, dtq_error *e) {
    dtq_host *h = p->host;
    size_t inputs_max = 0;
    for (size_t t = 0; t < h->plan->tensor_count; t++) {
        size_t outputs = 0, inputs = 0;
        if (*place_of(p, t, DTQ_HOST_I8_CODES) != UNUSED && dtq_weights_shape(h->weights, t, &outputs, &inputs))
            inputs_max = inputs > inputs_max ? inputs : inputs_max;
    }
    if (inputs_max == 0)
        return true;
    const unsigned threads = dtq_host_pool_threads(h->pool);
    const size_t groups = round_up(inputs_max, GROUP) / GROUP;
    size_t used = 0;
    const size_t spaces_at = dtq_host_reserve(&used, threads, sizeof(workspace));
    const size_t bad_at = dtq_host_reserve(&used, threads, sizeof(uint64_t));
    const size_t codes_bytes = groups * sizeof(uint32_t), floats_bytes = inputs_max * sizeof(float);
    const size_t rooms_at = dtq_host_reserve(&used, (size_t)threads * BLOCK, codes_bytes + floats_bytes);
    dtq_host_memory m;
    if (!dtq_host_memory_map(&m, used, e))
        return false;
    workspace *spaces = (workspace *)(void *)(m.at + spaces_at);
    for (unsigned w = 0; w < threads; w++) {
        uint8_t *room = m.at + rooms_at + w * BLOCK * (codes_bytes + floats_bytes);
        spaces[w] = (workspace){(uint32_t *)(void *)room, (float *)(void *)(room + BLOCK * codes_bytes)};
    }
    bool ok = true;
    for (size_t t = 0; ok && t < h->plan->tensor_count; t++)
        if (*place_of(p, t, DTQ_HOST_I8_CODES) != UNUSED)
            ok = quantise(p, t, spaces, (uint64_t *)(void *)(m.at + bad_at), e);
    dtq_host_memory_unmap(&m);
    return ok;
}

/* ---- all ------------------------------------------------------------------------------------------------------- */

/* Everything that is not used where the file has it. */
static bool make_all(const preparation *p, size_t bytes, dtq_error *e) {
    dtq_host *h = p->host;
    if (!dtq_host_memory_map(&h->weight_memory, bytes, e))
        return false;
    h->weights_at = h->weight_memory.at;
    for (size_t t = 0; t < h->plan->tensor_count; t++) {
        for (dtq_host_layout l = DTQ_HOST_VECTOR; l <= DTQ_HOST_F32; l++) {
            const size_t at = *place_of(p, t, l);
            if (at != UNUSED && at != IN_PLACE)
                copy_floats(p, t, l);
        }
    }
    return quantise_all(p, e);
}

static bool prepare(const preparation *p, const char *store, dtq_error *e) {
    dtq_host *h = p->host;
    size_t used = 0;
    for (size_t i = 0; i < h->plan->tensor_count * DTQ_HOST_LAYOUTS; i++)
        p->places[i] = UNUSED;
    for (uint64_t i = 0; i < h->model->weight_count; i++)
        if (!place(p, &h->model->weights[i], &used, e))
            return false;
    store = used == 0 ? NULL : store;
    if (!store || !dtq_host_store_load(h, store, used)) {
        if (!make_all(p, used, e))
            return false;
        if (store)
            (void)dtq_host_store_save(h, store, used); /* the next process then makes them again */
    }
    for (uint64_t i = 0; i < h->model->weight_count; i++) {
        const dtq_host_weight *w = &h->model->weights[i];
        const dtq_host_layout layout = (dtq_host_layout)w->layout;
        h->weight_table[i] = *place_of(p, w->tensor, layout) == IN_PLACE ? dtq_weights_in_place(h->weights, w->tensor)
                                                                         : at_place(p, w->tensor, layout);
    }
    return true;
}

bool dtq_host_prepare(dtq_host *h, const char *store, dtq_error *e) {
    h->weight_table = calloc((size_t)h->model->weight_count + 1, sizeof *h->weight_table);
    preparation p = {h, calloc(h->plan->tensor_count + 1, DTQ_HOST_LAYOUTS * sizeof *p.places)};
    const bool ok = h->weight_table && p.places
                        ? prepare(&p, store, e)
                        : dtq_no_memory(e,
                                        (h->model->weight_count + 1) * sizeof *h->weight_table +
                                            (h->plan->tensor_count + 1) * DTQ_HOST_LAYOUTS * sizeof *p.places,
                                        "weights");
    free(p.places);
    return ok;
}
