/* What became of each node of an ONNX graph: an op of the IR, a part of one, a number known when the model is compiled,
 * or nothing, and then why. */
#include "frontend/onnx/explain.h"

#include <string.h>

static void need(const onnx_graph *g, node_fate *fates, const binding *value, size_t user) {
    if (!value->node)
        return;
    const onnx_node *made = &g->nodes[value->node - 1];
    node_fate *f = &fates[value->node - 1];
    f->needed = true;
    if (user)
        f->user = user; /* the last that is set is the first in the graph */
    if (value->value->kind == TERM_UNKNOWN && value->value->reason && value->value->node == made)
        f->reason = value->value->reason;
}

node_fate *onnx_fates(importer *im, const bindings *b, const char *output) {
    const onnx_graph *g = im->graph;
    node_fate *fates = ARENA_ARRAY(im->a, node_fate, g->node_count + 1);
    for (size_t i = 0; i < g->node_count; i++)
        for (size_t j = g->nodes[i].output_count; j > 0; j--)
            if (*g->nodes[i].outputs[j - 1])
                fates[i].value = bindings_slot(b, g->nodes[i].outputs[j - 1])->value;
    need(g, fates, bindings_slot(b, output), 0);
    for (size_t i = g->node_count; i > 0; i--) {
        const onnx_node *n = &g->nodes[i - 1];
        bool known = fates[i - 1].value && fates[i - 1].value->kind != TERM_UNKNOWN;
        for (size_t j = 0; fates[i - 1].needed && j < n->input_count; j++) {
            const binding *value = *n->inputs[j] ? bindings_slot(b, n->inputs[j]) : NULL;
            /* What is known does not depend on what is not: a size that nobody asks for. */
            if (value && value->name && !(known && value->value->kind == TERM_UNKNOWN))
                need(g, fates, value, i);
        }
    }
    for (const term *t = im->problems; t; t = t->a)
        if (t->node)
            fates[t->node - g->nodes].reason = t->reason;
    return fates;
}

bool onnx_report(importer *im) {
    enum { MOST = 50 };
    const onnx_graph *g = im->graph;
    src_loc whole = {g->path, 0, 0};
    size_t count = 0;
    for (size_t i = 0; i < g->node_count; i++)
        if (im->fates[i].needed && im->fates[i].reason && count++ < MOST)
            diag_error(im->d, whole, "node \"%.80s\" (%.40s): %s", g->nodes[i].name, g->nodes[i].op,
                       im->fates[i].reason);
    if (count > MOST)
        diag_error(im->d, whole, "and %zu nodes more", count - MOST);
    return count == 0;
}

void onnx_claim(importer *im, const term *t, const char *op) {
    if (!t->node || !im->fates)
        return;
    node_fate *f = &im->fates[t->node - im->graph->nodes];
    f->ops = f->ops ? arena_printf(im->a, "%s, %s", f->ops, op) : op;
}

/** What the node is of itself; NULL: a step on the way to an op. */
static const char *meaning(const importer *im, const node_fate *f, bool all_taken) {
    const term *t = f->value;
    if (!f->needed)
        return "not needed: the first output does not depend on it";
    if (f->reason)
        return arena_printf(im->a, "cannot be taken: %s", f->reason);
    if (f->ops)
        return f->ops;
    if (!t || t->kind == TERM_UNKNOWN)
        return all_taken ? "not needed" : "depends on a node that cannot be taken";
    switch (t->kind) {
    case TERM_NUMBERS:
        return "folded: known when the model is compiled";
    case TERM_UNIFORM:
        return t->type == ONNX_FLOAT ? arena_printf(im->a, "folded: %.9g for every token", t->number + 0.0) /* no -0 */
                                     : "folded: known when the model is compiled";
    case TERM_WEIGHT:
        return "a constant, used where it lies in the file";
    case TERM_IDS:
        return "token ids";
    case TERM_TYPES:
        return "token types";
    default:
        return NULL;
    }
}

/** What a term is where there is no model for it to be a part of. */
static const char *kind_word(term_kind kind) {
    static const struct {
        term_kind first, last;
        const char *word;
    } words[] = {{TERM_EMBEDDING, TERM_EMBEDDING, "rows of a table"},
                 {TERM_SUM, TERM_SUM, "a sum of rows"},
                 {TERM_LINEAR, TERM_LINEAR, "a linear"},
                 {TERM_ATTENTION, TERM_ATTENTION, "attention"},
                 {TERM_LAYERNORM, TERM_LAYERNORM, "layer normalisation"},
                 {TERM_ACTIVATION, TERM_ACTIVATION, "an activation"},
                 {TERM_POOL, TERM_POOL, "pooling"},
                 {TERM_HEADNORM, TERM_HEADNORM, "a normalisation of heads"},
                 {TERM_ROTARY, TERM_ROTARY, "rotary positions"},
                 {TERM_ROTATED, TERM_TURNING, "a step of rotary positions"},
                 {TERM_MEAN, TERM_NORMED, "a step of layer normalisation"},
                 {TERM_CODES, TERM_CODE_PRODUCT, "codes of rows"},
                 {TERM_NORMALIZED, TERM_NORMALIZED, "normalisation by length"},
                 {TERM_SCORES, TERM_VIEW, "a step of attention"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (kind >= words[i].first && kind <= words[i].last)
            return words[i].word;
    return "arithmetic on rows";
}

void onnx_explain(const importer *im, FILE *out) {
    const onnx_graph *g = im->graph;
    const char **words = ARENA_ARRAY(im->a, const char *, g->node_count + 1);
    const char **ends = ARENA_ARRAY(im->a, const char *, g->node_count + 1);
    bool all_taken = true;
    for (size_t i = 0; i < g->node_count; i++)
        all_taken = all_taken && !(im->fates[i].needed && im->fates[i].reason);
    for (size_t i = g->node_count; i > 0; i--) {
        const node_fate *f = &im->fates[i - 1];
        words[i - 1] = meaning(im, f, all_taken);
        /* An op of its own, or that which its output ends in. */
        ends[i - 1] = f->ops ? f->ops : f->user ? ends[f->user - 1] : NULL;
        if (!words[i - 1])
            words[i - 1] = ends[i - 1] ? arena_printf(im->a, "part of %s", ends[i - 1])
                                       : arena_printf(im->a, "understood as %s", kind_word(f->value->kind));
    }
    for (size_t i = 0; i < g->node_count; i++)
        fprintf(out, "%s (%s): %s\n", g->nodes[i].name, g->nodes[i].op, words[i]);
}
