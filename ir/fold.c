/* What is alike is written once. A buffer stands in front of the op that first names it, so that op can declare it. And
 * heads that run alike make the same ops again and again, in which a head, an array and the buffers count up. */
#include "ir/fold.h"

#include <string.h>

#include "ir/tables.h"
#include "runtime/isa/instruction.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/program.h"
#include "runtime/sim/layout.h"

enum { LENGTH_MAX = 64, PERIOD_MAX = 8 }; /* ops of a repeat */

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static bool in_text(const ir_module *m, const src_loc *loc) {
    const src_loc *origin = ir_origin(m, loc);
    return !origin->file || origin->file == m->text_file;
}

bool ir_fold_same_place(const ir_module *m, const src_loc *at, const src_loc *other) {
    if (in_text(m, at) || in_text(m, other))
        return in_text(m, at) && in_text(m, other);
    const src_loc *a = ir_origin(m, at), *b = ir_origin(m, other);
    return strcmp(a->file, b->file) == 0 && a->line == b->line && a->col == b->col;
}

/** Whether an op can declare the buffer at `def`: all that a buffer may say can be said there. */
static bool can_be_shown(const ir_module *m, size_t def, size_t user) {
    const ir_op *o = &m->ops[def];
    const ir_type type = o->result < m->value_count ? m->types[o->result] : (ir_type){0};
    if (o->code != IR_BUFFER || o->operand_count || type.elem != IR_ELEM_BUFFER || type.rank)
        return false;
    for (unsigned i = 0; i < o->attr_count; i++) {
        const unsigned key = m->attrs[o->attrs + i].key;
        if (key != IR_KEY_space && key != IR_KEY_bytes && key != IR_KEY_address && key != IR_KEY_name)
            return false;
    }
    return ir_get(m, def, IR_KEY_space) && ir_get(m, def, IR_KEY_bytes) &&
           (in_text(m, &o->loc) || ir_fold_same_place(m, &o->loc, &m->ops[user].loc));
}

static size_t definition(const ir_fold *f, size_t op, size_t index) {
    const ir_value v = f->m->operands[f->m->ops[op].operands + index];
    return v < f->m->value_count ? f->defs[v] : SIZE_MAX;
}

/** The buffers `pending` stand in front of `op`: it shows them if it names just these first, in their order. */
static void show_pending(ir_fold *f, size_t op, const size_t *pending, size_t count) {
    const ir_module *m = f->m;
    size_t at = 0;
    for (unsigned i = 0; i < m->ops[op].operand_count; i++)
        at += at < count && definition(f, op, i) == pending[at];
    for (size_t i = 0; i < count; i++)
        if (at != count || m->ops[op].result != IR_NONE || !can_be_shown(m, pending[i], op))
            return;
    for (size_t i = 0; i < count; i++)
        f->home[pending[i]] = op;
}

static void show_in_whole(arena *a, ir_fold *f) {
    const ir_module *m = f->m;
    size_t *pending = ARENA_ARRAY(a, size_t, m->op_count), count = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code == IR_BUFFER) {
            pending[count++] = op;
            continue;
        }
        if (count)
            show_pending(f, op, pending, count);
        count = 0;
    }
}

/** In a part each buffer is shown where it is named first. */
static void show_in_part(ir_fold *f, const bool *shown) {
    const ir_module *m = f->m;
    for (size_t op = 0; op < m->op_count; op++)
        for (unsigned i = 0; shown[op] && i < m->ops[op].operand_count; i++) {
            const size_t def = definition(f, op, i);
            if (def != SIZE_MAX && f->home[def] == SIZE_MAX && can_be_shown(m, def, op))
                f->home[def] = op;
        }
}

bool ir_fold_shows(const ir_fold *f, size_t op, size_t index) {
    const size_t def = definition(f, op, index);
    if (def == SIZE_MAX || f->home[def] != op)
        return false;
    for (size_t before = 0; before < index; before++)
        if (definition(f, op, before) == def)
            return false;
    return true;
}

