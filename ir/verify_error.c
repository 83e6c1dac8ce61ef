/* What all checks of a module share: how they report, and which ops they have met. */
#include "ir/verify.h"
#include "runtime/weights/tensor.h"
#include <stdarg.h>
#include <string.h>

static bool report(verifier *v, src_loc loc, const char *message) {
    if (v->errors++ >= VERIFY_ERRORS_MAX)
        return false;
    diag_error(v->diag, loc, "%s", message);
    if (v->errors == VERIFY_ERRORS_MAX)
        diag_error(v->diag, (src_loc){loc.file, 0, 0}, "too many errors; the rest was not checked");
    return false;
}

bool verify_error(verifier *v, size_t op, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *what = arena_vprintf(v->scratch, format, args);
    va_end(args);
    const ir_op *o = &v->m->ops[op];
    const char *spelling = o->code < IR_OPCODES ? ir_info((ir_opcode)o->code)->spelling : "?";
    return report(v, o->loc, arena_printf(v->scratch, "`%s`: %s", spelling, what));
}

bool verify_error_at(verifier *v, src_loc loc, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *what = arena_vprintf(v->scratch, format, args);
    va_end(args);
    return report(v, loc, what);
}

/* Which fields verify_instruction looks at, and under which keys. */
static void find_checked(verify_code *c, const dtq_op_info *info) {
    for (uint8_t f = 0; f < info->field_count; f++) {
        const dtq_field_info *field = &info->fields[f], *next = f + 1 < info->field_count ? field + 1 : NULL;
        const bool slots = field->kind == DTQ_KIND_SLOT && next && next->kind == DTQ_KIND_COUNT;
        if (!slots && field->kind != DTQ_KIND_ENGINE && field->kind != DTQ_KIND_LAYER && field->kind != DTQ_KIND_HEAD)
            continue;
        c->checked[c->checked_count++] =
            (verify_field){.kind = field->kind,
                           .field = f,
                           .of_keys = strcmp(field->name, "col") == 0,
                           .key = (unsigned)ir_key_find(field->name, strlen(field->name)),
                           .count = slots ? (unsigned)ir_key_find(next->name, strlen(next->name)) : 0};
    }
}

verify_code *verify_meet(verifier *v, ir_opcode code) {
    verify_code *c = v->met[code] = ARENA_NEW(v->scratch, verify_code);
    c->needs = ir_needs_row(code);
    c->fields = ir_fields_row(code);
    c->legal = ir_info(code)->levels >> v->m->level & 1;
    for (size_t key = 0; key < v->key_count; key++)
        if (c->needs[key] == IR_MUST)
            c->must[key / 64] |= (uint64_t)1 << key % 64;
    if (ir_is_instr(code))
        find_checked(c, &dtq_ops[IR_ISA_OP(code)]);
    return c;
}
