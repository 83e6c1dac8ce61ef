/* The layer table of a program, and what its header says. */
#include "codegen/stream/layers.h"

#include "runtime/machine_members.h"

#include <string.h>

static uint32_t *to_ids(arena *a, const ir_attr *ints) {
    uint32_t *ids = ARENA_ARRAY(a, uint32_t, ints->count + 1);
    for (uint32_t i = 0; i < ints->count; i++)
        ids[i] = (uint32_t)ints->ints[i];
    return ids;
}

const uint32_t *layer_ids(arena *a, const ir_module *m, size_t op) {
    const ir_attr *ids = ir_get(m, op, IR_KEY_ids);
    return ids ? to_ids(a, ids) : NULL;
}

/* The rule of a word, which is one of DTQ_IMPORTANCE_WORDS: all that the IR's verifier lets through. */
static uint8_t importance_rule(const char *word) {
    size_t n = strlen(word);
    uint8_t rule = DTQ_IMPORTANCE_MEAN;
    for (const char *at = DTQ_IMPORTANCE_WORDS; *at; rule++) {
        size_t length = strcspn(at, "|");
        if (length == n && memcmp(at, word, n) == 0)
            break;
        at += length + (at[length] == '|');
    }
    return rule;
}

static uint8_t causal_word(const ir_module *m, size_t op) {
    const char *masked = ir_str(m, op, IR_KEY_masked_tiles);
    return strcmp(ir_str(m, op, IR_KEY_mask), "causal") != 0 ? DTQ_CAUSAL_NO
           : masked && strcmp(masked, "skipped") == 0        ? DTQ_CAUSAL_SKIPS
                                                             : DTQ_CAUSAL_YES;
}

dtq_layer layer_facts(arena *a, const ir_module *m, size_t op) {
    static const unsigned bit_keys[DTQ_OPERANDS] = {IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits, IR_KEY_p_bits};
    dtq_layer l = {.slots = (uint32_t)ir_int(m, op, IR_KEY_slots, 0),
                   .high = (uint32_t)ir_int(m, op, IR_KEY_high, 0),
                   .muted = (uint32_t)ir_int(m, op, IR_KEY_muted, 0),
                   .heads = (uint32_t)ir_int(m, op, IR_KEY_query_heads, 0),
                   .kv_heads = (uint32_t)ir_int(m, op, IR_KEY_kv_heads, 0),
                   .head_dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0),
                   .causal = causal_word(m, op),
                   .order = (uint8_t)ir_slot_order(ir_str(m, op, IR_KEY_order)),
                   .importance = importance_rule(ir_str(m, op, IR_KEY_importance_rule)),
                   .prob_bits = (uint8_t)m->machine->top_prob_bits,
                   .streaming = {.window = (uint32_t)ir_int(m, op, IR_KEY_window, 0),
                                 .kept = (uint32_t)ir_int(m, op, IR_KEY_kept, 0),
                                 .near_bits = (uint8_t)ir_int(m, op, IR_KEY_near_bits, 0),
                                 .far_bits = (uint8_t)ir_int(m, op, IR_KEY_far_bits, 0)}};
    if (strcmp(ir_str(m, op, IR_KEY_static_bits), "yes") == 0)
        for (int i = 0; i < DTQ_OPERANDS; i++) {
            size_t count;
            l.bits[i] = ir_runs_expand(a, ir_get(m, op, bit_keys[i]), &count);
        }
    uint32_t queries = (uint32_t)ir_int(m, op, IR_KEY_queries, 0);
    l.cached = queries != 0;
    l.key_only = queries ? l.slots - queries : 0;
    const ir_attr *pinned = ir_get(m, op, IR_KEY_pinned);
    l.ids = layer_ids(a, m, op);
    l.pinned = pinned ? to_ids(a, pinned) : NULL;
    l.pinned_count = pinned ? pinned->count : 0;
    return l;
}

void program_describe(arena *a, const ir_module *m, dtq_program *p) {
    const ir_header *h = &m->header;
    p->model = arena_strdup(a, h->model ? h->model : "");
    p->tokenizer = arena_strdup(a, h->tokenizer ? h->tokenizer : "");
    p->lower_case = h->lower_case;
    p->scheme = h->scheme;
    p->machine = ARENA_NEW(a, dtq_machine);
    *p->machine = *m->machine;
    p->target_hash = dtq_machine_hash(p->machine);
    p->vocabulary = h->vocabulary;
    p->positions = h->positions;
}
