/* The probe of a layer: from the rows of its queries and keys, which stand in the order of the tokens, to its slots.
 * Key and value heads are spread over the workers; the largest vote is the same in any order. */
#include "runtime/numerics/probe.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/host/host.h"
#include "runtime/sim/layout.h"

typedef struct {
    const dtq_host *host;
    const dtq_layer *layer;
    const dtq_kernels *kernels;
    const float *q, *k;
    size_t q_stride, k_stride; /* floats of a row */
    bool by_head;
    uint64_t *votes; /* [threads][seq], or of each key/value head [kv_heads][seq] */
    uint8_t *rooms;  /* [threads][room] */
    size_t room;
} probing;

/* What a worker needs of its room: logits and probabilities of a head's queries, codes, the block. */
typedef struct {
    float *x, *scratch;
    uint8_t *probs, *block;
    int8_t *codes;
} workspace;

// NOLINTNEXTLINE(readability-non-const-parameter): what lies there is written through the workspace
static size_t lay_out(const dtq_layer *l, uint32_t seq, uint8_t *at, workspace *w) {
    const size_t queries = l->heads / l->kv_heads, d = l->head_dim;
    size_t used = 0;
    const size_t x = dtq_host_reserve(&used, queries * seq, sizeof(float));
    const size_t scratch = dtq_host_reserve(&used, d, sizeof(float) + 1);
    const size_t probs = dtq_host_reserve(&used, seq, 1);
    const size_t block = dtq_host_reserve(&used, (size_t)dtq_probe_bytes(l, seq), 1);
    const size_t codes = dtq_host_reserve(&used, d, 2);
    if (at) {
        *w = (workspace){.x = (float *)(void *)(at + x),
                         .scratch = (float *)(void *)(at + scratch),
                         .probs = at + probs,
                         .block = at + block,
                         .codes = (int8_t *)(at + codes)};
    }
    return used;
}

static void probe_heads(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    const probing *p = (const probing *)argument;
    const dtq_layer *l = p->layer;
    const uint32_t seq = (uint32_t)f->seq, queries = l->heads / l->kv_heads;
    workspace w = {0};
    (void)lay_out(l, seq, p->rooms + worker * p->room, &w);
    for (uint64_t g = first; g < last; g++) {
        dtq_probe_codes(p->kernels, l, seq, (uint32_t)g, p->q, p->q_stride, p->k, p->k_stride, w.block, w.scratch);
        dtq_probe_scores(l, seq, w.block, w.codes, w.x);
        for (uint32_t i = 0; i < queries; i++) {
            const float *x = w.x + (size_t)i * seq;
            if (p->by_head) {
                dtq_probe_vote_logits(x, seq, i == 0, p->votes + g * seq);
            } else {
                const uint32_t z = dtq_probe_softmax(x, seq, w.probs);
                dtq_probe_vote(w.probs, z, seq, false, p->votes + worker * seq);
            }
        }
    }
}

/* Whether the operands are within bounds; else the first that is not is recorded. */
static bool check_rows(dtq_host_frame *f, uint64_t layer, const probing *p) {
    const dtq_layer *l = p->layer;
    uint32_t token, head;
    if (dtq_probe_bad(p->q, p->q_stride, (uint32_t)f->seq, l->heads, l->head_dim, &token, &head)) {
        dtq_host_bad(f, 3 * layer + DTQ_HOST_SITE_Q, token, head);
        return false;
    }
    if (dtq_probe_bad(p->k, p->k_stride, (uint32_t)f->seq, l->kv_heads, l->head_dim, &token, &head)) {
        dtq_host_bad(f, 3 * layer + DTQ_HOST_SITE_K, token, head);
        return false;
    }
    return true;
}

/* Importance [seq] by id from what each worker has found. */
static void merge_votes(const uint64_t *votes, unsigned threads, uint32_t seq, uint64_t *importance) {
    memset(importance, 0, seq * sizeof *importance);
    for (unsigned w = 0; w < threads; w++) {
        for (uint32_t j = 0; j < seq; j++) {
            const uint64_t vote = votes[(size_t)w * seq + j];
            importance[j] = vote > importance[j] ? vote : importance[j];
        }
    }
}

void dtq_host_probe(dtq_host_frame *f, uint64_t layer, uint64_t q_buffer, uint64_t k_buffer) {
    dtq_host *h = f->host;
    const dtq_stream *s = h->stream;
    if (layer >= s->layer_count || q_buffer >= h->model->buffer_count || k_buffer >= h->model->buffer_count) {
        dtq_host_broken(h, DTQ_BAD_PROGRAM, "generated code probes a layer or a buffer that is not there");
        return;
    }
    const dtq_layer *l = &s->layers[layer];
    if (!dtq_probes(l))
        return;
    const unsigned threads = dtq_host_pool_threads(h->pool);
    probing p = {.host = h,
                 .layer = l,
                 .kernels = dtq_kernels_choose(false),
                 .by_head = l->importance == DTQ_IMPORTANCE_PROBE_HEADS,
                 .q = h->buffers[q_buffer],
                 .k = h->buffers[k_buffer],
                 .q_stride = dtq_host_padded((uint64_t)l->heads * l->head_dim),
                 .k_stride = dtq_host_padded((uint64_t)l->kv_heads * l->head_dim),
                 .room = lay_out(l, s->seq, NULL, NULL)};
    if (!check_rows(f, layer, &p))
        return;
    size_t used = 0;
    const size_t parts = p.by_head ? l->kv_heads : threads;
    const size_t votes = dtq_host_reserve(&used, parts * s->seq, sizeof *p.votes);
    const size_t rooms = dtq_host_reserve(&used, threads, p.room);
    uint8_t *memory =
        used == SIZE_MAX ? NULL
                         : aligned_alloc(DTQ_HOST_ALIGN, (used + DTQ_HOST_ALIGN - 1) / DTQ_HOST_ALIGN * DTQ_HOST_ALIGN);
    if (!memory) {
        dtq_host_broken(h, DTQ_NO_MEMORY, "out of memory for a probe");
        return;
    }
    p.votes = (uint64_t *)(void *)(memory + votes);
    p.rooms = memory + rooms;
    memset(p.votes, 0, parts * s->seq * sizeof *p.votes);
    dtq_host_parallel(f, l->kv_heads, 1, 1, probe_heads, (uint64_t)&p);
    if (!p.by_head) {
        merge_votes(p.votes, threads, s->seq, h->values);
        dtq_host_choose(h, layer, 0, h->values);
    }
    for (uint32_t g = 0; p.by_head && g < l->kv_heads; g++)
        dtq_host_choose(h, layer, g, p.votes + (size_t)g * s->seq);
    free(memory);
}
