/* What compared systems share: prices by kind, energy, area. */
#include "codegen/systems/systems.h"

double attention_dense_ops(const attention_workload *w) {
    double ops = 0;
    for (size_t i = 0; i < w->layer_count; i++)
        ops += 4.0 * w->seq * w->seq * w->layers[i].head_dim * w->layers[i].heads;
    return ops;
}

system_cost system_price(dtq_system_kind kind, const dtq_system_params *p, const attention_workload *w) {
    system_cost c = {0};
    switch (kind) {
#define SYSTEM(id, doc)                                                                                                \
    case DTQ_SYSTEM_##id:                                                                                              \
        price_##id(&p->id, w, &c);                                                                                     \
        break;
#include "runtime/systems/systems.def"
    case DTQ_SYSTEM_KINDS:
        break;
    }
    c.utilisation = c.cycles > 0 ? c.macs / (c.multipliers * c.cycles) : 0;
    return c;
}

energy_parts system_energy(const dtq_system_params *p, const system_cost *c) {
    const dtq_system_common *e = &p->common;
    const double idle = c->multipliers * c->cycles - c->macs;
    energy_parts out = {.compute = e->energy_mac_pj * (c->macs + c->search_products),
                        .memory = e->energy_register_pj * c->register_accesses +
                                  e->energy_network_pj * c->network_words +
                                  e->energy_buffer_pj_per_byte * c->buffer_bytes,
                        .dram = e->energy_dram_pj_per_byte * c->dram_bytes,
                        .softmax = e->energy_softmax_pj * c->probabilities,
                        .topk = e->energy_topk_pj * c->topk_elements,
                        .idle = e->energy_idle_pj * (idle > 0 ? idle : 0)};
    out.total = out.compute + out.memory + out.dram + out.softmax + out.topk + out.idle;
    return out;
}

double system_area(dtq_system_kind kind, const dtq_system_params *p) {
    static const attention_workload nothing = {0};
    const dtq_system_common *a = &p->common;
    const double multipliers = system_price(kind, p, &nothing).multipliers;
    return (a->area_mac_um2 * multipliers + a->area_sram_um2_per_byte * a->area_sram_bytes) / 1e6 + a->area_other_mm2;
}
