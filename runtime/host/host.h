/* An open model. Private to runtime/host/. */
#ifndef DTQRT_HOST_HOST_H
#define DTQRT_HOST_HOST_H

#include <pthread.h>

#include "runtime/device/device.h"
#include "runtime/exec.h"
#include "runtime/host/model.h"
#include "runtime/host/workers.h"
#include "runtime/turn.h"

enum { DTQ_HOST_ALIGN = 64 };

/* ---- memory.c: zeroed memory whose pages cost nothing until they are touched ----------------------------------- */

typedef struct {
    uint8_t *at; /* NULL: none */
    size_t bytes;
} dtq_host_memory;

bool dtq_host_memory_map(dtq_host_memory *m, size_t bytes, dtq_error *e);
void dtq_host_memory_unmap(dtq_host_memory *m);

/** Takes `count` things of `size` bytes, 64-byte aligned, from behind *used and moves it; returns where they begin.
 *  *used becomes SIZE_MAX, and stays so, if it would exceed the address space. */
size_t dtq_host_reserve(size_t *used, size_t count, size_t size);

/* ---- prepare.c: weights laid out for the kernels --------------------------------------------------------------- */

/** Fills h->weight_table; h->weights are open and h->pool runs. `store`: where prepared weights are kept, or NULL. */
bool dtq_host_prepare(dtq_host *h, const char *store, dtq_error *e);

/* ---- store.c: prepared weights in a file ------------------------------------------------------------------------- */

/** Maps what a process before left at `path` into h->weight_memory: true if it is `bytes` of these weights, whole. */
bool dtq_host_store_load(dtq_host *h, const char *path, size_t bytes);
/** Leaves h->weights_at [bytes] at `path`, whole or not at all. False if it cannot be written. */
bool dtq_host_store_save(const dtq_host *h, const char *path, size_t bytes);

/* ---- table.c: rows of embedding tables --------------------------------------------------------------------------- */

/** Rows that were converted, [rows][columns], and behind them a byte for each that says whether it is there. */
typedef struct {
    dtq_host_memory memory;
    size_t states_at;
} dtq_host_kept;

bool dtq_host_tables_open(dtq_host *h, dtq_error *e);
void dtq_host_tables_close(dtq_host *h);
/** Row `row` (there is one) of the table of `site`: kept, or in scratch. Any worker may ask. */
const float *dtq_host_table_row(dtq_host *h, uint64_t site, uint64_t row, float *scratch);

/* ---- check.c: a plan that a model can follow ------------------------------------------------------------------- */

/** Checks model and plan, of which nothing is trusted that could lead out of bounds here. `known`: the plan passed
 *  dtq_program_check. */
bool dtq_host_check(const dtq_host_model *model, const dtq_program *plan, bool known, dtq_error *e);
/** Checks that a stream of a checked program has the layers of the plan. */
bool dtq_host_check_stream(const dtq_program *plan, const dtq_stream *s, dtq_error *e);

/* ---- select.c: the tokens of the layers ------------------------------------------------------------------------ */

/** What dtq_host_slots points to, to be written. There is room for a table of each key/value head, slot_room or
 * key_room elements behind the one before, of what differs where these choose for themselves. */
typedef struct {
    uint32_t *ids, *from;
    uint32_t *key_ids;                            /* by head */
    float *limits[DTQ_HOST_OPERANDS];             /* by head */
    uint32_t *rank;                               /* [slots] place of a slot among those of the plan */
    uint32_t *key_rows, *key_slot_ids, *key_rank; /* [key_slots], by head */
} dtq_host_tables;

/** Prepares the run of h->stream: layer 0, and whose importance is computed. */
void dtq_host_begin(dtq_host *h);
/** Chooses the slots of a layer that probes, in table `table` of dtq_tables, from the importance of all tokens [seq] by
 *  id, which the run's choice may replace. */
void dtq_host_choose(dtq_host *h, uint64_t layer, uint32_t table, uint64_t *importance);

/** Chooses the keys of a layer that chooses late, in table `table` of dtq_tables, from the importance of all tokens
 * [seq], which it may replace: ids [slots]; what is told of tokens goes to the output. */
void dtq_host_choose_late(dtq_host *h, uint64_t layer, uint32_t table, uint64_t *importance, uint32_t *ids);

/** late.c: the whole attention of such a layer, rows by token. */
void dtq_host_run_late(dtq_host_frame *f, uint64_t layer, const float *q, const float *k, const float *v, float *out);

