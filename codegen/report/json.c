/* The report as JSON, schema "dtqc-report/1" (REPORT.md). */
#include <inttypes.h>
#include <math.h>

#include "codegen/report/format.h"

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
    json_real(w, "clock_ghz", m->top_clock_ghz);
    json_close(w, '}');
}

static void put_matmul(json_writer *w, const char *key, const report_matmul *m) {
    json_open(w, key, '{');
    json_real(w, "iterations", m->iterations);
    json_real(w, "stalled_iterations", m->stalled_iterations);
    json_real(w, "stall_ratio_mean", m->stall_ratio_mean);
    json_real(w, "step_cycles", m->step_cycles);
    json_real(w, "cycles", m->cycles);
    json_real(w, "bound_cycles", m->bound_cycles);
    json_real(w, "tile_bound_cycles", m->tile_bound_cycles);
    json_close(w, '}');
}

static void put_layer(json_writer *w, const report_layer *l, bool linears) {
    static const char *const operands[DTQ_OPERANDS] = {[DTQ_Q] = "q", [DTQ_K] = "k", [DTQ_V] = "v", [DTQ_P] = "p"};
    json_open(w, NULL, '{');
    json_int(w, "index", l->index);
    json_int(w, "tokens", l->tokens);
    json_int(w, "pruned", l->pruned);
    if (l->muted) {
        json_int(w, "muted", l->muted);
    }
    json_int(w, "low", l->low);
    json_int(w, "high", l->high);
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
    json_open(w, "promoted", '{');
    w->compact = true;
    for (int i = 0; i < DTQ_OPERANDS; i++) {
        json_int(w, operands[i], l->promoted[i]);
    }
    json_close(w, '}');
    w->compact = false;
    json_bool(w, "expected", l->expected);
    put_matmul(w, "qk", &l->qk);
    put_matmul(w, "pv", &l->pv);
    if (linears) {
        put_matmul(w, "linear", &l->linear);
        json_real(w, "attention_cycles", l->cycles - l->linear_cycles);
        json_real(w, "linear_cycles", l->linear_cycles);
    }
    json_int(w, "start_cycle", (int64_t)l->start);
    json_int(w, "end_cycle", (int64_t)l->end);
    json_real(w, "cycles", l->cycles);
    json_real(w, "bound_cycles", report_bound(l));
    json_real(w, "tile_bound_cycles", report_tile_bound(l));
    json_real(w, "share", l->share);
    json_real(w, "utilisation", l->utilisation);
    json_str(w, "limiter", report_limit_name(l->limit));
    json_open(w, "busy_cycles", '{');
    w->compact = true;
    json_int(w, "array", (int64_t)l->array_busy);
    json_int(w, "softmax", (int64_t)l->softmax_busy);
    json_int(w, "dma", (int64_t)l->dma_busy);
    json_int(w, "topk", (int64_t)l->topk_busy);
    json_close(w, '}');
    w->compact = false;
    json_int(w, "dram_bytes", (int64_t)l->dram_bytes);
    json_int(w, "bops", (int64_t)l->bops);
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
    if (r->scheme) {
        json_str(&w, "scheme", r->scheme);
    }
    json_bool(&w, "clustered", r->clustered);
    json_bool(&w, "optimised", r->optimised);
    json_bool(&w, "measured", r->measured);
    json_bool(&w, "expected", report_expected(r));
    json_str(&w, "covers", report_covers(r));
    json_open(&w, "layers", '[');
    for (size_t i = 0; i < r->layer_count; i++) {
        put_layer(&w, &r->layers[i], r->linears);
    }
    json_close(&w, ']');
    put_total(&w, r);
    json_open(&w, "remarks", '[');
    for (size_t i = 0; i < r->remark_count; i++) {
        put_remark(&w, r->remarks[i]);
    }
    json_close(&w, ']');
    json_close(&w, '}');
}
