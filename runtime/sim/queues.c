/* Queues: each engine executes its instructions in order; tokens order engines among each other.
 *
 * A queue can go on unless its next instruction waits for a token that is not there. Nothing is arbitrated, so any
 * choice among the queues that can go on gives the same bits and the same times; picking at random is how tests try
 * that. */
#include "runtime/sim/queues.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 64 };

uint64_t dtq_splitmix64(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static dtq_channel *channel(const dtq_queues *q, uint64_t from, uint64_t to) {
    return &q->channels[from * q->count + to];
}

/** The instruction at the head of a queue, or NULL if the queue is through. */
static const dtq_instr *head(const dtq_queues *q, unsigned queue) {
    return q->next[queue] < q->first[queue + 1] ? &q->stream->instrs[q->order[q->next[queue]]] : NULL;
}

bool dtq_queues_ready(const dtq_queues *q, unsigned queue) {
    const dtq_instr *in = head(q, queue);
    if (!in || in->op != DTQ_OP_WAIT)
        return in;
    const dtq_channel *c = channel(q, DTQ_GET(in, WAIT, from), queue);
    return c->head < c->tail;
}

size_t dtq_queues_next(const dtq_queues *q, unsigned queue) {
    return head(q, queue) ? q->order[q->next[queue]] : SIZE_MAX;
}

static void update_ready(dtq_queues *q, unsigned queue) {
    const uint64_t bit = UINT64_C(1) << (queue % WORD);
    if (dtq_queues_ready(q, queue) && !(q->driven && queue == DTQ_HOST))
        q->ready[queue / WORD] |= bit;
    else
        q->ready[queue / WORD] &= ~bit;
}

/** Counts instructions a queue into first[queue + 1] and tokens a channel into its tail. */
static bool count_stream(dtq_queues *q, dtq_error *e) {
    for (size_t i = 0; i < q->stream->count; i++) {
        const dtq_instr *in = &q->stream->instrs[i];
        if (in->op >= DTQ_OP_COUNT)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: unknown opcode %u", i, in->op);
        if (in->queue >= q->count) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: queue %u, but the machine has %u", i, in->queue,
                            q->count);
        }
        q->first[in->queue + 1]++;
        uint64_t other = in->op == DTQ_OP_WAIT     ? DTQ_GET(in, WAIT, from)
                         : in->op == DTQ_OP_SIGNAL ? DTQ_GET(in, SIGNAL, to)
                                                   : 0;
        if (other >= q->count) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "instruction %zu: a token for queue %llu, but the machine has %u", i,
                            (unsigned long long)other, q->count);
        }
        if (in->op == DTQ_OP_SIGNAL)
            channel(q, in->queue, other)->tail++;
    }
    return true;
}

bool dtq_queues_init(dtq_queues *q, const dtq_stream *s, uint64_t arrays, bool shuffle, uint64_t seed, dtq_error *e) {
    *q = (dtq_queues){.stream = s, .shuffle = shuffle, .random = seed};
    if (arrays > DTQ_QUEUE_MAX - DTQ_ARRAY0 || s->count > UINT32_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "too many %s", s->count > UINT32_MAX ? "instructions" : "arrays");
    q->count = (unsigned)(DTQ_ARRAY0 + arrays);
    q->last = q->count - 1;
    q->first = calloc(q->count + 1, sizeof *q->first);
    q->next = calloc(q->count, sizeof *q->next);
    q->channels = calloc((size_t)q->count * q->count, sizeof *q->channels);
    q->order = calloc(s->count ? s->count : 1, sizeof *q->order);
    if (!q->first || !q->next || !q->channels || !q->order) {
        return dtq_no_memory(e,
                             (2 * q->count + 1) * sizeof *q->next + (size_t)q->count * q->count * sizeof *q->channels +
                                 (s->count + 1) * sizeof *q->order,
                             "the queues");
    }
    if (!count_stream(q, e))
        return false;
    for (unsigned i = 0; i < q->count; i++) {
        q->first[i + 1] += q->first[i];
        q->next[i] = q->first[i];
    }
    for (size_t i = 0; i < s->count; i++)
        q->order[q->next[s->instrs[i].queue]++] = (uint32_t)i;
    memcpy(q->next, q->first, q->count * sizeof *q->next);
    uint64_t tokens = 0;
    for (size_t i = 0; i < (size_t)q->count * q->count; i++) {
        uint64_t signals = q->channels[i].tail;
        q->channels[i] = (dtq_channel){tokens, tokens};
        tokens += signals;
    }
    q->stamps = calloc(tokens ? tokens : 1, sizeof *q->stamps);
    if (!q->stamps)
        return dtq_no_memory(e, (tokens + 1) * sizeof *q->stamps, "the tokens");
    for (unsigned i = 0; i < q->count; i++)
        update_ready(q, i);
    return true;
}

void dtq_queues_drive_host(dtq_queues *q) {
    q->driven = true;
    update_ready(q, DTQ_HOST);
}

void dtq_queues_free(dtq_queues *q) {
    free(q->order);
    free(q->first);
    free(q->next);
    free(q->channels);
    free(q->stamps);
    *q = (dtq_queues){0};
}

