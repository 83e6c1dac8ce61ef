/* The machine's parameter table, its hash, and the quantities that every timing engine derives from it. */
#include "runtime/machine.h"
#include "runtime/entry.h"

#include <math.h>
#include <string.h>

#include "runtime/hash.h"
#include "runtime/machine_members.h"

/* The last word of each MACHINE_ENUM: the words of machine.def are these enumerations in order. */
enum {
    LAST_drain = DTQ_DRAIN_OVERLAPPED,
    LAST_prob_bits = DTQ_PROB_4,
    LAST_prefetch = DTQ_PREFETCH_DATA,
    LAST_linear = DTQ_LINEAR_VSSA
};

#define AT(section, name) offsetof(dtq_machine, section##_##name)

const dtq_machine_param dtq_machine_params[] = {
#define MACHINE_INT(section, name, def, lo, hi, unit, doc)                                                             \
    {#section, #name, DTQ_PARAM_INT, (double)(def), (double)(lo), (double)(hi), unit, NULL, doc, AT(section, name)},
#define MACHINE_REAL(section, name, def, lo, hi, unit, doc)                                                            \
    {#section, #name, DTQ_PARAM_REAL, (def), (lo), (hi), unit, NULL, doc, AT(section, name)},
#define MACHINE_ENUM(section, name, def, words, doc)                                                                   \
    {#section, #name, DTQ_PARAM_ENUM, (double)(def), 0, LAST_##name, NULL, words, doc, AT(section, name)},
#include "runtime/machine.def"
};

const size_t dtq_machine_param_count = sizeof dtq_machine_params / sizeof dtq_machine_params[0];

void dtq_machine_init(dtq_machine *m) {
    memset(m, 0, sizeof *m);
    strcpy(m->name, "default");
    for (size_t i = 0; i < dtq_machine_param_count; i++)
        dtq_machine_set(m, &dtq_machine_params[i], dtq_machine_params[i].def);
}

double dtq_param_get(const void *of, const dtq_machine_param *p) {
    const char *at = (const char *)of + p->offset;
    double real;
    uint64_t whole;
    if (p->kind == DTQ_PARAM_REAL) {
        memcpy(&real, at, sizeof real);
        return real;
    }
    memcpy(&whole, at, sizeof whole);
    return (double)whole;
}

void dtq_param_set(void *of, const dtq_machine_param *p, double value) {
    char *at = (char *)of + p->offset;
    if (p->kind == DTQ_PARAM_REAL) {
        memcpy(at, &value, sizeof value);
        return;
    }
    /* A value that no uint64 holds would be undefined in the conversion; the ranges of machine.def exclude it. */
    uint64_t whole = value >= 0 && value < 18446744073709551616.0 ? (uint64_t)value : 0;
    memcpy(at, &whole, sizeof whole);
}

double dtq_machine_get(const dtq_machine *m, const dtq_machine_param *p) {
    return dtq_param_get(m, p);
}

void dtq_machine_set(dtq_machine *m, const dtq_machine_param *p, double value) {
    dtq_param_set(m, p, value);
}

/* Names are hashed with the values, so that a parameter added or renamed is another machine; values as the
 * little-endian bytes of their binary64, which is exact for every parameter. */
uint64_t dtq_machine_hash(const dtq_machine *m) {
    uint64_t hash = DTQ_FNV1A_START;
    for (size_t i = 0; i < dtq_machine_param_count; i++) {
        const dtq_machine_param *p = &dtq_machine_params[i];
        hash = dtq_fnv1a(hash, p->section, strlen(p->section) + 1);
        hash = dtq_fnv1a(hash, p->name, strlen(p->name) + 1);
        double value = dtq_machine_get(m, p) + 0.0; /* -0 is 0 */
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        unsigned char bytes[8];
        for (unsigned b = 0; b < 8; b++)
            bytes[b] = (unsigned char)(bits >> 8 * b);
        hash = dtq_fnv1a(hash, bytes, sizeof bytes);
    }
    return hash;
}

uint64_t dtq_machine_arrays(const dtq_machine *m) {
    return m->vssa_arrays;
}

uint64_t dtq_machine_pes(const dtq_machine *m) {
    return m->vssa_arrays * m->vssa_rows * m->vssa_cols;
}

dtq_area dtq_do_machine_area(const dtq_machine *m) {
    const double bytes = (double)m->buffers_q + (double)m->buffers_k + (double)m->buffers_v +
                         (double)m->buffers_scores + (double)m->buffers_probs + (double)m->buffers_out +
                         (double)m->buffers_importance;
    const double um2 = 1e-6; /* in mm2 */
    dtq_area a = {.pes = um2 * m->area_pe_um2 * (double)dtq_machine_pes(m),
                  .buffers = um2 * m->area_sram_um2_per_byte * bytes,
                  .softmax = um2 * m->area_softmax_lane_um2 * (double)m->softmax_lanes,
                  .topk = um2 * m->area_topk_lane_um2 * ((double)m->topk_lanes + (double)m->topk_accumulate_lanes),
                  .other = m->area_other_mm2};
    a.total_mm2 = a.pes + a.buffers + a.softmax + a.topk + a.other;
    return a;
}

/* Clock and bandwidth are written in decimal, so they are taken to nine decimals and divided as whole numbers: 0.8 GHz
 * at 25.6 GB/s moves exactly 32 bytes a cycle, which the nearest binary fractions would not say. */
uint64_t dtq_do_machine_dram_cycles(const dtq_machine *m, uint64_t bytes) {
    uint64_t clock = (uint64_t)rint(m->top_clock_ghz * 1e9);
    uint64_t rate = (uint64_t)rint(m->dram_gb_per_s * 1e9);
    if (rate == 0)
        return UINT64_MAX;
    unsigned __int128 cycles = ((unsigned __int128)bytes * clock + rate - 1) / rate;
    if (cycles > UINT64_MAX)
        return UINT64_MAX;
    return cycles ? (uint64_t)cycles : 1;
}
