/* Operators of com.microsoft, which ONNX Runtime's transformer optimiser makes of the standard ones; and attention as
 * one standard operator. What each computes is said in ONNX Runtime's ContribOperators.md. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/term.h"

/* ---- attention ----------------------------------------------------------------------------------------------------
 */

/** True for a mask of all tokens, an addition to all scores, or the number of tokens that there are. */
static bool masks_none(const term *t) {
    return t->kind == TERM_UNIFORM;
}

/** Why inputs from `mask` on, or attributes, ask for more than attention of all tokens; NULL if they do not. A program
 * takes only tokens that are there: whatever a mask of tokens is made of, it masks none. */
static const char *attention_is_other(const importer *im, size_t mask, size_t masks, const char *causal) {
    if (node_int(im, causal, 0) != 0)
        return "is causal; encoders of the BERT family see all tokens";
    if (node_int(im, "do_rotary", 0) != 0)
        return "turns queries and keys by their positions; encoders of the BERT family do not";
    for (size_t i = mask; i < ONNX_MAX_INPUTS; i++) {
        const term *t = im->in[i];
        if (t && i >= mask + masks)
            return "has an input for tokens of the past, or another that encoders of the BERT family have not";
        if (t && !masks_none(t))
            return "its mask depends on more than which tokens are there";
    }
    return NULL;
}

/** The rows that three equal parts of `rows` are, as attention. */
static const term *attention_of_three(importer *im, const term *rows) {
    if (rows->kind == TERM_UNKNOWN)
        return rows;
    size_t count;
    const int64_t *sizes = node_ints(im, "qkv_hidden_sizes", SIZE_MAX, &count);
    uint64_t part = rows->width / 3;
    if (rows->width % 3 != 0 || (sizes && (count != 3 || sizes[0] != (int64_t)part || sizes[1] != (int64_t)part)))
        return term_unknown(
            im, arena_printf(im->a, "makes rows of %u; queries, keys and values must be a third each", rows->width));
    const term *three[3];
    for (unsigned i = 0; i < 3; i++)
        if ((three[i] = term_columns(im, rows, i * part, part))->kind == TERM_UNKNOWN)
            return three[i];
    return term_attention(im, three[0], three[1], three[2], node_int(im, "num_heads", 0), node_real(im, "scale", 0));
}

/** input, weights [inputs, 3 outputs], bias, mask_index, past, attention_bias. */
static const term *attention(importer *im) {
    const term *w = im->in[1], *bias = im->in[2];
    const char *other =
        im->in[4] ? "has an input for tokens of the past" : attention_is_other(im, 3, 3, "unidirectional");
    if (other)
        return term_unknown(im, other);
    if (w->kind != TERM_WEIGHT || (bias && bias->kind != TERM_WEIGHT))
        return term_unknown(im, "weights and bias must be constants");
    return attention_of_three(im, term_linear(im, im->in[0], w->weight, !w->transposed, bias ? bias->weight : NULL));
}

/** Rows and their third of a bias. */
static const term *with_bias(importer *im, const term *x, const term *bias, uint64_t part) {
    if (!bias)
        return x;
    if (bias->kind != TERM_WEIGHT || bias->weight->rank != 1 || bias->weight->elements != 3 * (uint64_t)x->width)
        return term_unknown(im, "its bias must be a constant vector, a third each of queries, keys and values");
    term *third = term_new(im, TERM_WEIGHT, NULL, NULL);
    third->weight = onnx_tensor_part(im, bias->weight, 0, part * x->width, x->width);
    return term_add(im, x, third);
}

/** query, key, value, bias [3 outputs], key_padding_mask, attention_bias, past: rows in, rows out. */
static const term *multi_head_attention(importer *im) {
    const char *other = attention_is_other(im, 4, 2, "unidirectional");
    if (other || !im->in[1] || !im->in[2])
        return term_unknown(im, other ? other : "query, key and value must be three inputs");
    const term *three[3];
    for (unsigned i = 0; i < 3; i++)
        if ((three[i] = with_bias(im, im->in[i], im->in[3], i))->kind == TERM_UNKNOWN)
            return three[i];
    return term_attention(im, three[0], three[1], three[2], node_int(im, "num_heads", 0), node_real(im, "scale", 0));
}

