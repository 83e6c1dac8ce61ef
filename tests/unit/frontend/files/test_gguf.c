/* GGUF files: the container, and models in it. */
#include "frontend/models/models.h"
#include "frontend/tokenizer/tokenizers.h"
#include "gguf_builder.h"

static gguf *parse(builder *b) {
    size_t bytes;
    uint8_t *file = gguf_end(b, &bytes);
    return gguf_parse(A, D, "x.gguf", file, bytes);
}

static model *load(builder *b) {
    size_t bytes;
    uint8_t *file = gguf_end(b, &bytes);
    return model_load(A, D, put_bytes("x.gguf", file, bytes));
}

START_TEST(values_of_all_types) {
    builder b = gguf_begin(2);
    static const uint8_t number[8] = {200, 0, 0, 0, 0, 0, 0, 0};
    static const size_t sizes[] = {
        [GGUF_U8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_U64] = 8, [GGUF_I64] = 8};
    for (unsigned t = 0; t < sizeof sizes / sizeof *sizes; t++) {
        if (!sizes[t])
            continue;
        add_text(&b, arena_printf(A, "n%u", t));
        add_u32(&b, t);
        add_bytes(&b, number, sizes[t]);
        b.values++;
    }
    add_text(&b, "i8");
    add_u32(&b, GGUF_I8);
    add_bytes(&b, number, 1);
    double wide = 0.25;
    add_text(&b, "double");
    add_u32(&b, GGUF_F64);
    add_bytes(&b, &wide, 8);
    add_text(&b, "yes");
    add_u32(&b, GGUF_BOOL);
    add_bytes(&b, "\1", 1);
    b.values += 3;
    value_f32(&b, "float", 1.5f);
    value_array(&b, "texts", GGUF_STRING, 3);
    add_text(&b, "a");
    add_text(&b, "");
    add_text(&b, "ccc");
    value_array(&b, "scores", GGUF_F32, 2);
    add_u64(&b, 0);
    gguf *g = parse(&b);
    EXPECT_NO_ERROR();
    for (unsigned t = 0; t < sizeof sizes / sizeof *sizes; t++) {
        uint32_t n = 0;
        ck_assert(gguf_uint(g, D, arena_printf(A, "n%u", t), false, 0, 1000, &n));
        ck_assert_uint_eq(n, sizes[t] ? 200 : 0);
    }
    double x = 0;
    bool yes = false;
    ck_assert(gguf_real(g, D, "double", true, 0, 1, &x) && x == 0.25);
    ck_assert(gguf_real(g, D, "float", true, 0, 2, &x) && x == 1.5);
    ck_assert(gguf_bool(g, D, "yes", &yes) && yes);
    const token_string *texts;
    size_t count;
    const void *numbers;
    ck_assert(gguf_strings(g, A, D, "texts", &texts, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(texts[1].bytes, 0);
    ck_assert_mem_eq(texts[2].text, "ccc", 3);
    ck_assert(gguf_numbers(g, A, D, "scores", GGUF_F32, 2, &numbers) && numbers);
    ck_assert(gguf_numbers(g, A, D, "absent", GGUF_F32, 2, &numbers) && !numbers);
    EXPECT_NO_ERROR();
    uint32_t n;
    const char *text;
    ck_assert(!gguf_uint(g, D, "i8", false, 0, 1000, &n)); /* -56 */
    EXPECT_ERROR("i8 must be one whole number from 0 to 1000");
    ck_assert(!gguf_uint(g, D, "n4", false, 0, 199, &n));
    EXPECT_ERROR("n4 must be one whole number from 0 to 199");
    ck_assert(!gguf_uint(g, D, "absent", true, 0, 199, &n));
    EXPECT_ERROR("has no absent");
    ck_assert(!gguf_real(g, D, "float", true, 0, 1, &x));
    EXPECT_ERROR("float is 1.5; it must be from 0 to 1");
    ck_assert(!gguf_text(g, A, D, "float", true, &text));
    EXPECT_ERROR("float must be a text");
    ck_assert(!gguf_numbers(g, A, D, "scores", GGUF_F32, 3, &numbers));
    EXPECT_ERROR("scores must be an array of 3 numbers");
    ck_assert(!gguf_strings(g, A, D, "scores", &texts, &count));
    EXPECT_ERROR("scores must be an array of texts");
}
END_TEST

START_TEST(weights_where_they_lie) {
    builder b = gguf_begin(3);
    llama_values(&b);
    llama_tensors(&b);
    model *m = load(&b);
    EXPECT_NO_ERROR();
    ck_assert_uint_eq(model_positions(m), 100);
    ck_assert_ptr_null(model_vocabulary(m));
    model_options o = {.seq = 12, .arithmetic = "fp32", .cluster = true};
    ir_module *g = model_build(m, A, D, &o);
    EXPECT_NO_ERROR();
    uint64_t start = (b.bytes + 31) / 32 * 32;
    static const struct {
        const char *name, *dtype;
        uint32_t rows, cols;
    } some[] = {{"embeddings.word", "Q8_0", 6, 32},
                {"layer.0.query.weight", "Q4_0", 32, 32},
                {"layer.0.key.weight", "Q4_1", 16, 32},
                {"layer.0.value.weight", "F32", 16, 32},
                {"layer.0.attention.output.weight", "F16", 32, 32}};
    uint64_t offset = start;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        const ir_tensor *t = &g->tensors[ir_tensor_find(g, some[i].name)];
        ck_assert_str_eq(t->dtype, some[i].dtype);
        ck_assert_uint_eq(t->rows, some[i].rows);
        ck_assert_uint_eq(t->cols, some[i].cols);
        ck_assert_uint_eq(t->offset, offset);
        offset += i == 0 ? 224 : i == 1 ? 576 : i == 2 ? 320 : 2048;
    }
    const ir_tensor *rotary = &g->tensors[ir_tensor_find(g, "rotary")];
    ck_assert_str_eq(rotary->dtype, "rotary");
    ck_assert_double_eq(rotary->scale, 5000);
    ck_assert_uint_eq(rotary->cols, 8);
    ck_assert_int_eq(ir_tensor_find(g, "head.weight"), -1);
    tensor(&b, "output.weight", 14, 6, 32, 0); /* not whole blocks of 256 */
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("tensor 'output.weight' does not lie within the file");
}
END_TEST

START_TEST(models_that_would_be_others) {
    static const struct {
        const char *key;
        uint32_t number;
        const char *message;
    } cases[] = {
        {"llama.expert_count", 8, "has 8 experts"},
        {"llama.rope.dimension_count", 4, "of which 4 are rotated"},
        {"llama.attention.value_length", 16, "with values of 16"},
        {"llama.attention.key_length", 16, "needs [64, 32]"},
        {"general.alignment", 0, "general.alignment must be one whole number"},
        {"general.alignment", 12, "no multiple of 8"},
        {"llama.block_count", 1, "'llama.block_count' is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        builder b = gguf_begin(3);
        llama_values(&b);
        value_u32(&b, cases[i].key, cases[i].number);
        llama_tensors(&b);
        ck_assert_ptr_null(load(&b));
        EXPECT_ERROR(cases[i].message);
    }
    builder b = gguf_begin(3);
    llama_values(&b);
    value_text(&b, "llama.rope.scaling.type", "longrope");
    llama_tensors(&b);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("llama.rope.scaling.type is 'longrope'; it is one of none, linear, yarn");
    b = gguf_begin(3);
    llama_values(&b);
    value_f32(&b, "llama.rope.scaling.factor", 0.5f);
    llama_tensors(&b);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("llama.rope.scaling.factor is 0.5");
    b = gguf_begin(3);
    llama_values(&b);
    value_f32(&b, "llama.rope.scaling.yarn_log_multiplier", 0.1f);
    llama_tensors(&b);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("rope.scaling.yarn_log_multiplier");
    b = gguf_begin(3);
    llama_values(&b);
    llama_tensors(&b);
    tensor(&b, "output.weight", 10, 6, 256, 0);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("'output.weight' is [6, 256]; the model's description needs [6, 32]");
    b = gguf_begin(3);
    llama_values(&b);
    llama_tensors(&b);
    tensor(&b, "output.weight", 10, 6, 32, 0);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("has elements of type Q2_K; weights must be");
    b = gguf_begin(3);
    value_text(&b, "general.architecture", "gptneox");
    llama_tensors(&b);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("the architecture 'gptneox'");
    b = gguf_begin(3);
    llama_values(&b);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("no matrix token_embd.weight");
}
END_TEST

START_TEST(malformed_files) {
    ck_assert_ptr_null(gguf_parse(A, D, "x", (const uint8_t *)"GGML", 4));
    EXPECT_ERROR("does not begin with GGUF");
    builder b = gguf_begin(1);
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("is of version 1");
    b = gguf_begin(3);
    value_array(&b, "a", GGUF_F64, UINT64_MAX);
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("an array is longer than the file");
    b = gguf_begin(3);
    value_array(&b, "a", GGUF_STRING, UINT64_MAX / 2);
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("an array is longer than the file");
    b = gguf_begin(3);
    value_array(&b, "a", GGUF_ARRAY, 1);
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("unknown type");
    b = gguf_begin(3);
    add_u64(&b, UINT64_MAX);
    b.values = 1;
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("more metadata than it has bytes");
    b = gguf_begin(3);
    b.tensors = SIZE_MAX;
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("more tensors than it has bytes");
    b = gguf_begin(3);
    tensor(&b, "t", 0, UINT64_C(1) << 40, UINT64_C(1) << 40, 0);
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("tensor 't' does not lie within the file");
    b = gguf_begin(3);
    tensor(&b, "t", 0, 2, 2, 16);
    tensor(&b, "t", 0, 2, 2, 16);
    ck_assert_ptr_null(parse(&b));
    EXPECT_ERROR("the tensor 't' is there twice");
}
END_TEST

/** Every beginning of a file, and every file with a byte changed: an error or a model, and nothing outside of the file.
 */
START_TEST(damaged_files) {
    builder b = gguf_begin(3);
    llama_values(&b);
    value_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 2);
    add_text(&b, "x");
    add_text(&b, "yy");
    llama_tensors(&b);
    size_t bytes, head = b.bytes;
    const uint8_t *file = gguf_end(&b, &bytes);
    size_t read = 0;
    for (size_t n = 0; n < bytes; n += n < head ? 1 : 997) {
        arena *a = arena_new();
        uint8_t *copy = malloc(n + 1); /* so that a sanitizer sees its end */
        memcpy(copy, file, n);
        ck_assert_ptr_null(gguf_parse(a, diag_new(a, NULL), "x", copy, n));
        free(copy);
        arena_free(a);
    }
    uint8_t *copy = malloc(bytes);
    memcpy(copy, file, bytes);
    ck_assert_ptr_nonnull(gguf_parse(A, D, "x", copy, bytes));
    ck_assert_ptr_null(gguf_parse(A, D, "x", copy, bytes - 1));
    for (size_t i = 0; i < head; i++)
        for (unsigned change = 1; change < 256; change = change * 4 + 3) {
            arena *a = arena_new();
            copy[i] = (uint8_t)(file[i] ^ change);
            read += gguf_parse(a, diag_new(a, NULL), "x", copy, bytes) != NULL;
            copy[i] = file[i];
            arena_free(a);
        }
    free(copy);
    ck_assert_uint_gt(read, 100); /* letters of names, numbers */
}
END_TEST

START_TEST(vocabularies) {
    builder b = gguf_begin(3);
    value_text(&b, "tokenizer.ggml.model", "gpt2");
    value_text(&b, "tokenizer.ggml.pre", "gpt-2");
    value_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 4);
    add_text(&b, "a");
    add_text(&b, "b");
    add_text(&b, "ab");
    add_text(&b, "<e>");
    value_array(&b, "tokenizer.ggml.token_type", GGUF_I32, 4);
    for (uint32_t i = 0; i < 4; i++)
        add_u32(&b, i == 3 ? TOKEN_CONTROL : TOKEN_NORMAL);
    value_array(&b, "tokenizer.ggml.merges", GGUF_STRING, 1);
    add_text(&b, "a b");
    value_u32(&b, "tokenizer.ggml.bos_token_id", 3);
    add_text(&b, "tokenizer.ggml.add_bos_token");
    add_u32(&b, GGUF_BOOL);
    add_bytes(&b, "\1", 1);
    b.values++;
    size_t bytes;
    uint8_t *file = gguf_end(&b, &bytes);
    const char *path = put_bytes("v.gguf", file, bytes);
    tokenizer *t = tokenizer_load(A, D, path, NULL);
    EXPECT_NO_ERROR();
    token_list ids;
    ck_assert(tokenizer_encode(t, A, D, "abb", 3, NULL, &ids));
    ck_assert_uint_eq(ids.count, 3);
    ck_assert(ids.ids[0] == 3 && ids.ids[1] == 2 && ids.ids[2] == 1);
    b = gguf_begin(3);
    value_text(&b, "tokenizer.ggml.model", "bert");
    file = gguf_end(&b, &bytes);
    ck_assert_ptr_null(tokenizer_load(A, D, put_bytes("v.gguf", file, bytes), NULL));
    EXPECT_ERROR("a vocabulary of the model 'bert'");
    b = gguf_begin(3);
    file = gguf_end(&b, &bytes);
    ck_assert_ptr_null(tokenizer_load(A, D, put_bytes("v.gguf", file, bytes), NULL));
    EXPECT_ERROR("has no tokenizer.ggml.model");
}
END_TEST

