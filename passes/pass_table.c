/* The passes there are, and which of them a pipeline runs: passes.def as a table. */
#include "passes/passes.h"

#include <string.h>

#include "passes/pass_list.h"

enum { G = 1u << IR_GRAPH, T = 1u << IR_TILE, H = 1u << IR_SCHEDULE, S = 1u << IR_STREAM };
enum { no = 0, yes = 1 };
enum { ALWAYS, OPTIMISE, ASKED };

const pass_info pass_table[] = {
#define PASS(function, name, levels, requires, pipeline, analysis, doc)                                                \
    {name, pass_##function, levels, requires, analysis, doc},
#include "passes/passes.def"
};
const size_t pass_count = sizeof pass_table / sizeof *pass_table;

static const char *const pipeline_optimised[] = {
#define PASS(function, name, levels, requires, pipeline, analysis, doc) (pipeline) != ASKED ? (name) : NULL,
#include "passes/passes.def"
};
static const char *const pipeline_plain[] = {
#define PASS(function, name, levels, requires, pipeline, analysis, doc) (pipeline) == ALWAYS ? (name) : NULL,
#include "passes/passes.def"
};

const char *const *passes_pipeline(bool optimise, size_t *count) {
    *count = pass_count; /* NULL entries are skipped by passes_run */
    return optimise ? pipeline_optimised : pipeline_plain;
}

const pass_info *pass_find(const char *name) {
    for (size_t i = 0; i < pass_count; i++)
        if (strcmp(pass_table[i].name, name) == 0)
            return &pass_table[i];
    return NULL;
}

bool pass_unknown(diag *d, const char *name) {
    const char *names[sizeof pass_table / sizeof *pass_table];
    for (size_t i = 0; i < pass_count; i++)
        names[i] = pass_table[i].name;
    const char *near = diag_nearest(name, names, pass_count);
    src_loc nowhere = {0};
    return near ? diag_error(d, nowhere, "there is no pass '%s'; did you mean '%s'?", name, near)
                : diag_error(d, nowhere, "there is no pass '%s'; `dtqc opt --list` lists them", name);
}
