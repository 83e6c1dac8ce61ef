/* How a linear is cut into blocks for the arrays. */
#include "ir/verify.h"

static const ir_key cut_keys[] = {IR_KEY_row_edges, IR_KEY_turned_chunks, IR_KEY_output_block, IR_KEY_input_block,
                                  IR_KEY_outer};

/* The layer whose slots are the rows of a linear: of the attention behind it, or of the last one. */
static const verify_layer *layer_of_linear(const verifier *v, size_t linear) {
    const verify_layer *last = NULL;
    for (size_t op = 0; op < v->m->op_count; op++)
        if (v->m->ops[op].code == IR_TILES) {
            last = verify_find_layer(v, ir_int(v->m, op, IR_KEY_index, -1));
            if (op > linear)
                return last;
        }
    return last;
}

static void verify_row_edges(verifier *v, size_t op, const verify_layer *layer) {
    const ir_attr *edges = ir_get(v->m, op, IR_KEY_row_edges), *turned = ir_get(v->m, op, IR_KEY_turned_chunks);
    int64_t first = layer->query_first, end = first + layer->queries;
    bool rising = true;
    for (uint32_t i = 1; i < edges->count; i++)
        rising = rising && edges->ints[i - 1] < edges->ints[i];
    if (edges->count < 2 || !rising || edges->ints[0] != first || edges->ints[edges->count - 1] != end) {
        verify_error(v, op, "`row_edges` must rise from %lld to %lld, the query slots of its layer", (long long)first,
                     (long long)end);
        return;
    }
    if (turned->count != edges->count - 1)
        verify_error(v, op, "`turned_chunks` has %u numbers, but `row_edges` has %u chunks", turned->count,
                     edges->count - 1);
    for (uint32_t i = 0; i < turned->count; i++)
        if (turned->ints[i] != 0 && turned->ints[i] != 1) {
            verify_error(v, op, "`turned_chunks` has a %lld; 1 is turned, 0 is not", (long long)turned->ints[i]);
            break;
        }
}

static void verify_blocks(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const ir_attr *blocks = ir_get(m, op, IR_KEY_output_block), *turned = ir_get(m, op, IR_KEY_turned_chunks);
    int64_t outputs = ir_int(m, op, IR_KEY_outputs, 0), input_block = ir_int(m, op, IR_KEY_input_block, 0);
    ir_type input = m->types[ir_operand(m, op, 0)];
    int64_t inputs = input.rank == 2 ? input.dim[1] : 0;
    if (blocks->count != 2)
        verify_error(v, op, "`output_block` has %u numbers; it has 2, for rows that are not turned and that are",
                     blocks->count);
    bool used[2] = {false, false};
    for (uint32_t i = 0; i < turned->count; i++)
        used[turned->ints[i] != 0] = true;
    for (uint32_t i = 0; i < blocks->count && i < 2; i++)
        if (used[i] ? blocks->ints[i] < 1 || blocks->ints[i] > outputs : blocks->ints[i] != 0) {
            verify_error(v, op,
                         "`output_block` has a %lld; each is between 1 and the %lld outputs, or 0 if no chunk is %s",
                         (long long)blocks->ints[i], (long long)outputs, i ? "turned" : "not turned");
            break;
        }
    if (inputs == 0)
        verify_error(v, op, "it is cut into blocks, but its inputs are not known; run infer-shapes before");
    else if (input_block < 1 || input_block > inputs)
        verify_error(v, op, "`input_block` is %lld; it is between 1 and the %lld inputs", (long long)input_block,
                     (long long)inputs);
    else if (input_block % 2 && input_block < inputs)
        verify_error(v, op, "`input_block` is %lld; blocks begin at even inputs, so it is even or all %lld",
                     (long long)input_block, (long long)inputs);
}

/* How a linear is cut: all of it is there or nothing. */
void verify_cut(verifier *v, size_t op) {
    const ir_module *m = v->m;
    const size_t all = sizeof cut_keys / sizeof *cut_keys;
    const char *missing = NULL, *present = NULL;
    for (size_t i = 0; i < all; i++)
        *(ir_get(m, op, cut_keys[i]) ? &present : &missing) = ir_key_get(cut_keys[i])->name;
    if (!present)
        return;
    if (missing) {
        verify_error(v, op, "it has `%s`, but not `%s`; tile-linears sets both", present, missing);
        return;
    }
    const verify_layer *layer = m->level == IR_TILE ? layer_of_linear(v, op) : NULL;
    if (layer)
        verify_row_edges(v, op, layer);
    else
        verify_error(v, op, "it is cut into blocks, but there is no `tile.attention` whose rows it has");
    verify_blocks(v, op);
}
