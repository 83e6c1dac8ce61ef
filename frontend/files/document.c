/* YAML and JSON files as trees of located nodes, read from libfyaml's events.
 *
 * libfyaml's own documents are not used: their duplicate-key check is quadratic, containers carry no mark, and aliases
 * expand without bound. The events have marks; keys are checked here with a hash table. An alias is the anchored node
 * itself, and what all aliases would be, written out, is bounded.
 */
#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "ir/base/file.h"
#include "runtime/hash.h"
#include "runtime/visible.h"

enum { MAX_DEPTH = 64, DEFAULT_LIMIT = 16 << 20, MAX_ANCHORS = 256, MAX_ALIASED = 1 << 16 };

/** A value that aliases may name, once it is complete. */
typedef struct {
    const char *name;
    doc_node *node;
    size_t nodes, levels; /* of the value, written out */
} anchored;

/** A container that is still open. */
typedef struct {
    doc_node *node;
    size_t capacity;
    const char *key; /* of a mapping: read, its value still to come */
    src_loc key_loc;
    const char *anchor; /* name of this container, or NULL */
    size_t nodes, levels;
} frame;

typedef struct {
    arena *a;
    diag *d;
    const char *name;
    frame stack[MAX_DEPTH];
    size_t depth;
    doc_node *root;
    anchored anchors[MAX_ANCHORS];
    size_t anchor_count, aliased; /* nodes that aliases stand for */
} builder;

