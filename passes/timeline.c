/* timeline (analysis): start, busy and done of every instruction, the static cycle count.
 *
 * Time is a max-plus system over in-order queues joined by tokens (runtime/sim/TIMING.md): an instruction starts when
 * its queue is free and its timed tokens are there. One walk in list order computes it. The simulator arrives at the
 * same numbers by running the queues; tests hold the two to each other. */
#include <math.h>
#include <string.h>

#include "passes/cost.h"
#include "passes/cost_streamed.h"
#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/pass_list.h"
#include "runtime/machine_members.h"

enum { MEMO_BITS = 11, MEMO_VALUES = 10 };

typedef struct {
    uint64_t busy, latency;
} duration;

/** Work of which the duration is known: heads and layers that are alike take the same time. Of an instruction all
 * counts that are a field of it, and the layer that its own is like; not which head it works for. */
typedef struct {
    uint64_t value[MEMO_VALUES];
    uint32_t count; /* of values; 0: nothing is here */
    duration d;
} memo_entry;

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
    arena *scratch;
    const ir_module *m;
    instr_keys keys;
    layer_info *layers;
    uint32_t *like; /* by layer: the first that it is like */
    uint32_t layer_count;
    memo_entry *memo; /* [1 << MEMO_BITS] */
    bool *is_beside;  /* by key: says nothing of how long an instruction takes */
    uint32_t queues;
    queue_state *queue;
    channel *channels; /* [from * queues + to] */
} clock_state;

static bool is_set(const clock_state *s, size_t op, unsigned flag) {
    const ir_attr *word = ir_get(s->m, op, flag);
    return word && *word->s == 'y' && strcmp(word->s, "yes") == 0;
}

static duration array_duration(const clock_state *s, size_t op, bool qk, const layer_info *l) {
    uint32_t row = (uint32_t)ir_int(s->m, op, s->keys.row, 0), rows = (uint32_t)ir_int(s->m, op, s->keys.rows, 0);
    uint32_t col = (uint32_t)ir_int(s->m, op, s->keys.col, 0), cols = (uint32_t)ir_int(s->m, op, s->keys.cols, 0);
    unsigned walk =
        (is_set(s, op, s->keys.turned) ? WALK_TURNED : 0) | (is_set(s, op, s->keys.serpentine) ? WALK_SERPENTINE : 0);
    matmul_price p = layer_block_price(s->ctx->cost, s->m->machine, l, qk, row, rows, col, cols, walk);
    return (duration){p.cycles, p.latency};
}

/** Bytes a load moves; where precision is known only at run time, the expectation over its rows. */
static uint64_t load_bytes(const clock_state *s, size_t op, const layer_info *l) {
    uint32_t row = (uint32_t)ir_int(s->m, op, s->keys.row, 0), rows = (uint32_t)ir_int(s->m, op, s->keys.rows, 0);
    char operand = ir_str(s->m, op, s->keys.operand)[0];
    int index = operand == 'q' ? LAYER_Q : operand == 'k' ? LAYER_K : LAYER_V;
    bool classes = index == LAYER_V && !l->folds;
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

/** Of a layer that streams. */
static duration seen_duration(const clock_state *s, size_t op, const layer_info *l) {
    const dtq_machine *machine = s->m->machine;
    const dtq_streaming *r = &l->streaming;
    const dtq_seen b = dtq_seen_by(r, l->slots, (uint32_t)ir_int(s->m, op, s->keys.row, 0),
                                   (uint32_t)ir_int(s->m, op, s->keys.rows, 0));
    const dtq_opcode code = (dtq_opcode)IR_ISA_OP(s->m->ops[op].code);
    switch (code) {
    case DTQ_OP_LOAD_SEEN:
        return (duration){cost_dram(s->ctx->cost, dtq_seen_load_bytes(r, l->head_dim, &b,
                                                                      ir_str(s->m, op, s->keys.operand)[0] == 'q')),
                          machine->dram_latency_cycles};
    case DTQ_OP_SOFTMAX_SEEN:
        return (duration){cost_softmax(s->ctx->cost, b.rows, b.near + b.far), machine->softmax_latency_cycles};
    case DTQ_OP_VOTE_SEEN:
        return (duration){cost_importance(s->ctx->cost, b.rows, r->window), 0};
    case DTQ_OP_KEEP:
        return (duration){cost_topk(s->ctx->cost, r->window, r->kept, true), machine->topk_latency_cycles};
    default: {
        const cost_result c = cost_seen(s->ctx->cost, r, &b, l->head_dim, (unsigned)machine->top_prob_bits,
                                        code == DTQ_OP_QK_SEEN, is_set(s, op, s->keys.turned) ? WALK_TURNED : 0);
        return (duration){c.cycles, c.latency};
    }
    }
}

static duration duration_of(const clock_state *s, size_t op) {
    const dtq_machine *machine = s->m->machine;
    const layer_info *l = &s->layers[ir_int(s->m, op, s->keys.layer, 0)];
    uint32_t row = (uint32_t)ir_int(s->m, op, s->keys.row, 0), rows = (uint32_t)ir_int(s->m, op, s->keys.rows, 0);
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
        return (duration){layer_softmax_cycles(machine, l, row, rows, (uint32_t)ir_int(s->m, op, s->keys.col, 0),
                                               (uint32_t)ir_int(s->m, op, s->keys.cols, 0)),
                          machine->softmax_latency_cycles};
    case DTQ_OP_IMPORTANCE:
        return (duration){layer_importance_cycles(machine, l, row, rows), 0};
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
    case DTQ_OP_CHOOSE_HEAD:
        return (duration){cost_choose_head(s->ctx->cost, l->heads / l->kv_heads, s->m->header.seq, l->keys),
                          machine->topk_latency_cycles};
    case DTQ_OP_CHOOSE_LATE:
        return (duration){cost_choose_head(s->ctx->cost, 0, s->m->header.seq, l->keys), machine->topk_latency_cycles};
    case DTQ_OP_LOAD_SEEN:
    case DTQ_OP_QK_SEEN:
    case DTQ_OP_SOFTMAX_SEEN:
    case DTQ_OP_PV_SEEN:
    case DTQ_OP_VOTE_SEEN:
    case DTQ_OP_KEEP:
        return seen_duration(s, op, l);
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
        uint64_t *grown = ARENA_ARRAY(s->scratch, uint64_t, capacity);
        if (c->tail > c->head)
            memcpy(grown, c->stamps + c->head, (c->tail - c->head) * sizeof *grown);
        c->tail -= c->head;
        c->head = 0;
        c->stamps = grown;
        c->capacity = capacity;
    }
    c->stamps[c->tail++] = stamp;
}

