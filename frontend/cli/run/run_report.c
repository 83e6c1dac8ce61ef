/* Reports of dtqc run: what the compiler says, with what the simulator measured. */
#include "frontend/cli/run/run_job.h"
#include "frontend/tokenizer/tokenizers.h"

/* Puts what the simulator counted in place of what was counted or expected; times are the run's already. */
static void measure(report *rep, const run_case *c) {
    const dtq_stats *st = &c->stats;
    rep->measured = true;
    rep->cycles = (double)st->cycles;
    rep->dram_bytes = st->dram_read_bytes + st->dram_write_bytes;
    rep->mac_cycles = st->mac_cycles;
    rep->stall_cycles = st->stall_cycles;
    rep->energy_pj = st->energy_pj;
    report_settle(rep);
}

/* The tokens of an input as the vocabulary writes them; NULL without a vocabulary. */
static const char *const *token_texts(const run_state *r, const tokenizer *t, const run_case *c) {
    if (!t || !c->tokens)
        return NULL;
    const char **texts = ARENA_ARRAY(r->session->arena, const char *, c->seq);
    for (uint32_t i = 0; i < c->seq; i++)
        texts[i] = tokenizer_token(t, c->tokens[i]).text;
    return texts;
}

/* What HTML shows of each input. */
static bool add_inputs(const run_state *r, report **reports) {
    arena *a = r->session->arena;
    tokenizer_settings settings = {.lower_case = r->lower_case};
    const tokenizer *t = r->vocabulary ? tokenizer_load(a, r->session->diag, r->vocabulary, &settings) : NULL;
    if (r->vocabulary && !t)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        const run_case *c = &r->cases[i];
        report_input *in = ARENA_NEW(a, report_input);
        *in = (report_input){.text = c->text,
                             .pair = c->pair,
                             .tokens = token_texts(r, t, c),
                             .bits = r->engine == ENGINE_FP32 ? NULL : c->out.bits,
                             .events = run_is_simulated(r) ? c->stats.events : NULL};
        reports[i]->input = in;
    }
    return true;
}

bool run_print_reports(run_job *j) {
    const run_state *r = &j->state;
    session *s = r->session;
    report **reports = ARENA_ARRAY(s->arena, report *, r->count);
    for (size_t i = 0; i < r->count; i++) {
        const run_case *c = &r->cases[i];
        const dtq_event *events = run_is_simulated(r) ? c->stats.events : NULL;
        if (!(reports[i] = make_report(s, &j->compiled[c->stream - r->program->streams], events)))
            return false;
        if (run_is_simulated(r))
            measure(reports[i], c);
    }
    report_format format = (report_format)value(s, OPT_run_report)->word;
    if (format == REPORT_HTML && !add_inputs(r, reports))
        return false;
    if (format == REPORT_TEXT)
        fputc('\n', s->words);
    return print_reports(s, reports, r->count, format, format == REPORT_TEXT ? s->words : stdout);
}
