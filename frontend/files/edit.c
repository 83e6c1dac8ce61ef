/* Changes to documents: values set at paths of keys, and files that extend others. */
#include "frontend/files/edit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/files/installed.h"
#include "ir/base/path.h"
#include "runtime/visible.h"

enum { MAX_ROWS = 4096, MAX_EXTENDS = 8, MAX_STEPS = 16 };

/* A row of a policy says how many tokens in one of three ways, a policy which rows in one of three. */
static const char *const policy_groups[] = {"ratios", "counts", "token_bits", NULL, "layers",
                                            "all",    "scheme", NULL,         NULL};

const doc_family family_target = {"target", "targets", true, NULL, NULL};
const doc_family family_policy = {"policy", "policies", false, policy_groups, "layers"};

/* ---- trees ------------------------------------------------------------------------------------------------------- */

doc_node *doc_scalar(arena *a, src_loc loc, const char *text) {
    doc_node *n = ARENA_NEW(a, doc_node);
    *n = (doc_node){.kind = DOC_SCALAR, .loc = loc, .text = arena_strdup(a, text)};
    return n;
}

doc_node *doc_container(arena *a, src_loc loc, doc_kind kind) {
    doc_node *n = ARENA_NEW(a, doc_node);
    *n = (doc_node){.kind = kind, .loc = loc};
    return n;
}

static size_t index_of(const doc_node *mapping, const char *key) {
    size_t i = 0;
    while (i < mapping->count && strcmp(mapping->keys[i], key) != 0)
        i++;
    return i;
}

static void drop(doc_node *mapping, const char *key) {
    size_t at = index_of(mapping, key);
    if (at == mapping->count)
        return;
    for (size_t i = at + 1; i < mapping->count; i++) {
        mapping->items[i - 1] = mapping->items[i];
        mapping->keys[i - 1] = mapping->keys[i];
        mapping->key_locs[i - 1] = mapping->key_locs[i];
    }
    mapping->count--;
}

void doc_append(arena *a, doc_node *list, doc_node *value) {
    doc_node **items = ARENA_ARRAY(a, doc_node *, list->count + 1);
    if (list->count)
        memcpy(items, list->items, list->count * sizeof(doc_node *));
    items[list->count++] = value;
    list->items = items;
}

void doc_put(arena *a, doc_node *mapping, const char *key, src_loc key_loc, doc_node *value) {
    const size_t n = mapping->count, at = index_of(mapping, key);
    if (at < n) {
        mapping->items[at] = value;
        mapping->key_locs[at] = key_loc;
        return;
    }
    const char **keys = ARENA_ARRAY(a, const char *, n + 1);
    src_loc *locs = ARENA_ARRAY(a, src_loc, n + 1);
    for (size_t i = 0; i < n; i++) {
        keys[i] = mapping->keys[i];
        locs[i] = mapping->key_locs[i];
    }
    keys[n] = arena_strdup(a, key);
    locs[n] = key_loc;
    mapping->keys = keys;
    mapping->key_locs = locs;
    doc_append(a, mapping, value);
}

/** Puts a value where only one of a group of keys may stand. */
static void put_alone(arena *a, doc_node *mapping, const doc_family *f, const char *key, src_loc loc, doc_node *value) {
    for (const char *const *group = f->exclusive; group && *group; group++) {
        const char *const *end = group;
        bool among = false;
        for (; *end; end++)
            among = among || strcmp(*end, key) == 0;
        for (const char *const *k = group; among && k < end; k++)
            if (strcmp(*k, key) != 0)
                drop(mapping, *k);
        group = end;
    }
    doc_put(a, mapping, key, loc, value);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/** Whether a scalar is what it says without quotes around it. */
static bool is_plain(const doc_node *n) {
    static const char special[] = ":{}[],&*#?|-<>=!%@`'\"\\";
    const char *s = n->text;
    if (n->quoted || !*s || strchr(" ", s[0]) || s[strlen(s) - 1] == ' ')
        return false;
    bool number = strspn(s, "0123456789+-.eE") == strlen(s);
    for (const char *c = s; *c; c++)
        if ((uint8_t)*c < 0x20 || (*c != '-' && strchr(special, *c)) || (*s == '-' && !number))
            return false;
    return true;
}

void doc_write_quoted(const char *text, FILE *out) {
    fputc('"', out);
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = dtq_utf8_length(text, left);
        const uint32_t c = dtq_code_point(text, n > 0 ? n : 1);
        if (n > 0 && dtq_is_control(c))
            fprintf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fwrite(text, 1, n > 0 ? n : 1, out);
        n = n > 0 ? n : 1;
    }
    fputc('"', out);
}

