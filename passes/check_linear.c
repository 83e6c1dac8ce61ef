/* What the instructions of a linear on the arrays read and leave: rows, weights, products, each stored once. */
#include "passes/check_schedule.h"

bool check_linear_ends(checker *c) {
    const check_linear_work *w = &c->linear;
    if (!w->weight)
        return true;
    const layer_info *l = &c->layers[w->layer];
    return w->stored == (int64_t)l->queries * w->outputs ||
           CHECK_FAIL("before it %lld of %lld products of the linear of \"%s\" have been stored", (long long)w->stored,
                      (long long)((int64_t)l->queries * w->outputs), w->weight);
}

bool check_codes(checker *c) {
    const ir_tensor *t = check_tensor(c, c->k.weight);
    uint64_t in = check_inputs(t), out = check_outputs(t);
    if (!check_linear_ends(c) || !check_host_layer(c) || !check_reads_matrix(c, 1, check_matrix_bytes(c, in)))
        return false;
    const int64_t layer = check_int(c, c->k.layer);
    c->linear = (check_linear_work){.codes = ir_operand(c->m, c->op, 2),
                                    .result = ir_operand(c->m, c->op, 0),
                                    .weight = t->name,
                                    .bias = check_word(c, c->k.bias),
                                    .layer = layer,
                                    .inputs = (int64_t)in,
                                    .outputs = (int64_t)out};
    c->linear.done = ARENA_ARRAY(c->ctx->arena, uint8_t, (size_t)c->layers[layer].slots *out);
    uint64_t bytes = (uint64_t)c->m->header.seq * (in + 4);
    return check_writes_matrix(c, 0, check_matrix_bytes(c, out)) && check_writes_matrix(c, 2, bytes);
}

static bool in_linear(checker *c) {
    if (!c->linear.weight)
        return check_fail(c, "no `host.codes` has begun a linear before");
    return check_int(c, c->k.layer) == c->linear.layer ||
           CHECK_FAIL("`layer` is not that of its linear, %lld", (long long)c->linear.layer);
}

bool check_load_rows(checker *c) {
    check_content b = check_block(c, HOLDS_BLOCK);
    b.operand = 3;
    b.col = check_int(c, c->k.input);
    b.cols = check_int(c, c->k.depth);
    if (!in_linear(c))
        return false;
    if (ir_operand(c->m, c->op, 0) != c->linear.codes || check_int(c, c->k.width) != c->linear.inputs)
        return CHECK_FAIL("operand 1 and `width` must be the codes and the %lld inputs of its linear",
                          (long long)c->linear.inputs);
    if (b.col + b.cols > c->linear.inputs)
        return check_fail(c, "it leaves the inputs of its linear");
    return check_fill(c, 1, b) &&
           check_needs(check_operand(c, 1),
                       linear_rows_bytes(&c->layers[b.layer], (uint32_t)b.row, (uint32_t)b.rows, (uint32_t)b.cols));
}

bool check_load_weights(checker *c) {
    check_content b = {.holds = HOLDS_BLOCK,
                       .operand = 4,
                       .layer = check_int(c, c->k.layer),
                       .row = check_int(c, c->k.output),
                       .rows = check_int(c, c->k.cols),
                       .col = check_int(c, c->k.input),
                       .cols = check_int(c, c->k.depth),
                       .weight = check_word(c, c->k.weight)};
    if (!in_linear(c))
        return false;
    if (strcmp(b.weight, c->linear.weight) != 0 || strcmp(check_word(c, c->k.bias), c->linear.bias) != 0)
        return CHECK_FAIL("`weight` and `bias` must be those of its linear, \"%s\" and \"%s\"", c->linear.weight,
                          c->linear.bias);
    if (b.row + b.rows > c->linear.outputs || b.col + b.cols > c->linear.inputs)
        return check_fail(c, "it leaves the weights of its linear");
    return check_fill(c, 0, b) &&
           check_needs(check_operand(c, 0), linear_weights_bytes((uint32_t)b.rows, (uint32_t)b.cols));
}

bool check_matmul(checker *c) {
    check_content *x = check_operand(c, 0), *w = check_operand(c, 1), *o = check_operand(c, 2),
                  b = check_block(c, HOLDS_PRODUCTS);
    const char *flags = check_word(c, c->k.flags);
    bool only = strcmp(flags, "only") == 0, first = only || strcmp(flags, "first") == 0;
    bool last = only || strcmp(flags, "last") == 0;
    int64_t depth = check_int(c, c->k.depth);
    if (!in_linear(c))
        return false;
    if (x->holds != HOLDS_BLOCK || x->operand != 3 || x->row != b.row || x->rows != b.rows || x->cols != depth)
        return check_fail(c, "operand 1 must hold these rows and inputs");
    if (w->holds != HOLDS_BLOCK || w->operand != 4 || w->rows != b.cols || w->col != x->col || w->cols != depth)
        return check_fail(c, "operand 2 must hold the weights of these inputs, and as many outputs");
    check_needs(x, linear_rows_bytes(&c->layers[b.layer], (uint32_t)b.row, (uint32_t)b.rows, (uint32_t)depth));
    check_needs(w, linear_weights_bytes((uint32_t)b.cols, (uint32_t)depth));
    if (first != (x->col == 0) || last != (x->col + depth == c->linear.inputs))
        return CHECK_FAIL("`flags` is %s, but its inputs are %lld..%lld of %lld", flags, (long long)x->col,
                          (long long)(x->col + depth), (long long)c->linear.inputs);
    b.col = w->row;
    if (first && !check_fill(c, 2, b))
        return false;
    if (o->holds != HOLDS_PRODUCTS || !check_same_rows(o, &b) || o->col != b.col || o->cols != b.cols ||
        o->keys != x->col)
        return check_fail(c, "operand 3 must hold the sums of these rows and outputs over the inputs before");
    o->keys += depth;
    o->complete = last;
    return check_needs(o, 4ull * (uint64_t)b.rows * (uint64_t)b.cols);
}

bool check_store_rows(checker *c) {
    check_content *o = check_operand(c, 0), b = check_block(c, HOLDS_PRODUCTS);
    b.col = check_int(c, c->k.output);
    if (!in_linear(c))
        return false;
    if (o->holds != HOLDS_PRODUCTS || !o->complete || !check_same_rows(o, &b) || o->col != b.col || o->cols != b.cols)
        return check_fail(c, "operand 1 must hold the finished products of these rows and outputs");
    if (ir_operand(c->m, c->op, 1) != c->linear.result || check_int(c, c->k.width) != c->linear.outputs)
        return CHECK_FAIL("operand 2 and `width` must be the result and the %lld outputs of its linear",
                          (long long)c->linear.outputs);
    check_needs(o, 4ull * (uint64_t)b.rows * (uint64_t)b.cols);
    for (int64_t row = b.row; row < b.row + b.rows; row++)
        for (int64_t col = b.col; col < b.col + b.cols; col++) {
            uint8_t *done = &c->linear.done[row * c->linear.outputs + col];
            if (*done)
                return CHECK_FAIL("output %lld of slot %lld is stored twice", (long long)col, (long long)row);
            *done = 1;
            c->linear.stored++;
        }
    return true;
}
