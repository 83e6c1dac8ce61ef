/* Reads and writes of each instruction. */
#include "runtime/isa/access.h"

#include "runtime/isa/isa.h"
#include "runtime/isa/program.h"
#include "runtime/isa/shapes.h"
#include "runtime/machine_members.h"
#include "runtime/sim/layout.h"
#include "runtime/systems/systems.h"

const char *const dtq_memory_names[DTQ_MEMORIES] = {"q",   "k",          "v",    "scores",         "probs",
                                                    "out", "importance", "DRAM", "token-id tables"};

uint64_t dtq_memory_bytes(const dtq_program *p, const dtq_stream *s, dtq_memory memory) {
    const dtq_machine *m = p->machine;
    const uint64_t bytes[DTQ_MEMORIES] = {
        m->buffers_q,          m->buffers_k,     m->buffers_v,
        m->buffers_scores,     m->buffers_probs, m->buffers_out,
        m->buffers_importance, s->dram_bytes,    (uint64_t)s->layer_count * DTQ_HEADS_MAX};
    return bytes[memory];
}

uint64_t dtq_output_bytes(const dtq_stream *s) {
    return 4 * (uint64_t)s->output_width * (s->output == DTQ_OUTPUT_POOLED ? 1 : s->seq);
}

uint64_t dtq_input_bytes(const dtq_stream *s, unsigned input) {
    const dtq_layer *l = s->layers;
    return 4 * (uint64_t)s->seq * (input == 0 ? l->heads : l->kv_heads) * l->head_dim;
}

typedef struct {
    dtq_access *out;
    unsigned count;
} list;

static void add(list *l, dtq_memory memory, unsigned mode, uint64_t address, uint64_t bytes) {
    l->out[l->count++] = (dtq_access){memory, mode, address, bytes};
}

/* A line-buffer block: `operand` is also the number of its buffer. */
static void add_block(list *l, const dtq_layer *layer, dtq_operand operand, unsigned mode, uint64_t address,
                      uint64_t row, uint64_t rows) {
    add(l, (dtq_memory)operand, mode, address, dtq_block_bytes(layer, operand, (uint32_t)row, (uint32_t)rows));
}

/* Codes and scales of one head of an operand in DRAM (`head` ALL_HEADS: of all heads). */
enum { ALL_HEADS = -1 };
static void add_operand(list *l, const dtq_stream *s, const dtq_layer *layer, dtq_operand operand, unsigned mode,
                        int64_t head) {
    const uint64_t codes_at[] = {layer->q, layer->k, layer->v};
    const uint64_t scales_at[] = {layer->q_scale, layer->k_scale, layer->v_scale};
    uint64_t heads = operand == DTQ_Q ? layer->heads : layer->kv_heads;
    uint64_t first = head == ALL_HEADS ? 0 : (uint64_t)head, some = head == ALL_HEADS ? heads : 1;
    uint64_t codes = (uint64_t)s->seq * layer->head_dim;
    add(l, DTQ_MEM_DRAM, mode, codes_at[operand] + first * codes, some * codes);
    if (operand == DTQ_V && dtq_lates(layer)) /* at 4 bits, and behind these at 8 */
        add(l, DTQ_MEM_DRAM, mode, codes_at[operand] + (heads + first) * codes, some * codes);
    bool classes = operand == DTQ_V && !dtq_folds(layer); /* float [2][kv_heads][head_dim] */
    uint64_t scales = 4 * (uint64_t)(classes ? layer->head_dim : s->seq);
    add(l, DTQ_MEM_DRAM, mode, scales_at[operand] + first * scales, some * scales);
    if (classes)
        add(l, DTQ_MEM_DRAM, mode, scales_at[operand] + (heads + first) * scales, some * scales);
}

/* float [seq][width] */
static void add_matrix(list *l, const dtq_stream *s, unsigned mode, uint64_t address, uint64_t width) {
    add(l, DTQ_MEM_DRAM, mode, address, 4 * s->seq * width);
}

static uint64_t rows_of(const dtq_tensor *t) {
    return t->shape[t->transposed];
}

static uint64_t cols_of(const dtq_tensor *t) {
    return t->shape[!t->transposed];
}

#define GET(op, field) DTQ_GET(in, op, field)

