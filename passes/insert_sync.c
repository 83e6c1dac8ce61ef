/* insert-sync: dependency tokens between queues, computed from what instructions touch.
 *
 * Two accesses that overlap in a buffer, in DRAM or in a token-id table, one of them a write, must happen in the order
 * of the instruction list. Inside a queue they do; across queues the later one waits for a token of the earlier one. A
 * queue that has waited for an instruction has waited for all before it in that queue, and for all that those had
 * waited for: so a token is made only if no chain of tokens implies it, and tokens of a channel are put and taken in
 * the same order. Chains through untimed tokens order execution but not time, so nothing is left out on their account.
 */
#include <string.h>

#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/pass_list.h"
#include "passes/spaces.h"
#include "runtime/machine_members.h"

enum { SPACE_IDS = SPACE_DRAM + 1, SYNC_SPACES, LAYER_REGION_OUT = 6, LAYER_REGION_IMPORTANCE = 7, LANES = 4 };

/** Last accesses of a range of addresses. */
typedef struct {
    uint64_t lo, hi;
    uint32_t writer;   /* op, or UINT32_MAX */
    uint32_t *readers; /* since then: the last op of each queue that read */
    uint32_t reader_count, capacity;
} segment;

typedef struct {
    segment *segments; /* ascending, disjoint */
    size_t count, capacity;
} space_map;

/** Where a buffer lies. */
typedef struct {
    int space;
    uint32_t hint; /* which segment it was when it was touched last: mostly it still is */
    uint64_t address, bytes;
} memory;

/** A token: an instruction of queue `from` signals it, one of queue `to` waits for it. Tokens are numbered from 1. */
typedef struct {
    uint32_t next_wait, next_signal; /* another token that the same instruction waits for, or signals; 0: none */
    uint8_t from, to;
} token;

/** How a layer chooses its tokens. */
typedef struct {
    bool at_all, late, by_head; /* by itself; between softmax and P.V; each key/value head */
    uint32_t group;             /* query heads that share one of these */
} layer_choice;

typedef struct {
    arena *scratch; /* of everything here; it goes before the next pass needs memory */
    const ir_module *m;
    instr_keys keys;
    space_map spaces[SYNC_SPACES];
    uint32_t *known;  /* [queues * room] last op of queue b that queue a knows to be complete, +1; 0: none */
    uint32_t *direct; /* the same by untimed tokens of the channel b -> a itself */
    uint32_t *
        *snapshot; /* by op: what its queue knew when it started, shared by ops between which nothing was learnt */
    uint32_t **snapshot_of_queue; /* [queues] the newest */
    uint32_t *latest;  /* [queues] of the op under way: the last op of that queue it depends on, +1; 0: none */
    uint32_t *touched; /* queues whose `latest` is not 0 */
    uint32_t touched_count;
    uint32_t queues, room; /* room: queues up to a multiple of LANES */
    token *tokens;         /* [token_count + 1] */
    size_t token_count, token_capacity;
    uint32_t *waits, *signals;                     /* by op: the token made last, 0: none */
    uint8_t *queue;                                /* by op */
    memory *memories;                              /* by value */
    unsigned access[DTQ_OP_COUNT][DTQ_FIELDS_MAX]; /* of each buffer operand, as instr_access says */
    const uint32_t *layer_ops;                     /* op index of each layer */
    const layer_choice *chooses;                   /* by layer */
    bool any_probes;
    uint32_t layer_count;
} sync_state;

/** The host's work is off the accelerator's clock unless the target says otherwise: with `prefetch: ids` the next
 * layer's loads wait, in time, for the token ids alone. Where the arrays compute the linears there is no such time, nor
 * where a layer's own queries and keys choose its tokens: they are of the output of the layer before. */
static bool is_untimed(const sync_state *s, uint32_t from, uint32_t to) {
    const ir_module *m = s->m;
    return !s->any_probes && m->machine->top_prefetch == DTQ_PREFETCH_IDS &&
           m->machine->top_linear == DTQ_LINEAR_HOST && to == DTQ_HOST && from != DTQ_TOPK;
}

static uint32_t queue_of(const sync_state *s, size_t op) {
    return s->queue[op];
}

