/* What is asked of a program that somebody else made: that its streams are sound and its numbers are what they say. */
#include <inttypes.h>

#include "runtime/entry.h"

static bool is_static(const dtq_stream *s) {
    for (uint32_t l = 0; l < s->layer_count; l++)
        for (unsigned o = 0; o < DTQ_OPERANDS; o++)
            if (!s->layers[l].bits[o])
                return false;
    return true;
}

bool dtq_do_static_cycles(const dtq_program *p, const dtq_stream *s, uint64_t *cycles, dtq_error *e) {
    *cycles = UINT64_MAX;
    if (!is_static(s))
        return true;
    const dtq_run_options o = {.engine = DTQ_ENGINE_SIM, .timing_only = true};
    dtq_output nothing = {0};
    dtq_stats stats;
    const bool ok = dtq_do_run(p, s, NULL, NULL, &o, &nothing, &stats, false, e);
    dtq_output_free(&nothing);
    if (ok)
        *cycles = stats.cycles;
    dtq_stats_free(&stats);
    return ok;
}

bool dtq_do_prove(const dtq_program *p, const dtq_stream *s, dtq_error *e) {
    uint64_t cycles;
    if (!dtq_do_verify(p, s, e) || !dtq_do_static_cycles(p, s, &cycles, e))
        return false;
    if (cycles == s->static_cycles)
        return true;
    if (cycles == UINT64_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "it says static_cycles=%" PRIu64
                        ", but its precisions, and with them its cycles, are known only "
                        "at run time",
                        s->static_cycles);
    if (s->static_cycles == UINT64_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "it says no static_cycles, but takes %" PRIu64 " whatever its data",
                        cycles);
    return dtq_fail(e, DTQ_BAD_PROGRAM, "it says static_cycles=%" PRIu64 ", but takes %" PRIu64, s->static_cycles,
                    cycles);
}
