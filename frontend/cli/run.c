/* dtqc run: a model or a program on the simulator, the reference or in float32. */
#include "frontend/cli/run.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "frontend/path.h"

/* ---- the command line -------------------------------------------------------------------------------------------- */

static bool check_options(session *s) {
    int engine = value(s, OPT_engine)->word;
    size_t inputs = given(s, OPT_text) ? value(s, OPT_text)->count : 1;
    if (given(s, OPT_shuffle) && engine != DTQ_ENGINE_SIM && !given(s, OPT_check))
        return usage_error(s, "--shuffle reorders the simulator's queues and changes nothing in another engine");
    if (given(s, OPT_trace) && engine != DTQ_ENGINE_SIM)
        return usage_error(s, "--trace needs the simulator; another engine has no timeline");
    if (given(s, OPT_trace) && inputs > 1)
        return usage_error(s, "--trace shows one run; there are %zu texts", inputs);
    if (given(s, OPT_compare_fp32) && engine == DTQ_ENGINE_FP32)
        return usage_error(s, "--compare-fp32 compares with what --engine=fp32 already runs");
    if (given(s, OPT_json) && given(s, OPT_run_report) && value(s, OPT_run_report)->word != REPORT_TEXT)
        return usage_error(s, "--json and --report=%s cannot both be on standard output",
                           value(s, OPT_run_report)->text);
    if (given(s, OPT_tensors) && is_stdout(value(s, OPT_tensors)->text))
        return usage_error(s, "--output must be a file");
    return true;
}

/* What decides how a model is compiled means nothing to a program. */
static bool refuse_compile_options(session *s) {
    static const option_id needs_model[] = {OPT_target,   OPT_policy,     OPT_linear,
                                            OPT_optimise, OPT_no_cluster, OPT_run_report};
    for (size_t i = 0; i < sizeof needs_model / sizeof *needs_model; i++)
        if (given(s, needs_model[i]))
            return usage_error(s, "--%s needs a model; %s is a compiled program", option_table[needs_model[i]].name,
                               s->options->operands[0]);
    return true;
}

/* ---- model or program -------------------------------------------------------------------------------------------- */

static bool open_program(run_state *r) {
    session *s = r->session;
    dtq_error e;
    if (!refuse_compile_options(s))
        return false;
    if (!dtq_program_load(r->path, &r->program, &e))
        return runtime_error_at(s, &e, r->path);
    const dtq_program *p = r->program;
    if (!p->stream_count)
        return diag_error(s->diag, (src_loc){r->path, 0, 0}, "the program has no streams");
    r->vocabulary = *p->tokenizer ? path_beside(s->arena, r->path, p->tokenizer) : NULL;
    r->lower_case = p->lower_case;
    r->positions = p->positions;
    r->qkv = p->streams[0].input == DTQ_INPUT_QKV;
    return true;
}

static bool open_model(run_state *r) {
    session *s = r->session;
    if (!source_open(s, r->path, &r->source))
        return false;
    const model *m = r->source.model;
    if (m) {
        r->vocabulary = model_vocabulary(m);
        r->lower_case = model_lower_case(m);
        r->positions = model_positions(m);
        r->qkv = model_is_attention(m);
    } else {
        const ir_header *h = &r->source.resumed->header;
        r->vocabulary = h->tokenizer;
        r->lower_case = h->lower_case;
        r->positions = h->positions;
        r->qkv = h->qkv_input;
    }
    return true;
}

