/* Regions: what happens to the rows of a layer's tokens between two attentions. A task takes a range of rows in blocks
 * that stay in the second cache while weights stream by; within a block, step after step. */
#include "codegen/llvm/kernels.h"
#include "codegen/llvm/model.h"

enum { FRAME, LAYER, FIRST, LAST, WORKER };

/* Scratch of a worker, in this order: values without buffers, codes and their scales, one row of an embedding. */
typedef struct {
    uint64_t codes, scales, row, bytes; /* offsets, and the whole */
} scratch_layout;

static scratch_layout layout_of(const host_program *p) {
    uint64_t widest = 0, embedded = 0;
    for (uint32_t r = 0; r <= p->layer_count; r++)
        for (uint32_t i = 0; i < p->regions[r].step_count; i++) {
            const host_step *s = &p->regions[r].steps[i];
            if (s->kind == HOST_LINEAR_INT8 && codes_stride(s->inputs) > widest)
                widest = codes_stride(s->inputs);
            if (s->kind == HOST_EMBED && row_stride(s->width) > embedded)
                embedded = row_stride(s->width);
        }
    scratch_layout l;
    l.codes = 4ull * DTQ_HOST_BLOCK_ROWS * p->scratch_floats;
    l.scales = l.codes + DTQ_HOST_BLOCK_ROWS * widest;
    l.row = l.scales + 4ull * DTQ_HOST_BLOCK_ROWS;
    l.bytes = l.row + 4 * embedded;
    return l;
}

dtq_host_buffer region_scratch_size(const host_program *p) {
    return (dtq_host_buffer){.fixed = layout_of(p).bytes};
}

/* A region being written. */
typedef struct {
    const host_program *p;
    const host_region *r;
    scratch_layout layout;
    val scratch, block, rows; /* the worker's scratch; first row and rows of the block */
    uint32_t quantised;       /* the value whose codes are in scratch, or HOST_NOTHING */
    bool quantised_mixed;     /* each at its row's precision */
    var *gathered;            /* [inputs of the region] where their rows are */
} writer;

static val pointer(emitter *e, uint64_t array_field, uint64_t number) {
    return field(e, e->ptr, field(e, e->ptr, arg(e, FRAME), array_field), 8 * number);
}

static val weight(emitter *e, uint32_t number) {
    return number == HOST_NOTHING ? LLVMConstNull(e->ptr) : pointer(e, offsetof(dtq_host_frame, weights), number);
}

/* Where the rows of a value in this block have their place. */
static val home_of(emitter *e, const writer *w, uint32_t value) {
    const host_value *v = &w->p->values[value];
    if (v->buffer == HOST_NOTHING)
        return at(e, w->scratch, i64_of(e, 4ull * DTQ_HOST_BLOCK_ROWS * v->scratch));
    return at_index(e, pointer(e, offsetof(dtq_host_frame, buffers), v->buffer), w->block, 4 * row_stride(v->width));
}

/* The rows of a value in this block. */
static val rows_of(emitter *e, const writer *w, uint32_t value) {
    for (uint32_t i = 0; i < w->r->input_count; i++)
        if (w->r->inputs[i].to == value)
            return var_get(e, w->gathered[i]);
    return home_of(e, w, value);
}

static val slots_field(emitter *e, type of, uint64_t offset) {
    val layers = field(e, e->ptr, arg(e, FRAME), offsetof(dtq_host_frame, layers));
    return field(e, of, at_index(e, layers, arg(e, LAYER), sizeof(dtq_host_slots)), offset);
}

/* Copies the rows of the tokens that are left to where the region works on them. Where all are left, in their order,
 * they are read where they lie, unless a later region, too, wants them with its own tokens. */
static void gather(emitter *e, writer *w, uint32_t index) {
    const host_gather *g = &w->r->inputs[index];
    uint32_t width = w->p->values[g->value].width;
    uint64_t row_bytes = 4 * row_stride(width);
    val buffer = pointer(e, offsetof(dtq_host_frame, buffers), w->p->values[g->value].buffer);
    val from = slots_field(e, e->ptr, offsetof(dtq_host_slots, from));
    val here = at_index(e, buffer, w->block, row_bytes), copy = home_of(e, w, g->to);
    bool stays = w->p->values[g->to].buffer != HOST_NOTHING;
    w->gathered[index] = var_new(e, e->ptr, copy);
    branch moved = if_begin(e, LLVMBuildICmp(e->builder, LLVMIntNE, from, LLVMConstNull(e->ptr), ""));
    val args[] = {buffer, copy, at_index(e, from, w->block, 4), w->rows};
    call(e, emit_gather(e, width), args, 4);
    if_else(e, &moved);
    if (stays)
        LLVMBuildMemCpy(e->builder, copy, 64, here, 64, mul(e, w->rows, i64_of(e, row_bytes)));
    else
        var_set(e, w->gathered[index], here);
    if_end(e, &moved);
}