/* ---- repeats ----------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash ^= value;
    return (hash * 0x9E3779B97F4A7C15u) ^ hash >> 29;
}

/** Opcode, keys, how many operands: what ops that follow each other in a repeat must have in common at least. */
static uint64_t shape_of(const ir_module *m, size_t op) {
    const ir_op *o = &m->ops[op];
    uint64_t hash = mix(o->code, o->operand_count);
    for (unsigned i = 0; i < o->attr_count; i++)
        hash = mix(hash, m->attrs[o->attrs + i].key);
    return mix(hash, o->result != IR_NONE ? op + 1 : 0); /* what makes a value is like no other */
}

/** The same op of a repeat the first time, the second, after a period, and at time `at`. */
typedef struct {
    size_t first, second, leap, now;
    size_t at, period;
    bool twice; /* it is two times alone, which could be anything: then only heads, arrays and buffers count up */
} quartet;

/* What a number is at these times fits one of the ways that it can be written in: it counts up each time, or each
 * period, or is the same after each period. Numbers are of text, so that none is as large as overflows. */
static bool counts_up(const quartet *q, int64_t first, int64_t second, int64_t leap, int64_t now) {
    const int64_t most = INT64_C(1) << 40, step = second - first, way = leap - first;
    if (first > most || second > most || leap > most || now > most || first < 0 || second < 0 || leap < 0 || now < 0)
        return first == second && first == leap && first == now;
    if (q->at >= q->period && step && way && way != step * (int64_t)q->period)
        return false;
    const int64_t rounds = (int64_t)(q->at / q->period), rest = (int64_t)(q->at % q->period);
    return now == first + way * rounds + step * rest;
}

/** The same of arrays, of which the first comes after the last. */
static bool arrays_count_up(const ir_module *m, const quartet *q, const int64_t at[4]) {
    const int64_t arrays = (int64_t)dtq_machine_arrays(m->machine);
    int64_t number[4];
    if (at[0] == at[1] && at[0] == at[2])
        return at[3] == at[0];
    for (int i = 0; i < 4; i++) {
        number[i] = at[i] - DTQ_ARRAY0;
        if (number[i] < 0 || number[i] >= arrays)
            return false;
    }
    const int64_t step = (number[1] - number[0] + arrays) % arrays, way = (number[2] - number[0] + arrays) % arrays;
    if (q->at >= q->period && step && way && (step * (int64_t)q->period - way) % arrays != 0)
        return false;
    const int64_t rounds = (int64_t)(q->at / q->period), rest = (int64_t)(q->at % q->period);
    return number[3] == (number[0] + way * rounds + step * rest) % arrays;
}

static bool same_attr(const ir_module *m, const quartet *q, unsigned i, unsigned head) {
    const size_t ops[4] = {q->first, q->second, q->leap, q->now};
    const ir_attr *at[4];
    for (int o = 0; o < 4; o++) {
        at[o] = &m->attrs[m->ops[ops[o]].attrs + i];
        if (at[o]->key != at[0]->key || at[o]->kind != at[0]->kind)
            return false;
    }
    switch ((ir_kind)at[0]->kind) {
    case IR_KIND_INT:
        return counts_up(q, at[0]->i, at[1]->i, at[2]->i, at[3]->i) &&
               (!q->twice || at[0]->i == at[1]->i || at[0]->key == head);
    case IR_KIND_QUEUE:
        return arrays_count_up(m, q, (int64_t[]){at[0]->i, at[1]->i, at[2]->i, at[3]->i});
    case IR_KIND_WORD: /* another word the first time */
        return strcmp(at[1]->s, at[3]->s) == 0;
    default:
        return ir_attr_equal(at[0], at[3]);
    }
}

