/* stall (analysis): for every strip, what its tiles cost in a step, the mean stall ratio of Eq. 3, and the cycles of
 * the strip alone on one array; for every layer the same of both matmuls as a whole, and for linears on the arrays.
 * Strips of equal precision are counted once. Layers whose precision is known only at run time get expectations of
 * cycles and stalls, and no tile costs. */
#include <math.h>
#include <string.h>

#include "passes/cost.h"
#include "passes/layer.h"
#include "passes/linear.h"
#include "passes/pass_list.h"
#include "passes/strips.h"
#include "runtime/machine_members.h"

static uint8_t highest(const uint8_t *bits, size_t lo, size_t hi) {
    for (size_t i = lo; i < hi; i++)
        if (bits[i] == 8)
            return 8;
    return 4;
}

/** Runs count*cost over the column tiles of a strip: for Q.K^T the cost of the slowest PE, for P.V the mean over the
 *  steps in thousandths. */
static void set_tiles(pass_context *ctx, ir_module *m, size_t op, const layer_info *l, bool qk, size_t lo, size_t hi) {
    size_t width = layer_turned(l, (uint32_t)lo) ? m->machine->vssa_rows : m->machine->vssa_cols;
    size_t columns = qk ? l->cols : l->head_dim;
    uint64_t row = highest(l->bits[qk ? LAYER_Q : LAYER_P], lo, hi) / 4u, mean = 0;
    const dtq_hidden hidden = layer_hidden(l, (uint32_t)lo, (uint32_t)(hi - lo));
    const dtq_hidden left_out = qk ? dtq_hidden_tiles(hidden, l->keys, (uint32_t)width) : (dtq_hidden){0, 0};
    if (!qk) {
        const uint32_t seen = l->keys - (hidden.to - hidden.from);
        uint64_t sum = layer_bit_sum(l, LAYER_V, m->machine) / 4;
        for (uint32_t i = hidden.from; i < hidden.to; i++)
            sum -= l->bits[LAYER_V][l->key_first + i] / 4u;
        mean = seen ? (1000 * row * sum + seen / 2) / seen : 0;
    }
    ir_run *runs = ARENA_ARRAY(ctx->arena, ir_run, (columns + width - 1) / width);
    size_t count = 0;
    for (size_t c = 0; c < columns; c += width) {
        size_t end = c + width < columns ? c + width : columns, tile = c / width;
        if (tile >= left_out.from && tile < left_out.to)
            continue;
        int64_t cost = (int64_t)(qk ? row * (highest(l->bits[LAYER_K] + l->col_first, c, end) / 4u) : mean);
        if (count && runs[count - 1].value == cost)
            runs[count - 1].count++;
        else
            runs[count++] = (ir_run){1, cost};
    }
    ir_set_runs(m, op, IR_KEY_tiles, runs, count);
}

/** Cycles and mean stall ratio of query slots [lo, hi) against all keys on one array, as integers for the IR. */
typedef struct {
    int64_t cycles, stall_ppm;
} strip_cost;

static strip_cost price(pass_context *ctx, const ir_module *m, const layer_info *l, bool qk, uint32_t lo, uint32_t hi) {
    matmul_price p = layer_price(ctx->cost, m->machine, l, qk, lo, hi - lo, qk ? l->col_first : l->key_first,
                                 qk ? l->cols : l->keys);
    return (strip_cost){(int64_t)p.cycles, llround(1e6 * p.stall_ratio_mean)};
}

/** Both matmuls of a head as few instructions as its strips allow, one after the other on one array. */
static strip_cost price_all(pass_context *ctx, const ir_module *m, const layer_info *l, const strip_list *list,
                            bool qk) {
    strip_cost sum = {0};
    double ratios = 0, tiles = 0;
    for (uint32_t i = 0, next; i < list->count; i = next) {
        uint32_t row = list->strips[i].row, rows = list->strips[i].rows;
        for (next = i + 1; next < list->count && strips_join(m->machine, list, next); next++)
            rows += list->strips[next].rows;
        matmul_price p = layer_price(ctx->cost, m->machine, l, qk, row, rows, qk ? l->col_first : l->key_first,
                                     qk ? l->cols : l->keys);
        sum.cycles += (int64_t)p.cycles;
        ratios += p.stall_ratio_mean * (double)p.tiles;
        tiles += (double)p.tiles;
    }
    sum.stall_ppm = llround(1e6 * ratios / tiles);
    return sum;
}

static void analyse_layer(pass_context *ctx, ir_module *m, size_t op, const layer_info *l, const strip_list *list) {
    strip_cost qk = price_all(ctx, m, l, list, true), pv = price_all(ctx, m, l, list, false);
    ir_set_int(m, op, IR_KEY_qk_cycles, qk.cycles * l->heads);
    ir_set_int(m, op, IR_KEY_pv_cycles, pv.cycles * l->heads);
    ir_set_int(m, op, IR_KEY_qk_stall_ppm, qk.stall_ppm);
    ir_set_int(m, op, IR_KEY_pv_stall_ppm, pv.stall_ppm);
}

