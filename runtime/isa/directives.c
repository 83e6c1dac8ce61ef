/* Rows of the directives, and access to the members they describe. */
#include "runtime/isa/directives.h"
#include "runtime/program.h"

#include <string.h>

const char dtq_operand_letters[DTQ_OPERANDS] = {'q', 'k', 'v', 'p'};

/* clang-format off */
#define MEMBER(type, member) sizeof(((type *)0)->member)
#define INT(type, key, member)         {key, DTQ_ATTR_INT, MEMBER(type, member), true, 0, NULL, offsetof(type, member)}
#define INT_OR(type, key, member, def) {key, DTQ_ATTR_INT, MEMBER(type, member), false, def, NULL, offsetof(type, member)}
#define HEX(type, key, member)         {key, DTQ_ATTR_HEX, MEMBER(type, member), true, 0, NULL, offsetof(type, member)}
#define HEX_OR(type, key, member, def) {key, DTQ_ATTR_HEX, MEMBER(type, member), false, def, NULL, offsetof(type, member)}
#define WORD(type, key, member, words) {key, DTQ_ATTR_WORD, 1, true, 0, words, offsetof(type, member)}
#define WORD_OR(type, key, member, words) {key, DTQ_ATTR_WORD, 1, false, 0, words, offsetof(type, member)}
#define F32_OR(type, key, member)      {key, DTQ_ATTR_F32, 4, false, 0, NULL, offsetof(type, member)}
#define STRING(type, key, member)      {key, DTQ_ATTR_STRING, 0, true, 0, NULL, offsetof(type, member)}
#define STRING_OR(type, key, member)   {key, DTQ_ATTR_STRING, 0, false, 0, NULL, offsetof(type, member)}
#define DIRECTIVE(name, titled, title, rows) {name, titled, title, rows, sizeof rows / sizeof rows[0]}

static const char dtype_words[] = /* each behind a | */
#define DTYPE(name, word, assembly, elements, bytes) "|" assembly
#include "runtime/dtypes.def"
    ;

static const dtq_attr program_rows[] = {
    STRING(dtq_program, "model", model),
    STRING(dtq_program, "tokenizer", tokenizer),
    WORD_OR(dtq_program, "lower_case", lower_case, "no|yes"),
    INT(dtq_program, "vocabulary", vocabulary),
    INT(dtq_program, "positions", positions),
};
static const dtq_attr file_rows[] = {
    INT(dtq_file, "bytes", bytes),
    HEX(dtq_file, "hash_high", hash.high),
    HEX(dtq_file, "hash_low", hash.low),
};
static const dtq_attr tensor_rows[] = {
    INT(dtq_tensor, "rows", shape[0]),
    INT(dtq_tensor, "cols", shape[1]),
    INT_OR(dtq_tensor, "stride", stride, 0),
    WORD(dtq_tensor, "dtype", dtype, dtype_words + 1),
    WORD_OR(dtq_tensor, "transposed", transposed, "no|yes"),
    INT_OR(dtq_tensor, "file", file, UINT32_MAX),
    INT_OR(dtq_tensor, "offset", offset, 0),
    HEX_OR(dtq_tensor, "seed", seed, 0),
    F32_OR(dtq_tensor, "mean", mean),
    F32_OR(dtq_tensor, "scale", scale),
    INT_OR(dtq_tensor, "scales", scales, 0),
    INT_OR(dtq_tensor, "zeros", zeros, 0),
    WORD_OR(dtq_tensor, "by_rows", by_rows, "no|yes"),
    STRING_OR(dtq_tensor, "frequencies", frequencies),
};
static const dtq_attr stream_rows[] = {
    INT(dtq_stream, "seq", seq),
    HEX(dtq_stream, "dram", dram_bytes),
    WORD(dtq_stream, "input", input, "tokens|qkv"),
    HEX_OR(dtq_stream, "input_q", input_at[0], 0),
    HEX_OR(dtq_stream, "input_k", input_at[1], 0),
    HEX_OR(dtq_stream, "input_v", input_at[2], 0),
    WORD(dtq_stream, "output", output, "pooled|hidden|attention"),
    HEX(dtq_stream, "output_at", output_at),
    INT(dtq_stream, "output_width", output_width),
    INT_OR(dtq_stream, "static_cycles", static_cycles, UINT64_MAX),
};
static const dtq_attr layer_rows[] = {
    INT(dtq_layer, "slots", slots),
    INT(dtq_layer, "high", high),
    INT_OR(dtq_layer, "muted", muted, 0),
    INT_OR(dtq_layer, "key_only", key_only, 0),
    WORD_OR(dtq_layer, "cached", cached, "no|yes"),
    INT(dtq_layer, "heads", heads),
    INT(dtq_layer, "kv_heads", kv_heads),
    INT(dtq_layer, "head_dim", head_dim),
    WORD_OR(dtq_layer, "causal", causal, "no|yes|skips"),
    WORD(dtq_layer, "order", order, "low_first|high_first|original"),
    WORD(dtq_layer, "importance", importance, DTQ_IMPORTANCE_WORDS),
    INT_OR(dtq_layer, "window", streaming.window, 0),
    INT_OR(dtq_layer, "kept", streaming.kept, 0),
    INT_OR(dtq_layer, "near", streaming.near_bits, 0),
    INT_OR(dtq_layer, "far", streaming.far_bits, 0),
    WORD(dtq_layer, "prob_bits", prob_bits, "row|8|4"),
    HEX(dtq_layer, "q", q),
    HEX(dtq_layer, "k", k),
    HEX(dtq_layer, "v", v),
    HEX(dtq_layer, "q_scale", q_scale),
    HEX(dtq_layer, "k_scale", k_scale),
    HEX(dtq_layer, "v_scale", v_scale),
    HEX(dtq_layer, "out", out),
    HEX(dtq_layer, "importance_at", importance_at),
};

const dtq_directive dtq_directive_program = DIRECTIVE(".program", NULL, 0, program_rows);
const dtq_directive dtq_directive_file = DIRECTIVE(".file", "path", offsetof(dtq_file, path), file_rows);
const dtq_directive dtq_directive_tensor = DIRECTIVE(".tensor", "name", offsetof(dtq_tensor, name), tensor_rows);
const dtq_directive dtq_directive_stream = DIRECTIVE(".stream", NULL, 0, stream_rows);
const dtq_directive dtq_directive_layer = DIRECTIVE(".layer", NULL, 0, layer_rows);
/* clang-format on */

uint64_t dtq_attr_get(const void *object, const dtq_attr *a) {
    const char *at = (const char *)object + a->offset;
    uint8_t u8;
    uint32_t u32;
    uint64_t u64;
    switch (a->bytes) {
    case 1:
        memcpy(&u8, at, sizeof u8);
        return u8;
    case 4:
        memcpy(&u32, at, sizeof u32);
        return u32;
    default:
        memcpy(&u64, at, sizeof u64);
        return u64;
    }
}

void dtq_attr_set(void *object, const dtq_attr *a, uint64_t value) {
    char *at = (char *)object + a->offset;
    uint8_t u8 = (uint8_t)value;
    uint32_t u32 = (uint32_t)value;
    if (a->bytes == 1)
        memcpy(at, &u8, sizeof u8);
    else if (a->bytes == 4)
        memcpy(at, &u32, sizeof u32);
    else
        memcpy(at, &value, sizeof value);
}
