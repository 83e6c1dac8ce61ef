#include "numerics_util.h"
#include "runtime/exec.h"

/* ---- dtq_select ------------------------------------------------------------------------------------------------ */

typedef struct {
    uint64_t importance;
    uint32_t id;
    bool pinned;
} token;

static int by_rank(const void *pa, const void *pb) {
    const token *a = pa, *b = pb;
    if (a->pinned != b->pinned)
        return a->pinned ? -1 : 1;
    if (a->importance != b->importance)
        return a->importance > b->importance ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static int by_id(const void *pa, const void *pb) {
    const token *a = pa, *b = pb;
    return (a->id > b->id) - (a->id < b->id);
}

static void shuffle_ids(rng *r, uint32_t *ids, uint32_t n) {
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = rng_below(r, i), kept = ids[i - 1];
        ids[i - 1] = ids[j];
        ids[j] = kept;
    }
}

/* Importance of every shape: all equal, few values, small, of any size, in the top or the bottom bits only. */
static uint64_t random_importance(rng *r, unsigned shape) {
    const uint64_t x = rng_next(r);
    const uint64_t shapes[] = {42, x % 3, x % 1000, x, x << 56, x >> 20 << 20, UINT64_MAX - x % 4};
    return shapes[shape % (sizeof shapes / sizeof *shapes)];
}

enum { MOST = 700 };

START_TEST(select_agrees_with_a_sort) {
    rng r = rng_seeded("select_agrees_with_a_sort");
    static uint64_t importance[MOST];
    static uint32_t ids[MOST], pinned[MOST], got[MOST];
    static uint8_t flags[MOST];
    static token t[MOST];
    for (int trial = 0; trial < 3000; trial++) {
        const uint32_t n = 1 + rng_below(&r, trial % 10 == 0 ? MOST : 40);
        const uint32_t keep = trial % 7 == 0 ? n : rng_below(&r, n + 1), high = rng_below(&r, keep + 1);
        /* Now and then ids that no program has. */
        const uint32_t spread = 1 + rng_below(&r, trial % 13 == 0 ? 1u << 20 : 5);
        const unsigned shape = rng_below(&r, 7), pin_one_in = 1 + rng_below(&r, 30);
        uint32_t pins = 0;
        for (uint32_t i = 0; i < n; i++)
            ids[i] = i * spread;
        for (uint32_t i = 0; i < n && trial % 3 != 0; i++)
            if (rng_below(&r, pin_one_in) == 0)
                pinned[pins++] = i * spread;
        shuffle_ids(&r, ids, n);
        for (uint32_t i = 0; i < n; i++) {
            importance[i] = random_importance(&r, shape);
            t[i] = (token){importance[i], ids[i], false};
            for (uint32_t p = 0; p < pins; p++)
                t[i].pinned = t[i].pinned || pinned[p] == ids[i];
        }
        qsort(t, n, sizeof *t, by_rank);
        qsort(t, high, sizeof *t, by_id);
        qsort(t + high, keep - high, sizeof *t, by_id);
        dtq_select(importance, ids, n, pinned, pins, keep, high, DTQ_ORDER_HIGH_FIRST, got, flags);
        for (uint32_t i = 0; i < keep; i++) {
            ck_assert_uint_eq(got[i], t[i].id);
            ck_assert_uint_eq(flags[i], i < high);
        }
        dtq_select(importance, ids, n, pinned, pins, keep, high, DTQ_ORDER_LOW_FIRST, got, flags);
        for (uint32_t i = 0; i < keep; i++) {
            ck_assert_uint_eq(got[i], t[i < keep - high ? high + i : i - (keep - high)].id);
            ck_assert_uint_eq(flags[i], i >= keep - high);
        }
        for (uint32_t i = 0; i < keep; i++)
            t[i].pinned = i < high;
        qsort(t, keep, sizeof *t, by_id);
        dtq_select(importance, ids, n, pinned, pins, keep, high, DTQ_ORDER_ORIGINAL, got, flags);
        for (uint32_t i = 0; i < keep; i++) {
            ck_assert_uint_eq(got[i], t[i].id);
            ck_assert_uint_eq(flags[i], t[i].pinned);
        }
    }
}
END_TEST

