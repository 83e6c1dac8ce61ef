/* Policies: how many tokens of each attention layer run at 0, 4 and 8 bits, read and attached to a graph. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/edit.h"
#include "frontend/files/fields.h"
#include "frontend/policy.h"
#include "frontend/policy_scheme.h"
#include "frontend/policy_streamed.h"
#include "ir/base/path.h"
#include "runtime/numerics/numerics.h"

enum { MAX_TOKENS = 65536, MAX_LAYERS = 4096 };

static const int64_t whole = 1000000000; /* ratios are in parts of it */

static const int64_t class_bits[3] = {0, 4, 8};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/** Index of the class (0, 4 or 8 bits) that a key names, or -1 after an error. */
static int class_of_key(diag *d, const char *key, src_loc loc, const char *what) {
    for (int c = 0; c < 3; c++)
        if (key[0] == (char)('0' + class_bits[c]) && key[1] == 0)
            return c;
    diag_error(d, loc, "%s has the key '%.40s'; a token has 0, 4 or 8 bits", what, key);
    return -1;
}

static bool read_ratios(diag *d, const doc_node *n, policy_layer *l) {
    if (!doc_kind_is(d, n, "ratios", DOC_MAPPING))
        return false;
    double sum = 0;
    for (size_t i = 0; i < n->count; i++) {
        int c = class_of_key(d, n->keys[i], n->key_locs[i], "ratios");
        char what[32];
        snprintf(what, sizeof what, "the ratio at %.4s bits", n->keys[i]);
        if (c < 0 || !doc_real(d, n->items[i], what, 0, 1, &l->ratios[c]))
            return false;
        sum += l->ratios[c];
    }
    if (fabs(sum - 1) > 1e-6)
        return diag_error(d, n->loc, "the ratios sum to %.9g; they must sum to 1", sum);
    l->kind = POLICY_RATIOS;
    return true;
}

static bool read_counts(diag *d, const doc_node *n, policy_layer *l) {
    if (!doc_kind_is(d, n, "counts", DOC_MAPPING))
        return false;
    for (size_t i = 0; i < n->count; i++) {
        int c = class_of_key(d, n->keys[i], n->key_locs[i], "counts");
        int64_t value;
        char what[32];
        snprintf(what, sizeof what, "the count at %.4s bits", n->keys[i]);
        if (c < 0 || !doc_int(d, n->items[i], what, 0, MAX_TOKENS, &value))
            return false;
        l->counts[c] = (uint32_t)value;
    }
    l->kind = POLICY_COUNTS;
    return true;
}

static bool read_bits(arena *a, diag *d, const doc_node *n, policy_layer *l) {
    if (!doc_kind_is(d, n, "token_bits", DOC_SEQUENCE))
        return false;
    if (n->count == 0 || n->count > MAX_TOKENS)
        return diag_error(d, n->loc, "token_bits has %zu entries; it must have one for each token, at most %d",
                          n->count, MAX_TOKENS);
    l->bits = ARENA_ARRAY(a, uint8_t, n->count);
    l->bit_count = n->count;
    for (size_t i = 0; i < n->count; i++) {
        char what[48];
        int word;
        snprintf(what, sizeof what, "the bits of token %zu", i);
        if (!doc_word(d, n->items[i], what, "0|4|8", &word))
            return false;
        l->bits[i] = (uint8_t)class_bits[word];
    }
    l->kind = POLICY_BITS;
    return true;
}

