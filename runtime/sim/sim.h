/* What the engines of the simulator share: the run's state, its buffers, and the table of instructions. Private to
 * runtime/sim/. */
#ifndef DTQRT_SIM_SIM_H
#define DTQRT_SIM_SIM_H

#include "runtime/exec.h"
#include "runtime/sim/queues.h"
#include "runtime/sim/timing.h"

/** The on-chip buffers; the first three are the line buffers of operands q, k, v. */
typedef enum {
    DTQ_SPACE_Q,
    DTQ_SPACE_K,
    DTQ_SPACE_V,
    DTQ_SPACE_SCORES,
    DTQ_SPACE_PROBS,
    DTQ_SPACE_OUT,
    DTQ_SPACE_IMPORTANCE,
    DTQ_SPACES
} dtq_space;

/** One run of one stream. */
typedef struct dtq_sim {
    dtq_exec *x;
    const dtq_stream *stream;
    const dtq_machine *machine;
    bool functional;            /* false: timing only, no data */
    uint64_t seed;              /* of the selections that timing_only draws */
    uint8_t *space[DTQ_SPACES]; /* functional: as many bytes of each buffer as the stream touches */
    uint8_t **drawn;            /* [layers] timing only: four rows of bits for a layer that has none; or NULL */
    const dtq_rtl *rtl;         /* functional: hardware beside it, or NULL */
    uint64_t rtl_cycles;        /* that it has taken for the instruction in execution */
    bool rtl_ran;
    void *scratch; /* of the instruction in execution */
    size_t scratch_bytes;
    dtq_timing timing;
} dtq_sim;

/** Checks the operands of all instructions and the layer table against the stream and the machine's buffers, and
 *  allocates the buffers if the run is functional. Static checks only: order and hazards are dtq_verify's. */
bool dtq_memory_init(dtq_sim *sim, dtq_error *e);
void dtq_memory_free(dtq_sim *sim);

/** Precision of each slot of an operand; NULL if they are not known yet, which only a program without the right tokens
 *  brings about (or no memory). */
const uint8_t *dtq_sim_bits(dtq_sim *sim, uint32_t layer, dtq_operand operand);
/** The error of NULL from dtq_sim_bits. */
bool dtq_sim_no_bits(const dtq_sim *sim, uint32_t layer, dtq_error *e);

/** Memory for the instruction in execution, 64-byte aligned, not cleared, good until the next call; NULL: none left. */
void *dtq_sim_scratch(dtq_sim *sim, size_t bytes);

/* ---- functional execution: an instruction reads and writes bytes of the buffers and of DRAM -------------------- */

bool dtq_sim_load(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_qk(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_softmax(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_pv(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_store(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_importance(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_load_probe(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_probe(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_probe_softmax(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_vote(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_choose(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_choose_head(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_choose_late(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_load_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_qk_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_softmax_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_pv_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_vote_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_keep(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_topk(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_load_rows(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_load_weights(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_matmul(dtq_sim *sim, const dtq_instr *in, dtq_error *e);
bool dtq_sim_store_rows(dtq_sim *sim, const dtq_instr *in, dtq_error *e);

/** Head of one row of a probability block. */
typedef struct {
    float max;  /* of the row's logits */
    uint32_t z; /* sum of the codes */
    float r;    /* where value scales are folded: largest weight; 0 before any */
    uint32_t zero;
} dtq_prob_row;

/** The same of a layer that streams. */
typedef struct {
    float near_scale, far_scale; /* of the weights */
    uint32_t z, zero;
} dtq_seen_row;

/** Fails because scratch memory is used up, or because slots of a layer are used before they are selected. */
bool dtq_sim_no_memory(uint64_t bytes, dtq_error *e);
bool dtq_sim_not_ready(uint32_t layer, dtq_error *e);

/** Largest code of a row of probabilities, which are unsigned. */
static inline float dtq_prob_limit(uint8_t bits) {
    return bits == 8 ? 255.0f : 15.0f;
}

#endif
