/* dtqc analyze --compare: attention of a model on several systems. */
#ifndef DTQ_CLI_COMPARE_H
#define DTQ_CLI_COMPARE_H

#include "codegen/report/compare.h"
#include "frontend/cli/pipeline.h"

/** Compares what is compiled with what --compare names, at each of these lengths, and prints as --report says. */
bool compare_systems(session *s, const source *src, const compiled *own, report *const *reports, size_t count,
                     FILE *out);
/** Refuses a form of report that there is none of for a comparison. */
bool check_system_report(session *s);
/** Prints what a system's model says of its programs: a comparison of one row. */
bool print_system(session *s, const source *src, const compiled *own, size_t count, FILE *out);

/** The texts of a LIST option, those of one value separated by commas. */
const char **comma_list(session *s, const option_value *v, size_t *count);

#endif
