/* What is dumped is what runs: at every level every op and every attribute of a dump is deleted, doubled, swapped and
 * altered, one at a time. Each mutant must compile to another program, which takes the cycles it says, or be refused at
 * a place in the text. A mutant that changes nothing would be something that is printed and not read. */
#include <math.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "ir/tables.h"
#include "passes/pass_util.h"
#include "runtime/exec.h"
#include "runtime/machine_members.h"

enum { FAILURES_TOLD = 30 };

#ifdef DTQ_SANITIZED
enum { EVERY = 5 }; /* Sanitizers, which are slow, see every fifth mutant. */
#else
enum { EVERY = 1 };
#endif

/* Buffers that are allocated in no time. */
#define SMALL                                                                                                          \
    "buffers.q = 2048\nbuffers.k = 2048\nbuffers.v = 2048\nbuffers.scores = 4096\nbuffers.probs = 4096\n"              \
    "buffers.out = 4096\nbuffers.importance = 1024\n"

typedef struct {
    size_t mutants, refused, other, failed;
    uint8_t *program; /* of the dump as it is */
    size_t bytes;
} tally;

/** The module compiled to its end; NULL after an error. */
static const ir_module *compile(arena *a, diag *d, ir_module *m) {
    size_t count;
    const char *const *all = passes_pipeline(true, &count);
    pass_options o = {.optimise = true, .prove = true, .dump_level = -1};
    return passes_run(a, d, &m, passes_left(a, m, all, count), count, &o) ? m : NULL;
}

/** Bytes of the program, but for the lines of the text that its source map names: those change with any edit. */
static uint8_t *bytes_of(dtq_program *p, size_t *bytes) {
    uint8_t *out = NULL;
    dtq_error e;
    for (size_t i = 0; i < p->streams[0].count; i++)
        p->streams[0].sources[i].file = p->streams[0].sources[i].line = p->streams[0].sources[i].col = 0;
    ck_assert_msg(dtq_program_encode(p, &out, bytes, &e), "%s", e.message);
    return out;
}

static bool runs_as_it_says(const dtq_program *p) {
    dtq_run_options o = {.engine = DTQ_ENGINE_SIM, .timing_only = true};
    dtq_output nothing = {0};
    dtq_stats stats = {0};
    dtq_error e;
    bool ok = dtq_run(p, &p->streams[0], NULL, NULL, &o, &nothing, &stats, false, &e) &&
              (p->streams[0].static_cycles == UINT64_MAX || stats.cycles == p->streams[0].static_cycles);
    dtq_output_free(&nothing);
    dtq_stats_free(&stats);
    return ok;
}

static bool refused_in_place(const diag *d) {
    for (size_t i = 0; i < diag_total(d); i++) {
        const diag_entry *e = diag_at(d, i);
        if (e->severity == DIAG_INTERNAL)
            return false;
        if (e->severity == DIAG_ERROR)
            return diag_exit_code(d) == EXIT_INPUT && e->loc.file && e->loc.line && e->loc.col;
    }
    return false;
}

static const char *first_error(const diag *d) {
    for (size_t i = 0; i < diag_total(d); i++)
        if (diag_at(d, i)->severity >= DIAG_ERROR)
            return diag_at(d, i)->message;
    return "no word";
}

static void complain(tally *t, const char *what, const char *how, const char *more) {
    if (t->failed++ < FAILURES_TOLD)
        printf("    %s: %s%s%s\n", what, how, *more ? ": " : "", more);
}

/** Parses and compiles a mutant and holds the outcome to the rule. */
static void try_text(tally *t, const char *text, size_t length, const char *what) {
    if (t->mutants++ % EVERY)
        return;
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    if (getenv("DTQ_SHOW_MUTANTS"))
        fprintf(stderr, "%s\n", what); /* the last one is what a crash or a hang is about */
    ir_module *read = ir_parse(a, d, "t.dtir", text, length);
    const ir_module *done = read ? compile(a, d, read) : NULL;
    dtq_program *p = done ? codegen_program(a, d, &done, 1) : NULL;
    if (!p || !codegen_prove(d, done, p)) {
        t->refused++;
        if (!refused_in_place(d))
            complain(t, what, "refused without a place, or by an internal error", first_error(d));
        arena_free(a);
        return;
    }
    t->other++;
    bool runs = runs_as_it_says(p);
    size_t size;
    uint8_t *program = bytes_of(p, &size);
    if (!runs)
        complain(t, what, "takes other cycles than it says", "");
    else if (size == t->bytes && memcmp(program, t->program, size) == 0)
        complain(t, what, "changes nothing", "");
    free(program);
    arena_free(a);
}

