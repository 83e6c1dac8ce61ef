/* Attention as the compared systems compute it, in whole numbers (NUMERICS.md, "Compared systems"): operands of fixed
 * point, weights of the softmax in 2^-23, and what each system leaves out. Sums of whole numbers have no order, and
 * ties go to the smaller original id, so a permutation of the slots permutes the results. Private to runtime/. */
#ifndef DTQRT_NUMERICS_COMPARED_H
#define DTQRT_NUMERICS_COMPARED_H

#include "runtime/numerics/numerics.h"
#include "runtime/systems/systems.h"

/** What a layer's attention did, counted over all heads and rows. */
typedef struct {
    uint64_t rows;       /* of probabilities: query rows that saw a key, of heads that are computed */
    uint64_t pairs;      /* keys that these rows see */
    uint64_t candidates; /* of them whose score was computed */
    uint64_t survivors;  /* of them whose value was multiplied */
    uint64_t refetched;  /* rows that wanted the second part of keys and values */
    uint32_t tokens;     /* keys of the layer */
    uint32_t heads;      /* that were computed */
} dtq_tally;

/* ---- fixed point (fixed.c) --------------------------------------------------------------------------------------- */

/** Numbers x as rne(x 2^fraction), clamped to +-(2^(bits - 1) - 1); bits 2 to 16. */
typedef struct {
    unsigned bits;
    int fraction; /* or DTQ_FRACTION_AUTO: the most with which the largest number of a layer's operand fits */
} dtq_fixed_format;
enum { DTQ_FRACTION_AUTO = -128, DTQ_FRACTION_MOST = 30 };

/** The fraction bits of `bits` wide numbers up to `largest`, below 2^50. */
int dtq_fixed_fraction(float largest, unsigned bits);
int32_t dtq_fixed_code(float x, dtq_fixed_format f);

enum { DTQ_WEIGHT_BITS = 23 }; /* the largest weight of a row is 2^23 */

/** A layer in fixed point, and the row that is being computed. */
typedef struct {
    const dtq_attention *a;
    size_t first_key, end_of_keys, first_query, end_of_queries;
    int32_t *codes[3]; /* of q, k, v, shaped as the operands */
    int fraction[3];
    float score_scale; /* from the product of codes to the exponent of 2 */
    uint8_t *key;      /* [slots] the layer's keys; a system may clear some */
    uint8_t *chosen;   /* [slots] of the row: keys that take part in its softmax */
    float *x;          /* [slots] of the row, where chosen: scores, times log2 e */
    uint32_t *weight;  /* [slots] of the row: 2^(x - largest) in 2^-23, 0 where not chosen; then what multiplies v */
} dtq_fixed_layer;

/** Checks the operands and quantises them. Release with dtq_fixed_close. */
bool dtq_fixed_open(dtq_fixed_layer *f, const dtq_attention *a, dtq_fixed_format format, dtq_error *e);
void dtq_fixed_close(dtq_fixed_layer *f);

/** Chooses all keys that query slot i sees; how many they are. */
uint32_t dtq_fixed_see(dtq_fixed_layer *f, size_t i);
/** The product of codes of query slot i and key slot j, both without their lowest `dropped` bits of the key. */
int64_t dtq_fixed_product(const dtq_fixed_layer *f, size_t i, size_t head, size_t j, unsigned dropped);
/** Weights of the chosen keys, at least one, from their scores; `dropped` as above. Returns their sum. */
uint64_t dtq_fixed_weigh(dtq_fixed_layer *f, size_t i, size_t head, unsigned dropped);
/** From weights with this sum to probabilities in 1 / levels, rounded half up. */
void dtq_fixed_probabilities(dtq_fixed_layer *f, uint64_t sum, uint32_t levels);
/** out = weights times values over `divisor`. Returns the sum of the magnitudes before the division, in units of the
 *  values' codes. */
uint64_t dtq_fixed_output(dtq_fixed_layer *f, size_t i, size_t head, unsigned dropped, uint64_t divisor);
/** Adds the weights of the row, which sum to about `total`, to the importance of its keys: about 2^32 in all. */
void dtq_fixed_importance(const dtq_fixed_layer *f, uint64_t total);
/** True if key slot a comes before b, both of rank x: the smaller original id. */
static inline bool dtq_fixed_before(const dtq_fixed_layer *f, size_t a, size_t b) {
    return f->a->ids[a] < f->a->ids[b];
}

/* ---- one file a system --------------------------------------------------------------------------------------------
 *  Each takes a layer as dtq_attention_ref does, but for its bits, which mean nothing, and its rule of
 *  importance, which is the sum. Rows that see no key have output 0. */

/** Dense attention in fixed point. */
bool dtq_attention_fixed(const dtq_attention *a, dtq_fixed_format format, dtq_tally *t, dtq_error *e);

typedef struct {
    dtq_fixed_format format;
    double iterations; /* of the search, of the keys */
    double threshold;  /* of the largest weight */
} dtq_a3;
bool dtq_attention_a3(const dtq_attention *a, const dtq_a3 *how, dtq_tally *t, dtq_error *e);

typedef struct {
    dtq_fixed_format format;
    uint32_t chunk;   /* keys */
    double threshold; /* probability below which a value is skipped */
} dtq_mnnfast;
bool dtq_attention_mnnfast(const dtq_attention *a, const dtq_mnnfast *how, dtq_tally *t, dtq_error *e);

/** Which tokens and heads are left, and what they have gathered over the layers so far. */
typedef struct {
    uint32_t seq, heads;
    uint64_t *token_score; /* [seq] by original id: sums of probabilities in 1 / levels */
    double *head_score;    /* [heads] sums of the magnitudes of the outputs, times levels */
    uint8_t *token_gone, *head_gone;
} dtq_cascade;

bool dtq_cascade_open(dtq_cascade *c, uint32_t seq, uint32_t heads, dtq_error *e);
void dtq_cascade_close(dtq_cascade *c);
/** Leaves the `tokens` and the `heads` of the greatest scores among those that are left; ties go to the first. */
void dtq_cascade_prune(dtq_cascade *c, uint32_t tokens, uint32_t heads);

typedef struct {
    dtq_fixed_format format; /* of both parts together */
    unsigned second_bits;    /* of them that come only where they are wanted; 0: all come at once */
    double refetch_below;    /* largest probability of a row below which it wants them */
    double values_kept;      /* of the keys that a row sees: whose values are multiplied */
} dtq_spatten;
/** Keys and, without a causal mask, queries are those that the cascade has left; ids are below its seq. Its scores
 *  grow. */
bool dtq_attention_spatten(const dtq_attention *a, const dtq_spatten *how, dtq_cascade *c, dtq_tally *t, dtq_error *e);

/* ---- by parameters (compared.c) ---------------------------------------------------------------------------------- */

/** Attention of a layer as the system computes it. `c`: of spatten. */
bool dtq_attention_system(dtq_system_kind kind, const dtq_system_params *p, const dtq_attention *a, dtq_cascade *c,
                          dtq_tally *t, dtq_error *e);
/** Prunes what does not enter layer `layer` of `layers`. */
void dtq_system_prune(const dtq_system_spatten *p, dtq_cascade *c, size_t layer, size_t layers);

#endif
