/* A3 (Ham et al., HPCA 2020): one query at a time, its candidates found by M steps of a greedy search. */
#include <math.h>

#include "codegen/systems/systems.h"

#include "runtime/machine_members.h"

void price_a3(const dtq_system_a3 *p, const attention_workload *w, system_cost *c) {
    const double n = w->seq;
    const bool approximate = p->top_approximate == 1;
    c->multipliers = 128; /* of a machine that has yet to see a model: heads of 64 channels */
    for (size_t i = 0; i < w->layer_count; i++) {
        const double d = w->layers[i].head_dim, heads = w->layers[i].heads;
        c->multipliers = fmax(i ? c->multipliers : 0, 2 * d); /* a row of keys, a row of values */
        const system_measured *run = w->layers[i].measured;
        const double steps = approximate ? ceil(p->search_iterations * n) : 0;
        const double scored = !approximate ? n : run ? run->candidates * n : ceil(p->search_candidates * n);
        const double weighed = !approximate ? n
                               : run        ? run->survivors * n
                                            : fmin(scored, ceil(p->search_survivors * n));
        const double query = fmax(steps, scored) + (double)p->pipeline_query_cycles;
        const double sorting = approximate ? p->search_sort_cycles_per_key * n : 0;
        const double bytes = heads * (3 * n * d * (double)p->pipeline_operand_bits / 8 +
                                      n * d * (double)p->pipeline_operand_bits / 8); /* Q, K, V; the output */
        const double dram = bytes * p->top_clock_ghz / p->dram_gb_per_s;
        const double pipeline = heads * (n * query + sorting);
        const double latency = 3 * n + (double)p->pipeline_latency_cycles;
        c->qk_cycles += heads * n * fmax(steps, scored);
        c->pv_cycles += heads * n * weighed; /* the last stage of the pipeline, under the first */
        c->topk_cycles += heads * sorting;
        c->dram_cycles += dram;
        c->latency_cycles += latency + heads * n * (double)p->pipeline_query_cycles;
        c->cycles += fmax(pipeline, dram) + latency;
        c->macs += heads * n * (scored + weighed) * d;
        c->search_products += heads * n * 2 * steps;
        c->buffer_bytes += heads * n * (2 * steps + (scored + weighed) * d) * (double)p->pipeline_operand_bits / 8;
        c->probabilities += heads * n * scored;
        c->topk_elements += heads * n * (2 * steps + scored); /* largest and smallest product; the threshold */
        c->dram_bytes += bytes;
    }
}
