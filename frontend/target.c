/* Target files: the parameters of a kind of machine or system, by its table (runtime/machine.def, runtime/systems/),
 * read and printed. */
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/edit.h"
#include "frontend/files/fields.h"
#include "frontend/target.h"
#include "ir/base/path.h"
#include "runtime/machine_members.h"

enum { MAX_SECTIONS = 16, MAX_KEYS = 64 };

static bool is_top(const dtq_machine_param *p) {
    return strcmp(p->section, "top") == 0;
}

/** Sections in the order of the table, without `top`. */
static size_t sections(const target_kind *k, const char *out[MAX_SECTIONS]) {
    size_t count = 0;
    for (size_t i = 0; i < k->param_count; i++) {
        const dtq_machine_param *p = &k->params[i];
        bool known = is_top(p);
        for (size_t j = 0; j < count && !known; j++)
            known = strcmp(out[j], p->section) == 0;
        if (!known && count < MAX_SECTIONS)
            out[count++] = p->section;
    }
    return count;
}

static bool read_param(diag *d, const doc_node *n, const dtq_machine_param *p, void *out) {
    char what[128];
    double value = 0;
    bool top = is_top(p);
    if (p->kind == DTQ_PARAM_ENUM) {
        int word;
        snprintf(what, sizeof what, "%s%s%s", top ? "" : p->section, top ? "" : ".", p->name);
        if (!doc_word(d, n, what, p->words, &word))
            return false;
        value = word;
    } else {
        snprintf(what, sizeof what, "%s%s%s (%s)", top ? "" : p->section, top ? "" : ".", p->name, p->unit);
        if (p->kind == DTQ_PARAM_INT) {
            int64_t whole;
            const bool size = strcmp(p->unit, "bytes") == 0;
            if (!(size ? doc_bytes : doc_int)(d, n, what, (int64_t)p->lo, (int64_t)p->hi, &whole))
                return false;
            value = (double)whole;
        } else if (!doc_real(d, n, what, p->lo, p->hi, &value)) {
            return false;
        }
    }
    dtq_param_set(out, p, value);
    return true;
}

/** Reads the parameters of one section out of its mapping; unknown keys are errors. `extra`: keys that are no numbers.
 */
static bool read_section(diag *d, const target_kind *k, const doc_node *mapping, const char *section,
                         const char *const *extra, size_t extra_count) {
    const char *keys[MAX_KEYS];
    size_t count = 0;
    bool top = strcmp(section, "top") == 0;
    for (size_t i = 0; i < extra_count && count < MAX_KEYS; i++)
        keys[count++] = extra[i];
    for (size_t i = 0; i < k->param_count && count < MAX_KEYS; i++)
        if (strcmp(k->params[i].section, section) == 0)
            keys[count++] = k->params[i].name;
    if (!doc_kind_is(d, mapping, top ? "a target" : section, DOC_MAPPING))
        return false;
    bool ok = doc_keys(d, mapping, top ? "the target" : section, keys, count);
    for (size_t i = 0; i < k->param_count; i++) {
        const dtq_machine_param *p = &k->params[i];
        const doc_node *n = strcmp(p->section, section) == 0 ? doc_find(mapping, p->name) : NULL;
        if (n)
            ok = read_param(d, n, p, k->out) && ok;
    }
    return ok;
}

static bool read_kind(diag *d, const doc_node *root, const target_kind *kinds, size_t kind_count, const char *hint,
                      size_t *out) {
    const doc_node *kind = doc_find(root, "kind");
    const char *text;
    if (!kind)
        return diag_error(d, root->loc, "the target lacks the key 'kind'; write `kind: vssa`");
    if (!doc_string(d, kind, "kind", &text))
        return false;
    for (*out = 0; *out < kind_count; ++*out)
        if (strcmp(text, kinds[*out].name) == 0)
            return true;
    *out = 0;
    return diag_error(d, kind->loc, "kind must be %s, not '%.40s'", hint, text);
}

