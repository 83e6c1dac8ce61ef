/* Rows of a comparison. */
#include "codegen/report/compare.h"

#include <math.h>

#include "codegen/report/format.h"
#include "runtime/machine_members.h"

static void finish_row(comparison_row *row, double dense_ops) {
    row->time_us = row->clock_ghz > 0 ? row->cycles / (row->clock_ghz * 1000) : 0;
    row->dense_gops = row->cycles > 0 ? dense_ops * row->clock_ghz / row->cycles : 0;
}

/** The parts of a report's energy; stalled PEs count as idle ones. */
static energy_parts report_energy(const report *r) {
    const dtq_machine *m = r->machine;
    const double work = (double)r->mac_cycles, stalled = (double)r->stall_cycles;
    const double idle = (double)dtq_machine_pes(m) * r->cycles - work - stalled;
    return (energy_parts){.compute = m->energy_mac_pj * work,
                          .memory = m->energy_buffer_pj_per_byte * r->buffer_bytes,
                          .dram = m->energy_dram_pj_per_byte * (double)r->dram_bytes,
                          .softmax = m->energy_softmax_pj * r->probabilities,
                          .topk = m->energy_topk_pj * r->topk_elements,
                          .idle = m->energy_stall_pj * stalled + m->energy_idle_pj * idle,
                          .total = r->energy_pj};
}

comparison_row comparison_of_report(const report *r, const char *kind) {
    comparison_row row = {.name = r->target,
                          .kind = kind,
                          .expected = report_expected(r),
                          .clock_ghz = r->machine->top_clock_ghz,
                          .utilisation = r->utilisation,
                          .cycles = r->cycles,
                          .energy_pj = report_energy(r),
                          .dram_bytes = (double)r->dram_bytes,
                          .area_mm2 = dtq_machine_area(r->machine).total_mm2,
                          .pes = (double)dtq_machine_pes(r->machine),
                          .key_blocks = 1};
    for (size_t i = 0; i < r->layer_count; i++) {
        const report_layer *l = &r->layers[i];
        row.qk_cycles += l->qk.cycles;
        row.pv_cycles += l->pv.cycles;
        row.softmax_cycles += (double)l->softmax_busy;
        row.topk_cycles += (double)l->topk_busy;
        row.dram_cycles += (double)l->dma_busy;
        row.array_share += l->busy_share[LIMIT_ARRAY] * l->share;
        row.key_blocks = l->key_blocks > row.key_blocks ? l->key_blocks : row.key_blocks;
    }
    finish_row(&row, r->dense_ops);
    return row;
}

comparison_row comparison_of_system(const char *name, dtq_system_kind kind, const dtq_system_params *p,
                                    const attention_workload *w) {
    const system_cost c = system_price(kind, p, w);
    comparison_row row = {.name = name,
                          .kind = dtq_system_table[kind].name,
                          .clock_ghz = p->common.top_clock_ghz,
                          .utilisation = c.utilisation,
                          .cycles = c.cycles,
                          .qk_cycles = c.qk_cycles,
                          .pv_cycles = c.pv_cycles,
                          .softmax_cycles = c.softmax_cycles,
                          .topk_cycles = c.topk_cycles,
                          .dram_cycles = c.dram_cycles,
                          .energy_pj = system_energy(p, &c),
                          .dram_bytes = c.dram_bytes,
                          .area_mm2 = system_area(kind, p),
                          .pes = c.multipliers,
                          .array_share = NAN,
                          .key_blocks = 1};
    finish_row(&row, attention_dense_ops(w));
    return row;
}
