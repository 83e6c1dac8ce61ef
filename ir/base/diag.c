/* Diagnostics: collecting, printing with a caret, and "did you mean". */
#include "ir/base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/words.h"
#include "runtime/visible.h"

typedef struct {
    const char *file, *text;
    size_t bytes;
} source_text;

struct diag {
    arena *arena;
    FILE *out;
    diag_entry *entries;
    size_t count, capacity;
    size_t counts[DIAG_INTERNAL + 1];
    source_text *sources;
    size_t source_count, source_capacity;
    bool ignore_unknown;
};

static const char *const severity_names[] = {
    [DIAG_REMARK] = "remark",           [DIAG_NOTE] = "note", [DIAG_WARNING] = "warning", [DIAG_ERROR] = "error",
    [DIAG_INTERNAL] = "internal error",
};

diag *diag_new(arena *a, FILE *out) {
    diag *d = ARENA_NEW(a, diag);
    d->arena = a;
    d->out = out;
    return d;
}

void diag_source(diag *d, const char *file, const char *text, size_t bytes) {
    if (d->source_count == d->source_capacity) {
        d->source_capacity = d->source_capacity ? 2 * d->source_capacity : 4;
        source_text *grown = ARENA_ARRAY(d->arena, source_text, d->source_capacity);
        if (d->source_count)
            memcpy(grown, d->sources, d->source_count * sizeof *grown);
        d->sources = grown;
    }
    char *copy = arena_alloc(d->arena, bytes + 1);
    if (bytes)
        memcpy(copy, text, bytes);
    d->sources[d->source_count++] = (source_text){arena_strdup(d->arena, file), copy, bytes};
}

static void record(diag *d, diag_severity severity, src_loc loc, const char *message) {
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? 2 * d->capacity : 16;
        diag_entry *grown = ARENA_ARRAY(d->arena, diag_entry, d->capacity);
        if (d->count)
            memcpy(grown, d->entries, d->count * sizeof *grown);
        d->entries = grown;
    }
    if (loc.file)
        loc.file = arena_strdup(d->arena, loc.file);
    d->entries[d->count++] = (diag_entry){severity, loc, message};
    d->counts[severity]++;
    if (d->out && severity >= DIAG_WARNING)
        diag_print(d, &d->entries[d->count - 1], d->out);
}

bool diag_error(diag *d, src_loc loc, const char *format, ...) {
    va_list args;
    va_start(args, format);
    record(d, DIAG_ERROR, loc, arena_vprintf(d->arena, format, args));
    va_end(args);
    return false;
}

bool diag_internal(diag *d, src_loc loc, const char *format, ...) {
    va_list args;
    va_start(args, format);
    record(d, DIAG_INTERNAL, loc, arena_vprintf(d->arena, format, args));
    va_end(args);
    return false;
}

bool diag_unknown(diag *d, src_loc loc, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(d->arena, format, args);
    va_end(args);
    if (d->ignore_unknown)
        diag_remark(d, loc, "ignored", "%s", message);
    else
        record(d, DIAG_ERROR, loc,
               arena_printf(d->arena, "%s; --ignore-unknown does without it, at the price of another result", message));
    return d->ignore_unknown;
}

void diag_ignore_unknown(diag *d) {
    d->ignore_unknown = true;
}

void diag_warning(diag *d, src_loc loc, const char *format, ...) {
    va_list args;
    va_start(args, format);
    record(d, DIAG_WARNING, loc, arena_vprintf(d->arena, format, args));
    va_end(args);
}

void diag_remark(diag *d, src_loc loc, const char *pass, const char *format, ...) {
    va_list args;
    va_start(args, format);
    record(d, DIAG_REMARK, loc, arena_printf(d->arena, "%s [%s]", arena_vprintf(d->arena, format, args), pass));
    va_end(args);
}

void diag_repeat(diag *d, const diag_entry *e) {
    record(d, e->severity, e->loc, arena_strdup(d->arena, e->message));
}

size_t diag_count(const diag *d, diag_severity severity) {
    return d->counts[severity];
}

size_t diag_total(const diag *d) {
    return d->count;
}

const diag_entry *diag_at(const diag *d, size_t index) {
    return &d->entries[index];
}

int diag_exit_code(const diag *d) {
    return d->counts[DIAG_INTERNAL] ? EXIT_INTERNAL : d->counts[DIAG_ERROR] ? EXIT_INPUT : EXIT_OK;
}

/* ---- printing --------------------------------------------------------------------------------------------------- */

