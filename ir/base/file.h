/* Files: read whole, mapped, or written whole or not at all; every error names the file. */
#ifndef DTQ_IR_BASE_FILE_H
#define DTQ_IR_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "runtime/file.h"

/** Reads a whole regular file into the arena (NUL added); NULL after an error. */
char *file_read(arena *a, diag *d, const char *path, size_t limit, size_t *bytes);

/** Maps a regular file to read it; an empty one is no bytes at NULL. *stamp, if not NULL, is what it had then of
 *  dtq_file_describe's numbers. False after an error. */
bool file_map(diag *d, const char *path, const uint8_t **data, uint64_t *bytes, uint64_t *stamp);
void file_unmap(const uint8_t *data, uint64_t bytes);

/** A file that is whole or is not there, by a dtq_writer: put in its place by file_commit. */
typedef struct {
    FILE *out;
    dtq_writer file;
} file_writer;
bool file_begin(file_writer *w, diag *d, const char *path);
bool file_commit(file_writer *w, diag *d); /* the first write that failed is told */
void file_abandon(file_writer *w);

#endif
