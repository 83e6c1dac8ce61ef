/* assign-precision: from the policy on each attention op to its token counts: `slots` tokens stay active, `high` of
 * them run at 8 bits. With `prune = keys` all tokens stay active, and those that leave as keys are the `muted` ones.
 * In a step of generation the slots are keys, and the last of them, which are pinned at 8 bits, are the `queries`.
 * Where the choice does not depend on data the precision of every original token is written down in `token_bits`;
 * elsewhere the top-k of the layer before makes it. */
#include <math.h>
#include <string.h>

#include "passes/layer.h"
#include "passes/pass_list.h"

typedef struct {
    uint32_t kept, high; /* kept: with their keys */
    bool by_own;         /* the layer chooses its own keys, where there is a choice */
    const char *rule;    /* as its importance_rule begins */
    bool rows_left;      /* pruned tokens are not active any more, in this layer or one before */
    uint8_t *bits;       /* of each original token, NULL if chosen at run time */
} assignment;

/** Gives token `id` the best place that is left. */
static void place(uint8_t *bits, uint32_t id, uint32_t *high, uint32_t *low) {
    if (*high) {
        bits[id] = 8;
        --*high;
    } else if (*low) {
        bits[id] = 4;
        --*low;
    }
}

/** The choice when there is no importance yet: pinned tokens, then the lowest ids, as ties are broken. */
static uint8_t *choose_by_id(arena *a, const ir_module *m, size_t op, uint32_t seq, uint32_t kept, uint32_t high,
                             const uint8_t *active) {
    uint8_t *bits = arena_alloc(a, seq);
    uint32_t low = kept - high;
    const ir_attr *pinned = ir_get(m, op, IR_KEY_pinned);
    for (uint32_t i = 0; pinned && i < pinned->count; i++) {
        int64_t id = pinned->ints[i];
        if (id >= 0 && id < seq && !bits[id] && (!active || active[id]))
            place(bits, (uint32_t)id, &high, &low);
    }
    for (uint32_t id = 0; id < seq; id++)
        if (!bits[id] && (!active || active[id]))
            place(bits, id, &high, &low);
    return bits;
}

/** How many of the tokens are the queries of a step, the others keys only; 0 if all are. */
static uint32_t step_queries(const ir_module *m, size_t op) {
    int64_t queries = ir_int(m, op, IR_KEY_queries, 0);
    return queries < m->header.seq ? (uint32_t)queries : 0;
}

static bool from_token_bits(pass_context *ctx, const ir_module *m, size_t op, const assignment *before,
                            assignment *out) {
    uint32_t seq = m->header.seq;
    size_t count;
    out->bits = ir_runs_expand(ctx->arena, ir_get(m, op, IR_KEY_token_bits), &count);
    if (before && !before->bits)
        return diag_error(ctx->diag, m->ops[op].loc,
                          "explicit token_bits after a layer whose tokens are chosen at run "
                          "time; give ratios or counts here, or token_bits before");
    out->kept = out->high = 0;
    for (uint32_t id = 0; id < seq; id++) {
        if (out->bits[id] && before && !before->bits[id])
            return diag_error(ctx->diag, m->ops[op].loc,
                              "token %u was pruned in an earlier layer and cannot run at %u "
                              "bits; give it 0",
                              id, out->bits[id]);
        if (out->bits[id] != 8 && id >= seq - step_queries(m, op) && !ir_streams(m, op))
            return diag_error(ctx->diag, m->ops[op].loc, "token %u is a query of a step and runs at 8 bits, not at %u",
                              id, out->bits[id]);
        out->kept += out->bits[id] != 0;
        out->high += out->bits[id] == 8;
    }
    return true;
}

/** Pins the queries of a step, the newest tokens, beside those that the policy pins. */
static void pin_queries(pass_context *ctx, ir_module *m, size_t op) {
    uint32_t queries = step_queries(m, op), first = m->header.seq - queries, count = 0;
    const ir_attr *pinned = ir_get(m, op, IR_KEY_pinned);
    if (!queries)
        return;
    int64_t *ids = ARENA_ARRAY(ctx->arena, int64_t, queries + (pinned ? pinned->count : 0));
    for (uint32_t i = 0; pinned && i < pinned->count && pinned->ints[i] < first; i++)
        ids[count++] = pinned->ints[i];
    for (uint32_t id = first; id < m->header.seq; id++)
        ids[count++] = id;
    ir_set_ints(m, op, IR_KEY_pinned, ids, count);
}

