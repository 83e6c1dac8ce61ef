/* The rows of isa.def as data, and the names that instructions are written with. */
#include <stdio.h>
#include <string.h>

#include "runtime/isa/isa.h"

/* clang-format off */
/* Every instruction fits its 32 bytes and its operands fit dtq_instr.f. */
#define ISA_OP(name, mnemonic, engine, doc) _Static_assert(16
#define ISA_FIELD(op, name, bits, kind, doc) + bits
#define ISA_END(op) <= 8 * DTQ_INSTR_BYTES, #op ": its fields exceed 240 bits");
#include "runtime/isa/isa.def"
#define ISA_OP(name, mnemonic, engine, doc) _Static_assert(0
#define ISA_FIELD(op, name, bits, kind, doc) + 1
#define ISA_END(op) <= DTQ_FIELDS_MAX, #op ": it has more fields than dtq_instr holds");
#include "runtime/isa/isa.def"

static const dtq_field_info field_table[] = {
#define ISA_OP(name, mnemonic, engine, doc)
#define ISA_FIELD(op, name, bits, kind, doc) {#name, bits, DTQ_KIND_##kind, doc},
#define ISA_END(op)
#include "runtime/isa/isa.def"
};

const dtq_op_info dtq_ops[DTQ_OP_COUNT] = {
#define ISA_OP(name, mnemonic, engine, doc) {mnemonic, DTQ_CLASS_##engine, doc, &field_table[DTQ_FIRST_##name], 0
#define ISA_FIELD(op, name, bits, kind, doc) + 1
#define ISA_END(op) },
#include "runtime/isa/isa.def"
};

const uint16_t dtq_op_touches[DTQ_OP_COUNT] = {
#define ISA_OP(name, mnemonic, engine, doc)
#define ISA_FIELD(op, name, bits, kind, doc)
#define ISA_TOUCHES(op, flags) [DTQ_OP_##op] = (flags),
#define ISA_END(op)
#include "runtime/isa/isa.def"
};
/* clang-format on */

uint64_t dtq_field_none(const dtq_field_info *f) {
    return dtq_ones(f->bits);
}

bool dtq_queue_serves(unsigned queue, unsigned engine_class) {
    if (engine_class == DTQ_CLASS_ANY)
        return true;
    return engine_class == DTQ_CLASS_ARRAY ? queue >= DTQ_ARRAY0 : queue == engine_class;
}

static const char *const engine_names[DTQ_ARRAY0] = {"host", "load", "softmax", "topk", "store"};

const char *dtq_queue_name(unsigned queue, char *buf) {
    if (queue < DTQ_ARRAY0)
        strcpy(buf, engine_names[queue]);
    else
        snprintf(buf, 16, "array%u", (queue - DTQ_ARRAY0) & 0xffffu);
    return buf;
}

int dtq_queue_parse(const char *name, size_t length) {
    for (int q = 0; q < DTQ_ARRAY0; q++)
        if (strlen(engine_names[q]) == length && memcmp(engine_names[q], name, length) == 0)
            return q;
    static const char prefix[] = "array";
    const size_t skip = sizeof prefix - 1;
    if (length <= skip || length > skip + 3 || memcmp(name, prefix, skip) != 0)
        return -1;
    if (name[skip] == '0' && length > skip + 1) /* one spelling for each queue */
        return -1;
    int array = 0;
    for (size_t i = skip; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        array = array * 10 + (name[i] - '0');
    }
    return array <= DTQ_QUEUE_MAX - DTQ_ARRAY0 ? DTQ_ARRAY0 + array : -1;
}

const char *dtq_enum_word(const dtq_field_info *f, unsigned index, size_t *length) {
    const char *word = strchr(f->doc, '{');
    if ((f->kind != DTQ_KIND_ENUM && f->kind != DTQ_KIND_FLAG) || !word)
        return NULL;
    for (word++;; word++) {
        size_t n = 0;
        while (word[n] && word[n] != '|' && word[n] != '}')
            n++;
        if (index-- == 0) {
            *length = n;
            return word;
        }
        word += n;
        if (*word != '|')
            return NULL;
    }
}

unsigned dtq_enum_count(const dtq_field_info *f) {
    unsigned count = 0;
    size_t length;
    while (dtq_enum_word(f, count, &length))
        count++;
    return count;
}

int dtq_layer_field(unsigned op) {
    for (int i = 0; i < dtq_ops[op].field_count; i++)
        if (dtq_ops[op].fields[i].kind == DTQ_KIND_LAYER)
            return i;
    return -1;
}
