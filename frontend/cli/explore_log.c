/* dtqc explore: DIR/trials.jsonl, a line for each measurement, written as it comes and read again by --resume. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/cli/explore.h"
#include "frontend/files/fields.h"
#include "ir/base/number.h"

enum { LOG_BYTES = 1 << 30 };

struct known {
    uint64_t hash;
    size_t samples;
    double loss, seconds, metrics[EVAL_METRICS_MOST];
    char error[232];
};

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_text(const char *text, FILE *out) {
    fputc('"', out);
    for (; *text; text++) {
        if ((uint8_t)*text < 0x20)
            fprintf(out, "\\u%04x", (unsigned)(uint8_t)*text);
        else
            fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    fputc('"', out);
}

static void put_real(double x, FILE *out) {
    char text[NUMBER_MAX];
    fputs(number_shortest(x, text) ? text : "null", out);
}

/* All that decides what a design's measurement is, but the design. */
static const char *identity(const exploration *e) {
    const session *s = e->session;
    const eval_data *d = &e->eval.data;
    struct stat of_model = {0}, of_data = {0};
    stat(e->eval.source.path, &of_model);
    stat(d->path, &of_data);
    return arena_printf(s->arena,
                        "%s of %lld bytes, %s on %s of %lld bytes, %zu samples of %.6g tokens, linear %s, -O%d",
                        model_name(e->eval.source.model), (long long)of_model.st_size, e->eval.task->name, d->path,
                        (long long)of_data.st_size, d->samples, d->tokens, linear_arithmetic(s, &e->eval.source),
                        value(s, OPT_optimise)->word);
}

bool explore_log_write(exploration *e, size_t index) {
    const trial *t = &e->trials[index];
    FILE *out = e->log;
    fprintf(out, "{\"trial\": %zu, \"design\": \"%016" PRIx64 "\", \"samples\": %zu, \"loss\": ", index, t->hash,
            t->samples);
    put_real(t->samples ? t->loss : (double)NAN, out);
    for (size_t i = 0; i < e->metric_count; i++) {
        fprintf(out, ", \"%s\": ", e->eval.task->metrics[i].key);
        put_real(t->samples ? t->metrics[i] : (double)NAN, out);
    }
    for (int i = 0; i < COSTS; i++) {
        fprintf(out, ", \"%s\": ", cost_table[i].key);
        put_real(*t->error ? (double)NAN : t->costs[i], out);
    }
    fputs(", \"point\": [", out);
    for (size_t i = 0; i < e->space->count; i++)
        fprintf(out, "%s%" PRIu32, i ? ", " : "", t->point[i]);
    fprintf(out, "], \"seconds\": %.3f, \"error\": ", t->seconds);
    if (*t->error)
        put_text(t->error, out);
    else
        fputs("null", out);
    fputs("}\n", out);
    return (fflush(out) == 0 && !ferror(out)) || diag_error(e->session->diag, (src_loc){e->directory, 0, 0},
                                                            "trials.jsonl cannot be written: %s", strerror(errno));
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static double real_of(const doc_node *n) {
    return n && n->kind == DOC_SCALAR && !doc_is_null(n) ? strtod(n->text, NULL) : (double)NAN;
}

static bool read_line(exploration *e, const doc_node *n, struct known *out) {
    const doc_node *hash = doc_find(n, "design"), *error = doc_find(n, "error"), *samples = doc_find(n, "samples");
    if (!hash || hash->kind != DOC_SCALAR || !samples || samples->kind != DOC_SCALAR)
        return false;
    *out = (struct known){.hash = strtoull(hash->text, NULL, 16),
                          .samples = strtoull(samples->text, NULL, 10),
                          .loss = real_of(doc_find(n, "loss")),
                          .seconds = real_of(doc_find(n, "seconds"))};
    for (size_t i = 0; i < e->metric_count; i++)
        out->metrics[i] = real_of(doc_find(n, e->eval.task->metrics[i].key));
    if (error && error->kind == DOC_SCALAR && !doc_is_null(error))
        snprintf(out->error, sizeof out->error, "%s", error->text);
    return true;
}

/* Whole lines; the last may be torn, if the process was killed while it was written. `whole`: bytes up to there. */
static bool read_log(exploration *e, const char *path, const char *header, size_t *whole) {
    session *s = e->session;
    size_t bytes, lines = 0;
    char *text = file_read(s->arena, s->diag, path, LOG_BYTES, &bytes);
    if (!text)
        return false;
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    e->known = ARENA_ARRAY(s->arena, struct known, lines + 1);
    diag *quiet = diag_new(s->arena, NULL);
    *whole = 0;
    for (char *at = text, *end; (end = memchr(at, '\n', bytes - (size_t)(at - text))); at = end + 1) {
        const size_t n = (size_t)(end - at);
        if (at == text) {
            if (strlen(header) != n || memcmp(at, header, n) != 0)
                return diag_error(
                    s->diag, (src_loc){path, 1, 0},
                    "is of another search; --resume wants the same model, data, task and options, and here they are %s",
                    header);
        } else {
            const doc_node *line = doc_parse(s->arena, quiet, path, at, n, true);
            e->known_count += line && read_line(e, line, &e->known[e->known_count]);
        }
        *whole = (size_t)(end + 1 - text);
    }
    return true;
}

bool explore_log_open(exploration *e) {
    session *s = e->session;
    const char *path = arena_printf(s->arena, "%s/trials.jsonl", e->directory);
    const src_loc loc = {path, 0, 0};
    char *header = NULL;
    size_t bytes, whole = 0;
    struct stat st;
    FILE *f = open_memstream(&header, &bytes);
    if (!f)
        return diag_internal(s->diag, loc, "no memory");
    fputs("{\"schema\": \"dtqc-explore-log/1\", \"of\": ", f);
    put_text(identity(e), f);
    fputc('}', f);
    fclose(f);
    const char *first = arena_strdup(s->arena, header);
    free(header);
    const bool there = stat(path, &st) == 0 && st.st_size > 0;
    if (there && !given(s, OPT_resume))
        return diag_error(s->diag, loc,
                          "is there already; --resume goes on with that search, or another --output is wanted");
    if (there && !read_log(e, path, first, &whole))
        return false;
    ranks_any(s->ranks, false); /* all have read it */
    if (ranks_index(s->ranks) > 0) {
        e->log = fopen("/dev/null", "w");
        return e->log || diag_error(s->diag, loc, "cannot be written: %s", strerror(errno));
    }
    e->log = fopen(path, there ? "r+" : "w");
    if (!e->log ||
        (there && (fseek(e->log, (long)whole, SEEK_SET) != 0 || ftruncate(fileno(e->log), (off_t)whole) != 0)))
        return diag_error(s->diag, loc, "cannot be written: %s", strerror(errno));
    if (whole == 0)
        fprintf(e->log, "%s\n", first);
    return fflush(e->log) == 0 || diag_error(s->diag, loc, "cannot be written: %s", strerror(errno));
}

bool explore_log_find(const exploration *e, uint64_t hash, size_t samples, trial *out) {
    for (size_t i = 0; i < e->known_count; i++) {
        const struct known *k = &e->known[i];
        if (k->hash != hash || (k->samples != samples && !*k->error))
            continue;
        if (*k->error) {
            memcpy(out->error, k->error, sizeof out->error);
            return true;
        }
        out->samples = samples;
        out->loss = k->loss;
        out->seconds = k->seconds;
        memcpy(out->metrics, k->metrics, sizeof out->metrics);
        return true;
    }
    return false;
}
