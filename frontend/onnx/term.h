/* What a value of an ONNX graph means: a graph of primitive operations with known sizes. A graph is read for one length
 * at a time, so that every size is a number, a program takes only tokens that are there, and whatever does not depend
 * on their ids is a constant that is folded (fold.c). What moves elements is a view (view.h, layout.c). Each node turns
 * the meanings of its inputs into that of its output, and rules (rewrite.c) bring the spellings of one thing to one
 * form on the way: a factor wanders outwards until a softmax or a GELU takes it, a division by a square root of a
 * variance becomes a normalised row. What is left at the graph's output is made of the ops of the IR. Private to
 * frontend/onnx. */
#ifndef DTQ_FRONTEND_ONNX_TERM_H
#define DTQ_FRONTEND_ONNX_TERM_H

#include "frontend/models/models.h"
#include "frontend/onnx/graph.h"
#include "frontend/onnx/view.h"

typedef enum {
    TERM_UNKNOWN, /* no form that is known; `reason` says why, NULL if its operand is to blame */
    /* constants */
    TERM_NUMBERS, /* `values` */
    TERM_UNIFORM, /* all elements are `number`; the mask of tokens is: all are there */
    TERM_WEIGHT,  /* where it lies in its file */
    /* inputs */
    TERM_IDS,
    TERM_TYPES,
    /* rows of `width` elements */
    TERM_EMBEDDING, /* rows of a weight by `function`, an embedding_index; of positions and types from row `number` */
    TERM_SUM,
    TERM_LINEAR,
    TERM_ATTENTION,
    TERM_LAYERNORM,  /* `function` 1: without a mean */
    TERM_ACTIVATION, /* `function`, of ACTIVATION_WORDS */
    TERM_HEADNORM,   /* each head divided by its root mean square and multiplied by the weight */
    TERM_ROTARY,     /* `function`, of PAIRING_WORDS; `number`: base; `reason`: frequencies, NULL if they are plain */
    TERM_POOL,       /* `function`, of POOLING_WORDS */
    TERM_NORMALIZED, /* of length one */
    /* rows on their way to one of the above */
    TERM_SCALE, /* a * number */
    TERM_SHIFT, /* a + number */
    TERM_PRODUCT,
    TERM_POWER, /* a ^ number */
    TERM_ERF,
    TERM_TANH,
    TERM_SIGMOID,
    TERM_CLIP,     /* a, but no less than the small `number` */
    TERM_MEAN,     /* of each row */
    TERM_CENTERED, /* a - mean of a */
    TERM_VARIANCE,
    TERM_NORMED, /* centered / sqrt(variance + number); `function` 1: a / sqrt(mean of squares + number) */
    /* pairs of channels, turned by positions (rotary.c) */
    TERM_ROTATED, /* a view's halves of channels exchanged, the first negative */
    TERM_TURNING, /* a times numbers b; `function` 1: ROTATED of a */
    /* quantised rows, which stand for those that they were made of (quantised.c) */
    TERM_CODES,        /* of a */
    TERM_CODE_SCALE,   /* of a; of a and b; of a and the weight's outputs */
    TERM_CODE_ZERO,    /* of a */
    TERM_CODE_PRODUCT, /* of a and b, or of a and a weight */
    /* attention */
    TERM_SCORES, /* of rows a and b in heads; `function` 1: causal */
    TERM_PROBS,
    /* elements of `a`, as `view` has them */
    TERM_VIEW,
} term_kind;

typedef enum { INDEX_WORDS, INDEX_TYPES, INDEX_POSITIONS, INDEX_FIRST_TYPE } embedding_index;

enum { ONNX_MAX_INPUTS = 20, ONNX_MAX_OUTPUTS = 8, ONNX_MAX_FOLD = 1 << 20 };

typedef struct term {
    term_kind kind;
    uint32_t rank; /* and sizes, of all that is not UNKNOWN */
    int64_t dims[ONNX_MAX_RANK];
    const struct term *a, *b, *c;
    double number;
    const double *values; /* NUMBERS: elements */
    int64_t type;         /* onnx_type of NUMBERS and UNIFORM */
    const onnx_view *view;
    const onnx_tensor *weight, *bias, *table; /* `table`: which the weight is rows of, from `number` on; or NULL */
    bool transposed;                          /* the weight of a linear is [inputs][outputs] */
    uint32_t width, heads, kv_heads, function;
    const char *reason;
    const onnx_node *node; /* which made it; NULL of inputs and constants */
} term;

typedef struct {
    arena *a;
    diag *d;
    const onnx_graph *graph;
    const onnx_node *node;             /* being read */
    const term *in[ONNX_MAX_INPUTS];   /* its inputs; NULL where it has none */
    const term *out[ONNX_MAX_OUTPUTS]; /* its outputs but the first, where a rule knows them */
    struct node_fate *fates;           /* [node_count], once all nodes are read (explain.h) */
    size_t codes, fixed_codes;         /* nodes that make codes of rows; those of them whose scale is in the file */
    term *problems;                    /* nodes that cannot be taken, though what they make is known; linked by `a` */
    int64_t seq;                       /* tokens of the text */
    bool any_length;                   /* the graph takes other lengths, too */
    double near;                       /* so near, of its size, is a constant to what it stands for */
    bool has_padding;                  /* ids are compared with `padding`, which no text holds */
    double padding;
} importer;

