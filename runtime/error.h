/* What went wrong, in words. */
#ifndef DTQRT_ERROR_H
#define DTQRT_ERROR_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { DTQ_OK, DTQ_BAD_INPUT, DTQ_BAD_PROGRAM, DTQ_DEADLOCK, DTQ_NO_MEMORY, DTQ_IO, DTQ_NOT_FINITE } dtq_status;

/** What went wrong, in words. Functions that can fail return false and fill it. */
typedef struct {
    dtq_status status;
    char message[1024];
} dtq_error;

bool dtq_fail(dtq_error *e, dtq_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool dtq_no_memory(dtq_error *e, uint64_t bytes, const char *what, ...) __attribute__((format(printf, 3, 4)));

#endif
