/* What matmuls cost when nobody knows which tokens are 8-bit: `high` of `slots`, every choice equally likely.
 *
 * All of it rests on one number, the chance that m given tokens have no 8-bit one among them, C(n-m,h)/C(n,h). A tile
 * looks at a set of rows and a set of columns, which may share tokens, so sets are united before they are counted.
 *
 * Exact: everything that does not depend on the skew, and the cycles under `serial` and `overlapped` of Q.K^T, and of
 * P.V with P of one precision, as long as at most two tiles are in flight (reduction >= rows + cols - 2 of the array).
 * In a step there, the working PEs of one tile are those with r + c <= u, of the other those with r + c > u. A step
 * lasts 1 cycle, one more if any working row or column is 8-bit, two more if an 8-bit row meets an 8-bit column. That
 * no pair does is a staircase event, and its chance an alternating sum over the corners of the staircase.
 *
 * Estimated: cycles under `serial` and `overlapped` of P.V whose rows follow their tokens, and of either on arrays too
 * large for the reduction. There the pairs that work in one step form a band, whose chance has no short form. The exact
 * expectation without skew is taken, and what the skew adds is averaged over 4 to 64 seeded placements counted by the
 * exact model. Measured against thousands of placements: within 0.25 % at 92 and 128 tokens on 18x11, 32x32 and 64x64
 * arrays, within 0.5 % for nine tokens on a 3x3 array. */
#include "passes/cost.h"

#include <math.h>
#include <string.h>

#include "passes/cost_model.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

/** Tokens [from, to). */
typedef struct {
    int64_t from, to;
} interval;

/** A tile by the tokens of its rows and columns. */
typedef struct {
    interval rows, cols;
} tile;

/** A tile that enters while another one drains. */
typedef struct {
    tile drains, enters;
} tile_pair;

typedef struct {
    tile_pair pair;
    double cycles;
} pair_entry;

enum { CALLS = 256 };
enum { EMPTY, QK, PV };

/** A call: expectations depend on where the keys begin relative to the queries, if they share tokens at all. */
typedef struct {
    uint32_t product, slots, high, rows, cols, head_dim; /* product: EMPTY, QK or PV */
    int64_t prob8, offset; /* offset: first key - first query; INT64_MAX if they share none */
} call_key;

typedef struct {
    call_key key;
    cost_expectation result;
} call_entry;

struct cost_chances {
    call_entry calls[CALLS]; /* direct-mapped */
    /* of the slots and high of the last call */
    uint32_t slots, high;
    double *none; /* [slots + 1] chance that so many given tokens have no 8-bit one */
    cost_scratch table;
    pair_entry *pairs; /* [pair_count] */
    size_t pair_count, pair_capacity;
};
typedef struct cost_chances chances;

static int64_t length(interval i) {
    return i.to - i.from;
}

