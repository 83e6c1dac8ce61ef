/* Tokenisers of all kinds behind one interface: which files there are, texts to ids and ids to texts. */
#include "frontend/tokenizer/tokenizer.h"

#include <string.h>
#include <sys/stat.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/basic.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/sentence.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/vocabulary.h"
#include "ir/base/file.h"
#include "ir/base/path.h"
#include "runtime/base/words.h"

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/** WordPiece behind the common interface. */
static tokenizer *of_words(arena *a, wordpiece *w) {
    static const decode_step steps[] = {
        {DECODE_WORDS, CONTINUATION, NULL, 0, 0},    {DECODE_REPLACE, " .", ".", 0, 0},
        {DECODE_REPLACE, " ?", "?", 0, 0},           {DECODE_REPLACE, " !", "!", 0, 0},
        {DECODE_REPLACE, " ,", ",", 0, 0},           {DECODE_REPLACE, " ' ", "'", 0, 0},
        {DECODE_REPLACE, " n't", "n't", 0, 0},       {DECODE_REPLACE, " 'm", "'m", 0, 0},
        {DECODE_REPLACE, " do not", " don't", 0, 0}, {DECODE_REPLACE, " 's", "'s", 0, 0},
        {DECODE_REPLACE, " 've", "'ve", 0, 0},       {DECODE_REPLACE, " 're", "'re", 0, 0},
    };
    _Static_assert(sizeof steps / sizeof *steps <= MOST_STEPS, "a decoder's steps");
    if (!w)
        return NULL;
    tokenizer *t = tokenizer_new(a);
    t->words = w;
    t->tokens = wordpiece_tokens(w);
    t->special = ARENA_ARRAY(a, bool, t->tokens->count);
    for (uint32_t i = 0; i < t->tokens->count; i++)
        t->special[i] = wordpiece_is_special(w, i);
    for (int r = 0; r < TOKEN_ROLES; r++)
        t->roles[r] = wordpiece_special(w, (token_role)r);
    t->rules.frames = *wordpiece_frames(w);
    t->rules.decode_count = sizeof steps / sizeof *steps;
    memcpy(t->rules.decode, steps, sizeof steps);
    return t;
}

/** The merges beside a file of ids, or NULL. */
static const char *merges_beside(arena *a, const char *ids) {
    static const char *const names[] = {"merges.txt", "vocab.bpe"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = path_beside(a, ids, names[i]);
        if (path_is_file(path))
            return path;
    }
    return NULL;
}

/** vocab.json with merges.txt beside it, or encoder.json with vocab.bpe. */
static tokenizer *load_gpt2(arena *a, diag *d, const doc_node *root) {
    const char *path = merges_beside(a, root->loc.file);
    size_t bytes;
    if (!path) {
        diag_error(d, (src_loc){root->loc.file, 0, 0}, "has no merges.txt beside it; a file of ids needs one");
        return NULL;
    }
    const char *text = file_read(a, d, path, VOCABULARY_BYTES, &bytes);
    return text ? gpt2_load(a, d, root, path, text, bytes) : NULL;
}

tokenizer *json_load(arena *a, diag *d, const doc_node *root, bool lower_case) {
    if (!doc_kind_is(d, root, "the file", DOC_MAPPING))
        return NULL;
    const doc_node *m = doc_find(root, "model"), *type = doc_find(m, "type");
    if (!m || m->kind != DOC_MAPPING)
        return load_gpt2(a, d, root);
    int kind = doc_find(m, "merges") ? 1 : 0; /* old files leave the type out */
    if (type && !doc_word(d, type, "model.type", "WordPiece|BPE|Unigram", &kind))
        return NULL;
    if (kind == 0)
        return of_words(a, wordpiece_from_json(a, d, root, lower_case));
    tokenizer *t = tokenizer_new(a);
    return (kind == 1 ? json_bpe : json_unigram)(a, d, root, t) && tokenizer_read_config(t, a, d, root->loc.file, NULL)
               ? t
               : NULL;
}

/** tokenizer.bin or another *.bin. */
static tokenizer *load_llama2c(arena *a, diag *d, const char *path) {
    size_t bytes;
    const char *data = file_read(a, d, path, VOCABULARY_BYTES, &bytes);
    return data ? llama2c_load(a, d, path, (const unsigned char *)data, bytes) : NULL;
}

