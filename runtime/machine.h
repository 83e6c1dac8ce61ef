/* The machine a program is compiled for, and the table of its parameters. */
#ifndef DTQRT_MACHINE_H
#define DTQRT_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/** Its members are in runtime/machine_members.h. */
typedef struct dtq_machine dtq_machine;

typedef enum { DTQ_DRAIN_IDEAL, DTQ_DRAIN_SERIAL, DTQ_DRAIN_OVERLAPPED } dtq_drain;
typedef enum { DTQ_PROB_ROW, DTQ_PROB_8, DTQ_PROB_4 } dtq_prob_bits;
typedef enum { DTQ_PREFETCH_IDS, DTQ_PREFETCH_DATA } dtq_prefetch;
typedef enum { DTQ_LINEAR_HOST, DTQ_LINEAR_VSSA } dtq_linear_place;

typedef enum { DTQ_PARAM_INT, DTQ_PARAM_REAL, DTQ_PARAM_ENUM } dtq_param_kind;

/** One row of machine.def. */
typedef struct {
    const char *section, *name; /* section is "top" for keys of the file itself */
    dtq_param_kind kind;
    double def, lo, hi;
    const char *unit;  /* NULL for words */
    const char *words; /* "a|b|c" for DTQ_PARAM_ENUM, else NULL */
    const char *doc;
    size_t offset; /* of the member in its struct: uint64_t for INT and ENUM, double for REAL */
} dtq_machine_param;

extern const dtq_machine_param dtq_machine_params[];
extern const size_t dtq_machine_param_count;

/** A machine with every parameter at its default and the name "default". */
void dtq_machine_init(dtq_machine *m);

/** Reads or writes parameter `p` of `m` as a double (exact for the ranges machine.def allows). */
double dtq_machine_get(const dtq_machine *m, const dtq_machine_param *p);
void dtq_machine_set(dtq_machine *m, const dtq_machine_param *p, double value);

/** The same for a parameter of any struct that holds parameters at their offsets. */
double dtq_param_get(const void *of, const dtq_machine_param *p);
void dtq_param_set(void *of, const dtq_machine_param *p, double value);

/** FNV-1a over all parameters (not the name): programs carry it and are refused by another machine. */
uint64_t dtq_machine_hash(const dtq_machine *m);

/** Systolic arrays. */
uint64_t dtq_machine_arrays(const dtq_machine *m);

/** 4-bit processing elements of all arrays. */
uint64_t dtq_machine_pes(const dtq_machine *m);

/** Area of the machine by its table, in mm2. */
typedef struct {
    double pes, buffers, softmax, topk, other; /* topk: its own lanes and those of the importance sums */
    double total_mm2;
} dtq_area;
dtq_area dtq_machine_area(const dtq_machine *m);

/** Whole cycles that `bytes` occupy the DRAM interface: ceil(bytes * clock_ghz / gb_per_s), at least 1. */
uint64_t dtq_machine_dram_cycles(const dtq_machine *m, uint64_t bytes);

#endif
