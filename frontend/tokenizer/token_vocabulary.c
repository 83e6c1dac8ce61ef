/* Vocabularies that come as arrays, in the terms of GGUF: of models "gpt2" (byte pairs by rank over bytes) and "llama"
 * (sentencepiece's byte pairs by score over characters). */
#include <math.h>
#include <string.h>

#include "frontend/tokenizer/tokenizer.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/unicode.h"

enum { MOST_TOKENS = 1 << 24 };

token_vocabulary token_vocabulary_of(const char *name) {
    token_vocabulary v = {.model = name, .bos = TOKEN_NONE, .eos = TOKEN_NONE, .unk = TOKEN_NONE, .pad = TOKEN_NONE};
    if (strcmp(name, "llama") == 0) {
        v.unk = 0;
        v.bos = 1;
        v.eos = 2;
        v.add_bos = v.add_space_prefix = true;
    }
    return v;
}

/** How words are cut before they are merged, by the names that llama.cpp gives it (llama-vocab.cpp). */
typedef struct {
    const char *names; /* "|a|b|" */
    size_t count;
    split_step steps[4];
    bool ignore_merges, add_bos; /* add_bos: where the file does not say */
} pre_kind;

enum { WHOLE_NUMBERS = UINT32_MAX };
static const pre_kind pre_kinds[] = {
    {"|default|",
     4,
     {{.kind = SPLIT_MARKS},
      {.kind = SPLIT_GPT2},
      {.kind = SPLIT_DIGITS, .digits = WHOLE_NUMBERS},
      {.kind = SPLIT_TRIPLE}},
     false,
     false},
    {"|gpt-2|phi-2|jina-es|jina-de|gigachat|roberta-bpe|mpt|olmo|jais|", 1, {{.kind = SPLIT_GPT2}}, false, false},
    {"|smollm|starcoder|refact|command-r|codeshell|",
     2,
     {{.kind = SPLIT_DIGITS, .digits = 1}, {.kind = SPLIT_GPT2}},
     false,
     false},
    {"|llama-bpe|llama3|llama-v3|falcon3|pixtral|", 1, {{.kind = SPLIT_CL100K, .digits = 3}}, true, true},
    {"|dbrx|smaug-bpe|", 1, {{.kind = SPLIT_CL100K, .digits = 3}}, false, false},
    {"|qwen2|stablelm2|deepseek-r1-qwen|megrez|", 1, {{.kind = SPLIT_CL100K, .digits = 1}}, false, false},
};

/** The row of a name, of which NULL is the default; NULL if there is none. */
static const pre_kind *pre_of(const char *pre) {
    enum { NAME_BYTES = 64 };
    char name[NAME_BYTES + 3];
    if (!pre)
        pre = "default";
    snprintf(name, sizeof name, "|%.*s|", NAME_BYTES, pre);
    for (size_t i = 0; i < sizeof pre_kinds / sizeof *pre_kinds; i++)
        if (*pre && !strchr(pre, '|') && strstr(pre_kinds[i].names, name))
            return &pre_kinds[i];
    return NULL;
}

void token_vocabulary_set_pre(token_vocabulary *v, const char *pre) {
    const pre_kind *k = pre_of(pre);
    v->pre = pre;
    if (k && strcmp(v->model, "gpt2") == 0)
        v->add_bos = k->add_bos;
}

static bool set_pre(diag *d, const token_vocabulary *v, tokenizer *t) {
    const pre_kind *k = pre_of(v->pre);
    if (!k)
        return diag_error(d, v->loc,
                          "the vocabulary's pre-tokeniser '%.60s' is not known; default, smollm, gpt-2, llama-bpe and "
                          "qwen2 are",
                          v->pre);
    t->rules.split_count = k->count;
    memcpy(t->rules.split, k->steps, sizeof k->steps);
    t->bpe.ignore_merges = k->ignore_merges;
    return true;
}

static bool read_tokens(arena *a, diag *d, const token_vocabulary *v, tokenizer *t) {
    if (!v->count || v->count > MOST_TOKENS)
        return diag_error(d, v->loc, "a vocabulary of %zu tokens; 1 to %d are possible", v->count, MOST_TOKENS);
    listed_token *tokens = ARENA_ARRAY(a, listed_token, v->count);
    for (size_t i = 0; i < v->count; i++) {
        token_string s = v->tokens[i];
        if (s.bytes > INT32_MAX || utf8_check(s.text, s.bytes) != s.bytes)
            return diag_error(d, v->loc, "token %zu of the vocabulary is not UTF-8", i);
        char *text = arena_alloc(a, s.bytes + 1);
        if (s.bytes)
            memcpy(text, s.text, s.bytes);
        tokens[i] = (listed_token){text, s.bytes, (uint32_t)i, v->loc};
    }
    tokenizer_set_tokens(t, a, tokens, v->count);
    return true;
}

