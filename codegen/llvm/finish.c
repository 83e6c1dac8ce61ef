/* The end of a model: one pooled row, or the rows of the tokens that are left, where the caller wants them. */
#include "codegen/llvm/kernels.h"
#include "codegen/llvm/model.h"

enum { FRAME };
enum { POOL_MEAN, POOL_FIRST, POOL_LAST };

static val frame_pointer(emitter *e, uint64_t offset) {
    return field(e, e->ptr, arg(e, FRAME), offset);
}

static val value_rows(emitter *e, const host_program *p) {
    return field(e, e->ptr, frame_pointer(e, offsetof(dtq_host_frame, buffers)),
                 8ull * p->values[p->result.value].buffer);
}

static val last_layer(emitter *e, const host_program *p) {
    return at(e, frame_pointer(e, offsetof(dtq_host_frame, layers)),
              i64_of(e, (p->layer_count - 1) * sizeof(dtq_host_slots)));
}

static val index_at(emitter *e, val array, val index) {
    return LLVMBuildZExt(e->builder, element(e, e->i32, array, index), e->i64, "");
}

static void copy(emitter *e, val to, val from, uint64_t floats) {
    LLVMBuildMemCpy(e->builder, to, 4, from, 4, i64_of(e, 4 * floats));
}

/* One column of vectors of the mean: rows in ascending order of their tokens' positions. */
static val mean_of(emitter *e, const host_program *p, val rows, val column, val slots) {
    val ascending = frame_pointer(e, offsetof(dtq_host_frame, ascending));
    var acc = var_new(e, e->vf, splat_f(e, 0.0f));
    loop l = loop_begin(e, i64_of(e, 0), slots, 1);
    val row = at_index(e, rows, index_at(e, ascending, l.index), 4 * row_stride(p->result.width));
    val so_far = var_get(e, acc);
    var_set(e, acc, plus(e, so_far, load(e, e->vf, at_index(e, row, column, 4))));
    loop_end(e, &l);
    val sum = var_get(e, acc);
    return over(e, sum, spread(e, LLVMBuildUIToFP(e->builder, slots, e->f32, "")));
}

static void pool(emitter *e, const host_program *p, val row) {
    val rows = value_rows(e, p), slots = field(e, e->i64, last_layer(e, p), offsetof(dtq_host_slots, slots));
    uint64_t stride = row_stride(p->result.width);
    if (p->result.pooling == POOL_MEAN) {
        loop l = loop_begin(e, i64_of(e, 0), i64_of(e, stride), LANES);
        val mean = mean_of(e, p, rows, l.index, slots);
        store(e, mean, at_index(e, row, l.index, 4));
        loop_end(e, &l);
        return;
    }
    val which = p->result.pooling == POOL_FIRST ? i64_of(e, 0) : sub(e, slots, i64_of(e, 1));
    val slot = index_at(e, frame_pointer(e, offsetof(dtq_host_frame, ascending)), which);
    copy(e, row, at_index(e, rows, slot, 4 * stride), stride);
}

static void normalise(emitter *e, val row, uint64_t stride) {
    var acc = var_new(e, e->vf, splat_f(e, 0.0f));
    loop l = loop_begin(e, i64_of(e, 0), i64_of(e, stride), LANES);
    val x = load(e, e->vf, at_index(e, row, l.index, 4));
    val so_far = var_get(e, acc);
    var_set(e, acc, plus(e, so_far, times(e, x, x)));
    loop_end(e, &l);
    val length = square_root(e, sum_tree(e, var_get(e, acc))), least = f32_of(e, 1e-12f);
    val divisor = spread(e, choose(e, fgreater(e, length, least), length, least));
    loop d = loop_begin(e, i64_of(e, 0), i64_of(e, stride), LANES);
    val to = at_index(e, row, d.index, 4);
    store(e, over(e, load(e, e->vf, to), divisor), to);
    loop_end(e, &d);
}

/* Rows by original position; of attention also apart by head. */
static void scatter(emitter *e, const host_program *p, val output) {
    val rows = value_rows(e, p), layer = last_layer(e, p);
    val slots = field(e, e->i64, layer, offsetof(dtq_host_slots, slots));
    val ids = field(e, e->ptr, layer, offsetof(dtq_host_slots, ids));
    const host_attention *t = &p->attentions[p->layer_count - 1];
    bool heads = p->result.kind == DTQ_OUTPUT_ATTENTION;
    uint64_t pieces = heads ? t->heads : 1, floats = heads ? t->head_dim : p->result.width;
    val seq = heads ? field(e, e->i64, arg(e, FRAME), offsetof(dtq_host_frame, seq)) : i64_of(e, 0);
    loop l = loop_begin(e, i64_of(e, 0), slots, 1);
    val from = at_index(e, rows, l.index, 4 * row_stride(p->result.width)), id = index_at(e, ids, l.index);
    loop h = loop_begin(e, i64_of(e, 0), i64_of(e, pieces), 1);
    val place = add(e, mul(e, h.index, seq), id);
    val to = at_index(e, output, place, 4 * floats);
    copy(e, to, at_index(e, from, h.index, 4 * floats), floats);
    loop_end(e, &h);
    loop_end(e, &l);
}

val emit_finish(emitter *e, const host_program *p) {
    type params[] = {e->ptr};
    val f = function_begin(e, name_of(e, "finish"), e->none, params, 1);
    val output = frame_pointer(e, offsetof(dtq_host_frame, output));
    if (p->result.kind == DTQ_OUTPUT_POOLED) {
        uint64_t stride = row_stride(p->result.width);
        val row = var_new(e, LLVMArrayType2(e->f32, stride), NULL).at;
        const uint32_t behind = p->regions[p->layer_count].step_count;
        pool(e, p, row);
        emit_watch(e, behind, row, i64_of(e, 0), i64_of(e, 1));
        if (p->result.normalize) {
            normalise(e, row, stride);
            emit_watch(e, behind + 1, row, i64_of(e, 0), i64_of(e, 1));
        }
        copy(e, output, row, p->result.width);
    } else {
        scatter(e, p, output);
    }
    function_end(e);
    return f;
}
