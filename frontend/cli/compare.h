/* dtqc analyze --compare: attention of a model on several systems. */
#ifndef DTQ_CLI_COMPARE_H
#define DTQ_CLI_COMPARE_H

#include "codegen/report/compare.h"
#include "frontend/cli/pipeline.h"

/** Compares what is compiled with what --compare names, at each of these lengths, and prints as --report says. */
bool compare_systems(session *s, const source *src, const compiled *own, report *const *reports, size_t count,
                     FILE *out);

/** A target file of any kind. */
typedef struct {
    const char *name, *kind; /* kind: "vssa", "systolic", or a compared system's */
    bool is_machine;         /* vssa or systolic: `machine` holds, else `params` of `system` */
    bool cluster;            /* false: systolic */
    dtq_machine machine;
    dtq_system_kind system;
    dtq_system_params params;
} any_target;
/** Reads it; false after an error. */
bool any_target_load(session *s, const char *path, any_target *out);
/** Prints all of its parameters, as YAML that reads back, and its area in a comment. */
void any_target_print(const any_target *t, FILE *out);

#endif
