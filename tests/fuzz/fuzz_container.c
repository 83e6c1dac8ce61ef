/* Any bytes, resealed with the right length and checksum so that the checks behind them are reached: decoded or
 * refused; what is decoded is verified, run for its timing and encoded without harm. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dtqrt.h"
#include "runtime/hash.h"
#include "tests/fuzz/fuzz.h"

/* The good assembly of the tests, as programs. */
int fuzz_seed(size_t index, FILE *out) {
    glob_t found;
    if (glob("tests/isa/good/*.dtasm", 0, NULL, &found) != 0)
        abort();
    const bool more = index < found.gl_pathc;
    if (more) {
        dtq_program *p;
        dtq_error e;
        char *text = NULL;
        size_t room = 0, bytes;
        uint8_t *data;
        FILE *f = fopen(found.gl_pathv[index], "r");
        ssize_t n = f ? getdelim(&text, &room, EOF, f) : -1;
        if (n < 0 || fclose(f) != 0 || !dtq_assemble("seed", text, (size_t)n, &p, &e) ||
            !dtq_program_encode(p, &data, &bytes, &e))
            abort();
        fwrite(data, 1, bytes, out);
        dtq_program_free(p);
        free(data);
        free(text);
    }
    globfree(&found);
    return more;
}

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
