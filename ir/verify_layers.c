/* The attention layers that a module declares: their numbers, heads, slots, and at the stream level their regions. */
#include <string.h>

#include "ir/verify.h"

enum { HEADS_MAX = 4096, HEAD_DIM_MAX = 65536 };

static void declare_layer(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_attr *index = ir_get(m, op, IR_KEY_index);
    if (!index || index->kind != IR_KIND_INT)
        return; /* verify_attributes says so */
    if (index->i < 0 || index->i >= VERIFY_LAYERS_MAX) {
        verify_error(v, op, "`index` is %lld; layers are numbered from 0 to %d", (long long)index->i,
                     VERIFY_LAYERS_MAX - 1);
        return;
    }
    verify_layer *layer = &v->layers[index->i];
    if (layer->declared) {
        verify_error(v, op, "layer %lld is there twice; give this one another `index`", (long long)index->i);
        return;
    }
    if (index->i != (int64_t)v->layer_count && !v->misnumbered) { /* told once: all behind it are off, too */
        v->misnumbered = true;
        verify_error(v, op,
                     "`index` is %lld, but layers are numbered 0, 1, 2, ... in the order in which they stand; this one "
                     "is %zu",
                     (long long)index->i, v->layer_count);
    }
    const char *order = ir_str(m, op, IR_KEY_order);
    bool high_first = order && strcmp(order, "high-first") == 0;
    int64_t slots = ir_int(m, op, IR_KEY_slots, 0), muted = ir_int(m, op, IR_KEY_muted, 0);
    int64_t queries = ir_int(m, op, IR_KEY_queries, 0), key_only = queries ? slots - queries : 0;
    const bool late = ir_chooses_late(m, op);
    *layer =
        (verify_layer){.declared = true,
                       .slots = slots,
                       .key_first = high_first ? 0 : muted,
                       .keys = slots - muted,
                       .col_first = late || high_first ? 0 : muted,
                       .cols = late ? slots : slots - muted,
                       .query_first = key_only ? (high_first ? ir_int(m, op, IR_KEY_high, 0) : slots) - queries : 0,
                       .queries = slots - key_only,
                       .query_heads = ir_int(m, op, IR_KEY_query_heads, 0),
                       .kv_heads = ir_int(m, op, IR_KEY_kv_heads, 0),
                       .head_dim = ir_int(m, op, IR_KEY_head_dim, 0)};
    const char *masked = ir_str(m, op, IR_KEY_masked_tiles);
    const int64_t high = ir_int(m, op, IR_KEY_high, 0);
    if (masked && order && strcmp(masked, "skipped") == 0 && slots > 0 && slots <= m->header.seq && high >= 0 &&
        muted >= 0 && high + muted <= slots) /* else verify_facts says so */
        layer->clusters = dtq_clusters_of((uint32_t)slots, (uint32_t)high, (uint32_t)muted, ir_slot_order(order));
    v->layer_count++;
}

void verify_masked(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const char *masked = ir_str(m, op, IR_KEY_masked_tiles), *mask = ir_str(m, op, IR_KEY_mask);
    const char *known = ir_str(m, op, IR_KEY_static_bits);
    if (!masked || strcmp(masked, "skipped") != 0)
        return;
    if (!mask || strcmp(mask, "causal") != 0 || ir_streams(m, op) || ir_by_late(m, op))
        verify_error(v, op,
                     "`masked_tiles` is skipped, but that is of causal layers that neither stream nor choose late");
    else if (!known || strcmp(known, "yes") != 0)
        verify_error(v, op,
                     "`masked_tiles` is skipped, but `static_bits` is not yes: which slots are hidden from a row "
                     "follows from clusters that are known");
}

void verify_layers(verifier *v) {
    const ir_module *m = v->m;
    for (size_t op = 0; op < m->op_count; op++) {
        const ir_attr *index = verify_declares_layer((ir_opcode)m->ops[op].code) ? ir_get(m, op, IR_KEY_index) : NULL;
        if (index && index->kind == IR_KIND_INT && index->i >= v->layer_room && index->i < VERIFY_LAYERS_MAX)
            v->layer_room = index->i + 1;
    }
    v->layers = ARENA_ARRAY(v->scratch, verify_layer, (size_t)v->layer_room);
    for (size_t op = 0; op < m->op_count; op++)
        if (verify_declares_layer((ir_opcode)m->ops[op].code))
            declare_layer(v, op);
}

const verify_layer *verify_find_layer(const verifier *v, int64_t index) {
    return index >= 0 && index < v->layer_room && v->layers[index].declared ? &v->layers[index] : NULL;
}

void verify_shape(verifier *v, size_t op) {
    const ir_module *m = v->m;
    int64_t heads = ir_int(m, op, IR_KEY_query_heads, 0), kv = ir_int(m, op, IR_KEY_kv_heads, 0);
    int64_t d = ir_int(m, op, IR_KEY_head_dim, 0);
    if (heads < 1 || heads > HEADS_MAX || kv < 1 || d < 1 || d > HEAD_DIM_MAX)
        verify_error(v, op,
                     "it has %lld query heads and %lld key/value heads of %lld channels; there are 1 to %d heads "
                     "of 1 to %d",
                     (long long)heads, (long long)kv, (long long)d, HEADS_MAX, HEAD_DIM_MAX);
    else if (heads % kv != 0)
        verify_error(v, op, "%lld query heads cannot share %lld key/value heads evenly", (long long)heads,
                     (long long)kv);
}

/* What a layer's regions hold follows from its tokens and heads. They may be larger, for layers share them. */
void verify_regions(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const char *mask = ir_str(m, op, IR_KEY_mask);
    uint64_t seq = m->header.seq, heads = (uint64_t)ir_int(m, op, IR_KEY_query_heads, 0);
    uint64_t kv = (uint64_t)ir_int(m, op, IR_KEY_kv_heads, 0), d = (uint64_t)ir_int(m, op, IR_KEY_head_dim, 0);
    bool causal = mask && strcmp(mask, "causal") == 0, late = ir_chooses_late(m, op);
    if (heads < 1 || heads > HEADS_MAX || kv < 1 || kv > heads || d < 1 || d > HEAD_DIM_MAX)
        return; /* verify_shape says so */
    const struct {
        const char *what;
        uint64_t bytes;
    } regions[] = {
        {"codes of q", heads * seq * d},
        {"codes of k", kv * seq * d},
        {"codes of v", (late ? 2 : 1) * kv * seq * d},
        {"scales of q", 4 * heads * seq},
        {"scales of k", 4 * kv * seq},
        {"scales of v", causal && !late ? 4 * kv * seq : 8 * kv * d},
        {"output", 4 * seq * heads * d},
        {"importance", 8 * seq * ir_importance_rows(m, op, ir_get(m, op, IR_KEY_ids) != NULL)},
    };
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        size_t buffer = m->defs[ir_operand(m, op, i)];
        uint64_t bytes = (uint64_t)ir_int(m, buffer, IR_KEY_bytes, 0);
        if (m->ops[buffer].code == IR_BUFFER && bytes < regions[i].bytes)
            verify_error(
                v, op,
                "operand %zu, for its %s, has %llu bytes; %llu tokens with %llu query heads and %llu key/value "
                "heads of %llu channels need %llu",
                i + 1, regions[i].what, (unsigned long long)bytes, (unsigned long long)seq, (unsigned long long)heads,
                (unsigned long long)kv, (unsigned long long)d, (unsigned long long)regions[i].bytes);
    }
}
