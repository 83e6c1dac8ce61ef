/* Attention in fixed point: what the compared systems have in common, and dense attention of it (an array of 16-bit
 * MACs). NUMERICS.md, "Compared systems". */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/numerics/attention.h"
#include "runtime/systems/compared.h"

static float largest_code(unsigned bits) {
    return (float)((1 << (bits - 1)) - 1);
}

int dtq_fixed_fraction(float largest, unsigned bits) {
    if (largest < 0x1p-50f)
        return 0;
    int fraction = DTQ_FRACTION_MOST;
    while (dtq_do_rne(ldexpf(largest, fraction)) > largest_code(bits))
        fraction--;
    return fraction;
}

int32_t dtq_fixed_code(float x, dtq_fixed_format f) {
    const float limit = largest_code(f.bits);
    float c = dtq_do_rne(ldexpf(x, f.fraction));
    c = c > limit ? limit : c;
    c = c < -limit ? -limit : c;
    return (int32_t)c;
}

/* Quantises the rows [from, to) of an operand, `width` numbers each. */
static int quantise(const float *in, size_t from, size_t to, size_t width, dtq_fixed_format format, int32_t *codes) {
    if (format.fraction == DTQ_FRACTION_AUTO) {
        float largest = 0.0f;
        for (size_t at = from * width; at < to * width; at++) {
            const float magnitude = fabsf(in[at]);
            largest = magnitude > largest ? magnitude : largest;
        }
        format.fraction = dtq_fixed_fraction(largest, format.bits);
    }
    for (size_t at = from * width; at < to * width; at++)
        codes[at] = dtq_fixed_code(in[at], format);
    return format.fraction;
}

bool dtq_fixed_open(dtq_fixed_layer *f, const dtq_attention *a, dtq_fixed_format format, dtq_error *e) {
    if (!dtq_attention_check(a, e))
        return false;
    const size_t n = a->slots, q_width = (size_t)a->heads * a->head_dim, kv_width = (size_t)a->kv_heads * a->head_dim;
    *f = (dtq_fixed_layer){
        .a = a,
        .first_key = a->keys == 0 ? 0 : a->first_key,
        .end_of_keys = a->keys == 0 ? n : (size_t)a->first_key + a->keys,
        .first_query = a->queries == 0 ? 0 : a->first_query,
        .end_of_queries = a->queries == 0 ? n : (size_t)a->first_query + a->queries,
        .codes = {malloc(n * q_width * sizeof(int32_t)), malloc(n * kv_width * sizeof(int32_t)),
                  malloc(n * kv_width * sizeof(int32_t))},
        .key = calloc(n, 1),
        .chosen = calloc(n, 1),
        .x = calloc(n, sizeof(float)),
        .weight = calloc(n, sizeof(uint32_t)),
    };
    if (!f->codes[DTQ_Q] || !f->codes[DTQ_K] || !f->codes[DTQ_V] || !f->key || !f->chosen || !f->x || !f->weight) {
        dtq_fixed_close(f);
        return dtq_no_memory(e, n * ((q_width + 2 * kv_width) * sizeof(int32_t) + 2 + sizeof(float) + sizeof(uint32_t)),
                             "an attention layer of %u tokens", a->slots);
    }
    f->fraction[DTQ_Q] = quantise(a->q, f->first_query, f->end_of_queries, q_width, format, f->codes[DTQ_Q]);
    f->fraction[DTQ_K] = quantise(a->k, f->first_key, f->end_of_keys, kv_width, format, f->codes[DTQ_K]);
    f->fraction[DTQ_V] = quantise(a->v, f->first_key, f->end_of_keys, kv_width, format, f->codes[DTQ_V]);
    f->score_scale = ldexpf(dtq_do_score_scale(a->head_dim), -(f->fraction[DTQ_Q] + f->fraction[DTQ_K]));
    memset(f->key + f->first_key, 1, f->end_of_keys - f->first_key);
    if (a->importance)
        memset(a->importance, 0, n * sizeof *a->importance);
    return true;
}

void dtq_fixed_close(dtq_fixed_layer *f) {
    for (int o = 0; o < 3; o++)
        free(f->codes[o]);
    free(f->key);
    free(f->chosen);
    free(f->x);
    free(f->weight);
}

uint32_t dtq_fixed_see(dtq_fixed_layer *f, size_t i) {
    uint32_t seen = 0;
    for (size_t j = f->first_key; j < f->end_of_keys; j++) {
        f->chosen[j] = f->key[j] && (!f->a->causal || f->a->ids[j] <= f->a->ids[i]);
        seen += f->chosen[j];
    }
    return seen;
}

