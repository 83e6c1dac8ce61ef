/* The header of a module: settings, the machine, the tensor table, the passes that ran. */
#include <string.h>

#include "ir/parse.h"

#include "runtime/machine_members.h"

/* ---- parts that several statements share ------------------------------------------------------------------------- */

bool parse_origin(parser *p, src_loc *origin) {
    scanner *s = &p->scan;
    if (!scan_take(s, '@'))
        return true;
    uint64_t line = 0, col = 0;
    const char *file = NULL;
    if (scan_take(s, '^')) {
        if (!p->last_location.file)
            return scan_error(s, scan_here(s), "`^` repeats the location before it, but there is none; write one out");
        *origin = p->last_location;
        return true;
    }
    if (!scan_string(s, &file) || !scan_need(s, ':', "`:` and the line") || !scan_unsigned(s, UINT32_MAX, &line) ||
        !scan_need(s, ':', "`:` and the column") || !scan_unsigned(s, UINT32_MAX, &col))
        return false;
    *origin = p->last_location = (src_loc){file, (uint32_t)line, (uint32_t)col};
    return true;
}

bool parse_line_end(parser *p) {
    scanner *s = &p->scan;
    char c = scan_peek(s);
    return c == '\n' || s->at == s->end || scan_expected(s, "the end of the line");
}

/* ---- members of structures, as `name = value` ------------------------------------------------------------------- */

typedef enum { AS_STRING, AS_WORD, AS_FLAG, AS_UINT32, AS_UINT64, AS_REAL, AS_SCHEME } setting_kind;

typedef struct {
    const char *name;
    setting_kind kind;
    size_t offset;
} setting;

static const setting header_settings[] = {
    {"model", AS_STRING, offsetof(ir_header, model)},
    {"tokenizer", AS_STRING, offsetof(ir_header, tokenizer)},
    {"lower_case", AS_FLAG, offsetof(ir_header, lower_case)},
    {"seq", AS_UINT32, offsetof(ir_header, seq)},
    {"vocabulary", AS_UINT32, offsetof(ir_header, vocabulary)},
    {"positions", AS_UINT32, offsetof(ir_header, positions)},
    {"qkv_input", AS_FLAG, offsetof(ir_header, qkv_input)},
    {"scheme", AS_SCHEME, offsetof(ir_header, scheme)},
    {"recompute", AS_FLAG, offsetof(ir_header, recompute)},
    {"plain", AS_FLAG, offsetof(ir_header, plain)},
};
enum { HEADER_SETTINGS = sizeof header_settings / sizeof header_settings[0] };

static const setting tensor_settings[] = {
    {"dtype", AS_WORD, offsetof(ir_tensor, dtype)},
    {"rows", AS_UINT32, offsetof(ir_tensor, rows)},
    {"cols", AS_UINT32, offsetof(ir_tensor, cols)},
    {"stride", AS_UINT32, offsetof(ir_tensor, stride)},
    {"transposed", AS_FLAG, offsetof(ir_tensor, transposed)},
    {"file", AS_STRING, offsetof(ir_tensor, file)},
    {"offset", AS_UINT64, offsetof(ir_tensor, offset)},
    {"file_bytes", AS_UINT64, offsetof(ir_tensor, file_bytes)},
    {"file_hash", AS_STRING, offsetof(ir_tensor, file_hash)},
    {"seed", AS_UINT64, offsetof(ir_tensor, seed)},
    {"mean", AS_REAL, offsetof(ir_tensor, mean)},
    {"scale", AS_REAL, offsetof(ir_tensor, scale)},
    {"scales", AS_UINT64, offsetof(ir_tensor, scales)},
    {"zeros", AS_UINT64, offsetof(ir_tensor, zeros)},
    {"by_rows", AS_FLAG, offsetof(ir_tensor, by_rows)},
    {"frequencies", AS_STRING, offsetof(ir_tensor, frequencies)},
};
enum { TENSOR_SETTINGS = sizeof tensor_settings / sizeof tensor_settings[0] };

static bool parse_flag(parser *p, bool *value) {
    const char *text = NULL;
    size_t n = 0;
    scan_peek(&p->scan);
    src_loc loc = scan_here(&p->scan);
    if (!scan_word(&p->scan, &text, &n))
        return scan_expected(&p->scan, "yes or no");
    *value = scan_same(text, n, "yes");
    if (!*value && !scan_same(text, n, "no"))
        return scan_error(&p->scan, loc, "expected yes or no, found `%.*s`", (int)n, text);
    return true;
}

/* "q-bert weight_bits=4 groups=128" */
static bool parse_scheme(parser *p, dtq_scheme *value) {
    scanner *s = &p->scan;
    const char *text = NULL;
    char why[256];
    scan_peek(s);
    src_loc loc = scan_here(s);
    return scan_string(s, &text) && (dtq_scheme_parse(text, value, why, sizeof why) || scan_error(s, loc, "%s", why));
}

