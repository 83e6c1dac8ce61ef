/* ONNX models: the graph node by node, then the encoder that it is, with the weights where they lie in the file.
 *
 * The first output of the graph is the model's. The file's surroundings, or those of the directory above, say what a
 * Hugging Face directory says: vocabulary, and pooling if the graph does not pool.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "frontend/onnx/bindings.h"
#include "frontend/onnx/explain.h"
#include "frontend/onnx/import.h"
#include "ir/base/file.h"
#include "ir/base/path.h"

static bool bind(importer *im, const bindings *b, const char *name, const term *value, size_t node) {
    binding *slot = bindings_slot(b, name);
    if (slot->name)
        return diag_error(im->d, (src_loc){im->graph->path, 0, 0}, "'%.80s' is made twice", name);
    *slot = (binding){name, value, node};
    return true;
}

/* ---- inputs -------------------------------------------------------------------------------------------------------
 */

static const term *input_term(importer *im, const onnx_value *v) {
    static const struct {
        const char *name;
        term_kind kind;
    } known[] = {{"mask", TERM_UNIFORM},
                 {"type", TERM_TYPES},
                 {"segment", TERM_TYPES},
                 {"position", TERM_NUMBERS},
                 {"ids", TERM_IDS}};
    const int64_t dims[2] = {1, im->seq};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!strstr(v->name, known[i].name))
            continue;
        if (known[i].kind == TERM_NUMBERS) {
            double *values = ARENA_ARRAY(im->a, double, (size_t)im->seq);
            for (int64_t at = 0; at < im->seq; at++)
                values[at] = (double)at;
            return term_numbers_new(im, 2, dims, v->type, values);
        }
        term *t = term_new(im, known[i].kind, NULL, NULL);
        t->number = 1;
        t->type = v->type;
        return term_with_dims(im, t, 2, dims);
    }
    return NULL;
}

/** Keys or values of earlier tokens: there are none. NULL if the input is none of these. */
static const term *past_term(importer *im, const onnx_value *v) {
    if (!strstr(v->name, "past") || !v->shaped || v->rank != 4)
        return NULL;
    const int64_t dims[4] = {1, v->dims[1] ? (int64_t)v->dims[1] : 1, 0, v->dims[3] ? (int64_t)v->dims[3] : 1};
    return v->dims[2] ? NULL : term_numbers_new(im, 4, dims, v->type, NULL);
}

/** The length that the graph is for; 0: any. */
static int64_t fixed_length(const onnx_graph *g) {
    for (size_t i = 0; i < g->input_count; i++)
        if (g->inputs[i].shaped && g->inputs[i].rank == 2 && g->inputs[i].dims[1] &&
            g->inputs[i].dims[1] <= MODEL_MAX_TOKENS)
            return (int64_t)g->inputs[i].dims[1];
    return 0;
}

