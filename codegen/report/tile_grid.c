/* Every tile of a matmul, priced by the cost model; and orders of slots to price. */
#include "codegen/report/tile_grid.h"

#include "runtime/machine_members.h"

#include <string.h>

/* ---- grids ------------------------------------------------------------------------------------------------------- */

/** Cuts `count` slots at these bits (NULL: channels, which have none) into tiles of `size`. first [classes]: a tile of
 *  each class. */
static tile_side cut(arena *a, const uint8_t *bits, uint32_t count, uint32_t size, uint32_t **first) {
    tile_side s = {.count = (count + size - 1) / size};
    s.class_of = ARENA_ARRAY(a, uint32_t, s.count);
    s.classes = ARENA_ARRAY(a, tile_class, s.count);
    *first = ARENA_ARRAY(a, uint32_t, s.count);
    for (uint32_t t = 0; t < s.count; t++) {
        uint32_t lo = t * size, hi = count - lo < size ? count : lo + size, high = 0, c = 0;
        for (uint32_t i = lo; bits && i < hi; i++)
            high += bits[i] == 8;
        while (c < s.class_count && (s.classes[c].size != hi - lo || s.classes[c].high != high))
            c++;
        if (c == s.class_count) {
            s.classes[s.class_count++] = (tile_class){hi - lo, high};
            (*first)[c] = t;
        }
        s.class_of[t] = c;
    }
    return s;
}

/** Adds to the grid's sums what the table says of the tiles' classes. */
static void sum_up(tile_grid *g, const tile_band *b) {
    for (uint32_t r = 0; r < b->rows.count; r++) {
        for (uint32_t c = 0; c < b->cols.count; c++) {
            size_t at = (size_t)b->rows.class_of[r] * b->cols.class_count + b->cols.class_of[c];
            g->tiles++;
            g->stalled += b->stall_ratio[at] > 0;
            g->stall_ratio_mean += b->stall_ratio[at];
            g->step_cycles_sum += b->step_cycles[at];
        }
    }
}

/** A matmul to cut: rows by columns at these bits, of which P.V's columns, being channels, have none. */
typedef struct {
    arena *arena;
    cost_model *cost;
    const dtq_machine *machine;
    const uint8_t *row_bits, *other; /* q and k, or p and v */
    uint32_t keys, head_dim;
    bool is_pv;
} matmul;

static tile_band make_band(const matmul *m, uint32_t first, uint32_t count, bool turned) {
    const uint32_t size[] = {(uint32_t)m->machine->vssa_rows, (uint32_t)m->machine->vssa_cols};
    const uint32_t height = size[turned], width = size[!turned];
    const uint8_t *bits = m->row_bits + first;
    uint32_t *first_row, *first_col;
    tile_band b = {.first = first, .turned = turned};
    b.rows = cut(m->arena, bits, count, height, &first_row);
    b.cols = m->is_pv ? cut(m->arena, NULL, m->head_dim, width, &first_col)
                      : cut(m->arena, m->other, m->keys, width, &first_col);
    size_t classes = (size_t)b.rows.class_count * b.cols.class_count;
    b.step_cycles = ARENA_ARRAY(m->arena, double, classes);
    b.stall_ratio = ARENA_ARRAY(m->arena, double, classes);
    for (uint32_t r = 0; r < b.rows.class_count; r++) {
        for (uint32_t c = 0; c < b.cols.class_count; c++) {
            const uint8_t *row = bits + (size_t)first_row[r] * height;
            const uint32_t rows = b.rows.classes[r].size, cols = b.cols.classes[c].size;
            const unsigned walk = turned ? WALK_TURNED : 0;
            cost_result one = m->is_pv ? cost_pv(m->cost, row, rows, m->other, m->keys, cols, walk)
                                       : cost_qk(m->cost, row, rows, m->other + (size_t)first_col[c] * width, cols,
                                                 m->head_dim, walk);
            b.step_cycles[r * b.cols.class_count + c] = one.step_cycles;
            b.stall_ratio[r * b.cols.class_count + c] = one.stall_ratio_sum;
        }
    }
    return b;
}

static tile_grid make_grid(const matmul *m, const uint8_t *turned, uint32_t queries) {
    tile_grid g = {.steps = m->is_pv ? m->keys : m->head_dim, .bands = ARENA_ARRAY(m->arena, tile_band, queries)};
    for (uint32_t row = 0, end; row < queries; row = end) {
        bool way = turned && turned[row];
        for (end = row + 1; end < queries && (turned && turned[end]) == way; end++) {}
        g.bands[g.band_count] = make_band(m, row, end - row, way);
        sum_up(&g, &g.bands[g.band_count++]);
    }
    g.stall_ratio_mean /= g.tiles > 0 ? (double)g.tiles : 1;
    return g;
}

tile_grid tile_grid_qk(arena *a, cost_model *cost, const dtq_machine *machine, const slot_order *order,
                       uint32_t queries, uint32_t keys, uint32_t head_dim) {
    const matmul m = {a, cost, machine, order->bits[DTQ_Q], order->bits[DTQ_K], keys, head_dim, false};
    return make_grid(&m, order->turned, queries);
}

