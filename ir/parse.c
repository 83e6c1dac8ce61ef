/* Reads the text form of a module, statement by statement: the ops; the header is in parse_header.c. Grammar: IR.md. */
#include <string.h>

#include "ir/parse.h"
#include "ir/tables.h"

enum { LIST_MAX = 1 << 24 }; /* elements of a list, or of runs written out */

/* ---- attributes -------------------------------------------------------------------------------------------------- */

/* Room for one more element. */
static void *list_next(arena *scratch, list *l, size_t size) {
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        void *grown = arena_array(scratch, l->capacity, size);
        if (l->count)
            memcpy(grown, l->items, l->count * size);
        l->items = grown;
    }
    return (char *)l->items + l->count++ * size;
}

static void *list_keep(arena *a, const list *l, size_t size) {
    void *kept = arena_array(a, l->count, size);
    if (l->count)
        memcpy(kept, l->items, l->count * size);
    return kept;
}

/* [1, 2, 3] or, for RUNS, [2*4, 1*8] */
static bool parse_list(parser *p, ir_attr *attr) {
    scanner *s = &p->scan;
    bool runs = attr->kind == IR_KIND_RUNS;
    list *l = runs ? &p->runs : &p->ints;
    int64_t total = 0;
    l->count = 0;
    if (!scan_need(s, '[', runs ? "`[` and runs of count*value" : "`[` and a list of numbers"))
        return false;
    if (!scan_take(s, ']')) {
        do {
            ir_run run = {.count = 1};
            scan_peek(s);
            src_loc loc = scan_here(s);
            if (runs && (!scan_int(s, &run.count) || !scan_need(s, '*', "`*`: a run is count*value")))
                return false;
            if (run.count < 1)
                return scan_error(s, loc, "a run has at least one element; remove it or give its count");
            if (run.count > LIST_MAX - total)
                return scan_error(s, loc, "the list has more than %d elements; nothing here is that long", LIST_MAX);
            total += run.count;
            if (!scan_int(s, &run.value))
                return false;
            if (runs)
                *(ir_run *)list_next(s->scratch, l, sizeof run) = run;
            else
                *(int64_t *)list_next(s->scratch, l, sizeof run.value) = run.value;
        } while (scan_take(s, ','));
        if (!scan_need(s, ']', "`,` or `]`"))
            return false;
    }
    attr->count = (uint32_t)l->count;
    if (runs)
        attr->runs = list_keep(p->m->arena, l, sizeof(ir_run));
    else
        attr->ints = list_keep(p->m->arena, l, sizeof(int64_t));
    return true;
}

static bool parse_word_value(parser *p, ir_opcode code, ir_attr *attr) {
    scanner *s = &p->scan;
    const char *text = NULL;
    size_t n = 0;
    ir_word words[IR_WORDS_MAX];
    const char *known[IR_WORDS_MAX];
    size_t count = ir_words(code, attr->key, words);
    scan_peek(s);
    src_loc loc = scan_here(s);
    bool there = scan_word(s, &text, &n);
    for (size_t i = 0; there && i < count; i++)
        if (words[i].length == n && memcmp(words[i].text, text, n) == 0) {
            attr->s = scan_intern(s, text, n);
            return true;
        }
    for (size_t i = 0; i < count; i++)
        known[i] = arena_strndup(s->scratch, words[i].text, words[i].length);
    const char *all = scan_listed(s, known, count);
    if (!there)
        return scan_expected(s, arena_printf(s->scratch, "one of the words %s", all));
    return scan_error(s, loc, "`%.*s` is no word of `%s`%s The words are %s", (int)n, text, ir_key_get(attr->key)->name,
                      scan_suggestion(s, text, n, known, count), all);
}

static bool parse_queue(parser *p, ir_attr *attr) {
    static const char *const queues[] = {"host", "load", "softmax", "topk", "store", "array0"};
    scanner *s = &p->scan;
    const char *text = NULL;
    size_t n = 0;
    scan_peek(s);
    src_loc loc = scan_here(s);
    if (!scan_word(s, &text, &n))
        return scan_expected(s, "a queue: host, load, softmax, topk, store or array0, array1, ...");
    attr->i = dtq_queue_parse(text, n);
    return attr->i >= 0 ||
           scan_error(s, loc,
                      "`%.*s` is no queue%s Queues are host, load, softmax, topk, store, array0, "
                      "array1, ...",
                      (int)n, text, scan_suggestion(s, text, n, queues, sizeof queues / sizeof queues[0]));
}