START_TEST(select_keeps_ids_that_stand_twice) {
    const uint64_t importance[] = {5, 9, 9, 1};
    const uint32_t ids[] = {7, 3, 3, 2}, want[] = {3, 3, 7};
    uint32_t got[3] = {0};
    dtq_select(importance, ids, 4, NULL, 0, 3, 0, DTQ_ORDER_LOW_FIRST, got, NULL);
    ck_assert_mem_eq(got, want, sizeof want);
}
END_TEST

/* ---- dtq_host_select ------------------------------------------------------------------------------------------- */

enum { SEQ_MOST = 150, LAYERS = 4 };

/* A random plan, and what a model that only selects saw while it ran. */
static struct {
    uint32_t seq, layer_count;
    bool mutes; /* what leaves stays as a query */
    dtq_layer layers[LAYERS];
    uint32_t ids[LAYERS][SEQ_MOST], pinned[LAYERS][SEQ_MOST];
    uint8_t bits[LAYERS][DTQ_OPERANDS][SEQ_MOST];
    dtq_stream stream;
    dtq_program program;
    dtq_exec x;
    uint64_t raw[LAYERS][SEQ_MOST];        /* sums by id */
    uint64_t importance[LAYERS][SEQ_MOST]; /* finished, by id */
    bool asked[LAYERS];                    /* the frame had a place for importance */
} world;

static void random_layer(rng *r, uint32_t index) {
    dtq_layer *l = &world.layers[index];
    const dtq_layer *before = index == 0 ? NULL : l - 1;
    const uint32_t most = !before ? world.seq : dtq_keys(before);
    const bool mutes = world.mutes && (!before || before->slots == world.seq);
    *l = (dtq_layer){.slots = rng_below(r, 2) == 0 ? most : 1 + rng_below(r, most),
                     .heads = 2,
                     .kv_heads = 1,
                     .head_dim = 4,
                     .causal = world.layers[0].causal,
                     .order = (uint8_t)rng_below(r, 3),
                     .importance = (uint8_t)rng_below(r, 2),
                     .prob_bits = (uint8_t)rng_below(r, 3)};
    l->high = rng_below(r, 3) == 0 ? (rng_below(r, 2) == 0 ? 0 : l->slots) : rng_below(r, l->slots + 1);
    l->muted = mutes ? world.seq - l->slots : 0;
    l->slots += l->muted;
    for (uint32_t id = 0; id < world.seq; id++)
        if (rng_below(r, 12) == 0)
            world.pinned[index][l->pinned_count++] = id;
    l->pinned = world.pinned[index];
    /* Static ids are a part of the static ids before. */
    if (!before || (before->ids && !mutes && rng_below(r, 4) == 0)) {
        for (uint32_t i = 0; i < most; i++)
            world.ids[index][i] = !before ? i : before->ids[i];
        shuffle_ids(r, world.ids[index], most);
        l->ids = world.ids[index];
    }
    for (int o = 0; o < DTQ_OPERANDS && rng_below(r, 4) != 0; o++) {
        for (uint32_t i = 0; i < l->slots; i++)
            world.bits[index][o][i] = rng_below(r, 3) == 0 ? 8 : 4;
        l->bits[o] = world.bits[index][o];
    }
}

static void random_world(rng *r) {
    memset(&world, 0, sizeof world);
    world.seq = 1 + rng_below(r, rng_below(r, 2) == 0 ? 20 : SEQ_MOST);
    world.layer_count = 1 + rng_below(r, LAYERS);
    world.layers[0].causal = (uint8_t)rng_below(r, 2);
    world.mutes = rng_below(r, 3) == 0;
    for (uint32_t l = 0; l < world.layer_count; l++) {
        random_layer(r, l);
        for (uint32_t id = 0; id < world.seq; id++)
            world.raw[l][id] = rng_below(r, 2) == 0 ? rng_below(r, 50) : rng_next(r) >> 8;
    }
    world.stream = (dtq_stream){.seq = world.seq,
                                .layer_count = world.layer_count,
                                .layers = world.layers,
                                .dram_bytes = (uint64_t)SEQ_MOST * 64,
                                .output_width = 1};
    world.program = (dtq_program){.stream_count = 1, .streams = &world.stream};
}

