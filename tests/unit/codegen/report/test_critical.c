/* The critical path: worked out by hand, and over random problems the whole makespan, of static times and of measured.
 */
#include "codegen/random_problem.h"
#include "codegen/report/critical.h"
#include "codegen/report_util.h"

static arena *memory;
static diag *d;

static void begin(void) {
    memory = arena_new();
    d = diag_new(memory, NULL);
}

static void add_token(ir_module *m, ir_opcode code, int queue, const char *other, int number, bool untimed) {
    size_t op = ir_append(m, code, NULL, 0, (ir_type){0}, (src_loc){0});
    ir_set_int(m, op, IR_KEY_queue, queue);
    ir_set_int(m, op, report_key(other), number);
    ir_set_str(m, op, report_key("untimed"), untimed ? "yes" : "no");
}

/* A token from one queue to another. */
static void pass_token(ir_module *m, int from, int to, bool untimed) {
    add_token(m, IR_I_SIGNAL, from, "to", to, untimed);
    add_token(m, IR_I_WAIT, to, "from", from, untimed);
}

static void work(ir_module *m, ir_opcode code, int queue, const char *operand, int64_t start, int64_t busy,
                 int64_t latency) {
    const bool pair = code == IR_I_QK || code == IR_I_PV || code == IR_I_SOFTMAX;
    add_instr(m, &(report_test_instr){.code = code,
                                      .queue = queue,
                                      .layer = 0,
                                      .row = 0,
                                      .rows = 9,
                                      .col = pair ? 0 : -1,
                                      .cols = pair ? 9 : -1,
                                      .operand = operand,
                                      .start = start,
                                      .busy = busy,
                                      .done = start + busy + latency});
}

static ir_module *empty_module(uint64_t arrays) {
    static const uint8_t bits[9] = {4, 4, 4, 4, 4, 4, 4, 4, 4};
    ir_module *m = ir_module_new(memory, IR_STREAM);
    m->header.model = "hand";
    m->header.seq = 9;
    m->machine->vssa_arrays = arrays;
    add_layer(m, &(report_test_layer){
                     .slots = 9, .heads = 1, .head_dim = 9, .bits = {bits, bits, bits, bits}, .chosen = bits});
    return m;
}

static void expect(const ir_module *m, const uint64_t wanted[CRITICAL_PARTS]) {
    report *r = report_build(memory, d, m);
    critical_path path;
    ck_assert(r && critical_find(memory, r, &path));
    for (unsigned i = 0; i < CRITICAL_PARTS; i++) {
        ck_assert_msg(path.total[i] == wanted[i], "%s: %llu cycles, not %llu", critical_infos[i].name,
                      (unsigned long long)path.total[i], (unsigned long long)wanted[i]);
        ck_assert_uint_eq(path.layers[0][i], wanted[i]);
    }
}

/* k: 0 to 10, there at 15. The product: 15 to 45, there at 47. The second k waits until the first is used up: 47 to 57,
 * there at 62. The second product: 62 to 82, there at 84. Softmax: 84 to 104, there at 107. */
START_TEST(a_buffer_in_use_is_named) {
    begin();
    ir_module *m = empty_module(1);
    const int array = DTQ_ARRAY0;
    work(m, IR_I_LOAD, DTQ_LOAD, "k", 0, 10, 5);
    pass_token(m, DTQ_LOAD, array, false);
    work(m, IR_I_QK, array, NULL, 15, 30, 2);
    pass_token(m, array, DTQ_LOAD, false);
    work(m, IR_I_LOAD, DTQ_LOAD, "k", 47, 10, 5);
    pass_token(m, DTQ_LOAD, array, false);
    work(m, IR_I_QK, array, NULL, 62, 20, 2);
    pass_token(m, array, DTQ_SOFTMAX, false);
    work(m, IR_I_SOFTMAX, DTQ_SOFTMAX, NULL, 84, 20, 3);
    expect(m, (uint64_t[CRITICAL_PARTS]){[CRITICAL_ARRAY] = 50,
                                         [CRITICAL_SOFTMAX] = 20,
                                         [CRITICAL_DMA] = 10,
                                         [CRITICAL_BUFFER_K] = 10,
                                         [CRITICAL_LATENCY] = 17});
    ck_assert_str_eq(report_limited_by(report_build(memory, d, m)), "array");
    arena_free(memory);
}
END_TEST

