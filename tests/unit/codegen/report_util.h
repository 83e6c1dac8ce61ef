/* Shared by the tests of reports: modules at stream level made by hand, text printed into memory, and a small reader
 * that says whether a text is JSON. */
#ifndef REPORT_UTIL_H
#define REPORT_UTIL_H

#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "runtime/machine_members.h"

/** What print(context, file) writes; malloc'd, zero-terminated. */
typedef struct {
    char *text;
    size_t bytes;
    FILE *file;
} memory_file;

static inline FILE *memory_open(memory_file *f) {
    f->file = open_memstream(&f->text, &f->bytes);
    ck_assert_ptr_nonnull(f->file);
    return f->file;
}

static inline char *memory_close(memory_file *f) {
    ck_assert_int_eq(fclose(f->file), 0);
    return f->text;
}

/* ---- modules ----------------------------------------------------------------------------------------------------- */

static inline unsigned report_key(const char *name) {
    int key = ir_key_find(name, strlen(name));
    ck_assert_msg(key >= 0, "no attribute %s", name);
    return (unsigned)key;
}

typedef struct {
    uint32_t index, slots, high, heads, head_dim;
    const char *mask, *order, *static_bits;
    const uint8_t *bits[4]; /* [slots] q, k, v, p; NULL: no attribute */
    const uint8_t *chosen;  /* [slots] what segments say; NULL: low first, then high */
} report_test_layer;

static inline void set_bits(ir_module *m, size_t op, unsigned key, const uint8_t *bits, uint32_t slots) {
    size_t count;
    ir_run *runs = ir_runs_of(m->arena, bits, slots, &count);
    ir_set_runs(m, op, key, runs, count);
}

static inline size_t add_layer(ir_module *m, const report_test_layer *l) {
    static const unsigned keys[4] = {IR_KEY_q_bits, IR_KEY_k_bits, IR_KEY_v_bits, IR_KEY_p_bits};
    size_t op = ir_append(m, IR_LAYER, NULL, 0, (ir_type){0}, (src_loc){0});
    ir_set_int(m, op, IR_KEY_index, l->index);
    ir_set_int(m, op, IR_KEY_slots, l->slots);
    ir_set_int(m, op, IR_KEY_high, l->high);
    ir_set_int(m, op, IR_KEY_query_heads, l->heads);
    ir_set_int(m, op, IR_KEY_kv_heads, l->heads);
    ir_set_int(m, op, IR_KEY_head_dim, l->head_dim);
    ir_set_str(m, op, IR_KEY_mask, l->mask ? l->mask : "none");
    ir_set_str(m, op, IR_KEY_importance_rule, "mean");
    ir_set_str(m, op, IR_KEY_order, l->order ? l->order : "low-first");
    ir_set_str(m, op, IR_KEY_static_bits, l->static_bits ? l->static_bits : "yes");
    for (int i = 0; i < 4; i++)
        if (l->bits[i])
            set_bits(m, op, keys[i], l->bits[i], l->slots);
    if (l->chosen) {
        set_bits(m, op, IR_KEY_segments, l->chosen, l->slots);
    } else {
        ir_run runs[2];
        size_t count = 0;
        if (l->slots > l->high)
            runs[count++] = (ir_run){l->slots - l->high, 4};
        if (l->high)
            runs[count++] = (ir_run){l->high, 8};
        ir_set_runs(m, op, IR_KEY_segments, runs, count);
    }
    return op;
}

/** An instruction's fields; -1 or NULL: it has none. */
typedef struct {
    ir_opcode code;
    int queue;
    int64_t layer, row, rows, col, cols;
    const char *operand, *select;
    int64_t start, busy, done;
} report_test_instr;

static inline size_t add_instr(ir_module *m, const report_test_instr *in) {
    size_t op = ir_append(m, in->code, NULL, 0, (ir_type){0}, (src_loc){0});
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"queue", in->queue}, {"layer", in->layer}, {"row", in->row},   {"rows", in->rows}, {"col", in->col},
                   {"cols", in->cols},   {"start", in->start}, {"busy", in->busy}, {"done", in->done}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value >= 0)
            ir_set_int(m, op, report_key(numbers[i].key), numbers[i].value);
    if (in->operand)
        ir_set_str(m, op, report_key("operand"), in->operand);
    if (in->select)
        ir_set_str(m, op, report_key("select"), in->select);
    return op;
}

/** The instructions of one head of a layer whose blocks are whole, one after another from cycle `at`; every engine is
 *  busy for 10 cycles, arrays for qk_busy and pv_busy, and results are there 5 cycles later. Returns the last done. */