static void try_mutant(tally *t, const ir_module *m, const char *what) {
    arena *a = arena_new();
    size_t bytes;
    const char *text = ir_text(a, m, &bytes);
    try_text(t, text, bytes, what);
    arena_free(a);
}

/* ---- mutations ------------------------------------------------------------------------------------------------------
 */

/** A copy whose ops, attributes and tables may be changed without changing the original's. */
static ir_module *copy_of(arena *a, const ir_module *m) {
    ir_module *c = ARENA_NEW(a, ir_module);
    *c = *m;
    c->arena = a;
    c->machine = ARENA_NEW(a, dtq_machine);
    *c->machine = *m->machine;
    c->ops = ARENA_ARRAY(a, ir_op, m->op_count + 2);
    memcpy(c->ops, m->ops, m->op_count * sizeof *m->ops);
    c->attrs = ARENA_ARRAY(a, ir_attr, m->attr_count + 1);
    memcpy(c->attrs, m->attrs, m->attr_count * sizeof *m->attrs);
    c->operands = ARENA_ARRAY(a, ir_value, m->operand_count + 1);
    memcpy(c->operands, m->operands, m->operand_count * sizeof *m->operands);
    c->types = ARENA_ARRAY(a, ir_type, m->value_count + 1);
    memcpy(c->types, m->types, m->value_count * sizeof *m->types);
    c->tensors = ARENA_ARRAY(a, ir_tensor, m->tensor_count + 1);
    if (m->tensor_count)
        memcpy(c->tensors, m->tensors, m->tensor_count * sizeof *m->tensors);
    c->passes = ARENA_ARRAY(a, const char *, m->pass_count + 1);
    if (m->pass_count)
        memcpy(c->passes, m->passes, m->pass_count * sizeof *m->passes);
    return c;
}

static void mutate_op(tally *t, const ir_module *m, size_t op) {
    arena *a = arena_new();
    const char *name = arena_printf(a, "op %zu `%s`", op, ir_info((ir_opcode)m->ops[op].code)->spelling);
    ir_module *c = copy_of(a, m);
    memmove(&c->ops[op], &c->ops[op + 1], (m->op_count - op - 1) * sizeof *c->ops);
    c->op_count--;
    try_mutant(t, c, arena_printf(a, "%s deleted", name));
    c = copy_of(a, m);
    memmove(&c->ops[op + 1], &c->ops[op], (m->op_count - op) * sizeof *c->ops);
    c->op_count++;
    if (c->ops[op].result != IR_NONE) { /* the second one's value is its own */
        c->types[c->value_count] = c->types[c->ops[op].result];
        c->ops[op + 1].result = (ir_value)c->value_count++;
    }
    try_mutant(t, c, arena_printf(a, "%s doubled", name));
    if (op + 1 < m->op_count && memcmp(&m->ops[op], &m->ops[op + 1], sizeof *m->ops) != 0) {
        c = copy_of(a, m);
        c->ops[op] = m->ops[op + 1];
        c->ops[op + 1] = m->ops[op];
        try_mutant(t, c, arena_printf(a, "%s swapped with the next", name));
    }
    for (size_t i = 0; i < m->ops[op].operand_count; i++) {
        ir_value v = ir_operand(m, op, i), other = v == IR_NONE ? 0 : v ? v - 1 : v + 1;
        if (other >= m->value_count)
            continue;
        c = copy_of(a, m);
        c->operands[m->ops[op].operands + i] = other;
        try_mutant(t, c, arena_printf(a, "%s with another operand %zu", name, i + 1));
    }
    if (m->ops[op].result != IR_NONE) {
        ir_type *type;
        c = copy_of(a, m);
        type = &c->types[m->ops[op].result];
        if (type->rank)
            type->dim[type->rank - 1]++;
        else
            type->elem = IR_ELEM_IDS;
        try_mutant(t, c, arena_printf(a, "%s of another type", name));
    }
    arena_free(a);
}

