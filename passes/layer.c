/* Reading and writing the attributes of an attention layer. */
#include "passes/layer.h"

#include <math.h>
#include <string.h>

#include "passes/cost.h"
#include "runtime/machine_members.h"

static const unsigned bit_keys[LAYER_OPERANDS] = {IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits, IR_KEY_p_bits};

const unsigned layer_keys[] = {
    IR_KEY_source,          IR_KEY_index,        IR_KEY_query_heads, IR_KEY_kv_heads, IR_KEY_head_dim, IR_KEY_mask,
    IR_KEY_importance_rule, IR_KEY_slots,        IR_KEY_high,        IR_KEY_muted,    IR_KEY_queries,  IR_KEY_order,
    IR_KEY_static_bits,     IR_KEY_segments,     IR_KEY_q_bits,      IR_KEY_k_bits,   IR_KEY_v_bits,   IR_KEY_p_bits,
    IR_KEY_pinned,          IR_KEY_bound_cycles, IR_KEY_bops,        IR_KEY_window,   IR_KEY_kept,     IR_KEY_near_bits,
    IR_KEY_far_bits,        IR_KEY_masked_tiles,
};
const size_t layer_key_count = sizeof layer_keys / sizeof *layer_keys;

uint32_t layer_first_key(uint32_t muted, const char *order) {
    return order && strcmp(order, "high-first") == 0 ? 0 : muted;
}

uint32_t layer_first_query(uint32_t slots, uint32_t high, uint32_t queries, const char *order) {
    bool high_first = order && strcmp(order, "high-first") == 0;
    return queries >= slots ? 0 : (high_first ? high : slots) - queries;
}

layer_info layer_read(arena *a, const ir_module *m, size_t op) {
    layer_info l = {
        .index = (uint32_t)ir_int(m, op, IR_KEY_index, 0),
        .slots = (uint32_t)ir_int(m, op, IR_KEY_slots, 0),
        .high = (uint32_t)ir_int(m, op, IR_KEY_high, 0),
        .heads = (uint32_t)ir_int(m, op, IR_KEY_query_heads, 0),
        .kv_heads = (uint32_t)ir_int(m, op, IR_KEY_kv_heads, 0),
        .head_dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0),
        .order = ir_str(m, op, IR_KEY_order),
        .muted = (uint32_t)ir_int(m, op, IR_KEY_muted, 0),
    };
    l.key_first = layer_first_key(l.muted, l.order);
    l.keys = l.slots - l.muted;
    uint32_t queries = (uint32_t)ir_int(m, op, IR_KEY_queries, 0);
    l.cached = queries != 0;
    l.queries = l.cached && l.slots ? queries : l.slots;
    l.query_first = layer_first_query(l.slots, l.high, l.queries, l.order);
    const char *mask = ir_str(m, op, IR_KEY_mask), *is_static = ir_str(m, op, IR_KEY_static_bits);
    const char *rule = ir_str(m, op, IR_KEY_importance_rule);
    l.by_head = rule && strstr(rule, "_heads");
    l.by_own = ir_by_own(m, op);
    l.by_probe = ir_by_probe(m, op);
    l.late = ir_chooses_late(m, op);
    l.col_first = l.late ? 0 : l.key_first;
    l.cols = l.late ? l.slots : l.keys;
    l.streaming = (dtq_streaming){.window = (uint32_t)ir_int(m, op, IR_KEY_window, 0),
                                  .kept = (uint32_t)ir_int(m, op, IR_KEY_kept, 0),
                                  .near_bits = (uint8_t)ir_int(m, op, IR_KEY_near_bits, 0),
                                  .far_bits = (uint8_t)ir_int(m, op, IR_KEY_far_bits, 0)};
    const char *walk = ir_str(m, op, IR_KEY_tile_order);
    l.serpentine = walk && strcmp(walk, "serpentine") == 0;
    l.causal = mask && strcmp(mask, "causal") == 0;
    l.folds = l.causal && !l.late;
    l.is_static = is_static && strcmp(is_static, "yes") == 0;
    const char *masked = ir_str(m, op, IR_KEY_masked_tiles);
    if (masked && strcmp(masked, "skipped") == 0)
        l.clusters = dtq_clusters_of(l.slots, l.high, l.muted, ir_slot_order(l.order));
    const ir_attr *turned = ir_get(m, op, IR_KEY_turned_rows);
    size_t rows = 0;
    if (turned && l.is_static)
        l.turned = ir_runs_expand(a, turned, &rows);
    for (int i = 0; i < LAYER_OPERANDS && l.is_static; i++) {
        const ir_attr *runs = ir_get(m, op, bit_keys[i]);
        size_t count = 0;
        if (runs)
            l.bits[i] = ir_runs_expand(a, runs, &count);
    }
    return l;
}

