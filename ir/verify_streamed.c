/* Layers that stream: what they say of their blocks, and at the tile level the blocks themselves. */
#include <string.h>

#include "ir/verify.h"
#include "runtime/isa/program.h"

static const ir_key rule_keys[] = {IR_KEY_window, IR_KEY_kept, IR_KEY_near_bits, IR_KEY_far_bits};

static bool is_precision(int64_t bits) {
    return bits == 4 || bits == 8;
}

static bool numbers_are_good(const ir_module *m, size_t op) {
    const int64_t window = ir_int(m, op, IR_KEY_window, 0), kept = ir_int(m, op, IR_KEY_kept, -1);
    return window >= 1 && window <= DTQ_SLOTS_MAX && kept >= 0 && kept <= window &&
           is_precision(ir_int(m, op, IR_KEY_near_bits, 0)) && is_precision(ir_int(m, op, IR_KEY_far_bits, 0));
}

/* The four numbers of the rule. */
static bool verify_numbers(verifier *v, size_t op) {
    const ir_module *m = v->m;
    for (size_t i = 0; i < sizeof rule_keys / sizeof *rule_keys; i++) {
        const char *name = ir_key_get(rule_keys[i])->name;
        const bool there = ir_get(m, op, rule_keys[i]) != NULL;
        if (there && !ir_streams(m, op))
            return verify_error(v, op, "`%s` is of `importance_rule = streamed`, but its rule is `%s`; remove it", name,
                                ir_str(m, op, IR_KEY_importance_rule));
        if (!there && ir_streams(m, op))
            return verify_error(v, op, "`importance_rule = streamed` needs `%s`, which is missing", name);
    }
    if (!ir_streams(m, op) || numbers_are_good(m, op))
        return true;
    return verify_error(
        v, op,
        "it streams with `window` %lld, `kept` %lld, `near_bits` %lld and `far_bits` %lld; a window has "
        "1 to %d tokens and keeps no more than it has, and bits are 4 or 8",
        (long long)ir_int(m, op, IR_KEY_window, 0), (long long)ir_int(m, op, IR_KEY_kept, 0),
        (long long)ir_int(m, op, IR_KEY_near_bits, 0), (long long)ir_int(m, op, IR_KEY_far_bits, 0), DTQ_SLOTS_MAX);
}

/* Nothing but the rule chooses tokens. In generation the newest ones are pinned, which are queries. */
static bool verify_no_other_choice(verifier *v, size_t op) {
    static const ir_key others[] = {IR_KEY_ratios, IR_KEY_counts, IR_KEY_pinned, IR_KEY_muted};
    static const struct {
        ir_key key;
        const char *word;
    } words[] = {{IR_KEY_mask, "causal"},
                 {IR_KEY_cluster, "none"},
                 {IR_KEY_promote, "none"},
                 {IR_KEY_order, "original"},
                 {IR_KEY_static_bits, "yes"}};
    const ir_module *m = v->m;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ir_get(m, op, others[i]) && !(others[i] == IR_KEY_pinned && ir_get(m, op, IR_KEY_queries)))
            return verify_error(v, op, "it streams, and `window` and `kept` say which keys stay; remove `%s`",
                                ir_key_get(others[i])->name);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *word = ir_str(m, op, words[i].key);
        if (word && strcmp(word, words[i].word) != 0)
            return verify_error(v, op, "`%s` is `%s`, but a layer that streams has `%s`",
                                ir_key_get(words[i].key)->name, word, words[i].word);
    }
    return true;
}