/** The value changed in the `way`-th way that there is for its kind; false if there are no more. */
static bool alter(arena *a, const ir_module *m, size_t op, ir_attr *attr, unsigned way) {
    switch ((ir_kind)attr->kind) {
    case IR_KIND_INT:
        attr->i += way == 0 ? 1 : -1;
        return way < 2;
    case IR_KIND_REAL:
        attr->r = attr->r == 0 ? 1 : attr->r * 1.5;
        return way < 1;
    case IR_KIND_STR:
        attr->s = arena_printf(a, "%sx", attr->s);
        return way < 1;
    case IR_KIND_WORD: {
        ir_word words[IR_WORDS_MAX];
        size_t count = ir_words((ir_opcode)m->ops[op].code, attr->key, words), other = 0;
        for (size_t i = 0; i < count; i++) {
            if (strlen(attr->s) == words[i].length && memcmp(attr->s, words[i].text, words[i].length) == 0)
                continue;
            if (other++ == way) {
                attr->s = arena_strndup(a, words[i].text, words[i].length);
                return true;
            }
        }
        return false;
    }
    case IR_KIND_INTS: {
        int64_t *ints = ARENA_ARRAY(a, int64_t, attr->count + 1);
        memcpy(ints, attr->ints, attr->count * sizeof *ints);
        attr->ints = ints;
        if (way < attr->count)
            ints[way]++;
        else if (way == attr->count)
            attr->count--;
        else if (way == attr->count + 1 && attr->count > 1) {
            ints[0] = attr->ints[attr->count - 1];
            ints[attr->count - 1] = ints[0] + 1;
        } else
            return false;
        return true;
    }
    case IR_KIND_RANGE: {
        ir_range *range = ARENA_NEW(a, ir_range);
        *range = *attr->range;
        attr->range = range;
        *(way < 2 ? &range->lo : &range->hi) += way % 2 ? -1 : 1;
        return way < 4;
    }
    case IR_KIND_RUNS: {
        ir_run *runs = ARENA_ARRAY(a, ir_run, attr->count + 1);
        memcpy(runs, attr->runs, attr->count * sizeof *runs);
        attr->runs = runs;
        if (way < attr->count)
            runs[way].value = runs[way].value == 4 ? 8 : runs[way].value == 8 ? 4 : runs[way].value + 1;
        else if (way < 2 * attr->count)
            runs[way - attr->count].count++;
        else if (way == 2 * attr->count && attr->count > 1 && runs[0].count > 1) { /* the edge between two moves */
            runs[0].count--;
            runs[1].count++;
        } else
            return false;
        return true;
    }
    case IR_KIND_QUEUE:
        attr->i += way == 0 ? 1 : -1;
        return way < 2 && attr->i >= 0 && attr->i < DTQ_ARRAY0 + (int64_t)m->machine->vssa_arrays;
    }
    return false;
}

static void mutate_attr(tally *t, const ir_module *m, size_t op, unsigned i) {
    arena *a = arena_new();
    const ir_op *o = &m->ops[op];
    const ir_attr *attr = &m->attrs[o->attrs + i];
    const char *name = arena_printf(a, "op %zu `%s` %s = %s", op, ir_info((ir_opcode)o->code)->spelling,
                                    ir_key_get(attr->key)->name, ir_attr_text(a, attr));
    ir_module *c = copy_of(a, m);
    memmove(&c->attrs[o->attrs + i], &c->attrs[o->attrs + i + 1], (o->attr_count - i - 1u) * sizeof *attr);
    c->ops[op].attr_count--;
    try_mutant(t, c, arena_printf(a, "%s deleted", name));
    for (unsigned way = 0;; way++) {
        c = copy_of(a, m);
        ir_attr *changed = &c->attrs[o->attrs + i];
        if (!alter(a, m, op, changed, way)) {
            if (attr->kind == IR_KIND_QUEUE && way == 0)
                continue; /* the last queue has none behind it */
            break;
        }
        try_mutant(t, c, arena_printf(a, "%s altered to %s", name, ir_attr_text(a, changed)));
    }
    arena_free(a);
}

