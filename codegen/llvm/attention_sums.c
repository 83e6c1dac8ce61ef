/* Z, the sums of a strip's probabilities, and the factors 2^32 / Z of importance. */
#include "codegen/llvm/attention_parts.h"

/* Lane r: the sum of all lanes of rows[r]. */
static val sums_across(emitter *e, val rows[LANES]) {
    for (unsigned half = LANES / 2; half >= 1; half /= 2) {
        unsigned low[LANES], high[LANES];
        for (unsigned l = 0; l < LANES; l++) {
            unsigned from = l & half ? LANES : 0; /* lanes with this bit are of the second vector */
            low[l] = from + (l & ~half);
            high[l] = from + (l | half);
        }
        for (unsigned v = 0; v < half; v++) {
            val a = rows[v], b = rows[v + half];
            val lower = shuffle(e, a, b, low, LANES), upper = shuffle(e, a, b, high, LANES);
            rows[v] = add(e, lower, upper);
        }
    }
    return rows[0];
}

/* The integer quotient of 2^32 by z in [15, 2^24]: the rounded quotient of floats is off by at most 2^8 / z + 1, what
 * is left is a number of 25 bits, and when that is divided, too, what is left is at most half of z, up or down. */
static val quotient(emitter *e, val z, val z_float) {
    val q = to_int(e, over(e, splat_f(e, 0x1p32f), z_float));
    val left = sub(e, splat_i(e, 0), mul(e, q, z)); /* modulo 2^32 */
    val more = to_int(e, round_even(e, over(e, to_float(e, left), z_float)));
    left = sub(e, left, mul(e, more, z));
    q = add(e, q, more);
    val above = LLVMBuildICmp(e->builder, LLVMIntSLT, left, splat_i(e, 0), "");
    return choose(e, above, sub(e, q, splat_i(e, 1)), q);
}

val attention_sums(emitter *e) {
    const char *name = name_of(e, "attention_sums");
    if (function_find(e, name))
        return function_find(e, name);
    type params[1] = {e->ptr};
    val f = function_begin(e, name, e->none, params, 1), strip = arg(e, 0), by_row[LANES];
    for (unsigned r = 0; r < LANES; r++)
        by_row[r] = load(e, e->vi, at(e, STRIP_AT(e, strip, gathered), i64_of(e, 4ull * LANES * r)));
    /* A row that sees nothing has no sum, and rows that are not there may have any: neither may divide by zero, nor
     * count. */
    val z = sums_across(e, by_row);
    val count = spread(e, LLVMBuildTrunc(e->builder, STRIP(e, e->i64, strip, rows), e->i32, ""));
    val is_row = less(e, lane_numbers(e), count), sees = less(e, splat_i(e, 0), z);
    val counts = bits_and(e, is_row, sees);
    z = choose(e, counts, z, splat_i(e, 1u << 24));
    val z_float = to_float(e, z);
    store(e, z_float, STRIP_AT(e, strip, sums));
    /* A byte b above 127 and one carried to the byte above are the digit b - 256: with 128 added first, and then taken
     * off bit by bit. As Z is at least 15, the fourth digit is below 128. */
    val biased = add(e, quotient(e, z, z_float), splat_i(e, 0x808080));
    val digits = LLVMBuildXor(e->builder, biased, splat_i(e, 0x808080), "");
    digits = choose(e, counts, digits, splat_i(e, 0));
    for (unsigned d = 0; d < 4; d++) {
        val digit = LLVMBuildTrunc(e->builder, shifted_right(e, digits, 8 * d), e->vb, "");
        store(e, digit, at(e, STRIP_AT(e, strip, digits), i64_of(e, 16ull * d)));
    }
    function_end(e);
    return f;
}
