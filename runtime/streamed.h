/* The keys that rows of a layer with the rule `streamed` see, by blocks of tokens: all of it is counts, known before
 * any data (NUMERICS.md, "Streamed"). Part of dtqrt.h; the compiler reads it, too. */
#ifndef DTQRT_STREAMED_H
#define DTQRT_STREAMED_H

#include <stdbool.h>
#include <stdint.h>

/** What the rule of a layer says: blocks of `window` tokens, of each of which `kept` keys stay once it is far; near
 * keys at `near_bits`, far ones at `far_bits`. A window of 0: another rule. */
typedef struct {
    uint32_t window, kept;
    uint8_t near_bits, far_bits;
} dtq_streaming;

/** Precision of a row of probabilities whose place has `bits`; prob_bits: 0 that of its place, 1 always 8, 2 always 4,
 * as the machine's words are. */
static inline unsigned dtq_streamed_prob_bits(unsigned prob_bits, unsigned bits) {
    return prob_bits == 0 ? bits : prob_bits == 1 ? 8 : 4;
}

/** Blocks of n tokens; the last may have fewer than `window`. */
static inline uint32_t dtq_streamed_blocks(const dtq_streaming *s, uint32_t n) {
    return (uint32_t)(((uint64_t)n + s->window - 1) / s->window);
}
/** The tokens of block b are [first, end). */
static inline uint32_t dtq_streamed_first(const dtq_streaming *s, uint32_t b) {
    return b * s->window;
}
static inline uint32_t dtq_streamed_end(const dtq_streaming *s, uint32_t n, uint32_t b) {
    return n - b * s->window < s->window ? n : (b + 1) * s->window;
}
/** Near keys of block b: token 0 where `sink` says so, then tokens [near, end). */
static inline bool dtq_streamed_sink(uint32_t b) {
    return b >= 2;
}
static inline uint32_t dtq_streamed_near(const dtq_streaming *s, uint32_t b) {
    return b == 0 ? 0 : (b - 1) * s->window;
}
static inline uint32_t dtq_streamed_near_keys(const dtq_streaming *s, uint32_t n, uint32_t b) {
    return dtq_streamed_end(s, n, b) - dtq_streamed_near(s, b) + dtq_streamed_sink(b);
}
/** Token number `i` of the near keys of block b. */
static inline uint32_t dtq_streamed_near_key(const dtq_streaming *s, uint32_t b, uint32_t i) {
    if (dtq_streamed_sink(b))
        return i == 0 ? 0 : dtq_streamed_near(s, b) + i - 1;
    return dtq_streamed_near(s, b) + i;
}
/** Far keys of block b, which are the first so many of the head's list: what stays of the blocks before its near ones.
 *  Token 0 always stays, and is near. */
static inline uint32_t dtq_streamed_far_keys(const dtq_streaming *s, uint32_t b) {
    return b < 2 || s->kept == 0 ? 0 : (b - 1) * s->kept - 1;
}
/** Of the list those that block b adds to it. */
static inline uint32_t dtq_streamed_list_at(const dtq_streaming *s, uint32_t b) {
    return b == 0 || s->kept == 0 ? 0 : b * s->kept - 1;
}
static inline uint32_t dtq_streamed_stay(const dtq_streaming *s, uint32_t b) {
    return b == 0 && s->kept > 0 ? s->kept - 1 : s->kept;
}
/** Rows [row, row + rows) of one block: which, and the keys that they see. */
typedef struct {
    uint32_t block, row, rows, near, far;
} dtq_seen;
static inline dtq_seen dtq_seen_by(const dtq_streaming *s, uint32_t n, uint32_t row, uint32_t rows) {
    const uint32_t b = row / s->window;
    return (dtq_seen){b, row, rows, dtq_streamed_near_keys(s, n, b), dtq_streamed_far_keys(s, b)};
}
/** Keys that block b votes on: those of the block before. */
static inline uint32_t dtq_seen_voted(const dtq_streaming *s, uint32_t b) {
    return b == 0 ? 0 : s->window;
}
/** Bytes on chip: `near` rows of head_dim codes at the precision of near keys, `far` at that of far ones, with scales;
 *  scores and probabilities of rows; and in DRAM what host.far makes of `heads` heads. */
