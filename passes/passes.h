/* Passes over the IR and the manager that runs them. The list, with what each requires, is passes.def. */
#ifndef DTQ_PASSES_H
#define DTQ_PASSES_H

#include "ir/view.h"

struct cost_model;

/** What a pass gets beside the module. */
typedef struct {
    arena *arena;
    diag *diag;
    struct cost_model *cost; /* of the module's machine */
    bool optimise;           /* false: -O0, the paper's method and nothing more */
    bool idle;               /* set by a pass that had nothing to work on: it is not noted as run */
} pass_context;

/** A pass changes *m in place or replaces it; false after it reported an error. */
typedef bool (*pass_fn)(pass_context *ctx, ir_module **m);

typedef struct {
    const char *name;
    pass_fn run;
    unsigned levels; /* levels at which it may run, bit 1 << ir_level */
    const char *
        requires;  /* blank-separated names of passes that must have run; of a|b one */
    bool analysis; /* only adds attributes; may run again at any time */
    const char *doc;
} pass_info;

extern const pass_info pass_table[];
extern const size_t pass_count;

/** The pass called `name`, or NULL. */
const pass_info *pass_find(const char *name);

typedef struct {
    bool optimise;           /* -O1 */
    bool prove;              /* the module may come from a text that somebody edited: all that follows from its
                                decisions is computed again and compared, before any pass */
    bool verify_last;        /* the module is verified after the last pass, not after each */
    const char *print_after; /* pass name or "all", or NULL */
    int dump_level;          /* ir_level to print when the module is last at that level, or -1 */
    ir_view view;            /* what of a module is printed */
    FILE *dump;              /* where prints go */
    bool time_passes;        /* table of seconds and bytes to `times` */
    FILE *times;
} pass_options;

/** Notes the passes that have run on a module that was read and does not list them, by what they left behind.
 * passes_left and passes_run do it. */
void passes_infer_ran(ir_module *m);

/** Of a list of passes (NULL entries are none) those that are left to do for `m`, the others NULL: not what has run,
 * not what comes before it in the pipeline, not what could only have run at a level gone by. */
const char *const *passes_left(arena *a, ir_module *m, const char *const *names, size_t count);

/** Whether `m` is past the place of `p` in the pipeline: it, or a later pass that is no analysis, has run. */
bool pass_is_past(const ir_module *m, const pass_info *p);

/** Verifies the module, runs the named passes in order (count names), and verifies what they left: after each, or with
 * `verify_last` after the last. False after an error in `d`. */
bool passes_run(arena *a, diag *d, ir_module **m, const char *const *names, size_t count, const pass_options *o);

/** The pipeline of `dtqc compile`: names of the passes, for `passes_run`. */
const char *const *passes_pipeline(bool optimise, size_t *count);

#endif
