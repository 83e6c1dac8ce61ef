/* Files written whole or not at all. Private to runtime/. */
#ifndef DTQRT_FILE_H
#define DTQRT_FILE_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes that follow those of the part before. */
typedef struct {
    const void *data;
    size_t bytes;
} dtq_part;

/** Writes the parts beside `path` under a name of this process and renames. What is there and is no regular file (a
 *  terminal, a pipe) cannot be replaced and is written to directly. False, with errno, if that fails. */
bool dtq_replace_file(const char *path, const dtq_part *parts, size_t count);

#endif
