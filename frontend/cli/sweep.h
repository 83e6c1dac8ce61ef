/* dtqc sweep: what every combination of a space costs. Private to sweep*.c. */
#ifndef DTQ_CLI_SWEEP_H
#define DTQ_CLI_SWEEP_H

#include "frontend/cli/design.h"

/** What a point came to; without pointers. */
typedef struct {
    uint64_t hash; /* of target and policy; 0: it has none */
    double costs[COSTS];
    char limit[16], error[232];
    bool outside; /* breaks a constraint: not priced if the area alone does */
} sweep_result;

typedef struct {
    session *session;
    design_base base;
    size_t model_count, length_count;
    source *models;          /* [model_count] */
    const char **names;      /* [model_count] */
    size_t *layers;          /* [model_count] */
    const uint32_t *lengths; /* [length_count]; 0: the model's own */
    uint64_t points;         /* of the grid, for each model and length */
    size_t count;            /* of all rows */
    sweep_result *results;
    bool *front; /* best in cycles, energy and area, of those of the same model and length */
} sweep;

/** Which model, length and point a row is. */
typedef struct {
    size_t model, length;
    uint64_t point;
} sweep_place;
sweep_place sweep_place_of(const sweep *w, size_t row);

/** Tokens of an input of a row. */
uint32_t sweep_tokens_of(const sweep *w, sweep_place at);

/** All rows as JSON, schema "dtqc-sweep/1", and as one HTML document. */
void sweep_json(const sweep *w, FILE *out);
void sweep_page(const sweep *w, FILE *out);
/** Prints as --report says. */
void sweep_print(const sweep *w, report_format format, FILE *out);

#endif
