/* dtqc disasm: a program to its text. */
#include "frontend/cli/session.h"

bool command_disasm(session *s) {
    const char *path = s->options->operands[0];
    dtq_program *p;
    dtq_error e;
    if (!dtq_program_load(path, &p, &e))
        return runtime_error_at(s, &e, path);
    output o;
    bool ok = output_begin(s, &o, given(s, OPT_output) ? value(s, OPT_output)->text : "-");
    if (ok) {
        ok = dtq_disassemble(p, o.out, &e) || ferror(o.out) || runtime_error(s, &e, false);
        ok = output_end(s, &o, ok);
    }
    dtq_program_free(p);
    return ok;
}
