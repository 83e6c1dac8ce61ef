/* dtqc run on generated host code, and what executables do. */
#include "frontend/cli/run/run.h"

#include <inttypes.h>
#include <string.h>

bool run_open_host(run_state *r, const dtq_host_model *code, const dtq_program *plan, const char *directory,
                   const char *store, dtq_known *known, dtq_host **host) {
    session *s = r->session;
    dtq_host_options o = {.directory = directory,
                          .store = store,
                          .known = known,
                          .threads = (unsigned)value(s, OPT_threads)->number,
                          .allow_nonfinite = given(s, OPT_allow_nonfinite),
                          .device = r->device,
                          .want_events = given(s, OPT_trace) || given(s, OPT_run_report)};
    dtq_error e;
    *host = dtq_host_open(code, plan, &o, &e);
    mark(s, "prepare weights");
    return *host || runtime_error(s, &e, true);
}

const dtq_device *run_device(const session *s) {
    static const dtq_device *const devices[] = {&dtq_simulator, &dtq_reference}; /* as --device names them */
    return devices[value(s, OPT_device)->word];
}

static bool once(run_state *r, run_case *c, void *how) {
    session *s = r->session;
    dtq_input input = run_input(c);
    dtq_error e;
    bool importance = given(s, OPT_tensors) || given(s, OPT_check);
    if (!dtq_host_run(how, c->stream->seq, &input, importance, &c->out, &e))
        return runtime_error(s, &e, true);
    dtq_stats_free(&c->stats);
    (void)dtq_host_stats(how, &c->stats);
    return true;
}

bool run_on_host(run_state *r, dtq_host *host) {
    for (size_t i = 0; i < r->count; i++)
        if (!run_repeatedly(r, &r->cases[i], once, host))
            return false;
    mark(r->session, "run");
    return true;
}

/* ---- against the reference --------------------------------------------------------------------------------------- */

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Layer by layer, as an error spreads: importance decides the bits of the next layer, and all of them the output. */
bool run_same_output(run_state *r, const run_case *c, const dtq_output *reference) {
    session *s = r->session;
    const dtq_output *out = &c->out;
    size_t seq = c->stream->seq;
    for (size_t i = 0; i < c->stream->layer_count * seq; i++) {
        if (out->bits[i] != reference->bits[i])
            return diag_internal(s->diag, s->place,
                                 "host code differs from the reference: layer %zu, token %zu runs at %u bits, not %u",
                                 i / seq, i % seq, out->bits[i], reference->bits[i]);
        if (out->importance[i] != reference->importance[i])
            return diag_internal(s->diag, s->place,
                                 "host code differs from the reference: layer %zu, token %zu has importance %" PRIu64
                                 ", not %" PRIu64,
                                 i / seq, i % seq, out->importance[i], reference->importance[i]);
    }
    for (size_t i = 0; i < reference->count; i++)
        if (i >= out->count || bits_of(out->data[i]) != bits_of(reference->data[i]))
            return diag_internal(s->diag, s->place,
                                 "host code differs from the reference: element %zu of the output is %.9g, not %.9g", i,
                                 i < out->count ? (double)out->data[i] : 0, (double)reference->data[i]);
    return true;
}
