/* Wavefront: the steps of tiles that stream through an array, one after another.
 *
 * PE(r,c) of a tile works on reduction index k at step k + r + c of the tile, so all PEs of a diagonal r + c work on
 * the same k and only the costliest of them matters: a step looks at diagonals, not at PEs. What is at the diagonals in
 * one step is the operand train, shifted by one diagonal a step; train and diagonals are kept as bit sets, a bit a
 * diagonal. The cost of a MAC is (cost of the diagonal) x (cost of the train's element): for scores the diagonal
 * carries row x column and the train costs 1 throughout, for P.V the diagonal carries the row of P and the train the
 * token of V. */
#include "runtime/sim/wavefront.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 64, SHAPE_MAX = 1024, DIAGONAL_WORDS = (2 * SHAPE_MAX - 1 + WORD - 1) / WORD };

static unsigned operand_cost(uint8_t bits) {
    return bits == 8 ? 2 : 1;
}

/* ---- the operand train --------------------------------------------------------------------------------------- */

/** The reduction's elements, last first, as two bit sets by cost, with zeros around them wide enough for any shift. */
typedef struct {
    uint64_t *one, *two; /* elements of cost 1 and of cost 2 */
    uint64_t length;     /* K */
    uint64_t before;     /* zero bits in front: a whole number of words */
    uint64_t sum;        /* of the costs */
} operand_train;

/** Words of zeros on either side of a train, and of one of its sets. */
static uint64_t train_pad(uint32_t diagonals) {
    return (diagonals + WORD - 1) / WORD + 1;
}
static uint64_t train_words(uint32_t length, uint32_t diagonals) {
    return 2 * train_pad(diagonals) + (length + WORD - 1) / WORD + 1;
}

/** The train of those of `depth` elements of precision `bits` that are not hidden, or of all of them in reverse. */
static bool train_init(operand_train *train, const uint8_t *bits, uint32_t depth, dtq_hidden hidden, uint32_t diagonals,
                       bool reverse) {
    const uint32_t length = depth - (hidden.to - hidden.from);
    uint64_t pad = train_pad(diagonals), words = train_words(length, diagonals);
    *train = (operand_train){.length = length, .before = pad * WORD};
    train->one = calloc(2 * words, sizeof(uint64_t));
    if (!train->one)
        return false;
    train->two = train->one + words;
    for (uint32_t k = 0; k < length; k++) {
        const uint32_t element = k < hidden.from ? k : k + (hidden.to - hidden.from);
        uint64_t at = train->before + (reverse ? k : length - 1 - k);
        uint64_t *set = bits && operand_cost(bits[element]) == 2 ? train->two : train->one;
        set[at / WORD] |= UINT64_C(1) << (at % WORD);
        train->sum += bits ? operand_cost(bits[element]) : 1;
    }
    return true;
}

/** Bits [at, at + 64) of a bit set. */
static inline uint64_t bits_at(const uint64_t *set, uint64_t at) {
    uint64_t word = at / WORD, shift = at % WORD;
    return shift ? set[word] >> shift | set[word + 1] << (WORD - shift) : set[word];
}

/* ---- a tile in flight ---------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t entry; /* step at which its first operand is at PE(0,0) */
    uint32_t rows, cols, diagonals;
    const operand_train *train;
    /* diagonals with a PE that costs at least 1, 2, 4 per unit of the train */
    uint64_t one[DIAGONAL_WORDS], two[DIAGONAL_WORDS], four[DIAGONAL_WORDS];
} tile;

static void tile_diagonals(tile *t, const uint8_t *row_cost, uint32_t rows, const uint8_t *col_cost, uint32_t cols) {
    uint8_t costliest[2 * SHAPE_MAX - 1];
    t->rows = rows;
    t->cols = cols;
    t->diagonals = rows + cols - 1;
    memset(costliest, 0, t->diagonals);
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t c = 0; c < cols; c++) {
            uint8_t cost = (uint8_t)(row_cost[r] * col_cost[c]);
            costliest[r + c] = cost > costliest[r + c] ? cost : costliest[r + c];
        }
    }
    size_t words = (t->diagonals + WORD - 1) / WORD;
    memset(t->one, 0, words * sizeof(uint64_t));
    memset(t->two, 0, words * sizeof(uint64_t));
    memset(t->four, 0, words * sizeof(uint64_t));
    for (uint32_t s = 0; s < t->diagonals; s++) {
        uint64_t bit = UINT64_C(1) << (s % WORD);
        t->one[s / WORD] |= bit;
        t->two[s / WORD] |= costliest[s] >= 2 ? bit : 0;
        t->four[s / WORD] |= costliest[s] >= 4 ? bit : 0;
    }
}