static void counts_of(const ir_module *m, size_t op, uint32_t seq, assignment *out) {
    const ir_attr *ratios = ir_get(m, op, IR_KEY_ratios), *counts = ir_get(m, op, IR_KEY_counts);
    out->kept = out->high = seq; /* no policy: all tokens, 8 bits */
    if (ratios) {
        out->kept = seq - (uint32_t)nearbyint((double)ratios->ints[0] / 1e9 * seq);
        out->high = (uint32_t)nearbyint((double)ratios->ints[2] / 1e9 * seq);
    } else if (counts) {
        out->kept = (uint32_t)(counts->ints[1] + counts->ints[2]);
        out->high = (uint32_t)counts->ints[2];
    }
    if (ir_get(m, op, IR_KEY_queries) && !out->kept) /* short sequences are where generation begins */
        out->kept = 1;
    if (ir_get(m, op, IR_KEY_queries) && seq == 1)
        out->high = 1;
    const ir_attr *pinned = step_queries(m, op) ? ir_get(m, op, IR_KEY_pinned) : NULL;
    if (pinned && out->high < pinned->count) { /* whoever is pinned has 8 bits, however short the sequence */
        out->high = pinned->count;
        out->kept = out->kept > out->high ? out->kept : out->high;
    }
    if (out->high > out->kept)
        out->high = out->kept; /* both ratios may round up at once */
}

/** What a choice of its own asks of a layer that has one to make: all tokens are rows, seen by all, and no linear has
 * gone by their bits before. */
static bool check_own(pass_context *ctx, const ir_module *m, size_t op, const assignment *before,
                      const assignment *now) {
    long long index = (long long)ir_int(m, op, IR_KEY_index, 0);
    src_loc loc = m->ops[op].loc;
    const char *mask = ir_str(m, op, IR_KEY_mask);
    if (!now->by_own || now->bits)
        return true;
    if (ir_by_late(m, op) && ir_get(m, op, IR_KEY_queries))
        return diag_error(ctx->diag, loc,
                          "layer %lld: `late` counts the votes of all rows, which a model that generates does not have "
                          "yet; use `streamed` or `previous` there",
                          index);
    if (ir_by_probe(m, op) && mask && strcmp(mask, "causal") == 0)
        return diag_error(ctx->diag, loc,
                          "layer %lld: `probe` takes the mean of all queries, which a causal layer does not see; use "
                          "`mean` for decoders",
                          index);
    if (now->rows_left || (before && before->rows_left))
        return diag_error(ctx->diag, loc,
                          "layer %lld: `%s` chooses among all tokens anew, so none may leave; prune keys, not rows",
                          index, now->rule);
    for (size_t i = 0; i < m->op_count; i++) {
        const char *path = m->ops[i].code == IR_LINEAR ? ir_str(m, i, IR_KEY_arithmetic) : NULL;
        if (path && strcmp(path, "mixed") == 0)
            return diag_error(ctx->diag, loc,
                              "layer %lld: `%s` chooses after the layer's linears, so these cannot go by the bits of "
                              "its tokens; use linears in fp32 or int8",
                              index, now->rule);
    }
    return true;
}

