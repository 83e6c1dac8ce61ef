/* tile-attention: lowers each attention to the array's tiles: a token-id table, then for every row strip (as many query
 * slots as an array has rows, fewer where keys come in blocks) the tiles of Q.K^T against all keys, softmax, importance
 * and P.V. Strips are the same for every head; schedule-tiles multiplies them. From here on the strips say how rows lie
 * and in which order they come. */
#include <string.h>

#include "passes/layer.h"
#include "passes/pass_list.h"
#include "passes/plan.h"
#include "passes/rebuild.h"
#include "runtime/machine_members.h"

static const unsigned select_keys[] = {IR_KEY_index, IR_KEY_slots,  IR_KEY_high, IR_KEY_muted,
                                       IR_KEY_order, IR_KEY_pinned, IR_KEY_ids};

static size_t append_strip_op(ir_module *m, ir_opcode code, const layer_info *l, const strip *s, src_loc loc) {
    size_t op = ir_append(m, code, NULL, 0, (ir_type){0}, loc);
    ir_set_range(m, op, IR_KEY_slot_range, s->row, s->row + s->rows);
    const uint32_t first = code == IR_TILE_PV ? l->key_first : l->col_first;
    ir_set_range(m, op, IR_KEY_key_range, first, first + (code == IR_TILE_PV ? l->keys : l->cols));
    const dtq_hidden h = layer_hidden(l, s->row, s->rows);
    if (h.from != h.to)
        ir_set_range(m, op, IR_KEY_hidden_range, l->key_first + h.from, l->key_first + h.to);
    return op;
}

static void append_matmul(ir_module *m, ir_opcode code, const layer_info *l, const strip *s, unsigned turned_key,
                          src_loc loc) {
    size_t op = append_strip_op(m, code, l, s, loc);
    if (s->turned)
        ir_set_str(m, op, turned_key, "yes");
}

/** What the rows of each block see, the same for every head: the tiles that there are. */
static void append_blocks(pass_context *ctx, ir_module *m, const layer_info *l, src_loc loc) {
    const dtq_streaming *s = &l->streaming;
    const uint32_t blocks = dtq_streamed_blocks(s, l->slots);
    for (uint32_t b = 0; b < blocks; b++) {
        const size_t op = ir_append(m, IR_TILE_BLOCK, NULL, 0, (ir_type){0}, loc);
        const uint32_t end = dtq_streamed_end(s, l->slots, b);
        ir_set_range(m, op, IR_KEY_slot_range, dtq_streamed_first(s, b), end);
        ir_set_range(m, op, IR_KEY_key_range, dtq_streamed_near(s, b), end);
        ir_set_int(m, op, IR_KEY_far_keys, dtq_streamed_far_keys(s, b));
    }
    diag_remark(
        ctx->diag, loc, "tile-attention",
        "layer %u: %u blocks of %u rows, each with the keys of two blocks at %u bits and %u of every earlier one at "
        "%u, for each of %u heads",
        l->index, blocks, s->window, s->near_bits, s->kept, s->far_bits, l->heads);
}

static bool lower_attention(pass_context *ctx, rebuild *r, size_t op, ir_value *previous) {
    ir_module *m = r->to;
    layer_info l = layer_read(ctx->arena, r->from, op);
    src_loc loc = r->from->ops[op].loc;
    if (layer_streams(&l) && l.cached)
        return diag_error(
            ctx->diag, loc,
            "layer %u streams from a cache, which the arrays do not compute; host code does: --engine=host", l.index);

    ir_type ids_type = {.elem = IR_ELEM_IDS, .rank = 1, .dim = {l.slots}};
    bool is_static = ir_get(r->from, op, IR_KEY_ids) != NULL;
    ir_value operands[4];
    for (size_t i = 0; i < 3; i++)
        operands[i] = rebuild_operand(r, op, i);
    size_t select = l.by_own && !is_static ? ir_append(m, IR_SELECT, operands, 2, ids_type, loc)
                                           : ir_append(m, IR_SELECT, previous, is_static ? 0 : 1, ids_type, loc);
    layer_copy_attrs(m, select, r->from, op, select_keys, sizeof select_keys / sizeof *select_keys);
    operands[3] = ir_result(m, select);
    size_t tiles = ir_append(m, IR_TILES, operands, 4, r->from->types[r->from->ops[op].result], loc);
    layer_copy_attrs(m, tiles, r->from, op, layer_keys, layer_key_count);
    r->map[r->from->ops[op].result] = *previous = ir_result(m, tiles);

    const char *walk = ir_str(r->from, op, IR_KEY_tile_order);
    if (walk)
        ir_set_str(m, tiles, IR_KEY_tile_order, walk);

    if (layer_streams(&l)) {
        append_blocks(ctx, m, &l, loc);
        return true;
    }
    const strip_list list = plan_strips(ctx->arena, m->machine, &l);
    const unsigned turned_key = (unsigned)ir_key_find("turned", 6);
    uint32_t turned = 0, strips = list.count;
    for (uint32_t i = 0; i < strips; i++) {
        const strip *s = &list.strips[i];
        turned += s->turned;
        append_matmul(m, IR_TILE_QK, &l, s, turned_key, loc);
        append_strip_op(m, IR_TILE_SOFTMAX, &l, s, loc);
        if (!l.by_own || l.late)
            append_strip_op(m, IR_TILE_IMPORTANCE, &l, s, loc);
        append_matmul(m, IR_TILE_PV, &l, s, turned_key, loc);
    }
    if (!l.by_own)
        ir_append(m, IR_TILE_TOPK, NULL, 0, (ir_type){0}, loc);
    uint32_t width = (uint32_t)m->machine->vssa_cols, height = (uint32_t)m->machine->vssa_rows;
    uint32_t rows = strips && list.strips[0].rows < height ? list.strips[0].rows : height;
    diag_remark(ctx->diag, loc, "tile-attention",
                "layer %u: %u strips of %u rows, %u column tiles of %u in Q.K^T and %u in P.V, for each of %u heads",
                l.index, strips - turned, rows, (l.cols + width - 1) / width, width, (l.head_dim + width - 1) / width,
                l.heads);
    if (turned)
        diag_remark(
            ctx->diag, loc, "tile-attention",
            "layer %u: %u more strips lie the other way, of %u rows with %u column tiles of %u in Q.K^T and %u in "
            "P.V",
            l.index, turned, width, (l.cols + height - 1) / height, height, (l.head_dim + height - 1) / height);
    return true;
}

bool pass_tile_attention(pass_context *ctx, ir_module **module) {
    rebuild r = rebuild_begin(*module, IR_TILE);
    ir_value previous = IR_NONE;
    for (size_t op = 0; op < r.from->op_count; op++)
        if (r.from->ops[op].code != IR_ATTENTION)
            rebuild_copy(&r, op);
        else if (!lower_attention(ctx, &r, op, &previous))
            return false;
    *module = r.to;
    return true;
}
