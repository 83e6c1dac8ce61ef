/* Who works when: how long each engine is busy in the time that a layer adds to the total, and what limits the layer.
 * Private to codegen/report/. */
#ifndef DTQ_REPORT_OCCUPANCY_H
#define DTQ_REPORT_OCCUPANCY_H

#include "codegen/codegen.h"

typedef struct occupancy occupancy;
occupancy *occupancy_new(arena *a, const dtq_machine *machine);

/** An instruction occupies the engine of `queue` (not the host) for `busy` cycles from `start` on. */
void occupancy_add(occupancy *o, unsigned queue, uint64_t start, uint64_t busy);

/** Sets busy_share and limit of every layer, whose `end` is known. */
void occupancy_finish(occupancy *o, report *r);

#endif
