/* The directory in which dtqc keeps things for its next run. Its code is executed and its numbers are computed with, so
 * it must be the user's alone. */
#ifndef DTQ_CLI_CACHE_DIRECTORY_H
#define DTQ_CLI_CACHE_DIRECTORY_H

#include "frontend/cli/session.h"

/** Where it should be: $DTQC_CACHE, $XDG_CACHE_HOME/dtqc or ~/.cache/dtqc, the first that is set; NULL if none is. */
const char *cache_path(session *s);

/** A name of the directory that holds as long as the session, whatever becomes of the path: it is made, and opened
 * once, when it is first asked for. It must belong to this user, be no link, and nobody else may write to it; access of
 * others is taken away. One that is not so is not used, which is a warning, and `PATH.UID` is in its place. NULL if
 * there is none, or with --no-cache. */
const char *cache_directory(session *s);

/** Identities of weight files, kept in that directory or, without one, in memory. NULL after an error. */
dtq_known *known_files(session *s);

/** Lets both go. */
void cache_release(session *s);

#endif
