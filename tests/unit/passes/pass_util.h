/* Helpers of the passes' tests: small problems as text, passes run by name, attributes as text. */
#ifndef DTQ_TESTS_PASS_UTIL_H
#define DTQ_TESTS_PASS_UTIL_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir_util.h"
#include "passes/cost.h"
#include "passes/instr.h"
#include "passes/layer.h"
#include "passes/passes.h"
#include "runtime/error.h"
#include "runtime/isa/instruction.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/program.h"
#include "runtime/run.h"

/* The pipeline up to a pass, without analyses. */
#define TO_ASSIGNED   "infer-shapes assign-precision"
#define TO_CLUSTERED  TO_ASSIGNED " cluster-precision"
#define TO_ORDERED    TO_CLUSTERED " reorder-tokens"
#define TO_TILES      TO_ORDERED " tile-attention bounds bops"
#define TO_SCHEDULE   TO_TILES " schedule-tiles"
#define TO_ADDRESSES  TO_SCHEDULE " lower-schedule allocate-buffers"
#define TO_SYNC       TO_ADDRESSES " insert-sync"
#define TO_TIMELINE   TO_SYNC " timeline"
#define FIG5_POLICY   "token_bits = [1*4, 1*8, 2*4, 1*8, 4*4]"
#define FIG5_MACHINE  "vssa.rows = 3\nvssa.cols = 3\n"
#define RUN_TIME_KEEP "ratios = [0, 700000000, 300000000]"

/** Attention layers one after the other on float inputs q, k, v; what is zero takes the value in brackets. */
typedef struct {
    uint32_t seq /* 9 */, heads /* 1 */, kv_heads /* heads */, head_dim /* 4 */;
    const char *mask /* none */, *machine /* 3 x 3 */;
    const char *policy[4]; /* of each layer, attributes as text; ends with NULL */
} attention_problem;

static inline const char *attention_text(arena *a, attention_problem p) {
    uint32_t seq = p.seq ? p.seq : 9, heads = p.heads ? p.heads : 1, kv = p.kv_heads ? p.kv_heads : heads;
    uint32_t dim = p.head_dim ? p.head_dim : 4;
    const char *text =
        arena_printf(a,
                     "dtir 1 graph\nmodel = \"m\"\nseq = %u\nqkv_input = yes\nmachine \"toy\" {\n%s}\n"
                     "%%q = input {name = \"q\"} : f32[%u, %u]\n%%k = input {name = \"k\"} : f32[%u, %u]\n"
                     "%%v = input {name = \"v\"} : f32[%u, %u]\n",
                     seq, p.machine ? p.machine : FIG5_MACHINE, seq, heads * dim, seq, kv * dim, seq, kv * dim);
    unsigned layer = 0;
    for (; p.policy[layer]; layer++) {
        const char *before = layer ? arena_printf(a, "%%a%u", layer - 1) : NULL;
        text = arena_printf(a,
                            "%s%%a%u = attention %s, %s, %s {index = %u, query_heads = %u, kv_heads = %u, head_dim = "
                            "%u, mask = %s, importance_rule = mean, source = \"layer.%u\"%s%s} : ?\n",
                            text, layer, before ? before : "%q", before ? before : "%k", before ? before : "%v", layer,
                            heads, kv, dim, p.mask ? p.mask : "none", layer, *p.policy[layer] ? ", " : "",
                            p.policy[layer]);
    }
    return arena_printf(a, "%soutput %%a%u\n", text, layer - 1);
}

typedef struct {
    arena *memory;
    diag *d;
    ir_module *m; /* what came out; the last valid one after an error */
} pass_case;

/** Runs blank-separated passes on a module; false after an error. */
static inline bool pass_run(pass_case *c, const char *passes, bool optimise) {
    const char *names[32];
    size_t count = 0;
    for (const char *p = passes; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        ck_assert_uint_lt(count, sizeof names / sizeof *names);
        names[count++] = arena_strndup(c->memory, p, n);
        p += n;
    }
    pass_options o = {.optimise = optimise, .dump_level = -1};
    return passes_run(c->memory, c->d, &c->m, names, count, &o);
}

static inline pass_case pass_begin(const char *text) {
    pass_case c = {.memory = arena_new()};
    c.d = diag_new(c.memory, NULL);
    c.m = ir_parse(c.memory, c.d, "t.dtir", text, strlen(text));
    ck_assert_msg(c.m, "%s\n%s", text, ir_diag_text(c.memory, c.d));
    return c;
}

