/* The least that a matmul takes in whole tiles. A strip is as many rows as the array has, against tiles as wide as its
 * columns, or the other way round if it is turned; a tile takes as long as its costliest row against its costliest
 * column. So strips that hold an 8-bit row take twice what others do, and what matters is how many strips of each
 * height do; where precisions lie, and what is promoted, can only add to it. */
#include "passes/cost.h"

#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

/** Strips of one orientation: rows in each, and cycles if all of them have 4 bits. */
typedef struct {
    uint64_t height, cycles;
} strips;

/** Fewest cycles of strips for `rows` rows. As `good.height` strips of `other` hold as many rows as `other.height` of
 *  `good`, which take no longer, there are never that many. */
static uint64_t cover(strips good, strips other, uint64_t rows) {
    uint64_t best = UINT64_MAX;
    for (uint64_t n = 0; n < good.height; n++) {
        uint64_t held = n * other.height, left = rows > held ? rows - held : 0;
        uint64_t cycles = n * other.cycles + dtq_ceil_div(left, good.height) * good.cycles;
        best = cycles < best ? cycles : best;
        if (!left)
            break;
    }
    return best;
}

/** The same for rows of which `high` have 8 bits: strips for these first, whose room left takes others. */
static uint64_t cover_mixed(strips a, strips b, uint64_t rows, uint64_t high) {
    bool a_is_good = a.cycles * b.height <= b.cycles * a.height;
    strips good = a_is_good ? a : b, other = a_is_good ? b : a;
    uint64_t best = UINT64_MAX;
    for (uint64_t n = 0; n < good.height; n++) {
        uint64_t held = n * other.height, left = high > held ? high - held : 0, more = dtq_ceil_div(left, good.height);
        held += more * good.height;
        uint64_t cycles =
            2 * (n * other.cycles + more * good.cycles) + cover(good, other, rows > held ? rows - held : 0);
        best = cycles < best ? cycles : best;
        if (!left)
            break;
    }
    return best;
}

uint64_t cost_qk_tiles(const dtq_machine *m, const cost_counts *c) {
    uint64_t rows = m->vssa_rows, cols = m->vssa_cols; /* a tile of keys costs 1, with an 8-bit one 2 */
    strips plain = {rows, (dtq_ceil_div(c->keys, cols) + dtq_ceil_div(c->high_keys, cols)) * c->head_dim};
    strips turned = {cols, (dtq_ceil_div(c->keys, rows) + dtq_ceil_div(c->high_keys, rows)) * c->head_dim};
    return cover_mixed(plain, turned, c->queries, c->high_queries);
}

uint64_t cost_pv_tiles(const dtq_machine *m, const cost_counts *c) {
    uint64_t rows = m->vssa_rows, cols = m->vssa_cols, steps = c->keys + c->high_keys;
    return cover_mixed((strips){rows, dtq_ceil_div(c->head_dim, cols) * steps},
                       (strips){cols, dtq_ceil_div(c->head_dim, rows) * steps}, c->queries, c->high_probs);
}

uint64_t cost_linear_tiles(const dtq_machine *m, uint64_t rows, uint64_t high, uint64_t outputs, uint64_t inputs) {
    strips plain = {m->vssa_rows, 2 * dtq_ceil_div(outputs, m->vssa_cols) * inputs};
    strips turned = {m->vssa_cols, 2 * dtq_ceil_div(outputs, m->vssa_rows) * inputs};
    return cover_mixed(plain, turned, rows, high);
}
