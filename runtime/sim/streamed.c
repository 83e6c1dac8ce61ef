/* Layers that stream: loads of what rows see, their scores, softmax, outputs, votes, and what stays of a block. */
#include <math.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/kernels/kernels_attention.h"
#include "runtime/numerics/streamed.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/sim.h"

static const dtq_layer *layer_of(const dtq_sim *sim, uint64_t index) {
    return &sim->stream->layers[index];
}

static dtq_seen seen_by(const dtq_layer *l, uint64_t row, uint64_t rows) {
    return dtq_seen_by(&l->streaming, l->slots, (uint32_t)row, (uint32_t)rows);
}

static float float_at(const uint8_t *at, size_t index) {
    float x;
    memcpy(&x, at + index * sizeof x, sizeof x);
    return x;
}

/* ---- loads ------------------------------------------------------------------------------------------------------ */

/* Rows of one precision, gathered behind their scales. `tokens`: which, or NULL: from `first` on. */
typedef struct {
    const uint8_t *codes, *scales; /* of token 0 */
    uint64_t stride, bytes;        /* from row to row in DRAM, and of a row */
} source;

static uint8_t *gather(const source *s, const uint32_t *tokens, uint32_t first, uint32_t count, uint32_t room,
                       uint32_t at, uint8_t *dst) {
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t id = tokens ? tokens[i] : first + i;
        memcpy(dst + (size_t)(at + i) * sizeof(float), s->scales + (size_t)id * sizeof(float), sizeof(float));
        memcpy(dst + (size_t)room * sizeof(float) + (at + i) * s->bytes, s->codes + id * s->stride, s->bytes);
    }
    return dst + room * (sizeof(float) + s->bytes);
}

bool dtq_sim_load_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = layer_of(sim, DTQ_GET(in, LOAD_SEEN, layer));
    const dtq_streaming *r = &l->streaming;
    const uint64_t operand = DTQ_GET(in, LOAD_SEEN, operand), head = DTQ_GET(in, LOAD_SEEN, head), n = sim->stream->seq;
    const dtq_seen b = seen_by(l, DTQ_GET(in, LOAD_SEEN, row), DTQ_GET(in, LOAD_SEEN, rows));
    const uint64_t codes[3] = {l->q, l->k, l->v}, scales[3] = {l->q_scale, l->k_scale, l->v_scale};
    const uint64_t heads = operand == DTQ_Q ? l->heads : l->kv_heads, far_at = DTQ_GET(in, LOAD_SEEN, codes);
    const uint64_t far_bytes = dtq_row_bytes(l->head_dim, r->far_bits);
    const uint8_t *dram = sim->x->dram;
    const source near = {dram + codes[operand] + head * n * l->head_dim,
                         dram + scales[operand] + head * n * sizeof(float), l->head_dim,
                         dtq_row_bytes(l->head_dim, r->near_bits)};
    const source far = {dram + far_at + heads * n * sizeof(float) + head * n * far_bytes,
                        dram + far_at + head * n * sizeof(float), far_bytes, far_bytes};
    uint8_t *dst = sim->space[operand] + DTQ_GET(in, LOAD_SEEN, dst);
    if (operand == DTQ_Q) {
        dst = gather(&near, NULL, b.row, b.rows, b.rows, 0, dst);
        (void)gather(&far, NULL, b.row, b.far != 0 ? b.rows : 0, b.rows, 0, dst);
        return true;
    }
    uint32_t *list = dtq_sim_scratch(sim, (b.far + 1u) * sizeof *list);
    if (!list)
        return dtq_sim_no_memory((b.far + 1u) * sizeof *list, e);
    memcpy(list, dram + DTQ_GET(in, LOAD_SEEN, list), b.far * sizeof *list);
    for (uint32_t i = 0; i < b.far; i++)
        if (list[i] >= n)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "load.seen of far keys that keep has not chosen");
    const uint32_t sink = dtq_streamed_sink(b.block);
    (void)gather(&near, NULL, 0, sink, b.near, 0, dst);
    dst = gather(&near, NULL, dtq_streamed_near(r, b.block), b.near - sink, b.near, sink, dst);
    (void)gather(&far, list, 0, b.far, b.far, 0, dst);
    return true;
}

