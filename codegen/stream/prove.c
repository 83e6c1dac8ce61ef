/* The proof of a program, told where its module stands. */
#include <stdio.h>
#include <string.h>

#include "codegen/codegen.h"

/** The place of the `n`-th instruction, or of layer `n`; the beginning of the module's text for neither. */
static src_loc place_of(const ir_module *m, bool layer, size_t n) {
    for (size_t op = 0; op < m->op_count; op++) {
        ir_opcode code = (ir_opcode)m->ops[op].code;
        bool counts = layer ? code == IR_LAYER : ir_is_instr(code);
        if (counts && n-- == 0)
            return m->ops[op].loc;
    }
    return (src_loc){m->text_file, 1, 1};
}

bool codegen_prove(diag *d, const ir_module *m, const dtq_program *p) {
    dtq_error e;
    size_t number = SIZE_MAX;
    if (dtq_verify(p, &p->streams[0], &e))
        return true;
    const char *instruction = strstr(e.message, "instruction "); /* the verifier names what it is about */
    bool layer = !instruction && sscanf(e.message, "layer %zu", &number) == 1;
    if (instruction)
        sscanf(instruction, "instruction %zu", &number);
    return diag_error(d, place_of(m, layer, number), "the program that comes of it is refused: %s", e.message);
}
