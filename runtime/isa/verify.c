/* The verifier: every operand of every instruction in range, then the proof of order (hazards.c). */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/isa/access.h"
#include "runtime/isa/disasm.h"
#include "runtime/isa/hazards.h"
#include "runtime/isa/isa.h"
#include "runtime/isa/program.h"
#include "runtime/isa/shapes.h"
#include "runtime/isa/tokens.h"
#include "runtime/machine.h"

enum { INSTRUCTIONS_MAX = UINT32_MAX - 8 }; /* numbers above stand for writers that are no instructions */

typedef struct {
    const dtq_program *program;
    const dtq_stream *stream;
    dtq_error *error;
    size_t at;
} verifier;

__attribute__((format(printf, 2, 3))) static bool fail_instr(const verifier *v, const char *format, ...) {
    char text[320], message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return dtq_fail(v->error, DTQ_BAD_PROGRAM, "instruction %zu (%s): %s", v->at,
                    dtq_instr_text(&v->stream->instrs[v->at], text, sizeof text), message);
}

/* ---- the stream's facts ---- */

/* [address, address + bytes) lies in the DRAM image, at a multiple of `align`. */
static bool in_dram(const verifier *v, const char *what, uint64_t address, uint64_t bytes, unsigned align) {
    uint64_t size = v->stream->dram_bytes;
    if (bytes > size || address > size - bytes)
        return dtq_fail(v->error, DTQ_BAD_PROGRAM,
                        "%s at 0x%" PRIx64 " takes %" PRIu64 " bytes and leaves the DRAM image of %" PRIu64, what,
                        address, bytes, size);
    return address % align == 0 ||
           dtq_fail(v->error, DTQ_BAD_PROGRAM, "%s at 0x%" PRIx64 " is not aligned to %u bytes", what, address, align);
}

/* Ascending by id within [from, to). */
static bool ascending(const uint32_t *ids, uint32_t from, uint32_t to) {
    for (uint32_t i = from + 1; i < to; i++)
        if (ids[i] <= ids[i - 1])
            return false;
    return true;
}

static bool check_layer(const verifier *v, uint32_t index) {
    const dtq_stream *s = v->stream;
    const dtq_layer *l = &s->layers[index];
    const uint64_t row = (uint64_t)s->seq * l->head_dim, scales = 4 * (uint64_t)s->seq;
    const struct {
        const char *name;
        uint64_t address, bytes;
        unsigned align;
    } regions[] = {
        {"q", l->q, l->heads * row, 1},
        {"k", l->k, l->kv_heads * row, 1},
        {"v", l->v, (dtq_lates(l) ? 2 : 1) * l->kv_heads * row, 1},
        {"q_scale", l->q_scale, l->heads * scales, 4},
        {"k_scale", l->k_scale, l->kv_heads * scales, 4},
        {"v_scale", l->v_scale, l->kv_heads * (dtq_folds(l) ? scales : 8 * (uint64_t)l->head_dim), 4},
        {"out", l->out, 4 * l->heads * row, 4},
        {"importance_at", l->importance_at, 8 * (uint64_t)dtq_importance_rows(l) * s->seq, 8},
    };
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        char what[48];
        snprintf(what, sizeof what, "layer %" PRIu32 ": %s", index, regions[i].name);
        if (!in_dram(v, what, regions[i].address, regions[i].bytes, regions[i].align))
            return false;
    }
    if (dtq_chooses(l) && dtq_choice_wrong(s, index))
        return dtq_fail(v->error, DTQ_BAD_PROGRAM, "layer %" PRIu32 ": %s", index, dtq_choice_wrong(s, index));
    if (!l->ids && !dtq_chooses(l) && (index == 0 || !dtq_selects(&s->layers[index - 1], l)))
        return dtq_fail(v->error, DTQ_BAD_PROGRAM,
                        "layer %" PRIu32 ": its %" PRIu32 " tokens have no ids and no layer before it has as many",
                        index, l->slots);
    /* Where the first cluster, where there are two, ends among the keys; muted slots stand before or behind them. */
    uint32_t keys = dtq_first_key(l), end = keys + dtq_keys(l);
    uint32_t first = l->order == DTQ_ORDER_LOW_FIRST    ? end - l->high
                     : l->order == DTQ_ORDER_HIGH_FIRST ? l->high
                                                        : keys;
    if (l->ids && !(ascending(l->ids, 0, keys) && ascending(l->ids, keys, first) && ascending(l->ids, first, end) &&
                    ascending(l->ids, end, l->slots)))
        return dtq_fail(v->error, DTQ_BAD_PROGRAM, "layer %" PRIu32 ": ids do not ascend within a cluster", index);
    const char *wrong = dtq_tokens_cached_wrong(s, l);
    return !wrong || dtq_fail(v->error, DTQ_BAD_PROGRAM, "layer %" PRIu32 ": %s", index, wrong);
}