static bool bind_inputs(importer *im, const bindings *b) {
    const onnx_graph *g = im->graph;
    src_loc whole = {g->path, 0, 0};
    for (size_t i = 0; i < g->input_count; i++) {
        const onnx_value *v = &g->inputs[i];
        if (bindings_slot(b, v->name)->name)
            continue; /* an initializer that may be overridden */
        const term *t = past_term(im, v);
        if (t) {
            if (!bind(im, b, v->name, t, 0))
                return false;
            continue;
        }
        t = input_term(im, v);
        bool two = !v->shaped || v->rank == 2;
        if (!t || !two ||
            (v->type != ONNX_INT64 && v->type != ONNX_INT32 && v->type != ONNX_FLOAT && v->type != ONNX_BOOL))
            return diag_error(im->d, whole,
                              "input '%.80s' is none that is known; there may be input_ids, attention_mask, "
                              "token_type_ids and position_ids, each [batch, sequence], and past keys and values",
                              v->name);
        if (v->shaped && v->dims[0] > 1)
            return diag_error(im->d, whole,
                              "input '%.80s' is a batch of %llu; export with a batch of one, or of any size", v->name,
                              (unsigned long long)v->dims[0]);
        if (v->shaped && v->dims[1] && (int64_t)v->dims[1] != im->seq)
            return diag_error(im->d, whole, "input '%.80s' is of %llu tokens, another of %lld", v->name,
                              (unsigned long long)v->dims[1], (long long)im->seq);
        if (!bind(im, b, v->name, t, 0))
            return false;
    }
    return true;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------
 */

static bool read_node(importer *im, const bindings *b, size_t index) {
    const onnx_node *n = &im->graph->nodes[index];
    im->node = n;
    memset(im->in, 0, sizeof im->in);
    memset(im->out, 0, sizeof im->out);
    for (size_t i = 0; i < n->input_count && i < ONNX_MAX_INPUTS; i++) {
        const binding *slot = bindings_slot(b, n->inputs[i]);
        if (*n->inputs[i] && !slot->name)
            return diag_error(im->d, (src_loc){im->graph->path, 0, 0},
                              "node \"%.80s\" (%.40s): its input '%.80s' is made by no node before it", n->name, n->op,
                              n->inputs[i]);
        im->in[i] = slot->name ? slot->value : NULL;
    }
    const term *out = onnx_apply(im);
    for (size_t i = 0; i < n->output_count; i++) {
        const term *other = i < ONNX_MAX_OUTPUTS && im->out[i] ? im->out[i] : NULL;
        const term *t = i == 0 || out->kind == TERM_UNKNOWN ? out
                        : other                             ? other
                                                            : term_unknown(im, "this output of it is not known");
        if (*n->outputs[i] && !bind(im, b, n->outputs[i], t, index + 1))
            return false;
    }
    return true;
}

/** Numbers are float32, some of them products; or float16. */
static double nearness(const onnx_graph *g) {
    bool half = false;
    for (size_t i = 0; i < g->tensor_count; i++)
        half = half || g->tensors[i].type == ONNX_FLOAT16;
    return half ? 1e-3 : 1e-5;
}

/** What the graph gives: its first output; of two that are the columns of one linear, as the first and the last tokens
 * of answers are scored, both. */
static const term *output_of(const onnx_graph *g, const bindings *b, const term *first) {
    const term *second = g->output_count == 2 && bindings_slot(b, g->outputs[1].name)->name
                             ? bindings_slot(b, g->outputs[1].name)->value
                             : first;
    bool both = first->kind == TERM_LINEAR && second->kind == TERM_LINEAR && first->b && first->b == second->b &&
                first->width == 1 && second->width == 1 && first->b->width == 2;
    return both && first->weight->offset < second->weight->offset ? first->b : first;
}

static bool read_graph(importer *im, model *m) {
    const onnx_graph *g = im->graph;
    im->near = nearness(g);
    src_loc whole = {g->path, 0, 0};
    size_t names = g->tensor_count + g->input_count + 1;
    for (size_t i = 0; i < g->node_count; i++)
        names += g->nodes[i].output_count + 1;
    bindings b = bindings_new(im->a, names);
    for (size_t i = 0; i < g->tensor_count; i++)
        if (!bind(im, &b, g->tensors[i].name, term_constant(im, &g->tensors[i]), 0))
            return false;
    if (!bind_inputs(im, &b))
        return false;
    for (size_t i = 0; i < g->node_count; i++)
        if (!read_node(im, &b, i))
            return false;
    if (g->output_count == 0 || !bindings_slot(&b, g->outputs[0].name)->name)
        return diag_error(im->d, whole, "has no output, or one that no node makes");
    const term *out = output_of(g, &b, bindings_slot(&b, g->outputs[0].name)->value);
    im->fates = onnx_fates(im, &b, g->outputs[0].name);
    if (!onnx_report(im) || !encoder_read(im, out, m))
        return false;
    return true;
}

/* ---- the file and what lies around it -----------------------------------------------------------------------------
 */

static bool read_surroundings(arena *a, diag *d, const char *path, model *m) {
    const char *beside = path_beside(a, path, "."), *above = path_beside(a, path, "..");
    bool here = path_is_file(path_join(a, beside, "config.json")) || path_is_file(path_join(a, beside, "vocab.txt")) ||
                path_is_file(path_join(a, beside, "tokenizer.json"));
    bool there = path_is_file(path_join(a, above, "config.json"));
    const transformer own = m->transformer;
    bool ends = own.pooling != POOLING_NONE || own.classes || own.head != HEAD_NONE || own.normalize || own.causal;
    if (!here && !there) {
        diag_remark(d, m->loc, "onnx", "neither beside '%s' nor above is a tokeniser: inputs are token ids", path);
        return true;
    }
    const char *directory = here ? beside : above;
    if (!model_read_surroundings(a, d, directory, m))
        return false;
    if (!ends)
        return true;
    /* The graph says what its output is; files may say the same, and nothing else. */
    bool said = path_is_file(path_join(a, directory, "modules.json")) ||
                path_is_file(path_join(a, directory, "1_Pooling/config.json"));
    bool other = said && (own.classes || own.head != HEAD_NONE || own.pooling != m->transformer.pooling);
    bool normalize = said && own.pooling != POOLING_NONE && m->transformer.normalize;
    m->transformer = own;
    m->transformer.normalize = own.normalize || normalize;
    if (other)
        return diag_error(d, m->loc, "pools otherwise than modules.json in '%s' says", directory);
    return true;
}

/** What is computed otherwise than the graph says. */
static bool tell_of_codes(const importer *im) {
    src_loc whole = {im->graph->path, 0, 0};
    if (im->fixed_codes && !diag_unknown(im->d, whole,
                                         "%zu nodes QuantizeLinear round rows to codes by scales that are fixed in the "
                                         "file: linears here round by each row's own, or not at all (--linear)",
                                         im->fixed_codes))
        return false;
    if (im->codes)
        diag_remark(
            im->d, whole, "onnx",
            "%zu nodes work on codes of rows; linears compute in dtqc's own arithmetic instead (--linear), with "
            "the exact values of the quantised weights",
            im->codes);
    return true;
}

static model *named(arena *a, const char *path) {
    model *m = ARENA_NEW(a, model);
    m->path = arena_strdup(a, path);
    m->name = path_stem(a, path);
    m->loc = (src_loc){m->path, 0, 0};
    m->lower_case = true;
    return m;
}

static bool same_tensor(const ir_tensor *x, const ir_tensor *y) {
    return strcmp(x->name, y->name) == 0 && x->offset == y->offset && x->rows == y->rows && x->cols == y->cols &&
           x->transposed == y->transposed && x->scales == y->scales && x->zeros == y->zeros;
}

/** Reads the graph again, for a longer text: sizes that are numbers in the file may have fitted the first length by
 * chance, or hide tokens of longer texts only. */
static bool same_at(const importer *first, const model *m, int64_t seq) {
    arena *a = arena_new();
    importer im = {.a = a, .d = first->d, .graph = first->graph, .seq = seq, .any_length = true};
    model *again = named(a, m->path);
    diag *unheard = diag_new(a, NULL);
    im.d = unheard;
    bool same = read_graph(&im, again) && again->tensor_count == m->tensor_count &&
                again->transformer.first_position == m->transformer.first_position &&
                again->transformer.pooling == m->transformer.pooling;
    for (size_t i = 0; i < m->tensor_count && same; i++)
        same = same_tensor(&m->tensors[i], &again->tensors[i]);
    const diag_entry *why = diag_count(unheard, DIAG_ERROR) ? diag_at(unheard, 0) : NULL;
    if (!same)
        diag_error(first->d, m->loc, "is another model of %lld tokens than of %lld%s%s", (long long)seq,
                   (long long)first->seq, why ? ": " : "", why ? why->message : "");
    arena_free(a);
    return same;
}

/** Also writes what became of each node to `explain`, if it is not NULL. */
static model *import(arena *a, diag *d, const char *path, const uint8_t *data, uint64_t bytes, FILE *explain) {
    /* A text that shows all rules, and one that is longer than the windows of local attention. */
    enum { SHORT = 3, LONG = 260 };
    model *m = named(a, path);
    importer im = {.a = a, .d = d, .graph = onnx_parse(a, d, path, data, bytes)};
    int64_t fixed = im.graph ? fixed_length(im.graph) : 0;
    im.any_length = fixed == 0;
    im.seq = fixed ? fixed : SHORT;
    bool ok = im.graph && read_graph(&im, m);
    if (explain && im.fates)
        onnx_explain(&im, explain);
    if (!ok)
        return NULL;
    if (im.has_padding && m->transformer.first_position != (uint32_t)im.padding + 1) {
        diag_error(d, m->loc, "compares token ids with %g, which is not the padding before its positions", im.padding);
        return NULL;
    }
    if (fixed > m->transformer.positions) {
        diag_error(d, m->loc, "takes %lld tokens, but has positions for %u", (long long)fixed,
                   m->transformer.positions);
        return NULL;
    }
    int64_t most = m->transformer.positions < LONG ? m->transformer.positions : LONG;
    if (!fixed && most > SHORT && !same_at(&im, m, most))
        return NULL;
    m->tokens = (uint32_t)fixed;
    return tell_of_codes(&im) ? m : NULL;
}

model *model_from_onnx_bytes(arena *a, diag *d, const char *path, const uint8_t *data, uint64_t bytes) {
    return import(a, d, path, data, bytes, NULL);
}

bool model_explain(arena *a, const char *path, FILE *out) {
    const uint8_t *data;
    uint64_t bytes;
    diag *unheard = diag_new(a, NULL); /* whoever loads the model hears it */
    if (!model_is_onnx(path))
        return false;
    if (file_map(unheard, path, &data, &bytes, NULL)) {
        (void)import(a, unheard, path, data, bytes, out);
        file_unmap(data, bytes);
    }
    return true;
}

model *model_from_onnx(arena *a, diag *d, const char *path) {
    const uint8_t *data;
    uint64_t bytes, stamp;
    if (!file_map(d, path, &data, &bytes, &stamp))
        return NULL;
    model *m = model_from_onnx_bytes(a, d, path, data, bytes);
    file_unmap(data, bytes);
    if (m)
        model_stamp(m, stamp);
    return m && read_surroundings(a, d, path, m) ? m : NULL;
}
