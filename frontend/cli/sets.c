/* --set KEY=VALUE: changes to the target and the policy from the command line. */
#include "frontend/cli/sets.h"

#include <string.h>

#include "frontend/files/document.h"

static const char place[] = "option --set";

static bool among(const char *key, size_t n, const char *const *keys, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strlen(keys[i]) == n && strncmp(keys[i], key, n) == 0)
            return true;
    return false;
}

key_owner sets_owner(arena *a, diag *d, src_loc loc, const char **path) {
    size_t targets, policies;
    const char **of_target = target_keys(a, &targets);
    const char *const *of_policy = policy_keys(&policies);
    static const char to_target[] = "target.", to_policy[] = "policy.";
    if (strncmp(*path, to_target, strlen(to_target)) == 0) {
        *path += strlen(to_target);
        return KEY_OF_TARGET;
    }
    if (strncmp(*path, to_policy, strlen(to_policy)) == 0) {
        *path += strlen(to_policy);
        return KEY_OF_POLICY;
    }
    const size_t n = strcspn(*path, ".");
    if (n == 4 && strncmp(*path, "name", n) == 0) {
        diag_error(d, loc, "both targets and policies have a name; write target.name or policy.name");
        return KEY_OF_NONE;
    }
    if (among(*path, n, of_target, targets))
        return KEY_OF_TARGET;
    if (among(*path, n, of_policy, policies))
        return KEY_OF_POLICY;
    const char *word = arena_strndup(a, *path, n);
    const char **all = ARENA_ARRAY(a, const char *, targets + policies);
    memcpy(all, of_target, targets * sizeof *all);
    memcpy(all + targets, of_policy, policies * sizeof *all);
    const char *near = diag_nearest(word, all, targets + policies);
    diag_error(d, loc, "'%.60s' is not a key of targets or policies%s%s%s", word, near ? "; did you mean '" : "",
               near ? near : "", near ? "'?" : "");
    return KEY_OF_NONE;
}

/* The value behind `=`, read at the place where it stands: blanks take the place of what is before it. */
static const doc_node *read_value(session *s, size_t line, const char *text, size_t key) {
    const size_t before = line + key + 1, n = strlen(text + key + 1);
    char *padded = arena_alloc(s->arena, before + n + 1);
    memset(padded, '\n', line);
    memset(padded + line, ' ', key + 1);
    memcpy(padded + before, text + key + 1, n);
    return doc_parse(s->arena, s->diag, place, padded, before + n, false);
}

bool sets_read(session *s, sets *out) {
    const option_value *v = value(s, OPT_set);
    doc_edit *of[2];
    size_t counts[2] = {0, 0};
    const char *all = "";
    for (int i = 0; i < 2; i++)
        of[i] = ARENA_ARRAY(s->arena, doc_edit, v->count + 1);
    for (size_t i = 0; i < v->count; i++) {
        const size_t key = strcspn(v->texts[i], "=");
        if (key == 0 || !v->texts[i][key] || !v->texts[i][key + 1] || strchr(v->texts[i], '\n'))
            return usage_error(s, "--set '%s' is not of the form KEY=VALUE, on one line", v->texts[i]);
        all = arena_printf(s->arena, "%s%s\n", all, v->texts[i]);
    }
    if (v->count)
        diag_source(s->diag, place, all, strlen(all));
    bool ok = true;
    for (size_t i = 0; i < v->count; i++) {
        const size_t n = strcspn(v->texts[i], "=");
        const char *whole = arena_strndup(s->arena, v->texts[i], n), *path = whole;
        const src_loc loc = {place, (uint32_t)i + 1, 1};
        const key_owner owner = sets_owner(s->arena, s->diag, loc, &path);
        const doc_node *read = owner == KEY_OF_NONE ? NULL : read_value(s, i, v->texts[i], n);
        if (read)
            of[owner][counts[owner]++] = (doc_edit){path, {place, loc.line, (uint32_t)(path - whole) + 1}, read};
        ok = read && ok;
    }
    out->target = (doc_edits){of[KEY_OF_TARGET], counts[KEY_OF_TARGET]};
    out->policy = (doc_edits){of[KEY_OF_POLICY], counts[KEY_OF_POLICY]};
    return ok;
}