static bool check_ports(const verifier *v) {
    const dtq_stream *s = v->stream;
    if (s->output_width == 0)
        return dtq_fail(v->error, DTQ_BAD_PROGRAM, "the output has no width");
    if (!in_dram(v, "the output", s->output_at, dtq_output_bytes(s), 4))
        return false;
    if ((s->input == DTQ_INPUT_QKV || s->output != DTQ_OUTPUT_POOLED) && s->layer_count == 0)
        return dtq_fail(v->error, DTQ_BAD_PROGRAM, "an input of q, k and v, or an output of tokens, needs a layer");
    if (s->output == DTQ_OUTPUT_ATTENTION) {
        const dtq_layer *last = &s->layers[s->layer_count - 1];
        const uint64_t width = (uint64_t)last->heads * last->head_dim;
        if (s->output_width != width)
            return dtq_fail(v->error, DTQ_BAD_PROGRAM, "the output is %" PRIu32 " wide, the heads together %" PRIu64,
                            s->output_width, width);
    }
    for (unsigned i = 0; s->input == DTQ_INPUT_QKV && i < 3; i++)
        if (!in_dram(v, "an input", s->input_at[i], dtq_input_bytes(s, i), 4))
            return false;
    return true;
}

/* ---- operands ---- */

static bool check_tensor(const verifier *v, const dtq_field_info *f, uint64_t index) {
    if (index == dtq_field_none(f))
        return strstr(f->doc, "or none") || fail_instr(v, "%s cannot be none", f->name);
    if (index >= v->program->tensor_count)
        return fail_instr(v, "%s is tensor %" PRIu64 " of %zu", f->name, index, v->program->tensor_count);
    const dtq_tensor *t = &v->program->tensors[index];
    if (t->file == UINT32_MAX)
        return true;
    return dtq_tensor_end(t) <= v->program->files[t->file].bytes ||
           fail_instr(v, "tensor \"%.80s\" leaves its file", t->name);
}

/* Heads of the operand that the HEAD field counts. */
static uint32_t heads_of(const dtq_instr *in, const dtq_layer *l) {
    const bool of_keys = in->op == DTQ_OP_LOAD_PROBE || in->op == DTQ_OP_CHOOSE_HEAD || in->op == DTQ_OP_CHOOSE_LATE ||
                         in->op == DTQ_OP_KEEP ||
                         (in->op == DTQ_OP_LOAD_SEEN && DTQ_GET(in, LOAD_SEEN, operand) != DTQ_Q) ||
                         (in->op == DTQ_OP_LOAD && DTQ_GET(in, LOAD, operand) != DTQ_Q);
    return of_keys ? l->kv_heads : l->heads;
}

/* A SLOT field and the COUNT field behind it. */
static bool check_slots(const verifier *v, const dtq_field_info *f, uint64_t first, uint64_t count, uint32_t slots) {
    if (count == 0)
        return fail_instr(v, "%s is 0", f[1].name);
    return first + count <= slots ||
           fail_instr(v, "%s + %s exceeds the layer's %" PRIu32 " slots", f[0].name, f[1].name, slots);
}

/* Whether a SLOT field counts keys: col does, and row where a load gathers keys or values. */
static bool counts_keys(const dtq_instr *in, const dtq_field_info *f) {
    return strcmp(f->name, "col") == 0 || (in->op == DTQ_OP_LOAD && DTQ_GET(in, LOAD, operand) != DTQ_Q);
}

static bool check_keys(const verifier *v, const dtq_instr *in, const dtq_field_info *f, uint64_t first, uint64_t count,
                       const dtq_layer *l) {
    const bool values = in->op == DTQ_OP_PV || (in->op == DTQ_OP_LOAD && DTQ_GET(in, LOAD, operand) == DTQ_V);
    uint32_t keys = values ? dtq_first_key(l) : dtq_first_col(l);
    uint32_t end = keys + (values ? dtq_keys(l) : dtq_cols(l));
    return (first >= keys && first + count <= end) ||
           fail_instr(v, "%s + %s leaves the layer's keys, slots %" PRIu32 " to %" PRIu32, f[0].name, f[1].name, keys,
                      end - 1);
}

