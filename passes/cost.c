/* The cost model in closed form.
 *
 * The steps of a tile that last at least 2 cycles, and those that last 4, are sets of whole numbers: reduction index k
 * meets PE(r,c) at step k + r + c, so every operand slot of 8 bits marks the (Minkowski) sum of its own index with the
 * extents of the other two axes, and every pair of them that meets marks the sum of both indices with the third. Sets
 * are bitmaps; durations are popcounts: cycles = steps + |cost >= 2| + 2 |cost >= 4|. Tiles that stream back to back
 * leave a carry, the part of their wavefront that is still in flight when the next tile enters. Runs of equal tiles,
 * and of equal strips, reach a fixed carry after a few of them; the rest is multiplied. */
#include "passes/cost.h"

#include <string.h>

#include "passes/cost_model.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"
#include "runtime/sim/layout.h"

/** What one tile sees of an operand that is cut into equal slices; `count` neighbours look the same. */
typedef struct {
    const uint8_t *bits; /* [extent] */
    uint32_t extent, high;
    uint64_t count;
} slice;

/** Steps of a wavefront: bit u of at2 (at4) says that step u lasts at least 2 (4) cycles. Bits from `length` on are 0.
 */
typedef struct {
    uint64_t *at2, *at4;
    uint32_t length;
} steps;

/** A column of tiles: the slice of the second operand, and the extent of the axis on which the cost does not depend. */
typedef struct {
    slice y;
    uint64_t at; /* which tile of a strip the first of them is */
    uint32_t cols, free;
    uint64_t longest;  /* sum over the reduction of the largest cost of y */
    uint64_t *y2, *y4; /* bitmaps of [words]: y summed with (rows and) the free axis */
    uint64_t *r2, *r4; /* the same of y from its last element to its first */
} column;

enum { MEMO = 512, MEMO_RUNS = 6 };
enum { EMPTY, QK, PV, WALKS }; /* WALKS times the walk is added */

/** A matmul met before, by the runs of its operands. */
typedef struct {
    uint32_t product, head_dim;          /* product: EMPTY, QK or PV, + WALKS * walk */
    uint64_t x[MEMO_RUNS], y[MEMO_RUNS]; /* length of a run * 2, + 1 if it is 8-bit; 0 past the last */
    dtq_clusters clusters;               /* and where the block lies in them; 0 if nothing is hidden */
    uint32_t row, col;
} memo_key;

/** Direct-mapped. */
struct cost_memo {
    memo_key key;
    cost_result result;
};
typedef struct cost_memo memo_entry;

cost_model *cost_new(arena *a, const dtq_machine *machine) {
    cost_model *c = ARENA_NEW(a, cost_model);
    c->arena = a;
    c->machine = machine;
    c->memo = ARENA_ARRAY(a, memo_entry, MEMO);
    return c;
}

void *cost_reserve(cost_model *c, cost_scratch *s, size_t count, size_t size) {
    if (s->bytes < count * size) {
        s->bytes = 2 * count * size;
        s->data = arena_alloc(c->arena, s->bytes);
    }
    return s->data;
}

/* ---- bitmaps ---------------------------------------------------------------------------------------------------- */

static size_t words_for(uint64_t bits) {
    return (size_t)((bits + 63) / 64);
}

static void bitmap_fill(uint64_t *map, uint32_t from, uint32_t to) {
    if (from >= to)
        return;
    size_t first = from / 64, last = (to - 1) / 64;
    uint64_t head = ~0ULL << (from % 64), tail = ~0ULL >> (63 - (to - 1) % 64);
    if (first == last) {
        map[first] |= head & tail;
        return;
    }
    map[first] |= head;
    for (size_t w = first + 1; w < last; w++)
        map[w] = ~0ULL;
    map[last] |= tail;
}

