#include "isa_util.h"

/* Any valid instruction: random fields below their limits. */
static dtq_instr random_instr(uint64_t *seed) {
    dtq_instr in = {0};
    in.op = (uint8_t)(next_random(seed) % DTQ_OP_COUNT);
    const dtq_op_info *op = &dtq_ops[in.op];
    in.queue = (uint8_t)(op->engine_class == DTQ_CLASS_ANY     ? next_random(seed) & 0xff
                         : op->engine_class == DTQ_CLASS_ARRAY ? DTQ_ARRAY0 + next_random(seed) % 240
                                                               : op->engine_class);
    for (unsigned i = 0; i < op->field_count; i++) {
        size_t length;
        unsigned words = 0;
        while (dtq_enum_word(&op->fields[i], words, &length))
            words++;
        uint64_t value = next_random(seed);
        in.f[i] = words ? value % words : value & dtq_field_none(&op->fields[i]);
    }
    return in;
}

START_TEST(decode_undoes_encode) {
    uint64_t seed = test_seed();
    for (int i = 0; i < 20000; i++) {
        dtq_instr in = random_instr(&seed), back;
        uint8_t bytes[DTQ_INSTR_BYTES];
        dtq_error e = {0};
        ck_assert_msg(dtq_encode(&in, bytes, &e), "%s", e.message);
        ck_assert_msg(dtq_decode(bytes, &back, &e), "%s", e.message);
        ck_assert_mem_eq(&in, &back, sizeof in);
    }
}
END_TEST

/* The layout in so many bytes: opcode, queue, then fields from bit 16, lowest bit first. */
START_TEST(layout_is_fixed) {
    dtq_instr in = {.op = DTQ_OP_LOAD, .queue = DTQ_LOAD, .f = {2, 0xabc, 0x123, 0x1ffff, 1, 0x8000000001}};
    uint8_t bytes[DTQ_INSTR_BYTES];
    dtq_error e;
    ck_assert(dtq_encode(&in, bytes, &e));
    /* 2 | 0xabc << 2 | 0x123 << 14 | 0x1ffff << 26 | 1 << 43 | 0x8000000001 << 60, from byte 2 on */
    unsigned __int128 word = 0;
    for (unsigned b = 0; b < 16; b++)
        word |= (unsigned __int128)bytes[2 + b] << 8 * b;
    unsigned __int128 fields = (unsigned __int128)2 | (unsigned __int128)0xabc << 2 | (unsigned __int128)0x123 << 14 |
                               (unsigned __int128)0x1ffff << 26 | (unsigned __int128)1 << 43 |
                               (unsigned __int128)0x8000000001 << 60;
    ck_assert(word == fields);
    ck_assert_uint_eq(bytes[0], DTQ_OP_LOAD);
    ck_assert_uint_eq(bytes[1], DTQ_LOAD);
    for (unsigned b = 18; b < DTQ_INSTR_BYTES; b++)
        ck_assert_uint_eq(bytes[b], 0);
}
END_TEST

static void refuse(dtq_instr in, const char *words) {
    uint8_t bytes[DTQ_INSTR_BYTES];
    dtq_error e = {0};
    ck_assert(!dtq_encode(&in, bytes, &e));
    ck_assert_str_eq(e.message, words);
    ck_assert_int_eq(e.status, DTQ_BAD_PROGRAM);
}

START_TEST(what_does_not_fit_is_refused) {
    refuse((dtq_instr){.op = DTQ_OP_STORE, .queue = DTQ_STORE, .f = {4096}},
           "store: layer=4096 does not fit its 12 bits");
    refuse((dtq_instr){.op = DTQ_OP_LOAD, .queue = DTQ_LOAD, .f = {3}}, "load: operand=3 is past its 3 words");
    refuse((dtq_instr){.op = DTQ_OP_QK, .queue = DTQ_LOAD}, "queue load cannot execute qk");
    refuse((dtq_instr){.op = DTQ_OP_STORE, .queue = DTQ_ARRAY0}, "queue array0 cannot execute store");
    refuse((dtq_instr){.op = DTQ_OP_COUNT}, "unknown opcode 41 (there are 41)");
}
END_TEST

