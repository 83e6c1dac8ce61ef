/* The tokens of a layer: chosen as the other engines choose them, then put in host order. */
#include <string.h>

#include "runtime/exec.h"
#include "runtime/host/host.h"
#include "runtime/numerics/numerics.h"
#include "runtime/numerics/streamed.h"

enum { NOWHERE = UINT32_MAX };

static uint32_t round_lanes(uint64_t n) {
    return (uint32_t)dtq_host_padded(n);
}

/* ---- importance ------------------------------------------------------------------------------------------------ */

/* Whether the importance of `l` can change what `next` is. Where all tokens stay and none is told from another, the
 * slots are the same for every ranking. */
static bool is_ranked(const dtq_layer *l, const dtq_layer *next) {
    if (next->ids || dtq_chooses(next))
        return false;
    if (dtq_keys(next) != dtq_keys(l))
        return true;
    if (next->high == 0 || next->high == dtq_keys(next))
        return false;
    bool fixed = next->order == DTQ_ORDER_ORIGINAL;
    for (int o = 0; o < DTQ_OPERANDS; o++)
        fixed = fixed && next->bits[o];
    return !fixed;
}

/* Whether attention of the layer adds up importance. */
static bool is_asked(const dtq_host *h, uint64_t layer) {
    const dtq_stream *s = h->stream;
    if (h->device.type || !dtq_measures(&s->layers[layer]))
        return false;
    return h->want_importance || h->cache ||
           (layer + 1 < s->layer_count && is_ranked(&s->layers[layer], &s->layers[layer + 1]));
}

/* Adds what earlier runs have summed up, keeps that for the output and the cache, and puts the rule's value in its
 * place. */
static void accumulate(dtq_host *h, uint64_t layer) {
    const dtq_layer *l = &h->stream->layers[layer];
    const uint32_t seq = h->stream->seq, *ids = h->tables[layer].key_slot_ids;
    const uint64_t *before = dtq_cache_layer(h->cache, (uint32_t)layer).importance;
    uint64_t *kept = h->output->importance + layer * seq;
    for (uint64_t i = 0; i < h->layers[layer].key_slots; i++) {
        kept[ids[i]] = before[ids[i]] + h->values[i];
        h->values[i] = l->importance == DTQ_IMPORTANCE_MEAN ? kept[ids[i]] / (seq - ids[i]) : kept[ids[i]];
    }
}

/* h->values of the keys from what the workers have added up, which is zero again afterwards. */
static void finish_importance(dtq_host *h, uint64_t layer) {
    const dtq_host_slots *t = &h->layers[layer];
    const dtq_layer *l = &h->stream->layers[layer];
    uint64_t *values = h->values;
    memset(values, 0, t->key_slots * sizeof *values);
    for (unsigned w = 0; w < dtq_host_pool_threads(h->pool); w++) {
        uint64_t *sums = h->importance[w];
        for (uint64_t i = 0; i < t->low; i++)
            values[i] += sums[i];
        for (uint64_t i = t->low; i < t->key_slots; i++)
            values[i] += sums[t->low_keys + i - t->low];
        memset(sums, 0, t->keys * sizeof *sums);
    }
    const uint32_t *ids = h->tables[layer].key_slot_ids;
    if (h->cache)
        accumulate(h, layer);
    if (l->importance != DTQ_IMPORTANCE_MEAN || h->cache) {
        dtq_replace_importance(l, (uint32_t)layer, ids, values);
        return;
    }
    if (!l->causal) {
        for (uint64_t i = 0; i < t->key_slots; i++)
            values[i] /= t->slots;
        return;
    }
    /* A token is seen by itself and by those behind it. */
    uint64_t rows = 0;
    for (uint32_t id = h->stream->seq; id-- > 0;) {
        const uint32_t slot = h->slot_of[id];
        rows += slot != NOWHERE;
        if (slot < t->key_slots)
            values[slot] /= rows;
    }
}

static void keep_importance(const dtq_host *h, uint64_t layer) {
    const uint32_t *ids = h->tables[layer].key_slot_ids;
    uint64_t *to = h->output->importance + layer * h->stream->seq;
    for (uint64_t i = 0; i < h->layers[layer].key_slots; i++)
        to[ids[i]] = h->values[i];
}

/* ---- host order ------------------------------------------------------------------------------------------------ */