/** What llama.cpp takes where a file says nothing, by the name of its pre-tokeniser. */
START_TEST(texts_begin_by_pre) {
    static const struct {
        const char *pre, *said, *ids;
    } cases[] = {
        {"llama-bpe", NULL, "3 2"}, {"llama-bpe", "\0", "2"}, {"dbrx", NULL, "2"},
        {"dbrx", "\1", "3 2"},      {"default", NULL, "2"},   {NULL, NULL, "2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        builder b = gguf_begin(3);
        value_text(&b, "tokenizer.ggml.model", "gpt2");
        if (cases[i].pre)
            value_text(&b, "tokenizer.ggml.pre", cases[i].pre);
        value_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 4);
        add_text(&b, "a");
        add_text(&b, "b");
        add_text(&b, "ab");
        add_text(&b, "<e>");
        value_array(&b, "tokenizer.ggml.merges", GGUF_STRING, 1);
        add_text(&b, "a b");
        value_u32(&b, "tokenizer.ggml.bos_token_id", 3);
        if (cases[i].said) {
            add_text(&b, "tokenizer.ggml.add_bos_token");
            add_u32(&b, GGUF_BOOL);
            add_bytes(&b, cases[i].said, 1);
            b.values++;
        }
        size_t bytes;
        uint8_t *file = gguf_end(&b, &bytes);
        tokenizer *t = tokenizer_load(A, D, put_bytes("v.gguf", file, bytes), NULL);
        EXPECT_NO_ERROR();
        token_list l;
        const char *got = "";
        ck_assert(tokenizer_encode(t, A, D, "ab", 2, NULL, &l));
        for (size_t k = 0; k < l.count; k++)
            got = arena_printf(A, "%s%s%u", got, k ? " " : "", l.ids[k]);
        ck_assert_str_eq(got, cases[i].ids);
    }
    token_vocabulary v = token_vocabulary_of("gpt2");
    token_string one = {"a", 1};
    v.count = 1;
    v.tokens = &one;
    token_vocabulary_set_pre(&v, "gpt2"); /* llama.cpp knows gpt-2 alone */
    ck_assert_ptr_null(tokenizer_from_vocabulary(A, D, &v));
    EXPECT_ERROR("pre-tokeniser 'gpt2' is not known");
}
END_TEST

