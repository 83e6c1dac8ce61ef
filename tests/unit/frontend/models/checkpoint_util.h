/* Checkpoints of a small BERT in the scratch directory, for tests of Hugging Face directories. */
#ifndef DTQ_TEST_CHECKPOINT_UTIL_H
#define DTQ_TEST_CHECKPOINT_UTIL_H

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

#endif
