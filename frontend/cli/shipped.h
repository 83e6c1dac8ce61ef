/* Models, targets and policies that come with dtqc. */
#ifndef DTQ_CLI_SHIPPED_H
#define DTQ_CLI_SHIPPED_H

#include "frontend/cli/session.h"

/** The file that `name` means: itself if it exists or looks like a path, else `name`.yaml in the shipped examples'
 *  directory `kind` ("models", "targets", "policies"). NULL after an error with a did-you-mean. */
const char *shipped_find(session *s, const char *kind, const char *name);
/** Path of the shipped example `name`, whether it exists or not. */
const char *shipped_path(session *s, const char *kind, const char *name);
/** Names in that directory, sorted. */
const char **shipped_list(session *s, const char *kind, size_t *count);

#endif
