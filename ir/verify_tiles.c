/* The strips of an attention at the tile level: what the schedule is made from, so that each query row must be there
 * exactly once, and everything that is done to a strip must be done to the same rows. */
#include <string.h>

#include "ir/verify.h"

#include "runtime/machine_members.h"

static const ir_opcode parts[] = {IR_TILE_QK, IR_TILE_SOFTMAX, IR_TILE_IMPORTANCE, IR_TILE_PV};
enum { PARTS = sizeof parts / sizeof *parts };

static bool is_part(ir_opcode code) {
    for (int i = 0; i < PARTS; i++)
        if (parts[i] == code)
            return true;
    return false;
}

static const ir_range *range_of(const ir_module *m, size_t op, ir_key key) {
    const ir_attr *attr = ir_get(m, op, key);
    return attr && attr->kind == IR_KIND_RANGE ? attr->range : NULL;
}

static bool is_turned(const ir_module *m, size_t op) {
    const char *word = ir_str(m, op, (unsigned)ir_key_find("turned", 6));
    return word && strcmp(word, "yes") == 0;
}

/* What a strip leaves out is what its layer's mask hides from all of its rows. */
static bool verify_hidden(verifier *v, size_t op, const verify_layer *l, const ir_range *rows) {
    const ir_range *given = range_of(v->m, op, IR_KEY_hidden_range);
    const dtq_hidden h = dtq_hidden_from(&l->clusters, (uint32_t)rows->lo, (uint32_t)(rows->hi - rows->lo),
                                         (uint32_t)l->key_first, (uint32_t)l->keys);
    const int64_t from = l->key_first + h.from, to = l->key_first + h.to;
    if (given ? given->lo == from && given->hi == to && from < to : from == to)
        return true;
    if (from == to)
        return verify_error(v, op, "`hidden_range` is %lld..%lld, but %s", (long long)given->lo, (long long)given->hi,
                            l->clusters.count ? "its rows may see all keys" : "its layer skips no masked tiles");
    if (!given)
        return verify_error(v, op,
                            "it has no `hidden_range`: its layer skips masked tiles, and rows %lld..%lld see "
                            "none of slots %lld..%lld",
                            (long long)rows->lo, (long long)rows->hi, (long long)from, (long long)to);
    return verify_error(v, op, "`hidden_range` is %lld..%lld, but what rows %lld..%lld never see is slots %lld..%lld",
                        (long long)given->lo, (long long)given->hi, (long long)rows->lo, (long long)rows->hi,
                        (long long)from, (long long)to);
}

static bool verify_ranges(verifier *v, size_t op, const verify_layer *l) {
    const ir_range *rows = range_of(v->m, op, IR_KEY_slot_range), *keys = range_of(v->m, op, IR_KEY_key_range);
    if (!rows || !keys)
        return false; /* verify_attributes says so */
    if (rows->lo < l->query_first || rows->hi > l->query_first + l->queries || rows->lo >= rows->hi)
        return verify_error(v, op, "`slot_range` is %lld..%lld, but the queries of its layer are slots %lld..%lld",
                            (long long)rows->lo, (long long)rows->hi, (long long)l->query_first,
                            (long long)(l->query_first + l->queries));
    const bool values = v->m->ops[op].code == IR_TILE_PV;
    const int64_t first = values ? l->key_first : l->col_first, end = first + (values ? l->keys : l->cols);
    if (keys->lo != first || keys->hi != end)
        return verify_error(v, op,
                            "`key_range` is %lld..%lld, but a strip meets all keys of its layer, slots %lld..%lld",
                            (long long)keys->lo, (long long)keys->hi, (long long)first, (long long)end);
    return verify_hidden(v, op, l, rows);
}

/* Height, and that no slot is in a strip already. */
static bool verify_rows(verifier *v, size_t op, uint8_t *taken) {
    const dtq_machine *machine = v->m->machine;
    const ir_range *rows = range_of(v->m, op, IR_KEY_slot_range);
    bool turned = is_turned(v->m, op);
    uint64_t height = turned ? machine->vssa_cols : machine->vssa_rows;
    if ((uint64_t)(rows->hi - rows->lo) > height)
        return verify_error(v, op, "a strip of %lld slots along the array's %s, of which there are %llu; cut it",
                            (long long)(rows->hi - rows->lo), turned ? "columns" : "rows", (unsigned long long)height);
    for (int64_t slot = rows->lo; slot < rows->hi; slot++) {
        if (taken[slot])
            return verify_error(v, op, "slot %lld is in two strips; each query is in one", (long long)slot);
        taken[slot] = 1;
    }
    return true;
}

