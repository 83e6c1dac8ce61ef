/* Dataflow. In the list's order each instruction finds what it reads: bytes that one instruction wrote as the very
 * block, matrix or sum that the reader takes them for, with the same layer, head, slots and place. Order (hazards.c)
 * then makes it so in every execution.
 *
 * Since what lies in a block is known by this, so is what it can hold: scales that quantisation made, maxima of the
 * scores they are taken from. Conversions and indices that such data decide stay in their range. */
#include "runtime/isa/dataflow.h"

#include <stdlib.h>

#include "runtime/isa/dataflow_rules.h"
#include "runtime/isa/isa.h"
#include "runtime/isa/segments.h"
#include "runtime/systems/systems.h"

/* The end of a layer's keys, as slots. */
static uint64_t keys_end(const dtq_layer *l) {
    return (uint64_t)dtq_first_key(l) + dtq_keys(l);
}

/* The end of the columns of its scores. */
static uint64_t columns_end(const dtq_layer *l) {
    return (uint64_t)dtq_first_col(l) + dtq_cols(l);
}

/* ---- blocks in line buffers -------------------------------------------------------------------------------------- */

static bool is_load(const dtq_instr *w, unsigned operand, uint64_t of, uint64_t head, uint64_t row, uint64_t rows,
                    uint64_t at) {
    return w && w->op == DTQ_OP_LOAD && GET(w, LOAD, operand) == operand && GET(w, LOAD, layer) == of &&
           GET(w, LOAD, head) == head && GET(w, LOAD, row) == row && GET(w, LOAD, rows) == rows &&
           GET(w, LOAD, dst) == at;
}

static const char *read_qk(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w) {
    uint64_t of = GET(in, QK, layer), head = GET(in, QK, head);
    if (a->memory == DTQ_MEM_Q)
        return is_load(w, DTQ_Q, of, head, GET(in, QK, row), GET(in, QK, rows), GET(in, QK, q))
                   ? NULL
                   : "the queries of its layer, head and rows, loaded there";
    return is_load(w, DTQ_K, of, shared_head(layer(f, of), head), GET(in, QK, col), GET(in, QK, cols), GET(in, QK, k))
               ? NULL
               : "the keys of its layer, head and columns, loaded there";
}

/* ---- softmax and what reads its rows ----------------------------------------------------------------------------- */

static bool same_strip(const dtq_instr *w, uint64_t of, uint64_t head, uint64_t row, uint64_t rows, uint64_t p) {
    return w && w->op == DTQ_OP_SOFTMAX && GET(w, SOFTMAX, layer) == of && GET(w, SOFTMAX, head) == head &&
           GET(w, SOFTMAX, row) == row && GET(w, SOFTMAX, rows) == rows && GET(w, SOFTMAX, p) == p;
}

/* Where the pass of a softmax has come to. */
static uint64_t pass_end(const dtq_instr *w) {
    return GET(w, SOFTMAX, col) + GET(w, SOFTMAX, cols);
}

/* Whether the softmax w leaves codes of all keys up to slot `end`. */
static bool has_codes(const dtq_instr *w, uint64_t end) {
    return (GET(w, SOFTMAX, mode) == DTQ_SOFTMAX_FULL || GET(w, SOFTMAX, mode) == DTQ_SOFTMAX_EXP) &&
           pass_end(w) >= end;
}

/* The pass before: of the same mode up to this column, or the one before it to its end. */
static const char *continue_pass(const dtq_layer *l, const dtq_instr *in, const dtq_instr *w) {
    uint64_t mode = GET(in, SOFTMAX, mode), before = mode;
    uint64_t col = GET(in, SOFTMAX, col), end = col;
    if (col == dtq_first_key(l)) {
        before = mode == DTQ_SOFTMAX_EXP && dtq_folds(l) ? DTQ_SOFTMAX_WMAX : DTQ_SOFTMAX_MAX;
        end = keys_end(l);
    }
    bool good = same_strip(w, GET(in, SOFTMAX, layer), GET(in, SOFTMAX, head), GET(in, SOFTMAX, row),
                           GET(in, SOFTMAX, rows), GET(in, SOFTMAX, p)) &&
                GET(w, SOFTMAX, mode) == before && pass_end(w) == end;
    return good ? NULL : "what the pass before it left of the same rows, over all keys in front of its own";
}

