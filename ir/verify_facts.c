/* What attributes say of each other, of the layer they name and of the machine. */
#include <string.h>

#include "ir/verify.h"

/* ---- layers ------------------------------------------------------------------------------------------------------ */

enum { HEADS_MAX = 4096, HEAD_DIM_MAX = 65536 };

static bool declares_layer(ir_opcode code) {
    return code == IR_ATTENTION || code == IR_TILES || code == IR_LAYER;
}

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
    *layer =
        (verify_layer){.declared = true,
                       .slots = slots,
                       .key_first = high_first ? 0 : muted,
                       .keys = slots - muted,
                       .query_first = key_only ? (high_first ? ir_int(m, op, IR_KEY_high, 0) : slots) - queries : 0,
                       .queries = slots - key_only,
                       .query_heads = ir_int(m, op, IR_KEY_query_heads, 0),
                       .kv_heads = ir_int(m, op, IR_KEY_kv_heads, 0),
                       .head_dim = ir_int(m, op, IR_KEY_head_dim, 0)};
    v->layer_count++;
}

void verify_layers(verifier *v) {
    const ir_module *m = v->m;
    for (size_t op = 0; op < m->op_count; op++) {
        const ir_attr *index = declares_layer((ir_opcode)m->ops[op].code) ? ir_get(m, op, IR_KEY_index) : NULL;
        if (index && index->kind == IR_KIND_INT && index->i >= v->layer_room && index->i < VERIFY_LAYERS_MAX)
            v->layer_room = index->i + 1;
    }
    v->layers = ARENA_ARRAY(v->scratch, verify_layer, (size_t)v->layer_room);
    for (size_t op = 0; op < m->op_count; op++)
        if (declares_layer((ir_opcode)m->ops[op].code))
            declare_layer(v, op);
}

const verify_layer *verify_find_layer(const verifier *v, int64_t index) {
    return index >= 0 && index < v->layer_room && v->layers[index].declared ? &v->layers[index] : NULL;
}

static void verify_shape(verifier *v, size_t op) {
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

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* Lists that describe each slot (or each original token) and the elements they may have. */
static const struct {
    ir_key key;
    bool of_tokens, zero; /* zero: 0 bits, pruned, is a precision too */
} precisions[] = {
    {IR_KEY_segments, false, false}, {IR_KEY_q_bits, false, false}, {IR_KEY_k_bits, false, false},
    {IR_KEY_v_bits, false, false},   {IR_KEY_p_bits, false, false}, {IR_KEY_token_bits, true, true},
};

static void verify_precisions(verifier *v, size_t op, const ir_attr *slots) {
    const ir_module *m = v->m;
    for (size_t i = 0; i < sizeof precisions / sizeof precisions[0]; i++) {
        const ir_attr *attr = ir_get(m, op, precisions[i].key);
        if (!attr)
            continue;
        const char *name = ir_key_get(precisions[i].key)->name;
        int64_t sum = 0, want = precisions[i].of_tokens ? (int64_t)m->header.seq : slots ? slots->i : -1;
        for (uint32_t r = 0; r < attr->count; r++) {
            int64_t bits = attr->runs[r].value;
            sum += attr->runs[r].count;
            if (bits != 4 && bits != 8 && !(bits == 0 && precisions[i].zero)) {
                verify_error(v, op, "`%s` has a run of %lld bits; a precision is %s4 or 8", name, (long long)bits,
                             precisions[i].zero ? "0, " : "");
                break;
            }
        }
        if (want < 0)
            verify_error(v, op, "`%s` needs `slots`, which is missing", name);
        else if (sum != want)
            verify_error(v, op, "`%s` describes %lld tokens, but there are %lld", name, (long long)sum,
                         (long long)want);
    }
}

static void verify_turned(verifier *v, size_t op, const ir_attr *slots) {
    const ir_attr *turned = ir_get(v->m, op, IR_KEY_turned_rows);
    int64_t sum = 0;
    for (uint32_t r = 0; turned && r < turned->count; r++) {
        sum += turned->runs[r].count;
        if (turned->runs[r].value != 0 && turned->runs[r].value != 1)
            verify_error(v, op, "`turned_rows` has a run of %lld; 1 is turned, 0 is not",
                         (long long)turned->runs[r].value);
    }
    if (turned && (!slots || sum != slots->i))
        verify_error(v, op, "`turned_rows` describes %lld tokens, but there are %lld", (long long)sum,
                     slots ? (long long)slots->i : 0LL);
}

/* The precision a slot was chosen for, where its clusters do not say: the least that any operand has. */
static uint8_t *least_bits(verifier *v, size_t op, int64_t slots) {
    static const ir_key operands[] = {IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits};
    uint8_t *least = NULL;
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
        const ir_attr *runs = ir_get(v->m, op, operands[i]);
        size_t count = 0;
        uint8_t *bits = runs ? ir_runs_expand(v->scratch, runs, &count) : NULL;
        if (!bits || (int64_t)count != slots)
            return NULL;
        for (size_t s = 0; least && s < count; s++)
            least[s] = bits[s] < least[s] ? bits[s] : least[s];
        least = least ? least : bits;
    }
    return least;
}

