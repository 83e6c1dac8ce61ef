/* From the stream level of the IR to programs, and from finished modules to reports. */
#ifndef DTQ_CODEGEN_H
#define DTQ_CODEGEN_H

#include "ir/ir.h"
#include "runtime/run.h"
#include "runtime/streamed.h"

/** A program with one stream for each module (all of the same model and machine, ascending by seq). Everything lives in
 *  `a`; NULL after an error. Modules must have passed insert-sync and timeline. */
dtq_program *codegen_program(arena *a, diag *d, const ir_module *const *modules, size_t count);

/** A program that grows by one module after the other, none of which need live longer than program_add. Begins with
 *  what all modules say alike (`m`: any of them), in `a`; NULL after an error. */
typedef struct program_maker program_maker;
program_maker *program_begin(arena *a, diag *d, const ir_module *m);
/** Adds the stream of a module; false after an error. */
bool program_add(program_maker *k, const ir_module *m);
/** The same of a module that nobody needs behind this, for a program that is to be encoded and nothing else: its
 *  instructions are written while they are made, so that they are never in memory together (dtq_stream.text), and it is
 *  left empty. */
bool program_add_last(program_maker *k, ir_module *m);
/** The program, its streams ascending by seq; the maker is used up. */
dtq_program *program_end(program_maker *k);

/** Finds out which files the tensors of a module lie in (ir_tensor.file_hash), on all cores, reading each whole unless
 *  `known` (or NULL) has it. False after an error: one cannot be read, has changed since the model was read from it, or
 *  is not the one that the module says. */
bool weights_identify(arena *a, diag *d, ir_module *m, dtq_known *known);

/** Whether the program made of `m` is sound (dtq_verify of its first stream); if not, an error at the op that is to
 * blame: `m` was read from a text that somebody may have edited. */
bool codegen_prove(diag *d, const ir_module *m, const dtq_program *p);

/* ---- reports (codegen/report/) --------------------------------------------------------------------------------- */

typedef struct {
    double iterations, stalled_iterations, stall_ratio_mean, step_cycles; /* over all heads; REPORT.md defines each */
    double cycles, bound_cycles, tile_bound_cycles;
} report_matmul;

/** What limits a layer: an engine, or that none is busy for half of its cycles. */
typedef enum {
    LIMIT_ARRAY,
    LIMIT_SOFTMAX,
    LIMIT_DMA,
    LIMIT_TOPK,
    LIMIT_ENGINES,
    LIMIT_LATENCY = LIMIT_ENGINES, /* for half of them no engine works: results are on their way */
    LIMIT_DEPENDENCIES,            /* engines wait for one another */
    LIMIT_COUNT
} report_limit;
const char *report_limit_name(report_limit l);

typedef struct {
    uint32_t index, tokens;     /* active tokens */
    uint32_t pruned, low, high; /* tokens whose key has left, and those at 4 and 8 bits */
    uint32_t muted;             /* of the pruned ones those that stay as queries: pruning of keys */
    size_t segment_count;
    ir_run *segments;     /* count tokens, value bits, in slot order; clusters of one precision, or single runs */
    uint32_t promoted[4]; /* slots whose q, k, v, p run above the precision their token was chosen for */
    bool expected;        /* precision known only at run time: numbers are expectations */
    report_matmul qk, pv;
    report_matmul linear; /* projections and FFN of the layer's block, where the arrays compute them; else zeros */
    double linear_cycles; /* of `cycles`, those that they add; the others are attention's */
    uint64_t start, end;  /* on the timeline, cycles */
    double cycles;        /* from the end of the layers before to its own end: what it adds to the total */
    double share;         /* cycles / those of the total */
    double utilisation;   /* bound / cycles, or / array_busy where that is more */
    uint64_t array_busy, softmax_busy, dma_busy, topk_busy; /* cycles: busiest array, and the engines */
    double busy_share[LIMIT_ENGINES];                       /* of its cycles that each is busy */
    report_limit limit;
    uint32_t key_blocks;      /* in which its keys come; 1: they fit on chip */
    dtq_streaming streaming;  /* a window of 0: it does not stream */
    dtq_streamed_pairs pairs; /* then which of them are near, far, and left out */
    uint64_t dram_bytes;
    uint64_t bops;
} report_layer;

/** What a run adds to its report, for its HTML alone. Everything stays the caller's; any member may be NULL. */
typedef struct {
    const char *text, *pair;
    const char *const *tokens; /* [seq] as the vocabulary writes them */
    const uint8_t *bits;       /* [layers][seq] that each token was chosen for: 0, 4 or 8 */
    const dtq_event *events;   /* [instructions] of the simulator, in the place of the static timeline */
} report_input;

