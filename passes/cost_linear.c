/* What a linear costs on an array: Q.K^T with weights, which are all at 8 bits, in the place of keys.
 *
 * Where nobody knows which rows are 8-bit, a step lasts 4 cycles if one of the rows at work is, else 2; the chance that
 * none of m given rows is depends on m alone. All rows of a strip are at work as long as its tiles follow each other,
 * but one row more a step while its first tile fills the array, and from the last tile's last input on one row less a
 * step once the wavefront has met the last column. There the next strip fills already. Where the inputs are fewer than
 * the array's rows and columns that is not so, and each row's steps are counted. */
#include <string.h>

#include "passes/cost.h"
#include "passes/cost_model.h"
#include "runtime/machine_members.h"

cost_result cost_linear(cost_model *c, const uint8_t *row_bits, uint32_t rows, uint32_t cols, uint32_t depth,
                        unsigned walk) {
    uint8_t *weights = cost_reserve(c, &c->weights, cols, 1);
    memset(weights, 8, cols);
    return cost_qk(c, row_bits, rows, weights, cols, depth, walk);
}

/* ---- expectations ------------------------------------------------------------------------------------------------ */

/** A linear on an array, and the chances that so many rows have no 8-bit one among them: as many as the array has
 * twice, or all. */
typedef struct {
    uint32_t rows, cols, depth, height, width;
    dtq_drain drain;
    const double *none;
    cost_model *cost;
} work;

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static const double *chances_of_none(cost_model *c, uint32_t slots, uint32_t high, uint32_t most) {
    double *none = cost_reserve(c, &c->chances_of_rows, most + 1, sizeof *none);
    none[0] = 1;
    for (uint32_t m = 1; m <= most; m++) {
        double rest = (double)slots - (m - 1);
        none[m] = rest > high ? none[m - 1] * ((rest - high) / rest) : 0;
    }
    return none;
}

/** Expected cycles of a step with so many rows at work. */
static double step(const work *w, uint32_t rows) {
    return 2 * (2 - w->none[rows]);
}

/** Rows of a strip at work `u` steps after its first operand entered, or after its last tile's inputs were all in. */
static uint32_t filling(uint32_t rows, uint32_t u) {
    return least(rows, u + 1);
}

static uint32_t draining(uint32_t rows, uint32_t cols, uint32_t u) {
    uint32_t gone = u + 2 > cols ? u + 2 - cols : 0;
    return gone < rows ? rows - gone : 0;
}

/** A tile by itself, its skew unhidden. */
static double serial_tile(const work *w, uint32_t rows, uint32_t cols) {
    double sum = 0;
    for (uint32_t u = 0; u < w->depth + rows + cols - 2; u++) {
        uint32_t left = u < w->depth ? rows : draining(rows, cols, u - w->depth), in = filling(rows, u);
        sum += step(w, in + left > rows ? in + left - rows : 0);
    }
    return sum;
}

/** What the steps cost in which a strip of `before` rows drains, its last tile `last` columns wide, and one of `rows`
 *  fills (either may be 0), more than if all `rows` were at work. */
static double transition(const work *w, uint32_t before, uint32_t last, uint32_t rows) {
    uint32_t drain = before ? before + last - 2 : 0, fill = rows ? rows - 1 : 0;
    double sum = 0;
    for (uint32_t u = 0; u < (drain > fill ? drain : fill); u++) {
        uint32_t left = u < drain ? draining(before, last, u) : 0, in = rows ? filling(rows, u) : 0;
        sum += step(w, left + in) - (rows ? step(w, rows) : 0);
    }
    return sum;
}

/** Notes at which steps row `row` of a strip whose first tile enters at step `enter` comes to work and leaves: it is
 * there until a tile's last column has met the last input, and again in the next tile. */
static void add_row(const work *w, uint32_t row, uint64_t enter, uint64_t pace, uint32_t *change) {
    uint64_t begin = enter + row, end = begin;
    for (uint32_t col = 0; col < w->cols; col += w->width, enter += pace) {
        if (enter + row > end) {
            change[begin]++;
            change[end]--;
            begin = enter + row;
        }
        uint64_t last = enter + row + w->depth + least(w->width, w->cols - col) - 1;
        end = last > end ? last : end;
    }
    change[begin]++;
    change[end]--;
}