static inline int64_t add_head(ir_module *m, const report_test_layer *l, int array, int64_t at, int64_t qk_busy,
                               int64_t pv_busy) {
    const int64_t n = l->slots;
    const report_test_instr list[] = {
        {IR_I_LOAD, DTQ_LOAD, l->index, 0, n, -1, -1, "q", NULL, 0, 10, 0},
        {IR_I_LOAD, DTQ_LOAD, l->index, 0, n, -1, -1, "k", NULL, 0, 10, 0},
        {IR_I_LOAD, DTQ_LOAD, l->index, 0, n, -1, -1, "v", NULL, 0, 10, 0},
        {IR_I_QK, DTQ_ARRAY0 + array, l->index, 0, n, 0, n, NULL, NULL, 0, qk_busy, 0},
        {IR_I_SOFTMAX, DTQ_SOFTMAX, l->index, 0, n, 0, n, NULL, NULL, 0, 10, 0},
        {IR_I_IMPORTANCE, DTQ_TOPK, l->index, 0, n, -1, -1, NULL, NULL, 0, 10, 0},
        {IR_I_PV, DTQ_ARRAY0 + array, l->index, 0, n, 0, n, NULL, NULL, 0, pv_busy, 0},
        {IR_I_STORE, DTQ_STORE, l->index, 0, n, -1, -1, NULL, NULL, 0, 10, 0},
    };
    int64_t done = at;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        report_test_instr in = list[i];
        in.start = done;
        in.done = done = in.start + in.busy + 5;
        add_instr(m, &in);
    }
    return done;
}

static inline int64_t add_topk(ir_module *m, uint32_t layer, const char *select, int64_t at) {
    add_instr(m, &(report_test_instr){.code = IR_I_TOPK,
                                      .queue = DTQ_TOPK,
                                      .layer = layer,
                                      .row = -1,
                                      .rows = -1,
                                      .col = -1,
                                      .cols = -1,
                                      .select = select,
                                      .start = at,
                                      .busy = 3,
                                      .done = at + 4});
    return at + 4;
}

/** Fig. 5 of the paper as one layer: 9 tokens, one head of 9 channels, on a 3 x 3 array without skew. */
static inline ir_module *fig5_module(arena *a, bool clustered) {
    static const uint8_t bits[] = {4, 8, 4, 4, 8, 4, 4, 4, 4}, sorted[] = {4, 4, 4, 4, 4, 4, 4, 8, 8};
    const uint8_t *slots = clustered ? sorted : bits;
    ir_module *m = ir_module_new(a, IR_STREAM);
    m->header.model = "fig5";
    m->header.seq = 9;
    m->machine->vssa_arrays = 1;
    m->machine->vssa_rows = m->machine->vssa_cols = 3;
    m->machine->top_drain = DTQ_DRAIN_IDEAL;
    strcpy(m->machine->name, "array3x3");
    report_test_layer l = {.slots = 9,
                           .high = 2,
                           .heads = 1,
                           .head_dim = 9,
                           .order = clustered ? "low-first" : "original",
                           .bits = {slots, slots, slots, slots},
                           .chosen = slots};
    add_layer(m, &l);
    add_topk(m, 0, "no", add_head(m, &l, 0, 0, clustered ? 144 : 225, clustered ? 120 : 165));
    return m;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static inline const char *json_blank(const char *s) {
    return s + strspn(s, " \n\r\t");
}

/** Past the value that `s` begins with, or NULL if it is none (RFC 8259). */
static inline const char *json_value(const char *s);

static inline const char *json_text(const char *s) {
    if (*s++ != '"')
        return NULL;
    for (; *s != '"'; s++) {
        if ((unsigned char)*s < 0x20)
            return NULL;
        if (*s == '\\') {
            s++;
            if (!*s || !strchr("\"\\/bfnrtu", *s))
                return NULL;
            for (int i = 0; *s == 'u' && i < 4; i++)
                if (!isxdigit((unsigned char)s[1 + i]))
                    return NULL;
        }
    }
    return s + 1;
}

static inline const char *json_list(const char *s, bool object) {
    const char end = object ? '}' : ']';
    s = json_blank(s + 1);
    if (*s == end)
        return s + 1;
    for (;;) {
        if (object) {
            s = json_text(json_blank(s));
            if (!s || *(s = json_blank(s)) != ':')
                return NULL;
            s++;
        }
        s = json_value(json_blank(s));
        if (!s)
            return NULL;
        s = json_blank(s);
        if (*s == end)
            return s + 1;
        if (*s++ != ',')
            return NULL;
    }
}

static inline const char *json_value(const char *s) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++)
        if (strncmp(s, words[i], strlen(words[i])) == 0)
            return s + strlen(words[i]);
    if (*s == '"')
        return json_text(s);
    if (*s == '{' || *s == '[')
        return json_list(s, *s == '{');
    if (*s != '-' && !isdigit((unsigned char)*s))
        return NULL;
    char *end;
    strtod(s, &end);
    return end;
}

static inline bool json_valid(const char *s) {
    s = json_value(json_blank(s));
    return s && *json_blank(s) == '\0';
}

/** The text after `key` (as "key":) from `s` on; the test fails if there is none. */
static inline const char *json_after(const char *s, const char *key) {
    char quoted[128];
    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *found = strstr(s, quoted);
    ck_assert_msg(found, "no key %s", key);
    return found + strlen(quoted);
}

static inline double json_number(const char *s, const char *key) {
    return strtod(json_after(s, key), NULL);
}

static inline int report_run(const char *name, const TTest *const *tests, size_t count) {
    Suite *suite = suite_create(name);
    TCase *all = tcase_create(name);
    tcase_set_timeout(all, 60); /* a busy machine is no failure */
    for (size_t i = 0; i < count; i++)
        tcase_add_test(all, tests[i]);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#define REPORT_MAIN(name, ...)                                                                                         \
    int main(void) {                                                                                                   \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        return report_run(name, tests, sizeof tests / sizeof *tests);                                                  \
    }

#endif
