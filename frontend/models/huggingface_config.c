/* Hugging Face's config.json: a table of keys for each type of model, and what must hold besides. */
#include "frontend/models/huggingface.h"

#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "runtime/base/words.h"

/** What config.json says, whatever the type. */
typedef struct {
    transformer t;
    uint32_t activation;
    const char *position_type;
    bool tied, attention_bias, mlp_bias, use_window;
    bool scale_weights, scale_by_layer;
    uint32_t window, labels;
} config;

/* Their names of activations, and ours in the same order. */
#define HF_ACTIVATIONS "gelu|gelu_new|gelu_pytorch_tanh|gelu_fast|relu|silu|swish|tanh"
static const uint32_t activation_of[] = {ACTIVATION_GELU,      ACTIVATION_GELU_TANH, ACTIVATION_GELU_TANH,
                                         ACTIVATION_GELU_TANH, ACTIVATION_RELU,      ACTIVATION_SILU,
                                         ACTIVATION_SILU,      ACTIVATION_TANH};

enum { ANY_POSITIONS = INT32_MAX }; /* cut to MODEL_MAX_TOKENS */

static const field bert_fields[] = {
    {"position_embedding_type", FIELD_STRING, offsetof(config, position_type), 0, 0, NULL, false},
    {"num_hidden_layers", FIELD_U32, offsetof(config, t.layers), 1, MODEL_MAX_LAYERS, NULL, true},
    {"hidden_size", FIELD_U32, offsetof(config, t.hidden), 1, MODEL_MAX_WIDTH, NULL, true},
    {"num_attention_heads", FIELD_U32, offsetof(config, t.heads), 1, MODEL_MAX_HEADS, NULL, true},
    {"intermediate_size", FIELD_U32, offsetof(config, t.ffn), 1, MODEL_MAX_FFN, NULL, true},
    {"hidden_act", FIELD_WORD, offsetof(config, activation), 0, 0, HF_ACTIVATIONS, false},
    {"layer_norm_eps", FIELD_REAL, offsetof(config, t.norm_epsilon), 0, 1, NULL, false},
    {"max_position_embeddings", FIELD_U32, offsetof(config, t.positions), 1, MODEL_MAX_TOKENS, NULL, true},
    {"vocab_size", FIELD_U32, offsetof(config, t.vocabulary), 1, MODEL_MAX_VOCABULARY, NULL, true},
    {"type_vocab_size", FIELD_U32, offsetof(config, t.types), 0, MODEL_MAX_TOKENS, NULL, false},
    {"is_decoder", FIELD_BOOL, offsetof(config, t.causal), 0, 0, NULL, false},
    {"num_labels", FIELD_U32, offsetof(config, labels), 1, MODEL_MAX_FFN, NULL, false},
};

static const field gpt2_fields[] = {
    {"n_layer", FIELD_U32, offsetof(config, t.layers), 1, MODEL_MAX_LAYERS, NULL, true},
    {"n_embd", FIELD_U32, offsetof(config, t.hidden), 1, MODEL_MAX_WIDTH, NULL, true},
    {"n_head", FIELD_U32, offsetof(config, t.heads), 1, MODEL_MAX_HEADS, NULL, true},
    {"n_inner", FIELD_U32, offsetof(config, t.ffn), 1, MODEL_MAX_FFN, NULL, false},
    {"activation_function", FIELD_WORD, offsetof(config, activation), 0, 0, HF_ACTIVATIONS, false},
    {"layer_norm_epsilon", FIELD_REAL, offsetof(config, t.norm_epsilon), 0, 1, NULL, false},
    {"n_positions", FIELD_U32, offsetof(config, t.positions), 1, MODEL_MAX_TOKENS, NULL, true},
    {"vocab_size", FIELD_U32, offsetof(config, t.vocabulary), 1, MODEL_MAX_VOCABULARY, NULL, true},
    {"tie_word_embeddings", FIELD_BOOL, offsetof(config, tied), 0, 0, NULL, false},
    {"scale_attn_weights", FIELD_BOOL, offsetof(config, scale_weights), 0, 0, NULL, false},
    {"scale_attn_by_inverse_layer_idx", FIELD_BOOL, offsetof(config, scale_by_layer), 0, 0, NULL, false},
};

