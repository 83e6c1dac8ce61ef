/* Derived facts: the column `derived by` of attrs.def, checked. A module that was read is stripped of everything that
 * passes compute, they compute it again, and both are compared op by op. So there is no second definition of any
 * derived number, and none that is printed and wrong. */
#include "passes/derived.h"

#include <string.h>

#include "passes/cost.h"
#include "passes/pass_list.h"
#include "passes/rebuild.h"

/** Whether `name` is one of blank-separated words. */
static bool has_word(const char *words, const char *name) {
    size_t n = strlen(name);
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == n && memcmp(at, name, n) == 0)
            return true;
        at += word;
    }
    return false;
}

static bool any_ran(const ir_module *m, const char *words) {
    for (size_t i = 0; i < m->pass_count; i++)
        if (has_word(words, m->passes[i]))
            return true;
    return false;
}

/** Passes that may compute again what they own: analyses, and those that only add to the schedule. */
static bool recomputes(const pass_info *p) {
    return p->analysis || (p->levels == 1u << IR_STREAM);
}

/** Whether a derived key is computed again here; the others, which ops cannot do without, are checked elsewhere: the
 *  verifier knows `segments` and `static_bits`, schedule_holds `bytes`. */
static bool is_recomputed(unsigned key) {
    const char *owners = ir_key_get(key)->derived_by;
    for (size_t i = 0; i < pass_count && *owners; i++)
        if (has_word(owners, pass_table[i].name) && recomputes(&pass_table[i]))
            return true;
    return false;
}

static bool is_token(const ir_module *m, size_t op) {
    return m->ops[op].code == IR_I_WAIT || m->ops[op].code == IR_I_SIGNAL;
}

/** Nothing derived stands in a module whose `passes` do not list who derived it. */
static bool owners_ran(pass_context *ctx, const ir_module *m, const bool *recomputed) {
    for (size_t op = 0; op < m->op_count; op++) {
        if (is_token(m, op) && !ir_pass_ran(m, "insert-sync"))
            return diag_error(
                ctx->diag, m->ops[op].loc,
                "tokens are computed by insert-sync, which `passes` does not list; remove them, or add it");
        for (unsigned i = 0; i < m->ops[op].attr_count; i++) {
            unsigned key = m->attrs[m->ops[op].attrs + i].key;
            const ir_key_info *info = ir_key_get(key);
            if (recomputed[key] && !any_ran(m, info->derived_by))
                return diag_error(
                    ctx->diag, m->ops[op].loc,
                    "`%s` is computed by %s, which `passes` does not list; remove the one, or add the other",
                    info->name, info->derived_by);
        }
    }
    return true;
}

/** The module with its decisions alone: no derived attribute, no token. */
static ir_module *bare_copy(const ir_module *m, const bool *recomputed) {
    rebuild r = rebuild_begin(m, m->level);
    for (size_t op = 0; op < m->op_count; op++) {
        if (is_token(m, op))
            continue;
        size_t copy = rebuild_copy(&r, op);
        const ir_op *from = &m->ops[op];
        for (unsigned i = 0; i < from->attr_count; i++) {
            unsigned key = m->attrs[from->attrs + i].key;
            if (recomputed[key])
                ir_unset(r.to, copy, key);
        }
    }
    return r.to;
}

static bool recompute(pass_context *ctx, const ir_module *like, ir_module **m) {
    diag *quiet = diag_new(ctx->arena, NULL);
    pass_context inner = *ctx;
    inner.diag = quiet;
    for (size_t i = 0; i < pass_count; i++) {
        const pass_info *p = &pass_table[i];
        if (!recomputes(p) || !(p->levels >> like->level & 1) || !ir_pass_ran(like, p->name))
            continue;
        if (p->run(&inner, m))
            continue;
        for (size_t e = 0; e < diag_total(quiet); e++)
            if (diag_at(quiet, e)->severity >= DIAG_ERROR)
                return diag_error(ctx->diag, diag_at(quiet, e)->loc, "%s", diag_at(quiet, e)->message);
        return diag_internal(ctx->diag, (src_loc){0}, "pass %s failed without a word", p->name);
    }
    return true;
}

static const char *owner_of(const ir_module *m, unsigned key) {
    const char *owners = ir_key_get(key)->derived_by;
    for (size_t i = 0; i < m->pass_count; i++)
        if (has_word(owners, m->passes[i]))
            return m->passes[i];
    return owners;
}

