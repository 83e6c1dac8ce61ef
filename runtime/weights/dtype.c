/* Types of the elements of tensors: where they lie, and what they are as floats. The blocks are those of ggml
 * (ggml-common.h and dequantize_row_* in ggml-quants.c): codes of some bits each, with a scale and maybe an offset. */
#include "runtime/weights/dtype.h"
#include "runtime/numerics/rotary.h"

#include <math.h>
#include <string.h>

const dtq_dtype_info dtq_dtypes[DTQ_DTYPES] = {
#define DTYPE(name, word, assembly, elements, bytes) [DTQ_##name] = {word, elements, bytes},
#include "runtime/dtypes.def"
};

/* ---- layout --------------------------------------------------------------------------------------------------- */

const char *dtq_tensor_layout_wrong(const dtq_tensor *t) {
    if (t->dtype >= DTQ_DTYPES || t->transposed > 1)
        return "dtype or transposed is no known word";
    if (t->shape[0] == 0 || t->shape[1] == 0)
        return "a dimension is 0";
    if (!isfinite((double)t->mean) || !isfinite((double)t->scale))
        return "mean or scale is not finite";
    const dtq_dtype_info *type = &dtq_dtypes[t->dtype];
    if (t->stride != 0 && t->stride < t->shape[1])
        return "stride is below the number of columns";
    if (t->shape[1] % type->elements != 0 || t->stride % type->elements != 0)
        return "a row is not a whole number of blocks";
    const bool in_file = t->file != UINT32_MAX;
    if (!in_file && (type->elements > 1 || t->stride != 0))
        return "blocks and strides are of files, and it has none";
    const bool coded = dtq_dtype_is_coded(t->dtype);
    if (!coded && (t->scales != 0 || t->zeros != 0 || t->by_rows != 0))
        return "scales and zeros are of I8, U8 and I32";
    if (t->by_rows > 1 || (coded && !in_file))
        return "by_rows is no known word, or codes are in no file";
    if (t->dtype != DTQ_ROTARY)
        return !t->frequencies || *t->frequencies == '\0' ? NULL : "frequencies are of rotary tables";
    if (in_file || t->transposed != 0)
        return "a rotary table is in no file and not transposed";
    if (t->shape[1] % 2 != 0 || !(t->scale >= 1.0f))
        return "a rotary table has pairs of columns, and scale, its base, from 1 on";
    return dtq_frequencies_wrong(t->frequencies, t->shape[1]);
}

uint64_t dtq_tensor_bytes(const dtq_tensor *t) {
    const dtq_dtype_info *type = &dtq_dtypes[t->dtype];
    const uint64_t stride = t->stride != 0 ? t->stride : t->shape[1];
    const uint64_t elements = (t->shape[0] - UINT64_C(1)) * stride + t->shape[1];
    uint64_t bytes;
    return __builtin_mul_overflow(elements / type->elements, type->bytes, &bytes) ? UINT64_MAX : bytes;
}

/* The end of so many elements from byte `at` on. */
static uint64_t end_of(uint64_t at, uint64_t count, uint64_t width) {
    uint64_t end;
    return __builtin_mul_overflow(count, width, &end) || __builtin_add_overflow(end, at, &end) ? UINT64_MAX : end;
}

uint64_t dtq_tensor_end(const dtq_tensor *t) {
    const uint64_t each = t->shape[t->by_rows != 0 ? 0 : 1];
    const uint64_t ends[] = {end_of(t->offset, dtq_tensor_bytes(t), 1),
                             t->scales != 0 ? end_of(t->scales, each, sizeof(float)) : 0,
                             t->zeros != 0 ? end_of(t->zeros, each, dtq_dtypes[t->dtype].bytes) : 0};
    uint64_t last = ends[0];
    for (unsigned i = 1; i < 3; i++)
        last = ends[i] > last ? ends[i] : last;
    return last;
}

/* ---- numbers of 16 bits ---------------------------------------------------------------------------------------- */

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float from_half(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 0) {
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign != 0 ? -magnitude : magnitude;
    }
    const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
    return from_bits(sign | wide << 23 | fraction << 13);
}

static float half_at(const uint8_t *at) {
    uint16_t h;
    memcpy(&h, at, sizeof h);
    return from_half(h);
}

