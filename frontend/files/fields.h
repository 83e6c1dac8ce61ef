/* Reading the keys of a mapping into a struct by a table: one row states a key's type, range and default. */
#ifndef DTQ_FRONTEND_FIELDS_H
#define DTQ_FRONTEND_FIELDS_H

#include "frontend/files/document.h"

typedef enum {
    FIELD_U32,    /* uint32_t */
    FIELD_U64,    /* uint64_t, at most INT64_MAX */
    FIELD_REAL,   /* double */
    FIELD_BOOL,   /* bool */
    FIELD_WORD,   /* uint32_t: index in `words` */
    FIELD_STRING, /* const char * */
    FIELD_NODE,   /* a key that the caller reads itself */
} field_kind;

/** One key. A key that is missing leaves the member as the caller set it, unless it is `required`. */
typedef struct {
    const char *key;
    field_kind kind;
    size_t offset;
    double lo, hi; /* of U32, U64, REAL */
    const char *words;
    bool required;
} field;

enum {
    FIELDS_STRICT = 1, /* unknown keys are errors */
    FIELDS_NULLS = 2,  /* null means missing */
};

/** Reads `mapping` (called `what` in messages, "" for the file itself) by `fields` into `out`. False after errors. */
bool fields_read(diag *d, const doc_node *mapping, const char *what, const field *fields, size_t count, unsigned flags,
                 void *out);

/** True for an empty value, ~ and null. */
bool doc_is_null(const doc_node *n);
/** True if the node is of that kind; else an error. */
bool doc_kind_is(diag *d, const doc_node *n, const char *what, doc_kind kind);

#define FIELD_COUNT(table) (sizeof(table) / sizeof *(table))

#endif
