/* Instructions and buffers: the queue that executes one, the layer, slots and heads that it names, the spaces of its
 * operands. */
#include <string.h>

#include "ir/verify.h"

enum { DRAM_BITS = 40 }; /* of a DRAM address field */

/* Bytes of a space: the machine's buffer of that name, or all that an address reaches. */
static uint64_t find_space_bytes(const ir_module *m, const char *space) {
    for (size_t i = 0; i < dtq_machine_param_count; i++)
        if (strcmp(dtq_machine_params[i].section, "buffers") == 0 && strcmp(dtq_machine_params[i].name, space) == 0)
            return (uint64_t)dtq_machine_get(m->machine, &dtq_machine_params[i]);
    return ((uint64_t)1 << DRAM_BITS) - 1;
}

static uint64_t space_bytes(verifier *v, const char *space) {
    uintptr_t at = (uintptr_t)space;
    verify_space_met *met = &v->spaces[(at ^ at >> 6) % VERIFY_SPACES];
    if (met->name != space)
        *met = (verify_space_met){space, find_space_bytes(v->m, space)};
    return met->bytes;
}

void verify_buffer(verifier *v, size_t op) {
    const char *space = verify_text(v, IR_KEY_space);
    uint64_t bytes = (uint64_t)verify_number(v, IR_KEY_bytes, 0), capacity = space_bytes(v, space);
    uint64_t address = (uint64_t)verify_number(v, IR_KEY_address, 0);
    if (bytes == 0)
        verify_error(v, op, "it has no bytes");
    else if (verify_get(v, IR_KEY_address) && (address > capacity || bytes > capacity - address))
        verify_error(v, op, "it ends at byte %llu of `%s`, which has %llu bytes", (unsigned long long)(address + bytes),
                     space, (unsigned long long)capacity);
    else if (v->space_of)
        v->space_of[v->m->ops[op].result] = space;
}

const char verify_space_of_operand[] = "operand";

/* The space that an operand must be in: the first word of its field's doc. */
static void verify_space(verifier *v, size_t op, size_t index) {
    const ir_module *m = v->m;
    ir_opcode code = (ir_opcode)m->ops[op].code;
    ir_value value = ir_operand(m, op, index);
    if (value == IR_NONE || m->ops[m->defs[value]].code != IR_BUFFER)
        return; /* the type check has said so */
    const char *space = ir_str(m, m->defs[value], IR_KEY_space);
    const char **good = index < DTQ_FIELDS_MAX ? &verify_met(v, code)->good_space[index] : NULL;
    if (space && good && *good == space)
        return;
    const dtq_field_info *field = ir_operand_field(code, index);
    const char *want = field ? field->doc : "";
    size_t n = strcspn(want, " :");
    bool by_operand = false;
    if (!field || field->kind == DTQ_KIND_DRAM) { /* no field: a region of a layer */
        want = "dram";
        n = 4;
    } else if (n == 7 && memcmp(want, "operand", 7) == 0) {
        want = verify_text(v, v->operand);
        n = strlen(want);
        by_operand = true;
    }
    bool fits = !space || (strlen(space) == n && memcmp(space, want, n) == 0);
    if (fits && good)
        *good = by_operand ? verify_space_of_operand : space;
    else if (!fits)
        verify_error(v, op, "operand %zu%s%s is a buffer in `%s`; it must be in `%.*s`", index + 1, field ? ", " : "",
                     field ? field->name : "", space, (int)n, want);
}

void verify_spaces(verifier *v, size_t op) {
    for (size_t i = 0; i < v->m->ops[op].operand_count; i++)
        verify_space(v, op, i);
}

/* The slots [first, first + count) that a field and the one behind it name. Those of keys and of queries lie apart
 * where a layer has muted slots, or rows of a step alone. */
