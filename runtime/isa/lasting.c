/* Regions that outlast a run are written by what makes them, once, and by nothing else. */
#include "runtime/isa/lasting.h"

#include <inttypes.h>
#include <stdlib.h>

#include "runtime/isa/segments.h"

enum { INPUTS = 3 };

static const char *const words[] = {"the output", "the importance", "the cached keys", "the cached values"};

/* "the importance of layer 3" */
static const char *name_of(const dtq_lasting *r, char name[64]) {
    if (r->kind == DTQ_LASTS_OUTPUT)
        snprintf(name, 64, "%s", words[r->kind]);
    else
        snprintf(name, 64, "%s of layer %" PRIu32, words[r->kind], r->layer);
    return name;
}

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
    return a_bytes && b_bytes && a < b + b_bytes && b < a + a_bytes;
}

static bool is_cached_source(const dtq_stream *s, const dtq_instr *in) {
    return in->op == DTQ_OP_QUANT && DTQ_GET(in, QUANT, operand) != DTQ_Q &&
           s->layers[DTQ_GET(in, QUANT, layer)].cached;
}

static int by_start(const void *left, const void *right) {
    const dtq_lasting *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static void collect(dtq_lasting_list *l, const dtq_stream *s) {
    l->regions[l->count++] =
        (dtq_lasting){s->output_at, dtq_output_bytes(s), DTQ_LASTS_OUTPUT, UINT32_MAX, DTQ_NOBODY, false, false};
    for (uint32_t i = 0; i < s->layer_count; i++)
        l->regions[l->count++] = (dtq_lasting){s->layers[i].importance_at,
                                               8 * (uint64_t)dtq_importance_rows(&s->layers[i]) * s->seq,
                                               DTQ_LASTS_IMPORTANCE,
                                               i,
                                               DTQ_NOBODY,
                                               false,
                                               dtq_streams(&s->layers[i]) || /* of few tokens nobody votes */
                                                   (dtq_by_own(&s->layers[i]) && !dtq_chooses(&s->layers[i]))};
    for (size_t i = 0; i < s->count; i++) {
        const dtq_instr *in = &s->instrs[i];
        if (!is_cached_source(s, in))
            continue;
        uint32_t layer = (uint32_t)DTQ_GET(in, QUANT, layer);
        const dtq_layer *of = &s->layers[layer];
        l->regions[l->count++] = (dtq_lasting){DTQ_GET(in, QUANT, src),
                                               4 * (uint64_t)s->seq * of->kv_heads * of->head_dim,
                                               DTQ_GET(in, QUANT, operand) == DTQ_K ? DTQ_LASTS_KEYS : DTQ_LASTS_VALUES,
                                               layer,
                                               DTQ_NOBODY,
                                               false,
                                               false};
    }
    qsort(l->regions, l->count, sizeof *l->regions, by_start);
    size_t kept = 1; /* layers may share a matrix of keys or values */
    for (size_t i = 1; i < l->count; i++) {
        const dtq_lasting *r = &l->regions[i], *before = &l->regions[kept - 1];
        bool shared = r->kind >= DTQ_LASTS_KEYS && before->kind >= DTQ_LASTS_KEYS && r->start == before->start &&
                      r->bytes == before->bytes;
        if (!shared)
            l->regions[kept++] = *r;
    }
    l->count = kept;
}

static bool check_apart(dtq_lasting_list *l, const dtq_stream *s, dtq_error *e) {
    char one[64], other[64];
    for (size_t i = 1; i < l->count; i++)
        if (overlap(l->regions[i - 1].start, l->regions[i - 1].bytes, l->regions[i].start, l->regions[i].bytes))
            return dtq_fail(e, DTQ_BAD_PROGRAM,
                            "%s and %s overlap in DRAM at 0x%" PRIx64 "; both are read when the run is over",
                            name_of(&l->regions[i - 1], one), name_of(&l->regions[i], other), l->regions[i].start);
    for (unsigned a = 0; s->input == DTQ_INPUT_QKV && a < INPUTS; a++) {
        for (unsigned b = 0; b < a; b++)
            if (overlap(s->input_at[a], dtq_input_bytes(s, a), s->input_at[b], dtq_input_bytes(s, b)))
                return dtq_fail(e, DTQ_BAD_PROGRAM,
                                "inputs %c and %c overlap in DRAM: both are there before the run, %" PRIu64
                                " bytes at 0x%" PRIx64 " and %" PRIu64 " at 0x%" PRIx64,
                                "qkv"[b], "qkv"[a], dtq_input_bytes(s, b), s -> input_at[b], dtq_input_bytes(s, a),
                                s -> input_at[a]);
        for (size_t i = 0; i < l->count; i++) {
            dtq_lasting *r = &l->regions[i];
            if (!overlap(s->input_at[a], dtq_input_bytes(s, a), r->start, r->bytes))
                continue;
            r->given = r->kind >= DTQ_LASTS_KEYS && r->start == s->input_at[a] && r->bytes == dtq_input_bytes(s, a);
            if (!r->given)
                return dtq_fail(e, DTQ_BAD_PROGRAM,
                                "%s lies where input %c is, at 0x%" PRIx64 "; it would be written twice",
                                name_of(r, one), "qkv"[a], s -> input_at[a]);
        }
    }
    return true;
}

bool dtq_lasting_init(dtq_lasting_list *l, const dtq_stream *s, dtq_error *e) {
    size_t room = 1 + (size_t)s->layer_count;
    for (size_t i = 0; i < s->count; i++)
        room += is_cached_source(s, &s->instrs[i]);
    *l = (dtq_lasting_list){calloc(room, sizeof *l->regions), 0};
    if (!l->regions)
        return dtq_no_memory(e, room * sizeof *l->regions, "the proof of a stream");
    collect(l, s);
    return check_apart(l, s, e);
}

void dtq_lasting_free(dtq_lasting_list *l) {
    free(l->regions);
    *l = (dtq_lasting_list){0};
}

/* The first region that ends behind `at`. */
static size_t find(const dtq_lasting_list *l, uint64_t at) {
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (l->regions[middle].start + l->regions[middle].bytes <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether an instruction is of the kind that makes the region. */
static bool makes(const dtq_lasting *r, const dtq_instr *in) {
    bool rows = in->op != DTQ_OP_TOPK && in->op != DTQ_OP_CHOOSE && in->op != DTQ_OP_CHOOSE_HEAD &&
                in->op != DTQ_OP_CHOOSE_LATE && in->op != DTQ_OP_PROBE_CODES;
    if (r->kind == DTQ_LASTS_IMPORTANCE)
        return (in->op == DTQ_OP_TOPK && DTQ_GET(in, TOPK, layer) == r->layer) ||
               (in->op == DTQ_OP_CHOOSE && DTQ_GET(in, CHOOSE, layer) == r->layer) ||
               (in->op == DTQ_OP_CHOOSE_HEAD && DTQ_GET(in, CHOOSE_HEAD, layer) == r->layer) ||
               (in->op == DTQ_OP_CHOOSE_LATE && DTQ_GET(in, CHOOSE_LATE, layer) == r->layer) ||
               (in->op == DTQ_OP_QUANT && DTQ_GET(in, QUANT, layer) == r->layer);
    return r->kind == DTQ_LASTS_OUTPUT ? rows : rows && in->op != DTQ_OP_POOL && in->op != DTQ_OP_NORMALIZE;
}

/* Parts of one whole: the stores of a layer, the choices of its heads, and the stores of a linear behind the codes that
 * begin it. Dataflow says whether they make up the whole. */
static bool continues(const dtq_instr *first, const dtq_instr *in) {
    if (in->op == DTQ_OP_STORE)
        return first->op == DTQ_OP_STORE && DTQ_GET(first, STORE, layer) == DTQ_GET(in, STORE, layer);
    if (in->op == DTQ_OP_CHOOSE_HEAD || in->op == DTQ_OP_CHOOSE_LATE) /* of another layer it would be another region */
        return first->op == in->op;
    return in->op == DTQ_OP_STORE_ROWS && first->op == DTQ_OP_CODES;
}

bool dtq_lasting_write(dtq_lasting_list *l, const dtq_stream *s, uint32_t at, const dtq_access *a, dtq_error *e) {
    size_t i = find(l, a->address);
    if (i == l->count || l->regions[i].start >= a->address + a->bytes)
        return true;
    dtq_lasting *r = &l->regions[i];
    const dtq_instr *in = &s->instrs[at];
    if (in->op == DTQ_OP_KEEP && r->kind == DTQ_LASTS_IMPORTANCE && DTQ_GET(in, KEEP, layer) == r->layer &&
        a->address >= r->start && a->address - r->start + a->bytes <= r->bytes)
        return true; /* a block of one head: that all are there, each once, dataflow.c says */
    char name[64];
    if (r->start != a->address || r->bytes != a->bytes || !makes(r, &s->instrs[at]))
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "it writes %" PRIu64 " bytes at 0x%" PRIx64 " of DRAM, over %s, %" PRIu64
                        " bytes at 0x%" PRIx64,
                        a->bytes, a->address, name_of(r, name), r->bytes, r->start);
    if (r->given)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "it writes %s, which is an input", name_of(r, name));
    if (r->writer == DTQ_NOBODY)
        r->writer = at;
    else if (!continues(&s->instrs[r->writer], &s->instrs[at]))
        return dtq_fail(e, DTQ_BAD_PROGRAM, "it writes %s, which instruction %" PRIu32 " has written already",
                        name_of(r, name), r->writer);
    return true;
}

bool dtq_lasting_end(const dtq_lasting_list *l, const uint8_t *quantised, dtq_error *e) {
    char name[64];
    for (size_t i = 0; i < l->count; i++) {
        const dtq_lasting *r = &l->regions[i];
        bool wanted =
            r->bytes && !r->given && !r->unmeasured && (r->kind != DTQ_LASTS_IMPORTANCE || quantised[r->layer]);
        if (wanted && r->writer == DTQ_NOBODY)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "nothing writes %s, %" PRIu64 " bytes at 0x%" PRIx64 " of DRAM",
                            name_of(r, name), r->bytes, r->start);
    }
    return true;
}
