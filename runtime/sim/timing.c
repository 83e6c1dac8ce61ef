/* Timing: when each instruction starts and completes, and what is counted of it (TIMING.md). */
#include "runtime/sim/timing.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/whole.h"
#include "runtime/entry.h"
#include "runtime/machine_members.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/sim.h"

/* ---- matmuls: stepped once a signature ------------------------------------------------------------------------- */

/** Slots of a matmul: rows of the left operand, columns of the right one; for P.V columns are the reduction, and depth
 * is the head's. A linear's columns are its outputs. */
typedef struct {
    uint32_t op, layer, row, rows, col, cols, depth, turned, serpentine;
} place;

/** Precisions as bits behind the numbers that matter, and behind these what is hidden from each strip: all that a
 * matmul's time depends on. */
typedef struct {
    uint32_t op, rows, cols, depth, turned, serpentine, masked;
    uint8_t high[]; /* rows, then columns, from a byte's boundary each; a bit a slot */
} signature;

static void pack_high(const uint8_t *bits, uint32_t n, uint8_t *out) {
    for (uint32_t i = 0; i < n; i++)
        out[i / 8] = (uint8_t)(out[i / 8] | (bits[i] == 8) << i % 8);
}

static uint64_t tile_height(const dtq_sim *sim, const place *p) {
    return p->turned ? sim->machine->vssa_cols : sim->machine->vssa_rows;
}

static uint64_t tile_width(const dtq_sim *sim, const place *p) {
    return p->turned ? sim->machine->vssa_rows : sim->machine->vssa_cols;
}

static uint64_t strip_count(const dtq_sim *sim, const place *p) {
    return dtq_ceil_div(p->rows, tile_height(sim, p));
}

static dtq_array_shape shape_of(const dtq_sim *sim, const place *p, const dtq_hidden *hidden) {
    const dtq_machine *m = sim->machine;
    return (dtq_array_shape){(uint32_t)m->vssa_rows, (uint32_t)m->vssa_cols, (dtq_drain)m->top_drain,
                             p->turned != 0,         p->serpentine != 0,     hidden};
}

/** A strip of an instruction on scores or values of its layer: its rows, and what of the columns is hidden from it. */
typedef struct {
    uint32_t row, rows;
    dtq_hidden hidden;
} masked_strip;

static masked_strip strip_at(const dtq_sim *sim, const place *p, const dtq_clusters *c, uint64_t index) {
    const uint32_t height = (uint32_t)tile_height(sim, p), done = (uint32_t)index * height;
    const uint32_t rows = p->rows - done < height ? p->rows - done : height, row = p->row + done;
    return (masked_strip){row, rows, dtq_hidden_from(c, row, rows, p->col, p->cols)};
}

/** Whether anything of a matmul's columns is hidden from some strip. `out`: NULL, or [strips] what. */
static bool find_hidden(const dtq_sim *sim, const place *p, dtq_hidden *out) {
    const dtq_clusters c = dtq_layer_clusters(&sim->stream->layers[p->layer]);
    bool any = false;
    for (uint64_t i = 0; c.count > 0 && p->op != DTQ_OP_MATMUL && i < strip_count(sim, p) && (out || !any); i++) {
        const dtq_hidden h = strip_at(sim, p, &c, i).hidden;
        any |= h.from != h.to;
        if (out)
            out[i] = h;
    }
    return any;
}

static bool step_matmul(const dtq_sim *sim, const place *p, const uint8_t *row_bits, const uint8_t *col_bits,
                        const dtq_hidden *hidden, dtq_wavefront *result) {
    const dtq_array_shape array = shape_of(sim, p, hidden);
    return p->op == DTQ_OP_PV ? dtq_wavefront_pv(&array, row_bits, p->rows, col_bits, p->cols, p->depth, result)
                              : dtq_wavefront_qk(&array, row_bits, p->rows, col_bits, p->cols, p->depth, result);
}

static size_t signature_bytes(const dtq_sim *sim, const place *p, bool masked) {
    return sizeof(signature) + dtq_ceil_div(p->rows, 8) + dtq_ceil_div(p->cols, 8) +
           (masked ? strip_count(sim, p) * sizeof(dtq_hidden) : 0);
}

/** The result of a matmul whose precisions may have been met in another layer. `hidden`: [strips] of its columns, or
 * NULL. */
