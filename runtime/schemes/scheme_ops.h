/* What a scheme of arithmetic computes otherwise than `mixed` does: a table of functions for each. Private to
 * runtime/numerics. */
#ifndef DTQRT_NUMERICS_SCHEME_OPS_H
#define DTQRT_NUMERICS_SCHEME_OPS_H

#include "runtime/exec.h"
#include "runtime/numerics/numerics.h"

/** One host instruction. */
typedef bool dtq_host_op(dtq_exec *x, const dtq_instr *in, dtq_error *e);

/** NULL, in any place: as in `mixed`. */
typedef struct {
    /** One attention layer, whose operands [seq][width] stand in DRAM at src. `effects`: of this layer, all of it kept,
     * to be changed by what the scheme does; NULL if `tells` is false. Messages need not name the layer. */
    bool (*attend)(dtq_exec *x, uint32_t layer, const uint64_t src[3], const dtq_attention *a, dtq_effects *effects,
                   dtq_error *e);
    dtq_host_op *host[DTQ_OP_COUNT]; /* QUANT: called before attend, to put operands into the form it wants */
    dtq_host_op *other;              /* what is not among these; NULL: as without a scheme */
    bool tells;                      /* the output has effects */
    void (*close)(dtq_exec *x);      /* frees x->scheme_state, if there is one */
} dtq_scheme_ops;
extern const dtq_scheme_ops dtq_system_ops; /* of every system's scheme */

/** Of the scheme of the program, by DTQ_SCHEME_*; of float32, which no scheme changes, that of `mixed`. */
const dtq_scheme_ops *dtq_scheme_ops_of(const dtq_exec *x);

extern const dtq_scheme_ops dtq_q8bert_ops, dtq_ibert_ops, dtq_fully8_ops, dtq_qbert_ops;

/** As `mixed` computes it, whatever the scheme. */
bool dtq_host_mixed(dtq_exec *x, const dtq_instr *in, dtq_error *e);

#endif
