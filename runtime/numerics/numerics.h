/* The scalar reference, which is the definition of every number (runtime/numerics/NUMERICS.md). */
#ifndef DTQRT_NUMERICS_H
#define DTQRT_NUMERICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/layer.h"

/** 2^t for t in (-126, 0], by the documented polynomial; exact 1 at 0. */
float dtq_exp2(float t);
/** round half to even, as float and as int. */
float dtq_rne(float x);
/** float32(log2(e) / sqrt(head_dim)). */
float dtq_score_scale(uint32_t head_dim);
/** s = fl(max|x| / qmax), 1 if max|x| < 2^-50. Returns false on non-finite or >= 2^50. */
bool dtq_scale(const float *x, size_t n, size_t stride, unsigned bits, float *scale);
/** clamp(rne(fl(x / s)), +-qmax). */
int8_t dtq_quantise(float x, float scale, unsigned bits);

/** One attention layer by the scalar reference.
 *  q float [slots][heads][head_dim], k, v float [slots][kv_heads][head_dim] in slot order; ids [slots] original ids;
 *  bits[q,k,v,p] uint8 [slots]; out float [slots][heads][head_dim]; importance uint64 [slots] or NULL, 0 where there is
 *  no key. Slots [first_key, first_key + keys) are the keys; `keys` 0: all are, from slot 0 on. Likewise queries; other
 * slots have no output, which is left alone. Non-finite or huge input fails with DTQ_BAD_INPUT. */
typedef struct {
    uint32_t slots, heads, kv_heads, head_dim;
    uint32_t kv_head; /* number of the first key/value head, for messages */
    bool causal;
    dtq_importance_rule importance_rule; /* mean or sum */
    const uint32_t *ids;
    const uint8_t *bits[DTQ_OPERANDS];
    const float *q, *k, *v;
    float *out;
    uint64_t *importance;
    uint32_t first_key, keys, first_query, queries;
} dtq_attention;
bool dtq_attention_ref(const dtq_attention *a, dtq_error *e);

/** The same in plain float32 without quantisation (the accuracy reference): softmax(q k^T / sqrt(d)) v. */
bool dtq_attention_fp32(const dtq_attention *a, dtq_error *e);

/** Top-k and slot assignment of rule 8: from the importance and ids of a layer's slots to the ids of the next layer's
 *  slots, `keep` of them, `high` at 8 bits, pinned first, in `order`. high_flags [keep] (may be NULL) says which of the
 *  new slots were chosen for 8 bits. */
void dtq_select(const uint64_t *importance, const uint32_t *ids, uint32_t n, const uint32_t *pinned,
                uint32_t pinned_count, uint32_t keep, uint32_t high, dtq_slot_order order, uint32_t *new_ids,
                uint8_t *high_flags);

/** The slots of a layer `next` without ids of its own from those of the layer before it: its keys [keys] with their
 *  importance, in any order, and the ids of its muted slots [muted_count]. If `next` has muted slots all tokens stay
 * and those that are none of its keys are muted, else muted and unchosen ones leave. new_ids, high_flags (may be NULL)
 *  [next->slots]. */
void dtq_select_slots(const dtq_layer *next, const uint64_t *importance, const uint32_t *key_ids, uint32_t keys,
                      const uint32_t *muted_ids, uint32_t muted_count, uint32_t *new_ids, uint8_t *high_flags);

/** The importance of token `id` in `layer` by the rules `random`: numbers below 2^32 that depend on nothing else. */
uint64_t dtq_random_importance(unsigned seed, uint32_t layer, uint32_t id);
/** Replaces the importance [n] of tokens `ids`, in table `table` of dtq_tables of the layer that they are chosen for,
 * by what the choice of a run goes by instead: nothing changes where that is importance. */
void dtq_replace_choice(const dtq_choice *choice, uint32_t layer, uint32_t table, const uint32_t *ids, uint32_t n,
                        uint64_t *importance);
/** Replaces the importance [layer's keys] of tokens `ids` by what the layer's rule says if it is `random`. */
void dtq_replace_importance(const dtq_layer *l, uint32_t layer, const uint32_t *ids, uint64_t *importance);

/** Rule 7: counts from ratios of n tokens. kept = n - rne(r0 * n), high = rne(r8 * n), high <= kept. */
void dtq_counts(uint32_t n, double r0, double r8, uint32_t *kept, uint32_t *high);

/** SpAtten's cascade: tokens or heads that layer `layer` of `layers` keeps. All in the first `whole` of the layers, the
 *  very first among them, then floor(all (1 - p)) with p linear from `first` to 2 mean - first, and at least one. */
uint32_t dtq_cascade_kept(uint32_t all, size_t layer, size_t layers, double whole, double mean, double first);

#endif
