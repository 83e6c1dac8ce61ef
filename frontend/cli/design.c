/* Points of a space: target, policy, cost. */
#include "frontend/cli/design.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/report/compare.h"
#include "frontend/cli/sets.h"
#include "frontend/cli/shipped.h"
#include "frontend/files/document.h"
#include "frontend/models/models.h"
#include "frontend/target.h"
#include "runtime/hash.h"
#include "runtime/machine_members.h"

const cost_info cost_table[COSTS] = {
#define COST(id, key, word, title, digits, high, doc) {key, word, title, doc, digits, high},
#include "frontend/explore/costs.def"
};

cost_id cost_named(const char *name) {
    int i = 0;
    while (i < COSTS && strcmp(name, cost_table[i].key) != 0 &&
           !(cost_table[i].word && strcmp(name, cost_table[i].word) == 0))
        i++;
    return (cost_id)i;
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

static bool owner(void *context, diag *d, src_loc loc, const char **path, axis_kind *out) {
    const key_owner k = sets_owner(context, d, loc, path);
    *out = k == KEY_OF_TARGET ? AXIS_TARGET_KEY : AXIS_POLICY_KEY;
    return k != KEY_OF_NONE;
}

static doc_node *load_base(session *s, const char *path, const doc_family *f, const doc_edits *changes) {
    doc_node *root = path ? doc_load_family(s->arena, s->diag, path, f) : NULL;
    if (!root)
        return NULL;
    const bool ok = f == &family_target ? target_apply(s->arena, s->diag, root, changes)
                                        : doc_apply(s->arena, s->diag, root, f, changes);
    return ok ? root : NULL;
}

bool design_open(session *s, design_base *out) {
    sets changes;
    *out = (design_base){0};
    if (!sets_read(s, &changes))
        return false;
    out->target_path = given(s, OPT_target) ? shipped_find(s, "targets", value(s, OPT_target)->text)
                                            : shipped_path(s, "targets", option_table[OPT_target].missing);
    out->target = load_base(s, out->target_path, &family_target, &changes.target);
    if (given(s, OPT_policy)) {
        out->policy_path = shipped_find(s, "policies", value(s, OPT_policy)->text);
        out->policy = load_base(s, out->policy_path, &family_policy, &changes.policy);
    } else {
        doc_node *root = policy_uniform_doc(s->arena);
        out->policy_path = root->loc.file;
        out->policy = doc_apply(s->arena, s->diag, root, &family_policy, &changes.policy) ? root : NULL;
    }
    if (given(s, OPT_space)) {
        out->space = space_load(s->arena, s->diag, value(s, OPT_space)->text, owner, s->arena);
        if (!out->space)
            return false;
        for (size_t i = 0; i < out->space->count; i++)
            out->layers = out->layers || strncmp(out->space->axes[i].path, "layers.", 7) == 0;
    }
    return out->target && out->policy;
}

/* The file that a point names, or a copy of the command line's. */
static doc_node *base_of(session *s, const design_base *b, const uint32_t *point, axis_kind kind) {
    const bool target = kind == AXIS_TARGET;
    for (size_t i = 0; i < b->space->count; i++) {
        const axis *x = &b->space->axes[i];
        if (x->kind != kind)
            continue;
        const char *path = shipped_find(s, target ? "targets" : "policies", x->texts[point[i]]);
        return path ? doc_load_family(s->arena, s->diag, path, target ? &family_target : &family_policy) : NULL;
    }
    return doc_copy(s->arena, target ? b->target : b->policy);
}

/* `all` as a row for each layer. */
static void spread_rows(arena *a, doc_node *root, size_t layers) {
    const doc_node *all = doc_find(root, "all");
    if (!all)
        return;
    doc_node *rows = doc_container(a, all->loc, DOC_SEQUENCE);
    for (size_t i = 0; i < layers; i++)
        doc_append(a, rows, doc_copy(a, all));
    doc_edit e = {"layers", all->loc, rows};
    doc_apply(a, NULL, root, &family_policy, &(doc_edits){&e, 1});
}

bool design_documents(session *s, const design_base *b, const uint32_t *point, size_t layers, doc_node **target_doc,
                      doc_node **policy_doc) {
    arena *a = s->arena;
    doc_edit *list = ARENA_ARRAY(a, doc_edit, b->space->count + 1);
    doc_edits edits = {list, 0};
    *target_doc = base_of(s, b, point, AXIS_TARGET);
    *policy_doc = base_of(s, b, point, AXIS_POLICY);
    if (!*target_doc || !*policy_doc)
        return false;
    if (b->layers && (*policy_doc)->kind == DOC_MAPPING)
        spread_rows(a, *policy_doc, layers);
    edits.count = space_edits(b->space, point, AXIS_TARGET_KEY, list);
    if (!target_apply(a, s->diag, *target_doc, &edits))
        return false;
    edits.count = space_edits(b->space, point, AXIS_POLICY_KEY, list);
    return doc_apply(a, s->diag, *policy_doc, &family_policy, &edits);
}

bool design_apply(session *s, const design_base *b, const uint32_t *point, size_t layers, source *src) {
    doc_node *target_doc, *policy_doc;
    if (!design_documents(s, b, point, layers, &target_doc, &policy_doc) ||
        !target_of(s->arena, s->diag, b->target_path, target_doc, &src->target))
        return false;
    src->policy = policy_of(s->arena, s->diag, b->policy_path, policy_doc);
    src->hash = src->policy ? design_hash(s, src, policy_doc) : 0;
    return src->policy != NULL;
}

size_t design_layers(session *s, const source *src) {
    session t = *s;
    size_t layers = 0;
    source plain = *src;
    t.arena = arena_new();
    plain.target.machine = ARENA_NEW(t.arena, dtq_machine);
    dtq_machine_init(plain.target.machine); /* any machine has the model's layers */
    const ir_module *m = build_typed(&t, &plain, model_is_attention(src->model) ? 0 : 1, true);
    for (size_t i = 0; m && i < m->op_count; i++)
        layers += m->ops[i].code == IR_ATTENTION;
    arena_free(t.arena);
    return layers;
}

/* ---- hash -------------------------------------------------------------------------------------------------------- */

uint64_t design_hash(session *s, const source *src, const doc_node *policy_doc) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    if (!f)
        return 0;
    fprintf(f, "%s\n%u %u\n", model_name(src->model), (unsigned)value(s, OPT_optimise)->word, src->policy->queries);
    target_print(&src->target, f);
    if (src->target.is_machine) /* other systems take no policy */
        doc_write(policy_doc, 0, f);
    fclose(f);
    const uint64_t hash = dtq_fnv1a(DTQ_FNV1A_START, text, bytes);
    free(text);
    return hash;
}