static int ascending(const void *x, const void *y) {
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static bool read_pinned(arena *a, diag *d, const doc_node *n, policy_layer *l) {
    if (!doc_kind_is(d, n, "pinned", DOC_SEQUENCE))
        return false;
    l->pinned = ARENA_ARRAY(a, int64_t, n->count);
    for (size_t i = 0; i < n->count; i++) {
        int64_t id;
        if (!doc_int(d, n->items[i], "a pinned token", -MAX_TOKENS, MAX_TOKENS - 1, &id))
            return false;
        l->pinned[l->pinned_count++] = id;
    }
    qsort(l->pinned, l->pinned_count, sizeof *l->pinned, ascending);
    for (size_t i = 1; i < l->pinned_count; i++)
        if (l->pinned[i] == l->pinned[i - 1])
            return diag_error(d, n->loc, "token %lld is pinned twice", (long long)l->pinned[i]);
    return true;
}

/** Reads a row: exactly one of ratios, counts and token_bits, with the tokens pinned. */
static bool read_layer(arena *a, diag *d, const doc_node *n, const char *what, policy_layer *l) {
    static const char *const keys[] = {"ratios", "counts", "token_bits", "pinned"};
    if (!doc_keys(d, n, what, keys, 4))
        return false;
    const doc_node *choice = NULL;
    int kind = -1;
    for (int k = 0; k < 3; k++) {
        const doc_node *found = doc_find(n, keys[k]);
        if (found && choice)
            return diag_error(d, found->loc, "%s has both %s and %s; it must have one of them", what, keys[kind],
                              keys[k]);
        if (found) {
            choice = found;
            kind = k;
        }
    }
    if (!choice)
        return diag_error(d, n->loc, "%s must have one of ratios, counts and token_bits", what);
    l->loc = choice->loc;
    if (!(kind == 0 ? read_ratios(d, choice, l) : kind == 1 ? read_counts(d, choice, l) : read_bits(a, d, choice, l)))
        return false;
    const doc_node *pinned = doc_find(n, "pinned");
    if (pinned && kind == 2)
        return diag_error(d, pinned->loc, "pinned cannot stand beside token_bits, which state every token's precision");
    return !pinned || read_pinned(a, d, pinned, l);
}

bool policy_probes(const policy *p) {
    return p->importance_set && (p->importance == DTQ_IMPORTANCE_PROBE || p->importance == DTQ_IMPORTANCE_PROBE_HEADS);
}

bool policy_chooses(const policy *p) {
    return policy_probes(p) ||
           (p->importance_set && (p->importance == DTQ_IMPORTANCE_LATE || p->importance == DTQ_IMPORTANCE_LATE_HEADS));
}

/** `word`, or {rule: word, per: layer or head}. `previous` is what a policy means that says nothing; any other rule
 *  takes the place of the model's own. */
static bool read_importance(diag *d, const doc_node *n, policy *p) {
    static const char *const keys[] = {"per", "rule", "window", "near", "far"};
    enum { OF_ALL_RULES = 2, OF_STREAMED = 4 };
    const doc_node *rule = n, *per = NULL;
    int word = 0, by_head = 0;
    if (n->kind == DOC_MAPPING) {
        per = doc_find(n, "per");
        rule = doc_find(n, "rule");
        if (!rule)
            return diag_error(d, n->loc, "importance must have a rule");
    }
    if (!doc_word(d, rule, "importance", "previous|" DTQ_IMPORTANCE_RULE_WORDS, &word) ||
        (per && !doc_word(d, per, "per", "layer|head", &by_head)))
        return false;
    p->importance_set = word > 0;
    p->importance = word > 0 ? word - 1 : DTQ_IMPORTANCE_MEAN;
    const bool streams = policy_streams(p);
    if (by_head && !policy_chooses(p) && !streams)
        return diag_error(
            d, per->loc,
            "only `probe` and `late` choose a set of keys for each key/value head; write `rule: probe` or "
            "`rule: late`, or leave `per` out");
    if (by_head && !streams)
        p->importance = policy_probes(p) ? DTQ_IMPORTANCE_PROBE_HEADS : DTQ_IMPORTANCE_LATE_HEADS;
    p->importance_loc = n->loc;
    if (rule != n && !doc_keys(d, n, "importance", streams ? keys + 1 : keys, streams ? OF_STREAMED : OF_ALL_RULES))
        return false;
    if (streams)
        return policy_read_streamed(d, n, p);
    return !policy_chooses(p) || p->prune_keys ||
           diag_error(d, n->loc,
                      "`%s` chooses among the keys of all tokens anew in each layer, so that no token may leave; "
                      "write `prune: keys` beside it",
                      policy_probes(p) ? "probe" : "late");
}

/** `layers` as a list: a row for each layer. */
static bool read_rows(arena *a, diag *d, const doc_node *layers, policy *p) {
    if (!doc_kind_is(d, layers, "layers", DOC_SEQUENCE))
        return false;
    if (layers->count == 0 || layers->count > MAX_LAYERS)
        return diag_error(d, layers->loc, "layers has %zu rows; it must have from 1 to %d", layers->count, MAX_LAYERS);
    bool ok = true;
    p->loc = layers->loc;
    p->layer_count = layers->count;
    p->layers = ARENA_ARRAY(a, policy_layer, layers->count);
    for (size_t i = 0; i < layers->count; i++) {
        char what[32];
        snprintf(what, sizeof what, "layer %zu", i);
        ok = read_layer(a, d, layers->items[i], what, &p->layers[i]) && ok;
    }
    return ok;
}

static const char *const root_keys[] = {"name", "layers", "all", "importance", "prune", "scheme"};

const char *const *policy_keys(size_t *count) {
    *count = sizeof root_keys / sizeof *root_keys;
    return root_keys;
}

policy *policy_of(arena *a, diag *d, const char *path, const doc_node *root) {
    if (!doc_keys(d, root, "the policy", root_keys, sizeof root_keys / sizeof *root_keys))
        return NULL;
    policy *p = ARENA_NEW(a, policy);
    p->path = arena_strdup(a, path);
    p->name = path_stem(a, path);
    const doc_node *name = doc_find(root, "name"), *rule = doc_find(root, "importance");
    const doc_node *layers = doc_find(root, "layers"), *all = doc_find(root, "all");
    const doc_node *prune = doc_find(root, "prune");
    bool ok = !name || doc_string(d, name, "name", &p->name);
    const doc_node *scheme = doc_find(root, "scheme");
    if (scheme)
        return policy_read_scheme(a, d, root, scheme, p) && ok ? p : NULL;
    int word = 0;
    ok = (!prune || doc_word(d, prune, "prune", "rows|keys", &word)) && ok;
    p->prune_keys = word == 1;
    ok = (!rule || read_importance(d, rule, p)) && ok;
    if (layers && all)
        ok = diag_error(d, all->loc,
                        "a policy has either `layers`, a row for each layer, or `all`, one row for all layers");
    else if (!layers && !all)
        ok = diag_error(d, root->loc,
                        "a policy must have `layers`, a row for each layer, or `all`, one row for all layers");
    else if (all) {
        p->loc = all->loc;
        p->all = ARENA_NEW(a, policy_layer);
        ok = read_layer(a, d, all, "`all`", p->all) && ok;
    } else {
        ok = read_rows(a, d, layers, p) && ok;
    }
    return ok ? p : NULL;
}

doc_node *policy_uniform_doc(arena *a) {
    const src_loc nowhere = {"all tokens at 8 bits", 0, 0};
    doc_node *root = doc_container(a, nowhere, DOC_MAPPING), *all = doc_container(a, nowhere, DOC_MAPPING);
    doc_node *ratios = doc_container(a, nowhere, DOC_MAPPING);
    doc_put(a, root, "name", nowhere, doc_scalar(a, nowhere, "uniform8"));
    doc_put(a, ratios, "8", nowhere, doc_scalar(a, nowhere, "1"));
    doc_put(a, all, "ratios", nowhere, ratios);
    doc_put(a, root, "all", nowhere, all);
    return root;
}

policy *policy_load_edited(arena *a, diag *d, const char *path, const doc_edits *edits) {
    if (!path && !(edits && edits->count))
        return policy_uniform(a, 8);
    doc_node *root = path ? doc_load_family(a, d, path, &family_policy) : policy_uniform_doc(a);
    if (!root || !doc_kind_is(d, root, "a policy", DOC_MAPPING) || !doc_apply(a, d, root, &family_policy, edits))
        return NULL;
    return policy_of(a, d, path ? path : root->loc.file, root);
}

policy *policy_load(arena *a, diag *d, const char *path) {
    return policy_load_edited(a, d, path, NULL);
}

static policy_layer pin_last(arena *a, policy_layer l, uint32_t count) {
    int64_t *pinned = ARENA_ARRAY(a, int64_t, l.pinned_count + count);
    size_t all = 0;
    for (uint32_t i = count; i > 0; i--)
        pinned[all++] = -(int64_t)i;
    for (size_t i = 0; i < l.pinned_count; i++)
        if (l.pinned[i] < -(int64_t)count || l.pinned[i] >= 0)
            pinned[all++] = l.pinned[i];
    qsort(pinned, all, sizeof *pinned, ascending);
    l.pinned = pinned;
    l.pinned_count = all;
    return l;
}

policy *policy_pin_last(arena *a, const policy *p, uint32_t count) {
    policy *copy = ARENA_NEW(a, policy);
    *copy = *p;
    if (policy_streams(p)) /* all rows are there, and see the last tokens whole */
        return copy;
    copy->layers = ARENA_ARRAY(a, policy_layer, p->layer_count + 1);
    copy->all = p->all ? ARENA_NEW(a, policy_layer) : NULL;
    for (size_t i = 0; i < p->layer_count; i++)
        copy->layers[i] = p->layers[i].kind == POLICY_BITS ? p->layers[i] : pin_last(a, p->layers[i], count);
    if (p->all)
        *copy->all = p->all->kind == POLICY_BITS ? *p->all : pin_last(a, *p->all, count);
    return copy;
}

/* ---- attaching --------------------------------------------------------------------------------------------------- */

/** What is known of the active tokens on the way through the layers. */
typedef struct {
    ir_module *m;
    diag *d;
    uint32_t seq, queries;
    int64_t pooled;       /* the token whose row the model is pooled from, or -1 */
    bool pool_pinned;     /* said so already */
    bool chooses;         /* layers choose for themselves */
    uint32_t kept;        /* active tokens of the layer before; seq at first */
    const uint8_t *known; /* their bits by id where explicit, or NULL: all tokens (or unknown if `dynamic`) */
    bool dynamic;         /* importance has chosen among the tokens: which are active is known at run time only */
    size_t dynamic_layer;
} state;

static bool layer_error(diag *d, const policy_layer *l, size_t layer, const state *s, uint32_t keep) {
    if (keep == 0)
        return diag_error(d, l->loc, "layer %zu keeps none of the %u tokens; it must keep at least one", layer, s->seq);
    return diag_error(d, l->loc,
                      "layer %zu keeps %u tokens, but layer %zu has only %u left; pruned tokens do not come back",
                      layer, keep, layer - 1, s->kept);
}

/** Ratios in parts per 10^9 that sum to exactly that. */
static void ratio_parts(const policy_layer *l, int64_t parts[3]) {
    parts[0] = llround(l->ratios[0] * (double)whole);
    parts[2] = llround(l->ratios[2] * (double)whole);
    if (parts[0] + parts[2] > whole)
        parts[2] = whole - parts[0];
    parts[1] = whole - parts[0] - parts[2];
    if (l->ratios[1] == 0) { /* no 4-bit token by rounding */
        parts[2] += parts[1];
        parts[1] = 0;
    }
}

/** The ids that a layer pins, each once, ascending; negative ones count from the end of the sequence. */
static bool resolve_pinned(const state *s, const policy_layer *l, size_t layer, int64_t *ids, size_t *count) {
    size_t found = 0;
    for (size_t i = 0; i < l->pinned_count; i++) {
        int64_t id = l->pinned[i] < 0 ? (int64_t)s->seq + l->pinned[i] : l->pinned[i];
        bool missing = id < 0 || id >= s->seq;
        if (missing && s->queries) /* the sequence grows */
            continue;
        if (missing)
            return diag_error(s->d, l->loc, "layer %zu pins token %lld, but the sequence has only tokens 0 to %u",
                              layer, (long long)l->pinned[i], s->seq - 1);
        if (s->known && s->known[id] == 0)
            return diag_error(s->d, l->loc, "layer %zu pins token %lld, which was pruned before", layer, (long long)id);
        ids[found++] = id;
    }
    qsort(ids, found, sizeof *ids, ascending);
    for (size_t i = 0; i < found; i++)
        if (*count == 0 || ids[i] != ids[*count - 1])
            ids[(*count)++] = ids[i];
    return true;
}

/** Sets the pinned tokens of a layer that keeps `keep` tokens, `high` of them at 8 bits. A model pooled from one token
 *  pins it, if there is an 8-bit place for it. */
static bool apply_pinned(state *s, const policy_layer *l, size_t layer, size_t op, uint32_t keep, uint32_t high) {
    int64_t *ids = ARENA_ARRAY(s->m->arena, int64_t, l->pinned_count + 1);
    size_t count = 0;
    if (!resolve_pinned(s, l, layer, ids, &count))
        return false;
    if (count > keep && !s->queries)
        return diag_error(s->d, l->loc, "layer %zu pins %zu tokens, but keeps only %u", layer, count, keep);
    bool pooled_there = false;
    for (size_t i = 0; i < count; i++)
        pooled_there = pooled_there || ids[i] == s->pooled;
    bool active = s->pooled >= 0 && !(s->known && s->known[s->pooled] == 0);
    if (active && !pooled_there && count < high && high < s->seq) {
        if (!s->pool_pinned)
            diag_remark(s->d, l->loc, "policy",
                        "token %lld takes an 8-bit place from layer %zu on: the model is pooled from it",
                        (long long)s->pooled, layer);
        s->pool_pinned = true;
        size_t at = count++;
        for (; at > 0 && ids[at - 1] > s->pooled; at--)
            ids[at] = ids[at - 1];
        ids[at] = s->pooled;
    }
    if (count)
        ir_set_ints(s->m, op, IR_KEY_pinned, ids, count);
    return true;
}

/** After a layer by shares: importance has chosen, unless all tokens stay and all have the same precision. */
static void settle(state *s, size_t layer, uint32_t keep, uint32_t high) {
    bool choice = keep < s->kept || (high > 0 && high < keep);
    if (choice && !s->dynamic) {
        s->dynamic = true;
        s->dynamic_layer = layer;
        s->known = NULL;
    }
    s->kept = keep;
}

static bool apply_ratios(state *s, const policy_layer *l, size_t layer, size_t op) {
    int64_t parts[3];
    uint32_t keep, high;
    ratio_parts(l, parts);
    dtq_counts(s->seq, (double)parts[0] / (double)whole, (double)parts[2] / (double)whole, &keep, &high);
    if (s->queries && keep == 0) /* of a sequence that grows the first tokens stay */
        keep = 1;
    if (keep == 0 || keep > s->kept)
        return layer_error(s->d, l, layer, s, keep);
    ir_set_ints(s->m, op, IR_KEY_ratios, parts, 3);
    ir_set_str(s->m, op, IR_KEY_promote, "free");
    if (!apply_pinned(s, l, layer, op, keep, high))
        return false;
    settle(s, layer, keep, high);
    return true;
}

static bool apply_counts(state *s, const policy_layer *l, size_t layer, size_t op) {
    uint64_t sum = (uint64_t)l->counts[0] + l->counts[1] + l->counts[2];
    uint32_t keep = l->counts[1] + l->counts[2];
    if (sum != s->seq)
        return diag_error(s->d, l->loc,
                          "the counts of layer %zu sum to %llu; they must sum to the %u tokens of the sequence", layer,
                          (unsigned long long)sum, s->seq);
    if (keep == 0 || keep > s->kept)
        return layer_error(s->d, l, layer, s, keep);
    ir_set_ints(s->m, op, IR_KEY_counts, (int64_t[]){l->counts[0], l->counts[1], l->counts[2]}, 3);
    ir_set_str(s->m, op, IR_KEY_promote, "free");
    if (!apply_pinned(s, l, layer, op, keep, l->counts[2]))
        return false;
    settle(s, layer, keep, l->counts[2]);
    return true;
}

static bool apply_bits(state *s, const policy_layer *l, size_t layer, size_t op) {
    if (l->bit_count != s->seq)
        return diag_error(s->d, l->loc, "token_bits of layer %zu has %zu entries; the sequence has %u tokens", layer,
                          l->bit_count, s->seq);
    if (s->dynamic)
        return diag_error(s->d, l->loc,
                          "token_bits of layer %zu come after layer %zu, where importance chooses among the tokens; "
                          "use ratios or counts from there on",
                          layer, s->dynamic_layer);
    uint32_t keep = 0;
    for (size_t i = 0; i < l->bit_count; i++) {
        keep += l->bits[i] != 0;
        if (l->bits[i] && s->known && !s->known[i])
            return diag_error(s->d, l->loc, "token_bits of layer %zu give token %zu %u bits, but it was pruned before",
                              layer, i, l->bits[i]);
    }
    if (keep == 0)
        return layer_error(s->d, l, layer, s, keep);
    size_t runs;
    ir_run *run = ir_runs_of(s->m->arena, l->bits, l->bit_count, &runs);
    ir_set_runs(s->m, op, IR_KEY_token_bits, run, runs);
    ir_set_str(s->m, op, IR_KEY_promote, "none");
    s->kept = keep;
    s->known = l->bits;
    return true;
}

/** Layer 0 of a model: no layer before it has measured importance, so that nothing can be chosen by it. */
static bool apply_first(state *s, const policy_layer *l, size_t op) {
    uint64_t sum = (uint64_t)l->counts[0] + l->counts[1] + l->counts[2];
    if (l->kind == POLICY_COUNTS && sum != s->seq)
        return apply_counts(s, l, 0, op);
    bool asks = l->kind == POLICY_COUNTS ? l->counts[2] != s->seq : l->ratios[2] < 1;
    if (asks)
        diag_remark(s->d, s->m->ops[op].loc, "policy",
                    "layer 0 runs all %u tokens at 8 bits: no layer before it measures importance; the policy holds "
                    "from layer 1 on (explicit token_bits would hold for layer 0, too)",
                    s->seq);
    ir_set_ints(s->m, op, IR_KEY_ratios, (int64_t[]){0, 0, whole}, 3);
    ir_set_str(s->m, op, IR_KEY_promote, "free");
    return apply_pinned(s, l, 0, op, s->seq, s->seq);
}

static bool apply_layer(state *s, const policy_layer *l, size_t layer, size_t op) {
    static const unsigned replaced[] = {IR_KEY_ratios, IR_KEY_counts, IR_KEY_token_bits, IR_KEY_pinned};
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++)
        ir_unset(s->m, op, replaced[i]);
    if (l->kind == POLICY_BITS)
        return apply_bits(s, l, layer, op);
    if (layer == 0 && !s->m->header.qkv_input && !s->chooses)
        return apply_first(s, l, op);
    return l->kind == POLICY_COUNTS ? apply_counts(s, l, layer, op) : apply_ratios(s, l, layer, op);
}

