/* Generated objects kept for the next run. An entry is a file: a header, its key as text, the object. The key is
 * compared in full, so that no hash, however unlucky, yields another model's code; the checksum makes a damaged entry
 * none. */
#include "frontend/cli/host_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/hash.h"

enum { ENTRIES_MOST = 64, WEIGHTS_MOST = 8, ENTRY_BYTES_MOST = 1 << 28 };
static const char prefix[] = "host-", weights_prefix[] = "weights-";

typedef struct {
    char magic[8];
    uint64_t key_bytes, object_bytes;
    uint64_t checksum; /* FNV-1a of key and object */
} entry_header;

static const char magic[8] = "DTQCOBJ1";

const char *host_cache_directory(session *s) {
    const char *own = getenv("DTQC_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own)
        return own;
    if (xdg && *xdg == '/') /* a relative one is to be ignored */
        return arena_printf(s->arena, "%s/dtqc", xdg);
    return home && *home ? arena_printf(s->arena, "%s/.cache/dtqc", home) : NULL;
}

static const char *entry_path(session *s, const char *directory, const char *key) {
    uint64_t hash = dtq_fnv1a(DTQ_FNV1A_START, key, strlen(key));
    return arena_printf(s->arena, "%s/%s%016llx", directory, prefix, (unsigned long long)hash);
}

static uint64_t checksum(const char *key, const uint8_t *object, size_t bytes) {
    return dtq_fnv1a(dtq_fnv1a(DTQ_FNV1A_START, key, strlen(key)), object, bytes);
}

bool host_cache_read(session *s, const char *directory, const char *key, host_bytes *out) {
    const char *path = entry_path(s, directory, key);
    diag *unheard = diag_new(s->arena, NULL);
    entry_header h;
    size_t bytes, key_bytes = strlen(key);
    if (access(path, R_OK) != 0)
        return false;
    char *data = file_read(s->arena, unheard, path, ENTRY_BYTES_MOST, &bytes);
    if (!data || bytes < sizeof h)
        return false;
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.key_bytes != key_bytes || bytes - sizeof h < key_bytes ||
        h.object_bytes != bytes - sizeof h - key_bytes || memcmp(data + sizeof h, key, key_bytes) != 0)
        return false;
    uint8_t *object = (uint8_t *)data + sizeof h + key_bytes;
    if (h.checksum != checksum(key, object, h.object_bytes))
        return false;
    utimensat(AT_FDCWD, path, NULL, 0); /* it was used now */
    *out = (host_bytes){object, h.object_bytes};
    return true;
}

/* mkdir -p; what cannot be made is found out when the entry is written. */
static void make_directories(session *s, const char *directory) {
    char *path = arena_strdup(s->arena, directory);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    mkdir(path, 0777);
}

static void drop_oldest(session *s, const char *directory, const char *kind, size_t most) {
    DIR *d = opendir(directory);
    const char *oldest = NULL;
    struct timespec since = {0};
    size_t count = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        struct stat st;
        const char *path = arena_printf(s->arena, "%s/%s", directory, e->d_name);
        if (strncmp(e->d_name, kind, strlen(kind)) != 0 || stat(path, &st) != 0)
            continue;
        count++;
        if (!oldest || st.st_mtim.tv_sec < since.tv_sec ||
            (st.st_mtim.tv_sec == since.tv_sec && st.st_mtim.tv_nsec < since.tv_nsec)) {
            oldest = path;
            since = st.st_mtim;
        }
    }
    if (d)
        closedir(d);
    if (count > most)
        unlink(oldest);
}

bool host_cache_write(session *s, const char *directory, const char *key, const host_bytes *object) {
    file_writer w;
    diag *unheard = diag_new(s->arena, NULL);
    entry_header h = {.key_bytes = strlen(key),
                      .object_bytes = object->bytes,
                      .checksum = checksum(key, object->data, object->bytes)};
    memcpy(h.magic, magic, sizeof magic);
    make_directories(s, directory);
    if (!file_begin(&w, unheard, entry_path(s, directory, key)))
        return false;
    fwrite(&h, sizeof h, 1, w.out);
    fwrite(key, 1, h.key_bytes, w.out);
    fwrite(object->data, 1, object->bytes, w.out);
    if (!file_commit(&w, unheard))
        return false;
    drop_oldest(s, directory, prefix, ENTRIES_MOST);
    return true;
}

const char *host_cache_weights(session *s, const char *directory, const dtq_host_model *code, const dtq_program *plan) {
    uint64_t hash = dtq_fnv1a(DTQ_FNV1A_START, code->weights, code->weight_count * sizeof *code->weights);
    for (size_t i = 0; i < plan->file_count; i++)
        hash = dtq_fnv1a(hash, plan->files[i].path, strlen(plan->files[i].path));
    for (size_t i = 0; i < plan->tensor_count; i++) {
        const dtq_tensor *t = &plan->tensors[i];
        uint64_t numbers[] = {t->offset, t->seed, t->shape[0], t->shape[1], t->stride, t->dtype, t->scales};
        hash = dtq_fnv1a(hash, numbers, sizeof numbers);
    }
    const char *path = arena_printf(s->arena, "%s/%s%016llx", directory, weights_prefix, (unsigned long long)hash);
    if (access(path, F_OK) != 0) {
        make_directories(s, directory);
        drop_oldest(s, directory, weights_prefix, WEIGHTS_MOST - 1);
    }
    return path;
}
