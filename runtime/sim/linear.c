/* Linears on the arrays: rows of codes and weights into the line buffers, their products, and these to DRAM. */
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/kernels_attention.h"
#include "runtime/sim/hardware.h"
#include "runtime/sim/layout.h"
#include "runtime/sim/sim.h"
#include "runtime/weights/weights.h"

bool dtq_sim_load_rows(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, LOAD_ROWS, layer), depth = (uint32_t)DTQ_GET(in, LOAD_ROWS, depth);
    const uint64_t row = DTQ_GET(in, LOAD_ROWS, row), rows = DTQ_GET(in, LOAD_ROWS, rows);
    const uint64_t input = DTQ_GET(in, LOAD_ROWS, input), width = DTQ_GET(in, LOAD_ROWS, width);
    const uint8_t *bits = dtq_sim_bits(sim, layer, DTQ_Q);
    if (!sim->x->slots[layer].ready || !bits)
        return dtq_sim_not_ready(layer, e);
    const uint32_t *ids = sim->x->slots[layer].ids + row;
    const uint8_t *scales = sim->x->dram + DTQ_GET(in, LOAD_ROWS, codes);
    const uint8_t *codes = scales + sim->stream->seq * sizeof(float);
    uint8_t *x = sim->space[DTQ_SPACE_Q] + DTQ_GET(in, LOAD_ROWS, x), *packed = x + rows * sizeof(float);
    for (uint64_t i = 0; i < rows; i++) {
        const uint64_t bytes = dtq_row_bytes(depth, bits[row + i]);
        memcpy(x + i * sizeof(float), scales + ids[i] * sizeof(float), sizeof(float));
        memcpy(packed, codes + ids[i] * width + dtq_row_bytes((uint32_t)input, bits[row + i]), bytes);
        packed += bytes;
    }
    return true;
}

bool dtq_sim_load_weights(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint64_t tensor = DTQ_GET(in, LOAD_WEIGHTS, weight), bias = DTQ_GET(in, LOAD_WEIGHTS, bias);
    const uint64_t output = DTQ_GET(in, LOAD_WEIGHTS, output), cols = DTQ_GET(in, LOAD_WEIGHTS, cols);
    const uint64_t input = DTQ_GET(in, LOAD_WEIGHTS, input), depth = DTQ_GET(in, LOAD_WEIGHTS, depth);
    const bool biased = bias != dtq_field_none(&dtq_ops[DTQ_OP_LOAD_WEIGHTS].fields[DTQ_F(LOAD_WEIGHTS, bias)]);
    dtq_weights *weights = sim->x->weights;
    if (!weights)
        return dtq_fail(e, DTQ_BAD_INPUT, "the program needs its weights, and none are open");
    size_t outputs = 0, inputs = 0, bias_rows = 0, bias_cols = 0;
    if (!dtq_weights_shape(weights, tensor, &outputs, &inputs) || output + cols > outputs || input + depth > inputs ||
        (biased && (!dtq_weights_shape(weights, bias, &bias_rows, &bias_cols) || bias_rows * bias_cols != outputs))) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "load.weights leaves its tensors");
    }
    const dtq_weight_i8 *q = dtq_weights_int8(weights, tensor, sim->x->threads, e);
    const float *biases = q && biased ? dtq_weights_float(weights, bias, e) : NULL;
    if (!q || (biased && !biases))
        return false;
    uint8_t *w = sim->space[DTQ_SPACE_K] + DTQ_GET(in, LOAD_WEIGHTS, w);
    memcpy(w, q->scales + output, cols * sizeof(float));
    w += cols * sizeof(float);
    if (biases)
        memcpy(w, biases + output, cols * sizeof(float));
    else
        memset(w, 0, cols * sizeof(float));
    w += cols * sizeof(float);
    for (uint64_t c = 0; c < cols; c++)
        dtq_weight_output(q, output + c, input, depth, (int8_t *)w + c * depth);
    return true;
}

/** Codes as the kernel takes them: int16 [rows][padded depth], zeros behind the last. */
static void widen(const int8_t *codes, uint64_t depth, uint64_t padded, int16_t *out) {
    for (uint64_t k = 0; k < depth; k++)
        out[k] = codes[k];
    memset(out + depth, 0, (padded - depth) * sizeof *out);
}

/** What a row's sums stand for, as NUMERICS.md's linear: int32 in, float out, in the same place. */
static void finish(uint8_t *o, const int32_t *sums, uint64_t rows, uint64_t cols, const uint8_t *row_scales,
                   const uint8_t *weights) {
    for (uint64_t i = 0; i < rows; i++) {
        float row_scale;
        memcpy(&row_scale, row_scales + i * sizeof row_scale, sizeof row_scale);
        for (uint64_t c = 0; c < cols; c++, o += sizeof(float)) {
            float scale, bias;
            memcpy(&scale, weights + c * sizeof scale, sizeof scale);
            /* absent biases are +0, which no product is changed by: none is -0 */
            memcpy(&bias, weights + (cols + c) * sizeof bias, sizeof bias);
            const float product = (float)sums[i * cols + c] * (row_scale * scale), out = product + bias;
            memcpy(o, &out, sizeof out);
        }
    }
}