static const char *importance_word(arena *a, int rule) {
    const char *at = DTQ_IMPORTANCE_WORDS;
    for (; rule > 0; rule--)
        at = strchr(at, '|') + 1;
    return arena_printf(a, "%.*s", (int)strcspn(at, "|"), at);
}

/** The token that a pooling of the first or last row takes, or -1. */
static int64_t pooled_token(const ir_module *m) {
    for (size_t i = 0; i < m->op_count; i++) {
        const char *function = m->ops[i].code == IR_POOL ? ir_str(m, i, IR_KEY_function) : NULL;
        if (function && strcmp(function, "first") == 0)
            return 0;
        if (function && strcmp(function, "last") == 0)
            return (int64_t)m->header.seq - 1;
    }
    return -1;
}

bool policy_apply(const policy *p, ir_module *m, diag *d) {
    if (!policy_apply_scheme(p, m, d))
        return false;
    size_t layers = 0, layer = 0;
    for (size_t i = 0; i < m->op_count; i++)
        layers += m->ops[i].code == IR_ATTENTION;
    if (!p->all && p->layer_count != layers)
        return diag_error(d, p->loc,
                          "the policy has %zu row%s in `layers`, but model '%s' has %zu attention layer%s; write a row "
                          "for each, or `all:` for all alike",
                          p->layer_count, p->layer_count == 1 ? "" : "s", m->header.model ? m->header.model : "",
                          layers, layers == 1 ? "" : "s");
    state s = {.m = m,
               .d = d,
               .seq = m->header.seq,
               .queries = p->queries,
               .kept = m->header.seq,
               .pooled = pooled_token(m),
               .chooses = policy_chooses(p)};
    for (size_t i = 0; i < m->op_count; i++) {
        if (m->ops[i].code != IR_ATTENTION)
            continue;
        const policy_layer *row = p->all ? p->all : &p->layers[layer];
        if (p->importance_set && !policy_streams(p))
            ir_set_str(m, i, IR_KEY_importance_rule, importance_word(m->arena, p->importance));
        const char *mask = ir_str(m, i, IR_KEY_mask);
        if (policy_probes(p) && mask && strcmp(mask, "causal") == 0)
            return diag_error(d, p->importance_loc,
                              "`probe` takes the mean of all queries, which a causal model does not see; it is for "
                              "encoders");
        if (p->queries && policy_chooses(p))
            return diag_error(
                d, p->importance_loc,
                "`late` counts the votes of all rows, which a model that generates does not have yet; use "
                "`streamed` or `previous` there");
        if (p->queries && (!mask || strcmp(mask, "causal") != 0))
            return diag_error(d, m->ops[i].loc,
                              "generation is of causal models; here each token sees those after it, too, so that keys "
                              "would change with every one");
        if (p->queries)
            ir_set_int(m, i, IR_KEY_queries, p->queries < s.seq ? p->queries : s.seq);
        if (p->prune_keys)
            ir_set_str(m, i, IR_KEY_prune, "keys");
        else
            ir_unset(m, i, IR_KEY_prune);
        if (policy_chooses(p)) { /* every layer chooses among all tokens */
            s.kept = s.seq;
            s.known = NULL;
            s.dynamic = false;
        }
        if (policy_layer_streams(p, row) ? !policy_apply_streamed(p, row, layer, m, i, d)
                                         : !apply_layer(&s, row, layer, i))
            return false;
        layer++;
    }
    return true;
}
