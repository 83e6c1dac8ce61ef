
#include "isa_util.h"

#include "runtime/machine_members.h"

/* The goldens are canonical: text to program to text, and program to text to program. */
static void check_round_trip(const char *path) {
    dtq_program *p = assemble_file(path);
    size_t bytes, first_bytes, second_bytes;
    char *text = disassemble(p, &bytes);
    check_golden(path, text, bytes);
    dtq_program *again = assemble("again", text);
    uint8_t *first = encode(p, &first_bytes), *second = encode(again, &second_bytes);
    ck_assert_uint_eq(first_bytes, second_bytes);
    ck_assert_mem_eq(first, second, first_bytes);
    free(first);
    free(second);
    free(text);
    dtq_program_free(p);
    dtq_program_free(again);
}

START_TEST(asm_and_disasm_are_inverse) {
    ck_assert_int_ge(each_dtasm("good", check_round_trip), 3);
}
END_TEST

/* Random programs, also with tables and sources that no compiler makes. */
START_TEST(any_program_comes_back) {
    uint64_t seed = test_seed();
    for (int round = 0; round < 60; round++) {
        dtq_program *p = assemble_file(DTQC_SOURCE_DIR "/tests/isa/good/corners.dtasm");
        dtq_stream *s = &p->streams[1];
        for (size_t i = 0; i < s->count; i++) {
            dtq_instr *in = &s->instrs[i];
            for (unsigned f = 0; f < dtq_ops[in->op].field_count; f++)
                if (dtq_ops[in->op].fields[f].kind != DTQ_KIND_ENUM)
                    in->f[f] = next_random(&seed) & dtq_field_none(&dtq_ops[in->op].fields[f]);
            uint32_t words[sizeof *s->sources / 4];
            for (size_t w = 0; w < sizeof words / 4; w++)
                words[w] = (uint32_t)(next_random(&seed) % 4);
            memcpy(&s->sources[i], words, sizeof words);
        }
        uint64_t bits = next_random(&seed);
        memcpy(&p->machine->top_clock_ghz, &(double){0.001 + (double)(bits >> 11) * 0x1p-53 * 19}, sizeof(double));
        p->target_hash = dtq_machine_hash(p->machine);
        p->tensors[0].scale = (float)(bits & 0xffff) * 1.1e-7f;
        size_t bytes, first_bytes, second_bytes;
        char *text = disassemble(p, &bytes);
        dtq_program *again = assemble("again", text);
        uint8_t *first = encode(p, &first_bytes), *second = encode(again, &second_bytes);
        ck_assert_uint_eq(first_bytes, second_bytes);
        ck_assert_mem_eq(first, second, first_bytes);
        free(first);
        free(second);
        free(text);
        dtq_program_free(p);
        dtq_program_free(again);
    }
}
END_TEST

/* BERT-Large has some 20 000 instructions: text of all of them, and back, in a blink. */
START_TEST(big_streams_come_back) {
    dtq_program *p = assemble_file(DTQC_SOURCE_DIR "/tests/isa/good/attention.dtasm");
    dtq_stream *s = &p->streams[0], small = *s;
    s->count = 20000;
    s->instrs = malloc(s->count * sizeof *s->instrs);
    s->sources = malloc(s->count * sizeof *s->sources);
    for (size_t i = 0; i < s->count; i++) {
        s->instrs[i] = small.instrs[i % small.count];
        s->sources[i] = small.sources[i % small.count];
    }
    size_t bytes;
    char *text = disassemble(p, &bytes);
    dtq_program *again = assemble("again", text);
    ck_assert_uint_eq(again->streams[0].count, s->count);
    free(s->instrs);
    free(s->sources);
    free(text);
    dtq_program_free(p);
    dtq_program_free(again);
}
END_TEST

RUN_TESTS("disasm", asm_and_disasm_are_inverse, any_program_comes_back, big_streams_come_back)