static void verify_slots(verifier *v, size_t op, const verify_field *f, const verify_layer *layer, bool of_keys) {
    const dtq_field_info *fields = &dtq_ops[IR_ISA_OP(v->m->ops[op].code)].fields[f->field];
    const int64_t number = verify_number(v, v->layer, 0);
    const int64_t first = verify_number(v, f->key, 0), count = verify_number(v, f->count, 0), end = first + count;
    if (count < 1 || end > layer->slots) {
        verify_error(v, op, "slots %lld..%lld (`%s`, `%s`) are not in the %lld slots of layer %lld", (long long)first,
                     (long long)end, fields[0].name, fields[1].name, (long long)layer->slots, (long long)number);
        return;
    }
    const char *operand = verify_text(v, v->operand);
    const bool values = v->m->ops[op].code == IR_I_PV || (operand && strcmp(operand, "v") == 0);
    const int64_t least = !of_keys ? layer->query_first : values ? layer->key_first : layer->col_first;
    const int64_t most = least + (!of_keys ? layer->queries : values ? layer->keys : layer->cols);
    if (first < least || end > most)
        verify_error(v, op, "slots %lld..%lld (`%s`, `%s`) are not all %s; those of layer %lld are %lld..%lld",
                     (long long)first, (long long)end, fields[0].name, fields[1].name, of_keys ? "keys" : "queries",
                     (long long)number, (long long)least, (long long)most);
}

static void verify_field_facts(verifier *v, size_t op, const verify_code *met, int64_t queue) {
    const verify_layer *layer = NULL;
    const char *operand = verify_text(v, v->operand);
    const bool loads_keys = operand && strcmp(operand, "q") != 0; /* `col` counts keys, and so do rows of such a load */
    for (const verify_field *f = met->checked, *end = f + met->checked_count; f < end; f++) {
        const int64_t value = verify_number(v, f->key, f->kind == DTQ_KIND_HEAD ? 0 : -1);
        switch (f->kind) {
        case DTQ_KIND_ENGINE:
            if (value == queue) {
                char name[16];
                verify_error(v, op, "queue %s would wait for itself; tokens go from one queue to another",
                             dtq_queue_name((unsigned)queue, name));
            }
            break;
        case DTQ_KIND_LAYER:
            layer = verify_find_layer(v, value);
            if (!layer)
                verify_error(v, op, "layer %lld is not declared; add a `layer` op with `index = %lld`",
                             (long long)value, (long long)value);
            break;
        case DTQ_KIND_HEAD:
            if (layer && value >= (loads_keys ? layer->kv_heads : layer->query_heads))
                verify_error(v, op, "`%s` is %lld, but layer %lld has %lld of them, numbered from 0",
                             dtq_ops[IR_ISA_OP(v->m->ops[op].code)].fields[f->field].name, (long long)value,
                             (long long)verify_number(v, v->layer, 0),
                             (long long)(loads_keys ? layer->kv_heads : layer->query_heads));
            break;
        default:
            if (layer)
                verify_slots(v, op, f, layer, f->of_keys || loads_keys);
        }
    }
}

static bool queue_serves(int64_t queue, unsigned engine_class) {
    return engine_class == DTQ_CLASS_ANY ||
           (engine_class == DTQ_CLASS_ARRAY ? queue >= DTQ_ARRAY0 : queue == (int64_t)engine_class);
}

void verify_instruction(verifier *v, size_t op) {
    const ir_module *m = v->m;
    ir_opcode code = (ir_opcode)m->ops[op].code;
    int isa = IR_ISA_OP(code);
    const dtq_op_info *info = &dtq_ops[isa];
    const verify_code *met = verify_met(v, code);
    int64_t queue = verify_number(v, IR_KEY_queue, -1);
    char name[16];
    if (!queue_serves(queue, info->engine_class))
        verify_error(v, op, "queue %s cannot execute it; it belongs to %s", dtq_queue_name((unsigned)queue, name),
                     info->engine_class == DTQ_CLASS_ARRAY ? "an array"
                                                           : dtq_queue_name(info->engine_class, (char[16]){0}));
    verify_field_facts(v, op, met, queue);
    if (code == IR_I_TOPK && strcmp(verify_text(v, v->select), "yes") == 0 &&
        !verify_find_layer(v, verify_number(v, v->layer, 0) + 1))
        verify_error(v, op, "it selects for the layer after its own, which is not declared; set `select = no`");
    const ir_attr *start = verify_get(v, IR_KEY_start), *busy = verify_get(v, IR_KEY_busy);
    const ir_attr *done = verify_get(v, IR_KEY_done);
    if (start && busy && done && (done->i < start->i || done->i - start->i < busy->i))
        verify_error(v, op, "`done` is before `start` + `busy`");
}
