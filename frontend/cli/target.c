/* dtqc target: the shipped machines, and all parameters of one. */
#include <inttypes.h>
#include <string.h>

#include "frontend/cli/compare.h"
#include "frontend/cli/sets.h"
#include "frontend/cli/shipped.h"
#include "frontend/files/installed.h"
#include "frontend/target.h"
#include "runtime/machine_members.h"

/* The word for the machine's drain, and its length. */
static const char *drain_word(const dtq_machine *m, size_t *length) {
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        if (p->offset != offsetof(dtq_machine, top_drain))
            continue;
        const char *word = p->words;
        for (uint64_t n = m->top_drain; n > 0; n--)
            word += strcspn(word, "|") + 1;
        *length = strcspn(word, "|");
        return word;
    }
    return "";
}

static bool list(session *s) {
    size_t count;
    const char **names = shipped_list(s, "targets", &count);
    if (!count)
        return diag_error(s->diag, (src_loc){0},
                          "there are no shipped targets in %s/targets; $DTQC_DATA names the directory that has them",
                          installed_data(s->arena));
    any_target *targets = ARENA_ARRAY(s->arena, any_target, count);
    size_t others = 0;
    for (size_t i = 0; i < count; i++) {
        if (!target_load(s->arena, s->diag, shipped_path(s, "targets", names[i]), &targets[i]))
            return false;
        others += !targets[i].is_machine;
    }
    printf("%-16s %-8s %6s  %9s  %6s  %5s  %s\n", "target", "kind", "arrays", "PEs each", "GHz", "GB/s", "drain");
    for (size_t i = 0; i < count; i++) {
        const dtq_machine *m = targets[i].machine;
        if (!targets[i].is_machine)
            continue;
        char shape[48];
        snprintf(shape, sizeof shape, "%" PRIu64 " x %" PRIu64, m->vssa_rows, m->vssa_cols);
        size_t length = 0;
        const char *drain = drain_word(m, &length);
        printf("%-16s %-8s %6" PRIu64 "  %9s  %6g  %5g  %.*s\n", names[i], targets[i].kind, m->vssa_arrays, shape,
               m->top_clock_ghz, m->dram_gb_per_s, (int)length, drain);
    }
    if (others)
        printf("\n%-16s %-8s %6s  %s\n", "other systems", "kind", "GHz", "what it is");
    for (size_t i = 0; i < count; i++)
        if (!targets[i].is_machine)
            printf("%-16s %-8s %6g  %s\n", names[i], targets[i].kind, targets[i].params.common.top_clock_ghz,
                   dtq_system_table[targets[i].system].doc);
    return true;
}

static void print_area(const any_target *t, FILE *out) {
    if (!t->is_machine) {
        const double area = system_area(t->system, &t->params);
        if (area > 0)
            fprintf(out, "# area: %.3f mm2\n", area);
        return;
    }
    const dtq_area a = dtq_machine_area(t->machine);
    if (a.total_mm2 > 0)
        fprintf(out, "# area: %.3f mm2: PEs %.3f, buffers %.3f, softmax %.3f, top-k %.3f, other %.3f\n", a.total_mm2,
                a.pes, a.buffers, a.softmax, a.topk, a.other);
}

static bool show(session *s, const char *name) {
    const char *path = shipped_find(s, "targets", name);
    any_target t;
    sets changes;
    if (!path || !sets_read(s, &changes))
        return false;
    if (changes.policy.count)
        return usage_error(s, "--set %s: that is a key of policies", changes.policy.list[0].path);
    if (!target_load_edited(s->arena, s->diag, path, &changes.target, &t))
        return false;
    target_print(&t, stdout);
    print_area(&t, stdout);
    return true;
}

bool command_target(session *s) {
    const char *const *operands = s->options->operands;
    size_t count = s->options->operand_count;
    if (strcmp(operands[0], "list") == 0)
        return count != 1          ? usage_error(s, "list takes no name, but has '%s'", operands[1])
               : given(s, OPT_set) ? usage_error(s, "--set changes one target; `target show` prints it")
                                   : list(s);
    if (strcmp(operands[0], "show") == 0)
        return count == 2 ? show(s, operands[1]) : usage_error(s, "show needs the name or the file of a target");
    static const char *const verbs[] = {"list", "show"};
    const char *near = diag_nearest(operands[0], verbs, 2);
    return near ? usage_error(s, "there is no 'target %s'; did you mean '%s'?", operands[0], near)
                : usage_error(s, "there is no 'target %s'; use list or show", operands[0]);
}
