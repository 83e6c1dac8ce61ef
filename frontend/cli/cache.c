/* dtqc cache: what is kept for the next run, listed, bounded or removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/session.h"
#include "frontend/files/document.h"
#include "frontend/files/edit.h"
#include "ir/base/number.h"

typedef struct {
    const char *name;
    uint64_t bytes;
    struct timespec used;
    bool gone;
} entry;

typedef struct {
    entry *list;
    size_t count, capacity;
} entries;

/* Kinds of entries by how their names begin; the last is of all others, which are not dtqc's and are left alone. */
static const struct {
    const char *begin, *what;
} kinds[] = {
    {"host-", "host code"}, {"weights-", "prepared weights"}, {"identities", "identities of files"}, {"", "others"}};
enum { KINDS = sizeof kinds / sizeof *kinds, OTHERS = KINDS - 1 };

static size_t kind_of(const char *name) {
    size_t k = 0;
    while (strncmp(name, kinds[k].begin, strlen(kinds[k].begin)) != 0)
        k++;
    return k;
}

static int by_use(const void *a, const void *b) {
    const struct timespec *x = &((const entry *)a)->used, *y = &((const entry *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* The files of the directory, those used longest ago first. */
static bool read_entries(session *s, const char *directory, entries *out) {
    DIR *d = opendir(directory);
    if (!d)
        return diag_error(s->diag, (src_loc){directory, 0, 0}, "cannot be read: %s", strerror(errno));
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (out->count == out->capacity) {
            out->capacity = out->capacity > 0 ? 2 * out->capacity : 64;
            entry *more = ARENA_ARRAY(s->arena, entry, out->capacity);
            if (out->count > 0)
                memcpy(more, out->list, out->count * sizeof *more);
            out->list = more;
        }
        out->list[out->count++] =
            (entry){.name = arena_strdup(s->arena, e->d_name), .bytes = (uint64_t)st.st_size, .used = st.st_mtim};
    }
    closedir(d);
    if (out->count > 0)
        qsort(out->list, out->count, sizeof *out->list, by_use);
    return true;
}

/* Removes what was used longest ago until the rest is of at most `most` bytes. */
static bool bound(session *s, const char *directory, entries *all, uint64_t most) {
    uint64_t total = 0, freed = 0;
    size_t removed = 0;
    char text[NUMBER_MAX];
    for (size_t i = 0; i < all->count; i++)
        total += kind_of(all->list[i].name) != OTHERS ? all->list[i].bytes : 0;
    for (size_t i = 0; i < all->count && (most == 0 || total - freed > most); i++) {
        entry *e = &all->list[i];
        if (kind_of(e->name) == OTHERS)
            continue;
        if (unlink(arena_printf(s->arena, "%s/%s", directory, e->name)) != 0 && errno != ENOENT)
            return diag_error(s->diag, (src_loc){e->name, 0, 0}, "cannot be removed: %s", strerror(errno));
        e->gone = true;
        freed += e->bytes;
        removed++;
    }
    fprintf(s->words, "removed %zu file%s, %s\n", removed, removed == 1 ? "" : "s", number_bytes((double)freed, text));
    return true;
}

static void list_kinds(session *s, const entries *all) {
    size_t files[KINDS + 1] = {0};
    uint64_t bytes[KINDS + 1] = {0};
    for (size_t i = 0; i < all->count; i++) {
        const entry *e = &all->list[i];
        const size_t rows[] = {kind_of(e->name), KINDS};
        for (size_t r = 0; r < 2 && !e->gone; r++) {
            files[rows[r]]++;
            bytes[rows[r]] += e->bytes;
        }
    }
    char text[NUMBER_MAX];
    fprintf(s->words, "  %-20s %6s %10s\n", "", "files", "size");
    for (size_t k = 0; k <= KINDS; k++)
        if (files[k] > 0 || k == KINDS)
            fprintf(s->words, "  %-20s %6zu %10s\n", k == KINDS ? "total" : kinds[k].what, files[k],
                    number_bytes((double)bytes[k], text));
}

/* The size that --max says; false after an error. */
static bool read_max(session *s, uint64_t *most) {
    const char *text = value(s, OPT_cache_max)->text;
    const doc_node node = {.kind = DOC_SCALAR, .loc = {"--max", 0, 0}, .text = text};
    int64_t bytes;
    if (!doc_bytes(s->diag, &node, "--max", 0, INT64_MAX, &bytes))
        return false;
    *most = (uint64_t)bytes;
    return true;
}

bool command_cache(session *s) {
    if (given(s, OPT_clean) && given(s, OPT_cache_max))
        return usage_error(s, "--clean removes everything; --max=%s changes nothing", value(s, OPT_cache_max)->text);
    uint64_t most = given(s, OPT_clean) ? 0 : UINT64_MAX;
    if (given(s, OPT_cache_max) && !read_max(s, &most))
        return false;
    const char *directory = cache_directory(s);
    if (!directory) {
        const char *path = cache_path(s);
        return path ? diag_error(s->diag, (src_loc){path, 0, 0}, "cannot be used; $DTQC_CACHE names another")
                    : diag_error(s->diag, (src_loc){0},
                                 "nothing is kept: none of $DTQC_CACHE, $XDG_CACHE_HOME and $HOME is set");
    }
    entries all = {0};
    if (!read_entries(s, directory, &all) || (most != UINT64_MAX && !bound(s, directory, &all, most)))
        return false;
    fprintf(s->words, "%s\n", diag_visible(s->arena, cache_path(s)));
    list_kinds(s, &all);
    return true;
}