/* Slot of each token in the layer before, unless it is the same for all; false if a token was in no slot. */
static bool fill_from(dtq_host *h, uint64_t layer) {
    const dtq_host_tables *to = &h->tables[layer];
    bool all = true, same = h->layers[layer].slots == h->layers[layer - 1].slots;
    for (uint64_t i = 0; i < h->layers[layer].slots; i++) {
        const uint32_t slot = h->slot_of[to->ids[i]];
        all = all && slot != NOWHERE;
        same = same && slot == i;
        to->from[i] = slot != NOWHERE ? slot : 0;
    }
    h->layers[layer].from = same ? NULL : to->from;
    return all;
}

static void fill_key_ids(const dtq_host_slots *t, const uint32_t *ids, uint32_t *key_ids) {
    memcpy(key_ids, ids, t->low * sizeof *key_ids);
    for (uint64_t i = t->low; i < t->low_keys; i++)
        key_ids[i] = UINT32_MAX;
    memcpy(key_ids + t->low_keys, ids + t->low, (t->key_slots - t->low) * sizeof *key_ids);
    for (uint64_t i = t->low_keys + t->key_slots - t->low; i < t->keys; i++)
        key_ids[i] = UINT32_MAX;
}

/* The tables of one key/value head, or of the only one. */
static dtq_host_tables table_of(const dtq_host *h, uint64_t layer, uint32_t table) {
    dtq_host_tables t = h->tables[layer];
    const size_t slots = table * h->slot_room;
    t.key_ids += table * h->key_room;
    t.key_rows += slots;
    t.key_slot_ids += slots;
    t.key_rank += slots;
    for (int o = 0; o < DTQ_HOST_OPERANDS; o++)
        t.limits[o] += slots;
    return t;
}

/* Tokens and precisions, given in the plan's order, into a table of a layer. */
static void fill(dtq_host *h, uint64_t layer, uint32_t table, const uint32_t *ids,
                 const uint8_t *const bits[DTQ_OPERANDS]) {
    static const float largest[DTQ_HOST_OPERANDS][2] = {{7, 127}, {7, 127}, {7, 127}, {15, 255}};
    const dtq_layer *l = &h->stream->layers[layer];
    const dtq_host_tables to = table_of(h, layer, table);
    dtq_host_slots *t = &h->layers[layer];
    const uint32_t first = dtq_first_key(l), keys = dtq_keys(l), n = dtq_queries(l), first_query = dtq_first_query(l);
    uint32_t low = 0;
    for (uint32_t i = first; i < first + keys; i++)
        low += bits[DTQ_V][i] == 4;
    t->slots = n;
    t->key_slots = keys;
    t->low = low;
    t->low_keys = round_lanes(low);
    t->slot_stride = dtq_tables(l) > 1 ? h->slot_room : 0;
    t->key_stride = dtq_tables(l) > 1 ? h->key_room : 0;
    const bool cached = h->cache != NULL, probes = dtq_probes(l);
    t->cached_keys = cached ? dtq_cache_layer(h->cache, (uint32_t)layer).k : NULL;
    t->cached_values = cached ? dtq_cache_layer(h->cache, (uint32_t)layer).v : NULL;
    t->keys = t->low_keys + round_lanes(keys - low);
    uint8_t *chosen = h->output->bits + layer * h->stream->seq;
    enum { LOW, HIGH, MUTED, KINDS };
    uint32_t at[KINDS] = {0, low, keys};
    for (uint32_t i = 0; i < l->slots; i++) {
        const bool is_key = i >= first && i < first + keys;
        uint32_t slot = at[!is_key ? MUTED : bits[DTQ_V][i] == 4 ? LOW : HIGH]++;
        if (is_key) {
            to.key_slot_ids[slot] = ids[i];
            to.key_rows[slot] = cached || probes ? ids[i] : slot;
            to.key_rank[slot] = i;
            to.limits[DTQ_HOST_K][slot] = largest[DTQ_HOST_K][bits[DTQ_K][i] == 8];
            to.limits[DTQ_HOST_V][slot] = largest[DTQ_HOST_V][bits[DTQ_V][i] == 8];
        }
        if (l->key_only != 0) /* rows are those of the queries, in the plan's order */
            slot = i - first_query;
        if (probes) /* they stand there already, in the order of the tokens */
            slot = ids[i];
        if (slot < n) {
            to.ids[slot] = ids[i];
            to.rank[slot] = i;
            to.limits[DTQ_HOST_Q][slot] = largest[DTQ_HOST_Q][bits[DTQ_Q][i] == 8];
            to.limits[DTQ_HOST_P][slot] = largest[DTQ_HOST_P][bits[DTQ_P][i] == 8];
        }
        const uint8_t chosen_bits = dtq_chosen_bits(l, bits, i);
        chosen[ids[i]] = chosen_bits > chosen[ids[i]] ? chosen_bits : chosen[ids[i]];
    }
    for (uint32_t i = n; i < round_lanes(n); i++) {
        to.ids[i] = 0;
        to.from[i] = 0;
        to.limits[DTQ_HOST_Q][i] = largest[DTQ_HOST_Q][1];
        to.limits[DTQ_HOST_P][i] = largest[DTQ_HOST_P][1];
    }
    fill_key_ids(t, to.key_slot_ids, to.key_ids);
}

