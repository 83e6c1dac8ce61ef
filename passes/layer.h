/* One attention layer as the passes see it, read from the attributes of an `attention`, `tile.attention` or `layer` op.
 * The one reader of a layer, of passes and reports. */
#ifndef DTQ_PASSES_LAYER_H
#define DTQ_PASSES_LAYER_H

#include "ir/ir.h"
#include "passes/instr.h"
#include "runtime/layer.h"

enum { LAYER_Q, LAYER_K, LAYER_V, LAYER_P, LAYER_OPERANDS };

typedef struct {
    uint32_t index, slots, high, heads, kv_heads, head_dim;
    uint32_t muted;                /* slots that are queries only: in front of the keys, or behind if high-first */
    uint32_t key_first, keys;      /* slots [key_first, key_first + keys) are the keys */
    uint32_t query_first, queries; /* the query rows: all slots, but in a step of generation only the newest tokens */
    bool cached;                   /* keys and values of earlier tokens come from a cache */
    bool causal;
    uint32_t col_first, cols; /* columns of Q.K^T: the keys; where the layer chooses late all slots */
    bool by_own;              /* its rule is a probe, or late: it measures nothing for the layer after it */
    bool by_probe;            /* its rule is a probe */
    bool late;                /* it chooses between softmax and P.V; slots are then of values alone */
    bool folds;               /* value scales are of rows, and folded into P */
    bool by_head;             /* each key/value head chooses for itself */
    dtq_streaming streaming;  /* a window of 0: its rule is not `streamed` */
    bool is_static;           /* the precision of every slot is known */
    const char *order;        /* "low-first", "high-first", "original"; NULL before cluster-precision */
    dtq_clusters clusters;    /* by which rows skip keys that their mask hides (runtime/masked.h); none: nothing is */
    uint8_t *bits[LAYER_OPERANDS]; /* [slots] of q, k, v, p; NULL if not static */
    bool serpentine;               /* the order of tiles */
    uint8_t *turned;               /* [slots] 1: the query row lies along the array's columns; NULL: none does */
} layer_info;

/** First slot behind `row` at which the orientation of query rows changes, or `end`. */
uint32_t layer_block_end(const layer_info *l, uint32_t row, uint32_t end);
/** The strip of query rows that begins at `row`: as many as an array takes of one orientation, up to `end`. */
uint32_t layer_strip_end(const layer_info *l, const dtq_machine *machine, uint32_t row, uint32_t end);
/** How an instruction on rows from `row` on walks its tiles: WALK_… of cost.h. */
unsigned layer_walk(const layer_info *l, uint32_t row);
static inline bool layer_turned(const layer_info *l, uint32_t row) {
    return l->turned && l->turned[row];
}

/** Says of a matmul of strips that begin with `row` which way they lie and in which order their tiles come. */
void layer_set_walk(ir_module *m, size_t op, const instr_keys *keys, const layer_info *l, uint32_t row);

/** Whether an op declares an attention layer: `attention`, `tile.attention`, `layer`. */
static inline bool layer_declares(ir_opcode code) {
    return code == IR_ATTENTION || code == IR_TILES || code == IR_LAYER;
}

static inline bool layer_streams(const layer_info *l) {
    return l->streaming.window != 0;
}

/** Reads what the op at `op` says; bit arrays are allocated in `a`. */
layer_info layer_read(arena *a, const ir_module *m, size_t op);

/** True if two layers have the same shape and precision in every slot, so that whatever is planned for one fits the
 * other. */
bool layer_alike(const layer_info *a, const layer_info *b);

/** Copies the named attributes (those that `from` has) to another op. */
void layer_copy_attrs(ir_module *to, size_t to_op, const ir_module *from, size_t from_op, const unsigned *keys,
                      size_t count);

/** Attributes that describe a layer at every level after the precision passes. */
extern const unsigned layer_keys[];
extern const size_t layer_key_count;

/** Precision of a row of probabilities whose query token runs at `bits`, on this machine (prob_bits). */
uint8_t layer_prob_bits(const dtq_machine *machine, uint8_t bits);

/** Sum of the precisions of an operand over the slots that have it (k, v: the keys), in bits. It depends on the counts
 * alone, so it is exact also where precision is known only at run time. */
uint64_t layer_bit_sum(const layer_info *l, int operand, const dtq_machine *machine);

/** Bytes that slots [row, row + rows) of an operand take in its line buffer (runtime/sim/layout.h, dtq_block_bytes): 8
 * bits for every row where precision is not static. */
uint64_t layer_block_bytes(const layer_info *l, int operand, uint32_t row, uint32_t rows);

/** What Q.K^T (or P.V) of query slots [row, row + rows) and keys [col, col + cols) of one head costs on one array:
 * exact where precision is static, else its expectation. */
typedef struct {
    uint64_t cycles, latency; /* as cost_result's; an expectation is rounded */
    double stall_ratio_mean;  /* Eq. 3, over the tiles */
    uint64_t tiles;
} matmul_price;
struct cost_model;
matmul_price layer_price(struct cost_model *cost, const dtq_machine *machine, const layer_info *l, bool qk,
                         uint32_t row, uint32_t rows, uint32_t col, uint32_t cols);
/** The same as one instruction that walks its tiles as it says (WALK_… of cost.h). */
matmul_price layer_block_price(struct cost_model *cost, const dtq_machine *machine, const layer_info *l, bool qk,
                               uint32_t row, uint32_t rows, uint32_t col, uint32_t cols, unsigned walk);

/** Keys of the layer that its mask hides from all of slots [row, row + rows), counted from the first key. */
dtq_hidden layer_hidden(const layer_info *l, uint32_t row, uint32_t rows);
/** Cycles of softmax of a block, and of adding up the importance of rows. */
uint64_t layer_softmax_cycles(const dtq_machine *machine, const layer_info *l, uint32_t row, uint32_t rows,
                              uint32_t col, uint32_t cols);
uint64_t layer_importance_cycles(const dtq_machine *machine, const layer_info *l, uint32_t row, uint32_t rows);
/** Sum over pairs of a query and a key that it may see of the products of their bits [slots] each: where nothing is
 *  hidden, the product of the sums. */
uint64_t layer_pair_bits(const layer_info *l, const uint8_t *row_bits, const uint8_t *key_bits);

/** PE-cycles of Q.K^T, or of P.V, of one head of the layer at `op`: those of pairs that can be seen, at the precisions
 *  that tokens were chosen for. */
uint64_t layer_seen_work(arena *a, const ir_module *m, size_t op, const layer_info *l, bool qk);

/** What a linear of `cols` outputs and `depth` inputs costs query slots [row, row + rows) on one array. */
matmul_price layer_linear_price(struct cost_model *cost, const layer_info *l, uint32_t row, uint32_t rows,
                                uint32_t cols, uint32_t depth, unsigned walk);

/** Where the keys of a layer of `slots` begin if `muted` of them are none, in the order named `order` (NULL: none yet).
 */
uint32_t layer_first_key(uint32_t muted, const char *order);

/** Where the queries of a layer begin if they are the newest `queries` of its `slots` tokens, `high` of them at 8 bits.
 */
uint32_t layer_first_query(uint32_t slots, uint32_t high, uint32_t queries, const char *order);

/** Sets q_bits, k_bits, v_bits, p_bits of an op from arrays [slots]. */
void layer_set_bits(ir_module *m, size_t op, uint8_t *const bits[LAYER_OPERANDS], uint32_t slots);

#endif