/* An array that goes on at once does not wait for its own result; untimed tokens bind nobody; of three arrays one
 * works. */
START_TEST(engines_without_their_share) {
    begin();
    ir_module *m = empty_module(3);
    const int array = DTQ_ARRAY0 + 1;
    work(m, IR_I_LOAD, DTQ_LOAD, "q", 0, 90, 5);
    pass_token(m, DTQ_LOAD, array, true);
    work(m, IR_I_QK, array, NULL, 0, 30, 50);
    work(m, IR_I_QK, array, NULL, 30, 40, 50);
    expect(m, (uint64_t[CRITICAL_PARTS]){[CRITICAL_SHARES] = 70, [CRITICAL_LATENCY] = 50});
    ck_assert_str_eq(report_limited_by(report_build(memory, d, m)), "shares");
    arena_free(memory);
}
END_TEST

static void holds_the_makespan(const report *r) {
    critical_path path;
    uint64_t all = 0, layers = 0;
    ck_assert(critical_find(memory, r, &path));
    for (unsigned i = 0; i < CRITICAL_PARTS; i++) {
        all += path.total[i];
        for (size_t l = 0; l < r->layer_count; l++)
            layers += path.layers[l][i];
    }
    ck_assert_uint_eq(path.makespan, (uint64_t)r->cycles);
    ck_assert_uint_eq(all, path.makespan);
    ck_assert_uint_eq(layers, path.makespan);
}

START_TEST(parts_sum_to_the_makespan) {
    enum { CASES = 60 };
    const char *seed = getenv("DTQ_SEED");
    random_source source = {.state = seed ? strtoull(seed, NULL, 10) : 20220314};
    printf("random problems: seed %llu\n", (unsigned long long)source.state);
    unsigned checked = 0;
    for (int i = 0; i < CASES; i++) {
        begin();
        random_problem p = random_problem_new(memory, &source, i % 2);
        ir_module *m = random_problem_compile(memory, d, &p);
        report *r = m ? report_build(memory, d, m) : NULL;
        if (r) {
            dtq_program *program = codegen_program(memory, d, (const ir_module *const[]){m}, 1);
            dtq_stats stats = {0};
            dtq_output none = {0};
            dtq_error e;
            dtq_run_options o = {.timing_only = true};
            ck_assert(program && dtq_run(program, program->streams, NULL, NULL, &o, &none, &stats, true, &e));
            report_input measured = {.events = stats.events};
            holds_the_makespan(r);
            r->input = &measured;
            holds_the_makespan(r);
            dtq_stats_free(&stats);
            checked++;
        }
        arena_free(memory);
    }
    ck_assert_uint_gt(checked, CASES / 2);
}
END_TEST

START_TEST(table_of_the_manual) {
    static const char path[] = DTQC_SOURCE_DIR "/codegen/report/REPORT.md", mark[] = "<!-- critical -->";
    memory_file manual = {0}, table = {0};
    FILE *in = fopen(path, "rb"), *out = memory_open(&manual);
    ck_assert_ptr_nonnull(in);
    for (int c = getc(in); c != EOF; c = getc(in))
        putc(c, out);
    ck_assert_int_eq(fclose(in), 0);
    char *text = memory_close(&manual), *start = strstr(text, mark);
    out = memory_open(&table);
    fputs("\n| share | in the text | of instructions or times on the path |\n| --- | --- | --- |\n", out);
    for (unsigned i = 0; i < CRITICAL_PARTS; i++) {
        fprintf(out, "| `%s` | %s | %s |\n", critical_infos[i].name, critical_infos[i].words,
                critical_infos[i].meaning);
    }
    fputs("<!-- end -->", out);
    char *wanted = memory_close(&table);
    ck_assert_msg(start && strncmp(start + strlen(mark), wanted, strlen(wanted)) == 0,
                  "the table of REPORT.md is not critical.def; it must be:%s", wanted);
    free(wanted);
    free(text);
}
END_TEST

REPORT_MAIN("critical", table_of_the_manual, a_buffer_in_use_is_named, engines_without_their_share,
            parts_sum_to_the_makespan)