static bool check_queries(const verifier *v, const dtq_field_info *f, uint64_t first, uint64_t count,
                          const dtq_layer *l) {
    uint32_t queries = dtq_first_query(l), end = queries + dtq_queries(l);
    return (first >= queries && first + count <= end) ||
           fail_instr(v, "%s + %s leaves the layer's queries, slots %" PRIu32 " to %" PRIu32, f[0].name, f[1].name,
                      queries, end - 1);
}

static bool check_fields(const verifier *v, const dtq_instr *in) {
    const dtq_op_info *op = &dtq_ops[in->op];
    unsigned queues = DTQ_ARRAY0 + (unsigned)dtq_machine_arrays(v->program->machine);
    int layer_field = dtq_layer_field(in->op);
    const dtq_layer *l = NULL;
    if (in->queue >= queues)
        return fail_instr(v, "the machine has %" PRIu64 " arrays", dtq_machine_arrays(v->program->machine));
    if (layer_field >= 0) {
        if (in->f[layer_field] >= v->stream->layer_count)
            return fail_instr(v, "layer %" PRIu64 " of %" PRIu32, in->f[layer_field], v->stream->layer_count);
        l = &v->stream->layers[in->f[layer_field]];
    }
    for (unsigned i = 0; i < op->field_count; i++) {
        const dtq_field_info *f = &op->fields[i];
        bool ok = true;
        switch (f->kind) {
        case DTQ_KIND_ENGINE:
            ok = in->f[i] < queues ||
                 fail_instr(v, "the machine has %" PRIu64 " arrays", dtq_machine_arrays(v->program->machine));
            break;
        case DTQ_KIND_HEAD:
            ok = in->f[i] < heads_of(in, l) || fail_instr(v, "head %" PRIu64 " of %" PRIu32, in->f[i], heads_of(in, l));
            break;
        case DTQ_KIND_SLOT:
            ok = check_slots(v, f, in->f[i], in->f[i + 1], l->slots) &&
                 (counts_keys(in, f) ? check_keys(v, in, f, in->f[i], in->f[i + 1], l)
                                     : check_queries(v, f, in->f[i], in->f[i + 1], l));
            break;
        case DTQ_KIND_TENSOR:
            ok = check_tensor(v, f, in->f[i]);
            break;
        case DTQ_KIND_INT:
            ok = in->f[i] > 0 || fail_instr(v, "%s is 0", f->name);
            break;
        default:
            break;
        }
        if (!ok)
            return false;
    }
    return true;
}

/* ---- what single instructions demand beyond their fields ---- */

/* The tensor of a field, or NULL if it is none. */
static const dtq_tensor *tensor(const verifier *v, const dtq_field_info *f, uint64_t index) {
    return index == dtq_field_none(f) ? NULL : &v->program->tensors[index];
}

#define TENSOR(op, field) tensor(v, &dtq_ops[DTQ_OP_##op].fields[DTQ_F(op, field)], DTQ_GET(in, op, field))

static bool check_vector(const verifier *v, const char *what, const dtq_tensor *t, uint64_t width) {
    return !t || (t->shape[0] == 1 && t->shape[1] == width) ||
           fail_instr(v, "%s is [%" PRIu32 "][%" PRIu32 "], not [1][%" PRIu64 "]", what, t->shape[0], t->shape[1],
                      width);
}

/* Tensors that are vectors, as the docs of their fields say. */
static bool check_vectors(const verifier *v, const dtq_instr *in) {
    const dtq_op_info *op = &dtq_ops[in->op];
    for (unsigned i = 0; i < op->field_count; i++) {
        size_t length;
        const char *name = dtq_field_vector(&op->fields[i], &length);
        const dtq_dimension d = name ? dtq_find_dimension(op, name, length) : (dtq_dimension){-1, 0, false};
        if (d.field < 0)
            continue;
        const dtq_tensor *t = &v->program->tensors[in->f[d.field]];
        const uint64_t width = op->fields[d.field].kind == DTQ_KIND_TENSOR
                                   ? dtq_dimension_of(&d, t->shape[0], t->shape[1], t->transposed)
                                   : in->f[d.field];
        if (!check_vector(v, op->fields[i].name, tensor(v, &op->fields[i], in->f[i]), width))
            return false;
    }
    return true;
}

