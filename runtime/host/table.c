/* Rows of embedding tables. A file that holds floats is read where it is mapped; rows of other tables (halves,
 * synthetic numbers) are converted when they are first asked for, and kept: texts repeat their words. */
#include <stdlib.h>

#include "runtime/host/host.h"
#include "runtime/weights/weights.h"

enum { EMPTY, BEING_MADE, READY };

bool dtq_host_tables_open(dtq_host *h, dtq_error *e) {
    h->kept = calloc((size_t)h->model->site_count + 1, sizeof *h->kept);
    if (!h->kept)
        return dtq_no_memory(e, (h->model->site_count + 1) * sizeof *h->kept, "embedding tables");
    for (uint64_t i = 0; i < h->model->site_count; i++) {
        const dtq_host_site *s = &h->model->sites[i];
        if (s->kind < DTQ_HOST_SITE_WORD || dtq_weights_in_place(h->weights, s->tensor))
            continue;
        const dtq_tensor *t = &h->plan->tensors[s->tensor];
        size_t bytes = 0;
        (void)dtq_host_reserve(&bytes, (size_t)t->shape[0] * t->shape[1], sizeof(float));
        h->kept[i].states_at = dtq_host_reserve(&bytes, t->shape[0], 1);
        if (!dtq_host_memory_map(&h->kept[i].memory, bytes, e))
            return false;
    }
    return true;
}

void dtq_host_tables_close(dtq_host *h) {
    for (uint64_t i = 0; h->kept && i < h->model->site_count; i++)
        dtq_host_memory_unmap(&h->kept[i].memory);
    free(h->kept);
    h->kept = NULL;
}

const float *dtq_host_table_row(dtq_host *h, uint64_t site, uint64_t row, float *scratch) {
    const uint64_t tensor = h->model->sites[site].tensor;
    const size_t columns = h->plan->tensors[tensor].shape[1];
    const float *table = dtq_weights_in_place(h->weights, tensor);
    if (table)
        return table + row * columns;
    float *kept = (float *)(void *)h->kept[site].memory.at + row * columns;
    uint8_t *state = h->kept[site].memory.at + h->kept[site].states_at + row;
    if (__atomic_load_n(state, __ATOMIC_ACQUIRE) == READY)
        return kept;
    /* One worker makes the row; another that wants it meanwhile makes its own. */
    uint8_t expected = EMPTY;
    const bool mine =
        __atomic_compare_exchange_n(state, &expected, BEING_MADE, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    float *to = mine ? kept : scratch;
    dtq_weights_read(h->weights, tensor, row * columns, columns, to);
    if (mine)
        __atomic_store_n(state, READY, __ATOMIC_RELEASE);
    return to;
}