static bool matmul_by_signature(dtq_sim *sim, const place *p, const uint8_t *row_bits, const uint8_t *col_bits,
                                const dtq_hidden *hidden, dtq_wavefront *result) {
    dtq_memo *memo = &sim->timing.by_signature;
    const size_t row_bytes = dtq_ceil_div(p->rows, 8), col_bytes = dtq_ceil_div(p->cols, 8),
                 bytes = signature_bytes(sim, p, hidden != NULL);
    signature *key = calloc(1, bytes);
    if (!key)
        return false;
    *key = (signature){p->op, p->rows, p->cols, p->depth, p->turned, p->serpentine, hidden != NULL};
    pack_high(row_bits, p->rows, key->high);
    pack_high(col_bits, p->cols, key->high + row_bytes);
    if (hidden)
        memcpy(key->high + row_bytes + col_bytes, hidden, strip_count(sim, p) * sizeof *hidden);
    const dtq_wavefront *known = dtq_memo_find(memo, key, bytes);
    bool ok = true;
    if (known)
        *result = *known;
    else
        ok = step_matmul(sim, p, row_bits, col_bits, hidden, result) && dtq_memo_add(memo, key, bytes, result);
    free(key);
    return ok;
}

static bool matmul(dtq_sim *sim, const place *p, dtq_wavefront *result, dtq_error *e) {
    dtq_memo *memo = &sim->timing.by_place;
    const dtq_wavefront *known = dtq_memo_find(memo, p, sizeof *p);
    if (known) {
        *result = *known;
        return true;
    }
    const bool linear = p->op == DTQ_OP_MATMUL;
    const uint8_t *row_bits = dtq_sim_bits(sim, p->layer, p->op == DTQ_OP_PV ? DTQ_P : DTQ_Q);
    const uint8_t *col_bits = linear ? NULL : dtq_sim_bits(sim, p->layer, p->op == DTQ_OP_PV ? DTQ_V : DTQ_K);
    if (!row_bits || (!linear && !col_bits))
        return dtq_sim_no_bits(sim, p->layer, e);
    uint8_t *eights = linear ? malloc(p->cols) : NULL; /* weights */
    if (eights)
        memset(eights, 8, p->cols);
    const uint8_t *cols = linear ? eights : col_bits + p->col;
    const bool masked = find_hidden(sim, p, NULL);
    const size_t hidden_bytes = masked ? strip_count(sim, p) * sizeof(dtq_hidden) : 0;
    dtq_hidden *hidden = masked ? malloc(hidden_bytes) : NULL;
    if (hidden)
        find_hidden(sim, p, hidden);
    const dtq_array_shape array = shape_of(sim, p, hidden);
    const bool ok = cols && (hidden || !masked) &&
                    matmul_by_signature(sim, p, row_bits + p->row, cols, hidden, result) &&
                    dtq_memo_add(memo, p, sizeof *p, result);
    free(eights);
    free(hidden);
    const size_t key_bytes = signature_bytes(sim, p, masked);
    return ok || dtq_sim_no_memory(dtq_wavefront_bytes(&array, p->rows, p->cols, p->depth) + (linear ? p->cols : 0) +
                                       hidden_bytes + dtq_memo_bytes(memo, sizeof *p) +
                                       dtq_memo_bytes(&sim->timing.by_signature, 2 * key_bytes),
                                   e);
}

/* ---- each engine's duration and counts ------------------------------------------------------------------------- */

/** Bytes of the block of slots [row, row + rows) of an operand, at its precisions. */
static bool block_bytes(dtq_sim *sim, uint64_t layer, dtq_operand operand, uint64_t row, uint64_t rows, uint64_t *bytes,
                        dtq_error *e) {
    const uint8_t *bits = dtq_sim_bits(sim, (uint32_t)layer, operand);
    if (!bits)
        return dtq_sim_no_bits(sim, (uint32_t)layer, e);
    *bytes = dtq_block_bytes_at(&sim->stream->layers[layer], operand, bits, (uint32_t)row, (uint32_t)rows);
    return true;
}

static bool time_host(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)sim, (void)in, (void)e;
    *d = (dtq_duration){0, 0};
    return true;
}

static void count_read(dtq_sim *sim, uint64_t bytes, dtq_duration *d) {
    sim->timing.stats.dram_read_bytes += bytes;
    sim->timing.stats.buffer_bytes += bytes;
    *d = (dtq_duration){dtq_do_machine_dram_cycles(sim->machine, bytes), sim->machine->dram_latency_cycles};
}