/** The vocabulary that a directory holds; NULL if it has none. */
static const char *file_of(arena *a, const char *directory) {
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "vocab.json", "encoder.json", "tokenizer.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = path_join(a, directory, names[i]);
        if (path_is_file(path))
            return path;
    }
    return NULL;
}

/** The file that a path stands for, which a directory may not have. */
static const char *main_file(arena *a, const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? file_of(a, path) : arena_strdup(a, path);
}

static const char *const files_beside[] = {TOKENIZER_CONFIG, "added_tokens.json", NULL};

size_t tokenizer_files(arena *a, const char *path, const char *files[TOKENIZER_FILES]) {
    size_t count = 0;
    const char *file = main_file(a, path);
    bool json = file && dtq_ends_with(file, ".json");
    /* A tokenizer.json has its merges in it, or none. */
    const char *merges = json && !dtq_ends_with(file, "tokenizer.json") ? merges_beside(a, file) : NULL;
    if (file && path_is_file(file))
        files[count++] = file;
    if (merges)
        files[count++] = merges;
    if (!json && !(file && dtq_ends_with(file, ".txt")))
        return count; /* others say all of themselves */
    for (size_t i = 0; files_beside[i]; i++) {
        const char *beside = path_beside(a, file, files_beside[i]);
        if (path_is_file(beside))
            files[count++] = beside;
    }
    for (size_t i = 0; sentence_files[i]; i++) {
        const char *beside = path_beside(a, file, sentence_files[i]);
        if (path_is_file(beside))
            files[count++] = beside;
    }
    return count;
}

void tokenizer_lower_case(tokenizer *t) {
    text_rules *r = &t->rules;
    if (t->words)
        wordpiece_lower_case(t->words);
    else if (!r->normal_count || r->normal[0].kind != NORMAL_LOWER) {
        size_t kept = r->normal_count < MOST_STEPS - 1 ? r->normal_count : MOST_STEPS - 1;
        memmove(r->normal + 1, r->normal, kept * sizeof *r->normal);
        r->normal[0] = (normal_step){.kind = NORMAL_LOWER};
        r->normal_count = kept + 1;
    }
}

/** What sentence-transformers says beside the vocabulary. */
static tokenizer *with_sentence(tokenizer *t, arena *a, diag *d, const char *file) {
    sentence_settings s;
    if (!t || !sentence_read(a, d, file, &s))
        return NULL;
    t->limit = s.max_length;
    t->prompt = *s.prompt ? s.prompt : NULL;
    if (s.lower_case)
        tokenizer_lower_case(t);
    return t;
}

tokenizer *tokenizer_load(arena *a, diag *d, const char *path, const tokenizer_settings *o) {
    bool lower_case = o ? o->lower_case : true;
    const char *file = main_file(a, path);
    if (!file) {
        diag_error(d, (src_loc){arena_strdup(a, path), 0, 0},
                   "has no tokenizer.json, vocab.txt, vocab.json with merges.txt, or tokenizer.bin");
        return NULL;
    }
    if (dtq_ends_with(file, ".json")) {
        const doc_node *root = doc_load(a, d, file, VOCABULARY_BYTES);
        return root ? with_sentence(json_load(a, d, root, lower_case), a, d, file) : NULL;
    }
    if (dtq_ends_with(file, ".bin"))
        return load_llama2c(a, d, file);
    if (dtq_ends_with(file, ".gguf"))
        return gguf_tokenizer_load(a, d, file);
    return with_sentence(of_words(a, wordpiece_load(a, d, file, lower_case)), a, d, file);
}

size_t tokenizer_limit(const tokenizer *t, size_t positions) {
    return t->limit && t->limit < positions ? t->limit : positions;
}

/* ---- texts to ids ------------------------------------------------------------------------------------------------ */

typedef struct {
    const tokenizer *t;
    bpe_coder coder;
    bool literal;
    bool first;       /* nothing of the text stands before */
    bool first_inner; /* the same in a text that is normalised */
} reader;

static void read_word(void *user, const char *word, size_t bytes) {
    reader *r = user;
    if (r->t->pieces)
        unigram_word(r->t->pieces, r->coder.scratch, word, bytes, r->coder.out);
    else
        bpe_word(&r->coder, word, bytes);
}

