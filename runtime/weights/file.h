/* Files that weights are mapped from: which they are, opening them. */
#ifndef DTQRT_WEIGHTS_FILE_H
#define DTQRT_WEIGHTS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"

/** Which file it is, whatever its name: a hash of all its bytes (XXH3, 128 bits, as ISA.md says under "Identity of a
 *  file"). It tells files apart, but is no signature: who wants two files of one identity can make them. */
typedef struct {
    uint64_t high, low;
} dtq_identity;

/** A file that weights are mapped from, or a vocabulary read. It is refused at run time if size or identity differ. */
typedef struct {
    const char *path; /* as given, absolute or relative to the program's directory */
    uint64_t bytes;
    dtq_identity hash;
} dtq_file;

/** Identities that were found out before, so that a file is hashed once: a list of (device, inode, size, mtime, ctime)
 *  and identity. Several threads may use it. A file that was changed within the last two seconds is not remembered. */
typedef struct dtq_known dtq_known;
/** Begins with what the file `path` holds, and adds to it what is found out from now on; NULL: in memory alone. The
 * file is used if it is of this user and nobody else may write to it, else replaced; that it cannot be is no error.
 * NULL if there is no memory. */
dtq_known *dtq_known_open(const char *path, dtq_error *e);
void dtq_known_close(dtq_known *k);

/** Fills bytes and hash of `f` from the file that is at f->path now, reading all of it unless `known` (or NULL) has it,
 *  on `threads` threads (0: all cores). *stamp, if not NULL: a number that changes when the file is written to or
 *  replaced. */
bool dtq_file_describe(dtq_file *f, dtq_known *known, unsigned threads, uint64_t *stamp, dtq_error *e);

/* ---- a process that is stopped ---------------------------------------------------------------------------------- */

/** Removes what the library is writing under temporary names. For the handler of a signal that ends the process: calls
 *  nothing that a handler may not. The library itself installs no handlers. */
void dtq_remove_unfinished(void);
/** The path of the file that is mapped at `address` (si_addr of SIGBUS), or NULL. For a handler, too. */
const char *dtq_mapped_path(const void *address);

#endif
