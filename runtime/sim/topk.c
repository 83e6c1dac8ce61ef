/* Top-k engine: accumulates the importance of tokens and selects the slots of the next layer. */
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels_attention.h"
#include "runtime/numerics/late.h"
#include "runtime/numerics/numerics.h"
#include "runtime/sim/hardware.h"
#include "runtime/sim/sim.h"

bool dtq_sim_importance(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, IMPORTANCE, layer)];
    const uint64_t rows = DTQ_GET(in, IMPORTANCE, rows), keys = dtq_cols(l);
    const size_t bytes = 2 * keys * sizeof(uint64_t) + rows * sizeof(uint32_t);
    uint64_t *sums = dtq_sim_scratch(sim, bytes);
    if (!sums)
        return dtq_sim_no_memory(bytes, e);
    uint64_t *before = sums + keys;
    uint32_t *z = (uint32_t *)(before + keys);
    uint8_t *acc = sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, IMPORTANCE, acc);
    const uint8_t *p = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, IMPORTANCE, p);
    if (DTQ_GET(in, IMPORTANCE, first))
        memset(sums, 0, keys * sizeof *sums);
    else
        memcpy(sums, acc, keys * sizeof *sums);
    memcpy(before, sums, keys * sizeof *sums);
    for (uint64_t i = 0; i < rows; i++) {
        dtq_prob_row head;
        memcpy(&head, p + i * sizeof head, sizeof head);
        z[i] = head.z;
        if (head.z) /* keys that a row does not see have code 0 */
            dtq_importance_row(p + rows * sizeof head + i * keys, (UINT64_C(1) << 32) / head.z, keys, sums);
    }
    memcpy(acc, sums, keys * sizeof *sums);
    const dtq_rtl_votes v = {
        .rows = (uint32_t)rows, .keys = (uint32_t)keys, .z = z, .codes = p + rows * sizeof(dtq_prob_row)};
    const dtq_clusters clusters = dtq_layer_clusters(l);
    return dtq_hardware_importance(sim, (uint32_t)DTQ_GET(in, IMPORTANCE, layer), &v, &clusters,
                                   DTQ_GET(in, IMPORTANCE, row), dtq_first_col(l), before, sums, e);
}

static int by_id(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/** Divides each key's importance by the number of rows that see it: those of later positions, and its own. `sorted`:
 *  room for the ids of all slots. */
static void divide_by_rows(const dtq_layer *l, const uint32_t *ids, uint32_t *sorted, uint64_t *importance) {
    memcpy(sorted, ids, l->slots * sizeof *ids);
    qsort(sorted, l->slots, sizeof *sorted, by_id);
    const uint32_t *keys = ids + dtq_first_key(l);
    for (uint32_t j = 0; j < dtq_keys(l); j++) {
        uint32_t before = 0;
        if (l->causal) {
            const uint32_t *at = bsearch(&keys[j], sorted, l->slots, sizeof *sorted, by_id);
            before = (uint32_t)(at - sorted);
        }
        importance[j] /= l->slots - before;
    }
}

bool dtq_sim_choose_late(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, CHOOSE_LATE, layer);
    if (DTQ_GET(in, CHOOSE_LATE, head) != sim->x->slots[layer].chosen)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "choose.late: heads choose one after the other, each once");
    const size_t bytes = sim->stream->seq * sizeof(uint64_t);
    uint64_t *importance = dtq_sim_scratch(sim, bytes);
    if (!importance)
        return dtq_sim_no_memory(bytes, e);
    memcpy(importance, sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, CHOOSE_LATE, acc), bytes);
    dtq_late_mean(&sim->stream->layers[layer], importance);
    if (!dtq_hardware_select(sim, &sim->stream->layers[layer], importance, sim->x->everyone, sim->stream->seq, true, e))
        return false;
    dtq_exec_choose(sim->x, layer, (uint32_t)DTQ_GET(in, CHOOSE_LATE, head), importance);
    return true;
}

bool dtq_sim_topk(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, TOPK, layer);
    const dtq_layer *l = &sim->stream->layers[layer];
    const dtq_slots *slots = &sim->x->slots[layer];
    if (!slots->ready)
        return dtq_sim_not_ready(layer, e);
    const uint32_t *key_ids = slots->ids + dtq_first_key(l), keys = dtq_keys(l);
    const size_t bytes = keys * sizeof(uint64_t) + l->slots * sizeof(uint32_t);
    uint64_t *importance = dtq_sim_scratch(sim, bytes);
    if (!importance)
        return dtq_sim_no_memory(bytes, e);
    memcpy(importance, sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, TOPK, acc), keys * sizeof *importance);
    if (l->cached)
        dtq_exec_accumulate(sim->x, layer, importance);
    else if (l->importance == DTQ_IMPORTANCE_MEAN)
        divide_by_rows(l, slots->ids, (uint32_t *)(void *)(importance + keys), importance);
    dtq_replace_importance(l, layer, key_ids, importance);
    for (uint32_t j = 0; !l->cached && j < keys; j++)
        memcpy(sim->x->dram + l->importance_at + sizeof(uint64_t) * key_ids[j], &importance[j], sizeof(uint64_t));
    if (DTQ_GET(in, TOPK, select)) {
        if (!dtq_hardware_select(sim, l + 1, importance, key_ids, keys, false, e))
            return false;
        dtq_exec_select(sim->x, layer, importance);
    }
    return true;
}
