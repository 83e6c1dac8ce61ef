/* The contract between generated host code (codegen/llvm) and libdtqrt: what a generated model says of itself, the
 * frame that its code works on, and the functions that it calls. Generated code addresses fields by their offsets in
 * these structs; every field is eight bytes wide or part of an array, so that the layout is the same on every 64-bit
 * machine. A change here is a new DTQ_HOST_ABI.
 *
 * Host order. Generated code keeps the rows of a layer's active tokens dense, in the order of its slots, except that
 * slots whose value operand is 4-bit come first and muted slots, which are queries only, last (no bit of a result
 * depends on the order of slots: NUMERICS.md). In a step of generation slots are the queries alone, and key slots,
 * 4-bit ones first, are of other tokens, too. Rows of a layer that probes are all tokens, ascending by id, and so are
 * its slots; key slots are chosen when they are computed, by dtq_host_probe. Keys have an index of their own: the `low`
 * 4-bit slots, then padding to a multiple of DTQ_HOST_LANES, then the others, then padding, so that no vector of keys
 * and no group of four mixes classes.
 *
 * Rows of floats have a stride of a multiple of DTQ_HOST_LANES; the lanes behind the last column hold zeros.
 */
#ifndef DTQRT_HOST_ABI_H
#define DTQRT_HOST_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { DTQ_HOST_ABI = 7, DTQ_HOST_LANES = 16, DTQ_HOST_PANEL = 64, DTQ_HOST_BLOCK_ROWS = 64 };

/** Floats (slots, keys, codes) that `n` of them take when padded to whole vectors. */
static inline uint64_t dtq_host_padded(uint64_t n) {
    return (n + DTQ_HOST_LANES - 1) / DTQ_HOST_LANES * DTQ_HOST_LANES;
}

/** What a processor can run, each level including those before it; the order in which variants are preferred. */
typedef enum {
    DTQ_HOST_PORTABLE, /* C */
    DTQ_HOST_V2,       /* x86-64-v2 */
    DTQ_HOST_V3,       /* x86-64-v3 */
    DTQ_HOST_V4,       /* x86-64-v4 */
    DTQ_HOST_VNNI,     /* x86-64-v4 with avx512vnni */
    DTQ_HOST_LEVELS
} dtq_host_level;

/* ---- the frame of one run ------------------------------------------------------------------------------------ */

enum { DTQ_HOST_Q, DTQ_HOST_K, DTQ_HOST_V, DTQ_HOST_P, DTQ_HOST_OPERANDS };

/** The active tokens of a layer, in host order. Arrays over slots have room for a multiple of 16 of them. Where each
 * key/value head chooses its own keys, `limits`, `key_ids` and `key_rows` are tables of one head behind the other. */
typedef struct {
    uint64_t slots;     /* rows: active tokens that are queries */
    uint64_t key_slots; /* active tokens that are keys: those of slots [0, key_slots), but in a step */
    uint64_t low;       /* of these with a 4-bit value operand: key slots [0, low) */
    uint64_t low_keys;  /* low, rounded up to 16: the key index of slot `low` */
    uint64_t keys;      /* key indices, a multiple of 16: low_keys + (key_slots - low) rounded up to 16 */
    /* Elements from a key/value head's table to the next: of limits and key_rows, and of key_ids. 0: all share one */
    uint64_t slot_stride, key_stride;
    const uint32_t *ids; /* [slots] original position */
    /* [slots] slot of the token in the layer before; NULL: the same slot (and in layer 0) */
    const uint32_t *from;
    const uint32_t *key_ids; /* [keys] original position, UINT32_MAX where there is no key */
    /* Largest code of each slot, of k and v of each key slot: [q, k, v] 7 or 127, [p] 15 or 255 */
    const float *limits[DTQ_HOST_OPERANDS];
    const uint32_t
        *key_rows; /* [key_slots] where a key slot's row of k and v is among those of the buffers, or cached */
    /* float [positions][row stride of k]: the packing of keys copies the rows of all slots there, by id, and reads keys
     * and values there. NULL: they are read from the buffers */
    float *cached_keys, *cached_values;
} dtq_host_slots;

typedef struct dtq_host_frame {
    uint64_t seq;              /* tokens of the input */
    dtq_host_slots *layers;    /* [layers] layer 0 is complete at the start, the others after dtq_host_select */
    const uint32_t *ascending; /* [slots of the last layer] its slots in ascending order of id; after the last select */
    void *const *buffers;      /* as dtq_host_model.buffers says; 64-byte aligned */
    const void *const *weights;  /* as dtq_host_model.weights says; 64-byte aligned if prepared, else 4 */
    uint8_t *const *scratch;     /* [threads] scratch_bytes of the variant; 64-byte aligned */
    uint64_t *const *importance; /* [threads] sums by key index [keys], zero when a layer begins; NULL: nobody asks */
    const uint32_t *tokens;      /* [seq], or NULL */
    const uint32_t *segments;    /* [seq], or NULL for all 0 */
    float *output;               /* POOLED [width]; HIDDEN [seq][width]; ATTENTION [heads][seq][head_dim]; zeroed */
    uint64_t failed;             /* not 0 after dtq_host_bad; the model function returns at its next step */
    uint64_t watched;            /* not 0: steps behind the last attention show what they made to dtq_host_watch */
    void *host;                  /* the runtime's own */
} dtq_host_frame;

/** A piece of work on items [first, last), by worker number `worker` (which owns scratch and importance). */
typedef void dtq_host_task(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker);

/* ---- what generated code calls ------------------------------------------------------------------------------- */

