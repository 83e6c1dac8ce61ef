/* The function that runs a whole model, for each level of processors, and the constant that describes them. */
#include "codegen/llvm/model.h"

#include <llvm-c/Analysis.h>
#include <string.h>

#include "codegen/llvm/kernels.h"

enum { FRAME };

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static attention_shape shape_of(const host_program *p, uint32_t layer) {
    const host_attention *a = &p->attentions[layer];
    return (attention_shape){.heads = a->heads,
                             .kv_heads = a->kv_heads,
                             .head_dim = a->head_dim,
                             .causal = a->causal,
                             .q = p->values[a->q].buffer,
                             .k = p->values[a->k].buffer,
                             .v = p->values[a->v].buffer,
                             .out = p->values[a->out].buffer,
                             .operands = a->operands};
}

static val slots_of(emitter *e, uint32_t layer) {
    val layers = field(e, e->ptr, arg(e, FRAME), offsetof(dtq_host_frame, layers));
    return field(e, e->i64, layers, layer * sizeof(dtq_host_slots) + offsetof(dtq_host_slots, slots));
}

static void parallel(emitter *e, val items, uint64_t grain, uint64_t most, val task, uint32_t layer) {
    type params[] = {e->ptr, e->i64, e->i64, e->i64, e->ptr, e->i64};
    val f = external(e, "dtq_host_parallel", e->none, params, 6);
    val args[] = {arg(e, FRAME), items, i64_of(e, grain), i64_of(e, most), task, i64_of(e, layer)};
    call(e, f, args, 6);
}

/* Goes on only if nothing has failed. */
static void check(emitter *e) {
    val failed = field(e, e->i64, arg(e, FRAME), offsetof(dtq_host_frame, failed));
    branch b = if_begin(e, LLVMBuildICmp(e->builder, LLVMIntNE, failed, i64_of(e, 0), ""));
    LLVMBuildRetVoid(e->builder);
    LLVMPositionBuilderAtEnd(e->builder, LLVMAppendBasicBlockInContext(e->context, e->function, "dead"));
    if_end(e, &b);
}

static void run_region(emitter *e, const host_program *p, uint32_t r) {
    const host_region *region = &p->regions[r];
    if (!region->step_count && !region->input_count)
        return;
    val rows = slots_of(e, region->layer);
    parallel(e, rows, REGION_GRAIN, DTQ_HOST_BLOCK_ROWS, emit_region(e, p, r), region->layer);
    check(e);
}

/* Attention by generated code. */
static void attend(emitter *e, const attention_shape *a, uint32_t layer) {
    if (!a->causal) {
        type types[] = {e->ptr, e->i64, e->i64, e->i64};
        val probe = external(e, "dtq_host_probe", e->none, types, 4);
        val places[] = {arg(e, FRAME), i64_of(e, layer), i64_of(e, a->q), i64_of(e, a->k)};
        call(e, probe, places, 4);
        check(e);
    }
    parallel(e, i64_of(e, a->kv_heads), 1, 1, emit_attention_pack(e, a), layer);
    check(e);
    val strips = LLVMBuildUDiv(e->builder, add(e, slots_of(e, layer), i64_of(e, ATTENTION_STRIP_ROWS - 1)),
                               i64_of(e, ATTENTION_STRIP_ROWS), "");
    val items = mul(e, strips, i64_of(e, a->heads));
    parallel(e, items, 1, UINT64_MAX, emit_attention_strips(e, a), layer);
    check(e);
}

static void run_attention(emitter *e, const host_program *p, uint32_t layer) {
    attention_shape a = shape_of(p, layer);
    type whole_types[] = {e->ptr, e->i64, e->i64, e->i64, e->i64, e->i64};
    val f = external(e, "dtq_host_whole", e->i64, whole_types, 6);
    val whole_places[] = {arg(e, FRAME),  i64_of(e, layer), i64_of(e, a.q),
                          i64_of(e, a.k), i64_of(e, a.v),   i64_of(e, a.out)};
    val done = call(e, f, whole_places, 6); /* the layer's rule is for the plan to say */
    check(e);
    if (!e->device) {
        branch whole = if_begin(e, LLVMBuildICmp(e->builder, LLVMIntEQ, done, i64_of(e, 0), ""));
        attend(e, &a, layer);
        if_end(e, &whole);
    }
    type params[] = {e->ptr, e->i64};
    val select = external(e, "dtq_host_select", e->none, params, 2), args[] = {arg(e, FRAME), i64_of(e, layer)};
    call(e, select, args, 2);
    check(e);
}

