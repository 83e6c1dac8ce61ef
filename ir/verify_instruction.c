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
}

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
    if (fits && good && !by_operand)
        *good = space;
    else if (!fits)
        verify_error(v, op, "operand %zu%s%s is a buffer in `%s`; it must be in `%.*s`", index + 1, field ? ", " : "",
                     field ? field->name : "", space, (int)n, want);
}

void verify_spaces(verifier *v, size_t op) {
    for (size_t i = 0; i < v->m->ops[op].operand_count; i++)
        verify_space(v, op, i);
}

/* Whether a field that counts slots counts keys: `col` does, and the rows of keys and values that a load gathers. */
static bool counts_keys(const verify_code *code, unsigned field, const char *operand) {
    return code->is_column[field] || (operand && strcmp(operand, "q") != 0);
}

static void verify_layer_fields(verifier *v, size_t op, const dtq_op_info *info, const verify_code *code) {
    const int *keys = code->field_keys;
    const char *operand = verify_text(v, v->operand);
    const verify_layer *layer = NULL;
    int64_t number = -1;
    for (unsigned f = 0; f < info->field_count; f++) {
        if (keys[f] < 0)
            continue;
        dtq_field_kind kind = info->fields[f].kind;
        if (kind == DTQ_KIND_LAYER) {
            number = verify_number(v, (unsigned)keys[f], -1);
            layer = verify_find_layer(v, number);
            if (!layer)
                verify_error(v, op, "layer %lld is not declared; add a `layer` op with `index = %lld`",
                             (long long)number, (long long)number);
        } else if (layer && kind == DTQ_KIND_HEAD) {
            int64_t heads = operand && strcmp(operand, "q") != 0 ? layer->kv_heads : layer->query_heads;
            int64_t head = verify_number(v, (unsigned)keys[f], 0);
            if (head >= heads)
                verify_error(v, op, "`%s` is %lld, but layer %lld has %lld of them, numbered from 0",
                             info->fields[f].name, (long long)head, (long long)number, (long long)heads);
        } else if (layer && kind == DTQ_KIND_SLOT && f + 1 < info->field_count &&
                   info->fields[f + 1].kind == DTQ_KIND_COUNT) {
            int64_t first = verify_number(v, (unsigned)keys[f], 0);
            int64_t count = verify_number(v, (unsigned)keys[f + 1], 0);
            bool of_keys = counts_keys(code, f, operand);
            if (of_keys && count >= 1 && first + count <= layer->slots &&
                (first < layer->key_first || first + count > layer->key_first + layer->keys))
                verify_error(
                    v, op, "slots %lld..%lld (`%s`, `%s`) are not all keys; those of layer %lld are %lld..%lld",
                    (long long)first, (long long)(first + count), info->fields[f].name, info->fields[f + 1].name,
                    (long long)number, (long long)layer->key_first, (long long)(layer->key_first + layer->keys));
            if (!of_keys && count >= 1 && first + count <= layer->slots &&
                (first < layer->query_first || first + count > layer->query_first + layer->queries))
                verify_error(
                    v, op, "slots %lld..%lld (`%s`, `%s`) are not all queries; those of layer %lld are %lld..%lld",
                    (long long)first, (long long)(first + count), info->fields[f].name, info->fields[f + 1].name,
                    (long long)number, (long long)layer->query_first, (long long)(layer->query_first + layer->queries));
            if (count < 1 || first + count > layer->slots)
                verify_error(v, op, "slots %lld..%lld (`%s`, `%s`) are not in the %lld slots of layer %lld",
                             (long long)first, (long long)(first + count), info->fields[f].name,
                             info->fields[f + 1].name, (long long)layer->slots, (long long)number);
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
    for (unsigned f = 0; f < info->field_count; f++)
        if (info->fields[f].kind == DTQ_KIND_ENGINE && verify_number(v, (unsigned)met->field_keys[f], -1) == queue)
            verify_error(v, op, "queue %s would wait for itself; tokens go from one queue to another",
                         dtq_queue_name((unsigned)queue, name));
    verify_layer_fields(v, op, info, met);
    if (code == IR_I_TOPK && strcmp(verify_text(v, v->select), "yes") == 0 &&
        !verify_find_layer(v, verify_number(v, v->layer, 0) + 1))
        verify_error(v, op, "it selects for the layer after its own, which is not declared; set `select = no`");
    const ir_attr *start = verify_get(v, IR_KEY_start), *busy = verify_get(v, IR_KEY_busy);
    const ir_attr *done = verify_get(v, IR_KEY_done);
    if (start && busy && done && (done->i < start->i || done->i - start->i < busy->i))
        verify_error(v, op, "`done` is before `start` + `busy`");
}