/* Compiles every length that an input has, once, into one program. */
static bool compile_inputs(run_state *r) {
    session *s = r->session;
    pass_options o;
    if (!pass_options_read(s, &o))
        return false;
    size_t count = 0;
    r->compiled = ARENA_ARRAY(s->arena, compiled, r->count);
    for (uint32_t seq = 0;;) { /* ascending */
        uint32_t next = UINT32_MAX;
        for (size_t i = 0; i < r->count; i++)
            if (r->cases[i].seq > seq && r->cases[i].seq < next)
                next = r->cases[i].seq;
        if (next == UINT32_MAX)
            break;
        seq = next;
        /* A bare attention and IR have one length; whether the input has it is checked after. */
        uint32_t wanted = r->qkv ? 0 : seq;
        if (!compile_length(s, &r->source, wanted, !given(s, OPT_no_cluster), &o, &r->compiled[count]))
            return false;
        count++;
        if (r->source.resumed)
            break;
    }
    r->program = make_program(s, r->compiled, count);
    return r->program != NULL;
}

/* "9, 16..128": the lengths of a program. */
static const char *lengths_text(arena *a, const dtq_program *p) {
    char *text = arena_strdup(a, "");
    for (size_t i = 0; i < p->stream_count;) {
        size_t last = i;
        while (last + 1 < p->stream_count && p->streams[last + 1].seq == p->streams[last].seq + 1)
            last++;
        text = arena_printf(a, "%s%s%u", text, i ? ", " : "", p->streams[i].seq);
        if (last > i)
            text = arena_printf(a, "%s..%u", text, p->streams[last].seq);
        i = last + 1;
    }
    return text;
}