/* What `segments` must be: low-first, all 4-bit slots stand before all 8-bit slots; high-first, after them; in original
 * order they are what operands say, or, where that is known at run time alone, how many there are of each. */
static ir_run *expected_segments(verifier *v, size_t op, const char *order, bool is_static, int64_t slots, int64_t high,
                                 size_t *count) {
    if (strcmp(order, "original") == 0 && is_static) {
        uint8_t *bits = least_bits(v, op, slots);
        return bits ? ir_runs_of(v->scratch, bits, (size_t)slots, count) : NULL;
    }
    const ir_run low_run = {slots - high, 4}, high_run = {high, 8};
    const ir_run both[2] = {strcmp(order, "high-first") == 0 ? high_run : low_run,
                            strcmp(order, "high-first") == 0 ? low_run : high_run};
    ir_run *runs = ARENA_ARRAY(v->scratch, ir_run, 2);
    *count = 0;
    for (int i = 0; i < 2; i++)
        if (both[i].count)
            runs[(*count)++] = both[i];
    return runs;
}

static void verify_order(verifier *v, size_t op, const ir_attr *slots) {
    const ir_attr *segments = ir_get(v->m, op, IR_KEY_segments);
    const char *order = ir_str(v->m, op, IR_KEY_order), *known = ir_str(v->m, op, IR_KEY_static_bits);
    int64_t high = ir_int(v->m, op, IR_KEY_high, 0), sum = 0;
    if (!segments || !order || !known || !slots || high < 0 || high > slots->i)
        return;
    bool is_static = strcmp(known, "yes") == 0, clustered = strcmp(order, "original") != 0;
    if (clustered && !is_static)
        verify_error(v, op, "`static_bits` is no, but in clusters the precision of every slot is known");
    if (!is_static && ir_get(v->m, op, IR_KEY_q_bits))
        verify_error(v, op, "`static_bits` is no, but it has the bits of every slot");
    size_t count = 0;
    ir_run *want = expected_segments(v, op, order, is_static, slots->i, high, &count);
    const ir_attr expected = {.key = IR_KEY_segments, .kind = IR_KIND_RUNS, .count = (uint32_t)count, .runs = want};
    for (uint32_t r = 0; r < segments->count; r++)
        sum += segments->runs[r].count;
    if (want && sum == slots->i && !ir_attr_equal(segments, &expected)) /* else verify_precisions says so */
        verify_error(v, op, "`segments` is %s, but %lld slots, %lld of them at 8 bits, %s make %s",
                     ir_attr_text(v->scratch, segments), (long long)slots->i, (long long)high, order,
                     ir_attr_text(v->scratch, &expected));
}

/* Ids ascend inside each cluster, and among the muted. */
static void verify_ids_order(verifier *v, size_t op, const ir_attr *ids) {
    const char *order = ir_str(v->m, op, IR_KEY_order);
    int64_t slots = ids->count, high = ir_int(v->m, op, IR_KEY_high, 0), muted = ir_int(v->m, op, IR_KEY_muted, 0);
    if (!order || high < 0 || muted < 0 || high + muted > slots)
        return;
    bool high_first = strcmp(order, "high-first") == 0, clustered = strcmp(order, "original") != 0;
    int64_t edges[] = {high_first ? slots - muted : muted, !clustered ? -1 : high_first ? high : slots - high};
    for (int64_t i = 1; i < slots; i++)
        if (ids->ints[i] <= ids->ints[i - 1] && i != edges[0] && i != edges[1]) {
            verify_error(v, op, "`ids` has token %lld behind %lld; tokens ascend inside each cluster",
                         (long long)ids->ints[i], (long long)ids->ints[i - 1]);
            return;
        }
}

