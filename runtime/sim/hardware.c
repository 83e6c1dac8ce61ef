/* Instructions that hardware executes, too: the same operands go to a module made from runtime/rtl/, and its results
 * and cycles must be the simulator's. */
#include "runtime/sim/hardware.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/machine_members.h"
#include "runtime/numerics/numerics.h"

/** What is left out of each strip, in tiles of scores or keys of outputs. */
static void find_skipped(const dtq_sim *sim, const dtq_rtl_matmul *m, const dtq_clusters *c, uint64_t row, uint64_t col,
                         uint32_t height, uint32_t *from, uint32_t *to) {
    const uint32_t width = (uint32_t)(m->turned ? sim->machine->vssa_rows : sim->machine->vssa_cols);
    const uint32_t keys = m->along_k ? m->depth : m->cols;
    for (uint32_t done = 0; done < m->rows; done += height, from++, to++) {
        const uint32_t rows = m->rows - done < height ? m->rows - done : height;
        const dtq_hidden keys_hidden = !c || c->count == 0
                                           ? (dtq_hidden){0, 0}
                                           : dtq_hidden_from(c, (uint32_t)row + done, rows, (uint32_t)col, keys);
        const dtq_hidden hidden = m->along_k ? keys_hidden : dtq_hidden_tiles(keys_hidden, keys, width);
        *from = hidden.from;
        *to = hidden.to;
    }
}

static bool differs(uint32_t layer, const dtq_rtl_matmul *m, const int32_t *got, const int32_t *want, const char *of,
                    dtq_error *e) {
    for (size_t i = 0; i < (size_t)m->rows * m->cols; i++) {
        if (got[i] != want[i]) {
            return !dtq_fail(e, DTQ_BAD_PROGRAM,
                             "layer %u, row %zu, column %zu of a matmul: the sum%s is %d in hardware, %d in the "
                             "simulator",
                             layer, i / m->cols, i % m->cols, of, got[i], want[i]);
        }
    }
    return false;
}

bool dtq_hardware_matmul(dtq_sim *sim, uint32_t layer, const dtq_rtl_matmul *m, const dtq_clusters *clusters,
                         uint64_t row, uint64_t col, dtq_error *e) {
    if (!sim->rtl)
        return true;
    const uint32_t height = (uint32_t)(m->turned ? sim->machine->vssa_cols : sim->machine->vssa_rows);
    const size_t sums = (size_t)m->rows * m->cols, strips = (m->rows + (size_t)height - 1) / height;
    const size_t bytes = 2 * sums * sizeof(int32_t) + 2 * strips * sizeof(uint32_t);
    int32_t *low = malloc(bytes);
    if (!low)
        return dtq_sim_no_memory(bytes, e);
    uint32_t *skip = (uint32_t *)(low + 2 * sums);
    dtq_rtl_matmul run = *m;
    run.low = low;
    run.high = m->by_class ? low + sums : NULL;
    run.skip_from = skip;
    run.skip_to = skip + strips;
    for (size_t i = 0; i < 2 * sums; i++) /* what the simulator says of scores that nobody reads */
        low[i] = m->along_k ? 0 : INT32_MAX;
    find_skipped(sim, m, clusters, row, col, height, skip, skip + strips);
    uint64_t cycles = 0;
    const char *why = NULL;
    bool ok = sim->rtl->matmul(sim->rtl->state, &run, &cycles, &why) ||
              dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u, a matmul of %u by %u: %s", layer, m->rows, m->cols, why);
    ok = ok && !differs(layer, m, run.low, m->low, "", e) &&
         !(m->by_class && differs(layer, m, run.high, m->high, " of 8-bit values", e));
    sim->rtl_cycles += cycles;
    sim->rtl_ran = true;
    free(low);
    return ok;
}