static void add_token(sync_state *s, size_t from_op, size_t to_op) {
    if (s->token_count + 1 >= s->token_capacity) {
        size_t capacity = s->token_capacity ? 2 * s->token_capacity : 1024;
        s->tokens = arena_resize(s->scratch, s->tokens, s->token_capacity * sizeof(token), capacity * sizeof(token));
        s->token_capacity = capacity;
    }
    uint32_t number = (uint32_t)++s->token_count;
    s->tokens[number] = (token){.next_wait = s->waits[to_op],
                                .next_signal = s->signals[from_op],
                                .from = s->queue[from_op],
                                .to = s->queue[to_op]};
    s->waits[to_op] = s->signals[from_op] = number;
}

/** The instruction under way may not start before `earlier` is complete. */
static void depend(sync_state *s, uint32_t earlier) {
    uint32_t queue = queue_of(s, earlier);
    if (!s->latest[queue])
        s->touched[s->touched_count++] = queue;
    if (s->latest[queue] <= earlier)
        s->latest[queue] = earlier + 1;
}

/** `room`: of queues, a multiple of LANES, so that a compiler compares as many at once; signed, as processors do, for
 * there are fewer than 2^31 ops. */
static void learn(uint32_t *restrict known, const uint32_t *restrict more, uint32_t room) {
    for (; room > 0; room -= LANES, known += LANES, more += LANES) {
        int32_t latest[LANES];
        for (int i = 0; i < LANES; i++)
            latest[i] = (int32_t)more[i] > (int32_t)known[i] ? (int32_t)more[i] : (int32_t)known[i];
        memcpy(known, latest, sizeof latest);
    }
}

/** The dependence of the instruction under way that lies furthest back in the list, as op + 1; 0 if none is left. */
static uint32_t take_latest(sync_state *s, uint32_t *from) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->touched_count; i++)
        if (s->latest[s->touched[i]] > s->latest[s->touched[best]])
            best = i;
    if (!s->touched_count)
        return 0;
    *from = s->touched[best];
    s->touched[best] = s->touched[--s->touched_count];
    uint32_t latest = s->latest[*from];
    s->latest[*from] = 0;
    return latest;
}

/** Turns the dependences of `op` into tokens, latest first: they tell most. */
static void make_tokens(sync_state *s, size_t op) {
    uint32_t to = queue_of(s, op), from = 0;
    uint32_t *known = &s->known[to * s->room], *before = s->snapshot_of_queue[to];
    bool learnt = false;
    for (uint32_t latest; (latest = take_latest(s, &from)) != 0;) {
        uint32_t *direct = &s->direct[to * s->queues + from];
        if (from == to || known[from] >= latest || *direct >= latest)
            continue;
        add_token(s, latest - 1, op);
        if (is_untimed(s, from, to)) {
            *direct = latest;
            continue;
        }
        known[from] = latest;
        if (s->snapshot[latest - 1])
            learn(known, s->snapshot[latest - 1], s->room);
        learnt = true;
    }
    if (learnt || !before) {
        before = ARENA_ARRAY(s->scratch, uint32_t, s->room);
        memcpy(before, known, s->room * sizeof *before);
        s->snapshot_of_queue[to] = before;
    }
    s->snapshot[op] = before;
}

/** First segment that ends after `lo`. */
static size_t find_segment(const space_map *map, uint64_t lo) {
    size_t a = 0, b = map->count;
    while (a < b) {
        size_t mid = (a + b) / 2;
        if (map->segments[mid].hi <= lo)
            a = mid + 1;
        else
            b = mid;
    }
    return a;
}

static segment *insert_segment(sync_state *s, space_map *map, size_t at, segment value) {
    if (map->count == map->capacity) {
        size_t capacity = map->capacity ? 2 * map->capacity : 16;
        segment *grown = ARENA_ARRAY(s->scratch, segment, capacity);
        if (map->count)
            memcpy(grown, map->segments, map->count * sizeof *grown);
        map->segments = grown;
        map->capacity = capacity;
    }
    memmove(&map->segments[at + 1], &map->segments[at], (map->count - at) * sizeof value);
    map->segments[at] = value;
    map->count++;
    return &map->segments[at];
}

/** Cuts the segment that contains `address` in two there, so that no segment straddles it. */
static void split_at(sync_state *s, space_map *map, uint64_t address) {
    size_t i = find_segment(map, address);
    if (i == map->count || map->segments[i].lo >= address)
        return;
    segment upper = map->segments[i];
    upper.lo = address;
    upper.readers = ARENA_ARRAY(s->scratch, uint32_t, upper.capacity + 1);
    if (upper.reader_count)
        memcpy(upper.readers, map->segments[i].readers, upper.reader_count * sizeof(uint32_t));
    map->segments[i].hi = address;
    insert_segment(s, map, i + 1, upper);
}

