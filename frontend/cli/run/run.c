/* dtqc run: a model or a program on the simulator, the reference, in float32 or as host code. */
#include "codegen/systems/systems.h"
#include "frontend/cli/cache_directory.h"
#include "frontend/cli/host/host_cache.h"
#include "frontend/cli/host/host_code.h"
#include "frontend/cli/rtl_module.h"
#include "frontend/cli/run/run_job.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "frontend/models/models.h"
#include "frontend/target.h"
#include "ir/base/path.h"

/* ---- the command line -------------------------------------------------------------------------------------------- */

static bool check_options(session *s) {
    const run_engine word = (run_engine)value(s, OPT_engine)->word, engine = word == ENGINE_RTL ? ENGINE_SIM : word;
    size_t inputs = given(s, OPT_text) ? value(s, OPT_text)->count : 1;
    if (given(s, OPT_shuffle) && engine != ENGINE_SIM && !given(s, OPT_check))
        return usage_error(s, "--shuffle reorders the simulator's queues and changes nothing in another engine");
    if (given(s, OPT_device) && engine != ENGINE_DEVICE)
        return usage_error(s, "--device says what --engine=device drives");
    if (given(s, OPT_trace) && engine != ENGINE_SIM && !(engine == ENGINE_DEVICE && run_device(s) == &dtq_simulator))
        return usage_error(s, "--trace needs the simulator; another engine has no timeline");
    if (given(s, OPT_trace) && inputs > 1)
        return usage_error(s, "--trace shows one run; there are %zu texts", inputs);
    if (given(s, OPT_compare_fp32) && engine == ENGINE_FP32)
        return usage_error(s, "--compare-fp32 compares with what --engine=fp32 already runs");
    if (given(s, OPT_json) && given(s, OPT_run_report) && value(s, OPT_run_report)->word != REPORT_TEXT)
        return usage_error(s, "--json and --report=%s cannot both be on standard output",
                           value(s, OPT_run_report)->text);
    if (!host_code_check(s, run_is_generated(engine)))
        return false;
    if (given(s, OPT_tensors) && is_stdout(value(s, OPT_tensors)->text))
        return usage_error(s, "--output must be a file");
    return !given(s, OPT_run_report) || check_report(s, (report_format)value(s, OPT_run_report)->word, inputs);
}

/* What decides how a model is compiled means nothing to a program. */
static bool refuse_compile_options(session *s) {
    static const option_id needs_model[] = {OPT_target,   OPT_policy,     OPT_set,       OPT_linear,
                                            OPT_optimise, OPT_no_cluster, OPT_run_report};
    for (size_t i = 0; i < sizeof needs_model / sizeof *needs_model; i++)
        if (given(s, needs_model[i]))
            return usage_error(s, "--%s needs a model; %s is a compiled program", option_table[needs_model[i]].name,
                               s->options->operands[0]);
    if (run_is_generated((run_engine)value(s, OPT_engine)->word))
        return usage_error(s, "--engine=%s needs a model: host code is made from a graph, and %s is a compiled program",
                           value(s, OPT_engine)->text, s->options->operands[0]);
    return true;
}

/* ---- model or program -------------------------------------------------------------------------------------------- */

static bool open_program(run_job *j) {
    run_state *r = &j->state;
    session *s = r->session;
    dtq_error e;
    if (!refuse_compile_options(s))
        return false;
    if (!dtq_program_load(r->path, &j->loaded, &e))
        return runtime_error_at(s, &e, r->path);
    const dtq_program *p = r->program = j->loaded;
    if (!p->stream_count)
        return diag_error(s->diag, (src_loc){r->path, 0, 0}, "the program has no streams");
    r->vocabulary = *p->tokenizer ? path_beside(s->arena, r->path, p->tokenizer) : NULL;
    r->beside = r->path;
    r->lower_case = p->lower_case;
    r->positions = p->positions;
    r->qkv = p->streams[0].input == DTQ_INPUT_QKV;
    return true;
}

static bool open_model(run_job *j) {
    run_state *r = &j->state;
    if (!source_open(r->session, r->path, &j->source))
        return false;
    const model *m = j->source.model;
    if (m) {
        r->vocabulary = model_vocabulary(m);
        r->lower_case = model_lower_case(m);
        r->positions = model_positions(m);
        r->qkv = model_is_attention(m);
    } else {
        const ir_header *h = &j->source.resumed->header;
        r->vocabulary = h->tokenizer;
        r->lower_case = h->lower_case;
        r->positions = h->positions;
        r->qkv = h->qkv_input;
    }
    r->one_length = r->qkv;
    return true;
}