bool dtq_hardware_importance(dtq_sim *sim, uint32_t layer, const dtq_rtl_votes *v, const dtq_clusters *clusters,
                             uint64_t row, uint64_t col, const uint64_t *before, const uint64_t *after, dtq_error *e) {
    if (!sim->rtl)
        return true;
    const size_t bytes = v->keys * sizeof(uint64_t) + 2 * v->rows * sizeof(uint32_t);
    uint64_t *sums = malloc(bytes);
    if (!sums)
        return dtq_sim_no_memory(bytes, e);
    uint32_t *skip = (uint32_t *)(sums + v->keys);
    for (uint32_t i = 0; i < v->rows; i++) {
        const dtq_hidden h = clusters && clusters->count > 0
                                 ? dtq_hidden_from(clusters, (uint32_t)row + i, 1, (uint32_t)col, v->keys)
                                 : (dtq_hidden){0, 0};
        skip[i] = h.from;
        skip[v->rows + i] = h.to;
    }
    memcpy(sums, before, v->keys * sizeof *sums);
    dtq_rtl_votes run = *v;
    run.skip_from = skip;
    run.skip_to = skip + v->rows;
    run.sums = sums;
    uint64_t cycles = 0;
    const char *why = NULL;
    bool ok = sim->rtl->importance(sim->rtl->state, &run, &cycles, &why) ||
              dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u, importance: %s", layer, why);
    for (uint32_t j = 0; ok && j < v->keys; j++) {
        ok = sums[j] == after[j] ||
             dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u, key %u: importance is %llu in hardware, %llu in the simulator",
                      layer, j, (unsigned long long)sums[j], (unsigned long long)after[j]);
    }
    free(sums);
    sim->rtl_cycles += cycles;
    sim->rtl_ran = true;
    return ok;
}

/** Compares what a row's softmax has left in hardware; `codes` of the row are in hardware and in the simulator. */
static bool same_row(uint32_t layer, const dtq_rtl_softmax *s, uint32_t i, const dtq_softmax_result *want,
                     dtq_error *e) {
    dtq_prob_row head;
    memcpy(&head, (const uint8_t *)want->heads + i * sizeof head, sizeof head);
    if (s->maxes && memcmp(&s->max[i], &head.max, sizeof(float)) != 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "layer %u, row %u: the largest logit is %a in hardware, %a in the simulator", layer, i,
                        (double)s->max[i], (double)head.max);
    if (s->weighs && memcmp(&s->r[i], &head.r, sizeof(float)) != 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM,
                        "layer %u, row %u: the largest weight is %a in hardware, %a in the simulator", layer, i,
                        (double)s->r[i], (double)head.r);
    if (s->writes && s->z[i] != head.z)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u, row %u: the sum of codes is %u in hardware, %u in the simulator",
                        layer, i, s->z[i], head.z);
    for (uint32_t j = 0; s->writes && j < s->cols; j++) {
        const size_t at = (size_t)i * s->cols + j, other = i * want->stride + j;
        if (s->codes[at] != want->codes[other] ||
            (s->weight_codes && s->weight_codes[at] != want->weight_codes[other])) {
            return dtq_fail(e, DTQ_BAD_PROGRAM,
                            "layer %u, row %u, key %u: the code is %u and of the weight %u in hardware, not %u and %u",
                            layer, i, j, s->codes[at], s->weight_codes ? s->weight_codes[at] : 0, want->codes[other],
                            s->weight_codes ? want->weight_codes[other] : 0);
        }
    }
    return true;
}

bool dtq_hardware_softmax(dtq_sim *sim, uint32_t layer, const dtq_rtl_softmax *s, const dtq_clusters *clusters,
                          uint64_t row, uint64_t col, const dtq_softmax_result *want, dtq_error *e) {
    if (!sim->rtl)
        return true;
    const size_t codes = (size_t)s->rows * s->cols, bytes = 2 * s->rows * sizeof(uint32_t) + 2 * codes;
    uint32_t *skip = calloc(1, bytes); /* skipped keys have codes of 0 */
    if (!skip)
        return dtq_sim_no_memory(bytes, e);
    for (uint32_t i = 0; clusters && clusters->count > 0 && i < s->rows; i++) {
        const dtq_hidden h = dtq_hidden_from(clusters, (uint32_t)row + i, 1, (uint32_t)col, s->cols);
        skip[i] = h.from;
        skip[s->rows + i] = h.to;
    }
    dtq_rtl_softmax run = *s;
    run.skip_from = skip;
    run.skip_to = skip + s->rows;
    run.codes = (uint8_t *)(skip + 2 * (size_t)s->rows);
    run.weight_codes = want->weight_codes ? run.codes + codes : NULL;
    uint64_t cycles = 0;
    const char *why = NULL;
    bool ok = sim->rtl->softmax(sim->rtl->state, &run, &cycles, &why) ||
              dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u, softmax: %s", layer, why);
    for (uint32_t i = 0; ok && i < s->rows; i++)
        ok = same_row(layer, &run, i, want, e);
    free(skip);
    sim->rtl_cycles += cycles;
    sim->rtl_ran = true;
    return ok;
}

