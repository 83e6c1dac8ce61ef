/* Documents: YAML and JSON with locations, on libfyaml's events. */
#ifndef DTQ_FRONTEND_FILES_DOCUMENT_H
#define DTQ_FRONTEND_FILES_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"

typedef enum { DOC_SCALAR, DOC_SEQUENCE, DOC_MAPPING } doc_kind;

/** A node of a parsed YAML or JSON file; lives in the arena. */
typedef struct doc_node {
    doc_kind kind;
    src_loc loc;
    bool quoted;      /* scalar written in quotes: never a number, bool or null */
    const char *text; /* scalar */
    size_t count;     /* children: items, or values of a mapping */
    struct doc_node **items;
    const char **keys; /* of a mapping */
    src_loc *key_locs;
} doc_node;

/** Parses a file of at most `limit` bytes (0: 16 MiB). Duplicate keys are errors. An alias (*name) is a copy of what
 * its anchor (&name) marks; all copies of a file have at most 65,536 nodes. NULL after an error. */
doc_node *doc_load(arena *a, diag *d, const char *path, size_t limit);
doc_node *doc_parse(arena *a, diag *d, const char *name, const char *text, size_t bytes, bool json);
/** A copy of a tree, which may be changed. */
doc_node *doc_copy(arena *a, const doc_node *n);
/** The value of `key`, or NULL. */
doc_node *doc_find(const doc_node *mapping, const char *key);
/** Typed reads; false after an error that names the value and what would be right. */
bool doc_int(diag *d, const doc_node *n, const char *what, int64_t lo, int64_t hi, int64_t *out);
bool doc_real(diag *d, const doc_node *n, const char *what, double lo, double hi, double *out);
bool doc_bool(diag *d, const doc_node *n, const char *what, bool *out);
bool doc_string(diag *d, const doc_node *n, const char *what, const char **out);
/** Index of the scalar among `words` ("a|b|c"), with a did-you-mean. */
bool doc_word(diag *d, const doc_node *n, const char *what, const char *words, int *out);
/** Errors for every key of the mapping that is not among `keys`, with a did-you-mean. */
bool doc_keys(diag *d, const doc_node *mapping, const char *what, const char *const *keys, size_t count);

#endif
