/* Small attention programs made by hand, for tests of the simulator: one or two layers on two arrays, array0 for scores
 * and array1 for outputs, all buffers doubled. */
#ifndef SIM_UTIL_H
#define SIM_UTIL_H

#include <stdlib.h>
#include <string.h>

#include "runtime/exec.h"
#include "runtime/machine_members.h"

typedef struct {
    uint64_t state;
} sim_random;

static inline uint64_t sim_next(sim_random *r) {
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/** Uniform in [low, high]. */
static inline uint32_t sim_range(sim_random *r, uint32_t low, uint32_t high) {
    return low + (uint32_t)(sim_next(r) % (high - low + 1));
}

static inline float sim_float(sim_random *r) {
    return (float)(sim_next(r) >> 40) * 0x1p-23f - 1.0f;
}

static inline void sim_bits(sim_random *r, uint8_t *bits, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        bits[i] = sim_next(r) & 1 ? 8 : 4;
}

enum { SIM_LAYERS = 2 };

typedef struct {
    uint32_t seq, heads, kv_heads, head_dim;
    uint8_t causal, importance, prob_bits;
    uint32_t layers, slots[SIM_LAYERS], high[SIM_LAYERS];
    uint8_t order;                 /* of layer 1 */
    uint32_t row_block, key_block; /* slots of a block; the last may be smaller */
} sim_shape;

/** A program with all it points to. */
typedef struct {
    sim_shape shape;
    dtq_machine machine;
    dtq_program program;
    dtq_stream stream;
    dtq_layer layers[SIM_LAYERS];
    uint32_t *ids;                           /* [seq] layer 0 */
    uint8_t *bits[SIM_LAYERS][DTQ_OPERANDS]; /* layer 1: of clusters, or NULL */
    float *input[3];                         /* [heads][seq][head_dim] */
    size_t capacity;
} sim_program;

static inline void sim_emit(sim_program *p, dtq_instr in) {
    if (p->stream.count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 256;
        p->stream.instrs = realloc(p->stream.instrs, p->capacity * sizeof *p->stream.instrs);
    }
    p->stream.instrs[p->stream.count++] = in;
}

#define SIM_EMIT(p, op, q, ...) sim_emit(p, (dtq_instr){DTQ_OP_##op, (uint8_t)(q), {__VA_ARGS__}})

static inline void sim_token(sim_program *p, unsigned from, unsigned to) {
    SIM_EMIT(p, SIGNAL, from, to, 0);
    SIM_EMIT(p, WAIT, to, from, 0);
}

/** The tokens of a buffer half that is used again two heads later: the signal now, the wait then. */
static inline void sim_freed(sim_program *p, uint32_t head, unsigned from, unsigned to, bool wait) {
    const uint32_t total = p->shape.heads * p->shape.layers;
    if (wait ? head >= 2 : head + 2 < total) {
        if (wait)
            SIM_EMIT(p, WAIT, to, from, 0);
        else
            SIM_EMIT(p, SIGNAL, from, to, 0);
    }
}

/** Where the block that begins at slot `row` lies in half `half` of a line buffer: apart by what its slots can take. */
static inline uint64_t sim_block_at(const sim_program *p, uint32_t half, uint32_t row) {
    return (half * (uint64_t)p->shape.seq + row) * (9 * (uint64_t)p->shape.head_dim + 4);
}

/** One head of a layer; `g` counts heads over all layers. */
static inline void sim_emit_head(sim_program *p, uint32_t layer, uint32_t h, uint32_t g) {
    enum { QK_ARRAY = DTQ_ARRAY0, PV_ARRAY = DTQ_ARRAY0 + 1 };
    const sim_shape *s = &p->shape;
    const dtq_layer *l = &p->layers[layer];
    const uint32_t n = l->slots, half = g & 1, kv = h / (s->heads / s->kv_heads);
    const uint32_t rb = s->row_block, kb = s->key_block, key_blocks = (n + kb - 1) / kb;
    const bool causal = s->causal;
    const uint64_t none = dtq_field_none(&dtq_ops[DTQ_OP_SOFTMAX].fields[DTQ_F(SOFTMAX, v)]);
    const uint64_t scores_half = half * 16 * (uint64_t)s->seq * s->seq,
                   probs_half = half * 20 * (uint64_t)s->seq * s->seq;
    const uint64_t out_half = half * 8 * (uint64_t)s->seq * s->head_dim;
    const uint64_t acc = layer * 8 * (uint64_t)s->seq;
#define SIM_BLOCKS(i, size) for (uint32_t i = 0, i##n; i < n && (i##n = n - i < (size) ? n - i : (size)); i += i##n)
#define SIM_Q_AT(i)         sim_block_at(p, half, i)
#define SIM_S_AT(i, j)      (scores_half + 16 * ((uint64_t)i * n + (uint64_t)j * i##n))
#define SIM_P_AT(i)         (probs_half + 20 * (uint64_t)i * s->seq)
    sim_freed(p, g, QK_ARRAY, DTQ_LOAD, true);
    sim_freed(p, g, PV_ARRAY, DTQ_LOAD, true);
    if (causal)
        sim_freed(p, g, DTQ_SOFTMAX, DTQ_LOAD, true);
    SIM_BLOCKS(i, rb) {
        SIM_EMIT(p, LOAD, DTQ_LOAD, DTQ_Q, layer, h, i, in, SIM_Q_AT(i));
    }
    SIM_BLOCKS(i, kb) {
        SIM_EMIT(p, LOAD, DTQ_LOAD, DTQ_K, layer, kv, i, in, SIM_Q_AT(i));
    }
    sim_token(p, DTQ_LOAD, QK_ARRAY);
    SIM_BLOCKS(i, kb) {
        SIM_EMIT(p, LOAD, DTQ_LOAD, DTQ_V, layer, kv, i, in, SIM_Q_AT(i));
    }
    sim_token(p, DTQ_LOAD, PV_ARRAY);
    if (causal)
        sim_token(p, DTQ_LOAD, DTQ_SOFTMAX);
    sim_freed(p, g, DTQ_SOFTMAX, QK_ARRAY, true);
    SIM_BLOCKS(i, rb) {
        SIM_BLOCKS(j, kb) {
            SIM_EMIT(p, QK, QK_ARRAY, layer, h, i, in, j, jn, SIM_Q_AT(i), SIM_Q_AT(j), SIM_S_AT(i, j));
        }
    }
    sim_freed(p, g, QK_ARRAY, DTQ_LOAD, false);
    sim_token(p, QK_ARRAY, DTQ_SOFTMAX);
    sim_freed(p, g, PV_ARRAY, DTQ_SOFTMAX, true);
    sim_freed(p, g, DTQ_TOPK, DTQ_SOFTMAX, true);
    enum { FULL, MAX, WMAX, EXP };
    SIM_BLOCKS(i, rb) {
        for (uint64_t mode = FULL; mode <= EXP; mode++) {
            if ((mode == FULL) != (key_blocks == 1) || (mode == WMAX && !causal))
                continue;
            SIM_BLOCKS(j, kb) {
                SIM_EMIT(p, SOFTMAX, DTQ_SOFTMAX, mode, layer, h, i, in, j, jn, SIM_S_AT(i, j),
                         causal ? SIM_Q_AT(j) : none, SIM_P_AT(i));
            }
        }
    }
    sim_freed(p, g, DTQ_SOFTMAX, QK_ARRAY, false);
    if (causal)
        sim_freed(p, g, DTQ_SOFTMAX, DTQ_LOAD, false);
    sim_token(p, DTQ_SOFTMAX, PV_ARRAY);
    sim_token(p, DTQ_SOFTMAX, DTQ_TOPK);
    SIM_BLOCKS(i, rb) {
        SIM_EMIT(p, IMPORTANCE, DTQ_TOPK, layer, h, i, in, h == 0 && i == 0, SIM_P_AT(i), acc);
    }
    sim_freed(p, g, DTQ_TOPK, DTQ_SOFTMAX, false);
    sim_freed(p, g, DTQ_STORE, PV_ARRAY, true);
    enum { MIDDLE, FIRST, LAST, ONLY };
    SIM_BLOCKS(i, rb) {
        SIM_BLOCKS(j, kb) {
            const unsigned flags = (j == 0 ? FIRST : MIDDLE) | (j + jn == n ? LAST : MIDDLE);
            SIM_EMIT(p, PV, PV_ARRAY, flags, layer, h, i, in, j, jn, SIM_P_AT(i), SIM_Q_AT(j),
                     out_half + 8 * (uint64_t)i * s->head_dim);
        }
    }
    sim_freed(p, g, PV_ARRAY, DTQ_LOAD, false);
    sim_freed(p, g, PV_ARRAY, DTQ_SOFTMAX, false);
    sim_token(p, PV_ARRAY, DTQ_STORE);
    SIM_BLOCKS(i, rb) {
        SIM_EMIT(p, STORE, DTQ_STORE, layer, h, i, in, out_half + 8 * (uint64_t)i * s->head_dim);
    }
    sim_freed(p, g, DTQ_STORE, PV_ARRAY, false);
}

static inline uint64_t sim_allot(sim_program *p, uint64_t bytes) {
    const uint64_t at = p->stream.dram_bytes;
    p->stream.dram_bytes += (bytes + 63) / 64 * 64;
    return at;
}

static inline void sim_layer(sim_program *p, uint32_t layer) {
    const sim_shape *s = &p->shape;
    dtq_layer *l = &p->layers[layer];
    const uint64_t rows = (uint64_t)s->seq * s->head_dim;
    *l = (dtq_layer){.slots = s->slots[layer],
                     .high = s->high[layer],
                     .heads = s->heads,
                     .kv_heads = s->kv_heads,
                     .head_dim = s->head_dim,
                     .causal = s->causal,
                     .order = layer ? s->order : (uint8_t)DTQ_ORDER_ORIGINAL,
                     .importance = s->importance,
                     .prob_bits = s->prob_bits,
                     .ids = layer ? NULL : p->ids};
    l->q = sim_allot(p, s->heads * rows);
    l->k = sim_allot(p, s->kv_heads * rows);
    l->v = sim_allot(p, s->kv_heads * rows);
    l->q_scale = sim_allot(p, 4 * (uint64_t)s->heads * s->seq);
    l->k_scale = sim_allot(p, 4 * (uint64_t)s->kv_heads * s->seq);
    l->v_scale = sim_allot(p, 4 * (uint64_t)s->kv_heads * (s->causal ? s->seq : 2 * s->head_dim));
    l->out = sim_allot(p, 4 * s->heads * rows);
    l->importance_at = sim_allot(p, 8 * (uint64_t)s->seq);
    for (unsigned o = 0; o < DTQ_OPERANDS; o++)
        l->bits[o] = p->bits[layer][o];
}

/** Builds the program. Layer 0 has random precisions for each operand and its first slots[0] of a random order of the
 *  tokens; layer 1, if there is one, has those that the top-k of layer 0 selects, from the same q, k, v. */
static inline void sim_build(sim_program *p, const sim_shape *shape, sim_random *r) {
    *p = (sim_program){.shape = *shape};
    const sim_shape *s = &p->shape;
    dtq_machine_init(&p->machine);
    p->machine.vssa_arrays = 2;
    p->program.machine = &p->machine;
    p->ids = malloc(s->seq * sizeof *p->ids);
    for (uint32_t i = 0; i < s->seq; i++) {
        const uint32_t j = sim_range(r, 0, i);
        p->ids[i] = p->ids[j];
        p->ids[j] = i;
    }
    for (unsigned o = 0; o < DTQ_OPERANDS; o++) {
        p->bits[0][o] = malloc(s->slots[0]);
        sim_bits(r, p->bits[0][o], s->slots[0]);
        if (s->layers > 1 && s->order != DTQ_ORDER_ORIGINAL) {
            p->bits[1][o] = malloc(s->slots[1]);
            for (uint32_t i = 0; i < s->slots[1]; i++) {
                const bool high = s->order == DTQ_ORDER_LOW_FIRST ? i >= s->slots[1] - s->high[1] : i < s->high[1];
                p->bits[1][o][i] = high ? 8 : 4;
            }
        }
    }
    const uint64_t width = (uint64_t)s->heads * s->head_dim, kv_width = (uint64_t)s->kv_heads * s->head_dim;
    for (unsigned o = 0; o < 3; o++) {
        const uint64_t elements = s->seq * (o ? kv_width : width);
        p->input[o] = malloc(elements * sizeof(float));
        for (uint64_t i = 0; i < elements; i++)
            p->input[o][i] = (o ? 1.0f : 3.0f) * sim_float(r);
        p->stream.input_at[o] = sim_allot(p, elements * sizeof(float));
    }
    for (uint32_t layer = 0; layer < s->layers; layer++)
        sim_layer(p, layer);
    p->stream.seq = s->seq;
    p->stream.layer_count = s->layers;
    p->stream.layers = p->layers;
    p->stream.input = DTQ_INPUT_QKV;
    p->stream.output = DTQ_OUTPUT_ATTENTION;
    p->stream.output_at = p->layers[s->layers - 1].out;
    p->stream.output_width = (uint32_t)width;
    for (uint32_t layer = 0; layer < s->layers; layer++) {
        if (layer)
            sim_token(p, DTQ_TOPK, DTQ_HOST);
        for (uint64_t o = 0; o < 3; o++)
            SIM_EMIT(p, QUANT, DTQ_HOST, layer, o, p->stream.input_at[o]);
        sim_token(p, DTQ_HOST, DTQ_LOAD);
        for (uint32_t h = 0; h < s->heads; h++)
            sim_emit_head(p, layer, h, layer * s->heads + h);
        SIM_EMIT(p, TOPK, DTQ_TOPK, layer, layer + 1 < s->layers, layer * 8 * (uint64_t)s->seq);
    }
    p->program.stream_count = 1;
    p->program.streams = &p->stream;
}

static inline void sim_free(sim_program *p) {
    free(p->ids);
    for (unsigned o = 0; o < DTQ_OPERANDS; o++) {
        free(p->bits[0][o]);
        free(p->bits[1][o]);
    }
    for (unsigned o = 0; o < 3; o++)
        free(p->input[o]);
    free(p->stream.instrs);
}

static inline dtq_input sim_input(const sim_program *p) {
    return (dtq_input){.q = p->input[0], .k = p->input[1], .v = p->input[2]};
}

#endif
