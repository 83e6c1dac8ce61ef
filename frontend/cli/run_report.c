/* Reports of dtqc run: what the compiler says, with what the simulator measured. */
#include "frontend/cli/run_job.h"

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

bool run_print_reports(run_job *j) {
    const run_state *r = &j->state;
    session *s = r->session;
    report **reports = ARENA_ARRAY(s->arena, report *, r->count);
    for (size_t i = 0; i < r->count; i++) {
        const run_case *c = &r->cases[i];
        if (!(reports[i] = make_report(s, &j->compiled[c->stream - r->program->streams])))
            return false;
        if (r->engine == ENGINE_SIM)
            measure(reports[i], c);
    }
    report_format format = (report_format)value(s, OPT_run_report)->word;
    if (format == REPORT_TEXT)
        fputc('\n', s->words);
    return print_reports(s, reports, r->count, format, format == REPORT_TEXT ? s->words : stdout);
}
