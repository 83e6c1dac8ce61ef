/* Tables of text with tabs between columns, which a first line names. */
#ifndef DTQ_EVAL_COLUMNS_H
#define DTQ_EVAL_COLUMNS_H

#include <stddef.h>

#include "ir/base/diag.h"

enum { COLUMNS_MOST = 64 };

/** What a column is for. */
typedef enum { COLUMN_FIRST, COLUMN_SECOND, COLUMN_LABEL, COLUMN_ROLES } column_role;

/** Where a table has each; -1: nowhere. `count`: of all its columns. */
typedef struct {
    bool known;
    int at[COLUMN_ROLES];
    size_t count;
} columns;

/** Reads names with `separator` between: those of the header of GLUE's tables (columns.def); others are columns that
 *  are passed over. False after an error: two for one role, no text or no label. Cuts the line to pieces. */
bool columns_name(diag *d, src_loc loc, char *line, char separator, columns *out);
/** Cuts a line at its tabs; `fields` gets that of each role, or NULL. False after an error: too few or too many. */
bool columns_cut(diag *d, src_loc loc, char *line, const columns *c, char *fields[COLUMN_ROLES]);

#endif