static uint64_t tile_steps(const tile *t) {
    return t->train->length + t->diagonals - 1;
}

/** Cost of the costliest active PE of a tile in one of its steps. */
static inline unsigned tile_step(const tile *t, uint64_t step) {
    const operand_train *train = t->train;
    uint64_t first = step + 1 > train->length ? step + 1 - train->length : 0;
    uint64_t last = step < t->diagonals - 1 ? step : t->diagonals - 1;
    unsigned cost = 1;
    for (uint64_t w = first / WORD; w <= last / WORD; w++) {
        uint64_t at = train->before + train->length - 1 - step + w * WORD;
        uint64_t one = bits_at(train->one, at), two = bits_at(train->two, at);
        if ((one & t->four[w]) | (two & t->two[w]))
            return 4;
        if ((one & t->two[w]) | (two & t->one[w]))
            cost = 2;
    }
    return cost;
}

/* ---- stepping ------------------------------------------------------------------------------------------------ */

/** Tiles of one strip: columns [0, hidden.from) and [hidden.to, tile_cols), and what streams through them. */
typedef struct {
    dtq_hidden hidden;
    uint64_t tiles, first; /* how many, and how many are in the strips before */
    const operand_train *train, *backward;
} strip;

/** A matmul cut into tiles, row-major. `col_cost` has one entry a column. */
typedef struct {
    const dtq_array_shape *array;
    uint32_t height, width; /* of a whole tile */
    const uint8_t *row_cost, *col_cost;
    uint32_t rows, cols;
    operand_train
        *trains; /* [train_count]: of all strips or of each; then those of every second tile, if they differ */
    size_t train_count;
    bool by_tile; /* serpentine in the reduction, not in the columns */
    strip *strips;
    uint64_t strip_count, tile_cols, tiles, shortest; /* shortest: reduction of a strip that has tiles */
} matmul;

static uint32_t extent(uint32_t all, uint32_t from, uint32_t most) {
    return all - from < most ? all - from : most;
}

/** The column of tile number `index` of a strip, counted from its left. */
static uint64_t strip_column(const strip *s, uint64_t index) {
    return index < s->hidden.from ? index : index + (s->hidden.to - s->hidden.from);
}

/** `at`: the strip of the tile before, or any before it. */
static void matmul_tile(const matmul *m, uint64_t index, uint64_t *at, tile *t) {
    while (index - m->strips[*at].first >= m->strips[*at].tiles)
        ++*at;
    const strip *s = &m->strips[*at];
    uint64_t column = index - s->first;
    if (m->array->serpentine && !m->by_tile && *at % 2 != 0)
        column = s->tiles - 1 - column;
    column = strip_column(s, column);
    t->train = m->array->serpentine && m->by_tile && index % 2 != 0 ? s->backward : s->train;
    uint32_t row = (uint32_t)*at * m->height, col = (uint32_t)column * m->width;
    tile_diagonals(t, m->row_cost + row, extent(m->rows, row, m->height), m->col_cost + col,
                   extent(m->cols, col, m->width));
}

/** Rows of the array that a tile is drained from. */
static uint32_t tile_drained(const matmul *m, const tile *t) {
    return m->array->turned ? t->cols : t->rows;
}

/** The reduction of the tile behind tile `index`, which is in strip `at`; UINT64_MAX if it is the last. */
static uint64_t length_behind(const matmul *m, uint64_t index, uint64_t at) {
    if (index + 1 == m->tiles)
        return UINT64_MAX;
    while (index + 1 - m->strips[at].first >= m->strips[at].tiles)
        at++;
    return m->strips[at].train->length;
}

/** Steps from the entry of a tile to the entry of the next, whose reduction is `behind`: the tile's operands have
 *  entered; and the results of the next leave, a row a step, when those of the tile have left. */
static uint64_t tile_spacing(const matmul *m, const tile *t, uint64_t behind) {
    if (m->array->drain == DTQ_DRAIN_SERIAL)
        return tile_steps(t);
    const uint64_t length = t->train->length, drained = tile_drained(m, t);
    const uint64_t leaves = drained + (length > behind ? length - behind : 0);
    return length > leaves ? length : leaves;
}