static bool check_table(const verifier *v, const char *what, const dtq_tensor *t, uint64_t rows, uint64_t width) {
    return !t || (t->shape[0] >= rows && t->shape[1] == width && !t->transposed) ||
           fail_instr(v, "%s is [%" PRIu32 "][%" PRIu32 "]%s, not [%" PRIu64 " or more][%" PRIu64 "]", what,
                      t->shape[0], t->shape[1], t->transposed ? " transposed" : "", rows, width);
}

static bool check_softmax(const verifier *v, const dtq_instr *in) {
    const dtq_layer *l = &v->stream->layers[DTQ_GET(in, SOFTMAX, layer)];
    bool none = DTQ_GET(in, SOFTMAX, v) == dtq_field_none(&dtq_ops[DTQ_OP_SOFTMAX].fields[DTQ_F(SOFTMAX, v)]);
    if (DTQ_GET(in, SOFTMAX, mode) == DTQ_SOFTMAX_FULL && DTQ_GET(in, SOFTMAX, cols) != dtq_cols(l))
        return fail_instr(v, "mode=full takes all %" PRIu32 " key slots", dtq_cols(l));
    if (dtq_lates(l) && (DTQ_GET(in, SOFTMAX, mode) != DTQ_SOFTMAX_FULL || !none))
        return fail_instr(v, "the layer chooses late: all keys vote at once, and no values are there yet");
    if (none && dtq_folds(l) && DTQ_GET(in, SOFTMAX, mode) != DTQ_SOFTMAX_MAX)
        return fail_instr(v, "a causal layer folds the scales of v into p: v cannot be none");
    return DTQ_GET(in, SOFTMAX, mode) != DTQ_SOFTMAX_WMAX || dtq_folds(l) ||
           fail_instr(v, "mode=wmax is for causal layers");
}

/* Sums begin with the first key and are divided with the last. */
static bool check_pv(const verifier *v, const dtq_instr *in) {
    const dtq_layer *l = &v->stream->layers[DTQ_GET(in, PV, layer)];
    uint64_t flags = DTQ_GET(in, PV, flags), first = DTQ_GET(in, PV, col), end = first + DTQ_GET(in, PV, cols);
    bool begins = flags == DTQ_PV_FIRST || flags == DTQ_PV_ONLY, ends = flags == DTQ_PV_LAST || flags == DTQ_PV_ONLY;
    if (dtq_lates(l) && flags != DTQ_PV_ONLY)
        return fail_instr(v, "the layer chooses late: its sums are of all keys at once");
    if (flags == DTQ_PV_ONLY && DTQ_GET(in, PV, cols) != dtq_keys(l))
        return fail_instr(v, "flags=only takes all key slots");
    if (begins != (first == dtq_first_key(l)))
        return fail_instr(v, "flags: first and only are for the block that begins with the first key");
    return ends == (end == (uint64_t)dtq_first_key(l) + dtq_keys(l)) ||
           fail_instr(v, "flags: last and only are for the block that ends with the last key");
}

static bool check_select(const verifier *v, const dtq_instr *in) {
    uint64_t next = DTQ_GET(in, TOPK, layer) + 1;
    if (!DTQ_GET(in, TOPK, select))
        return true;
    if (next >= v->stream->layer_count)
        return fail_instr(v, "there is no layer to select for");
    if (dtq_chooses(&v->stream->layers[next]))
        return fail_instr(v, "layer %" PRIu64 " chooses its own tokens", next);
    return !v->stream->layers[next].ids || fail_instr(v, "the ids of layer %" PRIu64 " are fixed", next);
}

/* [first, first + count) lies in what the linear has. */
static bool check_part(const verifier *v, const char *what, uint64_t first, uint64_t count, uint64_t all) {
    return (first < all && count <= all - first) ||
           fail_instr(v, "%s %" PRIu64 " + %" PRIu64 " leave the linear's %" PRIu64, what, first, count, all);
}

