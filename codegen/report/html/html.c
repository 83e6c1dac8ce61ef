/* The HTML report: one document without anything from elsewhere, a part for each report, in each the summary and the
 * sections that html_*.c write. */
#include "codegen/report/html/html.h"
#include "codegen/report/critical.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/base/number.h"
#include "runtime/machine_members.h"

enum { MOST_BARS = 24000 /* of all timelines, which keeps the document below a few MB */ };

/* ---- head -------------------------------------------------------------------------------------------------------- */

static const char *model_name(const report *r) {
    return *r->model ? r->model : "(unnamed model)";
}

static const char *target_name(const report *r) {
    return r->target && *r->target ? r->target : "(unnamed target)";
}

static void put_head(const report *const *reports, size_t count, FILE *out) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "script-src 'unsafe-inline'\">\n"
          "<meta name=\"generator\" content=\"dtqc\">\n<title>",
          out);
    if (count > 0) {
        html_text(out, model_name(reports[0]));
        fputs(" on ", out);
        html_text(out, target_name(reports[0]));
        fputs(" - ", out);
    }
    fputs("dtqc report</title>\n<style>\n", out);
    fputs(html_style, out);
    fputs("</style>\n<noscript><style>.script, #theme { display: none; "
          "}</style></noscript>\n<script>document.documentElement.dataset.theme = matchMedia(\"(prefers-color-scheme: "
          "dark)\").matches ? "
          "\"dark\" : \"light\";</script>\n</head>\n<body>\n",
          out);
}

/* ---- which report ------------------------------------------------------------------------------------------------ */

static void put_label(const report *r, FILE *out) {
    enum { SHOWN = 60 };
    fprintf(out, "%" PRIu32 " token%s", r->seq, r->seq == 1 ? "" : "s");
    if (r->input && r->input->text) {
        char begin[SHOWN + 1];
        snprintf(begin, sizeof begin, "%s", r->input->text);
        size_t n = strlen(begin);
        while (n > 0 && strlen(r->input->text) > SHOWN && ((unsigned char)begin[n - 1] & 0xC0) == 0x80)
            n--; /* not in the middle of a character */
        if (strlen(r->input->text) > SHOWN && n > 0 && (unsigned char)begin[n - 1] >= 0x80)
            n--;
        begin[n] = '\0';
        fputs(": ", out);
        html_text(out, begin);
        fputs(strlen(r->input->text) > SHOWN ? "…" : "", out);
    }
}

static void put_contents(const report *const *reports, size_t count, FILE *out) {
    fputs("<nav class=\"reports\" aria-label=\"Reports\">\n<ol>\n", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "<li><a href=\"#r%zu\">", i);
        put_label(reports[i], out);
        fputs("</a></li>\n", out);
    }
    fputs("</ol>\n</nav>\n", out);
}

static void put_link(const html_page *p, const char *id, const char *name) {
    fprintf(p->out, "<a href=\"#r%zu-%s\">%s</a>\n", p->index, id, name);
}

static bool has_tokens(const report *r) {
    return r->input && r->input->bits && r->layer_count > 0;
}

static void put_title(const html_page *p) {
    const report *r = p->report;
    const dtq_machine *m = r->machine;
    FILE *out = p->out;
    fputs("<h1>", out);
    html_text(out, model_name(r));
    fputs(" <span class=\"on\">on</span> ", out);
    html_text(out, target_name(r));
    fputs("</h1>\n<p class=\"facts\">", out);
    const char *drain, *prob, *prefetch;
    int drain_length = report_word("top", "drain", m, &drain), prob_length = report_word("top", "prob_bits", m, &prob);
    const int prefetch_length = report_word("top", "prefetch", m, &prefetch);
    fprintf(out,
            "%" PRIu32 " token%s · %" PRIu64 " array%s of %" PRIu64 " × %" PRIu64
            " PEs at %g GHz · drain %.*s · prob_bits %.*s · prefetch %.*s · %s",
            r->seq, r->seq == 1 ? "" : "s", m->vssa_arrays, m->vssa_arrays == 1 ? "" : "s", m->vssa_rows, m->vssa_cols,
            m->top_clock_ghz, drain_length, drain, prob_length, prob, prefetch_length, prefetch,
            r->clustered ? "tokens clustered by precision" : "tokens not clustered");
    fputs("</p>\n", out);
    if (r->input && r->input->text) {
        fputs("<blockquote>", out);
        html_text(out, r->input->text);
        if (r->input->pair) {
            fputs("<br>", out);
            html_text(out, r->input->pair);
        }
        fputs("</blockquote>\n", out);
    }
    fprintf(out, "<nav class=\"parts\" aria-label=\"Parts of the report\">\n");
    put_link(p, "summary", "Summary");
    if (r->layer_count > 0) {
        put_link(p, "utilisation", "Utilisation");
        put_link(p, "layers", "Layers");
    }
    if (p->facts) {
        put_link(p, "tiles", "Tiles");
        put_link(p, "timeline", "Timeline");
    }
    if (has_tokens(r))
        put_link(p, "tokens", "Tokens");
    if (r->remark_count > 0)
        put_link(p, "remarks", "Remarks");
    fputs("</nav>\n", out);
}

