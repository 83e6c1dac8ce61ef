/* The symbolic execution of a schedule that was read, as the files of check_*.c share it: check_schedule.c calls a rule
 * for each op, and the rules use check_contents.c. Private to passes/. */
#ifndef DTQ_CHECK_SCHEDULE_H
#define DTQ_CHECK_SCHEDULE_H

#include <string.h>

#include "passes/derived.h"
#include "passes/instr.h"
#include "passes/linear.h"
#include "runtime/isa/instruction.h"

/** What a buffer holds: a block of an operand, of scores, probabilities, sums; of linears rows, weights, products; of
 * what a probe makes, or a layer that streams. */
typedef enum {
    HOLDS_NOTHING,
    HOLDS_BLOCK,
    HOLDS_SCORES,
    HOLDS_PROBS,
    HOLDS_SUMS,
    HOLDS_PRODUCTS,
    HOLDS_MATRIX,
    HOLDS_PROBE,
    HOLDS_SEEN
} check_holding;

typedef struct {
    uint8_t holds, operand; /* operand: of a block 0 q, 1 k, 2 v, 3 rows of a linear, 4 weights; of a probe, or of what
                               streams, its step */
    int64_t layer, head, row, rows, col, cols;
    int64_t passes[4]; /* of probabilities: keys seen so far by softmax in mode full, max, wmax, exp */
    int64_t keys;      /* of sums: keys added so far; of products: inputs */
    const char *weight;
    ir_value from; /* of codes of far keys: the floats */
    bool complete;
    int64_t need; /* bytes */
    bool used, is_input;
} check_content;

typedef struct {
    bool quantised[3], finished;
    ir_value from[3];          /* the floats that were quantised */
    bool chosen;               /* by itself */
    uint32_t heads;            /* key/value heads that have chosen for themselves */
    uint8_t *counted, *stored; /* [heads][slots]; counted: of a probe the first of each key/value head */
    uint32_t *kept;            /* [kv_heads]: of what streams, blocks whose keys have been chosen from */
} check_progress;

/** A linear on the arrays: its codes, and what of its result has been stored. */
typedef struct {
    ir_value codes, result;
    const char *weight, *bias;
    int64_t layer, inputs, outputs, stored;
    uint8_t *done; /* [slots][outputs] */
} check_linear_work;

typedef struct {
    pass_context *ctx;
    const ir_module *m;
    instr_keys k;
    layer_info *layers;
    check_progress *progress;
    uint32_t layer_count, next_layer;
    check_content *contents;
    check_linear_work linear;
    ir_value output;
    size_t op;
} checker;

/* ---- what all rules use (check_contents.c) ----------------------------------------------------------------------- */

/** Reports that the op under way does not fit, or what it needs; always false. */
bool check_fail(checker *c, const char *what);
#define CHECK_FAIL(...) check_fail(c, arena_printf(c->ctx->arena, __VA_ARGS__))

/** Attributes of the op under way: 0 or "" if it has none. */
int64_t check_int(const checker *c, unsigned key);
const char *check_word(const checker *c, unsigned key);
/** What its operand `index` holds, or NULL if that is `_`. */
check_content *check_operand(checker *c, size_t index);
/** Notes that a buffer holds so many bytes at some time; always true. */
bool check_needs(check_content *b, uint64_t bytes);
/** The block that the op works on: layer, head, rows and keys. */
check_content check_block(const checker *c, uint8_t holds);
/** Fills a buffer that holds nothing yet: buffers are not used again, the passes behind decide what shares memory. */
bool check_fill(checker *c, size_t index, check_content what);
bool check_same_rows(const check_content *b, const check_content *want);
/** Whether the op works on the rows of the layer whose attention comes next; behind the last, on those of the last. */
bool check_host_layer(checker *c);
/** Matrices in DRAM: the bytes of one with a row for each token; whether an operand holds, or may take, so many. */
uint64_t check_matrix_bytes(const checker *c, uint64_t width);
bool check_reads_matrix(checker *c, size_t index, uint64_t bytes);
bool check_writes_matrix(checker *c, size_t index, uint64_t bytes);
/** The tensor that the attribute names, or NULL; its inputs and outputs as a weight. */
const ir_tensor *check_tensor(const checker *c, unsigned key);
uint64_t check_outputs(const ir_tensor *t);
uint64_t check_inputs(const ir_tensor *t);

/** Whether the tokens of a layer's slots are given; whether they are, or its own probe has chosen them before. */
bool check_has_ids(const checker *c, uint32_t layer);
bool check_chosen(checker *c, const layer_info *l);

/* ---- rules ------------------------------------------------------------------------------------------------------- */

/** Whether all query rows of all heads are marked; else says which has not been `what`. (check_attention.c) */
bool check_all_rows(checker *c, const layer_info *l, const uint8_t *done, const char *what);

/** Whether the linear under way, if there is one, has been stored whole. (check_linear.c) */
bool check_linear_ends(checker *c);

/** Where buffers stand, which have names, and how large they are when all has run. (check_buffers.c) */
bool check_places(checker *c);
bool check_names(checker *c);
bool check_bytes(checker *c);

/** One rule for each op of a schedule. */
bool check_load(checker *c);
bool check_choose_late(checker *c);
bool check_qk(checker *c);
bool check_softmax(checker *c);
bool check_pv(checker *c);
bool check_store(checker *c);
bool check_importance(checker *c);
bool check_topk(checker *c);
bool check_quant(checker *c);
bool check_host(checker *c, dtq_opcode code);
bool check_probe(checker *c, dtq_opcode code);
bool check_streamed(checker *c, dtq_opcode code);
/** Whether all blocks of a layer that streams have kept what they keep. */
bool check_streamed_end(checker *c, const layer_info *l);
bool check_codes(checker *c);
bool check_load_rows(checker *c);
bool check_load_weights(checker *c);
bool check_matmul(checker *c);
bool check_store_rows(checker *c);

#endif