/* The other engines' way through all layers. */
static void run_reference(void) {
    const dtq_run_options o = {.threads = 1, .timing_only = true};
    dtq_error e;
    ck_assert_msg(dtq_exec_init(&world.x, &world.program, &world.stream, NULL, NULL, &o, &e), "%s", e.message);
    for (uint32_t l = 0; l < world.layer_count; l++) {
        const dtq_layer *layer = &world.layers[l];
        const uint32_t *ids = world.x.slots[l].ids;
        uint64_t by_slot[SEQ_MOST];
        ck_assert(world.x.slots[l].ready);
        for (uint32_t j = 0; j < dtq_keys(layer); j++) {
            uint64_t rows = 0;
            const uint32_t id = ids[dtq_first_key(layer) + j];
            for (uint32_t i = 0; i < layer->slots; i++)
                rows += !layer->causal || id <= ids[i];
            by_slot[j] = layer->importance == DTQ_IMPORTANCE_SUM ? world.raw[l][id] : world.raw[l][id] / rows;
            world.importance[l][id] = by_slot[j];
        }
        dtq_exec_select(&world.x, l, by_slot);
    }
}

/* Adds to the worker's sums; two heads, so that more than one call adds to a key. */
static void fake_attention(dtq_host_frame *f, uint64_t layer, uint64_t first, uint64_t last, uint64_t worker) {
    const dtq_host_slots *t = &f->layers[layer];
    for (uint64_t item = first; item < last; item++) {
        const uint64_t key = item / 2, id = t->key_ids[key];
        if (id != UINT32_MAX) {
            const uint64_t whole = world.raw[layer][id], part = whole / 3;
            f->importance[worker][key] += item % 2 == 0 ? part : whole - part;
        }
    }
}

static void check_layer(const dtq_host_frame *f, uint64_t layer) {
    const dtq_layer *l = &world.layers[layer];
    const dtq_slots *want = &world.x.slots[layer];
    const dtq_host_slots *t = &f->layers[layer];
    ck_assert_uint_eq(t->slots, l->slots);
    uint64_t at = 0;
    enum { LOW, HIGH, MUTED, KINDS };
    for (int kind = LOW; kind < KINDS; kind++) {
        for (uint32_t i = 0; i < l->slots; i++) {
            const bool is_key = i >= dtq_first_key(l) && i < dtq_first_key(l) + dtq_keys(l);
            if (kind != (!is_key ? MUTED : want->bits[DTQ_V][i] == 8 ? HIGH : LOW))
                continue;
            ck_assert_uint_eq(t->ids[at], want->ids[i]);
            for (int o = 0; o < DTQ_OPERANDS; o++) {
                const float limit =
                    o == DTQ_P ? (want->bits[o][i] == 8 ? 255.0f : 15.0f) : (want->bits[o][i] == 8 ? 127.0f : 7.0f);
                const bool of_key = o == DTQ_K || o == DTQ_V;
                ck_assert((of_key && kind == MUTED) || t->limits[o][at] == limit);
            }
            if (layer > 0) {
                const uint64_t from = t->from ? t->from[at] : at;
                ck_assert_uint_lt(from, f->layers[layer - 1].slots);
                ck_assert_uint_eq(f->layers[layer - 1].ids[from], want->ids[i]);
            }
            const uint64_t key = kind == HIGH ? t->low_keys + at - t->low : at;
            ck_assert(kind == MUTED || (t->key_ids[key] == want->ids[i] && t->key_rows[at] == at));
            at++;
        }
        if (kind == HIGH)
            ck_assert_uint_eq(t->key_slots, at);
        if (kind == LOW) {
            ck_assert_uint_eq(t->low, at);
            ck_assert_uint_eq(t->low_keys, (at + 15) / 16 * 16);
        }
    }
    ck_assert_uint_eq(t->keys, t->low_keys + (t->key_slots - t->low + 15) / 16 * 16);
    uint64_t keys = 0;
    for (uint64_t k = 0; k < t->keys; k++)
        keys += t->key_ids[k] != UINT32_MAX;
    ck_assert_uint_eq(keys, t->key_slots);
}

static void fake_run(dtq_host_frame *f) {
    for (uint64_t l = 0; l < world.layer_count; l++) {
        check_layer(f, l);
        world.asked[l] = f->importance != NULL;
        if (f->importance)
            dtq_host_parallel(f, 2 * f->layers[l].keys, 2, 16, fake_attention, l);
        dtq_host_select(f, l);
    }
    const dtq_host_slots *last = &f->layers[world.layer_count - 1];
    for (uint64_t i = 0; i < last->slots; i++) {
        ck_assert_uint_lt(f->ascending[i], last->slots);
        ck_assert(i == 0 || last->ids[f->ascending[i - 1]] < last->ids[f->ascending[i]]);
    }
}