/** The bytes, or the address, of buffers that an operand declares. */
static bool same_number(const ir_module *m, const quartet *q, const size_t def[4], ir_key key) {
    int64_t value[4];
    unsigned there = 0;
    for (int i = 0; i < 4; i++) {
        const ir_attr *attr = ir_get(m, def[i], key);
        there += attr != NULL;
        value[i] = attr ? attr->i : 0;
    }
    return there == 0 || (there == 4 && counts_up(q, value[0], value[1], value[2], value[3]) &&
                          (!q->twice || value[0] == value[1] || key == IR_KEY_address));
}

static bool same_operand(const ir_fold *f, const quartet *q, unsigned i) {
    const ir_module *m = f->m;
    const size_t ops[4] = {q->first, q->second, q->leap, q->now};
    const bool shows = ir_fold_shows(f, q->first, i);
    ir_value v[4];
    size_t def[4];
    for (int o = 0; o < 4; o++) {
        v[o] = m->operands[m->ops[ops[o]].operands + i];
        if (v[o] >= m->value_count || f->numbers[v[o]] == IR_NONE)
            return v[0] == v[o] && v[0] == m->operands[m->ops[q->now].operands + i];
        def[o] = f->defs[v[o]];
    }
    if (shows && v[0] == v[1] && v[0] == v[2] && v[0] == v[3])
        return true; /* declared the first time, named again */
    for (int o = 1; o < 4; o++)
        if (shows != ir_fold_shows(f, ops[o], i) || strcmp(ir_fold_prefix(f, v[0]), ir_fold_prefix(f, v[o])) != 0 ||
            (shows && ir_get(m, def[o], IR_KEY_name)))
            return false;
    return counts_up(q, f->numbers[v[0]], f->numbers[v[1]], f->numbers[v[2]], f->numbers[v[3]]) &&
           (!shows || (!ir_get(m, def[0], IR_KEY_name) && same_number(m, q, def, IR_KEY_bytes) &&
                       same_number(m, q, def, IR_KEY_address)));
}

static bool same_op(const ir_fold *f, const quartet *q, unsigned head) {
    const ir_module *m = f->m;
    for (unsigned i = 0; i < m->ops[q->first].attr_count; i++)
        if (!same_attr(m, q, i, head))
            return false;
    for (unsigned i = 0; i < m->ops[q->first].operand_count; i++)
        if (!same_operand(f, q, i))
            return false;
    return ir_fold_same_place(m, &m->ops[q->first].loc, &m->ops[q->now].loc);
}

/** All ops of a body come from one place: `^` means the same each time. */
static bool one_source(const ir_fold *f, size_t item, size_t length) {
    const ir_module *m = f->m;
    const char *first = ir_str(m, f->items[item], IR_KEY_source);
    for (size_t i = 1; i < length; i++) {
        const char *source = ir_str(m, f->items[item + i], IR_KEY_source);
        if (!ir_fold_same_place(m, &m->ops[f->items[item]].loc, &m->ops[f->items[item + i]].loc) ||
            (source && (!first || strcmp(source, first) != 0)))
            return false;
    }
    return true;
}

/** Whether the `length` items at `item` are there again at time `time`. */
static bool is_again(const ir_fold *f, size_t item, const ir_repeat *by, size_t time, bool twice, unsigned head) {
    const size_t at = item + time * by->length, leap = item + by->period * by->length;
    if (at + by->length > f->count || memcmp(&f->shapes[item], &f->shapes[at], by->length * sizeof *f->shapes) != 0 ||
        memcmp(&f->shapes[item], &f->shapes[leap], by->length * sizeof *f->shapes) != 0)
        return false;
    for (size_t i = 0; i < by->length; i++) {
        const quartet q = {f->items[item + i],
                           f->items[item + by->length + i],
                           f->items[leap + i],
                           f->items[at + i],
                           time,
                           by->period,
                           twice};
        if (!same_op(f, &q, head))
            return false;
    }
    return true;
}

