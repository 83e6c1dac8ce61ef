/* tile-linears: for machines whose arrays compute linears, too (`linear: vssa`), how each is cut into blocks of rows,
 * outputs and inputs. Rows are the query slots of the layer whose tokens they are, so that pruned tokens and clusters
 * save here as they do in its attention. */
#include <math.h>
#include <string.h>

#include "passes/linear.h"
#include "passes/pass_list.h"

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

/** Cycles of all matmuls of a linear one after the other, and their mean stall ratio. */
static void set_costs(pass_context *ctx, ir_module *m, size_t op, const linear_shape *s, const linear_plan *p) {
    double ratio = 0, tiles = 0;
    uint64_t cycles = 0;
    for (uint32_t c = 0; c < p->cut.chunks; c++) {
        uint32_t row = p->cut.edge[c], rows = p->cut.edge[c + 1] - row;
        uint64_t width = p->cut.turned[c] ? m->machine.vssa_rows : m->machine.vssa_cols;
        for (uint32_t block = 0, from = 0, cols; from < s->outputs; block++, from += cols) {
            cols = linear_outputs(&p->cut, s->outputs, c, block, &from);
            for (uint32_t part = 0, input = 0, depth; input < s->inputs; part++, input += depth) {
                depth = linear_inputs(&p->cut, s->inputs, part, &input);
                matmul_price one =
                    layer_linear_price(ctx->cost, s->layer, row, rows, cols, depth, linear_walk(&p->cut, c));
                uint64_t columns = (cols + width - 1) / width;
                cycles += one.cycles;
                ratio += (double)columns * one.stall_ratio_mean;
                tiles += (double)columns;
            }
        }
    }
    ir_set_int(m, op, IR_KEY_linear_cycles, (int64_t)cycles);
    ir_set_int(m, op, IR_KEY_stall_ppm, llround(1e6 * ratio / tiles));
    ir_set_int(m, op, IR_KEY_bound_cycles, (int64_t)linear_bound(&m->machine, s));
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
    const int64_t blocks[2] = {cut->output_block[0], cut->output_block[1]};
    ir_set_ints(m, op, IR_KEY_output_block, blocks, 2);
    ir_set_int(m, op, IR_KEY_input_block, cut->input_block);
    ir_set_str(m, op, IR_KEY_outer, cut->rows_outer ? "rows" : "outputs");
}

bool pass_tile_linears(pass_context *ctx, ir_module **module) {
    ir_module *m = *module;
    if (m->machine.top_linear != DTQ_LINEAR_VSSA) {
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
        const linear_plan *p = plan_for(ctx, &m->machine, &s, m->ops[op].loc, all, &count);
        if (!p)
            return false;
        set_cut(ctx, m, op, &p->cut);
        set_costs(ctx, m, op, &s, p);
        diag_remark(
            ctx->diag, m->ops[op].loc, "tile-linears",
            "%s: %u rows in %u chunks, %u outputs by %u (rows turned: %u), %u inputs by %u: about %llu cycles, at "
            "least %llu",
            ir_str(m, op, IR_KEY_source), s.layer->queries, p->cut.chunks, s.outputs, p->cut.output_block[0],
            p->cut.output_block[1], s.inputs, p->cut.input_block, (unsigned long long)p->estimate,
            (unsigned long long)linear_bound(&m->machine, &s));
    }
    return true;
}