static val emit_run(emitter *e, const host_program *p) {
    type params[] = {e->ptr};
    val f = function_begin(e, name_of(e, "run"), e->none, params, 1);
    for (uint32_t r = 0; r <= p->layer_count; r++) {
        run_region(e, p, r);
        if (r < p->layer_count)
            run_attention(e, p, r);
    }
    val frame = arg(e, FRAME);
    call(e, emit_finish(e, p), &frame, 1);
    function_end(e);
    return f;
}

/* ---- the description -------------------------------------------------------------------------------------------- */

static val structure(emitter *e, val *fields, unsigned count) {
    return LLVMConstStructInContext(e->context, fields, count, false);
}

/* Where a constant of the module's own lies. */
static val constant(emitter *e, const char *name, val value) {
    val g = LLVMAddGlobal(e->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(g, value);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMInternalLinkage);
    LLVMSetAlignment(g, 16);
    return g;
}

/* What is local gives way to the model's symbol, of whatever name: else that would get another. */
static void make_room(const emitter *e, const char *symbol) {
    static const char other[] = "local";
    val global = LLVMGetNamedGlobal(e->module, symbol), function = LLVMGetNamedFunction(e->module, symbol);
    val taken = global ? global : function;
    if (taken && LLVMGetLinkage(taken) != LLVMExternalLinkage)
        LLVMSetValueName2(taken, other, sizeof other - 1);
}

/* Where rows lie; null if there are none. */
static val table(emitter *e, const char *name, val *rows, unsigned count) {
    return count ? constant(e, name, LLVMConstArray2(LLVMTypeOf(rows[0]), rows, count)) : LLVMConstNull(e->ptr);
}

static val weight_table(emitter *e, const host_program *p) {
    val *rows = ARENA_ARRAY(e->arena, val, p->weight_count + 1);
    for (uint32_t i = 0; i < p->weight_count; i++) {
        val fields[] = {i64_of(e, p->weights[i].tensor), i64_of(e, p->weights[i].layout)};
        rows[i] = structure(e, fields, 2);
    }
    return table(e, "weights", rows, p->weight_count);
}

static val size_of(emitter *e, dtq_host_buffer b) {
    val fields[] = {i64_of(e, b.fixed), i64_of(e, b.per_row), i64_of(e, b.per_key)};
    return structure(e, fields, 3);
}

static dtq_host_buffer larger(dtq_host_buffer a, dtq_host_buffer b) {
    return (dtq_host_buffer){a.fixed > b.fixed ? a.fixed : b.fixed, a.per_row > b.per_row ? a.per_row : b.per_row,
                             a.per_key > b.per_key ? a.per_key : b.per_key};
}

static val buffer_table(emitter *e, const host_program *p) {
    val *rows = ARENA_ARRAY(e->arena, val, p->buffer_count + 1);
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        dtq_host_buffer size = {.per_row = 4ull * p->buffer_widths[i]};
        for (uint32_t l = 0; l < p->layer_count; l++) {
            attention_shape a = shape_of(p, l);
            if (a.operands == i && !e->device)
                size = larger(size, attention_operands_size(&a));
        }
        rows[i] = size_of(e, size);
    }
    return table(e, "buffers", rows, p->buffer_count);
}

static val site_table(emitter *e, const host_program *p) {
    val *rows = ARENA_ARRAY(e->arena, val, p->site_count + 1);
    for (uint32_t i = 0; i < p->site_count; i++) {
        val fields[] = {i64_of(e, p->sites[i].kind), i64_of(e, p->sites[i].layer), i64_of(e, p->sites[i].tensor)};
        rows[i] = structure(e, fields, 3);
    }
    return table(e, "sites", rows, p->site_count);
}

