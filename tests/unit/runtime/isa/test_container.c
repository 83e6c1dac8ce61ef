#include <unistd.h>

#include "isa_util.h"
#include "runtime/hash.h"

#define GOOD DTQC_SOURCE_DIR "/tests/isa/good/"

static void check_round_trip(const char *path) {
    dtq_program *p = assemble_file(path), *back;
    size_t bytes, again_bytes;
    uint8_t *data = encode(p, &bytes);
    dtq_error e = {0};
    ck_assert_msg(dtq_program_decode(data, bytes, &back, &e), "%s", e.message);
    uint8_t *again = encode(back, &again_bytes);
    ck_assert_uint_eq(bytes, again_bytes);
    ck_assert_mem_eq(data, again, bytes);
    size_t text_bytes, back_bytes;
    char *text = disassemble(p, &text_bytes), *back_text = disassemble(back, &back_bytes);
    ck_assert_str_eq(text, back_text);
    free(text);
    free(back_text);
    free(data);
    free(again);
    dtq_program_free(p);
    dtq_program_free(back);
}

START_TEST(decode_undoes_encode) {
    ck_assert_int_ge(each_dtasm("good", check_round_trip), 3);
}
END_TEST

static uint64_t load_le(const uint8_t *at, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

/* Makes the checksum right again, so that what lies behind it is met. */
static void seal(uint8_t *data, size_t bytes) {
    const uint64_t hash = dtq_checksum(data + 24, bytes - 24);
    for (unsigned i = 0; i < 8; i++)
        data[16 + i] = (uint8_t)(hash >> 8 * i);
}

/* Any one bit that changes changes the checksum, at every length around the groups of 32 bytes; and one value, so that
 * files of other builds stay good. */
START_TEST(the_checksum_sees_every_bit) {
    uint8_t data[100];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(37 * i + 11);
    for (size_t bytes = 0; bytes <= sizeof data; bytes++) {
        const uint64_t sum = dtq_checksum(data, bytes);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            ck_assert_uint_ne(dtq_checksum(data, bytes), sum);
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    ck_assert_uint_eq(dtq_checksum(data, sizeof data), UINT64_C(0xd9a272d4d25f1061)); /* by another implementation */
}
END_TEST

static void refuse(const uint8_t *data, size_t bytes, const char *words) {
    dtq_program *p;
    dtq_error e = {0};
    ck_assert(!dtq_program_decode(data, bytes, &p, &e));
    ck_assert_ptr_null(p);
    ck_assert_int_eq(e.status, DTQ_BAD_PROGRAM);
    ck_assert_msg(strstr(e.message, words), "'%s' does not say '%s'", e.message, words);
}

START_TEST(foreign_and_damaged_files_are_refused_in_words) {
    dtq_program *p = assemble_file(GOOD "encoder.dtasm");
    size_t bytes;
    uint8_t *data = encode(p, &bytes);
    ck_assert_mem_eq(data, "DTQP", 4);
    ck_assert_uint_eq(load_le(data + 8, 8), bytes);
    ck_assert_uint_eq(load_le(data + 24, 8), p->target_hash);
    refuse(data, 0, "not a program");
    refuse(data, 3, "not a program");
    refuse(data, 20, "truncated");
    refuse(data, bytes - 1, "truncated");
    refuse((const uint8_t *)"ELF.....", 8, "not a program");
    data[bytes / 2] ^= 1;
    refuse(data, bytes, "checksum");
    data[bytes / 2] ^= 1;
    data[4] = 1;
    refuse(data, bytes, "container version 1, this build reads version 9");
    data[4] = DTQ_CONTAINER_VERSION;
    data[24] ^= 1;
    seal(data, bytes);
    refuse(data, bytes, "compiled for another target");
    data[24] ^= 1;
    data[32]++;
    seal(data, bytes);
    refuse(data, bytes, "bad section table");
    data[32]--;
    data[40 + 8]++;
    seal(data, bytes);
    refuse(data, bytes, "entry 0 is not PROGRAM where it belongs");
    data[40 + 8]--;
    uint64_t text = 40 + 24 * 7; /* the table entry of the first TEXT */
    ck_assert_uint_eq(load_le(data + text, 4), 7);
    uint8_t *first = data + load_le(data + text + 8, 8) + 5 + 2; /* behind counts of instructions, and of a stretch */
    ck_assert_uint_eq(*first, DTQ_OP_EMBED);
    *first = 99;
    seal(data, bytes);
    refuse(data, bytes, "stream 6, instruction 0: unknown opcode 99");
    *first = DTQ_OP_EMBED;
    uint8_t *tables = data + load_le(data + text - 24 + 8, 8) + 4; /* of the first layer */
    ck_assert_uint_eq(*tables, 0x2f);
    *tables |= 0x80;
    seal(data, bytes);
    refuse(data, bytes, "section LAYERS (entry 6) is malformed");
    free(data);
    dtq_program_free(p);
}
END_TEST

/* Plans repeat their layers hundreds of times, most with all tokens in order. */
START_TEST(layers_that_repeat_take_no_room) {
    dtq_program *p = assemble_file(GOOD "attention.dtasm"), *back;
    dtq_layer layers[4], first = p->streams[0].layers[0];
    uint32_t ids[6] = {0, 1, 2, 3, 4, 5}, other[6] = {5, 4, 3, 2, 1, 0};
    size_t once, bytes;
    ck_assert_uint_eq(p->streams[0].layer_count, 1);
    first.ids = other;
    p->streams[0].layers = layers;
    layers[0] = layers[1] = layers[2] = layers[3] = first;
    free(encode(p, &once));
    p->streams[0].layer_count = 3;
    free(encode(p, &bytes));
    ck_assert_uint_eq(bytes, once + 2);
    layers[0].ids = ids; /* the layer behind differs now, and says its ids in one bit */
    uint8_t *data = encode(p, &bytes);
    dtq_error e = {0};
    ck_assert_msg(dtq_program_decode(data, bytes, &back, &e), "%s", e.message);
    const dtq_layer *read = back->streams[0].layers;
    ck_assert_mem_eq(read[0].ids, ids, sizeof ids);
    for (int l = 1; l < 3; l++) {
        ck_assert_mem_eq(read[l].ids, other, sizeof other);
        ck_assert_mem_eq(read[l].bits[DTQ_K], first.bits[DTQ_K], first.slots);
        ck_assert_uint_eq(read[l].importance_at, first.importance_at);
    }
    dtq_program_free(back);
    /* there is no layer before the first */
    uint8_t *first_layer = data + load_le(data + 40 + 24 * 6 + 8, 8) + 4;
    ck_assert_uint_eq(*first_layer, 0x2f);
    *first_layer = 0x80;
    seal(data, bytes);
    refuse(data, bytes, "section LAYERS (entry 6) is malformed");
    free(data);
    dtq_program_free(p);
}
END_TEST

/* Every address of a layer counts, and what could be said shorter is refused. */
START_TEST(layers_are_written_in_one_way) {
    dtq_program *p = assemble_file(GOOD "attention.dtasm");
    dtq_layer layers[2], one = p->streams[0].layers[0];
    uint32_t ids[6] = {0, 1, 2, 3, 5, 4};
    one.ids = ids;
    p->streams[0].layers = layers;
    p->streams[0].layer_count = 2;
    static const size_t addresses[] = {
        offsetof(dtq_layer, q),       offsetof(dtq_layer, k),
        offsetof(dtq_layer, v),       offsetof(dtq_layer, q_scale),
        offsetof(dtq_layer, k_scale), offsetof(dtq_layer, v_scale),
        offsetof(dtq_layer, out),     offsetof(dtq_layer, importance_at),
    };
    enum { FIRST_ADDRESS = 1 + 5 * 4 + 4 }; /* in the file, from the start of a layer */
    size_t bytes, same_bytes;
    layers[0] = layers[1] = one;
    free(encode(p, &same_bytes));
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        layers[1] = one;
        ((uint8_t *)&layers[1])[addresses[i]] ^= 1;
        uint8_t *data = encode(p, &bytes);
        ck_assert_msg(bytes > same_bytes, "address %zu", i);
        size_t start = (size_t)load_le(data + 40 + 24 * 6 + 8, 8), size = (size_t)load_le(data + 40 + 24 * 6 + 16, 8);
        data[start + 4 + (size - 4) / 2 + FIRST_ADDRESS + 8 * i] ^= 1; /* now the second is the first again */
        seal(data, bytes);
        refuse(data, bytes, "section LAYERS (entry 6) is malformed");
        free(data);
    }
    p->streams[0].layer_count = 1;
    uint8_t *data = encode(p, &bytes);
    uint8_t *end = data + load_le(data + 40 + 24 * 6 + 8, 8) + load_le(data + 40 + 24 * 6 + 16, 8);
    end[-8] = 4; /* ids 0 to 5 in order */
    end[-4] = 5;
    seal(data, bytes);
    refuse(data, bytes, "section LAYERS (entry 6) is malformed");
    free(data);
    dtq_program_free(p);
}
END_TEST

/* A stream of `passes` over a body of loads and signals: addresses change from pass to pass, and layers count. */
static void repeat_body(dtq_stream *s, dtq_instr load, size_t body, size_t passes, dtq_instr *instrs,
                        dtq_source *sources) {
    ck_assert_uint_eq(load.op, DTQ_OP_LOAD);
    for (size_t i = 0; i < body * passes; i++) {
        bool loads = ((uint32_t)(i % body) * UINT32_C(2654435761) >> 28) % 3 < 2; /* as irregular as can be */
        instrs[i] = load;
        if (!loads)
            instrs[i] = (dtq_instr){.op = DTQ_OP_SIGNAL, .queue = DTQ_LOAD, .f = {DTQ_SOFTMAX + i % body % 2}};
        else {
            instrs[i].f[DTQ_F(LOAD, layer)] = i / body;
            instrs[i].f[DTQ_F(LOAD, dst)] = i * i * 64 % 4096;
        }
        sources[i] = (dtq_source){.line = 3, .layer = loads ? (uint32_t)(i / body) : UINT32_MAX, .head = 1};
        sources[i].row = loads && i % body % 10 == 4 ? (uint32_t)(i / body % 3) : 0;
        if (!loads && i % body % 2) /* a token of the one before it */
            sources[i] = sources[i - 1];
    }
    s->instrs = instrs;
    s->sources = sources;
    s->count = body * passes;
}

START_TEST(a_body_is_written_once) {
    enum { BODY = 300, PASSES = 40 };
    static dtq_instr instrs[BODY * PASSES];
    static dtq_source sources[BODY * PASSES];
    dtq_program *p = assemble_file(GOOD "attention.dtasm"), *back;
    const dtq_instr load = p->streams[0].instrs[5];
    size_t once, bytes;
    repeat_body(&p->streams[0], load, BODY, 1, instrs, sources);
    free(encode(p, &once));
    repeat_body(&p->streams[0], load, BODY, PASSES, instrs, sources);
    uint8_t *data = encode(p, &bytes);
    ck_assert_msg(bytes < once + 4 * BODY * (PASSES - 1), "%zu bytes, and %zu for one pass", bytes, once);
    dtq_error e = {0};
    ck_assert_msg(dtq_program_decode(data, bytes, &back, &e), "%s", e.message);
    ck_assert_uint_eq(back->streams[0].count, BODY * PASSES);
    ck_assert_mem_eq(back->streams[0].instrs, instrs, sizeof instrs);
    ck_assert_mem_eq(back->streams[0].sources, sources, sizeof sources);
    dtq_program_free(back);
    free(data);
    p->streams[0].sources = NULL;
    data = encode(p, &bytes);
    ck_assert_msg(dtq_program_decode(data, bytes, &back, &e), "%s", e.message);
    ck_assert_ptr_null(back->streams[0].sources);
    ck_assert_mem_eq(back->streams[0].instrs, instrs, sizeof instrs);
    dtq_program_free(back);
    /* counts that do not fit */
    uint8_t *text = data + load_le(data + 40 + 24 * 7 + 8, 8);
    ck_assert_uint_eq(load_le(text, 4), BODY * PASSES);
    text[0]++; /* an instruction that is not there */
    seal(data, bytes);
    refuse(data, bytes, "section TEXT is malformed");
    text[0]--;
    text[5] ^= 1;
    seal(data, bytes);
    refuse(data, bytes, "stream 6");
    free(data);
    dtq_program_free(p);
}
END_TEST

/* No bytes behind a right checksum lead outside the file or to memory out of proportion (run with sanitizers). */
START_TEST(hostile_files_are_harmless) {
    uint64_t seed = test_seed();
    const char *names[] = {GOOD "corners.dtasm", GOOD "encoder.dtasm"};
    for (int round = 0; round < 2; round++) {
        dtq_program *p = assemble_file(names[round]);
        size_t bytes;
        uint8_t *data = encode(p, &bytes);
        for (int i = 0; i < 3000; i++) {
            size_t length = i % 4 ? bytes : 40 + next_random(&seed) % (bytes - 40);
            uint8_t *copy = malloc(length); /* exact, so that reading past the end is seen */
            memcpy(copy, data, length);
            for (unsigned b = 0; b < 8; b++)
                copy[8 + b] = (uint8_t)(length >> 8 * b);
            for (uint64_t n = next_random(&seed) % 4 + 1; n > 0; n--)
                copy[24 + next_random(&seed) % (length - 24)] = (uint8_t)(i % 2 ? 0xff : next_random(&seed));
            seal(copy, length);
            dtq_program *back;
            dtq_error e = {0};
            if (dtq_program_decode(copy, length, &back, &e)) {
                size_t again_bytes; /* what is accepted is canonical */
                uint8_t *again = encode(back, &again_bytes);
                ck_assert_uint_eq(again_bytes, length);
                ck_assert_mem_eq(again, copy, length);
                for (size_t s = 0; s < back->stream_count; s++)
                    (void)dtq_verify(back, &back->streams[s], &e);
                free(again);
                dtq_program_free(back);
            }
            free(copy);
        }
        free(data);
        dtq_program_free(p);
    }
}
END_TEST

START_TEST(files_are_written_whole_or_not_at_all) {
    char path[] = "/tmp/dtq-container-XXXXXX", elsewhere[] = "/nonexistent/x.dtqp";
    close(mkstemp(path));
    dtq_program *p = assemble_file(GOOD "attention.dtasm"), *back;
    dtq_error e = {0};
    ck_assert_msg(dtq_program_save(p, path, &e), "%s", e.message);
    ck_assert_msg(dtq_program_load(path, &back, &e), "%s", e.message);
    ck_assert_uint_eq(back->streams[0].count, p->streams[0].count);
    ck_assert_ptr_eq(dtq_program_stream(back, 6), &back->streams[0]);
    ck_assert_ptr_null(dtq_program_stream(back, 7));
    dtq_program_free(back);
    /* a program that cannot be encoded leaves the file as it was */
    size_t before = 0, after = 0;
    free(read_text(path, &before));
    p->target_hash ^= 1;
    ck_assert(!dtq_program_save(p, path, &e));
    free(read_text(path, &after));
    ck_assert_uint_eq(before, after);
    p->target_hash ^= 1;
    ck_assert(!dtq_program_save(p, elsewhere, &e));
    ck_assert_int_eq(e.status, DTQ_IO);
    ck_assert_ptr_nonnull(strstr(e.message, elsewhere));
    ck_assert(!dtq_program_load(elsewhere, &back, &e));
    ck_assert_str_eq(e.message, "/nonexistent/x.dtqp: No such file or directory");
    unlink(path);
    dtq_program_free(p);
}
END_TEST

/* A program made in memory is checked before it is written. */
START_TEST(wrong_programs_are_not_written) {
    dtq_program *p = assemble_file(GOOD "attention.dtasm");
    dtq_layer *l = &p->streams[0].layers[0];
    uint8_t *data, bits[6] = {4, 4, 5, 4, 8, 8};
    size_t bytes;
    dtq_error e = {0};
    l->bits[DTQ_V] = bits;
    ck_assert(!dtq_program_encode(p, &data, &bytes, &e));
    ck_assert_ptr_null(data);
    ck_assert_str_eq(e.message, "stream 6, layer 0: a precision is neither 4 nor 8");
    bits[2] = 4;
    p->streams[0].sources[3].op = 99;
    ck_assert(!dtq_program_encode(p, &data, &bytes, &e));
    ck_assert_str_eq(e.message, "stream 6, instruction 3: its source names a string that is not there");
    p->streams[0].sources[3].op = 0;
    p->streams[0].instrs[5].f[DTQ_F(LOAD, rows)] = 1 << 17;
    ck_assert(!dtq_program_encode(p, &data, &bytes, &e));
    ck_assert_str_eq(e.message, "stream 6, instruction 5: load: rows=131072 does not fit its 17 bits");
    dtq_program_free(p);
}
END_TEST

/** A maker that has all instructions, and gives each out in a place that the second call from there overwrites. */
typedef struct {
    const dtq_stream *from;
    size_t fails_at; /* SIZE_MAX: never */
    dtq_instr instrs[2];
    dtq_source sources[2];
    unsigned turn;
} copying_maker;

static void copy_shapes(void *of, uint16_t *out) {
    const copying_maker *k = of;
    for (size_t i = 0; i < k->from->count; i++)
        out[i] = (uint16_t)(k->from->instrs[i].op | k->from->instrs[i].queue << 8);
}

static bool copy_instr(void *of, size_t i, const dtq_instr **instr, const dtq_source **source) {
    copying_maker *k = of;
    k->turn ^= 1;
    k->instrs[k->turn] = k->from->instrs[i];
    k->sources[k->turn] = k->from->sources[i];
    *instr = &k->instrs[k->turn];
    *source = &k->sources[k->turn];
    return i != k->fails_at;
}

static bool copy_goes_on(const void *of, size_t i, size_t distance) {
    const dtq_stream *s = ((const copying_maker *)of)->from;
    const bool token = s->instrs[i].op == DTQ_OP_WAIT || s->instrs[i].op == DTQ_OP_SIGNAL;
    return token && memcmp(&s->instrs[i], &s->instrs[i - distance], sizeof *s->instrs) == 0 &&
           memcmp(&s->sources[i], &s->sources[i - 1], sizeof *s->sources) == 0 &&
           memcmp(&s->sources[i - distance], &s->sources[i - distance - 1], sizeof *s->sources) == 0;
}

/* What is made while it is written is written as what is in memory. */
START_TEST(made_streams_are_written_the_same) {
    enum { BODY = 300, PASSES = 40 };
    static dtq_instr instrs[BODY * PASSES];
    static dtq_source sources[BODY * PASSES];
    dtq_program *p = assemble_file(GOOD "attention.dtasm");
    const dtq_stream whole = p->streams[0];
    dtq_error e = {0};
    for (int repeats = 0; repeats < 2; repeats++) {
        dtq_stream from = whole;
        if (repeats)
            repeat_body(&from, whole.instrs[5], BODY, PASSES, instrs, sources);
        copying_maker k = {.from = &from, .fails_at = SIZE_MAX};
        const dtq_stream_maker maker = {&k, copy_shapes, copy_instr, copy_goes_on};
        size_t bytes[2];
        p->streams[0] = from;
        uint8_t *data[2] = {encode(p, &bytes[0])};
        p->streams[0].instrs = NULL;
        p->streams[0].sources = NULL;
        ck_assert_msg(dtq_stream_write(&p->streams[0], &maker, &e), "%s", e.message);
        data[1] = encode(p, &bytes[1]);
        ck_assert_uint_eq(bytes[0], bytes[1]);
        ck_assert_mem_eq(data[0], data[1], bytes[0]);
        free(p->streams[0].text);
        free(data[0]);
        free(data[1]);
        k.fails_at = from.count / 2; /* who says nothing, for the maker has */
        ck_assert(!dtq_stream_write(&p->streams[0], &maker, &e));
        ck_assert_str_eq(e.message, "");
        ck_assert_ptr_null(p->streams[0].text);
    }
    p->streams[0] = whole;
    dtq_stream made = whole;
    made.instrs = NULL;
    copying_maker k = {.from = &whole, .fails_at = SIZE_MAX};
    const dtq_stream_maker maker = {&k, copy_shapes, copy_instr, copy_goes_on};
    whole.sources[3].op = 99;
    ck_assert(dtq_stream_write(&made, &maker, &e));
    p->streams[0] = made;
    uint8_t *data;
    size_t bytes;
    ck_assert(!dtq_program_encode(p, &data, &bytes, &e));
    ck_assert_str_eq(e.message, "stream 6: its sources name a string that is not there");
    free(made.text);
    p->streams[0] = whole;
    whole.sources[3].op = 0;
    whole.instrs[5].f[DTQ_F(LOAD, rows)] = 1 << 17;
    ck_assert(!dtq_stream_write(&made, &maker, &e));
    ck_assert_str_eq(e.message, "stream 6, instruction 5: load: rows=131072 does not fit its 17 bits");
    dtq_program_free(p);
}
END_TEST

RUN_TESTS("container", decode_undoes_encode, the_checksum_sees_every_bit,
          foreign_and_damaged_files_are_refused_in_words, layers_that_repeat_take_no_room,
          layers_are_written_in_one_way, a_body_is_written_once, hostile_files_are_harmless,
          wrong_programs_are_not_written, made_streams_are_written_the_same, files_are_written_whole_or_not_at_all)
