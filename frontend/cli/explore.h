/* dtqc explore: a search for target and policy on data. Private to explore*.c. */
#ifndef DTQ_CLI_EXPLORE_H
#define DTQ_CLI_EXPLORE_H

#include "frontend/cli/design.h"
#include "frontend/cli/eval/eval.h"
#include "frontend/explore/search.h"

enum { RUNGS_MOST = 16 };

/** What is minimised, or maximised, or bounded. */
typedef enum {
#define VALUE(id, key, title, digits, doc) VALUE_##id,
#include "frontend/explore/values.def"
    VALUES,
    VALUE_COST = VALUES,
    VALUE_METRIC
} value_kind;

/** What is measured on data for every task: kinds up to VALUES. */
typedef struct {
    const char *key, *title;
    int digits;
} value_info;
extern const value_info value_table[VALUES];

typedef struct {
    value_kind kind;
    size_t index; /* of costs or metrics */
    const char *key;
    bool high; /* the more the better */
} value_ref;

/** A trial: what is known without data, and what was measured on so many samples. */
typedef struct {
    uint32_t *point;     /* NULL of a compared design, */
    const char *name;    /* which has a name */
    const source *fixed; /* and its own target and policy */
    size_t number;       /* of a trial */
    uint64_t hash;
    double costs[COSTS];
    char limit[16], error[232];
    bool by_runs;         /* a system, whose costs are those of its runs as soon as it is measured */
    eval_cost *run_costs; /* of a system [texts], malloc'd */
    size_t samples;       /* measured on; 0: not yet */
    double loss; /* of all data, estimated by these: the difference to float32 on them, and what float32 has on all */
    double metrics[EVAL_METRICS_MOST];
    eval_vector *outputs; /* [texts] malloc'd, data NULL where it is not computed */
    double seconds;
    bool on_front;
} trial;

typedef struct {
    session *session;
    eval_job eval;
    design_base base;
    const space *space;
    size_t layers, metric_count;
    double lambda;
    const search_method *method;
    search search;
    trial *trials;                        /* [search.wanted] */
    trial *compared;                      /* [compared_count] designs beside what is found */
    size_t compared_count, compared_done; /* priced and measured */
    search_trial *compared_judged;        /* [compared_count] */
    size_t objective_count, bound_count;
    value_ref objectives[OBJECTIVES_MOST], bounds[CONSTRAINTS_MOST];
    size_t rung_count, rungs[RUNGS_MOST]; /* samples, ascending; the last is all of them */
    uint32_t *order;                      /* [samples] which one comes when */
    const uint32_t *lengths;              /* that costs are of [length_count] */
    double *length_weights;
    size_t length_count;
    eval_row reference; /* float32 */
    double fp32_loss, fp32_metrics[EVAL_METRICS_MOST];
    const char *directory;
    FILE *log;           /* DIR/trials.jsonl */
    struct known *known; /* read from it */
    size_t known_count;
    double begun;
    bool stopped; /* somebody interrupted it */
} exploration;

/** Numbers of a trial: NaN where it has none. */
double explore_value(const exploration *e, const trial *t, const value_ref *v);
/** A name of an objective or a constraint's metric; false after a message. */
bool explore_find_value(exploration *e, const char *name, src_loc loc, value_ref *out);
double explore_fp32_value(const exploration *e, const value_ref *v);
/** A trial's objectives, all the less the better, and whether it keeps to the constraints. Without its point. */
search_trial explore_judge(const exploration *e, const trial *t);
/** Whether any process was interrupted; between trials all of them agree on it. */
bool explore_stopped(exploration *e);

/* ---- measuring (explore_measure.c) ------------------------------------------------------------------------------ */

/** Runs float32 over all data, and chooses the order of samples and the rungs. */
bool explore_prepare(exploration *e);
/** Prices trials: target, policy, cost. */
void explore_price(exploration *e, trial *list, size_t count);
/** Measures a trial on the first `samples` of the order, or takes what the log knows of it. False if dtqc itself
 * failed. */
bool explore_measure(exploration *e, trial *t, size_t samples);
/** Makes the policy what runs: all at 8 bits of a system, which takes none; the last rows pinned by --score-last. */
void explore_settle_policy(session *s, source *src);
void explore_release(exploration *e);

/* ---- the log (explore_log.c) ------------------------------------------------------------------------------------- */

/** Opens DIR/trials.jsonl: a new one, or with --resume that of the same search, whose lines are read. */
bool explore_log_open(exploration *e);
/** Looks up what was measured of a design on so many samples. */
bool explore_log_find(const exploration *e, size_t samples, trial *t);
/** Writes a line for a trial, through to the file. */
bool explore_log_write(exploration *e, const trial *t);

/* ---- designs beside what is found (explore_compare.c) ------------------------------------------------------------ */

/** Opens the targets and policies of --compare. */
bool explore_compare_open(exploration *e);
/** Prices them and measures them on all data. */
bool explore_compare_run(exploration *e);

/* ---- results (explore_print.c, explore_page.c) ------------------------------------------------------------------- */

/** Marks the front: the best trial, or those that none dominates; of those that keep to all constraints. Returns how
 * many. */
size_t explore_front(exploration *e);
/** The trial to take: the best in the first objective of the front; SIZE_MAX if there is none. */
size_t explore_best(const exploration *e);
/** Writes trials.csv, front.csv, files of target and policy, explore.json and explore.html. */
bool explore_write(exploration *e);
/** Prints what was found. */
void explore_print(exploration *e, FILE *out);
/** The hypervolume of the trials, that of the compared designs, and up to where; NaN of one objective, or of none
 * compared. */
double explore_hypervolume(const exploration *e, double reference[OBJECTIVES_MOST], double *compared);
/** The search as JSON, schema "dtqc-explore/1". */
void explore_json(const exploration *e, FILE *out);
/** One HTML document of the search. */
void explore_page(const exploration *e, FILE *out);

#endif
