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
    if (dtq_streamed_sink(b)) {
        return i == 0 ? 0 : dtq_streamed_near(s, b) + i - 1;
    }
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
