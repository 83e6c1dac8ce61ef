/* Reads the text form of a module, statement by statement: the ops; the header is in parse_header.c. Grammar: IR.md. */
#include <stdlib.h>
#include <string.h>

#include "ir/parse.h"
#include "ir/tables.h"

/* Bytes of what is repeated, and of a block, written out. */
enum { REPEATED_MAX = 1 << 26, BLOCK_MAX = 1 << 28 };

/* ---- ops --------------------------------------------------------------------------------------------------------- */

static bool parse_type(parser *p, ir_type *type) {
    scanner *s = &p->scan;
    const char *text = NULL, *known[IR_ELEMS];
    size_t n = 0;
    scan_peek(s);
    src_loc loc = scan_here(s);
    if (scan_take(s, '?')) {
        type->elem = IR_ELEM_NONE;
    } else {
        if (!scan_word(s, &text, &n))
            return scan_expected(s, "a type: f32, u32, ids, buffer or ?");
        unsigned elem = 0;
        for (; elem < IR_ELEMS && !scan_same(text, n, ir_elem_name((ir_elem)elem)); elem++)
            known[elem] = ir_elem_name((ir_elem)elem);
        if (elem == IR_ELEMS)
            return scan_error(s, loc, "unknown type `%.*s`%s Types are f32, u32, ids, buffer and ?", (int)n, text,
                              scan_suggestion(s, text, n, known, IR_ELEMS));
        type->elem = (uint8_t)elem;
    }
    if (!scan_take(s, '['))
        return true;
    do {
        uint64_t dim = 0;
        if (type->rank == 3)
            return scan_error(s, scan_here(s), "a type has at most 3 dimensions");
        if (!scan_unsigned(s, UINT32_MAX, &dim))
            return false;
        type->dim[type->rank++] = (uint32_t)dim;
    } while (scan_take(s, ','));
    return scan_need(s, ']', "`,` or `]`");
}

/* The name of a value after its %, as it stands in the text. */
static bool parse_value_name(parser *p, const char **text, size_t *n) {
    scanner *s = &p->scan;
    if (!scan_need(s, '%', "a value, %name"))
        return false;
    const char *at = s->at;
    if (scan_word(s, text, n) && *text == at)
        return true;
    s->at = at;
    return scan_expected(s, "the name of a value right after `%`");
}

/* A name's number, and in *prefix the length of what stands in front of it. */
static bool number_of(const char *text, size_t n, size_t *prefix, int64_t *number) {
    char digits[12];
    size_t at = n;
    while (at > 0 && ((text[at - 1] >= '0' && text[at - 1] <= '9') || text[at - 1] == '-'))
        at--;
    *prefix = at;
    if (n == at || n - at >= sizeof digits)
        return false;
    char *end;
    memcpy(digits, text + at, n - at);
    digits[n - at] = '\0';
    *number = strtoll(digits, &end, 10);
    return *end == '\0';
}

/* What a value is called this time, of %k0..%k12. */
static bool count_names(parser *p, src_loc loc, parse_counting *c, const char **text, size_t *n) {
    scanner *s = &p->scan;
    const char *last = NULL;
    size_t length = 0, prefix[2];
    int64_t first, end, now;
    if (!parse_value_name(p, &last, &length))
        return false;
    if (!number_of(*text, *n - 2, &prefix[0], &first) || !number_of(last, length, &prefix[1], &end) ||
        prefix[0] != prefix[1] || memcmp(*text, last, prefix[0]) != 0)
        return scan_error(s, loc, "values that count up have numbers, and the same in front of them: %%k0..%%k12");
    if ((scan_take(s, '*') && !parse_times(s, &c->behind)) || !parse_count(p, loc, c, first, end, &now))
        return false;
    *text = arena_printf(s->scratch, "%.*s%lld", (int)prefix[0], *text, (long long)now);
    *n = strlen(*text);
    return true;
}

/* What a value is called in this pass of a block, of %k0+12. */
static bool count_on(parser *p, src_loc loc, const char **text, size_t *n) {
    size_t prefix;
    int64_t number;
    if (!number_of(*text, *n, &prefix, &number))
        return scan_error(&p->scan, loc, "values that count on have numbers: %%k0+12");
    if (!parse_step(p, &number))
        return false;
    *text = arena_printf(p->scan.scratch, "%.*s%lld", (int)prefix, *text, (long long)number);
    *n = strlen(*text);
    return true;
}