/** map |= (indices of 8-bit slots, counted from the last if `reversed`) + [0, width). */
static void bitmap_mark(uint64_t *map, const slice *s, uint32_t width, bool reversed) {
    for (uint32_t i = 0; i < s->extent && s->high;) {
        if (s->bits[i] != 8) {
            i++;
            continue;
        }
        uint32_t end = i + 1;
        while (end < s->extent && s->bits[end] == 8)
            end++;
        uint32_t from = reversed ? s->extent - end : i;
        bitmap_fill(map, from, from + (end - i) + width - 1);
        i = end;
    }
}

/** map |= source << shift, over `words` words of both; bits shifted past the end are known to be 0. */
static void bitmap_or_shifted(uint64_t *map, const uint64_t *source, size_t words, uint32_t shift) {
    size_t skip = shift / 64;
    unsigned bit = shift % 64;
    if (bit == 0) {
        for (size_t w = skip; w < words; w++)
            map[w] |= source[w - skip];
        return;
    }
    if (skip < words)
        map[skip] |= source[0] << bit;
    for (size_t w = skip + 1; w < words; w++)
        map[w] |= source[w - skip] << bit | source[w - skip - 1] >> (64 - bit);
}

/** Number of bits below `to`. */
static uint64_t bitmap_count(const uint64_t *map, uint32_t to) {
    uint64_t n = 0;
    for (size_t w = 0; w < to / 64; w++)
        n += (uint64_t)__builtin_popcountll(map[w]);
    if (to % 64)
        n += (uint64_t)__builtin_popcountll(map[to / 64] << (64 - to % 64));
    return n;
}

/** to[0, words) = from >> shift, reading from[0, from_words). */
static void bitmap_shift_down(uint64_t *to, size_t words, const uint64_t *from, size_t from_words, uint32_t shift) {
    size_t skip = shift / 64;
    unsigned bit = shift % 64;
    for (size_t w = 0; w < words; w++) {
        uint64_t low = w + skip < from_words ? from[w + skip] : 0;
        uint64_t high = w + skip + 1 < from_words ? from[w + skip + 1] : 0;
        to[w] = bit ? low >> bit | high << (64 - bit) : low;
    }
}

/** Cycles of the first n steps. */
static uint64_t steps_cycles(const steps *s, uint32_t n) {
    return n + bitmap_count(s->at2, n) + 2 * bitmap_count(s->at4, n);
}

/* ---- a matmul ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const slice *rows;
    size_t strip_count;
    column *columns;
    size_t column_count;
    uint32_t reduction;
    bool turned, serpentine;
    bool by_tile;          /* serpentine: every second tile's reduction is reversed, not every second strip's columns */
    bool backward;         /* the strip (or tile) that comes next */
    const cost_mask *mask; /* NULL: all strips have all tiles and steps */
    uint32_t height, width; /* of a whole tile */
    const uint8_t *keys;    /* [key_count] precisions of the second operand's keys */
    uint32_t key_count;
    uint8_t *seen;       /* [key_count] of P.V: those of the keys that the strip at hand sees */
    dtq_hidden left_out; /* of Q.K^T: tiles that it has not */
    const column *last;  /* of the tile before */
    uint32_t last_rows;  /* and the rows of its strip */
    size_t words;        /* of every bitmap */
    steps tile, flight, carry, before;
    uint64_t *kept2, *kept4; /* carry before a strip */
} matmul;

/** Cuts bits [n] into slices of `size`, equal neighbours counted together. `out` has ceil(n / size) places. */
static size_t cut(const uint8_t *bits, uint32_t n, uint32_t size, slice *out) {
    size_t count = 0;
    for (uint32_t at = 0; at < n; at += size) {
        uint32_t extent = n - at < size ? n - at : size;
        slice *last = count ? &out[count - 1] : NULL;
        if (last && last->extent == extent && memcmp(last->bits, bits + at, extent) == 0)
            last->count++;
        else
            out[count++] = (slice){bits + at, extent, cost_count_high(bits + at, extent), 1};
        if (n - at <= size)
            break;
    }
    return count;
}

