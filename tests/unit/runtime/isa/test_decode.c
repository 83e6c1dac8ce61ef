#include "isa_util.h"

static void refuse(const uint8_t bytes[DTQ_INSTR_BYTES], const char *words) {
    dtq_instr in;
    dtq_error e = {0};
    ck_assert(!dtq_decode(bytes, &in, &e));
    ck_assert_str_eq(e.message, words);
}

START_TEST(foreign_bytes_are_refused) {
    refuse((uint8_t[DTQ_INSTR_BYTES]){200}, "unknown opcode 200 (there are 41)");
    refuse((uint8_t[DTQ_INSTR_BYTES]){DTQ_OP_LOAD, DTQ_STORE}, "queue store cannot execute load");
    refuse((uint8_t[DTQ_INSTR_BYTES]){DTQ_OP_LOAD, DTQ_LOAD, 3}, "load: operand=3 is past its 3 words");
    refuse((uint8_t[DTQ_INSTR_BYTES]){DTQ_OP_WAIT, DTQ_LOAD, 0, 2}, "wait: padding from bit 25 on is not zero");
    refuse((uint8_t[DTQ_INSTR_BYTES]){DTQ_OP_WAIT, DTQ_LOAD, [31] = 0x80}, "wait: padding from bit 248 on is not zero");
}
END_TEST

/* Whatever is accepted encodes to the same bytes: nothing in an instruction is ignored. */
START_TEST(accepted_bytes_come_back) {
    uint64_t seed = test_seed();
    unsigned accepted = 0;
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[DTQ_INSTR_BYTES] = {0}, back[DTQ_INSTR_BYTES];
        bytes[0] = (uint8_t)(next_random(&seed) % (DTQ_OP_COUNT + 2));
        bytes[1] = (uint8_t)(next_random(&seed) % 8);
        size_t length = 2 + next_random(&seed) % 31;
        for (size_t b = 2; b < length; b++)
            bytes[b] = (uint8_t)next_random(&seed);
        dtq_instr in;
        dtq_error e;
        if (!dtq_decode(bytes, &in, &e))
            continue;
        accepted++;
        ck_assert(dtq_encode(&in, back, &e));
        ck_assert_mem_eq(bytes, back, DTQ_INSTR_BYTES);
    }
    ck_assert_uint_gt(accepted, 1000);
}
END_TEST

RUN_TESTS("decode", foreign_bytes_are_refused, accepted_bytes_come_back)