static void count_write(dtq_sim *sim, uint64_t bytes, dtq_duration *d) {
    sim->timing.stats.dram_write_bytes += bytes;
    sim->timing.stats.buffer_bytes += bytes;
    *d = (dtq_duration){dtq_do_machine_dram_cycles(sim->machine, bytes), sim->machine->dram_latency_cycles};
}

static bool time_load(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    uint64_t bytes = 0;
    if (!block_bytes(sim, DTQ_GET(in, LOAD, layer), (dtq_operand)DTQ_GET(in, LOAD, operand), DTQ_GET(in, LOAD, row),
                     DTQ_GET(in, LOAD, rows), &bytes, e)) {
        return false;
    }
    count_read(sim, bytes, d);
    return true;
}

static bool time_store(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const uint64_t bytes =
        sizeof(float) * DTQ_GET(in, STORE, rows) * sim->stream->layers[DTQ_GET(in, STORE, layer)].head_dim;
    count_write(sim, bytes, d);
    return true;
}

static void count_matmul(dtq_sim *sim, const dtq_wavefront *w, uint64_t buffer_bytes, dtq_duration *d) {
    sim->timing.stats.mac_cycles += w->mac_cycles;
    sim->timing.stats.stall_cycles += w->stall_cycles;
    sim->timing.stats.buffer_bytes += buffer_bytes;
    *d = (dtq_duration){w->cycles, w->latency};
}

/** Bytes that go through the buffers for a matmul's strips, each with the tiles that it has: both operands, each at its
 * precisions, and what comes out. The columns of a tile, or of the whole reduction, come once for each strip. */
static bool masked_bytes(dtq_sim *sim, const place *p, uint64_t *bytes, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[p->layer];
    const dtq_clusters c = dtq_layer_clusters(l);
    const bool pv = p->op == DTQ_OP_PV;
    const uint32_t width = (uint32_t)tile_width(sim, p);
    *bytes = 0;
    for (uint64_t i = 0; i < strip_count(sim, p); i++) {
        const masked_strip s = strip_at(sim, p, &c, i);
        const dtq_hidden tiles = dtq_hidden_tiles(s.hidden, p->cols, width);
        const uint32_t from = pv ? s.hidden.from : tiles.from * width;
        const uint32_t to = pv ? s.hidden.to : tiles.to * width < p->cols ? tiles.to * width : p->cols;
        const bool none = pv ? s.hidden.from == s.hidden.to : tiles.from == tiles.to;
        const uint32_t before = none ? p->cols : from, behind = none ? p->cols : to, cols = before + p->cols - behind;
        uint64_t rows = 0, left = 0, right = 0;
        if (!block_bytes(sim, p->layer, DTQ_Q, s.row, s.rows, &rows, e) ||
            !block_bytes(sim, p->layer, pv ? DTQ_V : DTQ_K, p->col, before, &left, e) ||
            !block_bytes(sim, p->layer, pv ? DTQ_V : DTQ_K, p->col + behind, p->cols - behind, &right, e)) {
            return false;
        }
        *bytes += left + right;
        *bytes += pv ? (uint64_t)s.rows * cols * dtq_ceil_div(l->head_dim, width) + sizeof(float) * s.rows * l->head_dim
                     : rows * dtq_ceil_div(cols, width) + sizeof(int32_t) * (uint64_t)s.rows * cols;
    }
    return true;
}

static bool count_masked(dtq_sim *sim, const place *p, const dtq_wavefront *w, dtq_duration *d, dtq_error *e) {
    uint64_t bytes = 0;
    if (!masked_bytes(sim, p, &bytes, e))
        return false;
    count_matmul(sim, w, bytes, d);
    return true;
}