/* Steps and their names; *names becomes where these lie. */
static val step_table(emitter *e, const host_program *p, val *names, uint32_t *count, uint64_t *names_bytes) {
    watched_step *steps = ARENA_ARRAY(e->arena, watched_step, p->regions[p->layer_count].step_count + 2);
    *count = watched_steps(p, steps);
    val *rows = ARENA_ARRAY(e->arena, val, *count + 1);
    *names_bytes = 0;
    for (uint32_t i = 0; i < *count; i++)
        *names_bytes += strlen(steps[i].source) + 1;
    char *text = arena_alloc(e->arena, *names_bytes + 1);
    uint64_t at = 0;
    for (uint32_t i = 0; i < *count; i++) {
        val fields[] = {i64_of(e, steps[i].layer), i64_of(e, steps[i].width), i64_of(e, at),
                        i64_of(e, steps[i].by_row)};
        rows[i] = structure(e, fields, 4);
        size_t length = strlen(steps[i].source) + 1;
        memcpy(text + at, steps[i].source, length);
        at += length;
    }
    *names =
        *count ? constant(e, "names", LLVMConstStringInContext2(e->context, text, at, true)) : LLVMConstNull(e->ptr);
    return table(e, "steps", rows, *count);
}

static val plan_bytes(emitter *e, const host_options *o) {
    if (!o->plan)
        return LLVMConstNull(e->ptr);
    return constant(e, "plan", LLVMConstStringInContext2(e->context, (const char *)o->plan, o->plan_bytes, true));
}

static val variant(emitter *e, const host_program *p, const machine_level *m) {
    e->level = m->level;
    e->suffix = m->suffix;
    e->cpu = m->cpu;
    e->features = m->features;
    dtq_host_buffer scratch = region_scratch_size(p);
    for (uint32_t l = 0; l < p->layer_count && !e->device; l++) {
        attention_shape a = shape_of(p, l);
        scratch = larger(scratch, attention_scratch_size(&a));
    }
    val fields[] = {i64_of(e, m->level), size_of(e, scratch), emit_run(e, p)};
    return structure(e, fields, 3);
}

static void describe(emitter *e, const host_program *p, const host_options *o, val *variants, unsigned count) {
    val inputs[3];
    const host_attention *first = &p->attentions[0];
    const uint32_t values[3] = {first->q, first->k, first->v};
    for (int i = 0; i < 3; i++)
        inputs[i] = i64_of(e, p->qkv_input ? p->values[values[i]].buffer : 0);
    uint32_t step_count;
    uint64_t names_bytes;
    val names, steps = step_table(e, p, &names, &step_count, &names_bytes);
    val fields[] = {i64_of(e, DTQ_HOST_ABI),
                    plan_bytes(e, o),
                    i64_of(e, o->plan_bytes),
                    i64_of(e, count),
                    table(e, "variants", variants, count),
                    i64_of(e, p->weight_count),
                    weight_table(e, p),
                    i64_of(e, p->buffer_count),
                    buffer_table(e, p),
                    LLVMConstArray2(e->i64, inputs, 3),
                    i64_of(e, p->site_count),
                    site_table(e, p),
                    i64_of(e, step_count),
                    steps,
                    names,
                    i64_of(e, names_bytes),
                    i64_of(e, o->device)};
    val model = structure(e, fields, sizeof fields / sizeof *fields);
    make_room(e, o->name);
    LLVMSetLinkage(constant(e, o->name, model), LLVMExternalLinkage);
}

LLVMModuleRef model_emit(arena *a, diag *d, LLVMContextRef c, const host_program *p, const host_options *o,
                         const machine_level *levels, unsigned count) {
    emitter e = emitter_new(a, c, o->name);
    e.device = o->device;
    val variants[MACHINE_LEVELS_MOST];
    for (unsigned i = 0; i < count; i++)
        variants[i] = variant(&e, p, &levels[i]);
    describe(&e, p, o, variants, count);
    LLVMDisposeBuilder(e.builder);
    char *problem = NULL;
    if (LLVMVerifyModule(e.module, LLVMReturnStatusAction, &problem)) {
        diag_internal(d, (src_loc){0}, "LLVM refuses the generated module: %s", problem);
        LLVMDisposeModule(e.module);
        e.module = NULL;
    }
    LLVMDisposeMessage(problem);
    return e.module;
}
