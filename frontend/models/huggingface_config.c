/* Hugging Face's config.json: a table of keys for each type of model, and what must hold besides. */
#include "frontend/models/huggingface.h"

#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/files/settings.h"
#include "frontend/models/rotary_scaling.h"
#include "runtime/base/words.h"

/** What config.json says, whatever the type. */
typedef struct {
    arena *a;
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
    {"num_labels", FIELD_U32, offsetof(config, labels), 1, MODEL_MAX_FFN, NULL, false},
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
    {"num_labels", FIELD_U32, offsetof(config, labels), 1, MODEL_MAX_FFN, NULL, false},
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

/* ---- heads ------------------------------------------------------------------------------------------------------- */

/** Bits of models whose config.json are read alike, with their heads. */
enum {
    BERT = MODELS_BERT,
    GPT2 = MODELS_GPT2,
    ROTARY = MODELS_ROTARY,
    ROBERTA = MODELS_ROBERTA,
    DISTIL = MODELS_DISTILBERT,
    ENCODERS = BERT | ROBERTA | DISTIL
};

/** What stands behind the blocks, by the end of the architecture's name. `labels`: rows of the classifier; LABELS: as
 * many as config.json has. */
enum { NO_CLASSES, LABELS = -1 };
static const struct {
    const char *architecture;
    unsigned models;
    int labels;
    pooling_kind pooling; /* of a classifier: NONE for one row of labels for each token */
    head_kind head;
    classifier_name name;
    bool pooler, classifier_bias;
} heads[] = {
    {"Model", ENCODERS | GPT2 | ROTARY, NO_CLASSES, POOLING_NONE, HEAD_NONE, CLASSIFIER_PLAIN, false, false},
    {"ForSequenceClassification", BERT | DISTIL, LABELS, POOLING_FIRST, HEAD_NONE, CLASSIFIER_PLAIN, true, true},
    {"ForSequenceClassification", ROBERTA, LABELS, POOLING_FIRST, HEAD_NONE, CLASSIFIER_OUT, true, true},
    {"ForTokenClassification", ENCODERS, LABELS, POOLING_NONE, HEAD_NONE, CLASSIFIER_PLAIN, false, true},
    {"ForMultipleChoice", BERT, 1, POOLING_FIRST, HEAD_NONE, CLASSIFIER_PLAIN, true, true},
    {"ForQuestionAnswering", ENCODERS, 2, POOLING_NONE, HEAD_NONE, CLASSIFIER_SPANS, false, true},
    {"ForNextSentencePrediction", BERT, 2, POOLING_FIRST, HEAD_NONE, CLASSIFIER_NEXT, true, true},
    {"ForMaskedLM", ENCODERS, NO_CLASSES, POOLING_NONE, HEAD_MASKED, CLASSIFIER_PLAIN, false, false},
    {"LMHeadModel", GPT2, NO_CLASSES, POOLING_NONE, HEAD_TIED, CLASSIFIER_PLAIN, false, false},
    {"ForCausalLM", ROTARY, NO_CLASSES, POOLING_NONE, HEAD_TIED, CLASSIFIER_PLAIN, false, false},
    {"ForSequenceClassification", GPT2 | ROTARY, LABELS, POOLING_LAST, HEAD_NONE, CLASSIFIER_SCORE, false, false},
    {"ForTokenClassification", ROTARY, LABELS, POOLING_NONE, HEAD_NONE, CLASSIFIER_SCORE, false, true},
    {"ForTokenClassification", GPT2, LABELS, POOLING_NONE, HEAD_NONE, CLASSIFIER_PLAIN, false, true},
};

/** Whether `name` is one of the words with which a model's architectures begin, and then `tail`. */
static bool is_architecture(const char *name, const char *tail) {
    static const char *const kinds[] = {"Bert", "GPT2",    "Llama",      "Mistral",   "Qwen2",     "Qwen3",
                                        "Phi3", "Roberta", "XLMRoberta", "Camembert", "DistilBert"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(name, kinds[i], strlen(kinds[i])) == 0 && strcmp(name + strlen(kinds[i]), tail) == 0)
            return true;
    return false;
}

/** How many labels there are: those that have names, or num_labels, or as many as transformers takes then. */
static uint32_t count_labels(const doc_node *root, const config *c) {
    const doc_node *labels = doc_find(root, "id2label");
    bool named = labels && labels->kind == DOC_MAPPING && labels->count;
    return c->labels ? c->labels : named ? (uint32_t)labels->count : 2;
}

/** Sets what `architectures` says; without it a decoder has the head of its kind, and an encoder none. */
static bool read_head(diag *d, const doc_node *root, unsigned models, config *c) {
    const doc_node *names = doc_find(root, "architectures"), *n = NULL;
    const char *name;
    transformer *t = &c->t;
    t->head = models & ENCODERS ? HEAD_NONE : c->tied ? HEAD_TIED : HEAD_OWN;
    if (names && names->kind == DOC_SEQUENCE && names->count)
        n = names->items[0];
    if (!n)
        return true;
    if (!doc_string(d, n, "architectures", &name))
        return false;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (!(heads[i].models & models) || !is_architecture(name, heads[i].architecture))
            continue;
        t->pooling = heads[i].pooling;
        t->pooler = heads[i].pooler;
        t->head = heads[i].head == HEAD_TIED && !c->tied ? HEAD_OWN : heads[i].head;
        t->classes = heads[i].labels == LABELS ? count_labels(root, c) : (uint32_t)heads[i].labels;
        t->classifier_bias = heads[i].classifier_bias;
        t->classifier_name = heads[i].name;
        return true;
    }
    t->head = HEAD_NONE;
    return diag_unknown(d, n->loc, "the architecture '%.80s' is not known here; its head would be lost", name);
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

static const field distilbert_fields[] = {
    {"n_layers", FIELD_U32, offsetof(config, t.layers), 1, MODEL_MAX_LAYERS, NULL, true},
    {"dim", FIELD_U32, offsetof(config, t.hidden), 1, MODEL_MAX_WIDTH, NULL, true},
    {"n_heads", FIELD_U32, offsetof(config, t.heads), 1, MODEL_MAX_HEADS, NULL, true},
    {"hidden_dim", FIELD_U32, offsetof(config, t.ffn), 1, MODEL_MAX_FFN, NULL, true},
    {"activation", FIELD_WORD, offsetof(config, activation), 0, 0, HF_ACTIVATIONS, false},
    {"max_position_embeddings", FIELD_U32, offsetof(config, t.positions), 1, MODEL_MAX_TOKENS, NULL, true},
    {"vocab_size", FIELD_U32, offsetof(config, t.vocabulary), 1, MODEL_MAX_VOCABULARY, NULL, true},
    {"num_labels", FIELD_U32, offsetof(config, labels), 1, MODEL_MAX_FFN, NULL, false},
};

/** BERT without types of tokens, whose classifier has a hidden layer of its own. */
static bool read_distilbert(diag *d, const doc_node *root, config *c) {
    c->t.types = 0;
    c->t.pooler_activation = ACTIVATION_RELU;
    return fields_read(d, root, "", distilbert_fields, FIELD_COUNT(distilbert_fields), FIELDS_NULLS, c) &&
           read_head(d, root, DISTIL, c);
}

static bool read_encoder(diag *d, const doc_node *root, unsigned models, config *c) {
    const doc_node *position = doc_find(root, "position_embedding_type");
    c->position_type = "absolute";
    c->t.types = 2;
    if (!fields_read(d, root, "", bert_fields, FIELD_COUNT(bert_fields), FIELDS_NULLS, c))
        return false;
    if (strcmp(c->position_type, "absolute") != 0)
        return diag_error(d, position->loc, "position_embedding_type is '%.40s'; it must be 'absolute'",
                          c->position_type);
    return read_head(d, root, models, c);
}

static bool read_bert(diag *d, const doc_node *root, config *c) {
    return read_encoder(d, root, BERT, c);
}

/** BERT whose positions count on from the id that pads. */
static bool read_roberta(diag *d, const doc_node *root, config *c) {
    static const field fields[] = {
        {"pad_token_id", FIELD_U32, offsetof(config, t.first_position), 0, MODEL_MAX_TOKENS, NULL, false},
    };
    transformer *t = &c->t;
    t->first_position = 1;
    if (!read_encoder(d, root, ROBERTA, c) || !fields_read(d, root, "", fields, FIELD_COUNT(fields), FIELDS_NULLS, c))
        return false;
    t->first_position++;
    if (t->positions <= t->first_position)
        return diag_error(d, root->loc, "max_position_embeddings is %u, of which the first %u are no token's",
                          t->positions, t->first_position);
    if (t->head == HEAD_MASKED && activation_of[c->activation] != ACTIVATION_GELU)
        return diag_error(d, root->loc, "hidden_act must be gelu, as that of the head is");
    t->positions -= t->first_position;
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
    return read_head(d, root, GPT2, c);
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
    if (!fields_read(d, root, "", llama_fields, FIELD_COUNT(llama_fields), FIELDS_NULLS, c) ||
        !rotary_scaling_read(c->a, d, root, &c->t))
        return false;
    if (c->use_window && c->window && c->window < c->t.positions)
        c->t.positions = c->window; /* up to which every token still sees the first */
    if (c->t.positions > MODEL_MAX_TOKENS)
        c->t.positions = MODEL_MAX_TOKENS;
    return read_head(d, root, ROTARY, c);
}

static bool read_llama(diag *d, const doc_node *root, config *c) {
    c->use_window = true;
    if (!read_rotary_decoder(d, root, c))
        return false;
    c->t.qkv_bias = c->t.output_bias = c->attention_bias;
    c->t.linear_bias = c->mlp_bias;
    return true;
}

/** Its queries, keys and values have biases, whatever config.json says. */
static bool read_qwen2(diag *d, const doc_node *root, config *c) {
    c->t.qkv_bias = true;
    c->t.output_bias = c->t.linear_bias = false;
    return read_rotary_decoder(d, root, c);
}

/** Qwen2 without biases, but for those that attention_bias says, whose heads are normalised. */
static bool read_qwen3(diag *d, const doc_node *root, config *c) {
    c->t.head_dim = 128;
    c->t.head_norm = true;
    c->t.linear_bias = false;
    if (!read_rotary_decoder(d, root, c))
        return false;
    c->t.qkv_bias = c->t.output_bias = c->attention_bias;
    return true;
}

bool huggingface_config(arena *a, diag *d, const doc_node *root, transformer *out, weight_family *family) {
    static const struct {
        const char *type;
        bool (*read)(diag *d, const doc_node *root, config *c);
        weight_family family;
        unsigned models;
    } types[] = {
        {"bert", read_bert, FAMILY_BERT, BERT},
        {"gpt2", read_gpt2, FAMILY_GPT2, GPT2},
        {"llama", read_llama, FAMILY_LLAMA, ROTARY},
        {"mistral", read_llama, FAMILY_LLAMA, ROTARY},
        {"phi3", read_llama, FAMILY_LLAMA, ROTARY},
        {"qwen2", read_qwen2, FAMILY_LLAMA, ROTARY},
        {"qwen3", read_qwen3, FAMILY_LLAMA, ROTARY},
        {"roberta", read_roberta, FAMILY_ROBERTA, ROBERTA},
        {"xlm-roberta", read_roberta, FAMILY_ROBERTA, ROBERTA},
        {"camembert", read_roberta, FAMILY_ROBERTA, ROBERTA},
        {"distilbert", read_distilbert, FAMILY_DISTILBERT, DISTIL},
    };
    config c = {.a = a, .t = transformer_defaults()};
    const doc_node *type = doc_find(root, "model_type");
    const char *name = "bert";
    if (type && !doc_string(d, type, "model_type", &name))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(name, types[i].type) != 0)
            continue;
        *family = types[i].family;
        if (!settings_check(d, root, SETTINGS_CONFIG, types[i].models) || !types[i].read(d, root, &c))
            return false;
        c.t.activation = activation_of[c.activation];
        *out = c.t;
        return transformer_check(d, root->loc, out);
    }
    return diag_error(d, type->loc,
                      "model_type is '%.40s'; only models of type bert, distilbert, roberta, xlm-roberta, camembert, "
                      "gpt2, llama, mistral, phi3, qwen2 and qwen3 can be read",
                      name);
}