static void widen_F32(const uint8_t *from, size_t blocks, float *out) {
    memcpy(out, from, blocks * sizeof *out);
}

static void widen_F16(const uint8_t *from, size_t blocks, float *out) {
    for (size_t i = 0; i < blocks; i++)
        out[i] = half_at(from + 2 * i);
}

static void widen_BF16(const uint8_t *from, size_t blocks, float *out) {
    for (size_t i = 0; i < blocks; i++) {
        uint16_t upper;
        memcpy(&upper, from + 2 * i, sizeof upper);
        out[i] = from_bits((uint32_t)upper << 16);
    }
}

/* ---- blocks of 32: a scale, maybe an offset, the fifth bits, then codes of which the first half is in low nibbles ---
 */

enum { HALF_BLOCK = 16 };

/* `fifth`: 4 bytes with a bit for each code, or NULL. */
static void widen_nibbles(const uint8_t *codes, const uint8_t *fifth, int32_t zero, float scale, const float *offset,
                          float *out) {
    uint32_t high = 0;
    if (fifth)
        memcpy(&high, fifth, sizeof high);
    for (unsigned i = 0; i < HALF_BLOCK; i++) {
        const uint32_t low_code = (codes[i] & 15u) | (high >> i & 1) << 4;
        const uint32_t high_code = (uint32_t)codes[i] >> 4 | (high >> (i + HALF_BLOCK) & 1) << 4;
        const float a = (float)((int32_t)low_code - zero) * scale, b = (float)((int32_t)high_code - zero) * scale;
        out[i] = offset ? a + *offset : a;
        out[i + HALF_BLOCK] = offset ? b + *offset : b;
    }
}

static void widen_Q4_0(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 18)
        widen_nibbles(from + 2, NULL, 8, half_at(from), NULL, out + 32 * b);
}

static void widen_Q4_1(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 20) {
        const float offset = half_at(from + 2);
        widen_nibbles(from + 4, NULL, 0, half_at(from), &offset, out + 32 * b);
    }
}

static void widen_Q5_0(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 22)
        widen_nibbles(from + 6, from + 2, 16, half_at(from), NULL, out + 32 * b);
}

static void widen_Q5_1(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 24) {
        const float offset = half_at(from + 2);
        widen_nibbles(from + 8, from + 4, 0, half_at(from), &offset, out + 32 * b);
    }
}

static void widen_Q8_0(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 34) {
        const float scale = half_at(from);
        for (unsigned i = 0; i < 32; i++)
            out[32 * b + i] = (float)(int8_t)from[2 + i] * scale;
    }
}

/* ---- blocks of 256: parts of 32 or 16 with scales of their own ----------------------------------------------------
 */

/* Scale and offset of part `i` of 8, 6 bits each in 12 bytes: the first four of both in the low six bits of bytes 0–3
 * and 4–7, of the others four bits in bytes 8–11 and two above the first four. */
static void part_scales(const uint8_t *packed, unsigned i, uint32_t *scale, uint32_t *offset) {
    if (i < 4) {
        *scale = packed[i] & 63u;
        *offset = packed[i + 4] & 63u;
        return;
    }
    *scale = (packed[i + 4] & 15u) | (uint32_t)packed[i - 4] >> 6 << 4;
    *offset = (uint32_t)packed[i + 4] >> 4 | (uint32_t)packed[i] >> 6 << 4;
}

/* Eight parts of 32: low nibbles of 32 bytes, then their high ones, and so on; `fifth`: a byte for each place in a
 * part, a bit for each part, or NULL. */
static void widen_parts(const uint8_t *from, const uint8_t *codes, const uint8_t *fifth, float *out) {
    const float scale = half_at(from), offset = half_at(from + 2);
    for (unsigned part = 0; part < 8; part++) {
        uint32_t s, m;
        part_scales(from + 4, part, &s, &m);
        const float d = scale * (float)s, o = offset * (float)m;
        for (unsigned i = 0; i < 32; i++) {
            const uint32_t nibble = (uint32_t)codes[part / 2 * 32 + i] >> part % 2 * 4 & 15u;
            const uint32_t high = fifth ? ((uint32_t)fifth[i] >> part & 1) << 4 : 0;
            out[32 * part + i] = d * (float)(nibble | high) - o;
        }
    }
}

