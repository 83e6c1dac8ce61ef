/* Parsing of the command line by the table in options.def. */
#include "frontend/cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/diag.h"

/* Names of options.def's COMMANDS and KIND columns. */
enum {
    COMPILE = 1u << CMD_compile,
    OPT = 1u << CMD_opt,
    RUN = 1u << CMD_run,
    ANALYZE = 1u << CMD_analyze,
    SWEEP = 1u << CMD_sweep,
    EXPLORE = 1u << CMD_explore,
    EVAL = 1u << CMD_eval,
    GENERATE = 1u << CMD_generate,
    CALIBRATE = 1u << CMD_calibrate,
    TARGET = 1u << CMD_target,
    ASM = 1u << CMD_asm,
    DISASM = 1u << CMD_disasm,
    CACHE = 1u << CMD_cache,
    HELP = 1u << CMD_help,
    EXE = 1u << CMD_exe,
    EVERY = (1u << CMD_ALL) - 1 - (1u << CMD_COUNT)
};

const command_info command_table[CMD_ALL] = {
#define COMMAND(id, name, operands, least, most, doc, details, example)                                                \
    [CMD_##id] = {name, operands, doc, details, example, least, most},
#define EXECUTABLE(id, name, operands, least, most, doc, details, example)                                             \
    [CMD_##id] = {name, operands, doc, details, example, least, most},
#define OPTION(id, commands, name, letter, kind, words, missing, doc, example)
#include "frontend/cli/options.def"
};

const option_info option_table[OPT_COUNT] = {
#define COMMAND(id, name, operands, least, most, doc, details, example)
#define OPTION(id, commands, name, letter, kind, words, missing, doc, example)                                         \
    {commands, name, letter, OPTION_##kind, words, missing, doc, example},
#include "frontend/cli/options.def"
};

enum { MOST_LENGTHS = 65536 };

/* Where the parser stands. */
typedef struct {
    arena *arena;
    command_id command;
    int argc;
    char **argv;
    int at; /* next argument */
    options *out;
    const char **error;
} parser;

#define FAIL(p, ...) (*(p)->error = arena_printf((p)->arena, __VA_ARGS__), false)

command_id command_find(const char *name, const char **nearest) {
    const char *names[CMD_COUNT];
    for (int c = 0; c < CMD_COUNT; c++) {
        names[c] = command_table[c].name;
        if (strcmp(names[c], name) == 0)
            return (command_id)c;
    }
    *nearest = diag_nearest(name, names, CMD_COUNT);
    return CMD_COUNT;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* "a|b|c" as "a, b or c". */
static const char *words_listed(arena *a, const char *words) {
    char *text = arena_strdup(a, "");
    for (const char *at = words; *at;) {
        size_t n = strcspn(at, "|");
        bool last = !at[n];
        text = arena_printf(a, "%s%s%.*s", text, at == words ? "" : last ? " or " : ", ", (int)n, at);
        at += n + !last;
    }
    return text;
}

/* Index of `value` among "a|b|c", or -1. */
static int word_index(const char *words, const char *value) {
    int index = 0;
    for (const char *at = words;; index++) {
        size_t n = strcspn(at, "|");
        if (strlen(value) == n && strncmp(at, value, n) == 0)
            return index;
        if (!at[n])
            return -1;
        at += n + 1;
    }
}

/* The limits in "NAME:lo..hi" or "lo..hi". */
static void read_limits(const char *words, int64_t *lo, int64_t *hi) {
    const char *colon = strchr(words, ':');
    char *end;
    *lo = strtoll(colon ? colon + 1 : words, &end, 10);
    *hi = strtoll(end + 2, NULL, 10);
}

/* A whole number at *text, digits only; *text is moved behind it. */
static bool read_number(const char **text, int64_t lo, int64_t hi, int64_t *out) {
    if (**text < '0' || **text > '9')
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(*text, &end, 10);
    if (errno || value < lo || value > hi)
        return false;
    *out = value;
    *text = end;
    return true;
}

static bool parse_number(parser *p, const option_info *info, const char *text, option_value *v) {
    int64_t lo, hi;
    read_limits(info->words, &lo, &hi);
    const char *at = text;
    if (!read_number(&at, lo, hi, &v->number) || *at)
        return FAIL(p, "--%s=%s: a whole number from %lld to %lld is wanted", info->name, text, (long long)lo,
                    (long long)hi);
    v->has_value = true;
    return true;
}

static int by_length(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool add_lengths(parser *p, option_value *v, int64_t lo, int64_t hi) {
    size_t count = (size_t)(hi - lo + 1);
    if (v->count + count > MOST_LENGTHS)
        return false;
    uint32_t *grown = ARENA_ARRAY(p->arena, uint32_t, v->count + count);
    if (v->count)
        memcpy(grown, v->lengths, v->count * sizeof *grown);
    for (int64_t n = lo; n <= hi; n++)
        grown[v->count++] = (uint32_t)n;
    v->lengths = grown;
    return true;
}

static bool parse_lengths(parser *p, const option_info *info, const char *text, option_value *v) {
    int64_t lo, hi, from = 0, to = 0;
    read_limits(info->words, &lo, &hi);
    const char *at = text;
    bool ok = true;
    do {
        ok = read_number(&at, lo, hi, &from);
        to = from;
        if (ok && strncmp(at, "..", 2) == 0) {
            at += 2;
            ok = read_number(&at, from, hi, &to);
        }
        ok = ok && add_lengths(p, v, from, to);
    } while (ok && *at == ',' && *++at);
    if (!ok || *at || at[-1] == ',')
        return FAIL(p,
                    "--%s=%s: a number (128), a range (16..128) or a list (16,32,64) is wanted, each from %lld to %lld",
                    info->name, text, (long long)lo, (long long)hi);
    qsort(v->lengths, v->count, sizeof *v->lengths, by_length);
    size_t kept = 0;
    for (size_t i = 0; i < v->count; i++)
        if (!kept || v->lengths[i] != v->lengths[kept - 1])
            v->lengths[kept++] = v->lengths[i];
    v->count = kept;
    return true;
}

static void add_text(parser *p, const char *text, option_value *v) {
    const char **texts = ARENA_ARRAY(p->arena, const char *, v->count + 1);
    int *positions = ARENA_ARRAY(p->arena, int, v->count + 1);
    if (v->count) {
        memcpy(texts, v->texts, v->count * sizeof *texts);
        memcpy(positions, v->positions, v->count * sizeof *positions);
    }
    texts[v->count] = text;
    positions[v->count++] = p->at;
    v->texts = texts;
    v->positions = positions;
}

static bool parse_value(parser *p, option_id id, const char *text) {
    const option_info *info = &option_table[id];
    option_value *v = &p->out->values[id];
    v->text = text;
    switch (info->kind) {
    case OPTION_FLAG:
        return true;
    case OPTION_TEXT:
        return *text || FAIL(p, "--%s needs a value: %s", info->name, info->words);
    case OPTION_LIST:
        add_text(p, text, v);
        return true;
    case OPTION_INT:
    case OPTION_MAYBE_INT:
        return parse_number(p, info, text, v);
    case OPTION_LENGTHS:
        return parse_lengths(p, info, text, v);
    case OPTION_WORD:
    case OPTION_MAYBE_WORD:
        v->word = word_index(info->words, text);
        return v->word >= 0 || FAIL(p, "--%s=%s: %s is wanted", info->name, text, words_listed(p->arena, info->words));
    }
    return false;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static bool takes_no_value(option_kind kind) {
    return kind == OPTION_FLAG;
}

static bool value_is_optional(option_kind kind) {
    return kind == OPTION_MAYBE_WORD || kind == OPTION_MAYBE_INT;
}

/* Takes the value, from `attached` (behind = or the letter) or from the next argument. */
static bool take_option(parser *p, option_id id, const char *attached) {
    const option_info *info = &option_table[id];
    option_value *v = &p->out->values[id];
    if (v->given && info->kind != OPTION_LIST)
        return FAIL(p, "--%s is given twice", info->name);
    v->given = true;
    if (takes_no_value(info->kind))
        return !attached || FAIL(p, "--%s takes no value, but has '%s'", info->name, attached);
    if (attached)
        return parse_value(p, id, attached);
    if (info->kind == OPTION_MAYBE_WORD)
        return parse_value(p, id, info->missing);
    if (value_is_optional(info->kind))
        return true;
    if (p->at >= p->argc)
        return FAIL(p, "--%s needs a value: %s", info->name,
                    info->kind == OPTION_WORD ? words_listed(p->arena, info->words) : info->words);
    return parse_value(p, id, p->argv[p->at++]);
}

static bool unknown_long(parser *p, const char *name, size_t length) {
    const char *names[OPT_COUNT];
    size_t count = 0;
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].commands & (1u << p->command))
            names[count++] = option_table[i].name;
    const char *word = arena_strndup(p->arena, name, length);
    for (int i = 0; i < OPT_COUNT && p->command < CMD_COUNT; i++)
        if (strcmp(option_table[i].name, word) == 0)
            for (int c = 0; c < CMD_COUNT; c++)
                if (option_table[i].commands & (1u << c))
                    return FAIL(p, "'%s' has no option --%s; it belongs to `dtqc %s`", command_table[p->command].name,
                                word, command_table[c].name);
    const char *near = diag_nearest(word, names, count);
    return near ? FAIL(p, "there is no option '--%s'; did you mean '--%s'?", word, near)
                : FAIL(p, "there is no option '--%s'", word);
}

static bool parse_long(parser *p, const char *text) {
    size_t length = strcspn(text, "=");
    const char *attached = text[length] ? text + length + 1 : NULL;
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_info *info = &option_table[i];
        if ((info->commands & (1u << p->command)) && strlen(info->name) == length &&
            strncmp(info->name, text, length) == 0)
            return take_option(p, (option_id)i, attached);
    }
    return unknown_long(p, text, length);
}

static bool parse_letters(parser *p, const char *text) {
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_info *info = &option_table[i];
        if ((info->commands & (1u << p->command)) && info->letter && info->letter == text[0])
            return take_option(p, (option_id)i, text[1] ? text + 1 : NULL);
    }
    return FAIL(p, "there is no option '-%c'", text[0]);
}

static bool check_operands(parser *p) {
    const command_info *c = &command_table[p->command];
    size_t n = p->out->operand_count;
    if (p->out->values[OPT_help].given)
        return true;
    if (n < c->least)
        return FAIL(p, "%s is missing", c->operands);
    if (n > c->most)
        return FAIL(p, "one argument too many: '%s'", p->out->operands[c->most]);
    return true;
}

/** What holds without an option: the word or the number that its default is; defaults in words are the command's
 * affair. */
static void set_default(const option_info *o, option_value *out) {
    if (o->kind == OPTION_WORD && *o->missing)
        out->word = word_index(o->words, o->missing);
    if (o->kind == OPTION_INT && *o->missing && strspn(o->missing, "0123456789") == strlen(o->missing))
        out->number = strtoll(o->missing, NULL, 10);
}

bool options_parse(arena *a, command_id command, int argc, char **argv, options *out, const char **error) {
    memset(out, 0, sizeof *out);
    out->command = command;
    out->operands = ARENA_ARRAY(a, const char *, (size_t)argc + 1);
    for (int i = 0; i < OPT_COUNT; i++)
        set_default(&option_table[i], &out->values[i]);
    parser p = {a, command, argc, argv, 0, out, error};
    bool only_operands = false;
    while (p.at < argc) {
        const char *arg = argv[p.at++];
        bool ok = true;
        if (only_operands || arg[0] != '-' || !arg[1])
            out->operands[out->operand_count++] = arg;
        else if (strcmp(arg, "--") == 0)
            only_operands = true;
        else if (arg[1] == '-')
            ok = parse_long(&p, arg + 2);
        else
            ok = parse_letters(&p, arg + 1);
        if (!ok)
            return false;
    }
    return check_operands(&p);
}
