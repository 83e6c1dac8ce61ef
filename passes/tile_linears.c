/* tile-linears: for machines whose arrays compute linears, too (`linear: vssa`), how each is cut into blocks of rows,
 * outputs and inputs. Rows are the query slots of the layer whose tokens they are, so that pruned tokens and clusters
 * save here as they do in its attention. */
#include <string.h>

#include "passes/linear.h"
#include "passes/pass_list.h"
#include "runtime/machine_members.h"

typedef struct {
    linear_shape shape;
    linear_plan plan;
} planned;

static bool same_shape(const linear_shape *a, const linear_shape *b) {
    return a->inputs == b->inputs && a->outputs == b->outputs && layer_alike(a->layer, b->layer);
}

/** The plan of a shape, made once. NULL after an error. */
static const linear_plan *plan_for(pass_context *ctx, const dtq_machine *m, const linear_shape *s, src_loc loc,
                                   planned *all, size_t *count) {
    for (size_t i = 0; i < *count; i++)
        if (same_shape(&all[i].shape, s))
            return &all[i].plan;
    all[*count].shape = *s;
    return plan_linear(ctx, m, s, loc, &all[*count].plan) ? &all[(*count)++].plan : NULL;
}

static void set_cut(pass_context *ctx, ir_module *m, size_t op, const linear_cut *cut) {
    int64_t *edges = ARENA_ARRAY(ctx->arena, int64_t, cut->chunks + 1);
    for (uint32_t c = 0; c <= cut->chunks; c++)
        edges[c] = cut->edge[c];
    ir_set_ints(m, op, IR_KEY_row_edges, edges, cut->chunks + 1);
    int64_t *turned = ARENA_ARRAY(ctx->arena, int64_t, cut->chunks);
    for (uint32_t c = 0; c < cut->chunks; c++)
        turned[c] = cut->turned[c];
    ir_set_ints(m, op, IR_KEY_turned_chunks, turned, cut->chunks);
    int64_t blocks[2] = {0}; /* where no chunk lies so there is nothing to cut */
    for (uint32_t c = 0; c < cut->chunks; c++)
        blocks[cut->turned[c]] = cut->output_block[cut->turned[c]];
    ir_set_ints(m, op, IR_KEY_output_block, blocks, 2);
    ir_set_int(m, op, IR_KEY_input_block, cut->input_block);
    ir_set_str(m, op, IR_KEY_outer, cut->rows_outer ? "rows" : "outputs");
}

bool pass_tile_linears(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    if (m->machine->top_linear != DTQ_LINEAR_VSSA) {
        ctx->idle = true;
        return true;
    }
    size_t count = 0;
    planned *all = ARENA_ARRAY(ctx->arena, planned, m->op_count + 1);
    layer_info *layers = linear_layers(ctx->arena, m);
    for (size_t op = 0; op < m->op_count; op++) {
        if (!linear_on_arrays(m, op))
            continue;
        linear_shape s = linear_read(m, op, layers);
        if (!s.layer)
            return diag_error(ctx->diag, m->ops[op].loc,
                              "a linear of mixed precision without any attention, whose tokens' precisions its rows "
                              "would have; give it `arithmetic = int8`");
        const linear_plan *p = plan_for(ctx, m->machine, &s, m->ops[op].loc, all, &count);
        if (!p)
            return false;
        set_cut(ctx, m, op, &p->cut);
        diag_remark(
            ctx->diag, m->ops[op].loc, "tile-linears",
            "%s: %u rows in %u chunks, %u outputs by %u (rows turned: %u), %u inputs by %u: about %llu cycles, at "
            "least %llu",
            ir_str(m, op, IR_KEY_source) ? ir_str(m, op, IR_KEY_source) : "a linear", s.layer->queries, p->cut.chunks,
            s.outputs, p->cut.output_block[0], p->cut.output_block[1], s.inputs, p->cut.input_block,
            (unsigned long long)p->estimate, (unsigned long long)linear_bound(m->machine, &s));
    }
    return true;
}
