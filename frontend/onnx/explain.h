/* What became of each node of an ONNX graph. Private to frontend/onnx. */
#ifndef DTQ_FRONTEND_ONNX_EXPLAIN_H
#define DTQ_FRONTEND_ONNX_EXPLAIN_H

#include <stdio.h>

#include "frontend/onnx/bindings.h"

/** A node's end. */
typedef struct node_fate {
    const term *value;  /* of its first output; NULL: it has none */
    bool needed;        /* the graph's output depends on it */
    const char *reason; /* why it cannot be taken; NULL: it can, or an input of it cannot */
    const char *ops;    /* ops of the IR that it ends, joined by commas; NULL: none */
    size_t user;        /* index + 1 of the first needed node that takes its output; 0: none */
} node_fate;

/** Finds out which nodes `output` needs and which of them cannot be taken. [node_count] */
node_fate *onnx_fates(importer *im, const bindings *b, const char *output);
/** Reports every node that cannot be taken as an error. True if there is none. */
bool onnx_report(importer *im);
/** Notes that the node of `t` makes this op of the IR. */
void onnx_claim(importer *im, const term *t, const char *op);
/** A line for each node: what it became, or why it became nothing. */
void onnx_explain(const importer *im, FILE *out);

#endif