/** False if the queue of `op` has read the segment before since it was written: whoever reads it in this queue knows
 *  the writer to be complete, for queues are in order. */
static bool add_reader(sync_state *s, segment *g, uint32_t op) {
    const uint8_t queue = s->queue[op];
    for (uint32_t i = 0; i < g->reader_count; i++)
        if (s->queue[g->readers[i]] == queue) {
            g->readers[i] = op;
            return false;
        }
    if (g->reader_count == g->capacity) {
        uint32_t capacity = g->capacity ? 2 * g->capacity : 4;
        uint32_t *grown = ARENA_ARRAY(s->scratch, uint32_t, capacity);
        if (g->reader_count)
            memcpy(grown, g->readers, g->reader_count * sizeof *grown);
        g->readers = grown;
        g->capacity = capacity;
    }
    g->readers[g->reader_count++] = op;
    return true;
}

/** Makes one of segments [first, end), which are neighbours and have one writer and the same readers: what is written
 * as a whole is mostly read as a whole, and a map stays as small as there are buffers. */
static void join(space_map *map, size_t first, size_t end) {
    if (end - first < 2)
        return;
    map->segments[first].hi = map->segments[end - 1].hi;
    memmove(&map->segments[first + 1], &map->segments[end], (map->count - end) * sizeof *map->segments);
    map->count -= end - first - 1;
}

static bool is_segment(const space_map *map, size_t i, uint64_t lo, uint64_t hi) {
    return i < map->count && map->segments[i].lo == lo && map->segments[i].hi == hi;
}

/** `hint`: where to look for its segment first; becomes where it was. */
static void access_range(sync_state *s, size_t op, int space, uint64_t lo, uint64_t bytes, unsigned access,
                         uint32_t *hint) {
    space_map *map = &s->spaces[space];
    uint64_t hi = lo + bytes;
    if (!bytes || !access)
        return;
    size_t i = *hint;
    if (!is_segment(map, i, lo, hi))
        i = find_segment(map, lo);
    if (!is_segment(map, i, lo, hi)) { /* most are the same as before */
        split_at(s, map, lo);
        split_at(s, map, hi);
        i = find_segment(map, lo);
    }
    const size_t first = i;
    *hint = (uint32_t)i;
    uint64_t at = lo;
    while (at < hi) { /* visit covered segments and fill the gaps between them */
        if (i == map->count || map->segments[i].lo > at) {
            uint64_t end = i < map->count && map->segments[i].lo < hi ? map->segments[i].lo : hi;
            insert_segment(s, map, i, (segment){.lo = at, .hi = end, .writer = UINT32_MAX});
        }
        segment *g = &map->segments[i++];
        at = g->hi;
        if (access == ACCESS_READ) {
            if (add_reader(s, g, (uint32_t)op) && g->writer != UINT32_MAX)
                depend(s, g->writer);
            continue;
        }
        if (g->writer != UINT32_MAX)
            depend(s, g->writer);
        for (uint32_t r = 0; r < g->reader_count; r++)
            depend(s, g->readers[r]);
        g->reader_count = 0;
        g->writer = (uint32_t)op;
        if (access & ACCESS_READ)
            add_reader(s, g, (uint32_t)op);
    }
    if (access & ACCESS_WRITE)
        join(map, first, i);
}

/** Token ids: those of a layer, at its number, or those that ids_of says. */
static void access_ids(sync_state *s, size_t op, uint64_t at, unsigned access) {
    uint32_t hint = (uint32_t)at; /* layers are met in their order */
    access_range(s, op, SPACE_IDS, at, 1, access, &hint);
}

static void access_value(sync_state *s, size_t op, ir_value v, unsigned access) {
    if (v == IR_NONE)
        return;
    memory *at = &s->memories[v];
    access_range(s, op, at->space, at->address, at->bytes, access, &at->hint);
}

static void access_region(sync_state *s, size_t op, uint32_t layer, size_t region, unsigned access) {
    access_value(s, op, ir_operand(s->m, s->layer_ops[layer], region), access);
}

static void access_operand_region(sync_state *s, size_t op, uint32_t layer, unsigned access) {
    const char *operand = ir_str(s->m, op, s->keys.operand);
    size_t index = operand[0] == 'q' ? 0 : operand[0] == 'k' ? 1 : 2;
    access_region(s, op, layer, index, access);
    access_region(s, op, layer, index + 3, access);
}