static void add_array_op(list *l, const dtq_layer *layer, const dtq_instr *in) {
    if (in->op == DTQ_OP_QK) {
        add_block(l, layer, DTQ_Q, DTQ_READS, GET(QK, q), GET(QK, row), GET(QK, rows));
        add_block(l, layer, DTQ_K, DTQ_READS, GET(QK, k), GET(QK, col), GET(QK, cols));
        add(l, DTQ_MEM_SCORES, DTQ_WRITES, GET(QK, s),
            dtq_scores_bytes((uint32_t)GET(QK, rows), (uint32_t)GET(QK, cols)));
        return;
    }
    bool only = GET(PV, flags) == DTQ_PV_ONLY, clears = only || GET(PV, flags) == DTQ_PV_FIRST;
    add(l, DTQ_MEM_PROBS, DTQ_READS, GET(PV, p), dtq_probs_bytes(layer, (uint32_t)GET(PV, rows)));
    add_block(l, layer, DTQ_V, DTQ_READS, GET(PV, v), GET(PV, col), GET(PV, cols));
    add(l, DTQ_MEM_OUT, clears ? DTQ_WRITES : DTQ_READS | DTQ_WRITES, GET(PV, o),
        dtq_out_bytes(layer, (uint32_t)GET(PV, rows), only));
}

static void add_softmax(list *l, const dtq_layer *layer, const dtq_instr *in) {
    uint64_t mode = GET(SOFTMAX, mode);
    uint32_t rows = (uint32_t)GET(SOFTMAX, rows), cols = (uint32_t)GET(SOFTMAX, cols);
    bool starts = mode == DTQ_SOFTMAX_FULL || (mode == DTQ_SOFTMAX_MAX && GET(SOFTMAX, col) == dtq_first_key(layer));
    add(l, DTQ_MEM_SCORES, DTQ_READS, GET(SOFTMAX, s), dtq_scores_bytes(rows, cols));
    if (GET(SOFTMAX, v) != dtq_field_none(&dtq_ops[DTQ_OP_SOFTMAX].fields[DTQ_F(SOFTMAX, v)]))
        add_block(l, layer, DTQ_V, DTQ_READS, GET(SOFTMAX, v), GET(SOFTMAX, col), cols);
    add(l, DTQ_MEM_PROBS, starts ? DTQ_WRITES : DTQ_READS | DTQ_WRITES, GET(SOFTMAX, p), dtq_probs_bytes(layer, rows));
}

/* Where the token ids of a layer stand: those of key/value heads that choose late, each for itself, behind each other.
 */
static uint64_t ids_of(const dtq_stream *s, uint64_t layer, uint64_t kv_head) {
    return layer + (dtq_tables(&s->layers[layer]) > 1 ? kv_head * s->layer_count : 0);
}

static void add_topk_op(list *l, const dtq_stream *s, const dtq_layer *layer, const dtq_instr *in) {
    uint64_t accumulators = 8 * (uint64_t)dtq_cols(layer);
    if (in->op == DTQ_OP_IMPORTANCE) {
        add(l, DTQ_MEM_PROBS, DTQ_READS, GET(IMPORTANCE, p), dtq_probs_bytes(layer, (uint32_t)GET(IMPORTANCE, rows)));
        add(l, DTQ_MEM_IMPORTANCE, GET(IMPORTANCE, first) ? DTQ_WRITES : DTQ_READS | DTQ_WRITES, GET(IMPORTANCE, acc),
            accumulators);
        return;
    }
    if (in->op == DTQ_OP_CHOOSE_LATE) {
        add(l, DTQ_MEM_IMPORTANCE, DTQ_READS, GET(CHOOSE_LATE, acc), accumulators);
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, layer->importance_at, dtq_tables(layer) * accumulators);
        add(l, DTQ_MEM_IDS, DTQ_WRITES, ids_of(s, GET(CHOOSE_LATE, layer), GET(CHOOSE_LATE, head)), 1);
        return;
    }
    add(l, DTQ_MEM_IMPORTANCE, DTQ_READS, GET(TOPK, acc), accumulators);
    add(l, DTQ_MEM_DRAM, layer->cached ? DTQ_READS | DTQ_WRITES : DTQ_WRITES, layer->importance_at,
        8 * (uint64_t)s->seq);
    if (GET(TOPK, select))
        add(l, DTQ_MEM_IDS, DTQ_WRITES, GET(TOPK, layer) + 1, 1);
}

