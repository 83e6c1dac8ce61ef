/* Generated objects kept for the next run. */
#ifndef DTQ_CLI_HOST_CACHE_H
#define DTQ_CLI_HOST_CACHE_H

#include "codegen/host/host.h"
#include "frontend/cli/session.h"

/** The object that was kept for `key` in the directory, of cache_directory. False if there is none that is whole and
 *  surely this user's, which is no error. The bytes live in the
 *  session's arena. */
bool host_cache_read(session *s, const char *directory, const char *key, host_bytes *out);

/** Keeps an object, whole or not at all, and lets the entry that was not used for longest go if there are many. False
 *  if it cannot be kept, which is no error. */
bool host_cache_write(session *s, const char *directory, const char *key, const host_bytes *object);

/** Where weights prepared for `code` are kept (dtq_host_options.store), named by the identities of the files that
 *  `plan` refers to. Lets the oldest of many go. */
const char *host_cache_weights(session *s, const char *directory, const dtq_host_model *code, const dtq_program *plan);

#endif