static const char *frequencies_of(model *m) {
    const model_options o = {.seq = 12, .arithmetic = "fp32", .cluster = true};
    EXPECT_NO_ERROR();
    const ir_module *g = model_build(m, A, D, &o);
    return g->tensors[ir_tensor_find(g, "rotary")].frequencies;
}

static builder yarn(void) {
    builder b = gguf_begin(3);
    llama_values(&b);
    value_text(&b, "llama.rope.scaling.type", "yarn");
    value_f32(&b, "llama.rope.scaling.factor", 4);
    value_u32(&b, "llama.rope.scaling.original_context_length", 64);
    value_f32(&b, "llama.rope.scaling.attn_factor", 2);
    llama_tensors(&b);
    return b;
}

/* Between the pairs that turn 32 times and once over 64 tokens: of 4 pairs the first is kept, and the others divided by
 * what lies on the line from 1 to 4. rope_yarn of llama.cpp computes theta * (1 / 4 * ramp + 1 - ramp). */
START_TEST(scaled_positions_of_llama_cpp) {
    builder b = yarn();
    const char *plain = frequencies_of(load(&b));
    ck_assert_str_eq(plain, "amplitude 2.27725887 divisors 1 1.60000002 4 4");
    b = gguf_begin(3);
    llama_values(&b);
    llama_tensors(&b);
    ck_assert_ptr_null(frequencies_of(load(&b)));
}
END_TEST

