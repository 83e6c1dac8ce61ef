/* Deadlock and race freedom, and with them what is read where (dataflow.c, lasting.c).
 *
 * Every token channel has one producer and one consumer queue, and a queue never chooses what to do next: the network
 * is determinate. One execution that comes to its end therefore proves that every execution does. The list itself is
 * such an execution if each WAIT finds its token when instructions are executed one after another.
 *
 * Happens-before is kept by vector clocks: clock[q][r] is one more than the last instruction of queue r that is
 * complete before the next of queue q starts. A SIGNAL puts its queue's clock into the token, the WAIT that takes it
 * joins. Two accesses are ordered in every execution exactly if the clock of the later one's queue has reached the
 * earlier one. */
#include "runtime/isa/hazards.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/isa/access.h"
#include "runtime/isa/dataflow.h"
#include "runtime/isa/disasm.h"
#include "runtime/isa/isa.h"
#include "runtime/isa/segments.h"
#include "runtime/machine.h"

enum { NONE = UINT32_MAX, SEVERAL = DTQ_NOBODY - 5 /* below DTQ_FROM_INPUT */ };

/* A token under way; free ones are chained too. Its clock stands at [index * queues]. */
typedef struct {
    uint32_t next;
    bool untimed;
    uint32_t signal; /* the instruction that put it */
} token;

typedef struct {
    uint32_t first, last; /* tokens, NONE if empty */
} channel;

typedef struct {
    const dtq_program *program;
    const dtq_stream *stream;
    dtq_error *error;
    unsigned queues;
    uint32_t *clock;   /* [queues][queues] */
    channel *channels; /* [from][to] */
    token *tokens;
    uint32_t *stamps; /* [token_room][queues] */
    uint32_t token_room, spare;
    dtq_segments *memories[DTQ_MEMORIES];
    dtq_dataflow *flow; /* or NULL: order alone */
} prover;

static bool no_memory(prover *v, uint64_t bytes) {
    return dtq_no_memory(v->error, bytes, "the proof of a stream");
}

static bool is_sync(const dtq_instr *in) {
    return in->op == DTQ_OP_WAIT || in->op == DTQ_OP_SIGNAL;
}

/* Channel of a WAIT or SIGNAL, as from * queues + to. */
static size_t channel_of(const prover *v, const dtq_instr *in) {
    return in->op == DTQ_OP_WAIT ? DTQ_GET(in, WAIT, from) * v->queues + in->queue
                                 : in->queue * (size_t)v->queues + DTQ_GET(in, SIGNAL, to);
}

/* ---- balance and deadlock ---- */

static bool check_balance(prover *v) {
    const dtq_stream *s = v->stream;
    size_t channels = (size_t)v->queues * v->queues;
    uint64_t *counts = calloc(2 * channels, sizeof *counts); /* signals, then waits */
    if (!counts)
        return no_memory(v, 2 * channels * sizeof *counts);
    for (size_t i = 0; i < s->count; i++)
        if (is_sync(&s->instrs[i]))
            counts[channel_of(v, &s->instrs[i]) + (s->instrs[i].op == DTQ_OP_WAIT ? channels : 0)]++;
    bool ok = true;
    for (size_t c = 0; ok && c < channels; c++) {
        char from[16], to[16];
        if (counts[c] != counts[channels + c])
            ok = dtq_fail(v->error, DTQ_BAD_PROGRAM,
                          "tokens from %s to %s are not balanced: %" PRIu64 " signals, %" PRIu64 " waits",
                          dtq_queue_name((unsigned)(c / v->queues), from),
                          dtq_queue_name((unsigned)(c % v->queues), to), counts[c], counts[channels + c]);
    }
    free(counts);
    return ok;
}

/* Executes the synchronisation of all queues in any order until none can go on. Called once an execution in list order
 * has met a WAIT (instruction `at`) without token: tells a deadlock from a list in the wrong order. */
typedef struct {
    size_t *next;      /* [count] the next sync instruction of the same queue, SIZE_MAX at the end */
    size_t *now;       /* [queues] where each queue stands */
    uint64_t *waiting; /* [channels] tokens */
    uint8_t *ready;    /* stack of queues that may go on */
    unsigned ready_count;
} execution;

