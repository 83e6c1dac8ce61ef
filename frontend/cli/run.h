/* dtqc run: its inputs and results. Private to run*.c. */
#ifndef DTQ_CLI_RUN_H
#define DTQ_CLI_RUN_H

#include "frontend/cli/pipeline.h"

/** One input and what came of it. */
typedef struct {
    const char *text, *pair; /* NULL: tensors */
    uint32_t seq;
    bool truncated;
    const uint32_t *tokens, *segments; /* [seq]; segments may be NULL */
    const float *qkv[3];               /* [heads][seq][head_dim], of a bare attention */
    uint64_t shapes[3][3];             /* of q, k, v */
    const dtq_stream *stream;
    dtq_output out, fp32; /* fp32: with --compare-fp32 */
    dtq_stats stats;      /* of the simulator */
} run_case;

typedef struct {
    session *session;
    const char *path;
    bool from_program;
    source source;        /* of a model */
    dtq_program *program; /* loaded or compiled; one stream for each length */
    compiled *compiled;   /* [stream_count], of a model */
    dtq_weights *weights;
    /* what the model or the program says */
    const char *vocabulary; /* file, or NULL */
    bool lower_case, qkv;
    uint32_t positions;
    uint64_t seed; /* of --shuffle */
    size_t count;
    run_case *cases;
} run_state;

/** Fills cases from --text, --pair or --input. */
bool run_read_inputs(run_state *r);
/** After compiling: q, k and v have the shapes that the case's stream wants. */
bool run_check_shapes(run_state *r, const run_case *c);

/** What the results look like: dims of the output tensor, and its name in files. */
size_t run_output_shape(const run_case *c, uint64_t shape[3]);
bool run_is_pooled(const run_case *c);
/** Cosine of two outputs of the same width; 0 if one is zero. */
double run_cosine(const dtq_output *a, const dtq_output *b);

void run_print_text(const run_state *r, FILE *out);
void run_print_json(const run_state *r, FILE *out);
/** Writes --output. */
bool run_write_tensors(const run_state *r, const char *path);

#endif
