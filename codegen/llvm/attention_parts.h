/* What the kernels of one attention layer share: where its operands and a strip's working memory lie, and rows of
 * floats on their way to codes. Private to attention*.c.
 *
 * Keys are worked on in vectors of 16. Four vectors of one precision class make a block of 64 keys, and what follows
 * the last whole block of a class is its tail. Probabilities and values meet in groups of four keys, the four bytes of
 * a lane: group l of a block holds its keys l, l + 16, l + 32 and l + 48, so that codes of a block's four vectors are
 * put together by shifts alone; groups of a tail hold four keys in a row. Either way group g takes the bytes
 * [4g, 4g + 4) of a row of probabilities. */
#ifndef DTQ_CODEGEN_LLVM_ATTENTION_PARTS_H
#define DTQ_CODEGEN_LLVM_ATTENTION_PARTS_H

#include <stddef.h>

#include "codegen/llvm/codes.h"
#include "codegen/llvm/kernels.h"

enum {
    BLOCK_VECTORS = 4,
    BLOCK_KEYS = BLOCK_VECTORS * LANES,
    GROUP = 4,      /* bytes of a lane that one dot product adds up */
    GROUP_ROWS = 4, /* query rows whose scores exist at the same time */
    STRIP_ROWS = ATTENTION_STRIP_ROWS,
    SPANS = 2, /* keys of 4-bit and of 8-bit values */
};

static inline uint64_t padded_to_group(const attention_shape *a) {
    return ((uint64_t)a->head_dim + GROUP - 1) / GROUP * GROUP;
}

static inline uint64_t padded_to_vector(const attention_shape *a) {
    return row_stride(a->head_dim);
}

/* Operands of one key/value head, as the pack task leaves them. */
typedef struct {
    val key_codes;   /* int8 [keys/16][d4/4][16][4] */
    val key_scales;  /* float [keys]; +infinity where there is no key */
    val key_offsets; /* int32 [keys] -128 times the sum of a key's codes, as queries are stored with 128 added; -1 where
                        there is no key: that score becomes -infinity */
    val value_codes; /* int8 [keys/4][d16][4], zeros where there is no key or no channel */
    val value_scales; /* float [2][d16]; causal: [keys] */
} head_operands;

/** `head` and `keys` (key indices of the layer) are values. */
head_operands attention_head(emitter *e, const attention_shape *a, val buffer, val keys, val head);

/* Working memory of the strip that a worker is at; what follows it in scratch is pointed to. */
typedef struct {
    const void *key_codes, *key_scales, *key_offsets, *value_codes, *value_scales;
    const uint32_t *key_ids;
    float *out;                /* of the strip's first row and first channel */
    uint8_t *queries;          /* [16][d16] codes with 128 added */
    float *scores;             /* [4][keys] of the group of rows at work; causal: then its weights */
    uint8_t *probabilities;    /* [16][keys], bytes by groups */
    uint8_t *weights;          /* what multiplies V: causal [16][keys], else the probabilities */
    uint64_t keys, rows;       /* rows: at most 16, not padded */
    uint64_t from[2], to[2];   /* keys that a row of the strip may see, by class: whole vectors, and whole blocks unless
                                  the tail is seen */
    float scales[16];          /* of the rows, times the scale of scores */
    uint32_t ids[16];          /* of the rows; causal */
    float levels[16];          /* 15 or 255 */
    float sums[16];            /* Z, at least 1 */
    float shared[16];          /* r: the scale of a row's weights; causal */
    uint8_t digits[4][16];     /* of 2^32 / Z to the base 256, each a signed byte; 0 for rows that are none */
    float largest[4][16];      /* score, by lane, of the group of rows */
    float heaviest[4][16];     /* weight of the group's rows, by lane; causal */
    uint32_t gathered[16][16]; /* sum of each row's codes, by lane */
} strip_memory;

#define STRIP(e, of, strip, member) field((e), (of), (strip), offsetof(strip_memory, member))
#define STRIP_AT(e, strip, member)  at((e), (strip), i64_of((e), offsetof(strip_memory, member)))

/* ---- functions of a strip, each void (ptr strip, …) -------------------------------------------------------------- */

/** (ptr frame, ptr strip, ptr q, ptr limits, i64 site, i64 slot, i64 head): codes and scales of the strip's rows. */
val attention_queries(emitter *e, const attention_shape *a);
/** (ptr strip, i64 row): scores of four rows and their largest. */
val attention_scores(emitter *e, const attention_shape *a);
/** (ptr strip, i64 row): from four rows' scores to their probabilities, sums and, if causal, weights. */
val attention_softmax(emitter *e, const attention_shape *a);
/** (ptr strip): Z of all rows, and the digits of 2^32 / Z. */
val attention_sums(emitter *e);
/** (ptr strip, ptr sums): adds the strip's share to the importance of the keys. */
val attention_importance(emitter *e);
/** (ptr strip): probabilities times values, written to the output. */
val attention_values(emitter *e, const attention_shape *a);

/* ---- rows of floats (attention_rows.c) --------------------------------------------------------------------------- */

/** Calls `body` for the vectors that `columns` columns take: the first column (a value) and how many there are. */
typedef void columns_body(emitter *e, void *context, val column, unsigned count);
void each_columns(emitter *e, uint64_t columns, columns_body *body, void *context);

/** Reads or writes `count` (at most 16) floats and nothing behind them; read lanes behind them are +0. */
val load_columns(emitter *e, val from, unsigned count);
void store_columns(emitter *e, val x, val to, unsigned count);

/** Bits of the largest magnitude of a row, a scalar. */
val largest_magnitude(emitter *e, val row, uint64_t columns);

/* ---- integers ---------------------------------------------------------------------------------------------------- */

static inline val bits_and(emitter *e, val a, val b) {
    return LLVMBuildAnd(e->builder, a, b, "");
}

static inline val bits_or(emitter *e, val a, val b) {
    return LLVMBuildOr(e->builder, a, b, "");
}

/* Lanes of i32 moved by a constant number of bits. */
static inline val shifted_left(emitter *e, val x, uint32_t bits) {
    return bits ? LLVMBuildShl(e->builder, x, splat_i(e, bits), "") : x;
}

static inline val shifted_right(emitter *e, val x, uint32_t bits) {
    return bits ? LLVMBuildLShr(e->builder, x, splat_i(e, bits), "") : x;
}

static inline val is_equal(emitter *e, val a, val b) {
    return LLVMBuildICmp(e->builder, LLVMIntEQ, a, b, "");
}

/* The first key behind the whole blocks of the span [from, to). */
static inline val whole_blocks(emitter *e, val from, val to) {
    return add(e, from, bits_and(e, sub(e, to, from), i64_of(e, ~(uint64_t)(BLOCK_KEYS - 1))));
}

#endif