static bool find_streams(run_state *r) {
    session *s = r->session;
    bool ok = true;
    for (size_t i = 0; i < r->count; i++) {
        run_case *c = &r->cases[i];
        c->stream = r->qkv && !r->from_program ? &r->program->streams[0] : dtq_program_stream(r->program, c->seq);
        if (!c->stream) {
            if (c->text)
                ok = diag_error(s->diag, (src_loc){r->path, 0, 0},
                                "has no stream for the %u tokens of text %zu; it has %s", c->seq, i + 1,
                                lengths_text(s->arena, r->program));
            else
                ok = diag_error(s->diag, (src_loc){r->path, 0, 0}, "has no stream for %u tokens; it has %s", c->seq,
                                lengths_text(s->arena, r->program));
        }
        ok = ok && run_check_shapes(r, c);
    }
    return ok;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static bool run_one(run_state *r, run_case *c, const dtq_run_options *o, bool want_events) {
    session *s = r->session;
    dtq_error e;
    dtq_input input = {.tokens = c->tokens, .segments = c->segments, .q = c->qkv[0], .k = c->qkv[1], .v = c->qkv[2]};
    bool compiled_here = !r->from_program;
    if (given(s, OPT_check)) {
        if (!dtq_check(r->program, c->stream, r->weights, &input, o, &e))
            return runtime_error(s, &e, false);
        fprintf(s->words, "check: %u tokens: identical\n", c->seq);
    }
    bool simulated = o->engine == DTQ_ENGINE_SIM;
    if (!dtq_run(r->program, c->stream, r->weights, &input, o, &c->out, simulated ? &c->stats : NULL,
                 simulated && want_events, &e))
        return runtime_error(s, &e, compiled_here);
    if (!given(s, OPT_compare_fp32))
        return true;
    dtq_run_options plain = {.engine = DTQ_ENGINE_FP32, .threads = o->threads};
    return dtq_run(r->program, c->stream, r->weights, &input, &plain, &c->fp32, NULL, false, &e) ||
           runtime_error(s, &e, compiled_here);
}

static uint64_t fresh_seed(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t x = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return (x ^ x >> 31) * 0x9E3779B97F4A7C15u >> 1;
}

static bool run_all(run_state *r) {
    session *s = r->session;
    const option_value *shuffle = value(s, OPT_shuffle);
    r->seed = shuffle->has_value ? (uint64_t)shuffle->number : fresh_seed();
    dtq_run_options o = {.engine = (dtq_engine)value(s, OPT_engine)->word,
                         .threads = (unsigned)value(s, OPT_threads)->number,
                         .shuffle = shuffle->given,
                         .seed = r->seed};
    if (shuffle->given)
        fprintf(s->words, "shuffle: seed %" PRIu64 "\n", r->seed);
    if (!r->qkv) {
        dtq_error e;
        r->weights = dtq_weights_open(r->program, r->from_program ? directory_of(s->arena, r->path) : NULL, &e);
        if (!r->weights)
            return runtime_error(s, &e, false);
    }
    bool want_events = given(s, OPT_trace) || given(s, OPT_run_report);
    for (size_t i = 0; i < r->count; i++)
        if (!run_one(r, &r->cases[i], &o, want_events))
            return false;
    return true;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* Puts what the simulator measured in place of what was counted or expected. */
static void measure(report *rep, const run_case *c) {
    const dtq_stats *st = &c->stats;
    rep->measured = true;
    rep->cycles = (double)st->cycles;
    rep->dram_bytes = st->dram_read_bytes + st->dram_write_bytes;
    rep->mac_cycles = st->mac_cycles;
    rep->stall_cycles = st->stall_cycles;
    rep->energy_pj = st->energy_pj;
    for (size_t l = 0; l < rep->layer_count; l++) {
        report_layer *layer = &rep->layers[l];
        uint64_t start = UINT64_MAX, end = 0;
        for (size_t i = 0; i < c->stream->count; i++) {
            if (c->stream->sources[i].layer != l || c->stream->instrs[i].queue == DTQ_HOST)
                continue;
            const dtq_event *e = &st->events[i];
            start = e->start < start ? e->start : start;
            end = e->done > end ? e->done : end;
        }
        if (end == 0)
            continue;
        layer->start = start;
        layer->end = end;
    }
    report_settle(rep);
}

static bool print_run_reports(run_state *r) {
    session *s = r->session;
    report **reports = ARENA_ARRAY(s->arena, report *, r->count);
    for (size_t i = 0; i < r->count; i++) {
        const run_case *c = &r->cases[i];
        if (!(reports[i] = make_report(s, &r->compiled[c->stream - r->program->streams])))
            return false;
        if (value(s, OPT_engine)->word == DTQ_ENGINE_SIM)
            measure(reports[i], c);
    }
    report_format format = (report_format)value(s, OPT_run_report)->word;
    if (format == REPORT_TEXT)
        fputc('\n', s->words);
    return print_reports(s, reports, r->count, format, format == REPORT_TEXT ? s->words : stdout);
}

static bool print_results(run_state *r) {
    session *s = r->session;
    if (given(s, OPT_tensors) && !run_write_tensors(r, value(s, OPT_tensors)->text))
        return false;
    if (given(s, OPT_trace) &&
        !write_trace(s, value(s, OPT_trace)->text, r->program, r->cases[0].stream, r->cases[0].stats.events))
        return false;
    if (given(s, OPT_json))
        run_print_json(r, stdout);
    else
        run_print_text(r, s->words);
    return !given(s, OPT_run_report) || print_run_reports(r);
}

static void release(run_state *r) {
    for (size_t i = 0; i < r->count; i++) {
        dtq_output_free(&r->cases[i].out);
        dtq_output_free(&r->cases[i].fp32);
        dtq_stats_free(&r->cases[i].stats);
    }
    if (r->weights)
        dtq_weights_close(r->weights);
    if (r->from_program && r->program)
        dtq_program_free(r->program);
}

bool command_run(session *s) {
    if (!check_options(s))
        return false;
    choose_words(s, given(s, OPT_json) || (given(s, OPT_trace) && is_stdout(value(s, OPT_trace)->text)));
    run_state r = {.session = s, .path = s->options->operands[0]};
    r.from_program = is_program_file(r.path);
    bool ok = (r.from_program ? open_program(&r) : open_model(&r)) && run_read_inputs(&r) &&
              (r.from_program || compile_inputs(&r)) && find_streams(&r) && run_all(&r) && print_results(&r);
    release(&r);
    return ok;
}
