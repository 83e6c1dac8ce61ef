/* What has to be known of a process that is stopped from outside: the files it is writing, which are to be removed, and
 * the files it has mapped, of which one may have become shorter. Signal handlers have nothing but what the process
 * holds, so this is the one list that a process has only one of. Private to runtime/; what handlers call is in
 * dtqrt.h. */
#ifndef DTQRT_UNFINISHED_H
#define DTQRT_UNFINISHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dtq_note dtq_note;

/** Notes that the file `path` is to be removed if the process is stopped. Comes before the file is made. NULL: there is
 *  no memory for it, or the path is longer than any may be; then nothing is noted. */
dtq_note *dtq_note_unfinished(const char *path);
/** Forgets a note; NULL is allowed. */
void dtq_note_forget(dtq_note *n);

/** Maps the first `bytes` bytes (not 0) of a file to read them, and notes that they are of `path`. `at_once`: all pages
 *  now, for who reads all of them. NULL with errno. */
const uint8_t *dtq_map(int fd, const char *path, size_t bytes, bool at_once);
/** Undoes it; also of memory that was mapped otherwise. NULL is allowed. */
void dtq_unmap(const uint8_t *data, size_t bytes);

#endif
