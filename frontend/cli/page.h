/* Pages of searches and sweeps: one HTML document each, with what is drawn in it as JSON (frontend/explore/html). */
#ifndef DTQ_CLI_PAGE_H
#define DTQ_CLI_PAGE_H

#include <stdio.h>

/** Begins a page up to its heading. `title`: of the window, "NAME - dtqc COMMAND". */
void page_begin(const char *name, const char *command, FILE *out);
/** An empty chart, which the script draws. */
void page_chart(const char *id, const char *label, FILE *out);
/** A cell of a table; `-` of no number. */
void page_cell(double x, int digits, FILE *out);
/** Writes into `out` what `put` writes into a file, as text of the page. */
typedef void page_part(const void *context, FILE *out);
void page_text(page_part *put, const void *context, FILE *out);
/** Ends a page: the data as JSON, and the script. */
void page_end(page_part *json, const void *context, FILE *out);

#endif