static void run_queues(const prover *v, execution *x) {
    while (x->ready_count) {
        unsigned q = x->ready[--x->ready_count];
        for (; x->now[q] != SIZE_MAX; x->now[q] = x->next[x->now[q]]) {
            const dtq_instr *in = &v->stream->instrs[x->now[q]];
            size_t c = channel_of(v, in);
            if (in->op == DTQ_OP_WAIT) {
                if (!x->waiting[c])
                    break;
                x->waiting[c]--;
            } else {
                unsigned to = (unsigned)DTQ_GET(in, SIGNAL, to);
                x->waiting[c]++;
                size_t other = x->now[to];
                const dtq_instr *held = other == SIZE_MAX ? NULL : &v->stream->instrs[other];
                if (to != q && held && held->op == DTQ_OP_WAIT && DTQ_GET(held, WAIT, from) == q && x->waiting[c] == 1)
                    x->ready[x->ready_count++] = (uint8_t)to;
            }
        }
    }
}

static bool report_stuck(const prover *v, const execution *x, size_t at) {
    char message[900], text[96], name[16], from[16];
    size_t used = 0;
    for (unsigned q = 0; q < v->queues; q++) {
        if (x->now[q] == SIZE_MAX)
            continue;
        int n = snprintf(message + used, sizeof message - used, "%s %s at instruction %zu waits for %s",
                         used ? ";" : "", dtq_queue_name(q, name), x->now[q],
                         dtq_queue_name((unsigned)DTQ_GET(&v->stream->instrs[x->now[q]], WAIT, from), from));
        used += n > 0 && (size_t)n < sizeof message - used ? (size_t)n : 0;
    }
    if (used)
        return dtq_fail(v->error, DTQ_DEADLOCK, "deadlock:%s", message);
    return dtq_fail(v->error, DTQ_BAD_PROGRAM,
                    "instruction %zu (%s) waits for a token that only a later instruction puts: the list is not a "
                    "sequential execution",
                    at, dtq_instr_text(&v->stream->instrs[at], text, sizeof text));
}

static bool explain_wait(prover *v, size_t at) {
    const dtq_stream *s = v->stream;
    execution x = {
        .next = malloc((s->count + 1) * sizeof *x.next),
        .now = malloc(v->queues * sizeof *x.now),
        .waiting = calloc((size_t)v->queues * v->queues, sizeof *x.waiting),
        .ready = malloc(2 * (size_t)v->queues + s->count),
    };
    bool ok = x.next && x.now && x.waiting && x.ready;
    if (ok) {
        for (unsigned q = 0; q < v->queues; q++) {
            x.now[q] = SIZE_MAX;
            x.ready[x.ready_count++] = (uint8_t)q;
        }
        for (size_t i = s->count; i-- > 0;) {
            if (!is_sync(&s->instrs[i]))
                continue;
            x.next[i] = x.now[s->instrs[i].queue];
            x.now[s->instrs[i].queue] = i;
        }
        run_queues(v, &x);
        report_stuck(v, &x, at);
    } else {
        no_memory(v, (s->count + 1) * sizeof *x.next + v->queues * sizeof *x.now +
                         (size_t)v->queues * v->queues * sizeof *x.waiting + 2 * (size_t)v->queues + s->count);
    }
    free(x.next);
    free(x.now);
    free(x.waiting);
    free(x.ready);
    return false;
}

/* ---- tokens ---- */

static bool more_tokens(prover *v) {
    uint32_t room = v->token_room ? 2 * v->token_room : 64;
    token *tokens = realloc(v->tokens, room * sizeof *tokens);
    if (!tokens)
        return no_memory(v, room * sizeof *tokens);
    v->tokens = tokens;
    uint32_t *stamps = realloc(v->stamps, (size_t)room * v->queues * sizeof *stamps);
    if (!stamps)
        return no_memory(v, (size_t)room * v->queues * sizeof *stamps);
    v->stamps = stamps;
    for (uint32_t i = v->token_room; i < room; i++)
        v->tokens[i].next = i + 1 < room ? i + 1 : NONE;
    v->spare = v->token_room;
    v->token_room = room;
    return true;
}

