/* Hugging Face directories of the BERT family. */
#include "frontend/files/safetensors.h"
#include "frontend/models/models.h"
#include "frontend_util.h"

enum { HIDDEN = 4, FFN = 8, VOCABULARY = 10, POSITIONS = 6, TYPES = 2 };

/** A tensor to be written; `change` may alter it. */
typedef struct {
    st_output tensors[64];
    size_t count;
} checkpoint;

static void tensor(checkpoint *c, const char *name, uint64_t rows, uint64_t cols) {
    st_output *t = &c->tensors[c->count++];
    *t =
        (st_output){.name = name, .dtype = "F32", .rank = rows ? 2 : 1, .shape = {rows ? rows : cols, rows ? cols : 0}};
    t->bytes = (rows ? rows : 1) * cols * 4;
    t->data = arena_alloc(A, (size_t)t->bytes);
}

/** One layer's BERT under `prefix`, norms called `gamma` and `beta`. */
static checkpoint bert(const char *prefix, const char *gamma, const char *beta) {
    static const struct {
        const char *name;
        uint64_t rows, cols;
    } linears[] = {{"attention.self.query", HIDDEN, HIDDEN}, {"attention.self.key", HIDDEN, HIDDEN},
                   {"attention.self.value", HIDDEN, HIDDEN}, {"attention.output.dense", HIDDEN, HIDDEN},
                   {"intermediate.dense", FFN, HIDDEN},      {"output.dense", HIDDEN, FFN}};
    static const char *const norms[] = {"embeddings.LayerNorm", "encoder.layer.0.attention.output.LayerNorm",
                                        "encoder.layer.0.output.LayerNorm"};
    checkpoint c = {.count = 0};
    tensor(&c, arena_printf(A, "%sembeddings.word_embeddings.weight", prefix), VOCABULARY, HIDDEN);
    tensor(&c, arena_printf(A, "%sembeddings.position_embeddings.weight", prefix), POSITIONS, HIDDEN);
    tensor(&c, arena_printf(A, "%sembeddings.token_type_embeddings.weight", prefix), TYPES, HIDDEN);
    for (size_t i = 0; i < 3; i++) {
        tensor(&c, arena_printf(A, "%s%s.%s", prefix, norms[i], gamma), 0, HIDDEN);
        tensor(&c, arena_printf(A, "%s%s.%s", prefix, norms[i], beta), 0, HIDDEN);
    }
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
        tensor(&c, arena_printf(A, "%sencoder.layer.0.%s.weight", prefix, linears[i].name), linears[i].rows,
               linears[i].cols);
        tensor(&c, arena_printf(A, "%sencoder.layer.0.%s.bias", prefix, linears[i].name), 0, linears[i].rows);
    }
    tensor(&c, "cls.predictions.bias", 0, VOCABULARY);
    return c;
}

static st_output *named(checkpoint *c, const char *part) {
    for (size_t i = 0; i < c->count; i++)
        if (strstr(c->tensors[i].name, part))
            return &c->tensors[i];
    ck_abort_msg("no tensor %s", part);
    return NULL;
}

static void write_weights(const checkpoint *c) {
    ck_assert(safetensors_write(D, arena_printf(A, "%s/model.safetensors", scratch), c->tensors, c->count));
}

#define CONFIG(more)                                                                                                   \
    "{\"architectures\": [\"BertModel\"], \"model_type\": \"bert\", \"hidden_size\": 4, \"num_hidden_layers\": 1,"     \
    "\"num_attention_heads\": 2, \"intermediate_size\": 8, \"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-12,"       \
    "\"max_position_embeddings\": 6, \"type_vocab_size\": 2, \"vocab_size\": 10, \"classifier_dropout\": null" more    \
    "}"

static model *load(void) {
    return model_load(A, D, scratch);
}

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
        {"{\"model_type\": \"xlm-roberta\", \"dim\": 4}",
         "model_type is 'xlm-roberta'; only models of type bert, distilbert, roberta, gpt2, llama, mistral and qwen2"},
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

