/* Errors in words. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/dtqrt.h"

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
