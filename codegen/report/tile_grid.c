/* Every tile of a matmul, priced by the cost model; and orders of slots to price. */
#include "codegen/report/tile_grid.h"

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
        for (uint32_t i = lo; bits && i < hi; i++) {
            high += bits[i] == 8;
        }
        while (c < s.class_count && (s.classes[c].size != hi - lo || s.classes[c].high != high)) {
            c++;
        }
        if (c == s.class_count) {
            s.classes[s.class_count++] = (tile_class){hi - lo, high};
            (*first)[c] = t;
        }
        s.class_of[t] = c;
    }
    return s;
}

/** Sums over all tiles what the table says of their classes. */
static void sum_up(tile_grid *g) {
    for (uint32_t r = 0; r < g->rows.count; r++) {
        for (uint32_t c = 0; c < g->cols.count; c++) {
            size_t at = (size_t)g->rows.class_of[r] * g->cols.class_count + g->cols.class_of[c];
            g->tiles++;
            g->stalled += g->stall_ratio[at] > 0;
            g->stall_ratio_mean += g->stall_ratio[at];
            g->step_cycles_sum += g->step_cycles[at];
        }
    }
    g->stall_ratio_mean /= g->tiles > 0 ? (double)g->tiles : 1;
}

static tile_grid make_grid(arena *a, cost_model *cost, const dtq_machine *machine, const uint8_t *row_bits,
                           uint32_t queries, const uint8_t *other, uint32_t keys, uint32_t head_dim, bool is_pv) {
    uint32_t *first_row, *first_col, rows = (uint32_t)machine->vssa_rows, cols = (uint32_t)machine->vssa_cols;
    tile_grid g = {.rows = cut(a, row_bits, queries, rows, &first_row),
                   .cols = is_pv ? cut(a, NULL, head_dim, cols, &first_col) : cut(a, other, keys, cols, &first_col),
                   .steps = is_pv ? keys : head_dim};
    size_t classes = (size_t)g.rows.class_count * g.cols.class_count;
    g.step_cycles = ARENA_ARRAY(a, double, classes);
    g.stall_ratio = ARENA_ARRAY(a, double, classes);
    for (uint32_t r = 0; r < g.rows.class_count; r++) {
        for (uint32_t c = 0; c < g.cols.class_count; c++) {
            const uint8_t *row = row_bits + (size_t)first_row[r] * rows;
            uint32_t height = g.rows.classes[r].size, width = g.cols.classes[c].size;
            cost_result one = is_pv
                                  ? cost_pv(cost, row, height, other, keys, width, 0)
                                  : cost_qk(cost, row, height, other + (size_t)first_col[c] * cols, width, head_dim, 0);
            g.step_cycles[r * g.cols.class_count + c] = one.step_cycles;
            g.stall_ratio[r * g.cols.class_count + c] = one.stall_ratio_sum;
        }
    }
    sum_up(&g);
    return g;
}

tile_grid tile_grid_qk(arena *a, cost_model *cost, const dtq_machine *machine, const uint8_t *q, uint32_t queries,
                       const uint8_t *k, uint32_t keys, uint32_t head_dim) {
    return make_grid(a, cost, machine, q, queries, k, keys, head_dim, false);
}

tile_grid tile_grid_pv(arena *a, cost_model *cost, const dtq_machine *machine, const uint8_t *p, uint32_t queries,
                       const uint8_t *v, uint32_t keys, uint32_t head_dim) {
    return make_grid(a, cost, machine, p, queries, v, keys, head_dim, true);
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
    for (uint32_t i = 0; i < seq; i++) {
        if (chosen[i]) {
            bits[n++] = chosen[i];
        }
    }
    return n == keys ? bits : NULL;
}

/** Keys back in the order of the tokens that the module names; NULL if it names none. */
static const uint8_t *sorted_by_id(arena *a, const ir_module *m, const layer_facts *l, const uint8_t *key_bits) {
    const ir_attr *ids = ir_get(m, l->op, IR_KEY_ids);
    if (!ids || ids->count != l->slots || !key_bits) {
        return NULL;
    }
    uint8_t *by_id = arena_alloc(a, (size_t)m->header.seq + 1);
    memset(by_id, 0, (size_t)m->header.seq + 1);
    for (uint32_t i = 0; i < l->keys; i++) {
        int64_t id = ids->ints[l->first_key + i];
        if (id < 0 || id >= m->header.seq) {
            return NULL;
        }
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

slot_order original_order(arena *a, const ir_module *m, const layer_facts *l, const uint8_t *chosen,
                          order_origin *origin) {
    const uint8_t *bits = chosen ? chosen_bits(a, chosen, m->header.seq, l->keys) : NULL;
    *origin = ORIGIN_RUN;
    if (!bits) {
        const bool same = l->high == 0 || l->high == l->keys;
        const uint8_t *by_slot = l->known || same ? segment_bits(a, m, l) : NULL;
        bits = same || (l->known && is_original(m, l)) ? by_slot : sorted_by_id(a, m, l, by_slot);
        *origin = ORIGIN_KNOWN;
    }
    if (!bits) {
        bits = example(a, l->keys, l->high);
        *origin = ORIGIN_EXAMPLE;
    }
    return unpromoted(a, &m->machine, l, bits, l->slots - l->keys);
}

slot_order clustered_order(arena *a, const ir_module *m, const layer_facts *l) {
    if (l->known && !is_original(m, l)) {
        slot_order o;
        for (int i = 0; i < DTQ_OPERANDS; i++) {
            o.bits[i] = l->bits[i] + (i == DTQ_K || i == DTQ_V ? l->first_key : 0);
        }
        return o;
    }
    uint8_t *bits = arena_alloc(a, l->keys);
    for (uint32_t i = 0; i < l->keys; i++) {
        bits[i] = i < l->keys - l->high ? 4 : 8;
    }
    return unpromoted(a, &m->machine, l, bits, l->slots - l->keys);
}
