/* Prepared weights kept in a file for the next process: what quantising and packing made, as it lies in memory. The
 * file is mapped. A stamp of everything that decides its contents makes a stale file none, a checksum a damaged one,
 * and one that somebody else can have written is none, either. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/file.h"
#include "runtime/hash.h"
#include "runtime/host/host.h"
#include "runtime/identity.h"
#include "runtime/weights/weights.h"

enum { HEADER_BYTES = 4096 }; /* a page, so that weights are aligned as in memory of their own */

typedef struct {
    char magic[8];
    uint64_t stamp, bytes, checksum;
} store_header;

static const char magic[8] = "DTQWGHT2";

static uint64_t stamp_number(uint64_t hash, uint64_t number) {
    return dtq_fnv1a(hash, &number, sizeof number);
}

/* Of the model's layouts, the tensors they are of, and the identities of the files these lie in, which were checked
 * when the files were opened. */
static uint64_t stamp_of(const dtq_host *h) {
    uint64_t hash = stamp_number(DTQ_FNV1A_START, DTQ_HOST_ABI);
    for (uint64_t i = 0; i < h->model->weight_count; i++) {
        const dtq_tensor *t = &h->plan->tensors[h->model->weights[i].tensor];
        const uint64_t numbers[] = {h->model->weights[i].layout,
                                    t->file,
                                    t->offset,
                                    t->shape[0],
                                    t->shape[1],
                                    t->stride,
                                    t->dtype,
                                    t->transposed,
                                    t->scales,
                                    t->zeros,
                                    t->by_rows,
                                    t->seed};
        const float parts[] = {t->mean, t->scale};
        hash = dtq_fnv1a(dtq_fnv1a(hash, numbers, sizeof numbers), parts, sizeof parts);
        if (t->frequencies)
            hash = dtq_fnv1a(hash, t->frequencies, strlen(t->frequencies));
    }
    for (size_t i = 0; i < h->plan->file_count; i++)
        hash = stamp_number(stamp_number(hash, h->plan->files[i].hash.high), h->plan->files[i].hash.low);
    return hash;
}

/* The path that an open file has, for a name that leads through /proc/self/fd. */
static const char *name_of(int fd, const char *path, char name[PATH_MAX]) {
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, name, PATH_MAX - 1);
    if (n <= 0)
        return path;
    name[n] = '\0';
    return name;
}

bool dtq_host_store_load(dtq_host *h, const char *path, size_t bytes) {
    const int fd = dtq_private_open(path, O_RDONLY);
    struct stat st;
    const uint8_t *at = NULL;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == HEADER_BYTES + bytes) {
        char name[PATH_MAX];
        at = dtq_map(fd, name_of(fd, path, name), HEADER_BYTES + bytes, true);
    }
    if (fd >= 0)
        (void)close(fd);
    if (!at)
        return false;
    store_header header;
    memcpy(&header, at, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0 || header.bytes != bytes || header.stamp != stamp_of(h) ||
        header.checksum != dtq_hash64(at + HEADER_BYTES, bytes)) {
        dtq_unmap(at, HEADER_BYTES + bytes);
        return false;
    }
    h->weight_memory = (dtq_host_memory){(uint8_t *)(uintptr_t)at, HEADER_BYTES + bytes};
    h->weights_at = (uint8_t *)(uintptr_t)at + HEADER_BYTES;
    return true;
}

bool dtq_host_store_save(const dtq_host *h, const char *path, size_t bytes) {
    uint8_t *page = calloc(1, HEADER_BYTES);
    if (!page)
        return false;
    store_header header = {.stamp = stamp_of(h), .bytes = bytes, .checksum = dtq_hash64(h->weights_at, bytes)};
    memcpy(header.magic, magic, sizeof magic);
    memcpy(page, &header, sizeof header);
    const bool ok = dtq_write_private(path, (const dtq_part[]){{page, HEADER_BYTES}, {h->weights_at, bytes}}, 2);
    free(page);
    return ok;
}
