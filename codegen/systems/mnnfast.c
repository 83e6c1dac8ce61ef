/* MNNFast (Jang et al., ISCA 2019): scores in chunks, exponentials summed and divided by once at the end, values with
 * small weights skipped. Every score is computed and every value fetched. */
#include <math.h>

#include "codegen/systems/systems.h"

void price_mnnfast(const dtq_system_mnnfast *p, const attention_workload *w, system_cost *c) {
    const double n = w->seq, side = (double)p->multipliers_per_side, bytes_each = (double)p->pipeline_operand_bits / 8;
    c->multipliers = 2 * side;
    for (size_t i = 0; i < w->layer_count; i++) {
        const double d = w->layers[i].head_dim, heads = w->layers[i].heads;
        const system_measured *run = w->layers[i].measured;
        const double weighed = n * (run ? run->survivors : 1 - p->values_skipped); /* values of a query, in the mean */
        const double qk = ceil(n * d / side), pv = weighed * d / side;
        const double query = (p->top_phases == 1 ? fmax(qk, pv) : qk + pv) + (double)p->pipeline_query_cycles;
        const double bytes = heads * 4 * n * d * bytes_each; /* Q, K, V; the output */
        const double dram = bytes * p->top_clock_ghz / p->dram_gb_per_s;
        c->qk_cycles += heads * n * qk;
        c->pv_cycles += heads * n * pv;
        c->latency_cycles += heads * n * (double)p->pipeline_query_cycles;
        c->dram_cycles += dram;
        c->cycles += fmax(heads * n * query, dram);
        c->macs += heads * n * (n + weighed) * d;
        c->buffer_bytes += heads * n * (n + weighed) * d * bytes_each;
        c->probabilities += heads * n * n;
        c->topk_elements += heads * n * n; /* compared with the threshold */
        c->dram_bytes += bytes;
    }
}