static const field llama_fields[] = {
    {"num_hidden_layers", FIELD_U32, offsetof(config, t.layers), 1, MODEL_MAX_LAYERS, NULL, true},
    {"hidden_size", FIELD_U32, offsetof(config, t.hidden), 1, MODEL_MAX_WIDTH, NULL, true},
    {"num_attention_heads", FIELD_U32, offsetof(config, t.heads), 1, MODEL_MAX_HEADS, NULL, true},
    {"num_key_value_heads", FIELD_U32, offsetof(config, t.kv_heads), 1, MODEL_MAX_HEADS, NULL, false},
    {"head_dim", FIELD_U32, offsetof(config, t.head_dim), 1, MODEL_MAX_WIDTH, NULL, false},
    {"intermediate_size", FIELD_U32, offsetof(config, t.ffn), 1, MODEL_MAX_FFN, NULL, true},
    {"hidden_act", FIELD_WORD, offsetof(config, activation), 0, 0, HF_ACTIVATIONS, false},
    {"rms_norm_eps", FIELD_REAL, offsetof(config, t.norm_epsilon), 0, 1, NULL, false},
    {"rope_theta", FIELD_REAL, offsetof(config, t.rotary_base), 1, 1e12, NULL, false},
    {"max_position_embeddings", FIELD_U32, offsetof(config, t.positions), 1, ANY_POSITIONS, NULL, true},
    {"use_sliding_window", FIELD_BOOL, offsetof(config, use_window), 0, 0, NULL, false},
    {"sliding_window", FIELD_U32, offsetof(config, window), 1, ANY_POSITIONS, NULL, false},
    {"vocab_size", FIELD_U32, offsetof(config, t.vocabulary), 1, MODEL_MAX_VOCABULARY, NULL, true},
    {"tie_word_embeddings", FIELD_BOOL, offsetof(config, tied), 0, 0, NULL, false},
    {"attention_bias", FIELD_BOOL, offsetof(config, attention_bias), 0, 0, NULL, false},
    {"mlp_bias", FIELD_BOOL, offsetof(config, mlp_bias), 0, 0, NULL, false},
};

/** Whether config.json names an architecture that ends so. */
static bool is_architecture(const doc_node *root, const char *tail) {
    const doc_node *names = doc_find(root, "architectures");
    for (size_t i = 0; names && names->kind == DOC_SEQUENCE && i < names->count; i++)
        if (names->items[i]->kind == DOC_SCALAR && dtq_ends_with(names->items[i]->text, tail))
            return true;
    return false;
}

static bool read_bert(diag *d, const doc_node *root, config *c) {
    const doc_node *position = doc_find(root, "position_embedding_type"), *labels = doc_find(root, "id2label");
    c->position_type = "absolute";
    c->labels = labels && labels->kind == DOC_MAPPING && labels->count ? (uint32_t)labels->count : 2;
    c->t.types = 2;
    if (!fields_read(d, root, "", bert_fields, FIELD_COUNT(bert_fields), FIELDS_NULLS, c))
        return false;
    if (strcmp(c->position_type, "absolute") != 0)
        return diag_error(d, position->loc, "position_embedding_type is '%.40s'; it must be 'absolute'",
                          c->position_type);
    if (is_architecture(root, "ForSequenceClassification")) {
        c->t.pooling = POOLING_FIRST;
        c->t.pooler = true;
        c->t.classes = c->labels;
    }
    return true;
}

static bool read_gpt2(diag *d, const doc_node *root, config *c) {
    c->activation = 1; /* gelu_new */
    c->tied = c->scale_weights = true;
    c->t.norm_epsilon = 1e-5;
    c->t.norm = NORM_PRE;
    c->t.causal = true;
    if (!fields_read(d, root, "", gpt2_fields, FIELD_COUNT(gpt2_fields), FIELDS_NULLS, c))
        return false;
    if (!c->scale_weights || c->scale_by_layer)
        return diag_error(d, root->loc,
                          "scores must be divided by the square root of the head's channels and nothing else: "
                          "scale_attn_weights true, scale_attn_by_inverse_layer_idx false");
    c->t.head = is_architecture(root, "GPT2Model") ? HEAD_NONE : c->tied ? HEAD_TIED : HEAD_OWN;
    return true;
}

