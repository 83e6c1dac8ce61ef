/* Building and reading stream instructions in the IR. */
#include "passes/instr.h"

#include <string.h>

instr_keys instr_keys_find(void) {
    instr_keys k;
#define INSTR_KEY(name) k.name = (unsigned)ir_key_find(#name, strlen(#name));
    INSTR_KEYS(INSTR_KEY)
#undef INSTR_KEY
    return k;
}

size_t instr_append(ir_module *m, dtq_opcode code, unsigned queue, const ir_value *buffers, size_t count,
                    const char *source, src_loc loc) {
    enum { TIMES = 3 }; /* start, busy and done, by timeline */
    const ir_attr attrs[] = {
        {.key = IR_KEY_queue, .kind = IR_KIND_QUEUE, .i = queue},
        {.key = IR_KEY_source, .kind = IR_KIND_STR, .s = source},
    };
    size_t op = ir_append(m, IR_INSTR(code), buffers, count, (ir_type){0}, loc);
    ir_put_attrs(m, op, attrs, source ? 2 : 1, dtq_ops[code].field_count - count + TIMES);
    return op;
}

void instr_set_text(ir_module *m, size_t op, unsigned key, const char *text) {
    ir_attr attr = {.key = (uint16_t)key, .kind = (uint8_t)ir_key_get(key)->kind, .s = text};
    ir_set(m, op, &attr);
}

void instr_set_block(ir_module *m, size_t op, const instr_keys *k, uint32_t layer, uint32_t head, uint32_t row,
                     uint32_t rows, uint32_t col, uint32_t cols) {
    ir_set_int(m, op, k->layer, layer);
    ir_set_int(m, op, k->head, head);
    ir_set_int(m, op, k->row, row);
    ir_set_int(m, op, k->rows, rows);
    if (cols) {
        ir_set_int(m, op, k->col, col);
        ir_set_int(m, op, k->cols, cols);
    }
}

ir_value instr_buffer(ir_module *m, const char *space, uint64_t bytes, const char *name, src_loc loc) {
    const ir_attr attrs[] = {
        {.key = IR_KEY_space, .kind = IR_KIND_WORD, .s = space},
        {.key = IR_KEY_bytes, .kind = IR_KIND_INT, .i = (int64_t)bytes},
        {.key = IR_KEY_name, .kind = IR_KIND_STR, .s = name ? arena_strdup(m->arena, name) : NULL},
    };
    size_t op = ir_append(m, IR_BUFFER, NULL, 0, (ir_type){.elem = IR_ELEM_BUFFER}, loc);
    ir_put_attrs(m, op, attrs, name ? 3 : 2, 1); /* one to spare: the address */
    return ir_result(m, op);
}

unsigned instr_access(dtq_opcode code, size_t index) {
    const dtq_op_info *info = &dtq_ops[code];
    for (uint8_t f = 0; f < info->field_count; f++) {
        const dtq_field_info *field = &info->fields[f];
        if (field->kind != DTQ_KIND_BUF && field->kind != DTQ_KIND_DRAM)
            continue;
        if (index-- > 0)
            continue;
        /* "scores w: …" on chip, "w: …" in DRAM, or "probs r" alone: the last word before the colon */
        const char *p = field->doc + strcspn(field->doc, ":");
        unsigned access = 0;
        while (p > field->doc && p[-1] != ' ')
            access |= *--p == 'r' ? ACCESS_READ : ACCESS_WRITE;
        return access;
    }
    return 0;
}

uint64_t buffer_stride(uint64_t bytes, uint64_t capacity) {
    uint64_t aligned = (bytes + 63) / 64 * 64, tight = (bytes + 7) / 8 * 8;
    uint64_t fit = tight <= capacity ? tight : bytes;
    return bytes == 0 || capacity / aligned == capacity / fit ? aligned : fit;
}

uint64_t buffer_fit(uint64_t bytes, uint64_t capacity) {
    return bytes ? capacity / buffer_stride(bytes, capacity) : 0;
}
