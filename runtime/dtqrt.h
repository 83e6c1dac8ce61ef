/* libdtqrt: the functional simulator runtime of dtqc. What a program is, how it is read, checked, printed and run.
 *
 * This header is all that a user's program needs; the library needs libc, libm and threads. No function keeps global
 * state, but for the list of temporary and mapped files that signal handlers ask for; a program, once loaded, may be
 * shared between threads. Shapes are row-major; sizes are in elements unless the name says bytes; cycles are of the
 * machine's clock.
 *
 * Every function computes in the default floating-point mode, whatever the caller's: round to nearest, subnormal
 * numbers kept, exceptions masked. The caller's mode, and which exceptions it has met, are as they were when a function
 * returns. What the library calls (dtq_observer) is called in the default mode.
 */
#ifndef DTQRT_H
#define DTQRT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/host/abi.h"
#include "runtime/machine.h"
#include "runtime/schemes/scheme.h"

/* ---- errors -------------------------------------------------------------------------------------------------- */

typedef enum { DTQ_OK, DTQ_BAD_INPUT, DTQ_BAD_PROGRAM, DTQ_DEADLOCK, DTQ_NO_MEMORY, DTQ_IO, DTQ_NOT_FINITE } dtq_status;

/** What went wrong, in words. Functions that can fail return false and fill it. */
typedef struct {
    dtq_status status;
    char message[1024];
} dtq_error;

