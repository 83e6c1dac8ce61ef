/* The library's numbers are those of the default floating-point mode, whatever its caller's, which it leaves alone. */
#include <ctype.h>
#include <math.h>
#include <unistd.h>

#include "isa_util.h"
#include "runtime/dtqrt.h"
#include "runtime/exec.h"
#include "runtime/float_mode.h"
#include "runtime/isa/program.h"
#include "sim_util.h"
#include "tests/caller_mode.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What a case found: everything that a mode could change. In a mode of a caller's that traps nothing may be computed
 * outside of the library, so cases copy. */
typedef struct {
    uint8_t data[1 << 16];
    size_t used;
} findings;

static void find(findings *f, const void *data, size_t bytes) {
    ck_assert_uint_le(bytes, sizeof f->data - f->used);
    memcpy(f->data + f->used, data, bytes);
    f->used += bytes;
}

#define FIND(f, value)                                                                                                 \
    do {                                                                                                               \
        __auto_type found_ = (value);                                                                                  \
        find(f, &found_, sizeof found_);                                                                               \
    } while (0)

/* Numbers with inexact sums and quotients, subnormal ones among them. */
static const float values[] = {-0.1f, -0.7f,      -3.3f,    -9.01f,    0.0f,       0.3f,
                               0.5f,  2.5f,       1.7e-39f, -2.2e-40f, 0x1p-149f,  1234.56f,
                               -1.0f, -0x1p-130f, -125.7f,  -0.0f,     0.3333333f, 8388607.0f};

/* ---- numerics -------------------------------------------------------------------------------------------------- */

static void case_exp2(findings *f) {
    for (size_t i = 0; i < COUNT(values); i++)
        FIND(f, dtq_exp2(values[i]));
}

static void case_rne(findings *f) {
    for (size_t i = 0; i < COUNT(values); i++)
        FIND(f, dtq_rne(values[i]));
}

static void case_score_scale(findings *f) {
    for (uint32_t d = 1; d < 100; d++)
        FIND(f, dtq_score_scale(d));
}

static void case_scale(findings *f) {
    for (unsigned bits = 4; bits <= 8; bits += 4) {
        float scale;
        ck_assert(dtq_scale(values, COUNT(values), 1, bits, &scale));
        FIND(f, scale);
    }
}

static void case_quantise(findings *f) {
    static const float scale = 0.0123f, tiny = 1e-40f;
    for (size_t i = 0; i < COUNT(values); i++) {
        FIND(f, dtq_quantise(values[i], scale, 8));
        FIND(f, dtq_quantise(values[i], tiny, 8));
    }
}

static void case_counts(findings *f) {
    for (uint32_t n = 1; n < 60; n++) {
        uint32_t kept, high;
        dtq_counts(n, 0.28, 0.306, &kept, &high);
        FIND(f, kept);
        FIND(f, high);
    }
}

static void case_cascade(findings *f) {
    for (size_t layer = 0; layer < 12; layer++)
        FIND(f, dtq_cascade_kept(100, layer, 12, 0.15, 0.7, 0.9));
}

/* ---- engines --------------------------------------------------------------------------------------------------- */

static sim_program attention;
static dtq_input attention_input;

static void attention_case(findings *f, bool (*run)(const dtq_attention *a, dtq_error *e)) {
    static const uint8_t bits[] = {8, 4, 8, 4};
    static const uint32_t ids[] = {0, 1, 2, 3};
    float out[4 * 2 * 3];
    uint64_t importance[4];
    const dtq_attention a = {.slots = 4,
                             .heads = 2,
                             .kv_heads = 1,
                             .head_dim = 3,
                             .importance_rule = DTQ_IMPORTANCE_SUM,
                             .ids = ids,
                             .bits = {bits, bits, bits, bits},
                             .q = attention.input[0],
                             .k = attention.input[1],
                             .v = attention.input[2],
                             .out = out,
                             .importance = importance};
    dtq_error e = {0};
    ck_assert_msg(run(&a, &e), "%s", e.message);
    find(f, out, sizeof out);
    find(f, importance, sizeof importance);
}

