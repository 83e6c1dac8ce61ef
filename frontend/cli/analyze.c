/* dtqc analyze: the static report of a model on a target. */
#include <inttypes.h>
#include <string.h>

#include "frontend/cli/compare.h"
#include "frontend/cli/each_length.h"
#include "frontend/cli/timeline.h"
#include "frontend/cli/what_if.h"
#include "runtime/numerics/numerics.h"

/* Whether keys alone have left, so that slots which are no keys stand apart: unless layers choose for themselves. */
static bool mutes(const source *src, const report *r) {
    bool muted = false;
    for (size_t i = 0; i < r->layer_count; i++)
        muted = muted || r->layers[i].muted;
    return muted && !src->policy->queries && !policy_chooses(src->policy);
}

/* The policy with its tokens by name: in each layer as many at 0, 4 and 8 bits as the report says, drawn. Of one draw a
 * token that has left in a layer has left in those behind it that keep no more. */
static policy *drawn(arena *a, const policy *p, const report *r, unsigned draw) {
    policy *named = ARENA_NEW(a, policy);
    *named = *p;
    named->all = NULL;
    named->layer_count = r->layer_count;
    named->layers = ARENA_ARRAY(a, policy_layer, r->layer_count);
    uint64_t *importance = ARENA_ARRAY(a, uint64_t, r->seq);
    uint32_t *ids = ARENA_ARRAY(a, uint32_t, r->seq), *chosen = ARENA_ARRAY(a, uint32_t, r->seq);
    uint8_t *high = ARENA_ARRAY(a, uint8_t, r->seq);
    for (uint32_t i = 0; i < r->seq; i++) {
        ids[i] = i;
        importance[i] = dtq_random_importance(draw, 0, i);
    }
    for (size_t l = 0; l < r->layer_count; l++) {
        const policy_layer *own = p->all ? p->all : l < p->layer_count ? &p->layers[l] : NULL;
        if (own && own->kind == POLICY_BITS) { /* by name already */
            named->layers[l] = *own;
            continue;
        }
        const uint32_t kept = r->layers[l].low + r->layers[l].high;
        uint8_t *bits = ARENA_ARRAY(a, uint8_t, r->seq);
        dtq_select(importance, ids, r->seq, NULL, 0, kept, r->layers[l].high, DTQ_ORDER_LOW_FIRST, chosen, high);
        for (uint32_t i = 0; i < kept; i++)
            bits[chosen[i]] = high[i] ? 8 : 4;
        named->layers[l] = (policy_layer){.loc = p->loc, .kind = POLICY_BITS, .bits = bits, .bit_count = r->seq};
    }
    return named;
}

/* Cycles of the same model without clustering; of its own if that is what was asked for. Where only data say which
 * tokens have which precision that is an expectation; with muted slots it has no closed form, and is the mean of draws.
 */
static bool compare_unclustered(session *s, const source *src, report *r) {
    enum { DRAWS = 8 };
    pass_options o;
    const unsigned draws = mutes(src, r) ? DRAWS : 1;
    double cycles = 0;
    if (!pass_options_read(s, &o))
        return false;
    for (unsigned i = 0; i < draws; i++) {
        source other = *src;
        compiled c;
        if (draws > 1)
            other.policy = drawn(s->arena, src->policy, r, i);
        if (!compile_length(s, &other, r->seq, false, &o, &c))
            return false;
        const report *unclustered = report_build(s->arena, s->diag, c.module);
        if (!unclustered)
            return false;
        cycles += unclustered->cycles;
    }
    r->unclustered_cycles = cycles / draws;
    return true;
}

/* The simulator's cycles must be the report's, where those are exact. */
static bool check_cycles(session *s, const report *r, const dtq_stream *stream, const dtq_stats *stats) {
    src_loc nowhere = {0};
    if (stream->static_cycles == UINT64_MAX)
        return diag_error(s->diag, nowhere,
                          "--check: the cycles of %u tokens depend on data, so there are none to compare; a clustered "
                          "schedule has exact ones",
                          stream->seq);
    bool same = (double)stats->cycles == r->cycles && stats->cycles == stream->static_cycles;
    if (!same && s->from_ir)
        return diag_error(s->diag, (src_loc){s->options->operands[0], 0, 0},
                          "its instructions say %.17g cycles, the simulator takes %" PRIu64
                          "; run timeline again (dtqc opt --passes=timeline)",
                          r->cycles, stats->cycles);
    if (!same)
        return diag_internal(s->diag, nowhere, "the report counts %.17g cycles, the simulator %" PRIu64, r->cycles,
                             stats->cycles);
    fprintf(s->words, "check: %u tokens, %" PRIu64 " cycles: static and simulated are identical\n", stream->seq,
            stats->cycles);
    return true;
}

static bool simulate(session *s, const compiled *c, const report *r) {
    dtq_program *p = make_program(s, c, 1);
    dtq_stats stats;
    bool want_trace = given(s, OPT_trace), want_timeline = given(s, OPT_timeline);
    if (!p || !simulate_timing(s, p, &p->streams[0], want_trace || want_timeline, &stats))
        return false;
    bool ok = !given(s, OPT_check_cycles) || check_cycles(s, r, &p->streams[0], &stats);
    if (ok && want_trace)
        ok = write_trace(s, value(s, OPT_trace)->text, p, &p->streams[0], stats.events);
    ok = ok && (!want_timeline || timeline_print(s, p, &p->streams[0], stats.events));
    dtq_stats_free(&stats);
    return ok;
}

