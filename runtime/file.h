/* Files written whole or not at all, and files that nobody else may write to. */
#ifndef DTQRT_FILE_H
#define DTQRT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "runtime/unfinished.h"

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

/** A file that is written beside its place, under a temporary name that only its owner may open, and put there when all
 *  of it has reached the disk. A link stays what it is, and what it points to is replaced; mode, owner and other names
 *  (hard links) of a file that is there already survive. What is no regular file (a terminal, a pipe) is written to
 *  directly. If the process is stopped by a signal whose handler calls dtq_remove_unfinished, nothing is left. */
typedef struct {
    int fd;
    int error;       /* errno of the first write that failed; 0: none did */
    char *path;      /* what is replaced, links resolved */
    char *temporary; /* NULL: `path` is written directly */
    dtq_note *note;  /* of the temporary */
    mode_t mode;     /* that the file will have */
    bool durable;    /* it must be on the disk before it is in its place */
    bool in_place;   /* the file has other names, or an owner that a new one would not have */
    uid_t owner;
    gid_t group;
} dtq_writer;

/** False with errno. */
bool dtq_writer_begin(dtq_writer *w, const char *path);
/** False if this write or one before it failed: w->error says why. */
bool dtq_writer_put(dtq_writer *w, const void *data, size_t bytes);
/** Another program has written the temporary, maybe as a new file: goes on with what is there. False with errno. */
bool dtq_writer_reopen(dtq_writer *w);
/** Puts the file in its place; false with errno if that or any write failed, and then nothing has changed. Releases the
 *  writer in any case. */
bool dtq_writer_commit(dtq_writer *w);
void dtq_writer_abandon(dtq_writer *w);

/** Bytes that follow those of the part before. */
typedef struct {
    const void *data;
    size_t bytes;
} dtq_part;

/** Writes an output of these parts. False with errno. */
bool dtq_replace_file(const char *path, const dtq_part *parts, size_t count);

/* ---- files of our own -------------------------------------------------------------------------------------------- */

/** Creates a new file that only its owner may open, "STEM.SOMETHING" + suffix, and notes it as unfinished. *name and
 *  *note are the caller's. -1 with errno. */
int dtq_temporary_create(const char *stem, const char *suffix, char **name, dtq_note **note);

/** Opens a file that nobody but this user can have written: a regular file, not reached by a link, of this user and not
 *  writable for others. With O_CREAT a new one is for this user alone. -1 with errno (EPERM: it is not such a file). */
int dtq_private_open(const char *path, int flags);
/** Replaces `path` by a private file of these parts; if it is a link, the link. It is not waited for until it is on the
 *  disk: its reader must know a damaged one. False with errno. */
bool dtq_write_private(const char *path, const dtq_part *parts, size_t count);

#endif
