/* analyze --what-if: which change of the machine would help most. */
#ifndef DTQ_CLI_WHAT_IF_H
#define DTQ_CLI_WHAT_IF_H

#include "frontend/cli/pipeline.h"

/** Compiles `src`, the length of `base`, once more for each machine that differs from the target in one parameter:
 * twice as much of a resource, half of a latency. Prints what becomes faster. False after an error, which is not that a
 *  machine cannot run the model. */
bool what_if_print(session *s, const source *src, const report *base, FILE *out);

#endif
