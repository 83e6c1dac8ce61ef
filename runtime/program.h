/* Programs: their parts, container and text form, proofs. */
#ifndef DTQRT_PROGRAM_H
#define DTQRT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/isa/instruction.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/schemes/scheme.h"
#include "runtime/weights/file.h"
#include "runtime/weights/tensor.h"

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
    /* Of a stream that dtq_stream_write has written, which has no instrs and no sources: only dtq_program_encode takes
     * it. NULL: it has them. */
    uint8_t *text;
    size_t text_bytes;
    uint32_t text_strings; /* its sources name strings below this */
} dtq_stream;

/** Who makes the instructions of a stream while it is written, so that they need not all be there at once. */
typedef struct {
    void *of;
    /** Fills in of each instruction its opcode, with its queue << 8. */
    void (*shapes)(void *of, uint16_t *out);
    /** Makes instruction `i` and its row of the source map: mostly the next one, and from time to time one of those
     *  before. Both are good until the second call from here on. False: it cannot be made, and its maker has said why.
     */
    bool (*make)(void *of, size_t i, const dtq_instr **instr, const dtq_source **source);
    /** Whether instruction `i` is the one that stands `distance` before it, and has no layer, and either has the row of
     *  the source map of the one in front of it. It may say no where it does not know: then both are made. */
    bool (*goes_on)(const void *of, size_t i, size_t distance);
} dtq_stream_maker;

typedef struct {
    const char *model;     /* name */
    const char *tokenizer; /* path of vocab.txt or tokenizer.json, or "" */
    uint8_t lower_case;    /* tokenizer option */
    dtq_scheme scheme;     /* the arithmetic of its results */
    dtq_machine *machine;  /* runtime/machine_members.h */
    uint64_t target_hash;  /* dtq_machine_hash(machine) */
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
#define DTQ_CONTAINER_VERSION 9

/** Whether a tensor lies in file `file` of the program. Others are those that its vocabulary is read from: they are not
 *  opened with the weights, but whoever turns text to tokens compares them with what is described. */
bool dtq_program_file_has_weights(const dtq_program *p, size_t file);

/** What keeps layer `layer` of `s` from choosing its own slots, or NULL. */
const char *dtq_choice_wrong(const dtq_stream *s, uint32_t layer);

/** The stream for exactly `seq` tokens, or NULL. */
const dtq_stream *dtq_program_stream(const dtq_program *p, uint32_t seq);

/** Makes the instructions of `s`, which has but their count, and writes them as a container holds them into s->text,
 *  which is malloc'd: the bytes that dtq_program_encode writes of the same instructions in memory. False after an
 * error; `e` has no message if the maker has said it. */
bool dtq_stream_write(dtq_stream *s, const dtq_stream_maker *maker, dtq_error *e);
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

/** Which instructions of a program: those of some layers, one head, one queue. Zero-initialised it is all of them. An
 *  instruction that says nothing of heads is of every head, one that says nothing of a layer of none. A `wait` goes
 * with the instruction behind it on its queue, a `signal` with the one before it. */
typedef struct {
    bool by_layer, by_head, by_queue;
    uint32_t first_layer, last_layer; /* both included */
    uint32_t head;                    /* of queries; of instructions on keys and values: their head */
    unsigned queue;                   /* DTQ_HOST ... */
} dtq_program_part;

/** The instructions of a part as text, stream by stream, behind a comment, which is `title`. It does not assemble. */
bool dtq_disassemble_part(const dtq_program *p, const dtq_program_part *part, const char *title, FILE *out,
                          dtq_error *e);
/** `name` is used in messages `name:line:col: ...`. */
bool dtq_assemble(const char *name, const char *text, size_t bytes, dtq_program **out, dtq_error *e);

/** Proves that a stream is sound (runtime/isa/ISA.md, "Sound"): every field names what exists, no queue waits for ever,
 *  every dependency waits for its tokens, all that is read was made for it, no two live objects overlap, and the output
 *  is written once. */
bool dtq_verify(const dtq_program *p, const dtq_stream *s, dtq_error *e);

#endif