static void verify_ids(verifier *v, size_t op, const ir_attr *slots) {
    const ir_attr *ids = ir_get(v->m, op, IR_KEY_ids);
    uint32_t seq = v->m->header.seq;
    if (!ids)
        return;
    if (!slots || ids->count != slots->i) {
        verify_error(v, op, "`ids` has %u tokens, but there are %lld slots", ids->count,
                     slots ? (long long)slots->i : 0LL);
        return;
    }
    bool *seen = ARENA_ARRAY(v->scratch, bool, (size_t)seq + 1);
    for (uint32_t i = 0; i < ids->count; i++) {
        if (ids->ints[i] < 0 || ids->ints[i] >= seq || seen[ids->ints[i]]) {
            verify_error(v, op, "token %lld of `ids` is %s", (long long)ids->ints[i],
                         ids->ints[i] < 0 || ids->ints[i] >= seq ? "no token of the input" : "there twice");
            return;
        }
        seen[ids->ints[i]] = true;
    }
    verify_ids_order(v, op, ids);
}

/** Shares of 0, 4 and 8 bits: three numbers, none negative, that sum to `whole`. */
static void verify_parts(verifier *v, size_t op, const char *name, const ir_attr *parts, int64_t whole,
                         const char *unit) {
    int64_t left = whole;
    if (!parts)
        return;
    if (parts->count != 3) {
        verify_error(v, op, "`%s` has %u numbers; it has 3, for 0, 4 and 8 bits", name, parts->count);
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (parts->ints[i] < 0 || parts->ints[i] > whole) {
            verify_error(v, op, "`%s` has a %lld; each is between 0 and %lld", name, (long long)parts->ints[i],
                         (long long)whole);
            return;
        }
        left -= parts->ints[i];
    }
    if (left != 0)
        verify_error(v, op, "`%s` do not sum to the %lld %s", name, (long long)whole, unit);
}

static void verify_policy(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_attr *ratios = ir_get(m, op, IR_KEY_ratios), *counts = ir_get(m, op, IR_KEY_counts);
    const ir_attr *pinned = ir_get(m, op, IR_KEY_pinned);
    verify_parts(v, op, "ratios", ratios, 1000000000, "parts of 10^9");
    verify_parts(v, op, "counts", counts, m->header.seq, "tokens of the input");
    for (uint32_t i = 0; pinned && i < pinned->count; i++)
        if (pinned->ints[i] < 0 || pinned->ints[i] >= m->header.seq || (i && pinned->ints[i] <= pinned->ints[i - 1])) {
            verify_error(v, op, "`pinned` must be tokens of the input (0 to %u), ascending", m->header.seq - 1);
            break;
        }
}

/* ---- tile level -------------------------------------------------------------------------------------------------- */

static ir_opcode operand_code(const ir_module *m, size_t op, size_t index) {
    return (ir_opcode)m->ops[m->defs[ir_operand(m, op, index)]].code;
}

static int64_t operand_index(const ir_module *m, size_t op, size_t index) {
    return ir_int(m, m->defs[ir_operand(m, op, index)], IR_KEY_index, -1);
}

