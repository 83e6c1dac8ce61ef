/* Diagnostics: `file:line:col: error: what, and what to do`, with the source line and a caret. */
#ifndef DTQ_IR_DIAG_H
#define DTQ_IR_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/base/arena.h"

/** A place in an input file. line and col are 1-based; line 0 means the file as a whole, file NULL no file at all. */
typedef struct {
    const char *file;
    uint32_t line, col;
} src_loc;

/** Exit codes of `dtqc`: what kind of thing went wrong. */
enum { EXIT_OK = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_INTERNAL = 3 };

typedef enum { DIAG_REMARK, DIAG_NOTE, DIAG_WARNING, DIAG_ERROR, DIAG_INTERNAL } diag_severity;

typedef struct {
    diag_severity severity;
    src_loc loc;
    const char *message; /* owned by the diag's arena */
} diag_entry;

/** Collects diagnostics of one compilation; printed at the end or as they come. */
typedef struct diag diag;

/** A collector whose strings live in `a`. If `out` is not NULL every error and warning is also printed there at once.
 */
diag *diag_new(arena *a, FILE *out);

/** Gives the text of a source file to the collector so that carets can be drawn (the text is copied into the arena). */
void diag_source(diag *d, const char *file, const char *text, size_t bytes);

/** Records an error; always returns false, so that `return diag_error(...)` reads well. */
bool diag_error(diag *d, src_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool diag_internal(diag *d, src_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** An error about a setting that is not understood; after diag_ignore_unknown(d) a remark, and true. */
bool diag_unknown(diag *d, src_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_ignore_unknown(diag *d);
void diag_warning(diag *d, src_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Remarks say in words what a pass decided; they are kept and printed only by --remarks. */
void diag_remark(diag *d, src_loc loc, const char *pass, const char *format, ...) __attribute__((format(printf, 4, 5)));

/** Records an entry of another collector as one of this, its text copied. */
void diag_repeat(diag *d, const diag_entry *e);

size_t diag_count(const diag *d, diag_severity severity);
size_t diag_total(const diag *d);
const diag_entry *diag_at(const diag *d, size_t index);

/** Exit code that the collected entries call for: 3 after an internal error, 1 after an error, else 0. */
int diag_exit_code(const diag *d);

/** Writes a text from elsewhere so that it commands no terminal: what dtq_visible_length (runtime/visible.h) refuses
 *  becomes `\x1b`, byte by byte. */
void diag_text(FILE *out, const char *text);
/** The text as diag_text writes it, in `a`; the text itself where there is nothing to escape. */
const char *diag_visible(arena *a, const char *text);

/** Prints one entry as `file:line:col: error: message`, then the source line and a caret if the text is known. Names,
 * messages and source lines are written as diag_text does; of a source line each such byte becomes one `?`. */
void diag_print(const diag *d, const diag_entry *e, FILE *out);

/** The candidate nearest to `word` (edit distance at most 1 + length/3), or NULL: for "did you mean". */
const char *diag_nearest(const char *word, const char *const *candidates, size_t count);

#endif