/* The rows of a layer that chooses for itself: all tokens, in their order; until there are key slots, these are, too.
 */
static void fill_everyone(dtq_host *h, uint64_t layer) {
    const dtq_host_tables *to = &h->tables[layer];
    dtq_host_slots *t = &h->layers[layer];
    const uint32_t n = h->stream->seq;
    t->slots = t->key_slots = n;
    t->slot_stride = t->key_stride = 0;
    for (uint32_t i = 0; i < n; i++)
        to->ids[i] = to->rank[i] = to->key_slot_ids[i] = to->key_rank[i] = i;
    for (uint32_t i = n; i < round_lanes(n); i++) {
        to->ids[i] = 0;
        to->from[i] = 0;
    }
}

/* The rows of a layer have their places: where they come from, and which slot a token has. */
static void enter(dtq_host *h, uint64_t layer) {
    const dtq_host_tables *to = &h->tables[layer];
    const uint32_t n = (uint32_t)h->layers[layer].slots;
    if (layer > 0) {
        if (!fill_from(h, layer))
            dtq_host_broken(h, DTQ_BAD_PROGRAM, "a layer of the plan has a token that the layer before has not");
        for (uint64_t i = 0; i < h->layers[layer - 1].slots; i++)
            h->slot_of[h->tables[layer - 1].ids[i]] = NOWHERE;
    }
    for (uint32_t i = 0; i < n; i++)
        h->slot_of[to->ids[i]] = i;
}

/* ---- choice ---------------------------------------------------------------------------------------------------- */

/* What the run's choice goes by, in the place of importance [n] of tokens. */
static void replace_choice(const dtq_host *h, uint64_t layer, uint32_t table, const uint32_t *ids, uint32_t n,
                           uint64_t *importance) {
    if (h->input)
        dtq_replace_choice(&h->input->choice, (uint32_t)layer, table, ids, n, importance);
}

/* A table of a layer whose tokens are given by the plan or by h->chosen_ids, with the classes of h->chosen_high. */
static void fill_chosen(dtq_host *h, uint64_t layer, uint32_t table) {
    const dtq_layer *l = &h->stream->layers[layer];
    const uint8_t *bits[DTQ_OPERANDS];
    uint8_t *open[DTQ_OPERANDS]; /* tables that the classes decide */
    bool known = true;
    for (int o = 0; o < DTQ_OPERANDS; o++) {
        open[o] = !l->bits[o] ? h->chosen_bits[o] : NULL;
        bits[o] = !l->bits[o] ? h->chosen_bits[o] : l->bits[o];
        known = known && l->bits[o];
    }
    if (!known)
        dtq_bits_from_classes(l, h->chosen_high, open);
    fill(h, layer, table, l->ids ? l->ids : h->chosen_ids, bits);
}

/* The tokens of a layer from h->values, the importance of the layer before; of one that chooses its own, its rows. */
static void choose(dtq_host *h, uint64_t layer) {
    const dtq_layer *l = &h->stream->layers[layer];
    if (dtq_chooses(l)) {
        fill_everyone(h, layer);
        enter(h, layer);
        return;
    }
    if (!l->ids) {
        const dtq_host_slots *last = &h->layers[layer - 1];
        const uint32_t keys = (uint32_t)last->key_slots, muted = h->stream->layers[layer - 1].muted;
        const uint32_t *key_ids = h->tables[layer - 1].key_slot_ids; /* muted ones are the slots behind the keys */
        replace_choice(h, layer, 0, key_ids, keys, h->values);
        dtq_select_slots(l, h->values, key_ids, keys, last->ids + keys, muted, h->chosen_ids, h->chosen_high);
    } else {
        dtq_choose_without_importance(l, h->chosen_high);
    }
    fill_chosen(h, layer, 0);
    enter(h, layer);
}

