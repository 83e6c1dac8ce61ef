/* Target files of every kind: machines that programs are made for, and systems that they are compared with. */
#include <string.h>

#include "frontend/cli/compare.h"

enum { MACHINE_KINDS = 2 /* vssa, systolic */, KINDS = MACHINE_KINDS + DTQ_SYSTEM_KINDS };

/** The kind of a target with that kind's table and place in `t`. */
static target_kind kind_at(any_target *t, size_t i, dtq_system_params *place) {
    if (i < MACHINE_KINDS)
        return (target_kind){i == 0 ? "vssa" : "systolic", dtq_machine_params, dtq_machine_param_count, &t->machine};
    const dtq_system_info *info = &dtq_system_table[i - MACHINE_KINDS];
    return (target_kind){info->name, info->params, info->param_count, place};
}

bool any_target_load(session *s, const char *path, any_target *out) {
    target_kind kinds[KINDS];
    dtq_system_params params[DTQ_SYSTEM_KINDS];
    memset(out, 0, sizeof *out);
    dtq_machine_init(&out->machine);
    for (size_t i = 0; i < KINDS; i++) {
        dtq_system_params *place = i < MACHINE_KINDS ? NULL : &params[i - MACHINE_KINDS];
        if (place)
            dtq_system_init((dtq_system_kind)(i - MACHINE_KINDS), place);
        kinds[i] = kind_at(out, i, place);
    }
    size_t kind;
    char hint[256] = "vssa, systolic";
    for (size_t i = 0; i < DTQ_SYSTEM_KINDS; i++) {
        size_t n = strlen(hint);
        snprintf(hint + n, sizeof hint - n, "%s%s", i + 1 < DTQ_SYSTEM_KINDS ? ", " : " or ", dtq_system_table[i].name);
    }
    if (!target_read(s->arena, s->diag, path, kinds, KINDS, hint, &kind, &out->name))
        return false;
    out->kind = kinds[kind].name;
    out->is_machine = kind < MACHINE_KINDS;
    out->cluster = kind == 0;
    snprintf(out->machine.name, sizeof out->machine.name, "%s", out->name);
    if (!out->is_machine) {
        out->system = (dtq_system_kind)(kind - MACHINE_KINDS);
        out->params = params[out->system];
    }
    return true;
}

void any_target_print(const any_target *t, FILE *out) {
    any_target copy = *t;
    const size_t index = !t->is_machine ? MACHINE_KINDS + (size_t)t->system : t->cluster ? 0 : 1;
    const target_kind kind = kind_at(&copy, index, &copy.params);
    target_write(&kind, t->name, out);
    if (!t->is_machine) {
        const double area = system_area(t->system, &t->params);
        if (area > 0)
            fprintf(out, "# area: %.3f mm2\n", area);
        return;
    }
    const dtq_area a = dtq_machine_area(&t->machine);
    if (a.total_mm2 > 0)
        fprintf(out, "# area: %.3f mm2: PEs %.3f, buffers %.3f, softmax %.3f, top-k %.3f, other %.3f\n", a.total_mm2,
                a.pes, a.buffers, a.softmax, a.topk, a.other);
}
