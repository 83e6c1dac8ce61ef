/* Which token runs at which precision in which slot: runs of bits, clusters, token ids, the policy that chooses. */
#include <string.h>

#include "ir/verify.h"

/* Lists that describe each slot (or each original token) and the elements they may have. */
static const struct {
    ir_key key;
    bool of_tokens, zero; /* zero: 0 bits, pruned, is a precision too */
} precisions[] = {
    {IR_KEY_segments, false, false}, {IR_KEY_q_bits, false, false}, {IR_KEY_k_bits, false, false},
    {IR_KEY_v_bits, false, false},   {IR_KEY_p_bits, false, false}, {IR_KEY_token_bits, true, true},
};

void verify_precisions(verifier *v, size_t op, const ir_attr *slots) {
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

void verify_turned(verifier *v, size_t op, const ir_attr *slots) {
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

/* The precision a slot was chosen for, where its clusters do not say: the least that any operand has; where the layer
 * chooses late that of its value. */
static uint8_t *least_bits(verifier *v, size_t op, int64_t slots) {
    static const ir_key operands[] = {IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits};
    uint8_t *least = NULL;
    for (size_t i = ir_chooses_late(v->m, op) ? 2 : 0; i < sizeof operands / sizeof *operands; i++) {
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

void verify_order(verifier *v, size_t op, const ir_attr *slots) {
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

void verify_ids(verifier *v, size_t op, const ir_attr *slots) {
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

void verify_policy(verifier *v, size_t op) {
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