static bool time_qk(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    const uint64_t layer = DTQ_GET(in, QK, layer), row = DTQ_GET(in, QK, row), rows = DTQ_GET(in, QK, rows);
    const uint64_t col = DTQ_GET(in, QK, col), cols = DTQ_GET(in, QK, cols);
    const place p = {DTQ_OP_QK,
                     (uint32_t)layer,
                     (uint32_t)row,
                     (uint32_t)rows,
                     (uint32_t)col,
                     (uint32_t)cols,
                     sim->stream->layers[layer].head_dim,
                     DTQ_GET(in, QK, turned) != 0,
                     DTQ_GET(in, QK, serpentine) != 0};
    uint64_t q_bytes = 0, k_bytes = 0;
    dtq_wavefront w = {0};
    if (!block_bytes(sim, layer, DTQ_Q, row, rows, &q_bytes, e) ||
        !block_bytes(sim, layer, DTQ_K, col, cols, &k_bytes, e) || !matmul(sim, &p, &w, e)) {
        return false;
    }
    if (find_hidden(sim, &p, NULL))
        return count_masked(sim, &p, &w, d, e);
    /* a tile row reads all of K once, a tile column all of Q */
    count_matmul(sim, &w,
                 q_bytes * dtq_ceil_div(cols, tile_width(sim, &p)) +
                     k_bytes * dtq_ceil_div(rows, tile_height(sim, &p)) + sizeof(int32_t) * rows * cols,
                 d);
    return true;
}

static bool time_pv(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    const uint64_t layer = DTQ_GET(in, PV, layer), row = DTQ_GET(in, PV, row), rows = DTQ_GET(in, PV, rows);
    const uint64_t col = DTQ_GET(in, PV, col), cols = DTQ_GET(in, PV, cols);
    const uint64_t head_dim = sim->stream->layers[layer].head_dim;
    const place p = {DTQ_OP_PV,
                     (uint32_t)layer,
                     (uint32_t)row,
                     (uint32_t)rows,
                     (uint32_t)col,
                     (uint32_t)cols,
                     (uint32_t)head_dim,
                     DTQ_GET(in, PV, turned) != 0,
                     DTQ_GET(in, PV, serpentine) != 0};
    uint64_t v_bytes = 0;
    dtq_wavefront w = {0};
    if (!block_bytes(sim, layer, DTQ_V, col, cols, &v_bytes, e) || !matmul(sim, &p, &w, e))
        return false;
    if (find_hidden(sim, &p, NULL))
        return count_masked(sim, &p, &w, d, e);
    count_matmul(sim, &w,
                 rows * cols * dtq_ceil_div(head_dim, tile_width(sim, &p)) +
                     v_bytes * dtq_ceil_div(rows, tile_height(sim, &p)) + sizeof(float) * rows * head_dim,
                 d);
    return true;
}

/* ---- linears on the arrays ------------------------------------------------------------------------------------- */

static bool rows_bytes(dtq_sim *sim, uint64_t layer, uint64_t row, uint64_t rows, uint64_t depth, uint64_t *bytes,
                       dtq_error *e) {
    const uint8_t *bits = dtq_sim_bits(sim, (uint32_t)layer, DTQ_Q);
    if (!bits)
        return dtq_sim_no_bits(sim, (uint32_t)layer, e);
    *bytes = dtq_rows_bytes_at(bits, (uint32_t)row, (uint32_t)rows, (uint32_t)depth);
    return true;
}

static bool time_load_rows(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    uint64_t bytes = 0;
    if (!rows_bytes(sim, DTQ_GET(in, LOAD_ROWS, layer), DTQ_GET(in, LOAD_ROWS, row), DTQ_GET(in, LOAD_ROWS, rows),
                    DTQ_GET(in, LOAD_ROWS, depth), &bytes, e)) {
        return false;
    }
    count_read(sim, bytes, d);
    return true;
}

static bool time_load_weights(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    count_read(sim,
               dtq_weights_bytes((uint32_t)DTQ_GET(in, LOAD_WEIGHTS, cols), (uint32_t)DTQ_GET(in, LOAD_WEIGHTS, depth)),
               d);
    return true;
}

static bool time_matmul(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    const uint64_t layer = DTQ_GET(in, MATMUL, layer), row = DTQ_GET(in, MATMUL, row), rows = DTQ_GET(in, MATMUL, rows);
    const uint64_t cols = DTQ_GET(in, MATMUL, cols), depth = DTQ_GET(in, MATMUL, depth);
    const place p = {.op = DTQ_OP_MATMUL,
                     .layer = (uint32_t)layer,
                     .row = (uint32_t)row,
                     .rows = (uint32_t)rows,
                     .cols = (uint32_t)cols,
                     .depth = (uint32_t)depth,
                     .turned = DTQ_GET(in, MATMUL, turned) != 0,
                     .serpentine = DTQ_GET(in, MATMUL, serpentine) != 0};
    uint64_t x_bytes = 0;
    dtq_wavefront w = {0};
    if (!rows_bytes(sim, layer, row, rows, depth, &x_bytes, e) || !matmul(sim, &p, &w, e))
        return false;
    count_matmul(sim, &w,
                 x_bytes * dtq_ceil_div(cols, tile_width(sim, &p)) +
                     dtq_weights_bytes((uint32_t)cols, (uint32_t)depth) * dtq_ceil_div(rows, tile_height(sim, &p)) +
                     sizeof(int32_t) * rows * cols,
                 d);
    return true;
}