/** The steps of a tile on its own; `reversed`: its reduction from the last element to the first. */
static void tile_steps(matmul *m, const slice *x, const column *k, bool reversed) {
    steps *t = &m->tile;
    t->length = x->extent + k->y.extent + k->free - 2;
    size_t words = words_for(t->length);
    memcpy(t->at2, reversed ? k->r2 : k->y2, words * sizeof *t->at2);
    bitmap_mark(t->at2, x, k->y.extent + k->free - 1, false);
    memset(t->at4, 0, words * sizeof *t->at4);
    if (k->y.high == 0)
        return;
    for (uint32_t r = 0; r < x->extent && x->high; r++)
        if (x->bits[r] == 8)
            bitmap_or_shifted(t->at4, reversed ? k->r4 : k->y4, words, r);
}

/** Lets a tile enter behind the carry and run until the next may enter, `advance` steps later. */
static uint64_t tile_enter(matmul *m, uint32_t advance) {
    steps *f = &m->flight, *carry = &m->carry;
    f->length = m->tile.length > carry->length ? m->tile.length : carry->length;
    size_t own = words_for(m->tile.length), words = words_for(f->length), old = words_for(carry->length);
    memcpy(f->at2, m->tile.at2, own * sizeof *f->at2);
    memcpy(f->at4, m->tile.at4, own * sizeof *f->at4);
    for (size_t w = own; w < words; w++)
        f->at2[w] = f->at4[w] = 0;
    for (size_t w = 0; w < old; w++) {
        f->at2[w] |= carry->at2[w];
        f->at4[w] |= carry->at4[w];
    }
    carry->length = f->length - advance;
    bitmap_shift_down(carry->at2, words_for(carry->length), f->at2, words, advance);
    bitmap_shift_down(carry->at4, words_for(carry->length), f->at4, words, advance);
    return steps_cycles(f, advance);
}

static void steps_copy(steps *to, const steps *from) {
    size_t bytes = words_for(from->length) * sizeof *to->at2;
    to->length = from->length;
    memcpy(to->at2, from->at2, bytes);
    memcpy(to->at4, from->at4, bytes);
}

static bool steps_equal(const steps *a, const steps *b) {
    size_t bytes = words_for(a->length) * sizeof *a->at2;
    return a->length == b->length && memcmp(a->at2, b->at2, bytes) == 0 && memcmp(a->at4, b->at4, bytes) == 0;
}

/** The next tile of a column; every second one is reversed if the reduction is serpentine. */
static uint64_t next_tile(matmul *m, const slice *x, const column *k, bool serial) {
    tile_steps(m, x, k, m->by_tile && m->backward);
    m->backward ^= m->by_tile && m->serpentine;
    uint32_t drained = m->turned ? k->cols : x->extent, advance = m->reduction > drained ? m->reduction : drained;
    return tile_enter(m, serial ? m->tile.length : advance);
}

/** How many tiles of a column the strip at hand has. */
static uint64_t tiles_left(const matmul *m, const column *k) {
    const uint64_t end = k->at + k->y.count, from = m->left_out.from > k->at ? m->left_out.from : k->at,
                   to = m->left_out.to < end ? m->left_out.to : end;
    return k->y.count - (from < to ? to - from : 0);
}

/** All equal tiles of a column: where a period of them leaves the carry that it found, the rest is multiplied. */
static uint64_t column_cycles(matmul *m, const slice *x, const column *k, bool serial) {
    const uint64_t period = m->by_tile && m->serpentine ? 2 : 1;
    uint64_t cycles = 0, left = tiles_left(m, k);
    if (left) {
        m->last = k;
        m->last_rows = x->extent;
    }
    while (left >= period) {
        uint64_t some = 0;
        steps_copy(&m->before, &m->carry);
        for (uint64_t i = 0; i < period; i++)
            some += next_tile(m, x, k, serial);
        cycles += some;
        left -= period;
        if (steps_equal(&m->before, &m->carry)) {
            cycles += left / period * some;
            left %= period;
        }
    }
    for (; left > 0; left--)
        cycles += next_tile(m, x, k, serial);
    return cycles;
}