/** Places for tiles in flight: a power of two. */
static uint64_t ring_capacity(uint64_t diagonals, uint64_t length, uint64_t tiles) {
    uint64_t in_flight = diagonals / length + 3, capacity = 1;
    while (capacity < in_flight && capacity < tiles)
        capacity *= 2;
    return capacity;
}

/** Steps all tiles through the array. Tiles in flight stand in a ring, oldest first; a tile that is through waits there
 *  until the older ones are. */
static bool matmul_step(const matmul *m, uint64_t *cycles) {
    uint64_t diagonals = (uint64_t)m->array->rows + m->array->cols;
    uint64_t capacity = ring_capacity(diagonals, m->shortest, m->tiles);
    uint64_t mask = capacity - 1;
    tile *ring = malloc(capacity * sizeof(tile));
    if (!ring)
        return false;
    uint64_t oldest = 0, next = 0, next_entry = 0, total = 0, at = 0; /* tiles [oldest, next) are in flight */
    for (uint64_t step = 0; next < m->tiles || oldest < next; step++) {
        if (next < m->tiles && step == next_entry) {
            tile *t = &ring[next & mask];
            matmul_tile(m, next++, &at, t);
            t->entry = step;
            next_entry = step + tile_spacing(m, t, length_behind(m, next - 1, at));
        }
        unsigned cost = 1;
        for (uint64_t i = next; i-- > oldest && cost < 4;) {
            const tile *t = &ring[i & mask];
            uint64_t tile_time = step - t->entry;
            if (tile_time < tile_steps(t)) {
                unsigned own = tile_step(t, tile_time);
                cost = own > cost ? own : cost;
            }
        }
        total += cost;
        while (oldest < next) {
            const tile *t = &ring[oldest & mask];
            if (step - t->entry + 1 < tile_steps(t))
                break;
            oldest++;
        }
    }
    free(ring);
    *cycles = total;
    return true;
}

/** Work and stalls of all tiles, and the cycles of an array without skew. The train's cost multiplies both work and
 * what the slowest PE takes, as all PEs of a tile meet the same element at the same reduction index. */
static void matmul_count(const matmul *m, dtq_wavefront *out) {
    for (uint64_t i = 0, at = 0; i < m->tiles; i++) {
        while (i - m->strips[at].first >= m->strips[at].tiles)
            at++;
        const strip *s = &m->strips[at];
        const uint64_t train_sum = s->train->sum;
        uint32_t row = (uint32_t)at * m->height, col = (uint32_t)strip_column(s, i - s->first) * m->width;
        uint32_t row_end = row + extent(m->rows, row, m->height), col_end = col + extent(m->cols, col, m->width);
        uint64_t row_sum = 0, row_max = 0, col_sum = 0, col_max = 0;
        for (uint32_t r = row; r < row_end; r++) {
            row_sum += m->row_cost[r];
            row_max = m->row_cost[r] > row_max ? m->row_cost[r] : row_max;
        }
        for (uint32_t c = col; c < col_end; c++) {
            col_sum += m->col_cost[c];
            col_max = m->col_cost[c] > col_max ? m->col_cost[c] : col_max;
        }
        uint64_t pes = (uint64_t)(row_end - row) * (col_end - col);
        uint64_t slowest = pes * row_max * col_max, work = row_sum * col_sum;
        out->mac_cycles += work * train_sum;
        out->stall_cycles += (slowest - work) * train_sum;
        out->stalled_tiles += slowest > work;
        out->stall_ratio_sum += (double)(slowest - work) / (double)slowest;
        out->step_cycles += (double)(row_max * col_max * train_sum) / (double)s->train->length;
        if (m->array->drain == DTQ_DRAIN_IDEAL)
            out->cycles += row_max * col_max * train_sum;
    }
}

static void matmul_free(matmul *m) {
    for (size_t i = 0; m->trains && i < m->train_count; i++)
        free(m->trains[i].one);
    free(m->trains);
    free(m->strips);
}