static void write_scalar(const doc_node *n, FILE *out) {
    if (is_plain(n)) {
        fputs(n->text, out);
        return;
    }
    if (!n->quoted && !*n->text)
        return;
    doc_write_quoted(n->text, out);
}

static void write_flow(const doc_node *n, FILE *out) {
    if (n->kind == DOC_SCALAR) {
        write_scalar(n, out);
        return;
    }
    fputc(n->kind == DOC_MAPPING ? '{' : '[', out);
    for (size_t i = 0; i < n->count; i++) {
        fputs(i ? ", " : "", out);
        if (n->kind == DOC_MAPPING)
            fprintf(out, "%s: ", n->keys[i]);
        write_flow(n->items[i], out);
    }
    fputc(n->kind == DOC_MAPPING ? '}' : ']', out);
}

static void write_block(const doc_node *n, int depth, int indent, FILE *out) {
    for (size_t i = 0; i < n->count; i++) {
        const doc_node *child = n->items[i];
        fprintf(out, "%*s", indent, "");
        if (n->kind == DOC_MAPPING)
            fprintf(out, "%s:", n->keys[i]);
        else
            fputc('-', out);
        if (depth > 1 && child->kind != DOC_SCALAR && child->count) {
            fputc('\n', out);
            write_block(child, depth - 1, indent + 2, out);
            continue;
        }
        fputc(' ', out);
        write_flow(child, out);
        fputc('\n', out);
    }
}

void doc_write(const doc_node *n, int depth, FILE *out) {
    if (n->kind != DOC_SCALAR && depth > 0 && n->count) {
        write_block(n, depth, 0, out);
        return;
    }
    write_flow(n, out);
    fputc('\n', out);
}

/* ---- setting values ---------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    diag *d;
    const doc_family *family;
    const doc_edit *edit;
    const char *steps[MAX_STEPS];
    uint32_t columns[MAX_STEPS]; /* from the start of the path */
    size_t count;
} route;

static src_loc step_loc(const route *r, size_t step) {
    src_loc loc = r->edit->loc;
    if (loc.col)
        loc.col += r->columns[step];
    return loc;
}

static bool cut(route *r) {
    const char *at = r->edit->path;
    for (;;) {
        const size_t n = strcspn(at, ".");
        if (n == 0 || r->count == MAX_STEPS)
            return diag_error(r->d, r->edit->loc, "'%.60s' is no path: keys with dots between them are wanted",
                              r->edit->path);
        r->columns[r->count] = (uint32_t)(at - r->edit->path);
        r->steps[r->count++] = arena_strndup(r->a, at, n);
        if (!at[n])
            return true;
        at += n + 1;
    }
}

static bool set_at(route *r, doc_node **place, size_t step);

/** `*`, an index or A-B as first and last item of a list. */
static bool items_of(const route *r, const doc_node *list, size_t step, size_t *first, size_t *last) {
    const char *text = r->steps[step];
    char *end;
    *first = 0;
    *last = list->count ? list->count - 1 : 0;
    bool ok = list->count > 0;
    if (strcmp(text, "*") != 0) {
        *first = *last = strtoul(text, &end, 10);
        ok = ok && end != text;
        if (ok && *end == '-') {
            const char *second = end + 1;
            *last = strtoul(second, &end, 10);
            ok = end != second;
        }
        ok = ok && !*end && *first <= *last && *last < list->count;
    }
    if (list->count == 0)
        return diag_error(r->d, step_loc(r, step), "the list is empty; '%.40s' names none of its items", text);
    return ok || diag_error(r->d, step_loc(r, step), "the list has %zu item%s, 0 to %zu; '%.40s' names none of them",
                            list->count, list->count == 1 ? "" : "s", list->count - 1, text);
}