/** All tiles of one strip of rows. */
static uint64_t strip_cycles(matmul *m, const slice *x, bool serial) {
    uint64_t cycles = 0;
    bool from_last = m->backward && !m->by_tile;
    for (size_t j = 0; j < m->column_count; j++)
        cycles += column_cycles(m, x, &m->columns[from_last ? m->column_count - 1 - j : j], serial);
    m->backward ^= !m->by_tile && m->serpentine;
    return cycles;
}

/** Marks what depends on the rows of a strip, and on the keys that it sees. */
static void mark_columns(matmul *m, uint32_t rows) {
    for (size_t j = 0; j < m->column_count; j++) {
        column *k = &m->columns[j];
        uint64_t *maps[] = {k->y2, k->y4, k->r2, k->r4};
        const int count = m->by_tile && m->serpentine ? 4 : 2;
        for (int i = 0; i < count; i++) {
            memset(maps[i], 0, m->words * sizeof *maps[i]);
            bitmap_mark(maps[i], &k->y, (i % 2 == 0 ? rows : 1) + k->free - 1, i >= 2);
        }
    }
}

/** Finds what strip number `index` has: which tiles of Q.K^T, or which keys P.V goes over. */
static void find_seen(matmul *m, size_t index, const slice *x) {
    const uint32_t row = m->mask->row + (uint32_t)index * m->height;
    const dtq_hidden h = dtq_hidden_from(m->mask->clusters, row, x->extent, m->mask->col, m->key_count);
    if (!m->by_tile) {
        m->left_out = dtq_hidden_tiles(h, m->key_count, m->width);
        return;
    }
    m->reduction = m->key_count - (h.to - h.from);
    memcpy(m->seen, m->keys, h.from);
    memcpy(m->seen + h.from, m->keys + h.to, m->key_count - h.to);
    const uint32_t high = cost_count_high(m->seen, m->reduction);
    for (size_t j = 0; j < m->column_count; j++) {
        column *k = &m->columns[j];
        k->y = (slice){m->seen, m->reduction, high, k->y.count};
        k->longest = (uint64_t)m->reduction + high;
    }
}

/** Strips alike, one after the other: after a period of them the walk is where it was; where one leaves the carry that
 * it found, the rest is multiplied. */
static uint64_t strips_cycles(matmul *m, const slice *x, bool serial) {
    const uint64_t period = m->serpentine ? 2 : 1;
    uint64_t cycles = 0, left = x->count;
    steps kept = {m->kept2, m->kept4, 0};
    while (left >= period) {
        uint64_t some = 0;
        steps_copy(&kept, &m->carry);
        for (uint64_t s = 0; s < period; s++)
            some += strip_cycles(m, x, serial);
        cycles += some;
        left -= period;
        if (steps_equal(&kept, &m->carry)) {
            cycles += left / period * some;
            left %= period;
        }
    }
    for (; left > 0; left--)
        cycles += strip_cycles(m, x, serial);
    return cycles;
}

/** Lets `more` steps go by before the next tile enters. */
static uint64_t tiles_wait(matmul *m, uint32_t more) {
    m->tile.length = 0;
    return more == 0 ? 0 : tile_enter(m, more);
}

/** Steps that a tile with a reduction of `next` waits behind the last one, whose reduction was `before`, beyond those
 *  that next_tile() has let go by: until the last one's results, a row a step, are out of the way of its own. */
static uint32_t bus_wait(const matmul *m, uint32_t before, uint32_t next) {
    const uint32_t drained = m->turned ? m->last->cols : m->last_rows;
    const uint32_t gone = before > drained ? before : drained, wanted = drained + before;
    return wanted > gone + next ? wanted - gone - next : 0;
}

