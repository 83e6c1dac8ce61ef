/* Hugging Face directories: weights, the tokeniser and what sentence-transformers adds. */
#include "checkpoint_util.h"

static const char *pooling_of(const model *m, bool *normalize) {
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    ir_module *g = model_build(m, A, D, &o);
    const char *function = "none";
    *normalize = false;
    for (size_t i = 0; i < g->op_count; i++) {
        if (g->ops[i].code == IR_POOL)
            function = ir_str(g, i, IR_KEY_function);
        *normalize = *normalize || g->ops[i].code == IR_NORMALIZE;
    }
    return function;
}

START_TEST(tensors_under_their_names) {
    static const char *const styles[][3] = {
        {"", "weight", "bias"}, {"bert.", "weight", "bias"}, {"bert.", "gamma", "beta"}};
    put("config.json", CONFIG(""));
    put("vocab.txt", "[UNK]\n");
    for (size_t s = 0; s < 3; s++) {
        checkpoint c = bert(styles[s][0], styles[s][1], styles[s][2]);
        write_weights(&c);
        model *m = load();
        EXPECT_NO_ERROR();
        ck_assert_uint_eq(model_positions(m), POSITIONS);
        ck_assert(model_lower_case(m));
        ck_assert_str_eq(model_vocabulary(m), arena_printf(A, "%s/vocab.txt", scratch));
        model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
        ir_module *g = model_build(m, A, D, &o);
        ck_assert_uint_eq(g->tensor_count, 21);
        safetensors *file = safetensors_open(A, D, arena_printf(A, "%s/model.safetensors", scratch));
        const ir_tensor *t = &g->tensors[ir_tensor_find(g, "layer.0.ffn.down.weight")];
        const st_tensor *want =
            safetensors_find(file, arena_printf(A, "%sencoder.layer.0.output.dense.weight", styles[s][0]));
        ck_assert_uint_eq(t->offset, want->offset);
        ck_assert_uint_eq(t->rows, HIDDEN);
        ck_assert_uint_eq(t->cols, FFN);
        ck_assert_uint_eq(t->file_bytes, file->bytes);
        ck_assert_str_eq(t->dtype, "F32");
        ck_assert_str_eq(t->file, file->path);
        t = &g->tensors[ir_tensor_find(g, "embeddings.norm.bias")];
        want = safetensors_find(file, arena_printf(A, "%sembeddings.LayerNorm.%s", styles[s][0], styles[s][2]));
        ck_assert_uint_eq(t->offset, want->offset);
        safetensors_close(file);
    }
}
END_TEST

START_TEST(poolings) {
    bool normalize;
    checkpoint c = bert("", "weight", "bias");
    write_weights(&c);
    put("config.json", CONFIG(""));
    ck_assert_str_eq(pooling_of(load(), &normalize), "mean");
    ck_assert(!normalize);
    ck_assert_uint_ge(diag_count(D, DIAG_REMARK), 1);
    put("1_Pooling/config.json", "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}");
    ck_assert_str_eq(pooling_of(load(), &normalize), "first");
    ck_assert(!normalize);
    put("modules.json", "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"},"
                        "{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"2_P\"},"
                        "{\"type\": \"sentence_transformers.models.Normalize\", \"path\": \"2_Normalize\"}]");
    put("2_P/config.json", "{\"pooling_mode_lasttoken\": true}");
    ck_assert_str_eq(pooling_of(load(), &normalize), "last");
    ck_assert(normalize);
    /* The word of later versions goes before the flags, and nothing said is the mean. */
    static const char *const said[][2] = {
        {"{\"pooling_mode\": \"cls\", \"embedding_dimension\": 4, \"include_prompt\": true}", "first"},
        {"{\"pooling_mode\": [\"lasttoken\"], \"pooling_mode_cls_token\": true}", "last"},
        {"{\"pooling_mode_cls_token\": false, \"pooling_mode_mean_tokens\": false}", "mean"},
        {"{\"pooling_mode_mean_sqrt_len_tokens\": true}", "mean"}, /* Normalize makes them one */
        {"{}", "mean"},
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        put("2_P/config.json", said[i][0]);
        model *m = load();
        EXPECT_NO_ERROR();
        ck_assert_str_eq(pooling_of(m, &normalize), said[i][1]);
    }
}
END_TEST

#define MODULE(type, path) "{\"type\": \"sentence_transformers." type "\", \"path\": \"" path "\"}"

