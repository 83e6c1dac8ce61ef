/* Attention by strips of query rows: the task that quantises them and takes them through scores, softmax, importance
 * and output, one head at a time. */
#include "codegen/llvm/attention_parts.h"
#include "runtime/numerics/numerics.h"

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

static uint64_t operand_bytes_per_key(const attention_shape *a) {
    return padded_to_group(a) + 4 + 4 + padded_to_vector(a) + (a->causal ? 4 : 0);
}

static uint64_t operand_bytes_fixed(const attention_shape *a) {
    return a->causal ? 0 : 4 * SPANS * padded_to_vector(a);
}

dtq_host_buffer attention_operands_size(const attention_shape *a) {
    return (dtq_host_buffer){.fixed = a->kv_heads * operand_bytes_fixed(a),
                             .per_key = a->kv_heads * operand_bytes_per_key(a)};
}

head_operands attention_head(emitter *e, const attention_shape *a, val buffer, val keys, val head) {
    val bytes = add(e, mul(e, keys, i64_of(e, operand_bytes_per_key(a))), i64_of(e, operand_bytes_fixed(a)));
    head_operands h;
    h.key_codes = at(e, buffer, mul(e, head, bytes));
    h.key_scales = at_index(e, h.key_codes, keys, padded_to_group(a));
    h.key_offsets = at_index(e, h.key_scales, keys, 4);
    h.value_codes = at_index(e, h.key_offsets, keys, 4);
    h.value_scales = at_index(e, h.value_codes, keys, padded_to_vector(a));
    return h;
}

/* Scratch: strip_memory, codes of queries, scores of a group of rows, probabilities, and causal weights. */
enum { STRIP_BYTES = (sizeof(strip_memory) + 63) / 64 * 64 };

dtq_host_buffer attention_scratch_size(const attention_shape *a) {
    return (dtq_host_buffer){.fixed = STRIP_BYTES + STRIP_ROWS * padded_to_vector(a),
                             .per_key = GROUP_ROWS * 4 + STRIP_ROWS + (a->causal ? STRIP_ROWS : 0)};
}

/* ---- queries ---------------------------------------------------------------------------------------------------- */

typedef struct {
    val row, codes, scale, reciprocal;
    var rounded;
} query;

static void quantise_columns(emitter *e, void *context, val column, unsigned count) {
    const query *q = context;
    val x = load_columns(e, at_index(e, q->row, column, 4), count), code;
    quantised(e, 1, &x, &q->scale, &q->reciprocal, &q->rounded, &code);
    val biased = LLVMBuildTrunc(e->builder, add(e, code, splat_i(e, 128)), e->vb, "");
    store(e, biased, at(e, q->codes, column));
}

val attention_queries(emitter *e, const attention_shape *a) {
    enum { FRAME, MEMORY, Q, LIMITS, SITE, SLOT, HEAD, PARAMS };
    const char *name = name_of(e, "attention_queries_h%u_d%u", a->heads, a->head_dim);
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64, e->i64, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS), strip = arg(e, MEMORY);
    /* Tiles may be higher than what is left of a strip: rows that are not there have a scale all the same. */
    store(e, splat_f(e, 1.0f), STRIP_AT(e, strip, scales));
    uint64_t stride = 4 * row_stride((uint64_t)a->heads * a->head_dim);
    val codes = STRIP(e, e->ptr, strip, queries);
    query q = {.rounded = var_new(e, e->vf, NULL)};
    loop rows = loop_begin(e, i64_of(e, 0), STRIP(e, e->i64, strip, rows), 1);
    q.row = at_index(e, arg(e, Q), rows.index, stride);
    q.codes = at_index(e, codes, rows.index, padded_to_vector(a));
    val largest = largest_magnitude(e, q.row, a->head_dim);
    report_unless_quantisable(e, largest, arg(e, FRAME), arg(e, SITE), add(e, arg(e, SLOT), rows.index), arg(e, HEAD));
    val scale = quantisation_scale(e, largest, element(e, e->f32, arg(e, LIMITS), rows.index));
    q.scale = spread(e, scale);
    q.reciprocal = spread(e, over(e, f32_of(e, 1.0f), scale));
    each_columns(e, a->head_dim, quantise_columns, &q);
    val score_scale = times(e, scale, f32_of(e, dtq_score_scale(a->head_dim)));
    store(e, score_scale, at_index(e, STRIP_AT(e, strip, scales), rows.index, 4));
    loop_end(e, &rows);
    function_end(e);
    return f;
}