/* From all queries and keys to the choice of a layer. */
static void add_probe_op(list *l, const dtq_stream *s, const dtq_layer *layer, const dtq_instr *in) {
    const uint64_t block = dtq_probe_bytes(layer, s->seq), queries = layer->heads / layer->kv_heads;
    const uint64_t scores = sizeof(float) * queries * s->seq, accumulators = sizeof(uint64_t) * (uint64_t)s->seq;
    switch (in->op) {
    case DTQ_OP_PROBE_CODES:
        add_matrix(l, s, DTQ_READS, GET(PROBE_CODES, q), (uint64_t)layer->heads * layer->head_dim);
        add_matrix(l, s, DTQ_READS, GET(PROBE_CODES, k), (uint64_t)layer->kv_heads * layer->head_dim);
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, GET(PROBE_CODES, codes), layer->kv_heads * block);
        break;
    case DTQ_OP_LOAD_PROBE:
        add(l, DTQ_MEM_DRAM, DTQ_READS, GET(LOAD_PROBE, codes) + GET(LOAD_PROBE, head) * block, block);
        add(l, DTQ_MEM_K, DTQ_WRITES, GET(LOAD_PROBE, dst), block);
        break;
    case DTQ_OP_PROBE:
        add(l, DTQ_MEM_K, DTQ_READS, GET(PROBE, k), block);
        add(l, DTQ_MEM_SCORES, DTQ_WRITES, GET(PROBE, s), scores);
        break;
    case DTQ_OP_PROBE_SOFTMAX:
        add(l, DTQ_MEM_SCORES, DTQ_READS, GET(PROBE_SOFTMAX, s), scores);
        add(l, DTQ_MEM_PROBS, DTQ_WRITES, GET(PROBE_SOFTMAX, p), dtq_probe_probs_bytes(layer, s->seq));
        break;
    case DTQ_OP_VOTE:
        add(l, DTQ_MEM_PROBS, DTQ_READS, GET(VOTE, p), dtq_probe_probs_bytes(layer, s->seq));
        add(l, DTQ_MEM_IMPORTANCE, GET(VOTE, first) ? DTQ_WRITES : DTQ_READS | DTQ_WRITES, GET(VOTE, acc),
            accumulators);
        break;
    case DTQ_OP_CHOOSE_HEAD:
        add(l, DTQ_MEM_SCORES, DTQ_READS, GET(CHOOSE_HEAD, s), scores);
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, layer->importance_at, layer->kv_heads * accumulators);
        add(l, DTQ_MEM_IDS, DTQ_WRITES, GET(CHOOSE_HEAD, layer), 1);
        break;
    default: /* CHOOSE */
        add(l, DTQ_MEM_IMPORTANCE, DTQ_READS, GET(CHOOSE, acc), accumulators);
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, layer->importance_at, accumulators);
        add(l, DTQ_MEM_IDS, DTQ_WRITES, GET(CHOOSE, layer), 1);
    }
}

