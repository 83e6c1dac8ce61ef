/* Who last wrote and since then read each range of a memory; private to runtime/isa/. */
#ifndef DTQRT_ISA_SEGMENTS_H
#define DTQRT_ISA_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

enum { DTQ_SEGMENT_LEVELS = 16, DTQ_NOBODY = UINT32_MAX };

/** The latest instruction of one queue that read a segment. */
typedef struct dtq_reader {
    struct dtq_reader *next;
    uint32_t instr;
    uint8_t queue;
} dtq_reader;

/** Addresses [start, start of the next) with one history: a node of a skip list. */
typedef struct dtq_segment {
    uint64_t start;
    uint32_t writer; /* instruction, or DTQ_NOBODY */
    uint8_t levels;
    dtq_reader *readers;
    struct dtq_segment *next[]; /* [levels] */
} dtq_segment;

/** What one more segment takes, at most, or a reader of it, or a memory that nobody has touched. */
enum { DTQ_SEGMENT_BYTES = 64 + sizeof(dtq_segment) + DTQ_SEGMENT_LEVELS * sizeof(dtq_segment *) };

typedef struct dtq_segments dtq_segments;

/** A memory nobody has touched: one segment. NULL if there is no memory. */
dtq_segments *dtq_segments_new(void);
void dtq_segments_free(dtq_segments *s);

/** Makes segments begin at `start` and at `end` > start; returns the one at `start` or NULL if there is no memory. The
 *  range is walked by next[0] as long as the start is below `end`. */
dtq_segment *dtq_segments_cut(dtq_segments *s, uint64_t start, uint64_t end);

/** The range, cut before, becomes one segment that `writer` wrote and nobody read. */
void dtq_segments_write(dtq_segments *s, uint64_t start, uint64_t end, uint32_t writer);

/** Notes that `instr` of `queue` reads the segment. */
bool dtq_segments_read(dtq_segments *s, dtq_segment *segment, uint32_t instr, uint8_t queue);

#endif
