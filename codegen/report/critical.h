/* The critical path: what a schedule's cycles are spent on. Private to codegen/report/. */
#ifndef DTQ_REPORT_CRITICAL_H
#define DTQ_REPORT_CRITICAL_H

#include "codegen/codegen.h"

/** Rows of critical.def. */
typedef enum {
#define CRITICAL(name, json, text, meaning) CRITICAL_##name,
#include "codegen/report/critical.def"
    CRITICAL_PARTS
} critical_part;

typedef struct {
    const char *name, *words, *meaning;
} critical_info;
extern const critical_info critical_infos[CRITICAL_PARTS];

/** Cycles of the makespan by what they are spent on. The sum over all parts, and over all layers, is the makespan. */
typedef struct critical_path {
    uint64_t makespan;
    uint64_t total[CRITICAL_PARTS];
    uint64_t (*layers)[CRITICAL_PARTS]; /* [layer_count of the report], in the arena */
} critical_path;

/** Walks back from the instruction that is done last, each time to the one that it waited for: the instruction before
 * it on its engine, or the one whose token came last. Times are those of the static schedule, or of the run that `r` is
 *  of. False if the report is not of a module with a schedule. */
bool critical_find(arena *a, const report *r, critical_path *out);

/** The parts of the whole makespan in words, the largest first, from .05 % on; NULL as critical_find. In the arena. */
const char *critical_words(arena *a, const report *r);

/** A copy in `a`, of a report of so many layers. */
critical_path *critical_copy(arena *a, const critical_path *p, size_t layers);

/** The part with the most cycles. */
critical_part critical_most(const uint64_t parts[CRITICAL_PARTS]);

#endif
