/* IR of any level as text, as a hand that edits it would leave it: compiled from there on, or refused; never an
 * internal error. What is compiled is proved, and takes the cycles that were counted. */
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/options.h"
#include "tests/fuzz/fuzz.h"

/* Larger ones take long, and are wrong in no other way. */
enum { MOST_BYTES = 1 << 16 };

static const char attention[] = "attention: {tokens: 7, heads: 2, head_dim: 5}\n";
static const char encoder[] = "transformer: {layers: 2, hidden: 12, heads: 2, ffn: 8, positions: 8, vocabulary: 9}\n"
                              "weights: {seed: 1}\n";
static const char decoder[] =
    "transformer: {layers: 2, hidden: 12, heads: 2, kv_heads: 1, ffn: 8, activation: silu, norm: pre, causal: true,\n"
    "              positions: 8, vocabulary: 9, norm_kind: rms, position_kind: rotary, gated: true}\n"
    "weights: {seed: 2}\n";
static const char policy[] = "all: {ratios: {0: .25, 4: .5, 8: .25}}\n";
static const char target[] = "kind: vssa\nvssa: {arrays: 2, rows: 3, cols: 2}\n";
static const char linears[] = "linear: vssa\nkind: vssa\nvssa: {arrays: 2, rows: 3, cols: 2}\n";

typedef struct {
    const char *model, *target, *queries;
} origin;
static const origin origins[] = {{attention, target, NULL},
                                 {encoder, target, NULL},
                                 {decoder, target, NULL},
                                 {encoder, linears, NULL},
                                 {decoder, target, "2"}};
enum { ORIGINS = sizeof origins / sizeof *origins };

/* Dumps at every level that dtqc has a word for. */
int fuzz_seed(size_t index, FILE *out) {
    const char *levels = option_table[OPT_dump_ir].words;
    size_t level_count = 1;
    for (const char *c = levels; *c; c++)
        level_count += *c == '|';
    if (index >= ORIGINS * level_count)
        return 0;
    const origin *o = &origins[index / level_count];
    for (size_t level = index % level_count; level > 0; level--)
        levels = strchr(levels, '|') + 1;
    char dump[64], *text;
    size_t bytes;
    snprintf(dump, sizeof dump, "--dump-ir=%.*s", (int)strcspn(levels, "|"), levels);
    fuzz_write("model.yaml", o->model, strlen(o->model));
    fuzz_write("policy.yaml", policy, strlen(policy));
    fuzz_write("target.yaml", o->target, strlen(o->target));
    FILE *words = open_memstream(&text, &bytes);
    const char *const command[] = {"compile",  fuzz_path("model.yaml"),
                                   "--policy", fuzz_path("policy.yaml"),
                                   "--target", fuzz_path("target.yaml"),
                                   dump,       o->queries ? "--queries" : NULL,
                                   o->queries, NULL};
    if (!words || fuzz_command(words, command) != 0 || fclose(words) != 0)
        fuzz_fail("a good model is refused");
    /* Behind the dump stands what compile says; before it, a line that names it. */
    const char *from = text, *to = text + bytes;
    if (strncmp(from, "# ---", 5) == 0)
        from = strchr(from, '\n') + 1;
    fwrite(from, 1, (size_t)(to - from), out);
    free(text);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes > MOST_BYTES)
        return 0;
    fuzz_write("in.dtir", data, bytes);
    const char *in = fuzz_path("in.dtir"), *made = fuzz_path("out.dtq");
    FUZZ_COMMAND("opt", in, "--passes=timeline", "-o", "-");
    if (FUZZ_COMMAND("compile", in, "-o", made) == 0)
        fuzz_check_program(made, true);
    return 0;
}