/* ---- scores ----------------------------------------------------------------------------------------------------- */

static size_t depth_of(const dtq_layer *l) {
    return ((size_t)l->head_dim + DTQ_DOTS_PAD - 1) / DTQ_DOTS_PAD * DTQ_DOTS_PAD;
}

/* Rows as dtq_dots takes them, of a part that begins with `count` scales. */
static void widen(const dtq_layer *l, const uint8_t *part, uint32_t count, unsigned bits, int8_t *row, int16_t *to) {
    const uint64_t bytes = dtq_row_bytes(l->head_dim, bits);
    for (uint32_t i = 0; i < count; i++) {
        dtq_unpack_row(part + (size_t)count * sizeof(float) + i * bytes, l->head_dim, bits, row);
        for (size_t c = 0; c < depth_of(l); c++)
            to[i * depth_of(l) + c] = c < l->head_dim ? row[c] : 0;
    }
}

/* Scores of one part, and the scales of its rows and columns behind them. */
static void multiply(const dtq_layer *l, const uint8_t *q, const uint8_t *k, uint32_t rows, uint32_t cols,
                     unsigned bits, int16_t *room, uint8_t *s) {
    int16_t *a = room, *b = a + rows * depth_of(l);
    int32_t *sums = (int32_t *)(void *)(b + cols * depth_of(l));
    int8_t *row = (int8_t *)(sums + (size_t)rows * cols);
    widen(l, q, rows, bits, row, a);
    widen(l, k, cols, bits, row, b);
    dtq_dots(a, rows, b, cols, depth_of(l), sums);
    memcpy(s, sums, (size_t)rows * cols * sizeof *sums);
    s += (size_t)rows * cols * sizeof *sums;
    memcpy(s, q, rows * sizeof(float));
    memcpy(s + rows * sizeof(float), k, cols * sizeof(float));
}

bool dtq_sim_qk_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = layer_of(sim, DTQ_GET(in, QK_SEEN, layer));
    const dtq_streaming *r = &l->streaming;
    const dtq_seen b = seen_by(l, DTQ_GET(in, QK_SEEN, row), DTQ_GET(in, QK_SEEN, rows));
    const uint64_t most = b.near > b.far ? b.near : b.far;
    const uint64_t bytes =
        (b.rows + most) * depth_of(l) * sizeof(int16_t) + b.rows * most * sizeof(int32_t) + l->head_dim;
    int16_t *room = dtq_sim_scratch(sim, bytes);
    if (!room)
        return dtq_sim_no_memory(bytes, e);
    const uint8_t *q = sim->space[DTQ_SPACE_Q] + DTQ_GET(in, QK_SEEN, q);
    const uint8_t *k = sim->space[DTQ_SPACE_K] + DTQ_GET(in, QK_SEEN, k);
    uint8_t *s = sim->space[DTQ_SPACE_SCORES] + DTQ_GET(in, QK_SEEN, s);
    multiply(l, q, k, b.rows, b.near, r->near_bits, room, s);
    if (b.far != 0) {
        multiply(l, q + dtq_seen_operand_bytes(r, l->head_dim, b.rows, 0),
                 k + dtq_seen_operand_bytes(r, l->head_dim, b.near, 0), b.rows, b.far, r->far_bits, room,
                 s + dtq_seen_part_bytes(b.rows, b.near));
    }
    return true;
}

/* ---- softmax ---------------------------------------------------------------------------------------------------- */

/* Logits of row `i` of a part. */
static void logits(const uint8_t *s, uint32_t i, uint32_t rows, uint32_t cols, float score_scale, float *x) {
    const uint8_t *scales = s + (size_t)rows * cols * sizeof(int32_t);
    const float row_scale = float_at(scales, i) * score_scale;
    for (uint32_t j = 0; j < cols; j++) {
        int32_t sum;
        memcpy(&sum, s + ((size_t)i * cols + j) * sizeof sum, sizeof sum);
        x[j] = (float)sum * (row_scale * float_at(scales, (size_t)rows + j));
    }
}