/* ---- summary ----------------------------------------------------------------------------------------------------- */

/** A number of the summary: what it is, its value with unit, and what that means. `key` is its name in JSON. */
static void put_fact(const html_page *p, const char *key, const char *label, double value, const char *shown,
                     const char *unit, const char *meaning) {
    fprintf(p->out, "<div><dt>%s</dt><dd><data id=\"r%zu-total-%s\" class=\"number\"", label, p->index, key);
    html_value(p->out, value);
    fprintf(p->out, ">%s</data> <span class=\"unit\">%s</span><span class=\"meaning\">%s</span></dd></div>\n", shown,
            unit, meaning);
}

/** Splits "5.64 MB" into number and unit. */
static const char *split_unit(char *text) {
    char *blank = strchr(text, ' ');
    if (!blank)
        return "";
    *blank = '\0';
    return blank + 1;
}

/** A value and the largest of these units, each a thousand of the one before, in which it is not below 1. */
static const char *scaled(const html_page *p, double value, bool about, const char *const *units, const char **unit) {
    for (; units[1] && fabs(value) >= 999.95; units++)
        value /= 1000;
    *unit = units[0];
    return arena_printf(p->arena, "%s%.4g", about ? "~" : "", value);
}

/** A count with `~` before it where it is an expectation. */
static const char *grouped(const html_page *p, double value, bool about) {
    char digits[NUMBER_MAX];
    return arena_printf(p->arena, "%s%s", about ? "~" : "", number_grouped(value, digits));
}

static void put_facts(const html_page *p) {
    const report *r = p->report;
    bool about = report_expected(r) && !r->measured;
    arena *a = p->arena;
    double us = report_us(r->machine, r->cycles), gops = report_dense_gops(r), worked = (double)r->mac_cycles;
    double stalled = (double)r->stall_cycles;
    fputs("<dl class=\"summary\">\n", p->out);
    put_fact(p, "cycles", "Cycles", r->cycles, grouped(p, r->cycles, about), "cycles",
             r->measured ? "measured by the simulator"
             : about     ? "an expectation: which slots run at 8 bits depends on the data"
                         : "static and exact");
    static const char *const times[] = {"µs", "ms", "s", NULL};
    const char *unit, *shown = scaled(p, us, about, times, &unit);
    put_fact(p, "time_us", "Time", us, shown, unit, arena_printf(a, "at %g GHz", r->machine->top_clock_ghz));
    put_fact(p, "bound_cycles", "Bound", r->bound_cycles, grouped(p, r->bound_cycles, false), "cycles",
             report_bound_words(r));
    put_fact(p, "tile_bound_cycles", "In whole tiles", r->tile_bound_cycles, grouped(p, r->tile_bound_cycles, false),
             "cycles", "the least that strips of whole tiles take, no array ever waiting");
    put_fact(p, "utilisation", "Utilisation", r->utilisation,
             arena_printf(a, "%s%.1f", about ? "~" : "", 100 * r->utilisation), "%", "bound / cycles");
    if (r->unclustered_cycles > 0) {
        put_fact(p, "unclustered_cycles", "Unclustered", r->unclustered_cycles,
                 grouped(p, r->unclustered_cycles, false), "cycles",
                 arena_printf(a, "tokens in their original order: %.2f times as many",
                              r->cycles > 0 ? r->unclustered_cycles / r->cycles : 0));
    }
    char text[NUMBER_MAX];
    static const char *const energies[] = {"pJ", "nJ", "µJ", "mJ", "J", NULL};
    static const char *const works[] = {"PE-cycles", "k PE-cycles", "M PE-cycles", "G PE-cycles", "T PE-cycles", NULL};
    shown = scaled(p, r->energy_pj, about, energies, &unit);
    put_fact(p, "energy_pj", "Energy", r->energy_pj, shown, unit, "by the target's energy table");
    number_bytes((double)r->dram_bytes, text);
    unit = split_unit(text);
    put_fact(p, "dram_bytes", "DRAM", (double)r->dram_bytes, text, unit, "read and written");
    put_fact(p, "dense_gop_per_s", "Throughput", gops, grouped(p, gops, about), "GOP/s",
             arena_printf(a, "dense-equivalent, all %" PRIu32 " tokens", r->seq));
    shown = scaled(p, worked, about, works, &unit);
    put_fact(p, "mac_cycles", "Work", worked, shown, unit, "of multiplying");
    shown = scaled(p, stalled, about, works, &unit);
    put_fact(
        p, "stall_cycles", "Stalled", stalled, shown, unit,
        arena_printf(a, "%.1f %% of work and stalls", worked + stalled > 0 ? 100 * stalled / (worked + stalled) : 0));
    put_fact(p, "instructions", "Instructions", (double)r->instructions, grouped(p, (double)r->instructions, false), "",
             "of all queues");
    fputs("</dl>\n", p->out);
}

