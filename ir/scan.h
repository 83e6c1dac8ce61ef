/* The cursor of the parser: blanks, words, numbers, strings and errors with their place; private to ir/. */
#ifndef DTQ_IR_SCAN_H
#define DTQ_IR_SCAN_H

#include "ir/base/diag.h"
#include "ir/base/names.h"

enum { SCAN_ERRORS_MAX = 20 };

typedef struct {
    arena *arena;   /* of strings that the module keeps */
    arena *scratch; /* dies with the scanner */
    diag *diag;
    const char *file;
    const char *at, *end;   /* what is left of the text */
    const char *line_start; /* of the line that `at` stands in */
    uint32_t line;
    bool inside; /* between braces or brackets, where a line break is a blank */
    unsigned errors;
    names strings; /* each string once */
} scanner;

/** `file` is kept, not copied; strings go to `a`, tables that die with the scanner to `scratch`. */
void scan_init(scanner *s, arena *a, arena *scratch, diag *d, const char *file, const char *text, size_t bytes);

/** Where the cursor stands, or where `at` in the current line does. */
src_loc scan_here(const scanner *s);
src_loc scan_place(const scanner *s, const char *at);

/** Reports an error at the place `loc`; always false. */
bool scan_error(scanner *s, src_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Reports "expected <what>, found ..." at the cursor; always false. */
bool scan_expected(scanner *s, const char *what);

/** "; did you mean `x`?" or, if none of the candidates is near, the full stop instead. */
const char *scan_suggestion(scanner *s, const char *word, size_t length, const char *const *candidates, size_t count);
/** "a, b and c" */
const char *scan_listed(scanner *s, const char *const *items, size_t count);

/** Skips blanks and comments (`//` or `#` to the end of the line); line breaks too if `inside`. */
void scan_blanks(scanner *s);
/** Skips the rest of the line and its line break, whatever is there. */
void scan_skip_line(scanner *s);

/** The next character after blanks, 0 at the end of the text. Does not take it. */
char scan_peek(scanner *s);
/** Takes `c` if it comes next. */
bool scan_take(scanner *s, char c);
/** Takes `c` or reports that it is missing: `what` says what it is for, in words after "expected". */
bool scan_need(scanner *s, char c, const char *what);

/** True if the `length` bytes at `text` are the string `word`. */
bool scan_same(const char *text, size_t length, const char *word);
/** Letters, digits and `_ . -`; false (and no error) if there is none. */
bool scan_word(scanner *s, const char **text, size_t *length);
/** A decimal or 0x number within its type's range. */
bool scan_int(scanner *s, int64_t *value);
bool scan_unsigned(scanner *s, uint64_t max, uint64_t *value);
bool scan_real(scanner *s, double *value);
/** A quoted string with the escapes \" \\ \n \t \xHH; equal strings share one copy. */
bool scan_string(scanner *s, const char **value);
/** The one copy of these bytes. */
const char *scan_intern(scanner *s, const char *text, size_t length);

#endif