static bool put_token(prover *v, size_t at, const dtq_instr *in) {
    if (v->spare == NONE && !more_tokens(v))
        return false;
    uint32_t t = v->spare;
    v->spare = v->tokens[t].next;
    v->tokens[t] = (token){NONE, DTQ_GET(in, SIGNAL, untimed) != 0, (uint32_t)at};
    memcpy(&v->stamps[(size_t)t * v->queues], &v->clock[(size_t)in->queue * v->queues], v->queues * sizeof *v->stamps);
    channel *c = &v->channels[channel_of(v, in)];
    if (c->first == NONE)
        c->first = t;
    else
        v->tokens[c->last].next = t;
    c->last = t;
    return true;
}

static bool take_token(prover *v, size_t at, const dtq_instr *in) {
    channel *c = &v->channels[channel_of(v, in)];
    uint32_t t = c->first;
    if (t == NONE)
        return explain_wait(v, at);
    if (v->tokens[t].untimed != (DTQ_GET(in, WAIT, untimed) != 0))
        return dtq_fail(v->error, DTQ_BAD_PROGRAM,
                        "instruction %zu waits %s for the token of instruction %" PRIu32 ", which is %s", at,
                        v->tokens[t].untimed ? "timed" : "untimed", v->tokens[t].signal,
                        v->tokens[t].untimed ? "untimed" : "timed");
    uint32_t *mine = &v->clock[(size_t)in->queue * v->queues];
    const uint32_t *stamp = &v->stamps[(size_t)t * v->queues];
    for (unsigned q = 0; q < v->queues; q++)
        if (mine[q] < stamp[q])
            mine[q] = stamp[q];
    c->first = v->tokens[t].next;
    v->tokens[t].next = v->spare;
    v->spare = t;
    return true;
}

/* ---- races ---- */

static bool report_race(prover *v, uint32_t earlier, uint32_t later, const dtq_access *a, uint64_t at) {
    char first[256], second[256];
    const dtq_instr *in = v->stream->instrs;
    return dtq_fail(v->error, DTQ_BAD_PROGRAM,
                    "race in %s at 0x%" PRIx64 ": no tokens order instruction %" PRIu32
                    " (%s) before instruction %" PRIu32 " (%s)",
                    dtq_memory_names[a->memory], at, earlier, dtq_instr_text(&in[earlier], first, sizeof first), later,
                    dtq_instr_text(&in[later], second, sizeof second));
}

/* Whether bytes were there before the run, or are nobody's yet. */
static bool is_outside(uint32_t writer) {
    return writer >= (uint32_t)DTQ_FROM_INPUT;
}

/* True if `earlier` is complete before the next instruction of `queue` starts, in every execution. */
static bool is_ordered(const prover *v, uint32_t earlier, uint8_t queue) {
    if (is_outside(earlier))
        return true;
    uint8_t other = v->stream->instrs[earlier].queue;
    return other == queue || v->clock[(size_t)queue * v->queues + other] > earlier;
}

static bool report_unwritten(prover *v, uint32_t at, const dtq_access *a, uint64_t address) {
    char text[256];
    return dtq_fail(v->error, DTQ_BAD_PROGRAM,
                    "instruction %" PRIu32 " (%s) reads %s at 0x%" PRIx64 " before anything has written it", at,
                    dtq_instr_text(&v->stream->instrs[at], text, sizeof text), dtq_memory_names[a->memory], address);
}

/* "instruction 7 (…) wrote last" */
static const char *tell_writer(const prover *v, uint32_t writer, char *out, size_t size) {
    char text[224];
    if (writer == SEVERAL)
        snprintf(out, size, "several instructions wrote parts of it last");
    else if (writer == DTQ_NOBODY)
        snprintf(out, size, "nothing has written it");
    else if (writer == (uint32_t)DTQ_FROM_CACHE)
        snprintf(out, size, "it comes from the cache, and no row is new");
    else if (is_outside(writer))
        snprintf(out, size, "input %c is there", "qkv"[writer - (uint32_t)DTQ_FROM_INPUT]);
    else
        snprintf(out, size, "instruction %" PRIu32 " (%s) wrote it last", writer,
                 dtq_instr_text(&v->stream->instrs[writer], text, sizeof text));
    return out;
}

static bool report_mismatch(prover *v, uint32_t at, const dtq_access *a, uint32_t writer, const char *wanted) {
    char text[224], who[288];
    return dtq_fail(v->error, DTQ_BAD_PROGRAM,
                    "instruction %" PRIu32 " (%s) reads %s at 0x%" PRIx64 " and must find %s, but %s", at,
                    dtq_instr_text(&v->stream->instrs[at], text, sizeof text), dtq_memory_names[a->memory], a->address,
                    wanted, tell_writer(v, writer, who, sizeof who));
}