/* space[bytes, address, "name"] behind the `:` of an operand: the buffer that it is, declared here. */
static bool parse_buffer(parser *p, src_loc loc, const char *text, size_t n, ir_value *value) {
    scanner *s = &p->scan;
    ir_attr space = {.key = IR_KEY_space, .kind = IR_KIND_WORD}, bytes = {.key = IR_KEY_bytes, .kind = IR_KIND_INT};
    ir_attr address = {.key = IR_KEY_address, .kind = IR_KIND_INT}, name = {.key = IR_KEY_name, .kind = IR_KIND_STR};
    bool addressed = false, named = false, added;
    if (!parse_word_value(p, IR_BUFFER, &space) || !scan_need(s, '[', "`[` and the bytes of the buffer") ||
        !parse_counted(p, &bytes.i))
        return false;
    while (scan_take(s, ',')) {
        if (scan_peek(s) == '"' && !named) {
            named = true;
            if (!scan_string(s, &name.s))
                return false;
        } else if (named || addressed) {
            return scan_expected(s, "`]`: a buffer has bytes, an address and a name");
        } else {
            addressed = true;
            if (!parse_counted(p, &address.i))
                return false;
        }
    }
    if (!scan_need(s, ']', "`,` or `]`"))
        return false;
    if (p->time && names_find(&p->values, text, n)) { /* the same buffer each time */
        *value = names_find(&p->values, text, n)->number;
        return true;
    }
    size_t op = ir_append(p->m, IR_BUFFER, NULL, 0, (ir_type){.elem = IR_ELEM_BUFFER}, loc);
    *value = p->m->ops[op].result;
    names_add(&p->values, text, n, *value, &added);
    if (!added)
        return scan_error(s, loc, "`%%%.*s` is defined twice; rename one", (int)n, text);
    ir_set(p->m, op, &space);
    ir_set(p->m, op, &bytes);
    if (named)
        ir_set(p->m, op, &name);
    if (addressed)
        ir_set(p->m, op, &address);
    return true;
}

/* Operands of an op that makes a value, or of one that does not and may declare buffers. */
static bool parse_operands(parser *p, bool declares) {
    scanner *s = &p->scan;
    list *operands = &p->operands;
    operands->count = 0;
    char next = scan_peek(s);
    if (next != '%' && next != '_' && !(next >= '0' && next <= '9'))
        return true;
    do {
        const char *text = NULL;
        size_t n = 0;
        parse_counting c = {1, 1};
        next = scan_peek(s);
        src_loc loc = scan_here(s);
        if (operands->count == UINT16_MAX)
            return scan_error(s, loc, "no op has that many operands");
        ir_value *value = parse_list_next(s->scratch, operands, sizeof *value);
        if (scan_take(s, '_')) {
            *value = IR_NONE;
            continue;
        }
        if (next >= '0' && next <= '9' && (!parse_times(s, &c.before) || !scan_need(s, '*', "`*` and the values")))
            return false;
        if (!parse_value_name(p, &text, &n))
            return false;
        if (n > 2 && text[n - 1] == '.' && text[n - 2] == '.' && s->at < s->end && *s->at == '%') {
            if (!count_names(p, loc, &c, &text, &n))
                return false;
        } else if (c.before > 1) {
            return scan_error(s, loc, "values that count up are %%k0..%%k12; `%%%.*s` is one", (int)n, text);
        }
        if (scan_peek(s) == '+' && !count_on(p, loc, &text, &n))
            return false;
        if (declares && scan_peek(s) == ':') {
            s->at++;
            if (!parse_buffer(p, loc, text, n, value))
                return false;
            continue;
        }
        const names_entry *entry = names_find(&p->values, text, n);
        if (!entry)
            return scan_error(s, loc, "`%%%.*s` is not defined above this line; define it first or use another value",
                              (int)n, text);
        *value = entry->number;
    } while (scan_take(s, ','));
    return true;
}

