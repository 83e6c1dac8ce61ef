/* The same model on several systems, side by side: a row each, and how they relate to the first. */
#ifndef DTQ_REPORT_COMPARE_H
#define DTQ_REPORT_COMPARE_H

#include "codegen/codegen.h"
#include "codegen/systems/systems.h"

/** What attention of the model takes on one system. Cycles of the parts are those of each by itself. */
typedef struct {
    const char *name, *kind; /* kind: "vssa", "systolic", or a dtq_system_info's name */
    bool expected;           /* the system's cycles depend on data and are a mean */
    double clock_ghz, utilisation;
    double cycles, qk_cycles, pv_cycles, softmax_cycles, topk_cycles, dram_cycles;
    double time_us, dense_gops;
    energy_parts energy_pj;
    double dram_bytes;
    double area_mm2;    /* 0: the target says nothing */
    double pes;         /* PEs of a machine, multipliers of another system */
    double array_share; /* of its cycles that a machine's busiest array works; NAN: of another system */
    double key_blocks;  /* in which keys come, the most of any layer; 1: they fit on chip, or the model has none */
} comparison_row;

typedef struct {
    const char *model;
    uint32_t seq;
    bool linears; /* projections and FFN are counted, too, on every system; else attention alone */
    double dense_ops;
    size_t count;
    bool more;                  /* another length follows, which says what the numbers mean */
    const comparison_row *rows; /* the first is what the others are compared with */
} comparison;

/** The row of a variable-speed systolic array, from its report; `kind` as in comparison_row. */
comparison_row comparison_of_report(const report *r, const char *kind);
/** The row of another system. */
comparison_row comparison_of_system(const char *name, dtq_system_kind kind, const dtq_system_params *p,
                                    const attention_workload *w);

/** Prints in one of the report's formats but HTML; JSON is schema "dtqc-comparison/1" (REPORT.md). False if `out` could
 * not be written. */
bool comparison_print(const comparison *c, report_format format, FILE *out);

#endif