/** Covers [0, items) with calls of `task` on disjoint ranges and returns when all are done. Ranges begin at multiples
 * of `grain` and have at most `most` items (rounded up to a grain). The caller works too, as worker 0. */
void dtq_host_parallel(dtq_host_frame *f, uint64_t items, uint64_t grain, uint64_t most, dtq_host_task *task,
                       uint64_t argument);

/** Before the attention of `layer`: if the layer chooses its tokens by a probe, chooses them from the rows of its
 * queries and keys, and fills the rest of its dtq_host_slots. */
void dtq_host_probe(dtq_host_frame *f, uint64_t layer, uint64_t q_buffer, uint64_t k_buffer);

/** The whole attention of `layer` if a device computes it, or if the layer streams or chooses late, from rows of
 * queries, keys and values to rows of the output. 0: nothing has been done. */
uint64_t dtq_host_whole(dtq_host_frame *f, uint64_t layer, uint64_t q_buffer, uint64_t k_buffer, uint64_t v_buffer,
                        uint64_t out_buffer);

/** After the attention of `layer`: adds up and finishes its importance, keeps it for the output, chooses the tokens of
 *  layer + 1 and fills its dtq_host_slots. After the last layer: fills frame->ascending. */
void dtq_host_select(dtq_host_frame *f, uint64_t layer);

/** Row `row` of an embedding table as floats: where it lies, or converted into scratch [columns]. NULL (and
 *  frame->failed) if the table has no such row. `site` says which table. */
const float *dtq_host_row(dtq_host_frame *f, uint64_t site, uint64_t row, uint64_t slot, float *scratch);

/** Records that a number cannot be quantised: not finite, or 2^50 or more. Of several the first by (site, slot, head)
 * is told. */
void dtq_host_bad(dtq_host_frame *f, uint64_t site, uint64_t slot, uint64_t head);

/** Looks for numbers that are not finite among rows [first, first + count) of what a step behind the last attention
 * made, float [count][width padded]; of those that it finds over a run the first by (step, slot) is told. `step`: of
 *  dtq_host_model.steps. */
void dtq_host_watch(dtq_host_frame *f, uint64_t step, const float *rows, uint64_t first, uint64_t count);

/* ---- what a generated model says of itself ------------------------------------------------------------------- */

/** How a weight is laid out for the kernels. [N][K] below: outputs, inputs; N16, K4: rounded up. */
typedef enum {
    DTQ_HOST_VECTOR,   /* float [N16]: all elements of a tensor, then +0 */
    DTQ_HOST_F32,      /* float [N4][K16] (N rounded up to 4), zeros where there is no weight */
    DTQ_HOST_I8_CODES, /* int8 panels of DTQ_HOST_PANEL outputs (the last one: what is left of N16): [K4/4][width][4] */
    DTQ_HOST_I8_SCALES, /* float [N16] scale of each output, 0 behind the last */
    DTQ_HOST_I8_OFFSET, /* int32 [N16]: -128 times the sum of an output's codes: activations are stored with 128 added
                         */
    DTQ_HOST_LAYOUTS
} dtq_host_layout;

typedef struct {
    uint64_t tensor; /* of the plan */
    uint64_t layout;
} dtq_host_weight;

/** A buffer's size in bytes: fixed + per_row * rows + per_key * keys, for the most rows (seq) and keys that a layer of
 * the run can have. */
typedef struct {
    uint64_t fixed, per_row, per_key;
} dtq_host_buffer;

/** Where a message about data points to. */
typedef enum {
    DTQ_HOST_SITE_Q,
    DTQ_HOST_SITE_K,
    DTQ_HOST_SITE_V,
    DTQ_HOST_SITE_LINEAR, /* the input of a linear; tensor: its weight */
    DTQ_HOST_SITE_WORD,   /* embedding tables; tensor: the table */
    DTQ_HOST_SITE_POSITION,
    DTQ_HOST_SITE_TYPE
} dtq_host_site_kind;

typedef struct {
    uint64_t kind, layer, tensor;
} dtq_host_site;

/** A step behind the last attention. */
typedef struct {
    uint64_t layer;
    uint64_t width;
    uint64_t name; /* where the name of its op begins in dtq_host_model.names; of two that are one step "a, b" */
    uint64_t rows; /* 1: of the tokens that are left; 0: one for all of them */
} dtq_host_step;

/** The model compiled for one level of processors. */
typedef struct {
    uint64_t level;          /* dtq_host_level that `run` needs */
    dtq_host_buffer scratch; /* of a worker */
    void (*run)(dtq_host_frame *f);
} dtq_host_variant;

typedef struct {
    uint64_t abi;        /* DTQ_HOST_ABI */
    const uint8_t *plan; /* a dtq container: tensors, files, and the layers of every length, with instructions if a
                            device computes attention; or NULL: given when the model is opened */
    uint64_t plan_bytes;
    uint64_t variant_count;
    const dtq_host_variant *variants; /* ascending by level */
    uint64_t weight_count;
    const dtq_host_weight *weights;
    uint64_t buffer_count;
    const dtq_host_buffer *buffers;
    /* QKV input: buffers that the runtime fills with the rows of layer 0's slots, float [slots][stride]; else unused */
    uint64_t input_buffers[3];
    uint64_t site_count;
    const dtq_host_site *sites;
    uint64_t step_count;
    const dtq_host_step *steps;
    const char *names; /* those of the steps, each with its NUL */
    uint64_t names_bytes;
    uint64_t attention; /* 0: its code computes attention; 1: a device does, by the instructions of the plan */
} dtq_host_model;

#endif