tile_grid tile_grid_pv(arena *a, cost_model *cost, const dtq_machine *machine, const slot_order *order,
                       uint32_t queries, uint32_t keys, uint32_t head_dim) {
    const matmul m = {a, cost, machine, order->bits[DTQ_P], order->bits[DTQ_V], keys, head_dim, true};
    return make_grid(&m, order->turned, queries);
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

/** Q, K and V at the bits that the keys' tokens were chosen for, P as the machine's prob_bits say; queries without a
 * key run at 4 bits. first_key: where the keys stand among the slots. */
static slot_order unpromoted(arena *a, const dtq_machine *machine, const layer_facts *l, const uint8_t *key_bits,
                             uint32_t first_key) {
    uint8_t *q = arena_alloc(a, l->slots), *p = arena_alloc(a, l->slots);
    int prob8 = facts_prob8(machine);
    for (uint32_t i = 0; i < l->slots; i++) {
        q[i] = i >= first_key && i < first_key + l->keys ? key_bits[i - first_key] : 4;
        p[i] = prob8 < 0 ? q[i] : prob8 ? 8 : 4;
    }
    if (l->late) { /* rows and columns are all tokens, at one precision each */
        return (slot_order){
            .bits = {[DTQ_Q] = l->bits[DTQ_Q], [DTQ_K] = l->bits[DTQ_K], [DTQ_V] = key_bits, [DTQ_P] = l->bits[DTQ_P]}};
    }
    return (slot_order){.bits = {[DTQ_Q] = q, [DTQ_K] = key_bits, [DTQ_V] = key_bits, [DTQ_P] = p}};
}

/** Bits of the keys as the layer's segments say; NULL if they do not cover its slots. */
static const uint8_t *segment_bits(arena *a, const ir_module *m, const layer_facts *l) {
    const ir_attr *segments = ir_get(m, l->op, IR_KEY_segments);
    size_t count = 0;
    const uint8_t *bits = segments ? ir_runs_expand(a, segments, &count) : NULL;
    return bits && count == l->slots ? bits + l->first_key : NULL;
}

static bool is_original(const ir_module *m, const layer_facts *l) {
    const char *order = ir_str(m, l->op, IR_KEY_order);
    return order && strcmp(order, "original") == 0;
}

/** What a run chose, without the tokens whose key has left; NULL if it is not of this layer's size. */
static const uint8_t *chosen_bits(arena *a, const uint8_t *chosen, uint32_t seq, uint32_t keys) {
    uint8_t *bits = arena_alloc(a, (size_t)seq + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < seq; i++)
        if (chosen[i])
            bits[n++] = chosen[i];
    return n == keys ? bits : NULL;
}

/** Keys back in the order of the tokens that the module names; NULL if it names none. */
static const uint8_t *sorted_by_id(arena *a, const ir_module *m, const layer_facts *l, const uint8_t *key_bits) {
    const ir_attr *ids = ir_get(m, l->op, IR_KEY_ids);
    if (!ids || ids->count != l->slots || !key_bits)
        return NULL;
    uint8_t *by_id = arena_alloc(a, (size_t)m->header.seq + 1);
    memset(by_id, 0, (size_t)m->header.seq + 1);
    for (uint32_t i = 0; i < l->keys; i++) {
        int64_t id = ids->ints[l->first_key + i];
        if (id < 0 || id >= m->header.seq)
            return NULL;
        by_id[id] = key_bits[i];
    }
    return chosen_bits(a, by_id, m->header.seq, l->keys);
}

/** One placement of the 8-bit tokens, every one as likely, always the same (selection sampling over splitmix64). */
static const uint8_t *example(arena *a, uint32_t slots, uint32_t high) {
    uint8_t *bits = arena_alloc(a, slots);
    uint64_t state = 1;
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        bool take = (z >> 32) * (slots - i) >> 32 < high;
        bits[i] = take ? 8 : 4;
        high -= take;
    }
    return bits;
}

/** In a step the rows are the newest tokens, whatever the order of the others; their precision is known. */
static slot_order with_queries_of_step(slot_order o, const layer_facts *l) {
    if (l->known && l->queries < l->slots) {
        o.bits[DTQ_Q] = l->bits[DTQ_Q] + l->first_query;
        o.bits[DTQ_P] = l->bits[DTQ_P] + l->first_query;
        o.turned = o.turned ? o.turned + l->first_query : NULL;
    }
    return o;
}

slot_order original_order(arena *a, const ir_module *m, const layer_facts *l, const uint8_t *chosen,
                          order_origin *origin) {
    const uint8_t *bits = chosen ? chosen_bits(a, chosen, m->header.seq, l->keys) : NULL;
    *origin = ORIGIN_RUN;
    const bool compiled = l->known && is_original(m, l);
    if (!bits) {
        const bool same = l->high == 0 || l->high == l->keys;
        const uint8_t *by_slot = l->known || same ? segment_bits(a, m, l) : NULL;
        bits = same || compiled ? by_slot : sorted_by_id(a, m, l, by_slot);
        *origin = ORIGIN_KNOWN;
    }
    if (!bits) {
        bits = example(a, l->keys, l->high);
        *origin = ORIGIN_EXAMPLE;
    }
    slot_order o = unpromoted(a, m->machine, l, bits, l->slots - l->keys);
    o.turned = compiled ? l->turned : NULL;
    return with_queries_of_step(o, l);
}

slot_order clustered_order(arena *a, const ir_module *m, const layer_facts *l) {
    if (l->known && !is_original(m, l)) {
        slot_order o = {.turned = l->turned ? l->turned + l->first_query : NULL};
        for (int i = 0; i < DTQ_OPERANDS; i++)
            o.bits[i] = l->bits[i] + (i == DTQ_K ? l->first_col : i == DTQ_V ? l->first_key : l->first_query);
        return o;
    }
    uint8_t *bits = arena_alloc(a, l->keys);
    for (uint32_t i = 0; i < l->keys; i++)
        bits[i] = i < l->keys - l->high ? 4 : 8;
    return with_queries_of_step(unpromoted(a, m->machine, l, bits, l->slots - l->keys), l);
}
