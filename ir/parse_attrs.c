/* Attributes in the text form of a module, and numbers of ops that are repeated, which count up. Grammar: IR.md. */
#include <string.h>

#include "ir/names_counted.h"
#include "ir/parse.h"
#include "ir/tables.h"
#include "runtime/machine.h"

enum { LIST_MAX = 1 << 24 }; /* elements of a list, or of runs written out */

static const uint64_t step_max = UINT64_C(1) << 40;

/* ---- what counts up ---------------------------------------------------------------------------------------------- */

bool parse_times(scanner *s, uint64_t *times) {
    return scan_unsigned(s, REPEATS_MAX, times) &&
           (*times > 0 || scan_error(s, scan_here(s), "0 times is never; leave it out"));
}

/* The number of this time round. */
bool parse_count(parser *p, src_loc loc, const parse_counting *c, int64_t first, int64_t end, int64_t *value) {
    const uint64_t each = c->before * c->behind;
    int64_t way;
    if (!p->times)
        return scan_error(&p->scan, loc, "%lld..%lld counts up, which is for ops that are repeated; give one number",
                          (long long)first, (long long)end);
    if (p->times % each != 0)
        return scan_error(&p->scan, loc, "%llu times cannot be shared among %llu evenly", (unsigned long long)p->times,
                          (unsigned long long)each);
    const uint64_t steps = p->times / each;
    if (__builtin_sub_overflow(end, first, &way) || way % (int64_t)steps != 0)
        return scan_error(&p->scan, loc, "from %lld to %lld there are no %llu equal steps", (long long)first,
                          (long long)end, (unsigned long long)steps);
    *value = first + way / (int64_t)steps * (int64_t)(p->time / c->behind % steps);
    return true;
}

bool parse_step(parser *p, int64_t *value) {
    scanner *s = &p->scan;
    uint64_t step = 0;
    scan_peek(s);
    const src_loc loc = scan_here(s);
    if (!scan_take(s, '+'))
        return true;
    if (!p->passes)
        return scan_error(s, loc, "`+` counts on from layer to layer, which is for ops in a block: `12x {`");
    if (!scan_unsigned(s, step_max, &step))
        return false;
    return !__builtin_add_overflow(*value, (int64_t)(step * p->pass), value) ||
           scan_error(s, loc, "no number is that large");
}

static bool take_dots(scanner *s) {
    scan_blanks(s);
    if (s->end - s->at < 2 || s->at[0] != '.' || s->at[1] != '.')
        return false;
    s->at += 2;
    return true;
}

/* 7; of ops that are repeated also 0..12, 0..8*2, 8*0..2 */
bool parse_counted(parser *p, int64_t *value) {
    scanner *s = &p->scan;
    parse_counting c = {1, 1};
    int64_t end;
    scan_peek(s);
    const src_loc loc = scan_here(s);
    if (!scan_int(s, value))
        return false;
    if (*value > 0 && *value <= REPEATS_MAX && scan_take(s, '*')) {
        c.before = (uint64_t)*value;
        if (!scan_int(s, value))
            return false;
    }
    if (!take_dots(s))
        return c.before == 1 ? parse_step(p, value) : scan_expected(s, "`..` and where it ends");
    return scan_int(s, &end) && (!scan_take(s, '*') || parse_times(s, &c.behind)) &&
           parse_count(p, loc, &c, *value, end, value) && parse_step(p, value);
}