static bool time_store_rows(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const uint64_t bytes = sizeof(float) * DTQ_GET(in, STORE_ROWS, rows) * DTQ_GET(in, STORE_ROWS, cols);
    count_write(sim, bytes, d);
    return true;
}

/* ---- probes ---------------------------------------------------------------------------------------------------- */

static bool time_load_probe(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    count_read(sim, dtq_probe_bytes(&sim->stream->layers[DTQ_GET(in, LOAD_PROBE, layer)], sim->stream->seq), d);
    return true;
}

/** A matmul of 8-bit rows and 4-bit columns, whatever the layer's slots have. */
static bool time_probe(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, PROBE, layer)];
    const uint32_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    const place p = {
        .op = DTQ_OP_QK, .rows = queries, .cols = seq, .depth = l->head_dim, .turned = DTQ_GET(in, PROBE, turned) != 0};
    uint8_t *bits = malloc((size_t)queries + seq);
    dtq_wavefront w = {0};
    if (!bits)
        return dtq_sim_no_memory((uint64_t)queries + seq, e);
    memset(bits, DTQ_PROBE_QUERY_BITS, queries);
    memset(bits + queries, DTQ_PROBE_KEY_BITS, seq);
    const bool ok = matmul_by_signature(sim, &p, bits, bits + queries, NULL, &w);
    free(bits);
    if (!ok)
        return dtq_sim_no_memory((uint64_t)queries + seq, e);
    const uint64_t q_bytes = queries * (sizeof(float) + dtq_row_bytes(l->head_dim, DTQ_PROBE_QUERY_BITS));
    const uint64_t k_bytes = seq * (sizeof(float) + dtq_row_bytes(l->head_dim, DTQ_PROBE_KEY_BITS));
    count_matmul(sim, &w,
                 q_bytes * dtq_ceil_div(seq, tile_width(sim, &p)) +
                     k_bytes * dtq_ceil_div(queries, tile_height(sim, &p)) + sizeof(float) * queries * seq,
                 d);
    return true;
}

static bool time_probe_softmax(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, PROBE_SOFTMAX, layer)];
    const uint64_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    sim->timing.stats.probabilities += queries * seq;
    sim->timing.stats.buffer_bytes += (sizeof(float) + 1) * queries * seq;
    *d = (dtq_duration){queries * dtq_ceil_div(seq, sim->machine->softmax_lanes), sim->machine->softmax_latency_cycles};
    return true;
}

static bool time_vote(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, VOTE, layer)];
    const uint64_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    sim->timing.stats.topk_elements += queries * seq;
    sim->timing.stats.buffer_bytes += queries * seq;
    *d = (dtq_duration){queries * dtq_ceil_div(seq, sim->machine->topk_accumulate_lanes), 0};
    return true;
}

static void time_selection(dtq_sim *sim, uint64_t passes, uint64_t keys, uint64_t kept, dtq_duration *d) {
    const dtq_machine *m = sim->machine;
    d->busy = passes * (dtq_ceil_div(keys, m->topk_lanes) + dtq_ceil_div(kept, m->topk_lanes));
    sim->timing.stats.topk_elements += passes * (keys + kept);
}

static bool time_choose(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    d->latency = sim->machine->topk_latency_cycles;
    time_selection(sim, sim->machine->topk_passes, sim->stream->seq,
                   dtq_keys(&sim->stream->layers[DTQ_GET(in, CHOOSE, layer)]), d);
    return true;
}

/** A mean of votes has half the digits of an importance. */
static bool time_choose_late(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    d->latency = sim->machine->topk_latency_cycles;
    time_selection(sim, dtq_ceil_div(sim->machine->topk_passes, 2), sim->stream->seq,
                   dtq_keys(&sim->stream->layers[DTQ_GET(in, CHOOSE_LATE, layer)]), d);
    return true;
}