/* ---- embedding -------------------------------------------------------------------------------------------------- */

/* dst = (or +=) row `row` of the table that `site` names; nothing if it has no such row. Tables lie where their file
 * ends up in memory, so no lane behind the last column is touched. */
static void add_table_row(emitter *e, const writer *w, uint32_t site, val row, val slot, val dst, uint32_t width,
                          bool first) {
    type params[] = {e->ptr, e->i64, e->i64, e->i64, e->ptr};
    val find = external(e, "dtq_host_row", e->ptr, params, 5);
    val scratch = at(e, w->scratch, i64_of(e, w->layout.row));
    val args[] = {arg(e, FRAME), i64_of(e, site), row, slot, scratch};
    val from = call(e, find, args, 5);
    branch found = if_begin(e, LLVMBuildICmp(e->builder, LLVMIntNE, from, LLVMConstNull(e->ptr), ""));
    uint32_t whole = width / LANES * LANES;
    type kinds[] = {e->vf, e->f32};
    uint32_t ends[] = {whole, width};
    for (uint32_t k = 0, start = 0; k < 2; start = ends[k], k++) {
        loop l = loop_begin(e, i64_of(e, start), i64_of(e, ends[k]), k ? 1 : LANES);
        val to = at_index(e, dst, l.index, 4), x = load(e, kinds[k], at_index(e, from, l.index, 4));
        store(e, first ? x : plus(e, load(e, kinds[k], to), x), to);
        loop_end(e, &l);
    }
    if_end(e, &found);
}

