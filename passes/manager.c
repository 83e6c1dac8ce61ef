/* The pass manager: checks what each pass requires, runs it, verifies the result, prints and times on demand. */
#include "passes/passes.h"

#include <string.h>
#include <time.h>

#include "passes/cost.h"
#include "passes/derived.h"
#include "passes/pass_list.h"

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** The first pass that `p` requires and that has not run, or NULL. The text lives as long as the diag's arena. */
static const char *missing_requirement(const ir_module *m, const pass_info *p) {
    for (const char *word = p->requires; *word;) {
        bool ran = false;
        const char *first = arena_strndup(m->arena, word, strcspn(word, " |"));
        for (const char *other = word;;) {
            size_t n = strcspn(other, " |");
            ran = ran || ir_pass_ran(m, arena_strndup(m->arena, other, n));
            if (other[n] != '|')
                break;
            other += n + 1;
        }
        if (!ran)
            return first;
        word += strcspn(word, " ");
        word += strspn(word, " ");
    }
    return NULL;
}

const char *const *passes_left(arena *a, ir_module *m, const char *const *names, size_t count) {
    passes_infer_ran(m);
    const char **left = ARENA_ARRAY(a, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const pass_info *p = names[i] ? pass_find(names[i]) : NULL;
        if (p && !ir_pass_ran(m, p->name) && !pass_is_past(m, p) && (p->levels >> m->level) != 0)
            left[i] = p->name;
    }
    return left;
}

/** The last pass of the pipeline that has run and is no analysis, or NULL. */
static const pass_info *last_ran(const ir_module *m) {
    for (size_t i = pass_count; i-- > 0;)
        if (!pass_table[i].analysis && ir_pass_ran(m, pass_table[i].name))
            return &pass_table[i];
    return NULL;
}

bool pass_is_past(const ir_module *m, const pass_info *p) {
    const pass_info *last = last_ran(m);
    return !p->analysis && last && p <= last;
}

/** "graph, tile": where a pass is legal. */
static const char *legal_levels(const ir_module *m, const pass_info *p) {
    const char *text = "";
    for (unsigned level = 0; level < IR_LEVELS; level++)
        if (p->levels >> level & 1)
            text = arena_printf(m->arena, "%s%s%s", text, *text ? ", " : "", ir_level_name((ir_level)level));
    return text;
}

static bool check_requirements(diag *d, const ir_module *m, const pass_info *p) {
    src_loc nowhere = {0};
    if (!(p->levels & (1u << m->level)))
        return diag_error(d, nowhere, "pass %s cannot run at the %s level; its levels: %s", p->name,
                          ir_level_name(m->level), legal_levels(m, p));
    if (!p->analysis && ir_pass_ran(m, p->name))
        return diag_error(d, nowhere, "pass %s has already run on this module", p->name);
    if (pass_is_past(m, p))
        return diag_error(d, nowhere, "pass %s comes before %s, which has run on this module already", p->name,
                          last_ran(m)->name);
    const char *missing = missing_requirement(m, p);
    return !missing ||
           diag_error(d, nowhere, "pass %s requires %s to have run before; add it to --passes", p->name, missing);
}

/* What a pass leaves on ops of a kind: a module read from text that lists the pass must have it, too. */
static const struct {
    const char *pass;
    ir_opcode op;
    unsigned key;
} promises[] = {
    {"assign-precision", IR_ATTENTION, IR_KEY_slots},     {"assign-precision", IR_ATTENTION, IR_KEY_high},
    {"cluster-precision", IR_ATTENTION, IR_KEY_order},    {"cluster-precision", IR_ATTENTION, IR_KEY_static_bits},
    {"cluster-precision", IR_ATTENTION, IR_KEY_segments}, {"allocate-buffers", IR_BUFFER, IR_KEY_address},
};

/* And on attention, tile.attention and layer ops whose precision is static. */
static const unsigned static_keys[] = {IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits, IR_KEY_p_bits};

static bool promise_broken(diag *d, const ir_module *m, size_t op, unsigned key, const char *pass) {
    return diag_error(d, m->ops[op].loc,
                      "`%s` has no `%s`, though %s is listed as run; add it, or take %s off `passes`",
                      ir_info((ir_opcode)m->ops[op].code)->spelling, ir_key_get(key)->name, pass, pass);
}

static bool check_op(diag *d, const ir_module *m, size_t op) {
    ir_opcode code = (ir_opcode)m->ops[op].code;
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++)
        if (promises[i].op == code && !ir_get(m, op, promises[i].key) && ir_pass_ran(m, promises[i].pass))
            return promise_broken(d, m, op, promises[i].key, promises[i].pass);
    const char *is_static = ir_str(m, op, IR_KEY_static_bits);
    for (size_t i = 0; i < sizeof static_keys / sizeof *static_keys && is_static && strcmp(is_static, "yes") == 0; i++)
        if (!ir_get(m, op, static_keys[i]))
            return promise_broken(d, m, op, static_keys[i], "cluster-precision");
    ir_value result = m->ops[op].result;
    if (result != IR_NONE && m->types[result].elem == IR_ELEM_NONE && ir_pass_ran(m, "infer-shapes"))
        return diag_error(d, m->ops[op].loc,
                          "the value has no type, though infer-shapes is listed as run; write it, or "
                          "take infer-shapes off `passes`");
    return true;
}

