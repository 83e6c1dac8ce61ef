/* Changes to documents: values set from outside (--set, points of a space), and files that extend others. */
#ifndef DTQ_FRONTEND_EDIT_H
#define DTQ_FRONTEND_EDIT_H

#include "frontend/files/document.h"
#include "frontend/policy.h"
#include "frontend/target.h"

/** One change. `path`: keys with dots between, an index or A-B for items of a list, * for all that are there. */
typedef struct {
    const char *path;
    src_loc loc; /* of the path, where messages about it point */
    const doc_node *value;
} doc_edit;

/** Changes to one document, the later over the earlier. */
typedef struct {
    const doc_edit *list;
    size_t count;
} doc_edits;

/** A kind of file that may extend others. */
typedef struct {
    const char *what;             /* in messages: "target" */
    const char *shipped;          /* the directory of examples/ that has those that come with dtqc */
    bool sections;                /* mappings of the root are changed key by key; else each is replaced whole */
    const char *const *exclusive; /* groups of keys of which a mapping has one: setting it drops the others. Each group
                                   * ends with NULL, the last with two; NULL: there are none */
    const char *rows; /* a key of the root that has a list, or a mapping from ranges (0-3) to what all items of a range
                       * are; NULL: there is none */
} doc_family;
extern const doc_family family_target, family_policy;

/** Reads a file and, as its `extends:` says, what it extends. The root has no key `extends`. Nodes keep the places that
 *  they are from. NULL after an error. */
doc_node *doc_load_family(arena *a, diag *d, const char *path, const doc_family *f);
/** Makes the changes; `edits` may be NULL. False after an error: a path that leads nowhere. */
bool doc_apply(arena *a, diag *d, doc_node *root, const doc_family *f, const doc_edits *edits);
/** A scalar or an empty container at `loc`. */
doc_node *doc_scalar(arena *a, src_loc loc, const char *text);
doc_node *doc_container(arena *a, src_loc loc, doc_kind kind);
/** Puts a value under a key of a mapping, instead of what is there; appends one to a list. */
void doc_put(arena *a, doc_node *mapping, const char *key, src_loc key_loc, doc_node *value);
void doc_append(arena *a, doc_node *list, doc_node *value);
/** Writes a tree as YAML that reads back the same: a block of keys, with flow style from `depth` levels on. */
void doc_write(const doc_node *n, int depth, FILE *out);
/** A scalar in double quotes, control characters and marks of direction escaped. */
void doc_write_quoted(const char *text, FILE *out);

/** A size in bytes: a whole number, or one with KiB, MiB or GiB behind it ("16 KiB", "1.5MiB"). */
bool doc_bytes(diag *d, const doc_node *n, const char *what, int64_t lo, int64_t hi, int64_t *out);

/** doc_apply for a target, whose `section.*` is every key that its kind has there. */
bool target_apply(arena *a, diag *d, doc_node *root, const doc_edits *edits);

/** target_load and policy_load with changes, which may be NULL. A policy without a path is that of all tokens at 8
 * bits. */
bool target_load_edited(arena *a, diag *d, const char *path, const doc_edits *edits, any_target *out);
policy *policy_load_edited(arena *a, diag *d, const char *path, const doc_edits *edits);
/** The same from a tree; `path` names it. */
bool target_of(arena *a, diag *d, const char *path, const doc_node *root, any_target *out);
policy *policy_of(arena *a, diag *d, const char *path, const doc_node *root);
/** The file of all tokens at 8 bits, as a tree. */
doc_node *policy_uniform_doc(arena *a);

/** The keys that the root of a target of any kind, or of a policy, may have. */
const char **target_keys(arena *a, size_t *count);
const char *const *policy_keys(size_t *count);

#endif
