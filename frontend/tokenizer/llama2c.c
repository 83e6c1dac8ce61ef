/* llama2.c's tokenizer.bin: an int32, the longest token's bytes; then of each token, by id, a float score, an int32
 * length and so many bytes. Spaces stand for themselves; ids 0 to 2 are <unk>, <s> and </s>, and the 256 ids behind
 * them the single bytes <0x00> to <0xFF>. */
#include <math.h>
#include <string.h>

#include "frontend/tokenizer/tokenizer.h"
#include "frontend/tokenizer/tokenizers.h"

enum { UNKNOWN, BEGIN, END, FIRST_BYTE, FIRST_PIECE = FIRST_BYTE + 256 };

static uint32_t read_u32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

typedef struct {
    const char *path;
    size_t count, longest;
    listed_token *tokens;
    float *scores;
} token_file;

/** One token at byte `*at` of the file. */
static bool read_token(arena *a, diag *d, token_file *f, const unsigned char *data, size_t bytes, size_t *at) {
    src_loc whole = {f->path, 0, 0};
    if (bytes - *at < 8)
        return diag_error(d, whole, "token %zu is cut off at byte %zu", f->count, bytes);
    uint32_t score = read_u32(data + *at), length = read_u32(data + *at + 4);
    *at += 8;
    if (length == 0 || length > f->longest)
        return diag_error(d, whole, "token %zu has %d bytes; 1 to %zu are possible, as the file's head says", f->count,
                          (int32_t)length, f->longest);
    if (length > bytes - *at)
        return diag_error(d, whole, "token %zu is cut off at byte %zu", f->count, bytes);
    char *text = arena_alloc(a, (size_t)length + 1);
    memcpy(text, data + *at, length);
    memcpy(&f->scores[f->count], &score, sizeof score);
    if (isnan(f->scores[f->count]))
        return diag_error(d, whole, "the score of token %zu is not a number", f->count);
    f->tokens[f->count] = (listed_token){text, length, (uint32_t)f->count, whole};
    f->count++;
    *at += length;
    return true;
}

static bool check_bytes(diag *d, const token_file *f) {
    src_loc whole = {f->path, 0, 0};
    if (f->count < FIRST_PIECE)
        return diag_error(d, whole, "holds %zu tokens; there must be 3 special ones and 256 bytes at least", f->count);
    for (unsigned i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        if (strcmp(f->tokens[FIRST_BYTE + i].text, name) != 0)
            return diag_error(d, whole, "token %u must be the byte %s", FIRST_BYTE + i, name);
    }
    return true;
}

static tokenizer *build(arena *a, const token_file *f) {
    tokenizer *t = tokenizer_new(a);
    const frame_piece begin = {FRAME_ID, BEGIN, 0}, text = {FRAME_FIRST, 0, 0};
    tokenizer_set_tokens(t, a, f->tokens, f->count);
    t->bpe.byte_fallback = true;
    t->special[UNKNOWN] = t->special[BEGIN] = t->special[END] = true;
    t->roles[TOKEN_UNK] = UNKNOWN;
    t->roles[TOKEN_BOS] = BEGIN;
    t->roles[TOKEN_EOS] = END;
    t->rules.normal[t->rules.normal_count++] = (normal_step){.kind = NORMAL_PREPEND, .to = " "};
    t->rules.frames.single = (frame){2, {begin, text}};
    t->rules.frames.pair.count = 0;
    tokenizer_decode_pieces(&t->rules);
    bpe_merges_by_score(&t->bpe, a, f->scores, NULL);
    return t;
}

tokenizer *llama2c_load(arena *a, diag *d, const char *name, const unsigned char *data, size_t bytes) {
    size_t at = 4;
    token_file f = {.path = arena_strdup(a, name)};
    int32_t longest = bytes < 4 ? 0 : (int32_t)read_u32(data);
    if (longest <= 0) {
        diag_error(d, (src_loc){f.path, 0, 0},
                   "is no tokenizer.bin of llama2.c: it does not begin with the length of its longest token");
        return NULL;
    }
    f.longest = (size_t)longest;
    f.tokens = ARENA_ARRAY(a, listed_token, bytes / 9 + 1);
    f.scores = ARENA_ARRAY(a, float, bytes / 9 + 1);
    while (at < bytes)
        if (!read_token(a, d, &f, data, bytes, &at))
            return NULL;
    return check_bytes(d, &f) ? build(a, &f) : NULL;
}