/* ---- header ---------------------------------------------------------------------------------------------------------
 */

static void mutate_settings(tally *t, const ir_module *m) {
    arena *a = arena_new();
    ir_module *c = copy_of(a, m);
    c->header.model = "another";
    try_mutant(t, c, "model altered");
    (c = copy_of(a, m))->header.seq++;
    try_mutant(t, c, "seq + 1");
    (c = copy_of(a, m))->header.seq--;
    try_mutant(t, c, "seq - 1");
    (c = copy_of(a, m))->header.lower_case ^= true;
    try_mutant(t, c, "lower_case altered");
    (c = copy_of(a, m))->header.vocabulary++;
    try_mutant(t, c, "vocabulary + 1");
    (c = copy_of(a, m))->header.positions++;
    try_mutant(t, c, "positions + 1");
    (c = copy_of(a, m))->header.qkv_input ^= true;
    try_mutant(t, c, "qkv_input altered");
    c = copy_of(a, m);
    c->machine->name[0] = 'x';
    try_mutant(t, c, "machine renamed");
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        double value = dtq_machine_get(m->machine, p);
        double other = p->kind == DTQ_PARAM_REAL ? (value == 0 ? 1 : value * 1.5) : value + 1;
        c = copy_of(a, m);
        dtq_machine_set(c->machine, p, other <= p->hi ? other : p->kind == DTQ_PARAM_REAL ? value / 2 : value - 1);
        try_mutant(t, c, arena_printf(a, "machine %s.%s altered", p->section, p->name));
    }
    arena_free(a);
}

static void mutate_tensor(tally *t, const ir_module *m, size_t i) {
    arena *a = arena_new();
    const char *name = m->tensors[i].name;
    ir_module *c = copy_of(a, m);
    memmove(&c->tensors[i], &c->tensors[i + 1], (m->tensor_count - i - 1) * sizeof *c->tensors);
    c->tensor_count--;
    try_mutant(t, c, arena_printf(a, "tensor %s deleted", name));
    c = copy_of(a, m);
    c->tensors[c->tensor_count++] = m->tensors[i];
    try_mutant(t, c, arena_printf(a, "tensor %s doubled", name));
    if (i + 1 < m->tensor_count) {
        c = copy_of(a, m);
        c->tensors[i] = m->tensors[i + 1];
        c->tensors[i + 1] = m->tensors[i];
        try_mutant(t, c, arena_printf(a, "tensor %s swapped with the next", name));
    }
    static const char *const fields[] = {"name", "rows", "cols", "seed", "mean", "scale", "transposed"};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        c = copy_of(a, m);
        ir_tensor *w = &c->tensors[i];
        w->name = f == 0 ? arena_printf(a, "%sx", name) : name;
        w->rows += f == 1;
        w->cols += f == 2;
        w->seed += f == 3;
        w->mean += f == 4 ? 0.5 : 0;
        w->scale += f == 5 ? 0.5 : 0;
        w->transposed ^= f == 6;
        try_mutant(t, c, arena_printf(a, "tensor %s: other %s", name, fields[f]));
    }
    arena_free(a);
}

/* ---- a case ---------------------------------------------------------------------------------------------------------
 */

/** The dump of `level`, and the program that comes of it. */
static ir_module *dump_at(arena *a, const char *text, int level) {
    diag *d = diag_new(a, NULL);
    ir_module *m = ir_parse(a, d, "t.dtir", text, strlen(text));
    ck_assert_msg(m, "%s", ir_diag_text(a, d));
    char *dump = NULL;
    size_t count, bytes = 0;
    const char *const *all = passes_pipeline(true, &count);
    FILE *out = open_memstream(&dump, &bytes);
    pass_options o = {.optimise = true, .dump_level = level, .dump = out};
    bool ok = passes_run(a, d, &m, passes_left(a, m, all, count), count, &o);
    ck_assert_msg(ok, "%s", ir_diag_text(a, d));
    fclose(out);
    ir_module *read = ir_parse(a, d, "t.dtir", dump, bytes);
    ck_assert_msg(read, "%s", ir_diag_text(a, d));
    free(dump);
    return read;
}