static bool read_root(arena *a, diag *d, const char *path, const doc_node *root, const target_kind *kinds,
                      size_t kind_count, const char *kinds_hint, size_t *kind, const char **name) {
    enum { LONGEST = sizeof((dtq_machine){0}.name) - 1 };
    const char *extra[MAX_SECTIONS + 2];
    if (!doc_kind_is(d, root, "a target", DOC_MAPPING))
        return false;
    bool ok = read_kind(d, root, kinds, kind_count, kinds_hint, kind);
    if (!ok && (kind_count > 1 || doc_find(root, "kind"))) /* which keys are right depends on the kind */
        return false;
    const target_kind *k = &kinds[*kind];
    size_t count = sections(k, extra);
    const size_t section_count = count;
    extra[count++] = "kind";
    extra[count++] = "name";
    *name = path_stem(a, path);
    const doc_node *named = doc_find(root, "name");
    if (named)
        ok = doc_string(d, named, "name", name) && ok;
    if (strlen(*name) > LONGEST) {
        src_loc loc = named ? named->loc : root->loc;
        ok = diag_error(d, loc, "the name '%.20s…' is %zu bytes long; at most %d fit", *name, strlen(*name), LONGEST);
        *name = "";
    }
    ok = read_section(d, k, root, "top", extra, count) && ok;
    for (size_t i = 0; i < section_count; i++) {
        const doc_node *section = doc_find(root, extra[i]);
        if (section)
            ok = read_section(d, k, section, extra[i], NULL, 0) && ok;
    }
    return ok;
}

bool target_read(arena *a, diag *d, const char *path, const target_kind *kinds, size_t kind_count,
                 const char *kinds_hint, size_t *kind, const char **name) {
    const doc_node *root = doc_load_family(a, d, path, &family_target);
    return root && read_root(a, d, path, root, kinds, kind_count, kinds_hint, kind, name);
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

/** The shortest text that reads back as the same number. */
static const char *number(double value, char buf[40]) {
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buf, 40, "%.*g", digits, value);
        if (strtod(buf, NULL) == value)
            break;
    }
    return buf;
}

static void print_param(const void *of, const dtq_machine_param *p, FILE *out) {
    char buf[64];
    double value = dtq_param_get(of, p);
    if (p->kind == DTQ_PARAM_ENUM) {
        const char *w = p->words;
        for (int i = 0; i < (int)value && strchr(w, '|'); i++)
            w = strchr(w, '|') + 1;
        snprintf(buf, sizeof buf, "%.*s", (int)strcspn(w, "|"), w);
    } else if (p->kind == DTQ_PARAM_INT) {
        snprintf(buf, sizeof buf, "%llu", (unsigned long long)value);
    } else {
        number(value, buf);
    }
    fprintf(out, "%s%s: %-*s # ", is_top(p) ? "" : "  ", p->name, (int)(30 - strlen(p->name)), buf);
    if (p->kind == DTQ_PARAM_ENUM)
        fprintf(out, "%s: %s\n", p->words, p->doc);
    else
        fprintf(out, "%s: %s\n", p->unit, p->doc);
}

void target_write(const target_kind *k, const char *name, FILE *out) {
    const char *names[MAX_SECTIONS];
    size_t count = sections(k, names);
    fprintf(out, "kind: %s\nname: ", k->name);
    doc_write_quoted(name, out);
    fputc('\n', out);
    for (size_t i = 0; i < k->param_count; i++)
        if (is_top(&k->params[i]))
            print_param(k->out, &k->params[i], out);
    for (size_t s = 0; s < count; s++) {
        fprintf(out, "%s:\n", names[s]);
        for (size_t i = 0; i < k->param_count; i++)
            if (strcmp(k->params[i].section, names[s]) == 0)
                print_param(k->out, &k->params[i], out);
    }
}

/* ---- the kinds there are ---------------------------------------------------------------------------------------- */

enum { MACHINE_KINDS = 2 /* vssa, systolic */, KINDS = MACHINE_KINDS + DTQ_SYSTEM_KINDS };

/** The kind of a target with that kind's table and place in `t`. */
static target_kind kind_at(any_target *t, size_t i, dtq_system_params *place) {
    if (i < MACHINE_KINDS)
        return (target_kind){i == 0 ? "vssa" : "systolic", dtq_machine_params, dtq_machine_param_count, t->machine};
    const dtq_system_info *info = &dtq_system_table[i - MACHINE_KINDS];
    return (target_kind){info->name, info->params, info->param_count, place};
}