/** What sentence-transformers would compute and no engine does is refused, where it stands. */
START_TEST(modules_refused) {
    static const struct {
        const char *modules, *pooling, *says;
    } cases[] = {
        {NULL, "{\"pooling_mode_max_tokens\": true}", "pooling 'max' cannot be computed"},
        {NULL, "{\"pooling_mode\": \"weightedmean\"}", "pooling 'weightedmean' cannot be computed"},
        {NULL, "{\"pooling_mode\": \"median\"}", "pooling_mode must be"},
        {NULL, "{\"pooling_mode_mean_tokens\": true, \"pooling_mode_cls_token\": true}", "more than one way to pool"},
        {NULL, "{\"pooling_mode\": [\"mean\", \"cls\"]}", "more than one way to pool"},
        {NULL, "{\"pooling_mode_mean_sqrt_len_tokens\": true}", "only where Normalize follows"},
        {NULL, "{\"pooling_mode_cls\": true}", "'pooling_mode_cls' is not known here"},
        {"[" MODULE("models.Transformer", "") "]", "{}", "no module pools"},
        {"[" MODULE("models.Transformer", "0_T") "]", "{}", "the transformer must lie in the directory itself"},
        {"[" MODULE("models.Dense", "2_Dense") "]", "{}", "Dense' is not supported"},
        {"[" MODULE("models.LayerNorm", "2_L") "]", "{}", "LayerNorm' is not supported"},
        {"[" MODULE("models.Normalize", "2_N") "," MODULE("models.Pooling", "1_Pooling") "]", "{}",
         "Normalize' is not supported"},
        {"[{\"type\": \"custom.Transformer\", \"path\": \"\"}]", "{}", "custom.Transformer' is not supported"},
        {"[{\"type\": \"x\", \"path\": \"\", \"kwargs\": [\"task\"]}]", "{}", "'kwargs' must be null"},
    };
    checkpoint c = bert("", "weight", "bias");
    write_weights(&c);
    put("config.json", CONFIG(""));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("modules.json", cases[i].modules
                                ? cases[i].modules
                                : "[" MODULE("models.Transformer", "") "," MODULE("models.Pooling", "1_Pooling") "]");
        put("1_Pooling/config.json", cases[i].pooling);
        ck_assert_msg(!load(), "taken, where \"%s\" was expected", cases[i].says);
        EXPECT_ERROR(cases[i].says);
    }
}
END_TEST

