/* Keys that a causal mask hides from query rows whatever tokens a run selects. Tokens ascend by position inside each
 * cluster of slots (runtime/layer.h), so a row sees no key that stands behind it in its own cluster; of other clusters
 * it may see any. The compiler reads this, too. */
#ifndef DTQRT_MASKED_H
#define DTQRT_MASKED_H

#include <stdbool.h>
#include <stdint.h>

enum { DTQ_CLUSTERS_MAX = 3 };

/** The clusters of a layer: slots [edge[i], edge[i + 1]) ascend by position. A count of 0: nothing is hidden. */
typedef struct {
    uint32_t count, edge[DTQ_CLUSTERS_MAX + 1];
} dtq_clusters;

/** Of the columns of a block those that are hidden from all of some rows: [from, to), counted from the block's first;
 *  none if both are equal. */
typedef struct {
    uint32_t from, to;
} dtq_hidden;

/** The end of the cluster of `row`; of `rows` rows that lie in more than one, 0. */
static inline uint32_t dtq_cluster_end(const dtq_clusters *c, uint32_t row, uint32_t rows) {
    for (uint32_t i = 0; i < c->count; i++)
        if (row >= c->edge[i] && row < c->edge[i + 1])
            return rows <= c->edge[i + 1] - row ? c->edge[i + 1] : 0;
    return 0;
}

/** What is hidden from all of slots [row, row + rows) in the block of keys [col, col + cols). */
static inline dtq_hidden dtq_hidden_from(const dtq_clusters *c, uint32_t row, uint32_t rows, uint32_t col,
                                         uint32_t cols) {
    const uint32_t cluster_end = dtq_cluster_end(c, row, rows), end = col + cols;
    const uint32_t to = cluster_end < end ? cluster_end : end, from = row + rows > col ? row + rows : col;
    return from < to ? (dtq_hidden){from - col, to - col} : (dtq_hidden){0, 0};
}

/** Keys of the block that `row` may see. */
static inline uint32_t dtq_row_sees(const dtq_clusters *c, uint32_t row, uint32_t col, uint32_t cols) {
    const dtq_hidden h = dtq_hidden_from(c, row, 1, col, cols);
    return cols - (h.to - h.from);
}

/** Pairs of a row of the block and a key that it may see. */
static inline uint64_t dtq_pairs_seen(const dtq_clusters *c, uint32_t row, uint32_t rows, uint32_t col, uint32_t cols) {
    uint64_t pairs = (uint64_t)rows * cols;
    for (uint32_t i = 0; c->count > 0 && i < rows; i++)
        pairs -= cols - dtq_row_sees(c, row + i, col, cols);
    return pairs;
}

/** The same in steps of `lanes` keys, of which a row takes a whole number. */
static inline uint64_t dtq_steps_seen(const dtq_clusters *c, uint32_t row, uint32_t rows, uint32_t col, uint32_t cols,
                                      uint64_t lanes) {
    if (c->count == 0)
        return rows * ((cols + lanes - 1) / lanes);
    uint64_t steps = 0;
    for (uint32_t i = 0; i < rows; i++)
        steps += (dtq_row_sees(c, row + i, col, cols) + lanes - 1) / lanes;
    return steps;
}

/** Tiles of `width` columns all of which are hidden: [from, to) of those that the block has. */
static inline dtq_hidden dtq_hidden_tiles(dtq_hidden h, uint32_t cols, uint32_t width) {
    const uint32_t from = (h.from + width - 1) / width, to = h.to == cols ? (cols + width - 1) / width : h.to / width;
    return from < to ? (dtq_hidden){from, to} : (dtq_hidden){0, 0};
}

#endif
