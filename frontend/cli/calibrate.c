/* dtqc calibrate: the ranges of queries and keys over a text, and from them the constants that balance them. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/pipeline.h"
#include "frontend/models/models.h"
#include "frontend/tokenizer/tokenizers.h"
#include "ir/base/file.h"

enum { DATA_BYTES = 1 << 30, LEAST_TOKENS = 2 };

/* ---- what is seen ------------------------------------------------------------------------------------------------ */

typedef struct {
    double *sum;  /* [width] of keys */
    double *mean; /* [width], in the end */
    float *least, *largest, *query;
} layer_seen;

typedef struct {
    uint32_t layers, heads, kv_heads, head_dim;
    layer_seen *seen; /* [layers] */
    uint64_t tokens;
} calibration;

static void begin(session *s, calibration *c, const dtq_stream *stream) {
    const dtq_layer *l = &stream->layers[0];
    *c = (calibration){stream->layer_count, l->heads, l->kv_heads, l->head_dim, NULL, 0};
    c->seen = ARENA_ARRAY(s->arena, layer_seen, c->layers);
    size_t width = (size_t)c->kv_heads * c->head_dim;
    for (uint32_t i = 0; i < c->layers; i++) {
        layer_seen *seen = &c->seen[i];
        *seen = (layer_seen){ARENA_ARRAY(s->arena, double, width), ARENA_ARRAY(s->arena, double, width),
                             ARENA_ARRAY(s->arena, float, width), ARENA_ARRAY(s->arena, float, width),
                             ARENA_ARRAY(s->arena, float, width)};
        for (size_t k = 0; k < width; k++) {
            seen->least[k] = INFINITY;
            seen->largest[k] = -INFINITY;
        }
    }
}

static void see_key(layer_seen *seen, const float *row, size_t width) {
    for (size_t k = 0; k < width; k++) {
        seen->sum[k] += (double)row[k];
        seen->least[k] = fminf(seen->least[k], row[k]);
        seen->largest[k] = fmaxf(seen->largest[k], row[k]);
    }
}

/* Channels of a query belong to those of the key/value head that its head shares. */
static void see_query(const calibration *c, layer_seen *seen, const float *row) {
    for (uint32_t h = 0; h < c->heads; h++) {
        float *most = seen->query + (size_t)(h / (c->heads / c->kv_heads)) * c->head_dim;
        for (uint32_t k = 0; k < c->head_dim; k++)
            most[k] = fmaxf(most[k], fabsf(row[(size_t)h * c->head_dim + k]));
    }
}

static void see(void *user, uint32_t layer, dtq_operand operand, const float *rows, uint32_t seq, uint32_t width) {
    calibration *c = user;
    for (size_t i = 0; i < seq; i++)
        if (operand == DTQ_K)
            see_key(&c->seen[layer], rows + i * width, width);
        else if (operand == DTQ_Q)
            see_query(c, &c->seen[layer], rows + i * width);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Runs the model in float32 on one text. */
static bool run_text(session *s, const source *src, const token_list *t, calibration *c) {
    static const pass_options quiet = {.dump_level = -1, .optimise = true};
    compiled made;
    if (!compile_length(s, src, (uint32_t)t->count, true, &quiet, &made))
        return false;
    dtq_program *p = make_program(s, &made, 1);
    if (!p)
        return false;
    if (!c->seen)
        begin(s, c, &p->streams[0]);
    dtq_error e;
    dtq_weights *w = dtq_weights_open_with(p, &(dtq_weights_options){.known = known_files(s)}, &e);
    dtq_run_options o = {.engine = DTQ_ENGINE_FP32,
                         .threads = (unsigned)value(s, OPT_threads)->number,
                         .observer = see,
                         .user = c,
                         .allow_nonfinite = given(s, OPT_allow_nonfinite)};
    dtq_input input = {.tokens = t->ids, .segments = t->segments};
    dtq_output out = {0};
    bool ok = w && dtq_run(p, &p->streams[0], w, &input, &o, &out, NULL, false, &e) && dtq_weights_unchanged(w, &e);
    dtq_output_free(&out);
    if (w)
        dtq_weights_close(w);
    c->tokens += t->count;
    return ok || runtime_error(s, &e, true);
}

/* Every line is a text; lines too short to have a past are left out. */
static bool run_lines(session *s, const source *src, const tokenizer *words, char *text, calibration *c) {
    const char *path = value(s, OPT_data)->text;
    uint64_t most = given(s, OPT_limit) ? (uint64_t)value(s, OPT_limit)->number : UINT64_MAX, done = 0;
    bool progress = isatty(STDERR_FILENO), ok = true;
    encode_options o = {.limit = tokenizer_limit(words, model_positions(src->model))};
    uint32_t line = 0;
    for (char *at = text; at && *at && ok && done < most;) {
        char *end = strchr(at, '\n');
        size_t n = end ? (size_t)(end - at) : strlen(at);
        token_list t;
        line++;
        if (!tokenizer_encode(words, s->arena, s->diag, at, n, &o, &t))
            return diag_error(s->diag, (src_loc){path, line, 0}, "the text cannot be read");
        if (t.count >= LEAST_TOKENS) {
            ok = run_text(s, src, &t, c);
            done++;
        }
        if (progress)
            fprintf(stderr, "\rline %u", line);
        at = end ? end + 1 : NULL;
    }
    if (progress)
        fputs("\r\033[K", stderr);
    return ok && (done || diag_error(s->diag, (src_loc){path, 0, 0}, "has no line of %d tokens or more", LEAST_TOKENS));
}

static bool write_constants(session *s, const calibration *c, const char *path) {
    balance_range *ranges = ARENA_ARRAY(s->arena, balance_range, c->layers);
    size_t width = (size_t)c->kv_heads * c->head_dim;
    for (uint32_t l = 0; l < c->layers; l++) {
        layer_seen *seen = &c->seen[l];
        for (size_t k = 0; k < width; k++)
            seen->mean[k] = seen->sum[k] / (double)c->tokens;
        ranges[l] = (balance_range){width, seen->mean, seen->least, seen->largest, seen->query};
    }
    return balance_write(s->arena, s->diag, path, ranges, c->layers, c->heads, c->kv_heads);
}

bool command_calibrate(session *s) {
    if (!given(s, OPT_data) || !given(s, OPT_output))
        return usage_error(s, "give a text (--data) and the file to write (--output)");
    const char *path = value(s, OPT_output)->text;
    if (is_stdout(path))
        return usage_error(s, "--output: tensors go to a file");
    source src;
    if (!source_open(s, s->options->operands[0], &src))
        return false;
    if (!src.model || model_is_attention(src.model) || !model_vocabulary(src.model))
        return diag_error(s->diag, (src_loc){src.path, 0, 0},
                          "cannot be calibrated: a model with a vocabulary is wanted");
    tokenizer *words = model_tokenizer(src.model, s->arena, s->diag);
    size_t bytes;
    char *text = words ? file_read(s->arena, s->diag, value(s, OPT_data)->text, DATA_BYTES, &bytes) : NULL;
    calibration c = {0};
    if (!text || !run_lines(s, &src, words, text, &c) || !write_constants(s, &c, path))
        return false;
    fprintf(s->words, "%s: constants of %u layers from %llu tokens\n", diag_visible(s->arena, path), c.layers,
            (unsigned long long)c.tokens);
    return true;
}
