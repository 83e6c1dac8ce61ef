/* Any bytes as the files of a tokeniser and a text: read or refused; what is read encodes any UTF-8 and decodes its
 * ids. The first byte chooses the kind of file, the second says how many bytes of text follow it. */
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/tokenizer/tokenizer.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/unicode.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_TOKENS = 4096 };

typedef struct {
    const uint8_t *data;
    size_t bytes;
} rest;

static uint8_t next_byte(rest *r) {
    if (!r->bytes)
        return 0;
    r->bytes--;
    return *r->data++;
}

static token_string next_string(rest *r) {
    size_t n = next_byte(r);
    n = n < r->bytes ? n : r->bytes;
    token_string s = {(const char *)r->data, n};
    r->data += n;
    r->bytes -= n;
    return s;
}

/** Arrays as a GGUF file would give them. */
static tokenizer *load_arrays(arena *a, diag *d, rest *r) {
    static const char *const pres[] = {"gpt-2", "smollm", "llama-bpe", "qwen2", "other"};
    uint8_t flags = next_byte(r);
    token_vocabulary v = token_vocabulary_of(flags & 1 ? "gpt2" : "llama");
    v.pre = pres[next_byte(r) % 5];
    v.count = next_byte(r);
    token_string *tokens = ARENA_ARRAY(a, token_string, MOST_TOKENS),
                 *merges = ARENA_ARRAY(a, token_string, MOST_TOKENS);
    float *scores = ARENA_ARRAY(a, float, MOST_TOKENS);
    int32_t *types = ARENA_ARRAY(a, int32_t, MOST_TOKENS);
    for (size_t i = 0; i < v.count; i++) {
        tokens[i] = next_string(r);
        scores[i] = (float)next_byte(r);
        types[i] = next_byte(r) % 8;
    }
    v.tokens = tokens;
    v.types = flags & 2 ? types : NULL;
    v.scores = flags & 4 ? scores : NULL;
    v.merges = merges;
    while (r->bytes && v.merge_count < MOST_TOKENS)
        merges[v.merge_count++] = next_string(r);
    v.bos = flags & 8 ? 0 : TOKEN_NONE;
    v.add_bos = flags & 16;
    v.add_space_prefix = flags & 32;
    return tokenizer_from_vocabulary(a, d, &v);
}

/** GPT-2's vocabulary of a few tokens, and any merges. */
static tokenizer *load_merges(arena *a, diag *d, const rest *r) {
    static const char vocab[] = "{\"a\": 0, \"b\": 1, \"ab\": 2, \"\\u0120\": 3, \"\\u0120a\": 4, \"<|endoftext|>\": 5,"
                                " \"aa\": 6, \"aaa\": 7, \"aaaa\": 8, \"ba\": 9}";
    const doc_node *root = doc_parse(a, d, "fuzz", vocab, sizeof vocab - 1, true);
    return root ? gpt2_load(a, d, root, "fuzz", (const char *)r->data, r->bytes) : NULL;
}

static tokenizer *load(arena *a, diag *d, uint8_t kind, rest *r) {
    if (kind % 4 == 1)
        return llama2c_load(a, d, "fuzz", r->data, r->bytes);
    if (kind % 4 == 2)
        return load_merges(a, d, r);
    if (kind % 4 == 3)
        return load_arrays(a, d, r);
    const doc_node *root = doc_parse(a, d, "fuzz", (const char *)r->data, r->bytes, true);
    return root ? json_load(a, d, root, true) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    rest r = {data, bytes};
    uint8_t kind = next_byte(&r);
    token_string text = next_string(&r);
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    tokenizer *t = load(a, d, kind, &r);
    if (!t != !!diag_count(d, DIAG_ERROR))
        __builtin_trap();
    encode_options o = {.bare = kind & 4, .literal = kind & 8, .limit = kind & 16 ? 5 : 0};
    token_list ids;
    bool well_formed = utf8_check(text.text, text.bytes) == text.bytes;
    if (t && tokenizer_encode(t, a, d, text.text, text.bytes, &o, &ids)) {
        if (!well_formed || (o.limit && ids.count > o.limit))
            __builtin_trap();
        for (size_t i = 0; i < ids.count; i++)
            if (!tokenizer_token(t, ids.ids[i]).text)
                __builtin_trap();
        decode_options said = {.continues = kind & 32, .control = kind & 64};
        tokenizer_decode(t, a, ids.ids, ids.count, &said);
    }
    arena_free(a);
    return 0;
}