/** The n-th set bit (from 0) of the ready set; there are more than n. */
static unsigned nth_ready(const dtq_queues *q, unsigned n) {
    unsigned word = 0;
    for (unsigned here; n >= (here = (unsigned)__builtin_popcountll(q->ready[word])); word++)
        n -= here;
    uint64_t bits = q->ready[word];
    while (n--)
        bits &= bits - 1;
    return word * WORD + (unsigned)__builtin_ctzll(bits);
}

bool dtq_queues_pick(dtq_queues *q, unsigned *queue, uint32_t *instr) {
    unsigned ready = 0, up_to_last = 0; /* ready queues: all, and those numbered up to the one picked last */
    for (unsigned w = 0; w < sizeof q->ready / sizeof q->ready[0]; w++) {
        uint64_t below = w < q->last / WORD ? UINT64_MAX : w > q->last / WORD ? 0 : UINT64_MAX >> (63 - q->last % WORD);
        ready += (unsigned)__builtin_popcountll(q->ready[w]);
        up_to_last += (unsigned)__builtin_popcountll(q->ready[w] & below);
    }
    if (!ready)
        return false;
    unsigned n = up_to_last % ready; /* the one after the last, the first if there is none */
    if (q->shuffle)
        n = (unsigned)(dtq_splitmix64(&q->random) % ready);
    *queue = q->last = nth_ready(q, n);
    *instr = q->order[q->next[*queue]];
    return true;
}

uint64_t dtq_queues_retire(dtq_queues *q, unsigned queue, uint64_t stamp) {
    const dtq_instr *in = head(q, queue);
    uint64_t taken = 0;
    q->next[queue]++;
    if (in->op == DTQ_OP_WAIT) {
        taken = q->stamps[channel(q, DTQ_GET(in, WAIT, from), queue)->head++];
    } else if (in->op == DTQ_OP_SIGNAL) {
        unsigned to = (unsigned)DTQ_GET(in, SIGNAL, to);
        q->stamps[channel(q, queue, to)->tail++] = stamp;
        update_ready(q, to);
    }
    update_ready(q, queue);
    return taken;
}

/* ---- deadlock ------------------------------------------------------------------------------------------------ */

/** Appends formatted text to a message of fixed size; what does not fit is dropped. */
__attribute__((format(printf, 4, 5))) static void append(char *text, size_t size, size_t *used, const char *format,
                                                         ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + *used, size - *used, format, args);
    va_end(args);
    size_t more = n < 0 ? 0 : (size_t)n;
    *used = more < size - *used ? *used + more : size - 1;
}

/** What a stuck queue waits for: its next instruction and whether the producer can still deliver. */
static void describe(const dtq_queues *q, unsigned queue, char *text, size_t size) {
    char name[16], producer[16];
    size_t used = 0;
    const dtq_instr *in = head(q, queue);
    unsigned from = (unsigned)DTQ_GET(in, WAIT, from);
    dtq_queue_name(queue, name);
    dtq_queue_name(from, producer);
    append(text, size, &used, "\n  %s: %llu of %llu done, next is instruction %lu `%s %s`: no token from %s, ", name,
           (unsigned long long)(q->next[queue] - q->first[queue]),
           (unsigned long long)(q->first[queue + 1] - q->first[queue]), (unsigned long)q->order[q->next[queue]],
           dtq_ops[in->op].mnemonic, producer, producer);
    uint64_t signals = 0;
    for (uint64_t i = q->next[from]; i < q->first[from + 1]; i++) {
        const dtq_instr *ahead = &q->stream->instrs[q->order[i]];
        signals += ahead->op == DTQ_OP_SIGNAL && DTQ_GET(ahead, SIGNAL, to) == queue;
    }
    if (!head(q, from)) {
        append(text, size, &used, "which has ended");
    } else if (from == queue) {
        append(text, size, &used, "which is itself");
    } else {
        append(text, size, &used, "which is stuck before %llu signal%s to it", (unsigned long long)signals,
               signals == 1 ? "" : "s");
    }
}

bool dtq_queues_finished(const dtq_queues *q, dtq_error *e) {
    char message[sizeof(dtq_error){0}.message], line[256];
    size_t used = 0;
    unsigned stuck = 0, told = 0;
    for (unsigned i = 0; i < q->count; i++)
        stuck += head(q, i) != NULL;
    if (!stuck)
        return true;
    append(message, sizeof message, &used, "deadlock: %u queue%s stuck", stuck, stuck == 1 ? "" : "s");
    for (unsigned i = 0; i < q->count; i++) {
        if (!head(q, i))
            continue;
        describe(q, i, line, sizeof line);
        if (used + strlen(line) + sizeof "\n  and 255 more" > sizeof message)
            break;
        append(message, sizeof message, &used, "%s", line);
        told++;
    }
    if (told < stuck)
        append(message, sizeof message, &used, "\n  and %u more", stuck - told);
    return dtq_fail(e, DTQ_DEADLOCK, "%s", message);
}