/* Of a layer that streams: rows of a block, and the keys that they see. */
static void add_seen_op(list *l, const dtq_stream *s, const dtq_layer *layer, const dtq_instr *in) {
    const dtq_streaming *r = &layer->streaming;
    const uint32_t d = layer->head_dim;
    if (in->op == DTQ_OP_FAR_CODES) {
        const uint32_t heads = GET(FAR_CODES, operand) == DTQ_Q ? layer->heads : layer->kv_heads;
        add_matrix(l, s, DTQ_READS, GET(FAR_CODES, src), (uint64_t)heads * d);
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, GET(FAR_CODES, codes), dtq_seen_codes_bytes(r, d, heads, s->seq));
        return;
    }
    const int row = in->op == DTQ_OP_LOAD_SEEN ? (int)DTQ_F(LOAD_SEEN, row) : (int)DTQ_F(QK_SEEN, row);
    const dtq_seen b = dtq_seen_by(r, layer->slots, (uint32_t)in->f[row], (uint32_t)in->f[row + 1]);
    const uint64_t seen = dtq_seen_load_bytes(r, d, &b, false);
    switch (in->op) {
    case DTQ_OP_LOAD_SEEN: {
        const bool queries = GET(LOAD_SEEN, operand) == DTQ_Q;
        add_operand(l, s, layer, (dtq_operand)GET(LOAD_SEEN, operand), DTQ_READS, (int64_t)GET(LOAD_SEEN, head));
        if (b.far) {
            add(l, DTQ_MEM_DRAM, DTQ_READS, GET(LOAD_SEEN, codes),
                dtq_seen_codes_bytes(r, d, queries ? layer->heads : layer->kv_heads, s->seq));
            if (!queries)
                add(l, DTQ_MEM_DRAM, DTQ_READS, GET(LOAD_SEEN, list), 4 * (uint64_t)b.far);
        }
        add(l, (dtq_memory)GET(LOAD_SEEN, operand), DTQ_WRITES, GET(LOAD_SEEN, dst),
            dtq_seen_load_bytes(r, d, &b, queries));
        break;
    }
    case DTQ_OP_QK_SEEN:
        add(l, DTQ_MEM_Q, DTQ_READS, GET(QK_SEEN, q), dtq_seen_load_bytes(r, d, &b, true));
        add(l, DTQ_MEM_K, DTQ_READS, GET(QK_SEEN, k), seen);
        add(l, DTQ_MEM_SCORES, DTQ_WRITES, GET(QK_SEEN, s), dtq_seen_scores_bytes(&b));
        break;
    case DTQ_OP_SOFTMAX_SEEN:
        add(l, DTQ_MEM_SCORES, DTQ_READS, GET(SOFTMAX_SEEN, s), dtq_seen_scores_bytes(&b));
        add(l, DTQ_MEM_V, DTQ_READS, GET(SOFTMAX_SEEN, v), seen);
        add(l, DTQ_MEM_PROBS, DTQ_WRITES, GET(SOFTMAX_SEEN, p), dtq_seen_probs_bytes(&b));
        break;
    case DTQ_OP_PV_SEEN:
        add(l, DTQ_MEM_PROBS, DTQ_READS, GET(PV_SEEN, p), dtq_seen_probs_bytes(&b));
        add(l, DTQ_MEM_V, DTQ_READS, GET(PV_SEEN, v), seen);
        add(l, DTQ_MEM_OUT, DTQ_WRITES, GET(PV_SEEN, o), 4 * (uint64_t)b.rows * d);
        break;
    case DTQ_OP_VOTE_SEEN:
        add(l, DTQ_MEM_PROBS, DTQ_READS, GET(VOTE_SEEN, p), dtq_seen_probs_bytes(&b));
        add(l, DTQ_MEM_IMPORTANCE, GET(VOTE_SEEN, first) ? DTQ_WRITES : DTQ_READS | DTQ_WRITES, GET(VOTE_SEEN, acc),
            8 * (uint64_t)r->window);
        break;
    default: { /* KEEP */
        const uint64_t there = dtq_streamed_list_at(r, b.block - 1), stay = dtq_streamed_stay(r, b.block - 1);
        add(l, DTQ_MEM_IMPORTANCE, DTQ_READS, GET(KEEP, acc), 8 * (uint64_t)r->window);
        add(l, DTQ_MEM_DRAM, DTQ_WRITES,
            layer->importance_at + 8 * (GET(KEEP, head) * s->seq + dtq_streamed_first(r, b.block - 1)),
            8 * (uint64_t)r->window);
        if (b.row + b.rows == layer->slots)
            break;                                                    /* nothing comes behind the last block */
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, GET(KEEP, list), 4 * there); /* goes on: whose it is says dataflow.c */
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, GET(KEEP, list) + 4 * there, 4 * stay);
    }
    }
}