static void case_attention_ref(findings *f) {
    attention_case(f, dtq_attention_ref);
}

static void case_attention_fp32(findings *f) {
    attention_case(f, dtq_attention_fp32);
}

static void find_output(findings *f, dtq_output *out, uint32_t seq, uint32_t layers) {
    find(f, out->data, out->count * sizeof *out->data);
    if (out->importance)
        find(f, out->importance, (size_t)seq * layers * sizeof *out->importance);
    find(f, out->bits, (size_t)seq * layers);
    dtq_output_free(out);
}

static void case_run(findings *f) {
    for (dtq_engine engine = DTQ_ENGINE_SIM; engine <= DTQ_ENGINE_FP32; engine++) {
        const dtq_run_options o = {.engine = engine, .threads = 2};
        dtq_output out;
        dtq_stats stats;
        dtq_error e = {0};
        ck_assert_msg(
            dtq_run(&attention.program, &attention.stream, NULL, &attention_input, &o, &out, &stats, false, &e), "%s",
            e.message);
        FIND(f, stats.energy_pj);
        FIND(f, stats.cycles);
        find_output(f, &out, attention.shape.seq, attention.shape.layers);
    }
}

/* What a scheme computes on its way (integer square roots, exponentials by table …) is in that mode, too. */
static void case_schemes(findings *f) {
    static const dtq_scheme_kind kinds[] = {DTQ_SCHEME_Q8BERT, DTQ_SCHEME_IBERT, DTQ_SCHEME_QBERT};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        dtq_program p = attention.program;
        p.scheme = dtq_scheme_of(kinds[k]);
        const dtq_run_options o = {.engine = DTQ_ENGINE_REF};
        dtq_output out;
        dtq_error e = {0};
        ck_assert_msg(dtq_run(&p, &attention.stream, NULL, &attention_input, &o, &out, NULL, false, &e), "%s",
                      e.message);
        find_output(f, &out, attention.shape.seq, attention.shape.layers);
    }
}

static void case_check(findings *f) {
    dtq_error e = {0};
    FIND(f, dtq_check(&attention.program, &attention.stream, NULL, &attention_input, NULL, &e));
}

/* ---- a model of hand-made host code ---------------------------------------------------------------------------- */

enum { HOST_SEQ = 4096, HOST_WIDTH = 1 };

static struct {
    dtq_layer layer;
    dtq_stream stream;
    dtq_program program;
    dtq_host_variant variant;
    dtq_host_model model;
    uint32_t ids[HOST_SEQ], tokens[HOST_SEQ];
    uint8_t bits[HOST_SEQ];
} host;

/* Divisions that round, and a product that is subnormal, by every thread. */
static void divide(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    (void)argument;
    (void)worker;
    for (uint64_t i = first; i < last; i++) {
        const float x = (float)f->tokens[i];
        for (int round = 0; round < 50; round++) /* long enough for helpers to join in */
            f->output[i] = x / 3.0f + x * 0x1p-149f * 0x1p120f;
    }
}

static void host_code(dtq_host_frame *f) {
    dtq_host_parallel(f, HOST_SEQ, 1, 1, divide, 0);
    dtq_host_select(f, 0);
}

static void host_setup(void) {
    for (uint32_t i = 0; i < HOST_SEQ; i++) {
        host.ids[i] = i;
        host.tokens[i] = 7 * i + 1;
        host.bits[i] = 8;
    }
    host.layer = (dtq_layer){.slots = HOST_SEQ,
                             .high = HOST_SEQ,
                             .heads = 1,
                             .kv_heads = 1,
                             .head_dim = 1,
                             .order = DTQ_ORDER_ORIGINAL,
                             .ids = host.ids,
                             .bits = {host.bits, host.bits, host.bits, host.bits}};
    host.stream = (dtq_stream){.seq = HOST_SEQ,
                               .layer_count = 1,
                               .layers = &host.layer,
                               .output = DTQ_OUTPUT_HIDDEN,
                               .output_width = HOST_WIDTH};
    host.program = (dtq_program){.stream_count = 1, .streams = &host.stream, .model = "m"};
    host.variant = (dtq_host_variant){.level = DTQ_HOST_PORTABLE, .run = host_code};
    host.model = (dtq_host_model){.abi = DTQ_HOST_ABI, .variant_count = 1, .variants = &host.variant};
}