/* A system's program is run by the reference and priced by its model. */
static bool settle_engine(run_job *j) {
    static const option_id of_arrays[] = {OPT_trace, OPT_shuffle, OPT_check, OPT_run_report};
    run_state *r = &j->state;
    session *s = r->session;
    const any_target *t = j->from_program || j->source.resumed ? NULL : &j->source.target;
    dtq_error e;
    j->of_system = j->from_program ? dtq_scheme_is_system(&r->program->scheme) : source_is_system(&j->source);
    if (!j->of_system)
        return true;
    if (given(s, OPT_engine) && (r->engine == ENGINE_SIM || run_is_generated(r->engine)))
        return usage_error(s,
                           "--engine=%s runs variable-speed arrays; %s is for a system that computes attention in its "
                           "own way: --engine=ref, the default for it, or fp32",
                           value(s, OPT_engine)->text, r->path);
    for (size_t i = 0; i < sizeof of_arrays / sizeof *of_arrays; i++)
        if (given(s, of_arrays[i]))
            return usage_error(
                s,
                "--%s is of variable-speed arrays; %s is for a system that computes attention in its own "
                "way",
                option_table[of_arrays[i]].name, r->path);
    if (t && !dtq_system_computes(t->system, &t->params, &e))
        return diag_error(s->diag, (src_loc){t->name, 0, 0}, "%s", e.message);
    r->engine = given(s, OPT_engine) ? r->engine : ENGINE_REF;
    return true;
}

/* Every length that an input has, once. A bare attention and IR have one, which 0 stands for; whether the input has it
 * is checked after. */
static host_lengths input_lengths(const run_job *j) {
    const run_state *r = &j->state;
    uint32_t *lengths = ARENA_ARRAY(r->session->arena, uint32_t, r->count + 1);
    size_t count = 0;
    for (uint32_t seq = 0; !r->qkv && !j->source.resumed;) { /* ascending */
        uint32_t next = UINT32_MAX;
        for (size_t i = 0; i < r->count; i++)
            if (r->cases[i].seq > seq && r->cases[i].seq < next)
                next = r->cases[i].seq;
        if (next == UINT32_MAX)
            break;
        lengths[count++] = seq = next;
    }
    return (host_lengths){lengths, count ? count : 1, false};
}

static bool compile_inputs(run_job *j, const host_lengths *lengths) {
    session *s = j->state.session;
    pass_options o;
    if (!pass_options_read(s, &o))
        return false;
    j->compiled = ARENA_ARRAY(s->arena, compiled, lengths->count);
    for (size_t i = 0; i < lengths->count; i++)
        if (!compile_length(s, &j->source, lengths->lengths[i], !given(s, OPT_no_cluster), &o, &j->compiled[i]))
            return false;
    j->state.program = make_program(s, j->compiled, lengths->count);
    mark(s, "compile");
    return j->state.program != NULL;
}

