/* The tokeniser that a GGUF file carries in its metadata. */
#include <string.h>

#include "frontend/files/gguf.h"
#include "frontend/tokenizer/tokenizer.h"
#include "frontend/tokenizer/tokenizers.h"

static bool read_ids(const gguf *g, diag *d, token_vocabulary *v) {
    const struct {
        const char *key;
        uint32_t *id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", &v->bos},
               {"tokenizer.ggml.eos_token_id", &v->eos},
               {"tokenizer.ggml.unknown_token_id", &v->unk},
               {"tokenizer.ggml.padding_token_id", &v->pad}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (!gguf_uint(g, d, ids[i].key, false, 0, UINT32_MAX, ids[i].id))
            return false;
    return gguf_bool(g, d, "tokenizer.ggml.add_bos_token", &v->add_bos) &&
           gguf_bool(g, d, "tokenizer.ggml.add_eos_token", &v->add_eos) &&
           gguf_bool(g, d, "tokenizer.ggml.add_space_prefix", &v->add_space_prefix);
}

static bool read_vocabulary(const gguf *g, arena *a, diag *d, token_vocabulary *v) {
    const char *kind = NULL, *pre = NULL;
    const void *scores = NULL, *types = NULL;
    if (!gguf_text(g, a, d, "tokenizer.ggml.model", true, &kind))
        return false;
    *v = token_vocabulary_of(kind);
    v->loc = (src_loc){g->path, 0, 0};
    v->model = kind;
    if (!gguf_text(g, a, d, "tokenizer.ggml.pre", false, &pre) ||
        !gguf_strings(g, a, d, "tokenizer.ggml.tokens", &v->tokens, &v->count) ||
        !gguf_strings(g, a, d, "tokenizer.ggml.merges", &v->merges, &v->merge_count) ||
        !gguf_numbers(g, a, d, "tokenizer.ggml.scores", GGUF_F32, v->count, &scores) ||
        !gguf_numbers(g, a, d, "tokenizer.ggml.token_type", GGUF_I32, v->count, &types))
        return false;
    token_vocabulary_set_pre(v, pre);
    v->scores = scores;
    v->types = types;
    return read_ids(g, d, v);
}

tokenizer *gguf_tokenizer(arena *a, diag *d, const gguf *g) {
    token_vocabulary v;
    return read_vocabulary(g, a, d, &v) ? tokenizer_from_vocabulary(a, d, &v) : NULL;
}

tokenizer *gguf_tokenizer_load(arena *a, diag *d, const char *path) {
    gguf *g = gguf_open(a, d, path);
    tokenizer *t = g ? gguf_tokenizer(a, d, g) : NULL;
    gguf_close(g);
    return t;
}