/* ---- making terms (rewrite.c) ------------------------------------------------------------------------------------ */

term *term_new(importer *im, term_kind kind, const term *a, const term *b);
const term *term_uniform(importer *im, double number);
/** The same of these sizes; elements do not move. */
const term *term_with_dims(importer *im, const term *t, uint32_t rank, const int64_t *dims);
int64_t term_elements(const term *t);
/** `reason` says why the node has no known form; NULL: an input has none. */
const term *term_unknown(importer *im, const char *reason);
/** Notes that the node cannot be taken, and why, and goes on with what its output would be: later nodes may have
 * faults of their own. */
const term *term_instead(importer *im, const char *reason, const term *output);
bool term_same(const term *x, const term *y);
/** Takes a factor off a term. */
const term *term_strip(const term *t, double *factor);
/** True for rows of `width` elements. */
bool term_is_rows(const term *t);
/** Rows of a table that a constant of as many rows is, added to rows; NULL if `t` is none. */
const term *term_table_rows(importer *im, const term *t, uint32_t width);
const term *term_scale(importer *im, const term *x, double factor);
const term *term_add(importer *im, const term *x, const term *y);
const term *term_subtract(importer *im, const term *x, const term *y);
const term *term_multiply(importer *im, const term *x, const term *y);
const term *term_divide(importer *im, const term *x, const term *y);
const term *term_power(importer *im, const term *x, double exponent);
const term *term_mean(importer *im, const term *x);
const term *term_layernorm(importer *im, const term *x, const onnx_tensor *gamma, const onnx_tensor *beta,
                           double epsilon);
/** 1e-12 is what the model's author wrote, not the float beside it. */
double term_decimal(double number);
/** A layer normalisation as one that subtracts no mean. */
const term *term_without_mean(importer *im, const term *norm);
const term *term_activation(importer *im, const term *x, uint32_t function);

/* ---- attention (fuse_attention.c) -------------------------------------------------------------------------------- */

/** A linear; an error term if the widths contradict. `bias` may be NULL. */
const term *term_linear(importer *im, const term *x, const onnx_tensor *weight, bool transposed,
                        const onnx_tensor *bias);
const term *term_matmul(importer *im, const term *x, const term *y);
const term *term_softmax(importer *im, const term *x);
/** Adds constants to scores, or chooses scores and constants by constants: masks. NULL if `x` are no scores. */
const term *term_mask(importer *im, const term *x, const term *mask);
/** Attention of rows of queries, keys and values. `scale` 0: the usual one. */
const term *term_attention(importer *im, const term *q, const term *k, const term *v, int64_t heads, double scale);
/** Causal attention of rows, with maybe fewer heads of keys and values. */
const term *term_grouped_attention(importer *im, const term *q, const term *k, const term *v, int64_t heads,
                                   int64_t kv_heads, double scale);
/** Attention of values in heads, [batch, heads, seq, head_dim]; of keys and values there may be fewer heads. `mask` may
 * be NULL. */
const term *term_attention_of_heads(importer *im, const term *q, const term *k, const term *v, const term *mask,
                                    bool causal, double scale);

/** Rows in heads: which rows, how many heads, and on how many of keys and values they stand. */
typedef struct {
    const term *rows;
    uint32_t heads, kv_heads, head_dim;
} head_rows;
/** Rows of as many heads laid out as the view has them, whose axis of tokens this is. */
const term *term_laid_as(importer *im, const term *rows, const onnx_view *view, uint32_t tokens, double factor);
/** Heads divided by their root mean squares, and multiplied by a vector of the channels of one. */
const term *term_head_norm(importer *im, const term *x, const onnx_tensor *gamma, double epsilon);
/** The rows whose heads `x` is, its view, and its axis of tokens, whichever that is. NULL, or what is wrong. */
const char *term_in_heads(importer *im, const term *x, uint32_t *tokens, head_rows *out, onnx_view *view);

/* ---- rotary positions (rotary.c) --------------------------------------------------------------------------------- */

/** A concatenation of these two on the last axis; NULL if it is not the half of a rotation. */
const term *term_rotated_halves(importer *im, const term *x, const term *y);
/** A product with cosines or sines; NULL if it is none. */
const term *term_turn_part(importer *im, const term *x, const term *table);
/** Their sum; NULL if it is none. */
const term *term_turn_whole(importer *im, const term *x, const term *y);
/** Rows, or rows in heads, turned by tables of cosines and sines. `positions` may be NULL. */
const term *term_rotary(importer *im, const term *x, int64_t heads, const term *cosines, const term *sines,
                        const term *positions, bool adjacent);

