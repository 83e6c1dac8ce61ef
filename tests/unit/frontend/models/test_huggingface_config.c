/* config.json of each type of model: the heads that it may name, and the names of weights that follow. */
#include "checkpoint_util.h"

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
        {LLAMA(", \"rope_scaling\": {\"type\": \"mrope\"}"), "rope_scaling of the type 'mrope'"},
        {LLAMA(", \"rope_parameters\": {\"rope_type\": \"linear\"}"), "rope_parameters lacks the key 'factor'"},
        {LLAMA(", \"partial_rotary_factor\": 0.5"), "'partial_rotary_factor' must be null"},
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
    ck_assert_msg(want, "%s", stored);
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
    static const char *const heads[][3] = {
        {"roberta", "RobertaForSequenceClassification", "classifier.out_proj"},
        {"roberta", "RobertaForTokenClassification", "classifier"},
        {"xlm-roberta", "XLMRobertaForSequenceClassification", "classifier.out_proj"},
        {"camembert", "CamembertForTokenClassification", "classifier"}};
    model_options o = {.seq = 0, .arithmetic = "fp32", .cluster = true};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        checkpoint c = bert("roberta.", "weight", "bias");
        tensor(&c, "classifier.dense.weight", HIDDEN, HIDDEN);
        tensor(&c, "classifier.dense.bias", 0, HIDDEN);
        tensor(&c, arena_printf(A, "%s.weight", heads[i][2]), 2, HIDDEN);
        tensor(&c, arena_printf(A, "%s.bias", heads[i][2]), 0, 2);
        write_weights(&c);
        put("config.json",
            arena_printf(A,
                         "{\"model_type\": \"%s\", \"architectures\": [\"%s\"], \"hidden_size\": 4,"
                         "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 8,"
                         "\"max_position_embeddings\": 6, \"vocab_size\": 10, \"pad_token_id\": 1}",
                         heads[i][0], heads[i][1]));
        put("vocab.json", "{}"); /* which says nothing of the frame */
        model *m = load();
        EXPECT_NO_ERROR();
        ck_assert_ptr_null(model_vocabulary(m));
        ck_assert_uint_eq(model_positions(m), POSITIONS - 2);
        ir_module *g = model_build(m, A, D, &o);
        expect_stored(g, "embeddings.position", "roberta.embeddings.position_embeddings.weight", 2);
        expect_stored(g, "layer.0.query.weight", "roberta.encoder.layer.0.attention.self.query.weight", 0);
        expect_stored(g, "classifier.weight", arena_printf(A, "%s.weight", heads[i][2]), 0);
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

TEST_MAIN("huggingface_config", parts_of_fused_matrices, decoders_that_would_be_others, classifiers_of_the_bert_family,
          heads_of_tasks, heads_of_decoders, distilbert, roberta, ends_of_texts)
