/* Softmax engine: base-2 softmax of a block of scores, at once or in passes over blocks of keys (NUMERICS.md). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/kernels/kernels_attention.h"
#include "runtime/numerics/late.h"
#include "runtime/sim/hardware.h"
#include "runtime/sim/sim.h"

/** One instruction's operands, with working memory for one row. */
typedef struct {
    const dtq_layer *l;
    const uint32_t *ids; /* of the layer's slots, or columns */
    const uint8_t *bits; /* of P, of the instruction's first row on */
    uint64_t row, rows, col, cols;
    dtq_clusters clusters; /* of which a row skips what the order of slots hides */
    uint64_t key, keys;    /* the first column's place among the layer's keys, and their number */
    uint8_t *p;            /* block of probabilities */
    const uint8_t *s;      /* block of scores */
    const float *k_scale;  /* [cols], copied out of the block of scores */
    const float *v_scale;  /* [cols] where they are folded, else NULL */
    float score_scale;
    int32_t *scores; /* [cols] the rest: working memory */
    float *x, *e;
} softmax;

/** Logits of row i; minus infinity where the row does not see the key. Order is of original positions. */
static void logits(const softmax *f, uint64_t i) {
    float q_scale;
    memcpy(f->scores, f->s + i * f->cols * sizeof(int32_t), f->cols * sizeof(int32_t));
    memcpy(&q_scale, f->s + f->rows * f->cols * sizeof(int32_t) + i * sizeof(float), sizeof(float));
    dtq_logits(f->scores, f->k_scale, q_scale * f->score_scale, f->cols, f->x);
    if (f->l->causal) {
        const uint32_t own = f->ids[f->row + i];
        const uint32_t *keys = f->ids + f->col;
        for (uint64_t j = 0; j < f->cols; j++)
            f->x[j] = keys[j] <= own ? f->x[j] : -INFINITY;
        const dtq_hidden hidden =
            dtq_hidden_from(&f->clusters, (uint32_t)(f->row + i), 1, (uint32_t)f->col, (uint32_t)f->cols);
        for (uint32_t j = hidden.from; j < hidden.to; j++) /* nothing is known of these scores */
            f->x[j] = -INFINITY;
    }
}

static void raise_max(const softmax *f, dtq_prob_row *head) {
    if (f->key == 0)
        *head = (dtq_prob_row){.max = -INFINITY};
    const float max = dtq_largest(f->x, f->cols);
    head->max = max > head->max ? max : head->max;
}

static void raise_weight(const softmax *f, dtq_prob_row *head) {
    if (f->key == 0)
        head->r = 0.0f;
    dtq_powers(f->x, head->max, f->cols, f->e);
    const float w = dtq_weights_of(f->e, f->v_scale, f->cols, f->x);
    head->r = w > head->r ? w : head->r;
}

/** Writes codes of row i, and weights where value scales are folded. Destroys the logits. */
static void exponentials(const softmax *f, uint64_t i, dtq_prob_row *head) {
    const float limit = dtq_lates(f->l) ? (float)DTQ_LATE_LEVELS : dtq_prob_limit(f->bits[i]);
    uint8_t *codes = f->p + f->rows * sizeof(dtq_prob_row) + i * f->keys + f->key;
    if (f->key == 0)
        head->z = 0;
    dtq_powers(f->x, head->max, f->cols, f->e);
    head->z += dtq_prob_codes(f->e, limit, f->cols, codes);
    if (dtq_folds(f->l)) {
        dtq_weights_of(f->e, f->v_scale, f->cols, f->x);
        const float r = head->r == 0.0f ? 1.0f : head->r;
        dtq_weight_codes(f->x, r, limit, f->cols, codes + f->rows * f->keys);
    }
}

static void softmax_row(const softmax *f, uint64_t mode, uint64_t i) {
    uint8_t *at = f->p + i * sizeof(dtq_prob_row);
    dtq_prob_row head;
    memcpy(&head, at, sizeof head);
    logits(f, i);
    if (mode == DTQ_SOFTMAX_FULL || mode == DTQ_SOFTMAX_MAX)
        raise_max(f, &head);
    if (dtq_folds(f->l) && (mode == DTQ_SOFTMAX_FULL || mode == DTQ_SOFTMAX_WMAX)) {
        raise_weight(f, &head);
        if (mode == DTQ_SOFTMAX_FULL)
            logits(f, i);
    }
    if (mode == DTQ_SOFTMAX_FULL || mode == DTQ_SOFTMAX_EXP)
        exponentials(f, i, &head);
    memcpy(at, &head, sizeof head);
}

/* The same block for hardware, taken before the simulator works on it: heads of the rows and what does not change. */
typedef struct {
    dtq_rtl_softmax s;
    void *memory;
} block;

/** Heads as hardware begins with them: those of a first block of keys are empty. */
static void begin_heads(const softmax *f, uint64_t mode, block *b) {
    for (uint64_t i = 0; i < f->rows; i++) {
        dtq_prob_row head;
        memcpy(&head, f->p + i * sizeof head, sizeof head);
        const bool first = f->key == 0;
        b->s.max[i] = first && (mode == DTQ_SOFTMAX_FULL || mode == DTQ_SOFTMAX_MAX) ? -INFINITY : head.max;
        b->s.r[i] = first && mode != DTQ_SOFTMAX_EXP ? 0.0f : head.r;
        b->s.z[i] = first ? 0 : head.z;
    }
}

