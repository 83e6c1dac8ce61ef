/* Layout: how many bytes the blocks take that live in the on-chip buffers. */
#include "runtime/sim/layout.h"

enum { PROBS_HEADER_BYTES = 16, SCALE_BYTES = 4, CLASSES = 2 };

uint64_t dtq_row_bytes(uint32_t head_dim, unsigned bits) {
    return ((uint64_t)head_dim * bits + 7) / 8;
}

/** Scales in front of a block's rows: one a row, but for values of a layer without causal mask one a class and channel.
 */
static uint64_t scale_bytes(const dtq_layer *l, dtq_operand operand, uint32_t rows) {
    bool class_scales = operand == DTQ_V && !dtq_folds(l);
    return class_scales ? (uint64_t)CLASSES * SCALE_BYTES * l->head_dim : (uint64_t)SCALE_BYTES * rows;
}

uint64_t dtq_block_bytes_at(const dtq_layer *l, dtq_operand operand, const uint8_t *bits, uint32_t row, uint32_t rows) {
    uint64_t eight = 0;
    for (uint32_t i = 0; i < rows; i++)
        eight += bits[row + i] == 8;
    return scale_bytes(l, operand, rows) + eight * dtq_row_bytes(l->head_dim, 8) +
           (rows - eight) * dtq_row_bytes(l->head_dim, 4);
}

uint64_t dtq_block_bytes(const dtq_layer *l, dtq_operand operand, uint32_t row, uint32_t rows) {
    if (l->bits[operand])
        return dtq_block_bytes_at(l, operand, l->bits[operand], row, rows);
    return scale_bytes(l, operand, rows) + rows * dtq_row_bytes(l->head_dim, 8);
}

uint64_t dtq_rows_bytes_at(const uint8_t *bits, uint32_t row, uint32_t rows, uint32_t depth) {
    uint64_t eight = 0;
    for (uint32_t i = 0; i < rows; i++)
        eight += bits[row + i] == 8;
    return (uint64_t)SCALE_BYTES * rows + eight * dtq_row_bytes(depth, 8) + (rows - eight) * dtq_row_bytes(depth, 4);
}

uint64_t dtq_rows_bytes(const dtq_layer *l, uint32_t row, uint32_t rows, uint32_t depth) {
    if (l->bits[DTQ_Q])
        return dtq_rows_bytes_at(l->bits[DTQ_Q], row, rows, depth);
    return SCALE_BYTES * (uint64_t)rows + rows * dtq_row_bytes(depth, 8);
}

uint64_t dtq_weights_bytes(uint32_t cols, uint32_t depth) {
    return (uint64_t)cols * (2 * SCALE_BYTES + depth);
}

uint64_t dtq_codes_bytes(uint32_t seq, uint32_t inputs) {
    return (uint64_t)seq * (SCALE_BYTES + inputs);
}

uint64_t dtq_scores_bytes(uint32_t rows, uint32_t cols) {
    return 4 * (uint64_t)rows * cols + SCALE_BYTES * ((uint64_t)rows + cols);
}

uint64_t dtq_probs_bytes(const dtq_layer *l, uint32_t rows) {
    uint64_t copies = dtq_folds(l) ? 2 : 1;
    return (uint64_t)rows * PROBS_HEADER_BYTES + copies * rows * dtq_cols(l);
}

uint64_t dtq_out_bytes(const dtq_layer *l, uint32_t rows, bool only) {
    return (uint64_t)(only ? 4 : 8) * rows * l->head_dim;
}

uint64_t dtq_probe_probs_bytes(const dtq_layer *l, uint32_t seq) {
    return l->heads / l->kv_heads * (PROBS_HEADER_BYTES + (uint64_t)seq);
}

uint64_t dtq_probe_bytes(const dtq_layer *l, uint32_t seq) {
    const uint64_t queries = l->heads / l->kv_heads;
    return SCALE_BYTES * (queries + seq) + queries * dtq_row_bytes(l->head_dim, DTQ_PROBE_QUERY_BITS) +
           seq * dtq_row_bytes(l->head_dim, DTQ_PROBE_KEY_BITS);
}
