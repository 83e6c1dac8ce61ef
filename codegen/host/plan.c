/* The plan of generated host code: what a program says of each length but its instructions. */
#include "codegen/host/plan.h"
#include "codegen/stream/layers.h"

/** The output: its kind is that of the op behind it, as passes/lower_host.c names its buffer. */
static bool find_output(diag *d, const ir_module *m, dtq_stream *s) {
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_OUTPUT)
            continue;
        ir_value v = ir_operand(m, op, 0);
        ir_opcode made_by = (ir_opcode)m->ops[m->defs[v]].code;
        s->output = (uint8_t)(made_by == IR_POOL || made_by == IR_NORMALIZE ? DTQ_OUTPUT_POOLED
                              : m->header.qkv_input                         ? DTQ_OUTPUT_ATTENTION
                                                                            : DTQ_OUTPUT_HIDDEN);
        s->output_width = m->types[v].dim[1];
        return true;
    }
    return diag_error(d, (src_loc){0}, "the module has no output");
}

static bool is_layer(const ir_module *m, size_t op) {
    return m->ops[op].code == IR_ATTENTION || m->ops[op].code == IR_TILES;
}

/** At the tile level the ids of a layer stand on the op that selects them. */
static dtq_layer plan_layer(arena *a, const ir_module *m, size_t op) {
    dtq_layer l = layer_facts(a, m, op);
    if (m->ops[op].code == IR_TILES)
        l.ids = layer_ids(a, m, m->defs[ir_operand(m, op, 3)]);
    return l;
}

static bool plan_stream(arena *a, diag *d, const ir_module *m, dtq_stream *s) {
    *s = (dtq_stream){.seq = m->header.seq,
                      .input = m->header.qkv_input ? DTQ_INPUT_QKV : DTQ_INPUT_TOKENS,
                      .static_cycles = UINT64_MAX};
    if (!ir_pass_ran(m, "reorder-tokens"))
        return diag_error(d, (src_loc){0}, "the module is not planned: its passes end before reorder-tokens");
    for (size_t op = 0; op < m->op_count; op++)
        s->layer_count += is_layer(m, op);
    s->layers = ARENA_ARRAY(a, dtq_layer, s->layer_count + 1);
    for (size_t op = 0; op < m->op_count; op++)
        if (is_layer(m, op))
            s->layers[ir_int(m, op, IR_KEY_index, 0)] = plan_layer(a, m, op);
    return find_output(d, m, s);
}

dtq_program *host_plan_begin(arena *a, diag *d, const ir_module *graph, size_t most) {
    dtq_program *p = ARENA_NEW(a, dtq_program);
    program_describe(a, graph, p);
    if (!weights_describe(a, d, graph, p))
        return NULL;
    p->streams = ARENA_ARRAY(a, dtq_stream, most);
    return p;
}

bool host_plan_add(arena *a, diag *d, dtq_program *p, const ir_module *m) {
    return plan_stream(a, d, m, &p->streams[p->stream_count++]);
}

dtq_program *host_plan(arena *a, diag *d, const ir_module *const *modules, size_t count) {
    dtq_program *p = host_plan_begin(a, d, modules[0], count);
    for (size_t i = 0; p && i < count; i++)
        if (!host_plan_add(a, d, p, modules[i]))
            return NULL;
    return p;
}
