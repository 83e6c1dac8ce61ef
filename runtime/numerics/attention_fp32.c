/* Attention in plain float32: what the quantised attention is measured against. Sums run in 16 lanes as in host work;
 * the weighted sum of values runs over the slots in order. */
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/kernels/kernels.h"
#include "runtime/numerics/attention.h"

bool dtq_do_attention_fp32(const dtq_attention *a, dtq_error *e) {
    if (!dtq_attention_check(a, e))
        return false;
    float *p = malloc(a->slots * sizeof *p);
    if (a->importance)
        memset(a->importance, 0, a->slots * sizeof *a->importance);
    if (!p)
        return dtq_no_memory(e, a->slots * sizeof *p, "an attention layer of %u tokens", a->slots);
    const dtq_kernels *kernels = dtq_kernels_choose(false);
    const size_t first = a->keys == 0 ? 0 : a->first_key, end = a->keys == 0 ? a->slots : first + a->keys;
    const size_t first_query = a->queries == 0 ? 0 : a->first_query;
    const size_t end_of_queries = a->queries == 0 ? a->slots : first_query + a->queries;
    const float scale = dtq_do_score_scale(a->head_dim);
    for (size_t h = 0; h < a->heads; h++) {
        const size_t kv = h / (a->heads / a->kv_heads);
        for (size_t i = first_query; i < end_of_queries; i++) {
            const float *q = a->q + (i * a->heads + h) * a->head_dim;
            float *out = a->out + (i * a->heads + h) * a->head_dim;
            float largest = 0.0f, z = 0.0f;
            bool any = false;
            memset(out, 0, a->head_dim * sizeof *out);
            for (size_t j = first; j < end; j++) {
                if (a->causal && a->ids[j] > a->ids[i])
                    continue;
                p[j] = kernels->dot(q, a->k + (j * a->kv_heads + kv) * a->head_dim, a->head_dim) * scale;
                largest = !any || p[j] > largest ? p[j] : largest;
                any = true;
            }
            for (size_t j = first; any && j < end; j++) {
                if (a->causal && a->ids[j] > a->ids[i])
                    continue;
                p[j] = dtq_do_exp2(p[j] - largest);
                z = z + p[j];
                kernels->axpy(p[j], a->v + (j * a->kv_heads + kv) * a->head_dim, a->head_dim, out);
            }
            for (size_t c = 0; any && c < a->head_dim; c++)
                out[c] = out[c] / z;
            for (size_t j = first; any && a->importance && j < end; j++)
                if (!a->causal || a->ids[j] <= a->ids[i])
                    a->importance[j] += (uint64_t)dtq_do_rne(p[j] / z * 0x1p20f) << 12;
        }
    }
    free(p);
    dtq_importance_finish(a);
    return true;
}
