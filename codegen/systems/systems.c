/* The table of compared systems, and what they share: defaults, energy, area. */
#include "codegen/systems/systems.h"

#include <string.h>

#define SYSTEM_INT(section, name, def, lo, hi, unit, doc)                                                              \
    {#section, #name, DTQ_PARAM_INT, (double)(def), (double)(lo), (double)(hi), unit, NULL, doc, AT(section, name)},
#define SYSTEM_REAL(section, name, def, lo, hi, unit, doc)                                                             \
    {#section, #name, DTQ_PARAM_REAL, (def), (lo), (hi), unit, NULL, doc, AT(section, name)},
#define SYSTEM_WORD(section, name, def, last, words, doc)                                                              \
    {#section, #name, DTQ_PARAM_ENUM, (def), 0, (last), NULL, words, doc, AT(section, name)},
#define AT(section, name) offsetof(system_eyeriss, section##_##name)
static const dtq_machine_param eyeriss_params[] = {
#include "codegen/systems/eyeriss.def"
};
#undef AT
#define AT(section, name) offsetof(system_spatten, section##_##name)
static const dtq_machine_param spatten_params[] = {
#include "codegen/systems/spatten.def"
};
#undef AT
#define AT(section, name) offsetof(system_a3, section##_##name)
static const dtq_machine_param a3_params[] = {
#include "codegen/systems/a3.def"
};
#undef AT
#define AT(section, name) offsetof(system_mnnfast, section##_##name)
static const dtq_machine_param mnnfast_params[] = {
#include "codegen/systems/mnnfast.def"
};
#undef AT

const system_info system_table[SYSTEM_KINDS] = {
#define SYSTEM(id, doc) {#id, doc, id##_params, sizeof id##_params / sizeof id##_params[0]},
#include "codegen/systems/systems.def"
};

void system_init(system_kind kind, system_params *out) {
    const system_info *info = &system_table[kind];
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < info->param_count; i++) {
        dtq_param_set(out, &info->params[i], info->params[i].def);
    }
}

double attention_dense_ops(const attention_workload *w) {
    double ops = 0;
    for (size_t i = 0; i < w->layer_count; i++) {
        ops += 4.0 * w->seq * w->seq * w->layers[i].head_dim * w->layers[i].heads;
    }
    return ops;
}

system_cost system_price(system_kind kind, const system_params *p, const attention_workload *w) {
    system_cost c = {0};
    switch (kind) {
#define SYSTEM(id, doc)                                                                                                \
    case SYSTEM_##id:                                                                                                  \
        price_##id(&p->id, w, &c);                                                                                     \
        break;
#include "codegen/systems/systems.def"
    case SYSTEM_KINDS:
        break;
    }
    c.utilisation = c.cycles > 0 ? c.macs / (c.multipliers * c.cycles) : 0;
    return c;
}

energy_parts system_energy(const system_params *p, const system_cost *c) {
    const system_common *e = &p->common;
    const double idle = c->multipliers * c->cycles - c->macs;
    energy_parts out = {.compute = e->energy_mac_pj * c->macs,
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

double system_area(system_kind kind, const system_params *p) {
    static const attention_workload nothing = {0};
    const system_common *a = &p->common;
    const double multipliers = system_price(kind, p, &nothing).multipliers;
    return (a->area_mac_um2 * multipliers + a->area_sram_um2_per_byte * a->area_sram_bytes) / 1e6 + a->area_other_mm2;
}