static bool set_in_list(route *r, doc_node *list, size_t step) {
    size_t first, last;
    if (!items_of(r, list, step, &first, &last))
        return false;
    for (size_t i = first; i <= last; i++)
        if (!set_at(r, &list->items[i], step + 1))
            return false;
    return true;
}

static bool set_in_mapping(route *r, doc_node *mapping, size_t step) {
    const char *key = r->steps[step];
    if (strcmp(key, "*") == 0) {
        for (size_t i = 0; i < mapping->count; i++)
            if (!set_at(r, &mapping->items[i], step + 1))
                return false;
        return mapping->count || diag_error(r->d, step_loc(r, step), "there is no key that * could stand for");
    }
    doc_node *child = doc_find(mapping, key);
    if (!set_at(r, &child, step + 1))
        return false;
    put_alone(r->a, mapping, r->family, key, step_loc(r, step), child);
    return true;
}

/** Sets what the path from `step` on leads to in a value, which may be missing: then it is made. */
static bool set_at(route *r, doc_node **place, size_t step) {
    if (step == r->count) {
        *place = doc_copy(r->a, r->edit->value);
        return true;
    }
    if (!*place || (*place)->kind == DOC_SCALAR)
        *place = doc_container(r->a, step_loc(r, step), DOC_MAPPING);
    return (*place)->kind == DOC_SEQUENCE ? set_in_list(r, *place, step) : set_in_mapping(r, *place, step);
}

bool doc_apply(arena *a, diag *d, doc_node *root, const doc_family *f, const doc_edits *edits) {
    bool ok = true;
    for (size_t i = 0; edits && i < edits->count; i++) {
        route r = {.a = a, .d = d, .family = f, .edit = &edits->list[i]};
        ok = cut(&r) && set_at(&r, &root, 0) && ok;
    }
    return ok;
}

/* ---- extending --------------------------------------------------------------------------------------------------- */

static bool is_file_name(const char *name) {
    const size_t n = strlen(name);
    return strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".yaml") == 0);
}

/** The file that `extends:` of the file at `path` names: one beside it, or one that comes with dtqc. */
static const char *base_of(arena *a, diag *d, const char *path, const doc_family *f, const doc_node *name) {
    const char *text;
    struct stat st;
    if (!doc_string(d, name, "extends", &text))
        return NULL;
    const char *base = is_file_name(text) ? path_beside(a, path, text) : installed_file(a, f->shipped, text);
    if (stat(base, &st) == 0)
        return base;
    if (is_file_name(text))
        diag_error(d, name->loc, "extends the file %s, which is not there", base);
    else
        diag_error(d, name->loc, "extends '%.60s', which is no %s that comes with dtqc; a file ends in .yaml", text,
                   f->what);
    return NULL;
}

/** Lays the keys of `over` over those of `base`, which it changes. */
static void lay_over(arena *a, const doc_family *f, doc_node *base, const doc_node *over) {
    drop(base, "name"); /* another file has another name */
    for (size_t i = 0; i < over->count; i++) {
        if (strcmp(over->keys[i], "extends") == 0)
            continue;
        doc_node *old = doc_find(base, over->keys[i]), *fresh = over->items[i];
        if (!f->sections || !old || old->kind != DOC_MAPPING || fresh->kind != DOC_MAPPING) {
            put_alone(a, base, f, over->keys[i], over->key_locs[i], fresh);
            continue;
        }
        for (size_t k = 0; k < fresh->count; k++)
            doc_put(a, old, fresh->keys[k], fresh->key_locs[k], fresh->items[k]);
    }
}

/* ---- rows by ranges ---------------------------------------------------------------------------------------------- */

