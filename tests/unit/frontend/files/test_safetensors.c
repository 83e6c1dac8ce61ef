/* Safetensors: what is written reads back, and nothing hostile gets through. */
#include "frontend/files/safetensors.h"
#include "frontend_util.h"
#include "ir/base/file.h"

#define SAME ((size_t)-1)

/** A file of this header, which it claims to be `length` bytes long, and so many zero bytes. SAME: as long as it is,
 *  after padding that aligns what follows. */
static const char *put_file(const char *header, size_t length, size_t data_bytes) {
    size_t padding = length == SAME ? (8 - strlen(header) % 8) % 8 : 0;
    size_t claim = length == SAME ? strlen(header) + padding : length;
    size_t bytes = 8 + strlen(header) + padding + data_bytes;
    uint8_t *all = arena_alloc(A, bytes);
    for (int i = 0; i < 8; i++)
        all[i] = (uint8_t)((uint64_t)claim >> (8 * i));
    memcpy(all + 8, header, strlen(header));
    memset(all + 8 + strlen(header), ' ', padding);
    return put_bytes("t.safetensors", all, bytes);
}

START_TEST(round_trip) {
    float f[6] = {1, 2, 3, 4, 5, 6};
    uint64_t u[3] = {7, 8, 1ull << 60};
    uint8_t b[3] = {1, 2, 3};
    st_output out[] = {{"bytes", "U8", 1, {3}, b, 3},
                       {"a \"quoted\"\\name", "F32", 2, {2, 3}, f, sizeof f},
                       {"importance", "U64", 1, {3}, u, sizeof u},
                       {"scalar", "F32", 0, {0}, f, 4},
                       {"none", "F16", 2, {0, 5}, NULL, 0}};
    const char *path = arena_printf(A, "%s/out.safetensors", scratch);
    ck_assert(safetensors_write(D, path, out, 5));
    safetensors *s = safetensors_open(A, D, path);
    EXPECT_NO_ERROR();
    ck_assert_uint_eq(s->count, 5);
    for (size_t i = 0; i < 5; i++) {
        const st_tensor *t = safetensors_find(s, out[i].name);
        ck_assert_ptr_nonnull(t);
        ck_assert_str_eq(t->dtype, out[i].dtype);
        ck_assert_uint_eq(t->rank, out[i].rank);
        for (uint32_t r = 0; r < t->rank; r++)
            ck_assert_uint_eq(t->shape[r], out[i].shape[r]);
        ck_assert_uint_eq(t->bytes, out[i].bytes);
        if (t->bytes)
            ck_assert_mem_eq(s->data + t->offset, out[i].data, t->bytes);
    }
    ck_assert_uint_eq(safetensors_find(s, "importance")->offset % 8, 0);
    ck_assert_ptr_null(safetensors_find(s, "missing"));
    safetensors_close(s);
    safetensors_close(s);
    ck_assert(safetensors_write(D, path, NULL, 0));
    ck_assert_ptr_nonnull(s = safetensors_open(A, D, path));
    safetensors_close(s);
}
END_TEST

START_TEST(writes_nothing_wrong) {
    float f[6] = {0};
    st_output wrong[] = {{"x", "F32", 2, {2, 2}, f, sizeof f}},
              twice[] = {{"x", "F32", 1, {6}, f, 24}, {"x", "F32", 1, {6}, f, 24}};
    const char *path = arena_printf(A, "%s/out.safetensors", scratch);
    ck_assert(!safetensors_write(D, path, wrong, 1));
    EXPECT_ERROR("needs 16");
    ck_assert(!safetensors_write(D, path, twice, 2));
    EXPECT_ERROR("two tensors");
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert(!safetensors_write(D, "/nonexistent/x", twice, 1));
    EXPECT_ERROR("cannot be written");
}
END_TEST