static int64_t shared(interval a, interval b) {
    int64_t from = a.from > b.from ? a.from : b.from, to = a.to < b.to ? a.to : b.to;
    return to > from ? to - from : 0;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- chances ----------------------------------------------------------------------------------------------------- */

/** Chance that `high` given tokens are all 8-bit and `low` others all 4-bit. */
static double chance(const chances *p, int64_t high, int64_t low) {
    double n = p->slots, h = p->high, product = 1;
    for (int64_t i = 0; i < high; i++, h--, n--)
        product *= h > 0 ? h / n : 0;
    for (int64_t i = 0; i < low; i++, n--)
        product *= n > h ? (n - h) / n : 0;
    return product;
}

/** Prepares the chances; what is known of other slots is forgotten. */
static chances *chances_for(cost_model *c, uint32_t slots, uint32_t high) {
    if (!c->chances)
        c->chances = ARENA_NEW(c->arena, chances);
    chances *p = c->chances;
    if (p->none && p->slots == slots && p->high == high)
        return p;
    /* Unions of two tiles' rows and columns are never larger than all slots. */
    p->none = cost_reserve(c, &p->table, (size_t)slots + 1, sizeof *p->none);
    p->slots = slots;
    p->high = high;
    p->pair_count = 0;
    p->none[0] = 1;
    for (size_t m = 1; m <= slots; m++) {
        double rest = (double)slots - (double)(m - 1);
        p->none[m] = rest > high ? p->none[m - 1] * ((rest - high) / rest) : 0;
    }
    return p;
}

/** Expected number of 8-bit tokens among `tokens` given that `low` others are 4-bit. */
static double mean_high(const chances *p, int64_t tokens, int64_t low) {
    double rest = (double)p->slots - (double)low;
    return rest > 0 ? (double)tokens * p->high / rest : 0;
}

/** E[(sum of costs of one set)(sum of costs of another)]. */
static double mean_product(const chances *p, int64_t a, int64_t b, int64_t common) {
    double n = p->slots, h = p->high, one = h / n, two = n > 1 ? one * (h - 1) / (n - 1) : 0;
    double x = (double)a, y = (double)b, same = (double)common;
    return x * y * (1 + 2 * one) + same * one + (x * y - same) * two;
}

/* ---- tiles without skew ------------------------------------------------------------------------------------------ */

/** Adds `count` tiles of Q.K^T; max: E[cost of the costliest PE]. */
static double add_qk(cost_expectation *e, const chances *p, const tile *t, double count, uint32_t reduction) {
    int64_t r = length(t->rows), c = length(t->cols), common = shared(t->rows, t->cols), both = r + c - common;
    double rows = (double)r, cols = (double)c, pes = rows * cols, k = reduction;
    double no_row = p->none[r], no_col = p->none[c], neither = p->none[both];
    double max = 1 + (1 - no_row) + (1 - no_col) + (1 - no_row - no_col + neither);
    double sum = mean_product(p, r, c, common);
    double alike = neither + chance(p, both, 0);
    if (common == 0)
        alike += chance(p, r, c) + chance(p, c, r);
    /* A row's mean over its maximum is (R + i)/2R, plus 1/2 if none of its i tokens is 8-bit. */
    double used = sum / (4 * pes) + no_row * (cols + mean_high(p, c - common, r)) / (4 * cols) +
                  no_col * (rows + mean_high(p, r - common, c)) / (4 * rows) + neither / 4;
    e->tiles += count;
    e->stalled_tiles += count * (1 - alike);
    e->stall_ratio_sum += count * (1 - used);
    e->step_cycles += count * max;
    e->cycles += count * max * k;
    e->mac_cycles += count * sum * k;
    e->stall_cycles += count * (pes * max - sum) * k;
    return max;
}

/** Adds the tiles of a strip of P.V, over all of head_dim. */
static void add_pv(cost_expectation *e, const chances *p, const tile *strip, int prob8, double tiles,
                   uint32_t head_dim) {
    int64_t r = length(strip->rows), k = length(strip->cols), common = shared(strip->rows, strip->cols);
    double rows = (double)r, tokens = (double)k, all = tokens + mean_high(p, k, 0), sum, max, used, alike;
    if (prob8 < 0) {
        double no_row = p->none[r];
        sum = mean_product(p, r, k, common);
        max = 2 * all - no_row * (tokens + mean_high(p, k - common, r));
        used = (1 + mean_high(p, r, 0) / rows + no_row) / 2;
        alike = no_row + chance(p, r, 0);
    } else {
        sum = rows * all * (prob8 ? 2 : 1);
        max = all * (prob8 ? 2 : 1);
        used = alike = 1;
    }
    e->tiles += tiles;
    e->stalled_tiles += tiles * (1 - alike);
    e->stall_ratio_sum += tiles * (1 - used);
    e->step_cycles += tiles * max / tokens;
    e->cycles += tiles * max;
    e->mac_cycles += sum * head_dim;
    e->stall_cycles += (rows * max - sum) * head_dim;
}

/* ---- Q.K^T with skew --------------------------------------------------------------------------------------------- */

/** One corner of a staircase: so many rows and columns without an 8-bit token, with a sign. */
typedef struct {
    int64_t rows, cols;
    double sign;
} corner;

/** The event that no 8-bit row r meets an 8-bit column c with r + c <= step, as an alternating sum of corners.
 *  Let i be the first 8-bit row: columns 0 … step - i must be 4-bit. Neighbouring terms cancel where that number does
 *  not change. `out` has 2 * min(rows, cols) + 1 places. */
static size_t staircase(int64_t rows, int64_t cols, int64_t step, corner *out) {
    size_t count = 0;
    int64_t before = least(most(step + 1, 0), cols);
    out[count++] = (corner){0, before, 1};
    for (int64_t i = 1; i <= rows && before > 0; i++) {
        int64_t now = i == rows ? 0 : least(most(step - i + 1, 0), cols);
        if (now == before)
            continue;
        out[count++] = (corner){i, now, 1};
        out[count++] = (corner){i, before, -1};
        before = now;
    }
    return count;
}

static int64_t union_size(const interval *sets, int count) {
    interval sorted[4];
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (sets[i].from >= sets[i].to)
            continue;
        int at = kept++;
        for (; at > 0 && sorted[at - 1].from > sets[i].from; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = sets[i];
    }
    int64_t size = 0, end = INT64_MIN;
    for (int i = 0; i < kept; i++) {
        int64_t from = most(sorted[i].from, end);
        if (sorted[i].to > from)
            size += sorted[i].to - from;
        end = most(end, sorted[i].to);
    }
    return size;
}

/** Chance that the last rows and columns of the draining tile and the first of the entering one are all 4-bit. */
static double none_at(const chances *p, const tile_pair *t, int64_t last_rows, int64_t last_cols, int64_t first_rows,
                      int64_t first_cols) {
    interval sets[4] = {{t->drains.rows.to - last_rows, t->drains.rows.to},
                        {t->drains.cols.to - last_cols, t->drains.cols.to},
                        {t->enters.rows.from, t->enters.rows.from + first_rows},
                        {t->enters.cols.from, t->enters.cols.from + first_cols}};
    return p->none[union_size(sets, 4)];
}

/** Rows + columns - 2, the steps of a tile's skew; 0 if there is no tile. */
static int64_t skew(const tile *t) {
    return most(length(t->rows) + length(t->cols) - 2, 0);
}

/** E[cycles] of the steps, from the entry of one tile, in which a skew is seen: the larger skew of both. An empty tile
 *  stands for none. `corners` has room for two staircases. */
static double skewed_steps(const chances *p, const tile_pair *t, corner *corners) {
    int64_t r1 = length(t->drains.rows), c1 = length(t->drains.cols), r2 = length(t->enters.rows),
            c2 = length(t->enters.cols), drain = skew(&t->drains), steps = most(drain, skew(&t->enters));
    double cycles = 0;
    for (int64_t u = 0; u < steps; u++) {
        /* Seen from its last PE, a tile drains as it entered, backwards. */
        int64_t left = most(drain - u, 0), in = u + 1;
        double quiet = none_at(p, t, least(left, r1), least(left, c1), least(in, r2), least(in, c2));
        corner *heads = corners;
        size_t tail_count = staircase(r1, c1, left - 1, corners);
        heads += tail_count;
        size_t head_count = staircase(r2, c2, u, heads);
        double apart = 0;
        for (size_t i = 0; i < tail_count; i++)
            for (size_t j = 0; j < head_count; j++)
                apart += corners[i].sign * heads[j].sign *
                         none_at(p, t, corners[i].rows, corners[i].cols, heads[j].rows, heads[j].cols);
        cycles += 1 + (1 - quiet) + 2 * (1 - apart);
    }
    return cycles;
}

static bool touches(const tile_pair *t) {
    const interval rows[2] = {t->drains.rows, t->enters.rows}, cols[2] = {t->drains.cols, t->enters.cols};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (shared(rows[i], cols[j]))
                return true;
    return false;
}

static interval moved(interval i, int64_t by) {
    return (interval){i.from + by, i.to + by};
}

/** skewed_steps, remembered for pairs that lie to each other in the same way. */
static double pair_cycles(cost_model *c, chances *p, tile_pair t, corner *corners) {
    int64_t base = length(t.enters.rows) ? t.enters.rows.from : t.drains.rows.from;
    if (!touches(&t)) { /* wherever the columns lie, as long as they share no token with the rows */
        int64_t away = base + 4 * ((int64_t)c->machine->vssa_rows + (int64_t)c->machine->vssa_cols);
        bool same = t.drains.cols.from == t.enters.cols.from;
        t.enters.cols = moved(t.enters.cols, away - t.enters.cols.from);
        t.drains.cols = moved(t.drains.cols, (same ? away : 2 * away - base) - t.drains.cols.from);
    }
    interval *sets[4] = {&t.drains.rows, &t.drains.cols, &t.enters.rows, &t.enters.cols};
    for (int i = 0; i < 4; i++)
        *sets[i] = length(*sets[i]) ? moved(*sets[i], -base) : (interval){0, 0};
    for (size_t i = 0; i < p->pair_count; i++)
        if (memcmp(&p->pairs[i].pair, &t, sizeof t) == 0)
            return p->pairs[i].cycles;
    if (p->pair_count == p->pair_capacity) {
        p->pair_capacity = p->pair_capacity ? 2 * p->pair_capacity : 64;
        pair_entry *grown = ARENA_ARRAY(c->arena, pair_entry, p->pair_capacity);
        if (p->pair_count)
            memcpy(grown, p->pairs, p->pair_count * sizeof *grown);
        p->pairs = grown;
    }
    double cycles = skewed_steps(p, &t, corners);
    p->pairs[p->pair_count++] = (pair_entry){t, cycles};
    return cycles;
}

/** Walks the tiles of Q.K^T; tiles that lie alike are taken together. */
static void qk_tiles(cost_model *c, chances *p, const tile *block, uint32_t head_dim, bool skewed, bool serial,
                     cost_expectation *e) {
    int64_t height = (int64_t)c->machine->vssa_rows, width = (int64_t)c->machine->vssa_cols;
    int64_t count = (length(block->cols) + width - 1) / width, full = length(block->cols) / width;
    corner *corners = cost_reserve(c, &c->sample, (size_t)(4 * least(height, width) + 2), sizeof *corners);
    const tile none = {{0, 0}, {0, 0}};
    tile before = none;
    double cycles = 0;
    for (int64_t row = block->rows.from; row < block->rows.to; row += height) {
        tile t = {{row, least(row + height, block->rows.to)}, {0, 0}};
        interval met = {most(t.rows.from, block->cols.from) - block->cols.from,
                        least(t.rows.to, block->cols.to) - block->cols.from};
        /* The columns that share tokens with these rows; [1, 0] if none does. */
        int64_t first = 1, last = 0;
        if (met.to > met.from) {
            first = met.from / width;
            last = (met.to - 1) / width;
        }
        for (int64_t j = 0, alike; j < count; j += alike) {
            alike = 1;
            if (j > 0 && j < full && (last < first || j > last + 1))
                alike = full - j;
            else if (j > 0 && j < full && j < first)
                alike = least(first, full) - j;
            t.cols.from = block->cols.from + j * width;
            t.cols.to = least(t.cols.from + width, block->cols.to);
            double max = add_qk(e, p, &t, (double)alike, head_dim);
            if (skewed) {
                double one = 0;
                int64_t seen = skew(&t);
                if (serial) {
                    one = pair_cycles(c, p, (tile_pair){none, t}, corners) +
                          pair_cycles(c, p, (tile_pair){t, none}, corners);
                } else {
                    one = pair_cycles(c, p, (tile_pair){before, t}, corners);
                    seen = most(seen, skew(&before));
                }
                cycles += (double)alike * (one + ((double)head_dim - (double)seen) * max);
            }
            before = t;
            before.cols = moved(t.cols, (alike - 1) * width);
        }
    }
    if (skewed)
        e->cycles = cycles + (serial ? 0 : pair_cycles(c, p, (tile_pair){before, none}, corners));
}

/* ---- P.V with skew, P of one precision --------------------------------------------------------------------------- */

/** Tokens in flight at step u after a tile of P.V entered; `before` is the skew of the one that drains, -1 if none. */
static int64_t tokens_in_flight(int64_t tokens, int64_t own, int64_t before, int64_t u) {
    const interval now = {most(u - own, 0), least(u + 1, tokens)}, old = {tokens - most(before - u, 0), tokens};
    return most(length(now), 0) + length(old) - (length(now) > 0 ? shared(now, old) : 0);
}

/** E[cycles] if rows cost `p_cost` each: every step lasts as the tokens in flight say. At most two tiles in flight. */
static double pv_fixed_cycles(const chances *p, const dtq_machine *m, const call_key *k, double p_cost, bool serial) {
    const int64_t height = (int64_t)m->vssa_rows, width = (int64_t)m->vssa_cols, tokens = k->cols;
    double cycles = 0;
    int64_t before = -1;
    for (int64_t row = 0; row < k->rows; row += height) {
        for (int64_t col = 0; col < k->head_dim; col += width) {
            int64_t own = least(height, k->rows - row) + least(width, k->head_dim - col) - 2;
            int64_t steps = serial ? tokens + own : tokens, settled = most(own, before);
            for (int64_t u = 0; u < steps; u++) {
                int64_t alike = u >= settled && u < tokens ? tokens - u : 1; /* from here on, own + 1 tokens */
                cycles += (double)alike * p_cost * (2 - p->none[tokens_in_flight(tokens, own, before, u)]);
                u += alike - 1;
            }
            before = serial ? -1 : own;
        }
    }
    for (int64_t u = 0; u < before; u++)
        cycles += p_cost * (2 - p->none[before - u]);
    return cycles;
}

/* ---- estimates and bounds ---------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/** bits [slots]: a uniformly random choice of `high` 8-bit ones. */
static void place(uint8_t *bits, uint32_t slots, uint32_t high, uint64_t *state) {
    for (uint32_t i = 0, left = high; i < slots; i++) {
        bool take = next_random(state) % (slots - i) < left;
        bits[i] = take ? 8 : 4;
        left -= take;
    }
}

static cost_result block_cost(cost_model *c, const call_key *k, const uint8_t *rows, const uint8_t *cols) {
    if (k->product == QK)
        return cost_qk(c, rows, k->rows, cols, k->cols, k->head_dim, 0);
    return cost_pv(c, rows, k->rows, cols, k->cols, k->head_dim, 0);
}

/** Mean cycles that the skew adds, over seeded placements: fewer the larger the matmul, whose cycles vary less. */
static double skew_estimate(cost_model *c, const call_key *k, uint32_t row, uint32_t col) {
    const double budget = 3e7, fewest = 4, largest = 64;
    double strips = (double)k->rows / (double)c->machine->vssa_rows + 1,
           tiles = k->product == QK ? (double)k->cols / (double)c->machine->vssa_cols + 1 : 1;
    uint32_t reduction = k->product == QK ? k->head_dim : k->cols;
    double afford = budget / (strips * tiles * reduction);
    uint32_t samples = (uint32_t)(afford < fewest ? fewest : afford > largest ? largest : afford);
    uint8_t *bits = cost_reserve(c, &c->sample, (size_t)k->slots + k->rows, 1), *fixed = bits + k->slots;
    memset(fixed, k->prob8 > 0 ? 8 : 4, k->rows);
    uint64_t state = 1;
    double added = 0;
    for (uint32_t i = 0; i < samples; i++) {
        place(bits, k->slots, k->high, &state);
        cost_result r = block_cost(c, k, k->prob8 < 0 ? bits + row : fixed, bits + col);
        added += (double)r.cycles - r.step_cycles * reduction;
    }
    return added / samples;
}

/** Bounds over all placements. m 8-bit rows lie in at least m / R and at most m strips, and likewise for columns. Costs
 *  only grow with precision, so all-4-bit and all-8-bit bound them too. Overlapped tiles may hide each other's longest
 *  PE, but some PE has at least its share of the 8-bit slots and does its pieces one after another; and they never
 *  take longer than one tile at a time. */
static void bound(cost_model *c, const call_key *k, cost_expectation *e) {
    const uint64_t height = c->machine->vssa_rows, width = c->machine->vssa_cols, rows = k->rows, cols = k->cols;
    const bool qk = k->product == QK;
    const uint64_t reduction = qk ? k->head_dim : cols, across = qk ? cols : k->head_dim;
    const uint64_t strips = dtq_ceil_div(rows, height), tiles = dtq_ceil_div(across, width), high = k->high;
    const uint64_t other_rows = k->slots - rows, other_cols = k->slots - cols;
    uint64_t few_rows = high > other_rows ? high - other_rows : 0, many_rows = high < rows ? high : rows;
    const uint64_t few_cols = high > other_cols ? high - other_cols : 0, many_cols = high < cols ? high : cols;
    if (k->prob8 >= 0)
        few_rows = many_rows = k->prob8 ? rows : 0;
    const uint64_t skew_most = (rows < height ? rows : height) + (across < width ? across : width) - 2;
    const uint64_t steps = reduction + skew_most;

    const uint64_t row_least = strips + dtq_ceil_div(few_rows, height);
    const uint64_t row_most = strips + (many_rows < strips ? many_rows : strips);
    const uint64_t col_least = qk ? (tiles + dtq_ceil_div(few_cols, width)) * reduction : tiles * (cols + few_cols);
    const uint64_t tiles_high = many_cols < tiles ? many_cols : tiles;
    if (c->machine->top_drain == DTQ_DRAIN_IDEAL) {
        e->least_cycles = row_least * col_least;
        e->most_cycles = row_most * (qk ? (tiles + tiles_high) * reduction : tiles * (cols + many_cols));
        return;
    }

    /* A token of V is in flight for skew + 1 steps. */
    const uint64_t touched = many_cols * (skew_most + 1) < steps ? many_cols * (skew_most + 1) : steps;
    e->most_cycles = row_most * (qk ? (tiles + tiles_high) * steps : tiles * (steps + touched));
    size_t longest = rows > cols ? rows : cols;
    uint8_t *low = cost_reserve(c, &c->sample, 3 * longest, 1), *all = low + longest, *fixed = all + longest;
    memset(low, 4, longest);
    memset(all, high ? 8 : 4, longest);
    memset(fixed, k->prob8 > 0 ? 8 : 4, longest);
    uint64_t most_all = block_cost(c, k, k->prob8 < 0 ? all : fixed, all).cycles;
    if (most_all < e->most_cycles)
        e->most_cycles = most_all;
    if (c->machine->top_drain == DTQ_DRAIN_SERIAL) {
        e->least_cycles = row_least * col_least + tiles * rows + strips * across - 2 * strips * tiles;
        return;
    }
    const uint64_t row_share = dtq_ceil_div(rows + few_rows, height);
    const uint64_t col_share = qk ? dtq_ceil_div(cols + few_cols, width) * reduction : tiles * (cols + few_cols);
    e->least_cycles = row_share * col_share;
    uint64_t least_all = block_cost(c, k, k->prob8 < 0 ? low : fixed, low).cycles;
    if (least_all > e->least_cycles)
        e->least_cycles = least_all;
}

static cost_expectation expect(cost_model *c, const call_key *k, uint32_t row, uint32_t col) {
    const uint32_t height = (uint32_t)c->machine->vssa_rows, width = (uint32_t)c->machine->vssa_cols;
    const bool skewed = c->machine->top_drain != DTQ_DRAIN_IDEAL, serial = c->machine->top_drain == DTQ_DRAIN_SERIAL;
    const tile block = {{row, (int64_t)row + k->rows}, {col, (int64_t)col + k->cols}};
    chances *p = chances_for(c, k->slots, k->high);
    cost_expectation e = {0};
    bool exact = !skewed;
    if (k->product == QK) {
        int64_t h = least(height, k->rows), w = least(width, k->cols);
        bool two_in_flight = k->head_dim >= most(h + w - 2, h);
        qk_tiles(c, p, &block, k->head_dim, skewed && two_in_flight, serial, &e);
        exact = exact || two_in_flight;
    } else {
        double tiles = (double)dtq_ceil_div(k->head_dim, width);
        for (int64_t at = block.rows.from; at < block.rows.to; at += height) {
            tile strip = {{at, least(at + height, block.rows.to)}, block.cols};
            add_pv(&e, p, &strip, (int)k->prob8, tiles, k->head_dim);
        }
        int64_t h = least(height, k->rows), w = least(width, k->head_dim);
        if (skewed && k->prob8 >= 0 && k->cols >= most(h + w - 2, h)) {
            e.cycles = pv_fixed_cycles(p, c->machine, k, k->prob8 ? 2 : 1, serial);
            exact = true;
        }
    }
    if (!exact)
        e.cycles += skew_estimate(c, k, row, col);
    e.latency = skewed ? (k->rows - 1) % height + 1 : 0;
    bound(c, k, &e);
    if (!exact) /* an estimate may leave what is proven */
        e.cycles = fmin(fmax(e.cycles, (double)e.least_cycles), (double)e.most_cycles);
    return e;
}

/** The remembered answer, or a new one. */
static cost_expectation answer(cost_model *c, call_key k, uint32_t row, uint32_t col) {
    if (k.rows == 0 || k.cols == 0 || k.head_dim == 0)
        return (cost_expectation){0};
    const interval rows = {row, (int64_t)row + k.rows}, cols = {col, (int64_t)col + k.cols};
    k.offset = shared(rows, cols) ? (int64_t)col - (int64_t)row : INT64_MAX;
    uint64_t hash = k.product;
    const uint64_t parts[] = {k.slots, k.high, k.rows, k.cols, k.head_dim, (uint64_t)k.prob8, (uint64_t)k.offset};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        hash = (hash ^ parts[i]) * 0x9e3779b97f4a7c15u;
    call_entry *seen = &chances_for(c, k.slots, k.high)->calls[(hash ^ hash >> 32) % CALLS];
    if (memcmp(&seen->key, &k, sizeof k) != 0)
        *seen = (call_entry){k, expect(c, &k, row, col)};
    return seen->result;
}

cost_expectation cost_qk_expected(cost_model *c, uint32_t slots, uint32_t high, uint32_t row, uint32_t rows,
                                  uint32_t col, uint32_t cols, uint32_t head_dim) {
    call_key k = {QK, slots, high, rows, cols, head_dim, -1, 0};
    return answer(c, k, row, col);
}

cost_expectation cost_pv_expected(cost_model *c, uint32_t slots, uint32_t high, int prob8, uint32_t row, uint32_t rows,
                                  uint32_t col, uint32_t cols, uint32_t head_dim) {
    call_key k = {PV, slots, high, rows, cols, head_dim, prob8, 0};
    return answer(c, k, row, col);
}
