/* Keys and values of a layer quantised and packed for the strips, a key/value head at a time. */
#include "codegen/llvm/attention_parts.h"

/* One head at work. `slots` is the layer's dtq_host_slots. */
typedef struct {
    const attention_shape *a;
    val frame, layer, slots, head;
    val count, low, low_keys, keys, key_ids; /* of dtq_host_slots; count: key_slots; key_ids: the head's */
    val first_slot;                          /* of the head's table of limits and key_rows */
    val rows, key_rows;                      /* of the operand: the head's first channel in row 0; rows of key slots */
    head_operands to;
    var rounded[GROUP];
} packing;

enum { FRAME, LAYER, HEAD, PARAMS }; /* of the functions that pack one head */

static uint64_t row_bytes(const attention_shape *a) {
    return 4 * row_stride((uint64_t)a->kv_heads * a->head_dim);
}

typedef struct {
    val from, to;
} row_copy;

static void copy_columns(emitter *e, void *context, val column, unsigned count) {
    const row_copy *r = context;
    val x = load_columns(e, at_index(e, r->from, column, 4), count);
    store_columns(e, x, at_index(e, r->to, column, 4), count);
}

/* The head's channels of all slots to their places in the cache. */
static void copy_rows(emitter *e, const packing *p, val cache_rows) {
    val ids = field(e, e->ptr, p->slots, offsetof(dtq_host_slots, ids));
    loop slots = loop_begin(e, i64_of(e, 0), field(e, e->i64, p->slots, offsetof(dtq_host_slots, slots)), 1);
    val id = LLVMBuildZExt(e->builder, element(e, e->i32, ids, slots.index), e->i64, "");
    row_copy r = {at_index(e, p->rows, slots.index, row_bytes(p->a)), at_index(e, cache_rows, id, row_bytes(p->a))};
    each_columns(e, p->a->head_dim, copy_columns, &r);
    loop_end(e, &slots);
}

static packing packing_begin(emitter *e, const attention_shape *a, uint32_t operand_buffer, uint64_t cached) {
    packing p = {.a = a, .frame = arg(e, FRAME), .layer = arg(e, LAYER), .head = arg(e, HEAD)};
    val layers = field(e, e->ptr, p.frame, offsetof(dtq_host_frame, layers));
    p.slots = at_index(e, layers, p.layer, sizeof(dtq_host_slots));
    p.count = field(e, e->i64, p.slots, offsetof(dtq_host_slots, key_slots));
    p.low = field(e, e->i64, p.slots, offsetof(dtq_host_slots, low));
    p.low_keys = field(e, e->i64, p.slots, offsetof(dtq_host_slots, low_keys));
    p.keys = field(e, e->i64, p.slots, offsetof(dtq_host_slots, keys));
    val before = mul(e, p.head, field(e, e->i64, p.slots, offsetof(dtq_host_slots, key_stride)));
    p.key_ids = at_index(e, field(e, e->ptr, p.slots, offsetof(dtq_host_slots, key_ids)), before, 4);
    p.first_slot = mul(e, p.head, field(e, e->i64, p.slots, offsetof(dtq_host_slots, slot_stride)));
    val buffers = field(e, e->ptr, p.frame, offsetof(dtq_host_frame, buffers));
    p.key_rows = at_index(e, field(e, e->ptr, p.slots, offsetof(dtq_host_slots, key_rows)), p.first_slot, 4);
    p.rows = at_index(e, element(e, e->ptr, buffers, i64_of(e, operand_buffer)), p.head, 4ull * a->head_dim);
    val cache = field(e, e->ptr, p.slots, cached), is_cached = LLVMBuildIsNotNull(e->builder, cache, "");
    val cache_rows = at_index(e, cache, p.head, 4ull * a->head_dim);
    branch copies = if_begin(e, is_cached);
    copy_rows(e, &p, cache_rows);
    if_end(e, &copies);
    p.rows = choose(e, is_cached, cache_rows, p.rows);
    p.to = attention_head(e, a, element(e, e->ptr, buffers, i64_of(e, a->operands)), p.keys, p.head);
    for (unsigned n = 0; n < GROUP; n++)
        p.rounded[n] = var_new(e, e->vf, NULL);
    return p;
}

static val row_of(emitter *e, const packing *p, val slot) {
    val row = LLVMBuildZExt(e->builder, element(e, e->i32, p->key_rows, slot), e->i64, "");
    return at_index(e, p->rows, row, row_bytes(p->a));
}

static val site_of(emitter *e, const packing *p, unsigned operand) {
    return add(e, mul(e, p->layer, i64_of(e, 3)), i64_of(e, operand));
}

/* The slots whose keys are the vector from `key` on. */
typedef struct {
    val first, count;
} slot_run;