static void verify_select(verifier *v, size_t op) {
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

/* A layer that probes chooses by its own q and k; nobody else does. */
static void verify_probe(verifier *v, size_t op) {
    const ir_module *m = v->m;
    size_t select = m->defs[ir_operand(m, op, 3)];
    const char *rule = ir_str(m, op, IR_KEY_importance_rule);
    bool probe = rule && strcmp(rule, "probe") == 0, by_own = m->ops[select].operand_count == 2;
    if (by_own &&
        (ir_operand(m, select, 0) != ir_operand(m, op, 0) || ir_operand(m, select, 1) != ir_operand(m, op, 1)))
        verify_error(v, op, "its `tile.select` has operands other than its q and k");
    else if (by_own && !probe)
        verify_error(v, op, "its `tile.select` chooses by q and k, which only `importance_rule = probe` does");
    else if (probe && m->ops[select].operand_count == 1)
        verify_error(v, op, "`importance_rule = probe` chooses by q and k, not by the layer before");
}

static void verify_tiles(verifier *v, size_t op) {
    const ir_module *m = v->m;
    int64_t index = ir_int(m, op, IR_KEY_index, -1);
    if (operand_code(m, op, 3) != IR_SELECT || operand_index(m, op, 3) != index)
        verify_error(v, op, "operand 4 must be the `tile.select` of layer %lld", (long long)index);
    else {
        verify_same_choice(v, op, m->defs[ir_operand(m, op, 3)]);
        verify_probe(v, op);
    }
}

/* ---- linears on the arrays --------------------------------------------------------------------------------------- */

static const ir_key cut_keys[] = {IR_KEY_row_edges, IR_KEY_turned_chunks, IR_KEY_output_block, IR_KEY_input_block,
                                  IR_KEY_outer};

/* The layer whose slots are the rows of a linear: of the attention behind it, or of the last one. */
static const verify_layer *layer_of_linear(const verifier *v, size_t linear) {
    const verify_layer *last = NULL;
    for (size_t op = 0; op < v->m->op_count; op++)
        if (v->m->ops[op].code == IR_TILES) {
            last = verify_find_layer(v, ir_int(v->m, op, IR_KEY_index, -1));
            if (op > linear)
                return last;
        }
    return last;
}

static void verify_row_edges(verifier *v, size_t op, const verify_layer *layer) {
    const ir_attr *edges = ir_get(v->m, op, IR_KEY_row_edges), *turned = ir_get(v->m, op, IR_KEY_turned_chunks);
    int64_t first = layer->query_first, end = first + layer->queries;
    bool rising = true;
    for (uint32_t i = 1; i < edges->count; i++)
        rising = rising && edges->ints[i - 1] < edges->ints[i];
    if (edges->count < 2 || !rising || edges->ints[0] != first || edges->ints[edges->count - 1] != end) {
        verify_error(v, op, "`row_edges` must rise from %lld to %lld, the query slots of its layer", (long long)first,
                     (long long)end);
        return;
    }
    if (turned->count != edges->count - 1)
        verify_error(v, op, "`turned_chunks` has %u numbers, but `row_edges` has %u chunks", turned->count,
                     edges->count - 1);
    for (uint32_t i = 0; i < turned->count; i++)
        if (turned->ints[i] != 0 && turned->ints[i] != 1) {
            verify_error(v, op, "`turned_chunks` has a %lld; 1 is turned, 0 is not", (long long)turned->ints[i]);
            break;
        }
}

static void verify_blocks(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_attr *blocks = ir_get(m, op, IR_KEY_output_block), *turned = ir_get(m, op, IR_KEY_turned_chunks);
    int64_t outputs = ir_int(m, op, IR_KEY_outputs, 0), input_block = ir_int(m, op, IR_KEY_input_block, 0);
    ir_type input = m->types[ir_operand(m, op, 0)];
    int64_t inputs = input.rank == 2 ? input.dim[1] : 0;
    if (blocks->count != 2)
        verify_error(v, op, "`output_block` has %u numbers; it has 2, for rows that are not turned and that are",
                     blocks->count);
    bool used[2] = {false, false};
    for (uint32_t i = 0; i < turned->count; i++)
        used[turned->ints[i] != 0] = true;
    for (uint32_t i = 0; i < blocks->count && i < 2; i++)
        if (used[i] ? blocks->ints[i] < 1 || blocks->ints[i] > outputs : blocks->ints[i] != 0) {
            verify_error(v, op,
                         "`output_block` has a %lld; each is between 1 and the %lld outputs, or 0 if no chunk is %s",
                         (long long)blocks->ints[i], (long long)outputs, i ? "turned" : "not turned");
            break;
        }
    if (inputs == 0)
        verify_error(v, op, "it is cut into blocks, but its inputs are not known; run infer-shapes before");
    else if (input_block < 1 || input_block > inputs)
        verify_error(v, op, "`input_block` is %lld; it is between 1 and the %lld inputs", (long long)input_block,
                     (long long)inputs);
    else if (input_block % 2 && input_block < inputs)
        verify_error(v, op, "`input_block` is %lld; blocks begin at even inputs, so it is even or all %lld",
                     (long long)input_block, (long long)inputs);
}

/* How a linear is cut: all of it is there or nothing. */
static void verify_cut(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const size_t all = sizeof cut_keys / sizeof *cut_keys;
    const char *missing = NULL, *present = NULL;
    for (size_t i = 0; i < all; i++)
        *(ir_get(m, op, cut_keys[i]) ? &present : &missing) = ir_key_get(cut_keys[i])->name;
    if (!present)
        return;
    if (missing) {
        verify_error(v, op, "it has `%s`, but not `%s`; tile-linears sets both", present, missing);
        return;
    }
    const verify_layer *layer = m->level == IR_TILE ? layer_of_linear(v, op) : NULL;
    if (layer)
        verify_row_edges(v, op, layer);
    else
        verify_error(v, op, "it is cut into blocks, but there is no `tile.attention` whose rows it has");
    verify_blocks(v, op);
}

/* ---- stream level: the regions of a layer ------------------------------------------------------------------------ */

/* What a layer's regions hold follows from its tokens and heads. They may be larger, for layers share them. */
static void verify_regions(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const char *mask = ir_str(m, op, IR_KEY_mask);
    uint64_t seq = m->header.seq, heads = (uint64_t)ir_int(m, op, IR_KEY_query_heads, 0);
    uint64_t kv = (uint64_t)ir_int(m, op, IR_KEY_kv_heads, 0), d = (uint64_t)ir_int(m, op, IR_KEY_head_dim, 0);
    bool causal = mask && strcmp(mask, "causal") == 0;
    if (heads < 1 || heads > HEADS_MAX || kv < 1 || kv > heads || d < 1 || d > HEAD_DIM_MAX)
        return; /* verify_shape says so */
    const struct {
        const char *what;
        uint64_t bytes;
    } regions[] = {
        {"codes of q", heads * seq * d}, {"codes of k", kv * seq * d},
        {"codes of v", kv * seq * d},    {"scales of q", 4 * heads * seq},
        {"scales of k", 4 * kv * seq},   {"scales of v", causal ? 4 * kv * seq : 8 * kv * d},
        {"output", 4 * seq * heads * d}, {"importance", 8 * seq},
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

/* ---- all levels -------------------------------------------------------------------------------------------------- */

void verify_facts(verifier *v, size_t op) {
    const ir_module *m = v->m;
    ir_opcode code = (ir_opcode)m->ops[op].code;
    if (ir_is_instr(code) || code == IR_BUFFER)
        return;
    const ir_attr *slots = ir_get(m, op, IR_KEY_slots);
    if (slots && (slots->i < 1 || slots->i > m->header.seq))
        verify_error(v, op, "`slots` is %lld; of %u tokens 1 to %u can be active", (long long)slots->i, m->header.seq,
                     m->header.seq);
    if (slots && ir_int(m, op, IR_KEY_high, 0) > slots->i)
        verify_error(v, op, "`high` is %lld, more than its %lld slots", (long long)ir_int(m, op, IR_KEY_high, 0),
                     (long long)slots->i);
    int64_t muted = ir_int(m, op, IR_KEY_muted, 0);
    if (muted && (!slots || muted < 0 || muted >= slots->i || ir_int(m, op, IR_KEY_high, 0) > slots->i - muted))
        verify_error(v, op, "`muted` is %lld; of %lld slots at least one, and all %lld at 8 bits, must be keys",
                     (long long)muted, slots ? (long long)slots->i : 0LL, (long long)ir_int(m, op, IR_KEY_high, 0));
    const ir_attr *queries = ir_get(m, op, IR_KEY_queries);
    if (queries && (queries->i < 1 || queries->i > m->header.seq))
        verify_error(v, op, "`queries` is %lld; of %u tokens 1 to %u can be queries", (long long)queries->i,
                     m->header.seq, m->header.seq);
    else if (queries && (!ir_str(m, op, IR_KEY_mask) || strcmp(ir_str(m, op, IR_KEY_mask), "causal") != 0))
        verify_error(v, op,
                     "it has `queries`, of generation, but no causal mask: its keys would change with every token");
    else if (queries && slots && (queries->i > slots->i || (queries->i < slots->i && muted)))
        verify_error(v, op,
                     "`queries` is %lld of %lld slots, %lld of them muted: all slots are queries, or none is muted",
                     (long long)queries->i, (long long)slots->i, (long long)muted);
    if (declares_layer(code) || code == IR_SELECT) {
        verify_precisions(v, op, slots);
        verify_turned(v, op, slots);
        verify_order(v, op, slots);
        verify_ids(v, op, slots);
        verify_policy(v, op);
    }
    if (declares_layer(code))
        verify_shape(v, op);
    if (code == IR_LAYER)
        verify_regions(v, op);
    if (code == IR_SELECT)
        verify_select(v, op);
    if (code == IR_TILES)
        verify_tiles(v, op);
    if (code == IR_LINEAR)
        verify_cut(v, op);
}

/* ---- stream level ------------------------------------------------------------------------------------------------ */

enum { DRAM_BITS = 40 }; /* of a DRAM address field */

/* Bytes of a space: the machine's buffer of that name, or all that an address reaches. */
static uint64_t find_space_bytes(const ir_module *m, const char *space) {
    for (size_t i = 0; i < dtq_machine_param_count; i++)
        if (strcmp(dtq_machine_params[i].section, "buffers") == 0 && strcmp(dtq_machine_params[i].name, space) == 0)
            return (uint64_t)dtq_machine_get(&m->machine, &dtq_machine_params[i]);
    return ((uint64_t)1 << DRAM_BITS) - 1;
}

static uint64_t space_bytes(verifier *v, const char *space) {
    uintptr_t at = (uintptr_t)space;
    verify_space_met *met = &v->spaces[(at ^ at >> 6) % VERIFY_SPACES];
    if (met->name != space)
        *met = (verify_space_met){space, find_space_bytes(v->m, space)};
    return met->bytes;
}

void verify_buffer(verifier *v, size_t op) {
    const char *space = verify_text(v, IR_KEY_space);
    uint64_t bytes = (uint64_t)verify_number(v, IR_KEY_bytes, 0), capacity = space_bytes(v, space);
    uint64_t address = (uint64_t)verify_number(v, IR_KEY_address, 0);
    if (bytes == 0)
        verify_error(v, op, "it has no bytes");
    else if (verify_get(v, IR_KEY_address) && (address > capacity || bytes > capacity - address))
        verify_error(v, op, "it ends at byte %llu of `%s`, which has %llu bytes", (unsigned long long)(address + bytes),
                     space, (unsigned long long)capacity);
}

/* The space that an operand must be in: the first word of its field's doc. */
static void verify_space(verifier *v, size_t op, size_t index) {
    const ir_module *m = v->m;
    ir_opcode code = (ir_opcode)m->ops[op].code;
    ir_value value = ir_operand(m, op, index);
    if (value == IR_NONE || m->ops[m->defs[value]].code != IR_BUFFER)
        return; /* the type check has said so */
    const char *space = ir_str(m, m->defs[value], IR_KEY_space);
    const char **good = index < DTQ_FIELDS_MAX ? &verify_met(v, code)->good_space[index] : NULL;
    if (space && good && *good == space)
        return;
    const dtq_field_info *field = ir_operand_field(code, index);
    const char *want = field ? field->doc : "";
    size_t n = strcspn(want, " :");
    bool by_operand = false;
    if (!field || field->kind == DTQ_KIND_DRAM) { /* no field: a region of a layer */
        want = "dram";
        n = 4;
    } else if (n == 7 && memcmp(want, "operand", 7) == 0) {
        want = verify_text(v, v->operand);
        n = strlen(want);
        by_operand = true;
    }
    bool fits = !space || (strlen(space) == n && memcmp(space, want, n) == 0);
    if (fits && good && !by_operand)
        *good = space;
    else if (!fits)
        verify_error(v, op, "operand %zu%s%s is a buffer in `%s`; it must be in `%.*s`", index + 1, field ? ", " : "",
                     field ? field->name : "", space, (int)n, want);
}

void verify_spaces(verifier *v, size_t op) {
    for (size_t i = 0; i < v->m->ops[op].operand_count; i++)
        verify_space(v, op, i);
}

/* Whether a field that counts slots counts keys: `col` does, and the rows of keys and values that a load gathers. */
static bool counts_keys(const verify_code *code, unsigned field, const char *operand) {
    return code->is_column[field] || (operand && strcmp(operand, "q") != 0);
}

static void verify_layer_fields(verifier *v, size_t op, const dtq_op_info *info, const verify_code *code) {
    const int *keys = code->field_keys;
    const char *operand = verify_text(v, v->operand);
    const verify_layer *layer = NULL;
    int64_t number = -1;
    for (unsigned f = 0; f < info->field_count; f++) {
        if (keys[f] < 0)
            continue;
        dtq_field_kind kind = info->fields[f].kind;
        if (kind == DTQ_KIND_LAYER) {
            number = verify_number(v, (unsigned)keys[f], -1);
            layer = verify_find_layer(v, number);
            if (!layer)
                verify_error(v, op, "layer %lld is not declared; add a `layer` op with `index = %lld`",
                             (long long)number, (long long)number);
        } else if (layer && kind == DTQ_KIND_HEAD) {
            int64_t heads = operand && strcmp(operand, "q") != 0 ? layer->kv_heads : layer->query_heads;
            int64_t head = verify_number(v, (unsigned)keys[f], 0);
            if (head >= heads)
                verify_error(v, op, "`%s` is %lld, but layer %lld has %lld of them, numbered from 0",
                             info->fields[f].name, (long long)head, (long long)number, (long long)heads);
        } else if (layer && kind == DTQ_KIND_SLOT && f + 1 < info->field_count &&
                   info->fields[f + 1].kind == DTQ_KIND_COUNT) {
            int64_t first = verify_number(v, (unsigned)keys[f], 0);
            int64_t count = verify_number(v, (unsigned)keys[f + 1], 0);
            bool of_keys = counts_keys(code, f, operand);
            if (of_keys && count >= 1 && first + count <= layer->slots &&
                (first < layer->key_first || first + count > layer->key_first + layer->keys))
                verify_error(
                    v, op, "slots %lld..%lld (`%s`, `%s`) are not all keys; those of layer %lld are %lld..%lld",
                    (long long)first, (long long)(first + count), info->fields[f].name, info->fields[f + 1].name,
                    (long long)number, (long long)layer->key_first, (long long)(layer->key_first + layer->keys));
            if (!of_keys && count >= 1 && first + count <= layer->slots &&
                (first < layer->query_first || first + count > layer->query_first + layer->queries))
                verify_error(
                    v, op, "slots %lld..%lld (`%s`, `%s`) are not all queries; those of layer %lld are %lld..%lld",
                    (long long)first, (long long)(first + count), info->fields[f].name, info->fields[f + 1].name,
                    (long long)number, (long long)layer->query_first, (long long)(layer->query_first + layer->queries));
            if (count < 1 || first + count > layer->slots)
                verify_error(v, op, "slots %lld..%lld (`%s`, `%s`) are not in the %lld slots of layer %lld",
                             (long long)first, (long long)(first + count), info->fields[f].name,
                             info->fields[f + 1].name, (long long)layer->slots, (long long)number);
        }
    }
}

static bool queue_serves(int64_t queue, unsigned engine_class) {
    return engine_class == DTQ_CLASS_ANY ||
           (engine_class == DTQ_CLASS_ARRAY ? queue >= DTQ_ARRAY0 : queue == (int64_t)engine_class);
}

void verify_instruction(verifier *v, size_t op) {
    const ir_module *m = v->m;
    ir_opcode code = (ir_opcode)m->ops[op].code;
    int isa = IR_ISA_OP(code);
    const dtq_op_info *info = &dtq_ops[isa];
    const verify_code *met = verify_met(v, code);
    int64_t queue = verify_number(v, IR_KEY_queue, -1);
    char name[16];
    if (!queue_serves(queue, info->engine_class))
        verify_error(v, op, "queue %s cannot execute it; it belongs to %s", dtq_queue_name((unsigned)queue, name),
                     info->engine_class == DTQ_CLASS_ARRAY ? "an array"
                                                           : dtq_queue_name(info->engine_class, (char[16]){0}));
    for (unsigned f = 0; f < info->field_count; f++)
        if (info->fields[f].kind == DTQ_KIND_ENGINE && verify_number(v, (unsigned)met->field_keys[f], -1) == queue)
            verify_error(v, op, "queue %s would wait for itself; tokens go from one queue to another",
                         dtq_queue_name((unsigned)queue, name));
    verify_layer_fields(v, op, info, met);
    if (code == IR_I_TOPK && strcmp(verify_text(v, v->select), "yes") == 0 &&
        !verify_find_layer(v, verify_number(v, v->layer, 0) + 1))
        verify_error(v, op, "it selects for the layer after its own, which is not declared; set `select = no`");
    const ir_attr *start = verify_get(v, IR_KEY_start), *busy = verify_get(v, IR_KEY_busy);
    const ir_attr *done = verify_get(v, IR_KEY_done);
    if (start && busy && done && (done->i < start->i || done->i - start->i < busy->i))
        verify_error(v, op, "`done` is before `start` + `busy`");
}
