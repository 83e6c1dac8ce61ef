/* What a value of an ONNX graph means. Each node turns the meanings of its inputs into that of its output, and rules
 * (rewrite.c) bring the spellings of one thing to one form on the way: a factor wanders outwards through a split into
 * heads until a softmax or a GELU takes it, a division by a square root of a variance becomes a normalised row. What is
 * left at the graph's output is made of the ops of the IR. Private to frontend/onnx. */
#ifndef DTQ_FRONTEND_ONNX_TERM_H
#define DTQ_FRONTEND_ONNX_TERM_H

#include "frontend/models/models.h"
#include "frontend/onnx/graph.h"

typedef enum {
    TERM_UNKNOWN, /* no form that is known; `reason` says why, NULL if its operand is to blame */
    /* numbers */
    TERM_INTS,    /* whole numbers, the sizes of an input among them */
    TERM_UNIFORM, /* all elements are `number`; the mask of tokens is: all are there */
    TERM_WEIGHT,
    /* inputs, and what is made of them without arithmetic */
    TERM_IDS,
    TERM_TYPES,
    TERM_POSITIONS, /* 0, 1, 2 … */
    TERM_INDICES,   /* numbers that choose elements of a mask */
    TERM_EMBEDDING, /* rows of a weight, by IDS, TYPES, POSITIONS or UNIFORM */
    /* rows of `width` elements */
    TERM_SUM,
    TERM_LINEAR,
    TERM_ATTENTION,
    TERM_LAYERNORM,
    TERM_ACTIVATION, /* `function`, of ACTIVATION_WORDS */
    TERM_POOL,       /* `function`, of POOLING_WORDS */
    /* rows on their way to one of the above */
    TERM_SCALE, /* a * number */
    TERM_SHIFT, /* a + number */
    TERM_PRODUCT,
    TERM_POWER, /* a ^ number */
    TERM_ERF,
    TERM_TANH,
    TERM_SIGMOID,
    TERM_MEAN,     /* of each row */
    TERM_CENTERED, /* a - mean of a */
    TERM_VARIANCE,
    TERM_NORMED, /* centered / sqrt(variance + number) */
    /* quantised rows, which stand for those that they were made of (quantised.c) */
    TERM_CODES,        /* of a */
    TERM_CODE_SCALE,   /* of a; of a and b; of a and the weight's outputs */
    TERM_CODE_ZERO,    /* of a */
    TERM_CODE_PRODUCT, /* of a and b, or of a and a weight */
    /* attention */
    TERM_SPLIT, /* [batch, seq, heads, head_dim] */
    TERM_HEADS, /* [batch, heads, seq, head_dim] */
    TERM_KEYS,  /* [batch, heads, head_dim, seq] */
    TERM_SCORES,
    TERM_PROBS,
    TERM_CONTEXT,    /* as HEADS; of probabilities of a and b, times c */
    TERM_MERGING,    /* as SPLIT */
    TERM_FLAT_HEADS, /* [batch * heads, seq, head_dim] */
    TERM_FLAT_KEYS,  /* [batch * heads, head_dim, seq] */
    TERM_PARTS,      /* `count` times heads, of one product; `function` is a layout (split.c) */
} term_kind;

enum { ONNX_MAX_INPUTS = 20, ONNX_MAX_OUTPUTS = 8 };

/* Sizes that are known only when the program runs. Every other number is itself. */
#define DIM_BATCH INT64_MIN
#define DIM_SEQ   (INT64_MIN + 1)
#define DIM_ANY   (INT64_MIN + 2)
#define DIM_LAST  DIM_ANY

typedef struct term {
    term_kind kind;
    const struct term *a, *b, *c;
    double number;
    const onnx_tensor *weight, *bias;
    bool transposed; /* the weight of a linear is [inputs][outputs] */
    uint32_t width, heads, function;
    const int64_t *ints; /* INTS: elements; UNIFORM: its dims, or NULL if nobody asked */
    size_t count;
    bool scalar; /* INTS of rank 0 */
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
    int64_t batch, seq;                /* sizes of the input: DIM_BATCH and DIM_SEQ, or fixed */
} importer;

/* ---- making terms (rewrite.c) ------------------------------------------------------------------------------------ */

