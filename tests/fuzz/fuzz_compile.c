/* Any bytes as a choice of model, target, policy and length, each written as its file: compiled or refused, never an
 * internal error. What is compiled is proved, takes the cycles that were counted, and gives the reference's numbers. */
#include <stdbool.h>
#include <string.h>

#include "runtime/dtqrt.h"
#include "tests/fuzz/fuzz.h"

enum { TOKENS_MOST = 24 };

typedef struct {
    const uint8_t *data;
    size_t bytes;
} choices;

/* A number in [lo, hi]; lo once the bytes have run out. */
static uint32_t choose(choices *c, uint32_t lo, uint32_t hi) {
    uint32_t value = 0;
    for (int i = 0; i < (hi - lo > 255 ? 4 : 1) && c->bytes; i++) {
        value = value << 8 | *c->data++;
        c->bytes--;
    }
    return hi - lo == UINT32_MAX ? value : lo + value % (hi - lo + 1);
}

/* One of the words of "a|b|c". */
static void put_word(choices *c, FILE *out, const char *words) {
    uint32_t count = 1;
    for (const char *at = words; *at; at++)
        count += *at == '|';
    for (uint32_t skip = choose(c, 0, count - 1); skip > 0; skip--)
        words = strchr(words, '|') + 1;
    fprintf(out, "%.*s", (int)strcspn(words, "|"), words);
}

static FILE *begin(const char *name) {
    FILE *out = fopen(fuzz_path(name), "w");
    if (!out)
        fuzz_fail("a file cannot be written");
    return out;
}

/* Returns how many attention layers it has. Most of what would be refused is not written: parsers have targets of their
 * own. */
static uint32_t put_model(choices *c) {
    FILE *out = begin("model.yaml");
    const uint32_t kv_heads = choose(c, 1, 3), heads = kv_heads * choose(c, 1, 3), head_dim = choose(c, 1, 9);
    const uint32_t layers = choose(c, 0, 4), end = choose(c, 0, 3), rotary = choose(c, 0, 2) == 0;
    const char *causal = choose(c, 0, 1) ? "true" : "false";
    if (layers == 0) {
        fprintf(out, "attention: {tokens: %u, heads: %u, kv_heads: %u, head_dim: %u, causal: %s}\n",
                choose(c, 1, TOKENS_MOST), heads, kv_heads, head_dim, causal);
        fclose(out);
        return 1;
    }
    fprintf(out, "transformer: {layers: %u, hidden: %u, heads: %u, kv_heads: %u, head_dim: %u, ffn: %u, causal: %s, ",
            layers, choose(c, 1, 20), heads, kv_heads, rotary ? head_dim + head_dim % 2 : head_dim, choose(c, 1, 20),
            causal);
    fprintf(out, "positions: %d, vocabulary: 9, gated: %s, activation: ", TOKENS_MOST,
            choose(c, 0, 1) ? "true" : "false");
    put_word(c, out, "gelu|gelu_tanh|relu|silu|tanh");
    fputs(", norm: ", out);
    put_word(c, out, "post|pre");
    fputs(", norm_kind: ", out);
    put_word(c, out, "layer|rms");
    fprintf(out, ", position_kind: %s, %s: ", rotary ? "rotary" : "learned", end == 1 ? "head" : "pooling");
    put_word(c, out, end == 0 ? "none" : end == 1 ? "tied|own" : "mean|first|last");
    fprintf(out, "%s}\nweights: {seed: %u}\n", end == 2 ? ", normalize: true" : "", choose(c, 0, 255));
    fclose(out);
    return layers;
}

/* Any parameters, but near the least or their defaults: a buffer of a terabyte is no other case than one of a
 * megabyte, and simulated cycles take real time. */
static bool put_target(choices *c) {
    bool linears = false;
    FILE *out = begin("target.yaml");
    const char *section = "";
    fprintf(out, "kind: %s\n", choose(c, 0, 7) ? "vssa" : "systolic");
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        if (choose(c, 0, 1) == 0)
            continue;
        bool top = strcmp(p->section, "top") == 0;
        if (!top && strcmp(p->section, section) != 0)
            fprintf(out, "%s:\n", section = p->section);
        fprintf(out, "%s%s: ", top ? "" : "  ", p->name);
        if (p->kind == DTQ_PARAM_ENUM) {
            bool is_linear = strcmp(p->name, "linear") == 0;
            linears = is_linear && choose(c, 0, 2) == 0;
            if (is_linear)
                fputs(linears ? "vssa" : "host", out);
            else
                put_word(c, out, p->words);
        } else if (p->kind == DTQ_PARAM_INT) {
            double most = strcmp(p->section, "buffers") == 0 ? 65536 : strcmp(p->section, "vssa") == 0 ? 9 : 70;
            most = p->hi < most ? p->hi : most;
            fprintf(out, "%u", choose(c, (uint32_t)p->lo, (uint32_t)most));
        } else {
            fprintf(out, "%.6g", p->lo + (p->def > 0 ? p->def : 1) * choose(c, 0, 20) / 10);
        }
        fputc('\n', out);
    }
    fclose(out);
    return linears;
}

static void put_shares(choices *c, FILE *out) {
    uint32_t low = choose(c, 0, 10), none = choose(c, 0, 10 - low);
    fprintf(out, "{ratios: {0: %.1f, 4: %.1f, 8: %.1f}", none / 10.0, low / 10.0, (10 - low - none) / 10.0);
    if (choose(c, 0, 3) == 0)
        fprintf(out, ", pinned: [%d]", (int)choose(c, 0, 3) - 1);
    fputc('}', out);
}

static void put_policy(choices *c, uint32_t model_layers) {
    FILE *out = begin("policy.yaml");
    uint32_t layers = choose(c, 0, 15) ? choose(c, 0, 1) * model_layers : choose(c, 0, 4);
    if (choose(c, 0, 2) == 0)
        fputs("prune: keys\n", out);
    fputs(layers ? "layers:\n" : "all: ", out);
    for (uint32_t i = 0; i < (layers ? layers : 1); i++) {
        fputs(layers ? "- " : "", out);
        put_shares(c, out);
        fputc('\n', out);
    }
    fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    choices c = {data, bytes};
    char seq[16], queries[16];
    snprintf(seq, sizeof seq, "%u", choose(&c, 1, TOKENS_MOST));
    snprintf(queries, sizeof queries, "%u", choose(&c, 1, 3));
    bool steps = choose(&c, 0, 7) == 0;
    const char *linear = choose(&c, 0, 1) ? "--linear=int8" : "--linear=fp32";
    const char *optimise = choose(&c, 0, 3) ? "-O1" : "-O0";
    uint32_t layers = put_model(&c);
    bool linears = put_target(&c);
    put_policy(&c, layers);
    const char *model = fuzz_path("model.yaml"), *target = fuzz_path("target.yaml"), *policy = fuzz_path("policy.yaml");
    const char *made = fuzz_path("out.dtq");
    const char *words[32] = {"compile", model, "--target", target, "--policy", policy, "-o", made, optimise};
    size_t n = 9;
    if (steps) {
        words[n++] = "--queries";
        words[n++] = queries;
    }
    if (!linears)
        words[n++] = linear;
    words[n++] = "--seq";
    words[n++] = seq;
    int code = fuzz_command(NULL, words);
    if (code == 0)
        fuzz_check_program(made, false);
    return 0;
}
