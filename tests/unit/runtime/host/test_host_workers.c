#include <stdatomic.h>
#include <time.h>

#include "numerics_util.h"
#include "runtime/host/workers.h"

static const unsigned thread_counts[] = {1, 2, 3, 7};

#define COUNT(a) (sizeof(a) / sizeof *(a))

START_TEST(chunks_are_balanced_whole_grains) {
    ck_assert_uint_eq(dtq_host_chunk(2, 92, 4, 64), 48);
    ck_assert_uint_eq(dtq_host_chunk(2, 128, 4, 64), 64);
    ck_assert_uint_eq(dtq_host_chunk(2, 3, 4, 64), 4);
    ck_assert_uint_eq(dtq_host_chunk(1, 60, 1, 64), 60);
    ck_assert_uint_eq(dtq_host_chunk(2, 200, 4, 64), 52);
    ck_assert_uint_eq(dtq_host_chunk(2, 12, 1, 1), 1);
    ck_assert_uint_eq(dtq_host_chunk(2, 10, 4, 6), 8); /* most is rounded up to a grain */
    ck_assert_uint_eq(dtq_host_chunk(2, 8000, 1, UINT64_MAX), 1000);
    ck_assert_uint_eq(dtq_host_chunk(2, 5, 0, 0), 1);
    ck_assert_uint_eq(dtq_host_chunk(3, 0, 4, 64), 4);
    rng r = rng_seeded("chunks_are_balanced_whole_grains");
    for (int trial = 0; trial < 5000; trial++) {
        const unsigned threads = 1 + rng_below(&r, 9);
        const uint64_t items = 1 + rng_below(&r, 3000), grain = 1 + rng_below(&r, 20), most = 1 + rng_below(&r, 200);
        const uint64_t chunk = dtq_host_chunk(threads, items, grain, most);
        ck_assert_uint_eq(chunk % grain, 0);
        ck_assert_uint_le(chunk, (most + grain - 1) / grain * grain);

        ck_assert_uint_gt(chunk, 0);
    }
}
END_TEST

/* Work that marks its items and notes who did it. */
typedef struct {
    uint64_t items, grain, most;
    atomic_uint *met;    /* [items] */
    uint64_t *by_worker; /* [threads] sum of items that a worker did */
    uint64_t threads;
} marking;

static void mark(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    const marking *m = (const marking *)argument;
    ck_assert_ptr_eq(f->host, m);
    ck_assert_uint_lt(worker, m->threads);
    ck_assert_uint_lt(first, last);
    ck_assert_uint_le(last, m->items);
    ck_assert_uint_eq(first % m->grain, 0);
    ck_assert_uint_le(last - first, (m->most + m->grain - 1) / m->grain * m->grain);
    for (uint64_t i = first; i < last; i++) {
        atomic_fetch_add(&m->met[i], 1);
        m->by_worker[worker] += i + 1; /* a race if two threads had one number */
    }
}

START_TEST(every_item_is_done_once) {
    rng r = rng_seeded("every_item_is_done_once");
    enum { ITEMS = 500 };
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        const unsigned threads = thread_counts[t];
        dtq_error e;
        dtq_host_pool *p = dtq_host_pool_open(threads, &e);
        ck_assert_msg(p, "%s", e.message);
        ck_assert_uint_eq(dtq_host_pool_threads(p), threads);
        for (int trial = 0; trial < 600; trial++) {
            const uint64_t items = rng_below(&r, ITEMS);
            atomic_uint met[ITEMS] = {0};
            uint64_t by_worker[8] = {0};
            const marking m = {items, 1 + rng_below(&r, 8), 1 + rng_below(&r, 64), met, by_worker, threads};
            dtq_host_frame f = {.host = (void *)&m};
            if (trial % 50 == 0)
                dtq_host_pool_wake(p);
            dtq_host_pool_run(p, &f, items, m.grain, m.most, mark, (uint64_t)&m);
            uint64_t sum = 0;
            for (uint64_t i = 0; i < items; i++)
                ck_assert_uint_eq(atomic_load(&met[i]), 1);
            for (size_t w = 0; w < threads; w++)
                sum += by_worker[w];
            ck_assert_uint_eq(sum, items * (items + 1) / 2);
            if (trial % 120 == 119) { /* long enough for all helpers to fall asleep */
                const struct timespec pause = {.tv_nsec = 2000000};
                (void)nanosleep(&pause, NULL);
            }
        }
        dtq_host_pool_close(p);
    }
}
END_TEST

/* What a task wrote is there when the call returns, and what was there before is seen by the task. */
static void step(dtq_host_frame *f, uint64_t argument, uint64_t first, uint64_t last, uint64_t worker) {
    (void)worker;
    const uint64_t *from = (const uint64_t *)f->buffers[argument % 2];
    uint64_t *to = f->buffers[(argument + 1) % 2];
    for (uint64_t i = first; i < last; i++)
        to[i] = from[i] + from[(i + 7) % f->seq] + 1;
}

START_TEST(steps_see_what_the_step_before_wrote) {
    enum { ITEMS = 64, STEPS = 1000 };
    uint64_t want[2][ITEMS] = {{0}};
    void *const expected[] = {want[0], want[1]};
    dtq_host_frame g = {.seq = ITEMS, .buffers = expected};
    for (uint64_t s = 0; s < STEPS; s++)
        step(&g, s, 0, ITEMS, 0);
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        uint64_t got[2][ITEMS] = {{0}};
        void *const buffers[] = {got[0], got[1]};
        dtq_host_frame f = {.seq = ITEMS, .buffers = buffers};
        dtq_error e;
        dtq_host_pool *p = dtq_host_pool_open(thread_counts[t], &e);
        ck_assert_ptr_nonnull(p);
        for (uint64_t s = 0; s < STEPS; s++)
            dtq_host_pool_run(p, &f, ITEMS, 4, 16, step, s);
        ck_assert_mem_eq(got, want, sizeof want);
        dtq_host_pool_close(p);
    }
}
END_TEST

START_TEST(pools_open_and_close) {
    for (unsigned i = 0; i < 50; i++) {
        dtq_error e;
        dtq_host_pool *p = dtq_host_pool_open(i % 5, &e);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_ge(dtq_host_pool_threads(p), 1);
        dtq_host_pool_wake(p);
        dtq_host_pool_close(p);
    }
    dtq_host_pool_close(NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_pool");
    TCase *c = tcase_create("host_pool");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, chunks_are_balanced_whole_grains);
    tcase_add_test(c, every_item_is_done_once);
    tcase_add_test(c, steps_see_what_the_step_before_wrote);
    tcase_add_test(c, pools_open_and_close);
    suite_add_tcase(s, c);
    return run_suite(s);
}