/* ---- strips ----------------------------------------------------------------------------------------------------- */

typedef struct {
    const attention_shape *a;
    val frame, layer, slots, strip; /* slots: dtq_host_slots; strip: memory */
    val low_keys, keys, key_ids;
    val slot_stride; /* of limits, from one key/value head to the next */
} task;

static void set_at(emitter *e, val strip, uint64_t offset, val x) {
    store(e, x, at(e, strip, i64_of(e, offset)));
}

#define SET(e, strip, member, x) set_at((e), (strip), offsetof(strip_memory, member), (x))

static val buffer(emitter *e, val frame, uint64_t number) {
    return element(e, e->ptr, field(e, e->ptr, frame, offsetof(dtq_host_frame, buffers)), i64_of(e, number));
}

static val limits_of(emitter *e, const task *t, unsigned operand) {
    return field(e, e->ptr, t->slots, offsetof(dtq_host_slots, limits) + 8ull * operand);
}

/* What does not change from item to item. */
static void prepare_strip(emitter *e, const task *t) {
    val queries = at(e, t->strip, i64_of(e, STRIP_BYTES));
    val scores = at(e, queries, i64_of(e, STRIP_ROWS * padded_to_vector(t->a)));
    val probabilities = at_index(e, scores, t->keys, 4ull * GROUP_ROWS);
    SET(e, t->strip, queries, queries);
    SET(e, t->strip, scores, scores);
    SET(e, t->strip, probabilities, probabilities);
    SET(e, t->strip, weights, t->a->causal ? at_index(e, probabilities, t->keys, STRIP_ROWS) : probabilities);
    SET(e, t->strip, keys, t->keys);
    SET(e, t->strip, key_ids, t->key_ids);
    SET(e, t->strip, from[0], i64_of(e, 0));
    SET(e, t->strip, from[1], t->low_keys);
    SET(e, t->strip, to[0], t->low_keys);
    SET(e, t->strip, to[1], t->keys);
}

static void prepare_head(emitter *e, const task *t, val head) {
    val kv_head = LLVMBuildUDiv(e->builder, head, i64_of(e, t->a->heads / t->a->kv_heads), "");
    head_operands h = attention_head(e, t->a, buffer(e, t->frame, t->a->operands), t->keys, kv_head);
    SET(e, t->strip, key_codes, h.key_codes);
    SET(e, t->strip, key_scales, h.key_scales);
    SET(e, t->strip, key_offsets, h.key_offsets);
    SET(e, t->strip, value_codes, h.value_codes);
    SET(e, t->strip, value_scales, h.value_scales);
}

/* The keys [from, to) of one class, cut behind the last that `newest` sees. */
static val cut_span(emitter *e, const task *t, val from, val to, val newest) {
    val newest_everywhere = spread(e, newest);
    var end = var_new(e, e->i64, from);
    loop l = loop_begin(e, from, to, LANES);
    val ids = load(e, e->vi, at_index(e, t->key_ids, l.index, 4));
    val seen = any_lane(e, LLVMBuildICmp(e->builder, LLVMIntULE, ids, newest_everywhere, ""));
    val behind = add(e, l.index, i64_of(e, LANES));
    var_set(e, end, choose(e, seen, behind, var_get(e, end)));
    loop_end(e, &l);
    val blocks = round_up(e, sub(e, var_get(e, end), from), BLOCK_KEYS);
    return smaller(e, add(e, from, blocks), to);
}

/* Causal: ids of the rows, and spans without what none of them sees. */
static void prepare_mask(emitter *e, const task *t, val slot, val rows) {
    val ids = load(e, e->vi, at_index(e, field(e, e->ptr, t->slots, offsetof(dtq_host_slots, ids)), slot, 4));
    SET(e, t->strip, ids, ids);
    val row_count = spread(e, LLVMBuildTrunc(e->builder, rows, e->i32, ""));
    val real = less(e, lane_numbers(e), row_count);
    val newest = max_lane_unsigned(e, choose(e, real, ids, splat_i(e, 0)));
    SET(e, t->strip, to[0], cut_span(e, t, i64_of(e, 0), t->low_keys, newest));
    SET(e, t->strip, to[1], cut_span(e, t, t->low_keys, t->keys, newest));
}

typedef struct {
    val queries, scores, softmax, sums, importance, values;
} steps;

