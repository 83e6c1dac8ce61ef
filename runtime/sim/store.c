/* Store engine: scatters finished output rows of one head to DRAM, by token id. */
#include <string.h>

#include "runtime/sim/sim.h"

bool dtq_sim_store(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, STORE, layer);
    const dtq_layer *l = &sim->stream->layers[layer];
    if (!dtq_lates(l) && !sim->x->slots[layer].ready)
        return dtq_sim_not_ready(layer, e);
    const uint64_t head = DTQ_GET(in, STORE, head), rows = DTQ_GET(in, STORE, rows);
    const uint64_t row_bytes = sizeof(float) * (uint64_t)l->head_dim;
    const uint32_t kv_head = (uint32_t)head / (l->heads / l->kv_heads);
    const uint32_t *ids =
        (dtq_lates(l) ? sim->x->everyone : dtq_slot_ids(sim->x, layer, kv_head)) + DTQ_GET(in, STORE, row);
    const uint8_t *src = sim->space[DTQ_SPACE_OUT] + DTQ_GET(in, STORE, o);
    for (uint64_t i = 0; i < rows; i++) {
        memcpy(sim->x->dram + l->out + (ids[i] * (uint64_t)l->heads + head) * row_bytes, src + i * row_bytes,
               row_bytes);
    }
    return true;
}
