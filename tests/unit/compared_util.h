/* Layers for the tests of the compared systems' attention: random ones, whose results tests/e2e/compared_oracle.py
 * computed, permuted ones, and ones written by hand. */
#ifndef TESTS_COMPARED_UTIL_H
#define TESTS_COMPARED_UTIL_H

#include "numerics_util.h"
#include "runtime/systems/compared.h"

enum { SLOTS_MOST = 64 };

/* A layer with its own memory; slots hold ids 0, 1, … at first. */
typedef struct {
    dtq_attention a;
    uint32_t ids[SLOTS_MOST];
    float *q, *k, *v, *out;
    uint64_t importance[SLOTS_MOST];
} layer;

static inline void layer_open(layer *l, uint32_t slots, uint32_t heads, uint32_t kv_heads, uint32_t dim, bool causal) {
    memset(l, 0, sizeof *l);
    l->q = calloc((size_t)slots * heads * dim, sizeof *l->q);
    l->k = calloc((size_t)slots * kv_heads * dim, sizeof *l->k);
    l->v = calloc((size_t)slots * kv_heads * dim, sizeof *l->v);
    l->out = calloc((size_t)slots * heads * dim, sizeof *l->out);
    for (uint32_t i = 0; i < slots; i++)
        l->ids[i] = i;
    l->a = (dtq_attention){.slots = slots,
                           .heads = heads,
                           .kv_heads = kv_heads,
                           .head_dim = dim,
                           .causal = causal,
                           .ids = l->ids,
                           .q = l->q,
                           .k = l->k,
                           .v = l->v,
                           .out = l->out,
                           .importance = l->importance};
}

static inline void layer_close(layer *l) {
    free(l->q);
    free(l->k);
    free(l->v);
    free(l->out);
}

static inline void layer_draw(layer *l, rng *r) {
    const struct {
        float *x;
        uint32_t heads;
        float scale;
    } operands[] = {{l->q, l->a.heads, 4.0f}, {l->k, l->a.kv_heads, 4.0f}, {l->v, l->a.kv_heads, 2.0f}};
    for (size_t o = 0; o < 3; o++)
        for (size_t at = 0; at < (size_t)l->a.slots * operands[o].heads * l->a.head_dim; at++)
            operands[o].x[at] = rng_float(r) * operands[o].scale;
}

/* The layer with the tokens of slots order[0], order[1], … of `from`. */
static inline void layer_take(layer *l, const layer *from, const uint32_t *order, uint32_t slots) {
    const dtq_attention *a = &from->a;
    layer_open(l, slots, a->heads, a->kv_heads, a->head_dim, a->causal);
    const size_t q = (size_t)a->heads * a->head_dim, kv = (size_t)a->kv_heads * a->head_dim;
    for (uint32_t i = 0; i < slots; i++) {
        l->ids[i] = from->ids[order[i]];
        memcpy(l->q + i * q, from->q + order[i] * q, q * sizeof(float));
        memcpy(l->k + i * kv, from->k + order[i] * kv, kv * sizeof(float));
        memcpy(l->v + i * kv, from->v + order[i] * kv, kv * sizeof(float));
    }
}

static inline void shuffled(rng *r, uint32_t n, uint32_t *order) {
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t j = rng_below(r, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

/* Shapes of compared_oracle.py's GOLDEN, drawn from seeds 2000, 2001, … */
static const struct {
    uint32_t slots, heads, kv_heads, dim;
    bool causal;
} golden_shapes[] = {{37, 3, 1, 16, false}, {37, 4, 2, 13, true}, {50, 2, 2, 8, false}, {24, 2, 1, 8, true}};
enum { GOLDEN_SHAPES = sizeof golden_shapes / sizeof *golden_shapes };

static inline void layer_golden(layer *l, size_t i) {
    rng r = {2000 + i};
    layer_open(l, golden_shapes[i].slots, golden_shapes[i].heads, golden_shapes[i].kv_heads, golden_shapes[i].dim,
               golden_shapes[i].causal);
    layer_draw(l, &r);
}

static inline void expect_hashes(const layer *l, uint64_t out, uint64_t importance) {
    const size_t n = (size_t)l->a.slots * l->a.heads * l->a.head_dim;
    ck_assert_uint_eq(hash_bytes(l->out, n * sizeof *l->out), out);
    ck_assert_uint_eq(hash_bytes(l->importance, l->a.slots * sizeof *l->importance), importance);
}

/* What is called for each system's own parameters. */
typedef void attend_function(layer *l, dtq_tally *t);

/* Random layers in a random order have the same results in that order, and the same counts. */
static inline void expect_permutable(const char *name, attend_function *attend) {
    rng r = rng_seeded(name);
    for (int round = 0; round < 30; round++) {
        const uint32_t n = 1 + rng_below(&r, 40), heads = 1 + rng_below(&r, 3);
        layer l, other;
        dtq_tally t, u;
        uint32_t order[SLOTS_MOST];
        layer_open(&l, n, heads, 1, 1 + rng_below(&r, 12), round % 2 == 1);
        layer_draw(&l, &r);
        if (round % 3 == 0) /* numbers of which many are equal */
            for (size_t at = 0; at < (size_t)n * l.a.head_dim; at++)
                l.k[at] = (float)rng_below(&r, 3) - 1.0f;
        shuffled(&r, n, order);
        layer_take(&other, &l, order, n);
        attend(&l, &t);
        attend(&other, &u);
        ck_assert_mem_eq(&t, &u, sizeof t);
        const size_t width = (size_t)heads * l.a.head_dim;
        for (uint32_t i = 0; i < n; i++) {
            ck_assert_bits(other.out + i * width, l.out + order[i] * width, width);
            ck_assert_uint_eq(other.importance[i], l.importance[order[i]]);
        }
        layer_close(&l);
        layer_close(&other);
    }
}

#endif