/* ---- layouts (layout.c) ------------------------------------------------------------------------------------------ */

/** Elements [first, first + count) of axis `axis` of a constant of rank 1 or 2; they are there. */
const onnx_tensor *onnx_tensor_part(importer *im, const onnx_tensor *t, unsigned axis, uint64_t first, uint64_t count);
/** Columns of a linear: a linear by a part of its weight. */
const term *term_columns(importer *im, const term *x, uint64_t first, uint64_t count);
/** A value laid out anew: begun, its view changed, and ended. */
typedef struct {
    const term *base;
    double factor;
    bool coded;
    onnx_view view;
} layout;
/** False if it has no sizes above zero that are known. */
bool layout_begin(const term *x, layout *out);
const term *layout_end(importer *im, const layout *l);
/** The view of a value that is not constant; of what has none, of the whole. */
onnx_view term_view(const term *x, const term **base);
/** The last two axes exchanged. */
const term *term_turn(importer *im, const term *x);

/* ---- constants (fold.c) ------------------------------------------------------------------------------------------ */

/** True for a constant whose elements can be had; they are converted to `out`, which is of another kind than WEIGHT. */
bool term_numbers(importer *im, const term *t, const term **out);
/** A constant of these elements; `values` lives as long as the term. */
const term *term_numbers_new(importer *im, uint32_t rank, const int64_t *dims, int64_t type, const double *values);
/** Element `i` of a tensor whose bytes are in memory. */
double onnx_element(const onnx_tensor *t, uint64_t i);
/** A constant that is one number in place of so many. */
const term *term_uniform_of(importer *im, uint32_t rank, const int64_t *dims, int64_t type, double number);
/** Element `i` of NUMBERS or UNIFORM. */
static inline double term_number_at(const term *t, int64_t i) {
    return t->kind == TERM_UNIFORM ? t->number : t->values[i];
}
/** Element `i` of a weight whose bytes are here, as it lies in the file. */
double term_weight_at(const term *t, int64_t i);
/** The sizes that x and y have together, as the standard broadcasts; false if they have none. */
bool term_broadcast(const term *x, const term *y, uint32_t *rank, int64_t dims[ONNX_MAX_RANK]);
/** Folds the node if its operator is known and its inputs are constants; NULL if not. */
const term *onnx_fold(importer *im);
/** True for an operator that is known of constants. */
bool onnx_folds(const char *op);

/* ---- quantised values (quantised.c) ------------------------------------------------------------------------------ */

/** A product of which one operand is a code's scale, or codes in a constant. NULL if neither is. */
const term *term_scale_codes(importer *im, const term *x, const term *y);
/** Codes in a constant less their zero point. NULL if x is none. */
const term *term_center_codes(importer *im, const term *x, const term *y);
/** The constant x, whose elements are codes of this scale and, if it is not NULL, zero point: one, or one of each
 * element along `axis`. */
const term *term_constant_codes(importer *im, const term *x, const term *scale, const term *zero, int64_t axis);
/** A constant of codes as numbers. NULL if it has none. */
const term *term_cast_codes(importer *im, const term *x);

/* ---- nodes (operators.c, shapes.c) ------------------------------------------------------------------------------- */

typedef const term *(*onnx_rule)(importer *im);
typedef struct {
    const char *op;
    onnx_rule rule;
    unsigned least; /* inputs that it must have */
} onnx_operator;
/** Operators that move elements; of com.microsoft; on quantised values: a row without a rule last. */
extern const onnx_operator onnx_layout_operators[], onnx_contrib_operators[], onnx_quantised_operators[];
/** A product with a constant and its bias (operators.c). */
const term *onnx_gemm_rule(importer *im);
/** Attention as one standard operator (contrib.c). */
const term *onnx_attention_rule(importer *im);
/** The meaning of the node im->node, from those of its inputs. */
const term *onnx_apply(importer *im);
const term *term_constant(importer *im, const onnx_tensor *t);
int64_t node_int(const importer *im, const char *name, int64_t missing);
double node_real(const importer *im, const char *name, double missing);
/** Rows divided by the roots of their mean squares, and multiplied by input `gamma`. */
const term *node_rmsnorm(importer *im, const term *x, size_t gamma, double epsilon);
/** Rows normalised by the constants that inputs `gamma` and `gamma` + 1 are. */
const term *node_layernorm(importer *im, const term *x, size_t gamma, double epsilon);
/** The first input, and the second one if there is one added, through an activation of ACTIVATION_WORDS. */
const term *node_activation(importer *im, uint32_t index);
/** Elements of an attribute, or of input `index` if it is a constant; NULL if neither says. */
const int64_t *node_ints(importer *im, const char *name, size_t index, size_t *count);

/* ---- the model (encoder.c) --------------------------------------------------------------------------------------- */

struct model;
/** Takes an encoder of the BERT family apart that ends in `out`. */
bool encoder_read(importer *im, const term *out, struct model *m);

#endif