/* A linear's rows in DRAM, on chip, and its products. */
static void add_linear_op(list *l, const dtq_program *p, const dtq_stream *s, const dtq_layer *layer,
                          const dtq_instr *in) {
    const dtq_tensor *t;
    switch (in->op) {
    case DTQ_OP_CODES:
        t = &p->tensors[GET(CODES, weight)];
        add_matrix(l, s, DTQ_READS, GET(CODES, src), cols_of(t));
        add_matrix(l, s, DTQ_WRITES, GET(CODES, dst), rows_of(t));
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, GET(CODES, codes), dtq_codes_bytes(s->seq, (uint32_t)cols_of(t)));
        break;
    case DTQ_OP_LOAD_ROWS:
        add(l, DTQ_MEM_DRAM, DTQ_READS, GET(LOAD_ROWS, codes),
            dtq_codes_bytes(s->seq, (uint32_t)GET(LOAD_ROWS, width)));
        add(l, DTQ_MEM_Q, DTQ_WRITES, GET(LOAD_ROWS, x),
            dtq_rows_bytes(layer, (uint32_t)GET(LOAD_ROWS, row), (uint32_t)GET(LOAD_ROWS, rows),
                           (uint32_t)GET(LOAD_ROWS, depth)));
        break;
    case DTQ_OP_LOAD_WEIGHTS:
        add(l, DTQ_MEM_K, DTQ_WRITES, GET(LOAD_WEIGHTS, w),
            dtq_weights_bytes((uint32_t)GET(LOAD_WEIGHTS, cols), (uint32_t)GET(LOAD_WEIGHTS, depth)));
        break;
    case DTQ_OP_MATMUL: {
        const bool clears = GET(MATMUL, flags) == DTQ_PV_ONLY || GET(MATMUL, flags) == DTQ_PV_FIRST;
        add(l, DTQ_MEM_Q, DTQ_READS, GET(MATMUL, x),
            dtq_rows_bytes(layer, (uint32_t)GET(MATMUL, row), (uint32_t)GET(MATMUL, rows),
                           (uint32_t)GET(MATMUL, depth)));
        add(l, DTQ_MEM_K, DTQ_READS, GET(MATMUL, w),
            dtq_weights_bytes((uint32_t)GET(MATMUL, cols), (uint32_t)GET(MATMUL, depth)));
        add(l, DTQ_MEM_OUT, clears ? DTQ_WRITES : DTQ_READS | DTQ_WRITES, GET(MATMUL, o),
            4 * GET(MATMUL, rows) * GET(MATMUL, cols));
        break;
    }
    default: /* STORE_ROWS */
        add(l, DTQ_MEM_OUT, DTQ_READS, GET(STORE_ROWS, o), 4 * GET(STORE_ROWS, rows) * GET(STORE_ROWS, cols));
        add_matrix(l, s, DTQ_WRITES, GET(STORE_ROWS, dst), GET(STORE_ROWS, width));
    }
}

/* How much `name` is in the instruction. */
static uint64_t dimension_of(const dtq_program *p, const dtq_instr *in, const char *name, size_t length) {
    const dtq_op_info *op = &dtq_ops[in->op];
    const dtq_dimension d = dtq_find_dimension(op, name, length);
    if (d.field < 0)
        return 0;
    if (op->fields[d.field].kind != DTQ_KIND_TENSOR)
        return in->f[d.field];
    const dtq_tensor *t = &p->tensors[in->f[d.field]];
    return dtq_dimension_of(&d, t->shape[0], t->shape[1], t->transposed);
}

/* The matrices of a host instruction, as its fields say: those that it reads, then those that it writes. */
static void add_matrices(list *l, const dtq_program *p, const dtq_stream *s, const dtq_instr *in) {
    const dtq_op_info *op = &dtq_ops[in->op];
    for (unsigned mode = DTQ_READS; mode <= DTQ_WRITES; mode++)
        for (unsigned i = 0; i < op->field_count; i++) {
            const dtq_columns c = dtq_field_columns(&op->fields[i]);
            if (c.name && (*op->fields[i].doc == 'w') == (mode == DTQ_WRITES))
                add(l, DTQ_MEM_DRAM, mode, in->f[i],
                    4 * (c.one_row ? 1 : (uint64_t)s->seq) * dimension_of(p, in, c.name, c.length));
        }
}

/* Codes and scales that an operand is quantised to, and what its matrix is. */
static void add_quant(list *l, const dtq_program *p, const dtq_stream *s, const dtq_instr *in) {
    const dtq_layer *layer = &s->layers[GET(QUANT, layer)];
    const dtq_operand operand = (dtq_operand)GET(QUANT, operand);
    add_matrix(l, s, DTQ_READS, GET(QUANT, src),
               (uint64_t)(operand == DTQ_Q ? layer->heads : layer->kv_heads) * layer->head_dim);
    add_operand(l, s, layer, operand, DTQ_WRITES, ALL_HEADS);
    if (operand == DTQ_V && dtq_scheme_is_system(&p->scheme)) { /* attention is done once its operands are there */
        add_matrix(l, s, DTQ_WRITES, layer->out, (uint64_t)layer->heads * layer->head_dim);
        add(l, DTQ_MEM_DRAM, DTQ_WRITES, layer->importance_at, 8 * (uint64_t)s->seq);
    }
}

