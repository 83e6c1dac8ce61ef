/* Steps behind the last attention show what they made to the runtime, if it asks: nothing there is quantised, which
 * would refuse numbers that are not finite. */
#include "codegen/llvm/kernels.h"
#include "codegen/llvm/model.h"

void emit_watch(emitter *e, uint32_t step, val rows, val first, val count) {
    enum { FRAME };
    val watched = field(e, e->i64, arg(e, FRAME), offsetof(dtq_host_frame, watched));
    branch asked = if_begin(e, LLVMBuildICmp(e->builder, LLVMIntNE, watched, i64_of(e, 0), ""));
    type params[] = {e->ptr, e->i64, e->ptr, e->i64, e->i64};
    val look = external(e, "dtq_host_watch", e->none, params, 5);
    val args[] = {arg(e, FRAME), i64_of(e, step), rows, first, count};
    call(e, look, args, 5);
    if_end(e, &asked);
}

uint32_t watched_steps(const host_program *p, watched_step *out) {
    const host_region *last = &p->regions[p->layer_count];
    uint32_t count = 0;
    for (; count < last->step_count; count++) {
        const host_step *s = &last->steps[count];
        out[count] = (watched_step){last->layer, s->width, s->source, true};
    }
    if (p->result.kind == DTQ_OUTPUT_POOLED)
        out[count++] = (watched_step){last->layer, p->result.width, p->result.pool_source, false};
    if (p->result.normalize)
        out[count++] = (watched_step){last->layer, p->result.width, p->result.normalize_source, false};
    return count;
}