static bool check_linear_op(const verifier *v, const dtq_instr *in) {
    const dtq_tensor *t;
    switch (in->op) {
    case DTQ_OP_CODES:
        t = TENSOR(CODES, weight);
        return check_vector(v, "bias", TENSOR(CODES, bias), t->shape[t->transposed]);
    case DTQ_OP_LOAD_ROWS:
        return check_part(v, "inputs", DTQ_GET(in, LOAD_ROWS, input), DTQ_GET(in, LOAD_ROWS, depth),
                          DTQ_GET(in, LOAD_ROWS, width)) &&
               (DTQ_GET(in, LOAD_ROWS, input) % 2 == 0 || fail_instr(v, "the first input is not even"));
    case DTQ_OP_LOAD_WEIGHTS:
        t = TENSOR(LOAD_WEIGHTS, weight);
        return check_part(v, "outputs", DTQ_GET(in, LOAD_WEIGHTS, output), DTQ_GET(in, LOAD_WEIGHTS, cols),
                          t->shape[t->transposed]) &&
               check_part(v, "inputs", DTQ_GET(in, LOAD_WEIGHTS, input), DTQ_GET(in, LOAD_WEIGHTS, depth),
                          t->shape[!t->transposed]) &&
               check_vector(v, "bias", TENSOR(LOAD_WEIGHTS, bias), t->shape[t->transposed]);
    default: /* STORE_ROWS */
        return check_part(v, "outputs", DTQ_GET(in, STORE_ROWS, output), DTQ_GET(in, STORE_ROWS, cols),
                          DTQ_GET(in, STORE_ROWS, width));
    }
}

/* Instructions of a probe are of layers that do; a linear cannot go by precisions that are not chosen yet. */
static bool check_probe(const verifier *v, const dtq_instr *in) {
    const dtq_layer *l = &v->stream->layers[in->f[dtq_layer_field(in->op)]];
    const bool by_bits = in->op == DTQ_OP_LINEAR || in->op == DTQ_OP_CODES;
    if (by_bits)
        return !dtq_chooses(l) || fail_instr(v, "the layer chooses its own tokens, so the rows have no bits yet");
    if (!dtq_probes(l))
        return fail_instr(v, "the layer does not choose its tokens by a probe");
    bool by_head = l->importance == DTQ_IMPORTANCE_PROBE_HEADS;
    if (in->op == DTQ_OP_CHOOSE_HEAD)
        return by_head || fail_instr(v, "the layer's heads do not choose for themselves");
    bool shared = in->op == DTQ_OP_PROBE_SOFTMAX || in->op == DTQ_OP_VOTE || in->op == DTQ_OP_CHOOSE;
    return !(shared && by_head) || fail_instr(v, "each key/value head of the layer chooses for itself");
}

static bool check_choose_late(const verifier *v, const dtq_instr *in) {
    const dtq_layer *l = &v->stream->layers[DTQ_GET(in, CHOOSE_LATE, layer)];
    if (!dtq_lates(l))
        return fail_instr(v, "the layer does not choose late");
    return DTQ_GET(in, CHOOSE_LATE, head) < dtq_tables(l) ||
           fail_instr(v, "the layer's heads do not choose for themselves");
}

/* Instructions of a layer that streams are of rows of one block, and it has no others for its attention. */
/* Codes and list of all tokens lie in DRAM, as far as the instruction names them, even where it has no use for them. */
static bool check_far(const verifier *v, const dtq_layer *l, const dtq_instr *in) {
    const dtq_stream *s = v->stream;
    const bool load = in->op == DTQ_OP_LOAD_SEEN;
    if (!load && in->op != DTQ_OP_KEEP)
        return true;
    const uint32_t heads = load && DTQ_GET(in, LOAD_SEEN, operand) == DTQ_Q ? l->heads : l->kv_heads;
    const uint64_t places[2][2] = {{load ? DTQ_GET(in, LOAD_SEEN, list) : DTQ_GET(in, KEEP, list),
                                    4 * (uint64_t)dtq_streamed_list(&l->streaming, s->seq)},
                                   {load ? DTQ_GET(in, LOAD_SEEN, codes) : 0,
                                    load ? dtq_seen_codes_bytes(&l->streaming, l->head_dim, heads, s->seq) : 0}};
    for (unsigned i = 0; i < 2; i++)
        if (places[i][0] > s->dram_bytes || places[i][1] > s->dram_bytes - places[i][0])
            return fail_instr(v, "%s at 0x%" PRIx64 " leaves DRAM, which has %" PRIu64 " bytes",
                              i == 0 ? "list" : "codes", places[i][0], s->dram_bytes);
    return true;
}