typedef struct {
    uint32_t id, index;
} candidate;

static int by_id(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static bool is_pinned(const dtq_layer *l, uint32_t id) {
    for (uint32_t i = 0; i < l->pinned_count; i++)
        if (l->pinned[i] == id)
            return true;
    return false;
}

/** Compares what hardware chose with dtq_select's ids and classes. */
static bool same_choice(const candidate *order, const uint8_t *chosen, uint32_t n, const uint32_t *ids,
                        const uint8_t *high, uint32_t keep, dtq_error *e) {
    for (uint32_t i = 0; i < n; i++) {
        uint8_t want = 0;
        for (uint32_t k = 0; k < keep && want == 0; k++)
            want = ids[k] != order[i].id ? 0 : high[k] ? 2 : 1;
        if (chosen[i] != want) {
            static const char *const words[] = {"dropped", "kept at 4 bits", "kept at 8 bits"};
            return dtq_fail(e, DTQ_BAD_PROGRAM, "token %u is %s in hardware, %s in the simulator", order[i].id,
                            words[chosen[i]], words[want]);
        }
    }
    return true;
}

bool dtq_hardware_select(dtq_sim *sim, const dtq_layer *next, const uint64_t *values, const uint32_t *ids, uint32_t n,
                         bool half, dtq_error *e) {
    if (!sim->rtl)
        return true;
    const uint32_t keep = dtq_keys(next), high = next->high;
    const size_t bytes = n * (sizeof(uint64_t) + sizeof(candidate) + 2) + keep * (sizeof(uint32_t) + 1);
    uint64_t *sorted = malloc(bytes);
    if (!sorted)
        return dtq_sim_no_memory(bytes, e);
    candidate *order = (candidate *)(sorted + n);
    uint32_t *new_ids = (uint32_t *)(order + n);
    uint8_t *flags = (uint8_t *)(new_ids + keep), *pinned = flags + keep, *chosen = pinned + n;
    for (uint32_t i = 0; i < n; i++)
        order[i] = (candidate){ids[i], i};
    qsort(order, n, sizeof *order, by_id);
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = values[order[i].index];
        pinned[i] = is_pinned(next, order[i].id);
        chosen[i] = 0;
    }
    const dtq_rtl_choice c = {n, keep, high, half, sorted, pinned, chosen};
    uint64_t cycles = 0;
    const char *why = NULL;
    bool ok = sim->rtl->topk(sim->rtl->state, &c, &cycles, &why) || dtq_fail(e, DTQ_BAD_PROGRAM, "top-k: %s", why);
    dtq_select(values, ids, n, next->pinned, next->pinned_count, keep, high, (dtq_slot_order)next->order, new_ids,
               flags);
    ok = ok && same_choice(order, chosen, n, new_ids, flags, keep, e);
    free(sorted);
    sim->rtl_cycles += cycles;
    sim->rtl_ran = true;
    return ok;
}

bool dtq_hardware_settle(dtq_sim *sim, const dtq_instr *in, uint64_t busy, dtq_error *e) {
    const bool ran = sim->rtl_ran;
    const uint64_t cycles = sim->rtl_cycles;
    sim->rtl_ran = false;
    sim->rtl_cycles = 0;
    if (ran && cycles != busy) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "%s takes %llu cycles in hardware, %llu in the simulator",
                        dtq_ops[in->op].mnemonic, (unsigned long long)cycles, (unsigned long long)busy);
    }
    sim->timing.stats.rtl_busy += ran ? busy : 0;
    return true;
}