uint32_t layer_block_end(const layer_info *l, uint32_t row, uint32_t end) {
    if (!l->turned)
        return end;
    uint32_t at = row + 1;
    while (at < end && l->turned[at] == l->turned[row])
        at++;
    return at;
}

uint32_t layer_strip_end(const layer_info *l, const dtq_machine *machine, uint32_t row, uint32_t end) {
    uint32_t height = (uint32_t)(layer_turned(l, row) ? machine->vssa_cols : machine->vssa_rows);
    uint32_t block = layer_block_end(l, row, end);
    return block - row < height ? block : row + height;
}

unsigned layer_walk(const layer_info *l, uint32_t row) {
    return (layer_turned(l, row) ? WALK_TURNED : 0) | (l->serpentine ? WALK_SERPENTINE : 0);
}

void layer_set_walk(ir_module *m, size_t op, const instr_keys *keys, const layer_info *l, uint32_t row) {
    if (layer_turned(l, row))
        instr_set_text(m, op, keys->turned, "yes");
    if (l->serpentine)
        instr_set_text(m, op, keys->serpentine, "yes");
}

bool layer_alike(const layer_info *a, const layer_info *b) {
    if (a->slots != b->slots || a->high != b->high || a->key_first != b->key_first || a->keys != b->keys ||
        a->query_first != b->query_first || a->queries != b->queries || a->cached != b->cached ||
        a->heads != b->heads || a->kv_heads != b->kv_heads || a->head_dim != b->head_dim || a->causal != b->causal ||
        a->by_own != b->by_own || a->by_probe != b->by_probe || a->late != b->late || a->by_head != b->by_head ||
        a->streaming.window != b->streaming.window || a->streaming.kept != b->streaming.kept ||
        a->streaming.near_bits != b->streaming.near_bits || a->streaming.far_bits != b->streaming.far_bits ||
        a->is_static != b->is_static || a->serpentine != b->serpentine ||
        memcmp(&a->clusters, &b->clusters, sizeof a->clusters) != 0)
        return false;
    for (int i = 0; i < LAYER_OPERANDS && a->is_static; i++)
        if (memcmp(a->bits[i], b->bits[i], a->slots) != 0)
            return false;
    return (!a->turned && !b->turned) || (a->turned && b->turned && memcmp(a->turned, b->turned, a->slots) == 0);
}

void layer_copy_attrs(ir_module *to, size_t to_op, const ir_module *from, size_t from_op, const unsigned *keys,
                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        const ir_attr *attr = ir_get(from, from_op, keys[i]);
        if (attr)
            ir_set(to, to_op, attr);
    }
}

uint8_t layer_prob_bits(const dtq_machine *machine, uint8_t bits) {
    switch ((dtq_prob_bits)machine->top_prob_bits) {
    case DTQ_PROB_8:
        return 8;
    case DTQ_PROB_4:
        return 4;
    default:
        return bits;
    }
}

