/* The table of compared systems and their defaults. */
#include "runtime/systems/systems.h"

#include <string.h>

#define SYSTEM_INT(section, name, def, lo, hi, unit, doc)                                                              \
    {#section, #name, DTQ_PARAM_INT, (double)(def), (double)(lo), (double)(hi), unit, NULL, doc, AT(section, name)},
#define SYSTEM_REAL(section, name, def, lo, hi, unit, doc)                                                             \
    {#section, #name, DTQ_PARAM_REAL, (def), (lo), (hi), unit, NULL, doc, AT(section, name)},
#define SYSTEM_WORD(section, name, def, last, words, doc)                                                              \
    {#section, #name, DTQ_PARAM_ENUM, (def), 0, (last), NULL, words, doc, AT(section, name)},
#define AT(section, name) offsetof(dtq_system_eyeriss, section##_##name)
static const dtq_machine_param eyeriss_params[] = {
#include "runtime/systems/eyeriss/eyeriss.def"
};
#undef AT
#define AT(section, name) offsetof(dtq_system_spatten, section##_##name)
static const dtq_machine_param spatten_params[] = {
#include "runtime/systems/spatten/spatten.def"
};
#undef AT
#define AT(section, name) offsetof(dtq_system_a3, section##_##name)
static const dtq_machine_param a3_params[] = {
#include "runtime/systems/a3/a3.def"
};
#undef AT
#define AT(section, name) offsetof(dtq_system_mnnfast, section##_##name)
static const dtq_machine_param mnnfast_params[] = {
#include "runtime/systems/mnnfast/mnnfast.def"
};
#undef AT

const dtq_system_info dtq_system_table[DTQ_SYSTEM_KINDS] = {
#define SYSTEM(id, doc) {#id, doc, id##_params, sizeof id##_params / sizeof id##_params[0]},
#include "runtime/systems/systems.def"
};

void dtq_system_init(dtq_system_kind kind, dtq_system_params *out) {
    const dtq_system_info *info = &dtq_system_table[kind];
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < info->param_count; i++)
        dtq_param_set(out, &info->params[i], info->params[i].def);
}
