/* Attention of a layer that chooses late: key/value heads are spread over the workers twice, before the choice and
 * after it. Codes of all rows are kept in between. */
#include "runtime/numerics/late.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/exec.h"
#include "runtime/host/host.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernels_attention.h"
#include "runtime/numerics/numerics.h"

enum { CLASSES = 2, ROWS_AT_ONCE = 16 };

typedef struct {
    dtq_late a;
    uint8_t *codes;  /* [heads][tokens][tokens] */
    uint64_t *votes; /* [kv_heads][tokens] if each chooses for itself, else of each worker */
    uint32_t *ids;   /* [tables][tokens] */
    uint8_t *rooms;  /* [threads][room] */
    size_t room;
} lateness;

/* What a worker needs. `right`: keys, or values of both classes by channel; `left`: rows of queries or of codes. */
typedef struct {
    int16_t *right, *left;
    int32_t *sums; /* [ROWS_AT_ONCE][tokens], or of both classes [ROWS_AT_ONCE][head_dim] */
    float *scales; /* of keys, or of values [CLASSES][head_dim] */
    float *x, *e;
    int8_t *row;
} workspace;

static size_t padded(size_t n) {
    return (n + DTQ_DOTS_PAD - 1) / DTQ_DOTS_PAD * DTQ_DOTS_PAD;
}

// NOLINTNEXTLINE(readability-non-const-parameter): what lies there is written through the workspace
static size_t lay_out(const dtq_layer *l, uint8_t *at, workspace *w) {
    const size_t n = l->slots, d = l->head_dim, wide = padded(n) + DTQ_DOTS_PAD;
    size_t used = 0;
    const size_t right = dtq_host_reserve(&used, n * padded(d) > d * wide ? n * padded(d) : d * wide, sizeof(int16_t));
    const size_t left = dtq_host_reserve(&used, ROWS_AT_ONCE * (wide > padded(d) ? wide : padded(d)), sizeof(int16_t));
    const size_t sums = dtq_host_reserve(&used, ROWS_AT_ONCE * (n > CLASSES * d ? n : CLASSES * d), sizeof(int32_t));
    const size_t scales = dtq_host_reserve(&used, n > CLASSES * d ? n : CLASSES * d, sizeof(float));
    const size_t x = dtq_host_reserve(&used, n, sizeof(float));
    const size_t e = dtq_host_reserve(&used, n, sizeof(float));
    const size_t row = dtq_host_reserve(&used, d, 1);
    if (at) {
        *w = (workspace){.right = (int16_t *)(void *)(at + right),
                         .left = (int16_t *)(void *)(at + left),
                         .sums = (int32_t *)(void *)(at + sums),
                         .scales = (float *)(void *)(at + scales),
                         .x = (float *)(void *)(at + x),
                         .e = (float *)(void *)(at + e),
                         .row = (int8_t *)(at + row)};
    }
    return used;
}

/* ---- before the choice ----------------------------------------------------------------------------------------- */

/* Codes of a row that is within bounds, widened, zeros behind them. Returns its scale. */
static float widen(const float *row, size_t d, unsigned bits, int8_t *codes, int16_t *to) {
    float scale = 1.0f;
    (void)dtq_kernels_choose(false)->quantise_row(row, d, bits, codes, &scale);
    for (size_t c = 0; c < d; c++)
        to[c] = codes[c];
    memset(to + d, 0, (padded(d) - d) * sizeof *to);
    return scale;
}

static void vote_row(const dtq_layer *l, const workspace *w, const int32_t *sums, float q_scale, size_t i,
                     uint8_t *codes, uint64_t *votes) {
    const size_t n = l->slots, seen = l->causal ? i + 1 : n;
    dtq_logits(sums, w->scales, q_scale * dtq_do_score_scale(l->head_dim), seen, w->x);
    dtq_powers(w->x, dtq_largest(w->x, seen), seen, w->e);
    const uint32_t z = dtq_prob_codes(w->e, (float)DTQ_LATE_LEVELS, seen, codes);
    memset(codes + seen, 0, n - seen);
    dtq_importance_row(codes, (UINT64_C(1) << 32) / z, seen, votes);
}

