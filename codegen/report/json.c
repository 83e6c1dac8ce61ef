/* The report as JSON, schema "dtqc-report/1" (REPORT.md). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codegen/report/critical.h"
#include "codegen/report/format.h"
#include "codegen/report/members.h"
#include "runtime/machine_members.h"

static void put_target(json_writer *w, const report *r) {
    const dtq_machine *m = r->machine;
    char text[32];
    const char *word;
    json_open(w, "target", '{');
    json_str(w, "name", r->target);
    snprintf(text, sizeof text, "%016" PRIx64, dtq_machine_hash(m));
    json_str(w, "hash", text);
    json_int(w, "arrays", (int64_t)m->vssa_arrays);
    json_int(w, "rows", (int64_t)m->vssa_rows);
    json_int(w, "cols", (int64_t)m->vssa_cols);
    int length = report_word("top", "drain", m, &word);
    snprintf(text, sizeof text, "%.*s", length, word);
    json_str(w, "drain", text);
    length = report_word("top", "prob_bits", m, &word);
    snprintf(text, sizeof text, "%.*s", length, word);
    json_str(w, "prob_bits", text);
    length = report_word("top", "prefetch", m, &word);
    snprintf(text, sizeof text, "%.*s", length, word);
    json_str(w, "prefetch", text);
    json_real(w, "clock_ghz", m->top_clock_ghz);
    json_close(w, '}');
}

static void put_segments(json_writer *w, const report_layer *l) {
    json_open(w, "segments", '[');
    for (size_t i = 0; i < l->segment_count; i++) {
        json_open(w, NULL, '{');
        w->compact = true;
        json_int(w, "bits", l->segments[i].value);
        json_int(w, "tokens", l->segments[i].count);
        json_close(w, '}');
        w->compact = false;
    }
    json_close(w, ']');
}

static void put_member(json_writer *w, const report_layer *l, const layer_member *m) {
    const void *at = (const char *)l + m->offset;
    switch (m->kind) {
    case MEMBER_U32:
    case MEMBER_U64:
        json_int(w, m->name, (int64_t)member_whole(l, m));
        break;
    case MEMBER_REAL:
        json_real(w, m->name, member_real(l, m));
        break;
    case MEMBER_BOOL:
        json_bool(w, m->name, *(const bool *)at);
        break;
    case MEMBER_LIMIT:
        json_str(w, m->name, report_limit_name(*(const report_limit *)at));
        break;
    case MEMBER_LIST:
        put_segments(w, l);
        break;
    }
}

/** Closes the object that is open and opens the next; "" is the layer itself. What holds no matmul is one line. */
static void change_object(json_writer *w, const char *from, const char *to, bool short_one) {
    if (strcmp(from, to) == 0)
        return;
    if (*from) {
        json_close(w, '}');
        w->compact = false;
    }
    if (*to) {
        json_open(w, to, '{');
        w->compact = short_one;
    }
}

static void put_layer(json_writer *w, const report *r, const report_layer *l) {
    const char *object = "";
    json_open(w, NULL, '{');
    for (size_t i = 0; i < layer_member_count; i++) {
        const layer_member *m = &layer_members[i];
        if (!member_is_there(r, m))
            continue;
        change_object(w, object, m->object, strcmp(m->name, "iterations") != 0);
        object = m->object;
        put_member(w, l, m);
    }
    change_object(w, object, "", false);
    json_close(w, '}');
}

static void put_total(json_writer *w, const report *r) {
    json_open(w, "total", '{');
    json_real(w, "cycles", r->cycles);
    json_real(w, "bound_cycles", r->bound_cycles);
    json_real(w, "tile_bound_cycles", r->tile_bound_cycles);
    json_real(w, "utilisation", r->utilisation);
    /* no number, so that nobody divides by a zero that means "not asked for" */
    json_real(w, "unclustered_cycles", r->unclustered_cycles > 0 ? r->unclustered_cycles : NAN);
    json_real(w, "time_us", report_us(r->machine, r->cycles));
    json_real(w, "dense_gop_per_s", report_dense_gops(r));
    json_int(w, "dram_bytes", (int64_t)r->dram_bytes);
    json_real(w, "energy_pj", r->energy_pj);
    const double area = dtq_machine_area(r->machine).total_mm2;
    json_real(w, "area_mm2", area > 0 ? area : NAN); /* no number where the target says nothing */
    json_int(w, "instructions", (int64_t)r->instructions);
    json_int(w, "mac_cycles", (int64_t)r->mac_cycles);
    json_int(w, "stall_cycles", (int64_t)r->stall_cycles);
    json_int(w, "bops", (int64_t)r->bops);
    json_close(w, '}');
}

static void put_parts(json_writer *w, const char *name, const uint64_t parts[CRITICAL_PARTS], uint64_t makespan) {
    json_open(w, name, '{');
    for (unsigned i = 0; i < CRITICAL_PARTS; i++)
        json_real(w, critical_infos[i].name, (double)parts[i] / (double)makespan);
    json_close(w, '}');
}

static void put_critical(json_writer *w, const report *r) {
    arena *scratch = arena_new();
    critical_path path;
    if (critical_find(scratch, r, &path)) {
        json_open(w, "critical_path", '{');
        json_int(w, "cycles", (int64_t)path.makespan);
        put_parts(w, "shares", path.total, path.makespan);
        json_open(w, "layers", '[');
        for (size_t i = 0; i < r->layer_count; i++)
            put_parts(w, NULL, path.layers[i], path.makespan);
        json_close(w, ']');
        json_close(w, '}');
    }
    arena_free(scratch);
}

static void put_remark(json_writer *w, const diag_entry *e) {
    json_open(w, NULL, '{');
    json_str(w, "file", e->loc.file);
    json_int(w, "line", e->loc.line);
    json_int(w, "col", e->loc.col);
    json_str(w, "message", e->message);
    json_close(w, '}');
}

void report_json(const report *r, FILE *out) {
    json_writer w = {.out = out};
    json_open(&w, NULL, '{');
    json_str(&w, "schema", "dtqc-report/1");
    json_str(&w, "model", r->model);
    put_target(&w, r);
    json_int(&w, "seq", r->seq);
    if (r->scheme)
        json_str(&w, "scheme", r->scheme);
    json_bool(&w, "clustered", r->clustered);
    json_bool(&w, "optimised", r->optimised);
    json_bool(&w, "measured", r->measured);
    json_bool(&w, "expected", report_expected(r));
    json_bool(&w, "causal", r->causal);
    json_real(&w, "pairs_seen", r->pairs > 0 ? r->pairs_seen / r->pairs : 1);
    json_str(&w, "covers", report_covers(r));
    json_open(&w, "layers", '[');
    for (size_t i = 0; i < r->layer_count; i++)
        put_layer(&w, r, &r->layers[i]);
    json_close(&w, ']');
    put_total(&w, r);
    put_critical(&w, r);
    json_open(&w, "remarks", '[');
    for (size_t i = 0; i < r->remark_count; i++)
        put_remark(&w, r->remarks[i]);
    json_close(&w, ']');
    json_close(&w, '}');
}