/** Whether the instruction goes by the ids of its layer. */
static bool reads_ids(const sync_state *s, size_t op, dtq_opcode code, uint32_t layer) {
    const unsigned touches = dtq_op_touches[code];
    if (s->chooses[layer].late)
        return touches & DTQ_READS_VALUES && (code != DTQ_OP_LOAD || *ir_str(s->m, op, s->keys.operand) == 'v');
    return touches & DTQ_READS_SLOTS || (touches & DTQ_READS_TOKENS && !s->chooses[layer].at_all);
}

/** Where the ids stand that an instruction goes by, or makes: heads that choose late have each its own. */
static uint64_t ids_of(const sync_state *s, size_t op, dtq_opcode code, uint32_t layer) {
    const layer_choice *c = &s->chooses[layer];
    const uint64_t head = c->late && c->by_head ? (uint64_t)ir_int(s->m, op, s->keys.head, 0) : 0;
    return layer + s->layer_count * (code == DTQ_OP_PV ? head / c->group : head);
}

/** What the instruction touches beside its buffer operands: regions of its layer and token-id tables, by its row of
 * isa.def. */
static void access_implicit(sync_state *s, size_t op, dtq_opcode code, uint32_t layer) {
    const unsigned touches = dtq_op_touches[code];
    if (reads_ids(s, op, code, layer))
        access_ids(s, op, ids_of(s, op, code, layer), ACCESS_READ);
    if (touches & DTQ_READS_OPERAND)
        access_operand_region(s, op, layer, ACCESS_READ);
    if (touches & DTQ_WRITES_OPERAND)
        access_operand_region(s, op, layer, ACCESS_WRITE);
    if (touches & DTQ_WRITES_OUT)
        access_region(s, op, layer, LAYER_REGION_OUT, ACCESS_WRITE);
    if (touches & DTQ_WRITES_IMPORTANCE)
        access_region(s, op, layer, LAYER_REGION_IMPORTANCE, ACCESS_WRITE);
    if (touches & DTQ_WRITES_CHOICE)
        access_ids(s, op, ids_of(s, op, code, layer), ACCESS_WRITE);
    if (touches & DTQ_WRITES_NEXT && strcmp(ir_str(s->m, op, s->keys.select), "yes") == 0)
        access_ids(s, op, layer + 1, ACCESS_WRITE);
}

static void visit(sync_state *s, size_t op) {
    dtq_opcode code = (dtq_opcode)IR_ISA_OP(s->m->ops[op].code);
    int64_t layer = ir_int(s->m, op, s->keys.layer, -1);
    if (layer >= 0 && layer < s->layer_count)
        access_implicit(s, op, code, (uint32_t)layer);
    for (size_t i = 0; i < s->m->ops[op].operand_count; i++)
        access_value(s, op, ir_operand(s->m, op, i), s->access[code][i]);
    make_tokens(s, op);
}

/** Looks up once what every access asks for: queues of instructions and places of buffers. */
static void find_places(sync_state *s) {
    const ir_module *m = s->m;
    s->queue = ARENA_ARRAY(s->scratch, uint8_t, m->op_count + 1);
    s->memories = ARENA_ARRAY(s->scratch, memory, m->value_count + 1);
    for (size_t op = 0; op < m->op_count; op++)
        if (ir_is_instr((ir_opcode)m->ops[op].code))
            s->queue[op] = (uint8_t)ir_int(m, op, IR_KEY_queue, 0);
        else if (m->ops[op].code == IR_BUFFER)
            s->memories[m->ops[op].result] = (memory){.space = space_find(ir_str(m, op, IR_KEY_space)),
                                                      .address = (uint64_t)ir_int(m, op, IR_KEY_address, 0),
                                                      .bytes = (uint64_t)ir_int(m, op, IR_KEY_bytes, 0)};
}

/** Waits and signals of the module being made. Those between the same two queues say the same and share what they say.
 */
typedef struct {
    const sync_state *s;
    ir_module *m;
    uint32_t *first[2]; /* waits and signals [from * queues + to]: the first op of its kind, + 1 */
} sync_writer;

