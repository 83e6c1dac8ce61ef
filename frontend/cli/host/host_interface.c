/* What generated host code says of itself: the banner of texts and the header beside objects and C. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/host/emit_host.h"
#include "frontend/cli/lengths.h"
#include "frontend/cli/version.h"
#include "runtime/machine_members.h"

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static void print_input(const dtq_program *p, FILE *out) {
    const dtq_layer *l = &p->streams[0].layers[0];
    if (p->streams[0].input == DTQ_INPUT_QKV)
        fprintf(out, "Input:      q float [%u][seq][%u], k and v float [%u][seq][%u]\n", l->heads, l->head_dim,
                l->kv_heads, l->head_dim);
    else
        fprintf(out, "Input:      tokens uint32_t [seq], each below %u; segments uint32_t [seq], or NULL for all 0\n",
                p->vocabulary);
}

static void print_output(const dtq_program *p, FILE *out) {
    const dtq_stream *s = &p->streams[0];
    if (s->output == DTQ_OUTPUT_POOLED)
        fprintf(out, "Output:     float [%u], one row for the whole input\n", s->output_width);
    else if (s->output == DTQ_OUTPUT_HIDDEN)
        fprintf(out, "Output:     float [seq][%u], rows of pruned tokens are 0\n", s->output_width);
    else
        fprintf(out, "Output:     float [%u][seq][%u], rows of pruned tokens are 0\n", s->layers[0].heads,
                s->layers[0].head_dim);
}

static void print_weights(arena *a, const dtq_program *p, FILE *out) {
    bool synthetic = false, relative = false;
    for (size_t i = 0; i < p->tensor_count; i++)
        synthetic = synthetic || p->tensors[i].file == UINT32_MAX;
    size_t shown = 0;
    for (size_t i = 0; i < p->file_count; i++) {
        if (!dtq_program_file_has_weights(p, i))
            continue;
        relative = relative || *p->files[i].path != '/';
        fprintf(out, "%s %s (%" PRIu64 " bytes)\n",
                shown++ ? "           " : "Weights:   ", diag_visible(a, p->files[i].path), p->files[i].bytes);
    }
    if (relative)
        fputs("            found from dtq_host_options.directory, else from the current directory\n", out);
    if (shown)
        fputs("            all of it is hashed when the model is opened: another file is refused\n", out);
    if (synthetic)
        fprintf(out, "%s seeded numbers, made when the model is opened\n", shown ? "           " : "Weights:   ");
    if (!p->tensor_count)
        fputs("Weights:    none\n", out);
}

static void print_facts(arena *a, const host_facts *f, FILE *out) {
    const dtq_program *p = f->plan;
    bool dispatch = strcmp(f->cpu, "dispatch") == 0, c = strcmp(f->cpu, "C") == 0;
    fprintf(out, "%s: the model %s as host code, made by dtqc %s\n\n", f->name, diag_visible(a, p->model),
            dtqc_this.version);
    fprintf(out, "Lengths:    %s tokens\n", lengths_text(a, p));
    print_input(p, out);
    print_output(p, out);
    fprintf(out, "Precision:  policy %s; %s%s%starget %s\n", diag_visible(a, f->policy),
            p->tensor_count ? "linears in " : "", p->tensor_count ? f->arithmetic : "", p->tensor_count ? "; " : "",
            diag_visible(a, p->machine->name));
    if (f->device)
        fputs("Attention:  by a device, whose instructions it carries: dtq_simulator, or dtq_host_options.device\n",
              out);
    print_weights(a, p, out);
    if (c)
        fputs("Processor:  any with 64 bits, little-endian\n", out);
    else if (dispatch)
        fputs("Processor:  x86-64-v2 or later; the best code for it is chosen when the model is opened\n", out);
    else
        fprintf(out, "Processor:  %s\n", strcmp(f->cpu, "native") == 0 ? "as good as the one it was made on" : f->cpu);
}

/* ---- how it is called -------------------------------------------------------------------------------------------- */

static void print_usage(const host_facts *f, FILE *out) {
    bool qkv = f->plan->streams[0].input == DTQ_INPUT_QKV;
    fputs("\nUse, linked with libdtqrt, libm and threads:\n\n", out);
    if (f->header)
        fprintf(out, "    #include \"%s\"\n", f->header);
    else
        fprintf(out, "    extern const dtq_host_model %s;      with #include \"runtime/dtqrt.h\"\n", f->name);
    fprintf(out,
            "    dtq_error e;\n"
            "    dtq_host *h = dtq_host_open(&%s, NULL, NULL, &e);\n"
            "    dtq_input in = {%s};\n"
            "    dtq_output out;\n"
            "    if (h && dtq_host_run(h, seq, &in, false, &out, &e)) {\n"
            "        ... out.data [out.count] ...\n"
            "        dtq_output_free(&out);\n"
            "    }\n"
            "    dtq_host_close(h);\n",
            f->name, qkv ? ".q = q, .k = k, .v = v" : ".tokens = ids");
    fputs("\n"
          "Opening decodes the plan, starts threads and lays the weights out; do it once. Errors: dtq_host_open gives "
          "NULL\n"
          "and dtq_host_run false, and e.message says why in words: a length without a plan, weights that changed, "
          "numbers\n"
          "that are not finite. Weights are mapped: who writes to their file meanwhile changes results, and who makes "
          "it\n"
          "shorter ends the process (SIGBUS); dtq_host_options.copy reads them into memory instead.\n"
          "Nothing of the "
          "input is kept; the output belongs to the caller.\n"
          "An instance serves one run at a time; several instances may run at once. The number of threads\n"
          "(dtq_host_options) and the processor never change a bit of the result, which is that of `dtqc run`.\n",
          out);
    fprintf(out, "Made for runtime interface %d (DTQ_HOST_ABI) and container version %d; another runtime refuses it.",
            DTQ_HOST_ABI, DTQ_CONTAINER_VERSION);
}

const char *host_interface_text(arena *a, const host_facts *f) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return f->name;
    print_facts(a, f, out);
    print_usage(f, out);
    fclose(out);
    const char *copy = arena_strdup(a, text);
    free(text);
    return copy;
}

void host_header_print(arena *a, const host_facts *f, FILE *out) {
    /* The text may hold names of files, which may hold what ends a comment. */
    const char *text = host_interface_text(a, f);
    fputs("/* ", out);
    for (const char *at = text; *at; at++) {
        fputc(*at, out);
        if (*at == '\n' && at[1] != '\n')
            fputs(" * ", out);
        else if (*at == '\n')
            fputs(" *", out);
        if (*at == '*' && at[1] == '/')
            fputc(' ', out);
    }
    fprintf(out,
            "\n */\n#ifndef DTQC_MODEL_%s_H\n#define DTQC_MODEL_%s_H\n\n#include \"runtime/dtqrt.h\"\n\n"
            "extern const dtq_host_model %s;\n\n#endif\n",
            f->name, f->name, f->name);
}
