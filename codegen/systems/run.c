/* What a run of a system's program took: its cost model, with what the run did in the place of parameters that depend
 * on data. */
#include <stdlib.h>

#include "codegen/systems/systems.h"

bool system_price_run(const dtq_program *p, const dtq_stream *s, const dtq_effects *effects, system_run *out) {
    dtq_system_kind kind;
    dtq_system_params params;
    *out = (system_run){0};
    attention_layer *layers = calloc(s->layer_count + 1u, sizeof *layers);
    system_measured *measured = calloc(s->layer_count + 1u, sizeof *measured);
    const bool ok = layers && measured && dtq_scheme_system(&p->scheme, &kind, &params);
    for (uint32_t i = 0; ok && i < s->layer_count; i++) {
        const dtq_layer *l = &s->layers[i];
        layers[i] =
            (attention_layer){.heads = l->heads, .head_dim = l->head_dim, .tokens = l->slots, .causal = l->causal != 0};
        if (!effects)
            continue;
        const dtq_effects *e = &effects[i];
        measured[i] = (system_measured){.tokens = e->tokens_kept,
                                        .heads = e->heads_kept,
                                        .candidates = e->candidates,
                                        .survivors = e->survivors,
                                        .refetched = e->refetched};
        layers[i].measured = &measured[i];
        out->tokens += (double)e->tokens_kept / s->layer_count;
    }
    if (ok) {
        const attention_workload w = {.seq = s->seq, .layer_count = s->layer_count, .layers = layers};
        out->cost = system_price(kind, &params, &w);
        out->energy = system_energy(&params, &out->cost);
        out->clock_ghz = params.common.top_clock_ghz;
    }
    free(layers);
    free(measured);
    return ok;
}
