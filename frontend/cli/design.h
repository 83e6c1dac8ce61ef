/* A point of a space of designs: its target and policy, and what it costs. Shared by sweep and explore. */
#ifndef DTQ_CLI_DESIGN_H
#define DTQ_CLI_DESIGN_H

#include "frontend/cli/pipeline.h"
#include "frontend/explore/space.h"
#include "frontend/files/document.h"
#include "frontend/target.h"

typedef enum {
#define COST(id, key, word, title, digits, high, doc) COST_##id,
#include "frontend/explore/costs.def"
    COSTS
} cost_id;

typedef struct {
    const char *key, *word, *title, *doc; /* word: NULL if the key has no short form */
    int digits;
    bool high;
} cost_info;
extern const cost_info cost_table[COSTS];

/** The cost whose key or short form is `name`; COSTS if there is none. */
cost_id cost_named(const char *name);

/** What points change: documents of target and policy, as the command line says them. */
typedef struct {
    const space *space;
    const doc_node *target, *policy;
    const char *target_path, *policy_path;
    bool layers; /* points change rows of `layers`: a policy with `all` has a row for each layer first */
} design_base;

/** Reads --space, and the files and --set of target and policy. */
bool design_open(session *s, design_base *out);
/** The documents of a point; false after an error. `layers`: attention layers of the model. */
bool design_documents(session *s, const design_base *b, const uint32_t *point, size_t layers, doc_node **target_doc,
                      doc_node **policy_doc);
/** Target and policy of a point into a source whose model is there. */
bool design_apply(session *s, const design_base *b, const uint32_t *point, size_t layers, source *src);
/** Attention layers of a model; 0 after an error. */
size_t design_layers(session *s, const source *src);
/** A number that no other design of this model has, but by a chance of one in 2^64: of all of target and policy. */
uint64_t design_hash(session *s, const source *src, const doc_node *policy_doc);

/** The area of a target, or NaN. */
double design_area(const any_target *t);
/** Adds `weight` times what one input of `seq` tokens costs. *limit: what most cycles are spent on, or NULL. False
 *  after an error. */
bool design_price(session *s, const source *src, uint32_t seq, double weight, double costs[COSTS], const char **limit);

/** The first error of a diag, on one line. */
const char *design_error(arena *a, const diag *d);

#endif
