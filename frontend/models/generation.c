/* What a Hugging Face directory says of writing text: generation_config.json, or without it config.json. */
#include "frontend/files/fields.h"
#include "frontend/files/settings.h"
#include "frontend/models/model.h"
#include "ir/base/path.h"

static bool read_ends(arena *a, diag *d, const doc_node *n, token_ends *out) {
    bool several = n->kind == DOC_SEQUENCE;
    size_t count = several ? n->count : 1;
    uint32_t *ids = ARENA_ARRAY(a, uint32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        int64_t id;
        if (!doc_int(d, several ? n->items[i] : n, "eos_token_id", 0, UINT32_MAX - 1, &id))
            return false;
        ids[i] = (uint32_t)id;
    }
    *out = (token_ends){count, ids};
    return true;
}

bool model_ends(const model *m, arena *a, diag *d, token_ends *out) {
    static const char *const names[] = {"generation_config.json", "config.json"};
    *out = (token_ends){0, NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = path_join(a, m->path, names[i]);
        if (!path_is_file(path))
            continue;
        const doc_node *root = doc_load(a, d, path, 0), *said = doc_find(root, "eos_token_id");
        if (!root || (i == 0 && !settings_check(d, root, SETTINGS_GENERATION, MODELS_ANY)))
            return false;
        return !said || doc_is_null(said) || read_ends(a, d, said, out);
    }
    return true;
}