/* Says which instruction it is that something is wrong with. */
static bool report_step(prover *v, uint32_t at, const char *wrong) {
    char text[224], why[sizeof v->error->message];
    snprintf(why, sizeof why, "%s", wrong);
    return dtq_fail(v->error, DTQ_BAD_PROGRAM, "instruction %" PRIu32 " (%s): %s", at,
                    dtq_instr_text(&v->stream->instrs[at], text, sizeof text), why);
}

/* Ids of a static table are there from the start; what is in DRAM is a question of dataflow. */
static bool starts_written(const prover *v, const dtq_access *a) {
    return a->memory == DTQ_MEM_IDS ? v->stream->layers[a->address % v->stream->layer_count].ids != NULL
                                    : a->memory == DTQ_MEM_DRAM && !v->flow;
}

/* Walks the segments of an access, which begin at `g`: their order, and who wrote them all. */
static bool walk(prover *v, uint32_t at, uint8_t queue, const dtq_access *a, dtq_segment *g, uint32_t *writer) {
    bool ready = !(a->mode & DTQ_READS) || starts_written(v, a);
    *writer = g->writer;
    for (; g && g->start < a->address + a->bytes; g = g->next[0]) {
        if (g->writer != DTQ_NOBODY && !is_ordered(v, g->writer, queue))
            return report_race(v, g->writer, at, a, g->start);
        if (g->writer == DTQ_NOBODY && !ready)
            return report_unwritten(v, at, a, g->start);
        if (g->writer != *writer)
            *writer = SEVERAL;
        for (const dtq_reader *r = g->readers; (a->mode & DTQ_WRITES) && r; r = r->next)
            if (!is_ordered(v, r->instr, queue))
                return report_race(v, r->instr, at, a, g->start);
        if (!(a->mode & DTQ_WRITES) && !dtq_segments_read(v->memories[a->memory], g, at, queue))
            return no_memory(v, DTQ_SEGMENT_BYTES);
    }
    return true;
}

/* Whether ids are complete before the write: those of the heads of a layer that choose for themselves come one by one.
 */
static bool has_ids(const prover *v, uint32_t at, const dtq_access *a, uint32_t before) {
    const bool continues = v->stream->instrs[at].op == DTQ_OP_CHOOSE_HEAD && before < v->stream->count &&
                           v->stream->instrs[before].op == DTQ_OP_CHOOSE_HEAD;
    return starts_written(v, a) || (before != DTQ_NOBODY && !continues);
}

static bool write(prover *v, uint32_t at, const dtq_access *a, uint32_t before) {
    dtq_error why;
    if (a->memory == DTQ_MEM_IDS && has_ids(v, at, a, before))
        return report_step(v, at, "the ids of this layer are there already");
    if (v->flow && !dtq_dataflow_write(v->flow, at, a, before, &why))
        return report_step(v, at, why.message);
    dtq_segments_write(v->memories[a->memory], a->address, a->address + a->bytes, at);
    return true;
}

static bool touch(prover *v, uint32_t at, uint8_t queue, const dtq_access *a) {
    uint32_t writer;
    dtq_segment *g = dtq_segments_cut(v->memories[a->memory], a->address, a->address + a->bytes);
    if (!g)
        return no_memory(v, DTQ_SEGMENT_BYTES);
    if (!walk(v, at, queue, a, g, &writer))
        return false;
    const char *wanted = v->flow && (a->mode & DTQ_READS) ? dtq_dataflow_read(v->flow, at, a, writer) : NULL;
    if (wanted)
        return report_mismatch(v, at, a, writer, wanted);
    return !(a->mode & DTQ_WRITES) || write(v, at, a, writer);
}

static bool step(prover *v, uint32_t at) {
    const dtq_instr *in = &v->stream->instrs[at];
    dtq_access accesses[DTQ_ACCESS_MAX];
    unsigned count = dtq_accesses(v->program, v->stream, in, accesses);
    for (unsigned k = 0; k < count; k++)
        if (accesses[k].bytes && !touch(v, at, in->queue, &accesses[k]))
            return false;
    uint64_t missing = 0;
    const char *wrong = v->flow ? dtq_dataflow_step(v->flow, at, &missing) : NULL;
    return wrong ? report_step(v, at, wrong) : !missing || no_memory(v, missing);
}