static inline void pass_end(pass_case *c) {
    arena_free(c->memory);
}

/** Parses and runs passes that must succeed. */
static inline pass_case pass_text(const char *text, const char *passes, bool optimise) {
    pass_case c = pass_begin(text);
    ck_assert_msg(pass_run(&c, passes, optimise), "%s", ir_diag_text(c.memory, c.d));
    return c;
}

static inline pass_case pass_attention(attention_problem p, const char *passes, bool optimise) {
    arena *a = arena_new();
    pass_case c = pass_text(attention_text(a, p), passes, optimise);
    arena_free(a);
    return c;
}

/** The passes must fail as an error of the input does; `message` is how its first line starts, place and all. */
static inline void pass_refuses_text(const char *text, const char *passes, const char *message) {
    pass_case c = pass_begin(text);
    ck_assert_msg(!pass_run(&c, passes, true), "not refused, though it should say: %s", message);
    ck_assert_int_eq(diag_exit_code(c.d), EXIT_INPUT);
    for (size_t i = 0; i < diag_total(c.d); i++) {
        const diag_entry *e = diag_at(c.d, i);
        if (e->severity != DIAG_ERROR)
            continue;
        const char *said =
            e->loc.file ? arena_printf(c.memory, "%s:%u:%u: %s", e->loc.file, e->loc.line, e->loc.col, e->message)
                        : e->message;
        ck_assert_msg(strncmp(said, message, strlen(message)) == 0, "it says\n%s\ninstead of\n%s", said, message);
        break;
    }
    pass_end(&c);
}

static inline void pass_refuses(attention_problem p, const char *passes, const char *message) {
    arena *a = arena_new();
    pass_refuses_text(attention_text(a, p), passes, message);
    arena_free(a);
}

/** Op number `nth` of this code; fails the test if there is none. */
static inline size_t find_op(const ir_module *m, ir_opcode code, size_t nth) {
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == code && nth-- == 0)
            return op;
    ck_abort_msg("the module has too few %s", ir_info(code)->spelling);
}

static inline size_t count_ops(const ir_module *m, ir_opcode code) {
    size_t count = 0;
    for (size_t op = 0; op < m->op_count; op++)
        count += m->ops[op].code == code;
    return count;
}

/** An attribute as it is written, "none" if it is not there. */
static inline const char *attr_text(arena *a, const ir_module *m, size_t op, unsigned key) {
    const ir_attr *attr = ir_get(m, op, key);
    const char *text = "";
    if (!attr)
        return "none";
    switch ((ir_kind)attr->kind) {
    case IR_KIND_INT:
    case IR_KIND_QUEUE:
        return arena_printf(a, "%lld", (long long)attr->i);
    case IR_KIND_REAL:
        return arena_printf(a, "%g", attr->r);
    case IR_KIND_STR:
    case IR_KIND_WORD:
        return attr->s;
    case IR_KIND_RANGE:
        return arena_printf(a, "%lld..%lld", (long long)attr->range->lo, (long long)attr->range->hi);
    case IR_KIND_INTS:
        for (uint32_t i = 0; i < attr->count; i++)
            text = arena_printf(a, "%s%s%lld", text, i ? " " : "", (long long)attr->ints[i]);
        return text;
    case IR_KIND_RUNS:
        for (uint32_t i = 0; i < attr->count; i++)
            text = arena_printf(a, "%s%s%lld*%lld", text, i ? " " : "", (long long)attr->runs[i].count,
                                (long long)attr->runs[i].value);
        return text;
    }
    return "?";
}

#define expect_attr(c, op, key, text) ck_assert_str_eq(attr_text((c)->memory, (c)->m, (op), (key)), (text))

/** Key of an ISA field. */
static inline unsigned field_key(const char *name) {
    int key = ir_key_find(name, strlen(name));
    ck_assert_int_ge(key, 0);
    return (unsigned)key;
}

/** Whether a remark of pass `pass` says `text`. */
static inline bool remarked(const pass_case *c, const char *text) {
    for (size_t i = 0; i < diag_total(c->d); i++)
        if (strstr(diag_at(c->d, i)->message, text))
            return true;
    return false;
}

/** The first layer of the module, read from its attention, tile.attention or layer op. */
static inline layer_info first_layer(const pass_case *c) {
    ir_opcode code = c->m->level == IR_GRAPH ? IR_ATTENTION : c->m->level == IR_TILE ? IR_TILES : IR_LAYER;
    return layer_read(c->memory, c->m, find_op(c->m, code, 0));
}

#endif
