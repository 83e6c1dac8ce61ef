/* Planning all lengths of a model, and lowering it to host code. */
#include "frontend/cli/host/host_model.h"

#include "codegen/host/plan.h"
#include "frontend/cli/cache_directory.h"
#include "frontend/models/models.h"
#include "frontend/policy.h"

static const src_loc nowhere = {0};

/* Counts and explicit bits say how many tokens there are. */
static bool fixes_length(const policy *p) {
    bool fixed = p->all && p->all->kind != POLICY_RATIOS;
    for (size_t i = 0; i < p->layer_count; i++)
        fixed = fixed || p->layers[i].kind != POLICY_RATIOS;
    return fixed;
}

host_lengths host_lengths_read(session *s, const source *src) {
    const option_value *seq = value(s, OPT_seq);
    if (seq->count > 1)
        return (host_lengths){seq->lengths, seq->count, false};
    bool one = src->resumed || fixes_length(src->policy);
    /* 0: the model's own, as without host code */
    uint32_t most = src->resumed ? src->resumed->header.seq
                    : seq->count ? seq->lengths[0]
                    : one        ? 0
                                 : model_positions(src->model);
    uint32_t *lengths = ARENA_ARRAY(s->arena, uint32_t, (size_t)most + 1);
    host_lengths all = {lengths, 0, true};
    for (uint32_t n = one ? most : 1; n <= most; n++)
        lengths[all.count++] = n;
    return all;
}

/* What a diag that printed nothing was told. */
static void repeat_errors(session *s, const diag *d) {
    for (size_t i = 0; i < diag_total(d); i++) {
        const diag_entry *e = diag_at(d, i);
        if (e->severity >= DIAG_ERROR)
            diag_repeat(s->diag, e);
    }
}

/* Everything that a length takes but its layers is given back at once: there may be hundreds. */
host_planning host_plan_length(session *s, arena *a, const source *src, const ir_module *whole, uint32_t seq,
                               bool optional, const pass_options *o, dtq_program *plan) {
    arena *scratch = arena_new();
    diag *d = diag_new(scratch, NULL);
    ir_module *m = host_plan_outline(scratch, whole, seq);
    host_planning result = HOST_PLANNED;
    if (!policy_apply(src->policy, m, d) || !run_graph_passes(scratch, d, &m, o)) {
        result = optional && diag_exit_code(d) != EXIT_INTERNAL ? HOST_LEFT_OUT : HOST_PLAN_FAILED;
        if (result == HOST_PLAN_FAILED)
            repeat_errors(s, d);
    } else if (!host_plan_add(a, s->diag, plan, m)) {
        result = HOST_PLAN_FAILED;
    }
    arena_free(scratch);
    return result;
}

static bool plan_model(session *s, const source *src, const host_lengths *lengths, dtq_program **out) {
    uint32_t longest = lengths->lengths[lengths->count - 1];
    pass_options quiet = {
        .optimise = value(s, OPT_optimise)->word == 1, .verify_last = verifies_last(s), .dump_level = -1};
    ir_module *whole = build_typed(s, src, longest, !given(s, OPT_no_cluster));
    bool known = whole && identify_weights(s, whole);
    *out = known ? host_plan_begin(s->arena, s->diag, whole, lengths->count) : NULL;
    if (!*out)
        return false;
    for (size_t i = 0; i < lengths->count; i++) {
        uint32_t seq = lengths->lengths[i] ? lengths->lengths[i] : whole->header.seq;
        bool optional = lengths->optional && i + 1 < lengths->count;
        if (host_plan_length(s, s->arena, src, whole, seq, optional, &quiet, *out) == HOST_PLAN_FAILED)
            return false;
    }
    return true;
}

const char *host_lacks_scheme(const source *src) {
    if (!src->resumed && !src->target.is_machine)
        return src->target.kind;
    const dtq_scheme *scheme = src->resumed ? &src->resumed->header.scheme : &src->policy->scheme;
    return scheme->kind == DTQ_SCHEME_MIXED ? NULL : dtq_schemes[scheme->kind].word;
}

bool host_model_make(session *s, const source *src, const host_lengths *lengths, host_model *out) {
    pass_options o;
    const char *scheme = host_lacks_scheme(src);
    if (scheme)
        return usage_error(s,
                           "host code is for mixed precision only, and the %s is %s: --engine=ref computes it, and "
                           "--emit=stream, asm or ir compile it",
                           source_is_system(src) ? "target" : "policy", scheme);
    if (!pass_options_read(s, &o) ||
        !compile_graph(s, src, lengths->lengths[lengths->count - 1], !given(s, OPT_no_cluster), &o, &out->graph))
        return false;
    const ir_module *m = out->graph.module;
    if (m->level != IR_GRAPH)
        return diag_error(s->diag, nowhere, "host code is made from the graph level; %s is at the %s level", src->path,
                          ir_level_name(m->level));
    if (src->resumed) {
        if (!identify_weights(s, out->graph.module))
            return false;
        out->plan = host_plan(s->arena, s->diag, (const ir_module *const[]){m}, 1);
        if (!out->plan)
            return false;
    } else if (!plan_model(s, src, lengths, &out->plan)) {
        return false;
    }
    out->code = host_lower(s->arena, s->diag, m);
    return out->code != NULL;
}
