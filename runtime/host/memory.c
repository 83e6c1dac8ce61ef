/* Anonymous memory for weights and runs. Pages of the usual size: two threads that first touch a large page together
 * both clear all of it. */
#include <sys/mman.h>

#include "runtime/host/host.h"
#include "runtime/unfinished.h"

bool dtq_host_memory_map(dtq_host_memory *m, size_t bytes, dtq_error *e) {
    *m = (dtq_host_memory){0};
    void *at = MAP_FAILED;
    if (bytes < SIZE_MAX / 2) /* a byte more, as there is no mapping of nothing */
        at = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return dtq_no_memory(e, bytes < SIZE_MAX / 2 ? bytes + 1 : bytes, "generated code");
    *m = (dtq_host_memory){at, bytes + 1};
    return true;
}

void dtq_host_memory_unmap(dtq_host_memory *m) {
    if (m->at)
        dtq_unmap(m->at, m->bytes);
    *m = (dtq_host_memory){0};
}

size_t dtq_host_reserve(size_t *used, size_t count, size_t size) {
    const size_t at = *used, most = SIZE_MAX / 4;
    if (at > most || (size != 0 && count > (most - at) / size)) {
        *used = SIZE_MAX;
        return 0;
    }
    *used = (at + count * size + DTQ_HOST_ALIGN - 1) / DTQ_HOST_ALIGN * DTQ_HOST_ALIGN;
    return at;
}