/** input codes, weights, bias, input_scale, weight_scale, mask_index, input_zero_point, weight_zero_point. */
static const term *quantised_attention(importer *im) {
    const term *mask = im->in[5], *bias = im->in[2];
    if (node_int(im, "unidirectional", 0) != 0 || im->in[8] || (mask && !masks_none(mask)))
        return term_unknown(im, "sees the past, or not all tokens; encoders of the BERT family see all");
    const term *w = term_constant_codes(im, im->in[1], im->in[4], im->in[7], 1);
    if (w->kind == TERM_UNKNOWN || im->in[0]->kind != TERM_CODES || (bias && bias->kind != TERM_WEIGHT))
        return w->kind == TERM_UNKNOWN ? w : term_unknown(im, "multiplies what are no codes of rows");
    return attention_of_three(im, term_linear(im, im->in[0]->a, w->weight, true, bias ? bias->weight : NULL));
}

/* ---- sums and products --------------------------------------------------------------------------------------------
 */

/** Adds a bias to whichever of a sum's operands is a product that has none. */
static const term *add_with_bias(importer *im, const term *x, const term *y, const term *bias) {
    bool second = y->kind == TERM_LINEAR && !y->bias && (x->kind != TERM_LINEAR || x->bias);
    if (bias && second)
        y = term_add(im, y, bias);
    else if (bias)
        x = term_add(im, x, bias);
    return x->kind == TERM_UNKNOWN ? x : y->kind == TERM_UNKNOWN ? y : term_add(im, x, y);
}

/** input, skip, gamma, beta, bias; the fourth output is the sum. */
static const term *skip_layer_normalization(importer *im) {
    const term *sum = add_with_bias(im, im->in[0], im->in[1], im->in[4]);
    if (sum->kind == TERM_UNKNOWN)
        return sum;
    im->out[3] = sum;
    return node_layernorm(im, sum, 2, 1e-12);
}

/** input, skip, gamma, bias; the fourth output is the sum. */
static const term *skip_simplified(importer *im) {
    const term *sum = add_with_bias(im, im->in[0], im->in[1], im->in[3]), *bias = im->in[3];
    if (sum->kind == TERM_UNKNOWN)
        return sum;
    im->out[3] = sum;
    im->in[3] = NULL;
    const term *norm = node_rmsnorm(im, sum, 2, 1e-12);
    im->in[3] = bias;
    return norm;
}

/** X, positions, cosines, sines. */
static const term *rotary_embedding(importer *im) {
    if (node_int(im, "rotary_embedding_dim", 0) != 0 || node_real(im, "scale", 1) != 1)
        return term_unknown(im, "turns some channels only, or scales them");
    int64_t heads = node_int(im, "num_heads", 0), width = im->in[2]->rank ? im->in[2]->dims[im->in[2]->rank - 1] : 0;
    if (heads == 0 && term_is_rows(im->in[0]) && width)
        heads = im->in[0]->width / (2 * width);
    return term_rotary(im, im->in[0], heads, im->in[2], im->in[3], im->in[1], node_int(im, "interleaved", 0) != 0);
}

/** query, key, value, past key, past value, lengths, length, cosines, sines: rows in, rows out. */
static const term *group_query_attention(importer *im) {
    const term *three[3] = {im->in[0], im->in[1], im->in[2]};
    int64_t heads = node_int(im, "num_heads", 0), kv_heads = node_int(im, "kv_num_heads", 0);
    if (heads <= 0 || kv_heads <= 0 || heads > UINT16_MAX || kv_heads > heads || heads % kv_heads != 0 ||
        node_int(im, "local_window_size", -1) != -1 || node_real(im, "softcap", 0) != 0 ||
        node_int(im, "smooth_softmax", 0) != 0)
        return term_unknown(im, "sees a window, or caps scores, or has numbers of heads that do not fit");
    for (size_t i = 3; i < 5; i++)
        if (im->in[i] && term_elements(im->in[i]) != 0)
            return term_unknown(im, "has an input for tokens of the past");
    for (size_t i = 9; i < ONNX_MAX_INPUTS; i++)
        if (im->in[i])
            return term_unknown(im, "has an input that is not read");
    if (!term_is_rows(three[0]))
        return term_unknown(im, "attention is known of rows");
    if (!three[1] && !three[2]) {
        uint64_t dim = three[0]->width / (uint64_t)(heads + 2 * kv_heads), first = 0;
        for (unsigned i = 0; i < 3; i++) {
            uint64_t columns = dim * (uint64_t)(i ? kv_heads : heads);
            three[i] = term_columns(im, im->in[0], first, columns);
            first += columns;
        }
    }
    for (unsigned i = 0; i < 3; i++)
        if (!three[i] || three[i]->kind == TERM_UNKNOWN)
            return three[i] ? three[i] : term_unknown(im, "lacks keys or values");
    for (unsigned i = 0; i < 2 && node_int(im, "do_rotary", 0) != 0; i++) {
        if (!im->in[7] || !im->in[8])
            return term_unknown(im, "lacks cosines or sines");
        three[i] = term_rotary(im, three[i], i ? kv_heads : heads, im->in[7], im->in[8], NULL,
                               node_int(im, "rotary_interleaved", 0) != 0);
        if (three[i]->kind == TERM_UNKNOWN)
            return three[i];
    }
    return term_grouped_attention(im, three[0], three[1], three[2], heads, kv_heads, node_real(im, "scale", 0));
}