static const char *read_softmax(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w) {
    uint64_t of = GET(in, SOFTMAX, layer), head = GET(in, SOFTMAX, head), col = GET(in, SOFTMAX, col);
    uint64_t cols = GET(in, SOFTMAX, cols);
    if (a->memory == DTQ_MEM_PROBS)
        return continue_pass(layer(f, of), in, w);
    if (a->memory == DTQ_MEM_V)
        return is_load(w, DTQ_V, of, shared_head(layer(f, of), head), col, cols, GET(in, SOFTMAX, v))
                   ? NULL
                   : "the values of its layer, head and columns, loaded there";
    return w && w->op == DTQ_OP_QK && GET(w, QK, layer) == of && GET(w, QK, head) == head &&
                   GET(w, QK, row) == GET(in, SOFTMAX, row) && GET(w, QK, rows) == GET(in, SOFTMAX, rows) &&
                   GET(w, QK, col) == col && GET(w, QK, cols) == cols && GET(w, QK, s) == GET(in, SOFTMAX, s)
               ? NULL
               : "the scores of its layer, head, rows and columns";
}

static const char *read_pv(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, const dtq_instr *w) {
    uint64_t of = GET(in, PV, layer), head = GET(in, PV, head), row = GET(in, PV, row), rows = GET(in, PV, rows);
    uint64_t col = GET(in, PV, col), cols = GET(in, PV, cols);
    const dtq_layer *l = layer(f, of);
    if (a->memory == DTQ_MEM_PROBS) {
        uint64_t end = sums_on(GET(in, PV, flags)) ? col + cols : columns_end(l);
        return same_strip(w, of, head, row, rows, GET(in, PV, p)) && has_codes(w, end)
                   ? NULL
                   : "the probabilities of its layer, head and rows, for its keys, and for all where it divides";
    }
    if (a->memory == DTQ_MEM_V)
        return is_load(w, DTQ_V, of, shared_head(l, head), col, cols, GET(in, PV, v))
                   ? NULL
                   : "the values of its layer, head and columns, loaded there";
    return w && w->op == DTQ_OP_PV && sums_on(GET(w, PV, flags)) && GET(w, PV, layer) == of &&
                   GET(w, PV, head) == head && GET(w, PV, row) == row && GET(w, PV, rows) == rows &&
                   GET(w, PV, o) == GET(in, PV, o) && GET(w, PV, col) + GET(w, PV, cols) == col
               ? NULL
               : "the sums of its rows over all keys in front of its own";
}

static const char *read_store(const dtq_instr *in, const dtq_instr *w) {
    if (w && w->op == DTQ_OP_PV_SEEN && GET(w, PV_SEEN, layer) == GET(in, STORE, layer) &&
        GET(w, PV_SEEN, head) == GET(in, STORE, head) && GET(w, PV_SEEN, row) == GET(in, STORE, row) &&
        GET(w, PV_SEEN, rows) == GET(in, STORE, rows) && GET(w, PV_SEEN, o) == GET(in, STORE, o))
        return NULL;
    bool divided = w && w->op == DTQ_OP_PV && !sums_on(GET(w, PV, flags));
    return divided && GET(w, PV, layer) == GET(in, STORE, layer) && GET(w, PV, head) == GET(in, STORE, head) &&
                   GET(w, PV, row) == GET(in, STORE, row) && GET(w, PV, rows) == GET(in, STORE, rows) &&
                   GET(w, PV, o) == GET(in, STORE, o)
               ? NULL
               : "the output of its layer, head and rows, with all keys in it";
}

/* ---- importance -------------------------------------------------------------------------------------------------- */

static dtq_piece rows_of_heads(const dtq_layer *l) {
    return (dtq_piece){0, l->heads, dtq_first_query(l), dtq_queries(l)};
}

static const char *read_importance(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a,
                                   const dtq_instr *w) {
    uint64_t of = GET(in, IMPORTANCE, layer);
    if (a->memory == DTQ_MEM_PROBS)
        return same_strip(w, of, GET(in, IMPORTANCE, head), GET(in, IMPORTANCE, row), GET(in, IMPORTANCE, rows),
                          GET(in, IMPORTANCE, p)) &&
                       has_codes(w, columns_end(layer(f, of)))
                   ? NULL
                   : "the probabilities of its layer, head and rows, for all keys";
    return w && w->op == DTQ_OP_IMPORTANCE && GET(w, IMPORTANCE, layer) == of &&
                   GET(w, IMPORTANCE, acc) == GET(in, IMPORTANCE, acc)
               ? NULL
               : "the importance of its layer so far";
}

