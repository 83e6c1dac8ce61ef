/* The graph of a transformer, from its dimensions: the one builder behind all model formats. */
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/models.h"

transformer transformer_defaults(void) {
    return (transformer){.norm_epsilon = 1e-12,
                         .rotary_base = 10000,
                         .positions = 512,
                         .vocabulary = 30522,
                         .pooling = POOLING_NONE,
                         .qkv_bias = true,
                         .output_bias = true,
                         .linear_bias = true,
                         .classifier_bias = true,
                         .pooler_activation = ACTIVATION_TANH};
}

bool transformer_check(diag *d, src_loc loc, transformer *t) {
    if (t->ffn == 0)
        t->ffn = 4 * t->hidden;
    if (t->kv_heads == 0)
        t->kv_heads = t->heads;
    if (t->head_dim == 0 && t->hidden % t->heads != 0)
        return diag_error(d, loc, "hidden is %u and heads %u: hidden must be a multiple of heads", t->hidden, t->heads);
    if (t->head_dim == 0)
        t->head_dim = t->hidden / t->heads;
    if ((uint64_t)t->head_dim * t->heads > MODEL_MAX_WIDTH)
        return diag_error(d, loc, "%u heads of %u channels are more than %d", t->heads, t->head_dim, MODEL_MAX_WIDTH);
    if (t->kv_heads > t->heads || t->heads % t->kv_heads != 0)
        return diag_error(d, loc, "heads is %u and kv_heads %u: heads must be a multiple of kv_heads", t->heads,
                          t->kv_heads);
    if (t->position_kind == POSITION_ROTARY && (t->head_dim % 2 != 0 || !(t->rotary_base >= 1)))
        return diag_error(d, loc,
                          "rotary positions need heads of an even number of channels and a base from 1 on, not "
                          "%u and %g",
                          t->head_dim, t->rotary_base);
    if (t->normalize && t->pooling == POOLING_NONE)
        return diag_error(d, loc, "normalize needs one row to normalise: pooling must be mean, first or last");
    if ((t->pooler || (t->classes && t->pooling != POOLING_NONE)) && t->pooling != POOLING_FIRST &&
        t->pooling != POOLING_LAST)
        return diag_error(d, loc, "%s works on one token's row: pooling must be first or last",
                          t->pooler ? "pooler" : "a classifier");
    if (t->pooling != POOLING_NONE && t->head != HEAD_NONE)
        return diag_error(d, loc, "a head of tokens works on every row: pooling must be none");
    if (t->classes && t->head != HEAD_NONE)
        return diag_error(d, loc, "a classifier and a head of tokens: one of classes 0 and head none must hold");
    return true;
}

void attention_describe(ir_module *m, size_t op, uint32_t index, uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                        bool causal, uint32_t importance, bool cluster) {
    ir_set_int(m, op, IR_KEY_index, index);
    ir_set_int(m, op, IR_KEY_query_heads, heads);
    ir_set_int(m, op, IR_KEY_kv_heads, kv_heads);
    ir_set_int(m, op, IR_KEY_head_dim, head_dim);
    ir_set_str(m, op, IR_KEY_mask, causal ? "causal" : "none");
    ir_set_str(m, op, IR_KEY_importance_rule, importance ? "sum" : "mean");
    ir_set_str(m, op, IR_KEY_cluster, cluster ? "low-first" : "none");
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const model *model;
    const transformer *t;
    ir_module *m;
    const char *arithmetic;
    bool cluster;
    uint32_t layer;
    bool in_block;
} builder;

/** Appends an op whose result's type is still to be inferred. `source` is its name, in a block after "layer.N.". */
static size_t append(builder *b, ir_opcode code, const ir_value *operands, size_t count, const char *source) {
    size_t op = ir_append(b->m, code, operands, count, (ir_type){0}, b->model->loc);
    const char *name = b->in_block ? arena_printf(b->m->arena, "layer.%u.%s", b->layer, source) : source;
    ir_set_str(b->m, op, IR_KEY_source, name);
    return op;
}

/** Names a weight in an attribute, if the model has it. */
static void refer(builder *b, size_t op, unsigned key, weight_role role) {
    const char *name = weight_name(b->m->arena, b->t, role, b->layer);
    if (name)
        ir_set_str(b->m, op, key, name);
}

/** Mixed precision is for projections and feed-forward networks: heads have 8 bits for all rows. */
static void set_arithmetic(const builder *b, size_t op) {
    bool lowers = !b->in_block && strcmp(b->arithmetic, "mixed") == 0;
    ir_set_str(b->m, op, IR_KEY_arithmetic, lowers ? "int8" : b->arithmetic);
}

static ir_value linear(builder *b, ir_value x, uint32_t outputs, weight_role weight, weight_role bias,
                       const char *source) {
    size_t op = append(b, IR_LINEAR, &x, 1, source);
    refer(b, op, IR_KEY_tensor, weight);
    refer(b, op, IR_KEY_bias_tensor, bias);
    ir_set_int(b->m, op, IR_KEY_outputs, outputs);
    set_arithmetic(b, op);
    return ir_result(b->m, op);
}

