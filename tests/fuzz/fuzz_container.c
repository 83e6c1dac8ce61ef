/* Any bytes, resealed with the right length and checksum so that the checks behind them are reached: decoded or
 * refused; what is decoded is verified, run for its timing and encoded without harm. */
#include <stdlib.h>
#include <string.h>

#include "runtime/dtqrt.h"
#include "runtime/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/** Length and checksum as runtime/isa/ISA.md says. */
static void reseal(uint8_t *data, size_t bytes) {
    const uint64_t hash = dtq_checksum(data + 24, bytes - 24), total = bytes;
    memcpy(data + 8, &total, sizeof total);
    memcpy(data + 16, &hash, sizeof hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    dtq_program *p;
    dtq_error e;
    uint8_t *sealed = malloc(bytes ? bytes : 1);
    if (!sealed)
        return 0;
    if (bytes)
        memcpy(sealed, data, bytes);
    if (bytes >= 40)
        reseal(sealed, bytes);
    bool decoded = dtq_program_decode(sealed, bytes, &p, &e);
    free(sealed);
    if (!decoded)
        return 0;
    for (size_t i = 0; i < p->stream_count; i++) {
        dtq_run_options o = {.timing_only = true};
        dtq_output none = {0};
        if (dtq_verify(p, &p->streams[i], &e) && p->streams[i].count < 1000)
            dtq_run(p, &p->streams[i], NULL, NULL, &o, &none, NULL, false, &e);
    }
    uint8_t *again;
    size_t again_bytes;
    if (dtq_program_encode(p, &again, &again_bytes, &e))
        free(again);
    dtq_program_free(p);
    return 0;
}