static bool set_roles(diag *d, const token_vocabulary *v, tokenizer *t) {
    const uint32_t ids[TOKEN_ROLES] = {
        [TOKEN_BOS] = v->bos, [TOKEN_EOS] = v->eos, [TOKEN_UNK] = v->unk, [TOKEN_PAD] = v->pad};
    frame *f = &t->rules.frames.single;
    for (int r = 0; r < TOKEN_ROLES; r++) {
        if (ids[r] != TOKEN_NONE && ids[r] >= v->count)
            return diag_error(d, v->loc, "a special token has the id %u, but there are %zu tokens", ids[r], v->count);
        t->roles[r] = ids[r];
    }
    f->count = t->rules.frames.pair.count = 0; /* such models have no pairs */
    if (v->add_bos && v->bos != TOKEN_NONE)
        f->pieces[f->count++] = (frame_piece){FRAME_ID, v->bos, 0};
    f->pieces[f->count++] = (frame_piece){FRAME_FIRST, 0, 0};
    if (v->add_eos && v->eos != TOKEN_NONE)
        f->pieces[f->count++] = (frame_piece){FRAME_ID, v->eos, 0};
    t->rules.frames.pad = v->pad;
    return true;
}

static token_type type_of(const token_vocabulary *v, size_t i) {
    return v->types ? (token_type)v->types[i] : TOKEN_NORMAL;
}

/** Control tokens, and those that their makers want found as they stand. */
static bool add_added(arena *a, diag *d, const token_vocabulary *v, tokenizer *t) {
    t->added = ARENA_ARRAY(a, added_token, v->count);
    for (size_t i = 0; i < v->count; i++) {
        token_type type = type_of(v, i);
        bool control = type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
        const token_entry *e = &t->tokens->entries[i];
        if (control)
            t->special[i] = true;
        if ((control || type == TOKEN_USER_DEFINED) &&
            !tokenizer_add(t, a, d, v->loc, (added_token){.place = (uint32_t)i, .special = control}, e->text, e->bytes))
            return false;
    }
    return true;
}

static bool build_ranked(arena *a, diag *d, const token_vocabulary *v, tokenizer *t) {
    bpe_merge *merges = ARENA_ARRAY(a, bpe_merge, v->merge_count);
    if (v->merge_count > MOST_TOKENS)
        return diag_error(d, v->loc, "%zu merges; at most %d are possible", v->merge_count, MOST_TOKENS);
    for (size_t i = 0; i < v->merge_count; i++) {
        token_string m = v->merges[i];
        const char *space = m.bytes > 1 ? memchr(m.text + 1, ' ', m.bytes - 1) : NULL;
        if (!space)
            return diag_error(d, v->loc, "merge %zu must be two texts with one space between", i);
        token_string left = {m.text, (size_t)(space - m.text)};
        token_string right = {space + 1, m.bytes - left.bytes - 1};
        if (!tokenizer_read_merge(t, d, v->loc, left, right, &merges[i]))
            return false;
        merges[i].rank = (uint32_t)i;
    }
    t->rules.byte_level = t->bpe.byte_level = true;
    t->rules.decode[t->rules.decode_count++] = (decode_step){.kind = DECODE_BYTES};
    bpe_merges_by_rank(&t->bpe, a, merges, v->merge_count);
    return set_pre(d, v, t);
}

static bool build_scored(arena *a, diag *d, const token_vocabulary *v, tokenizer *t) {
    if (!v->scores)
        return diag_error(d, v->loc, "the vocabulary has no scores, by which a model 'llama' merges");
    bool *makes = ARENA_ARRAY(a, bool, v->count);
    for (size_t i = 0; i < v->count; i++) {
        token_type type = type_of(v, i);
        makes[i] = type == TOKEN_NORMAL || type == TOKEN_USER_DEFINED;
        if (isnan(v->scores[i]))
            return diag_error(d, v->loc, "the score of token %zu is not a number", i);
    }
    if (v->add_space_prefix)
        t->rules.normal[t->rules.normal_count++] = (normal_step){.kind = NORMAL_PREPEND, .to = " "};
    t->rules.normal[t->rules.normal_count++] = (normal_step){.kind = NORMAL_REPLACE, .from = " ", .to = "\u2581"};
    tokenizer_decode_pieces(&t->rules);
    t->bpe.byte_fallback = true;
    t->bpe.unknown = v->unk == TOKEN_NONE ? NO_PLACE : v->unk;
    bpe_merges_by_score(&t->bpe, a, v->scores, makes);
    return true;
}

tokenizer *tokenizer_from_vocabulary(arena *a, diag *d, const token_vocabulary *v) {
    tokenizer *t = tokenizer_new(a);
    bool ranked = strcmp(v->model, "gpt2") == 0;
    if (!ranked && strcmp(v->model, "llama") != 0) {
        diag_error(d, v->loc, "a vocabulary of the model '%.60s'; gpt2 and llama can be read", v->model);
        return NULL;
    }
    return read_tokens(a, d, v, t) && set_roles(d, v, t) &&
                   (ranked ? build_ranked(a, d, v, t) : build_scored(a, d, v, t)) && add_added(a, d, v, t)
               ? t
               : NULL;
}
