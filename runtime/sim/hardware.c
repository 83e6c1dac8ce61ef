/* Instructions that hardware executes, too: the same operands go to a module made from runtime/rtl/, and its results
 * and cycles must be the simulator's. */
#include "runtime/sim/hardware.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/machine_members.h"

/** What is left out of each strip, in tiles of scores or keys of outputs. */
static void find_skipped(const dtq_sim *sim, const dtq_rtl_matmul *m, const dtq_clusters *c, uint64_t row, uint64_t col,
                         uint32_t height, uint32_t *from, uint32_t *to) {
    const uint32_t width = (uint32_t)(m->turned ? sim->machine->vssa_rows : sim->machine->vssa_cols);
    const uint32_t keys = m->along_k ? m->depth : m->cols;
    for (uint32_t done = 0; done < m->rows; done += height, from++, to++) {
        const uint32_t rows = m->rows - done < height ? m->rows - done : height;
        const dtq_hidden keys_hidden = !c || c->count == 0
                                           ? (dtq_hidden){0, 0}
                                           : dtq_hidden_from(c, (uint32_t)row + done, rows, (uint32_t)col, keys);
        const dtq_hidden hidden = m->along_k ? keys_hidden : dtq_hidden_tiles(keys_hidden, keys, width);
        *from = hidden.from;
        *to = hidden.to;
    }
}

static bool differs(uint32_t layer, const dtq_rtl_matmul *m, const int32_t *got, const int32_t *want, const char *of,
                    dtq_error *e) {
    for (size_t i = 0; i < (size_t)m->rows * m->cols; i++) {
        if (got[i] != want[i]) {
            return !dtq_fail(e, DTQ_BAD_PROGRAM,
                             "layer %u, row %zu, column %zu of a matmul: the sum%s is %d in hardware, %d in the "
                             "simulator",
                             layer, i / m->cols, i % m->cols, of, got[i], want[i]);
        }
    }
    return false;
}

bool dtq_hardware_matmul(dtq_sim *sim, uint32_t layer, const dtq_rtl_matmul *m, const dtq_clusters *clusters,
                         uint64_t row, uint64_t col, dtq_error *e) {
    if (!sim->rtl)
        return true;
    const uint32_t height = (uint32_t)(m->turned ? sim->machine->vssa_cols : sim->machine->vssa_rows);
    const size_t sums = (size_t)m->rows * m->cols, strips = (m->rows + (size_t)height - 1) / height;
    const size_t bytes = 2 * sums * sizeof(int32_t) + 2 * strips * sizeof(uint32_t);
    int32_t *low = malloc(bytes);
    if (!low)
        return dtq_sim_no_memory(bytes, e);
    uint32_t *skip = (uint32_t *)(low + 2 * sums);
    dtq_rtl_matmul run = *m;
    run.low = low;
    run.high = m->by_class ? low + sums : NULL;
    run.skip_from = skip;
    run.skip_to = skip + strips;
    for (size_t i = 0; i < 2 * sums; i++) /* what the simulator says of scores that nobody reads */
        low[i] = m->along_k ? 0 : INT32_MAX;
    find_skipped(sim, m, clusters, row, col, height, skip, skip + strips);
    uint64_t cycles = 0;
    const char *why = NULL;
    bool ok = sim->rtl->matmul(sim->rtl->state, &run, &cycles, &why) ||
              dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u, a matmul of %u by %u: %s", layer, m->rows, m->cols, why);
    ok = ok && !differs(layer, m, run.low, m->low, "", e) &&
         !(m->by_class && differs(layer, m, run.high, m->high, " of 8-bit values", e));
    sim->rtl_cycles += cycles;
    sim->rtl_ran = true;
    free(low);
    return ok;
}

bool dtq_hardware_settle(dtq_sim *sim, const dtq_instr *in, uint64_t busy, dtq_error *e) {
    const bool ran = sim->rtl_ran;
    const uint64_t cycles = sim->rtl_cycles;
    sim->rtl_ran = false;
    sim->rtl_cycles = 0;
    if (ran && cycles != busy) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "%s takes %llu cycles in hardware, %llu in the simulator",
                        dtq_ops[in->op].mnemonic, (unsigned long long)cycles, (unsigned long long)busy);
    }
    sim->timing.stats.rtl_busy += ran ? busy : 0;
    return true;
}