static bool parse_setting_value(parser *p, const setting *row, void *base) {
    scanner *s = &p->scan;
    char *at = (char *)base + row->offset;
    const char *text = NULL;
    size_t n = 0;
    uint64_t number = 0;
    uint32_t small = 0;
    double real = 0;
    bool flag = false;
    dtq_scheme scheme;
    switch (row->kind) {
    case AS_STRING:
        if (!scan_string(s, &text))
            return false;
        memcpy(at, &text, sizeof text);
        return true;
    case AS_WORD:
        if (!scan_word(s, &text, &n))
            return scan_expected(s, "a word");
        text = scan_intern(s, text, n);
        memcpy(at, &text, sizeof text);
        return true;
    case AS_FLAG:
        if (!parse_flag(p, &flag))
            return false;
        memcpy(at, &flag, sizeof flag);
        return true;
    case AS_UINT32:
        if (!scan_unsigned(s, UINT32_MAX, &number))
            return false;
        small = (uint32_t)number;
        memcpy(at, &small, sizeof small);
        return true;
    case AS_UINT64:
        if (!scan_unsigned(s, UINT64_MAX, &number))
            return false;
        memcpy(at, &number, sizeof number);
        return true;
    case AS_REAL:
        if (!scan_real(s, &real))
            return false;
        memcpy(at, &real, sizeof real);
        return true;
    case AS_SCHEME:
        if (!parse_scheme(p, &scheme))
            return false;
        memcpy(at, &scheme, sizeof scheme);
        return true;
    }
    return false;
}

/* The setting `key` of the table, `= value` still to come. `what` names the structure in errors. */
static bool parse_setting(parser *p, const char *key, size_t n, const setting *table, size_t count, uint32_t *seen,
                          void *base, const char *what) {
    scanner *s = &p->scan;
    src_loc loc = scan_place(s, key);
    const char *known[16];
    for (size_t i = 0; i < count; i++) {
        known[i] = table[i].name;
        if (!scan_same(key, n, table[i].name))
            continue;
        if (*seen >> i & 1)
            return scan_error(s, loc, "`%s` is given twice; remove one", table[i].name);
        *seen |= 1u << i;
        return scan_need(s, '=', "`=`") && parse_setting_value(p, &table[i], base);
    }
    return scan_error(s, loc, "unknown key `%.*s` of %s%s", (int)n, key, what,
                      scan_suggestion(s, key, n, known, count));
}

/* ---- statements ------------------------------------------------------------------------------------------- */

bool parse_header_setting(parser *p, const char *key, size_t length) {
    if (scan_same(key, length, "plain") && p->m->level >= IR_SCHEDULE)
        return scan_error(&p->scan, scan_place(&p->scan, key),
                          "`plain` says how graphs and tiles are planned; a %s has been planned",
                          ir_level_name(p->m->level));
    return parse_setting(p, key, length, header_settings, HEADER_SETTINGS, &p->header_seen, &p->m->header,
                         "the header") &&
           parse_line_end(p);
}

static bool parse_machine_value(parser *p, const dtq_machine_param *param) {
    scanner *s = &p->scan;
    double real = 0;
    scan_peek(s);
    src_loc loc = scan_here(s);
    if (param->kind == DTQ_PARAM_ENUM) {
        const char *text = NULL;
        size_t n = 0;
        if (!scan_word(s, &text, &n))
            return scan_expected(s, arena_printf(s->scratch, "one of %s", param->words));
        const char *word = param->words;
        for (; !(strcspn(word, "|") == n && memcmp(word, text, n) == 0); real++) {
            word += strcspn(word, "|");
            if (*word++ == '\0')
                return scan_error(s, loc, "`%.*s` is no word of `%s`; it is one of %s", (int)n, text, param->name,
                                  param->words);
        }
    } else if (param->kind == DTQ_PARAM_INT) {
        uint64_t number = 0;
        if (!scan_unsigned(s, (uint64_t)param->hi, &number))
            return false;
        real = (double)number;
    } else if (!scan_real(s, &real)) {
        return false;
    }
    if (!(real >= param->lo && real <= param->hi))
        return scan_error(s, loc, "`%s.%s` must be between %.15g and %.15g %s", param->section, param->name, param->lo,
                          param->hi, param->unit ? param->unit : "");
    dtq_machine_set(p->m->machine, param, real);
    return true;
}

static bool parse_machine_entry(parser *p, bool *seen) {
    scanner *s = &p->scan;
    const char *key = NULL;
    size_t n = 0;
    scan_peek(s);
    src_loc loc = scan_here(s);
    if (!scan_word(s, &key, &n))
        return scan_expected(s, "`section.name = value` or `}`");
    const char **known = ARENA_ARRAY(s->scratch, const char *, dtq_machine_param_count);
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *param = &dtq_machine_params[i];
        known[i] = arena_printf(s->scratch, "%s.%s", param->section, param->name);
        if (!scan_same(key, n, known[i]))
            continue;
        if (seen[i])
            return scan_error(s, loc, "`%s` is given twice; remove one", known[i]);
        seen[i] = true;
        return scan_need(s, '=', "`=`") && parse_machine_value(p, param);
    }
    return scan_error(s, loc, "unknown machine parameter `%.*s`%s", (int)n, key,
                      scan_suggestion(s, key, n, known, dtq_machine_param_count));
}