/** Op `op` of the module that was read, and `again`, the same as it was computed. */
static bool same_op(pass_context *ctx, const ir_module *m, size_t op, const ir_module *fresh, size_t again,
                    const bool *recomputed) {
    const char *spelling = ir_info((ir_opcode)m->ops[op].code)->spelling;
    const bool token = is_token(m, op);
    for (unsigned i = 0; i < m->ops[op].attr_count; i++) {
        const ir_attr *mine = &m->attrs[m->ops[op].attrs + i], *other = ir_get(fresh, again, mine->key);
        if ((!recomputed[mine->key] && !token) || (other && ir_attr_equal(mine, other)))
            continue;
        const char *name = ir_key_get(mine->key)->name, *text = ir_attr_text(ctx->arena, mine);
        if (token)
            return diag_error(ctx->diag, m->ops[op].loc,
                              "`%s`: `%s` is %s, but the token that insert-sync computes here has %s", spelling, name,
                              text, other ? ir_attr_text(ctx->arena, other) : "none");
        return diag_error(ctx->diag, m->ops[op].loc, "`%s`: `%s` is %s, but %s computes %s", spelling, name, text,
                          owner_of(m, mine->key), other ? ir_attr_text(ctx->arena, other) : "none");
    }
    for (unsigned i = 0; i < fresh->ops[again].attr_count; i++) {
        const ir_attr *other = &fresh->attrs[fresh->ops[again].attrs + i];
        if (recomputed[other->key] && !ir_get(m, op, other->key))
            return diag_error(ctx->diag, m->ops[op].loc, "`%s` has no `%s`, which is %s: `passes` lists %s; add it",
                              spelling, ir_key_get(other->key)->name, ir_attr_text(ctx->arena, other),
                              owner_of(m, other->key));
    }
    return true;
}

/** Where lists differ, one has a token that the other has not. */
static bool report_tokens(pass_context *ctx, const ir_module *m, size_t op, const ir_module *fresh, size_t again) {
    size_t at = op < m->op_count ? op : m->op_count - 1;
    const char *here = op < m->op_count ? ir_info((ir_opcode)m->ops[op].code)->spelling : "the end";
    if (again < fresh->op_count && is_token(fresh, again)) {
        bool waits = fresh->ops[again].code == IR_I_WAIT;
        unsigned other = (unsigned)ir_key_find(waits ? "from" : "to", waits ? 4 : 2);
        return diag_error(ctx->diag, m->ops[at].loc, "`%s`: in front of it a `%s` of queue %s %s %s is missing", here,
                          waits ? "wait" : "signal", ir_attr_text(ctx->arena, ir_get(fresh, again, IR_KEY_queue)),
                          waits ? "from" : "to", ir_attr_text(ctx->arena, ir_get(fresh, again, other)));
    }
    return diag_error(ctx->diag, m->ops[at].loc, "`%s`: no token is needed here; remove it", here);
}

static bool compare(pass_context *ctx, const ir_module *m, const ir_module *fresh, const bool *recomputed) {
    for (size_t op = 0; op < m->op_count || op < fresh->op_count; op++) {
        bool both = op < m->op_count && op < fresh->op_count;
        if (!both || m->ops[op].code != fresh->ops[op].code)
            return report_tokens(ctx, m, op, fresh, op);
        if (!same_op(ctx, m, op, fresh, op, recomputed))
            return false;
    }
    return true;
}

static bool *find_recomputed(arena *a) {
    bool *recomputed = ARENA_ARRAY(a, bool, ir_key_count());
    for (unsigned key = 0; key < ir_key_count(); key++)
        recomputed[key] = is_recomputed(key);
    return recomputed;
}

bool derived_renew(pass_context *ctx, ir_module **m) {
    ir_module *fresh = bare_copy(*m, find_recomputed(ctx->arena));
    if (!recompute(ctx, *m, &fresh))
        return false;
    fresh->header.recompute = false;
    *m = fresh;
    return true;
}

bool derived_holds(pass_context *ctx, const ir_module *m) {
    const bool *recomputed = find_recomputed(ctx->arena);
    if (!m->op_count)
        return true;
    if (!owners_ran(ctx, m, recomputed))
        return false;
    ir_module *fresh = bare_copy(m, recomputed);
    arena *scratch = arena_new(); /* of what passes need beside the module */
    pass_context inner = *ctx;
    inner.arena = scratch;
    bool same = recompute(&inner, m, &fresh) && compare(ctx, m, fresh, recomputed);
    arena_free(scratch);
    return same;
}