/** Strips of which no two have the same tiles. */
static uint64_t masked_cycles(matmul *m, bool serial) {
    uint64_t cycles = 0;
    size_t index = 0;
    uint32_t before = 0;
    for (size_t i = 0; i < m->strip_count; i++)
        for (uint64_t s = 0; s < m->rows[i].count; s++, index++) {
            find_seen(m, index, &m->rows[i]);
            if (m->by_tile && m->reduction == 0)
                continue;
            if (m->by_tile && m->last && !serial)
                cycles += tiles_wait(m, bus_wait(m, before, m->reduction));
            before = m->reduction;
            mark_columns(m, m->rows[i].extent);
            cycles += strip_cycles(m, &m->rows[i], serial);
        }
    return cycles;
}

/** Cycles with the skew of the wavefront, from the first operand entering to the last MAC. */
static uint64_t skewed_cycles(matmul *m, bool serial) {
    uint64_t cycles = 0;
    uint32_t rows = 0;
    if (m->mask)
        cycles = masked_cycles(m, serial);
    for (size_t i = 0; i < m->strip_count && !m->mask; i++) {
        if (rows != m->rows[i].extent)
            mark_columns(m, m->rows[i].extent);
        rows = m->rows[i].extent;
        cycles += strips_cycles(m, &m->rows[i], serial);
    }
    return cycles + steps_cycles(&m->carry, m->carry.length);
}

/** Everything that does not depend on the skew, tile by tile, of `count` strips: the sums of the costs and of the
 *  costliest PEs. */
static void count_strips(const matmul *m, const slice *x, uint64_t count, cost_result *out) {
    for (size_t j = 0; j < m->column_count && m->reduction; j++) {
        const column *k = &m->columns[j];
        uint64_t tiles = count * tiles_left(m, k), pes = (uint64_t)x->extent * k->cols;
        uint64_t sum = (uint64_t)(x->extent + x->high) * (k->y.extent + k->y.high) * k->free;
        uint64_t max = (x->high ? 2 : 1) * k->longest;
        uint64_t stall = pes * max - sum;
        out->tiles += tiles;
        out->stalled_tiles += stall ? tiles : 0;
        out->stall_ratio_sum += (double)tiles * ((double)stall / (double)(pes * max));
        out->step_cycles += (double)tiles * ((double)max / (double)m->reduction);
        out->cycles += tiles * max;
        out->mac_cycles += tiles * sum;
        out->stall_cycles += tiles * stall;
    }
}

static void count_tiles(matmul *m, cost_result *out) {
    size_t index = 0;
    for (size_t i = 0; i < m->strip_count; i++) {
        const slice *x = &m->rows[i];
        for (uint64_t s = 0; m->mask && s < x->count; s++, index++) {
            find_seen(m, index, x);
            count_strips(m, x, 1, out);
        }
        if (!m->mask)
            count_strips(m, x, x->count, out);
    }
}

static bool memo_runs(const uint8_t *bits, uint32_t n, uint64_t runs[MEMO_RUNS]) {
    for (uint32_t i = 0, run = 0; i < n; run++) {
        if (run == MEMO_RUNS)
            return false;
        const uint8_t value = bits[i];
        uint32_t from = i;
        while (i < n && bits[i] == value)
            i++;
        runs[run] = 2 * (uint64_t)(i - from) + (value == 8);
    }
    return true;
}

/** The place of a matmul of few runs, NULL for others: matmuls of a clustered model are few, and asked for often. */
static memo_entry *memo_find(cost_model *c, memo_key *key, uint32_t product, const uint8_t *x, uint32_t xs,
                             const uint8_t *y, uint32_t ys, uint32_t head_dim, const cost_mask *mask) {
    memset(key, 0, sizeof *key);
    key->product = product;
    key->head_dim = head_dim;
    if (mask) {
        key->clusters = *mask->clusters;
        key->row = mask->row;
        key->col = mask->col;
    }
    if (!memo_runs(x, xs, key->x) || !memo_runs(y, ys, key->y))
        return NULL;
    uint64_t hash = head_dim * 2 + (uint64_t)product + ((uint64_t)key->row << 40) + ((uint64_t)key->col << 20);
    for (int i = 0; i < MEMO_RUNS; i++)
        hash = ((hash ^ key->x[i]) * 0x9e3779b97f4a7c15u ^ key->y[i]) * 0xbf58476d1ce4e5b9u;
    return &c->memo[(hash ^ hash >> 32) % MEMO];
}