static void add_token(reader *r, uint32_t added) {
    add_id(r->coder.out, r->t->tokens->entries[r->t->added[added].place].id);
}

static void read_normalized(void *user, uint32_t added, const char *text, size_t bytes) {
    reader *r = user;
    const text_rules *rules = &r->t->rules;
    if (added == UINT32_MAX)
        split_text(rules->split, rules->split_count, r->coder.scratch, text, bytes, r->first_inner, read_word, r);
    else
        add_token(r, added);
    r->first_inner = false;
}

static void read_raw(void *user, uint32_t added, const char *text, size_t bytes) {
    reader *r = user;
    const text_rules *rules = &r->t->rules;
    if (added == UINT32_MAX) {
        r->first_inner = r->first;
        text = normalize(rules->normal, rules->normal_count, r->coder.scratch, text, &bytes);
        added_find(&r->t->normalized, r->t->added, r->literal, text, bytes, read_normalized, r);
    } else {
        add_token(r, added);
    }
    r->first = false;
}

static void read_text(const tokenizer *t, const char *text, size_t bytes, bool literal, id_list *out) {
    if (t->words) {
        wordpiece_text(t->words, text, bytes, literal, out);
        return;
    }
    reader r = {.t = t, .literal = literal, .first = true};
    r.coder = (bpe_coder){.rules = &t->bpe, .scratch = arena_new(), .out = out};
    added_find(&t->raw, t->added, literal, text, bytes, read_raw, &r);
    arena_free(r.coder.scratch);
}

static const char *with_prompt(const char *prompt, arena *a, const char *text, size_t *bytes) {
    size_t n = strlen(prompt);
    char *joined = arena_alloc(a, n + *bytes);
    memcpy(joined, prompt, n);
    if (*bytes)
        memcpy(joined + n, text, *bytes);
    *bytes += n;
    return joined;
}

bool tokenizer_encode(const tokenizer *t, arena *a, diag *d, const char *text, size_t bytes, const encode_options *o,
                      token_list *out) {
    static const encode_options plain = {.limit = 0};
    if (!o)
        o = &plain;
    const char *pair = o->pair.text;
    if (!text_check(d, "the text", text, bytes) ||
        (pair && !text_check(d, "the second text of the pair", pair, o->pair.bytes)))
        return false;
    arena *scratch = arena_new();
    id_list first = {.arena = scratch}, second = first;
    if (t->prompt && !o->bare)
        text = with_prompt(t->prompt, scratch, text, &bytes);
    read_text(t, text, bytes, o->literal, &first);
    if (pair)
        read_text(t, pair, o->pair.bytes, o->literal, &second);
    frames bare = frames_bare();
    bare.pad = t->rules.frames.pad;
    bool ok =
        frame_join(o->bare ? &bare : &t->rules.frames, a, d, &first, pair ? &second : NULL, o->limit, o->pad_to, out);
    arena_free(scratch);
    return ok;
}

/* ---- ids to texts ------------------------------------------------------------------------------------------------ */

token_string tokenizer_decode(const tokenizer *t, arena *a, const uint32_t *ids, size_t count,
                              const decode_options *o) {
    static const decode_options plain = {.continues = false};
    if (!o)
        o = &plain;
    arena *scratch = arena_new();
    token_string *parts = ARENA_ARRAY(scratch, token_string, count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t place = token_table_place(t->tokens, ids[i]);
        if (place == NO_PLACE || (t->special[place] && !o->control))
            continue;
        parts[kept++] = (token_string){t->tokens->entries[place].text, t->tokens->entries[place].bytes};
    }
    const text_rules *r = &t->rules;
    token_string text = decode_tokens(r->decode, r->decode_count, a, parts, kept, r->between, o->continues);
    arena_free(scratch);
    return text;
}

token_string tokenizer_token(const tokenizer *t, uint32_t id) {
    uint32_t place = token_table_place(t->tokens, id);
    if (place == NO_PLACE)
        return (token_string){NULL, 0};
    return (token_string){t->tokens->entries[place].text, t->tokens->entries[place].bytes};
}

uint32_t tokenizer_vocabulary(const tokenizer *t) {
    return t->tokens->count ? t->tokens->entries[t->tokens->count - 1].id + 1 : 0;
}

uint32_t tokenizer_role(const tokenizer *t, token_role role) {
    return t->roles[role];
}
