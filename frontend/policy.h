/* Policies: which tokens have how many bits, layer by layer, and which are kept. */
#ifndef DTQ_FRONTEND_POLICY_H
#define DTQ_FRONTEND_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/ir.h"
#include "runtime/schemes/scheme.h"
#include "runtime/streamed.h"

typedef struct {
    src_loc loc;
    enum { POLICY_RATIOS, POLICY_COUNTS, POLICY_BITS } kind;
    double ratios[3]; /* 0, 4, 8 bits */
    uint32_t counts[3];
    uint8_t *bits; /* [bit_count], each 0, 4 or 8 */
    size_t bit_count;
    int64_t *pinned; /* ids, or from the end: -1 is the last token; each once, ascending */
    size_t pinned_count;
} policy_layer;

typedef struct {
    const char *path, *name;
    size_t layer_count; /* rows of `layers`; 0 if only `all` */
    policy_layer *layers;
    policy_layer *all;   /* one line for all layers alike, or NULL */
    src_loc loc;         /* of `layers` or `all` */
    bool prune_keys;     /* pruned tokens stay as queries */
    uint32_t queries;    /* 0, or for a cache: the last so many tokens (at most all) are the queries */
    bool importance_set; /* the file says which rule; else the model's own holds */
    src_loc importance_loc;
    int importance;          /* which: a dtq_importance_rule, with the seed of a random one */
    dtq_streaming streaming; /* of `streamed`: but `kept`, which each layer says */
    dtq_scheme scheme;       /* the arithmetic; if not `mixed`, `all` has all tokens at 8 bits */
    src_loc scheme_loc;
} policy;

/** Whether each layer chooses its keys by its own probe (dtq_probes); whether it does, or late (dtq_chooses). */
bool policy_probes(const policy *p);
bool policy_chooses(const policy *p);
/** Whether its layers choose block by block (dtq_streams). */
bool policy_streams(const policy *p);
policy *policy_load(arena *a, diag *d, const char *path);
/** All tokens at `bits`; with 8 the policy that applies without a file. */
policy *policy_uniform(arena *a, unsigned bits);
/** A copy of the policy in which every layer pins the last `count` tokens, too; but not layers by token_bits,
 *  nor any of `streamed`, where all tokens stay queries. */
policy *policy_pin_last(arena *a, const policy *p, uint32_t count);
/** Attaches the policy to the attention ops of a graph module (attributes ratios, counts, token_bits, pinned, prune,
 * queries). Layer 0 of a model with more than a bare attention runs all 8-bit unless it has explicit token_bits. */
bool policy_apply(const policy *p, ir_module *m, diag *d);

#endif