static void put_summary(const html_page *p) {
    html_section(p, "summary", "Summary");
    put_facts(p);
    fprintf(p->out, "<p class=\"note\">Cycles cover %s.", report_covers(p->report));
    arena *scratch = arena_new();
    const char *critical = critical_words(scratch, p->report);
    if (critical)
        fprintf(p->out, " <b>Critical path</b>: %s.", critical);
    arena_free(scratch);
    if (p->report->scheme)
        fprintf(p->out, " Arithmetic: %s; " REPORT_SCHEME ".", p->report->scheme);
    uint32_t first, last, blocks;
    for (size_t at = 0; report_blocked(p->report, &at, &first, &last, &blocks);) {
        fprintf(p->out,
                " <b>Keys do not fit</b> on chip in layers %" PRIu32 " to %" PRIu32 ": " REPORT_BLOCKED " %" PRIu32
                " blocks.",
                first, last, blocks);
    }
    char streamed[REPORT_STREAMED_MOST];
    for (size_t at = 0; report_streamed(p->report, &at, streamed);)
        fprintf(p->out, " <b>Streamed</b>, %s.", streamed);
    if (report_expected(p->report)) {
        fputs(" <b>~</b> marks an expectation: which slots run at 8 bits is known only at run time, and the number is "
              "the "
              "mean over all placements.",
              p->out);
    }
    fputs("</p>\n</section>\n", p->out);
}

static void put_remarks(const html_page *p) {
    const report *r = p->report;
    if (r->remark_count == 0)
        return;
    html_section(p, "remarks", "Remarks");
    fputs("<ul class=\"remarks\">\n", p->out);
    for (size_t i = 0; i < r->remark_count; i++) {
        const diag_entry *e = r->remarks[i];
        fputs("<li>", p->out);
        if (e->loc.file && e->loc.line) {
            fputs("<code>", p->out);
            html_text(p->out, e->loc.file);
            fprintf(p->out, ":%" PRIu32 "</code> ", e->loc.line);
        }
        html_text(p->out, e->message);
        fputs("</li>\n", p->out);
    }
    fputs("</ul>\n</section>\n", p->out);
}

/* ---- document ---------------------------------------------------------------------------------------------------- */

static void put_report(const html_page *p) {
    fprintf(p->out, "<article id=\"r%zu\" class=\"report\">\n", p->index);
    put_title(p);
    put_summary(p);
    if (p->report->layer_count > 0) {
        html_utilisation(p);
        html_layers(p);
    }
    if (p->facts) {
        html_tiles(p);
        html_timeline(p);
    }
    if (has_tokens(p->report))
        html_tokens(p);
    put_remarks(p);
    fputs("</article>\n", p->out);
}

bool report_html(const report *const *reports, size_t count, FILE *out) {
    put_head(reports, count, out);
    fputs("<header class=\"bar\"><span class=\"name\">dtqc report</span>\n"
          "<button type=\"button\" id=\"theme\" aria-pressed=\"false\">Dark</button></header>\n"
          "<main>\n<noscript><p class=\"note\">Tiles and timeline are drawn by a script, which this browser does not "
          "run; "
          "all numbers are in the text.</p></noscript>\n",
          out);
    if (count > 1)
        put_contents(reports, count, out);
    for (size_t i = 0; i < count; i++) {
        html_page p = {
            .out = out, .arena = arena_new(), .report = reports[i], .index = i, .most_bars = MOST_BARS / count};
        const ir_module *m = reports[i]->module;
        layer_facts *facts;
        size_t layers;
        /* report_build has read them before, so what could be wrong with them has been said */
        if (m && facts_read(p.arena, diag_new(p.arena, NULL), m, &facts, &layers) && layers > 0 &&
            layers == reports[i]->layer_count) {
            p.facts = facts;
            p.cost = cost_new(p.arena, m->machine);
        }
        put_report(&p);
        arena_free(p.arena);
    }
    fputs("</main>\n<p id=\"live\" class=\"hidden\" aria-live=\"polite\"></p>\n<script>\n", out);
    fputs(html_script, out);
    fputs("</script>\n</body>\n</html>\n", out);
    return fflush(out) == 0 && !ferror(out);
}

void report_html_one(const report *r, FILE *out) {
    report_html(&r, 1, out);
}
