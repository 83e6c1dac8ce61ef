/* A system's parameters as those of a scheme of arithmetic: what a program carries of its target. */
#include "runtime/systems/systems.h"

static const dtq_scheme_kind kinds[DTQ_SYSTEM_KINDS] = {
    [DTQ_SYSTEM_eyeriss] = DTQ_SCHEME_EYERISS,
    [DTQ_SYSTEM_spatten] = DTQ_SCHEME_SPATTEN,
    [DTQ_SYSTEM_a3] = DTQ_SCHEME_A3,
    [DTQ_SYSTEM_mnnfast] = DTQ_SCHEME_MNNFAST,
};

dtq_scheme dtq_system_scheme(dtq_system_kind kind, const dtq_system_params *p) {
    dtq_scheme s = {.kind = kinds[kind]};
    for (size_t i = 0; i < dtq_system_table[kind].param_count; i++)
        s.values[i] = dtq_param_get(p, &dtq_system_table[kind].params[i]);
    return s;
}

bool dtq_scheme_system(const dtq_scheme *s, dtq_system_kind *kind, dtq_system_params *p) {
    for (int k = 0; k < DTQ_SYSTEM_KINDS; k++) {
        if (kinds[k] != s->kind)
            continue;
        *kind = (dtq_system_kind)k;
        dtq_system_init(*kind, p);
        for (size_t i = 0; i < dtq_system_table[k].param_count; i++)
            dtq_param_set(p, &dtq_system_table[k].params[i], s->values[i]);
        return true;
    }
    return false;
}

bool dtq_scheme_is_system(const dtq_scheme *s) {
    dtq_system_kind kind;
    dtq_system_params p;
    return dtq_scheme_system(s, &kind, &p);
}