/** Bitmaps for the columns and the walk; both axes of the array have at least the extents used. */
static void reserve_bitmaps(cost_model *c, matmul *m, uint64_t longest) {
    enum { WALK_MAPS = 10 };
    m->words = words_for(longest) + 1;
    size_t each = m->by_tile && m->serpentine ? 4 : 2, maps = WALK_MAPS + each * m->column_count;
    uint64_t *at = cost_reserve(c, &c->bitmaps, maps * m->words, sizeof *at);
    uint64_t **walk[WALK_MAPS] = {&m->tile.at2,  &m->tile.at4,   &m->flight.at2, &m->flight.at4, &m->carry.at2,
                                  &m->carry.at4, &m->before.at2, &m->before.at4, &m->kept2,      &m->kept4};
    for (int i = 0; i < WALK_MAPS; i++, at += m->words)
        *walk[i] = at;
    for (size_t j = 0; j < m->column_count; j++, at += each * m->words) {
        column *k = &m->columns[j];
        k->y2 = at;
        k->y4 = at + m->words;
        k->r2 = each == 4 ? at + 2 * m->words : NULL;
        k->r4 = each == 4 ? at + 3 * m->words : NULL;
    }
}

static cost_result matmul_cost(cost_model *c, matmul *m) {
    const dtq_machine *h = c->machine;
    const uint64_t longest = m->reduction + h->vssa_rows + h->vssa_cols;
    cost_result out = {0};
    if (m->mask && m->by_tile)
        m->seen = cost_reserve(c, &c->seen, m->key_count, 1);
    count_tiles(m, &out);
    if (h->top_drain == DTQ_DRAIN_IDEAL || !out.tiles)
        return out;
    reserve_bitmaps(c, m, longest);
    out.cycles = skewed_cycles(m, h->top_drain == DTQ_DRAIN_SERIAL);
    out.latency = m->turned ? m->last->cols : m->last_rows;
    return out;
}

/** Rows of a whole tile; of the other orientation, its columns. */
static uint32_t tile_height(const cost_model *c, unsigned walk) {
    return (uint32_t)(walk & WALK_TURNED ? c->machine->vssa_cols : c->machine->vssa_rows);
}

/** `mask` if it hides anything from a strip of `height` of the rows, else NULL. */
static const cost_mask *mask_of(const cost_mask *mask, uint32_t rows, uint32_t cols, uint32_t height) {
    for (uint32_t at = 0; mask && at < rows; at += height) {
        const uint32_t some = rows - at < height ? rows - at : height;
        const dtq_hidden h = dtq_hidden_from(mask->clusters, mask->row + at, some, mask->col, cols);
        if (h.from != h.to)
            return mask;
        if (rows - at <= height)
            break;
    }
    return NULL;
}

cost_result cost_qk(cost_model *c, const uint8_t *row_bits, uint32_t rows, const uint8_t *col_bits, uint32_t cols,
                    uint32_t head_dim, unsigned walk) {
    return cost_qk_masked(c, row_bits, rows, col_bits, cols, head_dim, walk, NULL);
}