static ir_value norm(builder *b, ir_value x, weight_role gamma, weight_role beta, const char *source) {
    size_t op = append(b, b->t->norm_kind == NORM_RMS ? IR_RMSNORM : IR_LAYERNORM, &x, 1, source);
    refer(b, op, IR_KEY_tensor, gamma);
    refer(b, op, IR_KEY_bias_tensor, beta);
    ir_set_real(b->m, op, IR_KEY_epsilon, b->t->norm_epsilon);
    return ir_result(b->m, op);
}

static ir_value add(builder *b, ir_value x, ir_value y, const char *source) {
    return ir_result(b->m, append(b, IR_ADD, (ir_value[]){x, y}, 2, source));
}

/** The word at `index` of "a|b|c". */
static const char *word(arena *a, const char *words, uint32_t index) {
    for (; index; index--)
        words = strchr(words, '|') + 1;
    return arena_strndup(a, words, strcspn(words, "|"));
}

static ir_value activation(builder *b, ir_value x, uint32_t function, const char *source) {
    size_t op = append(b, IR_ACTIVATION, &x, 1, source);
    ir_set_str(b->m, op, IR_KEY_function, word(b->m->arena, ACTIVATION_WORDS, function));
    return ir_result(b->m, op);
}

/** Queries or keys of which each head has been divided by its root mean square, if the model has weights for that. */
static ir_value head_norm(builder *b, ir_value x, weight_role gamma, const char *source) {
    if (!b->t->head_norm)
        return x;
    size_t op = append(b, IR_RMSNORM, &x, 1, source);
    refer(b, op, IR_KEY_tensor, gamma);
    ir_set_real(b->m, op, IR_KEY_epsilon, b->t->norm_epsilon);
    return ir_result(b->m, op);
}

/** Queries or keys turned by their positions, if these are rotary. */
static ir_value rotary(builder *b, ir_value x, const char *source) {
    if (b->t->position_kind != POSITION_ROTARY)
        return x;
    size_t op = append(b, IR_ROTARY, &x, 1, source);
    refer(b, op, IR_KEY_tensor, WEIGHT_ROTARY);
    ir_set_int(b->m, op, IR_KEY_head_dim, b->t->head_dim);
    ir_set_str(b->m, op, IR_KEY_pairing, word(b->m->arena, PAIRING_WORDS, b->t->pairing));
    return ir_result(b->m, op);
}

/** Projections, attention and output projection of a block. */
static ir_value attention(builder *b, ir_value x) {
    const transformer *t = b->t;
    uint32_t width = t->head_dim * t->heads, kv_width = t->head_dim * t->kv_heads;
    ir_value qkv[3] = {linear(b, x, width, WEIGHT_QUERY, WEIGHT_QUERY_BIAS, "query"),
                       linear(b, x, kv_width, WEIGHT_KEY, WEIGHT_KEY_BIAS, "key"),
                       linear(b, x, kv_width, WEIGHT_VALUE, WEIGHT_VALUE_BIAS, "value")};
    qkv[0] = rotary(b, head_norm(b, qkv[0], WEIGHT_QUERY_GAMMA, "query.norm"), "query.rotary");
    qkv[1] = rotary(b, head_norm(b, qkv[1], WEIGHT_KEY_GAMMA, "key.norm"), "key.rotary");
    size_t op = append(b, IR_ATTENTION, qkv, 3, "attention");
    attention_describe(b->m, op, b->layer, t->heads, t->kv_heads, t->head_dim, t->causal, t->importance, b->cluster);
    return linear(b, ir_result(b->m, op), t->hidden, WEIGHT_OUTPUT, WEIGHT_OUTPUT_BIAS, "attention.output");
}

static ir_value feed_forward(builder *b, ir_value x) {
    const transformer *t = b->t;
    ir_value y;
    if (t->gated) {
        ir_value gate = linear(b, x, t->ffn, WEIGHT_GATE, WEIGHT_GATE_BIAS, "ffn.gate");
        gate = activation(b, gate, t->activation, "ffn.activation");
        ir_value up = linear(b, x, t->ffn, WEIGHT_UP, WEIGHT_UP_BIAS, "ffn.up");
        y = ir_result(b->m, append(b, IR_MULTIPLY, (ir_value[]){gate, up}, 2, "ffn.multiply"));
    } else {
        y = linear(b, x, t->ffn, WEIGHT_UP, WEIGHT_UP_BIAS, "ffn.up");
        y = activation(b, y, t->activation, "ffn.activation");
    }
    return linear(b, y, t->hidden, WEIGHT_DOWN, WEIGHT_DOWN_BIAS, "ffn.down");
}

