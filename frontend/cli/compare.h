/* dtqc analyze --compare: attention of a model on several systems. */
#ifndef DTQ_CLI_COMPARE_H
#define DTQ_CLI_COMPARE_H

#include "codegen/report/compare.h"
#include "frontend/cli/pipeline.h"

/** Compares what is compiled with what --compare names, at each of these lengths, and prints as --report says. */
bool compare_systems(session *s, const source *src, const compiled *own, report *const *reports, size_t count,
                     FILE *out);

#endif
