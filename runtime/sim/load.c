/* Load engine: gathers rows of one operand of one head from DRAM into a line buffer, by token id. */
#include <string.h>

#include "runtime/sim/layout.h"
#include "runtime/sim/sim.h"

bool dtq_sim_load(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, LOAD, layer);
    const dtq_operand operand = (dtq_operand)DTQ_GET(in, LOAD, operand);
    const dtq_layer *l = &sim->stream->layers[layer];
    const uint8_t *bits = dtq_sim_bits(sim, layer, operand);
    const bool late = dtq_lates(l), by_choice = !late || operand == DTQ_V;
    const uint32_t kv_head =
        (uint32_t)(operand == DTQ_Q ? DTQ_GET(in, LOAD, head) / (l->heads / l->kv_heads) : DTQ_GET(in, LOAD, head));
    if ((by_choice && !dtq_slots_ready(sim->x, layer, kv_head)) || !bits)
        return dtq_sim_not_ready(layer, e);
    const uint64_t codes[] = {l->q, l->k, l->v}, scales[] = {l->q_scale, l->k_scale, l->v_scale};
    const uint64_t head = DTQ_GET(in, LOAD, head), rows = DTQ_GET(in, LOAD, rows), seq = sim->stream->seq;
    const uint32_t *ids =
        (by_choice ? dtq_slot_ids(sim->x, layer, kv_head) : sim->x->everyone) + DTQ_GET(in, LOAD, row);
    bits += DTQ_GET(in, LOAD, row);
    uint8_t *dst = sim->space[operand] + DTQ_GET(in, LOAD, dst);
    if (operand == DTQ_V && !dtq_folds(l)) {
        const uint64_t class_bytes = sizeof(float) * (uint64_t)l->head_dim;
        for (uint64_t precision = 0; precision < 2; precision++) {
            memcpy(dst, sim->x->dram + scales[operand] + (precision * l->kv_heads + head) * class_bytes, class_bytes);
            dst += class_bytes;
        }
    } else {
        for (uint64_t i = 0; i < rows; i++) {
            memcpy(dst, sim->x->dram + scales[operand] + (head * seq + ids[i]) * sizeof(float), sizeof(float));
            dst += sizeof(float);
        }
    }
    for (uint64_t i = 0; i < rows; i++) {
        const uint64_t bytes = dtq_row_bytes(l->head_dim, bits[i]);
        const uint64_t of_class =
            late && operand == DTQ_V && bits[i] == 8 ? l->kv_heads : 0; /* behind those at 4 bits */
        memcpy(dst, sim->x->dram + codes[operand] + ((of_class + head) * seq + ids[i]) * l->head_dim, bytes);
        dst += bytes;
    }
    return true;
}
