/* dtqc disasm: a program, or a part of one, to its text. */
#include "frontend/cli/pipeline.h"

bool command_disasm(session *s) {
    const char *path = s->options->operands[0];
    ir_view part;
    dtq_program *p;
    dtq_error e;
    if (!view_read(s, &part))
        return false;
    if (!dtq_program_load(path, &p, &e))
        return runtime_error_at(s, &e, path);
    output o;
    bool ok = output_begin(s, &o, given(s, OPT_output) ? value(s, OPT_output)->text : "-");
    if (ok) {
        ok = ir_view_is_whole(&part) ? dtq_disassemble(p, o.out, &e)
                                     : dtq_disassemble_part(p, &part, ir_view_text(s->arena, &part), o.out, &e);
        ok = ok || ferror(o.out) || runtime_error(s, &e, false);
        ok = output_end(s, &o, ok);
    }
    dtq_program_free(p);
    return ok;
}
