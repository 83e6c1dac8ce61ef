/* Plain-text tables and paragraphs. */
#include "ir/base/table.h"

#include <string.h>

#include "runtime/visible.h"

static bool equal_but_label(const table_row *a, const table_row *b) {
    return memcmp(a->cell[1], b->cell[1], sizeof a->cell - sizeof a->cell[0]) == 0;
}

static bool groups_equal(const table_row *a, const table_row *b, size_t group) {
    for (size_t i = 0; i < group; i++)
        if (!equal_but_label(&a[i], &b[i]))
            return false;
    return true;
}

size_t table_collapse(table_row *rows, size_t count, size_t group) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i += group) {
        if (kept > 0 && groups_equal(&rows[kept - group], &rows[i], group)) {
            rows[kept - group].last = rows[i].last;
        } else {
            memmove(&rows[kept], &rows[i], group * sizeof *rows);
            kept += group;
        }
    }
    for (size_t i = 0; i < kept; i += group) {
        table_row *r = &rows[i];
        if (r->first == r->last)
            snprintf(r->cell[0], TABLE_CELL, "%u", r->first);
        else
            snprintf(r->cell[0], TABLE_CELL, "%u-%u", r->first, r->last);
    }
    return kept;
}

/** One line, without blanks at its end. */
static void print_line(const table_column *columns, size_t column_count, const size_t *widths, const char *const *cells,
                       FILE *out) {
    char line[TABLE_COLUMNS * (TABLE_CELL + 2) + 1];
    size_t n = 0;
    for (size_t c = 0; c < column_count; c++) {
        int width = (int)widths[c];
        int written = snprintf(line + n, sizeof line - n, columns[c].left ? "  %-*s" : "  %*s", width, cells[c]);
        n += (size_t)written;
    }
    while (n > 0 && line[n - 1] == ' ')
        n--;
    fprintf(out, "%.*s\n", (int)n, line);
}

void table_print(const table_column *columns, size_t column_count, const table_row *rows, size_t count, FILE *out) {
    size_t widths[TABLE_COLUMNS], all = 0;
    const char *cells[TABLE_COLUMNS];
    for (size_t c = 0; c < column_count; c++) {
        size_t top = strlen(columns[c].top), bottom = strlen(columns[c].bottom);
        widths[c] = top > bottom ? top : bottom;
        for (size_t r = 0; r < count; r++) {
            size_t length = strlen(rows[r].cell[c]);
            widths[c] = length > widths[c] ? length : widths[c];
        }
        all += widths[c] + 2;
    }
    for (int second = 0; second < 2; second++) {
        for (size_t c = 0; c < column_count; c++)
            cells[c] = second ? columns[c].bottom : columns[c].top;
        print_line(columns, column_count, widths, cells, out);
    }
    for (size_t r = 0; r < count; r++) {
        if (r + 1 == count && strcmp(rows[r].cell[0], "total") == 0) {
            fputs("  ", out);
            for (size_t i = 2; i < all; i++)
                fputc('-', out);
            fputc('\n', out);
        }
        for (size_t c = 0; c < column_count; c++)
            cells[c] = rows[r].cell[c];
        print_line(columns, column_count, widths, cells, out);
    }
}

enum { ESCAPED = 4 /* columns of "\\x1b" */ };

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void table_name(char cell[TABLE_CELL], const char *name, size_t most) {
    size_t bytes = 0, wide = 0;
    for (size_t left = strlen(name), n; left > 0; name += n, left -= n) {
        n = dtq_visible_length(name, left);
        const size_t columns = n > 0 ? 1 : ESCAPED, room = n > 0 ? n : ESCAPED;
        if (wide + columns + (left > (n > 0 ? n : 1)) > most || bytes + room + 2 > TABLE_CELL) {
            cell[bytes++] = '~';
            break;
        }
        if (n > 0)
            memcpy(cell + bytes, name, n);
        else
            snprintf(cell + bytes, TABLE_CELL - bytes, "\\x%02x", (unsigned)(unsigned char)*name);
        bytes += room;
        wide += columns;
        n = n > 0 ? n : 1;
    }
    cell[bytes] = '\0';
}

void table_paragraph(const char *lead, const char *text, FILE *out) {
    const int indent = (int)strlen(lead);
    int column = indent;
    bool line_empty = true;
    fputs(lead, out);
    while (*text) {
        while (is_blank(*text))
            text++;
        size_t length = 0;
        int wide = 0; /* columns: continuation bytes of UTF-8 take none */
        while (text[length] && !is_blank(text[length])) {
            const size_t n = dtq_visible_length(text + length, strlen(text + length));
            wide += n > 0 ? 1 : ESCAPED;
            length += n > 0 ? n : 1;
        }
        if (length == 0)
            break;
        if (!line_empty && column + 1 + wide > TABLE_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            line_empty = true;
        }
        if (!line_empty) {
            fputc(' ', out);
            column++;
        }
        column += wide;
        line_empty = false;
        for (size_t n; length > 0; text += n, length -= n) {
            n = dtq_visible_length(text, length);
            char escape[8];
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)*text);
            fwrite(n > 0 ? text : escape, 1, n > 0 ? n : strlen(escape), out);
            n = n > 0 ? n : 1;
        }
    }
    fputc('\n', out);
}
