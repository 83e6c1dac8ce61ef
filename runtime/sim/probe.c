/* The probe of a layer: its load, its row on an array, and its votes and choice in the top-k engine. */
#include <string.h>

#include "runtime/numerics/probe.h"
#include "runtime/sim/hardware.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/sim.h"

bool dtq_sim_load_probe(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    (void)e;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, LOAD_PROBE, layer)];
    const uint64_t bytes = dtq_probe_bytes(l, sim->stream->seq);
    memcpy(sim->space[DTQ_SPACE_K] + DTQ_GET(in, LOAD_PROBE, dst),
           sim->x->dram + DTQ_GET(in, LOAD_PROBE, codes) + DTQ_GET(in, LOAD_PROBE, head) * bytes, bytes);
    return true;
}

bool dtq_sim_probe(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, PROBE, layer)];
    const size_t elements = (size_t)(l->heads / l->kv_heads) * sim->stream->seq;
    float *x = dtq_sim_scratch(sim, elements * sizeof *x + 2 * (size_t)l->head_dim);
    if (!x)
        return dtq_sim_no_memory(elements * sizeof *x + 2 * (uint64_t)l->head_dim, e);
    dtq_probe_scores(l, sim->stream->seq, sim->space[DTQ_SPACE_K] + DTQ_GET(in, PROBE, k), (int8_t *)(x + elements), x);
    memcpy(sim->space[DTQ_SPACE_SCORES] + DTQ_GET(in, PROBE, s), x, elements * sizeof *x);
    return true;
}

bool dtq_sim_probe_softmax(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, PROBE_SOFTMAX, layer)];
    const uint32_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    float *x = dtq_sim_scratch(sim, seq * sizeof *x);
    if (!x)
        return dtq_sim_no_memory(seq * sizeof *x, e);
    const uint8_t *s = sim->space[DTQ_SPACE_SCORES] + DTQ_GET(in, PROBE_SOFTMAX, s);
    uint8_t *rows = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, PROBE_SOFTMAX, p);
    uint8_t *codes = rows + queries * sizeof(dtq_prob_row);
    for (uint32_t i = 0; i < queries; i++) {
        memcpy(x, s + i * seq * sizeof *x, seq * sizeof *x);
        const dtq_prob_row row = {.z = dtq_probe_softmax(x, seq, codes + (size_t)i * seq)};
        memcpy(rows + i * sizeof row, &row, sizeof row);
    }
    return true;
}

bool dtq_sim_vote(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, VOTE, layer)];
    const uint32_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    const size_t sums = seq * sizeof(uint64_t);
    uint64_t *importance = dtq_sim_scratch(sim, sums);
    if (!importance)
        return dtq_sim_no_memory(sums, e);
    uint8_t *acc = sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, VOTE, acc);
    const uint8_t *rows = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, VOTE, p);
    const uint8_t *codes = rows + queries * sizeof(dtq_prob_row);
    memcpy(importance, acc, sums);
    for (uint32_t i = 0; i < queries; i++) {
        dtq_prob_row row;
        memcpy(&row, rows + i * sizeof row, sizeof row);
        if (row.z == 0)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "vote of a block that softmax.probe has not written");
        dtq_probe_vote(codes + (size_t)i * seq, row.z, seq, DTQ_GET(in, VOTE, first) && i == 0, importance);
    }
    memcpy(acc, importance, sums);
    return true;
}

bool dtq_sim_choose(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const size_t bytes = sim->stream->seq * sizeof(uint64_t);
    uint64_t *importance = dtq_sim_scratch(sim, bytes);
    if (!importance)
        return dtq_sim_no_memory(bytes, e);
    memcpy(importance, sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, CHOOSE, acc), bytes);
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, CHOOSE, layer)];
    if (!dtq_hardware_select(sim, l, importance, sim->x->everyone, sim->stream->seq, false, e))
        return false;
    dtq_exec_choose(sim->x, (uint32_t)DTQ_GET(in, CHOOSE, layer), 0, importance);
    return true;
}

bool dtq_sim_choose_head(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, CHOOSE_HEAD, layer)];
    const uint32_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    const size_t bytes = seq * (sizeof(uint64_t) + sizeof(float));
    uint64_t *importance = dtq_sim_scratch(sim, bytes);
    if (!importance)
        return dtq_sim_no_memory(bytes, e);
    float *x = (float *)(importance + seq);
    const uint8_t *s = sim->space[DTQ_SPACE_SCORES] + DTQ_GET(in, CHOOSE_HEAD, s);
    for (uint32_t i = 0; i < queries; i++) {
        memcpy(x, s + (size_t)i * seq * sizeof *x, seq * sizeof *x);
        dtq_probe_vote_logits(x, seq, i == 0, importance);
    }
    dtq_exec_choose(sim->x, (uint32_t)DTQ_GET(in, CHOOSE_HEAD, layer), (uint32_t)DTQ_GET(in, CHOOSE_HEAD, head),
                    importance);
    return true;
}