/** GPT-2 of one layer, 4 channels in 2 heads, 10 tokens, 6 positions. */
static checkpoint gpt2(const char *prefix) {
    static const struct {
        const char *name;
        uint64_t rows, cols;
    } tensors[] = {{"wte.weight", 10, 4},
                   {"wpe.weight", 6, 4},
                   {"ln_f.weight", 0, 4},
                   {"ln_f.bias", 0, 4},
                   {"h.0.ln_1.weight", 0, 4},
                   {"h.0.ln_1.bias", 0, 4},
                   {"h.0.ln_2.weight", 0, 4},
                   {"h.0.ln_2.bias", 0, 4},
                   {"h.0.attn.c_attn.weight", 4, 12},
                   {"h.0.attn.c_attn.bias", 0, 12},
                   {"h.0.attn.c_proj.weight", 4, 4},
                   {"h.0.attn.c_proj.bias", 0, 4},
                   {"h.0.mlp.c_fc.weight", 4, 16},
                   {"h.0.mlp.c_fc.bias", 0, 16},
                   {"h.0.mlp.c_proj.weight", 16, 4},
                   {"h.0.mlp.c_proj.bias", 0, 4}};
    checkpoint c = {.count = 0};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        tensor(&c, arena_printf(A, "%s%s", prefix, tensors[i].name), tensors[i].rows, tensors[i].cols);
    return c;
}

#define GPT2(more)                                                                                                     \
    "{\"model_type\": \"gpt2\", \"n_embd\": 4, \"n_layer\": 1, \"n_head\": 2, \"n_positions\": 6, \"vocab_size\": "    \
    "10" more "}"

START_TEST(parts_of_fused_matrices) {
    static const char *const prefixes[] = {"", "transformer."};
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    for (size_t i = 0; i < 2; i++) {
        checkpoint c = gpt2(prefixes[i]);
        write_weights(&c);
        put("config.json", GPT2(""));
        put("vocab.json", "{}");
        model *m = load();
        EXPECT_NO_ERROR();
        ck_assert_str_eq(model_vocabulary(m), arena_printf(A, "%s/vocab.json", scratch));
        ir_module *g = model_build(m, A, D, &o);
        safetensors *file = safetensors_open(A, D, arena_printf(A, "%s/model.safetensors", scratch));
        const st_tensor *weight = safetensors_find(file, arena_printf(A, "%sh.0.attn.c_attn.weight", prefixes[i]));
        const st_tensor *bias = safetensors_find(file, arena_printf(A, "%sh.0.attn.c_attn.bias", prefixes[i]));
        static const char *const parts[] = {"query", "key", "value"};
        for (uint32_t k = 0; k < 3; k++) {
            const ir_tensor *t = &g->tensors[ir_tensor_find(g, arena_printf(A, "layer.0.%s.weight", parts[k]))];
            ck_assert(t->rows == 4 && t->cols == 4 && t->stride == 12 && t->transposed);
            ck_assert_uint_eq(t->offset, weight->offset + 16 * k);
            t = &g->tensors[ir_tensor_find(g, arena_printf(A, "layer.0.%s.bias", parts[k]))];
            ck_assert(t->rows == 1 && t->cols == 4 && t->stride == 0 && !t->transposed);
            ck_assert_uint_eq(t->offset, bias->offset + 16 * k);
        }
        const ir_tensor *t = &g->tensors[ir_tensor_find(g, "layer.0.ffn.up.weight")];
        ck_assert(t->rows == 4 && t->cols == 16 && t->stride == 0 && t->transposed);
        ck_assert_str_eq(ir_str(g, g->op_count - 2, IR_KEY_source), "logits");
        safetensors_close(file);
    }
    put("config.json", GPT2(", \"architectures\": [\"GPT2Model\"]"));
    ir_module *g = model_build(load(), A, D, &o);
    ck_assert_str_ne(ir_str(g, g->op_count - 2, IR_KEY_source), "logits");
}
END_TEST

#define LLAMA(more)                                                                                                    \
    "{\"model_type\": \"llama\", \"hidden_size\": 4, \"num_hidden_layers\": 1, \"num_attention_heads\": 2,"            \
    "\"intermediate_size\": 8, \"max_position_embeddings\": 200000, \"vocab_size\": 10" more "}"

