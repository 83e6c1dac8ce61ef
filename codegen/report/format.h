/* The formats behind report_print. Private to codegen/report/. */
#ifndef DTQ_REPORT_FORMAT_H
#define DTQ_REPORT_FORMAT_H

#include "codegen/codegen.h"
#include "runtime/machine.h"

/** What the cycles of a report cover. */
static inline const char *report_covers(const report *r) {
    return r->linears ? "attention, projections and FFN; norms, activations and heads run on the host and take no "
                        "accelerator cycles"
                      : "attention; projections, FFN and norms run on the host and take no accelerator cycles";
}

/** What the bound is, and that it counts what a mask discards. */
static inline const char *report_bound_words(const report *r) {
    return r->causal                  ? "work / PEs, products that the causal mask discards counted as work"
           : r->pairs_seen < r->pairs ? "work / PEs, of pairs that the causal mask lets through"
                                      : "work / PEs, no schedule takes fewer cycles";
}

/** Neighbouring layers whose keys come in blocks: *blocks, the most of any. From layer *at on; returns the first and
 *  the last index by *first and *last, and moves *at behind them. False if there are none. */
bool report_blocked(const report *r, size_t *at, uint32_t *first, uint32_t *last, uint32_t *blocks);
/** What runs at which bits in neighbouring layers that stream alike, from layer *at on, whose tokens have no bits of
 *  their own: a sentence. Moves *at behind them. False if there are none. */
enum { REPORT_STREAMED_MOST = 320 };
bool report_streamed(const report *r, size_t *at, char text[REPORT_STREAMED_MOST]);

/** What report_blocked means; behind it the number of blocks. */
#define REPORT_BLOCKED                                                                                                 \
    "a head's keys are taken in blocks, and scores that do not stay on chip are computed in every pass; up to"

/** Work / PEs of all matmuls of a layer. */
static inline double report_bound(const report_layer *l) {
    return l->qk.bound_cycles + l->pv.bound_cycles + l->linear.bound_cycles;
}
/** What all matmuls of a layer take at least in whole tiles. */
static inline double report_tile_bound(const report_layer *l) {
    return l->qk.tile_bound_cycles + l->pv.tile_bound_cycles + l->linear.tile_bound_cycles;
}
/** What follows the name of a scheme of arithmetic. */
#define REPORT_SCHEME "the cycles are those of the same shape at 8 bits in mixed precision's hardware"

void report_text(const report *r, FILE *out);
void report_text_lengths(const report *const *reports, size_t count, FILE *out);
/** Model, target and machine; of several lengths `count` is their number. */
void report_text_title(const report *r, size_t count, FILE *out);
/** Remarks, each once. */
void report_text_remarks(const report *r, arena *scratch, FILE *out);
void report_json(const report *r, FILE *out);
void report_csv(const report *r, FILE *out);
void report_html_one(const report *r, FILE *out);

/** Cycles in microseconds of the machine's clock. */
double report_us(const dtq_machine *machine, double cycles);

/** Dense-equivalent operations in 10^9 a second; 0 if no cycle passed. */
double report_dense_gops(const report *r);

/** True if a number of the report rests on precision that only the data decide. */
static inline bool report_expected(const report *r) {
    for (size_t i = 0; i < r->layer_count; i++)
        if (r->layers[i].expected)
            return true;
    return false;
}

/** The word that a machine has for an ENUM parameter: *word points into its list "a|b|c"; returns the word's length. */
int report_word(const char *section, const char *name, const dtq_machine *machine, const char **word);

#endif
