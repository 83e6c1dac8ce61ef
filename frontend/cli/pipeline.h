/* From the command line's MODEL to modules, programs and reports. */
#ifndef DTQ_CLI_PIPELINE_H
#define DTQ_CLI_PIPELINE_H

#include "frontend/cli/session.h"
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "frontend/target.h"
#include "passes/passes.h"

/** What MODEL, --target and --policy say. */
typedef struct {
    const char *path;
    model *model;       /* NULL: resumed from IR */
    policy *policy;     /* of a model */
    bool last_row;      /* of a model with scores of tokens: those of its last row alone */
    any_target target;  /* of a model */
    ir_module *resumed; /* of a .dtir file; its header has machine and length */
    size_t entries;     /* of the diag, when all of it was read */
    uint64_t hash;      /* of a point of a space: of its target and policy */
} source;

/** True if the name ends in .dtir. */
bool is_ir_file(const char *path);
/** True for a regular file that begins as a compiled program does. */
bool is_program_file(const char *path);
/** Parses a .dtir file; NULL after an error. */
ir_module *ir_load(session *s, const char *path);

/** Loads model, target and policy, or the IR; refuses options that mean nothing for IR, or for systems. */
bool source_open(session *s, const char *path, source *out);
/** Whether what is compiled is for a system that computes attention in its own way: programs of host work and a layer
 *  table, which the reference runs. */
bool source_is_system(const source *src);
/** Refuses with a usage error what a system's programs have not: tiles, a timeline, host code. `ids`: the options. */
bool system_lacks(session *s, const source *src, const option_id *ids, size_t count);

/** How linears of a source are computed: what --linear says, or what the target's arrays do. */
const char *linear_arithmetic(const session *s, const source *src);

/** A module that went through the pipeline, and the remarks that were made of it. */
typedef struct {
    ir_module *module;
    size_t read_entries;            /* of the diag, when its model was read: every length has them */
    size_t first_entry, last_entry; /* of the diag */
} compiled;

/** Whether passes are trusted to leave a valid module until the last has run: not with --verify-each, nor in a build
 * for debugging. */
bool verifies_last(const session *s);

/** What of a module or a program is shown, from --dump-layer, --dump-head and --dump-queue. */
bool view_read(session *s, ir_view *out);

/** Where prints of the passes go, from --print-after, --dump-ir, --time-passes and -O; false if --print-after names no
 *  pass. `commands` that lack an option never have it given. */
bool pass_options_read(session *s, pass_options *out);

/** How a module that was read is planned on: as it says itself, or as -O says, with a remark if that is another way.
 *  False: -O is given for a schedule or a stream, where it would change nothing. */
bool resumed_options(session *s, ir_module *m, pass_options *o);

/** Builds the model at `seq` tokens (0: its own length) and runs the pipeline, or what is left of it for IR. `cluster`
 *  false: without clustering. Nothing is printed if `o` has no prints. */
bool compile_length(session *s, const source *src, uint32_t seq, bool cluster, const pass_options *o, compiled *out);
/** compile_length up to reorder-tokens, the last pass that host code needs. */
bool compile_graph(session *s, const source *src, uint32_t seq, bool cluster, const pass_options *o, compiled *out);
/** The same passes for a module of the graph level that no policy is missing from; all memory and all messages go to
 * `a` and `d`. */
bool run_graph_passes(arena *a, diag *d, ir_module **m, const pass_options *o);
/** Builds the model without its policy, and infers types; NULL after an error. */
ir_module *build_typed(session *s, const source *src, uint32_t seq, bool cluster);
/** The lengths of --seq; one of 0 without it. */
const uint32_t *lengths_wanted(const session *s, size_t *count);
/** compile_length for every one of these, with progress on a terminal; all modules stay. each_length.h is for many. */
bool compile_lengths(session *s, const source *src, compiled **out, size_t *count);
/** Says on a terminal which of many lengths is under way. */
void lengths_progress(uint32_t length, size_t i, size_t count);

/** weights_identify, with the identities that the session knows. */
bool identify_weights(session *s, ir_module *m);
/** The program of these modules, its streams ascending by length; NULL after an error. */
dtq_program *make_program(session *s, const compiled *c, size_t count);
/** Adds the files of its vocabulary to a program, and writes their names and those of weights so that they hold from
 * `directory`: relative below it, else absolute. */
bool program_relocate(session *s, dtq_program *p, const char *directory);
/** Writes a program to a file, whole or not at all, or to stdout for "-". `made_here`: by the compiler, not read. */
bool write_program(session *s, const dtq_program *p, const char *path, bool made_here);
/** The report of a module, with its own remarks if --remarks was given, else none; events: by a run's times, or NULL.
 *  NULL after an error. */
report *make_report(session *s, const compiled *c, const dtq_event *events);
/** Refuses more reports than one document holds, before anything is compiled. */
bool check_report(session *s, report_format format, size_t count);
/** Prints reports as --report says (`format`) to `out`. */
bool print_reports(session *s, report *const *reports, size_t count, report_format format, FILE *out);
/** Sets session.words to stderr if stdout carries a machine-readable report. */
void choose_words(session *s, bool stdout_taken);

/** Runs the timing-only simulator; with `want_events` for traces. Release with dtq_stats_free. */
bool simulate_timing(session *s, const dtq_program *p, const dtq_stream *stream, bool want_events, dtq_stats *stats);
/** Writes a trace file of these events. */
bool write_trace(session *s, const char *path, const dtq_program *p, const dtq_stream *stream, const dtq_event *events);

#endif
