/* Building and reading modules. */
#include "ir/ir.h"

#include <assert.h>
#include <string.h>

#include "runtime/machine_members.h"

ir_module *ir_module_new(arena *a, ir_level level) {
    ir_module *m = ARENA_NEW(a, ir_module);
    m->level = level;
    m->arena = a;
    m->machine = ARENA_NEW(a, dtq_machine);
    dtq_machine_init(m->machine);
    return m;
}

ir_module *ir_module_like(arena *a, const ir_module *from, ir_level level) {
    ir_module *m = ir_module_new(a, level);
    m->header = from->header;
    *m->machine = *from->machine;
    return m;
}

/* `items` grown to hold `wanted`; pools double, so that appending stays linear. */
static void *grow(arena *a, void *items, size_t *capacity, size_t wanted, size_t size) {
    if (wanted <= *capacity)
        return items;
    size_t old = *capacity, doubled = old ? 2 * old : 64;
    *capacity = wanted > doubled ? wanted : doubled;
    if (*capacity > SIZE_MAX / size)
        *capacity = SIZE_MAX / size; /* the arena says that there is no such memory */
    return arena_resize(a, items, old * size, *capacity * size);
}

#define GROW(m, pool, member, wanted)                                                                                  \
    ((m)->pool = grow((m)->arena, (m)->pool, &(m)->member##_capacity, (wanted), sizeof *(m)->pool))

static ir_value new_value(ir_module *m, size_t op, ir_type type) {
    size_t capacity = m->value_capacity;
    m->defs = grow(m->arena, m->defs, &capacity, m->value_count + 1, sizeof *m->defs);
    GROW(m, types, value, m->value_count + 1);
    m->types[m->value_count] = type;
    m->defs[m->value_count] = (uint32_t)op;
    return (ir_value)m->value_count++;
}

size_t ir_append(ir_module *m, ir_opcode code, const ir_value *operands, size_t operand_count, ir_type type,
                 src_loc loc) {
    assert(code < IR_OPCODES && operand_count <= UINT16_MAX);
    assert(m->op_count < UINT32_MAX && m->operand_count + operand_count < UINT32_MAX && m->attr_count < UINT32_MAX);
    GROW(m, ops, op, m->op_count + 1);
    size_t index = m->op_count++;
    ir_op *op = &m->ops[index];
    *op = (ir_op){.code = (uint16_t)code,
                  .operand_count = (uint16_t)operand_count,
                  .operands = (uint32_t)m->operand_count,
                  .attrs = (uint32_t)m->attr_count,
                  .result = IR_NONE,
                  .loc = loc};
    if (operand_count) {
        /* `operands` may stand in the pool, which growing may move. */
        uintptr_t from = (uintptr_t)operands, pool = (uintptr_t)m->operands;
        bool own = from >= pool && from < pool + m->operand_count * sizeof *operands;
        GROW(m, operands, operand, m->operand_count + operand_count);
        if (own)
            operands = (const ir_value *)((const char *)m->operands + (from - pool));
        memmove(&m->operands[m->operand_count], operands, operand_count * sizeof *operands);
        m->operand_count += operand_count;
    }
    if (ir_info(code)->results)
        op->result = new_value(m, index, type);
    return index;
}

ir_value ir_result(const ir_module *m, size_t op) {
    return m->ops[op].result;
}

/* ---- attributes ------------------------------------------------------------------------------------------------- */

static ir_attr *find_attr(const ir_module *m, size_t op, unsigned key) {
    const ir_attr *attr = ir_get(m, op, key);
    return attr ? &m->attrs[attr - m->attrs] : NULL;
}

/* A list that other ops have, too, is copied before it changes, with room for another attribute. */
static void own_attrs(ir_module *m, ir_op *o) {
    if (o->attr_count <= o->attr_capacity)
        return;
    size_t room = (size_t)o->attr_count + 1;
    assert(m->attr_count + room < UINT32_MAX && room <= UINT16_MAX);
    GROW(m, attrs, attr, m->attr_count + room);
    memcpy(&m->attrs[m->attr_count], &m->attrs[o->attrs], o->attr_count * sizeof *m->attrs);
    o->attrs = (uint32_t)m->attr_count;
    o->attr_capacity = (uint16_t)room;
    m->attr_count += room;
}

/* The place for attribute `key` of the op: the one it has, or a new one. The attributes of an op are neighbours in the
 * pool; those of the last op grow in place, those of an older one move to the end with room for as many again. */
static ir_attr *place_attr(ir_module *m, size_t op, unsigned key) {
    own_attrs(m, &m->ops[op]);
    ir_attr *have = find_attr(m, op, key);
    if (have)
        return have;
    ir_op *o = &m->ops[op];
    if (o->attr_count == o->attr_capacity) {
        bool last = o->attrs + (size_t)o->attr_capacity == m->attr_count;
        size_t room = last ? 1 : 2 * ((size_t)o->attr_count + 1);
        assert(m->attr_count + room < UINT32_MAX && o->attr_capacity + room <= UINT16_MAX);
        GROW(m, attrs, attr, m->attr_count + room);
        if (!last) {
            memcpy(&m->attrs[m->attr_count], &m->attrs[o->attrs], o->attr_count * sizeof *m->attrs);
            o->attrs = (uint32_t)m->attr_count;
            o->attr_capacity = 0;
        }
        o->attr_capacity = (uint16_t)(o->attr_capacity + room);
        m->attr_count += room;
    }
    ir_attr *attr = &m->attrs[o->attrs + o->attr_count++];
    *attr = (ir_attr){.key = (uint16_t)key, .kind = (uint8_t)ir_key_get(key)->kind};
    return attr;
}

static ir_attr *set_kind(ir_module *m, size_t op, unsigned key, ir_kind kind) {
    assert(key < ir_key_count() && ir_key_get(key)->kind == kind);
    (void)kind;
    return place_attr(m, op, key);
}

void ir_set_int(ir_module *m, size_t op, unsigned key, int64_t value) {
    ir_kind kind = ir_key_get(key)->kind;
    set_kind(m, op, key, kind == IR_KIND_QUEUE ? kind : IR_KIND_INT)->i = value;
}

void ir_set_new_ints(ir_module *m, size_t op, const unsigned *keys, const int64_t *values, size_t count) {
    ir_op *o = &m->ops[op];
    bool has = o->attr_count + count > o->attr_capacity;
    uint64_t wanted = 0, met = 0; /* keys by their last six bits: if none is met, none of them is there */
    for (size_t i = 0; i < count; i++)
        wanted |= UINT64_C(1) << keys[i] % 64;
    for (unsigned i = 0; i < o->attr_count; i++)
        met |= UINT64_C(1) << m->attrs[o->attrs + i].key % 64;
    for (size_t i = 0; i < count && !has && (wanted & met); i++)
        has = ir_get(m, op, keys[i]) != NULL;
    for (size_t i = 0; i < count; i++)
        if (has)
            ir_set_int(m, op, keys[i], values[i]);
        else
            m->attrs[o->attrs + o->attr_count++] =
                (ir_attr){.key = (uint16_t)keys[i], .kind = IR_KIND_INT, .i = values[i]};
}

void ir_set_real(ir_module *m, size_t op, unsigned key, double value) {
    set_kind(m, op, key, IR_KIND_REAL)->r = value;
}

void ir_set_str(ir_module *m, size_t op, unsigned key, const char *value) {
    ir_kind kind = ir_key_get(key)->kind;
    set_kind(m, op, key, kind == IR_KIND_WORD ? kind : IR_KIND_STR)->s = arena_strdup(m->arena, value);
}

static void *copy_array(arena *a, const void *items, size_t count, size_t size) {
    assert(count <= UINT32_MAX);
    void *copy = arena_array(a, count, size);
    if (count)
        memcpy(copy, items, count * size);
    return copy;
}

void ir_set_ints(ir_module *m, size_t op, unsigned key, const int64_t *values, size_t count) {
    const int64_t *copy = copy_array(m->arena, values, count, sizeof *values);
    ir_attr *attr = set_kind(m, op, key, IR_KIND_INTS);
    attr->ints = copy;
    attr->count = (uint32_t)count;
}

void ir_set_runs(ir_module *m, size_t op, unsigned key, const ir_run *runs, size_t count) {
    const ir_run *copy = copy_array(m->arena, runs, count, sizeof *runs);
    ir_attr *attr = set_kind(m, op, key, IR_KIND_RUNS);
    attr->runs = copy;
    attr->count = (uint32_t)count;
}

void ir_set_range(ir_module *m, size_t op, unsigned key, int64_t lo, int64_t hi) {
    const ir_range range = {lo, hi};
    const ir_range *copy = copy_array(m->arena, &range, 1, sizeof range);
    set_kind(m, op, key, IR_KIND_RANGE)->range = copy;
}

void ir_set(ir_module *m, size_t op, const ir_attr *attr) {
    ir_attr copy = *attr; /* `attr` may stand in the pool that is about to move */
    *set_kind(m, op, copy.key, (ir_kind)copy.kind) = copy;
}

void ir_unset(ir_module *m, size_t op, unsigned key) {
    own_attrs(m, &m->ops[op]);
    ir_attr *attr = find_attr(m, op, key);
    if (!attr)
        return;
    ir_op *o = &m->ops[op];
    ir_attr *end = &m->attrs[o->attrs + o->attr_count];
    memmove(attr, attr + 1, (size_t)(end - attr - 1) * sizeof *attr);
    o->attr_count--;
}

void ir_put_attrs(ir_module *m, size_t op, const ir_attr *attrs, size_t count, size_t spare) {
    ir_op *o = &m->ops[op];
    size_t room = count + spare;
    assert(o->attr_capacity == 0 && m->attr_count + room < UINT32_MAX && room <= UINT16_MAX);
    assert(!m->attrs || attrs < m->attrs || attrs >= m->attrs + m->attr_capacity); /* the pool may move */
    GROW(m, attrs, attr, m->attr_count + room);
    o->attrs = (uint32_t)m->attr_count;
    o->attr_count = (uint16_t)count;
    o->attr_capacity = (uint16_t)room;
    m->attr_count += room;
    if (count)
        memcpy(&m->attrs[o->attrs], attrs, count * sizeof *attrs);
}

void ir_copy_attrs(ir_module *m, size_t op, const ir_module *from, size_t from_op, size_t spare) {
    const ir_op *old = &from->ops[from_op];
    assert(m != from);
    ir_put_attrs(m, op, old->attr_count ? &from->attrs[old->attrs] : NULL, old->attr_count, spare);
}

/* Where what ops [first, end) have lies in a pool: from `lo` to before `hi`. */
typedef struct {
    uint32_t lo, hi;
} pool_range;

static void cover(pool_range *r, uint32_t at, uint32_t count) {
    if (!count)
        return;
    r->lo = at < r->lo ? at : r->lo;
    r->hi = at + count > r->hi ? at + count : r->hi;
}

size_t ir_append_copies(ir_module *m, size_t first, size_t end, src_loc loc) {
    pool_range operands = {UINT32_MAX, 0}, attrs = {UINT32_MAX, 0}, values = {UINT32_MAX, 0};
    const size_t copy = m->op_count;
    if (first == end)
        return copy;
    for (const ir_op *o = &m->ops[first]; o < &m->ops[end]; o++) {
        cover(&operands, o->operands, o->operand_count);
        cover(&attrs, o->attrs, o->attr_capacity);
        cover(&values, o->result, o->result != IR_NONE);
    }
    const uint32_t operand_shift = (uint32_t)m->operand_count - operands.lo,
                   attr_shift = (uint32_t)m->attr_count - attrs.lo;
    const uint32_t value_shift = (uint32_t)m->value_count - values.lo, op_shift = (uint32_t)(copy - first);
    assert(copy + (end - first) < UINT32_MAX && m->operand_count + (size_t)operands.hi < UINT32_MAX &&
           m->attr_count + (size_t)attrs.hi < UINT32_MAX);
    GROW(m, ops, op, copy + (end - first));
    for (size_t op = first; op < end; op++) {
        ir_op *o = &m->ops[op + op_shift];
        *o = m->ops[op];
        o->loc = loc;
        o->operands += operand_shift;
        if (o->attr_capacity) /* else another op's, too */
            o->attrs += attr_shift;
        if (o->result != IR_NONE)
            o->result += value_shift;
    }
    m->op_count += end - first;
    if (operands.hi) {
        const size_t count = operands.hi - operands.lo;
        GROW(m, operands, operand, m->operand_count + count);
        for (size_t i = 0; i < count; i++) {
            const ir_value v = m->operands[operands.lo + i];
            m->operands[m->operand_count + i] = v >= values.lo && v < values.hi ? v + value_shift : v;
        }
        m->operand_count += count;
    }
    if (attrs.hi) {
        const size_t count = attrs.hi - attrs.lo;
        GROW(m, attrs, attr, m->attr_count + count);
        memcpy(&m->attrs[m->attr_count], &m->attrs[attrs.lo], count * sizeof *m->attrs);
        m->attr_count += count;
    }
    for (ir_value v = values.lo; v < values.hi; v++)
        new_value(m, m->defs[v] + op_shift, m->types[v]);
    return copy;
}

void ir_spread(ir_module *m, const uint32_t *place, size_t count) {
    assert(count >= m->op_count && count < UINT32_MAX);
    GROW(m, ops, op, count);
    for (size_t op = m->op_count; op-- > 0;) {
        m->ops[place[op]] = m->ops[op];
        if (m->ops[place[op]].result != IR_NONE)
            m->defs[m->ops[place[op]].result] = place[op];
    }
    m->op_count = count;
}

void ir_fill(ir_module *m, size_t op, ir_opcode code, src_loc loc) {
    m->ops[op] = (ir_op){.code = (uint16_t)code, .result = IR_NONE, .loc = loc};
}

void ir_fill_like(ir_module *m, size_t op, size_t like, src_loc loc) {
    ir_op *other = &m->ops[like];
    other->attr_capacity = 0;
    m->ops[op] = (ir_op){
        .code = other->code, .attr_count = other->attr_count, .attrs = other->attrs, .result = IR_NONE, .loc = loc};
}

void ir_module_release(ir_module *m) {
    arena_release(m->arena, m->ops, m->op_capacity * sizeof *m->ops);
    arena_release(m->arena, m->operands, m->operand_capacity * sizeof *m->operands);
    arena_release(m->arena, m->attrs, m->attr_capacity * sizeof *m->attrs);
    arena_release(m->arena, m->types, m->value_capacity * sizeof *m->types);
    arena_release(m->arena, m->defs, m->value_capacity * sizeof *m->defs);
    m->ops = NULL;
    m->operands = NULL;
    m->attrs = NULL;
    m->types = NULL;
    m->defs = NULL;
    m->op_count = m->op_capacity = m->operand_count = m->operand_capacity = 0;
    m->attr_count = m->attr_capacity = m->value_count = m->value_capacity = 0;
}

bool ir_attr_equal(const ir_attr *a, const ir_attr *b) {
    if (a->kind != b->kind)
        return false;
    switch ((ir_kind)a->kind) {
    case IR_KIND_INT:
    case IR_KIND_QUEUE:
        return a->i == b->i;
    case IR_KIND_REAL:
        return memcmp(&a->r, &b->r, sizeof a->r) == 0;
    case IR_KIND_STR:
    case IR_KIND_WORD:
        return a->s == b->s || strcmp(a->s, b->s) == 0;
    case IR_KIND_INTS:
        return a->count == b->count && (!a->count || memcmp(a->ints, b->ints, a->count * sizeof *a->ints) == 0);
    case IR_KIND_RANGE:
        return a->range->lo == b->range->lo && a->range->hi == b->range->hi;
    case IR_KIND_RUNS:
        return a->count == b->count && (!a->count || memcmp(a->runs, b->runs, a->count * sizeof *a->runs) == 0);
    }
    return false;
}

double ir_real(const ir_module *m, size_t op, unsigned key, double missing) {
    const ir_attr *attr = find_attr(m, op, key);
    return attr ? attr->r : missing;
}

const char *ir_str(const ir_module *m, size_t op, unsigned key) {
    const ir_attr *attr = find_attr(m, op, key);
    return attr ? attr->s : NULL;
}

dtq_slot_order ir_slot_order(const char *word) {
    return !word || strcmp(word, "low-first") == 0 ? DTQ_ORDER_LOW_FIRST
           : strcmp(word, "high-first") == 0       ? DTQ_ORDER_HIGH_FIRST
                                                   : DTQ_ORDER_ORIGINAL;
}

bool ir_by_probe(const ir_module *m, size_t op) {
    static const char probe[] = "probe";
    const char *rule = ir_str(m, op, IR_KEY_importance_rule);
    return rule && strncmp(rule, probe, sizeof probe - 1) == 0;
}

bool ir_by_late(const ir_module *m, size_t op) {
    static const char late[] = "late";
    const char *rule = ir_str(m, op, IR_KEY_importance_rule);
    return rule && strncmp(rule, late, sizeof late - 1) == 0;
}

bool ir_chooses_late(const ir_module *m, size_t op) {
    const size_t table = m->ops[op].code == IR_TILES ? m->defs[ir_operand(m, op, 3)] : op;
    return ir_by_late(m, op) && !ir_get(m, table, IR_KEY_ids) && !ir_get(m, op, IR_KEY_token_bits);
}

bool ir_by_own(const ir_module *m, size_t op) {
    return ir_by_probe(m, op) || ir_by_late(m, op);
}

bool ir_streams(const ir_module *m, size_t op) {
    const char *rule = ir_str(m, op, IR_KEY_importance_rule);
    return rule && strcmp(rule, "streamed") == 0;
}

uint64_t ir_importance_rows(const ir_module *m, size_t op, bool is_static) {
    const char *rule = ir_str(m, op, IR_KEY_importance_rule);
    bool by_head = ir_streams(m, op) || (rule && strstr(rule, "_heads") && !is_static);
    int64_t heads = ir_int(m, op, IR_KEY_kv_heads, 1);
    return by_head && heads > 0 ? (uint64_t)heads : 1;
}

/* ---- tensors, passes -------------------------------------------------------------------------------------------- */

size_t ir_add_tensor(ir_module *m, const ir_tensor *t) {
    ir_tensor copy = *t;
    copy.name = arena_strdup(m->arena, t->name);
    copy.file = t->file ? arena_strdup(m->arena, t->file) : NULL;
    copy.dtype = arena_strdup(m->arena, t->dtype);
    GROW(m, tensors, tensor, m->tensor_count + 1);
    m->tensors[m->tensor_count] = copy;
    return m->tensor_count++;
}

int ir_tensor_find(const ir_module *m, const char *name) {
    for (size_t i = 0; i < m->tensor_count; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *ir_balance_tensor(arena *a, int64_t layer, const char *part) {
    return arena_printf(a, "layer.%lld.balance.%s", (long long)layer, part);
}

void ir_mark_pass(ir_module *m, const char *name) {
    GROW(m, passes, pass, m->pass_count + 1);
    m->passes[m->pass_count++] = arena_strdup(m->arena, name);
}

bool ir_pass_ran(const ir_module *m, const char *name) {
    for (size_t i = 0; i < m->pass_count; i++)
        if (strcmp(m->passes[i], name) == 0)
            return true;
    return false;
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

uint8_t *ir_runs_expand(arena *a, const ir_attr *runs, size_t *count) {
    size_t total = 0;
    for (uint32_t i = 0; i < runs->count; i++)
        total += (size_t)runs->runs[i].count;
    uint8_t *values = ARENA_ARRAY(a, uint8_t, total);
    size_t at = 0;
    for (uint32_t i = 0; i < runs->count; i++) {
        memset(values + at, (int)runs->runs[i].value, (size_t)runs->runs[i].count);
        at += (size_t)runs->runs[i].count;
    }
    *count = total;
    return values;
}

ir_run *ir_runs_of(arena *a, const uint8_t *values, size_t count, size_t *run_count) {
    size_t runs = 0;
    for (size_t i = 0; i < count; i++)
        runs += i == 0 || values[i] != values[i - 1];
    ir_run *out = ARENA_ARRAY(a, ir_run, runs);
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && values[i] != values[i - 1])
            last++;
        out[last].value = values[i];
        out[last].count++;
    }
    *run_count = runs;
    return out;
}
