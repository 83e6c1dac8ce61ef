/* Row-stationary dense attention (Chen et al., JSSC 2017): both matmuls of a head are convolutions with filters of 1 x
 * 1, and every way to lay them on the array is tried. SYSTEMS.md has the mapping space. */
#include <math.h>

#include "codegen/systems/systems.h"

static double ceil_div(double a, double b) {
    return ceil(a / b);
}

static double limited(double words, double per_cycle) {
    return per_cycle > 0 ? words / per_cycle : 0;
}

/** The least divisor of `whole` into as many parts of the rounded-up size as `most` makes: fewer PEs, the same time. */
static uint64_t least_for(uint64_t whole, uint64_t most) {
    const uint64_t part = (whole + most - 1) / most;
    return (whole + part - 1) / part;
}

/** What the array takes with that many PEs side by side for output rows, reduction and output columns, and the best use
 *  of the scratch pads: q channels and p filters of a PE at a time. */
static rs_mapping price_mapping(const dtq_system_eyeriss *s, double m, uint32_t k, double n, uint32_t pixels,
                                uint32_t channels, uint32_t filters) {
    const uint64_t own_channels = (k + channels - 1) / channels; /* of one PE */
    const double own_filters = ceil_div(n, filters);
    rs_mapping best = {.pixels = pixels, .channels = channels, .filters = filters, .cycles = INFINITY};
    const double work = ceil_div(m, pixels) * own_filters * (double)own_channels;
    double least = INFINITY;
    for (uint64_t q = 1; q <= own_channels && q <= s->spads_ifmap_words && q <= s->spads_filter_words; q++) {
        if (q != least_for(own_channels, q))
            continue; /* as many passes as with fewer channels, which leave more room for filters */
        const uint64_t most = s->spads_filter_words / q;
        const double p = (double)(most < s->spads_psum_words ? most : s->spads_psum_words);
        const double channel_passes = ceil_div((double)own_channels, (double)q),
                     filter_passes = ceil_div(own_filters, p);
        rs_mapping now = best;
        now.ifmap_words = m * k * filter_passes;
        now.filter_words = n * k;
        now.psum_words = m * n * (2 * channel_passes - 1);
        now.hops = m * n * channel_passes * (channels - 1.0);
        now.cycles = fmax(fmax(work, limited(now.ifmap_words, s->network_ifmap_words_per_cycle)),
                          fmax(limited(now.filter_words, s->network_filter_words_per_cycle),
                               limited(now.psum_words, s->network_psum_words_per_cycle)));
        const double words = now.ifmap_words + now.filter_words + now.psum_words;
        if (now.cycles < best.cycles || (now.cycles <= best.cycles && words < least)) {
            best = now;
            least = words;
        }
    }
    return best;
}

static double traffic(const rs_mapping *r) {
    return r->ifmap_words + r->filter_words + r->psum_words;
}

rs_mapping rs_map(const dtq_system_eyeriss *s, uint32_t m, uint32_t k, uint32_t n) {
    const uint32_t rows = (uint32_t)s->array_rows, cols = (uint32_t)s->array_cols;
    rs_mapping best = {.cycles = INFINITY};
    for (int swapped = 0; swapped < 2; swapped++) {
        const uint32_t streams = swapped ? n : m, stays = swapped ? m : n;
        for (uint32_t pixels = 1; pixels <= cols && pixels <= streams; pixels++) {
            if (pixels != least_for(streams, pixels))
                continue; /* as slow as with fewer, which leave more room */
            for (uint32_t channels = 1; channels <= rows && channels <= k; channels++) {
                if (channels != least_for(k, channels))
                    continue;
                /* The more filters side by side, the less work and traffic: all that there is room for. */
                const uint32_t room = rows / channels * (cols / pixels);
                const uint32_t filters = (uint32_t)least_for(stays, room < stays ? room : stays);
                rs_mapping now = price_mapping(s, streams, k, stays, pixels, channels, filters);
                if (now.cycles < best.cycles || (now.cycles <= best.cycles && traffic(&now) < traffic(&best))) {
                    best = now;
                    best.swapped = swapped;
                }
            }
        }
    }
    best.utilisation = (double)m * k * n / ((double)(s->array_rows * s->array_cols) * best.cycles);
    return best;
}

static void add_matmul(const dtq_system_eyeriss *p, const rs_mapping *r, double macs, double heads, double *cycles,
                       system_cost *c) {
    const double bytes = (double)p->array_word_bits / 8;
    *cycles += r->cycles * heads;
    c->macs += macs * heads;
    c->register_accesses += p->spads_accesses_per_mac * macs * heads;
    c->network_words += (traffic(r) + r->hops) * heads;
    c->buffer_bytes += bytes * traffic(r) * heads;
}

void price_eyeriss(const dtq_system_eyeriss *p, const attention_workload *w, system_cost *c) {
    const double n = w->seq, bytes = (double)p->array_word_bits / 8;
    c->multipliers = (double)(p->array_rows * p->array_cols);
    uint32_t last_dim = 0;
    rs_mapping qk = {0}, pv = {0};
    for (size_t i = 0; i < w->layer_count; i++) {
        const attention_layer *l = &w->layers[i];
        const double d = l->head_dim, heads = l->heads;
        if (l->head_dim != last_dim) { /* layers of a model are mostly alike */
            qk = rs_map(p, w->seq, l->head_dim, w->seq);
            pv = rs_map(p, w->seq, w->seq, l->head_dim);
            last_dim = l->head_dim;
        }
        /* Skipping the masked half halves work and traffic alike: of n keys a query sees (n + 1) / 2 in the mean. */
        const double seen = l->causal && p->top_causal == 1 ? (n + 1) / (2 * n) : 1;
        double qk_cycles = 0, pv_cycles = 0;
        add_matmul(p, &qk, n * n * d * seen, heads, &qk_cycles, c);
        add_matmul(p, &pv, n * n * d * seen, heads, &pv_cycles, c);
        qk_cycles *= seen;
        pv_cycles *= seen;
        const double scores = n * n * seen, elements = scores * heads;
        const bool spilled = scores * bytes > (double)p->buffer_bytes;
        const double dram = bytes * heads * (4 * n * d + (spilled ? 2 * scores : 0)); /* Q, K, V and the output; S, P */
        const double dram_cycles = dram * p->top_clock_ghz / p->dram_gb_per_s;
        const double softmax_cycles = elements / (double)p->softmax_lanes;
        c->qk_cycles += qk_cycles;
        c->pv_cycles += pv_cycles;
        c->softmax_cycles += softmax_cycles;
        c->dram_cycles += dram_cycles;
        c->cycles += fmax(qk_cycles + pv_cycles, fmax(dram_cycles, softmax_cycles));
        c->dram_bytes += dram;
        c->buffer_bytes += dram + 2 * bytes * elements; /* what DRAM moves, and scores past softmax */
        c->probabilities += elements;
    }
}
