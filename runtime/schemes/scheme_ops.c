/* The tables of all schemes. */
#include "runtime/schemes/scheme_ops.h"

const dtq_scheme_ops *dtq_scheme_ops_of(const dtq_exec *x) {
    static const dtq_scheme_ops mixed = {.attend = NULL};
    static const dtq_scheme_ops *const all[DTQ_SCHEMES] = {
        [DTQ_SCHEME_MIXED] = &mixed,
        [DTQ_SCHEME_Q8BERT] = &dtq_q8bert_ops,
        [DTQ_SCHEME_IBERT] = &dtq_ibert_ops,
        [DTQ_SCHEME_FULLY8] = &dtq_fully8_ops,
        [DTQ_SCHEME_QBERT] = &dtq_qbert_ops,
        [DTQ_SCHEME_EYERISS] = &dtq_system_ops,
        [DTQ_SCHEME_SPATTEN] = &dtq_system_ops,
        [DTQ_SCHEME_A3] = &dtq_system_ops,
        [DTQ_SCHEME_MNNFAST] = &dtq_system_ops,
    };
    return all[x->exact ? DTQ_SCHEME_MIXED : x->program->scheme.kind];
}

bool dtq_host_exec(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    const dtq_scheme_ops *const scheme = dtq_scheme_ops_of(x);
    dtq_host_op *own = in->op < DTQ_OP_COUNT ? scheme->host[in->op] : NULL;
    if (!own)
        own = scheme->other ? scheme->other : dtq_host_mixed;
    return own(x, in, e);
}

bool dtq_linear_exec(dtq_exec *x, const dtq_instr *in, dtq_error *e) {
    dtq_instr whole = {.op = DTQ_OP_LINEAR, .queue = DTQ_HOST};
    whole.f[DTQ_F(LINEAR, layer)] = DTQ_GET(in, CODES, layer);
    whole.f[DTQ_F(LINEAR, path)] = DTQ_LINEAR_MIXED;
    whole.f[DTQ_F(LINEAR, dst)] = DTQ_GET(in, CODES, dst);
    whole.f[DTQ_F(LINEAR, src)] = DTQ_GET(in, CODES, src);
    whole.f[DTQ_F(LINEAR, weight)] = DTQ_GET(in, CODES, weight);
    whole.f[DTQ_F(LINEAR, bias)] = DTQ_GET(in, CODES, bias);
    return dtq_host_exec(x, &whole, e);
}