static src_loc place(const builder *b, const struct fy_mark *mark, src_loc otherwise) {
    if (!mark)
        return otherwise;
    return (src_loc){b->name, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

doc_node *doc_copy(arena *a, const doc_node *n) {
    doc_node *copy = ARENA_NEW(a, doc_node);
    *copy = *n;
    if (n->kind == DOC_SCALAR)
        return copy;
    copy->items = ARENA_ARRAY(a, doc_node *, n->count);
    for (size_t i = 0; i < n->count; i++)
        copy->items[i] = doc_copy(a, n->items[i]);
    if (n->kind == DOC_MAPPING) {
        copy->keys = ARENA_ARRAY(a, const char *, n->count);
        copy->key_locs = ARENA_ARRAY(a, src_loc, n->count);
        for (size_t i = 0; i < n->count; i++) {
            copy->keys[i] = n->keys[i];
            copy->key_locs[i] = n->key_locs[i];
        }
    }
    return copy;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

static void *grow(arena *a, void *old, size_t count, size_t capacity, size_t size) {
    void *fresh = arena_array(a, capacity, size);
    if (count)
        memcpy(fresh, old, count * size);
    return fresh;
}

/** Puts a finished or just opened value where it belongs. */
static void attach(builder *b, doc_node *n) {
    if (b->depth == 0) {
        b->root = n;
        return;
    }
    frame *f = &b->stack[b->depth - 1];
    doc_node *parent = f->node;
    if (parent->count == f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 4;
        parent->items = grow(b->a, parent->items, parent->count, f->capacity, sizeof *parent->items);
        if (parent->kind == DOC_MAPPING) {
            parent->keys = grow(b->a, parent->keys, parent->count, f->capacity, sizeof *parent->keys);
            parent->key_locs = grow(b->a, parent->key_locs, parent->count, f->capacity, sizeof *parent->key_locs);
        }
    }
    if (parent->kind == DOC_MAPPING) {
        parent->keys[parent->count] = f->key;
        parent->key_locs[parent->count] = f->key_loc;
        f->key = NULL;
    }
    parent->items[parent->count++] = n;
}

static uint64_t hash_text(const char *s) {
    return dtq_fnv1a(DTQ_FNV1A_START, s, strlen(s));
}

/** Reports the first key that stands twice. */
static bool keys_unique(builder *b, const doc_node *m) {
    if (m->count < 2)
        return true;
    size_t size = 4;
    while (size < m->count * 2)
        size *= 2;
    uint32_t *table = ARENA_ARRAY(b->a, uint32_t, size); /* index + 1 */
    for (size_t i = 0; i < m->count; i++) {
        size_t at = (size_t)hash_text(m->keys[i]) & (size - 1);
        for (; table[at]; at = (at + 1) & (size - 1)) {
            size_t other = table[at] - 1;
            if (strcmp(m->keys[other], m->keys[i]) == 0)
                return diag_error(b->d, m->key_locs[i], "duplicate key '%s'; it stands at %u:%u already", m->keys[i],
                                  m->key_locs[other].line, m->key_locs[other].col);
        }
        table[at] = (uint32_t)i + 1;
    }
    return true;
}

/** A node for an event: a key is kept in its frame, anything else becomes a child. */
static bool begin(builder *b, doc_kind kind, const struct fy_mark *mark, doc_node **out) {
    frame *f = b->depth ? &b->stack[b->depth - 1] : NULL;
    src_loc otherwise = {b->name, 0, 0};
    if (f)
        otherwise = f->key ? f->key_loc : f->node->loc;
    src_loc loc = place(b, mark, otherwise);
    *out = NULL;
    if (f && f->node->kind == DOC_MAPPING && !f->key && kind != DOC_SCALAR)
        return diag_error(b->d, loc, "a key must be a word or number, not a list or mapping");
    doc_node *n = ARENA_NEW(b->a, doc_node);
    n->kind = kind;
    n->loc = loc;
    *out = n;
    return true;
}

static bool open_container(builder *b, doc_kind kind, const struct fy_mark *mark) {
    doc_node *n;
    if (!begin(b, kind, mark, &n))
        return false;
    if (b->depth == MAX_DEPTH)
        return diag_error(b->d, n->loc, "nested deeper than %d levels", MAX_DEPTH);
    attach(b, n);
    b->stack[b->depth++] = (frame){.node = n};
    return true;
}

static bool scalar(builder *b, struct fy_event *e) {
    doc_node *n;
    size_t length = 0;
    const char *text = e->scalar.value ? fy_token_get_text(e->scalar.value, &length) : "";
    enum fy_scalar_style style = e->scalar.value ? fy_token_scalar_style(e->scalar.value) : FYSS_PLAIN;
    /* Nothing at all stands where its key does, or the list that it is in: libfyaml 0.7 has no mark for it, 0.8 one
     * behind the colon. */
    bool nothing = style == FYSS_PLAIN && text && length == 0;
    if (!begin(b, DOC_SCALAR, nothing ? NULL : fy_event_start_mark(e), &n))
        return false;
    if (!text)
        return diag_error(b->d, n->loc, "text that cannot be read; it must be UTF-8 without broken escapes");
    if (memchr(text, 0, length))
        return diag_error(b->d, n->loc, "text must not contain a NUL character");
    n->text = arena_strndup(b->a, text, length);
    n->quoted = style != FYSS_PLAIN;
    if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && n->loc.col > 1)
        n->loc.col--; /* the mark is behind the quote */
    frame *f = b->depth ? &b->stack[b->depth - 1] : NULL;
    if (f && f->node->kind == DOC_MAPPING && !f->key) {
        f->key = n->text;
        f->key_loc = n->loc;
    } else {
        attach(b, n);
    }
    return true;
}

/** A tag, NULL if there is none, is an error. */
static bool refuse_tag(builder *b, struct fy_token *tag) {
    src_loc whole = {b->name, 0, 0};
    return !tag || diag_error(b->d, place(b, fy_token_start_mark(tag), whole),
                              "tags (!name) are not supported; write the plain value");
}

/* ---- anchors and aliases ----------------------------------------------------------------------------------------- */

static const char *name_of(builder *b, struct fy_token *token) {
    size_t length = 0;
    const char *text = token ? fy_token_get_text(token, &length) : NULL;
    return text ? arena_strndup(b->a, text, length) : NULL;
}

static src_loc mark_of(const builder *b, struct fy_token *token) {
    src_loc loc = place(b, fy_token_start_mark(token), (src_loc){b->name, 0, 0});
    loc.col -= loc.col > 1; /* the mark is behind the & or * */
    return loc;
}

/** Adds a complete value to the size of the container that it is in. */
static void count_nodes(builder *b, size_t nodes, size_t levels) {
    if (b->depth == 0)
        return;
    frame *f = &b->stack[b->depth - 1];
    f->nodes += nodes;
    f->levels = levels > f->levels ? levels : f->levels;
}

/** Notes a complete value under its anchor; a name that is used again means the later value, as YAML has it. */
static bool note(builder *b, const char *name, doc_node *n, size_t nodes, size_t levels) {
    if (!name)
        return true;
    if (b->anchor_count == MAX_ANCHORS)
        return diag_error(b->d, n->loc, "a file may have at most %d anchors (&name)", MAX_ANCHORS);
    b->anchors[b->anchor_count++] = (anchored){name, n, nodes, levels};
    return true;
}

static bool alias(builder *b, struct fy_token *token) {
    const char *name = name_of(b, token);
    src_loc loc = token ? mark_of(b, token) : (src_loc){b->name, 0, 0};
    const frame *f = b->depth ? &b->stack[b->depth - 1] : NULL;
    const anchored *found = NULL;
    for (size_t i = b->anchor_count; name && i > 0 && !found; i--)
        if (strcmp(b->anchors[i - 1].name, name) == 0)
            found = &b->anchors[i - 1];
    if (!found)
        return diag_error(b->d, loc, "the alias *%s names no complete value above it; mark one with &%s",
                          name ? name : "", name ? name : "");
    if (f && f->node->kind == DOC_MAPPING && !f->key)
        return diag_error(b->d, loc, "a key must be a word or number, not an alias");
    if (b->depth + found->levels > MAX_DEPTH)
        return diag_error(b->d, loc, "nested deeper than %d levels", MAX_DEPTH);
    b->aliased += found->nodes;
    if (b->aliased > MAX_ALIASED)
        return diag_error(b->d, loc, "the aliases (*name) of this file stand for more than %d values", MAX_ALIASED);
    attach(b, doc_copy(b->a, found->node));
    count_nodes(b, found->nodes, found->levels);
    return true;
}

static bool opened(builder *b, doc_kind kind, const struct fy_mark *mark, struct fy_token *anchor,
                   struct fy_token *tag) {
    if (!refuse_tag(b, tag) || !open_container(b, kind, mark))
        return false;
    b->stack[b->depth - 1].anchor = name_of(b, anchor);
    return true;
}

static bool closed(builder *b) {
    const frame f = b->stack[--b->depth];
    count_nodes(b, f.nodes + 1, f.levels + 1);
    return (f.node->kind != DOC_MAPPING || keys_unique(b, f.node)) &&
           note(b, f.anchor, f.node, f.nodes + 1, f.levels + 1);
}

static bool marked_scalar(builder *b, struct fy_event *e) {
    const frame *f = b->depth ? &b->stack[b->depth - 1] : NULL;
    if (!refuse_tag(b, e->scalar.tag))
        return false;
    if (e->scalar.anchor && f && f->node->kind == DOC_MAPPING && !f->key)
        return diag_error(b->d, mark_of(b, e->scalar.anchor), "an anchor (&name) must mark a value, not a key");
    if (!scalar(b, e))
        return false;
    const doc_node *parent = b->depth ? b->stack[b->depth - 1].node : NULL;
    count_nodes(b, 1, 0);
    return !e->scalar.anchor ||
           note(b, name_of(b, e->scalar.anchor), parent ? parent->items[parent->count - 1] : b->root, 1, 0);
}

static bool take(builder *b, struct fy_event *e) {
    const struct fy_mark *mark = fy_event_start_mark(e);
    switch (e->type) {
    case FYET_DOCUMENT_START:
        if (b->root)
            return diag_error(b->d, place(b, mark, b->root->loc), "a second document; a file must hold exactly one");
        return true;
    case FYET_SCALAR:
        return marked_scalar(b, e);
    case FYET_SEQUENCE_START:
        return opened(b, DOC_SEQUENCE, mark, e->sequence_start.anchor, e->sequence_start.tag);
    case FYET_MAPPING_START:
        return opened(b, DOC_MAPPING, mark, e->mapping_start.anchor, e->mapping_start.tag);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return closed(b);
    case FYET_ALIAS:
        return alias(b, e->alias.anchor);
    default:
        return true;
    }
}

/** libfyaml passes broken UTF-8 on; here it ends. */
static bool check_text(builder *b, const char *text, size_t bytes) {
    src_loc at = {b->name, 1, 1};
    for (size_t i = 0, n; i < bytes; i += n) {
        n = dtq_utf8_length(text + i, bytes - i);
        if (n == 0 || text[i] == 0)
            return diag_error(b->d, at, "not text: the byte 0x%02x %s", (unsigned)(uint8_t)text[i],
                              n ? "is not allowed" : "begins no UTF-8 character");
        at.col++;
        if (text[i] == '\n')
            at = (src_loc){b->name, at.line + 1, 1};
    }
    return true;
}

/** libfyaml prints through this; what it has to say is collected instead. */
static void silent(struct fy_diag *fyd, void *user, const char *text, size_t length) {
    (void)fyd, (void)user, (void)text, (void)length;
}

/** The parser's own complaint, or a general one where it has none. */
static bool syntax_error(builder *b, struct fy_diag *fyd, bool json) {
    void *iterator = NULL;
    for (struct fy_diag_error *e; (e = fy_diag_errors_iterate(fyd, &iterator));) {
        if (e->type < FYET_ERROR || !e->msg)
            continue;
        src_loc loc = {b->name, e->line > 0 ? (uint32_t)e->line : 0, e->column > 0 ? (uint32_t)e->column : 0};
        return diag_error(b->d, loc, "not %s: %s", json ? "JSON" : "YAML", e->msg);
    }
    return diag_error(b->d, (src_loc){b->name, 0, 0}, "not %s; the file must be UTF-8 text%s", json ? "JSON" : "YAML",
                      json ? "" : " of YAML version 1.1 or 1.2");
}

doc_node *doc_parse(arena *a, diag *d, const char *name, const char *text, size_t bytes, bool json) {
    builder b = {.a = a, .d = d, .name = arena_strdup(a, name)};
    if (!check_text(&b, text, bytes))
        return NULL;
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = silent;
    diag_cfg.colorize = false;
    struct fy_diag *fyd = fy_diag_create(&diag_cfg);
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | (json ? FYPCF_JSON_FORCE : FYPCF_JSON_NONE), .diag = fyd};
    struct fy_parser *parser = NULL;
    if (fyd) {
        fy_diag_set_collect_errors(fyd, true);
        parser = fy_parser_create(&cfg);
    }
    bool ok = parser && fy_parser_set_string(parser, text, bytes) == 0;
    bool ended = false;
    if (!ok)
        diag_internal(d, (src_loc){b.name, 0, 0}, "the YAML parser could not be set up");
    while (ok && !ended) {
        struct fy_event *e = fy_parser_parse(parser);
        if (!e) {
            ok = syntax_error(&b, fyd, json);
            break;
        }
        ended = e->type == FYET_STREAM_END;
        ok = take(&b, e);
        fy_parser_event_free(parser, e);
    }
    if (ok && !b.root)
        ok = diag_error(d, (src_loc){b.name, 0, 0}, "the file is empty");
    if (parser)
        fy_parser_destroy(parser);
    if (fyd)
        fy_diag_destroy(fyd);
    return ok ? b.root : NULL;
}

doc_node *doc_load(arena *a, diag *d, const char *path, size_t limit) {
    size_t bytes, length = strlen(path);
    char *text = file_read(a, d, path, limit ? limit : DEFAULT_LIMIT, &bytes);
    if (!text)
        return NULL;
    diag_source(d, path, text, bytes);
    return doc_parse(a, d, path, text, bytes, length > 5 && strcmp(path + length - 5, ".json") == 0);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

doc_node *doc_find(const doc_node *mapping, const char *key) {
    if (mapping && mapping->kind == DOC_MAPPING)
        for (size_t i = 0; i < mapping->count; i++)
            if (strcmp(mapping->keys[i], key) == 0)
                return mapping->items[i];
    return NULL;
}

bool doc_is_null(const doc_node *n) {
    return n->kind == DOC_SCALAR && !n->quoted &&
           (n->text[0] == 0 || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0 ||
            strcmp(n->text, "Null") == 0 || strcmp(n->text, "NULL") == 0);
}

/** What stands there instead, for messages: at most 40 characters of it. */
static const char *shown(const doc_node *n, char buf[64]) {
    if (n->kind == DOC_SEQUENCE)
        return "a list";
    if (n->kind == DOC_MAPPING)
        return "a mapping";
    if (doc_is_null(n))
        return "nothing";
    size_t length = strlen(n->text), cut = length > 40 ? 40 : length;
    while (cut < length && cut > 0 && ((uint8_t)n->text[cut] & 0xC0) == 0x80)
        cut--;
    snprintf(buf, 64, n->quoted ? "text \"%.*s%s\"" : "'%.*s%s'", (int)cut, n->text, cut < length ? "…" : "");
    for (char *c = buf; *c; c++) /* a message is one line, whatever escapes the text had */
        if ((uint8_t)*c < ' ' || *c == 0x7F)
            *c = '?';
    return buf;
}

bool doc_kind_is(diag *d, const doc_node *n, const char *what, doc_kind kind) {
    static const char *const names[] = {"a single value", "a list", "a mapping (key: value)"};
    char buf[64];
    if (n->kind == kind)
        return true;
    return diag_error(d, n->loc, "%s must be %s, not %s", what, names[kind], shown(n, buf));
}

bool doc_int(diag *d, const doc_node *n, const char *what, int64_t lo, int64_t hi, int64_t *out) {
    char buf[64];
    const char *s = n->kind == DOC_SCALAR && !n->quoted ? n->text : "";
    /* YAML 1.2, 10.3.2: decimal with a sign, or 0x and 0o without one. */
    const bool based = s[0] == '0' && (s[1] == 'x' || s[1] == 'o');
    const int base = !based ? 10 : s[1] == 'x' ? 16 : 8;
    const char *digits = s + (based ? 2 : *s == '-' || *s == '+');
    const char *known = base == 16 ? "0123456789abcdefABCDEF" : base == 8 ? "01234567" : "0123456789";
    bool number = *digits && strspn(digits, known) == strlen(digits);
    errno = 0;
    long long value = number ? strtoll(based ? digits : s, NULL, base) : 0;
    if (!number || errno == ERANGE || value < lo || value > hi)
        return diag_error(d, n->loc, "%s must be a whole number from %lld to %lld, not %s", what, (long long)lo,
                          (long long)hi, shown(n, buf));
    *out = value;
    return true;
}

bool doc_real(diag *d, const doc_node *n, const char *what, double lo, double hi, double *out) {
    char buf[64], *end = NULL;
    const char *s = n->kind == DOC_SCALAR && !n->quoted ? n->text : "";
    bool number = *s && strspn(s, "0123456789+-.eE") == strlen(s);
    double value = number ? strtod(s, &end) : 0;
    if (!number || end == s || *end || !(value >= lo && value <= hi))
        return diag_error(d, n->loc, "%s must be a number from %.15g to %.15g, not %s", what, lo, hi, shown(n, buf));
    *out = value;
    return true;
}

bool doc_bool(diag *d, const doc_node *n, const char *what, bool *out) {
    char buf[64];
    static const char *const words[] = {"false", "true", "False", "True", "FALSE", "TRUE"};
    if (n->kind == DOC_SCALAR && !n->quoted)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strcmp(n->text, words[i]) == 0) {
                *out = i % 2 == 1;
                return true;
            }
    return diag_error(d, n->loc, "%s must be true or false, not %s", what, shown(n, buf));
}

bool doc_string(diag *d, const doc_node *n, const char *what, const char **out) {
    char buf[64];
    if (n->kind != DOC_SCALAR || doc_is_null(n))
        return diag_error(d, n->loc, "%s must be text, not %s", what, shown(n, buf));
    *out = n->text;
    return true;
}

bool doc_word(diag *d, const doc_node *n, const char *what, const char *words, int *out) {
    enum { MAX_WORDS = 32 };
    char copy[512], list[640] = "", buf[64];
    const char *word[MAX_WORDS];
    size_t count = 0, used = 0;
    snprintf(copy, sizeof copy, "%s", words);
    char *rest = copy;
    for (char *w; count < MAX_WORDS && (w = strsep(&rest, "|"));)
        word[count++] = w;
    if (n->kind == DOC_SCALAR)
        for (size_t i = 0; i < count; i++)
            if (strcmp(n->text, word[i]) == 0) {
                *out = (int)i;
                return true;
            }
    for (size_t i = 0; i < count; i++) {
        const char *between = i == 0 ? "" : i + 1 == count ? " or " : ", ";
        int put = snprintf(list + used, sizeof list - used, "%s%s", between, word[i]);
        used += put > 0 && (size_t)put < sizeof list - used ? (size_t)put : 0;
    }
    const char *near = n->kind == DOC_SCALAR ? diag_nearest(n->text, word, count) : NULL;
    return diag_error(d, n->loc, "%s must be %s, not %s%s%s%s", what, list, shown(n, buf),
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

bool doc_keys(diag *d, const doc_node *mapping, const char *what, const char *const *keys, size_t count) {
    if (!doc_kind_is(d, mapping, what, DOC_MAPPING))
        return false;
    bool ok = true;
    for (size_t i = 0; i < mapping->count; i++) {
        const char *key = mapping->keys[i];
        bool known = false;
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(key, keys[k]) == 0;
        if (known)
            continue;
        const char *near = diag_nearest(key, keys, count);
        char list[512] = "";
        size_t used = 0;
        for (size_t k = 0; k < count && !near; k++) {
            int put = snprintf(list + used, sizeof list - used, "%s%s", k ? ", " : "", keys[k]);
            used += put > 0 && (size_t)put < sizeof list - used ? (size_t)put : 0;
        }
        if (near)
            ok = diag_error(d, mapping->key_locs[i], "unknown key '%.60s' in %s; did you mean '%s'?", key, what, near);
        else
            ok = diag_error(d, mapping->key_locs[i], "unknown key '%.60s' in %s; it may have: %s", key, what, list);
    }
    return ok;
}
