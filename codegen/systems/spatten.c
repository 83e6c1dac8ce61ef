/* SpAtten (Wang et al., HPCA 2021) as its published simulator counts it: DRAM, filling, draining and top-k of a layer
 * are added, none runs under another. */
#include <math.h>

#include "codegen/systems/systems.h"
#include "runtime/numerics/numerics.h"

static double harmonic(uint32_t n) {
    double sum = 0;
    for (uint32_t i = n; i > 0; i--) /* from the small end */
        sum += 1.0 / i;
    return sum;
}

/* Knuth (1971): a pass of quick-select over m elements makes m - 1 comparisons; for the k-th of n they sum to
 * 2 (n + 3 + (n + 1) H_n - (k + 2) H_k - (n + 3 - k) H_(n + 1 - k)), in H_k + H_(n + 1 - k) - 1 passes. */
double quickselect_cycles(uint32_t n, uint32_t k, double lanes, double pass_cycles) {
    if (n == 0 || k == 0 || k > n)
        return 0;
    const double hn = harmonic(n), hk = harmonic(k), hr = harmonic(n + 1 - k);
    const double comparisons = 2 * (n + 3.0 + (n + 1.0) * hn - (k + 2.0) * hk - (n + 3.0 - k) * hr);
    const double passes = hk + hr - 1;
    return (comparisons + passes) / lanes + pass_cycles * passes;
}

/** Transactions of `elements` keys or values, `bits` each. A width of 6 bits, and any above 8, takes 8: the crossbars
 * move whole nibbles and bytes. */
static double transactions(const dtq_system_spatten *p, double elements, double bits) {
    const double moved = bits == 6 || bits > 8 ? 8 : bits;
    return floor(elements * moved / 8 / (double)p->dram_transaction_bytes);
}

static double selection(const dtq_system_spatten *p, uint32_t from, uint32_t to, double parallel) {
    return ceil(from / parallel) + quickselect_cycles(from, to, (double)p->topk_lanes, (double)p->topk_pass_cycles) +
           ceil(to / parallel);
}

/** Tokens of a layer, by the schedule that the target names. */
static uint32_t tokens_of(const dtq_system_spatten *p, const attention_workload *w, size_t layer) {
    if (w->layers[layer].measured)
        return (uint32_t)w->layers[layer].measured->tokens;
    if (p->tokens_schedule == 1)
        return w->layers[layer].tokens;
    return dtq_cascade_kept(w->seq, layer, w->layer_count, p->tokens_whole_layers, p->tokens_pruned_mean,
                            p->tokens_pruned_first);
}

void price_spatten(const dtq_system_spatten *p, const attention_workload *w, system_cost *c) {
    c->multipliers = 2.0 * (double)p->multipliers_per_side;
    for (size_t i = 0; i < w->layer_count; i++) {
        const attention_layer *l = &w->layers[i];
        const uint32_t tokens = tokens_of(p, w, i);
        const double planned = dtq_cascade_kept(l->heads, i, w->layer_count, p->heads_whole_layers,
                                                p->heads_pruned_mean, p->heads_pruned_first);
        const system_measured *run = l->measured;
        const double n = tokens, d = l->head_dim, h = run ? run->heads : planned;
        const double queries = run && l->causal ? w->seq : n; /* rows of a causal model go on without their keys */
        const double kept = run ? run->survivors : p->values_kept,
                     wanted = run ? run->refetched : p->dram_refetch_share;
        const double parallel = fmax(1, floor((double)p->multipliers_per_side / d)); /* keys a cycle */
        const double steps = fmax(1, ceil(d / (double)p->multipliers_per_side));     /* of a key wider than a row */
        const double batches = ceil(n / parallel) * steps;
        const double fetched = ceil(n / parallel) * parallel * d; /* whole batches */
        const double channels = (double)p->dram_channels, share = p->dram_refetch_bits ? wanted : 0;
        const double first = transactions(p, fetched, (double)p->dram_word_bits);
        const double second = transactions(p, fetched, (double)p->dram_refetch_bits);
        const double dram = 2 * (ceil(first / channels) + share * ceil(second / channels)); /* keys and values */
        const double again = 1 + share;
        c->qk_cycles += h * queries * batches * again;
        c->pv_cycles += h * queries * batches * again; /* under Q.K^T, at the same pace */
        c->latency_cycles += (double)p->pipeline_latency_cycles + batches;
        c->dram_cycles += h * dram;
        const uint32_t next = i + 1 < w->layer_count ? tokens_of(p, w, i + 1) : tokens;
        if (next < tokens) {
            c->topk_cycles += selection(p, tokens, next, parallel);
            c->topk_elements += 4.0 * n; /* a quick-select compares three to four times as many elements as there are */
        }
        const double rows = queries * h * again;
        c->macs += rows * n * d * (1 + kept);
        c->probabilities += rows * n;
        c->topk_elements += rows * n; /* importance; local pruning of values compares as many */
        c->dram_bytes += h * 2 * (first + share * second) * (double)p->dram_transaction_bytes;
        c->buffer_bytes += rows * n * d * 1.5 * (1 + kept); /* 12 bits of a key's and a value's component */
    }
    c->softmax_cycles = 0; /* in the pipeline: its latency is in latency_cycles */
    c->cycles = c->qk_cycles + c->latency_cycles + c->dram_cycles + c->topk_cycles;
}
