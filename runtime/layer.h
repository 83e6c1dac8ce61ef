/* Attention layers of a stream: their slots, and what is derived from them. */
#ifndef DTQRT_LAYER_H
#define DTQRT_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/masked.h"
#include "runtime/streamed.h"

typedef enum { DTQ_Q, DTQ_K, DTQ_V, DTQ_P, DTQ_OPERANDS } dtq_operand; /* the first three as in isa.def's {q|k|v} */

typedef enum { DTQ_ORDER_LOW_FIRST, DTQ_ORDER_HIGH_FIRST, DTQ_ORDER_ORIGINAL } dtq_slot_order;
/** Whether a query sees only keys whose original id is not greater than its own. SKIPS: and what is hidden from it by
 * the order of slots alone (runtime/masked.h) is neither computed nor read. */
typedef enum { DTQ_CAUSAL_NO, DTQ_CAUSAL_YES, DTQ_CAUSAL_SKIPS } dtq_causal;
enum { DTQ_RANDOM_SEEDS = 8 };
/** What a layer's importance is of. DTQ_IMPORTANCE_RANDOM + s, s below DTQ_RANDOM_SEEDS: no measure at all but
 *  dtq_random_importance of seed s. PROBE: the layer chooses its own keys, by a probe of its own queries and keys.
 *  STREAMED: each key/value head chooses, block by block, the keys that later blocks see (runtime/streamed.h).
 *  LATE: the layer chooses its own keys by its own probabilities, of all queries and keys, before P.V.
 *  PROBE_HEADS, LATE_HEADS: the same, but each key/value head chooses for itself. */
typedef enum {
    DTQ_IMPORTANCE_MEAN,
    DTQ_IMPORTANCE_SUM,
    DTQ_IMPORTANCE_RANDOM,
    DTQ_IMPORTANCE_PROBE = DTQ_IMPORTANCE_RANDOM + DTQ_RANDOM_SEEDS,
    DTQ_IMPORTANCE_STREAMED,
    DTQ_IMPORTANCE_LATE,
    DTQ_IMPORTANCE_PROBE_HEADS,
    DTQ_IMPORTANCE_LATE_HEADS,
    DTQ_IMPORTANCE_RULES
} dtq_importance_rule;
/** All rules; those that a policy names by a word alone come first. */
#define DTQ_IMPORTANCE_RULE_WORDS                                                                                      \
    "mean|sum|random0|random1|random2|random3|random4|random5|random6|random7|probe|streamed|late"
#define DTQ_IMPORTANCE_WORDS DTQ_IMPORTANCE_RULE_WORDS "|probe_heads|late_heads"

/** What choices of tokens go by in a run. The others have as many tokens, at the same precisions, but look at none of
 *  them: what importance is worth is what it is better than these. Pinned tokens come first in all of them. */
typedef enum {
    DTQ_CHOICE_IMPORTANCE, /* what the layer's rule says */
    DTQ_CHOICE_RANDOM,     /* a draw by seed, layer, key/value head and token */
    DTQ_CHOICE_WINDOW      /* the first token, then the newest ones */
} dtq_choice_kind;
typedef struct {
    dtq_choice_kind kind;
    uint64_t seed; /* of RANDOM: another for each text, for else all texts lose the same places */
} dtq_choice;

/** One attention layer of a stream: the facts about its slots that instructions refer to by number.
 *  Slot order: within a cluster ascending by original id; ORIGINAL: all slots ascending by id. Muted slots are in front
 *  of all others, or behind them if HIGH_FIRST, ascending by id, too. All slots but key-only ones are query rows. */
typedef struct {
    uint32_t slots;    /* active tokens, 1..65536 */
    uint32_t high;     /* of them chosen for 8 bits (promotions not counted) */
    uint32_t muted;    /* of them queries only: their keys and values have left. dtq_first_key says where they stand */
    uint32_t key_only; /* of them keys only, whose rows are in a cache: 0, or all but the queries of a step, which are
                          the newest tokens and, where there are clusters, end the 8-bit one. Muted and key-only slots
                          exclude each other */
    uint8_t cached;    /* 1: keys, values and sums of importance outlive a run, in a dtq_cache; causal layers alone */
    uint32_t heads, kv_heads, head_dim;
    uint8_t causal;     /* dtq_causal */
    uint8_t order;      /* dtq_slot_order */
    uint8_t importance; /* dtq_importance_rule */
    uint8_t prob_bits;  /* dtq_prob_bits */
    /** Of a layer whose importance is STREAMED: a causal one of all tokens in their order, whose precisions are those
     * of near keys. Else a window of 0. */
    dtq_streaming streaming;
    /** Precision of each slot as an operand, 4 or 8, [slots] each (k and v: of no meaning where muted). NULL: known
     * only at run time (order ORIGINAL after a selection): then an operand runs at the precision its token was chosen
     * for, p as prob_bits says. */
    const uint8_t *bits[DTQ_OPERANDS];
    /** Original token id of each slot [slots]; NULL: written by the topk of the layer before, or where the layer
     * chooses for itself, of each key/value head its own if these do. */
    const uint32_t *ids;
    const uint32_t *pinned; /* token ids that take 8-bit places first, ascending [pinned_count] */
    uint32_t pinned_count;
    /* DRAM byte addresses. q, k, v: codes [heads or kv_heads][seq][head_dim bytes], a row packed at its precision at
     * the start of its head_dim bytes (4-bit: two codes a byte, even channel in the low nibble, two's complement).
     * *_scale: float [heads or kv_heads][seq] for q and k; for v float [2][kv_heads][head_dim] (4-bit class, 8-bit
     * class) or, if causal, float [kv_heads][seq]; dtq_lates: v is [2][kv_heads][seq][head_dim bytes], all tokens at 4
     * bits and then at 8, and v_scale by class. out: float [seq][heads * head_dim]. importance: uint64
     * [dtq_importance_rows][seq]. */
    uint64_t q, k, v, q_scale, k_scale, v_scale, out, importance_at;
} dtq_layer;