static bool check_options(session *s) {
    if (given(s, OPT_trace) && given(s, OPT_seq) && value(s, OPT_seq)->count > 1)
        return usage_error(s, "--trace shows one length; --seq names %zu", value(s, OPT_seq)->count);
    if (given(s, OPT_compare_unclustered) && given(s, OPT_no_cluster))
        return usage_error(s, "--compare-unclustered compares with what --no-cluster already asks for");
    if (given(s, OPT_compare_unclustered) && is_ir_file(s->options->operands[0]))
        return usage_error(s, "--compare-unclustered needs a model; IR says already how it is clustered");
    const int form = value(s, OPT_report)->word;
    if (given(s, OPT_what_if) &&
        (form != REPORT_TEXT || given(s, OPT_compare) || given(s, OPT_roofline) || given(s, OPT_timeline)))
        return usage_error(s, "--what-if adds to the text report of one target");
    if (given(s, OPT_what_if) && given(s, OPT_seq) && value(s, OPT_seq)->count > 1)
        return usage_error(s, "--what-if changes the machine for one length; --seq names %zu",
                           value(s, OPT_seq)->count);
    if (given(s, OPT_what_if) && is_ir_file(s->options->operands[0]))
        return usage_error(s, "--what-if needs a model, which is compiled for other machines");
    if (given(s, OPT_roofline) && (given(s, OPT_compare) || (form != REPORT_TEXT && form != REPORT_HTML)))
        return usage_error(s, "a roofline is text or --report=html, of one target");
    if (given(s, OPT_compare) && is_ir_file(s->options->operands[0]))
        return usage_error(s, "--compare needs a model, which is compiled for each of the machines");
    if (given(s, OPT_compare) && value(s, OPT_report)->word == REPORT_HTML)
        return usage_error(s, "a comparison cannot be an HTML page; use --report=text, json or csv");
    if (given(s, OPT_compare) && given(s, OPT_compare_unclustered))
        return usage_error(s, "--compare and --compare-unclustered are two reports; --compare=systolic is without "
                              "clustering, too");
    return check_report(s, (report_format)value(s, OPT_report)->word, given(s, OPT_seq) ? value(s, OPT_seq)->count : 1);
}

/* The row of --compare, and those of others if it is given. */
static bool analyze_system(session *s, const source *src, FILE *out) {
    static const option_id of_arrays[] = {
        OPT_trace, OPT_check_cycles, OPT_compare_unclustered, OPT_remarks, OPT_timeline, OPT_roofline, OPT_what_if};
    compiled *all;
    size_t count;
    if (!system_lacks(s, src, of_arrays, sizeof of_arrays / sizeof *of_arrays) || !check_system_report(s) ||
        !compile_lengths(s, src, &all, &count))
        return false;
    return given(s, OPT_compare) ? compare_systems(s, src, all, NULL, count, out)
                                 : print_system(s, src, all, count, out);
}

/** What is reported of the lengths of --seq. */
typedef struct {
    session *session;
    const source *source;
    compiled *all; /* for those who look at modules; NULL: nobody does */
    report **reports;
} length_reports;

static bool report_length(void *context, session *own, const compiled *c, size_t i, void **result) {
    const length_reports *r = context;
    report *made = make_report(own, c, NULL);
    *result = made;
    if (!made || (given(own, OPT_compare_unclustered) && !compare_unclustered(own, r->source, made)))
        return false;
    if (i > 0 && given(own, OPT_timeline))
        fputc('\n', own->words);
    const bool runs = given(own, OPT_check_cycles) || given(own, OPT_trace) || given(own, OPT_timeline);
    return !runs || simulate(own, c, made);
}

static bool keep_report(void *context, session *own, const compiled *c, size_t i, void *result) {
    length_reports *r = context;
    r->reports[i] = own == r->session ? result : report_copy(r->session->arena, result);
    if (r->all)
        r->all[i] = *c;
    return true;
}

bool command_analyze(session *s) {
    if (!check_options(s) || !timeline_check(s))
        return false;
    if (given(s, OPT_timeline) && is_program_file(s->options->operands[0]))
        return timeline_of_program(s, s->options->operands[0]);
    bool taken = given(s, OPT_trace) && is_stdout(value(s, OPT_trace)->text);
    choose_words(s, taken);
    source src;
    size_t count;
    if (!source_open(s, s->options->operands[0], &src))
        return false;
    if (source_is_system(&src))
        return analyze_system(s, &src, stdout);
    lengths_wanted(s, &count);
    report **reports = ARENA_ARRAY(s->arena, report *, count);
    const report_format format = (report_format)value(s, OPT_report)->word;
    const bool whole = format == REPORT_HTML || given(s, OPT_compare);
    compiled *all = whole ? ARENA_ARRAY(s->arena, compiled, count) : NULL;
    length_reports wanted = {s, &src, all, reports};
    const length_steps steps = {report_length, keep_report, &wanted};
    if (!each_length(s, &src, &steps, whole))
        return false;
    if (given(s, OPT_timeline))
        return true;
    if (given(s, OPT_roofline))
        return report_roofline(s->arena, (const report *const *)reports, count, format == REPORT_HTML,
                               taken ? stderr : stdout) ||
               !taken; /* main checks stdout */
    if (given(s, OPT_compare))
        return compare_systems(s, &src, all, reports, count, taken ? stderr : stdout);
    FILE *out = taken ? stderr : stdout;
    return print_reports(s, reports, count, format, out) &&
           (!given(s, OPT_what_if) || what_if_print(s, &src, reports[0], out));
}