static void widen_Q4_K(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 144)
        widen_parts(from, from + 16, NULL, out + 256 * b);
}

static void widen_Q5_K(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 176)
        widen_parts(from, from + 48, from + 16, out + 256 * b);
}

/* Two halves of 128, each of four quarters of 32: codes of 6 bits, the low four in 64 bytes, the upper two in 32. */
static void widen_Q6_K(const uint8_t *from, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, from += 210) {
        const float scale = half_at(from + 208);
        for (unsigned i = 0; i < 256; i++) {
            const unsigned half = i / 128, quarter = i % 128 / 32, place = i % 32;
            const uint32_t low = (uint32_t)from[half * 64 + quarter % 2 * 32 + place] >> quarter / 2 * 4 & 15u;
            const uint32_t high = (uint32_t)from[128 + half * 32 + place] >> 2 * quarter & 3u;
            const int32_t code = (int32_t)(low | high << 4) - 32;
            out[256 * b + i] = scale * (float)(int8_t)from[192 + i / 16] * (float)code;
        }
    }
}

/* ---- codes of a whole tensor --------------------------------------------------------------------------------- */

static void widen_I8(const uint8_t *from, size_t blocks, float *out) {
    for (size_t i = 0; i < blocks; i++)
        out[i] = (float)(int8_t)from[i];
}

static void widen_U8(const uint8_t *from, size_t blocks, float *out) {
    for (size_t i = 0; i < blocks; i++)
        out[i] = (float)from[i];
}

static void widen_I32(const uint8_t *from, size_t blocks, float *out) {
    for (size_t i = 0; i < blocks; i++) {
        int32_t code;
        memcpy(&code, from + i * sizeof code, sizeof code);
        out[i] = (float)code;
    }
}

bool dtq_dtype_is_coded(unsigned dtype) {
    return dtype == DTQ_I8 || dtype == DTQ_U8 || dtype == DTQ_I32;
}

void dtq_scale_codes(const dtq_tensor *t, const uint8_t *file, uint64_t first, size_t n, float *codes) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t row = (first + i) / t->shape[1], column = (first + i) % t->shape[1];
        const uint64_t at = t->by_rows != 0 ? row : column;
        float scale = t->scale, zero = t->mean;
        if (t->scales != 0)
            memcpy(&scale, file + t->scales + at * sizeof scale, sizeof scale);
        if (t->zeros != 0)
            dtq_widen((dtq_dtype)t->dtype, file + t->zeros, at, 1, &zero);
        codes[i] = (codes[i] - zero) * scale;
    }
}

/* ---- any ------------------------------------------------------------------------------------------------------- */

typedef void (*widener)(const uint8_t *from, size_t blocks, float *out);

static void widen_ROTARY(const uint8_t *from, size_t blocks, float *out) {
    (void)from;
    memset(out, 0, blocks * sizeof *out); /* nothing is in a file */
}

static const widener wideners[DTQ_DTYPES] = {
#define DTYPE(name, word, assembly, elements, bytes) [DTQ_##name] = widen_##name,
#include "runtime/dtypes.def"
};

void dtq_widen(dtq_dtype dtype, const uint8_t *from, uint64_t first, size_t n, float *out) {
    enum { BLOCK_MAX = 256 };
    const uint64_t elements = dtq_dtypes[dtype].elements;
    from += first / elements * dtq_dtypes[dtype].bytes;
    for (uint64_t skip = first % elements; n > 0 && (skip > 0 || n < elements); skip = 0) {
        float block[BLOCK_MAX];
        const size_t take = elements - skip < n ? (size_t)(elements - skip) : n;
        wideners[dtype](from, 1, block);
        memcpy(out, block + skip, take * sizeof *out);
        out += take;
        n -= take;
        from += dtq_dtypes[dtype].bytes;
    }
    const size_t whole = n / elements;
    wideners[dtype](from, whole, out);
    if (n % elements != 0)
        dtq_widen(dtype, from + whole * dtq_dtypes[dtype].bytes, 0, n % elements, out + whole * elements);
}
