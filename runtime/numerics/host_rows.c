/* What every host instruction begins with: its rows, its matrices in DRAM, its tensors. */
#include "runtime/numerics/host_rows.h"

#include "runtime/weights/weights.h"

bool dtq_rows_of_layer(const dtq_exec *x, uint64_t layer, dtq_rows *r, dtq_error *e) {
    if (layer >= x->stream->layer_count) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "host work on layer %llu of %u", (unsigned long long)layer,
                        x->stream->layer_count);
    }
    const dtq_slots *slots = &x->slots[layer];
    const bool all = !x->exact && dtq_chooses(&x->stream->layers[layer]);
    if (all) {
        *r = (dtq_rows){&x->stream->layers[layer], slots, (uint32_t)layer, x->everyone, x->stream->seq};
        return true;
    }
    if (!slots->ready) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "host work on layer %llu before its tokens are selected",
                        (unsigned long long)layer);
    }
    const dtq_layer *l = &x->stream->layers[layer];
    /* Where every token is in its place, the queries are the last ones. */
    const uint32_t rows = x->exact && !l->cached ? x->stream->seq : dtq_queries(l);
    const uint32_t first = x->exact ? x->stream->seq - rows : dtq_first_query(l);
    *r = (dtq_rows){l, slots, (uint32_t)layer, slots->ids + first, rows < slots->left ? rows : slots->left};
    return true;
}

float *dtq_matrix(const dtq_exec *x, uint64_t at, uint64_t rows, uint64_t width, dtq_error *e) {
    const uint64_t have = x->stream->dram_bytes / sizeof(float);
    if (width == 0 || rows > have || width > have / rows || at % sizeof(float) != 0 ||
        at > x->stream->dram_bytes - rows * width * sizeof(float)) {
        (void)dtq_fail(e, DTQ_BAD_PROGRAM, "host work outside of DRAM: %llu x %llu floats at byte %llu",
                       (unsigned long long)rows, (unsigned long long)width, (unsigned long long)at);
        return NULL;
    }
    return (float *)(void *)(x->dram + at);
}

bool dtq_tensor_shape(const dtq_exec *x, uint64_t tensor, size_t *rows, size_t *columns, dtq_error *e) {
    if (!x->weights)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program needs its weights, and none are open");
    if (!dtq_weights_shape(x->weights, tensor, rows, columns)) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "host work with tensor %llu of %zu", (unsigned long long)tensor,
                        x->program->tensor_count);
    }
    return true;
}

bool dtq_vector(const dtq_exec *x, uint64_t tensor, uint64_t none, size_t *width, const float **out, dtq_error *e) {
    *out = NULL;
    if (tensor == none)
        return true;
    size_t rows = 0, columns = 0;
    if (!dtq_tensor_shape(x, tensor, &rows, &columns, e))
        return false;
    *width = *width == 0 ? rows * columns : *width;
    if (rows * columns != *width) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "tensor %s has %zu elements where %zu are needed",
                        x->program->tensors[tensor].name, rows * columns, *width);
    }
    *out = dtq_weights_float(x->weights, tensor, e);
    return *out != NULL;
}
