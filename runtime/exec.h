/* Execution state that the engines share: the DRAM image, the token-id tables and the host instructions that work on
 * them. Private to runtime/. */
#ifndef DTQRT_EXEC_H
#define DTQRT_EXEC_H

#include "runtime/run.h"

/** Slot tables of one layer at run time: static ones point into the program, dynamic ones are owned by the exec. */
typedef struct {
    uint32_t *ids;               /* [dtq_tables][slots] original ids; valid only once `ready` */
    uint8_t *bits[DTQ_OPERANDS]; /* [slots] */
    uint32_t left;               /* of the slots, from the first on: all, or fewer where a scheme prunes as it runs */
    uint32_t chosen;             /* of its tables, one after the other where its heads choose for themselves */
    bool ready;
} dtq_slots;

typedef struct {
    const dtq_program *program;
    const dtq_stream *stream;
    dtq_weights *weights;
    const dtq_input *input;
    uint8_t *dram;      /* [stream->dram_bytes], zeroed; 64-byte aligned */
    dtq_slots *slots;   /* [layer_count] */
    uint32_t *everyone; /* [stream->seq] 0, 1, 2, …: rows of layers that probe */
    unsigned threads;
    bool watched;           /* ref and fp32: true: what instructions write must be finite */
    bool scalar;            /* true: host work by the scalar reference (same bits, slow) */
    dtq_observer *observer; /* of dtq_run_options, with its user */
    void *user;
    const dtq_noise *noise; /* or NULL */
    void *scheme_state;     /* of the program's scheme, between its instructions */
    dtq_effects *effects;   /* [layer_count], or NULL: the scheme has none */
    uint8_t *gone;          /* [layer_count][seq] 1: rows of a layer that are no keys of it by the scheme; or NULL */
    bool exact;             /* true: the fp32 engine: every host.linear in fp32, no quantisation, every token active */
    bool lent;              /* true: `dram` is somebody else's */
} dtq_exec;

/** Allocates the DRAM image and the slot tables, fills static ones, copies a QKV input into DRAM. */
bool dtq_exec_init(dtq_exec *x, const dtq_program *p, const dtq_stream *s, dtq_weights *w, const dtq_input *input,
                   const dtq_run_options *o, dtq_error *e);
/** The same without input and weights, for those who execute a part of a stream: the host, or a device. The DRAM image
 *  is `memory` [stream->dram_bytes], which is zeroed and stays the caller's, or, if that is NULL, its own. `input` may
 *  say what choices of tokens go by; nothing else of it is read. */
bool dtq_exec_init_part(dtq_exec *x, const dtq_program *p, const dtq_stream *s, const dtq_input *input,
                        unsigned threads, uint8_t *memory, dtq_error *e);
void dtq_exec_free(dtq_exec *x);

/** Executes one instruction of the host queue (EMBED … NORMALIZE). Fails on bad input (a token id out of the
 *  vocabulary, non-finite operands). The rows it works on are the ids of its `layer`. */
bool dtq_host_exec(dtq_exec *x, const dtq_instr *in, dtq_error *e);

/** The whole linear that a host.codes begins, as the reference computes it: to where store.rows would put it. */
bool dtq_linear_exec(dtq_exec *x, const dtq_instr *in, dtq_error *e);

/** Of a layer that is cached: adds the sums [keys] of this run's rows to those in DRAM, and puts in their place what
 * the layer's rule says of all rows so far. */
void dtq_exec_accumulate(dtq_exec *x, uint32_t layer, uint64_t *importance);

/** Before a run: what the cache holds, into DRAM; it must end where the stream's queries begin. After it: the new rows.
 */
bool dtq_cache_load(const dtq_cache *c, dtq_exec *x, dtq_error *e);
void dtq_cache_store(dtq_cache *c, const dtq_exec *x);

