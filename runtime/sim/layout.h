/* What blocks look like in the buffers (runtime/sim/layout.c). */
#ifndef DTQRT_SIM_LAYOUT_H
#define DTQRT_SIM_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/layer.h"

/** Bytes of one row of `head_dim` codes at `bits` (4 or 8): ceil(head_dim * bits / 8). */
uint64_t dtq_row_bytes(uint32_t head_dim, unsigned bits);
/** Bytes that a block of slots [row, row + rows) of operand q, k or v takes in its line buffer. Layout: for q, k and
 *  v that is folded a float scale for each row; for other v float [2][head_dim] class scales; then the packed rows.
 *  Precision known only at run time counts 8 bits for every row. */
uint64_t dtq_block_bytes(const dtq_layer *l, dtq_operand operand, uint32_t row, uint32_t rows);
/** As dtq_block_bytes with the precisions `bits` [slots] of the operand: what a load moves. */
uint64_t dtq_block_bytes_at(const dtq_layer *l, dtq_operand operand, const uint8_t *bits, uint32_t row, uint32_t rows);
/** int32 [rows][cols], then float row scales [rows], then float column scales [cols]. */
uint64_t dtq_scores_bytes(uint32_t rows, uint32_t cols);
/** Per row 16 bytes (float max, uint32 Z, float r, uint32 0), then uint8 e [rows][columns], where v is folded then
 * uint8 w [rows][keys]. */
uint64_t dtq_probs_bytes(const dtq_layer *l, uint32_t rows);
/** What load.rows makes of query slots [row, row + rows) and `depth` inputs: float scales [rows], then the rows, packed
 * at their precisions as queries; those known only at run time count 8 bits. */
uint64_t dtq_rows_bytes(const dtq_layer *l, uint32_t row, uint32_t rows, uint32_t depth);
/** As dtq_rows_bytes with the precisions `bits` [slots]: what load.rows moves. */
uint64_t dtq_rows_bytes_at(const uint8_t *bits, uint32_t row, uint32_t rows, uint32_t depth);
/** What load.weights makes: float scales [cols], float biases [cols], int8 codes [cols][depth]. */
uint64_t dtq_weights_bytes(uint32_t cols, uint32_t depth);
/** What host.codes makes of a linear's rows: float scales [seq], then [seq][inputs bytes]. */
uint64_t dtq_codes_bytes(uint32_t seq, uint32_t inputs);
/** Precisions of the mean query and of the keys that a probe compares it with. */
enum { DTQ_PROBE_QUERY_BITS = 8, DTQ_PROBE_KEY_BITS = 4 };
/** What host.probe makes for each key/value head, and load.probe brings: float scales of the mean queries of its heads
 *  and of all `seq` keys, then these rows, packed at their precisions. */
uint64_t dtq_probe_bytes(const dtq_layer *l, uint32_t seq);
/** What softmax.probe makes of one: as dtq_probs_bytes, for rows of `seq` keys. */
uint64_t dtq_probe_probs_bytes(const dtq_layer *l, uint32_t seq);
/** Two int32 accumulators, then reused as float: 8 * rows * head_dim; a single block (`only`) needs 4 * rows *
 * head_dim. */
uint64_t dtq_out_bytes(const dtq_layer *l, uint32_t rows, bool only);

#endif