static const dtq_host_variant variants[] = {{.level = DTQ_HOST_PORTABLE, .run = fake_run}};
static const dtq_host_model model = {.abi = DTQ_HOST_ABI, .variant_count = 1, .variants = variants};

static void check_output(const dtq_output *out, bool importance) {
    ck_assert_ptr_eq(importance ? NULL : out->importance, NULL);
    for (uint32_t l = 0; l < world.layer_count; l++) {
        const dtq_slots *t = &world.x.slots[l];
        const uint8_t *const bits[] = {t->bits[0], t->bits[1], t->bits[2], t->bits[3]};
        uint8_t want[SEQ_MOST] = {0};
        for (uint32_t i = 0; i < world.layers[l].slots; i++)
            want[t->ids[i]] = dtq_chosen_bits(&world.layers[l], bits, i);
        ck_assert_mem_eq(out->bits + (size_t)l * world.seq, want, world.seq);
        if (importance)
            ck_assert_bits(out->importance + (size_t)l * world.seq, world.importance[l], world.seq);
    }
}

START_TEST(layers_are_those_of_the_other_engines) {
    rng r = rng_seeded("layers_are_those_of_the_other_engines");
    const uint32_t tokens[SEQ_MOST] = {0};
    const dtq_input in = {.tokens = tokens};
    bool met[2][2] = {{false}}; /* [wanted][asked] */
    for (int trial = 0; trial < 500; trial++) {
        random_world(&r);
        run_reference();
        const dtq_host_options o = {.threads = 1 + rng_below(&r, 3)};
        dtq_error e;
        dtq_host *h = dtq_host_open(&model, &world.program, &o, &e);
        ck_assert_msg(h, "%s", e.message);
        for (int want = 0; want < 2; want++) {
            dtq_output out;
            ck_assert_msg(dtq_host_run(h, world.seq, &in, want != 0, &out, &e), "%s", e.message);
            check_output(&out, want != 0);
            dtq_output_free(&out);
            for (uint32_t l = 0; l < world.layer_count; l++) {
                ck_assert(want == 0 || world.asked[l]);
                met[want][world.asked[l]] = true;
            }
            ck_assert(want != 0 || !world.asked[world.layer_count - 1]);
        }
        dtq_host_close(h);
        dtq_exec_free(&world.x);
    }
    ck_assert(met[0][0] && met[0][1]);
}
END_TEST

static void select_only(dtq_host_frame *f) {
    dtq_host_select(f, 0);
    if (f->failed == 0) {
        dtq_host_select(f, 1);
        dtq_host_select(f, 2);
    }
}

START_TEST(selections_that_cannot_be_followed_fail) {
    static const dtq_host_variant selecting[] = {{.run = select_only}};
    static const dtq_host_model m = {.abi = DTQ_HOST_ABI, .variant_count = 1, .variants = selecting};
    static const uint32_t first[] = {0, 2}, second[] = {2, 3}, tokens[4];
    dtq_layer layers[2];
    layers[0] = (dtq_layer){.slots = 2, .heads = 1, .kv_heads = 1, .head_dim = 4, .high = 1, .ids = first};
    layers[1] = layers[0];
    layers[1].ids = second;
    dtq_stream stream = {.seq = 4, .layer_count = 2, .layers = layers, .output_width = 1};
    const dtq_program program = {.stream_count = 1, .streams = &stream};
    const dtq_input in = {.tokens = tokens};
    dtq_error e;
    dtq_host *h = dtq_host_open(&m, &program, NULL, &e);
    ck_assert_msg(h, "%s", e.message);
    dtq_output out;
    ck_assert_fails(dtq_host_run(h, 4, &in, false, &out, &e), e, "a token that the layer before has not");
    ck_assert_ptr_null(out.data);
    layers[1].ids = first;
    ck_assert_fails(dtq_host_run(h, 4, &in, true, &out, &e), e, "more layers than the plan");
    dtq_host_close(h);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_select");
    TCase *c = tcase_create("host_select");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, select_agrees_with_a_sort);
    tcase_add_test(c, select_keeps_ids_that_stand_twice);
    tcase_add_test(c, layers_are_those_of_the_other_engines);
    tcase_add_test(c, selections_that_cannot_be_followed_fail);
    suite_add_tcase(s, c);
    return run_suite(s);
}