bool dtq_fail(dtq_error *e, dtq_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool dtq_no_memory(dtq_error *e, uint64_t bytes, const char *what, ...) __attribute__((format(printf, 3, 4)));

/* ---- the instruction set (runtime/isa/) ---------------------------------------------------------------------- */

/** Queue numbers: the fixed engines, then one queue for each systolic array (DTQ_ARRAY0 + a). */
enum { DTQ_HOST, DTQ_LOAD, DTQ_SOFTMAX, DTQ_TOPK, DTQ_STORE, DTQ_ARRAY0, DTQ_QUEUE_MAX = 255 };

typedef enum {
#define ISA_OP(name, mnemonic, engine, doc) DTQ_OP_##name,
#define ISA_FIELD(op, name, bits, kind, doc)
#define ISA_END(op)
#include "runtime/isa/isa.def"
    DTQ_OP_COUNT
} dtq_opcode;

typedef enum {
    DTQ_KIND_ENGINE,
    DTQ_KIND_LAYER,
    DTQ_KIND_HEAD,
    DTQ_KIND_SLOT,
    DTQ_KIND_COUNT,
    DTQ_KIND_BUF,
    DTQ_KIND_DRAM,
    DTQ_KIND_TENSOR,
    DTQ_KIND_ENUM,
    DTQ_KIND_FLAG,
    DTQ_KIND_INT,
    DTQ_KIND_OFFSET,
    DTQ_KIND_F32
} dtq_field_kind;

/** Engine class of an instruction: a queue number, or any array, or any queue. */
enum {
    DTQ_CLASS_HOST,
    DTQ_CLASS_LOAD,
    DTQ_CLASS_SOFTMAX,
    DTQ_CLASS_TOPK,
    DTQ_CLASS_STORE,
    DTQ_CLASS_ARRAY,
    DTQ_CLASS_ANY
};

typedef struct {
    const char *name;
    uint8_t bits;
    dtq_field_kind kind;
    const char *doc;
} dtq_field_info;

typedef struct {
    const char *mnemonic;
    uint8_t engine_class;
    const char *doc;
    const dtq_field_info *fields;
    uint8_t field_count;
} dtq_op_info;

extern const dtq_op_info dtq_ops[DTQ_OP_COUNT];

/* Position of a field among its instruction's operands: DTQ_F(QK, rows). */
#define DTQ_F(op, field) (DTQ_FIELD_##op##_##field - DTQ_FIRST_##op)
enum {
#define ISA_OP(name, mnemonic, engine, doc)  DTQ_FIRST_##name, DTQ_BEFORE_##name = DTQ_FIRST_##name - 1,
#define ISA_FIELD(op, name, bits, kind, doc) DTQ_FIELD_##op##_##name,
#define ISA_END(op)
#include "runtime/isa/isa.def"
    DTQ_FIELD_TOTAL
};

/** Words of ENUM fields that code asks for, in isa.def's order: SOFTMAX.mode, flags of PV and MATMUL, LINEAR.path. */
enum { DTQ_SOFTMAX_FULL, DTQ_SOFTMAX_MAX, DTQ_SOFTMAX_WMAX, DTQ_SOFTMAX_EXP };
enum { DTQ_PV_MIDDLE, DTQ_PV_FIRST, DTQ_PV_LAST, DTQ_PV_ONLY };
enum { DTQ_LINEAR_FP32, DTQ_LINEAR_INT8, DTQ_LINEAR_MIXED };

enum { DTQ_FIELDS_MAX = 12, DTQ_INSTR_BYTES = 32 };

/** A decoded instruction. `f` holds its operands in the order of isa.def. */
typedef struct {
    uint8_t op;    /* dtq_opcode */
    uint8_t queue; /* the queue that executes it */
    uint64_t f[DTQ_FIELDS_MAX];
} dtq_instr;

#define DTQ_GET(instr, op, field) ((instr)->f[DTQ_F(op, field)])

/** The value of a TENSOR or BUF field that means "none": all ones at the field's width. */
uint64_t dtq_field_none(const dtq_field_info *f);

/** Packs to 32 bytes. Fails (false) if a field does not fit its width. */
bool dtq_encode(const dtq_instr *in, uint8_t out[DTQ_INSTR_BYTES], dtq_error *e);
/** Unpacks; refuses unknown opcodes, words out of an ENUM's list and non-zero padding. */
bool dtq_decode(const uint8_t in[DTQ_INSTR_BYTES], dtq_instr *out, dtq_error *e);

/** "host", "load", "softmax", "topk", "store", "array0", …; buf holds at least 16 bytes and is returned. */
const char *dtq_queue_name(unsigned queue, char *buf);
/** Inverse of dtq_queue_name over the first `length` bytes of `name`; -1 if it is no queue's name. */
int dtq_queue_parse(const char *name, size_t length);

/** The words of an ENUM field: the text of word `index` and its length, or NULL past the last. */
const char *dtq_enum_word(const dtq_field_info *f, unsigned index, size_t *length);

/* ---- programs ------------------------------------------------------------------------------------------------ */

typedef enum { DTQ_Q, DTQ_K, DTQ_V, DTQ_P, DTQ_OPERANDS } dtq_operand; /* the first three as in isa.def's {q|k|v} */

typedef enum { DTQ_ORDER_LOW_FIRST, DTQ_ORDER_HIGH_FIRST, DTQ_ORDER_ORIGINAL } dtq_slot_order;
enum { DTQ_RANDOM_SEEDS = 8 };
/** What a layer's importance is of. DTQ_IMPORTANCE_RANDOM + s, s below DTQ_RANDOM_SEEDS: no measure at all but
 *  dtq_random_importance of seed s. PROBE: the layer chooses its own keys, by a probe of its own queries and keys. */
typedef enum {
    DTQ_IMPORTANCE_MEAN,
    DTQ_IMPORTANCE_SUM,
    DTQ_IMPORTANCE_RANDOM,
    DTQ_IMPORTANCE_PROBE = DTQ_IMPORTANCE_RANDOM + DTQ_RANDOM_SEEDS,
    DTQ_IMPORTANCE_RULES
} dtq_importance_rule;
#define DTQ_IMPORTANCE_WORDS "mean|sum|random0|random1|random2|random3|random4|random5|random6|random7|probe"

/** One attention layer of a stream: the facts about its slots that instructions refer to by number.
 *  Slot order: within a cluster ascending by original id; ORIGINAL: all slots ascending by id. Muted slots are in front
 *  of all others, or behind them if HIGH_FIRST, ascending by id, too. All slots but key-only ones are query rows. */
typedef struct {
    uint32_t slots;    /* active tokens, 1..65536 */
    uint32_t high;     /* of them chosen for 8 bits (promotions not counted) */
    uint32_t muted;    /* of them queries only: their keys and values have left. dtq_first_key says where they stand */
    uint32_t key_only; /* of them keys only, whose rows are in a cache: 0, or all but the queries of a step, which are
                          the newest tokens and, where there are clusters, end the 8-bit one. Muted and key-only slots
                          exclude each other */
    uint8_t cached;    /* 1: keys, values and sums of importance outlive a run, in a dtq_cache; causal layers alone */
    uint32_t heads, kv_heads, head_dim;
    uint8_t causal;     /* 0 or 1: a query sees keys whose original id is not greater than its own */
    uint8_t order;      /* dtq_slot_order */
    uint8_t importance; /* dtq_importance_rule */
    uint8_t prob_bits;  /* dtq_prob_bits */
    /** Precision of each slot as an operand, 4 or 8, [slots] each (k and v: of no meaning where muted). NULL: known
     * only at run time (order ORIGINAL after a selection): then an operand runs at the precision its token was chosen
     * for, p as prob_bits says. */
    const uint8_t *bits[DTQ_OPERANDS];
    /** Original token id of each slot [slots]; NULL: written by the topk of the layer before, or by the layer's probe.
     */
    const uint32_t *ids;
    const uint32_t *pinned; /* token ids that take 8-bit places first, ascending [pinned_count] */
    uint32_t pinned_count;
    /* DRAM byte addresses. q, k, v: codes [heads or kv_heads][seq][head_dim bytes], a row packed at its precision at
     * the start of its head_dim bytes (4-bit: two codes a byte, even channel in the low nibble, two's complement).
     * *_scale: float [heads or kv_heads][seq] for q and k; for v float [2][kv_heads][head_dim] (4-bit class, 8-bit
     * class) or, if causal, float [kv_heads][seq]. out: float [seq][heads * head_dim]. importance: uint64 [seq]. */
    uint64_t q, k, v, q_scale, k_scale, v_scale, out, importance_at;
} dtq_layer;

/** The keys of a layer, and their values, are slots [dtq_first_key, dtq_first_key + dtq_keys). */
static inline uint32_t dtq_first_key(const dtq_layer *l) {
    return l->order == DTQ_ORDER_HIGH_FIRST ? 0 : l->muted;
}
static inline uint32_t dtq_keys(const dtq_layer *l) {
    return l->slots - l->muted;
}
/** Its query rows are slots [dtq_first_query, dtq_first_query + dtq_queries). */
static inline uint32_t dtq_queries(const dtq_layer *l) {
    return l->slots - l->key_only;
}
static inline uint32_t dtq_first_query(const dtq_layer *l) {
    return l->key_only == 0 ? 0 : (l->order == DTQ_ORDER_HIGH_FIRST ? l->high : l->slots) - dtq_queries(l);
}
/** Whether the layer chooses its own slots: all tokens are rows of it, in every layer before it, too, and their order
 * is not known before `choose`. Whatever works on its rows before works on all tokens. */
static inline bool dtq_probes(const dtq_layer *l) {
    return l->importance == DTQ_IMPORTANCE_PROBE && l->ids == NULL;
}
/** Whether layer `next` can take its slots from the importance of `l`, the layer before it: it has no more keys, and
 *  muted slots only if all tokens stay; where there is a cache, as many queries. */
static inline bool dtq_selects(const dtq_layer *l, const dtq_layer *next) {
    return l->importance != DTQ_IMPORTANCE_PROBE && dtq_keys(next) <= dtq_keys(l) &&
           (next->muted == 0 || next->slots == l->slots) && next->cached == l->cached &&
           (!l->cached || dtq_queries(next) == dtq_queries(l));
}

/** Types of elements: rows of runtime/dtypes.def. */
typedef enum {
#define DTYPE(name, word, assembly, elements, bytes) DTQ_##name,
#include "runtime/dtypes.def"
    DTQ_DTYPES
} dtq_dtype;
typedef struct {
    const char *word;         /* "F32", "Q4_1", "rotary" … */
    uint32_t elements, bytes; /* of a block; 0 bytes: computed */
} dtq_dtype_info;
extern const dtq_dtype_info dtq_dtypes[DTQ_DTYPES];
/** True for codes that a tensor's scale and zero point give a meaning: I8, U8 and I32. */
bool dtq_dtype_is_coded(unsigned dtype);

/** A weight that a program refers to: a slice of a file, synthetic numbers, or a rotary table. */
typedef struct {
    const char *name;
    uint32_t file;      /* index into dtq_program.files, or UINT32_MAX: computed */
    uint64_t offset;    /* bytes into the file */
    uint32_t shape[2];  /* rows, columns, as they lie in the file; a vector is [1][columns] */
    uint32_t stride;    /* elements from one row to the next; 0: as many as columns */
    uint8_t dtype;      /* dtq_dtype */
    uint8_t transposed; /* 1: a linear weight stored [inputs][outputs] */
    uint8_t by_rows;    /* 1: scales and zeros are of rows, not of columns */
    uint64_t scales; /* of I8, U8 and I32: byte of the file where a float32 for each column lies; 0: `scale` for all */
    uint64_t zeros;  /* of the same: where a zero point for each lies, in the type of the tensor; 0: `mean` for all */
    /* synthetic: element i is mean + scale * u, u uniform in [-1, 1) from splitmix64(seed + i); rotary: scale is the
     * base of the frequencies; I8, U8 and I32: (code - mean) * scale */
    uint64_t seed;
    float mean, scale;
} dtq_tensor;

/** What is wrong with type, shape, stride or numbers of a tensor by itself, or NULL. */
const char *dtq_tensor_layout_wrong(const dtq_tensor *t);
/** Bytes from the first to the last element of a tensor in a file, whose layout is not wrong; UINT64_MAX: too many. */
uint64_t dtq_tensor_bytes(const dtq_tensor *t);

/** One past the last byte of its file that a tensor uses, scales and zero points included; UINT64_MAX: too many. */
uint64_t dtq_tensor_end(const dtq_tensor *t);

/** Which file it is, whatever its name: a hash of all its bytes (XXH3, 128 bits, as ISA.md says under "Identity of a
 *  file"). It tells files apart, but is no signature: who wants two files of one identity can make them. */
typedef struct {
    uint64_t high, low;
} dtq_identity;

/** A file that weights are mapped from, or a vocabulary read. It is refused at run time if size or identity differ. */
typedef struct {
    const char *path; /* as given, absolute or relative to the program's directory */
    uint64_t bytes;
    dtq_identity hash;
} dtq_file;

/** Identities that were found out before, so that a file is hashed once: a list of (device, inode, size, mtime, ctime)
 *  and identity. Several threads may use it. A file that was changed within the last two seconds is not remembered. */
typedef struct dtq_known dtq_known;
/** Begins with what the file `path` holds, and adds to it what is found out from now on; NULL: in memory alone. The
 * file is used if it is of this user and nobody else may write to it, else replaced; that it cannot be is no error.
 * NULL if there is no memory. */
dtq_known *dtq_known_open(const char *path, dtq_error *e);
void dtq_known_close(dtq_known *k);

/** Fills bytes and hash of `f` from the file that is at f->path now, reading all of it unless `known` (or NULL) has it,
 *  on `threads` threads (0: all cores). *stamp, if not NULL: a number that changes when the file is written to or
 *  replaced. */
bool dtq_file_describe(dtq_file *f, dtq_known *known, unsigned threads, uint64_t *stamp, dtq_error *e);

/** Where an instruction came from. row/rows and col/cols repeat the tile range, 0 where it has none. */
typedef struct {
    uint32_t op;   /* string: the model's op, e.g. "layer.3.attention" (dtq_program.strings) */
    uint32_t file; /* string; line 0: none */
    uint32_t line, col;
    uint32_t layer, head; /* UINT32_MAX: none */
    uint32_t row, rows, tile_col, tile_cols;
} dtq_source;

typedef enum { DTQ_INPUT_TOKENS, DTQ_INPUT_QKV } dtq_input_kind;
typedef enum { DTQ_OUTPUT_POOLED, DTQ_OUTPUT_HIDDEN, DTQ_OUTPUT_ATTENTION } dtq_output_kind;

/** The program for one exact length. */
typedef struct {
    uint32_t seq; /* tokens of the input */
    uint32_t layer_count;
    dtq_layer *layers;
    size_t count;
    dtq_instr *instrs;    /* [count] in one order that is a valid sequential execution; a queue runs its subsequence */
    dtq_source *sources;  /* [count] */
    uint64_t dram_bytes;  /* size of the DRAM image */
    uint8_t input;        /* dtq_input_kind */
    uint64_t input_at[3]; /* QKV: float [seq][heads * head_dim] for q, and [seq][kv_heads * head_dim] for k and v */
    uint8_t output;       /* dtq_output_kind */
    uint64_t output_at;   /* float: POOLED [1][width]; HIDDEN, ATTENTION [seq][width], rows of pruned tokens are 0 */
    uint32_t output_width;
    uint64_t static_cycles; /* the compiler's own count; UINT64_MAX where precision is known only at run time */
} dtq_stream;

typedef struct {
    const char *model;     /* name */
    const char *tokenizer; /* path of vocab.txt or tokenizer.json, or "" */
    uint8_t lower_case;    /* tokenizer option */
    dtq_scheme scheme;     /* the arithmetic of its results */
    dtq_machine machine;
    uint64_t target_hash; /* dtq_machine_hash(&machine) */
    uint32_t vocabulary, positions;
    size_t string_count;
    const char **strings;
    size_t file_count;
    dtq_file *files;
    size_t tensor_count;
    dtq_tensor *tensors;
    size_t stream_count;
    dtq_stream *streams; /* ascending by seq */
    void *memory;        /* whatever dtq_program_free releases; NULL if the owner is somebody else (an arena) */
} dtq_program;

/** Of container and text form: the one place that says it. Messages, `dtqc verify --help` and ISA.md follow. */
#define DTQ_CONTAINER_VERSION 6

/** Whether a tensor lies in file `file` of the program. Others are those that its vocabulary is read from: they are not
 *  opened with the weights, but whoever turns text to tokens compares them with what is described. */
bool dtq_program_file_has_weights(const dtq_program *p, size_t file);

/** What keeps layer `layer` of `s` from choosing its own slots, or NULL. */
const char *dtq_probe_wrong(const dtq_stream *s, uint32_t layer);

/** The stream for exactly `seq` tokens, or NULL. */
const dtq_stream *dtq_program_stream(const dtq_program *p, uint32_t seq);

/** Serialises to one malloc'd block (runtime/isa/ISA.md, "Container"). */
bool dtq_program_encode(const dtq_program *p, uint8_t **out, size_t *out_bytes, dtq_error *e);
/** Parses and checks every bound, the checksum, the version and the target hash; never reads outside `data`.
 *  The result owns copies; free with dtq_program_free. */
bool dtq_program_decode(const uint8_t *data, size_t bytes, dtq_program **out, dtq_error *e);
bool dtq_program_load(const char *path, dtq_program **out, dtq_error *e);
/** Writes whole or not at all (temporary name, rename). */
bool dtq_program_save(const dtq_program *p, const char *path, dtq_error *e);
void dtq_program_free(dtq_program *p);

/** Text form of a whole program: directives for all sections, then the instructions. asm(disasm(p)) == p. */
bool dtq_disassemble(const dtq_program *p, FILE *out, dtq_error *e);
/** `name` is used in messages `name:line:col: ...`. */
bool dtq_assemble(const char *name, const char *text, size_t bytes, dtq_program **out, dtq_error *e);

/** Proves that a stream is sound (runtime/isa/ISA.md, "Sound"): every field names what exists, no queue waits for ever,
 *  every dependency waits for its tokens, all that is read was made for it, no two live objects overlap, and the output
 *  is written once. */
bool dtq_verify(const dtq_program *p, const dtq_stream *s, dtq_error *e);

/* ---- layout: what blocks look like in the buffers (runtime/sim/layout.c) --------------------------------------- */

/** Bytes of one row of `head_dim` codes at `bits` (4 or 8): ceil(head_dim * bits / 8). */
uint64_t dtq_row_bytes(uint32_t head_dim, unsigned bits);
/** Bytes that a block of slots [row, row + rows) of operand q, k or v takes in its line buffer. Layout: for q, k and
 *  causal v a float scale for each row; for other v float [2][head_dim] class scales; then the packed rows.
 *  Precision known only at run time counts 8 bits for every row. */
uint64_t dtq_block_bytes(const dtq_layer *l, dtq_operand operand, uint32_t row, uint32_t rows);
/** As dtq_block_bytes with the precisions `bits` [slots] of the operand: what a load moves. */
uint64_t dtq_block_bytes_at(const dtq_layer *l, dtq_operand operand, const uint8_t *bits, uint32_t row, uint32_t rows);
/** int32 [rows][cols], then float row scales [rows], then float column scales [cols]. */
uint64_t dtq_scores_bytes(uint32_t rows, uint32_t cols);
/** Per row 16 bytes (float max, uint32 Z, float r, uint32 0), then uint8 e [rows][keys], causal: then uint8 w
 * [rows][keys]. */
uint64_t dtq_probs_bytes(const dtq_layer *l, uint32_t rows);
/** What load.rows makes of query slots [row, row + rows) and `depth` inputs: float scales [rows], then the rows, packed
 * at their precisions as queries; those known only at run time count 8 bits. */
uint64_t dtq_rows_bytes(const dtq_layer *l, uint32_t row, uint32_t rows, uint32_t depth);
/** As dtq_rows_bytes with the precisions `bits` [slots]: what load.rows moves. */
uint64_t dtq_rows_bytes_at(const uint8_t *bits, uint32_t row, uint32_t rows, uint32_t depth);
/** What load.weights makes: float scales [cols], float biases [cols], int8 codes [cols][depth]. */
uint64_t dtq_weights_bytes(uint32_t cols, uint32_t depth);
/** What host.codes makes of a linear's rows: float scales [seq], then [seq][inputs bytes]. */
uint64_t dtq_codes_bytes(uint32_t seq, uint32_t inputs);
/** Precisions of the mean query and of the keys that a probe compares it with. */
enum { DTQ_PROBE_QUERY_BITS = 8, DTQ_PROBE_KEY_BITS = 4 };
/** What host.probe makes for each key/value head, and load.probe brings: float scales of the mean queries of its heads
 *  and of all `seq` keys, then these rows, packed at their precisions. */
uint64_t dtq_probe_bytes(const dtq_layer *l, uint32_t seq);
/** What softmax.probe makes of one: as dtq_probs_bytes, for rows of `seq` keys. */
uint64_t dtq_probe_probs_bytes(const dtq_layer *l, uint32_t seq);
/** Two int32 accumulators, then reused as float: 8 * rows * head_dim; a single block (`only`) needs 4 * rows *
 * head_dim. */
uint64_t dtq_out_bytes(const dtq_layer *l, uint32_t rows, bool only);

/* ---- numerics: the scalar reference, which is the definition (runtime/numerics/NUMERICS.md) -------------------- */

/** 2^t for t in (-126, 0], by the documented polynomial; exact 1 at 0. */
float dtq_exp2(float t);
/** round half to even, as float and as int. */
float dtq_rne(float x);
/** float32(log2(e) / sqrt(head_dim)). */
float dtq_score_scale(uint32_t head_dim);
/** s = fl(max|x| / qmax), 1 if max|x| < 2^-50. Returns false on non-finite or >= 2^50. */
bool dtq_scale(const float *x, size_t n, size_t stride, unsigned bits, float *scale);
/** clamp(rne(fl(x / s)), +-qmax). */
int8_t dtq_quantise(float x, float scale, unsigned bits);

/** One attention layer by the scalar reference.
 *  q float [slots][heads][head_dim], k, v float [slots][kv_heads][head_dim] in slot order; ids [slots] original ids;
 *  bits[q,k,v,p] uint8 [slots]; out float [slots][heads][head_dim]; importance uint64 [slots] or NULL, 0 where there is
 *  no key. Slots [first_key, first_key + keys) are the keys; `keys` 0: all are, from slot 0 on. Likewise queries; other
 * slots have no output, which is left alone. Non-finite or huge input fails with DTQ_BAD_INPUT. */
typedef struct {
    uint32_t slots, heads, kv_heads, head_dim;
    bool causal;
    dtq_importance_rule importance_rule; /* mean or sum */
    const uint32_t *ids;
    const uint8_t *bits[DTQ_OPERANDS];
    const float *q, *k, *v;
    float *out;
    uint64_t *importance;
    uint32_t first_key, keys, first_query, queries;
} dtq_attention;
bool dtq_attention_ref(const dtq_attention *a, dtq_error *e);

/** The same in plain float32 without quantisation (the accuracy reference): softmax(q k^T / sqrt(d)) v. */
bool dtq_attention_fp32(const dtq_attention *a, dtq_error *e);

/** Top-k and slot assignment of rule 8: from the importance and ids of a layer's slots to the ids of the next layer's
 *  slots, `keep` of them, `high` at 8 bits, pinned first, in `order`. high_flags [keep] (may be NULL) says which of the
 *  new slots were chosen for 8 bits. */
void dtq_select(const uint64_t *importance, const uint32_t *ids, uint32_t n, const uint32_t *pinned,
                uint32_t pinned_count, uint32_t keep, uint32_t high, dtq_slot_order order, uint32_t *new_ids,
                uint8_t *high_flags);

/** The slots of a layer `next` without ids of its own from those of the layer before it: its keys [keys] with their
 *  importance, in any order, and the ids of its muted slots [muted_count]. If `next` has muted slots all tokens stay
 * and those that are none of its keys are muted, else muted and unchosen ones leave. new_ids, high_flags (may be NULL)
 *  [next->slots]. */
void dtq_select_slots(const dtq_layer *next, const uint64_t *importance, const uint32_t *key_ids, uint32_t keys,
                      const uint32_t *muted_ids, uint32_t muted_count, uint32_t *new_ids, uint8_t *high_flags);

/** The importance of token `id` in `layer` by the rules `random`: numbers below 2^32 that depend on nothing else. */
uint64_t dtq_random_importance(unsigned seed, uint32_t layer, uint32_t id);
/** Replaces the importance [layer's keys] of tokens `ids` by what the layer's rule says if it is `random`. */
void dtq_replace_importance(const dtq_layer *l, uint32_t layer, const uint32_t *ids, uint64_t *importance);

/** Rule 7: counts from ratios of n tokens. kept = n - rne(r0 * n), high = rne(r8 * n), high <= kept. */
void dtq_counts(uint32_t n, double r0, double r8, uint32_t *kept, uint32_t *high);

/** SpAtten's cascade: tokens or heads that layer `layer` of `layers` keeps. All in the first `whole` of the layers, the
 *  very first among them, then floor(all (1 - p)) with p linear from `first` to 2 mean - first, and at least one. */
uint32_t dtq_cascade_kept(uint32_t all, size_t layer, size_t layers, double whole, double mean, double first);

/* ---- weights ------------------------------------------------------------------------------------------------- */

/** Mapped files, converted or quantised tensors. Created once for a program, shared by runs, one run at a time: a
 *  second one meanwhile, from another thread, fails and says so.
 *
 *  All of a file is hashed when it is opened, and another file than the program was compiled from is refused
 *  (DTQ_BAD_INPUT). What is mapped goes on to follow the file: who writes to it changes numbers, and who makes it
 * shorter has the process end by SIGBUS when bytes that are gone are read. dtq_mapped_path tells a handler of that
 * signal which file it was. Where others may do so, open with `copy`: the bytes are read into memory, and those that
 * were read are hashed. */
typedef struct dtq_weights dtq_weights;

typedef struct {
    const char *directory; /* resolves relative paths; NULL: the current one */
    dtq_known *known;      /* spares hashing files whose identity is known; NULL: all are hashed */
    unsigned threads;      /* that hash; 0: all cores */
    bool copy;             /* read files into memory instead of mapping them */
} dtq_weights_options;

/** Opens what the program's tensors refer to. `o` may be NULL for all zeros. NULL on error. */
dtq_weights *dtq_weights_open_with(const dtq_program *p, const dtq_weights_options *o, dtq_error *e);
/** The same with all zeros but the directory. */
dtq_weights *dtq_weights_open(const dtq_program *p, const char *directory, dtq_error *e);
/** Whether every mapped file is still what it was when it was opened: false (DTQ_BAD_INPUT) if one was written to, and
 *  then results may be of neither the old weights nor the new ones. Costs a look at each file, and a hash of those that
 *  somebody has touched. */
bool dtq_weights_unchanged(const dtq_weights *w, dtq_error *e);
void dtq_weights_close(dtq_weights *w);

/* ---- generation: what outlives a run (runtime/cache.c) --------------------------------------------------------- */

/** The keys and values of the tokens so far and the importance they have gathered, layer by layer. Runs of programs
 * made for one (dtq_layer.cached) begin where it ends and add the tokens they compute: a whole sequence first, steps
 * then, by any engine. One run at a time, as of dtq_weights. The sums of importance of a layer are over all rows so
 * far, and a token's mean is over those from its own on, n - id of n. */
typedef struct dtq_cache dtq_cache;
/** An empty cache for models with the layers of `p` and up to `positions` tokens. */
dtq_cache *dtq_cache_open(const dtq_program *p, uint32_t positions, dtq_error *e);
void dtq_cache_close(dtq_cache *c);
/** Tokens in it. */
uint32_t dtq_cache_length(const dtq_cache *c);
/** Forgets them. */
void dtq_cache_clear(dtq_cache *c);
/** Tokens that a stream computes: those it is for, less those it takes from a cache. */
uint32_t dtq_stream_queries(const dtq_stream *s);

/* ---- running ------------------------------------------------------------------------------------------------- */

typedef enum { DTQ_ENGINE_SIM, DTQ_ENGINE_REF, DTQ_ENGINE_FP32 } dtq_engine;

/** Sees an operand of attention before it is quantised: q, k or v of `layer`, float [seq][width], rows by original id;
 * those of tokens that are not active in the layer are of no meaning. */
typedef void dtq_observer(void *user, uint32_t layer, dtq_operand operand, const float *rows, uint32_t seq,
                          uint32_t width);

/** Gaussian noise on q, k and v of the tokens of a certain rank in a layer, all layers alike. The rank is by the
 *  importance that the layer has without the noise, 0 the most important token of n: rne(from n) up to
 *  n - rne((1 - to) n), which is none of them. A number of the noise depends on the seed, the layer, the operand, the
 *  token's id and the channel; normal by libm's log and cos. */
typedef struct {
    double from, to;  /* shares of the tokens, 0 to 1 */
    double magnitude; /* its deviation, where 1 is the root mean square of the layer's operand */
    uint64_t seed;
} dtq_noise;

/** SIM of a program whose scheme is not `mixed`: the cycles are those of the same shape at 8 bits, the values the
 *  reference's. FP32 is the same for every scheme. */
typedef struct {
    dtq_engine engine;
    unsigned threads;       /* worker threads for host work; 0: all cores. Never changes a bit of the result */
    bool shuffle;           /* sim: pick among ready queues at random */
    uint64_t seed;          /* of the shuffle */
    dtq_cache *cache;       /* of the layers that are cached; NULL: nothing is kept. dtq_check only reads it */
    bool timing_only;       /* sim: no data; input and output are ignored */
    dtq_observer *observer; /* ref and fp32: called with `user` for every operand; NULL: nobody watches */
    void *user;
    const dtq_noise *noise; /* ref alone; NULL: none */
    bool allow_nonfinite;   /* output may hold NaN and infinities; else it is an error, see dtq_run */
} dtq_run_options;

typedef struct {
    const uint32_t *tokens;   /* [seq] TOKENS */
    const uint32_t *segments; /* [seq] token types, or NULL for all 0 */
    const float *q, *k, *v;   /* QKV: [heads][seq][head_dim], [kv_heads][seq][head_dim] */
} dtq_input;

/** What a scheme did to a layer beyond computing it; shares are of 1, and 1 or 0 where it does nothing of the kind. */
typedef struct {
    uint32_t tokens_kept, heads_kept;
    double candidates; /* share of pairs of a row and a key, masked ones too, whose score was computed */
    double survivors;  /* share of these pairs whose value was multiplied; skipped: of the others */
    double skipped;
    double refetched; /* share of query rows computed again with all bits */
} dtq_effects;

/** Filled by dtq_run; malloc'd members are released by dtq_output_free. */
typedef struct {
    float *data; /* POOLED [width]; HIDDEN [seq][width]; ATTENTION [heads][seq][head_dim], original token order */
    size_t count;
    uint64_t *importance; /* [layers][seq] by original id, 0 for tokens that are no keys of the layer; if
                             it is cached the sums so far, of no mean */
    uint8_t *bits;        /* [layers][seq] precision each token was chosen for, 4 or 8; 0: its key has left */
    dtq_effects *effects; /* [layers]; NULL: the scheme has none to tell of */
} dtq_output;
void dtq_output_free(dtq_output *o);

/** One executed instruction on the timeline, cycles from the start of the run. */
typedef struct {
    uint64_t start; /* when it was taken from its queue, all its tokens there */
    uint64_t busy;  /* cycles it occupied the engine */
    uint64_t done;  /* when its result is there: start + busy + latency */
} dtq_event;

typedef struct {
    uint64_t cycles; /* makespan: the last done of any queue but host */
    uint64_t busy[DTQ_QUEUE_MAX + 1];
    uint64_t instructions;
    uint64_t dram_read_bytes, dram_write_bytes;
    uint64_t buffer_bytes;  /* read or written on chip */
    uint64_t mac_cycles;    /* PE-cycles of useful work: sum of the costs c_a c_b */
    uint64_t stall_cycles;  /* PE-cycles that PEs of working tiles waited for the slowest */
    uint64_t probabilities; /* softmax elements */
    uint64_t topk_elements; /* accumulated or compared */
    double energy_pj;       /* by the machine's table */
    dtq_event *events;      /* [stream count]; owned; only if asked for */
} dtq_stats;
void dtq_stats_free(dtq_stats *s);

/** Executes one stream. `weights` may be NULL for QKV inputs and timing_only. `stats` may be NULL; stats->events is
 *  allocated if `want_events`. A deadlock is an error whose message lists every queue's state. Output with a NaN or an
 *  infinity is the error DTQ_NOT_FINITE, whose message says where such a number first arose (layer, op of the model,
 *  token); there is no output then and the cache is as it was. With options->allow_nonfinite it is returned as it is.
 */
bool dtq_run(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
             const dtq_run_options *options, dtq_output *out, dtq_stats *stats, bool want_events, dtq_error *e);

/** Cycles of a sound stream whatever its data, as the simulator counts them; UINT64_MAX where some precision is known
 * only at run time. */
bool dtq_static_cycles(const dtq_program *p, const dtq_stream *s, uint64_t *cycles, dtq_error *e);

/** dtq_verify, and that static_cycles is what dtq_static_cycles says: for programs that somebody else has made. */
bool dtq_prove(const dtq_program *p, const dtq_stream *s, dtq_error *e);

/** Runs `sim` and `ref` and compares layer by layer; on a difference names the first layer, head, tile and element.
 *  Returns true if equal; false with DTQ_OK in e->status never happens. */
bool dtq_check(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
               const dtq_run_options *options, dtq_error *e);

/* ---- generated host code (runtime/host/) --------------------------------------------------------------------- */

/** An instance of a generated model: worker threads, weights laid out for its kernels, memory for runs. It serves one
 *  run at a time: a second one meanwhile, from another thread, fails and says so. Several instances of a model may
 *  exist. */
typedef struct dtq_host dtq_host;

typedef struct {
    const char *directory; /* where relative weight paths are resolved; NULL: the current one */
    unsigned threads;      /* 0: all cores. Never changes a bit of the result */
    const char *store;     /* a file that keeps prepared weights for the next process; NULL: none. It is used if it was
                              made of these weights, is whole, is of this user and nobody else may write to it, else
                              (re)written; that it cannot be is no error */
    dtq_known *known;      /* as in dtq_weights_options */
    bool copy;             /* as in dtq_weights_options: weights are read into memory, not mapped */
    bool allow_nonfinite;  /* as of dtq_run_options */
    unsigned levels;       /* only variants of a dtq_host_level below this are used; 0: all that the processor runs */
} dtq_host_options;

/** The best level that this processor runs. */
dtq_host_level dtq_host_detect(void);

/** Opens a model. `plan`: a program whose streams give the layers of each length (its instructions, if any, are
 * ignored), or NULL for the plan that the model carries. `options`: NULL for all zeros. `plan` and `model` must outlive
 * the instance. NULL on error. */
dtq_host *dtq_host_open(const dtq_host_model *model, const dtq_program *plan, const dtq_host_options *options,
                        dtq_error *e);
/** The level of the variant that was chosen. */
dtq_host_level dtq_host_chosen(const dtq_host *h);
/** The plan: the one given, or the model's own. */
const dtq_program *dtq_host_plan(const dtq_host *h);

/** Runs `seq` tokens. `out` as of dtq_run, identical bit for bit to the other engines; released by dtq_output_free.
 *  Output that is not finite is DTQ_NOT_FINITE, as of dtq_run. Without `want_importance`, out->importance stays NULL
 * and importance that no selection needs is not computed. */
bool dtq_host_run(dtq_host *h, uint32_t seq, const dtq_input *in, bool want_importance, dtq_output *out, dtq_error *e);
/** As dtq_host_run, by a stream of any program of the same layers, with the cache that it is made for (or NULL). What
 *  fails leaves the cache as it was. Generated code does not depend on what is a query: one model takes whole sequences
 *  and steps. */
bool dtq_host_run_stream(dtq_host *h, const dtq_stream *s, const dtq_input *in, dtq_cache *cache, bool want_importance,
                         dtq_output *out, dtq_error *e);
/** As dtq_weights_unchanged. */
bool dtq_host_unchanged(const dtq_host *h, dtq_error *e);
void dtq_host_close(dtq_host *h);

/* ---- a process that is stopped (runtime/unfinished.c) --------------------------------------------------------- */

/** Removes what the library is writing under temporary names. For the handler of a signal that ends the process: calls
 *  nothing that a handler may not. The library itself installs no handlers. */
void dtq_remove_unfinished(void);
/** The path of the file that is mapped at `address` (si_addr of SIGBUS), or NULL. For a handler, too. */
const char *dtq_mapped_path(const void *address);

#endif
