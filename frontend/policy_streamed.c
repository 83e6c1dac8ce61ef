/* Policies whose importance is `streamed`: what a mapping says, and how many keys of a block stay in a layer. */
#include "frontend/policy_streamed.h"

#include <math.h>
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/policy.h"
#include "runtime/layer.h"

enum { MOST_WINDOW = 65536 };

bool policy_streams(const policy *p) {
    return p->importance_set && p->importance == DTQ_IMPORTANCE_STREAMED;
}

bool policy_read_streamed(diag *d, const doc_node *n, policy *p) {
    static const char *const keys[] = {"window", "near", "far"};
    if (n->kind != DOC_MAPPING)
        return diag_error(d, n->loc,
                          "`streamed` needs a window and the bits of near and far keys: "
                          "{rule: streamed, window: 32, near: 8, far: 4}");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!doc_find(n, keys[i]))
            return diag_error(d, n->loc,
                              "importance is `streamed` and must have `%s`, as in "
                              "{rule: streamed, window: 32, near: 8, far: 4}",
                              keys[i]);
    int64_t window;
    int near, far;
    if (!doc_int(d, doc_find(n, "window"), "window", 1, MOST_WINDOW, &window) ||
        !doc_word(d, doc_find(n, "near"), "near", "4|8", &near) || !doc_word(d, doc_find(n, "far"), "far", "4|8", &far))
        return false;
    p->streaming = (dtq_streaming){.window = (uint32_t)window, .near_bits = near ? 8 : 4, .far_bits = far ? 8 : 4};
    return p->prune_keys || diag_error(d, n->loc,
                                       "`streamed` drops keys alone, and every token goes on as a query; write `prune: "
                                       "keys` beside it");
}

bool policy_layer_streams(const policy *p, const policy_layer *l) {
    return policy_streams(p) && !(l->kind == POLICY_RATIOS && (l->ratios[1] == 1 || l->ratios[2] == 1));
}

/* As many keys of a block as make `share` of all pairs of n tokens leave. */
static uint32_t kept_of_share(const dtq_streaming *s, double share, uint32_t n) {
    dtq_streamed_pairs pairs = dtq_streamed_count(s, n);
    double of_far = pairs.behind ? share * (double)pairs.all / (double)pairs.behind : 0;
    return s->window - (uint32_t)nearbyint((double)s->window * (of_far < 1 ? of_far : 1));
}

static bool kept_of(diag *d, const policy *p, const policy_layer *l, size_t layer, uint32_t seq, uint32_t *kept) {
    const dtq_streaming *s = &p->streaming;
    const int far = s->far_bits == 8 ? 2 : 1, other = 3 - far;
    if (l->pinned_count)
        return diag_error(d, l->loc, "layer %zu pins tokens; with `streamed` it is token 0 and the near ones that stay",
                          layer);
    if (l->kind == POLICY_BITS)
        return diag_error(
            d, l->loc,
            "layer %zu has token_bits, but with `streamed` a key's bits are of its place; give ratios, or "
            "counts of the keys of a block",
            layer);
    if (l->kind == POLICY_RATIOS && l->ratios[0] > 0 && p->queries)
        return diag_error(
            d, l->loc,
            "layer %zu drops a share of all pairs, which says another number of keys for every length, and "
            "generation keeps what it has chosen; give counts of the keys of a block: {0: 11, %u: 21}",
            layer, s->far_bits);
    if (l->kind == POLICY_RATIOS) {
        *kept = kept_of_share(s, l->ratios[0], seq);
        return true;
    }
    uint64_t sum = (uint64_t)l->counts[0] + l->counts[1] + l->counts[2];
    if (sum != s->window || l->counts[other])
        return diag_error(
            d, l->loc,
            "the counts of layer %zu are %u, %u and %u at 0, 4 and 8 bits; with `streamed` they are of the "
            "%u keys of a block once it is far: so many leave, and the others have %u bits",
            layer, l->counts[0], l->counts[1], l->counts[2], s->window, s->far_bits);
    *kept = l->counts[far];
    return true;
}

bool policy_apply_streamed(const policy *p, const policy_layer *l, size_t layer, ir_module *m, size_t op, diag *d) {
    const uint32_t seq = m->header.seq;
    const char *mask = ir_str(m, op, IR_KEY_mask);
    uint32_t kept = 0;
    if (!mask || strcmp(mask, "causal") != 0)
        return diag_error(
            d, p->importance_loc,
            "`streamed` goes through the tokens block by block, and in an encoder each sees those after it, "
            "too; `probe` is for encoders");
    if (!kept_of(d, p, l, layer, seq, &kept))
        return false;
    const ir_run near = {seq, p->streaming.near_bits};
    ir_set_str(m, op, IR_KEY_importance_rule, "streamed");
    ir_set_int(m, op, IR_KEY_window, p->streaming.window);
    ir_set_int(m, op, IR_KEY_kept, kept);
    ir_set_int(m, op, IR_KEY_near_bits, p->streaming.near_bits);
    ir_set_int(m, op, IR_KEY_far_bits, p->streaming.far_bits);
    ir_set_runs(m, op, IR_KEY_token_bits, &near, 1);
    ir_set_str(m, op, IR_KEY_cluster, "none");
    ir_set_str(m, op, IR_KEY_promote, "none");
    return true;
}