/* The tokens of a layer as the device has chosen them. */
static void take_from_device(dtq_host *h, uint64_t layer) {
    const dtq_slots *t = &h->device.x.slots[layer];
    const uint8_t *const bits[DTQ_OPERANDS] = {t->bits[DTQ_Q], t->bits[DTQ_K], t->bits[DTQ_V], t->bits[DTQ_P]};
    if (dtq_chooses(&h->stream->layers[layer])) {
        fill_everyone(h, layer);
    } else if (t->ready) {
        fill(h, layer, 0, t->ids, bits);
    } else {
        dtq_host_broken(h, DTQ_BAD_PROGRAM, "the device has not chosen the tokens of a layer that the host comes to");
        return;
    }
    enter(h, layer);
}

/* The slots of a layer, in one of its tables, to h->chosen_ids and h->chosen_high. */
static void choose_among_all(dtq_host *h, uint64_t layer, uint32_t table, uint64_t *importance) {
    const uint32_t seq = h->stream->seq;
    uint64_t *kept = h->want_importance ? h->output->importance + layer * seq : NULL;
    for (uint32_t j = 0; kept && j < seq; j++) /* of several tables the most that one says */
        kept[j] = importance[j] > kept[j] ? importance[j] : kept[j];
    replace_choice(h, layer, table, h->tables[layer].ids, seq, importance);
    dtq_select_slots(&h->stream->layers[layer], importance, h->tables[layer].ids, seq, NULL, 0, h->chosen_ids,
                     h->chosen_high);
}

void dtq_host_choose(dtq_host *h, uint64_t layer, uint32_t table, uint64_t *importance) {
    choose_among_all(h, layer, table, importance);
    fill_chosen(h, layer, table);
}

void dtq_host_choose_late(dtq_host *h, uint64_t layer, uint32_t table, uint64_t *importance, uint32_t *ids) {
    const dtq_layer *l = &h->stream->layers[layer];
    choose_among_all(h, layer, table, importance);
    memcpy(ids, h->chosen_ids, l->slots * sizeof *ids);
    uint8_t *chosen = h->output->bits + layer * h->stream->seq;
    for (uint32_t i = 0; i < l->slots; i++) {
        const uint8_t bits = dtq_chosen_bits(l, l->bits, i);
        chosen[ids[i]] = bits > chosen[ids[i]] ? bits : chosen[ids[i]];
    }
}

void dtq_host_begin(dtq_host *h) {
    const dtq_stream *s = h->stream;
    memset(h->slot_of, 0xff, s->seq * sizeof *h->slot_of);
    bool asked = false;
    for (uint32_t l = 0; l < s->layer_count; l++) {
        h->layers[l].slots = 0;
        asked = asked || is_asked(h, l);
    }
    for (unsigned w = 0; asked && w < dtq_host_pool_threads(h->pool); w++)
        memset(h->importance[w], 0, (round_lanes(s->seq) + DTQ_HOST_LANES) * sizeof *h->importance[w]);
    h->frame.importance = is_asked(h, 0) ? h->importance : NULL;
    choose(h, 0);
}

void dtq_host_select(dtq_host_frame *f, uint64_t layer) {
    dtq_host *h = f->host;
    const dtq_stream *s = h->stream;
    if (layer >= s->layer_count || h->layers[layer].slots == 0) {
        dtq_host_broken(h, DTQ_BAD_PROGRAM, "generated code has more layers than the plan, or another order");
        return;
    }
    if (f->importance)
        finish_importance(h, layer);
    else if (dtq_streams(&s->layers[layer]) && !h->device.type)
        for (uint32_t j = 0; j < s->seq; j++)
            h->values[j] = dtq_streamed_importance(h->votes[layer], s->layers[layer].kv_heads, s->seq, j);
    else
        memset(h->values, 0, h->layers[layer].key_slots * sizeof *h->values);
    const bool summed = !h->cache || dtq_streams(&s->layers[layer]); /* else accumulate() has kept it */
    if (h->want_importance && summed && !dtq_by_own(&s->layers[layer]) && !h->device.type)
        keep_importance(h, layer);
    if (layer + 1 < s->layer_count) {
        if (h->device.type)
            take_from_device(h, layer + 1);
        else
            choose(h, layer + 1);
        f->importance = is_asked(h, layer + 1) ? h->importance : NULL;
        return;
    }
    uint32_t at = 0;
    for (uint32_t id = 0; id < s->seq; id++)
        if (h->slot_of[id] != NOWHERE)
            h->ascending[at++] = h->slot_of[id];
}
