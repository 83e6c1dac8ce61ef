/* What all rules of a schedule use: attributes and operands of the op under way, contents of buffers and matrices, and
 * whether a layer's tokens are known. */
#include "passes/check_schedule.h"

bool check_fail(checker *c, const char *what) {
    return diag_error(c->ctx->diag, c->m->ops[c->op].loc, "`%s`: %s",
                      ir_info((ir_opcode)c->m->ops[c->op].code)->spelling, what);
}

int64_t check_int(const checker *c, unsigned key) {
    return ir_int(c->m, c->op, key, 0);
}

const char *check_word(const checker *c, unsigned key) {
    const char *text = ir_str(c->m, c->op, key);
    return text ? text : "";
}

check_content *check_operand(checker *c, size_t index) {
    ir_value v = ir_operand(c->m, c->op, index);
    return v == IR_NONE ? NULL : &c->contents[v];
}

bool check_needs(check_content *b, uint64_t bytes) {
    b->need = (int64_t)bytes > b->need ? (int64_t)bytes : b->need;
    return true;
}

check_content check_block(const checker *c, uint8_t holds) {
    return (check_content){.holds = holds,
                           .layer = check_int(c, c->k.layer),
                           .head = check_int(c, c->k.head),
                           .row = check_int(c, c->k.row),
                           .rows = check_int(c, c->k.rows),
                           .col = check_int(c, c->k.col),
                           .cols = check_int(c, c->k.cols)};
}

bool check_fill(checker *c, size_t index, check_content what) {
    check_content *b = check_operand(c, index);
    if (b->holds != HOLDS_NOTHING)
        return CHECK_FAIL("operand %zu holds something already; give it a buffer of its own", index + 1);
    what.need = b->need;
    what.used = b->used;
    what.is_input = b->is_input;
    *b = what;
    return true;
}

bool check_same_rows(const check_content *b, const check_content *want) {
    return b->layer == want->layer && b->head == want->head && b->row == want->row && b->rows == want->rows;
}

/* ---- matrices in DRAM -------------------------------------------------------------------------------------------- */

bool check_host_layer(checker *c) {
    if (!ir_get(c->m, c->op, c->k.layer) || !c->layer_count)
        return true;
    uint32_t want = c->next_layer < c->layer_count ? c->next_layer : c->layer_count - 1;
    return check_int(c, c->k.layer) == want || CHECK_FAIL("`layer` is %lld, but rows are those of layer %u here",
                                                          (long long)check_int(c, c->k.layer), want);
}

bool check_reads_matrix(checker *c, size_t index, uint64_t bytes) {
    check_content *b = check_operand(c, index);
    if (b->holds != HOLDS_MATRIX && !b->is_input)
        return CHECK_FAIL("operand %zu holds nothing yet", index + 1);
    if (b->rows && b->rows != (int64_t)bytes)
        return CHECK_FAIL("operand %zu holds %lld bytes, but it reads %llu", index + 1, (long long)b->rows,
                          (unsigned long long)bytes);
    return check_needs(b, bytes);
}

bool check_writes_matrix(checker *c, size_t index, uint64_t bytes) {
    return check_fill(c, index, (check_content){.holds = HOLDS_MATRIX, .rows = (int64_t)bytes}) &&
           check_needs(check_operand(c, index), bytes);
}

const ir_tensor *check_tensor(const checker *c, unsigned key) {
    const char *name = check_word(c, key);
    int index = *name ? ir_tensor_find(c->m, name) : -1;
    return index < 0 ? NULL : &c->m->tensors[index];
}

uint64_t check_matrix_bytes(const checker *c, uint64_t width) {
    return 4ull * c->m->header.seq * width;
}

uint64_t check_outputs(const ir_tensor *t) {
    return t->transposed ? t->cols : t->rows;
}

uint64_t check_inputs(const ir_tensor *t) {
    return t->transposed ? t->rows : t->cols;
}

/* ---- tokens of a layer ------------------------------------------------------------------------------------------- */

bool check_has_ids(const checker *c, uint32_t layer) {
    for (size_t op = 0; op < c->m->op_count; op++)
        if (c->m->ops[op].code == IR_LAYER && ir_int(c->m, op, IR_KEY_index, -1) == layer)
            return ir_get(c->m, op, IR_KEY_ids) != NULL;
    return false;
}

bool check_chosen(checker *c, const layer_info *l) {
    return !l->by_probe || check_has_ids(c, l->index) || c->progress[l->index].chosen ||
           CHECK_FAIL("layer %u has not chosen its tokens before", l->index);
}
