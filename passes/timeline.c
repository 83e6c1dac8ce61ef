/* timeline (analysis): start, busy and done of every instruction, the static cycle count.
 *
 * Time is a max-plus system over in-order queues joined by tokens (runtime/sim/TIMING.md): an instruction starts when
 * its queue is free and its timed tokens are there. One walk in list order computes it. The simulator arrives at the
 * same numbers by running the queues; tests hold the two to each other. */
#include <math.h>
#include <string.h>

#include "passes/cost.h"
#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/pass_list.h"

/** Completion times of tokens in a channel, first in first out. */
typedef struct {
    uint64_t *stamps;
    size_t head, tail, capacity;
} channel;

typedef struct {
    uint64_t free, waited, last_done;
} queue_state;

typedef struct {
    pass_context *ctx;
    const ir_module *m;
    instr_keys keys;
    layer_info *layers;
    uint32_t queues;
    queue_state *queue;
    channel *channels; /* [from * queues + to] */
    bool check;        /* times are there: they are compared, not set */
} clock_state;

typedef struct {
    uint64_t busy, latency;
} duration;

static bool is_set(const clock_state *s, size_t op, unsigned flag) {
    const char *word = ir_str(s->m, op, flag);
    return word && strcmp(word, "yes") == 0;
}

static duration array_duration(const clock_state *s, size_t op, bool qk, const layer_info *l) {
    uint32_t row = (uint32_t)ir_int(s->m, op, s->keys.row, 0), rows = (uint32_t)ir_int(s->m, op, s->keys.rows, 0);
    uint32_t col = (uint32_t)ir_int(s->m, op, s->keys.col, 0), cols = (uint32_t)ir_int(s->m, op, s->keys.cols, 0);
    unsigned walk =
        (is_set(s, op, s->keys.turned) ? WALK_TURNED : 0) | (is_set(s, op, s->keys.serpentine) ? WALK_SERPENTINE : 0);
    matmul_price p = layer_block_price(s->ctx->cost, &s->m->machine, l, qk, row, rows, col, cols, walk);
    return (duration){p.cycles, p.latency};
}

/** Bytes a load moves; where precision is known only at run time, the expectation over its rows. */
static uint64_t load_bytes(const clock_state *s, size_t op, const layer_info *l) {
    uint32_t row = (uint32_t)ir_int(s->m, op, s->keys.row, 0), rows = (uint32_t)ir_int(s->m, op, s->keys.rows, 0);
    char operand = ir_str(s->m, op, s->keys.operand)[0];
    int index = operand == 'q' ? LAYER_Q : operand == 'k' ? LAYER_K : LAYER_V;
    bool classes = index == LAYER_V && !l->causal;
    if (l->is_static)
        return cost_block_bytes(l->bits[index] + row, rows, l->head_dim, classes);
    uint32_t low_bytes = (l->head_dim + 1) / 2;
    double low = low_bytes, share = (double)l->high / l->slots; /* no slot is muted where precision is not static */
    double row_bytes = share * l->head_dim + (1 - share) * low;
    return (uint64_t)llround(rows * row_bytes) + (classes ? 8ull * l->head_dim : 4ull * rows);
}

/** Bytes of a block of a linear's rows; where precision is known only at run time, the expectation. */
static uint64_t rows_bytes(const clock_state *s, size_t op, const layer_info *l) {
    uint32_t row = (uint32_t)ir_int(s->m, op, s->keys.row, 0), rows = (uint32_t)ir_int(s->m, op, s->keys.rows, 0);
    uint32_t depth = (uint32_t)ir_int(s->m, op, s->keys.depth, 0), low = (depth + 1) / 2;
    if (l->is_static)
        return cost_block_bytes(l->bits[LAYER_Q] + row, rows, depth, false);
    return 4ull * rows + (uint64_t)llround(rows * (low + (double)(depth - low) * l->high / l->slots));
}