static void embed(emitter *e, writer *w, const host_step *s) {
    val dst = rows_of(e, w, s->result);
    val ids = slots_field(e, e->ptr, offsetof(dtq_host_slots, ids));
    val tokens = field(e, e->ptr, arg(e, FRAME), offsetof(dtq_host_frame, tokens));
    val segments = field(e, e->ptr, arg(e, FRAME), offsetof(dtq_host_frame, segments));
    var segment = var_new(e, e->i64, NULL);
    loop rows = loop_begin(e, i64_of(e, 0), w->rows, 1);
    val slot = add(e, w->block, rows.index), to = at_index(e, dst, rows.index, 4 * row_stride(s->width));
    val id = LLVMBuildZExt(e->builder, element(e, e->i32, ids, slot), e->i64, "");
    val token = LLVMBuildZExt(e->builder, element(e, e->i32, tokens, id), e->i64, "");
    if (s->width % LANES)
        store(e, splat_f(e, 0.0f), at(e, to, i64_of(e, 4 * (row_stride(s->width) - LANES))));
    add_table_row(e, w, s->weight[0], token, slot, to, s->width, true);
    if (s->weight[1] != HOST_NOTHING)
        add_table_row(e, w, s->weight[1], id, slot, to, s->width, false);
    if (s->weight[2] != HOST_NOTHING) {
        var_set(e, segment, i64_of(e, 0));
        branch given = if_begin(e, LLVMBuildICmp(e->builder, LLVMIntNE, segments, LLVMConstNull(e->ptr), ""));
        var_set(e, segment, LLVMBuildZExt(e->builder, element(e, e->i32, segments, id), e->i64, ""));
        if_end(e, &given);
        add_table_row(e, w, s->weight[2], var_get(e, segment), slot, to, s->width, false);
    }
    loop_end(e, &rows);
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static val residual_of(emitter *e, const writer *w, const host_step *s) {
    return s->b == HOST_NOTHING ? LLVMConstNull(e->ptr) : rows_of(e, w, s->b);
}

static void linear_int8(emitter *e, writer *w, const host_step *s) {
    val codes = at(e, w->scratch, i64_of(e, w->layout.codes)), scales = at(e, w->scratch, i64_of(e, w->layout.scales));
    bool mixed = s->function != 0;
    if (w->quantised != s->a || w->quantised_mixed != mixed) { /* q, k and v read the same rows: they are coded once */
        val limits = mixed ? slots_field(e, e->ptr, offsetof(dtq_host_slots, limits) + 8ull * DTQ_HOST_Q)
                           : LLVMConstNull(e->ptr);
        val args[] = {arg(e, FRAME), rows_of(e, w, s->a), codes, scales, w->rows, i64_of(e, s->site), w->block, limits};
        call(e, emit_quantise(e, s->inputs, mixed), args, 8);
        w->quantised = s->a;
        w->quantised_mixed = mixed;
    }
    val args[] = {codes,
                  scales,
                  weight(e, s->weight[0]),
                  weight(e, s->weight[0] + 1),
                  weight(e, s->weight[0] + 2),
                  weight(e, s->weight[1]),
                  residual_of(e, w, s),
                  rows_of(e, w, s->result),
                  w->rows};
    call(e, emit_gemm_int8(e, s->inputs, s->width, s->weight[1] != HOST_NOTHING, s->b != HOST_NOTHING), args, 9);
}

static void linear_float(emitter *e, writer *w, const host_step *s) {
    val args[] = {rows_of(e, w, s->a),  weight(e, s->weight[0]),  weight(e, s->weight[1]),
                  residual_of(e, w, s), rows_of(e, w, s->result), w->rows};
    call(e, emit_gemm_float(e, s->inputs, s->width, s->weight[1] != HOST_NOTHING, s->b != HOST_NOTHING), args, 6);
}

static void norm(emitter *e, writer *w, const host_step *s) {
    val args[] = {rows_of(e, w, s->a), weight(e, s->weight[0]), weight(e, s->weight[1]), rows_of(e, w, s->result),
                  w->rows};
    call(e, emit_norm(e, s->width, s->epsilon, s->weight[1] != HOST_NOTHING), args, 5);
}

static void rmsnorm(emitter *e, writer *w, const host_step *s) {
    val args[] = {rows_of(e, w, s->a), weight(e, s->weight[0]), rows_of(e, w, s->result), w->rows};
    call(e, emit_rmsnorm(e, s->width, s->inputs, s->epsilon), args, 4);
}

static void rotary(emitter *e, writer *w, const host_step *s) {
    val ids = at_index(e, slots_field(e, e->ptr, offsetof(dtq_host_slots, ids)), w->block, 4);
    val args[] = {rows_of(e, w, s->a), weight(e, s->weight[0]), ids, rows_of(e, w, s->result), w->rows};
    call(e, emit_rotary(e, s->width, s->inputs, (channel_pairs)s->function), args, 5);
}

static void affine(emitter *e, writer *w, const host_step *s) {
    val args[] = {rows_of(e, w, s->a), weight(e, s->weight[0]), weight(e, s->weight[1]), rows_of(e, w, s->result),
                  w->rows};
    call(e, emit_affine(e, s->width, s->weight[1] != HOST_NOTHING), args, 5);
}

static void activation(emitter *e, writer *w, const host_step *s) {
    val args[] = {rows_of(e, w, s->a), rows_of(e, w, s->result), w->rows};
    call(e, emit_activation(e, s->width, (activation_kind)s->function), args, 3);
}

static void addition(emitter *e, writer *w, const host_step *s) {
    val args[] = {rows_of(e, w, s->a), rows_of(e, w, s->b), rows_of(e, w, s->result), w->rows};
    call(e, emit_add(e, s->width), args, 4);
}

static void product(emitter *e, writer *w, const host_step *s) {
    val args[] = {rows_of(e, w, s->a), rows_of(e, w, s->b), rows_of(e, w, s->result), w->rows};
    call(e, emit_multiply(e, s->width), args, 4);
}

static void (*const writers[])(emitter *e, writer *w, const host_step *s) = {
    [HOST_EMBED] = embed,      [HOST_LINEAR_INT8] = linear_int8, [HOST_LINEAR_FLOAT] = linear_float,
    [HOST_NORM] = norm,        [HOST_RMSNORM] = rmsnorm,         [HOST_ROTARY] = rotary,
    [HOST_AFFINE] = affine,    [HOST_ACTIVATION] = activation,   [HOST_ADD] = addition,
    [HOST_MULTIPLY] = product,
};

val emit_region(emitter *e, const host_program *p, uint32_t number) {
    writer w = {.p = p, .r = &p->regions[number], .layout = layout_of(p), .quantised = HOST_NOTHING};
    type params[] = {e->ptr, e->i64, e->i64, e->i64, e->i64};
    w.gathered = ARENA_ARRAY(e->arena, var, w.r->input_count + 1);
    val f = function_begin(e, name_of(e, "region_%u", number), e->none, params, 5);
    w.scratch = element(e, e->ptr, field(e, e->ptr, arg(e, FRAME), offsetof(dtq_host_frame, scratch)), arg(e, WORKER));
    loop blocks = loop_begin(e, arg(e, FIRST), arg(e, LAST), DTQ_HOST_BLOCK_ROWS);
    w.block = blocks.index;
    w.rows = smaller(e, sub(e, arg(e, LAST), w.block), i64_of(e, DTQ_HOST_BLOCK_ROWS));
    for (uint32_t i = 0; i < w.r->input_count; i++)
        gather(e, &w, i);
    for (uint32_t i = 0; i < w.r->step_count; i++) {
        writers[w.r->steps[i].kind](e, &w, &w.r->steps[i]);
        if (number == p->layer_count)
            emit_watch(e, i, rows_of(e, &w, w.r->steps[i].result), w.block, w.rows);
    }
    loop_end(e, &blocks);
    function_end(e);
    return f;
}
