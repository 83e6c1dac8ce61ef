/* MNNFast (Jang et al., ISCA 2019): softmax over chunks of keys with one division at the end, and values of small
 * probabilities skipped. While a chunk is worked on the sum is that of the chunks so far, so a probability is judged by
 * that sum. NUMERICS.md, "Compared systems". */
#include <string.h>

#include "runtime/systems/compared.h"

/* Clears the weights of values that are skipped; how many are left. */
static uint32_t skip(dtq_fixed_layer *f, const dtq_mnnfast *how) {
    uint64_t sum = 0;
    uint32_t left = 0;
    for (size_t first = f->first_key; first < f->end_of_keys; first += how->chunk) {
        const size_t end = f->end_of_keys - first > how->chunk ? first + how->chunk : f->end_of_keys;
        for (size_t j = first; j < end; j++)
            sum += f->weight[j];
        const double least = how->threshold * (double)sum;
        for (size_t j = first; j < end; j++) {
            f->weight[j] = (double)f->weight[j] < least ? 0 : f->weight[j];
            left += f->weight[j] != 0;
        }
    }
    return left;
}

bool dtq_attention_mnnfast(const dtq_attention *a, const dtq_mnnfast *how, dtq_tally *t, dtq_error *e) {
    dtq_fixed_layer f;
    if (!dtq_fixed_open(&f, a, how->format, e))
        return false;
    *t = (dtq_tally){.tokens = (uint32_t)(f.end_of_keys - f.first_key), .heads = a->heads};
    for (size_t head = 0; head < a->heads; head++) {
        for (size_t i = f.first_query; i < f.end_of_queries; i++) {
            memset(a->out + (i * a->heads + head) * a->head_dim, 0, a->head_dim * sizeof *a->out);
            const uint32_t seen = dtq_fixed_see(&f, i);
            if (seen == 0)
                continue;
            const uint64_t sum = dtq_fixed_weigh(&f, i, head, 0);
            dtq_fixed_importance(&f, sum);
            t->survivors += skip(&f, how);
            (void)dtq_fixed_output(&f, i, head, 0, sum);
            t->rows++;
            t->pairs += seen;
        }
    }
    t->candidates = t->pairs;
    dtq_fixed_close(&f);
    return true;
}