/* ---- cost -------------------------------------------------------------------------------------------------------- */

double design_area(const any_target *t) {
    const double area = t->is_machine ? dtq_machine_area(t->machine).total_mm2 : system_area(t->system, &t->params);
    return area > 0 ? area : (double)NAN;
}

static void price_machine(const report *r, double weight, double costs[COSTS]) {
    costs[COST_cycles] += weight * r->cycles;
    costs[COST_time_us] += weight * r->cycles / (r->machine->top_clock_ghz * 1e3);
    costs[COST_utilisation] += weight * r->utilisation;
    costs[COST_energy_uj] += weight * r->energy_pj / 1e6;
    costs[COST_dram_bytes] += weight * (double)r->dram_bytes;
    costs[COST_bops] += weight * (double)r->bops;
    costs[COST_ops] += weight * (double)r->bops / r->dense_ops;
}

static bool price_system(session *s, const source *src, const ir_module *m, double weight, double costs[COSTS]) {
    attention_workload w;
    if (!attention_workload_read(s->arena, s->diag, m, &w))
        return false;
    const comparison_row r = comparison_of_system(src->target.name, src->target.system, &src->target.params, &w);
    costs[COST_cycles] += weight * r.cycles;
    costs[COST_time_us] += weight * r.time_us;
    costs[COST_utilisation] += weight * r.utilisation;
    costs[COST_energy_uj] += weight * r.energy_pj.total / 1e6;
    costs[COST_dram_bytes] += weight * r.dram_bytes;
    costs[COST_bops] = costs[COST_ops] = NAN; /* of another width each */
    return true;
}

bool design_price(session *s, const source *src, uint32_t seq, double weight, double costs[COSTS], const char **limit) {
    pass_options o = {.optimise = value(s, OPT_optimise)->word == 1, .verify_last = verifies_last(s), .dump_level = -1};
    compiled c;
    if (!compile_length(s, src, seq, !given(s, OPT_no_cluster), &o, &c))
        return false;
    costs[COST_area_mm2] = design_area(&src->target);
    if (!src->target.is_machine) {
        *limit = NULL;
        return price_system(s, src, c.module, weight, costs);
    }
    const report *r = report_build(s->arena, s->diag, c.module);
    if (!r)
        return false;
    *limit = report_limited_by(r);
    price_machine(r, weight, costs);
    return true;
}

const char *design_error(arena *a, const diag *d) {
    for (size_t i = 0; i < diag_total(d); i++) {
        const diag_entry *e = diag_at(d, i);
        if (e->severity < DIAG_ERROR)
            continue;
        return e->loc.file && e->loc.line
                   ? arena_printf(a, "%s:%u:%u: %s", e->loc.file, e->loc.line, e->loc.col, e->message)
               : e->loc.file ? arena_printf(a, "%s: %s", e->loc.file, e->message)
                             : arena_strdup(a, e->message);
    }
    return "it failed without saying why";
}
