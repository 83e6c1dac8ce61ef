/* Q8BERT: "Quantized 8Bit BERT" (Zafrir, Boudoukh, Izsak, Wasserblat; EMC2 2019, arXiv 1910.06188), with the ranges of
 * activations taken anew for every run. NUMERICS.md, "Q8BERT". */
#include "runtime/schemes/per_tensor.h"
#include "runtime/schemes/scheme_ops.h"

static bool linear(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    static const dtq_per_tensor_form form = {8, 1, DTQ_CODES_SYMMETRIC, true};
    return dtq_per_tensor_linear(x, in, &form, e);
}

const dtq_scheme_ops dtq_q8bert_ops = {
    .attend = dtq_per_tensor_attend,
    .host = {[DTQ_OP_EMBED] = dtq_per_tensor_embed, [DTQ_OP_LINEAR] = linear, [DTQ_OP_QUANT] = dtq_per_tensor_operand},
};
