/* The table of schemes and their text form. */
#include "runtime/schemes/scheme.h"
#include "runtime/entry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/points.h"
#include "runtime/base/suggest.h"

/* clang-format off */
#define SCHEME(name, word, undefined, doc) static const dtq_scheme_param params_##name[] = {
#define SCHEME_INT(scheme, key, def, lo, hi, unit, doc) {#key, true, def, lo, hi, unit, doc},
#define SCHEME_REAL(scheme, key, def, lo, hi, unit, doc) {#key, false, def, lo, hi, unit, doc},
#define SCHEME_END(name) {0}}; /* a row more, as no array is empty */ \
    _Static_assert(sizeof params_##name / sizeof *params_##name <= DTQ_SCHEME_PARAMS_MOST + 1, "too many parameters");
#include "runtime/schemes/schemes.def"

const dtq_scheme_info dtq_schemes[DTQ_SCHEMES] = {
#define SCHEME(name, word, undefined, doc) {word, undefined, doc, params_##name, sizeof params_##name / sizeof *params_##name - 1},
#define SCHEME_INT(scheme, key, def, lo, hi, unit, doc)
#define SCHEME_REAL(scheme, key, def, lo, hi, unit, doc)
#define SCHEME_END(name)
#include "runtime/schemes/schemes.def"
};
/* clang-format on */

dtq_scheme dtq_scheme_of(dtq_scheme_kind kind) {
    dtq_scheme s = {.kind = kind};
    for (unsigned i = 0; i < dtq_schemes[kind].param_count; i++)
        s.values[i] = dtq_schemes[kind].params[i].def;
    return s;
}

bool dtq_scheme_same(const dtq_scheme *a, const dtq_scheme *b) {
    bool same = a->kind == b->kind;
    for (unsigned i = 0; same && i < dtq_schemes[a->kind].param_count; i++)
        same = a->values[i] == b->values[i];
    return same;
}

bool dtq_scheme_lacks(const dtq_scheme *s, const char *word) {
    size_t n = strlen(word);
    for (const char *at = dtq_schemes[s->kind].undefined; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (length == n && memcmp(at, word, n) == 0)
            return true;
        at += length;
    }
    return false;
}

bool dtq_do_scheme_value_check(const dtq_scheme_param *p, double value, char *why, size_t room) {
    if (value >= p->lo && value <= p->hi && (!p->whole || value == rint(value)))
        return true;
    snprintf(why, room, "%s is a %s in %.15g..%.15g%s%s, not %.15g", p->key, p->whole ? "whole number" : "number",
             p->lo, p->hi, *p->unit ? " " : "", p->unit, value);
    return false;
}

/* The first of the bytes at `text`, for a message: a file may hold any. */
enum { SHOWN_MOST = 41 };
static const char *shown(const char *text, size_t length, char buf[SHOWN_MOST]) {
    size_t n = 0;
    for (; n < length && n + 1 < SHOWN_MOST; n++)
        buf[n] = text[n] > ' ' && text[n] < 0x7F ? text[n] : '?';
    buf[n] = 0;
    return buf;
}

static void unknown(const char *what, const char *word, size_t length, const dtq_suggest *near, char *why,
                    size_t room) {
    char text[96], name[SHOWN_MOST];
    snprintf(why, room, "there is no %s '%s'%s", what, shown(word, length, name),
             dtq_suggest_text(near, text, sizeof text));
}

dtq_scheme_kind dtq_scheme_find(const char *word, size_t length, char *why, size_t room) {
    dtq_suggest near;
    dtq_suggest_init(&near, word, length);
    for (unsigned k = 0; k < DTQ_SCHEMES; k++) {
        if (strlen(dtq_schemes[k].word) == length && memcmp(dtq_schemes[k].word, word, length) == 0)
            return (dtq_scheme_kind)k;
        dtq_suggest_offer(&near, dtq_schemes[k].word, strlen(dtq_schemes[k].word));
    }
    unknown("scheme", word, length, &near, why, room);
    return DTQ_SCHEMES;
}

unsigned dtq_scheme_param_find(dtq_scheme_kind kind, const char *key, size_t length, char *why, size_t room) {
    const dtq_scheme_info *s = &dtq_schemes[kind];
    dtq_suggest near;
    dtq_suggest_init(&near, key, length);
    for (unsigned i = 0; i < s->param_count; i++) {
        if (strlen(s->params[i].key) == length && memcmp(s->params[i].key, key, length) == 0)
            return i;
        dtq_suggest_offer(&near, s->params[i].key, strlen(s->params[i].key));
    }
    char what[64];
    snprintf(what, sizeof what, "parameter of %s", s->word);
    unknown(what, key, length, &near, why, room);
    return s->param_count;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

const char *dtq_do_scheme_text(const dtq_scheme *s, char *buf) {
    const dtq_scheme_info *info = &dtq_schemes[s->kind];
    size_t used = (size_t)snprintf(buf, DTQ_SCHEME_TEXT_MOST, "%s", info->word);
    const dtq_points points = dtq_points_begin();
    for (unsigned i = 0; i < info->param_count && used < DTQ_SCHEME_TEXT_MOST; i++) {
        char number[32];
        for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back the same */
            snprintf(number, sizeof number, "%.*g", digits, s->values[i]);
            if (strtod(number, NULL) == s->values[i])
                break;
        }
        used += (size_t)snprintf(buf + used, DTQ_SCHEME_TEXT_MOST - used, " %s=%s", info->params[i].key, number);
    }
    dtq_points_end(points);
    return buf;
}

/* One "key=value" of length n. */
static bool take_param(const char *at, size_t n, dtq_scheme *out, uint64_t *seen, char *why, size_t room) {
    const char *mark = memchr(at, '=', n);
    if (!mark) {
        char word[SHOWN_MOST];
        snprintf(why, room, "'%s' is no key=value", shown(at, n, word));
        return false;
    }
    size_t key = (size_t)(mark - at), length = n - key - 1;
    unsigned i = dtq_scheme_param_find(out->kind, at, key, why, room);
    if (i == dtq_schemes[out->kind].param_count)
        return false;
    char number[32] = {0}, *end = number;
    if (length > 0 && length < sizeof number)
        memcpy(number, mark + 1, length);
    double value = strtod(number, &end);
    if (!*number || *end || *seen >> i & 1) {
        snprintf(why, room, *seen >> i & 1 ? "%.*s stands twice" : "%.*s is not followed by a number", (int)key, at);
        return false;
    }
    *seen |= UINT64_C(1) << i;
    out->values[i] = value;
    return dtq_do_scheme_value_check(&dtq_schemes[out->kind].params[i], value, why, room);
}

bool dtq_do_scheme_parse(const char *text, dtq_scheme *out, char *why, size_t room) {
    size_t n = strcspn(text, " ");
    dtq_scheme_kind kind = dtq_scheme_find(text, n, why, room);
    if (kind == DTQ_SCHEMES)
        return false;
    *out = dtq_scheme_of(kind);
    uint64_t seen = 0;
    const dtq_points points = dtq_points_begin();
    bool ok = true;
    for (text += n; ok && *text; text += n) {
        text += strspn(text, " ");
        n = strcspn(text, " ");
        ok = n == 0 || take_param(text, n, out, &seen, why, room);
    }
    dtq_points_end(points);
    return ok;
}

bool dtq_do_scheme_check(const dtq_scheme *s, char *why, size_t room) {
    if ((unsigned)s->kind >= DTQ_SCHEMES) {
        snprintf(why, room, "there is no scheme %u", (unsigned)s->kind);
        return false;
    }
    const dtq_scheme_info *info = &dtq_schemes[s->kind];
    for (unsigned i = 0; i < DTQ_SCHEME_PARAMS_MOST; i++) {
        if (i < info->param_count && !dtq_do_scheme_value_check(&info->params[i], s->values[i], why, room))
            return false;
        if (i >= info->param_count && s->values[i] != 0) {
            snprintf(why, room, "%s has only %u parameters", info->word, info->param_count);
            return false;
        }
    }
    return true;
}
