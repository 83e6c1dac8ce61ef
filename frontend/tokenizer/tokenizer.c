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

/* ---- making ------------------------------------------------------------------------------------------------------ */

tokenizer *tokenizer_new(arena *a) {
    tokenizer *t = ARENA_NEW(a, tokenizer);
    for (int r = 0; r < TOKEN_ROLES; r++)
        t->roles[r] = TOKEN_NONE;
    t->bpe.unknown = NO_PLACE;
    t->rules.between = "";
    t->rules.frames = frames_bare();
    return t;
}

void tokenizer_set_tokens(tokenizer *t, arena *a, const listed_token *tokens, size_t count) {
    token_table *table = ARENA_NEW(a, token_table);
    token_table_build(table, a, tokens, count);
    t->tokens = t->bpe.tokens = table;
    t->special = ARENA_ARRAY(a, bool, count);
}

bool tokenizer_add(tokenizer *t, arena *a, diag *d, src_loc loc, added_token token, const char *text, size_t bytes) {
    if (token.normalized)
        text = normalize(t->rules.normal, t->rules.normal_count, a, text, &bytes);
    if (bytes == 0)
        return true; /* it is found nowhere */
    if (bytes > ADDED_BYTES)
        return diag_error(d, loc, "an added token of %zu bytes; at most %d are possible", bytes, ADDED_BYTES);
    if (token.special)
        t->special[token.place] = true;
    t->added[t->added_count] = token;
    added_insert(token.normalized ? &t->normalized : &t->raw, a, text, bytes, (uint32_t)t->added_count++);
    return true;
}

/** The place of the token of two texts, joined; NO_PLACE after an error. */
static uint32_t need_token(const tokenizer *t, diag *d, src_loc loc, const char *what, token_string l, token_string r) {
    enum { SHOWN = 60 };
    uint64_t hash = text_hash_more(text_hash(l.text, l.bytes), r.text, r.bytes);
    uint32_t place = token_table_find(t->tokens, hash, l.text, l.bytes, r.text, r.bytes);
    if (place == NO_PLACE)
        diag_error(d, loc, "%s '%.*s%.*s' of a merge is no token of the vocabulary", what,
                   (int)(l.bytes > SHOWN ? SHOWN : l.bytes), l.text, (int)(r.bytes > SHOWN ? SHOWN : r.bytes), r.text);
    return place;
}

bool tokenizer_read_merge(const tokenizer *t, diag *d, src_loc loc, token_string left, token_string right,
                          bpe_merge *out) {
    const token_string none = {"", 0};
    if (!left.bytes || !right.bytes)
        return diag_error(d, loc, "a merge must be two texts with one space between");
    out->left = need_token(t, d, loc, "the left side", left, none);
    if (out->left == NO_PLACE)
        return false;
    out->right = need_token(t, d, loc, "the right side", right, none);
    if (out->right == NO_PLACE)
        return false;
    out->result = need_token(t, d, loc, "the result", left, right);
    return out->result != NO_PLACE;
}

void tokenizer_decode_pieces(text_rules *r) {
    static const decode_step steps[] = {
        {DECODE_REPLACE, "\u2581", " ", 0, 0},
        {DECODE_FALLBACK, NULL, NULL, 0, 0},
        {DECODE_FUSE, NULL, NULL, 0, 0},
        {DECODE_STRIP, " ", NULL, 1, 0},
    };
    r->decode_count = sizeof steps / sizeof *steps;
    memcpy(r->decode, steps, sizeof steps);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/** One key of tokenizer_config.json: a token's text, or a mapping with it as `content`. */
static bool read_role(tokenizer *t, diag *d, const doc_node *config, const char *key, token_role role) {
    const doc_node *n = doc_find(config, key);
    const char *text;
    if (n && n->kind == DOC_MAPPING)
        n = doc_find(n, "content");
    if (!n || doc_is_null(n))
        return true;
    if (!doc_string(d, n, key, &text))
        return false;
    uint32_t place = token_table_find_text(t->tokens, text, strlen(text));
    if (place == NO_PLACE) {
        diag_warning(d, n->loc, "%s '%.60s' is no token of the vocabulary", key, text);
        return true;
    }
    t->roles[role] = t->tokens->entries[place].id;
    t->special[place] = true;
    return true;
}

#define config_name "tokenizer_config.json"

bool tokenizer_read_config(tokenizer *t, arena *a, diag *d, const char *path, const doc_node **config) {
    static const struct {
        const char *key;
        token_role role;
    } keys[] = {{"bos_token", TOKEN_BOS}, {"eos_token", TOKEN_EOS}, {"unk_token", TOKEN_UNK}, {"pad_token", TOKEN_PAD}};
    const char *beside = path_beside(a, path, config_name);
    if (!path_is_file(beside))
        return true;
    const doc_node *root = doc_load(a, d, beside, VOCABULARY_BYTES);
    if (!root || !doc_kind_is(d, root, "tokenizer_config.json", DOC_MAPPING))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!read_role(t, d, root, keys[i].key, keys[i].role))
            return false;
    if (config)
        *config = root;
    return true;
}

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
    if (type && !doc_word(d, type, "model.type", "WordPiece|BPE", &kind))
        return NULL;
    if (kind == 0)
        return of_words(a, wordpiece_from_json(a, d, root, lower_case));
    tokenizer *t = tokenizer_new(a);
    return json_bpe(a, d, root, t) && tokenizer_read_config(t, a, d, root->loc.file, NULL) ? t : NULL;
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

static const char *const files_beside[] = {config_name, "added_tokens.json", NULL};

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

bool text_check(diag *d, const char *what, const char *text, size_t bytes) {
    if (bytes > INT32_MAX)
        return diag_error(d, (src_loc){0}, "%s has %zu bytes; less than 2 GiB are possible", what, bytes);
    size_t bad = utf8_check(text, bytes);
    return bad == bytes ||
           diag_error(d, (src_loc){0}, "%s is not UTF-8: byte 0x%02x at offset %zu; convert it to UTF-8", what,
                      (unsigned char)text[bad], bad);
}

typedef struct {
    const tokenizer *t;
    bpe_coder coder;
    bool literal;
    bool first;       /* nothing of the text stands before */
    bool first_inner; /* the same in a text that is normalised */
} reader;

static void read_word(void *user, const char *word, size_t bytes) {
    bpe_word(&((reader *)user)->coder, word, bytes);
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

uint32_t tokenizer_find(const tokenizer *t, const char *text, size_t bytes) {
    uint32_t place = token_table_find_text(t->tokens, text, bytes);
    return place == NO_PLACE ? TOKEN_NONE : t->tokens->entries[place].id;
}

uint32_t tokenizer_vocabulary(const tokenizer *t) {
    return t->tokens->count ? t->tokens->entries[t->tokens->count - 1].id + 1 : 0;
}

uint32_t tokenizer_role(const tokenizer *t, token_role role) {
    return t->roles[role];
}