static void analyse_strip(pass_context *ctx, ir_module *m, size_t op, const layer_info *l, bool qk, uint32_t lo,
                          uint32_t hi) {
    strip_cost c = price(ctx, m, l, qk, lo, hi);
    const dtq_hidden hidden = layer_hidden(l, lo, hi - lo);
    ir_set_int(m, op, IR_KEY_steps, qk ? l->head_dim : l->keys - (hidden.to - hidden.from));
    ir_set_int(m, op, IR_KEY_tile_cycles, c.cycles);
    ir_set_int(m, op, IR_KEY_stall_ppm, c.stall_ppm);
    if (l->is_static)
        set_tiles(ctx, m, op, l, qk, lo, hi);
}

/** True if two strips have the same precision row for row, so that everything about them is equal. */
static bool same_strip(const layer_info *l, bool qk, const ir_attr *a, uint32_t lo, uint32_t hi) {
    const uint8_t *bits = l->bits[qk ? LAYER_Q : LAYER_P];
    const dtq_hidden before = layer_hidden(l, (uint32_t)a->range->lo, (uint32_t)(a->range->hi - a->range->lo)),
                     now = layer_hidden(l, lo, hi - lo);
    return before.from == now.from && before.to == now.to && a->range->hi - a->range->lo == hi - lo &&
           layer_turned(l, (uint32_t)a->range->lo) == layer_turned(l, lo) &&
           memcmp(bits + a->range->lo, bits + lo, hi - lo) == 0;
}

/** Cycles of all matmuls of a linear one after the other, and their mean stall ratio. */
static void analyse_linear(pass_context *ctx, ir_module *m, size_t op, const linear_shape *s) {
    const linear_cut cut = linear_read_cut(ctx->arena, m, op);
    double ratio = 0, tiles = 0;
    uint64_t cycles = 0;
    for (uint32_t c = 0; c < cut.chunks; c++) {
        uint32_t row = cut.edge[c], rows = cut.edge[c + 1] - row;
        uint64_t width = cut.turned[c] ? m->machine->vssa_rows : m->machine->vssa_cols;
        for (uint32_t block = 0, from = 0, cols; from < s->outputs; block++, from += cols) {
            cols = linear_outputs(&cut, s->outputs, c, block, &from);
            for (uint32_t part = 0, input = 0, depth; input < s->inputs; part++, input += depth) {
                depth = linear_inputs(&cut, s->inputs, part, &input);
                matmul_price one =
                    layer_linear_price(ctx->cost, s->layer, row, rows, cols, depth, linear_walk(&cut, c));
                uint64_t columns = (cols + width - 1) / width;
                cycles += one.cycles;
                ratio += (double)columns * one.stall_ratio_mean;
                tiles += (double)columns;
            }
        }
    }
    ir_set_int(m, op, IR_KEY_linear_cycles, (int64_t)cycles);
    ir_set_int(m, op, IR_KEY_stall_ppm, llround(1e6 * ratio / tiles));
    ir_set_int(m, op, IR_KEY_bound_cycles, (int64_t)linear_bound(m->machine, s));
}

bool pass_stall(pass_context *ctx, ir_module **module) {
    static const unsigned copied[] = {IR_KEY_steps, IR_KEY_tile_cycles, IR_KEY_stall_ppm, IR_KEY_tiles};
    ir_module *m = *module;
    layer_info l = {0}, *layers = NULL;
    size_t last[2] = {SIZE_MAX, SIZE_MAX}; /* the strip before, of each matmul */
    for (size_t op = 0; op < m->op_count; op++) {
        ir_opcode code = (ir_opcode)m->ops[op].code;
        if (code == IR_TILES) {
            l = layer_read(ctx->arena, m, op);
            last[0] = last[1] = SIZE_MAX;
            strip_list list = strips_read(ctx->arena, m, op, &l);
            if (!layer_streams(&l))
                analyse_layer(ctx, m, op, &l, &list);
        }
        if (code == IR_LINEAR && ir_get(m, op, IR_KEY_row_edges)) {
            layers = layers ? layers : linear_layers(ctx->arena, m);
            linear_shape s = linear_read(m, op, layers);
            analyse_linear(ctx, m, op, &s);
        }
        if (code != IR_TILE_QK && code != IR_TILE_PV)
            continue;
        bool qk = code == IR_TILE_QK;
        const ir_attr *range = ir_get(m, op, IR_KEY_slot_range);
        uint32_t lo = (uint32_t)range->range->lo, hi = (uint32_t)range->range->hi;
        size_t before = last[qk];
        if (l.is_static && before != SIZE_MAX && same_strip(&l, qk, ir_get(m, before, IR_KEY_slot_range), lo, hi))
            layer_copy_attrs(m, op, m, before, copied, sizeof copied / sizeof *copied);
        else
            analyse_strip(ctx, m, op, &l, qk, lo, hi);
        last[qk] = op;
    }
    return true;
}
