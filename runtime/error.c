/* Errors in words. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/error.h"

/** Fills `e` (NULL: nobody asks) and returns false, so that `return dtq_fail(...)` leaves a function that failed.
 *  A message longer than the buffer is cut. The arguments may point into `e->message`. */
bool dtq_fail(dtq_error *e, dtq_status status, const char *format, ...) {
    if (e) {
        char message[sizeof e->message];
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof message, format, args);
        va_end(args);
        e->status = status;
        snprintf(e->message, sizeof e->message, "%s", message);
    }
    return false;
}

/** Fills `e` with "out of memory for WHAT: N bytes are needed", DTQ_NO_MEMORY, and returns false. `bytes`: what the
 *  allocation that failed asked for. */
bool dtq_no_memory(dtq_error *e, uint64_t bytes, const char *format, ...) {
    char what[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return dtq_fail(e, DTQ_NO_MEMORY, "out of memory for %s: %llu bytes are needed", what, (unsigned long long)bytes);
}