static const char *read_topk(dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, uint32_t writer) {
    uint64_t of = GET(in, TOPK, layer);
    const dtq_instr *w = instr(f, writer);
    if (a->memory == DTQ_MEM_DRAM)
        return writer == DTQ_FROM_CACHE ? NULL : "the importance that the cache holds of its layer";
    if (!w || w->op != DTQ_OP_IMPORTANCE || GET(w, IMPORTANCE, layer) != of ||
        GET(w, IMPORTANCE, acc) != GET(in, TOPK, acc))
        return "the importance of its layer";
    return dtq_cover_whole(&f->counted[of], rows_of_heads(layer(f, of)))
               ? NULL
               : "the importance of its layer with every row of every head counted once";
}

/* Key/value heads that choose together, of which `head` is one: their query heads and all rows. */
static dtq_piece rows_of_table(const dtq_layer *l, uint64_t head) {
    const uint32_t of_table = l->heads / dtq_tables(l);
    return (dtq_piece){dtq_tables(l) > 1 ? (uint32_t)head * of_table : 0, of_table, 0, l->slots};
}

static const char *read_choose_late(dtq_dataflow *f, const dtq_instr *in, const dtq_instr *w) {
    uint64_t of = GET(in, CHOOSE_LATE, layer);
    return w && w->op == DTQ_OP_IMPORTANCE && GET(w, IMPORTANCE, layer) == of &&
                   GET(w, IMPORTANCE, acc) == GET(in, CHOOSE_LATE, acc) &&
                   dtq_cover_whole(&f->counted[of], rows_of_table(layer(f, of), GET(in, CHOOSE_LATE, head)))
               ? NULL
               : "the importance of its layer and key/value head, with every row counted once since the choice before";
}

/* ---- matrices in DRAM -------------------------------------------------------------------------------------------- */

/* Whether w writes just these bytes of DRAM. */
static bool wrote(const dtq_dataflow *f, const dtq_instr *w, const dtq_access *a) {
    dtq_access accesses[DTQ_ACCESS_MAX];
    unsigned count = dtq_accesses(f->program, f->stream, w, accesses);
    for (unsigned i = 0; i < count; i++)
        if (accesses[i].memory == DTQ_MEM_DRAM && (accesses[i].mode & DTQ_WRITES) &&
            accesses[i].address == a->address && accesses[i].bytes == a->bytes)
            return true;
    return false;
}

static dtq_piece linear_whole(const dtq_dataflow *f, const dtq_instr *codes) {
    const dtq_layer *l = layer(f, GET(codes, CODES, layer));
    return (dtq_piece){dtq_first_query(l), dtq_queries(l), 0, outputs_of(weight_of(f, codes))};
}

/* A matrix of which parts are stored one by one. NULL, or what is missing. */
static const char *stored_whole(dtq_dataflow *f, const dtq_instr *w, uint32_t writer) {
    if (w->op == DTQ_OP_STORE) {
        uint64_t of = GET(w, STORE, layer);
        return dtq_cover_whole(&f->stored[of], rows_of_heads(layer(f, of)))
                   ? NULL
                   : "the whole output of a layer, every row of every head stored once";
    }
    static const char parts[] = "the whole product of a linear, every output of every row stored once";
    if (w->op == DTQ_OP_CODES)
        return parts;
    if (w->op != DTQ_OP_STORE_ROWS)
        return NULL;
    uint32_t codes = f->products[writer].codes;
    return dtq_cover_whole(&f->linears[f->linear_of[codes]], linear_whole(f, instr(f, codes))) ? NULL : parts;
}