/** A table's rows, by ids, types or positions. */
static const term *rows_of(importer *im, const term *table, embedding_index which) {
    if (table->kind != TERM_WEIGHT || table->weight->rank != 2 || table->transposed ||
        table->weight->dims[1] > UINT32_MAX)
        return term_unknown(im, "its tables must be constant matrices");
    term *t = term_new(im, TERM_EMBEDDING, NULL, NULL);
    t->function = which;
    t->weight = table->weight;
    t->width = (uint32_t)table->weight->dims[1];
    return term_with_dims(im, t, 3, (const int64_t[]){1, im->seq, t->width});
}

/** The sum of three tables' rows; `tables` are those of words, positions and types, the last NULL if there is none. */
static const term *embeddings(importer *im, const term *const tables[3], const term *at) {
    const term *ids = im->in[0], *types = im->in[1];
    bool counts = true;
    const term *numbers = at;
    if (at && !term_numbers(im, at, &numbers))
        counts = false;
    for (int64_t i = 0; at && counts && i < term_elements(numbers); i++)
        counts = term_number_at(numbers, i) == (double)i;
    if (ids->kind != TERM_IDS || (types && types->kind != TERM_TYPES) || !counts || (types && !tables[2]))
        return term_unknown(im, "rows must be chosen by token ids, token types and positions");
    const embedding_index which[3] = {INDEX_WORDS, INDEX_POSITIONS, INDEX_TYPES};
    const term *sum = NULL;
    for (unsigned i = 0; i < 3; i++) {
        if (i == 2 && !types)
            continue;
        const term *rows = rows_of(im, tables[i], which[i]);
        if (rows->kind == TERM_UNKNOWN)
            return rows;
        sum = sum ? term_add(im, sum, rows) : rows;
    }
    im->out[1] = term_uniform(im, 1);
    im->out[2] = sum;
    return sum;
}

/** input_ids, segment_ids, words, positions, segments, gamma, beta, mask, position_ids; also gives the mask's index and
 * the sum. */
static const term *embed_layer_normalization(importer *im) {
    if (!im->in[2] || !im->in[3] || !im->in[5])
        return term_unknown(im, "lacks a table of words or positions, or factors");
    const term *sum = embeddings(im, (const term *const[]){im->in[2], im->in[3], im->in[4]}, im->in[8]);
    return sum->kind == TERM_UNKNOWN ? sum : node_layernorm(im, sum, 5, 1e-12);
}

/** As above up to the mask, all constants codes; then the scales of the five, and their zero points. */
static const term *quantised_embed_layer_normalization(importer *im) {
    enum { FIRST = 2, CONSTANTS = 5, SCALES = 8, ZEROS = 13 };
    const term *coded[CONSTANTS] = {NULL};
    for (unsigned i = 0; i < CONSTANTS; i++) {
        const term *x = im->in[FIRST + i], *scale = im->in[SCALES + i];
        if (!x && i == 2)
            continue; /* there are no types */
        coded[i] = x && scale ? term_constant_codes(im, x, scale, im->in[ZEROS + i], 1)
                              : term_unknown(im, "lacks a constant or its scale");
        if (coded[i]->kind == TERM_UNKNOWN)
            return coded[i];
    }
    const term *sum = embeddings(im, coded, NULL);
    return sum->kind == TERM_UNKNOWN
               ? sum
               : term_layernorm(im, sum, coded[3]->weight, coded[4]->weight, node_real(im, "epsilon", 1e-12));
}

