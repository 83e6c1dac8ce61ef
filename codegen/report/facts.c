/* The `layer` ops of a module, read once. */
#include <string.h>

#include "codegen/report/counters.h"
#include "passes/layer.h"
#include "runtime/machine_members.h"

static bool word_is(const ir_module *m, size_t op, unsigned key, const char *word) {
    const char *found = ir_str(m, op, key);
    return found && strcmp(found, word) == 0;
}

int facts_prob8(const dtq_machine *machine) {
    return machine->top_prob_bits == DTQ_PROB_ROW ? -1 : machine->top_prob_bits == DTQ_PROB_8;
}

/** Bits of an operand: its own or, where no pass set them, those its tokens were chosen for. NULL if they do not cover
 * the slots. */
static uint8_t *read_bits(arena *a, const ir_module *m, size_t op, const layer_info *info, int operand) {
    static const unsigned keys[LAYER_OPERANDS] = {
        [LAYER_Q] = IR_KEY_q_bits, [LAYER_K] = IR_KEY_k_bits, [LAYER_V] = IR_KEY_v_bits, [LAYER_P] = IR_KEY_p_bits};
    const ir_attr *runs = ir_get(m, op, info->bits[operand] ? keys[operand] : IR_KEY_segments);
    uint64_t total = 0;
    for (uint32_t i = 0; runs && i < runs->count; i++) {
        if (runs->runs[i].count < 0 || (runs->runs[i].value != 4 && runs->runs[i].value != 8))
            return NULL;
        total += (uint64_t)runs->runs[i].count;
    }
    if (!runs || total != info->slots || info->bits[operand])
        return runs && total == info->slots ? info->bits[operand] : NULL;
    size_t count;
    uint8_t *bits = ir_runs_expand(a, runs, &count);
    for (size_t i = 0; operand == LAYER_P && i < count; i++)
        bits[i] = layer_prob_bits(m->machine, bits[i]);
    return bits;
}

static bool alike(const layer_facts *a, const layer_facts *b) {
    if (a->slots != b->slots || a->high != b->high || a->first_key != b->first_key || a->keys != b->keys ||
        a->first_query != b->first_query || a->queries != b->queries || a->head_dim != b->head_dim ||
        a->streaming.window != b->streaming.window || a->streaming.kept != b->streaming.kept ||
        a->streaming.near_bits != b->streaming.near_bits || a->streaming.far_bits != b->streaming.far_bits ||
        a->causal != b->causal || a->folds != b->folds || a->late != b->late || a->cols != b->cols ||
        memcmp(&a->clusters, &b->clusters, sizeof a->clusters) != 0 || a->known != b->known ||
        a->serpentine != b->serpentine) {
        return false;
    }
    for (int i = 0; a->known && i < DTQ_OPERANDS; i++)
        if (memcmp(a->bits[i], b->bits[i], a->slots) != 0)
            return false;
    return (!a->turned && !b->turned) || (a->turned && b->turned && memcmp(a->turned, b->turned, a->slots) == 0);
}

/** How rows lie and tiles follow each other is said by the instructions; it is the same for every head. */
static void read_walks(arena *a, const ir_module *m, layer_facts *layers, size_t count) {
    const unsigned layer = (unsigned)ir_key_find("layer", 5), head = (unsigned)ir_key_find("head", 4),
                   row = (unsigned)ir_key_find("row", 3), rows = (unsigned)ir_key_find("rows", 4),
                   turned = (unsigned)ir_key_find("turned", 6), serpentine = (unsigned)ir_key_find("serpentine", 10);
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_I_QK || ir_int(m, op, head, 0) != 0 || (size_t)ir_int(m, op, layer, 0) >= count)
            continue;
        layer_facts *l = &layers[ir_int(m, op, layer, 0)];
        const uint64_t first = (uint64_t)ir_int(m, op, row, 0), some = (uint64_t)ir_int(m, op, rows, 0);
        l->serpentine = l->serpentine || word_is(m, op, serpentine, "yes");
        if (!l->known || !word_is(m, op, turned, "yes") || first + some > l->slots)
            continue;
        if (!l->turned)
            l->turned = ARENA_ARRAY(a, uint8_t, l->slots);
        memset(l->turned + first, 1, some);
    }
}