/* Ops from *at on are one strip, which *at is moved behind. Who chooses before the scores measures no importance. */
static bool verify_one_strip(verifier *v, size_t *at, bool measured, const verify_layer *l, uint8_t *taken) {
    const ir_module *m = v->m;
    const size_t first = *at;
    for (size_t i = 0; i < PARTS; i++) {
        if (parts[i] == IR_TILE_IMPORTANCE && !measured)
            continue;
        size_t op = (*at)++;
        if (op >= m->op_count || m->ops[op].code != parts[i])
            return verify_error(v, op < m->op_count && is_part((ir_opcode)m->ops[op].code) ? op : op - 1,
                                "a strip is `tile.qk`, `tile.softmax`%s and `tile.pv`, in this order; `%s` is missing",
                                measured ? ", `tile.importance`" : "", ir_info(parts[i])->spelling);
        if (!verify_ranges(v, op, l))
            return false;
        const ir_range *mine = range_of(m, op, IR_KEY_slot_range), *of_qk = range_of(m, first, IR_KEY_slot_range);
        if (mine->lo != of_qk->lo || mine->hi != of_qk->hi)
            return verify_error(v, op, "`slot_range` is %lld..%lld, but its strip is slots %lld..%lld",
                                (long long)mine->lo, (long long)mine->hi, (long long)of_qk->lo, (long long)of_qk->hi);
    }
    if (is_turned(m, first) != is_turned(m, *at - 1))
        return verify_error(v, *at - 1,
                            "its rows lie along the array's %s, those of its `tile.qk` along the %s; turn both or none",
                            is_turned(m, first) ? "rows" : "columns", is_turned(m, first) ? "columns" : "rows");
    return verify_rows(v, first, taken);
}

void verify_strips(verifier *v, size_t tiles) {
    const ir_module *m = v->m;
    const verify_layer *l = verify_find_layer(v, ir_int(m, tiles, IR_KEY_index, -1));
    if (!l || l->slots < 1 || l->slots > m->header.seq || l->query_first < 0 || l->queries < 1 ||
        l->query_first + l->queries > l->slots)
        return; /* verify_facts says so */
    if (ir_streams(m, tiles)) {
        verify_streamed_blocks(v, tiles, l);
        return;
    }
    uint8_t *taken = arena_alloc(v->scratch, (size_t)l->slots);
    memset(taken, 0, (size_t)l->slots);
    const bool leaves = !ir_by_own(m, tiles), measured = leaves || ir_chooses_late(m, tiles);
    size_t op = tiles + 1;
    while (op < m->op_count && is_part((ir_opcode)m->ops[op].code))
        if (!verify_one_strip(v, &op, measured, l, taken))
            return;
    for (int64_t slot = l->query_first, end; slot < l->query_first + l->queries; slot = end) {
        for (end = slot; end < l->query_first + l->queries && taken[end] == taken[slot];)
            end++;
        if (!taken[slot])
            verify_error(v, tiles, "query slots %lld..%lld are in no strip; add their `tile.qk` and what follows it",
                         (long long)slot, (long long)end);
    }
    const bool ends = op < m->op_count && m->ops[op].code == IR_TILE_TOPK;
    if (op + ends < m->op_count && m->ops[op + ends].code == IR_TILE_BLOCK)
        verify_error(v, op + ends, "it stands in a layer whose `importance_rule` is not `streamed`");
    if (!leaves && ends)
        verify_error(v, op, "a layer that chooses its own tokens measures nothing for a `tile.topk`");
    else if (leaves && !ends)
        verify_error(v, tiles, "its strips must end with a `tile.topk`");
    else if (ends && op + 1 < m->op_count &&
             (is_part((ir_opcode)m->ops[op + 1].code) || m->ops[op + 1].code == IR_TILE_TOPK))
        verify_error(v, op + 1, "it stands behind the `tile.topk` that ends the strips of its layer");
}

