/* Dataflow of linears on the arrays: rows and weights of one linear, sums over all of its inputs in order. */
#include "runtime/isa/dataflow_rules.h"

static uint32_t inputs_of(const dtq_tensor *t) {
    return t->shape[!t->transposed];
}

const char *dtq_flow_read_load_rows(const dtq_dataflow *f, const dtq_instr *in, const dtq_instr *w) {
    return w && w->op == DTQ_OP_CODES && GET(w, CODES, layer) == GET(in, LOAD_ROWS, layer) &&
                   GET(w, CODES, codes) == GET(in, LOAD_ROWS, codes) &&
                   inputs_of(weight_of(f, w)) == GET(in, LOAD_ROWS, width)
               ? NULL
               : "the codes of its linear's rows, as many inputs as `width`";
}

static const char *read_matmul_rows(dtq_product *made, const dtq_instr *in, uint32_t writer, const dtq_instr *w) {
    if (!w || w->op != DTQ_OP_LOAD_ROWS || GET(w, LOAD_ROWS, layer) != GET(in, MATMUL, layer) ||
        GET(w, LOAD_ROWS, row) != GET(in, MATMUL, row) || GET(w, LOAD_ROWS, rows) != GET(in, MATMUL, rows) ||
        GET(w, LOAD_ROWS, depth) != GET(in, MATMUL, depth) || GET(w, LOAD_ROWS, x) != GET(in, MATMUL, x))
        return "rows of its layer, as many inputs of them as `depth`, loaded there";
    made->rows = writer;
    return NULL;
}

static const char *read_matmul_weights(const dtq_dataflow *f, dtq_product *made, const dtq_instr *in, uint32_t writer,
                                       const dtq_instr *w) {
    const dtq_instr *rows = instr(f, made->rows), *codes = instr(f, made->codes);
    if (!w || w->op != DTQ_OP_LOAD_WEIGHTS || GET(w, LOAD_WEIGHTS, cols) != GET(in, MATMUL, cols) ||
        GET(w, LOAD_WEIGHTS, depth) != GET(in, MATMUL, depth) || GET(w, LOAD_WEIGHTS, w) != GET(in, MATMUL, w))
        return "a block of weights of as many outputs and inputs, loaded there";
    if (GET(w, LOAD_WEIGHTS, weight) != GET(codes, CODES, weight) ||
        GET(w, LOAD_WEIGHTS, bias) != GET(codes, CODES, bias) ||
        GET(w, LOAD_WEIGHTS, input) != GET(rows, LOAD_ROWS, input))
        return "weights of the linear whose rows it multiplies, for the same inputs";
    made->weights = writer;
    return NULL;
}

static const char *read_matmul_sums(const dtq_dataflow *f, const dtq_product *made, const dtq_instr *in,
                                    uint32_t writer, const dtq_instr *w) {
    bool good = w && w->op == DTQ_OP_MATMUL && sums_on(GET(w, MATMUL, flags)) &&
                GET(w, MATMUL, layer) == GET(in, MATMUL, layer) && GET(w, MATMUL, row) == GET(in, MATMUL, row) &&
                GET(w, MATMUL, rows) == GET(in, MATMUL, rows) && GET(w, MATMUL, cols) == GET(in, MATMUL, cols) &&
                GET(w, MATMUL, o) == GET(in, MATMUL, o);
    const dtq_product *before = good ? &f->products[writer] : NULL;
    good = good && before->codes == made->codes &&
           GET(instr(f, before->weights), LOAD_WEIGHTS, output) == GET(instr(f, made->weights), LOAD_WEIGHTS, output) &&
           GET(instr(f, before->rows), LOAD_ROWS, input) + GET(w, MATMUL, depth) ==
               GET(instr(f, made->rows), LOAD_ROWS, input);
    return good ? NULL : "the sums of its rows and outputs over all inputs in front of its own";
}

/* Accesses come in the order rows, weights, sums. */
const char *dtq_flow_read_matmul(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t writer) {
    const dtq_instr *in = instr(f, at), *w = instr(f, writer);
    dtq_product *made = &f->products[at];
    if (a->memory == DTQ_MEM_Q) {
        const char *wrong = read_matmul_rows(made, in, writer, w);
        if (!wrong)
            made->codes = f->products[made->rows].codes;
        return wrong;
    }
    return a->memory == DTQ_MEM_K ? read_matmul_weights(f, made, in, writer, w)
                                  : read_matmul_sums(f, made, in, writer, w);
}

const char *dtq_flow_read_store_rows(const dtq_dataflow *f, const dtq_instr *in, uint32_t writer) {
    const dtq_instr *w = instr(f, writer);
    if (!w || w->op != DTQ_OP_MATMUL || sums_on(GET(w, MATMUL, flags)) ||
        GET(w, MATMUL, layer) != GET(in, STORE_ROWS, layer) || GET(w, MATMUL, row) != GET(in, STORE_ROWS, row) ||
        GET(w, MATMUL, rows) != GET(in, STORE_ROWS, rows) || GET(w, MATMUL, cols) != GET(in, STORE_ROWS, cols) ||
        GET(w, MATMUL, o) != GET(in, STORE_ROWS, o))
        return "the products of its rows, with all inputs in them";
    const dtq_instr *codes = instr(f, f->products[writer].codes);
    return GET(instr(f, f->products[writer].weights), LOAD_WEIGHTS, output) == GET(in, STORE_ROWS, output) &&
                   GET(codes, CODES, dst) == GET(in, STORE_ROWS, dst) &&
                   outputs_of(weight_of(f, codes)) == GET(in, STORE_ROWS, width)
               ? NULL
               : "the products of the outputs that it stores, of the linear that ends at its `dst`";
}
