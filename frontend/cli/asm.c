/* dtqc asm: the text of a program to the program. */
#include "frontend/cli/pipeline.h"
#include "ir/base/file.h"

enum { ASSEMBLY_BYTES = 1 << 30 };

/* Cycles are counted anew where a stream can run at all. `asm` itself proves nothing: it writes what the text says. */
static bool settle_cycles(session *s, const char *path, const dtq_program *p) {
    for (size_t i = 0; i < p->stream_count; i++) {
        dtq_stream *stream = &p->streams[i];
        dtq_error e;
        uint64_t cycles;
        if (!dtq_verify(p, stream, &e) || !dtq_static_cycles(p, stream, &cycles, &e))
            continue;
        bool given = stream->static_cycles != UINT64_MAX;
        if (given && stream->static_cycles != cycles)
            return dtq_prove(p, stream, &e) ||
                   diag_error(s->diag, (src_loc){path, 0, 0}, "the stream of %u tokens: %s", stream->seq, e.message);
        stream->static_cycles = cycles;
    }
    return true;
}

bool command_asm(session *s) {
    const char *path = s->options->operands[0];
    if (!given(s, OPT_output))
        return usage_error(s, "--output is missing: name the file for the program");
    size_t bytes;
    char *text = file_read(s->arena, s->diag, path, ASSEMBLY_BYTES, &bytes);
    if (!text)
        return false;
    diag_source(s->diag, path, text, bytes);
    dtq_program *p;
    dtq_error e;
    if (!dtq_assemble(path, text, bytes, &p, &e))
        return runtime_error_at(s, &e, path);
    bool ok = settle_cycles(s, path, p) && write_program(s, p, value(s, OPT_output)->text, false);
    dtq_program_free(p);
    return ok;
}
