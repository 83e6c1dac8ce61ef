/* dtqc run and the executables of compile --emit=exe: inputs, engines and results. Private to run*.c and exe/. */
#ifndef DTQ_CLI_RUN_H
#define DTQ_CLI_RUN_H

#include "frontend/cli/session.h"
#include "runtime/host/model.h"

/** Words of --engine: those of the runtime, then host code, alone and driving a device, and the simulator with
 *  hardware. */
typedef enum {
    ENGINE_SIM = DTQ_ENGINE_SIM,
    ENGINE_REF,
    ENGINE_FP32,
    ENGINE_HOST,
    ENGINE_DEVICE,
    ENGINE_RTL
} run_engine;

/** What a run took by a system's cost model, what it did in the place of shares that depend on data. */
typedef struct {
    bool known;
    double cycles, us, dram_bytes, energy_pj;
} run_price;

/** One input and what came of it. */
typedef struct {
    const char *text, *pair; /* NULL: tensors */
    uint32_t seq;
    bool truncated;
    const uint32_t *tokens, *segments; /* [seq]; segments may be NULL */
    const float *qkv[3];               /* [heads][seq][head_dim], of a bare attention */
    uint64_t shapes[3][3];             /* of q, k, v */
    const dtq_stream *stream;
    dtq_output out, fp32;       /* fp32: with --compare-fp32 */
    dtq_stats stats;            /* of the simulator */
    run_price price;            /* of a system's cost model */
    double least_ms, median_ms; /* of a run, with --repeat */
} run_case;

typedef struct {
    session *session;
    const char *path; /* of the model or program, for messages */
    run_engine engine;
    bool one_length;            /* a bare attention compiled here: whether the input fits it is told by its shape */
    const dtq_program *program; /* loaded, compiled or planned; one stream for each length */
    /* what the model or the program says */
    const char *vocabulary; /* file, or NULL */
    const char *beside;     /* what a program's names are relative to: its own; NULL: a model's */
    bool lower_case, qkv;
    uint32_t positions;
    uint64_t seed;            /* of --shuffle */
    const dtq_device *device; /* engine device: what computes attention */
    size_t count;
    run_case *cases;
} run_state;

/** Fills cases from --text, --pair or --input. */
bool run_read_inputs(run_state *r);

/** Finds the stream of every case, and checks that q, k and v have the shapes that it wants. */
bool run_find_streams(run_state *r);
dtq_input run_input(const run_case *c);
bool run_check_shapes(run_state *r, const run_case *c);

/** Whether the engine runs generated code. */
static inline bool run_is_generated(run_engine e) {
    return e == ENGINE_HOST || e == ENGINE_DEVICE;
}
/** Whether cases have cycles of the simulator. */
static inline bool run_is_simulated(const run_state *r) {
    return r->engine == ENGINE_SIM || (r->engine == ENGINE_DEVICE && r->device == &dtq_simulator);
}

/** Runs a case once or, with --repeat, as often as it says: `once` fills c->out, which is released between runs. */
typedef bool run_once(run_state *r, run_case *c, void *how);
bool run_repeatedly(run_state *r, run_case *c, run_once *once, void *how);

/** Runs all cases on generated code. `plan`: NULL for its own, which then becomes r->program and lives as long
 *  as the caller keeps *host open. Streams are found, shapes checked. `directory` and `store` as dtq_host_options'. */
bool run_open_host(run_state *r, const dtq_host_model *code, const dtq_program *plan, const char *directory,
                   const char *store, dtq_known *known, dtq_host **host);
bool run_on_host(run_state *r, dtq_host *host);
/** What --device says. */
const dtq_device *run_device(const session *s);

/** Names the first difference between what a case computed and the scalar reference's output; false if there is one. */
bool run_same_output(run_state *r, const run_case *c, const dtq_output *reference);

/** Releases outputs and statistics. */
void run_release(run_state *r);

/** What the results look like: dims of the output tensor, and its name in files. */
size_t run_output_shape(const run_case *c, uint64_t shape[3]);
bool run_is_pooled(const run_case *c);
/** Cosine of two outputs of the same width; 0 if one is zero. */
double run_cosine(const dtq_output *a, const dtq_output *b);

/** Prints the results as --json says: text to session.words, or JSON to standard output. */
void run_print(const run_state *r);
/** Writes --output. */
bool run_write_tensors(const run_state *r, const char *path);

#endif
