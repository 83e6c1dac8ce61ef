/* Plain-text tables: columns as wide as they must be, headings of two lines, equal neighbours in one row. */
#ifndef DTQ_REPORT_TABLE_H
#define DTQ_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 13, TABLE_CELL = 32, TABLE_WIDTH = 100 /* no line is longer, words permitting */ };

typedef struct {
    const char *top, *bottom; /* the heading's lines */
    bool left;                /* aligned to the left, else to the right */
} table_column;

/** Column 0 is the label; table_collapse writes it from first and last. */
typedef struct {
    char cell[TABLE_COLUMNS][TABLE_CELL];
    uint32_t first, last;
} table_row;

/** Merges neighbouring groups of `group` rows whose cells but the label are equal, and labels every group `first` or
 *  `first-last` in its first row. Returns the number of rows left. */
size_t table_collapse(table_row *rows, size_t count, size_t group);

/** Prints headings and rows, indented by two; a final row labelled `total` stands apart. */
void table_print(const table_column *columns, size_t column_count, const table_row *rows, size_t count, FILE *out);

/** A name from elsewhere as a cell of at most `most` columns, `~` where it is cut; what commands a terminal is escaped.
 */
void table_name(char cell[TABLE_CELL], const char *name, size_t most);

/** Prints `text` in lines of at most TABLE_WIDTH columns: the first begins with `lead`, the others are indented as far.
 *  Breaks of lines become blanks; what commands a terminal is escaped (runtime/visible.h). */
void table_paragraph(const char *lead, const char *text, FILE *out);

#endif
