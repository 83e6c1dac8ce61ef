/* What every engine of dtqc run does with its cases: finding streams, repeating, releasing. */
#include <stdlib.h>

#include "frontend/cli/lengths.h"
#include "frontend/cli/run/run.h"

bool run_find_streams(run_state *r) {
    session *s = r->session;
    bool ok = true;
    for (size_t i = 0; i < r->count; i++) {
        run_case *c = &r->cases[i];
        c->stream = r->one_length ? &r->program->streams[0] : dtq_program_stream(r->program, c->seq);
        if (!c->stream) {
            src_loc loc = {r->path, 0, 0};
            const char *has = lengths_text(s->arena, r->program);
            if (c->text)
                ok = diag_error(s->diag, loc, "has no stream for the %u tokens of text %zu; it has %s", c->seq, i + 1,
                                has);
            else
                ok = diag_error(s->diag, loc, "has no stream for %u tokens; it has %s", c->seq, has);
        }
        ok = ok && run_check_shapes(r, c);
    }
    return ok;
}

dtq_input run_input(const run_case *c) {
    return (dtq_input){.tokens = c->tokens, .segments = c->segments, .q = c->qkv[0], .k = c->qkv[1], .v = c->qkv[2]};
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bool run_repeatedly(run_state *r, run_case *c, run_once *once, void *how) {
    session *s = r->session;
    if (!given(s, OPT_repeat))
        return once(r, c, how);
    size_t count = (size_t)value(s, OPT_repeat)->number;
    double *times = ARENA_ARRAY(s->arena, double, count);
    for (size_t i = 0; i < count; i++) {
        dtq_output_free(&c->out);
        dtq_stats_free(&c->stats);
        c->out = (dtq_output){0};
        c->stats = (dtq_stats){0};
        double start = phases_now();
        if (!once(r, c, how))
            return false;
        times[i] = phases_now() - start;
    }
    qsort(times, count, sizeof *times, ascending);
    c->least_ms = times[0];
    c->median_ms = (times[(count - 1) / 2] + times[count / 2]) / 2;
    return true;
}

void run_release(run_state *r) {
    for (size_t i = 0; i < r->count; i++) {
        dtq_output_free(&r->cases[i].out);
        dtq_output_free(&r->cases[i].fp32);
        dtq_stats_free(&r->cases[i].stats);
    }
}
