/* What the matmuls of a layer cost by the cost model, without a schedule. Private to codegen/report/. */
#ifndef DTQ_REPORT_PRICE_H
#define DTQ_REPORT_PRICE_H

#include "codegen/report/counters.h"

/** Prices Q.K^T of a layer, or P.V if `is_pv`, over all slots of one head times the query heads. cycles: of one array;
 * bound_cycles: of the work that the policy asks for, on all arrays. */
report_matmul price_matmul(const dtq_machine *machine, cost_model *cost, const layer_facts *l, bool is_pv);

#endif