/* float [seq][width], of which the tokens of layer `reader` are read. */
static const char *read_matrix(dtq_dataflow *f, uint64_t reader, const dtq_access *a, uint32_t writer) {
    static const char other[] = "a matrix of this place and size";
    if (writer >= DTQ_FROM_INPUT && writer < DTQ_FROM_INPUT + 3) {
        unsigned input = writer - (uint32_t)DTQ_FROM_INPUT;
        return f->stream->input_at[input] == a->address && dtq_input_bytes(f->stream, input) == a->bytes ? NULL : other;
    }
    const dtq_instr *w = instr(f, writer);
    if (!w || w->op == DTQ_OP_POOL || w->op == DTQ_OP_NORMALIZE || w->op == DTQ_OP_TOPK || w->op == DTQ_OP_CHOOSE ||
        w->op == DTQ_OP_CHOOSE_HEAD || w->op == DTQ_OP_CHOOSE_LATE || w->op == DTQ_OP_PROBE_CODES ||
        w->op == DTQ_OP_FAR_CODES || w->op == DTQ_OP_KEEP || !wrote(f, w, a))
        return other;
    if (w->op == DTQ_OP_QUANT &&
        (!dtq_scheme_is_system(&f->program->scheme) || a->address != layer(f, GET(w, QUANT, layer))->out))
        return other; /* codes or scales, not what a system's attention leaves */
    const char *missing = stored_whole(f, w, writer);
    if (missing)
        return missing;
    return dtq_tokens_within(&f->tokens, (uint32_t)reader, (uint32_t)w->f[dtq_layer_field(w->op)])
               ? NULL
               : "a matrix with the rows of all its layer's tokens";
}

/* One pooled row. */
static const char *read_row(const dtq_dataflow *f, const dtq_access *a, uint32_t writer) {
    const dtq_instr *w = instr(f, writer);
    return w && (w->op == DTQ_OP_POOL || w->op == DTQ_OP_NORMALIZE) && wrote(f, w, a) ? NULL
                                                                                      : "a pooled row of this width";
}

static const char *read_load(const dtq_instr *in, const dtq_instr *w) {
    return w && w->op == DTQ_OP_QUANT && GET(w, QUANT, layer) == GET(in, LOAD, layer) &&
                   GET(w, QUANT, operand) == GET(in, LOAD, operand)
               ? NULL
               : "codes and scales that host.quant made of its layer and operand";
}

/* Both precisions of an operand are of the same floats. */
static const char *read_quant(dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, uint32_t writer) {
    const uint64_t of = GET(in, QUANT, layer);
    if (f->sources)
        f->sources[3 * of + GET(in, QUANT, operand)] = (dtq_operand_source){a->address, writer};
    return read_matrix(f, of, a, writer);
}

static const char *read_far(const dtq_dataflow *f, const dtq_instr *in, const dtq_access *a, uint32_t writer) {
    const uint64_t of = layer_of(in), operand = GET(in, FAR_CODES, operand);
    const dtq_operand_source *s = &f->sources[3 * of + operand];
    return (f->quantised[of] >> operand & 1) && s->address == a->address && s->writer == writer
               ? NULL
               : "the matrix that host.quant of its layer and operand has read before";
}

const char *dtq_dataflow_read(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t writer) {
    const dtq_instr *in = instr(f, at), *w = instr(f, writer);
    if (a->memory == DTQ_MEM_IDS)
        return dtq_flow_read_ids(f, a->address % f->stream->layer_count);
    switch (in->op) {
    case DTQ_OP_QUANT:
        return read_quant(f, in, a, writer);
    case DTQ_OP_FAR_CODES:
        return read_far(f, in, a, writer);
    case DTQ_OP_LOAD:
        return read_load(in, w);
    case DTQ_OP_QK:
        return read_qk(f, in, a, w);
    case DTQ_OP_SOFTMAX:
        return read_softmax(f, in, a, w);
    case DTQ_OP_PV:
        return read_pv(f, in, a, w);
    case DTQ_OP_STORE:
        return read_store(in, w);
    case DTQ_OP_IMPORTANCE:
        return read_importance(f, in, a, w);
    case DTQ_OP_TOPK:
        return read_topk(f, in, a, writer);
    case DTQ_OP_CHOOSE_LATE:
        return read_choose_late(f, in, w);
    case DTQ_OP_LOAD_ROWS: {
        const char *wrong = dtq_flow_read_load_rows(f, in, w);
        if (!wrong)
            f->products[at].codes = writer;
        return wrong;
    }
    case DTQ_OP_MATMUL:
        return dtq_flow_read_matmul(f, at, a, writer);
    case DTQ_OP_STORE_ROWS: {
        const char *wrong = dtq_flow_read_store_rows(f, in, writer);
        if (!wrong)
            f->products[at].codes = f->products[writer].codes;
        return wrong;
    }
    case DTQ_OP_NORMALIZE:
        return read_row(f, a, writer);
    case DTQ_OP_LOAD_PROBE:
    case DTQ_OP_PROBE:
    case DTQ_OP_PROBE_SOFTMAX:
    case DTQ_OP_VOTE:
    case DTQ_OP_CHOOSE:
    case DTQ_OP_CHOOSE_HEAD:
        return dtq_flow_read_probe(f, at, a, writer);
    case DTQ_OP_LOAD_SEEN:
    case DTQ_OP_QK_SEEN:
    case DTQ_OP_SOFTMAX_SEEN:
    case DTQ_OP_PV_SEEN:
    case DTQ_OP_VOTE_SEEN:
    case DTQ_OP_KEEP:
        return dtq_flow_read_seen(f, in, a, w);
    default:
        return read_matrix(f, in->f[dtq_layer_field(in->op)], a, writer);
    }
}

