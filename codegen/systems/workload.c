/* Attention of a model, read from its `layer` ops. */
#include <string.h>

#include "codegen/systems/systems.h"

bool attention_workload_read(arena *a, diag *d, const ir_module *m, attention_workload *out) {
    size_t count = 0;
    for (size_t op = 0; op < m->op_count; op++)
        count += m->ops[op].code == IR_LAYER;
    attention_layer *layers = ARENA_ARRAY(a, attention_layer, count);
    size_t at = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_LAYER)
            continue;
        const char *mask = ir_str(m, op, IR_KEY_mask);
        int64_t heads = ir_int(m, op, IR_KEY_query_heads, 0), head_dim = ir_int(m, op, IR_KEY_head_dim, 0);
        int64_t tokens = ir_int(m, op, IR_KEY_slots, 0);
        if (heads <= 0 || head_dim <= 0 || tokens <= 0 || heads > UINT32_MAX || head_dim > UINT32_MAX ||
            tokens > UINT32_MAX) {
            return diag_internal(d, m->ops[op].loc, "comparison: layer %zu has no sensible size", at);
        }
        layers[at++] = (attention_layer){.heads = (uint32_t)heads,
                                         .head_dim = (uint32_t)head_dim,
                                         .tokens = (uint32_t)tokens,
                                         .causal = mask && strcmp(mask, "causal") == 0};
    }
    *out = (attention_workload){.seq = m->header.seq, .layer_count = count, .layers = layers};
    return true;
}