/** What the duration of `op` depends on, or false if that is more than is noted. */
static bool describe_work(const clock_state *s, size_t op, memo_entry *out) {
    const ir_op *o = &s->m->ops[op];
    const ir_attr *attrs = o->attr_count ? &s->m->attrs[o->attrs] : NULL;
    out->value[0] = o->code;
    out->count = 1;
    if (o->code == IR_I_TOPK)
        return false; /* it selects for the layer behind its own */
    for (unsigned i = 0; i < o->attr_count; i++) {
        const ir_attr *attr = &attrs[i];
        if (s->is_beside[attr->key])
            continue;
        if (out->count + 1 >= MEMO_VALUES || attr->kind == IR_KIND_REAL)
            return false;
        if (attr->key == s->keys.layer && (attr->i < 0 || attr->i >= s->layer_count))
            return false;
        uint64_t value = attr->key == s->keys.layer                                ? s->like[attr->i]
                         : attr->kind == IR_KIND_WORD || attr->kind == IR_KIND_STR ? (uintptr_t)attr->s
                                                                                   : (uint64_t)attr->i;
        out->value[out->count++] = value ^ (uint64_t)attr->key << 48;
    }
    return true;
}

/** duration_of, once for work that is alike. */
static duration duration_known(clock_state *s, size_t op) {
    memo_entry work;
    if (!describe_work(s, op, &work))
        return duration_of(s, op);
    uint64_t hash = 0;
    for (uint32_t i = 0; i < work.count; i++)
        hash = (hash ^ work.value[i]) * UINT64_C(0x9e3779b97f4a7c15);
    memo_entry *known = &s->memo[hash >> (64 - MEMO_BITS)];
    if (known->count != work.count || memcmp(known->value, work.value, work.count * sizeof *work.value) != 0) {
        work.d = duration_of(s, op);
        *known = work;
    }
    return known->d;
}

/** Which layers are like an earlier one, and which keys say nothing of time. */
static void find_alike(clock_state *s) {
    arena *a = s->scratch;
    static const ir_key beside[] = {IR_KEY_queue, IR_KEY_source, IR_KEY_start, IR_KEY_busy, IR_KEY_done};
    s->like = ARENA_ARRAY(a, uint32_t, s->layer_count + 1);
    for (uint32_t i = 1; i < s->layer_count; i++)
        s->like[i] = layer_alike(&s->layers[i], &s->layers[i - 1]) ? s->like[i - 1] : i;
    s->is_beside = ARENA_ARRAY(a, bool, ir_key_count());
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        s->is_beside[beside[i]] = true;
    s->is_beside[s->keys.head] = true;
    s->memo = ARENA_ARRAY(a, memo_entry, (size_t)1 << MEMO_BITS);
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
        if (stamp > q->waited && !is_set(s, op, s->keys.untimed))
            q->waited = stamp;
        return true;
    }
    duration d = duration_known(s, op);
    uint64_t start = q->free > q->waited ? q->free : q->waited;
    q->free = start + d.busy;
    uint64_t done = q->free + d.latency;
    q->last_done = done > q->last_done ? done : q->last_done; /* queues complete in order */
    const unsigned keys[] = {IR_KEY_start, IR_KEY_busy, IR_KEY_done};
    const int64_t times[] = {(int64_t)start, (int64_t)d.busy, (int64_t)done};
    ir_set_new_ints(m, op, keys, times, 3);
    return true;
}

bool pass_timeline(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    arena *scratch = arena_new();
    clock_state s = {.ctx = ctx,
                     .scratch = scratch,
                     .m = m,
                     .keys = instr_keys_find(),
                     .queues = DTQ_ARRAY0 + (uint32_t)m->machine->vssa_arrays};
    for (size_t op = 0; op < m->op_count; op++)
        s.layer_count += m->ops[op].code == IR_LAYER;
    s.layers = ARENA_ARRAY(scratch, layer_info, s.layer_count + 2);
    s.queue = ARENA_ARRAY(scratch, queue_state, s.queues);
    s.channels = ARENA_ARRAY(scratch, channel, (size_t)s.queues * s.queues);
    /* In a text that somebody edited a layer may stand behind what refers to it. */
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_LAYER) {
            layer_info l = layer_read(scratch, m, op);
            s.layers[l.index] = l;
        }
    find_alike(&s);
    bool good = true;
    for (size_t op = 0; op < m->op_count && good; op++)
        good = !ir_is_instr((ir_opcode)m->ops[op].code) || step(&s, m, op);
    arena_free(scratch);
    return good;
}
