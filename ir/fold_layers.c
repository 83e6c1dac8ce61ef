/* Layers that are alike make the same ops: their numbers, the buffers they name and the names of the model's ops in
 * them count on from layer to layer. */
#include "ir/fold_layers.h"

#include <string.h>

#include "ir/names_counted.h"

enum { TIMES_LEAST = 3 }; /* two bodies count on whatever they are */

static const int64_t most_number = INT64_C(1) << 40;

/** What is said of one op of a body in the first pass, in the second, and in pass `at`. */
typedef struct {
    size_t first, second, now;
    size_t at;
} triple;

static bool counts_on(const triple *t, int64_t first, int64_t second, int64_t now) {
    if (first < 0 || first > most_number || second < first || second > most_number)
        return first == second && first == now;
    return now == first + (second - first) * (int64_t)t->at;
}

static bool text_counts_on(const triple *t, const char *first, const char *second, const char *now) {
    int64_t a, b, c;
    if (strcmp(first, second) == 0)
        return strcmp(first, now) == 0;
    return ir_counted_same(first, second, &a, &b) && ir_counted_same(first, now, &a, &c) && counts_on(t, a, b, c);
}

int64_t ir_fold_step(const ir_attr *attr, const ir_attr *next) {
    int64_t a, b;
    if (attr->kind == IR_KIND_INT)
        return next->i - attr->i;
    return attr->kind == IR_KIND_STR && strcmp(attr->s, next->s) != 0 && ir_counted_same(attr->s, next->s, &a, &b)
               ? b - a
               : 0;
}

static bool attr_counts_on(const triple *t, const ir_attr *first, const ir_attr *second, const ir_attr *now) {
    if (first->key != second->key || first->key != now->key || first->kind != second->kind || first->kind != now->kind)
        return false;
    if (first->kind == IR_KIND_INT)
        return counts_on(t, first->i, second->i, now->i);
    if (first->kind == IR_KIND_STR)
        return text_counts_on(t, first->s, second->s, now->s);
    return ir_attr_equal(first, second) && ir_attr_equal(first, now);
}

static ir_value value_of(const ir_fold *f, size_t op, size_t index) {
    return f->m->operands[f->m->ops[op].operands + index];
}

static bool has_number(const ir_fold *f, ir_value v) {
    return v < f->m->value_count && f->numbers[v] != IR_NONE;
}

int64_t ir_fold_value_step(const ir_fold *f, size_t op, size_t next, size_t index) {
    const ir_value a = value_of(f, op, index), b = value_of(f, next, index);
    return a == b ? 0 : (int64_t)f->numbers[b] - (int64_t)f->numbers[a];
}

/** What operands declare, all of it. */
static bool buffer_counts_on(const ir_fold *f, const triple *t, const size_t def[3]) {
    const ir_op *ops[3];
    for (int i = 0; i < 3; i++) {
        ops[i] = &f->m->ops[def[i]];
        if (ops[i]->attr_count != ops[0]->attr_count || ir_get(f->m, def[i], IR_KEY_name))
            return false;
    }
    for (unsigned i = 0; i < ops[0]->attr_count; i++)
        if (!attr_counts_on(t, &f->m->attrs[ops[0]->attrs + i], &f->m->attrs[ops[1]->attrs + i],
                            &f->m->attrs[ops[2]->attrs + i]))
            return false;
    return true;
}

static bool operand_counts_on(const ir_fold *f, const triple *t, size_t index) {
    const size_t ops[3] = {t->first, t->second, t->now};
    const bool shows = ir_fold_shows(f, t->first, index);
    ir_value v[3];
    size_t def[3];
    for (int i = 0; i < 3; i++) {
        v[i] = value_of(f, ops[i], index);
        if (!has_number(f, v[i]))
            return v[0] == v[i] && v[0] == value_of(f, t->now, index);
        def[i] = f->defs[v[i]];
        if (ir_fold_shows(f, ops[i], index) != shows || strcmp(ir_fold_prefix(f, v[0]), ir_fold_prefix(f, v[i])) != 0)
            return false;
    }
    return counts_on(t, f->numbers[v[0]], f->numbers[v[1]], f->numbers[v[2]]) &&
           (!shows || buffer_counts_on(f, t, def));
}

static bool op_counts_on(const ir_fold *f, const triple *t) {
    const ir_module *m = f->m;
    const ir_op *first = &m->ops[t->first], *second = &m->ops[t->second], *now = &m->ops[t->now];
    for (unsigned i = 0; i < first->attr_count; i++)
        if (!attr_counts_on(t, &m->attrs[first->attrs + i], &m->attrs[second->attrs + i], &m->attrs[now->attrs + i]))
            return false;
    for (size_t i = 0; i < first->operand_count; i++)
        if (!operand_counts_on(f, t, i))
            return false;
    return ir_fold_same_place(m, &first->loc, &now->loc) && ir_fold_same_place(m, &first->loc, &second->loc);
}