/* The line `line` of the file's text, or NULL; the text given last wins. */
static const char *source_line(const diag *d, const char *file, uint32_t line, size_t *length) {
    for (size_t i = d->source_count; i-- > 0;) {
        const source_text *s = &d->sources[i];
        if (strcmp(s->file, file) != 0)
            continue;
        const char *at = s->text, *end = s->text + s->bytes;
        for (uint32_t l = 1; l < line; l++) {
            at = memchr(at, '\n', (size_t)(end - at));
            if (!at)
                return NULL;
            at++;
        }
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        *length = (size_t)((stop ? stop : end) - at);
        if (*length && at[*length - 1] == '\r')
            --*length;
        return at;
    }
    return NULL;
}

void diag_text(FILE *out, const char *text) {
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = dtq_visible_length(text, left);
        if (n > 0)
            fwrite(text, 1, n, out);
        else
            fprintf(out, *text == '\n' ? "\\n" : *text == '\t' ? "\\t" : "\\x%02x", (unsigned)(unsigned char)*text);
        n = n > 0 ? n : 1;
    }
}

const char *diag_visible(arena *a, const char *text) {
    size_t left = strlen(text), n;
    const char *at = text;
    while (left > 0 && (n = dtq_visible_length(at, left)) > 0) {
        at += n;
        left -= n;
    }
    if (left == 0)
        return text;
    char *shown = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&shown, &bytes);
    if (!out)
        return "";
    diag_text(out, text);
    fclose(out);
    const char *copy = arena_strndup(a, shown, bytes);
    free(shown);
    return copy;
}

static bool continues_utf8(char c) {
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes that a source line shows as one character: `?` for each byte that may not reach a terminal. */
static size_t shown_length(const char *s, size_t left) {
    size_t n = dtq_visible_length(s, left);
    return n > 0 ? n : 1;
}

/* Lines can be megabytes long (runs, ids): only a window around the column is shown. */
static void print_caret(FILE *out, uint32_t line, uint32_t col, const char *text, size_t length) {
    enum { WINDOW = 120, BEFORE = 80 };
    size_t at = col - 1 < length ? col - 1 : length;
    size_t from = 0, to = length;
    if (length > WINDOW) {
        from = at > BEFORE ? at - BEFORE : 0;
        to = length - from > WINDOW ? from + WINDOW : length;
        while (from > 0 && continues_utf8(text[from]))
            from--;
        while (to < length && continues_utf8(text[to]))
            to++;
    }
    const char *left = from ? "..." : "", *right = to < length ? "..." : "";
    fprintf(out, "%5u | %s", line, left);
    for (size_t i = from, n; i < to; i += n) {
        n = shown_length(text + i, to - i);
        if (text[i] != '\t' && dtq_visible_length(text + i, n) == 0)
            fputc('?', out);
        else
            fwrite(text + i, 1, n, out);
    }
    fprintf(out, "%s\n      | %*s", right, (int)strlen(left), "");
    /* The caret stands under its character if tabs are repeated and whatever is shown as one character counts once. */
    for (size_t i = from; i < at; i += shown_length(text + i, to - i))
        fputc(text[i] == '\t' ? '\t' : ' ', out);
    fputs("^\n", out);
}

static void print_entry(const diag *d, const diag_entry *e, FILE *out) {
    const src_loc *loc = &e->loc;
    diag_text(out, loc->file ? loc->file : "dtqc");
    if (loc->file && loc->line > 0)
        fprintf(out, ":%u", loc->line);
    if (loc->file && loc->line > 0 && loc->col > 0)
        fprintf(out, ":%u", loc->col);
    fprintf(out, ": %s: ", severity_names[e->severity]);
    diag_text(out, e->message);
    fputc('\n', out);
    if (!loc->file || loc->line == 0 || loc->col == 0)
        return;
    size_t length;
    const char *text = source_line(d, loc->file, loc->line, &length);
    if (text)
        print_caret(out, loc->line, loc->col, text, length);
}

void diag_print(const diag *d, const diag_entry *e, FILE *out) {
    flockfile(out); /* lengths are compiled by several threads: one message is not mixed with another */
    print_entry(d, e, out);
    funlockfile(out);
}

/* ---- did you mean ----------------------------------------------------------------------------------------------- */

const char *diag_nearest(const char *word, const char *const *candidates, size_t count) {
    size_t n = strlen(word);
    if (n == 0 || n > DTQ_WORD_LONGEST)
        return NULL;
    size_t best = 2 + n / 3;
    if (best > n)
        best = n; /* something of the word must be right */
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t m = candidates[i] ? strlen(candidates[i]) : 0;
        if (m == 0 || m > DTQ_WORD_LONGEST)
            continue;
        size_t apart = dtq_edit_distance(word, n, candidates[i], m);
        if (apart < best) {
            best = apart;
            nearest = candidates[i];
        }
    }
    return nearest;
}