void verify_strip(verifier *v, size_t op) {
    const ir_attr *tiles = ir_get(v->m, op, IR_KEY_tiles);
    if (tiles && tiles->count == 0)
        verify_error(v, op, "`tiles` is empty; a strip has at least one tile");
    if (ir_int(v->m, op, IR_KEY_steps, 1) < 1)
        verify_error(v, op, "`steps` is 0; a tile has at least one step");
    if (v->scope == SIZE_MAX)
        verify_error(v, op, "it follows no `tile.attention`, whose strip it would be");
}

/* ---- what a layer at the tile level chooses its tokens by ---------------------------------------------------------
 */

static ir_opcode operand_code(const ir_module *m, size_t op, size_t index) {
    return (ir_opcode)m->ops[m->defs[ir_operand(m, op, index)]].code;
}

static int64_t operand_index(const ir_module *m, size_t op, size_t index) {
    return ir_int(m, m->defs[ir_operand(m, op, index)], IR_KEY_index, -1);
}

void verify_select(verifier *v, size_t op) {
    const ir_module *m = v->m;
    int64_t index = ir_int(m, op, IR_KEY_index, -1);
    if ((m->ops[op].operand_count == 0) != (ir_get(m, op, IR_KEY_ids) != NULL))
        verify_error(v, op,
                     m->ops[op].operand_count ? "it selects at run time, and has `ids` too; one of both"
                                              : "it has no `ids`, and no layer before it whose importance selects");
    if (op + 1 >= m->op_count || m->ops[op + 1].code != IR_TILES)
        verify_error(v, op, "it stands in front of its `tile.attention`");
    if (m->ops[op].operand_count > 2)
        verify_error(v, op, "it has %u operands, but takes the layer before, or q and k of its own layer",
                     m->ops[op].operand_count);
    else if (m->ops[op].operand_count == 1 &&
             (operand_code(m, op, 0) != IR_TILES || operand_index(m, op, 0) != index - 1))
        verify_error(v, op,
                     "layer %lld selects by the importance of the layer before, so its operand must be the "
                     "`tile.attention` of layer %lld",
                     (long long)index, (long long)index - 1);
}

/* What the table of token ids and the attention that uses it both say. */
static void verify_same_choice(verifier *v, size_t op, size_t select) {
    static const ir_key both[] = {IR_KEY_slots, IR_KEY_high, IR_KEY_muted, IR_KEY_order, IR_KEY_pinned};
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        const ir_attr *here = ir_get(v->m, op, both[i]), *there = ir_get(v->m, select, both[i]);
        if ((here || there) && !(here && there && ir_attr_equal(here, there)))
            verify_error(v, op, "it has other `%s` than its `tile.select`", ir_key_get(both[i])->name);
    }
}

/* A layer that probes, or is late, chooses by its own q and k; nobody else does. */
static void verify_probe(verifier *v, size_t op) {
    const ir_module *m = v->m;
    size_t select = m->defs[ir_operand(m, op, 3)];
    bool probe = ir_by_own(m, op), by_own = m->ops[select].operand_count == 2;
    if (by_own &&
        (ir_operand(m, select, 0) != ir_operand(m, op, 0) || ir_operand(m, select, 1) != ir_operand(m, op, 1)))
        verify_error(v, op, "its `tile.select` has operands other than its q and k");
    else if (by_own && !probe)
        verify_error(
            v, op,
            "its `tile.select` chooses by q and k, which only the rules `probe` and `late` do, and each with `_heads`");
    else if (probe && m->ops[select].operand_count == 1)
        verify_error(v, op, "`importance_rule = %s` chooses by q and k, not by the layer before",
                     ir_str(m, op, IR_KEY_importance_rule));
}

void verify_tiles(verifier *v, size_t op) {
    const ir_module *m = v->m;
    int64_t index = ir_int(m, op, IR_KEY_index, -1);
    if (operand_code(m, op, 3) != IR_SELECT || operand_index(m, op, 3) != index)
        verify_error(v, op, "operand 4 must be the `tile.select` of layer %lld", (long long)index);
    else {
        verify_same_choice(v, op, m->defs[ir_operand(m, op, 3)]);
        verify_probe(v, op);
    }
}