/** What is said of texts reaches their tokeniser; what is said of the embedding is refused if it cannot be had. */
START_TEST(texts_of_sentence_transformers) {
    token_list l;
    checkpoint c = bert("", "weight", "bias");
    write_weights(&c);
    put("config.json", CONFIG(""));
    put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nq\nA\na\nB\nb\n");
    put("tokenizer_config.json", "{\"do_lower_case\": false, \"model_max_length\": 1000000000000000019884624838656}");
    put("1_Pooling/config.json", "{}");
    put("modules.json", "[" MODULE("models.Transformer", "") "," MODULE("models.Pooling", "1_Pooling") "]");
    const char *config = "config_sentence_transformers.json";
    put(config, "{\"prompts\": {\"x\": \"q \"}, \"default_prompt_name\": \"x\", \"truncate_dim\": 4}");
    put("sentence_bert_config.json", "{\"max_seq_length\": 5, \"do_lower_case\": true}");
    model *m = load();
    EXPECT_NO_ERROR();
    tokenizer *t = model_tokenizer(m, A, D);
    ck_assert_uint_eq(tokenizer_limit(t, 512), 5);
    ck_assert_uint_eq(tokenizer_limit(t, 3), 3);
    encode_options o = {.limit = tokenizer_limit(t, 512)};
    ck_assert(tokenizer_encode(t, A, D, "A B A B", 7, &o, &l));
    static const uint32_t ids[] = {2, 4, 6, 8, 3};
    ck_assert(l.count == 5 && l.truncated && memcmp(l.ids, ids, sizeof ids) == 0);
    put("sentence_bert_config.json", "{\"max_seq_length\": null}");
    put("tokenizer_config.json", "{\"model_max_length\": 7}");
    ck_assert_uint_eq(tokenizer_limit(model_tokenizer(load(), A, D), 512), 7);
    put(config, "{\"truncate_dim\": 3}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("truncate_dim is 3");
    put(config, "{\"prompts\": {}, \"default_prompt_name\": \"x\"}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("prompts has none of that name");
    put(config, "{\"prompts\": {\"x\": \"q\"}, \"default_prompt_name\": \"x\"}");
    put("1_Pooling/config.json", "{\"include_prompt\": false}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("include_prompt is false");
}
END_TEST

/** Keys that no table knows, and values that would make it another model; --ignore-unknown does without. */
START_TEST(unknown_settings) {
    static const char *const cases[][2] = {
        {CONFIG(", \"alibi\": true"), "'alibi' is not known here"},
        {CONFIG(", \"quantization_config\": {\"bits\": 4}"), "'quantization_config' is not known here"},
        {CONFIG(", \"add_cross_attention\": true"), "'add_cross_attention' must be null or one of false"},
        {CONFIG(", \"pruned_heads\": {\"0\": [1]}"), "'pruned_heads' must be null"},
        {"{\"architectures\": [\"BertForPreTraining\"], \"hidden_size\": 4, \"num_hidden_layers\": 1,"
         "\"num_attention_heads\": 2, \"intermediate_size\": 8, \"max_position_embeddings\": 6, \"vocab_size\": 10}",
         "architecture 'BertForPreTraining' is not known here"},
    };
    checkpoint c = bert("", "weight", "bias");
    write_weights(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("config.json", cases[i][0]);
        ck_assert_msg(!load(), "accepted %s", cases[i][0]);
        EXPECT_ERROR(cases[i][1]);
        diag_ignore_unknown(D);
        ck_assert_ptr_nonnull(load());
        EXPECT_NO_ERROR();
        ck_assert(strstr(diag_at(D, 0)->message, cases[i][1]) && diag_at(D, 0)->severity == DIAG_REMARK);
        D = diag_new(A, NULL);
    }
    put("config.json", CONFIG(", \"pruned_heads\": {}, \"_name_or_path\": \"x\", \"add_cross_attention\": false"));
    ck_assert_ptr_nonnull(load());
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(tokenizer_options) {
    checkpoint c = bert("", "weight", "bias");
    write_weights(&c);
    put("config.json", CONFIG(""));
    put("tokenizer_config.json", "{\"do_lower_case\": false}");
    model *m = load();
    ck_assert(!model_lower_case(m));
    ck_assert_ptr_null(model_vocabulary(m));
}
END_TEST

/** A class of BERT's own goes by tokenizer_config.json, and PreTrainedTokenizerFast by tokenizer.json
 * (test_bert_rules). */
START_TEST(tokenizer_sources) {
    checkpoint c = bert("", "weight", "bias");
    write_weights(&c);
    put("config.json", CONFIG(""));
    const char *json = put("tokenizer.json", "{\"normalizer\": {\"lowercase\": false}}");
    model *m = load();
    EXPECT_NO_ERROR();
    ck_assert_str_eq(model_vocabulary(m), json);
    ck_assert(model_lower_case(m));
    ck_assert_uint_ge(diag_count(D, DIAG_REMARK), 1);
    put("tokenizer_config.json", "{\"do_lower_case\": false}");
    ck_assert(!model_lower_case(load()));
    const char *vocab = put("vocab.txt", "[UNK]\n");
    ck_assert_str_eq(model_vocabulary(load()), vocab);
    put("tokenizer_config.json", "{\"do_lower_case\": true, \"tokenizer_class\": \"PreTrainedTokenizerFast\"}");
    ck_assert(!model_lower_case(load()));
    ck_assert_str_eq(model_vocabulary(load()), json);
    put("tokenizer.json", "{\"normalizer\": null, \"model\": {\"type\": \"BPE\"}}");
    ck_assert(model_lower_case(load())); /* who has text is told what is wrong; ids do without */
    EXPECT_NO_ERROR();
    put("tokenizer.json", "{\"normalizer\": {\"lowercase\": 1}}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("normalizer.lowercase must be true or false, not '1'");
}
END_TEST

START_TEST(refused_configs) {
    static const char *const cases[][2] = {
        {CONFIG(", \"position_embedding_type\": \"relative_key\""), "must be 'absolute'"},
        {"{\"model_type\": \"mpnet\", \"dim\": 4}", "model_type is 'mpnet'; only models of type bert, "
                                                    "distilbert, roberta, xlm-roberta, camembert, gpt2, llama, "},
        {"{\"model_type\": \"distilbert\", \"dim\": 4}", "lacks the key 'n_layers'"},
        {"{\"model_type\": \"roberta\", \"hidden_size\": 4, \"num_hidden_layers\": 1, \"num_attention_heads\": 2,"
         "\"intermediate_size\": 8, \"vocab_size\": 10, \"max_position_embeddings\": 2}",
         "of which the first 2 are no token's"},
        {"{\"hidden_size\": 4}", "lacks the key 'num_hidden_layers'"},
        {"{\"hidden_size\": 4,}", "not JSON"},
        {"[]", "must be a mapping"},
    };
    checkpoint c = bert("", "weight", "bias");
    write_weights(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("config.json", cases[i][0]);
        ck_assert_msg(!load(), "accepted %s", cases[i][0]);
        EXPECT_ERROR(cases[i][1]);
    }
}
END_TEST

START_TEST(refused_weights) {
    put("config.json", CONFIG(""));
    ck_assert_ptr_null(load());
    EXPECT_ERROR("is missing; the weights must be there");
    put("pytorch_model.bin", "x");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("convert it to model.safetensors");
    put("model.safetensors.index.json", "{}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("has no weight_map");
    put("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"../model.safetensors\"}}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("is not the name of a file beside this one");
    put("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"absent.safetensors\"}}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("No such file");

    checkpoint c = bert("bert.", "weight", "bias");
    *named(&c, "self.key.bias") = c.tensors[--c.count];
    write_weights(&c);
    ck_assert_ptr_null(load());
    EXPECT_ERROR("lacks the tensor 'bert.encoder.layer.0.attention.self.key.bias'; it has "
                 "'bert.encoder.layer.0.attention.self.query.bias'");

    c = bert("bert.", "weight", "bias");
    named(&c, "intermediate.dense.weight")->shape[0] = HIDDEN;
    named(&c, "intermediate.dense.weight")->shape[1] = FFN;
    write_weights(&c);
    ck_assert_ptr_null(load());
    EXPECT_ERROR("intermediate.dense.weight' is [4, 8]; the model's description needs [8, 4]");

    c = bert("bert.", "weight", "bias");
    named(&c, "self.key.weight")->dtype = "I32";
    write_weights(&c);
    ck_assert_ptr_null(load());
    EXPECT_ERROR("has elements of type I32; weights must be F32, F16 or BF16");

    c = bert("bert.", "weight", "bias");
    write_weights(&c);
    const char *path = arena_printf(A, "%s/model.safetensors", scratch);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(truncate(path, st.st_size - 10), 0);
    ck_assert_ptr_null(load());
    EXPECT_ERROR("is the file truncated?");
}
END_TEST

/** Shards: each tensor from the file that holds it. */
START_TEST(weights_in_several_files) {
    checkpoint c = bert("", "weight", "bias"), half = c;
    put("config.json", CONFIG(""));
    half.count = c.count / 2;
    ck_assert(safetensors_write(D, arena_printf(A, "%s/a.safetensors", scratch), c.tensors, half.count));
    ck_assert(safetensors_write(D, arena_printf(A, "%s/b.safetensors", scratch), c.tensors + half.count,
                                c.count - half.count));
    put("model.safetensors.index.json",
        "{\"weight_map\": {\"x\": \"b.safetensors\", \"y\": \"a.safetensors\", \"z\": \"b.safetensors\"}}");
    model *m = load();
    EXPECT_NO_ERROR();
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    ir_module *g = model_build(m, A, D, &o);
    ck_assert(strstr(g->tensors[ir_tensor_find(g, "embeddings.word")].file, "a.safetensors"));
    ck_assert(strstr(g->tensors[ir_tensor_find(g, "layer.0.ffn.down.weight")].file, "b.safetensors"));
    put("model.safetensors.index.json", "{\"weight_map\": {\"x\": \"a.safetensors\"}}");
    ck_assert_ptr_null(load());
    EXPECT_ERROR("lacks the tensor");
}
END_TEST

START_TEST(no_model_there) {
    ck_assert_ptr_null(load());
    EXPECT_ERROR("is a directory without config.json");
}
END_TEST

TEST_MAIN("huggingface", tensors_under_their_names, poolings, modules_refused, texts_of_sentence_transformers,
          unknown_settings, tokenizer_options, tokenizer_sources, refused_configs, refused_weights,
          weights_in_several_files, no_model_there)
