/* --set KEY=VALUE: changes to the target and the policy from the command line. */
#ifndef DTQ_CLI_SETS_H
#define DTQ_CLI_SETS_H

#include "frontend/cli/session.h"
#include "frontend/files/edit.h"

typedef struct {
    doc_edits target, policy;
} sets;

/** Reads every --set; places of messages are "option --set", a line for each in their order. False after an error. */
bool sets_read(session *s, sets *out);

/** What a path of keys changes. */
typedef enum { KEY_OF_TARGET, KEY_OF_POLICY, KEY_OF_NONE } key_owner;
/** Whose key a path begins with; *path is moved past `target.` or `policy.`. KEY_OF_NONE after an error at `loc`. */
key_owner sets_owner(arena *a, diag *d, src_loc loc, const char **path);

#endif