static inline uint64_t dtq_seen_row_bytes(uint32_t head_dim, unsigned bits) {
    return ((uint64_t)head_dim * bits + 7) / 8;
}
static inline uint64_t dtq_seen_operand_bytes(const dtq_streaming *s, uint32_t head_dim, uint32_t near, uint32_t far) {
    return near * (4 + dtq_seen_row_bytes(head_dim, s->near_bits)) +
           far * (4 + dtq_seen_row_bytes(head_dim, s->far_bits));
}
static inline uint64_t dtq_seen_part_bytes(uint32_t rows, uint32_t cols) {
    return cols == 0 ? 0 : 4 * ((uint64_t)rows * cols + rows + cols);
}
static inline uint64_t dtq_seen_scores_bytes(const dtq_seen *b) {
    return dtq_seen_part_bytes(b->rows, b->near) + dtq_seen_part_bytes(b->rows, b->far);
}
static inline uint64_t dtq_seen_probs_bytes(const dtq_seen *b) {
    return b->rows * (16 + 2 * ((uint64_t)b->near + b->far));
}
static inline uint64_t dtq_seen_codes_bytes(const dtq_streaming *s, uint32_t head_dim, uint32_t heads, uint32_t n) {
    return (uint64_t)heads * n * (4 + dtq_seen_row_bytes(head_dim, s->far_bits));
}
/** Of queries both precisions are brought only where there are far keys. */
static inline uint64_t dtq_seen_load_bytes(const dtq_streaming *s, uint32_t head_dim, const dtq_seen *b, bool queries) {
    return queries ? dtq_seen_operand_bytes(s, head_dim, b->rows, b->far ? b->rows : 0)
                   : dtq_seen_operand_bytes(s, head_dim, b->near, b->far);
}
/** Whether rows are those of one block, or all of it. */
static inline bool dtq_seen_fits(const dtq_streaming *s, uint32_t n, uint32_t row, uint32_t rows) {
    return rows > 0 && row < n && rows <= dtq_streamed_end(s, n, row / s->window) - row;
}
static inline bool dtq_seen_is_block(const dtq_streaming *s, uint32_t n, uint32_t row, uint32_t rows) {
    return dtq_seen_fits(s, n, row, rows) && row % s->window == 0 &&
           row + rows == dtq_streamed_end(s, n, row / s->window);
}
/** The length of a head's list when all n tokens have run: its last far block's keys included. */
static inline uint32_t dtq_streamed_list(const dtq_streaming *s, uint32_t n) {
    return dtq_streamed_far_keys(s, dtq_streamed_blocks(s, n) - 1);
}
/** Pairs of a query and a key that it sees, of n tokens under a causal mask: all; those that are computed near and far;
 *  and those of keys behind the near blocks, token 0's among them, which are far if none is dropped. */
typedef struct {
    uint64_t all, near, far, behind;
} dtq_streamed_pairs;
static inline dtq_streamed_pairs dtq_streamed_count(const dtq_streaming *s, uint32_t n) {
    dtq_streamed_pairs p = {(uint64_t)n * (n + 1) / 2, 0, 0, 0};
    for (uint32_t b = 0; b < dtq_streamed_blocks(s, n); b++) {
        const uint64_t rows = dtq_streamed_end(s, n, b) - dtq_streamed_first(s, b);
        p.near +=
            rows * (dtq_streamed_first(s, b) - dtq_streamed_near(s, b) + dtq_streamed_sink(b)) + rows * (rows + 1) / 2;
        p.far += rows * dtq_streamed_far_keys(s, b);
        p.behind += rows * dtq_streamed_near(s, b);
    }
    return p;
}

#endif
