/* The lengths of a program in words. */
#include "frontend/cli/lengths.h"

const char *lengths_text(arena *a, const dtq_program *p) {
    char *text = arena_strdup(a, "");
    for (size_t i = 0; i < p->stream_count;) {
        size_t last = i;
        while (last + 1 < p->stream_count && p->streams[last + 1].seq == p->streams[last].seq + 1)
            last++;
        text = arena_printf(a, "%s%s%u", text, i ? ", " : "", p->streams[i].seq);
        if (last > i)
            text = arena_printf(a, "%s..%u", text, p->streams[last].seq);
        i = last + 1;
    }
    return text;
}