/** How many times the `length` items follow each other, by whole periods. */
static size_t times_of(const ir_fold *f, size_t item, size_t length, size_t period, unsigned head) {
    const ir_repeat by = {length, 0, period};
    size_t times = 1;
    if (item + (period + 1) * length > f->count)
        return 1;
    while (is_again(f, item, &by, times, false, head))
        times++;
    if (times < 2 * period || (times == 2 && !is_again(f, item, &by, 1, true, head)) || !one_source(f, item, length))
        return 1;
    return times / period * period;
}

ir_repeat ir_fold_repeat(const ir_fold *f, size_t item) {
    const unsigned head = (unsigned)ir_key_find("head", strlen("head"));
    ir_repeat best = {1, 1, 1};
    size_t saved = 1; /* lines; one is not worth it */
    for (size_t n = 1; f->m->level >= IR_SCHEDULE && n <= LENGTH_MAX && item + 2 * n <= f->count; n++) {
        if (f->shapes[item] != f->shapes[item + n])
            continue;
        for (size_t period = 1; period <= PERIOD_MAX; period++) {
            const size_t times = times_of(f, item, n, period, head);
            if ((times - 1) * n > saved) {
                saved = (times - 1) * n;
                best = (ir_repeat){n, times, period};
            }
        }
    }
    return best;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

const char *ir_fold_prefix(const ir_fold *f, ir_value v) {
    const size_t def = v < f->m->value_count ? f->defs[v] : SIZE_MAX;
    const char *space = def != SIZE_MAX && f->m->ops[def].code == IR_BUFFER ? ir_str(f->m, def, IR_KEY_space) : NULL;
    return space ? space : "";
}

/* Values are printed by the order of their definitions, whatever gaps passes have left in their numbers, so that text
 * read back prints the same; buffers by the order of those of their space, so that those of heads alike count up. */
static void number_values(arena *a, ir_fold *f) {
    const ir_module *m = f->m;
    ir_word words[IR_WORDS_MAX];
    const size_t spaces = ir_words(IR_BUFFER, IR_KEY_space, words);
    uint32_t next[IR_WORDS_MAX + 1] = {0};
    f->numbers = ARENA_ARRAY(a, uint32_t, m->value_count + 1);
    f->defs = ARENA_ARRAY(a, size_t, m->value_count + 1);
    for (size_t v = 0; v < m->value_count; v++) {
        f->numbers[v] = IR_NONE;
        f->defs[v] = SIZE_MAX;
    }
    for (size_t op = 0; op < m->op_count; op++) {
        const ir_value v = m->ops[op].result;
        if (v >= m->value_count)
            continue;
        const char *space = m->ops[op].code == IR_BUFFER ? ir_str(m, op, IR_KEY_space) : NULL;
        size_t kind = 0;
        while (space && kind < spaces &&
               (strlen(space) != words[kind].length || memcmp(space, words[kind].text, words[kind].length) != 0))
            kind++;
        f->defs[v] = op;
        f->numbers[v] = next[space ? kind : IR_WORDS_MAX]++;
    }
}

ir_fold ir_fold_of(arena *a, const ir_module *m, const bool *shown, bool part) {
    ir_fold f = {.m = m,
                 .items = ARENA_ARRAY(a, size_t, m->op_count + 1),
                 .home = ARENA_ARRAY(a, size_t, m->op_count + 1),
                 .shapes = ARENA_ARRAY(a, uint64_t, m->op_count + 1)};
    number_values(a, &f);
    for (size_t op = 0; op < m->op_count; op++)
        f.home[op] = SIZE_MAX;
    if (m->level >= IR_SCHEDULE && part)
        show_in_part(&f, shown);
    else if (m->level >= IR_SCHEDULE)
        show_in_whole(a, &f);
    for (size_t op = 0; op < m->op_count; op++)
        if (shown[op] && f.home[op] == SIZE_MAX) {
            f.shapes[f.count] = shape_of(m, op);
            f.items[f.count++] = op;
        }
    return f;
}