static void vote_heads(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    const lateness *s = (const lateness *)argument;
    const dtq_late *a = &s->a;
    const dtq_layer *l = a->layer;
    const size_t n = l->slots, d = l->head_dim, depth = padded(d), group = l->heads / l->kv_heads;
    const bool by_head = dtq_tables(l) > 1;
    workspace w = {0};
    (void)f;
    (void)lay_out(l, s->rooms + worker * s->room, &w);
    for (uint64_t g = first; g < last; g++) {
        for (size_t j = 0; j < n; j++)
            w.scales[j] = widen(a->k + j * a->kv_stride + g * d, d, l->bits[DTQ_K][0], w.row, w.right + j * depth);
        for (size_t head = g * group; head < (g + 1) * group; head++) {
            uint8_t *codes = s->codes + head * n * n;
            for (size_t i = 0; i < n; i += ROWS_AT_ONCE) {
                const size_t rows = n - i < ROWS_AT_ONCE ? n - i : ROWS_AT_ONCE;
                float q_scales[ROWS_AT_ONCE];
                for (size_t r = 0; r < rows; r++) {
                    q_scales[r] =
                        widen(a->q + (i + r) * a->q_stride + head * d, d, l->bits[DTQ_Q][0], w.row, w.left + r * depth);
                }
                dtq_dots(w.left, rows, w.right, n, depth, w.sums);
                for (size_t r = 0; r < rows; r++) {
                    vote_row(l, &w, w.sums + r * n, q_scales[r], i + r, codes + (i + r) * n,
                             s->votes + (by_head ? g : worker) * n);
                }
            }
        }
    }
}

/* ---- after it -------------------------------------------------------------------------------------------------- */

/* Values of the keys of one head, class by class and channel by channel, with the scales of all tokens. Returns where
 * the second class begins in each channel's row. */
static size_t take_values(const dtq_late *a, const workspace *w, size_t g, const uint32_t *ids, size_t counts[CLASSES],
                          size_t wide) {
    const dtq_layer *l = a->layer;
    const size_t d = l->head_dim, first = dtq_first_key(l), keys = dtq_keys(l);
    const float *v = a->v + g * d;
    for (size_t j = 0; j < keys; j++)
        counts[l->bits[DTQ_V][first + j] == 8]++;
    memset(w->right, 0, d * wide * sizeof *w->right);
    for (size_t c = 0; c < d; c++) {
        (void)dtq_do_scale(v + c, l->slots, a->kv_stride, 4, &w->scales[c]);
        (void)dtq_do_scale(v + c, l->slots, a->kv_stride, 8, &w->scales[d + c]);
    }
    size_t at[CLASSES] = {0, padded(counts[0])};
    for (size_t j = 0; j < keys; j++) {
        const unsigned bits = l->bits[DTQ_V][first + j];
        dtq_kernels_choose(false)->quantise_by(v + ids[first + j] * a->kv_stride, w->scales + (bits == 8 ? d : 0), d,
                                               bits, w->row);
        int16_t *column = w->right + at[bits == 8]++;
        for (size_t c = 0; c < d; c++)
            column[c * wide] = w->row[c];
    }
    return padded(counts[0]);
}

/* Codes of one row at the columns of the keys, class by class; returns their sum. */
static uint32_t pick(const dtq_layer *l, const uint8_t *codes, unsigned bits, const uint32_t *ids, size_t second,
                     size_t wide, int16_t *to) {
    const size_t first = dtq_first_key(l);
    size_t at[CLASSES] = {0, second};
    uint32_t z = 0;
    memset(to, 0, wide * sizeof *to);
    for (size_t j = 0; j < dtq_keys(l); j++) {
        const uint8_t p = dtq_late_code(codes[ids[first + j]], bits);
        to[at[l->bits[DTQ_V][first + j] == 8]++] = p;
        z += p;
    }
    return z;
}