/* ---- parts that add up ------------------------------------------------------------------------------------------- */

bool dtq_dataflow_write(dtq_dataflow *f, uint32_t at, const dtq_access *a, uint32_t before, dtq_error *e) {
    const dtq_instr *in = instr(f, at), *w = instr(f, before);
    if (a->memory != DTQ_MEM_DRAM)
        return true;
    if (in->op == DTQ_OP_KEEP && !dtq_flow_goes_on(f, in, a, w))
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "it adds to the far keys of its head, and those of the block before it are not there");
    if (!dtq_lasting_write(&f->lasting, f->stream, at, a, e))
        return false;
    /* What was stored before is there as long as nothing else has written over it. */
    if (in->op == DTQ_OP_STORE && !(w && w->op == DTQ_OP_STORE && GET(w, STORE, layer) == GET(in, STORE, layer)))
        dtq_cover_clear(&f->stored[GET(in, STORE, layer)]);
    uint32_t codes = in->op == DTQ_OP_STORE_ROWS ? f->products[at].codes : UINT32_MAX;
    if (codes != UINT32_MAX && before != codes &&
        !(w && w->op == DTQ_OP_STORE_ROWS && f->products[before].codes == codes))
        dtq_cover_clear(&f->linears[f->linear_of[codes]]);
    return true;
}

/* 0, or how many bytes there were not. */
static uint64_t begin_linear(dtq_dataflow *f, uint32_t at) {
    if (f->linear_count == f->linear_room) {
        size_t room = f->linear_room ? 2 * f->linear_room : 16;
        dtq_cover *more = realloc(f->linears, room * sizeof *more);
        if (!more)
            return room * sizeof *more;
        f->linears = more;
        f->linear_room = room;
    }
    f->linears[f->linear_count] = (dtq_cover){0};
    f->linear_of[at] = (uint32_t)f->linear_count++;
    return 0;
}

/* The reference computes a layer's attention when it has met the three operands: nothing else stands between them. */
static const char *step_quant(dtq_dataflow *f, const dtq_instr *in) {
    uint32_t of = (uint32_t)GET(in, QUANT, layer);
    unsigned operand = (unsigned)GET(in, QUANT, operand);
    if (f->open_layer != UINT32_MAX && f->open_layer != of)
        return "it begins a layer before the three operands of another are quantised";
    if (f->quantised[of] >> operand & 1)
        return "this operand of the layer has been quantised before";
    if (operand != DTQ_V && dtq_scheme_is_system(&f->program->scheme) && f->quantised[of] >> DTQ_V & 1)
        return "the values are the last operand of a layer whose attention a system computes";
    f->quantised[of] |= (uint8_t)(1u << operand);
    f->open_layer = f->quantised[of] == 7 ? UINT32_MAX : of;
    return NULL;
}

static const char *step_importance(dtq_dataflow *f, const dtq_instr *in, uint64_t *missing) {
    dtq_cover *counted = &f->counted[GET(in, IMPORTANCE, layer)];
    if (GET(in, IMPORTANCE, first) && counted->count)
        return "it clears the importance of its layer, of which rows have been counted";
    if (dtq_lates(layer(f, GET(in, IMPORTANCE, layer))) && !GET(in, IMPORTANCE, first) && !counted->count)
        return "it goes on with importance that has been chosen by";
    *missing =
        dtq_cover_add(counted, (dtq_piece){(uint32_t)GET(in, IMPORTANCE, head), 1, (uint32_t)GET(in, IMPORTANCE, row),
                                           (uint32_t)GET(in, IMPORTANCE, rows)});
    return NULL;
}

