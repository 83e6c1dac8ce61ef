/* Prepared weights that are kept in a file: used if they are these and whole, else made again. */
#include <sys/stat.h>
#include <unistd.h>

#include "numerics_util.h"

enum { OUTPUTS = 70, INPUTS = 33, WEIGHTS = 3, PANELS_BYTES = 80 * 36 };

static const void *const *seen;

static void look(dtq_host_frame *f) {
    seen = f->weights;
    dtq_host_select(f, 0);
}

static const dtq_host_variant variants[] = {{.run = look}};
static const uint32_t no_ids[] = {0};

/* A model with one linear of made-up weights. */
typedef struct {
    char directory[64], path[128];
    dtq_tensor tensor;
    dtq_layer layer;
    dtq_stream stream;
    dtq_program program;
    dtq_host_weight weights[WEIGHTS];
    dtq_host_model model;
} world;

static void world_init(world *w) {
    memset(w, 0, sizeof *w);
    (void)snprintf(w->directory, sizeof w->directory, "/tmp/dtq_store_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->directory));
    (void)snprintf(w->path, sizeof w->path, "%s/kept", w->directory);
    w->tensor = (dtq_tensor){.name = "w", .file = UINT32_MAX, .shape = {OUTPUTS, INPUTS}, .seed = 5, .scale = 1.0f};
    w->layer = (dtq_layer){.slots = 1, .heads = 1, .kv_heads = 1, .head_dim = 4, .ids = no_ids};
    w->stream = (dtq_stream){.seq = 1, .layer_count = 1, .layers = &w->layer, .output_width = 1};
    w->program = (dtq_program){.tensor_count = 1, .tensors = &w->tensor, .stream_count = 1, .streams = &w->stream};
    for (uint64_t i = 0; i < WEIGHTS; i++)
        w->weights[i] = (dtq_host_weight){0, DTQ_HOST_I8_CODES + i};
    w->model = (dtq_host_model){
        .abi = DTQ_HOST_ABI, .variant_count = 1, .variants = variants, .weight_count = WEIGHTS, .weights = w->weights};
}

/* The packed codes as a run sees them, copied out. */
static void codes_of(world *w, const char *store, int8_t codes[PANELS_BYTES]) {
    dtq_error e;
    dtq_host *h = dtq_host_open(&w->model, &w->program, &(dtq_host_options){.store = store, .threads = 1}, &e);
    ck_assert_msg(h, "%s", e.message);
    const uint32_t token = 0;
    dtq_output out;
    ck_assert(dtq_host_run(h, 1, &(dtq_input){.tokens = &token}, false, &out, &e));
    memcpy(codes, seen[0], PANELS_BYTES);
    ck_assert_uint_eq((uintptr_t)seen[0] % 64, 0);
    dtq_output_free(&out);
    dtq_host_close(h);
}

static ino_t written(const world *w) {
    struct stat st;
    ck_assert_int_eq(stat(w->path, &st), 0);
    return st.st_ino;
}

static void flip_byte(const world *w, long at) {
    FILE *f = fopen(w->path, "r+b");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
    const int old = fgetc(f);
    ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
    (void)fputc(old ^ 4, f);
    (void)fclose(f);
}

START_TEST(kept_weights_are_used_if_they_are_these_and_whole) {
    world w;
    world_init(&w);
    static int8_t want[PANELS_BYTES], got[PANELS_BYTES];
    codes_of(&w, NULL, want);
    codes_of(&w, w.path, got); /* makes and keeps them */
    ck_assert_mem_eq(got, want, PANELS_BYTES);
    const ino_t first = written(&w);
    memset(got, 0, sizeof got);
    codes_of(&w, w.path, got);
    ck_assert_mem_eq(got, want, PANELS_BYTES);
    ck_assert(written(&w) == first);
    static const long places[] = {0, 8, 16, 24, 4096, 4096 + PANELS_BYTES - 1}; /* header, weights */
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const ino_t before = written(&w);
        flip_byte(&w, places[i]);
        codes_of(&w, w.path, got);
        ck_assert_mem_eq(got, want, PANELS_BYTES);
        ck_assert_msg(written(&w) != before, "byte %ld", places[i]);
    }
    ck_assert_int_eq(chmod(w.path, 0666), 0); /* somebody else may have written it */
    const ino_t open_to_all = written(&w);
    codes_of(&w, w.path, got);
    ck_assert(written(&w) != open_to_all);
    struct stat st;
    ck_assert(stat(w.path, &st) == 0 && (st.st_mode & 0777) == 0600);
    ck_assert_int_eq(truncate(w.path, 5000), 0);
    codes_of(&w, w.path, got);
    ck_assert_mem_eq(got, want, PANELS_BYTES);
    w.tensor.seed++;
    codes_of(&w, w.path, got);
    ck_assert(memcmp(got, want, PANELS_BYTES) != 0);
    ck_assert_int_eq(unlink(w.path), 0);
    ck_assert_int_eq(rmdir(w.directory), 0);
}
END_TEST

START_TEST(a_place_that_cannot_be_written_is_no_error) {
    world w;
    world_init(&w);
    static int8_t got[PANELS_BYTES];
    codes_of(&w, "/nowhere/at/all", got);
    ck_assert_int_eq(rmdir(w.directory), 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_store");
    TCase *t = tcase_create("all");
    tcase_add_test(t, kept_weights_are_used_if_they_are_these_and_whole);
    tcase_add_test(t, a_place_that_cannot_be_written_is_no_error);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
