/* What an instruction touches: the one derivation of reads and writes from instructions. The proofs of order and of
 * dataflow stand on it. */
#ifndef DTQRT_ISA_ACCESS_H
#define DTQRT_ISA_ACCESS_H

#include "runtime/program.h"

/** Memories of the machine. The token-id table of layer l is one byte at address l of DTQ_MEM_IDS. */
typedef enum {
    DTQ_MEM_Q,
    DTQ_MEM_K,
    DTQ_MEM_V,
    DTQ_MEM_SCORES,
    DTQ_MEM_PROBS,
    DTQ_MEM_OUT,
    DTQ_MEM_IMPORTANCE,
    DTQ_MEM_ON_CHIP, /* how many are buffers of the chip */
    DTQ_MEM_DRAM = DTQ_MEM_ON_CHIP,
    DTQ_MEM_IDS,
    DTQ_MEMORIES
} dtq_memory;

enum { DTQ_READS = 1, DTQ_WRITES = 2, DTQ_ACCESS_MAX = 7 };

/** Bytes [address, address + bytes) of a memory. A range holds all that the instruction may touch there: a gather by
 *  token id counts the whole of its head's region, a block the whole block. */
typedef struct {
    dtq_memory memory;
    unsigned mode; /* DTQ_READS, DTQ_WRITES or both */
    uint64_t address, bytes;
} dtq_access;

extern const char *const dtq_memory_names[DTQ_MEMORIES];

/** Bytes that a memory has: the machine's buffers, the stream's DRAM image and layers. */
uint64_t dtq_memory_bytes(const dtq_program *p, const dtq_stream *s, dtq_memory memory);

/** Bytes of the output, and of input q (0), k (1) or v (2) of a stream whose input is q, k and v. */
uint64_t dtq_output_bytes(const dtq_stream *s);
uint64_t dtq_input_bytes(const dtq_stream *s, unsigned input);

/** Fills `out` and returns how many accesses there are; 0 for WAIT and SIGNAL. The fields must be in range (layers,
 *  slots and tensors that exist), addresses need not be. */
unsigned dtq_accesses(const dtq_program *p, const dtq_stream *s, const dtq_instr *in, dtq_access out[DTQ_ACCESS_MAX]);

#endif