/* Opened in one mode, run in another: helpers begin in the mode of the thread that makes them. */
static void host_case(findings *f, caller_mode opened_in) {
    const dtq_float_mode caller = dtq_float_enter();
    caller_mode_set(opened_in);
    dtq_error e = {0};
    dtq_host *h = dtq_host_open(&host.model, &host.program, &(dtq_host_options){.threads = 4}, &e);
    dtq_float_leave(&caller);
    ck_assert_msg(h, "%s", e.message);
    const dtq_input input = {.tokens = host.tokens};
    for (int repeat = 0; repeat < 3; repeat++) { /* helpers may be late for the first */
        f->used = 0;
        dtq_output out;
        ck_assert_msg(dtq_host_run(h, HOST_SEQ, &input, false, &out, &e), "%s", e.message);
        find_output(f, &out, HOST_SEQ, 1);
        ck_assert_msg(dtq_host_run_stream(h, &host.stream, &input, NULL, false, &out, &e), "%s", e.message);
        find_output(f, &out, HOST_SEQ, 1);
    }
    dtq_host_close(h);
}

static void case_host(findings *f) {
    host_case(f, CALLER_DEFAULT);
}

static void case_host_opened_so(findings *f) {
    for (caller_mode m = CALLER_DEFAULT; m < CALLER_MODES; m++)
        host_case(f, m);
}

/* ---- programs as text and bytes -------------------------------------------------------------------------------- */

static char *corners;
static dtq_program *program;
static char directory[] = "/tmp/dtq-float-XXXXXX", saved[64];

static void case_text(findings *f) {
    dtq_program *p;
    dtq_error e = {0};
    ck_assert_msg(dtq_assemble("corners", corners, strlen(corners), &p, &e), "%s", e.message);
    size_t bytes = 0;
    char *text = disassemble(p, &bytes);
    find(f, text, bytes);
    free(text);
    FILE *out = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(out);
    ck_assert(dtq_disassemble_part(p, &(dtq_program_part){.by_queue = true, .queue = DTQ_HOST}, "host", out, &e));
    ck_assert_int_eq(fclose(out), 0);
    find(f, text, bytes);
    free(text);
    uint8_t *data = encode(p, &bytes);
    find(f, data, bytes);
    dtq_program *read;
    ck_assert_msg(dtq_program_decode(data, bytes, &read, &e), "%s", e.message);
    dtq_program_free(read);
    free(data);
    dtq_program_free(p);
}

static void case_file(findings *f) {
    dtq_program *p;
    dtq_error e = {0};
    ck_assert_msg(dtq_program_save(program, saved, &e), "%s", e.message);
    ck_assert_msg(dtq_program_load(saved, &p, &e), "%s", e.message);
    for (size_t i = 0; i < p->stream_count; i++) {
        FIND(f, dtq_verify(p, &p->streams[i], &e));
        find(f, e.message, strlen(e.message));
        uint64_t cycles = 0;
        FIND(f, dtq_static_cycles(p, &p->streams[i], &cycles, &e));
        FIND(f, cycles);
        FIND(f, dtq_prove(p, &p->streams[i], &e));
    }
    dtq_weights *w = dtq_weights_open(p, NULL, &e);
    FIND(f, w != NULL);
    dtq_weights_close(w);
    dtq_program_free(p);
}

static void case_machine(findings *f) {
    dtq_machine m = *program->machine;
    FIND(f, dtq_machine_area(&m));
    for (uint64_t bytes = 1; bytes < 10000; bytes *= 3)
        FIND(f, dtq_machine_dram_cycles(&m, bytes));
}

