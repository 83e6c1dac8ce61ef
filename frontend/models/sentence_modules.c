/* What sentence-transformers puts behind a transformer: modules.json lists modules, each with a config.json of its own.
 * Its Pooling says which row of all is the embedding, and Normalize that the row is divided by its length. Without
 * modules.json, 1_Pooling/config.json is taken if it is there; else an encoder's rows are averaged and not normalised.
 */
#include <string.h>

#include "frontend/files/fields.h"
#include "frontend/files/settings.h"
#include "frontend/models/huggingface.h"
#include "frontend/tokenizer/sentence.h"
#include "ir/base/path.h"
#include "runtime/base/words.h"

/** What is read, module by module. */
typedef struct {
    arena *a;
    diag *d;
    const char *directory;
    transformer *t;
    src_loc
        root_of_length; /* where it is said that the sum is divided by the square root of the length; line 0: nowhere */
    src_loc no_prompt;  /* the same of a pooling without the prompt's rows */
    bool pooled;
} modules;

/** Ways to pool as files spell them: a word, and the flag of older versions. */
static const struct {
    const char *word, *flag;
    pooling_kind pooling; /* POOLING_NONE: no engine has it */
} poolings[] = {
    {"cls", "pooling_mode_cls_token", POOLING_FIRST},
    {"mean", "pooling_mode_mean_tokens", POOLING_MEAN},
    {"max", "pooling_mode_max_tokens", POOLING_NONE},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", POOLING_MEAN},
    {"weightedmean", "pooling_mode_weightedmean_tokens", POOLING_NONE},
    {"lasttoken", "pooling_mode_lasttoken", POOLING_LAST},
};
enum { POOLINGS = sizeof poolings / sizeof *poolings, ROOT_OF_LENGTH = 3 };

static bool set_pooling(modules *m, src_loc loc, size_t which) {
    if (poolings[which].pooling == POOLING_NONE)
        return diag_error(m->d, loc, "pooling '%s' cannot be computed; cls, mean and lasttoken can",
                          poolings[which].word);
    if (m->pooled)
        return diag_error(m->d, loc, "more than one way to pool: rows that are joined side by side cannot be computed");
    m->pooled = true;
    m->t->pooling = poolings[which].pooling;
    if (which == ROOT_OF_LENGTH)
        m->root_of_length = loc;
    return true;
}

/** The new key: one word or several. */
static bool read_mode(modules *m, const doc_node *mode) {
    bool several = mode->kind == DOC_SEQUENCE;
    for (size_t i = 0; i < (several ? mode->count : 1); i++) {
        const doc_node *n = several ? mode->items[i] : mode;
        int word;
        if (!doc_word(m->d, n, "pooling_mode", "cls|mean|max|mean_sqrt_len_tokens|weightedmean|lasttoken", &word) ||
            !set_pooling(m, n->loc, (size_t)word))
            return false;
    }
    return true;
}

static bool read_flags(modules *m, const doc_node *root) {
    for (size_t i = 0; i < POOLINGS; i++) {
        const doc_node *n = doc_find(root, poolings[i].flag);
        bool on = false;
        if (n && !doc_is_null(n) && (!doc_bool(m->d, n, poolings[i].flag, &on) || (on && !set_pooling(m, n->loc, i))))
            return false;
    }
    return true;
}

static bool read_pooling(modules *m, const char *path) {
    const doc_node *root = doc_load(m->a, m->d, path, 0), *mode = doc_find(root, "pooling_mode");
    const doc_node *prompt = doc_find(root, "include_prompt");
    bool with_prompt = true;
    if (!root || !settings_check(m->d, root, SETTINGS_POOLING, MODELS_ANY) ||
        !(mode && !doc_is_null(mode) ? read_mode(m, mode) : read_flags(m, root)) ||
        (prompt && !doc_is_null(prompt) && !doc_bool(m->d, prompt, "include_prompt", &with_prompt)))
        return false;
    if (!m->pooled) /* none said */
        m->t->pooling = POOLING_MEAN;
    m->pooled = true;
    if (!with_prompt)
        m->no_prompt = prompt->loc;
    return true;
}

