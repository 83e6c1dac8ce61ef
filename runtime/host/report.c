/* Failures of a run: met by any worker in any order, told as the other engines would tell the first of them. */
#include <stdio.h>
#include <string.h>

#include "runtime/finite.h"
#include "runtime/host/host.h"

static const char *const table_words[] = {
    [DTQ_HOST_SITE_WORD] = "vocabulary id", [DTQ_HOST_SITE_POSITION] = "position", [DTQ_HOST_SITE_TYPE] = "segment"};

static bool before(const dtq_host_failure *a, const dtq_host_failure *b) {
    if (a->stage != b->stage)
        return a->stage < b->stage;
    return a->rank != b->rank ? a->rank < b->rank : a->part < b->part;
}

static void record(dtq_host *h, const dtq_host_failure *failure) {
    (void)pthread_mutex_lock(&h->lock);
    if (!h->failure.any || before(failure, &h->failure))
        h->failure = *failure;
    (void)pthread_mutex_unlock(&h->lock);
    __atomic_store_n(&h->frame.failed, 1, __ATOMIC_RELAXED);
}

void dtq_host_broken(dtq_host *h, dtq_status status, const char *message) {
    dtq_host_failure f = {.any = true, .status = status, .words = message};
    record(h, &f);
}

/* Whether its slots are key slots. */
static bool is_of_key(const dtq_host_site *s) {
    return s->kind == DTQ_HOST_SITE_K || s->kind == DTQ_HOST_SITE_V;
}

/* Rank of a slot: its place in the plan's order, in which the other engines go over the tokens. */
static uint64_t rank_of(const dtq_host *h, const dtq_host_site *s, uint64_t slot, uint64_t head) {
    const dtq_host_tables *t = &h->tables[s->layer];
    if (is_of_key(s)) {
        const dtq_host_slots *l = &h->layers[s->layer];
        /* heads that choose for themselves are gone over one by one */
        const uint64_t before = l->slot_stride != 0 ? head * l->slots : 0;
        return slot < l->key_slots ? before + t->key_rank[head * l->slot_stride + slot] : slot;
    }
    return slot < h->layers[s->layer].slots ? t->rank[slot] : slot;
}

void dtq_host_bad(dtq_host_frame *f, uint64_t site, uint64_t slot, uint64_t head) {
    dtq_host *h = f->host;
    if (site >= h->model->site_count) {
        dtq_host_broken(h, DTQ_BAD_PROGRAM, "generated code reports a number of a place that it does not know");
        return;
    }
    const dtq_host_failure failure = {.any = true,
                                      .stage = site + 1,
                                      .rank = rank_of(h, &h->model->sites[site], slot, head),
                                      .part = head,
                                      .site = site,
                                      .slot = slot,
                                      .number = head};
    record(h, &failure);
}

/* Embedding goes over the tokens, and for each over the tables, before anything else happens. */
static void no_row(dtq_host *h, uint64_t site, uint64_t row, uint64_t slot) {
    const dtq_host_site *s = &h->model->sites[site];
    const dtq_host_failure failure = {
        .any = true, .rank = rank_of(h, s, slot, 0), .part = s->kind, .site = site, .slot = slot, .number = row};
    record(h, &failure);
}

const float *dtq_host_row(dtq_host_frame *f, uint64_t site, uint64_t row, uint64_t slot, float *scratch) {
    dtq_host *h = f->host;
    const dtq_host_site *s = site < h->model->site_count ? &h->model->sites[site] : NULL;
    if (!s || s->kind < DTQ_HOST_SITE_WORD || h->plan->tensors[s->tensor].transposed != 0) {
        dtq_host_broken(h, DTQ_BAD_PROGRAM, "generated code takes rows of what is no table");
        return NULL;
    }
    const dtq_tensor *t = &h->plan->tensors[s->tensor];
    if (row >= t->shape[0]) {
        no_row(h, site, row, slot);
        return NULL;
    }
    return dtq_host_table_row(h, site, row, scratch);
}

void dtq_host_watch(dtq_host_frame *f, uint64_t step, const float *rows, uint64_t first, uint64_t count) {
    dtq_host *h = f->host;
    if (step >= h->model->step_count) {
        dtq_host_broken(h, DTQ_BAD_PROGRAM, "generated code shows what a step made that it does not know");
        return;
    }
    const dtq_host_step *s = &h->model->steps[step];
    const dtq_host_tables *t = &h->tables[s->layer];
    const uint64_t stride = dtq_host_padded(s->width);
    for (uint64_t i = 0; i < count; i++) {
        if (!dtq_all_finite(rows + i * stride, s->width)) {
            const dtq_host_failure failure = {.any = true,
                                              .stage = step,
                                              .rank = s->rows != 0 ? t->rank[first + i] : 0,
                                              .of_step = true,
                                              .site = step,
                                              .slot = first + i};
            record(h, &failure);
        }
    }
}

static void report_step(const dtq_host *h, dtq_error *e) {
    const dtq_host_step *s = &h->model->steps[h->failure.site];
    const uint32_t token = s->rows != 0 ? h->layers[s->layer].ids[h->failure.slot] : UINT32_MAX;
    (void)dtq_not_finite(e, (uint32_t)s->layer, h->model->names + s->name, token);
}

void dtq_host_report(const dtq_host *h, dtq_error *e) {
    const dtq_host_failure *f = &h->failure;
    if (f->of_step) {
        report_step(h, e);
        return;
    }
    if (f->words || !f->any) {
        (void)dtq_fail(e, f->any ? f->status : DTQ_BAD_PROGRAM, "%s",
                       f->any ? f->words : "generated code failed and did not say why");
        return;
    }
    const dtq_host_site *s = &h->model->sites[f->site];
    const dtq_host_slots *slots = &h->layers[s->layer];
    const unsigned layer = (unsigned)s->layer;
    const uint32_t *ids = is_of_key(s) ? h->tables[s->layer].key_slot_ids + f->number * slots->slot_stride : slots->ids;
    const unsigned token = f->slot < (is_of_key(s) ? slots->key_slots : slots->slots) ? ids[f->slot] : UINT32_MAX;
    if (s->kind <= DTQ_HOST_SITE_V) {
        (void)dtq_fail(e, DTQ_BAD_INPUT,
                       "layer %u, operand %c, head %llu, token %u: a value is not finite, or 2^50 or more", layer,
                       "qkv"[s->kind], (unsigned long long)f -> number, token);
    } else if (s->kind == DTQ_HOST_SITE_LINEAR) {
        (void)dtq_fail(e, DTQ_BAD_INPUT,
                       "layer %u, input of linear %s, token %u: a value is not finite, or 2^50 or more", layer,
                       h->plan->tensors[s->tensor].name, token);
    } else {
        const dtq_tensor *t = &h->plan->tensors[s->tensor];
        (void)dtq_fail(e, DTQ_BAD_INPUT, "token %u: %s %llu is not below %u, the rows of %s", token,
                       table_words[s->kind], (unsigned long long)f->number, t->shape[0], t->name);
    }
}