bool target_of(arena *a, diag *d, const char *path, const doc_node *root, any_target *out) {
    target_kind kinds[KINDS];
    dtq_system_params params[DTQ_SYSTEM_KINDS];
    memset(out, 0, sizeof *out);
    out->machine = ARENA_NEW(a, dtq_machine);
    dtq_machine_init(out->machine);
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
    if (!read_root(a, d, path, root, kinds, KINDS, hint, &kind, &out->name))
        return false;
    out->kind = kinds[kind].name;
    out->is_machine = kind < MACHINE_KINDS;
    out->cluster = kind == 0;
    snprintf(out->machine->name, sizeof out->machine->name, "%s", out->name);
    if (!out->is_machine) {
        out->system = (dtq_system_kind)(kind - MACHINE_KINDS);
        out->params = params[out->system];
        out->machine->top_clock_ghz = out->params.common.top_clock_ghz;
    }
    return true;
}

/** The kind that a file names, or NULL. */
static bool kind_named(const doc_node *root, any_target *t, dtq_system_params *place, target_kind *out) {
    const doc_node *named = doc_find(root, "kind");
    for (size_t i = 0; named && named->kind == DOC_SCALAR && i < KINDS; i++) {
        *out = kind_at(t, i, place);
        if (strcmp(out->name, named->text) == 0)
            return true;
    }
    return false;
}

bool target_apply(arena *a, diag *d, doc_node *root, const doc_edits *edits) {
    any_target t = {0};
    dtq_system_params place;
    target_kind k;
    bool ok = true;
    for (size_t i = 0; i < edits->count; i++) {
        doc_edit e = edits->list[i];
        const char *dot = strchr(e.path, '.');
        size_t made = 0;
        /* `section.*` is every key that the kind has there, whether the file says it or not. */
        if (dot && strcmp(dot, ".*") == 0 && kind_named(root, &t, &place, &k))
            for (size_t p = 0; p < k.param_count; p++) {
                const size_t n = (size_t)(dot - edits->list[i].path);
                if (strlen(k.params[p].section) != n || strncmp(k.params[p].section, edits->list[i].path, n) != 0)
                    continue;
                e.path = arena_printf(a, "%s.%s", k.params[p].section, k.params[p].name);
                ok = doc_apply(a, d, root, &family_target, &(doc_edits){&e, 1}) && ok;
                made++;
            }
        if (!made)
            ok = doc_apply(a, d, root, &family_target, &(doc_edits){&e, 1}) && ok;
    }
    return ok;
}

bool target_load_edited(arena *a, diag *d, const char *path, const doc_edits *edits, any_target *out) {
    memset(out, 0, sizeof *out);
    doc_node *root = doc_load_family(a, d, path, &family_target);
    if (root && edits && edits->count && doc_kind_is(d, root, "a target", DOC_MAPPING) &&
        !target_apply(a, d, root, edits))
        return false;
    return root && target_of(a, d, path, root, out);
}

bool target_load(arena *a, diag *d, const char *path, any_target *out) {
    return target_load_edited(a, d, path, NULL, out);
}

const char **target_keys(arena *a, size_t *count) {
    const char **keys = ARENA_ARRAY(a, const char *, KINDS *MAX_KEYS);
    any_target t = {0};
    dtq_system_params place;
    *count = 0;
    for (size_t i = 0; i < KINDS; i++) {
        const target_kind k = kind_at(&t, i, &place);
        for (size_t p = 0; p < k.param_count; p++) {
            const char *key = is_top(&k.params[p]) ? k.params[p].name : k.params[p].section;
            bool known = false;
            for (size_t j = 0; j < *count && !known; j++)
                known = strcmp(keys[j], key) == 0;
            if (!known)
                keys[(*count)++] = key;
        }
    }
    return keys;
}

void target_print(const any_target *t, FILE *out) {
    any_target copy = *t;
    const size_t index = !t->is_machine ? MACHINE_KINDS + (size_t)t->system : t->cluster ? 0 : 1;
    const target_kind kind = kind_at(&copy, index, &copy.params);
    target_write(&kind, t->name, out);
}
