/* Schemes of arithmetic: which numbers a program's results are, and their parameters (runtime/schemes/schemes.def). */
#ifndef DTQRT_SCHEME_H
#define DTQRT_SCHEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DTQ_SCHEME_PARAMS_MOST = 48, DTQ_SCHEME_TEXT_MOST = 2048 };

typedef enum {
#define SCHEME(name, word, undefined, doc) DTQ_SCHEME_##name,
#define SCHEME_INT(scheme, key, def, lo, hi, unit, doc)
#define SCHEME_REAL(scheme, key, def, lo, hi, unit, doc)
#define SCHEME_END(name)
#include "runtime/schemes/schemes.def"
    DTQ_SCHEMES
} dtq_scheme_kind;

/** Position of a parameter among its scheme's values: DTQ_SCHEME_PARAM(QBERT, groups). */
#define DTQ_SCHEME_PARAM(scheme, key) (DTQ_SCHEME_PARAM_##scheme##_##key - DTQ_SCHEME_FIRST_##scheme)
enum {
#define SCHEME(name, word, undefined, doc)                                                                             \
    DTQ_SCHEME_FIRST_##name, DTQ_SCHEME_BEFORE_##name = DTQ_SCHEME_FIRST_##name - 1,
#define SCHEME_INT(scheme, key, def, lo, hi, unit, doc)  DTQ_SCHEME_PARAM_##scheme##_##key,
#define SCHEME_REAL(scheme, key, def, lo, hi, unit, doc) DTQ_SCHEME_PARAM_##scheme##_##key,
#define SCHEME_END(name)
#include "runtime/schemes/schemes.def"
    DTQ_SCHEME_PARAMS_ALL
};

/** Zeros are `mixed`. */
typedef struct {
    dtq_scheme_kind kind;
    double values[DTQ_SCHEME_PARAMS_MOST]; /* of its parameters in the table's order; those behind them are 0 */
} dtq_scheme;

typedef struct {
    const char *key;
    bool whole; /* only whole numbers */
    double def, lo, hi;
    const char *unit; /* "" for a plain number */
    const char *doc;
} dtq_scheme_param;

typedef struct {
    const char *word;
    const char *undefined; /* blank-separated ops and activations that the scheme has no definition of */
    const char *doc;
    const dtq_scheme_param *params;
    unsigned param_count;
} dtq_scheme_info;

extern const dtq_scheme_info dtq_schemes[DTQ_SCHEMES];

/** A scheme with every parameter at its default. */
dtq_scheme dtq_scheme_of(dtq_scheme_kind kind);
bool dtq_scheme_same(const dtq_scheme *a, const dtq_scheme *b);
/** Whether an op or an activation, by its word, is one that the scheme does not define. */
bool dtq_scheme_lacks(const dtq_scheme *s, const char *word);

/** The value of a parameter is out of its range, or should be whole: false, and why in `why` [room]. */
bool dtq_scheme_value_check(const dtq_scheme_param *p, double value, char *why, size_t room);
/** The scheme of this name, or DTQ_SCHEMES and in `why` what may have been meant. */
dtq_scheme_kind dtq_scheme_find(const char *word, size_t length, char *why, size_t room);
/** Index of the parameter of this name, or the scheme's param_count and in `why` what may have been meant. */
unsigned dtq_scheme_param_find(dtq_scheme_kind kind, const char *key, size_t length, char *why, size_t room);

/** The text form: "q-bert weight_bits=4 groups=128", with all parameters; buf [DTQ_SCHEME_TEXT_MOST] is returned. */
const char *dtq_scheme_text(const dtq_scheme *s, char *buf);
/** Its inverse; parameters that are not there have their defaults. False, and why in `why`. */
bool dtq_scheme_parse(const char *text, dtq_scheme *out, char *why, size_t room);
/** The same of a scheme in memory: a kind that exists, values in range, zeros behind them. */
bool dtq_scheme_check(const dtq_scheme *s, char *why, size_t room);

#endif