bool dtq_sim_softmax_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = layer_of(sim, DTQ_GET(in, SOFTMAX_SEEN, layer));
    const dtq_streaming *r = &l->streaming;
    const dtq_seen b = seen_by(l, DTQ_GET(in, SOFTMAX_SEEN, row), DTQ_GET(in, SOFTMAX_SEEN, rows));
    const size_t n = (size_t)b.near + b.far, bytes = 4 * n * sizeof(float);
    float *x = dtq_sim_scratch(sim, bytes);
    if (!x)
        return dtq_sim_no_memory(bytes, e);
    const uint8_t *s = sim->space[DTQ_SPACE_SCORES] + DTQ_GET(in, SOFTMAX_SEEN, s);
    const uint8_t *v = sim->space[DTQ_SPACE_V] + DTQ_GET(in, SOFTMAX_SEEN, v);
    const uint8_t *far_v = v + dtq_seen_operand_bytes(r, l->head_dim, b.near, 0);
    uint8_t *heads = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, SOFTMAX_SEEN, p);
    uint8_t *codes = heads + b.rows * sizeof(dtq_prob_row), *weights = codes + b.rows * n;
    const float scale = dtq_do_score_scale(l->head_dim);
    memcpy(x + n, v, b.near * sizeof *x);
    memcpy(x + n + b.near, far_v, b.far * sizeof *x);
    for (uint32_t i = 0; i < b.rows; i++) {
        logits(s, i, b.rows, b.near, scale, x);
        if (b.far != 0)
            logits(s + dtq_seen_part_bytes(b.rows, b.near), i, b.rows, b.far, scale, x + b.near);
        for (uint32_t j = 0; j < b.near; j++)
            x[j] = dtq_streamed_near_key(r, b.block, j) > b.row + i ? -INFINITY : x[j];
        const dtq_streamed_sums sums = dtq_streamed_softmax(x, x + n, b.near, b.far, dtq_streamed_weight_levels(l),
                                                            x + 2 * n, codes + i * n, weights + i * n);
        const dtq_seen_row row = {sums.near_scale, sums.far_scale, sums.z, 0};
        memcpy(heads + i * sizeof row, &row, sizeof row);
    }
    return true;
}

/* ---- outputs ---------------------------------------------------------------------------------------------------- */

static void add_values(const dtq_layer *l, const uint8_t *part, uint32_t count, unsigned bits, const uint8_t *weights,
                       int8_t *row, int32_t *acc) {
    const uint64_t bytes = dtq_row_bytes(l->head_dim, bits);
    for (uint32_t j = 0; j < count; j++) {
        dtq_unpack_row(part + (size_t)count * sizeof(float) + j * bytes, l->head_dim, bits, row);
        dtq_streamed_values(l->head_dim, weights + j, row, 1, acc);
    }
}

bool dtq_sim_pv_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = layer_of(sim, DTQ_GET(in, PV_SEEN, layer));
    const dtq_streaming *r = &l->streaming;
    const dtq_seen b = seen_by(l, DTQ_GET(in, PV_SEEN, row), DTQ_GET(in, PV_SEEN, rows));
    const size_t d = l->head_dim, n = (size_t)b.near + b.far, bytes = 2 * d * sizeof(int32_t) + d;
    int32_t *acc = dtq_sim_scratch(sim, bytes);
    if (!acc)
        return dtq_sim_no_memory(bytes, e);
    const uint8_t *v = sim->space[DTQ_SPACE_V] + DTQ_GET(in, PV_SEEN, v);
    const uint8_t *heads = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, PV_SEEN, p);
    const uint8_t *weights = heads + b.rows * sizeof(dtq_prob_row) + b.rows * n;
    uint8_t *out = sim->space[DTQ_SPACE_OUT] + DTQ_GET(in, PV_SEEN, o);
    for (uint32_t i = 0; i < b.rows; i++) {
        dtq_seen_row row;
        memcpy(&row, heads + i * sizeof row, sizeof row);
        memset(acc, 0, 2 * d * sizeof *acc);
        add_values(l, v, b.near, r->near_bits, weights + i * n, (int8_t *)(acc + 2 * d), acc);
        add_values(l, v + dtq_seen_operand_bytes(r, l->head_dim, b.near, 0), b.far, r->far_bits,
                   weights + i * n + b.near, (int8_t *)(acc + 2 * d), acc + d);
        for (size_t c = 0; c < d; c++) {
            const float o = ((float)acc[c] * row.near_scale + (float)acc[d + c] * row.far_scale) / (float)row.z;
            memcpy(out + (i * d + c) * sizeof o, &o, sizeof o);
        }
    }
    return true;
}

