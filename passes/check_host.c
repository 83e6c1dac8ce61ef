/* What the host's ops read and write: matrices in DRAM. */
#include "passes/check_schedule.h"
#include "runtime/isa/shapes.h"

/** Host work is on the tokens of the layer whose attention comes next, behind the last on those of the last. */
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

/** Whose name keeps its memory through the run: a key or value that is cached. */
static bool check_cache_name(checker *c, const layer_info *l, int which) {
    static const char *const names[] = {"q", "k", "v"};
    size_t def = c->m->defs[ir_operand(c->m, c->op, 0)];
    const char *name = ir_str(c->m, def, IR_KEY_name);
    if (c->contents[ir_operand(c->m, c->op, 0)].is_input)
        return true;
    bool cached = l->cached && which > 0;
    const char *want = arena_printf(c->ctx->arena, "cache.%s.%u", names[which], l->index);
    bool output = name && strncmp(name, "output.", 7) == 0;
    return output || (cached ? name && strcmp(name, want) == 0 : !name) ||
           CHECK_FAIL("operand 1 must %s%s%s, for it %s", cached ? "be named \"" : "have no name", cached ? want : "",
                      cached ? "\"" : "", cached ? "stays through the run" : "is no cache");
}

bool check_quant(checker *c) {
    const layer_info *l = &c->layers[check_int(c, c->k.layer)];
    const char letter = *check_word(c, c->k.operand);
    int which = letter == 'q' ? LAYER_Q : letter == 'k' ? LAYER_K : LAYER_V;
    check_progress *p = &c->progress[l->index];
    if (!check_chosen(c, l))
        return false;
    if (p->quantised[which])
        return CHECK_FAIL("codes of %c in layer %u are made twice", letter, l->index);
    if (l->index != c->next_layer)
        return CHECK_FAIL("`layer` is %u, but it is layer %u whose attention comes next", l->index, c->next_layer);
    p->quantised[which] = true;
    p->from[which] = ir_operand(c->m, c->op, 0);
    if (p->quantised[0] && p->quantised[1] && p->quantised[2])
        c->next_layer++;
    return check_cache_name(c, l, which) &&
           check_reads_matrix(c, 0, check_matrix_bytes(c, (uint64_t)(which ? l->kv_heads : l->heads) * l->head_dim));
}

/** How much `name` is in the op. */
static uint64_t dimension_of(const checker *c, const dtq_op_info *info, const char *name, size_t length) {
    const dtq_dimension d = dtq_find_dimension(info, name, length);
    if (d.field < 0)
        return 0;
    const dtq_field_info *field = &info->fields[d.field];
    const unsigned key = (unsigned)ir_key_find(field->name, strlen(field->name));
    const ir_tensor *t = field->kind == DTQ_KIND_TENSOR ? check_tensor(c, key) : NULL;
    return t ? dtq_dimension_of(&d, t->rows, t->cols, t->transposed) : (uint64_t)check_int(c, key);
}

/** The matrices of an op, as the fields of its instruction say: those that it reads, then those that it writes. */
bool check_host(checker *c, dtq_opcode code) {
    const dtq_op_info *info = &dtq_ops[code];
    if (!check_host_layer(c))
        return false;
    for (int write = 0; write <= 1; write++)
        for (unsigned i = 0, operand = 0; i < info->field_count; i++) {
            const dtq_field_info *field = &info->fields[i];
            if (field->kind != DTQ_KIND_DRAM && field->kind != DTQ_KIND_BUF)
                continue;
            const size_t at = operand++;
            const dtq_columns columns = dtq_field_columns(field);
            if (!columns.name || (*field->doc == 'w') != write)
                continue;
            const uint64_t width = dimension_of(c, info, columns.name, columns.length);
            const uint64_t bytes = columns.one_row ? 4 * width : check_matrix_bytes(c, width);
            if (!(write ? check_writes_matrix(c, at, bytes) : check_reads_matrix(c, at, bytes)))
                return false;
        }
    return true;
}
