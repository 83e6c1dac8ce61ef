/* A device of one's own between generated code and what computes attention: the place of a driver. This one passes
 * everything on to the simulator of libdtqrt and writes down what goes by; one for hardware would map its memory in
 * `begin`, ring a doorbell in `signal` and wait for an interrupt in `wait`. Usage: device TOKENS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "on_device.h"

enum { VOCABULARY = 30522 };

typedef struct {
    void *simulator;
    const dtq_stream *stream;
    unsigned signals, waits, chosen;
} bridge;

static bool open_bridge(void *user, const dtq_program *p, void **device, dtq_error *e) {
    bridge *b = user;
    *device = b;
    return dtq_simulator.open(NULL, p, &b->simulator, e);
}

static bool begin(void *device, const dtq_stream *s, const dtq_device_run *run, uint8_t **memory, dtq_error *e) {
    bridge *b = device;
    b->stream = s;
    printf("begin: %zu instructions, %u layers, %" PRIu64 " bytes of DRAM\n", s->count, s->layer_count, s->dram_bytes);
    return dtq_simulator.begin(b->simulator, s, run, memory, e);
}

static bool ring(void *device, size_t instr, dtq_error *e) {
    bridge *b = device;
    b->signals++;
    return dtq_simulator.signal(b->simulator, instr, e);
}

static bool wait_for(void *device, size_t instr, dtq_error *e) {
    bridge *b = device;
    b->waits++;
    return dtq_simulator.wait(b->simulator, instr, e);
}

static bool slots(void *device, uint32_t layer, uint32_t table, dtq_device_slots *out, dtq_error *e) {
    bridge *b = device;
    if (!dtq_simulator.slots(b->simulator, layer, table, out, e))
        return false;
    b->chosen += out->ids != NULL;
    return true;
}

static bool finish(void *device, dtq_stats *stats, dtq_error *e) {
    bridge *b = device;
    printf("finish: %u signals, %u waits, %u layers chose their tokens\n", b->signals, b->waits, b->chosen);
    return dtq_simulator.finish(b->simulator, stats, e);
}

static void close_bridge(void *device) {
    dtq_simulator.close(((bridge *)device)->simulator);
}

static const dtq_device bridge_device = {DTQ_DEVICE_ABI, "bridge", open_bridge, begin,       ring,
                                         wait_for,       slots,    finish,      close_bridge};

int main(int argc, char **argv) {
    const uint32_t seq = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    uint32_t *tokens = calloc(seq + (size_t)1, sizeof *tokens);
    if (!tokens || seq == 0) {
        fputs("usage: device TOKENS\n", stderr);
        return 2;
    }
    for (uint32_t i = 0; i < seq; i++)
        tokens[i] = (i * 2654435761u + 17) % VOCABULARY;
    bridge b = {0};
    dtq_error e;
    dtq_output out = {0};
    dtq_stats stats = {0};
    const dtq_input in = {.tokens = tokens};
    dtq_host *h = dtq_host_open(&on_device, NULL, &(dtq_host_options){.device = &bridge_device, .device_user = &b}, &e);
    const bool ok = h && dtq_host_run(h, seq, &in, false, &out, &e) && dtq_host_stats(h, &stats);
    if (ok)
        printf("%u tokens: the first number %.9g, %" PRIu64 " cycles\n", seq, (double)out.data[0], stats.cycles);
    else
        fprintf(stderr, "device: %s\n", e.message);
    dtq_output_free(&out);
    dtq_stats_free(&stats);
    dtq_host_close(h);
    free(tokens);
    return ok ? 0 : 1;
}