START_TEST(decoders_that_would_be_others) {
    static const char *const cases[][2] = {
        {GPT2(", \"scale_attn_by_inverse_layer_idx\": true"), "scale_attn_by_inverse_layer_idx false"},
        {GPT2(", \"scale_attn_weights\": false"), "scale_attn_weights true"},
        {GPT2(", \"tie_word_embeddings\": false"), "lacks the tensor 'lm_head.weight'"},
        {GPT2(", \"activation_function\": \"quick_gelu\""), "activation_function"},
        {LLAMA(""), "lacks the tensor 'model.embed_tokens.weight'"},
        {LLAMA(", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}"), "rope_scaling of the type 'linear'"},
        {LLAMA(", \"rope_parameters\": {\"rope_type\": \"yarn\"}"), "rope_parameters of the type 'yarn'"},
        {LLAMA(", \"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 0}"), "rope_theta must be"},
        {LLAMA(", \"layer_types\": [\"full_attention\", \"sliding_attention\"]"), "'layer_types' must be null"},
        {LLAMA(", \"architectures\": [\"LlamaForQuestionAnswering\"]"), "'LlamaForQuestionAnswering' is not known"},
        {LLAMA(", \"head_dim\": 3"), "an even number of channels"},
        {LLAMA(", \"num_key_value_heads\": 3"), "heads must be a multiple of kv_heads"},
    };
    checkpoint c = gpt2("");
    write_weights(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("config.json", cases[i][0]);
        ck_assert_msg(!load(), "accepted %s", cases[i][0]);
        EXPECT_ERROR(cases[i][1]);
    }
    put("config.json", GPT2(""));
    named(&c, "c_attn.weight")->shape[0] = 12;
    named(&c, "c_attn.weight")->shape[1] = 4;
    write_weights(&c);
    ck_assert_ptr_null(load());
    EXPECT_ERROR("h.0.attn.c_attn.weight' is [12, 4]; the model's description needs [4, 12]");
}
END_TEST

START_TEST(classifiers_of_the_bert_family) {
    static const struct {
        const char *more;
        uint64_t classes;
    } cases[] = {
        {", \"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}", 3}, {", \"num_labels\": 5", 5}, {"", 2}};
    for (size_t i = 0; i < 3; i++) {
        checkpoint c = bert("bert.", "weight", "bias");
        tensor(&c, "bert.pooler.dense.weight", HIDDEN, HIDDEN);
        tensor(&c, "bert.pooler.dense.bias", 0, HIDDEN);
        tensor(&c, "classifier.weight", cases[i].classes, HIDDEN);
        tensor(&c, "classifier.bias", 0, cases[i].classes);
        write_weights(&c);
        put("config.json", arena_printf(A,
                                        "{\"architectures\": [\"BertForSequenceClassification\"], \"hidden_size\": 4,"
                                        "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"vocab_size\": 10,"
                                        "\"intermediate_size\": 8, \"max_position_embeddings\": 6%s}",
                                        cases[i].more));
        model *m = load();
        EXPECT_NO_ERROR();
        model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
        ir_module *g = model_build(m, A, D, &o);
        const ir_tensor *t = &g->tensors[ir_tensor_find(g, "classifier.weight")];
        ck_assert(t->rows == cases[i].classes && t->cols == HIDDEN);
        ck_assert_str_eq(ir_str(g, g->op_count - 3, IR_KEY_source), "logits");
    }
}
END_TEST