static void all_mutants(const char *what, const char *text) {
    size_t mutants = 0, failed = 0;
    for (int level = 0; level < IR_LEVELS; level++) {
        arena *a = arena_new(), *once = arena_new();
        diag *d = diag_new(a, NULL);
        const ir_module *m = dump_at(a, text, level), *done = compile(once, d, dump_at(once, text, level));
        ck_assert_msg(done, "%s, %s: %s", what, ir_level_name((ir_level)level), ir_diag_text(a, d));
        tally t = {0};
        dtq_program *p = codegen_program(once, d, &done, 1);
        ck_assert_msg(p && codegen_prove(d, done, p) && runs_as_it_says(p), "%s: %s", what, ir_diag_text(a, d));
        t.program = bytes_of(p, &t.bytes);
        for (size_t op = 0; op < m->op_count; op++) {
            mutate_op(&t, m, op);
            for (unsigned i = 0; i < m->ops[op].attr_count; i++)
                mutate_attr(&t, m, op, i);
        }
        mutate_settings(&t, m);
        for (size_t i = 0; i < m->tensor_count; i++)
            mutate_tensor(&t, m, i);
        printf("%s, %s: %zu mutants, %zu refused, %zu other programs, %zu wrong\n", what,
               ir_level_name((ir_level)level), t.mutants, t.refused, t.other, t.failed);
        mutants += t.mutants;
        failed += t.failed;
        free(t.program);
        arena_free(once);
        arena_free(a);
    }
    printf("%s: %zu mutants at %d levels\n", what, mutants, IR_LEVELS);
    ck_assert_msg(failed == 0, "%s: %zu of %zu mutants change nothing, or are refused without a place", what, failed,
                  mutants);
}

START_TEST(fig5) {
    all_mutants("fig5", "dtir 1 graph\nmodel = \"fig5\"\nseq = 9\npositions = 9\nqkv_input = yes\n"
                        "machine \"array3x3\" {\nvssa.rows = 3\nvssa.cols = 3\nvssa.arrays = 2\n" SMALL "}\n"
                        "%q = input {name = \"q\"} : f32[9, 9]\n%k = input {name = \"k\"} : f32[9, 9]\n"
                        "%v = input {name = \"v\"} : f32[9, 9]\n"
                        "%a = attention %q, %k, %v {source = \"attention\", index = 0, query_heads = 1, kv_heads = 1, "
                        "head_dim = 9, mask = none, importance_rule = mean, cluster = low-first, promote = none, "
                        "token_bits = [1*4, 1*8, 2*4, 1*8, 4*4]}\noutput %a\n");
}
END_TEST