static void case_scheme_text(findings *f) {
    static const char text[] = "spatten tokens_pruned_mean=0.1 tokens_pruned_first=0.3";
    char why[256] = "", buf[DTQ_SCHEME_TEXT_MOST];
    dtq_scheme s = {0};
    ck_assert_msg(dtq_scheme_parse(text, &s, why, sizeof why), "%s", why);
    FIND(f, dtq_scheme_check(&s, why, sizeof why));
    FIND(f, dtq_scheme_value_check(&dtq_schemes[s.kind].params[0], s.values[0], why, sizeof why));
    find(f, s.values, sizeof s.values);
    const char *written = dtq_scheme_text(&s, buf);
    find(f, written, strlen(written));
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *functions; /* that it calls, with a blank behind each */
    void (*run)(findings *f);
} cases[] = {
    {"dtq_exp2 ", case_exp2},
    {"dtq_rne ", case_rne},
    {"dtq_score_scale ", case_score_scale},
    {"dtq_scale ", case_scale},
    {"dtq_quantise ", case_quantise},
    {"dtq_counts ", case_counts},
    {"dtq_cascade_kept ", case_cascade},
    {"dtq_attention_ref ", case_attention_ref},
    {"dtq_attention_fp32 ", case_attention_fp32},
    {"dtq_run ", case_run},
    {"dtq_run ", case_schemes},
    {"dtq_check ", case_check},
    {"dtq_host_open dtq_host_run dtq_host_run_stream dtq_host_parallel ", case_host},
    {"dtq_host_open ", case_host_opened_so},
    {"dtq_assemble dtq_disassemble dtq_disassemble_part dtq_program_encode dtq_program_decode ", case_text},
    {"dtq_program_save dtq_program_load dtq_verify dtq_static_cycles dtq_prove dtq_weights_open dtq_weights_open_with ",
     case_file},
    {"dtq_machine_area dtq_machine_dram_cycles ", case_machine},
    {"dtq_scheme_text dtq_scheme_parse dtq_scheme_check dtq_scheme_value_check ", case_scheme_text},
};

/* Public functions that compute, read and print nothing but whole numbers, bytes and words, or copy. */
static const char without_floats[] =
    "dtq_fail dtq_no_memory dtq_known_open dtq_known_close dtq_file_describe dtq_program_file_has_weights "
    "dtq_weights_unchanged dtq_host_unchanged dtq_remove_unfinished dtq_mapped_path dtq_field_none dtq_encode "
    "dtq_decode dtq_queue_name dtq_queue_parse dtq_enum_word dtq_dtype_is_coded "
    "dtq_tensor_layout_wrong dtq_tensor_bytes dtq_tensor_end dtq_program_stream dtq_program_free dtq_row_bytes "
    "dtq_block_bytes dtq_block_bytes_at dtq_scores_bytes dtq_probs_bytes dtq_probe_bytes dtq_probe_probs_bytes "
    "dtq_choice_wrong dtq_rows_bytes dtq_rows_bytes_at dtq_stream_write "
    "dtq_weights_bytes dtq_codes_bytes dtq_out_bytes dtq_select dtq_select_slots dtq_random_importance "
    "dtq_replace_choice "
    "dtq_replace_importance dtq_weights_close dtq_cache_open dtq_cache_close dtq_cache_length dtq_cache_clear "
    "dtq_stream_queries dtq_output_free dtq_stats_free dtq_host_detect dtq_host_chosen dtq_host_plan dtq_host_stats "
    "dtq_host_close "
    "dtq_machine_init dtq_machine_get dtq_machine_set dtq_param_get dtq_param_set dtq_machine_hash dtq_machine_arrays "
    "dtq_machine_pes "
    "dtq_scheme_of dtq_scheme_same dtq_scheme_lacks dtq_scheme_find dtq_scheme_param_find ";