/** Cuts rows into strips, and makes the trains of their tiles. False: out of memory. */
static bool matmul_cut(matmul *m, const uint8_t *train_bits, uint32_t depth) {
    const uint32_t diagonals = m->array->rows + m->array->cols;
    const dtq_hidden *hidden = m->array->hidden;
    const uint64_t distinct = hidden && m->by_tile ? m->strip_count : 1;
    const bool both = m->by_tile && m->array->serpentine;
    m->train_count = (both ? 2 : 1) * distinct;
    m->trains = calloc(m->train_count, sizeof *m->trains);
    m->strips = calloc(m->strip_count, sizeof *m->strips);
    if (!m->trains || !m->strips)
        return false;
    for (uint64_t i = 0; i < m->train_count; i++) {
        const dtq_hidden keys = hidden && m->by_tile ? hidden[i % distinct] : (dtq_hidden){0, 0};
        if (!train_init(&m->trains[i], train_bits, depth, keys, diagonals, i >= distinct))
            return false;
    }
    m->shortest = UINT64_MAX;
    for (uint64_t i = 0; i < m->strip_count; i++) {
        strip *s = &m->strips[i];
        s->train = &m->trains[i % distinct];
        s->backward = &m->trains[m->train_count - distinct + i % distinct];
        s->hidden = hidden && !m->by_tile ? dtq_hidden_tiles(hidden[i], m->cols, m->width) : (dtq_hidden){0, 0};
        s->tiles = s->train->length == 0 ? 0 : m->tile_cols - (s->hidden.to - s->hidden.from);
        s->first = m->tiles;
        m->tiles += s->tiles;
        m->shortest = s->tiles != 0 && s->train->length < m->shortest ? s->train->length : m->shortest;
    }
    return true;
}

/** Runs a matmul whose reduction elements have precision `train_bits` [depth] (NULL: all cost 1). */
static bool matmul_run(matmul *m, const uint8_t *train_bits, uint32_t depth, dtq_wavefront *out) {
    m->by_tile = train_bits != NULL;
    m->height = m->array->turned ? m->array->cols : m->array->rows;
    m->width = m->array->turned ? m->array->rows : m->array->cols;
    m->tile_cols = (m->cols + (uint64_t)m->width - 1) / m->width;
    m->strip_count = (m->rows + (uint64_t)m->height - 1) / m->height;
    bool ok = matmul_cut(m, train_bits, depth);
    *out = (dtq_wavefront){.tiles = m->tiles};
    if (ok && m->tiles > 0) {
        matmul_count(m, out);
        if (m->array->drain != DTQ_DRAIN_IDEAL) {
            ok = matmul_step(m, &out->cycles);
            uint64_t at = 0;
            tile last;
            matmul_tile(m, m->tiles - 1, &at, &last);
            out->latency = tile_drained(m, &last);
        }
    }
    matmul_free(m);
    return ok;
}

static uint8_t *costs(const uint8_t *bits, uint32_t n) {
    uint8_t *cost = malloc(n);
    for (uint32_t i = 0; cost && i < n; i++)
        cost[i] = (uint8_t)(bits ? operand_cost(bits[i]) : 1);
    return cost;
}

static bool matmul_of_bits(const dtq_array_shape *a, const uint8_t *row_bits, uint32_t rows, const uint8_t *col_bits,
                           uint32_t cols, const uint8_t *train_bits, uint32_t depth, dtq_wavefront *out) {
    uint8_t *row_cost = costs(row_bits, rows), *col_cost = costs(col_bits, cols);
    matmul m = {.array = a, .row_cost = row_cost, .col_cost = col_cost, .rows = rows, .cols = cols};
    bool ok = row_cost && col_cost && matmul_run(&m, train_bits, depth, out);
    free(row_cost);
    free(col_cost);
    return ok;
}

bool dtq_wavefront_qk(const dtq_array_shape *a, const uint8_t *row_bits, uint32_t rows, const uint8_t *col_bits,
                      uint32_t cols, uint32_t depth, dtq_wavefront *out) {
    return matmul_of_bits(a, row_bits, rows, col_bits, cols, NULL, depth, out);
}

bool dtq_wavefront_pv(const dtq_array_shape *a, const uint8_t *p_bits, uint32_t rows, const uint8_t *v_bits,
                      uint32_t tokens, uint32_t head_dim, dtq_wavefront *out) {
    return matmul_of_bits(a, p_bits, rows, NULL, head_dim, v_bits, tokens, out);
}

uint64_t dtq_wavefront_bytes(const dtq_array_shape *a, uint32_t rows, uint32_t cols, uint32_t depth) {
    const uint32_t diagonals = a->rows + a->cols, length = depth > cols ? depth : cols;
    const uint64_t height = a->turned ? a->cols : a->rows, strips = (rows + height - 1) / height;
    const uint64_t train = 2 * train_words(length, diagonals) * sizeof(uint64_t) + sizeof(operand_train);
    return 2 * (a->hidden ? strips : 1) * train + strips * sizeof(strip) +
           ring_capacity(diagonals, 1, UINT64_MAX) * sizeof(tile) + rows + length;
}