/* Without the lowest bits, towards minus infinity, as two's complement loses them. */
static int32_t without(int32_t code, unsigned dropped) {
    const int32_t unit = 1 << dropped;
    return code - (int32_t)((uint32_t)code & (uint32_t)(unit - 1));
}

int64_t dtq_fixed_product(const dtq_fixed_layer *f, size_t i, size_t head, size_t j, unsigned dropped) {
    const dtq_attention *a = f->a;
    const size_t kv = head / (a->heads / a->kv_heads);
    const int32_t *q = f->codes[DTQ_Q] + (i * a->heads + head) * a->head_dim;
    const int32_t *k = f->codes[DTQ_K] + (j * a->kv_heads + kv) * a->head_dim;
    int64_t sum = 0;
    for (size_t c = 0; c < a->head_dim; c++)
        sum += (int64_t)q[c] * without(k[c], dropped);
    return sum;
}

uint64_t dtq_fixed_weigh(dtq_fixed_layer *f, size_t i, size_t head, unsigned dropped) {
    float largest = 0.0f;
    bool any = false;
    for (size_t j = f->first_key; j < f->end_of_keys; j++) {
        if (f->chosen[j]) {
            f->x[j] = (float)dtq_fixed_product(f, i, head, j, dropped) * f->score_scale;
            largest = !any || f->x[j] > largest ? f->x[j] : largest;
            any = true;
        }
    }
    uint64_t sum = 0;
    for (size_t j = f->first_key; j < f->end_of_keys; j++) {
        f->weight[j] = f->chosen[j] ? (uint32_t)dtq_do_rne(ldexpf(dtq_do_exp2(f->x[j] - largest), DTQ_WEIGHT_BITS)) : 0;
        sum += f->weight[j];
    }
    return sum;
}

void dtq_fixed_probabilities(dtq_fixed_layer *f, uint64_t sum, uint32_t levels) {
    for (size_t j = f->first_key; j < f->end_of_keys; j++)
        f->weight[j] = (uint32_t)((2 * (uint64_t)f->weight[j] * levels + sum) / (2 * sum));
}

uint64_t dtq_fixed_output(dtq_fixed_layer *f, size_t i, size_t head, unsigned dropped, uint64_t divisor) {
    const dtq_attention *a = f->a;
    const size_t kv = head / (a->heads / a->kv_heads), width = (size_t)a->kv_heads * a->head_dim;
    float *out = a->out + (i * a->heads + head) * a->head_dim;
    uint64_t magnitude = 0;
    for (size_t c = 0; c < a->head_dim; c++) {
        const int32_t *v = f->codes[DTQ_V] + kv * a->head_dim + c;
        int64_t sum = 0;
        for (size_t j = f->first_key; j < f->end_of_keys; j++)
            sum += f->weight[j] == 0 ? 0 : (int64_t)f->weight[j] * without(v[j * width], dropped);
        out[c] = ldexpf((float)sum, -f->fraction[DTQ_V]) / (float)divisor;
        magnitude += (uint64_t)(sum < 0 ? -sum : sum);
    }
    return magnitude;
}

void dtq_fixed_importance(const dtq_fixed_layer *f, uint64_t total) {
    const uint64_t inverse = ((uint64_t)1 << 32) / total;
    for (size_t j = f->first_key; f->a->importance && j < f->end_of_keys; j++)
        f->a->importance[j] += f->weight[j] * inverse;
}

bool dtq_attention_fixed(const dtq_attention *a, dtq_fixed_format format, dtq_tally *t, dtq_error *e) {
    dtq_fixed_layer f;
    if (!dtq_fixed_open(&f, a, format, e))
        return false;
    const uint32_t levels = (uint32_t)largest_code(format.bits);
    *t = (dtq_tally){.tokens = (uint32_t)(f.end_of_keys - f.first_key), .heads = a->heads};
    for (size_t head = 0; head < a->heads; head++) {
        for (size_t i = f.first_query; i < f.end_of_queries; i++) {
            memset(a->out + (i * a->heads + head) * a->head_dim, 0, a->head_dim * sizeof *a->out);
            const uint32_t seen = dtq_fixed_see(&f, i);
            if (seen == 0)
                continue;
            dtq_fixed_probabilities(&f, dtq_fixed_weigh(&f, i, head, 0), levels);
            dtq_fixed_importance(&f, levels);
            (void)dtq_fixed_output(&f, i, head, 0, levels);
            t->rows++;
            t->pairs += seen;
        }
    }
    t->candidates = t->survivors = t->pairs;
    dtq_fixed_close(&f);
    return true;
}