static void strip_of(emitter *e, const task *t, const steps *s, val head, val slot, val worker) {
    const attention_shape *a = t->a;
    val left = sub(e, field(e, e->i64, t->slots, offsetof(dtq_host_slots, slots)), slot);
    val rows = smaller(e, left, i64_of(e, STRIP_ROWS)), column = mul(e, head, i64_of(e, a->head_dim));
    val place = add(e, mul(e, slot, i64_of(e, row_stride((uint64_t)a->heads * a->head_dim))), column);
    SET(e, t->strip, rows, rows);
    SET(e, t->strip, out, at_index(e, buffer(e, t->frame, a->out), place, 4));
    val kv_head = LLVMBuildUDiv(e->builder, head, i64_of(e, a->heads / a->kv_heads), "");
    val limit = add(e, mul(e, kv_head, t->slot_stride), slot);
    SET(e, t->strip, levels, load(e, e->vf, at_index(e, limits_of(e, t, DTQ_HOST_P), limit, 4)));
    if (a->causal)
        prepare_mask(e, t, slot, rows);
    val site = add(e, mul(e, t->layer, i64_of(e, 3)), i64_of(e, DTQ_HOST_Q));
    val quantise[] = {t->frame,
                      t->strip,
                      at_index(e, buffer(e, t->frame, a->q), place, 4),
                      at_index(e, limits_of(e, t, DTQ_HOST_Q), limit, 4),
                      site,
                      slot,
                      head};
    call(e, s->queries, quantise, 7);
    loop groups = loop_begin(e, i64_of(e, 0), rows, GROUP_ROWS);
    val group[2] = {t->strip, groups.index};
    call(e, s->scores, group, 2);
    call(e, s->softmax, group, 2);
    loop_end(e, &groups);
    call(e, s->sums, &t->strip, 1);
    val all = field(e, e->ptr, t->frame, offsetof(dtq_host_frame, importance));
    branch asked = if_begin(e, LLVMBuildIsNotNull(e->builder, all, ""));
    val share[2] = {t->strip, element(e, e->ptr, all, worker)};
    call(e, s->importance, share, 2);
    if_end(e, &asked);
    call(e, s->values, &t->strip, 1);
}

val emit_attention_strips(emitter *e, const attention_shape *a) {
    enum { FRAME, LAYER, FIRST, LAST, WORKER, PARAMS };
    const char *name = name_of(e, "attention_strips_h%u_k%u_d%u%s_b%u_%u_%u", a->heads, a->kv_heads, a->head_dim,
                               a->causal ? "_causal" : "", a->q, a->out, a->operands);
    if (function_find(e, name))
        return function_find(e, name);
    steps s = {attention_queries(e, a), attention_scores(e, a),  attention_softmax(e, a),
               attention_sums(e),       attention_importance(e), attention_values(e, a)};
    type params[PARAMS] = {e->ptr, e->i64, e->i64, e->i64, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS), frame = arg(e, FRAME), worker = arg(e, WORKER);
    task t = {.a = a, .frame = frame, .layer = arg(e, LAYER)};
    t.slots = at_index(e, field(e, e->ptr, frame, offsetof(dtq_host_frame, layers)), t.layer, sizeof(dtq_host_slots));
    t.strip = element(e, e->ptr, field(e, e->ptr, frame, offsetof(dtq_host_frame, scratch)), worker);
    t.low_keys = field(e, e->i64, t.slots, offsetof(dtq_host_slots, low_keys));
    t.keys = field(e, e->i64, t.slots, offsetof(dtq_host_slots, keys));
    t.key_ids = field(e, e->ptr, t.slots, offsetof(dtq_host_slots, key_ids));
    t.slot_stride = field(e, e->i64, t.slots, offsetof(dtq_host_slots, slot_stride));
    prepare_strip(e, &t);
    val slots = round_up(e, field(e, e->i64, t.slots, offsetof(dtq_host_slots, slots)), STRIP_ROWS);
    val strips = LLVMBuildUDiv(e->builder, slots, i64_of(e, STRIP_ROWS), "");
    loop items = loop_begin(e, arg(e, FIRST), arg(e, LAST), 1);
    val head = LLVMBuildUDiv(e->builder, items.index, strips, "");
    val slot = mul(e, sub(e, items.index, mul(e, head, strips)), i64_of(e, STRIP_ROWS));
    prepare_head(e, &t, head);
    strip_of(e, &t, &s, head, slot, worker);
    loop_end(e, &items);
    function_end(e);
    return f;
}
