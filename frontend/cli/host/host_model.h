/* From the command line's MODEL to what host code is generated from: shared by compile and run. */
#ifndef DTQ_CLI_HOST_MODEL_H
#define DTQ_CLI_HOST_MODEL_H

#include "codegen/host/host.h"
#include "frontend/cli/pipeline.h"

typedef struct {
    const uint32_t *lengths; /* ascending [count] */
    size_t count;
    bool optional; /* those that the policy cannot serve are left out; the longest is not */
} host_lengths;

typedef struct {
    compiled graph;    /* the whole graph of the longest length, after reorder-tokens */
    dtq_program *plan; /* of all lengths */
    host_program *code;
} host_model;

/** The lengths that --seq, model and policy mean for host code. */
host_lengths host_lengths_read(session *s, const source *src);

/** The name of the scheme of arithmetic that host code has no form of, or NULL if it has one. */
const char *host_lacks_scheme(const source *src);

/** What became of planning one length. */
typedef enum { HOST_PLANNED, HOST_LEFT_OUT, HOST_PLAN_FAILED } host_planning;

/** Plans one more length by the policy of `src`: its layers, in `a`, are added to `plan`, which has room for them.
 *  `whole` is the model's graph for any length, types inferred, without a policy. A length that the policy cannot serve
 * is left out if it is `optional`; else it has failed, and why is said. */
host_planning host_plan_length(session *s, arena *a, const source *src, const ir_module *whole, uint32_t seq,
                               bool optional, const pass_options *o, dtq_program *plan);

/** Runs the passes of the graph level and lowers; false after an error. */
bool host_model_make(session *s, const source *src, const host_lengths *lengths, host_model *out);

#endif
