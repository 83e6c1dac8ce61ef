/* Running a stream of a program: on the simulator, by the reference, in plain float. */
#ifndef DTQRT_RUN_H
#define DTQRT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/cache.h"
#include "runtime/open_weights.h"
#include "runtime/program.h"
#include "runtime/rtl/rtl.h"

typedef enum { DTQ_ENGINE_SIM, DTQ_ENGINE_REF, DTQ_ENGINE_FP32 } dtq_engine;

/** Sees an operand of attention before it is quantised: q, k or v of `layer`, float [seq][width], rows by original id;
 * those of tokens that are not active in the layer are of no meaning. */
typedef void dtq_observer(void *user, uint32_t layer, dtq_operand operand, const float *rows, uint32_t seq,
                          uint32_t width);

/** Gaussian noise on q, k and v of the tokens of a certain rank in a layer, all layers alike. The rank is by the
 *  importance that the layer has without the noise, 0 the most important token of n: rne(from n) up to
 *  n - rne((1 - to) n), which is none of them. A number of the noise depends on the seed, the layer, the operand, the
 *  token's id and the channel; normal by libm's log and cos. */
typedef struct {
    double from, to;  /* shares of the tokens, 0 to 1 */
    double magnitude; /* its deviation, where 1 is the root mean square of the layer's operand */
    uint64_t seed;
} dtq_noise;

/** SIM of a program whose scheme is not `mixed`: the cycles are those of the same shape at 8 bits, the values the
 *  reference's. FP32 is the same for every scheme. */
typedef struct {
    dtq_engine engine;
    unsigned threads;       /* worker threads for host work; 0: all cores. Never changes a bit of the result */
    bool shuffle;           /* sim: pick among ready queues at random */
    uint64_t seed;          /* of the shuffle */
    dtq_cache *cache;       /* of the layers that are cached; NULL: nothing is kept. dtq_check only reads it */
    bool timing_only;       /* sim: no data; input and output are ignored */
    dtq_observer *observer; /* ref and fp32: called with `user` for every operand; NULL: nobody watches */
    void *user;
    const dtq_noise *noise; /* ref alone; NULL: none */
    const dtq_rtl *rtl;     /* sim: hardware that executes what it can, too, and must agree; NULL: none */
    bool allow_nonfinite;   /* output may hold NaN and infinities; else it is an error, see dtq_run */
} dtq_run_options;

typedef struct {
    const uint32_t *tokens;   /* [seq] TOKENS */
    const uint32_t *segments; /* [seq] token types, or NULL for all 0 */
    const float *q, *k, *v;   /* QKV: [heads][seq][head_dim], [kv_heads][seq][head_dim] */
    dtq_choice choice;        /* all zeros: by importance */
} dtq_input;

/** What a scheme did to a layer beyond computing it; shares are of 1, and 1 or 0 where it does nothing of the kind. */
typedef struct {
    uint32_t tokens_kept, heads_kept;
    double candidates; /* share of pairs of a row and a key, masked ones too, whose score was computed */
    double survivors;  /* share of these pairs whose value was multiplied; skipped: of the others */
    double skipped;
    double refetched; /* share of query rows computed again with all bits */
} dtq_effects;

/** Filled by dtq_run; malloc'd members are released by dtq_output_free. */
typedef struct {
    float *data; /* POOLED [width]; HIDDEN [seq][width]; ATTENTION [heads][seq][head_dim], original token order */
    size_t count;
    uint64_t *importance; /* [layers][seq] by original id, 0 for tokens that are no keys of the layer; if
                             it is cached the sums so far, of no mean */
    uint8_t *bits;        /* [layers][seq] precision each token was chosen for, 4 or 8; 0: its key has left */
    dtq_effects *effects; /* [layers]; NULL: the scheme has none to tell of */
} dtq_output;
void dtq_output_free(dtq_output *o);

/** One executed instruction on the timeline, cycles from the start of the run. */
typedef struct {
    uint64_t start; /* when it was taken from its queue, all its tokens there */
    uint64_t busy;  /* cycles it occupied the engine */
    uint64_t done;  /* when its result is there: start + busy + latency */
} dtq_event;

typedef struct {
    uint64_t cycles; /* makespan: the last done of any queue but host */
    uint64_t busy[DTQ_QUEUE_MAX + 1];
    uint64_t instructions;
    uint64_t dram_read_bytes, dram_write_bytes;
    uint64_t buffer_bytes;  /* read or written on chip */
    uint64_t mac_cycles;    /* PE-cycles of useful work: sum of the costs c_a c_b */
    uint64_t stall_cycles;  /* PE-cycles that PEs of working tiles waited for the slowest */
    uint64_t probabilities; /* softmax elements */
    uint64_t topk_elements; /* accumulated or compared */
    uint64_t rtl_busy;      /* of `busy`: cycles of instructions that hardware has executed, too */
    double energy_pj;       /* by the machine's table */
    dtq_event *events;      /* [stream count]; owned; only if asked for */
} dtq_stats;
void dtq_stats_free(dtq_stats *s);

/** Executes one stream. `weights` may be NULL for QKV inputs and timing_only. `stats` may be NULL; stats->events is
 *  allocated if `want_events`. A deadlock is an error whose message lists every queue's state. Output with a NaN or an
 *  infinity is the error DTQ_NOT_FINITE, whose message says where such a number first arose (layer, op of the model,
 *  token); there is no output then and the cache is as it was. With options->allow_nonfinite it is returned as it is.
 */
bool dtq_run(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
             const dtq_run_options *options, dtq_output *out, dtq_stats *stats, bool want_events, dtq_error *e);

/** Cycles of a sound stream whatever its data, as the simulator counts them; UINT64_MAX where some precision is known
 * only at run time. */
bool dtq_static_cycles(const dtq_program *p, const dtq_stream *s, uint64_t *cycles, dtq_error *e);

/** dtq_verify, and that static_cycles is what dtq_static_cycles says: for programs that somebody else has made. */
bool dtq_prove(const dtq_program *p, const dtq_stream *s, dtq_error *e);

/** Runs `sim` and `ref` and compares layer by layer; on a difference names the first layer, head, tile and element.
 *  Returns true if equal; false with DTQ_OK in e->status never happens. */
bool dtq_check(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
               const dtq_run_options *options, dtq_error *e);

#endif
