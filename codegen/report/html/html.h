/* Parts of the HTML report. Private to codegen/report/.
 *
 * What people read is written here as HTML, so that it is there without scripts, too. What is drawn (tiles, timeline)
 * goes into the document as JSON made of numbers and fixed words, and the
 * scripts in html/ draw it. */
#ifndef DTQ_REPORT_HTML_H
#define DTQ_REPORT_HTML_H

#include "codegen/report/counters.h"
#include "codegen/report/format.h"

/** The style and the scripts of html/, embedded when dtqc is built. */
extern const char html_style[], html_script[];

/** One report within the document. */
typedef struct {
    FILE *out;
    arena *arena; /* scratch */
    const report *report;
    size_t index; /* of the report: ids of its elements begin with r<index>- */
    size_t most_bars;
    const layer_facts *facts; /* [layers]; NULL: the report has no module */
    cost_model *cost;
} html_page;

/** Writes a string that comes from elsewhere: markup escaped, bytes that are no UTF-8 and control characters replaced.
 *  Fit for text and for attributes in double quotes. */
void html_text(FILE *out, const char *text);

/** Begins a section with a heading: <section id="r<index>-<id>">; the caller writes </section>. */
void html_section(const html_page *p, const char *id, const char *heading);

/** A whole number with its digits grouped, one decimal if it is not whole; `~` before an expectation. */
void html_count(FILE *out, double value, bool expected);
/** A fraction as percent, without the sign. */
void html_percent(FILE *out, double fraction);
/** The value itself, as an attribute ` data-value="…"` to sort by and to check. */
void html_value(FILE *out, double value);

void html_layers(const html_page *p);      /* the table of layers */
void html_utilisation(const html_page *p); /* bars of bound and engines */
void html_tiles(const html_page *p);       /* what tiles cost before and after clustering */
void html_timeline(const html_page *p);
void html_tokens(const html_page *p); /* of a run: tokens by precision and layer */

#endif
