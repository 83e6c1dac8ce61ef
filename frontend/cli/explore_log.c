/* dtqc explore: DIR/trials.jsonl, a line for each measurement, written as it comes and read again by --resume. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/explore.h"
#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "ir/base/file.h"
#include "ir/base/number.h"
#include "runtime/hash.h"

enum { LOG_BYTES = 1 << 30 };

struct known {
    uint64_t hash;
    size_t samples;
    double loss, seconds, metrics[EVAL_METRICS_MOST], costs[COSTS];
    char error[232];
};

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_text(const char *text, FILE *out) {
    fputc('"', out);
    for (; *text; text++)
        if ((uint8_t)*text < 0x20)
            fprintf(out, "\\u%04x", (unsigned)(uint8_t)*text);
        else
            fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    fputc('"', out);
}

static void put_real(double x, FILE *out) {
    char text[NUMBER_MAX];
    fputs(number_shortest(x, text) ? text : "null", out);
}

/* Which files the weights are, by all their bytes, and the seeds of synthetic ones. */
static uint64_t hash_weights(session *s, const source *src) {
    known_files(s); /* kept by s, not by its copy */
    session t = *s;
    uint64_t hash = DTQ_FNV1A_START;
    t.arena = arena_new();
    ir_module *m = build_typed(&t, src, 1, true);
    if (m && identify_weights(&t, m))
        for (size_t i = 0; i < m->tensor_count; i++) {
            const ir_tensor *w = &m->tensors[i];
            hash = dtq_fnv1a(hash, &w->seed, sizeof w->seed);
            hash = w->file_hash ? dtq_fnv1a(hash, w->file_hash, strlen(w->file_hash)) : hash;
        }
    arena_free(t.arena);
    return hash;
}

/* What goes through the model, what of it counts, and the labels. */
static uint64_t hash_data(const eval_data *d) {
    uint64_t hash = DTQ_FNV1A_START;
    for (size_t i = 0; i < d->texts; i++) {
        const eval_input *in = &d->inputs[i];
        const uint32_t whole[] = {in->seq, in->scored};
        hash = dtq_fnv1a(hash, whole, sizeof whole);
        hash = dtq_fnv1a(hash, in->tokens, in->seq * sizeof *in->tokens);
        if (in->segments)
            hash = dtq_fnv1a(hash, in->segments, in->seq * sizeof *in->segments);
    }
    return d->labels ? dtq_fnv1a(hash, d->labels, d->samples * sizeof *d->labels) : hash;
}

static uint64_t hash_lengths(const exploration *e) {
    return dtq_fnv1a(DTQ_FNV1A_START, e->lengths, e->length_count * sizeof *e->lengths);
}

/* All that decides what a design's measurement is, but the design. */
static const char *identity(const exploration *e) {
    session *s = e->session;
    const eval_data *d = &e->eval.data;
    const char *balance = given(s, OPT_balance) ? value(s, OPT_balance)->text : "none";
    return arena_printf(s->arena,
                        "%s %016" PRIx64 ", %s on %s %016" PRIx64
                        ", %zu samples of %.6g tokens, linear %s, -O%d, balance %s, "
                        "costs of %016" PRIx64,
                        model_name(e->eval.source.model), hash_weights(s, &e->eval.source), e->eval.task->name, d->path,
                        hash_data(d), d->samples, d->tokens, linear_arithmetic(s, &e->eval.source),
                        value(s, OPT_optimise)->word, balance, hash_lengths(e));
}

bool explore_log_write(exploration *e, const trial *t) {
    FILE *out = e->log;
    if (t->name) {
        fputs("{\"compared\": ", out);
        put_text(t->name, out);
    } else {
        fprintf(out, "{\"trial\": %zu", t->number);
    }
    fprintf(out, ", \"design\": \"%016" PRIx64 "\", \"samples\": %zu, \"loss\": ", t->hash, t->samples);
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
    for (size_t i = 0; t->point && i < e->space->count; i++)
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
    for (int i = 0; i < COSTS; i++)
        out->costs[i] = real_of(doc_find(n, cost_table[i].key));
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
    e->log = fopen(path, there ? "r+" : "a");
    if (e->log && flock(fileno(e->log), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return diag_error(s->diag, loc, "is being written by another process; wait until that ends");
    if (!e->log ||
        (there && (fseek(e->log, (long)whole, SEEK_SET) != 0 || ftruncate(fileno(e->log), (off_t)whole) != 0)))
        return diag_error(s->diag, loc, "cannot be written: %s", strerror(errno));
    if (whole == 0)
        fprintf(e->log, "%s\n", first);
    return fflush(e->log) == 0 || diag_error(s->diag, loc, "cannot be written: %s", strerror(errno));
}

bool explore_log_find(const exploration *e, size_t samples, trial *t) {
    for (size_t i = 0; i < e->known_count; i++) {
        const struct known *k = &e->known[i];
        if (k->hash != t->hash || (k->samples != samples && !*k->error))
            continue;
        if (*k->error) {
            memcpy(t->error, k->error, sizeof t->error);
            return true;
        }
        t->samples = samples;
        t->loss = k->loss;
        t->seconds = k->seconds;
        memcpy(t->metrics, k->metrics, sizeof t->metrics);
        if (t->by_runs)
            memcpy(t->costs, k->costs, sizeof t->costs);
        return true;
    }
    return false;
}
