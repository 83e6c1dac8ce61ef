/* Scores: codes of four query rows times those of the keys, rescaled, in register tiles. */
#include "codegen/llvm/attention_parts.h"
#include "codegen/llvm/tiles.h"

/* Rows of a tile: what the loops over keys find ready. */
typedef struct {
    const attention_shape *a;
    unsigned rows;
    val queries;            /* codes of the first row */
    val scales[GROUP_ROWS]; /* vectors of one number each */
    val ids[GROUP_ROWS];    /* causal */
    val scores[GROUP_ROWS]; /* where a row's scores go */
    var largest[GROUP_ROWS];
    val key_codes, key_scales, key_offsets, key_ids;
} tile;

static unsigned unroll_of(uint64_t groups) {
    if (groups <= 8)
        return (unsigned)groups;
    for (unsigned u = 8; u > 1; u /= 2)
        if (groups % u == 0)
            return u;
    return 1;
}

static void products(emitter *e, const tile *t, val key, unsigned vectors, var acc[][TILE_VECTORS_MOST]) {
    uint64_t depth = padded_to_group(t->a), groups = depth / GROUP;
    val codes = at_index(e, t->key_codes, key, depth);
    unsigned unroll = unroll_of(groups);
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, groups), unroll);
    for (unsigned u = 0; u < unroll; u++) {
        val group = add(e, l.index, i64_of(e, u)), b[TILE_VECTORS_MOST];
        for (unsigned v = 0; v < vectors; v++)
            b[v] = load(e, e->vi, at(e, at_index(e, codes, group, LANES * GROUP), i64_of(e, v * LANES * depth)));
        for (unsigned r = 0; r < t->rows; r++) {
            val from = at(e, t->queries, i64_of(e, r * padded_to_vector(t->a)));
            val q = spread(e, element(e, e->i32, from, group));
            for (unsigned v = 0; v < vectors; v++)
                var_set(e, acc[r][v], dot4(e, var_get(e, acc[r][v]), q, b[v]));
        }
    }
    loop_end(e, &l);
}

/* Scores of a tile's rows with `vectors` times 16 keys. */
static void score(emitter *e, const tile *t, val key, unsigned vectors) {
    var acc[GROUP_ROWS][TILE_VECTORS_MOST];
    for (unsigned v = 0; v < vectors; v++) {
        val start = load(e, e->vi, at(e, at_index(e, t->key_offsets, key, 4), i64_of(e, v * 4ull * LANES)));
        for (unsigned r = 0; r < t->rows; r++)
            acc[r][v] = var_new(e, e->vi, start);
    }
    products(e, t, key, vectors, acc);
    for (unsigned v = 0; v < vectors; v++) {
        val here = add(e, key, i64_of(e, (uint64_t)v * LANES));
        val scale = load(e, e->vf, at_index(e, t->key_scales, here, 4));
        val ids = t->a->causal ? load(e, e->vi, at_index(e, t->key_ids, here, 4)) : NULL;
        for (unsigned r = 0; r < t->rows; r++) {
            val product = to_float(e, var_get(e, acc[r][v]));
            val x = times(e, product, times(e, t->scales[r], scale));
            if (ids)
                x = choose(e, less(e, t->ids[r], ids), splat_f(e, -__builtin_inff()), x);
            store(e, x, at_index(e, t->scores[r], here, 4));
            var_set(e, t->largest[r], larger_of(e, x, var_get(e, t->largest[r])));
        }
    }
}

/* All keys, a span after the other. */
static void score_rows(emitter *e, const tile *t, val strip, unsigned vectors) {
    loop spans = loop_begin(e, i64_of(e, 0), i64_of(e, SPANS), 1);
    val from = element(e, e->i64, STRIP_AT(e, strip, from), spans.index);
    val to = element(e, e->i64, STRIP_AT(e, strip, to), spans.index);
    for (; vectors > 0; vectors = vectors > 1 ? 1 : 0) {
        uint64_t step = (uint64_t)vectors * LANES;
        val whole = add(e, from, bits_and(e, sub(e, to, from), i64_of(e, ~(step - 1))));
        loop keys = loop_begin(e, from, whole, step);
        score(e, t, keys.index, vectors);
        loop_end(e, &keys);
        from = whole;
    }
    loop_end(e, &spans);
}

val attention_scores(emitter *e, const attention_shape *a) {
    const char *name = name_of(e, "attention_scores_d%u%s", a->head_dim, a->causal ? "_causal" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[2] = {e->ptr, e->i64};
    val f = function_begin(e, name, e->none, params, 2), strip = arg(e, 0), first = arg(e, 1);
    tile_shape most = tile_int8(e);
    tile t = {a, most.rows, NULL, {0}, {0}, {0}, {{0}}, NULL, NULL, NULL, NULL};
    t.key_codes = STRIP(e, e->ptr, strip, key_codes);
    t.key_scales = STRIP(e, e->ptr, strip, key_scales);
    t.key_offsets = STRIP(e, e->ptr, strip, key_offsets);
    t.key_ids = STRIP(e, e->ptr, strip, key_ids);
    val scores = STRIP(e, e->ptr, strip, scores), keys = STRIP(e, e->i64, strip, keys);
    for (unsigned begin = 0; begin < GROUP_ROWS; begin += most.rows) {
        val row = add(e, first, i64_of(e, begin));
        t.queries = at_index(e, STRIP(e, e->ptr, strip, queries), row, padded_to_vector(a));
        for (unsigned r = 0; r < most.rows; r++) {
            val here = add(e, row, i64_of(e, r));
            t.scales[r] = spread(e, element(e, e->f32, STRIP_AT(e, strip, scales), here));
            t.ids[r] = a->causal ? spread(e, element(e, e->i32, STRIP_AT(e, strip, ids), here)) : NULL;
            t.scores[r] = at_index(e, scores, mul(e, keys, i64_of(e, begin + r)), 4);
            t.largest[r] = var_new(e, e->vf, splat_f(e, -__builtin_inff()));
        }
        score_rows(e, &t, strip, most.vectors);
        for (unsigned r = 0; r < most.rows; r++) {
            val largest = var_get(e, t.largest[r]);
            store(e, largest, at(e, STRIP_AT(e, strip, largest), i64_of(e, 4ull * LANES * (begin + r))));
        }
    }
    function_end(e);
    return f;
}
