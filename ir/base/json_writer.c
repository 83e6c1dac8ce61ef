/* JSON, written as it goes: the caller opens and closes brackets, the writer places commas, line breaks and quotes. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "ir/base/number.h"
#include "runtime/visible.h"

/** Bytes that are no UTF-8 become U+FFFD; what commands a terminal is escaped. */
static void write_string(FILE *out, const char *text) {
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    fputc('"', out);
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = dtq_utf8_length(text, left);
        const char *found = strchr(plain, *text);
        if (n == 0) {
            fputs("\xEF\xBF\xBD", out);
        } else if (found) {
            fputc('\\', out);
            fputc(letter[found - plain], out);
        } else if (dtq_is_control(dtq_code_point(text, n))) {
            fprintf(out, "\\u%04x", dtq_code_point(text, n));
        } else {
            fwrite(text, 1, n, out);
        }
        n = n > 0 ? n : 1;
    }
    fputc('"', out);
}

/** Comma, line break and key: everything that stands before a value. */
static void before_value(json_writer *w, const char *key) {
    if (w->depth > 0) {
        if (!w->first)
            fputc(',', w->out);
        if (!w->compact)
            fprintf(w->out, "\n%*s", 2 * w->depth, "");
        else if (!w->first)
            fputc(' ', w->out);
    }
    w->first = false;
    if (key) {
        write_string(w->out, key);
        fputs(": ", w->out);
    }
}

void json_open(json_writer *w, const char *key, char bracket) {
    before_value(w, key);
    fputc(bracket, w->out);
    w->depth++;
    w->first = true;
}

void json_close(json_writer *w, char bracket) {
    w->depth--;
    if (!w->first && !w->compact)
        fprintf(w->out, "\n%*s", 2 * w->depth, "");
    fputc(bracket, w->out);
    w->first = false;
    if (w->depth == 0)
        fputc('\n', w->out);
}

void json_str(json_writer *w, const char *key, const char *value) {
    before_value(w, key);
    if (value)
        write_string(w->out, value);
    else
        fputs("null", w->out);
}

void json_real(json_writer *w, const char *key, double value) {
    char text[NUMBER_MAX];
    before_value(w, key);
    fputs(number_shortest(value, text) ? text : "null", w->out);
}

void json_int(json_writer *w, const char *key, int64_t value) {
    before_value(w, key);
    fprintf(w->out, "%" PRId64, value);
}

void json_bool(json_writer *w, const char *key, bool value) {
    before_value(w, key);
    fputs(value ? "true" : "false", w->out);
}