/** A vote of a head has half the digits of an importance. */
static bool time_choose_head(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, CHOOSE_HEAD, layer)];
    const uint64_t queries = l->heads / l->kv_heads, seq = sim->stream->seq;
    d->latency = sim->machine->topk_latency_cycles;
    time_selection(sim, dtq_ceil_div(sim->machine->topk_passes, 2), seq, dtq_keys(l), d);
    d->busy += queries * dtq_ceil_div(seq, sim->machine->topk_accumulate_lanes);
    sim->timing.stats.topk_elements += queries * seq;
    sim->timing.stats.buffer_bytes += sizeof(float) * queries * seq;
    return true;
}

/* ---- layers that stream ----------------------------------------------------------------------------------------- */

#define SEEN(l, in, op)                                                                                                \
    dtq_seen_by(&(l)->streaming, (l)->slots, (uint32_t)DTQ_GET(in, op, row), (uint32_t)DTQ_GET(in, op, rows))

static bool time_load_seen(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, LOAD_SEEN, layer)];
    const dtq_seen b = SEEN(l, in, LOAD_SEEN);
    count_read(sim, dtq_seen_load_bytes(&l->streaming, l->head_dim, &b, DTQ_GET(in, LOAD_SEEN, operand) == DTQ_Q), d);
    return true;
}

/** Near keys at their bits, then far ones at theirs: a wavefront each. Adds the second's time and counts to `sum`. */
static bool add_part(dtq_sim *sim, place p, unsigned row_bits, unsigned col_bits, dtq_wavefront *sum, dtq_error *e) {
    const size_t bytes = (size_t)p.rows + p.cols;
    uint8_t *bits = malloc(bytes);
    dtq_wavefront w = {0};
    if (bits) {
        memset(bits, (int)row_bits, p.rows);
        memset(bits + p.rows, (int)col_bits, p.cols);
    }
    const bool ok = bits && matmul_by_signature(sim, &p, bits, bits + p.rows, NULL, &w);
    free(bits);
    if (!ok)
        return dtq_sim_no_memory(bytes, e);
    sum->cycles += w.cycles;
    sum->latency = w.latency;
    sum->mac_cycles += w.mac_cycles;
    sum->stall_cycles += w.stall_cycles;
    return true;
}

static bool time_qk_seen(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, QK_SEEN, layer)];
    const dtq_streaming *r = &l->streaming;
    const dtq_seen b = SEEN(l, in, QK_SEEN);
    place p = {.op = DTQ_OP_QK,
               .rows = b.rows,
               .cols = b.near,
               .depth = l->head_dim,
               .turned = DTQ_GET(in, QK_SEEN, turned) != 0};
    dtq_wavefront w = {0};
    uint64_t bytes = 0;
    for (int far = 0; far < 2 && (far == 0 || b.far != 0); far++) {
        const unsigned bits = far ? r->far_bits : r->near_bits;
        const uint64_t row = sizeof(float) + dtq_row_bytes(l->head_dim, bits);
        p.cols = far ? b.far : b.near;
        if (!add_part(sim, p, bits, bits, &w, e))
            return false;
        bytes += p.rows * row * dtq_ceil_div(p.cols, tile_width(sim, &p)) +
                 p.cols * row * dtq_ceil_div(p.rows, tile_height(sim, &p)) + sizeof(int32_t) * p.rows * p.cols;
    }
    count_matmul(sim, &w, bytes, d);
    return true;
}

static bool time_pv_seen(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, PV_SEEN, layer)];
    const dtq_streaming *r = &l->streaming;
    const dtq_seen b = SEEN(l, in, PV_SEEN);
    place p = {.op = DTQ_OP_PV,
               .rows = b.rows,
               .cols = b.near,
               .depth = l->head_dim,
               .turned = DTQ_GET(in, PV_SEEN, turned) != 0};
    dtq_wavefront w = {0};
    uint64_t bytes = sizeof(float) * b.rows * (uint64_t)l->head_dim;
    for (int far = 0; far < 2 && (far == 0 || b.far != 0); far++) {
        const unsigned bits = far ? r->far_bits : r->near_bits;
        p.cols = far ? b.far : b.near;
        if (!add_part(sim, p, dtq_streamed_prob_bits(l->prob_bits, r->near_bits), bits, &w, e))
            return false;
        bytes +=
            (uint64_t)p.rows * p.cols * dtq_ceil_div(l->head_dim, tile_width(sim, &p)) +
            p.cols * (sizeof(float) + dtq_row_bytes(l->head_dim, bits)) * dtq_ceil_div(p.rows, tile_height(sim, &p));
    }
    count_matmul(sim, &w, bytes, d);
    return true;
}

