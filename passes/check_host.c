/* What ops of the host read and write: matrices in DRAM. */
#include "passes/check_schedule.h"
#include "runtime/isa/shapes.h"

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
