/* Results of dtqc run and of executables: for people, as JSON, and as tensors. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/cli/run/run.h"

#include "frontend/files/safetensors.h"
#include "runtime/machine_members.h"

enum { TEXT_SHOWN = 56, VALUES_SHOWN = 4 };

static const char *const engine_names[] = {"sim", "ref", "fp32", "host", "device"};

/* ---- what the numbers are ---------------------------------------------------------------------------------------- */

bool run_is_pooled(const run_case *c) {
    return c->stream->output == DTQ_OUTPUT_POOLED;
}

size_t run_output_shape(const run_case *c, uint64_t shape[3]) {
    const dtq_stream *s = c->stream;
    switch ((dtq_output_kind)s->output) {
    case DTQ_OUTPUT_POOLED:
        shape[0] = s->output_width;
        return 1;
    case DTQ_OUTPUT_HIDDEN:
        shape[0] = s->seq;
        shape[1] = s->output_width;
        return 2;
    case DTQ_OUTPUT_ATTENTION:
        shape[0] = s->layers[0].heads;
        shape[1] = s->seq;
        shape[2] = s->layers[0].head_dim;
        return 3;
    }
    return 0;
}

double run_cosine(const dtq_output *a, const dtq_output *b) {
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        dot += (double)a->data[i] * (double)b->data[i];
        aa += (double)a->data[i] * (double)a->data[i];
        bb += (double)b->data[i] * (double)b->data[i];
    }
    return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
}

static double norm(const dtq_output *o) {
    double sum = 0;
    for (size_t i = 0; i < o->count; i++)
        sum += (double)o->data[i] * (double)o->data[i];
    return sqrt(sum);
}

static double greatest_difference(const dtq_output *a, const dtq_output *b) {
    double greatest = 0;
    for (size_t i = 0; i < a->count && i < b->count; i++)
        greatest = fmax(greatest, fabs((double)a->data[i] - (double)b->data[i]));
    return greatest;
}

/* Tokens active in the last layer. */
static uint32_t survivors(const run_case *c) {
    if (c->out.effects && c->stream->layer_count)
        return c->out.effects[c->stream->layer_count - 1].tokens_kept;
    return c->stream->layer_count ? c->stream->layers[c->stream->layer_count - 1].slots : c->seq;
}

