/* What is read is what was made for it: blocks, matrices and sums by what they hold; private to runtime/isa/. */
#ifndef DTQRT_ISA_DATAFLOW_H
#define DTQRT_ISA_DATAFLOW_H

#include "runtime/isa/access.h"
#include "runtime/isa/cover.h"
#include "runtime/isa/lasting.h"
#include "runtime/isa/tokens.h"

/** Who wrote bytes, beside instructions by their number: the caller of the run, the cache of runs before. */
enum { DTQ_FROM_INPUT = UINT32_MAX - 4 /* of q, and k and v */, DTQ_FROM_CACHE = UINT32_MAX - 1 };

/** What is behind a product of a linear on the arrays. */
typedef struct {
    uint32_t codes, rows, weights; /* instructions */
} dtq_product;

/** The matrix that host.quant took an operand from. */
typedef struct {
    uint64_t address;
    uint32_t writer;
} dtq_operand_source;

/** The state of the proof while the stream is gone through. */
typedef struct {
    const dtq_program *program;
    const dtq_stream *stream;
    dtq_tokens tokens;
    dtq_lasting_list lasting;    /* what is read when the run is over */
    dtq_cover *stored, *counted; /* [layer_count] rows of heads: of the output, and of the importance (or blocks) */
    uint8_t *quantised;          /* [layer_count] bit o: operand o */
    uint32_t *chosen;            /* [layer_count] tables that layers have chosen late */
    dtq_operand_source *sources; /* [layer_count][q, k, v] where layers stream; or NULL */
    dtq_product *products;       /* [count], or NULL as long as there is no matmul */
    dtq_cover *linears;          /* [linear_count] parts of linears that stand in DRAM */
    uint32_t *linear_of;         /* [count] number among `linears` of a host.codes; or NULL */
    size_t linear_count, linear_room;
    uint32_t *probed;    /* [count] key/value head of what an instruction of a probe made; or NULL */
    uint32_t open_layer; /* whose operands are being quantised; UINT32_MAX: none */
} dtq_dataflow;

/** Fails if what lasts beyond the run overlaps, or there is no memory. Free with dtq_dataflow_free, then, too. */
bool dtq_dataflow_init(dtq_dataflow *f, const dtq_program *p, const dtq_stream *s, dtq_error *e);
void dtq_dataflow_free(dtq_dataflow *f);

/** Instruction `at` reads `a`, all of which `writer` wrote last: an instruction, or one of DTQ_FROM_*. NULL, or what
 *  should have been there. */
const char *dtq_dataflow_read(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t writer);

/** Instruction `at` is about to write `a`; `before` wrote all of it last, DTQ_NOBODY: nobody or several did. Fails if
 * it must not be written. */
bool dtq_dataflow_write(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t before, dtq_error *e);

/** After its accesses: what else the order of instructions demands of `at`. NULL, or what is wrong. `missing`
 *  becomes how many bytes of memory there were not, 0 if there were all. */
const char *dtq_dataflow_step(dtq_dataflow *f, uint32_t at, uint64_t *missing);

/** After the last instruction: fails if what lasts has not been written, or operands are left over. */
bool dtq_dataflow_end(dtq_dataflow *f, dtq_error *e);

/** Then the output, all of which `writer` wrote last. NULL, or what should have been there. */
const char *dtq_dataflow_output(dtq_dataflow *f, const dtq_access *output, uint32_t writer);

#endif
