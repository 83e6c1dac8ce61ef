/* Symmetric quantisation to 4 and 8 bits, and the packing of codes into rows. */
#include <math.h>

#include "runtime/entry.h"
#include "runtime/exec.h"

static const float too_large = 0x1p50f;
static const float too_small = 0x1p-50f;

static float code_limit(unsigned bits) {
    return bits == 4 ? 7.0f : 127.0f;
}

bool dtq_do_scale(const float *x, size_t n, size_t stride, unsigned bits, float *scale) {
    float largest = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float a = fabsf(x[i * stride]);
        if (!(a < too_large))
            return false; /* NaN fails the comparison too */
        largest = a > largest ? a : largest;
    }
    *scale = largest < too_small ? 1.0f : largest / code_limit(bits);
    return true;
}

int8_t dtq_do_quantise(float x, float scale, unsigned bits) {
    const float limit = code_limit(bits);
    float c = dtq_do_rne(x / scale);
    c = c > limit ? limit : c;
    c = c < -limit ? -limit : c;
    return (int8_t)c;
}

void dtq_pack_row(const int8_t *codes, uint32_t n, unsigned bits, uint8_t *out) {
    if (bits == 8) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = (uint8_t)codes[i];
        return;
    }
    for (uint32_t i = 0; i < n; i += 2) {
        const unsigned low = (uint8_t)codes[i] & 15u;
        const unsigned high = i + 1 < n ? (uint8_t)codes[i + 1] & 15u : 0u;
        out[i / 2] = (uint8_t)(low | high << 4);
    }
}

void dtq_unpack_row(const uint8_t *in, uint32_t n, unsigned bits, int8_t *codes) {
    for (uint32_t i = 0; i < n; i++) {
        if (bits == 8) {
            const int v = in[i];
            codes[i] = (int8_t)(v < 128 ? v : v - 256);
        } else {
            const int nibble = in[i / 2] >> (i % 2 * 4) & 15;
            codes[i] = (int8_t)(nibble < 8 ? nibble : nibble - 16);
        }
    }
}
