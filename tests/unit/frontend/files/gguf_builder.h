/* GGUF files made in memory, for tests. */
#ifndef GGUF_BUILDER_H
#define GGUF_BUILDER_H

#include "frontend/files/gguf.h"
#include "frontend_util.h"

typedef struct {
    uint8_t head[1 << 14];
    size_t bytes, values, tensors;
    uint64_t data_bytes; /* of all tensors */
} builder;

static void add_bytes(builder *b, const void *data, size_t n) {
    ck_assert_uint_le(b->bytes + n, sizeof b->head);
    memcpy(b->head + b->bytes, data, n);
    b->bytes += n;
}

static void add_u32(builder *b, uint32_t x) {
    add_bytes(b, &x, sizeof x);
}

static void add_u64(builder *b, uint64_t x) {
    add_bytes(b, &x, sizeof x);
}

static void add_text(builder *b, const char *text) {
    add_u64(b, strlen(text));
    add_bytes(b, text, strlen(text));
}

static builder gguf_begin(uint32_t version) {
    builder b = {.bytes = 0};
    add_bytes(&b, "GGUF", 4);
    add_u32(&b, version);
    add_u64(&b, 0);
    add_u64(&b, 0);
    return b;
}

static void value_u32(builder *b, const char *key, uint32_t x) {
    add_text(b, key);
    add_u32(b, GGUF_U32);
    add_u32(b, x);
    b->values++;
}

static void value_f32(builder *b, const char *key, float x) {
    add_text(b, key);
    add_u32(b, GGUF_F32);
    add_bytes(b, &x, sizeof x);
    b->values++;
}

static void value_text(builder *b, const char *key, const char *text) {
    add_text(b, key);
    add_u32(b, GGUF_STRING);
    add_text(b, text);
    b->values++;
}

/** An array; its elements follow. */
static void value_array(builder *b, const char *key, gguf_type type, uint64_t count) {
    add_text(b, key);
    add_u32(b, GGUF_ARRAY);
    add_u32(b, type);
    add_u64(b, count);
    b->values++;
}

/** A tensor of ggml's `type`, as many bytes behind those before; rows 0: a vector. */
static void tensor(builder *b, const char *name, uint32_t type, uint64_t rows, uint64_t cols, uint64_t bytes) {
    add_text(b, name);
    add_u32(b, rows ? 2 : 1);
    add_u64(b, cols);
    if (rows)
        add_u64(b, rows);
    add_u32(b, type);
    add_u64(b, b->data_bytes);
    b->data_bytes += (bytes + 31) / 32 * 32;
    b->tensors++;
}

/** The whole file, with zeros as data. */
static uint8_t *gguf_end(builder *b, size_t *bytes) {
    uint64_t counts[2] = {b->tensors, b->values};
    memcpy(b->head + 8, counts, sizeof counts);
    size_t start = (b->bytes + 31) / 32 * 32;
    *bytes = start + (size_t)b->data_bytes;
    uint8_t *file = arena_alloc(A, *bytes);
    memset(file, 0, *bytes);
    memcpy(file, b->head, b->bytes);
    return file;
}

/** A llama of one layer: 32 channels, 4 heads, 2 key heads, FFN 64, 6 tokens. */
static void llama_values(builder *b) {
    value_text(b, "general.architecture", "llama");
    value_u32(b, "llama.block_count", 1);
    value_u32(b, "llama.embedding_length", 32);
    value_u32(b, "llama.attention.head_count", 4);
    value_u32(b, "llama.attention.head_count_kv", 2);
    value_u32(b, "llama.feed_forward_length", 64);
    value_u32(b, "llama.context_length", 100);
    value_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    value_f32(b, "llama.rope.freq_base", 5000);
}

static void llama_tensors(builder *b) {
    tensor(b, "token_embd.weight", 8, 6, 32, 6 * 34);
    tensor(b, "blk.0.attn_q.weight", 2, 32, 32, 32 * 18);
    tensor(b, "blk.0.attn_k.weight", 3, 16, 32, 16 * 20);
    tensor(b, "blk.0.attn_v.weight", 0, 16, 32, 16 * 32 * 4);
    tensor(b, "blk.0.attn_output.weight", 1, 32, 32, 32 * 32 * 2);
    tensor(b, "blk.0.attn_norm.weight", 0, 0, 32, 128);
    tensor(b, "blk.0.ffn_norm.weight", 0, 0, 32, 128);
    tensor(b, "blk.0.ffn_gate.weight", 8, 64, 32, 64 * 34);
    tensor(b, "blk.0.ffn_up.weight", 8, 64, 32, 64 * 34);
    tensor(b, "blk.0.ffn_down.weight", 8, 32, 64, 64 * 34);
    tensor(b, "output_norm.weight", 0, 0, 32, 128);
}

#endif