/** The keys of a layer, and their values, are slots [dtq_first_key, dtq_first_key + dtq_keys). */
static inline uint32_t dtq_first_key(const dtq_layer *l) {
    return l->order == DTQ_ORDER_HIGH_FIRST ? 0 : l->muted;
}
static inline uint32_t dtq_keys(const dtq_layer *l) {
    return l->slots - l->muted;
}
/** Its query rows are slots [dtq_first_query, dtq_first_query + dtq_queries). */
static inline uint32_t dtq_queries(const dtq_layer *l) {
    return l->slots - l->key_only;
}
static inline uint32_t dtq_first_query(const dtq_layer *l) {
    return l->key_only == 0 ? 0 : (l->order == DTQ_ORDER_HIGH_FIRST ? l->high : l->slots) - dtq_queries(l);
}
/** Clusters of `slots` slots, `muted` of them queries only, `high` at 8 bits. */
static inline dtq_clusters dtq_clusters_of(uint32_t slots, uint32_t high, uint32_t muted, dtq_slot_order order) {
    dtq_clusters c = {0};
    uint32_t edges[DTQ_CLUSTERS_MAX + 1] = {0, muted, slots - high, slots};
    if (order == DTQ_ORDER_HIGH_FIRST) {
        edges[1] = high;
        edges[2] = slots - muted;
    } else if (order == DTQ_ORDER_ORIGINAL) {
        edges[2] = slots;
    }
    for (uint32_t i = 1; i <= DTQ_CLUSTERS_MAX; i++)
        if (edges[i] > c.edge[c.count])
            c.edge[++c.count] = edges[i];
    return c;
}
/** Of a layer that skips what its mask hides; else none. */
static inline dtq_clusters dtq_layer_clusters(const dtq_layer *l) {
    return l->causal == DTQ_CAUSAL_SKIPS ? dtq_clusters_of(l->slots, l->high, l->muted, (dtq_slot_order)l->order)
                                         : (dtq_clusters){0};
}
/** Whether the layer's rule is a probe, whether it is late, and whether it is one by which a layer chooses for itself.
 */
static inline bool dtq_by_probe(const dtq_layer *l) {
    return l->importance == DTQ_IMPORTANCE_PROBE || l->importance == DTQ_IMPORTANCE_PROBE_HEADS;
}
static inline bool dtq_by_late(const dtq_layer *l) {
    return l->importance == DTQ_IMPORTANCE_LATE || l->importance == DTQ_IMPORTANCE_LATE_HEADS;
}
static inline bool dtq_by_own(const dtq_layer *l) {
    return dtq_by_probe(l) || dtq_by_late(l);
}
/** Whether the layer chooses its own slots: all tokens are rows of it, in every layer before it, too, and their order
 * is not known before `choose`. Whatever works on its rows before works on all tokens. */
static inline bool dtq_chooses(const dtq_layer *l) {
    return dtq_by_own(l) && !l->ids;
}
static inline bool dtq_probes(const dtq_layer *l) {
    return dtq_by_probe(l) && !l->ids;
}
/** Whether it does so between softmax and P.V: rows of Q, K, P and the output are then all tokens by id, and slots are
 *  of V alone: which columns of P, and rows of V, are left. */
static inline bool dtq_lates(const dtq_layer *l) {
    return dtq_by_late(l) && !l->ids;
}
/** The columns of Q.K^T, and rows of K, are [dtq_first_col, dtq_first_col + dtq_cols). */
static inline uint32_t dtq_first_col(const dtq_layer *l) {
    return dtq_lates(l) ? 0 : dtq_first_key(l);
}
static inline uint32_t dtq_cols(const dtq_layer *l) {
    return dtq_lates(l) ? l->slots : dtq_keys(l);
}
/** Whether V has a scale for each row, which is folded into P; else one for each class of precision and channel. */
static inline bool dtq_folds(const dtq_layer *l) {
    return l->causal != 0 && !dtq_lates(l);
}
/** How many tables of token ids the layer has: one for all heads, or one for each key/value head, which slots of this
 *  head alone go by. */
static inline uint32_t dtq_tables(const dtq_layer *l) {
    const bool by_head = l->importance == DTQ_IMPORTANCE_PROBE_HEADS || l->importance == DTQ_IMPORTANCE_LATE_HEADS;
    return by_head && !l->ids ? l->kv_heads : 1;
}
/** Whether attention adds up the importance of its keys for the layer after it. */
static inline bool dtq_measures(const dtq_layer *l) {
    return l->importance < DTQ_IMPORTANCE_PROBE;
}
static inline bool dtq_streams(const dtq_layer *l) {
    return l->importance == DTQ_IMPORTANCE_STREAMED;
}
/** Rows of its importance, uint64 [rows][seq]: a row for each key/value head where these choose each for itself. */
static inline uint32_t dtq_importance_rows(const dtq_layer *l) {
    return dtq_streams(l) ? l->kv_heads : dtq_tables(l);
}
/** Whether layer `next` can take its slots from the importance of `l`, the layer before it: it has no more keys, and
 *  muted slots only if all tokens stay; where there is a cache, as many queries. */
static inline bool dtq_selects(const dtq_layer *l, const dtq_layer *next) {
    return dtq_measures(l) && dtq_keys(next) <= dtq_keys(l) && (next->muted == 0 || next->slots == l->slots) &&
           next->cached == l->cached && (!l->cached || dtq_queries(next) == dtq_queries(l));
}

#endif
