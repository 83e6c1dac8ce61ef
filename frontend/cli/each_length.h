/* The lengths of --seq, each compiled in memory of its own. */
#ifndef DTQ_CLI_EACH_LENGTH_H
#define DTQ_CLI_EACH_LENGTH_H

#include "frontend/cli/pipeline.h"

/** What a command wants of each length. */
typedef struct {
    /** Makes `*result` of a compiled length, of several at once, each with a session of its own. */
    bool (*make)(void *context, session *own, const compiled *c, size_t i, void **result);
    /** Takes what it wants to keep of length `i` into memory that stays: one length after the other, in the order of
     *  --seq. All that `own` has goes behind it, unless `own` is the caller's session. */
    bool (*keep)(void *context, session *own, const compiled *c, size_t i, void *result);
    void *context;
} length_steps;

/** Compiles every length and takes these two steps with it, on as many threads as --threads says, or on one if
 *  something is printed of it under way. With `whole` modules stay in the session's memory. The first length that has
 *  an error is the last one that is told of. */
bool each_length(session *s, const source *src, const length_steps *steps, bool whole);

#endif
