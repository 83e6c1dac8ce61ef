/* Host code: what a model does outside and around attention, as straight-line regions of row-wise steps, and the
 * interface of the module that turns it into machine code or C. Nothing here needs LLVM: codegen/llvm does, and is
 * loaded when it is asked for. Part of codegen's public interface. */
#ifndef DTQ_CODEGEN_HOST_H
#define DTQ_CODEGEN_HOST_H

#include "ir/ir.h"
#include "runtime/host/abi.h"
#include "runtime/program.h"

/* ---- the host program (codegen/host/lower.c) --------------------------------------------------------------------- */

typedef enum {
    HOST_EMBED,
    HOST_LINEAR_INT8,
    HOST_LINEAR_FLOAT,
    HOST_NORM,
    HOST_RMSNORM,
    HOST_ROTARY,
    HOST_AFFINE,
    HOST_ACTIVATION,
    HOST_ADD,
    HOST_MULTIPLY
} host_step_kind;
enum { HOST_NOTHING = UINT32_MAX };

/** A value: rows of floats. It lives in a buffer of the frame if another region, attention or the end needs it, else in
 *  the scratch of whoever computes the region. */
typedef struct {
    uint32_t width;
    uint32_t buffer;  /* of dtq_host_model.buffers, or HOST_NOTHING */
    uint32_t scratch; /* row offset in floats into a worker's scratch block, where it has no buffer */
} host_value;

/** One step on the rows of a region. */
typedef struct {
    host_step_kind kind;
    uint32_t result, a, b;  /* values; b: of an addition or a product, or the residual of a linear; else HOST_NOTHING */
    uint32_t inputs, width; /* columns of a and of the result; rotary: channels of a head and of the result;
                               rmsnorm: elements of a part and of the result */
    uint32_t weight[3];     /* numbers of dtq_host_model.weights: linear: codes (or floats), bias; int8: scales, offset
                               follow the codes; norm: gamma, beta; rotary: table; affine: gain, offset. embed: sites of
                               word, position and type */
    uint32_t site;          /* of a linear's input */
    uint32_t function;      /* activation_kind; rotary: channel_pairs; int8: 1 if rows have their queries' precision */
    float epsilon;          /* of a norm or an rmsnorm */
    const char *source;     /* the op of the model, for messages; "a, b": both */
} host_step;

/** A value of an earlier region that this one reads: row r of `to` is row from[r] of `value`, whose rows were those of
 * the layer before. */
typedef struct {
    uint32_t value, to;
} host_gather;

/** Steps between two attentions, on the rows of `layer`'s tokens. */
typedef struct {
    uint32_t layer;
    bool gathers; /* the layer's tokens were selected from those of the layer before: its inputs are gathered */
    uint32_t input_count, step_count;
    host_gather *inputs;
    host_step *steps;
} host_region;

typedef struct {
    uint32_t heads, kv_heads, head_dim;
    bool causal;
    uint32_t q, k, v, out; /* values */
    uint32_t operands;     /* buffer */
} host_attention;

typedef struct {
    dtq_output_kind kind;
    uint32_t value, width; /* rows of the last layer */
    uint32_t pooling;      /* of POOLED: 0 mean, 1 first, 2 last */
    bool normalize;
    const char *pool_source, *normalize_source; /* as of a step; "" if there is none */
} host_result;

typedef struct {
    bool qkv_input;
    uint32_t layer_count;
    host_attention *attentions; /* [layer_count] */
    host_region *regions;       /* [layer_count + 1] before each attention and after the last; may be empty */
    host_result result;
    uint32_t value_count, weight_count, buffer_count, site_count;
    host_value *values;
    dtq_host_weight *weights;
    uint32_t *buffer_widths; /* [buffer_count] floats of a row, 0 for the operands of attentions */
    dtq_host_site *sites;
    uint32_t scratch_floats; /* of a row, all values without buffer */
} host_program;

/** Lowers a module at graph or tile level, after assign-precision. Code made of it serves every length and every policy
 *  of the model: only the plan differs. NULL after an error. */
host_program *host_lower(arena *a, diag *d, const ir_module *m);

/** A text that two host programs share exactly if the same code serves both. */
const char *host_program_text(arena *a, const host_program *p);

/* ---- the plan (codegen/host/plan.c) ------------------------------------------------------------------------------ */

/** The layers of each length as a program without instructions, for dtq_host_open and for embedding into generated
 * code: modules at graph (or tile) level after reorder-tokens, all of one model, ascending by seq. It lives in `a`. */
dtq_program *host_plan(arena *a, diag *d, const ir_module *const *modules, size_t count);

/* ---- the module that needs LLVM (codegen/llvm/backend.c) --------------------------------------------------------- */

typedef enum { HOST_FORM_LLVM, HOST_FORM_ASM, HOST_FORM_OBJECT, HOST_FORM_C } host_form;

typedef struct {
    const char *name; /* of the exported dtq_host_model: a C identifier */
    const char
        *cpu; /* "native", "x86-64-v2", "x86-64-v3", "x86-64-v4", or "dispatch": all of them, chosen at run time */
    const char *banner;  /* lines of text for the comment at the top of what people may read; no trailing newline */
    const uint8_t *plan; /* the encoded plan, or NULL: given when the model is opened */
    size_t plan_bytes;
    bool device; /* attention is computed by a device, and no code is generated for it; the plan has instructions */
} host_options;

/** An address that code made in this process may call. */
typedef struct {
    const char *name;
    void *address;
} host_symbol;

/** A block of memory that malloc made. */
typedef struct {
    uint8_t *data;
    size_t bytes;
} host_bytes;

typedef struct host_code host_code;

typedef struct {
    /** What names the processor that "native" means, for keys of caches: LLVM's version, cpu and features. */
    const char *(*native)(arena *a);
    /** Generates and writes. False after an error in `d`. */
    bool (*emit)(arena *a, diag *d, const host_program *p, const host_options *o, host_form form, FILE *out);
    /** Generates an object file in memory. */
    bool (*object)(arena *a, diag *d, const host_program *p, const host_options *o, host_bytes *out);
    /** Loads an object into this process; the code lives until `unload`. NULL after an error. */
    host_code *(*load)(arena *a, diag *d, const uint8_t *object, size_t bytes, const char *name,
                       const host_symbol *symbols, size_t symbol_count, const dtq_host_model **model);
    void (*unload)(host_code *c);
} host_backend;

/** The symbol that the module exports: `const host_backend *dtq_llvm_backend(void)`. */
typedef const host_backend *host_backend_entry(void);
#define HOST_BACKEND_ENTRY "dtq_llvm_backend"

#endif