/* ---- streamed.c: votes of the layers that stream ------------------------------------------------------------------
 */

/** Makes h->votes for the run of h->stream: those that the cache holds, zeros else. */
bool dtq_host_votes_begin(dtq_host *h, dtq_error *e);
void dtq_host_votes_end(dtq_host *h);
/** As they were at the beginning. */
void dtq_host_votes_reset(dtq_host *h);
/** Into the cache, if there is one. */
void dtq_host_votes_keep(const dtq_host *h);

/* ---- device.c: attention on a device ----------------------------------------------------------------------------- */

typedef struct {
    const dtq_device *type; /* NULL: attention is generated code's, too */
    void *device;
    unsigned threads;
    bool want_events;
    /* The run. */
    dtq_exec x;      /* the host's part of it, on the device's memory */
    dtq_input input; /* its choice */
    size_t next;     /* instruction of the stream that the host comes to next */
    dtq_stats stats;
    dtq_error error; /* of a run that failed: h->failure points to its message */
} dtq_host_device;

/** Opens the device that the options name, or the simulator if the model wants one. `h` has its plan. */
bool dtq_host_device_open(dtq_host *h, const dtq_host_options *o, dtq_error *e);
void dtq_host_device_close(dtq_host *h);
/** Begins the run of h->stream on the device, if there is one. */
bool dtq_host_device_begin(dtq_host *h, dtq_error *e);
/** The whole attention of a layer, rows in host order; and the slots of the next one become known. A failure is told
 *  as dtq_host_broken. */
void dtq_host_device_attend(dtq_host *h, uint32_t layer, const float *q, const float *k, const float *v, float *out);
/** Ends the run: counters, importance and bits of h->output, and what the cache keeps. */
bool dtq_host_device_end(dtq_host *h, dtq_error *e);

/* ---- report.c: what a run failed of ---------------------------------------------------------------------------- */

/** The first failure. Of two the one with the lesser stage, then rank, then part is told: the order in which the other
 *  engines would meet them. */
typedef struct {
    bool any;
    uint64_t stage, rank, part;
    uint64_t site, slot;
    uint64_t number;   /* head of an operand, row of a table */
    bool of_step;      /* `site` is a step, which made numbers that are not finite */
    const char *words; /* a failure of no site, and its status; else NULL */
    dtq_status status;
} dtq_host_failure;

/** A failure that has nothing to do with data; `message` is a literal. */
void dtq_host_broken(dtq_host *h, dtq_status status, const char *message);
/** Puts the first failure into words. */
void dtq_host_report(const dtq_host *h, dtq_error *e);

struct dtq_host {
    const dtq_host_model *model;
    const dtq_host_variant *variant;
    const dtq_program *plan;
    dtq_program *own_plan; /* the decoded plan of the model, or NULL */
    dtq_weights *weights;
    dtq_host_pool *pool;

    dtq_host_memory weight_memory, run_memory;
    uint8_t *weights_at;       /* prepared weights, in weight_memory */
    const void **weight_table; /* [model->weight_count] */
    dtq_host_kept *kept;       /* [model->site_count] */

    /* In run_memory, for the longest stream and the most layers of the plan. */
    size_t slot_room, key_room; /* multiples of 16 */
    dtq_host_slots *layers;     /* [layers] */
    dtq_host_tables *tables;    /* [layers] */
    void **buffers;
    uint8_t **scratch;     /* [threads] */
    uint64_t **importance; /* [threads] */
    uint32_t *ascending;
    uint32_t *slot_of;                  /* [seq] slot of a token in the last layer that was filled, UINT32_MAX: none */
    uint64_t *values;                   /* [slots] importance of a layer */
    uint32_t *chosen_ids;               /* [slots] as the plan orders them */
    uint8_t *chosen_high;               /* [slots] */
    uint8_t *chosen_bits[DTQ_OPERANDS]; /* [slots] */

    /* The run. */
    dtq_turn turn;
    dtq_host_frame frame;
    const dtq_stream *stream;
    const dtq_input *input;
    dtq_output *output;
    bool want_importance;
    bool allow_nonfinite; /* of dtq_host_options */
    dtq_cache *cache;     /* or NULL */
    dtq_host_device device;
    uint64_t **votes;     /* [layers][kv_heads * seq] of layers that stream; NULL: none does */
    pthread_mutex_t lock; /* of failure */
    dtq_host_failure failure;
};

#endif