/** A model of a few layers of two heads, small enough for thousands of mutants. */
static const char *encoder(arena *a, int layers, const char *machine, const char *arithmetic, const char *rule,
                           const char *policy0, const char *policy1) {
    static const char *const weights[] = {"query", "key", "value", "back"};
    const char *text = arena_printf(
        a,
        "dtir 1 graph\nmodel = \"tiny\"\nseq = 7\nvocabulary = 20\npositions = 9\nmachine \"toy\" {\nvssa.arrays = 3\n"
        "vssa.rows = 4\nvssa.cols = 3\n" SMALL "%s}\n"
        "tensor \"word\" {dtype = synthetic, rows = 20, cols = 8, seed = 1, mean = 0, scale = 1}\n"
        "tensor \"position\" {dtype = synthetic, rows = 9, cols = 8, seed = 2, mean = 0, scale = 1}\n"
        "tensor \"gain\" {dtype = synthetic, rows = 1, cols = 8, seed = 3, mean = 1, scale = 0.5}\n"
        "tensor \"shift\" {dtype = synthetic, rows = 1, cols = 8, seed = 4, mean = 0, scale = 0.5}\n",
        machine);
    for (int layer = 0; layer < layers; layer++)
        for (int w = 0; w < 4; w++)
            text = arena_printf(a,
                                "%stensor \"%s.%d\" {dtype = synthetic, rows = 8, cols = 8, seed = %d, mean = 0, scale "
                                "= 1}\n",
                                text, weights[w], layer, 10 + 4 * layer + w);
    text = arena_printf(a,
                        "%s%%t = input {name = \"tokens\"} : u32[7]\n"
                        "%%x0 = embed %%t {source = \"embed\", tensor = \"word\", position_tensor = \"position\"}\n",
                        text);
    for (int layer = 0; layer < layers; layer++) {
        for (int w = 0; w < 3; w++)
            text = arena_printf(a,
                                "%s%%%s%d = linear %%x%d {source = \"%s.%d\", tensor = \"%s.%d\", outputs = 8, "
                                "arithmetic = %s, bias_tensor = \"shift\"}\n",
                                text, weights[w], layer, layer, weights[w], layer, weights[w], layer, arithmetic);
        text = arena_printf(
            a,
            "%s%%a%d = attention %%query%d, %%key%d, %%value%d {source = \"attention.%d\", index = %d, query_heads = "
            "2, "
            "kv_heads = 2, head_dim = 4, mask = none, importance_rule = %s, cluster = low-first, promote = free, "
            "%s}\n"
            "%%b%d = linear %%a%d {source = \"back.%d\", tensor = \"back.%d\", outputs = 8, arithmetic = %s}\n"
            "%%s%d = add %%b%d, %%x%d {source = \"add.%d\"}\n"
            "%%x%d = layernorm %%s%d {source = \"norm.%d\", tensor = \"gain\", bias_tensor = \"shift\", epsilon = "
            "1e-12}\n",
            text, layer, layer, layer, layer, layer, layer, rule, layer ? policy1 : policy0, layer, layer, layer, layer,
            arithmetic, layer, layer, layer, layer, layer + 1, layer, layer);
    }
    return arena_printf(a, "%s%%p = pool %%x%d {source = \"pool\", function = mean}\noutput %%p\n", text, layers);
}

START_TEST(encoder_with_pruning) {
    arena *a = arena_new();
    all_mutants("encoder of two layers", encoder(a, 2, "", "int8", "mean", "counts = [0, 4, 3]", "counts = [2, 3, 2]"));
    arena_free(a);
}
END_TEST

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/** Each line of a block that stands for many layers deleted and doubled, and each number in it one more: numbers,
 * steps, and how many layers there are. */
static void mutate_block(tally *t, const char *text, const char *block) {
    arena *a = arena_new();
    const char *end = strstr(block, "\n}\n");
    ck_assert_ptr_nonnull(end);
    for (const char *line = block, *next; line < end; line = next) {
        next = strchr(line, '\n') + 1;
        const char *name = arena_printf(a, "`%.*s`", (int)(next - line - 1), line);
        const char *mutant = arena_printf(a, "%.*s%s", (int)(line - text), text, next);
        try_text(t, mutant, strlen(mutant), arena_printf(a, "%s deleted", name));
        mutant = arena_printf(a, "%.*s%s", (int)(next - text), text, line);
        try_text(t, mutant, strlen(mutant), arena_printf(a, "%s doubled", name));
        const char *said = line + strcspn(line, "#\n");
        for (const char *at = line; at < said; at++) {
            if (!is_digit(*at))
                continue;
            const size_t digits = strspn(at, "0123456789");
            const long long value = strtoll(at, NULL, 10);
            if (at[-1] != '.' && at[-1] != '-' && at[digits] != 'e') { /* of a real one might be lost */
                mutant = arena_printf(a, "%.*s%lld%s", (int)(at - text), text, value + 1, at + digits);
                try_text(t, mutant, strlen(mutant), arena_printf(a, "%s: %lld one more", name, value));
            }
            at += digits;
        }
    }
    arena_free(a);
}