static bool assign(pass_context *ctx, const ir_module *m, size_t op, const assignment *before, assignment *out) {
    uint32_t seq = m->header.seq;
    src_loc loc = m->ops[op].loc;
    int64_t index = ir_int(m, op, IR_KEY_index, 0);
    if (out->by_own) /* among all tokens, whatever the layer before has kept */
        before = NULL;
    if (out->by_own && !ir_get(m, op, IR_KEY_token_bits)) {
        counts_of(m, op, seq, out);
        if (out->kept == seq && (out->high == 0 || out->high == seq)) /* nothing to choose */
            out->bits = choose_by_id(ctx->arena, m, op, seq, seq, out->high, NULL);
    } else if (ir_get(m, op, IR_KEY_token_bits)) {
        if (!from_token_bits(ctx, m, op, before, out))
            return false;
    } else {
        counts_of(m, op, seq, out);
        if (before && out->kept > before->kept)
            return diag_error(ctx->diag, loc,
                              "layer %lld keeps %u of %u tokens, the layer before it only %u: a pruned "
                              "token cannot come back; keep at most %u",
                              (long long)index, out->kept, seq, before->kept, before->kept);
        bool all_alike = out->high == 0 || out->high == out->kept;
        bool nothing_leaves = !before || out->kept == before->kept;
        bool is_static = !before || (before->bits && all_alike && nothing_leaves);
        if (!is_static && before->by_own)
            return diag_error(ctx->diag, loc,
                              "layer %lld chooses by the importance of the layer before, whose rule `%s` measures "
                              "none; give both the same rule",
                              (long long)index, before->rule);
        if (is_static)
            out->bits = choose_by_id(ctx->arena, m, op, seq, out->kept, out->high, before ? before->bits : NULL);
    }
    if (!out->kept)
        return diag_error(ctx->diag, loc, "layer %lld keeps none of %u tokens; keep at least one", (long long)index,
                          seq);
    return true;
}

/** Whether pruned tokens stay as queries. Where a cache is filled they do: a row that left would leave a gap in it. In
 *  a step there is nothing to stay: tokens that are no queries have no rows. */
static bool prunes_keys(const ir_module *m, size_t op) {
    const char *prune = ir_str(m, op, IR_KEY_prune);
    if (ir_get(m, op, IR_KEY_queries))
        return step_queries(m, op) == 0;
    return prune && strcmp(prune, "keys") == 0;
}

/** Whether tokens pruned up to this layer have left as rows; false after an error if they should not have. */
static bool settle_rows(pass_context *ctx, const ir_module *m, size_t op, const assignment *before, assignment *now) {
    bool left = before && before->rows_left;
    if (!prunes_keys(m, op)) {
        now->rows_left = left || now->kept < m->header.seq;
        return true;
    }
    return !left ||
           diag_error(ctx->diag, m->ops[op].loc,
                      "layer %lld prunes keys only, but rows were pruned before it; give `prune = keys` to all "
                      "layers, or to none",
                      (long long)ir_int(m, op, IR_KEY_index, 0));
}

bool pass_assign_precision(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    assignment before = {0};
    bool first = true;
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_ATTENTION)
            continue;
        assignment now = {.by_own = ir_by_own(m, op), .rule = ir_by_late(m, op) ? "late" : "probe"};
        pin_queries(ctx, m, op);
        if (!assign(ctx, m, op, first ? NULL : &before, &now) ||
            !settle_rows(ctx, m, op, first ? NULL : &before, &now) ||
            !check_own(ctx, m, op, first ? NULL : &before, &now))
            return false;
        uint32_t muted = prunes_keys(m, op) ? m->header.seq - now.kept : 0;
        ir_set_int(m, op, IR_KEY_slots, now.kept + muted);
        if (muted)
            ir_set_int(m, op, IR_KEY_muted, muted);
        ir_set_int(m, op, IR_KEY_high, now.high);
        if (now.bits && !ir_get(m, op, IR_KEY_token_bits)) {
            size_t count;
            ir_run *runs = ir_runs_of(ctx->arena, now.bits, m->header.seq, &count);
            ir_set_runs(m, op, IR_KEY_token_bits, runs, count);
        }
        diag_remark(ctx->diag, m->ops[op].loc, "assign-precision",
                    "layer %lld: %u %s pruned, %u at 4 bits, %u at 8 bits; which ones is %s",
                    (long long)ir_int(m, op, IR_KEY_index, 0), m->header.seq - now.kept,
                    prunes_keys(m, op) ? "keys" : "tokens", now.kept - now.high, now.high,
                    now.bits     ? "known now"
                    : now.by_own ? (ir_by_late(m, op) ? "chosen at run time by the layer's own probabilities"
                                                      : "chosen at run time by the layer's own probe")
                                 : "chosen at run time by the importance of the layer before");
        before = now;
        first = false;
    }
    return true;
}
