/* The prelude of every printed file: what it asks of the compiler, access to memory, and the macros that define vectors
 * and their operations in three ways. The C is in codegen/c/text/. */
#include "codegen/c/state.h"
#include "codegen/c/text.h"

static void print_banner(const char *banner, FILE *out) {
    fputs("/* ", out);
    for (const char *c = banner; *c; c++) {
        fputc(*c, out);
        if (*c == '\n' && c[1])
            fputs(" * ", out);
        if (*c == '*' && c[1] == '/')
            fputc(' ', out); /* the comment goes on */
    }
    fputs(" */\n", out);
}

void c_print_prelude(const c_printer *p, const char *banner, FILE *out) {
    if (banner)
        print_banner(banner, out);
    fputs(c_text_start, out);
    c_print_intrinsics_header(p, out);
    if (p->has_lanes)
        fputs(c_text_vectors, out);
    c_print_pieces(p, out);
}