/** Overlapped drain step by step, however many tiles and strips are in flight at once. */
static double stepped_cycles(const work *w) {
    uint64_t tiles = (w->cols + w->width - 1) / w->width, strips = (w->rows + w->height - 1) / w->height, enter = 0;
    uint64_t longest = w->depth > w->height ? w->depth : w->height;
    size_t steps = (size_t)(tiles * strips * longest + w->depth + w->height + w->width);
    uint32_t *change = cost_reserve(w->cost, &w->cost->changes_of_rows, steps, sizeof *change), at_work = 0;
    memset(change, 0, steps * sizeof *change); /* unsigned: what leaves wraps around and comes back */
    for (uint32_t row = 0; row < w->rows; row += w->height) {
        uint32_t rows = least(w->height, w->rows - row);
        uint64_t pace = w->depth > rows ? w->depth : rows;
        for (uint32_t r = 0; r < rows; r++)
            add_row(w, r, enter, pace, change);
        enter += tiles * pace;
    }
    double sum = 0;
    for (size_t t = 0; t < steps; t++) {
        at_work += change[t];
        sum += at_work ? step(w, at_work) : 0;
    }
    return sum;
}

static double expected_cycles(const work *w) {
    if (w->drain == DTQ_DRAIN_OVERLAPPED && w->depth < w->height + w->width)
        return stepped_cycles(w);
    uint32_t whole = w->cols / w->width, last = w->cols - whole * w->width, tiles = whole + (last > 0);
    uint32_t width = tiles > 1 ? w->width : w->cols, before = 0;
    last = last ? last : width;
    double sum = 0;
    for (uint32_t row = 0; row < w->rows; row += w->height) {
        uint32_t rows = least(w->height, w->rows - row), pace = w->depth > rows ? w->depth : rows;
        switch (w->drain) {
        case DTQ_DRAIN_IDEAL:
            sum += (double)tiles * w->depth * step(w, rows);
            break;
        case DTQ_DRAIN_SERIAL:
            sum += (tiles - 1) * serial_tile(w, rows, width) + serial_tile(w, rows, last);
            break;
        case DTQ_DRAIN_OVERLAPPED: /* the last tile of all is not waited for */
            sum += ((double)(tiles - 1) * pace + (row + rows < w->rows ? pace : w->depth)) * step(w, rows) +
                   transition(w, before, last, rows);
            before = rows;
            break;
        }
    }
    return sum + transition(w, before, last, 0);
}

cost_expectation cost_linear_expected(cost_model *c, uint32_t slots, uint32_t high, uint32_t rows, uint32_t cols,
                                      uint32_t depth) {
    const dtq_machine *m = c->machine;
    work w = {rows, cols, depth, (uint32_t)m->vssa_rows, (uint32_t)m->vssa_cols, (dtq_drain)m->top_drain, NULL, c};
    cost_expectation e = {0};
    if (rows == 0 || cols == 0 || depth == 0)
        return e;
    w.none = chances_of_none(c, slots, high, depth < w.height + w.width ? slots : least(2 * w.height, slots));
    uint32_t columns = (cols + w.width - 1) / w.width;
    double share = (double)high / slots, tiles = columns;
    for (uint32_t row = 0; row < rows; row += w.height) {
        uint32_t n = least(w.height, rows - row);
        double any = 1 - w.none[n], all = 1;
        for (uint32_t i = 0; i < n; i++)
            all *= high > i ? (double)(high - i) / (slots - i) : 0;
        e.tiles += tiles;
        e.stalled_tiles += tiles * (any - all);
        e.stall_ratio_sum += tiles * (any - share) / 2; /* of n rows x are 8-bit, any: 1 - (n + x) / 2 n */
        e.step_cycles += tiles * step(&w, n);
        e.mac_cycles += 2.0 * depth * cols * n * (1 + share);
        e.stall_cycles += 2.0 * depth * cols * n * (any - share);
        e.latency = m->top_drain == DTQ_DRAIN_IDEAL ? 0 : n;
    }
    e.cycles = expected_cycles(&w);
    return e;
}
