/* In-order instruction queues and the token channels between them. Private to runtime/sim/. */
#ifndef DTQRT_SIM_QUEUES_H
#define DTQRT_SIM_QUEUES_H

#include "runtime/program.h"

/** Tokens from one queue to another, first in, first out: stamps [head, tail) of the common store. */
typedef struct {
    uint64_t head, tail;
} dtq_channel;

/** State of all queues of one run. Memory is linear in the instructions, plus a channel for each pair of queues. */
typedef struct {
    const dtq_stream *stream;
    unsigned count;                           /* queues: the fixed engines and the arrays */
    uint32_t *order;                          /* [instructions] indices into the stream, queue after queue */
    uint64_t *first;                          /* [count + 1] where a queue's instructions begin in `order` */
    uint64_t *next;                           /* [count] the next one to execute */
    dtq_channel *channels;                    /* [count * count], producer-major */
    uint64_t *stamps;                         /* [signals] */
    uint64_t ready[(DTQ_QUEUE_MAX + 1) / 64]; /* bit set of queues whose next instruction can execute */
    bool driven;                              /* the host's queue is never picked */
    bool shuffle;
    uint64_t random; /* state of splitmix64 */
    unsigned last;   /* queue picked last */
} dtq_queues;

/** The next number of splitmix64. */
uint64_t dtq_splitmix64(uint64_t *state);

/** Sorts a stream's instructions into `arrays` + DTQ_ARRAY0 queues. Fails on a queue that the machine does not have,
 *  and on a token from or to one. */
bool dtq_queues_init(dtq_queues *q, const dtq_stream *s, uint64_t arrays, bool shuffle, uint64_t seed, dtq_error *e);
void dtq_queues_free(dtq_queues *q);

/** From now on the host's queue is never picked: the caller retires its instructions. */
void dtq_queues_drive_host(dtq_queues *q);

/** Picks a queue that can go on, round robin or at random: its number and the index of its next instruction. False if
 *  there is none: all are through, or stuck. */
bool dtq_queues_pick(dtq_queues *q, unsigned *queue, uint32_t *instr);

/** Whether a queue is not through and its next instruction can execute. */
bool dtq_queues_ready(const dtq_queues *q, unsigned queue);
/** The index of the next instruction of a queue, SIZE_MAX if it is through. */
size_t dtq_queues_next(const dtq_queues *q, unsigned queue);

/** Takes the picked instruction, or the next one of the host's queue, from its queue. A signal puts a token with
 * `stamp` into its channel; a wait takes one, whose stamp is returned; others return 0. */
uint64_t dtq_queues_retire(dtq_queues *q, unsigned queue, uint64_t stamp);

/** True if every queue is through; otherwise fails with DTQ_DEADLOCK and says of each stuck queue what it waits for. */
bool dtq_queues_finished(const dtq_queues *q, dtq_error *e);

#endif
