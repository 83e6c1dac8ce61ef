/* What a run leaves in DRAM: the output, the importance of layers, rows of caches; private to runtime/isa/. */
#ifndef DTQRT_ISA_LASTING_H
#define DTQRT_ISA_LASTING_H

#include "runtime/isa/access.h"

typedef enum { DTQ_LASTS_OUTPUT, DTQ_LASTS_IMPORTANCE, DTQ_LASTS_KEYS, DTQ_LASTS_VALUES } dtq_lasting_kind;

/** Bytes that are read once the run is over. Nothing else may ever be written there. */
typedef struct {
    uint64_t start, bytes;
    dtq_lasting_kind kind;
    uint32_t layer;  /* of the output: none */
    uint32_t writer; /* the instruction that wrote it, the first of several stores; DTQ_NOBODY before */
    bool given;      /* keys or values that are an input: it has been written before the run */
    bool unmeasured; /* nobody writes it: importance of a layer that has nothing to choose by its probe */
} dtq_lasting;

typedef struct {
    dtq_lasting *regions; /* ascending by address, none overlapping another */
    size_t count;
} dtq_lasting_list;

/** Fails if two regions overlap, or one overlaps an input, or there is no memory. Free with dtq_lasting_free, then,
 * too. */
bool dtq_lasting_init(dtq_lasting_list *l, const dtq_stream *s, dtq_error *e);
void dtq_lasting_free(dtq_lasting_list *l);

/** Notes that instruction `at` makes a write to DRAM. Fails if it touches a region without being what makes it, or
 *  makes it a second time. */
bool dtq_lasting_write(dtq_lasting_list *l, const dtq_stream *s, uint32_t at, const dtq_access *a, dtq_error *e);

/** After the last instruction: fails if a region has been written by nothing. A layer of which nothing is `quantised`
 *  [layer_count] has no importance. */
bool dtq_lasting_end(const dtq_lasting_list *l, const uint8_t *quantised, dtq_error *e);

#endif