static bool is_priced(const run_state *r) {
    return r->count > 0 && r->cases[0].price.known;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

/* At most `most` characters of a text; line breaks and the like become blanks. */
static void print_short(const char *text, int most, FILE *out) {
    int shown = 0;
    for (; *text && shown < most; shown++) {
        fputc((unsigned char)*text < ' ' || *text == 0x7F ? ' ' : *text, out);
        for (text++; ((unsigned char)*text & 0xC0) == 0x80; text++)
            fputc(*text, out);
    }
    if (*text)
        fputs("...", out);
}

static void print_case(const run_state *r, size_t i, bool with_fp32, FILE *out) {
    const run_case *c = &r->cases[i];
    fprintf(out, "%4zu  %6u  %8u", i + 1, c->seq, survivors(c));
    if (run_is_simulated(r))
        fprintf(out, "  %12" PRIu64 "  %9.3f", c->stats.cycles,
                (double)c->stats.cycles / (1e3 * r->program->machine->top_clock_ghz));
    if (is_priced(r))
        fprintf(out, "  %12.0f  %9.3f  %9.3f", c->price.cycles, c->price.us, c->price.energy_pj / 1e6);
    if (with_fp32)
        fprintf(out, "  %9.6f  %9.2e", run_cosine(&c->out, &c->fp32), greatest_difference(&c->out, &c->fp32));
    fputs("  ", out);
    print_short(c->text ? c->text : value(r->session, OPT_input)->text, TEXT_SHOWN, out);
    if (c->pair) {
        fputs(" | ", out);
        print_short(c->pair, TEXT_SHOWN, out);
    }
    fputc('\n', out);
}

static void print_cases(const run_state *r, FILE *out) {
    bool with_fp32 = given(r->session, OPT_compare_fp32);
    fprintf(out, "%4s  %6s  %8s", "", "tokens", "at end");
    if (run_is_simulated(r))
        fprintf(out, "  %12s  %9s", "cycles", "us");
    if (is_priced(r))
        fprintf(out, "  %12s  %9s  %9s", "cycles", "us", "uJ");
    if (with_fp32)
        fprintf(out, "  %9s  %9s", "cos fp32", "max diff");
    fputs("  input\n", out);
    for (size_t i = 0; i < r->count; i++)
        print_case(r, i, with_fp32, out);
}

static void print_vectors(const run_state *r, FILE *out) {
    for (size_t i = 0; i < r->count; i++) {
        const run_case *c = &r->cases[i];
        uint64_t shape[3];
        size_t rank = run_output_shape(c, shape);
        fprintf(out, "output %zu: [", i + 1);
        for (size_t k = 0; k < rank; k++)
            fprintf(out, "%s%" PRIu64, k ? ", " : "", shape[k]);
        fprintf(out, "], norm %.6g, begins", norm(&c->out));
        for (size_t k = 0; k < c->out.count && k < VALUES_SHOWN; k++)
            fprintf(out, " %.6g", (double)c->out.data[k]);
        fputc('\n', out);
    }
}

static bool same_effects(const dtq_effects *a, const dtq_effects *b) {
    return a->tokens_kept == b->tokens_kept && a->heads_kept == b->heads_kept && a->candidates == b->candidates &&
           a->survivors == b->survivors && a->refetched == b->refetched;
}

/* What the arithmetic of a system left out, layer by layer; neighbours alike share a line. */
static void print_effects(const run_case *c, size_t number, FILE *out) {
    const dtq_effects *e = c->out.effects;
    fprintf(out, "\ninput %zu      tokens  heads  scored %%  values %%  again %%\n", number);
    for (uint32_t first = 0, last; first < c->stream->layer_count; first = last + 1) {
        for (last = first; last + 1 < c->stream->layer_count && same_effects(&e[last + 1], &e[first]);)
            last++;
        char layers[32];
        snprintf(layers, sizeof layers, last > first ? "%u-%u" : "%u", first, last);
        fprintf(out, "layer %-7s %6u  %5u  %8.1f  %8.1f  %7.1f\n", layers, e[first].tokens_kept, e[first].heads_kept,
                100 * e[first].candidates, 100 * e[first].survivors, 100 * e[first].refetched);
    }
}

static const dtq_output *output_of(const run_state *r, size_t i, bool fp32) {
    return fp32 ? &r->cases[i].fp32 : &r->cases[i].out;
}

static bool has_similarities(const run_state *r) {
    return r->count > 1 && run_is_pooled(&r->cases[0]);
}

static void print_matrix(const run_state *r, const char *name, bool fp32, FILE *out) {
    fprintf(out, "\ncosine similarity, %s\n    ", name);
    for (size_t j = 0; j < r->count; j++)
        fprintf(out, " %7zu", j + 1);
    for (size_t i = 0; i < r->count; i++) {
        fprintf(out, "\n%4zu", i + 1);
        for (size_t j = 0; j < r->count; j++)
            fprintf(out, " %7.4f", run_cosine(output_of(r, i, fp32), output_of(r, j, fp32)));
    }
    fputc('\n', out);
}

static void print_times(const run_state *r, FILE *out) {
    for (size_t i = 0; i < r->count; i++)
        fprintf(out, "time %zu: %lld runs, least %.3f ms, median %.3f ms\n", i + 1,
                (long long)value(r->session, OPT_repeat)->number, r->cases[i].least_ms, r->cases[i].median_ms);
}

static void print_text(const run_state *r, FILE *out) {
    const char *engine = engine_names[r->engine];
    arena *a = r->session->arena;
    fprintf(out, "%s on %s, engine %s\n\n", diag_visible(a, r->program->model),
            diag_visible(a, r->program->machine->name), engine);
    print_cases(r, out);
    for (size_t i = 0; i < r->count; i++)
        if (r->cases[i].out.effects)
            print_effects(&r->cases[i], i + 1, out);
    fputc('\n', out);
    print_vectors(r, out);
    if (given(r->session, OPT_repeat))
        print_times(r, out);
    if (!has_similarities(r))
        return;
    print_matrix(r, engine, false, out);
    if (given(r->session, OPT_compare_fp32))
        print_matrix(r, "fp32", true, out);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void json_case(json_writer *w, const run_state *r, const run_case *c) {
    json_open(w, NULL, '{');
    if (c->text)
        json_str(w, "text", c->text);
    if (c->pair)
        json_str(w, "pair", c->pair);
    json_int(w, "tokens", c->seq);
    json_int(w, "tokens_at_end", survivors(c));
    json_bool(w, "truncated", c->truncated);
    if (run_is_simulated(r)) {
        json_int(w, "cycles", (int64_t)c->stats.cycles);
        json_int(w, "instructions", (int64_t)c->stats.instructions);
        json_int(w, "dram_bytes", (int64_t)(c->stats.dram_read_bytes + c->stats.dram_write_bytes));
        json_real(w, "energy_pj", c->stats.energy_pj);
    }
    if (c->price.known) {
        json_real(w, "cycles", c->price.cycles);
        json_real(w, "dram_bytes", c->price.dram_bytes);
        json_real(w, "energy_pj", c->price.energy_pj);
    }
    if (c->out.effects) {
        json_open(w, "layers", '[');
        for (uint32_t l = 0; l < c->stream->layer_count; l++) {
            const dtq_effects *e = &c->out.effects[l];
            json_open(w, NULL, '{');
            json_int(w, "tokens", e->tokens_kept);
            json_int(w, "heads", e->heads_kept);
            json_real(w, "candidates", e->candidates);
            json_real(w, "survivors", e->survivors);
            json_real(w, "refetched", e->refetched);
            json_close(w, '}');
        }
        json_close(w, ']');
    }
    if (given(r->session, OPT_check))
        json_str(w, "check", "identical");
    if (given(r->session, OPT_repeat)) {
        json_int(w, "runs", value(r->session, OPT_repeat)->number);
        json_real(w, "least_ms", c->least_ms);
        json_real(w, "median_ms", c->median_ms);
    }
    if (given(r->session, OPT_compare_fp32)) {
        json_real(w, "cosine_fp32", run_cosine(&c->out, &c->fp32));
        json_real(w, "max_difference_fp32", greatest_difference(&c->out, &c->fp32));
    }
    uint64_t shape[3];
    size_t rank = run_output_shape(c, shape);
    json_open(w, "shape", '[');
    for (size_t i = 0; i < rank; i++)
        json_int(w, NULL, (int64_t)shape[i]);
    json_close(w, ']');
    json_real(w, "norm", norm(&c->out));
    if (run_is_pooled(c)) {
        json_open(w, "output", '[');
        for (size_t i = 0; i < c->out.count; i++)
            json_real(w, NULL, (double)c->out.data[i]);
        json_close(w, ']');
    }
    json_close(w, '}');
}

static void json_matrix(json_writer *w, const run_state *r, const char *key, bool fp32) {
    json_open(w, key, '[');
    for (size_t i = 0; i < r->count; i++) {
        json_open(w, NULL, '[');
        for (size_t j = 0; j < r->count; j++)
            json_real(w, NULL, run_cosine(output_of(r, i, fp32), output_of(r, j, fp32)));
        json_close(w, ']');
    }
    json_close(w, ']');
}

static void print_json(const run_state *r, FILE *out) {
    json_writer w = {.out = out};
    json_open(&w, NULL, '{');
    json_str(&w, "schema", "dtqc-run/1");
    json_str(&w, "model", r->program->model);
    json_str(&w, "target", r->program->machine->name);
    json_str(&w, "engine", engine_names[r->engine]);
    if (given(r->session, OPT_shuffle))
        json_int(&w, "seed", (int64_t)r->seed);
    json_open(&w, "inputs", '[');
    for (size_t i = 0; i < r->count; i++)
        json_case(&w, r, &r->cases[i]);
    json_close(&w, ']');
    if (has_similarities(r)) {
        json_matrix(&w, r, "similarities", false);
        if (given(r->session, OPT_compare_fp32))
            json_matrix(&w, r, "similarities_fp32", true);
    }
    json_close(&w, '}');
}

void run_print(const run_state *r) {
    if (given(r->session, OPT_json))
        print_json(r, stdout);
    else
        print_text(r, r->session->words);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* "out" of one input, "out.2" of several. */
static const char *numbered(const run_state *r, const char *name, size_t i) {
    return r->count > 1 ? arena_printf(r->session->arena, "%s.%zu", name, i) : name;
}

static size_t case_tensors(const run_state *r, size_t i, st_output out[3]) {
    const run_case *c = &r->cases[i];
    uint64_t layers = c->stream->layer_count, seq = c->seq;
    size_t n = 0;
    out[n] = (st_output){.name = numbered(r, r->qkv ? "out" : "output", i),
                         .dtype = "F32",
                         .data = c->out.data,
                         .bytes = c->out.count * sizeof(float)};
    out[n].rank = (uint32_t)run_output_shape(c, out[n].shape);
    n++;
    if (c->out.importance) {
        out[n] = (st_output){.name = numbered(r, "importance", i),
                             .dtype = "U64",
                             .rank = r->qkv ? 1 : 2,
                             .data = c->out.importance,
                             .bytes = layers * seq * sizeof(uint64_t)};
        out[n].shape[0] = r->qkv ? seq : layers;
        out[n++].shape[1] = r->qkv ? 0 : seq;
    }
    if (c->out.bits && !r->qkv)
        out[n++] = (st_output){.name = numbered(r, "bits", i),
                               .dtype = "U8",
                               .rank = 2,
                               .shape = {layers, seq},
                               .data = c->out.bits,
                               .bytes = layers * seq};
    return n;
}

bool run_write_tensors(const run_state *r, const char *path) {
    st_output *all = ARENA_ARRAY(r->session->arena, st_output, 3 * r->count);
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++)
        n += case_tensors(r, i, all + n);
    return safetensors_write(r->session->diag, path, all, n);
}