static const term *gelu(importer *im) {
    return node_activation(im, 0);
}
static const term *fast_gelu(importer *im) {
    return node_activation(im, 1);
}

static const term *quick_gelu(importer *im) {
    double alpha = node_real(im, "alpha", 1.702);
    return alpha == 1
               ? node_activation(im, 3)
               : term_unknown(im, arena_printf(im->a, "x * sigmoid(%.6g x) is no activation that is known", alpha));
}

/** A Gemm, and an activation of what it gives. */
static const term *fused_gemm(importer *im) {
    static const struct {
        const char *word;
        uint32_t function;
    } words[] = {{"Relu", 2}, {"Tanh", 4}};
    const onnx_attr *attr = onnx_attribute(im->node, "activation");
    const term *rows = onnx_gemm_rule(im);
    if (rows->kind == TERM_UNKNOWN)
        return rows;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (attr && attr->s && strcmp(attr->s, words[i].word) == 0)
            return term_activation(im, rows, words[i].function);
    return term_unknown(im, "its activation is none that is known");
}

/** alpha times a product, the second operand transposed if the node says so. */
static const term *fused_matmul(importer *im) {
    const term *y = im->in[1];
    if (node_int(im, "transA", 0) != 0 || node_int(im, "transBatchA", 0) != 0 || node_int(im, "transBatchB", 0) != 0)
        return term_unknown(im, "transposes its first operand, or batches");
    if (node_int(im, "transB", 0) != 0)
        y = term_turn(im, y);
    const term *product = y->kind == TERM_UNKNOWN ? y : term_matmul(im, im->in[0], y);
    return product->kind == TERM_UNKNOWN ? product : term_scale(im, product, node_real(im, "alpha", 1));
}

/* ---- the standard operator ----------------------------------------------------------------------------------------
 */

/** Q, K, V, mask, past key, past value: rows, or rows in heads. */
const term *onnx_attention_rule(importer *im) {
    const term *q = im->in[0], *k = im->in[1], *v = im->in[2], *mask = im->in[3];
    for (unsigned i = 4; i < ONNX_MAX_INPUTS; i++)
        if (im->in[i] && term_elements(im->in[i]) != 0)
            return term_unknown(im, "has inputs for tokens of the past");
    if (node_real(im, "softcap", 0) != 0 || node_int(im, "qk_matmul_output_mode", 0) != 0)
        return term_unknown(im, "caps scores, or gives them");
    int64_t heads = node_int(im, "q_num_heads", 0), kv_heads = node_int(im, "kv_num_heads", heads);
    bool causal = node_int(im, "is_causal", 0) != 0;
    if (!term_is_rows(q))
        return term_attention_of_heads(im, q, k, v, mask, causal, node_real(im, "scale", 0));
    if (mask && !masks_none(mask))
        return term_unknown(im, "its mask depends on more than which tokens are there");
    return causal ? term_grouped_attention(im, q, k, v, heads, kv_heads, node_real(im, "scale", 0))
           : kv_heads != heads
               ? term_unknown(im, "has fewer heads of keys than of queries; encoders of the BERT family do not")
               : term_attention(im, q, k, v, heads, node_real(im, "scale", 0));
}

const onnx_operator onnx_contrib_operators[] = {
    {"Attention", attention, 2},
    {"MultiHeadAttention", multi_head_attention, 1},
    {"QAttention", quantised_attention, 5},
    {"SkipLayerNormalization", skip_layer_normalization, 3},
    {"SkipSimplifiedLayerNormalization", skip_simplified, 3},
    {"RotaryEmbedding", rotary_embedding, 4},
    {"GroupQueryAttention", group_query_attention, 1},
    {"EmbedLayerNormalization", embed_layer_normalization, 1},
    {"QEmbedLayerNormalization", quantised_embed_layer_normalization, 1},
    {"Gelu", gelu, 1},
    {"BiasGelu", gelu, 2},
    {"FastGelu", fast_gelu, 1},
    {"QuickGelu", quick_gelu, 1},
    {"FusedGemm", fused_gemm, 2},
    {"FusedMatMul", fused_matmul, 2},
    {NULL, NULL, 0},
};
