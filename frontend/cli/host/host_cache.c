/* Generated objects kept for the next run. An entry is a file: a header, its key as text, the object. The key is
 * compared in full, so that no hash, however unlucky, yields another model's code; the checksum makes a damaged entry
 * none, and so does everything that lets somebody else have written it: its code is executed. */
#include "frontend/cli/host/host_cache.h"

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

static const char *entry_path(session *s, const char *directory, const char *key) {
    uint64_t hash = dtq_fnv1a(DTQ_FNV1A_START, key, strlen(key));
    return arena_printf(s->arena, "%s/%s%016llx", directory, prefix, (unsigned long long)hash);
}

static uint64_t checksum(const char *key, const uint8_t *object, size_t bytes) {
    return dtq_fnv1a(dtq_fnv1a(DTQ_FNV1A_START, key, strlen(key)), object, bytes);
}

/* The whole of a file that nobody else can have written; NULL if it is none. */
static uint8_t *read_entry(session *s, int fd, size_t *bytes) {
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < 0 || st.st_size > ENTRY_BYTES_MOST)
        return NULL;
    uint8_t *data = arena_alloc(s->arena, (size_t)st.st_size + 1);
    size_t have = 0;
    for (ssize_t n; have < (size_t)st.st_size && (n = read(fd, data + have, (size_t)st.st_size - have)) > 0;)
        have += (size_t)n;
    *bytes = have;
    return data;
}

/* The object in an entry, or NULL. */
static uint8_t *object_in(uint8_t *data, size_t bytes, const char *key, size_t *object_bytes) {
    entry_header h;
    size_t key_bytes = strlen(key);
    if (bytes < sizeof h)
        return NULL;
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.key_bytes != key_bytes || bytes - sizeof h < key_bytes ||
        h.object_bytes != bytes - sizeof h - key_bytes || memcmp(data + sizeof h, key, key_bytes) != 0)
        return NULL;
    uint8_t *object = data + sizeof h + key_bytes;
    *object_bytes = h.object_bytes;
    return h.checksum == checksum(key, object, h.object_bytes) ? object : NULL;
}

bool host_cache_read(session *s, const char *directory, const char *key, host_bytes *out) {
    size_t bytes = 0, object_bytes = 0;
    int fd = dtq_private_open(entry_path(s, directory, key), O_RDONLY);
    uint8_t *data = fd >= 0 ? read_entry(s, fd, &bytes) : NULL;
    uint8_t *object = data ? object_in(data, bytes, key, &object_bytes) : NULL;
    if (object) {
        futimens(fd, NULL); /* it was used now */
        *out = (host_bytes){object, object_bytes};
    }
    if (fd >= 0)
        close(fd);
    return object != NULL;
}

static void drop_oldest(session *s, const char *directory, const char *kind, size_t most) {
    DIR *d = opendir(directory);
    const char *oldest = NULL;
    struct timespec since = {0};
    size_t count = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        struct stat st;
        const char *path = arena_printf(s->arena, "%s/%s", directory, e->d_name);
        if (strncmp(e->d_name, kind, strlen(kind)) != 0 || lstat(path, &st) != 0)
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
    entry_header h = {.key_bytes = strlen(key),
                      .object_bytes = object->bytes,
                      .checksum = checksum(key, object->data, object->bytes)};
    memcpy(h.magic, magic, sizeof magic);
    const dtq_part parts[] = {{&h, sizeof h}, {key, h.key_bytes}, {object->data, object->bytes}};
    if (!dtq_write_private(entry_path(s, directory, key), parts, 3))
        return false;
    drop_oldest(s, directory, prefix, ENTRIES_MOST);
    return true;
}

const char *host_cache_weights(session *s, const char *directory, const dtq_host_model *code, const dtq_program *plan) {
    uint64_t hash = dtq_fnv1a(DTQ_FNV1A_START, code->weights, code->weight_count * sizeof *code->weights);
    for (size_t i = 0; i < plan->file_count; i++)
        hash = dtq_fnv1a(hash, &plan->files[i].hash, sizeof plan->files[i].hash);
    for (size_t i = 0; i < plan->tensor_count; i++) {
        const dtq_tensor *t = &plan->tensors[i];
        uint64_t numbers[] = {t->offset, t->seed, t->shape[0], t->shape[1], t->stride, t->dtype, t->scales};
        hash = dtq_fnv1a(hash, numbers, sizeof numbers);
    }
    const char *path = arena_printf(s->arena, "%s/%s%016llx", directory, weights_prefix, (unsigned long long)hash);
    if (access(path, F_OK) != 0)
        drop_oldest(s, directory, weights_prefix, WEIGHTS_MOST - 1);
    return path;
}
