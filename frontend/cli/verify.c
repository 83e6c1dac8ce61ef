/* dtqc verify: proves every stream of a program. */
#include "frontend/cli/session.h"

bool command_verify(session *s) {
    const char *path = s->options->operands[0];
    dtq_program *p;
    dtq_error e;
    if (!dtq_program_load(path, &p, &e))
        return runtime_error_at(s, &e, path);
    size_t instructions = 0;
    bool ok = true;
    for (size_t i = 0; i < p->stream_count; i++) {
        instructions += p->streams[i].count;
        if (!dtq_prove(p, &p->streams[i], &e))
            ok =
                diag_error(s->diag, (src_loc){path, 0, 0}, "the stream of %u tokens: %s", p->streams[i].seq, e.message);
    }
    if (ok)
        printf("%s: sound: %zu stream%s, %zu instructions\n", diag_visible(s->arena, path), p->stream_count,
               p->stream_count == 1 ? "" : "s", instructions);
    dtq_program_free(p);
    return ok;
}