static bool time_softmax_seen(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_seen b = SEEN(&sim->stream->layers[DTQ_GET(in, SOFTMAX_SEEN, layer)], in, SOFTMAX_SEEN);
    const uint64_t rows = b.rows, cols = (uint64_t)b.near + b.far;
    sim->timing.stats.probabilities += rows * cols;
    sim->timing.stats.buffer_bytes += (sizeof(int32_t) + 2) * rows * cols;
    *d = (dtq_duration){rows * dtq_ceil_div(cols, sim->machine->softmax_lanes), sim->machine->softmax_latency_cycles};
    return true;
}

static bool time_vote_seen(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const uint64_t rows = DTQ_GET(in, VOTE_SEEN, rows),
                   keys = sim->stream->layers[DTQ_GET(in, VOTE_SEEN, layer)].streaming.window;
    sim->timing.stats.topk_elements += rows * keys;
    sim->timing.stats.buffer_bytes += rows * keys;
    *d = (dtq_duration){rows * dtq_ceil_div(keys, sim->machine->topk_accumulate_lanes), 0};
    return true;
}

static bool time_keep(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_streaming *r = &sim->stream->layers[DTQ_GET(in, KEEP, layer)].streaming;
    d->latency = sim->machine->topk_latency_cycles;
    time_selection(sim, sim->machine->topk_passes, r->window, r->kept, d);
    return true;
}

/* ---- the other engines ----------------------------------------------------------------------------------------- */

static bool time_softmax(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, SOFTMAX, layer)];
    const uint32_t row = (uint32_t)DTQ_GET(in, SOFTMAX, row), rows = (uint32_t)DTQ_GET(in, SOFTMAX, rows);
    const uint32_t col = (uint32_t)DTQ_GET(in, SOFTMAX, col), cols = (uint32_t)DTQ_GET(in, SOFTMAX, cols);
    const dtq_clusters c = dtq_layer_clusters(l);
    const uint64_t pairs = dtq_pairs_seen(&c, row, rows, col, cols), written = dtq_folds(l) ? 2 : 1;
    sim->timing.stats.probabilities += pairs;
    sim->timing.stats.buffer_bytes += (sizeof(int32_t) + written) * pairs;
    *d = (dtq_duration){dtq_steps_seen(&c, row, rows, col, cols, sim->machine->softmax_lanes),
                        sim->machine->softmax_latency_cycles};
    return true;
}

static bool time_importance(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, IMPORTANCE, layer)];
    const uint32_t row = (uint32_t)DTQ_GET(in, IMPORTANCE, row), rows = (uint32_t)DTQ_GET(in, IMPORTANCE, rows);
    const dtq_clusters c = dtq_layer_clusters(l);
    const uint64_t pairs = dtq_pairs_seen(&c, row, rows, dtq_first_col(l), dtq_cols(l));
    sim->timing.stats.topk_elements += pairs;
    sim->timing.stats.buffer_bytes += pairs;
    *d = (dtq_duration){
        dtq_steps_seen(&c, row, rows, dtq_first_col(l), dtq_cols(l), sim->machine->topk_accumulate_lanes), 0};
    return true;
}

static bool time_topk(dtq_sim *sim, const dtq_instr *in, dtq_duration *d, dtq_error *e) {
    (void)e;
    const dtq_machine *m = sim->machine;
    const dtq_layer *l = &sim->stream->layers[DTQ_GET(in, TOPK, layer)];
    const uint64_t keys = dtq_keys(l);
    d->latency = m->topk_latency_cycles;
    if (DTQ_GET(in, TOPK, select)) {
        time_selection(sim, m->topk_passes, keys, dtq_keys(&l[1]), d);
    } else {
        d->busy = dtq_ceil_div(keys, m->topk_lanes);
        sim->timing.stats.topk_elements += keys;
    }
    return true;
}