START_TEST(settings_of_models) {
    builder b = gguf_begin(3);
    llama_values(&b);
    value_f32(&b, "llama.rope.scaling.factor", 4); /* without a type: linear */
    llama_tensors(&b);
    ck_assert_str_eq(frequencies_of(load(&b)), "amplitude 1 divisors 4");
    b = yarn();
    tensor(&b, "rope_freqs.weight", 0, 1, 4, 16); /* a matrix */
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("rope_freqs.weight must be 4 numbers of the type F32");
    b = gguf_begin(3);
    llama_values(&b);
    value_u32(&b, "llama.pooling_type", 1);
    llama_tensors(&b);
    ck_assert_ptr_null(load(&b));
    EXPECT_ERROR("the key 'llama.pooling_type' of the metadata is not known");
    b = gguf_begin(3);
    llama_values(&b);
    value_f32(&b, "llama.rope.scaling.factor", 1);
    value_text(&b, "general.name", "x");
    add_text(&b, "llama.attention.causal");
    add_u32(&b, GGUF_BOOL);
    add_bytes(&b, "\0", 1);
    b.values++;
    llama_tensors(&b);
    model *m = load(&b);
    EXPECT_NO_ERROR();
    ck_assert(!model_generates(m));
    model_options o = {.seq = 4, .arithmetic = "fp32", .cluster = true};
    ir_module *g = model_build(m, A, D, &o);
    for (size_t i = 0; i < g->op_count; i++)
        ck_assert(g->ops[i].code != IR_ATTENTION || strcmp(ir_str(g, i, IR_KEY_mask), "none") == 0);
}
END_TEST

