/* What every form of the report says alike: words of a machine's parameters, times and rates of its clock. */
#include "codegen/report/format.h"

#include <string.h>

#include "runtime/machine_members.h"

double report_us(const dtq_machine *machine, double cycles) {
    return cycles / (machine->top_clock_ghz * 1000.0);
}

double report_dense_gops(const report *r) {
    return r->cycles > 0 ? r->dense_ops * r->machine->top_clock_ghz / r->cycles : 0;
}

int report_word(const char *section, const char *name, const dtq_machine *machine, const char **word) {
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        if (p->kind != DTQ_PARAM_ENUM || strcmp(p->section, section) != 0 || strcmp(p->name, name) != 0) {
            continue;
        }
        const char *at = p->words;
        for (double n = dtq_machine_get(machine, p); n > 0 && strchr(at, '|'); n--) {
            at = strchr(at, '|') + 1;
        }
        *word = at;
        return (int)strcspn(at, "|");
    }
    *word = "";
    return 0;
}
