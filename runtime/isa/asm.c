/* The assembler: text (runtime/isa/ISA.md, "Text form") to a program. One error ends it, with its place. */
#include <string.h>

#include "runtime/base/points.h"
#include "runtime/entry.h"
#include "runtime/isa/asm.h"
#include "runtime/isa/isa.h"
#include "runtime/isa/program.h"
#include "runtime/isa/sources.h"

/* "name" or $index. `names` says which names there are; `what` one is. */
static bool take_reference(assembler *a, const char *what, const dtq_names *names, size_t count, uint32_t *index) {
    const dtq_token t = a->token;
    if (dtq_asm_is_mark(a, '$')) {
        uint64_t value;
        dtq_asm_advance(a);
        if (!dtq_asm_whole(a, "an index", UINT32_MAX, &value))
            return false;
        *index = (uint32_t)value;
        return true;
    }
    const char *text;
    size_t length;
    if (!dtq_asm_string(a, what, &text, &length))
        return false;
    *index = dtq_names_find(names, text, length);
    if (*index != UINT32_MAX)
        return true;
    if (names == &a->strings) { /* strings need no row of their own before their use */
        *index = (uint32_t)count;
        return dtq_asm_add_string(a, text, length);
    }
    dtq_suggest s;
    dtq_suggest_init(&s, text, length);
    for (size_t i = 0; i < names->size; i++)
        if (names->places[i].index != UINT32_MAX)
            dtq_suggest_offer(&s, names->places[i].text, names->places[i].length);
    return dtq_asm_unknown(a, &t, what, &s);
}

static bool take_queue(assembler *a, const char *what, uint64_t *queue) {
    const dtq_token t = a->token;
    if (t.kind != DTQ_TOKEN_WORD)
        return dtq_asm_expected(a, what);
    int number = dtq_queue_parse(t.text, t.length);
    if (number < 0) {
        dtq_suggest s;
        char name[16], other[DTQ_ARRAY0 + 1][16];
        dtq_suggest_init(&s, t.text, t.length);
        for (unsigned q = 0; q <= DTQ_ARRAY0; q++) {
            strcpy(other[q], dtq_queue_name(q, name));
            dtq_suggest_offer(&s, other[q], strlen(other[q]));
        }
        return dtq_asm_unknown(a, &t, "queue", &s);
    }
    dtq_asm_advance(a);
    *queue = (unsigned)number;
    return true;
}

static bool take_field(assembler *a, const dtq_field_info *f, uint64_t *value) {
    double real;
    float single;
    uint32_t index, bits;
    if ((f->kind == DTQ_KIND_BUF || f->kind == DTQ_KIND_TENSOR) && dtq_token_is(&a->token, "none")) {
        dtq_asm_advance(a);
        *value = dtq_field_none(f);
        return true;
    }
    const dtq_token t = a->token;
    switch (f->kind) {
    case DTQ_KIND_ENGINE:
        return take_queue(a, "a queue", value);
    case DTQ_KIND_ENUM:
    case DTQ_KIND_FLAG:
        return dtq_asm_word(a, f->name, strchr(f->doc, '{') + 1, value);
    case DTQ_KIND_TENSOR:
        if (!take_reference(a, "tensor", &a->tensors, a->program->tensor_count, &index))
            return false;
        *value = index;
        return index < dtq_field_none(f) || dtq_asm_fail(a, &t, "instructions name the first 65535 tensors only");
    case DTQ_KIND_F32:
        if (t.kind == DTQ_TOKEN_NUMBER && t.length > 2 && t.text[1] == 'x')
            return dtq_asm_whole(a, f->name, UINT32_MAX, value);
        if (!dtq_asm_real(a, f->name, true, &real))
            return false;
        single = (float)real;
        memcpy(&bits, &single, sizeof bits);
        *value = bits;
        return true;
    default:
        return dtq_asm_whole(a, f->name, dtq_ones(f->bits), value);
    }
}

/* @ "op" "file":line:col layer=… head=… */
static bool take_source(assembler *a, const dtq_instr *in, dtq_source *s) {
    dtq_program *p = a->program;
    dtq_source_of_instr(in, s);
    if (!take_reference(a, "the op's name", &a->strings, p->string_count, &s->op))
        return false;
    if (a->token.kind == DTQ_TOKEN_STRING || dtq_asm_is_mark(a, '$')) {
        uint64_t line, col;
        if (!take_reference(a, "the file's name", &a->strings, p->string_count, &s->file) ||
            !dtq_asm_expect_mark(a, ':') || !dtq_asm_whole(a, "the line", UINT32_MAX, &line) ||
            !dtq_asm_expect_mark(a, ':') || !dtq_asm_whole(a, "the column", UINT32_MAX, &col))
            return false;
        s->line = (uint32_t)line;
        s->col = (uint32_t)col;
    }
    while (a->token.kind == DTQ_TOKEN_WORD) {
        const dtq_token t = a->token;
        unsigned key = 0;
        dtq_suggest near;
        dtq_suggest_init(&near, t.text, t.length);
        for (; key < DTQ_SOURCE_KEYS && !dtq_token_is(&t, dtq_source_keys[key].key); key++)
            dtq_suggest_offer(&near, dtq_source_keys[key].key, strlen(dtq_source_keys[key].key));
        if (key == DTQ_SOURCE_KEYS)
            return dtq_asm_unknown(a, &t, "key", &near);
        dtq_asm_advance(a);
        if (!dtq_asm_expect_mark(a, '='))
            return false;
        uint64_t value = UINT32_MAX;
        if (dtq_token_is(&a->token, "none"))
            dtq_asm_advance(a);
        else if (!dtq_asm_whole(a, dtq_source_keys[key].key, UINT32_MAX, &value))
            return false;
        dtq_source_set(s, key, (uint32_t)value);
    }
    return true;
}

