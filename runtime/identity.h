/* Which file it is: a hash of all its bytes. Private to runtime/. */
#ifndef DTQRT_IDENTITY_H
#define DTQRT_IDENTITY_H

#include "runtime/stamp.h"
#include "runtime/weights/file.h"

/** Finds out which file `fd` is, on `threads` threads (0: all cores), by reading it or, if `known` has its stamp, not.
 * `path` stands in messages. `copy` [stamp->bytes], if not NULL, gets the bytes that the identity is of, which are then
 * read in any case. The file must still be what `stamp` says when all is read: DTQ_BAD_INPUT if not.
 *
 *  The identity is a tree of two levels, so that several processors work on one file: the XXH3 (128 bits, seed 0) of
 *  the sequence of the XXH3 of every 2^20 bytes, and of the number of bytes; numbers are little-endian, the low half
 *  first. */
bool dtq_identify(int fd, const char *path, const dtq_stamp *stamp, dtq_known *known, unsigned threads, uint8_t *copy,
                  dtq_identity *out, dtq_error *e);

/* ---- known.c: identities that were found out before ---------------------------------------------------------------
 */

/** The identity that is known for a stamp. False if none. `k` may be NULL. */
bool dtq_known_find(dtq_known *k, const dtq_stamp *stamp, dtq_identity *out);
/** Remembers one; that it cannot be is no error. `begun`: when reading began. A file that was changed shortly before is
 *  not remembered: what is written to it within one tick of the clock leaves no trace in its stamp. */
void dtq_known_add(dtq_known *k, const dtq_stamp *stamp, const dtq_identity *identity, uint64_t begun);

/** Nanoseconds since 1970, of the clock that files are stamped by. */
uint64_t dtq_file_clock(void);

#endif