/* ---- votes ------------------------------------------------------------------------------------------------------ */

bool dtq_sim_vote_seen(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = layer_of(sim, DTQ_GET(in, VOTE_SEEN, layer));
    const dtq_seen b = seen_by(l, DTQ_GET(in, VOTE_SEEN, row), DTQ_GET(in, VOTE_SEEN, rows));
    const size_t n = (size_t)b.near + b.far, voted = dtq_seen_voted(&l->streaming, b.block),
                 bytes = voted * sizeof(uint64_t);
    uint64_t *votes = dtq_sim_scratch(sim, bytes);
    if (!votes)
        return dtq_sim_no_memory(bytes, e);
    uint8_t *acc = sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, VOTE_SEEN, acc);
    const uint8_t *heads = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, VOTE_SEEN, p);
    const uint8_t *weights = heads + b.rows * (sizeof(dtq_prob_row) + n);
    if (DTQ_GET(in, VOTE_SEEN, first))
        memset(votes, 0, bytes);
    else
        memcpy(votes, acc, bytes);
    for (uint32_t i = 0; i < b.rows; i++) {
        dtq_seen_row row;
        memcpy(&row, heads + i * sizeof row, sizeof row);
        if (row.z == 0)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "vote.seen of rows that softmax.seen has not written");
        dtq_streamed_vote(weights + i * n, b.near, dtq_streamed_sink(b.block), (uint32_t)voted, votes);
    }
    memcpy(acc, votes, bytes);
    return true;
}

bool dtq_sim_keep(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const dtq_layer *l = layer_of(sim, DTQ_GET(in, KEEP, layer));
    const dtq_streaming *r = &l->streaming;
    const uint32_t b = (uint32_t)DTQ_GET(in, KEEP, row) / r->window, first = dtq_streamed_first(r, b - 1);
    const uint64_t head = DTQ_GET(in, KEEP, head), seq = sim->stream->seq;
    const uint8_t *acc = sim->space[DTQ_SPACE_IMPORTANCE] + DTQ_GET(in, KEEP, acc);
    memcpy(sim->x->dram + l->importance_at + (head * seq + first) * sizeof(uint64_t), acc,
           r->window * sizeof(uint64_t));
    if (DTQ_GET(in, KEEP, row) + DTQ_GET(in, KEEP, rows) == l->slots) /* nothing comes behind the last block */
        return true;
    const size_t end = (size_t)dtq_streamed_list_at(r, b - 1) + dtq_streamed_stay(r, b - 1);
    const size_t bytes = (first + r->window) * sizeof(uint64_t) + end * sizeof(uint32_t);
    uint64_t *votes = dtq_sim_scratch(sim, bytes);
    if (!votes)
        return dtq_sim_no_memory(bytes, e);
    uint32_t *list = (uint32_t *)(votes + first + r->window);
    memcpy(votes + first, acc, r->window * sizeof *votes);
    const dtq_streamed_head h = {r, sim->x->input ? &sim->x->input->choice : NULL, (uint32_t)DTQ_GET(in, KEEP, layer),
                                 (uint32_t)head};
    const size_t at = dtq_streamed_choose(&h, b - 1, votes, list);
    memcpy(sim->x->dram + DTQ_GET(in, KEEP, list) + at * sizeof *list, list + at, (end - at) * sizeof *list);
    return true;
}