static void output_heads(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    const lateness *s = (const lateness *)argument;
    const dtq_late *a = &s->a;
    const dtq_layer *l = a->layer;
    const size_t n = l->slots, d = l->head_dim, group = l->heads / l->kv_heads;
    workspace w = {0};
    (void)f;
    (void)lay_out(l, s->rooms + worker * s->room, &w);
    for (uint64_t g = first; g < last; g++) {
        const uint32_t *ids = s->ids + (dtq_tables(l) > 1 ? g * n : 0);
        size_t counts[CLASSES] = {0};
        const size_t wide = padded(dtq_keys(l)) + DTQ_DOTS_PAD, second = take_values(a, &w, g, ids, counts, wide);
        for (size_t head = g * group; head < (g + 1) * group; head++) {
            for (size_t i = 0; i < n; i++) {
                const uint32_t z = pick(l, s->codes + (head * n + i) * n, l->bits[DTQ_P][i], ids, second, wide, w.left);
                float *out = a->out + i * a->out_stride + head * d;
                for (size_t c = 0; c < d; c++) {
                    int32_t low = 0, high = 0;
                    dtq_dots(w.left, 1, w.right + c * wide, 1, second, &low);
                    dtq_dots(w.left + second, 1, w.right + c * wide + second, 1, wide - second, &high);
                    float o = (float)low * w.scales[c];
                    o = o + (float)high * w.scales[d + c];
                    out[c] = z == 0 ? 0.0f : o / (float)z;
                }
            }
        }
    }
}

/* ---- the layer ------------------------------------------------------------------------------------------------- */

static void run_layer(dtq_host_frame *f, uint64_t layer, lateness *s) {
    dtq_host *h = f->host;
    const dtq_layer *l = s->a.layer;
    const size_t n = l->slots, threads = dtq_host_pool_threads(h->pool), tables = dtq_tables(l);
    const size_t parts = tables > 1 ? l->kv_heads : threads;
    s->room = lay_out(l, NULL, NULL);
    size_t used = 0;
    const size_t votes = dtq_host_reserve(&used, parts * n, sizeof *s->votes);
    const size_t ids = dtq_host_reserve(&used, tables * n, sizeof *s->ids);
    const size_t codes = dtq_host_reserve(&used, l->heads * n, n);
    const size_t rooms = dtq_host_reserve(&used, threads, s->room);
    uint8_t *memory =
        used == SIZE_MAX ? NULL
                         : aligned_alloc(DTQ_HOST_ALIGN, (used + DTQ_HOST_ALIGN - 1) / DTQ_HOST_ALIGN * DTQ_HOST_ALIGN);
    if (!memory) {
        dtq_host_broken(h, DTQ_NO_MEMORY, "out of memory for attention that chooses late");
        return;
    }
    s->votes = (uint64_t *)(void *)(memory + votes);
    s->ids = (uint32_t *)(void *)(memory + ids);
    s->codes = memory + codes;
    s->rooms = memory + rooms;
    memset(s->votes, 0, parts * n * sizeof *s->votes);
    dtq_host_parallel(f, l->kv_heads, 1, 1, vote_heads, (uint64_t)s);
    for (size_t p = 1; tables == 1 && p < parts; p++)
        for (size_t j = 0; j < n; j++)
            s->votes[j] += s->votes[p * n + j];
    for (uint32_t t = 0; t < tables; t++) {
        dtq_late_mean(l, s->votes + t * n);
        dtq_host_choose_late(h, layer, t, s->votes + t * n, s->ids + t * n);
    }
    dtq_host_parallel(f, l->kv_heads, 1, 1, output_heads, (uint64_t)s);
    free(memory);
}

void dtq_host_run_late(dtq_host_frame *f, uint64_t layer, const float *q, const float *k, const float *v, float *out) {
    static const unsigned sites[3] = {DTQ_HOST_SITE_Q, DTQ_HOST_SITE_K, DTQ_HOST_SITE_V};
    const dtq_host *h = f->host;
    const dtq_layer *l = &h->stream->layers[layer];
    const size_t width = dtq_host_padded((uint64_t)l->heads * l->head_dim);
    lateness s = {.a = {.layer = l,
                        .q = q,
                        .k = k,
                        .v = v,
                        .out = out,
                        .q_stride = width,
                        .kv_stride = dtq_host_padded((uint64_t)l->kv_heads * l->head_dim),
                        .out_stride = width}};
    dtq_operand operand;
    uint32_t token, head;
    if (dtq_late_bad(&s.a, &operand, &token, &head)) {
        dtq_host_bad(f, 3 * layer + sites[operand], token, head);
        return;
    }
    run_layer(f, layer, &s);
}