static bool check_seen(const verifier *v, const dtq_instr *in) {
    const dtq_layer *l = &v->stream->layers[in->f[dtq_layer_field(in->op)]];
    const dtq_streaming *r = &l->streaming;
    if (!dtq_streams(l))
        return fail_instr(v, "the layer does not stream");
    if (l->cached)
        return fail_instr(v, "a layer that streams has no instructions for a cache");
    if (in->op == DTQ_OP_FAR_CODES)
        return true;
    const int at = in->op == DTQ_OP_LOAD_SEEN ? (int)DTQ_F(LOAD_SEEN, row) : (int)DTQ_F(QK_SEEN, row);
    const uint32_t row = (uint32_t)in->f[at], rows = (uint32_t)in->f[at + 1];
    const bool whole =
        in->op == DTQ_OP_KEEP || (in->op == DTQ_OP_LOAD_SEEN && DTQ_GET(in, LOAD_SEEN, operand) != DTQ_Q);
    if (!dtq_seen_fits(r, l->slots, row, rows))
        return fail_instr(v, "its rows are not those of one block of %" PRIu32, r->window);
    if (whole && !dtq_seen_is_block(r, l->slots, row, rows))
        return fail_instr(v, "its rows are not a whole block of %" PRIu32, r->window);
    if ((in->op == DTQ_OP_VOTE_SEEN || in->op == DTQ_OP_KEEP) && row < r->window)
        return fail_instr(v, "no block stands before the first");
    return check_far(v, l, in);
}

static bool check_whole(const verifier *v, const dtq_instr *in) {
    return !dtq_streams(&v->stream->layers[in->f[dtq_layer_field(in->op)]]) ||
           fail_instr(v, "the layer streams, and this is of layers whose rows see all keys");
}

/* What a layer's choice went by is not chosen by once more. */
static bool check_measured(const verifier *v, const dtq_instr *in) {
    return !dtq_lates(&v->stream->layers[DTQ_GET(in, TOPK, layer)]) ||
           fail_instr(v, "the layer chooses late, and measures nothing for the next");
}

static bool check_op(const verifier *v, const dtq_instr *in) {
    const dtq_tensor *t;
    switch (in->op) {
    case DTQ_OP_FAR_CODES:
    case DTQ_OP_LOAD_SEEN:
    case DTQ_OP_QK_SEEN:
    case DTQ_OP_SOFTMAX_SEEN:
    case DTQ_OP_PV_SEEN:
    case DTQ_OP_VOTE_SEEN:
    case DTQ_OP_KEEP:
        return check_seen(v, in);
    case DTQ_OP_LOAD:
    case DTQ_OP_QK:
    case DTQ_OP_IMPORTANCE:
        return check_whole(v, in);
    case DTQ_OP_PROBE_CODES:
    case DTQ_OP_LOAD_PROBE:
    case DTQ_OP_PROBE:
    case DTQ_OP_PROBE_SOFTMAX:
    case DTQ_OP_VOTE:
    case DTQ_OP_CHOOSE:
    case DTQ_OP_CHOOSE_HEAD:
        return check_probe(v, in);
    case DTQ_OP_CHOOSE_LATE:
        return check_choose_late(v, in);
    case DTQ_OP_SOFTMAX:
        return check_whole(v, in) && check_softmax(v, in);
    case DTQ_OP_PV:
        return check_whole(v, in) && check_pv(v, in);
    case DTQ_OP_TOPK:
        return check_whole(v, in) && check_measured(v, in) && check_select(v, in);
    case DTQ_OP_EMBED:
        t = TENSOR(EMBED, word);
        return check_table(v, "word", t, v->program->vocabulary, t->shape[1]) &&
               check_table(v, "position", TENSOR(EMBED, position), v->stream->seq, t->shape[1]) &&
               check_table(v, "type", TENSOR(EMBED, type), 1, t->shape[1]);
    case DTQ_OP_CODES:
        return check_probe(v, in) && check_linear_op(v, in);
    case DTQ_OP_LOAD_ROWS:
    case DTQ_OP_LOAD_WEIGHTS:
    case DTQ_OP_STORE_ROWS:
        return check_linear_op(v, in);
    case DTQ_OP_LINEAR:
        return (DTQ_GET(in, LINEAR, path) != DTQ_LINEAR_MIXED || check_probe(v, in)) && check_vectors(v, in);
    case DTQ_OP_ROTARY:
        t = TENSOR(ROTARY, table);
        return (t->shape[1] % 2 == 0 && DTQ_GET(in, ROTARY, width) % t->shape[1] == 0 &&
                check_table(v, "table", t, v->stream->seq, t->shape[1])) ||
               fail_instr(v, "width and table do not make whole heads of pairs");
    case DTQ_OP_RMSNORM:
        t = TENSOR(RMSNORM, gamma);
        return (DTQ_GET(in, RMSNORM, width) % t->shape[1] == 0 && check_vector(v, "gamma", t, t->shape[1])) ||
               fail_instr(v, "rows of %" PRIu64 " are no whole parts of the %" PRIu32 " elements of gamma",
                          DTQ_GET(in, RMSNORM, width), t->shape[1]);
    default:
        return check_vectors(v, in);
    }
}

