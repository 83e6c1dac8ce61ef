/* The probe of a layer: its load, its row on an array, and its votes and choice in the top-k engine. */
#include <math.h>
#include <stdlib.h>
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

/** The same rows in hardware: logits are given, every row has 255 levels. */
static bool softmax_in_hardware(dtq_sim *sim, uint32_t layer, uint32_t rows, const uint8_t *logits, const uint8_t *p,
                                dtq_error *e) {
    if (!sim->rtl)
        return true;
    const uint32_t seq = sim->stream->seq;
    const size_t n = (size_t)rows * seq, bytes = 3 * rows * sizeof(float) + n + rows;
    float *max = malloc(bytes);
    if (!max)
        return dtq_sim_no_memory(bytes, e);
    uint8_t *ones = (uint8_t *)(max + 3 * (size_t)rows);
    memset(max, 0, 3 * rows * sizeof *max);
    memset(ones, 1, n + rows);
    dtq_prob_row *want = malloc(rows * sizeof *want);
    if (!want) {
        free(max);
        return dtq_sim_no_memory(rows * sizeof *want, e);
    }
    for (uint32_t i = 0; i < rows; i++) { /* the block has no largest logit */
        float x;
        memcpy(&want[i], p + i * sizeof *want, sizeof *want);
        max[i] = want[i].max = -INFINITY;
        for (uint32_t j = 0; j < seq; j++) {
            memcpy(&x, logits + ((size_t)i * seq + j) * sizeof x, sizeof x);
            want[i].max = x > want[i].max ? x : want[i].max;
        }
    }
    const dtq_rtl_softmax s = {.rows = rows,
                               .cols = seq,
                               .maxes = true,
                               .writes = true,
                               .given = true,
                               .scores = logits,
                               .seen = ones,
                               .wide = ones + n,
                               .max = max,
                               .r = max + rows,
                               .z = (uint32_t *)(max + 2 * (size_t)rows)};
    const dtq_softmax_result left = {want, p + rows * sizeof *want, NULL, seq};
    const bool ok = dtq_hardware_softmax(sim, layer, &s, NULL, 0, 0, &left, e);
    free(want);
    free(max);
    return ok;
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
    return softmax_in_hardware(sim, (uint32_t)DTQ_GET(in, PROBE_SOFTMAX, layer), queries, s, rows, e);
}

bool dtq_sim_vote(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, VOTE, layer)];
    const uint32_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    const size_t sums = seq * sizeof(uint64_t), bytes = 2 * sums + queries * sizeof(uint32_t);
    uint64_t *importance = dtq_sim_scratch(sim, bytes), *before = importance + seq;
    if (!importance)
        return dtq_sim_no_memory(bytes, e);
    uint32_t *z = (uint32_t *)(before + seq);
    uint8_t *acc = sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, VOTE, acc);
    const uint8_t *rows = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, VOTE, p);
    const uint8_t *codes = rows + queries * sizeof(dtq_prob_row);
    if (DTQ_GET(in, VOTE, first))
        memset(importance, 0, sums);
    else
        memcpy(importance, acc, sums);
    memcpy(before, importance, sums);
    for (uint32_t i = 0; i < queries; i++) {
        dtq_prob_row row;
        memcpy(&row, rows + i * sizeof row, sizeof row);
        if (row.z == 0)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "vote of a block that softmax.probe has not written");
        z[i] = row.z;
        dtq_probe_vote(codes + (size_t)i * seq, row.z, seq, false, importance);
    }
    memcpy(acc, importance, sums);
    const dtq_rtl_votes v = {.rows = queries, .keys = seq, .largest = true, .z = z, .codes = codes};
    return dtq_hardware_importance(sim, (uint32_t)DTQ_GET(in, VOTE, layer), &v, NULL, 0, 0, before, importance, e);
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