static const char *plural(size_t n) {
    return n == 1 ? "" : "s";
}

static bool check_operand_count(parser *p, src_loc loc, const ir_op_info *info, size_t given) {
    size_t least = (size_t)(info->operands >= 0 ? info->operands : -1 - info->operands);
    if (info->operands >= 0 ? given == least : given >= least)
        return true;
    return scan_error(&p->scan, loc, "`%s` takes %s%zu operand%s, not %zu", info->spelling,
                      info->operands < 0 ? "at least " : "", least, plural(least), given);
}

/* The opcode spelled `text`, legal at the module's level. */
static bool find_op(parser *p, src_loc loc, const char *text, size_t n, ir_opcode *code) {
    scanner *s = &p->scan;
    ir_level level = p->m->level;
    *code = ir_opcode_find(text, n);
    if (*code < IR_OPCODES && ir_info(*code)->levels >> level & 1)
        return true;
    if (*code < IR_OPCODES) {
        const char *legal[IR_LEVELS];
        size_t count = 0;
        for (unsigned l = 0; l < IR_LEVELS; l++)
            if (ir_info(*code)->levels >> l & 1)
                legal[count++] = ir_level_name((ir_level)l);
        return scan_error(s, loc, "`%.*s` is no op of the %s level; it belongs to %s", (int)n, text,
                          ir_level_name(level), scan_listed(s, legal, count));
    }
    const char *known[IR_OPCODES];
    size_t count = 0;
    for (ir_opcode c = 0; c < IR_OPCODES; c++)
        if (ir_info(c)->levels >> level & 1)
            known[count++] = ir_info(c)->spelling;
    return scan_error(s, loc, "unknown op `%.*s`%s", (int)n, text, scan_suggestion(s, text, n, known, count));
}

/* No two ops stand on one line. */
static void note_origin(parser *p, uint32_t line, src_loc origin) {
    while (p->origins.count <= line)
        *(src_loc *)parse_list_next(p->m->arena, &p->origins, sizeof(src_loc)) = (src_loc){0};
    ((src_loc *)p->origins.items)[line] = origin;
}

