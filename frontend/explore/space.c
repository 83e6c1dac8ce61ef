/* Spaces of designs, read from files. */
#include "frontend/explore/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"

typedef enum {
#define FORM(id, keys, written, doc) FORM_##id,
#include "frontend/explore/forms.def"
} value_form;

enum { FORM_KEYS_MOST = 5 };

/* The keys of a form's mapping, up to a NULL. */
static const char *const form_keys[][FORM_KEYS_MOST + 1] = {
#define KEYS(...)                    {__VA_ARGS__}
#define FORM(id, keys, written, doc) keys,
#include "frontend/explore/forms.def"
};

static bool has_form(diag *d, const doc_node *n, const char *what, value_form form) {
    size_t count = 0;
    while (form_keys[form][count])
        count++;
    return doc_keys(d, n, what, form_keys[form], count);
}

/* ---- values of an axis ------------------------------------------------------------------------------------------- */

static void flow_text(arena *a, const doc_node *n, const char **out) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    if (!f) {
        *out = "";
        return;
    }
    doc_write(n, 0, f);
    fclose(f);
    *out = arena_strndup(a, text, bytes - 1);
    free(text);
}

static void make_room(arena *a, axis *x, size_t count) {
    x->values = ARENA_ARRAY(a, const doc_node *, count + 1);
    x->texts = ARENA_ARRAY(a, const char *, count + 1);
}

static bool is_number(const doc_node *n, double *out) {
    char *end;
    if (n->kind != DOC_SCALAR || n->quoted || !*n->text || strspn(n->text, "0123456789+-.eE") != strlen(n->text))
        return false;
    *out = strtod(n->text, &end);
    return !*end;
}

/** A number, or a size with its unit; `size` says which, and a range has the one or the other. */
static bool read_end(diag *d, const doc_node *range, const char *key, double *out, bool *size) {
    const doc_node *n = doc_find(range, key);
    int64_t bytes;
    if (!n)
        return diag_error(d, range->loc, "the range lacks the key '%s'", key);
    if (is_number(n, out))
        return true;
    *size = true;
    if (!doc_bytes(d, n, key, 0, INT64_C(1) << 40, &bytes))
        return false;
    *out = (double)bytes;
    return true;
}

static const char *number_text(arena *a, double x) {
    return arena_printf(a, "%.12g", x);
}

/** {from, to, step} or {from, to, times}. */
static bool read_range(arena *a, diag *d, const doc_node *n, axis *x) {
    double from, to, by = 0;
    bool size = false;
    if (!has_form(d, n, "the range", FORM_RANGE))
        return false;
    const doc_node *step = doc_find(n, "step"), *times = doc_find(n, "times");
    if (!step == !times)
        return diag_error(d, n->loc, "the range must have either `step` or `times`");
    if (!read_end(d, n, "from", &from, &size) || !read_end(d, n, "to", &to, &size) ||
        !(step ? read_end(d, n, "step", &by, &size) : doc_real(d, times, "times", 1.0001, 1e9, &by)))
        return false;
    if (from > to)
        return diag_error(d, n->loc, "the range begins with %.12g, which is above its end, %.12g", from, to);
    if (step ? by <= 0 : from <= 0)
        return diag_error(d, n->loc, step ? "the step must be above 0" : "what is multiplied must be above 0");
    const double count = floor((step ? (to - from) / by : log(to / from) / log(by)) + 1e-9) + 1;
    if (count > (double)AXIS_VALUES_MOST)
        return diag_error(d, n->loc, "the range has %.0f values; at most %d are taken", count, AXIS_VALUES_MOST);
    x->form = AXIS_NUMBERS;
    x->count = (size_t)count;
    make_room(a, x, x->count);
    for (size_t i = 0; i < x->count; i++) {
        double value = step ? from + (double)i * by : from * pow(by, (double)i);
        value = size ? round(value) : value;
        x->texts[i] = number_text(a, value);
        x->values[i] = doc_scalar(a, n->loc, x->texts[i]);
    }
    return true;
}

