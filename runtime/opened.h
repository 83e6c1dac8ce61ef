/* Files that weights lie in: opened, identified, and mapped or copied. Private to runtime/. */
#ifndef DTQRT_OPENED_H
#define DTQRT_OPENED_H

#include "runtime/identity.h"
#include "runtime/open_weights.h"

typedef struct {
    const uint8_t *data; /* NULL: an empty file */
    size_t bytes;
    int fd;          /* of a mapped file, to look at again; -1: a copy, or none */
    char *path;      /* as it was opened */
    dtq_stamp stamp; /* when it was */
} dtq_opened;

#define DTQ_OPENED_NONE ((dtq_opened){.fd = -1})

/** Opens the file that a program describes, and refuses another (DTQ_BAD_INPUT). Close it in any case. */
bool dtq_opened_open(dtq_opened *f, const dtq_file *described, const dtq_weights_options *o, dtq_error *e);
/** False (DTQ_BAD_INPUT) if somebody has written to a mapped file, of identity `was`, since it was opened. */
bool dtq_opened_unchanged(const dtq_opened *f, const dtq_identity *was, dtq_error *e);
void dtq_opened_close(dtq_opened *f);

#endif