/* Token ids that the instruction goes by: rows to gather, masks, precisions. */
static void add_ids(list *l, const dtq_stream *s, const dtq_layer *layer, const dtq_instr *in, uint64_t index) {
    const unsigned touches = dtq_op_touches[in->op];
    if (!dtq_lates(layer)) {
        if (touches & DTQ_READS_SLOTS || (touches & DTQ_READS_TOKENS && !dtq_chooses(layer)))
            add(l, DTQ_MEM_IDS, DTQ_READS, index, 1);
    } else if (in->op == DTQ_OP_LOAD) {
        if (touches & DTQ_READS_VALUES && GET(LOAD, operand) == DTQ_V)
            add(l, DTQ_MEM_IDS, DTQ_READS, ids_of(s, index, GET(LOAD, head)), 1);
    } else if (touches & DTQ_READS_VALUES) {
        add(l, DTQ_MEM_IDS, DTQ_READS, ids_of(s, index, GET(PV, head) / (layer->heads / layer->kv_heads)), 1);
    }
}

unsigned dtq_accesses(const dtq_program *p, const dtq_stream *s, const dtq_instr *in, dtq_access out[DTQ_ACCESS_MAX]) {
    list l = {out, 0};
    const dtq_layer *layer = NULL;
    int of = dtq_layer_field(in->op);
    if (of >= 0) {
        layer = &s->layers[in->f[of]];
        add_ids(&l, s, layer, in, in->f[of]);
    }
    switch (in->op) {
    case DTQ_OP_WAIT:
    case DTQ_OP_SIGNAL:
        break;
    case DTQ_OP_LOAD:
        add_operand(&l, s, layer, (dtq_operand)GET(LOAD, operand), DTQ_READS, (int64_t)GET(LOAD, head));
        add_block(&l, layer, (dtq_operand)GET(LOAD, operand), DTQ_WRITES, GET(LOAD, dst), GET(LOAD, row),
                  GET(LOAD, rows));
        break;
    case DTQ_OP_QK:
    case DTQ_OP_PV:
        add_array_op(&l, layer, in);
        break;
    case DTQ_OP_SOFTMAX:
        add_softmax(&l, layer, in);
        break;
    case DTQ_OP_STORE:
        add(&l, DTQ_MEM_OUT, DTQ_READS, GET(STORE, o), dtq_out_bytes(layer, (uint32_t)GET(STORE, rows), true));
        add_matrix(&l, s, DTQ_WRITES, layer->out, (uint64_t)layer->heads * layer->head_dim);
        break;
    case DTQ_OP_IMPORTANCE:
    case DTQ_OP_TOPK:
    case DTQ_OP_CHOOSE_LATE:
        add_topk_op(&l, s, layer, in);
        break;
    case DTQ_OP_PROBE_CODES:
    case DTQ_OP_LOAD_PROBE:
    case DTQ_OP_PROBE:
    case DTQ_OP_PROBE_SOFTMAX:
    case DTQ_OP_VOTE:
    case DTQ_OP_CHOOSE:
    case DTQ_OP_CHOOSE_HEAD:
        add_probe_op(&l, s, layer, in);
        break;
    case DTQ_OP_FAR_CODES:
    case DTQ_OP_LOAD_SEEN:
    case DTQ_OP_QK_SEEN:
    case DTQ_OP_SOFTMAX_SEEN:
    case DTQ_OP_PV_SEEN:
    case DTQ_OP_VOTE_SEEN:
    case DTQ_OP_KEEP:
        add_seen_op(&l, s, layer, in);
        break;
    case DTQ_OP_CODES:
    case DTQ_OP_LOAD_ROWS:
    case DTQ_OP_LOAD_WEIGHTS:
    case DTQ_OP_MATMUL:
    case DTQ_OP_STORE_ROWS:
        add_linear_op(&l, p, s, layer, in);
        break;
    case DTQ_OP_QUANT:
        add_quant(&l, p, s, in);
        break;
    default:
        add_matrices(&l, p, s, in);
    }
    return l.count;
}