void layer_set_bits(ir_module *m, size_t op, uint8_t *const bits[LAYER_OPERANDS], uint32_t slots) {
    for (int i = 0; i < LAYER_OPERANDS; i++) {
        size_t count;
        ir_run *runs = ir_runs_of(m->arena, bits[i], slots, &count);
        ir_set_runs(m, op, bit_keys[i], runs, count);
    }
}

uint64_t layer_bit_sum(const layer_info *l, int operand, const dtq_machine *machine) {
    uint32_t first = operand == LAYER_K ? l->col_first : operand == LAYER_V ? l->key_first : l->query_first;
    uint32_t count = operand == LAYER_K ? l->cols : operand == LAYER_V ? l->keys : l->queries;
    uint64_t sum = 0;
    if (operand == LAYER_P && machine->top_prob_bits != DTQ_PROB_ROW)
        return (uint64_t)l->queries * layer_prob_bits(machine, 0);
    if (!l->bits[operand])
        return 4ull * count + 4ull * l->high;
    for (uint32_t i = 0; i < count; i++)
        sum += l->bits[operand][first + i];
    return sum;
}

uint64_t layer_block_bytes(const layer_info *l, int operand, uint32_t row, uint32_t rows) {
    bool classes = operand == LAYER_V && !l->folds;
    if (l->is_static)
        return cost_block_bytes(l->bits[operand] + row, rows, l->head_dim, classes);
    return (uint64_t)rows * l->head_dim + (classes ? 8ull * l->head_dim : 4ull * rows);
}

/** One instruction. */
static cost_result block_cost(struct cost_model *cost, const layer_info *l, bool qk, uint32_t row, uint32_t rows,
                              uint32_t col, uint32_t cols, unsigned walk) {
    const uint8_t *left = l->bits[qk ? LAYER_Q : LAYER_P] + row, *right = l->bits[qk ? LAYER_K : LAYER_V] + col;
    const cost_mask mask = {&l->clusters, row, col}, *masked = l->clusters.count ? &mask : NULL;
    return qk ? cost_qk_masked(cost, left, rows, right, cols, l->head_dim, walk, masked)
              : cost_pv_masked(cost, left, rows, right, cols, l->head_dim, walk, masked);
}

matmul_price layer_block_price(struct cost_model *cost, const dtq_machine *machine, const layer_info *l, bool qk,
                               uint32_t row, uint32_t rows, uint32_t col, uint32_t cols, unsigned walk) {
    if (!l->is_static)
        return layer_price(cost, machine, l, qk, row, rows, col, cols);
    cost_result c = block_cost(cost, l, qk, row, rows, col, cols, walk);
    return (matmul_price){c.cycles, c.latency, c.stall_ratio_sum / (double)(c.tiles ? c.tiles : 1), c.tiles};
}

/** Blocks of one orientation run one after the other. */
static matmul_price static_price(struct cost_model *cost, const layer_info *l, bool qk, uint32_t row, uint32_t end,
                                 uint32_t col, uint32_t cols) {
    matmul_price sum = {0};
    for (uint32_t next; row < end; row = next) {
        next = layer_block_end(l, row, end);
        cost_result c = block_cost(cost, l, qk, row, next - row, col, cols, layer_walk(l, row));
        sum.cycles += c.cycles;
        sum.latency = c.latency;
        sum.stall_ratio_mean += c.stall_ratio_sum;
        sum.tiles += c.tiles;
    }
    sum.stall_ratio_mean /= (double)(sum.tiles ? sum.tiles : 1);
    return sum;
}

dtq_hidden layer_hidden(const layer_info *l, uint32_t row, uint32_t rows) {
    return dtq_hidden_from(&l->clusters, row, rows, l->key_first, l->keys);
}

uint64_t layer_softmax_cycles(const dtq_machine *machine, const layer_info *l, uint32_t row, uint32_t rows,
                              uint32_t col, uint32_t cols) {
    return dtq_steps_seen(&l->clusters, row, rows, col, cols, machine->softmax_lanes);
}