/* [%name =] op operands {attributes} : type @ "file":line:col; `text` is the op's spelling, already taken. */
static bool parse_op(parser *p, const char *result, size_t result_length, const char *text, size_t n) {
    scanner *s = &p->scan;
    ir_module *m = p->m;
    src_loc loc = scan_place(s, result ? result - 1 : text), op_loc = scan_place(s, text);
    ir_opcode code;
    if (!find_op(p, op_loc, text, n, &code))
        return false;
    const ir_op_info *info = ir_info(code);
    if (info->results && !result)
        return scan_error(s, op_loc, "`%s` makes a value; write `%%name = %s ...`", info->spelling, info->spelling);
    if (!info->results && result)
        return scan_error(s, loc, "`%s` makes no value; remove `%%%.*s =`", info->spelling, (int)result_length, result);
    if (!parse_operands(p, !info->results && m->level >= IR_SCHEDULE) ||
        !check_operand_count(p, op_loc, info, p->operands.count))
        return false;
    size_t op = ir_append(m, code, p->operands.items, p->operands.count, (ir_type){0}, loc);
    if (result) {
        bool added;
        names_add(&p->values, result, result_length, m->ops[op].result, &added);
        if (!added)
            return scan_error(s, loc, "`%%%.*s` is defined twice; rename one", (int)result_length, result);
    }
    if (!parse_attrs(p, code, op))
        return false;
    if (scan_peek(s) == ':' && info->results) {
        s->at++;
        if (!parse_type(p, &m->types[m->ops[op].result]))
            return false;
    }
    src_loc origin = {0};
    if (!parse_origin(p, &origin))
        return false;
    if (origin.file) /* of the buffers that the op declares, too */
        note_origin(p, loc.line, origin);
    return parse_line_end(p);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

/* Past empty lines and comments. */
static void skip_empty(scanner *s) {
    while (scan_peek(s) == '\n')
        scan_skip_line(s);
}

/* Whether a word says how often what follows it is there: 12x. */
static bool is_times(const char *text, size_t n) {
    return n > 1 && text[n - 1] == 'x' && strspn(text, "0123456789") == n - 1;
}

/* How often, of digits; more than REPEATS_MAX if it is more. */
static uint64_t times_of(const char *digits, size_t n) {
    uint64_t times = 0;
    for (size_t i = 0; i < n && times <= REPEATS_MAX; i++)
        times = 10 * times + (uint64_t)(digits[i] - '0');
    return times;
}

/* 12x op, and on lines that begin with a bar the other ops: 12 times the first and these, counted up. They are read as
 * often. */
static bool parse_repeat(parser *p, src_loc loc, const char *digits, size_t n) {
    scanner *s = &p->scan;
    const uint64_t times = times_of(digits, n);
    if (p->m->level < IR_SCHEDULE)
        return scan_error(s, loc, "ops of the schedule and stream levels are repeated; write these out");
    if (times < 2 || times > REPEATS_MAX)
        return scan_error(s, loc, "ops are repeated 2 to %d times", REPEATS_MAX);
    const char *const body = s->at, *const body_line = s->line_start;
    const uint32_t line = s->line;
    const src_loc before = p->last_location;
    bool good = true;
    p->times = times;
    for (p->time = 0; good && p->time < times; p->time++) {
        s->at = body;
        s->line_start = body_line;
        s->line = line;
        p->last_location = before; /* `^` says the same each time */
        do {
            const char *text = NULL;
            size_t length = 0;
            scan_peek(s);
            good = scan_word(s, &text, &length) ? parse_op(p, NULL, 0, text, length) : scan_expected(s, "an op");
            skip_empty(s);
        } while (good && scan_take(s, '|'));
        if (good && times * (uint64_t)(s->at - body) > REPEATED_MAX)
            good = scan_error(s, loc, "the repeat has more than %d bytes, written out; nothing here is that long",
                              REPEATED_MAX);
    }
    p->time = p->times = 0;
    p->written += (times - 1) * (uint64_t)(s->at - body);
    return good;
}

/* An op, or ops that are repeated; `text` is a word that has been taken at `loc`. */
static bool parse_ops(parser *p, src_loc loc, const char *text, size_t n) {
    return is_times(text, n) ? parse_repeat(p, loc, text, n - 1) : parse_op(p, NULL, 0, text, n);
}

static bool parse_pass(parser *p, src_loc loc) {
    scanner *s = &p->scan;
    for (;;) {
        const char *text = NULL, *const at = s->at;
        size_t n = 0;
        skip_empty(s);
        if (scan_take(s, '}'))
            return parse_line_end(p);
        const src_loc here = scan_here(s);
        if (s->at == s->end)
            return scan_error(s, loc, "the block that begins here has no end; write `}` behind its ops");
        if (!scan_word(s, &text, &n))
            return scan_expected(s, "an op of the block, or `}`");
        if (is_times(text, n) && scan_peek(s) == '{')
            return scan_error(s, here, "a block stands in no other block");
        if (!parse_ops(p, here, text, n))
            return false;
        p->written += (uint64_t)(s->at - at);
        if (p->written > BLOCK_MAX)
            return scan_error(s, loc, "the block has more than %d bytes, written out; nothing here is that long",
                              BLOCK_MAX);
    }
}

/* 12x { and on the lines behind it ops, up to a }: read 12 times, and what counts on is more each time. */
static bool parse_block(parser *p, src_loc loc, const char *digits, size_t n) {
    scanner *s = &p->scan;
    const uint64_t passes = times_of(digits, n);
    if (p->m->level < IR_SCHEDULE)
        return scan_error(s, loc, "ops of the schedule and stream levels are repeated; write these out");
    if (passes < 2 || passes > REPEATS_MAX)
        return scan_error(s, loc, "blocks are repeated 2 to %d times", REPEATS_MAX);
    if (!scan_need(s, '{', "`{`") || !parse_line_end(p))
        return false;
    const char *const body = s->at, *const body_line = s->line_start;
    const uint32_t line = s->line;
    const src_loc before = p->last_location;
    bool good = true;
    p->passes = passes;
    p->written = 0;
    for (p->pass = 0; good && p->pass < passes; p->pass++) {
        s->at = body;
        s->line_start = body_line;
        s->line = line;
        p->last_location = before; /* `^` says the same each time */
        p->last_source = NULL;
        good = parse_pass(p, loc);
    }
    p->pass = p->passes = 0;
    p->last_source = NULL;
    while (!good && s->at < s->end && *s->at != '}') /* what is wrong in it is said once */
        scan_skip_line(s);
    return good;
}

static bool parse_statement(parser *p) {
    scanner *s = &p->scan;
    const char *result = NULL, *text = NULL;
    size_t result_length = 0, n = 0;
    if (scan_peek(s) == '%' && (!parse_value_name(p, &result, &result_length) || !scan_need(s, '=', "`=` and an op")))
        return false;
    scan_peek(s);
    src_loc loc = scan_here(s);
    if (!scan_word(s, &text, &n))
        return scan_expected(s, "an op");
    if (result)
        return parse_op(p, result, result_length, text, n);
    if (scan_peek(s) == '=') {
        if (scan_same(text, n, "passes"))
            return parse_passes(p, loc);
        return parse_header_setting(p, text, n);
    }
    if (scan_same(text, n, "machine"))
        return parse_machine(p, loc);
    if (scan_same(text, n, "tensor"))
        return parse_tensor(p, loc);
    if (scan_same(text, n, "weights"))
        return parse_weights(p, loc);
    return is_times(text, n) && scan_peek(s) == '{' ? parse_block(p, loc, text, n - 1) : parse_ops(p, loc, text, n);
}

/* dtir 1 level */
static bool parse_first_line(parser *p) {
    scanner *s = &p->scan;
    const char *text = NULL;
    size_t n = 0;
    uint64_t version = 0;
    s->inside = true; /* comments and empty lines may come first */
    scan_blanks(s);
    s->inside = false;
    src_loc loc = scan_here(s);
    if (!scan_word(s, &text, &n) || !scan_same(text, n, "dtir"))
        return scan_error(s, loc,
                          "this is no IR text; its first line must be `dtir 1 graph`, `dtir 1 tile`, "
                          "`dtir 1 schedule` or `dtir 1 stream`");
    scan_peek(s);
    loc = scan_here(s);
    if (!scan_unsigned(s, UINT64_MAX, &version))
        return false;
    if (version != 1)
        return scan_error(s, loc, "version %llu of the IR is unknown; this program reads version 1",
                          (unsigned long long)version);
    scan_peek(s);
    loc = scan_here(s);
    if (!scan_word(s, &text, &n))
        return scan_expected(s, "a level: graph, tile, schedule or stream");
    for (unsigned level = 0; level < IR_LEVELS; level++)
        if (scan_same(text, n, ir_level_name((ir_level)level))) {
            p->m->level = (ir_level)level;
            return parse_line_end(p);
        }
    return scan_error(s, loc, "unknown level `%.*s`; it is graph, tile, schedule or stream", (int)n, text);
}

/* After an error: to the next line that begins a statement, which blanks, bars and closing braces do not. */
static void resume(scanner *s) {
    s->inside = false;
    do
        scan_skip_line(s);
    while (s->at < s->end && strchr(" \t}|", *s->at));
}

ir_module *ir_parse(arena *a, diag *d, const char *file, const char *text, size_t bytes) {
    arena *scratch = arena_new();
    parser *p = ARENA_NEW(scratch, parser);
    p->values.arena = scratch;
    p->m = ir_module_new(a, IR_GRAPH);
    p->m->text_file = arena_strdup(a, file);
    scanner *s = &p->scan;
    scan_init(s, a, scratch, d, p->m->text_file, text, bytes);
    if (bytes >= UINT32_MAX)
        scan_error(s, (src_loc){p->m->text_file, 0, 0}, "the file has 4 GiB or more; this is no IR text");
    else if (parse_first_line(p))
        while (s->errors < SCAN_ERRORS_MAX) {
            skip_empty(s);
            if (s->at == s->end)
                break;
            if (!parse_statement(p))
                resume(s);
        }
    ir_module *m = s->errors ? NULL : p->m;
    if (m) {
        m->origins = p->origins.items;
        m->origin_count = p->origins.count;
    }
    arena_free(scratch);
    return m;
}
