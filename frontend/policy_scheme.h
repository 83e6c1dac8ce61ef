/* The key `scheme` of a policy file. Private to frontend/policy*.c. */
#ifndef DTQ_FRONTEND_POLICY_SCHEME_H
#define DTQ_FRONTEND_POLICY_SCHEME_H

#include "frontend/files/document.h"
#include "frontend/policy.h"

/** Reads `scheme` of the policy file `root` into p: all tokens at 8 bits, by that arithmetic. A scheme says what runs
 * at how many bits, so that the keys which say it otherwise are errors beside it. */
bool policy_read_scheme(arena *a, diag *d, const doc_node *root, const doc_node *scheme, policy *p);

/** Puts the scheme into the header of a graph, every op of which it must define. */
bool policy_apply_scheme(const policy *p, ir_module *m, diag *d);

#endif
