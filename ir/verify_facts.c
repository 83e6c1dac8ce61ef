/* What attributes say of each other, of the layer they name and of the machine. */
#include <string.h>

#include "ir/verify.h"

void verify_facts(verifier *v, size_t op) {
    const ir_module *m = v->m;
    ir_opcode code = (ir_opcode)m->ops[op].code;
    if (ir_is_instr(code) || code == IR_BUFFER)
        return;
    const ir_attr *slots = ir_get(m, op, IR_KEY_slots);
    if (slots && (slots->i < 1 || slots->i > m->header.seq))
        verify_error(v, op, "`slots` is %lld; of %u tokens 1 to %u can be active", (long long)slots->i, m->header.seq,
                     m->header.seq);
    if (slots && ir_int(m, op, IR_KEY_high, 0) > slots->i)
        verify_error(v, op, "`high` is %lld, more than its %lld slots", (long long)ir_int(m, op, IR_KEY_high, 0),
                     (long long)slots->i);
    int64_t muted = ir_int(m, op, IR_KEY_muted, 0);
    if (muted && (!slots || muted < 0 || muted >= slots->i || ir_int(m, op, IR_KEY_high, 0) > slots->i - muted))
        verify_error(v, op, "`muted` is %lld; of %lld slots at least one, and all %lld at 8 bits, must be keys",
                     (long long)muted, slots ? (long long)slots->i : 0LL, (long long)ir_int(m, op, IR_KEY_high, 0));
    const ir_attr *queries = ir_get(m, op, IR_KEY_queries);
    if (queries && (queries->i < 1 || queries->i > m->header.seq))
        verify_error(v, op, "`queries` is %lld; of %u tokens 1 to %u can be queries", (long long)queries->i,
                     m->header.seq, m->header.seq);
    else if (queries && (!ir_str(m, op, IR_KEY_mask) || strcmp(ir_str(m, op, IR_KEY_mask), "causal") != 0))
        verify_error(v, op,
                     "it has `queries`, of generation, but no causal mask: its keys would change with every token");
    else if (queries && slots && (queries->i > slots->i || (queries->i < slots->i && muted)))
        verify_error(v, op,
                     "`queries` is %lld of %lld slots, %lld of them muted: all slots are queries, or none is muted",
                     (long long)queries->i, (long long)slots->i, (long long)muted);
    if (verify_declares_layer(code) || code == IR_SELECT) {
        verify_precisions(v, op, slots);
        verify_turned(v, op, slots);
        verify_order(v, op, slots);
        verify_ids(v, op, slots);
        verify_policy(v, op);
    }
    if (verify_declares_layer(code)) {
        verify_shape(v, op);
        verify_streaming(v, op);
        verify_masked(v, op);
    }
    if (code == IR_LAYER)
        verify_regions(v, op);
    if (code == IR_SELECT)
        verify_select(v, op);
    if (code == IR_TILES)
        verify_tiles(v, op);
    if (code == IR_LINEAR)
        verify_cut(v, op);
}