uint64_t layer_importance_cycles(const dtq_machine *machine, const layer_info *l, uint32_t row, uint32_t rows) {
    return dtq_steps_seen(&l->clusters, row, rows, l->col_first, l->cols, machine->topk_accumulate_lanes);
}

uint64_t layer_pair_bits(const layer_info *l, const uint8_t *row_bits, const uint8_t *key_bits) {
    const uint32_t first = l->key_first, end = first + l->keys;
    uint64_t all = 0, sum = 0, hidden = 0;
    uint32_t cluster_end = 0;
    for (uint32_t i = first; i < end; i++)
        all += key_bits[i];
    for (uint32_t row = 0; row < l->query_first + l->queries; row++) {
        if (row == 0 || row >= cluster_end) { /* a cluster begins: its keys are hidden until their own row comes */
            cluster_end = l->clusters.count ? dtq_cluster_end(&l->clusters, row, 1) : l->slots;
            hidden = 0;
            for (uint32_t i = row; l->clusters.count && i < cluster_end; i++)
                hidden += i >= first && i < end ? key_bits[i] : 0;
        }
        hidden -= l->clusters.count && row >= first && row < end ? key_bits[row] : 0;
        sum += row >= l->query_first ? row_bits[row] * (all - hidden) : 0;
    }
    return sum;
}

uint64_t layer_seen_work(arena *a, const ir_module *m, size_t op, const layer_info *l, bool qk) {
    enum { BIT_PRODUCTS = 16 }; /* of a PE in a cycle */
    const ir_attr *segments = ir_get(m, op, IR_KEY_segments);
    size_t count = 0;
    const uint8_t *chosen = ir_runs_expand(a, segments, &count);
    uint8_t *rows = arena_alloc(a, count);
    for (size_t i = 0; i < count; i++)
        rows[i] = qk ? chosen[i] : layer_prob_bits(m->machine, chosen[i]);
    return layer_pair_bits(l, rows, chosen) / BIT_PRODUCTS * l->head_dim;
}

matmul_price layer_price(struct cost_model *cost, const dtq_machine *machine, const layer_info *l, bool qk,
                         uint32_t row, uint32_t rows, uint32_t col, uint32_t cols) {
    if (l->is_static)
        return static_price(cost, l, qk, row, row + rows, col, cols);
    int prob8 = machine->top_prob_bits == DTQ_PROB_ROW ? -1 : machine->top_prob_bits == DTQ_PROB_8;
    cost_expectation c = qk ? cost_qk_expected(cost, l->slots, l->high, row, rows, col, cols, l->head_dim)
                            : cost_pv_expected(cost, l->slots, l->high, prob8, row, rows, col, cols, l->head_dim);
    return (matmul_price){(uint64_t)llround(c.cycles), c.latency, c.stall_ratio_sum / c.tiles, (uint64_t)c.tiles};
}

matmul_price layer_linear_price(struct cost_model *cost, const layer_info *l, uint32_t row, uint32_t rows,
                                uint32_t cols, uint32_t depth, unsigned walk) {
    if (!l->is_static) {
        cost_expectation e = cost_linear_expected(cost, l->slots, l->high, rows, cols, depth);
        return (matmul_price){(uint64_t)llround(e.cycles), e.latency, e.stall_ratio_sum / e.tiles, (uint64_t)e.tiles};
    }
    cost_result c = cost_linear(cost, l->bits[LAYER_Q] + row, rows, cols, depth, walk);
    return (matmul_price){c.cycles, c.latency, c.stall_ratio_sum / (double)c.tiles, c.tiles};
}

uint32_t plan_first_free(const uint64_t *array_free, uint32_t arrays, const bool *taken) {
    uint32_t best = UINT32_MAX;
    for (uint32_t a = 0; a < arrays; a++)
        if (!(taken && taken[a]) && (best == UINT32_MAX || array_free[a] < array_free[best]))
            best = a;
    return best;
}
