#include "ir/tables.h"
#include "ir_util.h"

START_TEST(ops_are_found_by_spelling) {
    for (ir_opcode code = 0; code < IR_OPCODES; code++) {
        const char *spelling = ir_info(code)->spelling;
        ck_assert_int_eq(ir_opcode_find(spelling, strlen(spelling)), code);
        ck_assert_ptr_nonnull(ir_info(code)->required);
        ck_assert_ptr_nonnull(ir_info(code)->optional);
        ck_assert_uint_ne(ir_info(code)->levels, 0);
    }
    ck_assert_int_eq(ir_opcode_find("linears", 6), IR_LINEAR);
    ck_assert_int_eq(ir_opcode_find("linears", 7), IR_OPCODES);
    ck_assert_int_eq(ir_opcode_find("", 0), IR_OPCODES);
}
END_TEST

START_TEST(keys_are_found_by_name_and_unique) {
    for (unsigned key = 0; key < ir_key_count(); key++)
        ck_assert_int_eq(ir_key_find(ir_key_get(key)->name, strlen(ir_key_get(key)->name)), (int)key);
    ck_assert_int_eq(ir_key_find("tensor", 6), IR_KEY_tensor);
    ck_assert_int_eq(ir_key_find("tensor", 5), -1);
    ck_assert_int_ge(ir_key_find("rows", 4), IR_KEYS_FIXED);
    ck_assert_int_eq(ir_key_find("dst", 3), -1); /* an address is an operand */
}
END_TEST

START_TEST(instructions_follow_the_instruction_set) {
    for (int op = 0; op < DTQ_OP_COUNT; op++) {
        const ir_op_info *info = ir_info(IR_INSTR(op));
        ck_assert_str_eq(info->spelling, dtq_ops[op].mnemonic);
        bool token = op == DTQ_OP_WAIT || op == DTQ_OP_SIGNAL;
        ck_assert_uint_eq(info->levels, (token ? 0u : 1u << IR_SCHEDULE) | 1u << IR_STREAM);
        int operands = 0;
        for (unsigned f = 0; f < dtq_ops[op].field_count; f++) {
            const dtq_field_info *field = &dtq_ops[op].fields[f];
            if (field->kind == DTQ_KIND_BUF || field->kind == DTQ_KIND_DRAM) {
                ck_assert_ptr_eq(ir_operand_field(IR_INSTR(op), (size_t)operands), field);
                operands++;
                continue;
            }
            int key = ir_key_find(field->name, strlen(field->name));
            ck_assert_int_ge(key, 0);
            ck_assert_int_eq(ir_key_need(IR_INSTR(op), (unsigned)key), field->kind == DTQ_KIND_FLAG ? IR_MAY : IR_MUST);
            ck_assert_ptr_eq(ir_field(IR_INSTR(op), (unsigned)key), field);
            ir_kind want = field->kind == DTQ_KIND_ENUM     ? IR_KIND_WORD
                           : field->kind == DTQ_KIND_FLAG   ? IR_KIND_WORD
                           : field->kind == DTQ_KIND_TENSOR ? IR_KIND_STR
                           : field->kind == DTQ_KIND_ENGINE ? IR_KIND_QUEUE
                           : field->kind == DTQ_KIND_F32    ? IR_KIND_REAL
                                                            : IR_KIND_INT;
            ck_assert_msg(ir_key_get((unsigned)key)->kind == want, "`%s` of %s has the kind of another instruction's",
                          field->name, info->spelling);
        }
        ck_assert_int_eq(info->operands, operands);
        ck_assert_int_eq(ir_key_need(IR_INSTR(op), IR_KEY_queue), IR_MUST);
        ck_assert_int_eq(ir_key_need(IR_INSTR(op), IR_KEY_start), IR_MAY);
        ck_assert_int_eq(ir_key_need(IR_INSTR(op), IR_KEY_tensor), IR_NEVER);
    }
}
END_TEST

START_TEST(every_word_key_has_words) {
    ir_word words[IR_WORDS_MAX];
    for (ir_opcode code = 0; code < IR_OPCODES; code++)
        for (unsigned key = 0; key < ir_key_count(); key++)
            if (ir_key_get(key)->kind == IR_KIND_WORD && ir_key_need(code, key) != IR_NEVER)
                ck_assert_msg(ir_words(code, key, words) >= 2, "`%s` of `%s` lists no words", ir_key_get(key)->name,
                              ir_info(code)->spelling);
    ck_assert_uint_eq(ir_words(IR_POOL, IR_KEY_function, words), 3);
    ck_assert_uint_eq(words[1].length, 5);
    ck_assert_int_eq(memcmp(words[1].text, "first", 5), 0);
    unsigned kind = (unsigned)ir_key_find("kind", 4);
    ck_assert_uint_eq(ir_words(IR_I_ACT, kind, words), 5); /* the same key, other words */
    ck_assert_uint_eq(ir_words(IR_I_POOL, kind, words), 3);
}
END_TEST

START_TEST(who_may_be_none) {
    ck_assert(ir_field_may_be_none(ir_operand_field(IR_I_SOFTMAX, 1)));
    ck_assert(!ir_field_may_be_none(ir_operand_field(IR_I_SOFTMAX, 0)));
    ck_assert(ir_field_may_be_none(ir_field(IR_I_LINEAR, (unsigned)ir_key_find("bias", 4))));
    ck_assert(!ir_field_may_be_none(ir_field(IR_I_LINEAR, (unsigned)ir_key_find("weight", 6))));
    ck_assert_ptr_null(ir_operand_field(IR_LINEAR, 0));
    ck_assert_ptr_null(ir_field(IR_LINEAR, IR_KEY_outputs));
}
END_TEST

IR_MAIN("tables", ops_are_found_by_spelling, keys_are_found_by_name_and_unique, instructions_follow_the_instruction_set,
        every_word_key_has_words, who_may_be_none)