static slot_run slots_of(emitter *e, const packing *p, val key) {
    val is_low = less(e, key, p->low_keys);
    val first = choose(e, is_low, key, add(e, sub(e, key, p->low_keys), p->low));
    val left = sub(e, choose(e, is_low, p->low, p->count), first);
    return (slot_run){first, smaller(e, left, i64_of(e, LANES))};
}

/* The scale of a slot's row, checked. */
static val row_scale(emitter *e, const packing *p, unsigned operand, val slot, val row) {
    val limits = field(e, e->ptr, p->slots, offsetof(dtq_host_slots, limits) + 8ull * operand);
    val largest = largest_magnitude(e, row, p->a->head_dim);
    report_unless_quantisable(e, largest, p->frame, site_of(e, p, operand), slot, p->head);
    return quantisation_scale(e, largest, element(e, e->f32, limits, add(e, p->first_slot, slot)));
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

typedef struct {
    packing *p;
    val row, to, scale, reciprocal; /* to: the key's bytes of the first group */
} key_row;

/* Codes of up to 16 channels of a key, to their four groups. */
static void scatter_codes(emitter *e, void *context, val column, unsigned count) {
    const key_row *k = context;
    val x = load_columns(e, at_index(e, k->row, column, 4), count);
    val code;
    quantised(e, 1, &x, &k->scale, &k->reciprocal, k->p->rounded, &code);
    val bytes = LLVMBuildTrunc(e->builder, code, e->vb, "");
    val groups = LLVMBuildBitCast(e->builder, bytes, LLVMVectorType(e->i32, LANES / GROUP), "");
    val to = at_index(e, k->to, column, LANES);
    for (unsigned g = 0; g * GROUP < count; g++) {
        val group = LLVMBuildExtractElement(e->builder, groups, i32_of(e, g), "");
        store(e, group, at(e, to, i64_of(e, (uint64_t)g * LANES * GROUP)));
    }
}

static void zero(emitter *e, val to, uint64_t bytes) {
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, bytes), 4ull * LANES);
    store(e, splat_i(e, 0), at(e, to, l.index));
    loop_end(e, &l);
}

/* -128 times the sums of the codes of 16 keys. */
static val offsets_of(emitter *e, const packing *p, val codes) {
    var sum = var_new(e, e->vi, splat_i(e, 0));
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, padded_to_group(p->a) * LANES), GROUP * LANES);
    val group = load(e, e->vi, at(e, codes, l.index));
    var_set(e, sum, dot4(e, var_get(e, sum), splat_i(e, 0x80808080), group));
    loop_end(e, &l);
    return sub(e, splat_i(e, 0), var_get(e, sum));
}

static val emit_pack_keys(emitter *e, const attention_shape *a) {
    const char *name = name_of(e, "attention_pack_keys_k%u_d%u_b%u_%u%s", a->kv_heads, a->head_dim, a->k, a->operands,
                               a->causal ? "_causal" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->i64, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS);
    packing p = packing_begin(e, a, a->k, offsetof(dtq_host_slots, cached_keys));
    loop vectors = loop_begin(e, i64_of(e, 0), p.keys, LANES);
    val key = vectors.index, codes = at_index(e, p.to.key_codes, key, padded_to_group(a));
    val scales = at_index(e, p.to.key_scales, key, 4);
    slot_run run = slots_of(e, &p, key);
    store(e, splat_f(e, __builtin_inff()), scales);
    branch partial = if_begin(e, less(e, run.count, i64_of(e, LANES)));
    zero(e, codes, padded_to_group(a) * LANES);
    if_end(e, &partial);
    loop rows = loop_begin(e, i64_of(e, 0), run.count, 1);
    val slot = add(e, run.first, rows.index), row = row_of(e, &p, slot);
    val scale = row_scale(e, &p, DTQ_HOST_K, slot, row);
    store(e, scale, at_index(e, scales, rows.index, 4));
    key_row k = {&p, row, at_index(e, codes, rows.index, GROUP), spread(e, scale),
                 spread(e, over(e, f32_of(e, 1.0f), scale))};
    each_columns(e, a->head_dim, scatter_codes, &k);
    loop_end(e, &rows);
    val missing = is_equal(e, load(e, e->vi, at_index(e, p.key_ids, key, 4)), splat_i(e, UINT32_MAX));
    val offsets = choose(e, missing, splat_i(e, UINT32_MAX), offsets_of(e, &p, codes));
    store(e, offsets, at_index(e, p.to.key_offsets, key, 4));
    loop_end(e, &vectors);
    function_end(e);
    return f;
}

/* ---- scales of values ------------------------------------------------------------------------------------------- */

