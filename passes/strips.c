/* Making strips and reading them from tile ops. */
#include "passes/strips.h"

#include "runtime/machine_members.h"

#include <string.h>

static uint32_t full_height(const dtq_machine *machine, bool turned) {
    return (uint32_t)(turned ? machine->vssa_cols : machine->vssa_rows);
}

static bool is_ascending(const strip_list *s) {
    for (uint32_t i = 1; i < s->count; i++)
        if (s->strips[i].row < s->strips[i - 1].row)
            return false;
    return true;
}

strip_list strips_cut(arena *a, const dtq_machine *machine, const layer_info *l, uint32_t height) {
    strip_list s = {.ascending = true};
    const uint32_t end = l->query_first + l->queries;
    for (int filling = 0; filling < 2; filling++) {
        s.count = 0;
        for (uint32_t row = l->query_first, next; row < end; row = next, s.count++) {
            next = layer_strip_end(l, machine, row, end);
            next = next - row > height ? row + height : next;
            if (filling)
                s.strips[s.count] = (strip){row, next - row, layer_turned(l, row)};
        }
        if (!filling)
            s.strips = ARENA_ARRAY(a, strip, s.count + 1);
    }
    return s;
}

static bool is_strip_op(ir_opcode code) {
    return code == IR_TILE_QK || code == IR_TILE_SOFTMAX || code == IR_TILE_IMPORTANCE || code == IR_TILE_PV;
}

strip_list strips_read(arena *a, const ir_module *m, size_t op, layer_info *l) {
    const unsigned turned_key = (unsigned)ir_key_find("turned", 6);
    size_t end = op + 1;
    while (end < m->op_count && is_strip_op((ir_opcode)m->ops[end].code))
        end++;
    strip_list s = {.strips = ARENA_ARRAY(a, strip, end - op)};
    l->turned = NULL;
    for (size_t at = op + 1; at < end; at++) {
        if (m->ops[at].code != IR_TILE_QK)
            continue;
        const ir_range *rows = ir_get(m, at, IR_KEY_slot_range)->range;
        const char *turned = ir_str(m, at, turned_key);
        strip one = {(uint32_t)rows->lo, (uint32_t)(rows->hi - rows->lo), turned && strcmp(turned, "yes") == 0};
        if (one.turned && !l->turned)
            l->turned = ARENA_ARRAY(a, uint8_t, l->slots);
        if (one.turned)
            memset(l->turned + one.row, 1, one.rows);
        s.strips[s.count++] = one;
    }
    s.ascending = is_ascending(&s);
    return s;
}

bool strips_join(const dtq_machine *machine, const strip_list *s, uint32_t i) {
    const strip *before = &s->strips[i - 1], *after = &s->strips[i];
    return before->row + before->rows == after->row && before->turned == after->turned &&
           before->rows == full_height(machine, before->turned);
}

bool strips_alike(const strip_list *a, const strip_list *b) {
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->strips[i].row != b->strips[i].row || a->strips[i].rows != b->strips[i].rows ||
            a->strips[i].turned != b->strips[i].turned)
            return false;
    return true;
}