/* Inputs and outputs that a matmul meets say which block of the sums it is. */
static const char *step_matmul(const dtq_dataflow *f, uint32_t at) {
    const dtq_instr *in = instr(f, at), *rows = instr(f, f->products[at].rows);
    uint64_t flags = GET(in, MATMUL, flags), first = GET(rows, LOAD_ROWS, input), depth = GET(in, MATMUL, depth);
    if ((flags == DTQ_PV_FIRST || flags == DTQ_PV_ONLY) != (first == 0))
        return "flags: first and only are for the block that begins at input 0";
    return (flags == DTQ_PV_LAST || flags == DTQ_PV_ONLY) == (first + depth == GET(rows, LOAD_ROWS, width))
               ? NULL
               : "flags: last and only are for the block that ends with the last input";
}

/* Heads that choose for themselves do so one after the other. */
static const char *step_choose_late(dtq_dataflow *f, const dtq_instr *in) {
    if (GET(in, CHOOSE_LATE, head) != f->chosen[GET(in, CHOOSE_LATE, layer)])
        return "key/value heads choose in their order, each once";
    dtq_cover_clear(&f->counted[GET(in, CHOOSE_LATE, layer)]);
    f->chosen[GET(in, CHOOSE_LATE, layer)]++;
    return NULL;
}

static void step_keep(dtq_dataflow *f, const dtq_instr *in, uint64_t *missing) {
    const uint32_t block = (uint32_t)(row_of(in) / layer(f, layer_of(in))->streaming.window);
    *missing = dtq_cover_add(&f->counted[layer_of(in)], (dtq_piece){(uint32_t)head_of(in), 1, block, 1});
}

/* The importance of a layer that streams comes of each head's votes in each block but the first. */
static bool all_kept(dtq_dataflow *f, uint32_t of) {
    const dtq_layer *l = layer(f, of);
    if (!dtq_streams(l) || !f->quantised[of] || dtq_streamed_blocks(&l->streaming, l->slots) < 2)
        return true;
    const dtq_piece whole = {0, l->kv_heads, 1, dtq_streamed_blocks(&l->streaming, l->slots) - 1};
    return dtq_cover_whole(&f->counted[of], whole);
}

const char *dtq_dataflow_step(dtq_dataflow *f, uint32_t at, uint64_t *missing) {
    const dtq_instr *in = instr(f, at);
    *missing = 0;
    if (f->open_layer != UINT32_MAX && in->queue == DTQ_HOST && in->op > DTQ_OP_SIGNAL && in->op != DTQ_OP_QUANT)
        return "it stands between the operands of a layer, of which not all three are quantised";
    switch (in->op) {
    case DTQ_OP_QUANT:
        return step_quant(f, in);
    case DTQ_OP_STORE:
        *missing = dtq_cover_add(&f->stored[GET(in, STORE, layer)],
                                 (dtq_piece){(uint32_t)GET(in, STORE, head), 1, (uint32_t)GET(in, STORE, row),
                                             (uint32_t)GET(in, STORE, rows)});
        return NULL;
    case DTQ_OP_IMPORTANCE:
        return step_importance(f, in, missing);
    case DTQ_OP_VOTE:
        return dtq_flow_step_vote(f, at, missing);
    case DTQ_OP_CHOOSE_HEAD:
        return dtq_flow_step_choose_head(f, at, missing);
    case DTQ_OP_CHOOSE_LATE:
        return step_choose_late(f, in);
    case DTQ_OP_VOTE_SEEN:
        return dtq_flow_step_vote_seen(f, in);
    case DTQ_OP_KEEP:
        step_keep(f, in, missing);
        return NULL;
    case DTQ_OP_CODES:
        *missing = begin_linear(f, at);
        return NULL;
    case DTQ_OP_MATMUL:
        return step_matmul(f, at);
    case DTQ_OP_STORE_ROWS:
        *missing =
            dtq_cover_add(&f->linears[f->linear_of[f->products[at].codes]],
                          (dtq_piece){(uint32_t)GET(in, STORE_ROWS, row), (uint32_t)GET(in, STORE_ROWS, rows),
                                      (uint32_t)GET(in, STORE_ROWS, output), (uint32_t)GET(in, STORE_ROWS, cols)});
        return NULL;
    default:
        return NULL;
    }
}

