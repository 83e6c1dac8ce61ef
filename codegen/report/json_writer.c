/* JSON, written as it goes: the caller opens and closes brackets, the writer places commas, line breaks and quotes. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/report/number.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/** Length of the UTF-8 sequence that `s` begins with; 0 if it is none (overlong, surrogate, cut short, too large). */
static size_t sequence_length(const unsigned char *s) {
    if (s[0] < 0x80) {
        return 1;
    }
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) { /* also stops at the terminating zero */
            return 0;
        }
    }
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xED && s[1] >= 0xA0;
    bool too_large = s[0] == 0xF4 && s[1] >= 0x90;
    return overlong || surrogate || too_large ? 0 : length;
}

static void write_string(FILE *out, const char *text) {
    fputc('"', out);
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t length = sequence_length(s);
        if (length == 0) {
            fputs(replacement, out);
            s++;
        } else if (length > 1) {
            fwrite(s, 1, length, out);
            s += length;
        } else {
            static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
            const char *found = strchr(plain, *s);
            if (found) {
                fputc('\\', out);
                fputc(letter[found - plain], out);
            } else if (*s < 0x20 || *s == 0x7F) {
                fprintf(out, "\\u%04x", *s);
            } else {
                fputc(*s, out);
            }
            s++;
        }
    }
    fputc('"', out);
}

/** Comma, line break and key: everything that stands before a value. */
static void before_value(json_writer *w, const char *key) {
    if (w->depth > 0) {
        if (!w->first) {
            fputc(',', w->out);
        }
        if (!w->compact) {
            fprintf(w->out, "\n%*s", 2 * w->depth, "");
        } else if (!w->first) {
            fputc(' ', w->out);
        }
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
    if (!w->first && !w->compact) {
        fprintf(w->out, "\n%*s", 2 * w->depth, "");
    }
    fputc(bracket, w->out);
    w->first = false;
    if (w->depth == 0) {
        fputc('\n', w->out);
    }
}

void json_str(json_writer *w, const char *key, const char *value) {
    before_value(w, key);
    if (value) {
        write_string(w->out, value);
    } else {
        fputs("null", w->out);
    }
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