/* Causal: one for each key; 1 where there is none. */
static void scales_of_rows(emitter *e, const packing *p) {
    loop vectors = loop_begin(e, i64_of(e, 0), p->keys, LANES);
    slot_run run = slots_of(e, p, vectors.index);
    val scales = at_index(e, p->to.value_scales, vectors.index, 4);
    store(e, splat_f(e, 1.0f), scales);
    loop rows = loop_begin(e, i64_of(e, 0), run.count, 1);
    val slot = add(e, run.first, rows.index);
    val scale = row_scale(e, p, DTQ_HOST_V, slot, row_of(e, p, slot));
    store(e, scale, at_index(e, scales, rows.index, 4));
    loop_end(e, &rows);
    loop_end(e, &vectors);
}

/* Tells of each row of slots [from, to) that has a number which cannot be quantised. */
static void report_rows(emitter *e, const packing *p, val from, val to) {
    loop rows = loop_begin(e, from, to, 1);
    val largest = largest_magnitude(e, row_of(e, p, rows.index), p->a->head_dim);
    report_unless_quantisable(e, largest, p->frame, site_of(e, p, DTQ_HOST_V), rows.index, p->head);
    loop_end(e, &rows);
}

enum { CHANNEL_VECTORS = 4 }; /* that one pass over the slots takes */

/* The scales of one class, `count` vectors of channels in a pass over its slots [from, to). Adds to the magnitudes of
 * any channel, by lane. */
static void scale_channels(emitter *e, const packing *p, unsigned class, val from, val to, unsigned first,
                           unsigned count, var anywhere) {
    var largest[CHANNEL_VECTORS];
    for (unsigned v = 0; v < count; v++)
        largest[v] = var_new(e, e->vi, splat_i(e, 0));
    loop rows = loop_begin(e, from, to, 1);
    val row = row_of(e, p, rows.index);
    for (unsigned v = 0; v < count; v++) {
        uint64_t column = (uint64_t)(first + v) * LANES, left = p->a->head_dim - column;
        val x = load_columns(e, at(e, row, i64_of(e, 4 * column)), left < LANES ? (unsigned)left : LANES);
        val so_far = var_get(e, largest[v]);
        var_set(e, largest[v], larger_unsigned(e, so_far, magnitude_bits(e, x)));
    }
    loop_end(e, &rows);
    for (unsigned v = 0; v < count; v++) {
        val most = var_get(e, largest[v]);
        var_set(e, anywhere, larger_unsigned(e, var_get(e, anywhere), most));
        uint64_t channel = class * padded_to_vector(p->a) + (uint64_t)(first + v) * LANES;
        val scale = quantisation_scale(e, most, splat_f(e, class ? 127.0f : 7.0f));
        store(e, scale, at(e, p->to.value_scales, i64_of(e, 4 * channel)));
    }
}