/* Where ".." stands in a word, or its length. */
static size_t dots_in(const char *text, size_t n) {
    for (size_t i = 0; i + 1 < n; i++)
        if (text[i] == '.' && text[i + 1] == '.')
            return i;
    return n;
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

/* Room for one more element. */
void *parse_list_next(arena *scratch, list *l, size_t size) {
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
                *(ir_run *)parse_list_next(s->scratch, l, sizeof run) = run;
            else
                *(int64_t *)parse_list_next(s->scratch, l, sizeof run.value) = run.value;
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

bool parse_word_value(parser *p, ir_opcode code, ir_attr *attr) {
    scanner *s = &p->scan;
    const char *text = NULL;
    size_t n = 0;
    ir_word words[IR_WORDS_MAX];
    const char *known[IR_WORDS_MAX];
    size_t count = ir_words(code, attr->key, words);
    scan_peek(s);
    src_loc loc = scan_here(s);
    bool there = scan_word(s, &text, &n);
    const size_t dots = dots_in(text ? text : "", n);
    if (there && dots < n && !p->times)
        return scan_error(s, loc,
                          "`%.*s` is one word the first time and another later, which is for ops that are repeated",
                          (int)n, text);
    if (there && dots < n) { /* first..later */
        text += p->time ? dots + 2 : 0;
        n = p->time ? n - dots - 2 : dots;
    }
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

/* array0..array12, of ops that are repeated: counted on from array0 past the machine's last array. */
static bool count_arrays(parser *p, src_loc loc, parse_counting *c, const char *text, size_t n, int64_t *queue) {
    static const char array[] = "array";
    const size_t letters = sizeof array - 1;
    const int64_t arrays = (int64_t)dtq_machine_arrays(p->m->machine), first = *queue - DTQ_ARRAY0;
    int64_t end = 0;
    bool good = first >= 0 && n > letters && n <= letters + 6 && memcmp(text, array, letters) == 0;
    for (size_t i = letters; good && i < n; i++) {
        good = text[i] >= '0' && text[i] <= '9';
        end = 10 * end + (text[i] - '0');
    }
    if (!good || end < first || arrays < 1)
        return scan_error(&p->scan, loc, "queues that count up are arrays: array0..array12");
    if ((scan_take(&p->scan, '*') && !parse_times(&p->scan, &c->behind)) || !parse_count(p, loc, c, first, end, queue))
        return false;
    p->arrays_counted = true;
    *queue = DTQ_ARRAY0 + *queue % arrays;
    return true;
}

static bool parse_queue(parser *p, ir_attr *attr) {
    static const char *const queues[] = {"host", "load", "softmax", "topk", "store", "array0"};
    scanner *s = &p->scan;
    parse_counting c = {1, 1};
    const char *text = NULL;
    size_t n = 0;
    char next = scan_peek(s);
    const src_loc loc = scan_here(s);
    if (next >= '0' && next <= '9' && (!parse_times(s, &c.before) || !scan_need(s, '*', "`*` and the queues")))
        return false;
    if (!scan_word(s, &text, &n))
        return scan_expected(s, "a queue: host, load, softmax, topk, store or array0, array1, ...");
    const size_t dots = dots_in(text, n);
    attr->i = dtq_queue_parse(text, dots);
    if (attr->i < 0)
        return scan_error(s, loc,
                          "`%.*s` is no queue%s Queues are host, load, softmax, topk, store, array0, "
                          "array1, ...",
                          (int)n, text, scan_suggestion(s, text, n, queues, sizeof queues / sizeof queues[0]));
    return dots < n ? count_arrays(p, loc, &c, text + dots + 2, n - dots - 2, &attr->i)
                    : c.before == 1 || scan_expected(s, "`..` and where it ends");
}

/* A text; in a block also "layer.4.ffn.up"+1: its first number counts on. */
static bool parse_counted_text(parser *p, const char **text) {
    scanner *s = &p->scan;
    size_t at, digits;
    int64_t value;
    if (!scan_string(s, text))
        return false;
    if (scan_peek(s) != '+')
        return true;
    if (!ir_counted_find(*text, &at, &digits, &value))
        return scan_error(s, scan_here(s), "there is no number of 1 to 9 digits in this text that could count on");
    if (!parse_step(p, &value))
        return false;
    const char *counted = arena_printf(s->scratch, "%.*s%lld%s", (int)at, *text, (long long)value, *text + at + digits);
    *text = scan_intern(s, counted, strlen(counted));
    return true;
}

/* Text, or for `source` ^: the one written last. */
static bool parse_text(parser *p, ir_attr *attr) {
    scanner *s = &p->scan;
    if (attr->key != IR_KEY_source)
        return parse_counted_text(p, &attr->s);
    scan_peek(s);
    const src_loc loc = scan_here(s);
    if (!scan_take(s, '^'))
        return parse_counted_text(p, &p->last_source) && (attr->s = p->last_source, true);
    attr->s = p->last_source;
    return attr->s || scan_error(s, loc, "`^` repeats the `source` before it, but there is none; write one out");
}

static bool parse_attr_value(parser *p, ir_opcode code, ir_attr *attr) {
    scanner *s = &p->scan;
    switch ((ir_kind)attr->kind) {
    case IR_KIND_INT:
        return parse_counted(p, &attr->i);
    case IR_KIND_REAL:
        return scan_real(s, &attr->r);
    case IR_KIND_STR:
        return parse_text(p, attr);
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
bool parse_attrs(parser *p, ir_opcode code, size_t op) {
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