static bool (*const durations[DTQ_OP_COUNT])(dtq_sim *, const dtq_instr *, dtq_duration *, dtq_error *) = {
    [DTQ_OP_LOAD] = time_load,
    [DTQ_OP_QK] = time_qk,
    [DTQ_OP_SOFTMAX] = time_softmax,
    [DTQ_OP_PV] = time_pv,
    [DTQ_OP_STORE] = time_store,
    [DTQ_OP_IMPORTANCE] = time_importance,
    [DTQ_OP_TOPK] = time_topk,
    [DTQ_OP_LOAD_ROWS] = time_load_rows,
    [DTQ_OP_LOAD_WEIGHTS] = time_load_weights,
    [DTQ_OP_MATMUL] = time_matmul,
    [DTQ_OP_STORE_ROWS] = time_store_rows,
    [DTQ_OP_LOAD_PROBE] = time_load_probe,
    [DTQ_OP_PROBE] = time_probe,
    [DTQ_OP_PROBE_SOFTMAX] = time_probe_softmax,
    [DTQ_OP_VOTE] = time_vote,
    [DTQ_OP_CHOOSE] = time_choose,
    [DTQ_OP_CHOOSE_HEAD] = time_choose_head,
    [DTQ_OP_CHOOSE_LATE] = time_choose_late,
    [DTQ_OP_LOAD_SEEN] = time_load_seen,
    [DTQ_OP_QK_SEEN] = time_qk_seen,
    [DTQ_OP_SOFTMAX_SEEN] = time_softmax_seen,
    [DTQ_OP_PV_SEEN] = time_pv_seen,
    [DTQ_OP_VOTE_SEEN] = time_vote_seen,
    [DTQ_OP_KEEP] = time_keep,
};

/* ---- clocks ---------------------------------------------------------------------------------------------------- */

bool dtq_timing_instr(dtq_sim *sim, const dtq_instr *in, dtq_event *event, dtq_error *e) {
    dtq_clock *clock = &sim->timing.clocks[in->queue];
    dtq_duration d = {0};
    if (!(durations[in->op] ? durations[in->op] : time_host)(sim, in, &d, e))
        return false;
    *event = (dtq_event){.start = dtq_later(clock->free, clock->floor), .busy = d.busy};
    event->done = event->start + d.busy + d.latency;
    *clock = (dtq_clock){.free = event->start + d.busy, .floor = 0, .done = dtq_later(clock->done, event->done)};
    sim->timing.stats.busy[in->queue] += d.busy;
    sim->timing.stats.instructions++;
    if (in->queue != DTQ_HOST)
        sim->timing.stats.cycles = dtq_later(sim->timing.stats.cycles, event->done);
    return true;
}

void dtq_timing_wait(dtq_timing *t, const dtq_instr *in, uint64_t stamp, dtq_event *event) {
    dtq_clock *clock = &t->clocks[in->queue];
    if (!DTQ_GET(in, WAIT, untimed))
        clock->floor = dtq_later(clock->floor, stamp);
    event->start = event->done = dtq_later(clock->free, clock->floor);
    event->busy = 0;
    t->stats.instructions++;
}

uint64_t dtq_timing_signal(dtq_timing *t, const dtq_instr *in, dtq_event *event) {
    const uint64_t done = t->clocks[in->queue].done;
    *event = (dtq_event){.start = done, .busy = 0, .done = done};
    t->stats.instructions++;
    return DTQ_GET(in, SIGNAL, untimed) ? 0 : done;
}

void dtq_timing_finish(dtq_timing *t, const dtq_machine *m) {
    dtq_stats *s = &t->stats;
    const double busy = (double)s->mac_cycles + (double)s->stall_cycles;
    const double idle = (double)dtq_machine_pes(m) * (double)s->cycles - busy; /* PE-cycles */
    s->energy_pj = m->energy_mac_pj * (double)s->mac_cycles + m->energy_stall_pj * (double)s->stall_cycles +
                   m->energy_buffer_pj_per_byte * (double)s->buffer_bytes +
                   m->energy_dram_pj_per_byte * (double)(s->dram_read_bytes + s->dram_write_bytes) +
                   m->energy_softmax_pj * (double)s->probabilities + m->energy_topk_pj * (double)s->topk_elements +
                   m->energy_idle_pj * idle;
}

void dtq_timing_free(dtq_timing *t) {
    dtq_memo_free(&t->by_place);
    dtq_memo_free(&t->by_signature);
}