static void scales_of_classes(emitter *e, const packing *p) {
    unsigned vectors = (unsigned)(padded_to_vector(p->a) / LANES);
    for (unsigned class = 0; class < SPANS; class ++) {
        val from = class ? p->low : i64_of(e, 0), to = class ? p->count : p->low;
        var anywhere = var_new(e, e->vi, splat_i(e, 0));
        for (unsigned v = 0; v < vectors; v += CHANNEL_VECTORS)
            scale_channels(e, p, class, from, to, v, vectors - v < CHANNEL_VECTORS ? vectors - v : CHANNEL_VECTORS,
                           anywhere);
        branch b = if_begin(e, any_lane(e, cannot_be_quantised(e, var_get(e, anywhere))));
        report_rows(e, p, from, to);
        if_end(e, &b);
    }
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* The keys and slots of one class. */
typedef struct {
    val from, to;   /* keys */
    val first, end; /* slots */
    val scales;     /* not causal: float [d16] */
} value_class;

/* Four keys that meet in the bytes of a lane. */
typedef struct {
    const packing *p;
    const value_class *class;
    val rows[GROUP], bytes[GROUP];         /* bytes: a vector of 0xff, or 0 where there is no key */
    val scales[GROUP], reciprocals[GROUP]; /* causal: vectors of one number each */
    val to;                                /* the group's first channel */
} value_group;

static void pack_columns(emitter *e, void *context, val column, unsigned count) {
    value_group *g = context;
    val x[GROUP], codes[GROUP], packed = NULL;
    if (!g->p->a->causal) {
        val scale = load(e, e->vf, at_index(e, g->class->scales, column, 4));
        val reciprocal = over(e, splat_f(e, 1.0f), scale);
        for (unsigned k = 0; k < GROUP; k++) {
            g->scales[k] = scale;
            g->reciprocals[k] = reciprocal;
        }
    }
    for (unsigned k = 0; k < GROUP; k++)
        x[k] = load_columns(e, at_index(e, g->rows[k], column, 4), count);
    quantised(e, GROUP, x, g->scales, g->reciprocals, g->p->rounded, codes);
    for (unsigned k = 0; k < GROUP; k++) {
        val code = bits_and(e, codes[k], g->bytes[k]);
        packed = packed ? bits_or(e, packed, shifted_left(e, code, 8 * k)) : code;
    }
    store(e, packed, at_index(e, g->to, column, GROUP));
}

/* Packs a group: keys `key` + n * `apart`, n < 4. */
static void pack_group(emitter *e, const packing *p, const value_class *c, val key, unsigned apart, val group) {
    value_group g = {.p = p, .class = c};
    for (unsigned n = 0; n < GROUP; n++) {
        val here = add(e, key, i64_of(e, (uint64_t)n * apart)), slot = add(e, c->first, sub(e, here, c->from));
        val real = less(e, slot, c->end);
        g.rows[n] = row_of(e, p, choose(e, real, slot, c->first)); /* there is a first one where there is a group */
        g.bytes[n] = spread(e, choose(e, real, i32_of(e, 0xff), i32_of(e, 0)));
        if (p->a->causal) {
            val scale = element(e, e->f32, p->to.value_scales, here);
            g.scales[n] = spread(e, scale);
            g.reciprocals[n] = spread(e, over(e, f32_of(e, 1.0f), scale));
        }
    }
    g.to = at_index(e, p->to.value_codes, group, padded_to_vector(p->a) * GROUP);
    each_columns(e, p->a->head_dim, pack_columns, &g);
}

static void pack_class(emitter *e, const packing *p, const value_class *c) {
    val whole = whole_blocks(e, c->from, c->to), two = i64_of(e, 2);
    loop blocks = loop_begin(e, c->from, whole, BLOCK_KEYS);
    val first_group = LLVMBuildLShr(e->builder, blocks.index, two, "");
    loop lanes = loop_begin(e, i64_of(e, 0), i64_of(e, LANES), 1);
    val key = add(e, blocks.index, lanes.index), group = add(e, first_group, lanes.index);
    pack_group(e, p, c, key, LANES, group);
    loop_end(e, &lanes);
    loop_end(e, &blocks);
    loop tail = loop_begin(e, whole, c->to, GROUP);
    pack_group(e, p, c, tail.index, 1, LLVMBuildLShr(e->builder, tail.index, two, ""));
    loop_end(e, &tail);
}

static void pack_classes(emitter *e, const packing *p) {
    loop classes = loop_begin(e, i64_of(e, 0), i64_of(e, SPANS), 1);
    val is_low = is_equal(e, classes.index, i64_of(e, 0)), zero_keys = i64_of(e, 0);
    value_class c = {choose(e, is_low, zero_keys, p->low_keys), choose(e, is_low, p->low_keys, p->keys),
                     choose(e, is_low, zero_keys, p->low), choose(e, is_low, p->low, p->count),
                     at_index(e, p->to.value_scales, classes.index, 4 * padded_to_vector(p->a))};
    pack_class(e, p, &c);
    loop_end(e, &classes);
}

static val emit_pack_values(emitter *e, const attention_shape *a) {
    const char *name = name_of(e, "attention_pack_values_k%u_d%u_b%u_%u%s", a->kv_heads, a->head_dim, a->v, a->operands,
                               a->causal ? "_causal" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[PARAMS] = {e->ptr, e->i64, e->i64};
    val f = function_begin(e, name, e->none, params, PARAMS);
    packing p = packing_begin(e, a, a->v, offsetof(dtq_host_slots, cached_values));
    if (a->causal)
        scales_of_rows(e, &p);
    else
        scales_of_classes(e, &p);
    pack_classes(e, &p);
    function_end(e);
    return f;
}

/* ---- the task --------------------------------------------------------------------------------------------------- */

val emit_attention_pack(emitter *e, const attention_shape *a) {
    enum { TASK_FRAME, TASK_LAYER, TASK_FIRST, TASK_LAST, TASK_WORKER, TASK_PARAMS };
    const char *name = name_of(e, "attention_pack_k%u_d%u%s_b%u_%u_%u", a->kv_heads, a->head_dim,
                               a->causal ? "_causal" : "", a->k, a->v, a->operands);
    if (function_find(e, name))
        return function_find(e, name);
    val keys = emit_pack_keys(e, a), values = emit_pack_values(e, a);
    type params[TASK_PARAMS] = {e->ptr, e->i64, e->i64, e->i64, e->i64};
    val f = function_begin(e, name, e->none, params, TASK_PARAMS);
    loop heads = loop_begin(e, arg(e, TASK_FIRST), arg(e, TASK_LAST), 1);
    val args[PARAMS] = {arg(e, TASK_FRAME), arg(e, TASK_LAYER), heads.index};
    call(e, keys, args, PARAMS);
    call(e, values, args, PARAMS);
    loop_end(e, &heads);
    function_end(e);
    return f;
}