START_TEST(queue_names_go_both_ways) {
    char name[16];
    for (unsigned q = 0; q <= DTQ_QUEUE_MAX; q++) {
        dtq_queue_name(q, name);
        ck_assert_int_eq(dtq_queue_parse(name, strlen(name)), (int)q);
    }
    const char *wrong[] = {"", "array", "array251", "array00", "array-1", "hos", "hosts", "array1x", "array1000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(dtq_queue_parse(wrong[i], strlen(wrong[i])), -1);
}
END_TEST

START_TEST(table_is_consistent) {
    for (unsigned op = 0; op < DTQ_OP_COUNT; op++) {
        unsigned bits = 16;
        for (unsigned i = 0; i < dtq_ops[op].field_count; i++) {
            const dtq_field_info *f = &dtq_ops[op].fields[i];
            size_t length;
            bits += f->bits;
            ck_assert_msg((f->kind == DTQ_KIND_ENUM || f->kind == DTQ_KIND_FLAG) ==
                              (dtq_enum_word(f, 0, &length) != NULL),
                          "%s.%s", dtq_ops[op].mnemonic, f->name);
            /* a SLOT is the start of the COUNT behind it: the verifier relies on the pair */
            if (f->kind == DTQ_KIND_SLOT)
                ck_assert(i + 1 < dtq_ops[op].field_count && f[1].kind == DTQ_KIND_COUNT);
        }
        ck_assert_uint_le(bits, 256);
    }
    ck_assert_uint_eq(dtq_field_none(&dtq_ops[DTQ_OP_QK].fields[DTQ_F(QK, s)]), 0xffffffffffu);
}
END_TEST

static void put_touches(FILE *out, unsigned op) {
    static const char *const names[DTQ_TOUCH_COUNT][2] = {
#define DTQ_TOUCH(name, words) {#name, words},
        DTQ_TOUCHES(DTQ_TOUCH)
#undef DTQ_TOUCH
    };
    bool any = false;
    for (unsigned t = 0; t < DTQ_TOUCH_COUNT; t++)
        if (dtq_op_touches[op] >> t & 1) {
            fprintf(out, "%s%s %s", any ? "; " : "\nIt also ", *names[t][0] == 'R' ? "reads" : "writes", names[t][1]);
            any = true;
        }
    if (any)
        fputs(".\n", out);
}

/* The table of ISA.md: isa.def in a reader's words. */
static void put_table(FILE *out) {
    static const char *const kinds[] = {"ENGINE", "LAYER", "HEAD", "SLOT", "COUNT",  "BUF", "DRAM",
                                        "TENSOR", "ENUM",  "FLAG", "INT",  "OFFSET", "F32"};
    _Static_assert(sizeof kinds / sizeof *kinds == DTQ_KIND_F32 + 1, "a name for each kind");
    static const char *const engines[] = {"host", "load", "softmax", "topk", "store", "an array", "any queue"};
    for (unsigned op = 0; op < DTQ_OP_COUNT; op++) {
        const dtq_op_info *o = &dtq_ops[op];
        unsigned at = 16;
        fprintf(out, "\n**%u `%s`** (%s): %s.\n\n", op, o->mnemonic, engines[o->engine_class], o->doc);
        fprintf(out, "| bits | field | kind | |\n| --- | --- | --- | --- |\n");
        for (unsigned i = 0; i < o->field_count; at += o->fields[i++].bits) {
            char range[24];
            snprintf(range, sizeof range, o->fields[i].bits > 1 ? "%u–%u" : "%u", at, at + o->fields[i].bits - 1);
            fprintf(out, "| %s | `%s` | %s | ", range, o->fields[i].name, kinds[o->fields[i].kind]);
            for (const char *c = o->fields[i].doc; *c; c++)
                fprintf(out, *c == '|' ? "\\|" : "%c", *c);
            fprintf(out, " |\n");
        }
        put_touches(out, op);
    }
    fprintf(out, "\n");
}

START_TEST(the_manual_has_the_table_and_every_semantics) {
    const char *path = DTQC_SOURCE_DIR "/runtime/isa/ISA.md";
    size_t bytes = 0, table_bytes;
    char *manual = read_text(path, &bytes), *table = NULL, *text = NULL;
    const char *begin = strstr(manual, "<!-- isa.def begins"), *end = strstr(manual, "<!-- isa.def ends");
    ck_assert(begin && end && begin < end);
    begin = strchr(begin, '\n') + 1;
    FILE *f = open_memstream(&table, &table_bytes);
    put_table(f);
    fclose(f);
    size_t text_bytes;
    f = open_memstream(&text, &text_bytes);
    fprintf(f, "%.*s%s%s", (int)(begin - manual), manual, table, end);
    fclose(f);
    check_golden(path, text, text_bytes);
    const char *versions[] = {"| 4 | 4 | version, %d |\n", "\n    .version %d  "};
    for (int i = 0; i < 2; i++) {
        char line[64];
        snprintf(line, sizeof line, versions[i], DTQ_CONTAINER_VERSION);
        ck_assert_msg(strstr(manual, line), "ISA.md has another version than %d", DTQ_CONTAINER_VERSION);
    }
    for (unsigned op = 0; op < DTQ_OP_COUNT; op++) {
        char heading[64];
        snprintf(heading, sizeof heading, "\n### %s\n\n", dtq_ops[op].mnemonic);
        ck_assert_msg(strstr(manual, heading), "ISA.md does not say what %s does", dtq_ops[op].mnemonic);
    }
    free(manual);
    free(table);
    free(text);
}
END_TEST

RUN_TESTS("encode", decode_undoes_encode, layout_is_fixed, what_does_not_fit_is_refused, queue_names_go_both_ways,
          table_is_consistent, the_manual_has_the_table_and_every_semantics)
