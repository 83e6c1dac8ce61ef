/* Prepared weights kept in a file for the next process: what quantising and packing made, as it lies in memory. The
 * file is mapped, so what is not used costs nothing. A stamp of everything that decides its contents makes a stale file
 * none, a checksum a damaged one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/file.h"
#include "runtime/hash.h"
#include "runtime/host/host.h"
#include "runtime/numerics/weights.h"

enum { HEADER_BYTES = 4096, SUM_LANES = 8 }; /* a page, so that weights are aligned as in memory of their own */

typedef struct {
    char magic[8];
    uint64_t stamp, bytes, checksum;
} store_header;

static const char magic[8] = "DTQWGHT1";

/* Multiplications that do not wait for each other: the file is read at the speed of memory. */
static uint64_t checksum(const uint8_t *data, size_t bytes) {
    uint64_t lanes[SUM_LANES] = {0}, word;
    size_t i = 0;
    for (; i + SUM_LANES * sizeof word <= bytes; i += SUM_LANES * sizeof word) {
        for (size_t l = 0; l < SUM_LANES; l++) {
            memcpy(&word, data + i + l * sizeof word, sizeof word);
            lanes[l] = (lanes[l] ^ word) * 0x9e3779b97f4a7c15u;
        }
    }
    return dtq_fnv1a(dtq_fnv1a(DTQ_FNV1A_START, lanes, sizeof lanes), data + i, bytes - i);
}

static uint64_t stamp_number(uint64_t hash, uint64_t number) {
    return dtq_fnv1a(hash, &number, sizeof number);
}

/* Of the model's layouts, the tensors they are of, the files these lie in as they are now, and the processor's kernels.
 */
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
    }
    for (size_t i = 0; i < h->plan->file_count; i++) {
        hash = stamp_number(stamp_number(hash, h->plan->files[i].hash), dtq_weights_file_stamp(h->weights, i));
    }
    return hash;
}

bool dtq_host_store_load(dtq_host *h, const char *path, size_t bytes) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *at = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == HEADER_BYTES + bytes) {
        at = mmap(NULL, HEADER_BYTES + bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (at == MAP_FAILED) {
        return false;
    }
    store_header header;
    memcpy(&header, at, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0 || header.bytes != bytes || header.stamp != stamp_of(h) ||
        header.checksum != checksum((const uint8_t *)at + HEADER_BYTES, bytes)) {
        (void)munmap(at, HEADER_BYTES + bytes);
        return false;
    }
    h->weight_memory = (dtq_host_memory){at, HEADER_BYTES + bytes};
    h->weights_at = (uint8_t *)at + HEADER_BYTES;
    return true;
}

bool dtq_host_store_save(const dtq_host *h, const char *path, size_t bytes) {
    uint8_t *page = calloc(1, HEADER_BYTES);
    if (page == NULL) {
        return false;
    }
    store_header header = {.stamp = stamp_of(h), .bytes = bytes, .checksum = checksum(h->weights_at, bytes)};
    memcpy(header.magic, magic, sizeof magic);
    memcpy(page, &header, sizeof header);
    const bool ok = dtq_replace_file(path, (const dtq_part[]){{page, HEADER_BYTES}, {h->weights_at, bytes}}, 2);
    free(page);
    return ok;
}