/* All tokens are there in their order, at the precision of near keys. */
static bool verify_all_near(verifier *v, size_t op) {
    static const ir_key operands[] = {IR_KEY_token_bits, IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits};
    const ir_module *m = v->m;
    const int64_t near = ir_int(m, op, IR_KEY_near_bits, 0), slots = ir_int(m, op, IR_KEY_slots, m->header.seq);
    const ir_attr *ids = ir_get(m, op, IR_KEY_ids);
    if (slots != m->header.seq)
        return verify_error(v, op, "`slots` is %lld, but in a layer that streams all %u tokens are active",
                            (long long)slots, m->header.seq);
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
        const ir_attr *runs = ir_get(m, op, operands[i]);
        for (uint32_t r = 0; runs && r < runs->count; r++)
            if (runs->runs[r].value != near)
                return verify_error(v, op, "`%s` has a run of %lld bits, but its `near_bits` are %lld",
                                    ir_key_get(operands[i])->name, (long long)runs->runs[r].value, (long long)near);
    }
    for (uint32_t i = 0; ids && ids->kind == IR_KIND_INTS && i < ids->count; i++)
        if (ids->ints[i] != i)
            return verify_error(v, op, "token %lld is in slot %u, but a layer that streams has tokens in their order",
                                (long long)ids->ints[i], i);
    return true;
}

void verify_streaming(verifier *v, size_t op) {
    if (!verify_numbers(v, op) || !ir_streams(v->m, op))
        return;
    if (verify_no_other_choice(v, op) && verify_all_near(v, op) && v->m->ops[op].code == IR_TILES &&
        ir_get(v->m, op, IR_KEY_queries))
        verify_error(v, op, "it has `queries`, but the arrays do not stream from a cache; host code does");
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static const ir_range *range_of(const ir_module *m, size_t op, ir_key key) {
    const ir_attr *attr = ir_get(m, op, key);
    return attr && attr->kind == IR_KIND_RANGE ? attr->range : NULL;
}

static bool is_of_strips(ir_opcode code) {
    return code == IR_TILE_BLOCK || code == IR_TILE_QK || code == IR_TILE_SOFTMAX || code == IR_TILE_IMPORTANCE ||
           code == IR_TILE_PV || code == IR_TILE_TOPK;
}

/* Of all blocks of the layer, in their order, what its window and its counts say. */
void verify_streamed_blocks(verifier *v, size_t tiles, const verify_layer *l) {
    const ir_module *m = v->m;
    if (!numbers_are_good(m, tiles))
        return; /* verify_streaming says so */
    const int64_t window = ir_int(m, tiles, IR_KEY_window, 0), kept = ir_int(m, tiles, IR_KEY_kept, 0);
    const int64_t blocks = (l->slots + window - 1) / window;
    for (int64_t b = 0; b < blocks; b++) {
        const size_t op = tiles + 1 + (size_t)b;
        const ir_range *rows =
            op < m->op_count && m->ops[op].code == IR_TILE_BLOCK ? range_of(m, op, IR_KEY_slot_range) : NULL;
        if (!rows) {
            verify_error(v, tiles,
                         "it streams in %lld blocks of %lld tokens, and the `tile.block` of block %lld is missing",
                         (long long)blocks, (long long)window, (long long)b);
            return;
        }
        const ir_range *keys = range_of(m, op, IR_KEY_key_range);
        const int64_t first = b * window, end = l->slots < first + window ? l->slots : first + window;
        const int64_t near = b == 0 ? 0 : first - window, far = b < 2 || kept == 0 ? 0 : (b - 1) * kept - 1;
        if (!keys || rows->lo != first || rows->hi != end || keys->lo != near || keys->hi != end ||
            ir_int(m, op, IR_KEY_far_keys, -1) != far)
            verify_error(v, op, "block %lld of its layer is slots %lld..%lld with keys %lld..%lld and %lld far ones",
                         (long long)b, (long long)first, (long long)end, (long long)near, (long long)end,
                         (long long)far);
    }
    const size_t behind = tiles + 1 + (size_t)blocks;
    if (behind < m->op_count && is_of_strips((ir_opcode)m->ops[behind].code))
        verify_error(v, behind, "it stands behind the last block of a layer that streams");
}