/* ---- memory ---- */

static bool overlap(const dtq_access *a, const dtq_access *b) {
    return a->memory == b->memory && a->bytes && b->bytes && a->address < b->address + b->bytes &&
           b->address < a->address + a->bytes;
}

/* Host work runs row by row: what it writes may be what it reads only if both are the same rows; for LINEAR, ROTARY and
 * CODES and PROBE_CODES not even then, since an element of their results depends on several of their inputs, and for
 * QUANT, whose results lie in another order, neither. */
static bool works_in_place(const dtq_instr *in, const dtq_access *from, const dtq_access *to) {
    return from->address == to->address && from->bytes == to->bytes && in->op != DTQ_OP_LINEAR &&
           in->op != DTQ_OP_ROTARY && in->op != DTQ_OP_CODES && in->op != DTQ_OP_QUANT && in->op != DTQ_OP_PROBE_CODES;
}

/* What one instruction reads and writes does not overlap, nor do two of its results. */
static bool check_apart(const verifier *v, const dtq_instr *in, const dtq_access *a, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        for (unsigned w = 0; w < count; w++) {
            if (i == w || !(a[w].mode & DTQ_WRITES) || !overlap(&a[i], &a[w]))
                continue;
            if (a[i].mode & DTQ_WRITES)
                return fail_instr(v, "two things that it writes overlap in %s", dtq_memory_names[a[i].memory]);
            if (!works_in_place(in, &a[i], &a[w]))
                return fail_instr(v, "what it writes overlaps what it reads");
        }
    return true;
}

static bool check_memory(const verifier *v, const dtq_instr *in) {
    dtq_access accesses[DTQ_ACCESS_MAX];
    unsigned count = dtq_accesses(v->program, v->stream, in, accesses);
    for (unsigned i = 0; i < count; i++) {
        const dtq_access *a = &accesses[i];
        uint64_t size = dtq_memory_bytes(v->program, v->stream, a->memory);
        if (a->bytes > size || a->address > size - a->bytes)
            return fail_instr(v, "0x%" PRIx64 " + %" PRIu64 " bytes leave %s, which has %" PRIu64, a->address, a->bytes,
                              dtq_memory_names[a->memory], size);
    }
    for (unsigned i = 0; i < dtq_ops[in->op].field_count; i++)
        if (dtq_ops[in->op].fields[i].kind == DTQ_KIND_DRAM && in->f[i] % 4)
            return fail_instr(v, "%s is not aligned to 4 bytes", dtq_ops[in->op].fields[i].name);
    return check_apart(v, in, accesses, count);
}

bool dtq_do_verify(const dtq_program *p, const dtq_stream *s, dtq_error *e) {
    verifier v = {p, s, e, 0};
    if (!dtq_facts_check(p, e) || !dtq_stream_check(p, s, e))
        return false;
    if (s->count >= INSTRUCTIONS_MAX)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "a stream of %zu instructions is too long", s->count);
    for (uint32_t l = 0; l < s->layer_count; l++)
        if (!check_layer(&v, l))
            return false;
    if (!check_ports(&v))
        return false;
    for (; v.at < s->count; v.at++) {
        const dtq_instr *in = &s->instrs[v.at];
        if (!check_fields(&v, in) || !check_op(&v, in) || !check_memory(&v, in))
            return false;
    }
    dtq_dataflow flow;
    bool ok = dtq_dataflow_init(&flow, p, s, e) && dtq_hazards_check(p, s, &flow, e);
    dtq_dataflow_free(&flow);
    return ok;
}