typedef struct {
    const char *model, *target;
    const char *scheme; /* of arithmetic, which the cycles do not depend on; NULL: mixed */
    const dtq_machine *machine;
    uint32_t seq;
    bool linears; /* the arrays compute projections and FFN, too: numbers are of both, and side by side */
    bool clustered, optimised, measured; /* measured: numbers come from a run of the simulator on data */
    bool causal; /* a layer computes all that its causal mask discards; products that it discards count as work */
    double pairs, pairs_seen; /* of a query and a key, of all heads; and those that are not left out by their mask */
    size_t layer_count;
    report_layer *layers;
    double cycles, bound_cycles, tile_bound_cycles, utilisation, unclustered_cycles /* 0 if not asked for */;
    double part_busy[2]; /* of attention, of linears: what they occupy each layer's busiest array for */
    uint64_t dram_bytes, instructions, bops, mac_cycles, stall_cycles;
    double energy_pj;
    double buffer_bytes, probabilities, topk_elements; /* what else takes energy */
    double dense_ops; /* 2 for each MAC of attention over all seq tokens and heads, nothing pruned or masked; and of
                         projections and FFN, if the arrays compute them */
    size_t remark_count;
    const diag_entry *const *remarks;
    const ir_module *module;              /* that it was built of; NULL: made by hand, without tiles and timeline */
    const struct critical_path *critical; /* by report_find_critical; NULL: it is found when it is printed */
    const report_input *input;            /* of a run, or NULL */
} report;

/** What limits most of a report's cycles, and these cycles' share of all of them. */
report_limit report_main_limit(const report *r, double *share);

/** What most of the makespan is spent on, by its name in JSON (REPORT.md, "Critical path"); of a report without a
 * module, what limits most of its cycles. Not the caller's to free. */
const char *report_limited_by(const report *r);

/** A copy in `a` that needs nothing of the report, nor of its module, of which it knows nothing (`module`). */
report *report_copy(arena *a, const report *r);
/** Finds the critical path, in `a`, so that copies have it, whose module is gone. */
void report_find_critical(arena *a, report *r);

/** The static report of a module at stream level after `timeline`. NULL after an error. */
report *report_build(arena *a, diag *d, const ir_module *m);
/** The same by the times of a run: events [instructions] of the simulator, or NULL for the static timeline. */
report *report_build_run(arena *a, diag *d, const ir_module *m, const dtq_event *events);

/** Derives cycles, share and utilisation of all layers, and the utilisation of the whole, from `end`, `bound_within`
 * and `cycles`. The next layer's loads run under a layer, so its cycles are what it adds to the total: shares sum to 1.
 */
void report_settle(report *r);

typedef enum { REPORT_TEXT, REPORT_JSON, REPORT_CSV, REPORT_HTML } report_format;
/** False if `out` could not be written. */
bool report_print(const report *r, report_format format, FILE *out);
/** Reports of one model at several lengths, for people: a row each. False if `out` could not be written. */
bool report_print_lengths(const report *const *reports, size_t count, FILE *out);
/** One HTML document of all these reports, for a browser. False if `out` could not be written. */
bool report_html(const report *const *reports, size_t count, FILE *out);

/** The roofline of each report, as text or as one HTML document: work of a cycle by work for a byte of DRAM, of each
 * layer and of the whole. False if `out` could not be written. */
bool report_roofline(arena *a, const report *const *reports, size_t count, bool html, FILE *out);

/** Chrome trace (JSON, "traceEvents") of the engines' timeline: one track for each queue, one slice for each
 *  instruction but wait and signal, whose length is the time it occupies its engine; times are in microseconds of the
 *  machine's clock. events [stream->count] as dtq_run gives them. False if `out` could not be written. */
bool report_trace(const dtq_program *p, const dtq_stream *s, const dtq_event *events, FILE *out);

/** What a timeline as text shows. */
typedef struct {
    size_t width;                      /* columns of a line, at least 34 */
    uint32_t first_layer, layer_count; /* these layers alone; count 0: all */
} gantt_options;

/** The engines' timeline as text: a line for each engine of the machine, a letter for a stretch of cycles. events
 *  [stream->count] as dtq_run gives them. False if `out` could not be written. */
bool report_gantt(const dtq_program *p, const dtq_stream *s, const dtq_event *events, const gantt_options *o,
                  FILE *out);

/* ---- JSON writing, shared by reports (ir/base/json_writer.c) ---------------------------------------------- */

typedef struct {
    FILE *out;
    int depth;
    bool first;
    bool compact;                                              /* what is written next stays on the line */
} json_writer;                                                 /* starts as {.out = file} */
void json_open(json_writer *w, const char *key, char bracket); /* key NULL inside arrays; bracket '{' or '[' */
void json_close(json_writer *w, char bracket);                 /* '}' or ']' */
void json_str(json_writer *w, const char *key, const char *value);
void json_real(json_writer *w, const char *key, double value); /* shortest text that reads back */
void json_int(json_writer *w, const char *key, int64_t value);
void json_bool(json_writer *w, const char *key, bool value);

#endif