/** A module may come from a text that somebody edited: passes rely on what those listed before them leave. */
static bool check_promises(pass_context *ctx, ir_module **module, bool prove) {
    ir_module *m = *module;
    for (size_t op = 0; op < m->op_count; op++)
        if (!check_op(ctx->diag, m, op))
            return false;
    if (m->level < IR_SCHEDULE && ir_pass_ran(m, "infer-shapes") && !shapes_hold(ctx, m))
        return false;
    if (!prove)
        return true;
    if (m->level < IR_SCHEDULE ? !graph_holds(ctx, m) : !schedule_holds(ctx, m))
        return false;
    return m->header.recompute ? derived_renew(ctx, module) : derived_holds(ctx, m);
}

static void dump(const ir_module *m, const char *title, const pass_options *o) {
    fprintf(o->dump, "# --- %s ---\n", title);
    ir_print_view(m, &o->view, o->dump);
}

/** What a pass left is a valid module, or the pass is wrong. */
static bool verify_after(diag *d, const ir_module *m, const pass_info *p) {
    return ir_verify(m, d) || diag_internal(d, (src_loc){0}, "the module is not valid after pass %s", p->name);
}

/** Notes that `p` ran, at its place in the order of the pipeline. */
static void mark_ran(ir_module *m, const pass_info *p) {
    if (ir_pass_ran(m, p->name))
        return;
    ir_mark_pass(m, p->name);
    for (size_t i = m->pass_count - 1; i > 0; i--) {
        const pass_info *before = pass_find(m->passes[i - 1]);
        if (!before || before < p)
            break;
        m->passes[i] = m->passes[i - 1];
        m->passes[i - 1] = p->name;
    }
}

bool passes_run(arena *a, diag *d, ir_module **m, const char *const *names, size_t count, const pass_options *o) {
    pass_context ctx = {.arena = a, .diag = d, .cost = cost_new(a, (*m)->machine), .optimise = o->optimise};
    bool print_all = o->print_after && strcmp(o->print_after, "all") == 0;
    bool dumped = false;
    const pass_info *unverified = NULL; /* the last pass after which nobody has looked */
    double total = 0;
    if (o->print_after && !print_all && !pass_find(o->print_after))
        return pass_unknown(d, o->print_after);
    passes_infer_ran(*m);
    if (!ir_verify(*m, d) || !check_promises(&ctx, m, o->prove && (*m)->text_file))
        return false;
    if (o->time_passes)
        fprintf(o->times, "%-20s %10s %14s %10s\n", "pass", "ms", "arena bytes", "ops");
    for (size_t i = 0; i < count; i++) {
        if (!names[i])
            continue;
        const pass_info *p = pass_find(names[i]);
        if (!p)
            return pass_unknown(d, names[i]);
        if (!check_requirements(d, *m, p))
            return false;
        ir_module *before = *m;
        const ir_module as_it_was = *before; /* a pass may leave the level in place */
        ir_level level = before->level;
        double start = seconds_now();
        size_t used = arena_used(a);
        ctx.idle = false;
        if (!p->run(&ctx, m))
            return false;
        if (ctx.idle)
            continue;
        mark_ran(*m, p);
        double elapsed = seconds_now() - start;
        total += elapsed;
        unverified = p;
        if (!o->verify_last) {
            if (!verify_after(d, *m, p))
                return false;
            unverified = NULL;
        }
        if (o->time_passes)
            fprintf(o->times, "%-20s %10.3f %14zu %10zu\n", p->name, elapsed * 1e3, arena_used(a) - used,
                    (*m)->op_count);
        if (o->dump_level == (int)level && (*m)->level != level) {
            dump(&as_it_was, ir_level_name(level), o);
            dumped = true;
        }
        if (*m != before)
            ir_module_release(before);
        if (print_all || (o->print_after && strcmp(o->print_after, p->name) == 0))
            dump(*m, p->name, o);
    }
    if (unverified && !verify_after(d, *m, unverified))
        return false;
    if (o->dump_level >= 0 && !dumped && (*m)->level == (ir_level)o->dump_level)
        dump(*m, ir_level_name((*m)->level), o);
    if (o->time_passes)
        fprintf(o->times, "%-20s %10.3f %14zu %10zu\n", "total", total * 1e3, arena_used(a), (*m)->op_count);
    return true;
}
