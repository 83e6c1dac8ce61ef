/* Costs of layers that stream, from those of uniform matmuls. */
#include "passes/cost_streamed.h"

#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

#include <string.h>

enum { MOST = 65536 };

static const uint8_t *uniform(uint8_t *room, unsigned bits, uint32_t count) {
    memset(room, (int)bits, count);
    return room;
}

cost_result cost_seen(cost_model *c, const dtq_streaming *s, const dtq_seen *b, uint32_t head_dim, unsigned prob_bits,
                      bool qk, unsigned walk) {
    cost_result sum = {0};
    for (int far = 0; far < 2 && (far == 0 || b->far); far++) {
        uint8_t rows[MOST], cols[MOST];
        const unsigned bits = far ? s->far_bits : s->near_bits;
        const uint32_t keys = far ? b->far : b->near;
        const uint8_t *left = uniform(rows, qk ? bits : dtq_streamed_prob_bits(prob_bits, s->near_bits), b->rows);
        const uint8_t *right = uniform(cols, bits, keys);
        const cost_result r = qk ? cost_qk(c, left, b->rows, right, keys, head_dim, walk)
                                 : cost_pv(c, left, b->rows, right, keys, head_dim, walk);
        sum.tiles += r.tiles;
        sum.stalled_tiles += r.stalled_tiles;
        sum.stall_ratio_sum += r.stall_ratio_sum;
        sum.step_cycles += r.step_cycles;
        sum.cycles += r.cycles;
        sum.latency = r.latency;
        sum.mac_cycles += r.mac_cycles;
        sum.stall_cycles += r.stall_cycles;
    }
    return sum;
}

uint64_t cost_seen_tiles(const dtq_machine *m, const dtq_streaming *s, const dtq_seen *b, uint32_t head_dim, bool qk,
                         bool turned) {
    const uint64_t height = turned ? m->vssa_cols : m->vssa_rows, width = turned ? m->vssa_rows : m->vssa_cols;
    uint64_t cycles = 0;
    for (int far = 0; far < 2; far++) {
        const unsigned bits = far ? s->far_bits : s->near_bits;
        const uint64_t keys = far ? b->far : b->near;
        const uint64_t left = (qk ? bits : dtq_streamed_prob_bits((unsigned)m->top_prob_bits, s->near_bits)) / 4u;
        cycles +=
            left * (bits / 4u) * (qk ? dtq_ceil_div(keys, width) * head_dim : dtq_ceil_div(head_dim, width) * keys);
    }
    return cycles * dtq_ceil_div(b->rows, height);
}

uint64_t cost_streamed_work(const dtq_streaming *s, uint32_t n, uint32_t head_dim, unsigned prob_bits) {
    uint64_t work = 0;
    for (uint32_t b = 0; b < dtq_streamed_blocks(s, n); b++) {
        const uint32_t row = dtq_streamed_first(s, b);
        const dtq_seen seen = dtq_seen_by(s, n, row, dtq_streamed_end(s, n, b) - row);
        const uint64_t near = s->near_bits / 4u, far = s->far_bits / 4u;
        const uint64_t p = dtq_streamed_prob_bits(prob_bits, s->near_bits) / 4u;
        work += seen.rows * (seen.near * near * (near + p) + seen.far * far * (far + p));
    }
    return work * head_dim;
}

static uint64_t price(cost_model *c, const dtq_streaming *s, uint32_t n, uint32_t head_dim, streamed_cut cut) {
    uint64_t cycles = 0;
    for (uint32_t b = 0; b < dtq_streamed_blocks(s, n); b++) {
        const uint32_t end = dtq_streamed_end(s, n, b);
        for (uint32_t row = dtq_streamed_first(s, b); row < end; row += cut.rows) {
            const dtq_seen seen = dtq_seen_by(s, n, row, end - row < cut.rows ? end - row : cut.rows);
            const unsigned walk = cut.turned ? WALK_TURNED : 0;
            cycles += cost_seen(c, s, &seen, head_dim, 0, true, walk).cycles +
                      cost_seen(c, s, &seen, head_dim, 0, false, walk).cycles;
        }
    }
    return cycles;
}

streamed_cut cost_streamed_cut(cost_model *c, const dtq_machine *m, const dtq_streaming *s, uint32_t n,
                               uint32_t head_dim) {
    const streamed_cut upright = {(uint32_t)m->vssa_rows, false}, turned = {(uint32_t)m->vssa_cols, true};
    return price(c, s, n, head_dim, turned) < price(c, s, n, head_dim, upright) ? turned : upright;
}
