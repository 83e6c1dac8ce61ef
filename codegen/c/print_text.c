/* Text that is printed, and what C cannot say. */
#include "codegen/c/state.h"

#include <stdarg.h>

void c_cannot(c_printer *p, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!p->problem)
        p->problem = arena_vprintf(p->mem, format, args);
    va_end(args);
}

char *c_text(c_printer *p, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(p->mem, format, args);
    va_end(args);
    return text;
}