cost_result cost_qk_masked(cost_model *c, const uint8_t *row_bits, uint32_t rows, const uint8_t *col_bits,
                           uint32_t cols, uint32_t head_dim, unsigned walk, const cost_mask *mask) {
    if (rows == 0 || cols == 0 || head_dim == 0)
        return (cost_result){0};
    mask = mask_of(mask, rows, cols, tile_height(c, walk));
    memo_key key;
    memo_entry *seen = memo_find(c, &key, QK + WALKS * walk, row_bits, rows, col_bits, cols, head_dim, mask);
    if (seen && memcmp(&seen->key, &key, sizeof key) == 0)
        return seen->result;

    uint32_t height = tile_height(c, walk), width = tile_height(c, walk ^ WALK_TURNED);
    size_t strips = (size_t)dtq_ceil_div(rows, height), tiles = (size_t)dtq_ceil_div(cols, width);
    slice *slices = cost_reserve(c, &c->slices, strips + tiles, sizeof *slices);
    matmul m = {.rows = slices,
                .strip_count = cut(row_bits, rows, height, slices),
                .mask = mask,
                .height = height,
                .width = width,
                .key_count = cols,
                .reduction = head_dim,
                .turned = walk & WALK_TURNED,
                .serpentine = walk & WALK_SERPENTINE};
    const slice *across = slices + strips;
    m.column_count = cut(col_bits, cols, width, slices + strips);
    m.columns = cost_reserve(c, &c->columns, m.column_count, sizeof *m.columns);
    for (size_t j = 0; j < m.column_count; j++)
        m.columns[j] = (column){.y = across[j],
                                .at = j ? m.columns[j - 1].at + m.columns[j - 1].y.count : 0,
                                .cols = across[j].extent,
                                .free = head_dim,
                                .longest = (uint64_t)(across[j].high ? 2 : 1) * head_dim};
    cost_result result = matmul_cost(c, &m);
    if (seen)
        *seen = (memo_entry){key, result};
    return result;
}

cost_result cost_pv(cost_model *c, const uint8_t *p_bits, uint32_t rows, const uint8_t *v_bits, uint32_t tokens,
                    uint32_t head_dim, unsigned walk) {
    return cost_pv_masked(c, p_bits, rows, v_bits, tokens, head_dim, walk, NULL);
}

cost_result cost_pv_masked(cost_model *c, const uint8_t *p_bits, uint32_t rows, const uint8_t *v_bits, uint32_t tokens,
                           uint32_t head_dim, unsigned walk, const cost_mask *mask) {
    if (rows == 0 || tokens == 0 || head_dim == 0)
        return (cost_result){0};
    mask = mask_of(mask, rows, tokens, tile_height(c, walk));
    memo_key key;
    memo_entry *seen = memo_find(c, &key, PV + WALKS * walk, p_bits, rows, v_bits, tokens, head_dim, mask);
    if (seen && memcmp(&seen->key, &key, sizeof key) == 0)
        return seen->result;

    uint32_t height = tile_height(c, walk), width = tile_height(c, walk ^ WALK_TURNED);
    slice *slices = cost_reserve(c, &c->slices, (size_t)dtq_ceil_div(rows, height), sizeof *slices);
    matmul m = {.rows = slices,
                .strip_count = cut(p_bits, rows, height, slices),
                .mask = mask,
                .height = height,
                .width = width,
                .keys = v_bits,
                .key_count = tokens,
                .reduction = tokens,
                .turned = walk & WALK_TURNED,
                .serpentine = walk & WALK_SERPENTINE,
                .by_tile = true};
    m.columns = cost_reserve(c, &c->columns, 2, sizeof *m.columns);
    slice keys = {v_bits, tokens, cost_count_high(v_bits, tokens), head_dim / width};
    uint64_t longest = (uint64_t)tokens + keys.high;
    if (keys.count)
        m.columns[m.column_count++] = (column){.y = keys, .cols = width, .free = width, .longest = longest};
    keys.count = 1;
    if (head_dim % width)
        m.columns[m.column_count++] =
            (column){.y = keys, .cols = head_dim % width, .free = head_dim % width, .longest = longest};
    cost_result result = matmul_cost(c, &m);
    if (seen)
        *seen = (memo_entry){key, result};
    return result;
}

uint64_t cost_work(const uint8_t *q, const uint8_t *k, const uint8_t *p, const uint8_t *v, uint32_t slots,
                   uint32_t head_dim) {
    const uint8_t *operands[4] = {q, k, p, v};
    uint64_t sum[4];
    for (int i = 0; i < 4; i++)
        sum[i] = (uint64_t)slots + cost_count_high(operands[i], slots);
    return (sum[0] * sum[1] + sum[2] * sum[3]) * head_dim;
}