static const char *put_part(const char *name, uint32_t part, bool tensors) {
    builder b = gguf_begin(3);
    size_t bytes;
    if (part == 0)
        llama_values(&b);
    value_u32(&b, "split.no", part);
    value_u32(&b, "split.count", 2);
    if (tensors)
        llama_tensors(&b);
    uint8_t *file = gguf_end(&b, &bytes);
    return put_bytes(name, file, bytes);
}

START_TEST(models_in_parts) {
    const char *first = put_part("m-00001-of-00002.gguf", 0, false);
    ck_assert_ptr_null(model_load(A, D, first));
    EXPECT_ERROR("No such file");
    const char *second = put_part("m-00002-of-00002.gguf", 1, true);
    model *m = model_load(A, D, first);
    EXPECT_NO_ERROR();
    model_options o = {.seq = 4, .arithmetic = "fp32", .cluster = true};
    ir_module *g = model_build(m, A, D, &o);
    ck_assert_str_eq(g->tensors[ir_tensor_find(g, "embeddings.word")].file, second);
    ck_assert_ptr_null(model_load(A, D, second));
    EXPECT_ERROR("is part 2 of 2; name the first");
    ck_assert_ptr_null(model_load(A, D, put_part("other.gguf", 0, true)));
    EXPECT_ERROR("whose name must end in -00001-of-00002.gguf");
    put_part("m-00002-of-00002.gguf", 0, true);
    ck_assert_ptr_null(model_load(A, D, first));
    EXPECT_ERROR("is not part 2: split.no is 0");
}
END_TEST

TEST_MAIN("gguf", texts_begin_by_pre, settings_of_models, scaled_positions_of_llama_cpp, models_in_parts,
          values_of_all_types, weights_where_they_lie, models_that_would_be_others, malformed_files, damaged_files,
          vocabularies)
