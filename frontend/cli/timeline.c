/* dtqc analyze --timeline: width and layers, and programs that were compiled before. */
#include "frontend/cli/timeline.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "frontend/cli/pipeline.h"

enum { PLAIN_WIDTH = 100, LEAST_WIDTH = 40, MOST_WIDTH = 1000 };

/** Of a line: as asked for, else $COLUMNS, else the terminal's. */
static size_t width_of(session *s) {
    struct winsize terminal;
    const char *columns = getenv("COLUMNS");
    long width = PLAIN_WIDTH;
    if (given(s, OPT_width))
        width = (long)value(s, OPT_width)->number;
    else if (columns && strtol(columns, NULL, 10) > 0)
        width = strtol(columns, NULL, 10);
    else if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &terminal) == 0 && terminal.ws_col > 0)
        width = terminal.ws_col;
    return (size_t)(width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width);
}

bool timeline_check(session *s) {
    if (!given(s, OPT_timeline)) {
        if (given(s, OPT_layer) || given(s, OPT_width))
            return usage_error(s, "--%s is for --timeline", given(s, OPT_layer) ? "layer" : "width");
        return true;
    }
    if (value(s, OPT_report)->word != REPORT_TEXT)
        return usage_error(s, "--timeline is text; --report=html draws one, and --trace writes one for Perfetto");
    if (given(s, OPT_compare) || given(s, OPT_compare_unclustered))
        return usage_error(s, "--timeline shows one schedule instead of the report; it cannot show a comparison");
    if (given(s, OPT_trace) && is_stdout(value(s, OPT_trace)->text))
        return usage_error(s, "--timeline and --trace=- both write to standard output");
    const option_value *layers = value(s, OPT_layer);
    if (given(s, OPT_layer) && layers->lengths[layers->count - 1] - layers->lengths[0] + 1 != layers->count)
        return usage_error(s, "--layer is one layer, or neighbours: A..B");
    return true;
}

bool timeline_print(session *s, const dtq_program *p, const dtq_stream *stream, const dtq_event *events) {
    gantt_options o = {.width = width_of(s)};
    if (given(s, OPT_layer)) {
        const option_value *layers = value(s, OPT_layer);
        if (layers->lengths[layers->count - 1] >= stream->layer_count)
            return usage_error(s, "--layer names layer %u, but there are %u, counted from 0",
                               layers->lengths[layers->count - 1], stream->layer_count);
        o.first_layer = layers->lengths[0];
        o.layer_count = (uint32_t)layers->count;
    }
    report_gantt(p, stream, events, &o, s->words); /* main checks stdout */
    return true;
}

/** Whether --seq names the length, or is not there. */
static bool is_wanted(session *s, uint32_t seq) {
    const option_value *v = value(s, OPT_seq);
    for (size_t i = 0; given(s, OPT_seq) && i < v->count; i++)
        if (v->lengths[i] == seq)
            return true;
    return !given(s, OPT_seq);
}

static bool print_streams(session *s, const dtq_program *p) {
    size_t shown = 0;
    for (size_t i = 0; i < p->stream_count; i++) {
        const dtq_stream *stream = &p->streams[i];
        dtq_stats stats;
        if (!is_wanted(s, stream->seq))
            continue;
        if (!simulate_timing(s, p, stream, true, &stats))
            return false;
        if (shown++ > 0)
            fputc('\n', s->words);
        bool ok = timeline_print(s, p, stream, stats.events);
        dtq_stats_free(&stats);
        if (!ok)
            return false;
    }
    return shown > 0 || usage_error(s, "--seq names no length of the program");
}

bool timeline_of_program(session *s, const char *path) {
    static const struct {
        option_id id;
        const char *name;
    } of_models[] = {{OPT_target, "target"}, {OPT_policy, "policy"}, {OPT_check_cycles, "check"}, {OPT_trace, "trace"}};
    for (size_t i = 0; i < sizeof of_models / sizeof *of_models; i++)
        if (given(s, of_models[i].id))
            return usage_error(s, "--%s is for models; %s is compiled", of_models[i].name, path);
    dtq_program *p;
    dtq_error e;
    if (!dtq_program_load(path, &p, &e))
        return runtime_error_at(s, &e, path);
    bool ok = true;
    for (size_t i = 0; ok && i < p->stream_count; i++)
        ok = dtq_verify(p, &p->streams[i], &e) || runtime_error_at(s, &e, path);
    ok = ok && print_streams(s, p);
    dtq_program_free(p);
    return ok;
}