/** rope_scaling, or rope_parameters of later versions: plain frequencies only. */
static bool read_rope(diag *d, const doc_node *root, config *c) {
    static const char *const keys[] = {"rope_scaling", "rope_parameters"};
    for (size_t i = 0; i < 2; i++) {
        const doc_node *n = doc_find(root, keys[i]);
        if (!n || doc_is_null(n))
            continue;
        if (!doc_kind_is(d, n, keys[i], DOC_MAPPING))
            return false;
        const doc_node *type = doc_find(n, "rope_type"), *base = doc_find(n, "rope_theta");
        const char *word = "";
        if (!type)
            type = doc_find(n, "type");
        if (type && !doc_string(d, type, "rope_type", &word))
            return false;
        if (strcmp(word, "default") != 0)
            return diag_error(d, n->loc,
                              "%s of the type '%.40s': only unscaled rotary positions can be computed; it must be null",
                              keys[i], word);
        if (base && !doc_real(d, base, "rope_theta", 1, 1e12, &c->t.rotary_base))
            return false;
    }
    return true;
}

/** Llama and its kin; what differs between them is set in `c`. */
static bool read_rotary_decoder(diag *d, const doc_node *root, config *c) {
    c->activation = 5; /* silu */
    c->t.norm = NORM_PRE;
    c->t.norm_kind = NORM_RMS;
    c->t.norm_epsilon = 1e-6;
    c->t.position_kind = POSITION_ROTARY;
    c->t.pairing = PAIRING_HALVES;
    c->t.gated = c->t.causal = true;
    if (!fields_read(d, root, "", llama_fields, FIELD_COUNT(llama_fields), FIELDS_NULLS, c) || !read_rope(d, root, c))
        return false;
    if (c->use_window && c->window && c->window < c->t.positions)
        c->t.positions = c->window; /* up to which every token still sees the first */
    if (c->t.positions > MODEL_MAX_TOKENS)
        c->t.positions = MODEL_MAX_TOKENS;
    bool headless = is_architecture(root, "LlamaModel") || is_architecture(root, "MistralModel") ||
                    is_architecture(root, "Qwen2Model");
    c->t.head = headless ? HEAD_NONE : c->tied ? HEAD_TIED : HEAD_OWN;
    return true;
}

static bool read_llama(diag *d, const doc_node *root, config *c) {
    c->use_window = true;
    if (!read_rotary_decoder(d, root, c))
        return false;
    if (c->attention_bias != c->mlp_bias)
        return diag_error(d, root->loc,
                          "attention_bias and mlp_bias must be the same: biases in all linears or in none");
    c->t.qkv_bias = c->t.linear_bias = c->mlp_bias;
    return true;
}

/** Its queries, keys and values have biases, whatever config.json says. */
static bool read_qwen2(diag *d, const doc_node *root, config *c) {
    c->t.qkv_bias = true;
    c->t.linear_bias = false;
    return read_rotary_decoder(d, root, c);
}

bool huggingface_config(diag *d, const doc_node *root, transformer *out, weight_family *family) {
    static const struct {
        const char *type;
        bool (*read)(diag *d, const doc_node *root, config *c);
        weight_family family;
    } types[] = {
        {"bert", read_bert, FAMILY_BERT},      {"gpt2", read_gpt2, FAMILY_GPT2},    {"llama", read_llama, FAMILY_LLAMA},
        {"mistral", read_llama, FAMILY_LLAMA}, {"qwen2", read_qwen2, FAMILY_LLAMA},
    };
    config c = {.t = transformer_defaults()};
    const doc_node *type = doc_find(root, "model_type");
    const char *name = "bert";
    if (type && !doc_string(d, type, "model_type", &name))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(name, types[i].type) != 0)
            continue;
        *family = types[i].family;
        if (!types[i].read(d, root, &c))
            return false;
        c.t.activation = activation_of[c.activation];
        *out = c.t;
        return transformer_check(d, root->loc, out);
    }
    return diag_error(d, type->loc,
                      "model_type is '%.40s'; only models of type bert, gpt2, llama, mistral and qwen2 can be read",
                      name);
}