term *term_new(importer *im, term_kind kind, const term *a, const term *b);
const term *term_uniform(importer *im, double number);
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
const term *term_scale(importer *im, const term *x, double factor);
const term *term_add(importer *im, const term *x, const term *y);
const term *term_subtract(importer *im, const term *x, const term *y);
const term *term_multiply(importer *im, const term *x, const term *y);
const term *term_divide(importer *im, const term *x, const term *y);
const term *term_power(importer *im, const term *x, double exponent);
const term *term_mean(importer *im, const term *x);
const term *term_layernorm(importer *im, const term *x, const onnx_tensor *gamma, const onnx_tensor *beta,
                           double epsilon);
const term *term_activation(importer *im, const term *x, uint32_t function);

/* ---- attention (fuse_attention.c) -------------------------------------------------------------------------------- */

/** A linear; an error term if the widths contradict. `bias` may be NULL. */
const term *term_linear(importer *im, const term *x, const onnx_tensor *weight, bool transposed,
                        const onnx_tensor *bias);
const term *term_matmul(importer *im, const term *x, const term *y);
const term *term_transpose(importer *im, const term *x, const int64_t *perm, size_t rank);
const term *term_softmax(importer *im, const term *x);
const term *term_reshape(importer *im, const term *x, const term *shape);
/** Sizes of a value; unknown if they are not. */
const term *term_shape(importer *im, const term *x);
/** A term over rows `a` and `b`, which `from` has in heads. */
term *term_in_heads(importer *im, term_kind kind, const term *a, const term *b, const term *from);
/** Attention of rows of queries, keys and values. `scale` 0: the usual one. */
const term *term_attention(importer *im, const term *q, const term *k, const term *v, int64_t heads, double scale);

/* ---- parts of rows (split.c) ------------------------------------------------------------------------------------- */

/** Elements [first, first + count) of axis `axis` of a constant of rank 1 or 2; they are there. */
const onnx_tensor *onnx_tensor_part(importer *im, const onnx_tensor *t, unsigned axis, uint64_t first, uint64_t count);
/** Columns of a linear: a linear by a part of its weight. */
const term *term_columns(importer *im, const term *x, uint64_t first, uint64_t count);
/** Elements [first, first + count) of an axis. */
const term *term_part(importer *im, const term *x, int64_t axis, uint64_t first, uint64_t count);
/** The size of an axis; 0 if it is none that can be taken apart. */
uint64_t term_axis_size(const term *x, int64_t axis);
/** `x` without this axis, which has one element; NULL if it is none that rows in parts have, or has more. */
const term *term_drop_axis(importer *im, const term *x, int64_t axis);
/** Rows as [batch, seq, dims[0], dims[1], dims[2]]. */
const term *term_in_parts(importer *im, const term *x, const int64_t dims[3]);
/** Transposes parts; NULL if it is no permutation that is known. */
const term *term_transpose_parts(importer *im, const term *x, const int64_t *perm, size_t rank);

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
/** Operators on numbers and sizes; of com.microsoft; on quantised values; on parts: a row without a rule last. */
extern const onnx_operator onnx_shape_operators[], onnx_contrib_operators[], onnx_quantised_operators[],
    onnx_split_operators[];
/** Attention as one standard operator (contrib.c). */
const term *onnx_attention_rule(importer *im);
/** The meaning of the node im->node, from those of its inputs. */
const term *onnx_apply(importer *im);
const term *term_constant(importer *im, const onnx_tensor *t);
int64_t node_int(const importer *im, const char *name, int64_t missing);
double node_real(const importer *im, const char *name, double missing);
/** Rows normalised by the constants that inputs `gamma` and `gamma` + 1 are. */
const term *node_layernorm(importer *im, const term *x, size_t gamma, double epsilon);
/** The first input, and the second one if there is one added, through an activation of ACTIVATION_WORDS. */
const term *node_activation(importer *im, uint32_t index);
/** Elements of an attribute, or of input `index` if it has numbers; NULL if neither says. */
const int64_t *node_ints(const importer *im, const char *name, size_t index, size_t *count);

/* ---- the model (encoder.c) --------------------------------------------------------------------------------------- */

struct model;
/** Takes an encoder of the BERT family apart that ends in `out`. */
bool encoder_read(importer *im, const term *out, struct model *m);

#endif
