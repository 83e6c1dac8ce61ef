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