START_TEST(layers_alike) {
    arena *a = arena_new();
    const char *graph = encoder(a, 5, "", "int8", "mean", "counts = [0, 4, 3]", "counts = [2, 3, 2]");
    diag *d = diag_new(a, NULL);
    const ir_module *done = compile(a, d, dump_at(a, graph, IR_SCHEDULE));
    ck_assert_msg(done, "%s", ir_diag_text(a, d));
    tally t = {0};
    t.program = bytes_of(codegen_program(a, d, &done, 1), &t.bytes);
    const char *text = ir_text(a, dump_at(a, graph, IR_SCHEDULE), NULL), *block = strstr(text, "x { # layers 1..");
    ck_assert_ptr_nonnull(block);
    mutate_block(&t, text, strchr(block - 2, '\n') + 1);
    printf("layers alike: %zu mutants, %zu refused, %zu other programs, %zu wrong\n", t.mutants, t.refused, t.other,
           t.failed);
    ck_assert_uint_gt(t.mutants, 100);
    ck_assert_uint_eq(t.failed, 0);
    free(t.program);
    arena_free(a);
}
END_TEST

START_TEST(encoder_that_probes) {
    arena *a = arena_new();
    all_mutants("encoder that probes", encoder(a, 1, "", "int8", "probe", "counts = [2, 3, 2], prune = keys", ""));
    arena_free(a);
}
END_TEST

START_TEST(linears_on_the_arrays) {
    arena *a = arena_new();
    all_mutants("linear: vssa", encoder(a, 1, "top.linear = vssa\n", "mixed", "mean", "counts = [0, 4, 3]", ""));
    arena_free(a);
}
END_TEST

START_TEST(decoder_step) {
    all_mutants(
        "step of a decoder",
        "dtir 1 graph\nmodel = \"decoder\"\nseq = 9\nvocabulary = 20\npositions = 12\nmachine \"toy\" "
        "{\nvssa.arrays = 2\nvssa.rows = 4\nvssa.cols = 3\n" SMALL "}\n"
        "tensor \"word\" {dtype = synthetic, rows = 20, cols = 8, seed = 1, mean = 0, scale = 1}\n"
        "tensor \"gain\" {dtype = synthetic, rows = 1, cols = 8, seed = 3, mean = 1, scale = 0.5}\n"
        "tensor \"q\" {dtype = synthetic, rows = 8, cols = 8, seed = 5, mean = 0, scale = 1}\n"
        "tensor \"k\" {dtype = synthetic, rows = 4, cols = 8, seed = 6, mean = 0, scale = 1}\n"
        "tensor \"v\" {dtype = synthetic, rows = 4, cols = 8, seed = 7, mean = 0, scale = 1}\n"
        "tensor \"turns\" {dtype = rotary, rows = 12, cols = 4, seed = 0, mean = 0, scale = 10000}\n"
        "%t = input {name = \"tokens\"} : u32[9]\n%x = embed %t {source = \"embed\", tensor = \"word\"}\n"
        "%n = rmsnorm %x {source = \"norm\", tensor = \"gain\", epsilon = 1e-05}\n"
        "%q = linear %n {source = \"q\", tensor = \"q\", outputs = 8, arithmetic = fp32}\n"
        "%k = linear %n {source = \"k\", tensor = \"k\", outputs = 4, arithmetic = fp32}\n"
        "%v = linear %n {source = \"v\", tensor = \"v\", outputs = 4, arithmetic = fp32}\n"
        "%qr = rotary %q {source = \"q.turn\", tensor = \"turns\", head_dim = 4, pairing = halves}\n"
        "%kr = rotary %k {source = \"k.turn\", tensor = \"turns\", head_dim = 4, pairing = halves}\n"
        "%a = attention %qr, %kr, %v {source = \"attention\", index = 0, query_heads = 2, kv_heads = 1, "
        "head_dim = 4, mask = causal, importance_rule = mean, queries = 1, cluster = low-first, counts = [2, 4, "
        "3], promote = free}\n"
        "%y = add %a, %x {source = \"add\"}\n%z = activation %y {source = \"act\", function = silu}\n"
        "%w = multiply %z, %y {source = \"gate\"}\noutput %w\n");
}
END_TEST

IR_MAIN("mutants", fig5, encoder_with_pruning, layers_alike, encoder_that_probes, decoder_step, linears_on_the_arrays)
