/* What the files of the dataflow share: how instructions are looked at, and the rules of each kind of layer. A rule
 * says NULL, or what should have been read. Private to runtime/isa/. */
#ifndef DTQRT_ISA_DATAFLOW_RULES_H
#define DTQRT_ISA_DATAFLOW_RULES_H

#include "runtime/isa/dataflow.h"
#include "runtime/isa/isa.h"

#define GET(in, op, field) DTQ_GET(in, op, field)

static inline const dtq_instr *instr(const dtq_dataflow *f, uint32_t at) {
    return at < f->stream->count ? &f->stream->instrs[at] : NULL;
}

static inline const dtq_layer *layer(const dtq_dataflow *f, uint64_t index) {
    return &f->stream->layers[index];
}

static inline uint64_t layer_of(const dtq_instr *in) {
    return in->f[dtq_layer_field(in->op)];
}

/* The key/value head of a query head. */
static inline uint64_t shared_head(const dtq_layer *l, uint64_t head) {
    return head / (l->heads / l->kv_heads);
}

static inline bool sums_on(uint64_t flags) {
    return flags == DTQ_PV_FIRST || flags == DTQ_PV_MIDDLE;
}

static inline const dtq_tensor *weight_of(const dtq_dataflow *f, const dtq_instr *codes) {
    return &f->program->tensors[GET(codes, CODES, weight)];
}

static inline uint32_t outputs_of(const dtq_tensor *t) {
    return t->shape[t->transposed];
}

/* ---- of instructions of a layer that streams --------------------------------------------------------------------- */

static inline uint64_t row_of(const dtq_instr *in) {
    return in->f[in->op == DTQ_OP_LOAD_SEEN ? DTQ_F(LOAD_SEEN, row) : DTQ_F(QK_SEEN, row)];
}

static inline uint64_t end_of(const dtq_instr *in) {
    return row_of(in) + in->f[in->op == DTQ_OP_LOAD_SEEN ? DTQ_F(LOAD_SEEN, rows) : DTQ_F(QK_SEEN, rows)];
}

static inline uint64_t head_of(const dtq_instr *in) {
    return in->f[in->op == DTQ_OP_LOAD_SEEN ? DTQ_F(LOAD_SEEN, head) : DTQ_F(QK_SEEN, head)];
}

/* ---- linears on the arrays (dataflow_linear.c) ------------------------------------------------------------------- */

const char *dtq_flow_read_load_rows(const dtq_dataflow *f, const dtq_instr *in, const dtq_instr *w);
const char *dtq_flow_read_matmul(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t writer);
const char *dtq_flow_read_store_rows(const dtq_dataflow *f, const dtq_instr *in, uint32_t writer);

/* ---- probes (dataflow_probe.c) ----------------------------------------------------------------------------------- */

const char *dtq_flow_read_probe(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t writer);
/* `missing`: as dtq_dataflow_step says. */
const char *dtq_flow_step_vote(dtq_dataflow *f, uint32_t at, uint64_t *missing);
const char *dtq_flow_step_choose_head(dtq_dataflow *f, uint32_t at, uint64_t *missing);
/* Whether the ids of layer `of` are there: whole, or, where its heads choose for themselves, of each head once. */
const char *dtq_flow_read_ids(const dtq_dataflow *f, uint64_t of);

/* ---- layers that stream (dataflow_streamed.c) -------------------------------------------------------------------- */

const char *dtq_flow_read_seen(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w);
/* A list grows block by block: in front of what keep adds to it stands what the block before has left. */
bool dtq_flow_goes_on(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w);
/* Where votes begin: with the first row of a block, of the first query head that shares the keys. */
const char *dtq_flow_step_vote_seen(const dtq_dataflow *f, const dtq_instr *in);

#endif