static bool parse_attr_value(parser *p, ir_opcode code, ir_attr *attr) {
    scanner *s = &p->scan;
    switch ((ir_kind)attr->kind) {
    case IR_KIND_INT:
        return scan_int(s, &attr->i);
    case IR_KIND_REAL:
        return scan_real(s, &attr->r);
    case IR_KIND_STR:
        return scan_string(s, &attr->s);
    case IR_KIND_WORD:
        return parse_word_value(p, code, attr);
    case IR_KIND_RANGE: {
        ir_range *range = ARENA_NEW(s->arena, ir_range);
        attr->range = range;
        return scan_int(s, &range->lo) && scan_need(s, '.', "`..`: a range is first..end") &&
               scan_need(s, '.', "`..`: a range is first..end") && scan_int(s, &range->hi);
    }
    case IR_KIND_INTS:
    case IR_KIND_RUNS:
        return parse_list(p, attr);
    case IR_KIND_QUEUE:
        return parse_queue(p, attr);
    }
    return false;
}

/* The key of an attribute, which the op must take. */
static bool parse_key(parser *p, ir_opcode code, size_t op, unsigned *key) {
    scanner *s = &p->scan;
    const char *text = NULL;
    size_t n = 0;
    scan_peek(s);
    src_loc loc = scan_here(s);
    if (!scan_word(s, &text, &n))
        return scan_expected(s, "the key of an attribute");
    int found = ir_key_find(text, n);
    if (found >= 0 && ir_key_need(code, (unsigned)found) != IR_NEVER) {
        *key = (unsigned)found;
        if (ir_get(p->m, op, *key))
            return scan_error(s, loc, "`%.*s` is given twice; remove one", (int)n, text);
        return true;
    }
    const char **known = ARENA_ARRAY(s->scratch, const char *, ir_key_count());
    size_t count = 0;
    for (unsigned k = 0; k < ir_key_count(); k++)
        if (ir_key_need(code, k) != IR_NEVER)
            known[count++] = ir_key_get(k)->name;
    return scan_error(s, loc, "`%s` takes no attribute `%.*s`%s It takes %s", ir_info(code)->spelling, (int)n, text,
                      scan_suggestion(s, text, n, known, count), scan_listed(s, known, count));
}

/* {key = value, …}, if it is there. */
static bool parse_attrs(parser *p, ir_opcode code, size_t op) {
    scanner *s = &p->scan;
    if (!scan_take(s, '{'))
        return true;
    s->inside = true;
    if (!scan_take(s, '}')) {
        do {
            unsigned key = 0;
            if (!parse_key(p, code, op, &key) || !scan_need(s, '=', "`=`"))
                return false;
            ir_attr attr = {.key = (uint16_t)key, .kind = (uint8_t)ir_key_get(key)->kind};
            if (!parse_attr_value(p, code, &attr))
                return false;
            ir_set(p->m, op, &attr);
        } while (scan_take(s, ','));
        if (!scan_need(s, '}', "`,` or `}`"))
            return false;
    }
    s->inside = false;
    return true;
}

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

static bool parse_operands(parser *p) {
    scanner *s = &p->scan;
    list *operands = &p->operands;
    operands->count = 0;
    char c = scan_peek(s);
    if (c != '%' && c != '_')
        return true;
    do {
        const char *text = NULL;
        size_t n = 0;
        scan_peek(s);
        src_loc loc = scan_here(s);
        if (operands->count == UINT16_MAX)
            return scan_error(s, loc, "no op has that many operands");
        ir_value *value = list_next(s->scratch, operands, sizeof *value);
        if (scan_take(s, '_')) {
            *value = IR_NONE;
            continue;
        }
        if (!parse_value_name(p, &text, &n))
            return false;
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
    if (!parse_operands(p) || !check_operand_count(p, op_loc, info, p->operands.count))
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
    return parse_location(p, &m->ops[op].loc) && parse_line_end(p);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

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
    return parse_op(p, NULL, 0, text, n);
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

/* After an error: to the next line that begins a statement, which blanks and closing braces do not. */
static void resume(scanner *s) {
    s->inside = false;
    do
        scan_skip_line(s);
    while (s->at < s->end && strchr(" \t}", *s->at));
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
            while (scan_peek(s) == '\n')
                scan_skip_line(s);
            if (s->at == s->end)
                break;
            if (!parse_statement(p))
                resume(s);
        }
    ir_module *m = s->errors ? NULL : p->m;
    arena_free(scratch);
    return m;
}