static void setup(void) {
    static const sim_shape shape = {.seq = 9,
                                    .heads = 2,
                                    .kv_heads = 1,
                                    .head_dim = 5,
                                    .layers = 2,
                                    .slots = {9, 6},
                                    .high = {4, 3},
                                    .order = DTQ_ORDER_LOW_FIRST,
                                    .row_block = 9,
                                    .key_block = 9};
    sim_random r = {1};
    sim_build(&attention, &shape, &r);
    attention_input = sim_input(&attention);
    for (uint32_t i = 0; i < 15; i++) /* some values small enough that products with them are subnormal */
        attention.input[2][i] *= 0x1p-127f;
    host_setup();
    size_t bytes = 0;
    corners = read_text(DTQC_SOURCE_DIR "/tests/isa/good/corners.dtasm", &bytes);
    char *text = read_text(DTQC_SOURCE_DIR "/tests/isa/good/encoder.dtasm", &bytes);
    program = assemble("encoder", text);
    free(text);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(saved, sizeof saved, "%s/program.dtq", directory);
}

static void teardown(void) {
    sim_free(&attention);
    dtq_program_free(program);
    free(corners);
    (void)unlink(saved);
    (void)rmdir(directory);
}

static findings want, got;

START_TEST(a_callers_mode_changes_no_bit_and_stays) {
    const size_t c = (size_t)_i / CALLER_MODES;
    const caller_mode m = (caller_mode)((size_t)_i % CALLER_MODES);
    cases[c].run(&want);
    caller_mode_set(m);
    const uint64_t before = caller_mode_get();
    cases[c].run(&got);
    const uint64_t after = caller_mode_get();
    (void)fesetenv(FE_DFL_ENV);
    ck_assert_msg(want.used == got.used && memcmp(want.data, got.data, want.used) == 0,
                  "%s: other numbers where the caller's mode is '%s'", cases[c].functions, caller_mode_names[m]);
    ck_assert_msg(before == after, "%s: the caller's mode '%s' was %llx and is %llx", cases[c].functions,
                  caller_mode_names[m], (unsigned long long)before, (unsigned long long)after);
}
END_TEST

static bool listed(const char *list, const char *name, size_t length) {
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && at[length] == ' ')
            return true;
    return false;
}

/* A new function is tested above, or said to need none of it. */
START_TEST(every_public_function_is_accounted_for) {
    unsigned functions = 0;
    char *umbrella = read_text(DTQC_SOURCE_DIR "/runtime/dtqrt.h", NULL), *more = NULL;
    for (char *include = strtok_r(umbrella, "\n", &more); include; include = strtok_r(NULL, "\n", &more)) {
        char header[128], path[256];
        if (sscanf(include, "#include \"%127[^\"]", header) != 1 || strcmp(header, "runtime/host/abi.h") == 0)
            continue; /* abi.h: what generated code calls, which runs in the default mode */
        (void)snprintf(path, sizeof path, "%s/%s", DTQC_SOURCE_DIR, header);
        char *text = read_text(path, NULL), *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            const char *at = strstr(line, "dtq_"), *open = strchr(line, '(');
            if (!isalpha((unsigned char)line[0]) || !open || strncmp(line, "typedef", 7) == 0 ||
                strncmp(line, "static", 6) == 0) {
                continue;
            }
            char name[64] = "";
            for (const char *next = at; next && next < open; next = strstr(next + 1, "dtq_"))
                at = next; /* the last one before the parenthesis: those before are of the result's type */
            (void)snprintf(name, sizeof name, "%.*s", (int)(open - at), at);
            bool known = listed(without_floats, name, strlen(name));
            for (size_t c = 0; c < COUNT(cases); c++)
                known = known || listed(cases[c].functions, name, strlen(name));
            ck_assert_msg(known,
                          "%s of %s: give it a case in tests/unit/runtime/test_float_mode.c and a place in "
                          "runtime/entry.c, or add it to the list of those without floats",
                          name, header);
            functions++;
        }
        free(text);
    }
    free(umbrella);
    ck_assert_uint_gt(functions, 60);
}
END_TEST

int main(void) {
    Suite *s = suite_create("float_mode");
    TCase *t = tcase_create("float_mode");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_callers_mode_changes_no_bit_and_stays, 0, (int)(COUNT(cases) * CALLER_MODES));
    tcase_add_test(t, every_public_function_is_accounted_for);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