/* Host code needs the passes of the graph level alone. What others compute beside it needs a program, too. */
static bool prepare(run_job *j) {
    run_state *r = &j->state;
    session *s = r->session;
    if (j->from_program)
        return true;
    host_lengths lengths = input_lengths(j);
    if (run_is_generated(r->engine)) {
        if (!host_model_make(s, &j->source, &lengths, &j->planned))
            return false;
        r->program = j->planned.plan;
        mark(s, "plan");
        if (r->engine == ENGINE_HOST && !given(s, OPT_check) && !given(s, OPT_compare_fp32) &&
            !given(s, OPT_run_report))
            return true;
        if (j->source.resumed)
            j->source.resumed = ir_load(s, r->path); /* the passes changed the one that was read */
    }
    return compile_inputs(j, &lengths);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Runs a case by an engine of the runtime. */
static bool run_engine_once(run_job *j, const run_case *c, const dtq_run_options *o, dtq_output *out,
                            dtq_stats *stats) {
    session *s = j->state.session;
    dtq_input input = run_input(c);
    dtq_error e;
    bool want_events = stats && (given(s, OPT_trace) || given(s, OPT_run_report));
    return dtq_run(j->state.program, c->stream, j->weights, &input, o, out, stats, want_events, &e) ||
           runtime_error(s, &e, !j->from_program);
}

typedef struct {
    run_job *job;
    dtq_run_options options;
} simulation;

static bool once(run_state *r, run_case *c, void *how) {
    const simulation *m = how;
    return run_engine_once(m->job, c, &m->options, &c->out, r->engine == ENGINE_SIM ? &c->stats : NULL);
}

/* Whether what was computed is of the weights that were opened: somebody may have written to their files. */
static bool weights_unchanged(run_job *j) {
    dtq_error e;
    return (dtq_weights_unchanged(j->weights, &e) && (!j->host || dtq_host_unchanged(j->host, &e))) ||
           runtime_error(j->state.session, &e, false);
}

/* Simulator and reference, and host code that has run. */
static bool check(run_job *j, const run_case *c, const dtq_run_options *o) {
    session *s = j->state.session;
    dtq_input input = run_input(c);
    dtq_error e;
    if (!dtq_check(j->state.program, c->stream, j->weights, &input, o, &e))
        return runtime_error(s, &e, false);
    if (j->host) {
        dtq_run_options plain = {
            .engine = DTQ_ENGINE_REF, .threads = o->threads, .allow_nonfinite = o->allow_nonfinite};
        dtq_output reference = {0};
        bool same = run_engine_once(j, c, &plain, &reference, NULL) && weights_unchanged(j) &&
                    run_same_output(&j->state, c, &reference);
        dtq_output_free(&reference);
        if (!same)
            return false;
    }
    fprintf(s->words, "check: %u tokens: identical\n", c->seq);
    return true;
}

/* How much of a program's time hardware has executed, too. */
static void print_verified(const run_job *j, const run_case *c) {
    const dtq_stats *st = &c->stats;
    uint64_t computing = 0, moving = 0;
    for (unsigned q = DTQ_HOST + 1; q <= DTQ_QUEUE_MAX; q++)
        *(q == DTQ_LOAD || q == DTQ_STORE ? &moving : &computing) += st->busy[q];
    fprintf(j->state.session->words,
            "rtl: %u tokens: identical; hardware executed %.1f %% of the busy cycles of arrays, softmax and top-k, "
            "%.1f %% with those of DMA\n",
            c->seq, computing ? 100.0 * (double)st->rtl_busy / (double)computing : 100.0,
            computing + moving ? 100.0 * (double)st->rtl_busy / (double)(computing + moving) : 100.0);
}

static bool run_case_fully(run_job *j, run_case *c, simulation *m) {
    session *s = j->state.session;
    if (given(s, OPT_check) && !check(j, c, &m->options))
        return false;
    if (!j->host && !run_repeatedly(&j->state, c, once, m))
        return false;
    if (j->with_rtl)
        print_verified(j, c);
    system_run run;
    if (j->of_system && j->state.engine == ENGINE_REF &&
        system_price_run(j->state.program, c->stream, c->out.effects, &run))
        c->price = (run_price){.known = true,
                               .cycles = run.cost.cycles,
                               .us = run.cost.cycles / (1e3 * run.clock_ghz),
                               .dram_bytes = run.cost.dram_bytes,
                               .energy_pj = run.energy.total};
    dtq_run_options plain = {
        .engine = DTQ_ENGINE_FP32, .threads = m->options.threads, .allow_nonfinite = m->options.allow_nonfinite};
    return !given(s, OPT_compare_fp32) || run_engine_once(j, c, &plain, &c->fp32, NULL);
}

static uint64_t fresh_seed(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t x = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return (x ^ x >> 31) * 0x9E3779B97F4A7C15u >> 1;
}

static bool run_host(run_job *j) {
    run_state *r = &j->state;
    session *s = r->session;
    if (!host_code_load(s, j->planned.code, r->engine == ENGINE_DEVICE, &j->code))
        return false;
    const char *cache = cache_directory(s);
    const char *store = cache ? host_cache_weights(s, cache, j->code.model, r->program) : NULL;
    return run_open_host(r, j->code.model, r->program, NULL, store, known_files(s), &j->host) &&
           run_on_host(r, j->host);
}

static bool run_all(run_job *j) {
    run_state *r = &j->state;
    session *s = r->session;
    const option_value *shuffle = value(s, OPT_shuffle);
    r->seed = shuffle->has_value ? (uint64_t)shuffle->number : fresh_seed();
    simulation m = {.job = j,
                    .options = {.engine = run_is_generated(r->engine) ? DTQ_ENGINE_REF : (dtq_engine)r->engine,
                                .threads = (unsigned)value(s, OPT_threads)->number,
                                .shuffle = shuffle->given,
                                .seed = r->seed,
                                .allow_nonfinite = given(s, OPT_allow_nonfinite)}};
    if (shuffle->given)
        fprintf(s->words, "shuffle: seed %" PRIu64 "\n", r->seed);
    if (j->with_rtl) {
        if (!rtl_module_open(s, r->program->machine, &j->rtl))
            return false;
        m.options.rtl = &j->rtl;
    }
    if (run_is_generated(r->engine) && !run_host(j))
        return false;
    bool others = !run_is_generated(r->engine) || given(s, OPT_check) || given(s, OPT_compare_fp32);
    if (!r->qkv && others) {
        dtq_error e;
        dtq_weights_options o = {.directory = j->from_program ? directory_of(s->arena, r->path) : NULL,
                                 .known = known_files(s),
                                 .threads = (unsigned)value(s, OPT_threads)->number};
        if (!o.known)
            return false;
        j->weights = dtq_weights_open_with(r->program, &o, &e);
        mark(s, "open weights");
        if (!j->weights)
            return runtime_error(s, &e, false);
    }
    for (size_t i = 0; i < r->count && others; i++)
        if (!run_case_fully(j, &r->cases[i], &m))
            return false;
    if (others)
        mark(s, run_is_generated(r->engine) ? "check" : "run");
    return true;
}

/* A program file may have been made by anybody: each stream that is run is proved before. */
static bool prove(run_job *j) {
    run_state *r = &j->state;
    dtq_error e;
    for (size_t i = 0; j->from_program && i < r->count; i++) {
        const dtq_stream *stream = r->cases[i].stream;
        bool known = false;
        for (size_t k = 0; k < i && !known; k++)
            known = r->cases[k].stream == stream;
        if (!known && !dtq_prove(r->program, stream, &e))
            return diag_error(r->session->diag, (src_loc){r->path, 0, 0},
                              "the stream of %u tokens is refused, and not run: %s", stream->seq, e.message);
    }
    if (j->from_program)
        mark(r->session, "prove");
    return true;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static bool print_results(run_job *j) {
    run_state *r = &j->state;
    session *s = r->session;
    if (!weights_unchanged(j))
        return false;
    if (given(s, OPT_tensors) && !run_write_tensors(r, value(s, OPT_tensors)->text))
        return false;
    if (given(s, OPT_trace) &&
        !write_trace(s, value(s, OPT_trace)->text, r->program, r->cases[0].stream, r->cases[0].stats.events))
        return false;
    run_print(r);
    return !given(s, OPT_run_report) || run_print_reports(j);
}

static void release(run_job *j) {
    run_release(&j->state);
    dtq_host_close(j->host);
    host_code_unload(&j->code);
    if (j->rtl.close)
        j->rtl.close(j->rtl.state);
    if (j->weights)
        dtq_weights_close(j->weights);
    dtq_program_free(j->loaded);
}

bool command_run(session *s) {
    if (!check_options(s))
        return false;
    choose_words(s, given(s, OPT_json) || (given(s, OPT_trace) && is_stdout(value(s, OPT_trace)->text)));
    const run_engine engine = (run_engine)value(s, OPT_engine)->word;
    run_job j = {
        .state = {.session = s, .path = s->options->operands[0], .engine = engine == ENGINE_RTL ? ENGINE_SIM : engine},
        .with_rtl = engine == ENGINE_RTL};
    j.state.device = engine == ENGINE_DEVICE ? run_device(s) : NULL;
    phases times;
    if (given(s, OPT_time)) {
        phases_begin(&times);
        s->times = &times;
    }
    j.from_program = is_program_file(j.state.path);
    bool ok = j.from_program ? open_program(&j) : open_model(&j);
    mark(s, "load model");
    ok = ok && settle_engine(&j) && run_read_inputs(&j.state);
    mark(s, "read inputs");
    ok = ok && prepare(&j) && run_find_streams(&j.state) && prove(&j) && run_all(&j) && print_results(&j);
    release(&j);
    mark(s, "finish");
    if (ok && given(s, OPT_time))
        phases_print(&times, stderr);
    s->times = NULL;
    return ok;
}