/* What is in DRAM before the run. */
static bool begin_memory(prover *v) {
    const dtq_stream *s = v->stream;
    dtq_segments *dram = v->memories[DTQ_MEM_DRAM];
    for (size_t i = 0; i < v->flow->lasting.count; i++) {
        const dtq_lasting *r = &v->flow->lasting.regions[i];
        bool cached = r->kind != DTQ_LASTS_OUTPUT && s->layers[r->layer].cached;
        if (!cached || !r->bytes)
            continue;
        if (!dtq_segments_cut(dram, r->start, r->start + r->bytes))
            return no_memory(v, DTQ_SEGMENT_BYTES);
        dtq_segments_write(dram, r->start, r->start + r->bytes, (uint32_t)DTQ_FROM_CACHE);
    }
    for (unsigned i = 0; s->input == DTQ_INPUT_QKV && i < 3; i++) {
        uint64_t start = s->input_at[i], end = start + dtq_input_bytes(s, i);
        if (!dtq_segments_cut(dram, start, end))
            return no_memory(v, DTQ_SEGMENT_BYTES);
        dtq_segments_write(dram, start, end, (uint32_t)DTQ_FROM_INPUT + i);
    }
    return true;
}

/* What the run has left in DRAM is whole. */
static bool end_memory(prover *v) {
    const dtq_stream *s = v->stream;
    if (!dtq_dataflow_end(v->flow, v->error))
        return false;
    const dtq_access output = {DTQ_MEM_DRAM, DTQ_READS, s->output_at, dtq_output_bytes(s)};
    dtq_segment *g = dtq_segments_cut(v->memories[DTQ_MEM_DRAM], output.address, output.address + output.bytes);
    if (!g)
        return no_memory(v, DTQ_SEGMENT_BYTES);
    uint32_t writer = g->writer;
    for (; g && g->start < output.address + output.bytes; g = g->next[0])
        writer = g->writer == writer ? writer : SEVERAL;
    const char *wanted = dtq_dataflow_output(v->flow, &output, writer);
    char who[288];
    return !wanted || dtq_fail(v->error, DTQ_BAD_PROGRAM, "the output at 0x%" PRIx64 " must be %s, but %s",
                               output.address, wanted, tell_writer(v, writer, who, sizeof who));
}

static bool prove(prover *v) {
    const dtq_stream *s = v->stream;
    if (!check_balance(v) || (v->flow && !begin_memory(v)))
        return false;
    for (uint32_t i = 0; i < s->count; i++) {
        const dtq_instr *in = &s->instrs[i];
        if (in->op == DTQ_OP_WAIT ? !take_token(v, i, in) : !step(v, i))
            return false;
        v->clock[(size_t)in->queue * v->queues + in->queue] = i + 1;
        if (in->op == DTQ_OP_SIGNAL && !put_token(v, i, in))
            return false;
    }
    return !v->flow || end_memory(v);
}

bool dtq_hazards_check(const dtq_program *p, const dtq_stream *s, dtq_dataflow *flow, dtq_error *e) {
    prover v = {.program = p, .stream = s, .error = e, .spare = NONE, .flow = flow};
    v.queues = DTQ_ARRAY0 + (unsigned)dtq_machine_arrays(p->machine);
    size_t pairs = (size_t)v.queues * v.queues;
    v.clock = calloc(pairs, sizeof *v.clock);
    v.channels = malloc(pairs * sizeof *v.channels);
    bool memory = v.clock && v.channels;
    for (size_t c = 0; memory && c < pairs; c++)
        v.channels[c] = (channel){NONE, NONE};
    for (unsigned m = 0; m < DTQ_MEMORIES; m++) {
        v.memories[m] = dtq_segments_new();
        memory &= v.memories[m] != NULL;
    }
    bool ok = memory ? prove(&v)
                     : no_memory(&v, pairs * (sizeof *v.clock + sizeof *v.channels) + DTQ_MEMORIES * DTQ_SEGMENT_BYTES);
    for (unsigned m = 0; m < DTQ_MEMORIES; m++)
        dtq_segments_free(v.memories[m]);
    free(v.clock);
    free(v.channels);
    free(v.tokens);
    free(v.stamps);
    return ok;
}