bool facts_read(arena *a, diag *d, const ir_module *m, layer_facts **out, size_t *count) {
    size_t n = 0;
    for (size_t op = 0; op < m->op_count; op++)
        n += m->ops[op].code == IR_LAYER;
    layer_facts *layers = ARENA_ARRAY(a, layer_facts, n);
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_LAYER)
            continue;
        int64_t index = ir_int(m, op, IR_KEY_index, -1);
        if (index < 0 || (uint64_t)index >= n || layers[index].slots)
            return diag_internal(d, m->ops[op].loc, "report: layers are not numbered 0 to %zu, each once", n - 1);
        const layer_info info = layer_read(a, m, op);
        layer_facts *l = &layers[index];
        *l = (layer_facts){.op = op,
                           .slots = info.slots,
                           .high = info.high,
                           .heads = info.heads,
                           .kv_heads = info.kv_heads,
                           .head_dim = info.head_dim,
                           .first_key = info.key_first,
                           .keys = info.keys,
                           .first_col = info.col_first,
                           .cols = info.cols,
                           .folds = info.folds,
                           .late = info.late,
                           .first_query = info.query_first,
                           .queries = info.queries,
                           .causal = info.causal,
                           .clusters = info.clusters,
                           .qk_work = info.clusters.count ? layer_seen_work(a, m, op, &info, true) : 0,
                           .pv_work = info.clusters.count ? layer_seen_work(a, m, op, &info, false) : 0,
                           .known = info.is_static,
                           .streaming = info.streaming,
                           .like = (uint32_t)index};
        if (!l->keys || l->keys > l->slots || l->high > l->keys || !l->heads || !l->head_dim)
            return diag_internal(d, m->ops[op].loc, "report: layer %lld has no sensible size", (long long)index);
        static const int operands[DTQ_OPERANDS] = {
            [DTQ_Q] = LAYER_Q, [DTQ_K] = LAYER_K, [DTQ_V] = LAYER_V, [DTQ_P] = LAYER_P};
        for (int i = 0; l->known && i < DTQ_OPERANDS; i++) {
            l->bits[i] = read_bits(a, m, op, &info, operands[i]);
            if (!l->bits[i]) {
                return diag_internal(d, m->ops[op].loc, "report: bits of layer %lld do not cover its %u slots",
                                     (long long)index, l->slots);
            }
        }
    }
    read_walks(a, m, layers, n);
    for (size_t i = 0; i < n; i++) {
        layers[i].next_keys = i + 1 < n ? layers[i + 1].keys : 0;
        for (size_t j = i; j-- > 0;) { /* neighbours are the likeliest to be alike */
            if (alike(&layers[i], &layers[j])) {
                layers[i].like = layers[j].like;
                break;
            }
        }
    }
    *out = layers;
    *count = n;
    return true;
}

uint64_t facts_cost_sum(const layer_facts *l, dtq_operand operand, const dtq_machine *machine) {
    uint32_t first = operand == DTQ_K ? l->first_col : operand == DTQ_V ? l->first_key : l->first_query;
    uint32_t slots = operand == DTQ_K ? l->cols : operand == DTQ_V ? l->keys : l->queries;
    uint64_t sum = slots;
    if (!l->known) {
        int prob8 = operand == DTQ_P ? facts_prob8(machine) : -1;
        return sum + (prob8 < 0 ? (l->high < slots ? l->high : slots) : prob8 ? slots : 0);
    }
    for (uint32_t i = first; i < first + slots; i++)
        sum += l->bits[operand][i] == 8;
    return sum;
}