static void put_sync(sync_writer *w, size_t op, bool waits, token t, src_loc loc) {
    const sync_state *s = w->s;
    uint32_t *first = &w->first[waits][t.from * s->queues + t.to];
    if (*first) {
        ir_fill_like(w->m, op, *first - 1, loc);
        return;
    }
    ir_fill(w->m, op, IR_INSTR(waits ? DTQ_OP_WAIT : DTQ_OP_SIGNAL), loc);
    const ir_attr attrs[] = {
        {.key = IR_KEY_queue, .kind = IR_KIND_QUEUE, .i = waits ? t.to : t.from},
        {.key = (uint16_t)(waits ? s->keys.from : s->keys.to), .kind = IR_KIND_QUEUE, .i = waits ? t.from : t.to},
        {.key = (uint16_t)s->keys.untimed, .kind = IR_KIND_WORD, .s = is_untimed(s, t.from, t.to) ? "yes" : "no"},
    };
    ir_put_attrs(w->m, op, attrs, sizeof attrs / sizeof *attrs, 0);
    *first = (uint32_t)op + 1;
}

/** Puts the waits of each op in front of it and its signals behind it. */
static void write_tokens(sync_state *s, ir_module *m) {
    sync_writer w = {.s = s, .m = m};
    const size_t ops = m->op_count;
    uint32_t *place = ARENA_ARRAY(s->scratch, uint32_t, ops + 1), at = 0;
    for (int i = 0; i < 2; i++)
        w.first[i] = ARENA_ARRAY(s->scratch, uint32_t, (size_t)s->queues * s->queues);
    for (size_t op = 0; op < ops; op++) {
        for (uint32_t t = s->waits[op]; t; t = s->tokens[t].next_wait)
            at++;
        place[op] = at++;
        for (uint32_t t = s->signals[op]; t; t = s->tokens[t].next_signal)
            at++;
    }
    ir_spread(m, place, at);
    at = 0;
    for (size_t op = 0; op < ops; op++) {
        src_loc loc = m->ops[place[op]].loc;
        for (uint32_t t = s->waits[op]; t; t = s->tokens[t].next_wait)
            put_sync(&w, at++, true, s->tokens[t], loc);
        at++;
        for (uint32_t t = s->signals[op]; t; t = s->tokens[t].next_signal)
            put_sync(&w, at++, false, s->tokens[t], loc);
    }
}

bool pass_insert_sync(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    arena *a = arena_new();
    const size_t ops = m->op_count;
    sync_state s = {
        .scratch = a, .m = m, .keys = instr_keys_find(), .queues = DTQ_ARRAY0 + (uint32_t)m->machine->vssa_arrays};
    s.room = (s.queues + LANES - 1) / LANES * LANES;
    s.known = ARENA_ARRAY(a, uint32_t, (size_t)s.queues *s.room);
    s.direct = ARENA_ARRAY(a, uint32_t, (size_t)s.queues *s.queues);
    s.snapshot = ARENA_ARRAY(a, uint32_t *, ops + 1);
    s.snapshot_of_queue = ARENA_ARRAY(a, uint32_t *, s.queues);
    s.latest = ARENA_ARRAY(a, uint32_t, s.queues);
    s.touched = ARENA_ARRAY(a, uint32_t, s.queues);
    s.waits = ARENA_ARRAY(a, uint32_t, ops + 1);
    s.signals = ARENA_ARRAY(a, uint32_t, ops + 1);
    uint32_t *layer_ops = ARENA_ARRAY(a, uint32_t, m->op_count + 1);
    layer_choice *chooses = ARENA_ARRAY(a, layer_choice, m->op_count + 1);
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_LAYER) {
            layer_info l = layer_read(a, m, op);
            layer_ops[l.index] = (uint32_t)op;
            chooses[l.index] =
                (layer_choice){l.by_own && !ir_get(m, op, IR_KEY_ids), l.late, l.by_head, l.heads / l.kv_heads};
            s.any_probes |= chooses[l.index].at_all;
            s.layer_count++;
        }
    s.layer_ops = layer_ops;
    s.chooses = chooses;
    for (int code = 0; code < DTQ_OP_COUNT; code++)
        for (size_t i = 0; i < DTQ_FIELDS_MAX; i++)
            s.access[code][i] = instr_access((dtq_opcode)code, i);
    find_places(&s);
    for (size_t op = 0; op < m->op_count; op++)
        if (ir_is_instr((ir_opcode)m->ops[op].code))
            visit(&s, op);

    write_tokens(&s, m);
    diag_remark(ctx->diag, (src_loc){0}, "insert-sync", "%zu tokens order %zu operations on %u queues", s.token_count,
                ops, s.queues);
    arena_free(a);
    return true;
}