static bool take_block(const softmax *f, uint64_t mode, block *b, dtq_error *e) {
    const size_t n = f->rows * f->cols, bytes = 4 * f->rows * sizeof(float) + n + f->rows;
    float *memory = malloc(bytes);
    if (!memory)
        return dtq_sim_no_memory(bytes, e);
    float *row_scale = memory;
    uint8_t *seen = (uint8_t *)(memory + 4 * f->rows), *wide = seen + n;
    memcpy(row_scale, f->s + n * sizeof(int32_t), f->rows * sizeof(float));
    for (uint64_t i = 0; i < f->rows; i++) {
        row_scale[i] *= f->score_scale;
        wide[i] = dtq_lates(f->l) || f->bits[i] == 8;
        for (uint64_t j = 0; j < f->cols; j++)
            seen[i * f->cols + j] = !f->l->causal || f->ids[f->col + j] <= f->ids[f->row + i];
    }
    const bool full = mode == DTQ_SOFTMAX_FULL;
    b->memory = memory;
    b->s = (dtq_rtl_softmax){
        .rows = (uint32_t)f->rows,
        .cols = (uint32_t)f->cols,
        .maxes = full || mode == DTQ_SOFTMAX_MAX,
        .weighs = dtq_folds(f->l) && (full || mode == DTQ_SOFTMAX_WMAX),
        .writes = full || mode == DTQ_SOFTMAX_EXP,
        .scores = f->s,
        .row_scale = row_scale,
        .k_scale = f->k_scale,
        .v_scale = f->v_scale,
        .seen = seen,
        .wide = wide,
        .max = memory + f->rows,
        .r = memory + 2 * f->rows,
        .z = (uint32_t *)(memory + 3 * f->rows),
    };
    begin_heads(f, mode, b);
    return true;
}

/** Runs the block in hardware and compares it with what the simulator has left. */
static bool same_in_hardware(dtq_sim *sim, const softmax *f, uint32_t layer, const block *b, dtq_error *e) {
    const uint8_t *codes = f->p + f->rows * sizeof(dtq_prob_row) + f->key;
    const dtq_softmax_result want = {.heads = f->p,
                                     .codes = codes,
                                     .weight_codes = dtq_folds(f->l) && b->s.writes ? codes + f->rows * f->keys : NULL,
                                     .stride = f->keys};
    return dtq_hardware_softmax(sim, layer, &b->s, &f->clusters, f->row, f->col, &want, e);
}

bool dtq_sim_softmax(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, SOFTMAX, layer);
    const dtq_layer *l = &sim->stream->layers[layer];
    const dtq_slots *slots = &sim->x->slots[layer];
    const uint8_t *bits = dtq_sim_bits(sim, layer, DTQ_P);
    if (!(dtq_lates(l) || slots->ready) || !bits)
        return dtq_sim_not_ready(layer, e);
    const uint64_t rows = DTQ_GET(in, SOFTMAX, rows), cols = DTQ_GET(in, SOFTMAX, cols);
    float *scratch = dtq_sim_scratch(sim, 5 * cols * sizeof(float));
    if (!scratch)
        return dtq_sim_no_memory(5 * cols * sizeof *scratch, e);
    const uint8_t *s = sim->space[DTQ_SPACE_SCORES] + DTQ_GET(in, SOFTMAX, s);
    memcpy(scratch, s + rows * cols * sizeof(int32_t) + rows * sizeof(float), cols * sizeof(float));
    const bool weighs = dtq_folds(l) && DTQ_GET(in, SOFTMAX, mode) != DTQ_SOFTMAX_MAX;
    if (weighs)
        memcpy(scratch + cols, sim->space[DTQ_SPACE_V] + DTQ_GET(in, SOFTMAX, v), cols * sizeof(float));
    const softmax f = {
        .l = l,
        .ids = dtq_lates(l) ? sim->x->everyone : slots->ids,
        .bits = bits + DTQ_GET(in, SOFTMAX, row),
        .row = DTQ_GET(in, SOFTMAX, row),
        .rows = rows,
        .col = DTQ_GET(in, SOFTMAX, col),
        .cols = cols,
        .clusters = dtq_layer_clusters(l),
        .key = DTQ_GET(in, SOFTMAX, col) - dtq_first_col(l),
        .keys = dtq_cols(l),
        .p = sim->space[DTQ_SPACE_PROBS] + DTQ_GET(in, SOFTMAX, p),
        .s = s,
        .k_scale = scratch,
        .v_scale = weighs ? scratch + cols : NULL,
        .score_scale = dtq_do_score_scale(l->head_dim),
        .scores = (int32_t *)(void *)(scratch + 2 * cols),
        .x = scratch + 3 * cols,
        .e = scratch + 4 * cols,
    };
    block b = {.memory = NULL};
    if (sim->rtl && !take_block(&f, DTQ_GET(in, SOFTMAX, mode), &b, e))
        return false;
    for (uint64_t i = 0; i < rows; i++)
        softmax_row(&f, DTQ_GET(in, SOFTMAX, mode), i);
    const bool ok = !sim->rtl || same_in_hardware(sim, &f, layer, &b, e);
    free(b.memory);
    return ok;
}
