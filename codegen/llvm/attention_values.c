/* Probabilities times values, in register tiles of rows and vectors of channels, and from sums to the output. */
#include "codegen/llvm/attention_parts.h"
#include "codegen/llvm/tiles.h"

typedef struct {
    const attention_shape *a;
    val strip, weights, value_codes, value_scales, keys;
    val row;          /* first row of the tile */
    unsigned channel; /* first vector of channels */
    unsigned rows, vectors;
} tile;

typedef var sums[TILE_ROWS_MOST][TILE_VECTORS_MOST];

/* Adds the groups of span `span`. Spans are whole vectors of keys, so groups come by four. */
static void products(emitter *e, const tile *t, unsigned span, sums acc) {
    enum { UNROLL = LANES / GROUP };
    uint64_t group_bytes = padded_to_vector(t->a) * GROUP;
    val codes = at(e, t->value_codes, i64_of(e, (uint64_t)t->channel * LANES * GROUP));
    val weights = at(e, t->weights, mul(e, t->row, t->keys));
    val from = element(e, e->i64, STRIP_AT(e, t->strip, from), i64_of(e, span));
    val to = element(e, e->i64, STRIP_AT(e, t->strip, to), i64_of(e, span));
    loop l = loop_begin(e, from, to, LANES);
    val here = at_index(e, codes, l.index, group_bytes / GROUP);
    for (unsigned u = 0; u < UNROLL; u++) {
        val b[TILE_VECTORS_MOST];
        for (unsigned v = 0; v < t->vectors; v++)
            b[v] = load(e, e->vi, at(e, here, i64_of(e, u * group_bytes + v * LANES * GROUP)));
        for (unsigned r = 0; r < t->rows; r++) {
            val row = at(e, at(e, weights, mul(e, t->keys, i64_of(e, r))), l.index);
            val p = spread(e, load(e, e->i32, at(e, row, i64_of(e, (uint64_t)u * GROUP))));
            for (unsigned v = 0; v < t->vectors; v++)
                var_set(e, acc[r][v], dot4(e, var_get(e, acc[r][v]), p, b[v]));
        }
    }
    loop_end(e, &l);
}

static void clear(emitter *e, const tile *t, sums acc) {
    for (unsigned r = 0; r < t->rows; r++)
        for (unsigned v = 0; v < t->vectors; v++)
            var_set(e, acc[r][v], splat_i(e, 0));
}

/* The class of span `span` is complete: its sums as floats, with the class's scales. */
static void rescale(emitter *e, const tile *t, unsigned span, sums acc, sums out) {
    for (unsigned v = 0; v < t->vectors; v++) {
        uint64_t channel = span * padded_to_vector(t->a) + (uint64_t)(t->channel + v) * LANES;
        val scale = load(e, e->vf, at(e, t->value_scales, i64_of(e, 4 * channel)));
        for (unsigned r = 0; r < t->rows; r++) {
            val y = times(e, to_float(e, var_get(e, acc[r][v])), scale);
            var_set(e, out[r][v], span ? plus(e, var_get(e, out[r][v]), y) : y);
        }
    }
}

/* One scale for each row. */
static void rescale_rows(emitter *e, const tile *t, sums acc, sums out) {
    for (unsigned r = 0; r < t->rows; r++) {
        val row = add(e, t->row, i64_of(e, r));
        val scale = spread(e, element(e, e->f32, STRIP_AT(e, t->strip, shared), row));
        for (unsigned v = 0; v < t->vectors; v++)
            var_set(e, out[r][v], times(e, to_float(e, var_get(e, acc[r][v])), scale));
    }
}

static void write(emitter *e, const tile *t, sums out) {
    uint64_t stride = 4 * row_stride((uint64_t)t->a->heads * t->a->head_dim);
    val base = STRIP(e, e->ptr, t->strip, out), rows = STRIP(e, e->i64, t->strip, rows);
    for (unsigned r = 0; r < t->rows; r++) {
        val row = add(e, t->row, i64_of(e, r));
        branch b = if_begin(e, less(e, row, rows));
        val z = spread(e, element(e, e->f32, STRIP_AT(e, t->strip, sums), row));
        for (unsigned v = 0; v < t->vectors; v++) {
            uint64_t channel = (uint64_t)(t->channel + v) * LANES, left = t->a->head_dim - channel;
            val to = at(e, at_index(e, base, row, stride), i64_of(e, 4 * channel));
            store_columns(e, over(e, var_get(e, out[r][v]), z), to, left < LANES ? (unsigned)left : LANES);
        }
        if_end(e, &b);
    }
}

static void tile_of(emitter *e, const tile *t) {
    sums acc, out;
    for (unsigned r = 0; r < t->rows; r++)
        for (unsigned v = 0; v < t->vectors; v++) {
            acc[r][v] = var_new(e, e->vi, NULL);
            out[r][v] = var_new(e, e->vf, NULL);
        }
    clear(e, t, acc);
    products(e, t, 0, acc);
    if (t->a->causal) {
        products(e, t, 1, acc);
        rescale_rows(e, t, acc, out);
    } else {
        rescale(e, t, 0, acc, out);
        clear(e, t, acc);
        products(e, t, 1, acc);
        rescale(e, t, 1, acc, out);
    }
    write(e, t, out);
}

val attention_values(emitter *e, const attention_shape *a) {
    const char *name = name_of(e, "attention_values_h%u_d%u%s", a->heads, a->head_dim, a->causal ? "_causal" : "");
    if (function_find(e, name))
        return function_find(e, name);
    type params[1] = {e->ptr};
    val f = function_begin(e, name, e->none, params, 1), strip = arg(e, 0);
    tile t = {.a = a, .strip = strip};
    t.weights = STRIP(e, e->ptr, strip, weights);
    t.value_codes = STRIP(e, e->ptr, strip, value_codes);
    t.value_scales = STRIP(e, e->ptr, strip, value_scales);
    t.keys = STRIP(e, e->i64, strip, keys);
    /* Channels in tiles of about equal width; where they are narrow, more rows make up for it. */
    tile_shape most = tile_int8(e);
    unsigned vectors = (unsigned)(padded_to_vector(a) / LANES), tiles = (vectors + most.vectors - 1) / most.vectors;
    for (unsigned n = 0; n < tiles; n++) {
        t.channel = vectors * n / tiles;
        t.vectors = vectors * (n + 1) / tiles - t.channel;
        t.rows = most.rows * (2 * t.vectors <= most.vectors ? 2 : 1);
        loop rows = loop_begin(e, i64_of(e, 0), STRIP(e, e->i64, strip, rows), t.rows);
        t.row = rows.index;
        tile_of(e, &t);
        loop_end(e, &rows);
    }
    function_end(e);
    return f;
}