/** A row or a range of rows, both of its ends included: `3`, `0-3` or `0..3`. */
static bool range_of_key(const char *key, size_t *first, size_t *last) {
    static const char digits[] = "0123456789";
    enum { MOST = 4 }; /* digits of a number of a row */
    size_t length = strspn(key, digits);
    if (length == 0 || length > MOST)
        return false;
    *first = *last = strtoul(key, NULL, 10);
    key += length;
    if (*key) {
        key += *key == '-' ? 1 : strncmp(key, "..", 2) == 0 ? 2 : 0;
        length = strspn(key, digits);
        if (length == 0 || length > MOST || key[length])
            return false;
        *last = strtoul(key, NULL, 10);
    }
    return *first <= *last && *last < MAX_ROWS;
}

/** Makes a mapping from ranges to rows, in any order, the list of all rows; each row up to the last is in one range. */
static bool list_rows(arena *a, diag *d, doc_node *rows, const char *what) {
    doc_node **list = ARENA_ARRAY(a, doc_node *, MAX_ROWS);
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        size_t first, last;
        if (!range_of_key(rows->keys[i], &first, &last))
            return diag_error(d, rows->key_locs[i],
                              "'%.40s' is no range of %s; write one as 3, or the first and the last as 0-3 or 0..3, at "
                              "most %d",
                              rows->keys[i], what, MAX_ROWS - 1);
        for (size_t row = first; row <= last; row++) {
            if (list[row])
                return diag_error(d, rows->key_locs[i], "%s: %zu is in a range above already", what, row);
            list[row] = doc_copy(a, rows->items[i]);
        }
        count = last >= count ? last + 1 : count;
    }
    for (size_t row = 0; row < count; row++)
        if (!list[row])
            return diag_error(d, rows->loc, "%s: %zu is in no range, but %zu is", what, row, count - 1);
    *rows = (doc_node){.kind = DOC_SEQUENCE, .loc = rows->loc, .count = count, .items = list};
    return true;
}

static doc_node *load(arena *a, diag *d, const char *path, const doc_family *f, int depth) {
    doc_node *root = doc_load(a, d, path, 0), *rows = f->rows ? doc_find(root, f->rows) : NULL;
    if (rows && rows->kind == DOC_MAPPING && !list_rows(a, d, rows, f->rows))
        return NULL;
    const doc_node *name = doc_find(root, "extends");
    if (!name)
        return root;
    if (depth == MAX_EXTENDS) {
        diag_error(d, name->loc, "extends a %s that extends another, %d times over; does one extend itself?", f->what,
                   MAX_EXTENDS);
        return NULL;
    }
    const char *from = base_of(a, d, path, f, name);
    doc_node *base = from ? load(a, d, from, f, depth + 1) : NULL;
    if (!base || !doc_kind_is(d, base, arena_printf(a, "a %s", f->what), DOC_MAPPING))
        return NULL;
    lay_over(a, f, base, root);
    base->loc = root->loc;
    return base;
}

doc_node *doc_load_family(arena *a, diag *d, const char *path, const doc_family *f) {
    return load(a, d, path, f, 0);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

bool doc_bytes(diag *d, const doc_node *n, const char *what, int64_t lo, int64_t hi, int64_t *out) {
    static const char *const units[] = {"KiB", "MiB", "GiB"};
    const char *s = n->kind == DOC_SCALAR && !n->quoted ? n->text : "";
    const size_t digits = strspn(s, "0123456789.");
    const char *unit = s + digits + strspn(s + digits, " ");
    for (int i = 0; digits && i < 3; i++) {
        char *end;
        if (strcmp(unit, units[i]) != 0)
            continue;
        const double value = strtod(s, &end) * (double)(INT64_C(1) << (10 * (i + 1)));
        if (end == s + digits && value == floor(value) && value >= (double)lo && value <= (double)hi) {
            *out = (int64_t)value;
            return true;
        }
        return diag_error(d, n->loc, "%s must be whole bytes from %lld to %lld, not '%.40s'", what, (long long)lo,
                          (long long)hi, s);
    }
    if (digits && *unit && strspn(unit, "KMGkmgiBb") == strlen(unit))
        return diag_error(d, n->loc, "%s has '%.40s'; sizes are bytes, or have KiB, MiB or GiB behind them", what, s);
    return doc_int(d, n, what, lo, hi, out);
}