/** Heads of tasks, under the names that transformers gives their weights. */
START_TEST(heads_of_tasks) {
    static const struct {
        const char *architecture, *classifier;
        uint64_t classes;
        const char *last; /* the op before the output */
    } cases[] = {
        {"BertForTokenClassification", "classifier", 3, "logits"},
        {"BertForQuestionAnswering", "qa_outputs", 2, "logits"},
        {"BertForMultipleChoice", "classifier", 1, "pool"},
        {"BertForNextSentencePrediction", "cls.seq_relationship", 2, "pool"},
        {"BertForMaskedLM", NULL, VOCABULARY, "logits"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint c = bert("bert.", "weight", "bias");
        tensor(&c, "bert.pooler.dense.weight", HIDDEN, HIDDEN);
        tensor(&c, "bert.pooler.dense.bias", 0, HIDDEN);
        tensor(&c, "cls.predictions.transform.dense.weight", HIDDEN, HIDDEN);
        tensor(&c, "cls.predictions.transform.dense.bias", 0, HIDDEN);
        tensor(&c, "cls.predictions.transform.LayerNorm.weight", 0, HIDDEN);
        tensor(&c, "cls.predictions.transform.LayerNorm.bias", 0, HIDDEN);
        if (cases[i].classifier) {
            tensor(&c, arena_printf(A, "%s.weight", cases[i].classifier), cases[i].classes, HIDDEN);
            tensor(&c, arena_printf(A, "%s.bias", cases[i].classifier), 0, cases[i].classes);
        }
        write_weights(&c);
        put("config.json", arena_printf(A,
                                        "{\"architectures\": [\"%s\"], \"hidden_size\": 4, \"num_labels\": 3,"
                                        "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"vocab_size\": 10,"
                                        "\"intermediate_size\": 8, \"max_position_embeddings\": 6}",
                                        cases[i].architecture));
        model *m = load();
        EXPECT_NO_ERROR();
        model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
        ir_module *g = model_build(m, A, D, &o);
        ck_assert_str_eq(ir_str(g, g->op_count - 2, IR_KEY_source), cases[i].last);
        const char *weight = cases[i].classifier ? "classifier.weight" : "embeddings.word";
        ck_assert_uint_eq(g->tensors[ir_tensor_find(g, weight)].rows, cases[i].classes);
        ck_assert(cases[i].classifier || ir_str(g, g->op_count - 2, IR_KEY_bias_tensor));
    }
}
END_TEST

/** A decoder's classifier scores the last token; a head in the file goes before the embeddings that it may be tied to.
 */
START_TEST(heads_of_decoders) {
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    checkpoint c = gpt2("transformer.");
    tensor(&c, "score.weight", 3, 4);
    tensor(&c, "lm_head.weight", 10, 4);
    write_weights(&c);
    put("config.json", GPT2(", \"architectures\": [\"GPT2ForSequenceClassification\"], \"num_labels\": 3"));
    model *m = load();
    EXPECT_NO_ERROR();
    ir_module *g = model_build(m, A, D, &o);
    ck_assert_str_eq(ir_str(g, g->op_count - 2, IR_KEY_function), "last");
    ck_assert_str_eq(ir_str(g, g->op_count - 3, IR_KEY_tensor), "classifier.weight");
    ck_assert_ptr_null(ir_str(g, g->op_count - 3, IR_KEY_bias_tensor));
    put("config.json", GPT2(", \"architectures\": [\"GPT2LMHeadModel\"], \"tie_word_embeddings\": true"));
    g = model_build(load(), A, D, &o);
    ck_assert_str_eq(ir_str(g, g->op_count - 2, IR_KEY_tensor), "head.weight");
}
END_TEST

/** Tensors of a BERT under the names of its kin; what is left of BERT's names stays. */
static checkpoint renamed(const char *prefix, const char *const (*names)[2], size_t count) {
    checkpoint c = bert(prefix, "weight", "bias");
    for (size_t i = 0; i < c.count; i++)
        for (size_t k = 0; k < count; k++) {
            const char *at = strstr(c.tensors[i].name, names[k][0]);
            if (at)
                c.tensors[i].name = arena_printf(A, "%.*s%s%s", (int)(at - c.tensors[i].name), c.tensors[i].name,
                                                 names[k][1], at + strlen(names[k][0]));
        }
    return c;
}

/** Whether a weight of the graph is that tensor of the checkpoint, from a row on. */
static void expect_stored(const ir_module *g, const char *weight, const char *stored, uint64_t row) {
    safetensors *file = safetensors_open(A, D, arena_printf(A, "%s/model.safetensors", scratch));
    const st_tensor *want = safetensors_find(file, stored);
    const int at = ir_tensor_find(g, weight);
    ck_assert_msg(want != NULL, "%s", stored);
    ck_assert_msg(at >= 0, "%s", weight);
    ck_assert_uint_eq(g->tensors[at].offset, want->offset + 4 * row * g->tensors[at].cols);
    safetensors_close(file);
}

START_TEST(distilbert) {
    static const char *const names[][2] = {
        {"encoder.layer.", "transformer.layer."},
        {"attention.self.query", "attention.q_lin"},
        {"attention.self.key", "attention.k_lin"},
        {"attention.self.value", "attention.v_lin"},
        {"attention.output.dense", "attention.out_lin"},
        {"attention.output.LayerNorm", "sa_layer_norm"},
        {"intermediate.dense", "ffn.lin1"},
        {"0.output.dense", "0.ffn.lin2"},
        {"0.output.LayerNorm", "0.output_layer_norm"},
    };
    checkpoint c = renamed("distilbert.", names, sizeof names / sizeof *names);
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    tensor(&c, "pre_classifier.weight", HIDDEN, HIDDEN);
    tensor(&c, "pre_classifier.bias", 0, HIDDEN);
    tensor(&c, "classifier.weight", 3, HIDDEN);
    tensor(&c, "classifier.bias", 0, 3);
    write_weights(&c);
    put("config.json", "{\"model_type\": \"distilbert\", \"architectures\": [\"DistilBertForSequenceClassification\"],"
                       "\"dim\": 4, \"n_layers\": 1, \"n_heads\": 2, \"hidden_dim\": 8, \"max_position_embeddings\": 6,"
                       "\"vocab_size\": 10, \"activation\": \"gelu\", \"num_labels\": 3, \"pad_token_id\": 0}");
    put("vocab.txt", "[UNK]\n");
    model *m = load();
    EXPECT_NO_ERROR();
    ck_assert_str_eq(model_vocabulary(m), arena_printf(A, "%s/vocab.txt", scratch));
    ir_module *g = model_build(m, A, D, &o);
    expect_stored(g, "layer.0.value.weight", "distilbert.transformer.layer.0.attention.v_lin.weight", 0);
    expect_stored(g, "layer.0.attention.norm.bias", "distilbert.transformer.layer.0.sa_layer_norm.bias", 0);
    expect_stored(g, "layer.0.ffn.norm.weight", "distilbert.transformer.layer.0.output_layer_norm.weight", 0);
    expect_stored(g, "layer.0.ffn.down.weight", "distilbert.transformer.layer.0.ffn.lin2.weight", 0);
    expect_stored(g, "pooler.weight", "pre_classifier.weight", 0);
    ck_assert_str_eq(ir_str(g, g->op_count - 4, IR_KEY_function), "relu");
    ck_assert_int_lt(ir_tensor_find(g, "embeddings.type"), 0);
}
END_TEST

START_TEST(roberta) {
    static const char *const heads[][2] = {{"RobertaForSequenceClassification", "classifier.out_proj"},
                                           {"RobertaForTokenClassification", "classifier"}};
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    for (size_t i = 0; i < 2; i++) {
        checkpoint c = bert("roberta.", "weight", "bias");
        tensor(&c, "classifier.dense.weight", HIDDEN, HIDDEN);
        tensor(&c, "classifier.dense.bias", 0, HIDDEN);
        tensor(&c, arena_printf(A, "%s.weight", heads[i][1]), 2, HIDDEN);
        tensor(&c, arena_printf(A, "%s.bias", heads[i][1]), 0, 2);
        write_weights(&c);
        put("config.json",
            arena_printf(A,
                         "{\"model_type\": \"roberta\", \"architectures\": [\"%s\"], \"hidden_size\": 4,"
                         "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 8,"
                         "\"max_position_embeddings\": 6, \"vocab_size\": 10, \"pad_token_id\": 1}",
                         heads[i][0]));
        put("vocab.json", "{}"); /* which says nothing of the frame */
        model *m = load();
        EXPECT_NO_ERROR();
        ck_assert_ptr_null(model_vocabulary(m));
        ck_assert_uint_eq(model_positions(m), POSITIONS - 2);
        ir_module *g = model_build(m, A, D, &o);
        expect_stored(g, "embeddings.position", "roberta.embeddings.position_embeddings.weight", 2);
        expect_stored(g, "layer.0.query.weight", "roberta.encoder.layer.0.attention.self.query.weight", 0);
        expect_stored(g, "classifier.weight", arena_printf(A, "%s.weight", heads[i][1]), 0);
    }
}
END_TEST

START_TEST(ends_of_texts) {
    token_ends ends;
    checkpoint c = gpt2("");
    write_weights(&c);
    put("config.json", GPT2(", \"eos_token_id\": 7"));
    model *m = load();
    ck_assert(model_ends(m, A, D, &ends) && ends.count == 1 && ends.ids[0] == 7);
    put("generation_config.json", "{\"eos_token_id\": [2, 3], \"do_sample\": true, \"repetition_penalty\": 1.0}");
    ck_assert(model_ends(m, A, D, &ends) && ends.count == 2 && ends.ids[0] == 2 && ends.ids[1] == 3);
    put("generation_config.json", "{}"); /* it is there, and config.json is not asked */
    ck_assert(model_ends(m, A, D, &ends) && ends.count == 0);
    put("generation_config.json", "{\"repetition_penalty\": 1.1}");
    ck_assert(!model_ends(m, A, D, &ends));
    EXPECT_ERROR("'repetition_penalty' must be null or one of");
    put("generation_config.json", "{\"eos_token_id\": [2, -1]}");
    ck_assert(!model_ends(m, A, D, &ends));
    EXPECT_ERROR("eos_token_id");
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
          unknown_settings, heads_of_tasks, heads_of_decoders, distilbert, roberta, ends_of_texts, tokenizer_options,
          tokenizer_sources, refused_configs, refused_weights, parts_of_fused_matrices, decoders_that_would_be_others,
          classifiers_of_the_bert_family, weights_in_several_files, no_model_there)