bool dtq_dataflow_end(dtq_dataflow *f, dtq_error *e) {
    if (f->open_layer != UINT32_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the stream ends before all three operands of layer %u are quantised",
                        f->open_layer);
    for (uint32_t i = 0; i < f->stream->layer_count; i++) {
        const dtq_layer *l = layer(f, i);
        if (dtq_lates(l) && f->quantised[i] && f->chosen[i] != dtq_tables(l))
            return dtq_fail(e, DTQ_BAD_PROGRAM,
                            "the importance of layer %u is not whole: %u of its %u choices are there", i, f->chosen[i],
                            dtq_tables(l));
        if (!all_kept(f, i))
            return dtq_fail(
                e, DTQ_BAD_PROGRAM,
                "the importance of layer %u is not whole: it has one `keep` for each key/value head and each "
                "block but the first",
                i);
    }
    return dtq_lasting_end(&f->lasting, f->quantised, e);
}

const char *dtq_dataflow_output(dtq_dataflow *f, const dtq_access *output, uint32_t writer) {
    return f->stream->output == DTQ_OUTPUT_POOLED ? read_row(f, output, writer)
                                                  : read_matrix(f, f->stream->layer_count - 1u, output, writer);
}

/* ---- setting up -------------------------------------------------------------------------------------------------- */

bool dtq_dataflow_init(dtq_dataflow *f, const dtq_program *p, const dtq_stream *s, dtq_error *e) {
    *f = (dtq_dataflow){.program = p, .stream = s, .open_layer = UINT32_MAX};
    bool linears = false, probes = false, streams = false;
    for (uint32_t i = 0; i < s->layer_count; i++)
        streams = streams || dtq_streams(&s->layers[i]);
    for (size_t i = 0; i < s->count; i++) {
        linears = linears || (s->instrs[i].op >= DTQ_OP_CODES && s->instrs[i].op <= DTQ_OP_STORE_ROWS);
        probes = probes || (s->instrs[i].op >= DTQ_OP_PROBE_CODES && s->instrs[i].op <= DTQ_OP_CHOOSE_HEAD);
    }
    f->probed = probes ? calloc(s->count, sizeof *f->probed) : NULL;
    const uint64_t layers = s->layer_count + 1u;
    f->stored = calloc(layers, sizeof *f->stored);
    f->counted = calloc(layers, sizeof *f->counted);
    f->quantised = calloc(layers, 1);
    f->chosen = calloc(layers, sizeof *f->chosen);
    f->sources = streams ? calloc(3 * layers, sizeof *f->sources) : NULL;
    if (linears) {
        f->products = calloc(s->count, sizeof *f->products);
        f->linear_of = calloc(s->count, sizeof *f->linear_of);
    }
    bool memory = dtq_tokens_init(&f->tokens, s) && f->stored && f->counted && f->quantised && f->chosen &&
                  (!probes || f->probed) && (!streams || f->sources) && (!linears || (f->products && f->linear_of));
    return memory ? dtq_lasting_init(&f->lasting, s, e)
                  : dtq_no_memory(e, layers * (2 * sizeof(dtq_cover) + 13) + s->seq / 8 + (linears ? 16 * s->count : 0),
                                  "the proof of a stream");
}

void dtq_dataflow_free(dtq_dataflow *f) {
    for (uint32_t i = 0; f->stream && i < f->stream->layer_count; i++) {
        if (f->stored)
            dtq_cover_free(&f->stored[i]);
        if (f->counted)
            dtq_cover_free(&f->counted[i]);
    }
    for (size_t i = 0; i < f->linear_count; i++)
        dtq_cover_free(&f->linears[i]);
    free(f->stored);
    free(f->counted);
    free(f->quantised);
    free(f->chosen);
    free(f->sources);
    free(f->products);
    free(f->linear_of);
    free(f->probed);
    free(f->linears);
    dtq_tokens_free(&f->tokens);
    dtq_lasting_free(&f->lasting);
    *f = (dtq_dataflow){0};
}
