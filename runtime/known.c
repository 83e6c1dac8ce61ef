/* Identities of files that were found out before: records of a stamp and the identity, in memory and appended to a file
 * that several processes share. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/file.h"
#include "runtime/identity.h"

/* Files are stamped when a clock ticks, every 10 ms at most; some file systems keep whole or every other second. */
#define TICK UINT64_C(2000000000)

typedef struct {
    dtq_stamp stamp;
    dtq_identity identity;
    uint64_t check; /* dtq_hash64 of what is before */
} record;

_Static_assert(sizeof(record) == 64, "a record has no padding, and one write appends it whole");

enum { RECORDS_MOST = 1024, RECORDS_KEPT = 512 };

struct dtq_known {
    pthread_mutex_t lock; /* of all below */
    char *path;           /* NULL: memory alone */
    bool append;          /* the file holds whole records, fewer than RECORDS_MOST, or is not there yet */
    record *records;      /* [RECORDS_MOST] the newest last */
    size_t count;
};

static uint64_t check_of(const record *r) {
    return dtq_hash64(r, offsetof(record, check));
}

/* The newest RECORDS_KEPT stay. */
static void make_room(dtq_known *k) {
    if (k->count == RECORDS_MOST) {
        memmove(k->records, k->records + (RECORDS_MOST - RECORDS_KEPT), RECORDS_KEPT * sizeof *k->records);
        k->count = RECORDS_KEPT;
        k->append = false;
    }
}

static void read_records(dtq_known *k) {
    FILE *f = NULL;
    const int fd = dtq_private_open(k->path, O_RDONLY);
    if (fd >= 0 && !(f = fdopen(fd, "rb")))
        (void)close(fd);
    size_t bytes = 0;
    record r;
    k->append = f || (fd < 0 && errno == ENOENT);
    for (size_t n = sizeof r; f && n == sizeof r;) {
        n = fread(&r, 1, sizeof r, f);
        bytes += n;
        if (n == sizeof r && r.check == check_of(&r)) {
            make_room(k);
            k->records[k->count++] = r;
        } else if (n != 0) {
            k->append = false; /* the writing of one was cut short: those behind it do not lie where they should */
        }
    }
    if (f) {
        k->append = k->append && bytes < RECORDS_MOST * sizeof r;
        (void)fclose(f);
    }
}

dtq_known *dtq_known_open(const char *path, dtq_error *e) {
    dtq_known *k = calloc(1, sizeof *k);
    if (k) {
        (void)pthread_mutex_init(&k->lock, NULL);
        k->records = malloc(RECORDS_MOST * sizeof *k->records);
        k->path = path ? strdup(path) : NULL;
    }
    if (!k || !k->records || (path && !k->path)) {
        dtq_known_close(k);
        (void)dtq_no_memory(e, RECORDS_MOST * sizeof(record), "the identities of files");
        return NULL;
    }
    if (k->path)
        read_records(k);
    return k;
}

void dtq_known_close(dtq_known *k) {
    if (k) {
        (void)pthread_mutex_destroy(&k->lock);
        free(k->records);
        free(k->path);
        free(k);
    }
}

bool dtq_known_find(dtq_known *k, const dtq_stamp *stamp, dtq_identity *out) {
    if (!k)
        return false;
    bool found = false;
    (void)pthread_mutex_lock(&k->lock);
    for (size_t i = k->count; !found && i-- > 0;) {
        found = dtq_stamp_equal(&k->records[i].stamp, stamp);
        if (found)
            *out = k->records[i].identity;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return found;
}

static void write_record(dtq_known *k, const record *r) {
    const int fd = k->append ? dtq_private_open(k->path, O_WRONLY | O_APPEND | O_CREAT) : -1;
    if (fd >= 0) {
        k->append = write(fd, r, sizeof *r) == sizeof *r;
        (void)close(fd);
    } else {
        k->append = dtq_write_private(k->path, &(dtq_part){k->records, k->count * sizeof *r}, 1);
    }
}

void dtq_known_add(dtq_known *k, const dtq_stamp *stamp, const dtq_identity *identity, uint64_t begun) {
    if (!k || (int64_t)(begun - stamp->changed) < (int64_t)TICK)
        return;
    record r = {.stamp = *stamp, .identity = *identity};
    r.check = check_of(&r);
    (void)pthread_mutex_lock(&k->lock);
    make_room(k);
    k->records[k->count++] = r;
    if (k->path)
        write_record(k, &r);
    (void)pthread_mutex_unlock(&k->lock);
}

uint64_t dtq_file_clock(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