static duration matmul_duration(const clock_state *s, size_t op, const layer_info *l) {
    unsigned walk =
        (is_set(s, op, s->keys.turned) ? WALK_TURNED : 0) | (is_set(s, op, s->keys.serpentine) ? WALK_SERPENTINE : 0);
    matmul_price p = layer_linear_price(
        s->ctx->cost, l, (uint32_t)ir_int(s->m, op, s->keys.row, 0), (uint32_t)ir_int(s->m, op, s->keys.rows, 0),
        (uint32_t)ir_int(s->m, op, s->keys.cols, 0), (uint32_t)ir_int(s->m, op, s->keys.depth, 0), walk);
    return (duration){p.cycles, p.latency};
}

static duration duration_of(const clock_state *s, size_t op) {
    const dtq_machine *machine = &s->m->machine;
    const layer_info *l = &s->layers[ir_int(s->m, op, s->keys.layer, 0)];
    uint32_t rows = (uint32_t)ir_int(s->m, op, s->keys.rows, 0);
    switch ((dtq_opcode)IR_ISA_OP(s->m->ops[op].code)) {
    case DTQ_OP_LOAD:
        return (duration){cost_dram(s->ctx->cost, load_bytes(s, op, l)), machine->dram_latency_cycles};
    case DTQ_OP_STORE:
        return (duration){cost_dram(s->ctx->cost, 4ull * rows * l->head_dim), machine->dram_latency_cycles};
    case DTQ_OP_QK:
        return array_duration(s, op, true, l);
    case DTQ_OP_PV:
        return array_duration(s, op, false, l);
    case DTQ_OP_SOFTMAX:
        return (duration){cost_softmax(s->ctx->cost, rows, (uint32_t)ir_int(s->m, op, s->keys.cols, 0)),
                          machine->softmax_latency_cycles};
    case DTQ_OP_IMPORTANCE:
        return (duration){cost_importance(s->ctx->cost, rows, l->keys), 0};
    case DTQ_OP_TOPK: {
        bool select = strcmp(ir_str(s->m, op, s->keys.select), "yes") == 0;
        return (duration){cost_topk(s->ctx->cost, l->keys, select ? l[1].keys : 0, select),
                          machine->topk_latency_cycles};
    }
    case DTQ_OP_LOAD_PROBE:
        return (duration){
            cost_dram(s->ctx->cost, cost_probe_bytes(l->heads / l->kv_heads, s->m->header.seq, l->head_dim)),
            machine->dram_latency_cycles};
    case DTQ_OP_PROBE: {
        cost_result p = cost_probe(s->ctx->cost, l->heads / l->kv_heads, s->m->header.seq, l->head_dim,
                                   is_set(s, op, s->keys.turned) ? WALK_TURNED : 0);
        return (duration){p.cycles, p.latency};
    }
    case DTQ_OP_PROBE_SOFTMAX:
        return (duration){cost_softmax(s->ctx->cost, l->heads / l->kv_heads, s->m->header.seq),
                          machine->softmax_latency_cycles};
    case DTQ_OP_VOTE:
        return (duration){cost_importance(s->ctx->cost, l->heads / l->kv_heads, s->m->header.seq), 0};
    case DTQ_OP_CHOOSE:
        return (duration){cost_topk(s->ctx->cost, s->m->header.seq, l->keys, true), machine->topk_latency_cycles};
    case DTQ_OP_LOAD_ROWS:
        return (duration){cost_dram(s->ctx->cost, rows_bytes(s, op, l)), machine->dram_latency_cycles};
    case DTQ_OP_LOAD_WEIGHTS: {
        uint64_t cols = (uint64_t)ir_int(s->m, op, s->keys.cols, 0);
        uint64_t bytes = cols * (8 + (uint64_t)ir_int(s->m, op, s->keys.depth, 0));
        return (duration){cost_dram(s->ctx->cost, bytes), machine->dram_latency_cycles};
    }
    case DTQ_OP_MATMUL:
        return matmul_duration(s, op, l);
    case DTQ_OP_STORE_ROWS: {
        uint64_t bytes = 4ull * rows * (uint64_t)ir_int(s->m, op, s->keys.cols, 0);
        return (duration){cost_dram(s->ctx->cost, bytes), machine->dram_latency_cycles};
    }
    default:
        return (duration){0, 0}; /* the host is off the clock */
    }
}