static ir_value block_post_norm(builder *b, ir_value x) {
    ir_value y = add(b, attention(b, x), x, "attention.add");
    y = norm(b, y, WEIGHT_ATTENTION_GAMMA, WEIGHT_ATTENTION_BETA, "attention.norm");
    ir_value z = add(b, feed_forward(b, y), y, "ffn.add");
    return norm(b, z, WEIGHT_FFN_GAMMA, WEIGHT_FFN_BETA, "ffn.norm");
}

static ir_value block_pre_norm(builder *b, ir_value x) {
    ir_value y = norm(b, x, WEIGHT_ATTENTION_GAMMA, WEIGHT_ATTENTION_BETA, "attention.norm");
    x = add(b, attention(b, y), x, "attention.add");
    y = norm(b, x, WEIGHT_FFN_GAMMA, WEIGHT_FFN_BETA, "ffn.norm");
    return add(b, feed_forward(b, y), x, "ffn.add");
}

/** For each row the score of each token of the vocabulary. */
static ir_value vocabulary_scores(builder *b, ir_value x) {
    weight_role weight = b->t->head == HEAD_OWN ? WEIGHT_HEAD : WEIGHT_WORDS;
    if (b->t->head == HEAD_MASKED) {
        x = linear(b, x, b->t->hidden, WEIGHT_MASKED, WEIGHT_MASKED_BIAS, "masked");
        x = activation(b, x, b->t->activation, "masked.activation");
        x = norm(b, x, WEIGHT_MASKED_GAMMA, WEIGHT_MASKED_BETA, "masked.norm");
    }
    size_t op = append(b, IR_LINEAR, &x, 1, "logits");
    refer(b, op, IR_KEY_tensor, weight);
    refer(b, op, IR_KEY_bias_tensor, WEIGHT_HEAD_BIAS);
    ir_set_int(b->m, op, IR_KEY_outputs, b->t->vocabulary);
    set_arithmetic(b, op);
    return ir_result(b->m, op);
}

static ir_value one_row(builder *b, ir_value x, uint32_t pooling) {
    size_t pool = append(b, IR_POOL, &x, 1, "pool");
    ir_set_str(b->m, pool, IR_KEY_function, word(b->m->arena, POOLING_WORDS, pooling));
    return ir_result(b->m, pool);
}

/** One row of all, or all rows with their labels. What a classifier computes of the row that is pooled, it computes of
 * every row before: choosing a row commutes with what works on rows, and rows are what every engine works on. */
static ir_value pooled(builder *b, ir_value x) {
    const transformer *t = b->t;
    if (t->pooler)
        x = activation(b, linear(b, x, t->hidden, WEIGHT_POOLER, WEIGHT_POOLER_BIAS, "pooler"), t->pooler_activation,
                       "pooler.activation");
    if (t->classes)
        x = linear(b, x, t->classes, WEIGHT_CLASSIFIER, WEIGHT_CLASSIFIER_BIAS, "logits");
    if (t->pooling != POOLING_NONE)
        x = one_row(b, x, t->pooling);
    return t->normalize ? ir_result(b->m, append(b, IR_NORMALIZE, &x, 1, "normalize")) : x;
}

void transformer_build(const model *from, ir_module *m, const model_options *o) {
    builder b = {.model = from,
                 .t = &from->transformer,
                 .m = m,
                 .arithmetic = o->arithmetic ? o->arithmetic : "fp32",
                 .cluster = o->cluster};
    const transformer *t = b.t;
    for (size_t i = 0; i < from->tensor_count; i++)
        ir_add_tensor(m, &from->tensors[i]);

    ir_type ids = {.elem = IR_ELEM_U32, .rank = 1, .dim = {m->header.seq}};
    size_t input = ir_append(m, IR_INPUT, NULL, 0, ids, from->loc);
    ir_set_str(m, input, IR_KEY_name, "tokens");
    ir_value x = ir_result(m, input);
    size_t embed = append(&b, IR_EMBED, &x, 1, "embeddings");
    refer(&b, embed, IR_KEY_tensor, WEIGHT_WORDS);
    refer(&b, embed, IR_KEY_position_tensor, WEIGHT_POSITIONS);
    refer(&b, embed, IR_KEY_type_tensor, WEIGHT_TYPES);
    x = ir_result(m, embed);
    if (t->norm == NORM_POST)
        x = norm(&b, x, WEIGHT_EMBED_GAMMA, WEIGHT_EMBED_BETA, "embeddings.norm");

    b.in_block = true;
    for (b.layer = 0; b.layer < t->layers; b.layer++)
        x = t->norm == NORM_POST ? block_post_norm(&b, x) : block_pre_norm(&b, x);
    b.in_block = false;

    if (t->norm == NORM_PRE)
        x = norm(&b, x, WEIGHT_FINAL_GAMMA, WEIGHT_FINAL_BETA, "final.norm");
    x = t->head != HEAD_NONE ? vocabulary_scores(&b, x) : pooled(&b, x);
    if (t->head != HEAD_NONE && o->last_row)
        x = one_row(&b, x, POOLING_LAST);
    ir_append(m, IR_OUTPUT, &x, 1, (ir_type){0}, from->loc);
}