/* machine "name" { section.name = value … }, an entry a line. */
bool parse_machine(parser *p, src_loc loc) {
    scanner *s = &p->scan;
    if (p->machine_seen)
        return scan_error(s, loc, "`machine` is given twice; remove one");
    if (p->arrays_counted)
        return scan_error(s, loc,
                          "queues have been counted up before; the machine, which says how many arrays there are, "
                          "stands in front of them");
    p->machine_seen = true;
    dtq_machine *machine = p->m->machine;
    const char *name = NULL;
    scan_peek(s);
    src_loc name_loc = scan_here(s);
    if (!scan_string(s, &name))
        return false;
    if (strlen(name) >= sizeof machine->name)
        return scan_error(s, name_loc, "the machine's name has more than %zu bytes; shorten it",
                          sizeof machine->name - 1);
    memset(machine->name, 0, sizeof machine->name);
    memcpy(machine->name, name, strlen(name));
    if (!scan_need(s, '{', "`{`"))
        return false;
    bool *seen = ARENA_ARRAY(s->scratch, bool, dtq_machine_param_count);
    s->inside = true;
    bool good = true;
    while (!scan_take(s, '}')) {
        if (parse_machine_entry(p, seen))
            continue;
        good = false; /* already reported; the other entries are worth reading */
        if (s->at == s->end || s->errors >= SCAN_ERRORS_MAX)
            return false;
        scan_skip_line(s);
    }
    s->inside = false;
    return parse_line_end(p) && good;
}

/* "name" {key = value, …} @ …; a tensor of `tensor` when it comes is what it does not say itself. */
static bool parse_one_tensor(parser *p, ir_tensor *tensor) {
    scanner *s = &p->scan;
    const bool inside = s->inside;
    uint32_t seen = 0;
    scan_peek(s);
    const src_loc loc = scan_here(s);
    if (!scan_string(s, &tensor->name) || !scan_need(s, '{', "`{`"))
        return false;
    s->inside = true;
    if (!scan_take(s, '}')) {
        do {
            const char *key = NULL;
            size_t n = 0;
            if (!scan_word(s, &key, &n))
                return scan_expected(s, "a key of the tensor");
            if (!parse_setting(p, key, n, tensor_settings, TENSOR_SETTINGS, &seen, tensor, "a tensor"))
                return false;
        } while (scan_take(s, ','));
        if (!scan_need(s, '}', "`,` or `}`"))
            return false;
    }
    s->inside = inside;
    if (!tensor->dtype)
        return scan_error(s, loc, "tensor \"%s\" has no `dtype`; give F32, F16, BF16 or synthetic", tensor->name);
    if (!parse_origin(p, &tensor->origin))
        return false;
    ir_add_tensor(p->m, tensor);
    return true;
}

/* tensor "name" {key = value, …} @ … */
bool parse_tensor(parser *p, src_loc loc) {
    ir_tensor tensor = {.loc = loc};
    return parse_one_tensor(p, &tensor) && parse_line_end(p);
}

/* weights ["name" {key = value, …} @ …, …]; each is what the one before it is, but for what it says. */
bool parse_weights(parser *p, src_loc loc) {
    scanner *s = &p->scan;
    ir_tensor tensor = {.loc = loc};
    if (!scan_need(s, '[', "`[` and the weights"))
        return false;
    s->inside = true;
    do {
        scan_peek(s);
        tensor.loc = scan_here(s);
        tensor.origin = (src_loc){0};
        if (!parse_one_tensor(p, &tensor))
            return false;
    } while (scan_take(s, ','));
    if (!scan_need(s, ']', "`,` or `]`"))
        return false;
    s->inside = false;
    return parse_line_end(p);
}

/* passes = [name, …] */
bool parse_passes(parser *p, src_loc loc) {
    scanner *s = &p->scan;
    if (p->passes_seen)
        return scan_error(s, loc, "`passes` is given twice; remove one");
    p->passes_seen = true;
    if (!scan_need(s, '=', "`=`") || !scan_need(s, '[', "`[`"))
        return false;
    s->inside = true;
    if (!scan_take(s, ']')) {
        do {
            const char *text = NULL;
            size_t n = 0;
            if (!scan_word(s, &text, &n))
                return scan_expected(s, "the name of a pass");
            ir_mark_pass(p->m, scan_intern(s, text, n));
        } while (scan_take(s, ','));
        if (!scan_need(s, ']', "`,` or `]`"))
            return false;
    }
    s->inside = false;
    return parse_line_end(p);
}