/** Whether sources that are the same in the first pass are in this one: `^` says so of both. */
static bool sources_agree(const ir_fold *f, size_t item, size_t now, size_t length) {
    const char *last[2] = {NULL, NULL};
    for (size_t i = 0; i < length; i++) {
        const char *of[2] = {ir_str(f->m, f->items[item + i], IR_KEY_source),
                             ir_str(f->m, f->items[now + i], IR_KEY_source)};
        if (!of[0])
            continue;
        if (last[0] && strcmp(last[0], of[0]) == 0 && strcmp(last[1], of[1]) != 0)
            return false;
        memcpy(last, of, sizeof last);
    }
    return true;
}

static bool body_counts_on(const ir_fold *f, size_t item, size_t length, size_t at) {
    const size_t now = item + at * length;
    if (now + length > f->count ||
        memcmp(&f->shapes[item], &f->shapes[item + length], length * sizeof *f->shapes) != 0 ||
        memcmp(&f->shapes[item], &f->shapes[now], length * sizeof *f->shapes) != 0)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!op_counts_on(f, &(triple){f->items[item + i], f->items[item + length + i], f->items[now + i], at}))
            return false;
    return sources_agree(f, item, now, length);
}

/** Whether two ops of a repeat inside a body count on by the same steps, so that one text says both. */
static bool same_steps(const ir_fold *f, size_t first, size_t other, size_t length) {
    const ir_module *m = f->m;
    const size_t ops[2] = {f->items[first], f->items[other]};
    const size_t next[2] = {f->items[first + length], f->items[other + length]};
    for (unsigned i = 0; i < m->ops[ops[0]].attr_count; i++) {
        int64_t step[2];
        for (int o = 0; o < 2; o++)
            step[o] = ir_fold_step(&m->attrs[m->ops[ops[o]].attrs + i], &m->attrs[m->ops[next[o]].attrs + i]);
        if (step[0] != step[1])
            return false;
    }
    for (size_t i = 0; i < m->ops[ops[0]].operand_count; i++) {
        int64_t declared[2][2] = {{0}};
        for (int o = 0; o < 2 && ir_fold_shows(f, ops[o], i); o++)
            for (int k = 0; k < 2; k++) {
                const ir_key key = k ? IR_KEY_address : IR_KEY_bytes;
                declared[o][k] = ir_int(m, f->defs[value_of(f, next[o], i)], key, 0) -
                                 ir_int(m, f->defs[value_of(f, ops[o], i)], key, 0);
            }
        const bool both = ir_fold_shows(f, ops[0], i) && ir_fold_shows(f, ops[1], i);
        if (ir_fold_value_step(f, ops[0], next[0], i) != ir_fold_value_step(f, ops[1], next[1], i) ||
            (both && memcmp(declared[0], declared[1], sizeof declared[0]) != 0))
            return false;
    }
    return true;
}

static bool repeats_count_on(const ir_fold *f, size_t item, size_t length) {
    ir_fold body = *f;
    ir_repeat by;
    body.count = item + length;
    for (size_t at = item; at < body.count; at += by.times * by.length) {
        by = ir_fold_repeat(&body, at);
        for (size_t time = 1; time < by.times; time++)
            for (size_t i = 0; i < by.length; i++)
                if (!same_steps(f, at + i, at + time * by.length + i, length))
                    return false;
    }
    return true;
}

static int64_t layer_at(const ir_fold *f, unsigned key, size_t item) {
    return item < f->count ? ir_int(f->m, f->items[item], key, -1) : -1;
}

ir_block ir_fold_block(const ir_fold *f, size_t item) {
    const unsigned key = (unsigned)ir_key_find("layer", strlen("layer"));
    const int64_t layer = layer_at(f, key, item);
    size_t length = 0, times = 1;
    if (f->m->level < IR_SCHEDULE || layer < 0 || (item > 0 && layer_at(f, key, item - 1) == layer))
        return (ir_block){1, 1, layer};
    while (layer_at(f, key, item + length) == layer)
        length++;
    while (layer_at(f, key, item + times * length) == layer + (int64_t)times &&
           layer_at(f, key, item + (times + 1) * length) != layer + (int64_t)times &&
           body_counts_on(f, item, length, times))
        times++;
    return times < TIMES_LEAST || !repeats_count_on(f, item, length) ? (ir_block){1, 1, layer}
                                                                     : (ir_block){length, times, layer};
}