/** A list of choices; of numbers that ascend their order counts. */
static bool read_choices(arena *a, diag *d, const doc_node *n, axis *x) {
    if (n->count == 0)
        return diag_error(d, n->loc, "%s has no choices", x->key);
    x->count = n->count;
    make_room(a, x, n->count);
    x->form = AXIS_NUMBERS;
    double before = -INFINITY;
    for (size_t i = 0; i < n->count; i++) {
        double number;
        x->values[i] = n->items[i];
        flow_text(a, n->items[i], &x->texts[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(x->texts[k], x->texts[i]) == 0)
                return diag_error(d, n->items[i]->loc, "%s has the choice %.40s twice", x->key, x->texts[i]);
        if (!is_number(n->items[i], &number) || number <= before)
            x->form = AXIS_CHOICES;
        else
            before = number;
    }
    return true;
}

/* ---- shares ------------------------------------------------------------------------------------------------------ */

typedef struct {
    int parts;        /* of a whole */
    double tokens;    /* 0: shares, else counts of so many */
    int lo[3], hi[3]; /* in parts */
} simplex;

static const char class_names[3][2] = {"0", "4", "8"};

static doc_node *class_mapping(arena *a, src_loc loc, const simplex *g, const int parts[3]) {
    doc_node *m = doc_container(a, loc, DOC_MAPPING);
    for (int c = 0; c < 3; c++)
        doc_put(a, m, class_names[c], loc,
                doc_scalar(a, loc,
                           g->tokens > 0 ? arena_printf(a, "%.0f", g->tokens * parts[c] / g->parts)
                                         : number_text(a, (double)parts[c] / g->parts)));
    return m;
}

/** All ways to share a whole among the three classes, 0 bits slowest; a layer keeps something. */
static bool list_shares(arena *a, diag *d, src_loc loc, const simplex *g, axis *x) {
    size_t count = 0;
    for (int zero = g->lo[0]; zero <= g->hi[0] && zero < g->parts; zero++)
        for (int low = g->lo[1]; low <= g->hi[1] && zero + low <= g->parts; low++)
            count += g->parts - zero - low >= g->lo[2] && g->parts - zero - low <= g->hi[2];
    if (count == 0)
        return diag_error(d, loc, "no shares on the grid are within these bounds");
    x->form = AXIS_SHARES;
    make_room(a, x, count);
    x->shares = arena_array(a, count, sizeof *x->shares);
    for (int zero = g->lo[0]; zero <= g->hi[0] && zero < g->parts; zero++)
        for (int low = g->lo[1]; low <= g->hi[1] && zero + low <= g->parts; low++) {
            const int parts[3] = {zero, low, g->parts - zero - low};
            if (parts[2] < g->lo[2] || parts[2] > g->hi[2])
                continue;
            x->values[x->count] = class_mapping(a, loc, g, parts);
            flow_text(a, x->values[x->count], &x->texts[x->count]);
            for (int c = 0; c < 3; c++)
                x->shares[x->count][c] = (double)parts[c] / g->parts;
            x->count++;
        }
    return true;
}

/** [least, most] of a class, on the grid. */
static bool read_bounds(diag *d, const doc_node *n, const simplex *g, double whole, int *lo, int *hi) {
    double ends[2];
    if (n->kind != DOC_SEQUENCE || n->count != 2)
        return diag_error(d, n->loc, "bounds of a class must be [least, most]");
    for (size_t i = 0; i < 2; i++)
        if (!doc_real(d, n->items[i], "a bound", 0, whole, &ends[i]))
            return false;
    *lo = (int)ceil(ends[0] / whole * g->parts - 1e-9);
    *hi = (int)floor(ends[1] / whole * g->parts + 1e-9);
    return true;
}

/** {step: .05, 0: [0, .5]}, or of counts {step: 8, tokens: 128}. */
static bool read_shares(arena *a, diag *d, const doc_node *n, bool counts, axis *x) {
    simplex g = {.parts = 20};
    double step = 0, whole = 1;
    if (!has_form(d, n, "the grid of shares", counts ? FORM_COUNTS : FORM_RATIOS))
        return false;
    const doc_node *given = doc_find(n, "step"), *tokens = doc_find(n, "tokens");
    if (counts && !tokens)
        return diag_error(d, n->loc, "counts need `tokens`, of which there are so many");
    if (counts && !doc_real(d, tokens, "tokens", 1, 65536, &whole))
        return false;
    if (!given || !doc_real(d, given, "step", counts ? 1 : .001, whole, &step))
        return given ? false : diag_error(d, n->loc, "the grid of shares needs a `step`");
    g.parts = (int)lround(whole / step);
    g.tokens = counts ? whole : 0;
    if (fabs(g.parts * step - whole) > 1e-9 * whole)
        return diag_error(d, given->loc, "a whole of %.12g has no whole number of steps of %.12g", whole, step);
    for (int c = 0; c < 3; c++) {
        const doc_node *bounds = doc_find(n, class_names[c]);
        g.lo[c] = 0;
        g.hi[c] = g.parts;
        if (bounds && !read_bounds(d, bounds, &g, whole, &g.lo[c], &g.hi[c]))
            return false;
    }
    return list_shares(a, d, n->loc, &g, x);
}

bool space_add_shares(arena *a, diag *d, space *s, const char *path, double step) {
    if (s->count == AXES_MOST)
        return diag_error(d, (src_loc){0}, "the space has more than %d axes", AXES_MOST);
    axis *x = &s->axes[s->count];
    *x = (axis){.key = path, .path = path, .kind = AXIS_POLICY_KEY};
    simplex g = {.parts = (int)lround(1 / step)};
    for (int c = 0; c < 3; c++)
        g.hi[c] = g.parts;
    if (!list_shares(a, d, (src_loc){"the space", 0, 0}, &g, x))
        return false;
    s->count++;
    return true;
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *last) {
    const size_t n = strlen(path), k = strlen(last);
    return n >= k && strcmp(path + n - k, last) == 0 && (n == k || path[n - k - 1] == '.');
}

static bool read_axis(arena *a, diag *d, const char *key, src_loc loc, const doc_node *n, space_owner *owner,
                      void *context, axis *x) {
    *x = (axis){.key = key, .path = key, .loc = loc};
    if (strcmp(key, "target") == 0)
        x->kind = AXIS_TARGET;
    else if (strcmp(key, "policy") == 0)
        x->kind = AXIS_POLICY;
    else if (!owner(context, d, loc, &x->path, &x->kind))
        return false;
    if (n->kind == DOC_SEQUENCE)
        return read_choices(a, d, n, x);
    if (n->kind != DOC_MAPPING)
        return diag_error(d, n->loc, "%s must be a list of choices or a range {from, to, step|times}, not one value",
                          key);
    const bool counts = ends_in(x->path, "counts");
    if ((counts || ends_in(x->path, "ratios")) && !doc_find(n, "from"))
        return read_shares(a, d, n, counts, x);
    return read_range(a, d, n, x);
}

/* ---- constraints ------------------------------------------------------------------------------------------------- */

/** `metric OP number`, `metric OP fp32`, `metric OP fp32 + number`. */
static bool read_constraint(arena *a, diag *d, const doc_node *n, constraint *c) {
    static const struct {
        const char *sign;
        bound_kind kind;
    } signs[] = {{"<=", BOUND_MOST}, {">=", BOUND_LEAST}, {"<", BOUND_BELOW}, {">", BOUND_ABOVE}};
    const char *text;
    if (!doc_string(d, n, "a constraint", &text))
        return false;
    const size_t name = strcspn(text, " <>");
    const char *at = text + name + strspn(text + name, " ");
    *c = (constraint){.metric = arena_strndup(a, text, name), .text = text, .loc = n->loc};
    size_t i = 0;
    while (i < 4 && strncmp(at, signs[i].sign, strlen(signs[i].sign)) != 0)
        i++;
    bool ok = i < 4 && name > 0;
    if (ok) {
        c->kind = signs[i].kind;
        at += strlen(signs[i].sign);
        at += strspn(at, " ");
        c->relative = strncmp(at, "fp32", 4) == 0;
        at += c->relative ? 4 : 0;
        at += strspn(at, " ");
        double sign = 1;
        if (c->relative && (*at == '+' || *at == '-')) {
            sign = *at == '-' ? -1 : 1;
            at++;
            at += strspn(at, " ");
        }
        char *end = (char *)(uintptr_t)at;
        if (!c->relative || *at)
            c->value = sign * strtod(at, &end);
        ok = (end != at || (c->relative && !*at)) && !end[strspn(end, " ")] && isfinite(c->value);
    }
    return ok ||
           diag_error(d, n->loc, "'%.60s' is no constraint; write `area_mm2 <= 1.5` or `loss <= fp32 + .01`", text);
}

static bool read_constraints(arena *a, diag *d, const doc_node *n, space *s) {
    if (!doc_kind_is(d, n, "constraints", DOC_SEQUENCE))
        return false;
    if (n->count > CONSTRAINTS_MOST)
        return diag_error(d, n->loc, "there are %zu constraints; at most %d are kept", n->count, CONSTRAINTS_MOST);
    for (size_t i = 0; i < n->count; i++)
        if (!read_constraint(a, d, n->items[i], &s->constraints[s->constraint_count++]))
            return false;
    return true;
}

bool constraint_holds(const constraint *c, double value, double fp32) {
    const double bound = c->value + (c->relative ? fp32 : 0);
    switch (c->kind) {
    case BOUND_MOST:
        return value <= bound;
    case BOUND_BELOW:
        return value < bound;
    case BOUND_LEAST:
        return value >= bound;
    case BOUND_ABOVE:
        return value > bound;
    }
    return false;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

space *space_load(arena *a, diag *d, const char *path, space_owner *owner, void *context) {
    const doc_node *root = doc_load(a, d, path, 0);
    space *s = ARENA_NEW(a, space);
    if (!root || !doc_kind_is(d, root, "a space", DOC_MAPPING))
        return NULL;
    bool ok = true;
    for (size_t i = 0; i < root->count; i++) {
        if (strcmp(root->keys[i], "constraints") == 0) {
            ok = read_constraints(a, d, root->items[i], s) && ok;
        } else if (s->count == AXES_MOST) {
            diag_error(d, root->key_locs[i], "the space has more than %d axes", AXES_MOST);
            return NULL;
        } else {
            ok =
                read_axis(a, d, root->keys[i], root->key_locs[i], root->items[i], owner, context, &s->axes[s->count]) &&
                ok;
            s->count++;
        }
    }
    if (ok && s->count == 0)
        ok = diag_error(d, root->loc, "the space has no axis; write `vssa.rows: [8, 16]`");
    return ok ? s : NULL;
}

uint64_t space_size(const space *s) {
    uint64_t size = 1;
    for (size_t i = 0; i < s->count; i++)
        size = size > UINT64_MAX / s->axes[i].count ? UINT64_MAX : size * s->axes[i].count;
    return size;
}

void space_point(const space *s, uint64_t number, uint32_t *out) {
    for (size_t i = s->count; i-- > 0;) {
        out[i] = (uint32_t)(number % s->axes[i].count);
        number /= s->axes[i].count;
    }
}

size_t space_edits(const space *s, const uint32_t *point, axis_kind kind, doc_edit *out) {
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->axes[i].kind == kind)
            out[count++] = (doc_edit){s->axes[i].path, s->axes[i].loc, s->axes[i].values[point[i]]};
    return count;
}