static bool take_op(assembler *a, dtq_instr *in) {
    const dtq_token t = a->token;
    if (t.kind != DTQ_TOKEN_WORD)
        return dtq_asm_expected(a, "an instruction");
    dtq_suggest s;
    dtq_suggest_init(&s, t.text, t.length);
    for (in->op = 0; in->op < DTQ_OP_COUNT && !dtq_token_is(&t, dtq_ops[in->op].mnemonic); in->op++)
        dtq_suggest_offer(&s, dtq_ops[in->op].mnemonic, strlen(dtq_ops[in->op].mnemonic));
    if (in->op == DTQ_OP_COUNT)
        return dtq_asm_unknown(a, &t, "instruction", &s);
    char name[16];
    if (!dtq_queue_serves(in->queue, dtq_ops[in->op].engine_class))
        return dtq_asm_fail(a, &t, "queue %s cannot execute %s", dtq_queue_name(in->queue, name),
                            dtq_ops[in->op].mnemonic);
    dtq_asm_advance(a);
    return true;
}

static bool take_fields(assembler *a, dtq_instr *in) {
    const dtq_op_info *op = &dtq_ops[in->op];
    unsigned seen = 0;
    while (a->token.kind == DTQ_TOKEN_WORD) {
        const dtq_token t = a->token;
        unsigned i = 0;
        dtq_suggest s;
        while (i < op->field_count && !dtq_token_is(&t, op->fields[i].name))
            i++;
        if (i == op->field_count) {
            dtq_suggest_init(&s, t.text, t.length);
            for (i = 0; i < op->field_count; i++)
                dtq_suggest_offer(&s, op->fields[i].name, strlen(op->fields[i].name));
            return dtq_asm_unknown(a, &t, "operand", &s);
        }
        if (seen >> i & 1)
            return dtq_asm_fail(a, &t, "%s stands twice", op->fields[i].name);
        seen |= 1u << i;
        dtq_asm_advance(a);
        if (!dtq_asm_expect_mark(a, '=') || !take_field(a, &op->fields[i], &in->f[i]))
            return false;
    }
    for (unsigned i = 0; i < op->field_count; i++)
        if (!(seen >> i & 1) && op->fields[i].kind != DTQ_KIND_FLAG)
            return dtq_asm_fail(a, &a->token, "%s needs %s=", op->mnemonic, op->fields[i].name);
    return true;
}

static bool take_instr(assembler *a) {
    const dtq_token start = a->token;
    uint64_t queue = 0;
    dtq_instr in = {0};
    if (!dtq_asm_close_layer(a))
        return false;
    if (!a->stream)
        return dtq_asm_fail(a, &start, "an instruction outside a .stream");
    if (!take_queue(a, "a queue or a directive", &queue) || !dtq_asm_expect_mark(a, ':'))
        return false;
    in.queue = (uint8_t)queue;
    if (!take_op(a, &in) || !take_fields(a, &in))
        return false;
    dtq_stream *s = a->stream;
    if (s->count && dtq_asm_is_mark(a, '@') != (s->sources != NULL))
        return dtq_asm_fail(a, &a->token, "all instructions of a stream have a source (@), or none");
    if (!dtq_asm_grow(a, &s->instrs, s->count, sizeof *s->instrs))
        return false;
    s->instrs[s->count] = in;
    if (dtq_asm_is_mark(a, '@')) {
        dtq_asm_advance(a);
        if (!dtq_asm_grow(a, &s->sources, s->count, sizeof *s->sources) || !take_source(a, &in, &s->sources[s->count]))
            return false;
    }
    s->count++;
    return dtq_asm_expect_line_end(a);
}

static bool take_all(assembler *a) {
    dtq_asm_advance(a);
    while (a->token.kind != DTQ_TOKEN_END)
        if (a->token.kind == DTQ_TOKEN_LINE)
            dtq_asm_advance(a);
        else if (a->token.kind == DTQ_TOKEN_DIRECTIVE ? !dtq_asm_directive(a) : !take_instr(a))
            return false;
    if (!dtq_asm_close_layer(a))
        return false;
    if (!a->versioned)
        return dtq_asm_fail(a, &a->token, "a program begins with .version %d", DTQ_CONTAINER_VERSION);
    if (!a->described)
        return dtq_asm_fail(a, &a->token, "the program has no .program");
    a->program->target_hash = dtq_machine_hash(a->program->machine);
    dtq_error why;
    return dtq_program_check(a->program, &why) ||
           dtq_fail(a->error, DTQ_BAD_PROGRAM, "%.200s: error: %.800s", a->name, why.message);
}

bool dtq_do_assemble(const char *name, const char *text, size_t bytes, dtq_program **out, dtq_error *e) {
    assembler a = {.name = name, .error = e};
    *out = NULL;
    a.program = dtq_program_new(&a.pool, e);
    if (!a.program)
        return false;
    a.program->model = a.program->tokenizer = "";
    dtq_machine_init(a.program->machine);
    dtq_lexer_init(&a.lexer, text, bytes);
    const dtq_points points = dtq_points_begin();
    bool ok = take_all(&a);
    dtq_points_end(points);
    dtq_names_free(&a.strings);
    dtq_names_free(&a.tensors);
    if (ok)
        *out = a.program;
    else
        dtq_program_free(a.program);
    return ok;
}