static void put(clock_state *s, channel *c, uint64_t stamp) {
    if (c->tail == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 8;
        uint64_t *grown = ARENA_ARRAY(s->ctx->arena, uint64_t, capacity);
        if (c->tail > c->head)
            memcpy(grown, c->stamps + c->head, (c->tail - c->head) * sizeof *grown);
        c->tail -= c->head;
        c->head = 0;
        c->stamps = grown;
        c->capacity = capacity;
    }
    c->stamps[c->tail++] = stamp;
}

static bool put_time(const clock_state *s, ir_module *m, size_t op, unsigned key, uint64_t time) {
    if (!s->check) {
        ir_set_int(m, op, key, (int64_t)time);
        return true;
    }
    int64_t said = ir_int(m, op, key, -1);
    return said == (int64_t)time ||
           diag_error(s->ctx->diag, m->ops[op].loc,
                      "`%s` says %s = %lld, and by all instructions before it this is %lld; have timeline compute the "
                      "times anew (dtqc opt --passes=timeline)",
                      ir_info((ir_opcode)m->ops[op].code)->spelling, ir_key_get(key)->name, (long long)said,
                      (long long)time);
}

static bool step(clock_state *s, ir_module *m, size_t op) {
    uint32_t number = (uint32_t)ir_int(m, op, IR_KEY_queue, 0);
    queue_state *q = &s->queue[number];
    dtq_opcode code = (dtq_opcode)IR_ISA_OP(m->ops[op].code);
    if (code == DTQ_OP_SIGNAL) {
        uint32_t to = (uint32_t)ir_int(m, op, s->keys.to, 0);
        put(s, &s->channels[number * s->queues + to], q->last_done);
        return true;
    }
    if (code == DTQ_OP_WAIT) {
        uint32_t from = (uint32_t)ir_int(m, op, s->keys.from, 0);
        channel *c = &s->channels[from * s->queues + number];
        if (c->head == c->tail)
            return diag_error(s->ctx->diag, m->ops[op].loc,
                              "a wait has no signal before it in the list; run insert-sync "
                              "on a module without tokens");
        uint64_t stamp = c->stamps[c->head++];
        if (strcmp(ir_str(m, op, s->keys.untimed), "yes") != 0 && stamp > q->waited)
            q->waited = stamp;
        return true;
    }
    duration d = duration_of(s, op);
    uint64_t start = q->free > q->waited ? q->free : q->waited;
    q->free = start + d.busy;
    uint64_t done = q->free + d.latency;
    q->last_done = done > q->last_done ? done : q->last_done; /* queues complete in order */
    return put_time(s, m, op, IR_KEY_start, start) && put_time(s, m, op, IR_KEY_busy, d.busy) &&
           put_time(s, m, op, IR_KEY_done, done);
}

static bool walk(pass_context *ctx, ir_module *m, bool check) {
    clock_state s = {.ctx = ctx,
                     .m = m,
                     .keys = instr_keys_find(),
                     .queues = DTQ_ARRAY0 + (uint32_t)m->machine.vssa_arrays,
                     .check = check};
    uint32_t layers = 0;
    for (size_t op = 0; op < m->op_count; op++)
        layers += m->ops[op].code == IR_LAYER;
    s.layers = ARENA_ARRAY(ctx->arena, layer_info, layers + 2);
    s.queue = ARENA_ARRAY(ctx->arena, queue_state, s.queues);
    s.channels = ARENA_ARRAY(ctx->arena, channel, (size_t)s.queues * s.queues);
    /* In a text that somebody edited a layer may stand behind what refers to it. */
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_LAYER) {
            layer_info l = layer_read(ctx->arena, m, op);
            s.layers[l.index] = l;
        }
    for (size_t op = 0; op < m->op_count; op++)
        if (ir_is_instr((ir_opcode)m->ops[op].code) && !step(&s, m, op))
            return false;
    return true;
}

bool pass_timeline(pass_context *ctx, ir_module **module) {
    return walk(ctx, *module, false);
}

bool times_hold(pass_context *ctx, ir_module *m) {
    return walk(ctx, m, true);
}
