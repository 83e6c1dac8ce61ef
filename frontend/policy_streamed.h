/* Policies whose importance is `streamed`. Private to frontend/. */
#ifndef DTQ_FRONTEND_POLICY_STREAMED_H
#define DTQ_FRONTEND_POLICY_STREAMED_H

#include "frontend/files/document.h"
#include "frontend/policy.h"

/** Reads window, near and far beside the rule. */
bool policy_read_streamed(diag *d, const doc_node *n, policy *p);

/** Whether a layer of this row streams: all do but those that have one precision and drop nothing, which are whole. */
bool policy_layer_streams(const policy *p, const policy_layer *l);

/** Attaches a row to an attention op of a layer that streams. */
bool policy_apply_streamed(const policy *p, const policy_layer *l, size_t layer, ir_module *m, size_t op, diag *d);

#endif
