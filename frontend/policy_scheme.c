/* Policies that name a scheme of arithmetic instead of bits for each token. */
#include "frontend/policy_scheme.h"

#include <string.h>

#include "frontend/files/document.h"
#include "frontend/policy.h"
#include "runtime/systems/systems.h"

/** `word`, or {name: word, parameter: number, ...}. */
static bool read_scheme(arena *a, diag *d, const doc_node *n, dtq_scheme *out) {
    char why[256];
    const doc_node *name = n->kind == DOC_MAPPING ? doc_find(n, "name") : n;
    const char *word = NULL;
    if (!name)
        return diag_error(d, n->loc, "scheme must have a name beside its parameters");
    if (!doc_string(d, name, "the scheme", &word))
        return false;
    dtq_scheme_kind kind = dtq_scheme_find(word, strlen(word), why, sizeof why);
    if (kind == DTQ_SCHEMES)
        return diag_error(d, name->loc, "%s", why);
    *out = dtq_scheme_of(kind);
    bool ok = true;
    for (size_t i = 0; name != n && i < n->count; i++) {
        if (n->items[i] == name)
            continue;
        unsigned at = dtq_scheme_param_find(kind, n->keys[i], strlen(n->keys[i]), why, sizeof why);
        if (at == dtq_schemes[kind].param_count) {
            ok = diag_error(d, n->key_locs[i], "%s", why);
            continue;
        }
        const dtq_scheme_param *p = &dtq_schemes[kind].params[at];
        const char *what = arena_printf(a, "%s of %s", p->key, dtq_schemes[kind].word);
        int64_t whole_number = 0;
        ok = (p->whole ? doc_int(d, n->items[i], what, (int64_t)p->lo, (int64_t)p->hi, &whole_number)
                       : doc_real(d, n->items[i], what, p->lo, p->hi, &out->values[at])) &&
             ok;
        if (p->whole)
            out->values[at] = (double)whole_number;
    }
    return ok;
}

bool policy_read_scheme(arena *a, diag *d, const doc_node *root, const doc_node *scheme, policy *p) {
    static const char *const others[] = {"layers", "all", "importance", "prune"};
    if (!read_scheme(a, d, scheme, &p->scheme))
        return false;
    p->scheme_loc = scheme->loc;
    if (p->scheme.kind == DTQ_SCHEME_MIXED)
        return diag_error(d, scheme->loc,
                          "`mixed` is what a policy without a scheme is; write `layers` or `all` instead of it");
    if (dtq_scheme_is_system(&p->scheme))
        return diag_error(d, scheme->loc,
                          "%s is a target of its own, with this arithmetic: give --target and no policy",
                          dtq_schemes[p->scheme.kind].word);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const doc_node *other = doc_find(root, others[i]);
        if (other)
            return diag_error(d, other->loc, "a policy has either `scheme` or `%s`: %s runs all tokens alike",
                              others[i], dtq_schemes[p->scheme.kind].word);
    }
    p->loc = scheme->loc;
    p->all = policy_uniform(a, 8)->all;
    p->all->loc = scheme->loc;
    return true;
}

bool policy_apply_scheme(const policy *p, ir_module *m, diag *d) {
    const char *scheme = dtq_schemes[p->scheme.kind].word;
    if (p->scheme.kind != DTQ_SCHEME_MIXED && p->queries)
        return diag_error(d, p->scheme_loc,
                          "%s has no definition of steps of generation, as its scales are of whole sequences", scheme);
    bool ok = true;
    for (size_t i = 0; i < m->op_count; i++) {
        const char *word = m->ops[i].code == IR_ACTIVATION ? ir_str(m, i, IR_KEY_function) : NULL;
        word = word ? word : ir_info((ir_opcode)m->ops[i].code)->spelling;
        if (!dtq_scheme_lacks(&p->scheme, word))
            continue;
        const char *source = ir_str(m, i, IR_KEY_source);
        ok = diag_error(d, m->ops[i].loc, "%s has no definition of `%s` (%s); it was made for encoders of BERT's kind",
                        scheme, word, source ? source : "an op");
        break; /* the other layers have the same */
    }
    m->header.scheme = p->scheme;
    return ok;
}

policy *policy_uniform(arena *a, unsigned bits) {
    policy *p = ARENA_NEW(a, policy);
    p->name = arena_printf(a, "uniform%u", bits);
    p->all = ARENA_NEW(a, policy_layer);
    p->all->kind = POLICY_RATIOS;
    p->all->ratios[bits == 8 ? 2 : 1] = 1;
    return p;
}