/** Where the cache keeps a layer. Rows of k and v are `stride` floats apart, zeros behind the width. */
typedef struct {
    float *k, *v;         /* [positions][stride] */
    uint64_t *importance; /* [dtq_importance_rows][positions] */
} dtq_cached;
uint32_t dtq_cache_positions(const dtq_cache *c);
dtq_cached dtq_cache_layer(const dtq_cache *c, uint32_t layer);
/** Whether a stream's layers are those of the cache and it holds the tokens that the stream does not compute. */
bool dtq_cache_fits(const dtq_cache *c, const dtq_stream *s, dtq_error *e);
/** The tokens up to `length` are in it. */
void dtq_cache_advance(dtq_cache *c, uint32_t length);

/** Fills the slot tables of layer + 1 from the importance of `layer` ([keys] in slot order), which the run's choice may
 *  replace. */
void dtq_exec_select(dtq_exec *x, uint32_t layer, uint64_t *importance);

/** Fills table `table` (below dtq_tables) of a layer that probes, of all tokens, from their importance [seq] by id, and
 *  keeps that in DRAM; the run's choice may then replace it. Each table is filled once. */
void dtq_exec_choose(dtq_exec *x, uint32_t layer, uint32_t table, uint64_t *importance);

/** Whether these have been chosen. */
bool dtq_slots_ready(const dtq_exec *x, uint32_t layer, uint32_t kv_head);

/** The token ids of a layer's slots [slots] as key/value head `kv_head` has them. */
const uint32_t *dtq_slot_ids(const dtq_exec *x, uint32_t layer, uint32_t kv_head);

/** Of a layer whose slots stand in the original order: only these tokens [count], ascending, enter it. */
bool dtq_exec_leave(dtq_exec *x, uint32_t layer, const uint32_t *ids, uint32_t count, dtq_error *e);

/** Collects the output (and importance and bits of all layers) from the DRAM image and the tables. */
bool dtq_exec_output(const dtq_exec *x, dtq_output *out, dtq_error *e);

/** Importance and bits of all layers alone, into zeroed out->importance and out->bits [layer_count][seq]. */
void dtq_exec_output_tables(const dtq_exec *x, dtq_output *out);

/** Bits that slot tables get from the classes that tokens were chosen for (high_flags [slots]) when they are not
 *  static: q, k, v follow the class; p the class, 8 or 4 as the layer's prob_bits says. */
void dtq_bits_from_classes(const dtq_layer *l, const uint8_t *high_flags, uint8_t *const bits[DTQ_OPERANDS]);

/** Classes (high_flags [slots]) of a layer whose ids are static but not their precisions: nothing is known of their
 *  importance yet, so pinned tokens take 8-bit places first, then the lowest slots. */
void dtq_choose_without_importance(const dtq_layer *l, uint8_t *high_flags);

/** What the token in a slot was chosen for, 4 or 8, or 0 if its key has left. Clusters say it by position, so that
 * promotions do not show; where slots keep the original order, the lowest precision of the three operands is the chosen
 * one. */
uint8_t dtq_chosen_bits(const dtq_layer *l, const uint8_t *const bits[DTQ_OPERANDS], uint32_t slot);

/** The engines behind dtq_run. */
bool dtq_run_ref(dtq_exec *x, dtq_error *e); /* numerics/reference.c: REF and, with x->exact, FP32 */

/** A layer whose operands the host has made, of which the reference has not yet computed the attention. */
typedef struct {
    uint32_t layer;
    unsigned met; /* bit o: operand o */
    uint64_t src[3];
} dtq_pending;

/** What the reference does of instructions [first, last) of a stream if somebody else does the host's work: choices of
 *  layers that probe, and attention as soon as all three operands of a layer are there. `p`: all zeros at first. */
bool dtq_reference_attend(dtq_exec *x, dtq_pending *p, size_t first, size_t last, dtq_error *e);
bool dtq_run_sim(dtq_exec *x, const dtq_run_options *o, dtq_stats *stats, bool want_events, dtq_error *e); /* sim/ */

/** Packs or unpacks one row of codes at 4 or 8 bits (even channel in the low nibble). */
void dtq_pack_row(const int8_t *codes, uint32_t n, unsigned bits, uint8_t *out);
void dtq_unpack_row(const uint8_t *in, uint32_t n, unsigned bits, int8_t *codes);

#endif