static bool read_transformer(modules *m, const doc_node *path) {
    return (path->kind == DOC_SCALAR && !*path->text) ||
           diag_error(m->d, path->loc, "the transformer must lie in the directory itself: its path must be empty");
}

static bool read_normalize(modules *m, const char *path) {
    const doc_node *root = path_is_file(path) ? doc_load(m->a, m->d, path, 0) : NULL;
    if (path_is_file(path) && (!root || !settings_check(m->d, root, SETTINGS_NORMALIZE, MODELS_ANY)))
        return false;
    m->t->normalize = true;
    return true;
}

/** One entry of modules.json. */
static bool read_module(modules *m, const doc_node *entry) {
    const doc_node *type = doc_find(entry, "type"), *path = doc_find(entry, "path");
    const char *kind;
    if (!type || !path)
        return diag_error(m->d, entry->loc, "a module must have a type and a path");
    if (!settings_check(m->d, entry, SETTINGS_MODULE, MODELS_ANY) || !doc_string(m->d, type, "type", &kind))
        return false;
    const char *beside = path->kind == DOC_SCALAR ? path->text : "";
    const char *config = path_join(m->a, path_join(m->a, m->directory, beside), "config.json");
    bool known = strncmp(kind, "sentence_transformers.", strlen("sentence_transformers.")) == 0;
    if (known && dtq_ends_with(kind, ".Transformer"))
        return read_transformer(m, path);
    if (known && dtq_ends_with(kind, ".Pooling") && !m->t->normalize)
        return read_pooling(m, config);
    if (known && dtq_ends_with(kind, ".Normalize") && m->pooled)
        return read_normalize(m, config);
    return diag_error(
        m->d, type->loc,
        "module '%.80s' is not supported; behind the transformer there may be Pooling, and then Normalize", kind);
}

/** What the texts' settings mean for the row. */
static bool check_texts(modules *m, const char *list, uint32_t width) {
    sentence_settings s;
    if (!sentence_read(m->a, m->d, list, &s))
        return false;
    if (m->no_prompt.line && *s.prompt)
        return diag_error(
            m->d, m->no_prompt,
            "include_prompt is false, but texts have a prompt: pooling without its rows cannot be computed");
    if (s.truncate_dim && s.truncate_dim < width)
        return diag_error(
            m->d, (src_loc){path_beside(m->a, list, sentence_files[1]), 0, 0},
            "truncate_dim is %u: an embedding's first channels alone cannot be computed; it must be null, or "
            "%u",
            s.truncate_dim, width);
    return true;
}

bool sentence_modules_read(arena *a, diag *d, const char *directory, src_loc loc, transformer *t) {
    const char *list = path_join(a, directory, "modules.json");
    const char *pooling = path_join(a, directory, "1_Pooling/config.json");
    modules m = {.a = a, .d = d, .directory = directory, .t = t};
    t->pooling = POOLING_MEAN;
    t->normalize = false;
    if (!path_is_file(list)) {
        if (path_is_file(pooling) && !read_pooling(&m, pooling))
            return false;
        if (!m.pooled)
            diag_remark(d, loc, "huggingface", "nothing in '%s' says how to pool: rows are averaged and not normalised",
                        directory);
    } else {
        const doc_node *root = doc_load(a, d, list, 0);
        if (!root || !doc_kind_is(d, root, "modules.json", DOC_SEQUENCE))
            return false;
        for (size_t i = 0; i < root->count; i++)
            if (!read_module(&m, root->items[i]))
                return false;
        if (!m.pooled)
            return diag_error(d, root->loc, "no module pools: which row is the embedding must be said by a Pooling");
        if (!check_texts(&m, list, t->hidden))
            return false;
    }
    /* Division by the length afterwards makes the two means one. */
    if (m.root_of_length.line && !t->normalize)
        return diag_error(d, m.root_of_length,
                          "pooling 'mean_sqrt_len_tokens' can be computed only where Normalize follows");
    return true;
}
