/* dtqc asm: the text of a program to the program. */
#include "frontend/cli/pipeline.h"

enum { ASSEMBLY_BYTES = 1 << 30 };

bool command_asm(session *s) {
    const char *path = s->options->operands[0];
    if (!given(s, OPT_output))
        return usage_error(s, "--output says where the program goes and is missing");
    size_t bytes;
    char *text = file_read(s->arena, s->diag, path, ASSEMBLY_BYTES, &bytes);
    if (!text)
        return false;
    diag_source(s->diag, path, text, bytes);
    dtq_program *p;
    dtq_error e;
    if (!dtq_assemble(path, text, bytes, &p, &e))
        return runtime_error_at(s, &e, path);
    bool ok = write_program(s, p, value(s, OPT_output)->text, false);
    dtq_program_free(p);
    return ok;
}
