/* Devices that fail at one call, lie about tokens or do not fit: every run that fails says why, and the next one of the
 * same instance gives the numbers that it gave before. Usage: device_main FILE, for models `model`, which was compiled
 * for a device, and `plain`, which was not; both of 12 tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "plain.h"

enum { SEQ = 12 };

/* The simulator, but the call number `bad` (from 1, counted over a run) fails, and what it tells of tokens is wrong if
 * `lies`. */
typedef struct {
    void *inner;
    unsigned calls, bad;
    bool lies, crooked;
    uint32_t ids[64];
} faulty;

static bool call(faulty *f, dtq_error *e) {
    return ++f->calls != f->bad || dtq_fail(e, DTQ_IO, "call %u fails", f->bad);
}

static bool open_faulty(void *user, const dtq_program *p, void **device, dtq_error *e) {
    faulty *f = user;
    *device = f;
    return dtq_simulator.open(NULL, p, &f->inner, e);
}
static bool begin(void *device, const dtq_stream *s, const dtq_device_run *run, uint8_t **memory, dtq_error *e) {
    faulty *f = device;
    f->calls = 0;
    if (!call(f, e) || !dtq_simulator.begin(f->inner, s, run, memory, e))
        return false;
    *memory += f->crooked;
    return true;
}
static bool ring(void *device, size_t instr, dtq_error *e) {
    faulty *f = device;
    return call(f, e) && dtq_simulator.signal(f->inner, instr, e);
}
static bool wait_for(void *device, size_t instr, dtq_error *e) {
    faulty *f = device;
    return call(f, e) && dtq_simulator.wait(f->inner, instr, e);
}
static bool slots(void *device, uint32_t layer, uint32_t table, dtq_device_slots *out, dtq_error *e) {
    faulty *f = device;
    if (!call(f, e) || !dtq_simulator.slots(f->inner, layer, table, out, e))
        return false;
    for (unsigned i = 0; f->lies && out->ids && i < 64; i++)
        f->ids[i] = SEQ;
    out->ids = f->lies && out->ids ? f->ids : out->ids;
    return true;
}
static bool finish(void *device, dtq_stats *stats, dtq_error *e) {
    faulty *f = device;
    return call(f, e) && dtq_simulator.finish(f->inner, stats, e);
}
static void close_faulty(void *device) {
    dtq_simulator.close(((faulty *)device)->inner);
}

static dtq_device table = {DTQ_DEVICE_ABI, "faulty", open_faulty, begin, ring, wait_for, slots, finish, close_faulty};

static void check(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "device_main: %s\n", what);
    exit(1);
}

static void refused(const dtq_host_model *m, const dtq_device *d, const char *why) {
    dtq_error e = {0};
    dtq_host *h = dtq_host_open(m, NULL, &(dtq_host_options){.device = d, .device_user = &(faulty){0}}, &e);
    check(!h && strstr(e.message, why), e.message);
}

int main(void) {
    uint32_t tokens[SEQ];
    for (uint32_t i = 0; i < SEQ; i++)
        tokens[i] = 100 + i * 37 % 300;
    const dtq_input in = {.tokens = tokens};
    dtq_error e = {0};
    dtq_output first, out;
    dtq_stats stats;

    table.abi++;
    refused(&model, &table, "version 2 of the interface");
    table.abi--;
    refused(&plain, &table, "has no instructions for a device");

    faulty f = {0};
    dtq_host *h = dtq_host_open(&model, NULL, &(dtq_host_options){.device = &table, .device_user = &f}, &e);
    check(h, e.message);
    check(dtq_host_run(h, SEQ, &in, true, &first, &e), e.message);
    check(dtq_host_stats(h, &stats) && stats.cycles != 0 && !stats.events, "no cycles");
    const uint64_t cycles = stats.cycles;
    const unsigned calls = f.calls;
    for (f.bad = 1; f.bad <= calls; f.bad++) {
        char text[32];
        snprintf(text, sizeof text, "call %u fails", f.bad);
        check(!dtq_host_run(h, SEQ, &in, true, &out, &e) && strcmp(e.message, text) == 0, e.message);
    }
    f.bad = 0;
    f.lies = true;
    check(!dtq_host_run(h, SEQ, &in, true, &out, &e) && strstr(e.message, "holds token 12 of 12"), e.message);
    f.lies = false;
    f.crooked = true;
    check(!dtq_host_run(h, SEQ, &in, true, &out, &e) && strstr(e.message, "not aligned"), e.message);
    f.crooked = false;
    check(dtq_host_run(h, SEQ, &in, true, &out, &e), e.message);
    check(memcmp(out.data, first.data, out.count * sizeof *out.data) == 0, "other numbers after failures");
    check(dtq_host_stats(h, &stats) && stats.cycles == cycles, "other cycles after failures");
    check(dtq_host_stats(h, &stats) && stats.cycles == 0, "counters are moved once");
    dtq_output_free(&out);
    dtq_host_close(h);

    h = dtq_host_open(&plain, NULL, NULL, &e);
    check(h && dtq_host_run(h, SEQ, &in, true, &out, &e), e.message);
    check(memcmp(out.data, first.data, out.count * sizeof *out.data) == 0, "generated attention has other numbers");
    check(!dtq_host_stats(h, &stats), "no device, and counters");
    dtq_output_free(&out);
    dtq_output_free(&first);
    dtq_host_close(h);
    printf("%u calls failed, one by one\n", calls);
    return 0;
}