bool dtq_sim_matmul(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, MATMUL, layer), depth = (uint32_t)DTQ_GET(in, MATMUL, depth);
    const uint64_t row = DTQ_GET(in, MATMUL, row), rows = DTQ_GET(in, MATMUL, rows), cols = DTQ_GET(in, MATMUL, cols);
    const uint64_t flags = DTQ_GET(in, MATMUL, flags);
    const uint64_t padded = ((uint64_t)depth + DTQ_DOTS_PAD - 1) / DTQ_DOTS_PAD * DTQ_DOTS_PAD;
    const uint8_t *bits = dtq_sim_bits(sim, layer, DTQ_Q);
    if (!bits)
        return dtq_sim_not_ready(layer, e);
    const uint64_t bytes = rows * cols * sizeof(int32_t) + (rows + cols) * padded * sizeof(int16_t) + depth;
    int32_t *sums = dtq_sim_scratch(sim, bytes);
    if (!sums)
        return dtq_sim_no_memory(bytes, e);
    int16_t *left = (int16_t *)(sums + rows * cols), *right = left + rows * padded;
    int8_t *codes = (int8_t *)(right + cols * padded);
    const uint8_t *x = sim->space[DTQ_SPACE_Q] + DTQ_GET(in, MATMUL, x), *packed = x + rows * sizeof(float);
    const uint8_t *w = sim->space[DTQ_SPACE_K] + DTQ_GET(in, MATMUL, w);
    const int8_t *weights = (const int8_t *)w + 2 * cols * sizeof(float);
    uint8_t *o = sim->space[DTQ_SPACE_OUT] + DTQ_GET(in, MATMUL, o);
    for (uint64_t i = 0; i < rows; i++) {
        dtq_unpack_row(packed, depth, bits[row + i], codes);
        packed += dtq_row_bytes(depth, bits[row + i]);
        widen(codes, depth, padded, left + i * padded);
    }
    for (uint64_t c = 0; c < cols; c++)
        widen(weights + c * depth, depth, padded, right + c * padded);
    dtq_dots(left, rows, right, cols, padded, sums);
    uint8_t *eights = sim->rtl ? malloc(cols) : NULL;
    if (eights)
        memset(eights, 8, cols);
    else if (sim->rtl)
        return dtq_sim_no_memory(cols, e);
    const dtq_rtl_matmul m = {.rows = (uint32_t)rows,
                              .cols = (uint32_t)cols,
                              .depth = depth,
                              .turned = DTQ_GET(in, MATMUL, turned) != 0,
                              .serpentine = DTQ_GET(in, MATMUL, serpentine) != 0,
                              .left_signed = true,
                              .left = left,
                              .right = right,
                              .left_stride = padded,
                              .right_stride = padded,
                              .left_bits = bits + row,
                              .right_bits = eights,
                              .low = sums};
    const bool same = dtq_hardware_matmul(sim, layer, &m, NULL, 0, 0, e);
    free(eights);
    if (!same)
        return false;
    if (flags == DTQ_PV_MIDDLE || flags == DTQ_PV_LAST) {
        for (uint64_t i = 0; i < rows * cols; i++) {
            int32_t before;
            memcpy(&before, o + i * sizeof before, sizeof before);
            sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)before);
        }
    }
    if (flags == DTQ_PV_LAST || flags == DTQ_PV_ONLY)
        finish(o, sums, rows, cols, x, w);
    else
        memcpy(o, sums, rows * cols * sizeof *sums);
    return true;
}

bool dtq_sim_store_rows(dtq_sim *sim, const dtq_instr *in, dtq_error *e) {
    const uint32_t layer = (uint32_t)DTQ_GET(in, STORE_ROWS, layer);
    const uint64_t rows = DTQ_GET(in, STORE_ROWS, rows), bytes = sizeof(float) * DTQ_GET(in, STORE_ROWS, cols);
    const uint64_t width = DTQ_GET(in, STORE_ROWS, width), output = DTQ_GET(in, STORE_ROWS, output);
    if (!sim->x->slots[layer].ready)
        return dtq_sim_not_ready(layer, e);
    const uint32_t *ids = sim->x->slots[layer].ids + DTQ_GET(in, STORE_ROWS, row);
    const uint8_t *src = sim->space[DTQ_SPACE_OUT] + DTQ_GET(in, STORE_ROWS, o);
    uint8_t *dst = sim->x->dram + DTQ_GET(in, STORE_ROWS, dst);
    for (uint64_t i = 0; i < rows; i++)
        memcpy(dst + (ids[i] * width + output) * sizeof(float), src + i * bytes, bytes);
    return true;
}