#define T(dtype, shape, offsets) "{\"t\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
START_TEST(hostile_headers) {
    static const struct {
        const char *header;
        size_t length, data; /* length: what the file claims, or SAME */
        const char *message;
    } cases[] = {
        {"{}", 1000, 0, "claims a header of 1000 bytes, but only 2 follow"},
        {"{}", (size_t)-2, 0, "claims a header of 18446744073709551614 bytes"},
        {"", SAME, 0, "no JSON object"},
        {"[1]", SAME, 0, "no JSON object"},
        {"{\"t\":", SAME, 0, "not JSON"},
        {"{\"t\":1}", SAME, 0, "must be described by"},
        {"{\"t\":{}}", SAME, 0, "unknown dtype ''"},
        {T("F31", "[1]", "[0,4]"), SAME, 4, "unknown dtype 'F31'"},
        {T("F32", "[1]", "[0]"), SAME, 4, "must have data_offsets, a list of 2 numbers"},
        {T("F32", "1", "[0,4]"), SAME, 4, "must have shape, a list of at most 8 numbers"},
        {T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), SAME, 4, "at most 8"},
        {T("F32", "[-1]", "[0,4]"), SAME, 4, "'-1' in its shape"},
        {T("F32", "[1.0]", "[0,4]"), SAME, 4, "'1.0' in its shape"},
        {T("F32", "[\"1\"]", "[0,4]"), SAME, 4, "in its shape"},
        {T("F32", "[99999999999999999999]", "[0,4]"), SAME, 4, "in its shape"},
        {T("F32", "[4611686018427387904,4]", "[0,4]"), SAME, 4, "more elements than can be counted"},
        {T("F32", "[4294967296,4294967296]", "[0,4]"), SAME, 4, "more elements than can be counted"},
        {T("F32", "[2]", "[0,4]"), SAME, 4, "has 4 bytes; its shape and dtype need 8"},
        {T("F32", "[1]", "[4,0]"), SAME, 4, "ends at byte 0, before it begins at 4"},
        {T("F32", "[2]", "[0,8]"), SAME, 4, "ends at byte 8, but only 4 bytes follow"},
        {T("F32", "[1]", "[9223372036854775804,9223372036854775807]"), SAME, 4, "but only 4 bytes follow"},
        {T("F32", "[1]", "[0,4]"), SAME, 8, "4 bytes at the end belong to no tensor"},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", SAME, 2, "1 bytes before tensor 't'"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[3],"
         "\"data_offsets\":[3,6]}}",
         SAME, 6, "'a' and 'b' overlap"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
         "\"data_offsets\":[0,4]}}",
         SAME, 4, "duplicate key 'a'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = put_file(cases[i].header, cases[i].length, cases[i].data);
        ck_assert_msg(!safetensors_open(A, D, path), "accepted case %zu", i);
        ck_assert_uint_eq(diag_count(D, DIAG_ERROR), 1);
        EXPECT_ERROR(cases[i].message);
    }
    ck_assert_ptr_null(safetensors_open(A, D, put("t", "1234567")));
    EXPECT_ERROR("is 7 bytes long");
    ck_assert_ptr_null(safetensors_open(A, D, put("t", "")));
    EXPECT_ERROR("is 0 bytes long");
    ck_assert_ptr_null(safetensors_open(A, D, "/nonexistent"));
    EXPECT_ERROR("No such file");
    ck_assert_ptr_null(safetensors_open(A, D, scratch));
    EXPECT_ERROR("no regular file");
}
END_TEST

START_TEST(deep_nesting) {
    size_t n = 50000;
    char *header = arena_alloc(A, n + 1);
    memset(header, '[', n);
    memcpy(header, "{\"t\":", 5);
    ck_assert_ptr_null(safetensors_open(A, D, put_file(header, n, 0)));
    EXPECT_ERROR("nested deeper than 64 levels");
}
END_TEST

START_TEST(metadata_is_skipped) {
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"t\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
    safetensors *s = safetensors_open(A, D, put_file(header, SAME, 2));
    EXPECT_NO_ERROR();
    ck_assert_uint_eq(s->count, 1);
    safetensors_close(s);
}
END_TEST

START_TEST(many_tensors) {
    enum { COUNT = 4000 };
    static uint8_t data[COUNT];
    st_output *out = ARENA_ARRAY(A, st_output, COUNT);
    for (int i = 0; i < COUNT; i++) {
        data[i] = (uint8_t)(i * 7);
        out[i] = (st_output){arena_printf(A, "layer.%d.weight", i), "U8", 1, {1}, &data[i], 1};
    }
    const char *path = arena_printf(A, "%s/big", scratch);
    ck_assert(safetensors_write(D, path, out, COUNT));
    safetensors *s = safetensors_open(A, D, path);
    EXPECT_NO_ERROR();
    for (int i = 0; i < COUNT; i++)
        ck_assert_uint_eq(s->data[safetensors_find(s, out[i].name)->offset], data[i]);
    safetensors_close(s);
}
END_TEST

START_TEST(mutations) {
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}}      ";
    size_t bytes;
    const char *file = file_read(A, D, put_file(header, SAME, 32), 1000, &bytes);
    uint64_t seed = 4242;
    printf("mutations: seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 3000; i++) {
        char changed[512];
        size_t n = i ? mutate(&seed, file, bytes, changed, sizeof changed) : bytes;
        arena *whole = A;
        A = arena_new();
        D = diag_new(A, NULL);
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read behind it */
        memcpy(exact, i ? changed : file, n);
        safetensors *s = safetensors_parse(A, D, "fuzz", exact, n);
        check_verdict(s != NULL, i);
        ck_assert(s || i);
        for (size_t t = 0; s && t < s->count; t++)
            ck_assert(s->tensors[t].offset <= s->bytes && s->tensors[t].bytes <= s->bytes - s->tensors[t].offset);
        safetensors_close(s);
        free(exact);
        arena_free(A);
        A = whole;
    }
    D = diag_new(A, NULL);
}
END_TEST

TEST_MAIN("safetensors", round_trip, writes_nothing_wrong, hostile_headers, deep_nesting, metadata_is_skipped,
          many_tensors, mutations)
