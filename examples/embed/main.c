/* A model inside a program, twice: as an object file with code for every x86-64, and as C for any processor. Both must
 * give the same bits. Usage: embed TOKENS FILE; writes the output of the model as raw floats to FILE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as_c.h"
#include "as_object.h"

enum { TOKENS_MOST = 512, VOCABULARY = 30522 };

static bool run(const char *name, const dtq_host_model *model, uint32_t seq, dtq_output *out) {
    dtq_error e;
    dtq_host *h = dtq_host_open(model, NULL, NULL, &e);
    uint32_t tokens[TOKENS_MOST];
    for (uint32_t i = 0; i < seq; i++)
        tokens[i] = (i * 2654435761u + 17) % VOCABULARY;
    dtq_input in = {.tokens = tokens};
    bool ok = h && dtq_host_run(h, seq, &in, false, out, &e);
    if (ok)
        printf("%-10s %u tokens, %zu numbers, the first %.9g\n", name, seq, out->count, (double)out->data[0]);
    else
        fprintf(stderr, "embed: %s: %s\n", name, e.message);
    dtq_host_close(h);
    return ok;
}

static bool write_floats(const char *path, const dtq_output *out) {
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(out->data, sizeof *out->data, out->count, f) == out->count;
    if (f && fclose(f) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "embed: %s cannot be written\n", path);
    return ok;
}

int main(int argc, char **argv) {
    long seq = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    if (seq < 1 || seq > TOKENS_MOST) {
        fprintf(stderr, "usage: embed TOKENS FILE, with 1 to %d tokens\n", TOKENS_MOST);
        return 2;
    }
    dtq_output object = {0}, c = {0};
    bool ok = run("as object", &as_object, (uint32_t)seq, &object) && run("as C", &as_c, (uint32_t)seq, &c);
    if (ok && (object.count != c.count || memcmp(object.data, c.data, c.count * sizeof *c.data) != 0)) {
        fputs("embed: the two differ\n", stderr);
        ok = false;
    }
    ok = ok && write_floats(argv[2], &object);
    dtq_output_free(&object);
    dtq_output_free(&c);
    return ok ? 0 : 1;
}
