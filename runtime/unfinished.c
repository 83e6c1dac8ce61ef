/* A list of notes that any thread adds to and a signal handler may walk at any time: nothing is ever taken out of it,
 * and notes that were forgotten are written on again. */
#include "runtime/unfinished.h"
#include "runtime/weights/file.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef enum { NOTE_FREE, NOTE_TAKEN, NOTE_UNFINISHED, NOTE_MAPPED } note_state;

struct dtq_note {
    dtq_note *next;
    atomic_int state; /* note_state; what is below holds in the last two */
    uintptr_t first, last;
    char path[PATH_MAX];
};

enum { NOTES_READY = 16 }; /* more than a process usually has at once; others are allocated */

static dtq_note ready[NOTES_READY];
static _Atomic(dtq_note *) notes; /* those that were allocated */

static dtq_note *first(void) {
    return &ready[0];
}

static dtq_note *next(const dtq_note *n) {
    const size_t place = ((uintptr_t)n - (uintptr_t)ready) / sizeof *n; /* of others a number that is too large */
    return place >= NOTES_READY ? n->next : place + 1 < NOTES_READY ? &ready[place + 1] : atomic_load(&notes);
}

static dtq_note *take(void) {
    for (dtq_note *n = first(); n; n = next(n)) {
        int expected = NOTE_FREE;
        if (atomic_compare_exchange_strong(&n->state, &expected, NOTE_TAKEN))
            return n;
    }
    dtq_note *n = malloc(sizeof *n);
    if (!n)
        return NULL;
    atomic_init(&n->state, NOTE_TAKEN);
    n->next = atomic_load(&notes);
    while (!atomic_compare_exchange_weak(&notes, &n->next, n)) {}
    return n;
}

static dtq_note *note(note_state state, const char *path, const void *at, size_t bytes) {
    const size_t length = strlen(path);
    dtq_note *n = length < sizeof n->path ? take() : NULL;
    if (!n)
        return NULL;
    memcpy(n->path, path, length + 1);
    n->first = (uintptr_t)at;
    n->last = (uintptr_t)at + bytes;
    atomic_store(&n->state, state);
    return n;
}

dtq_note *dtq_note_unfinished(const char *path) {
    return note(NOTE_UNFINISHED, path, NULL, 0);
}

void dtq_note_forget(dtq_note *n) {
    if (n)
        atomic_store(&n->state, NOTE_FREE);
}

const uint8_t *dtq_map(int fd, const char *path, size_t bytes, bool at_once) {
    void *at = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | (at_once ? MAP_POPULATE : 0), fd, 0);
    if (at == MAP_FAILED)
        return NULL;
    (void)note(NOTE_MAPPED, path, at, bytes); /* without a note the file is not named, no more */
    return at;
}

void dtq_unmap(const uint8_t *data, size_t bytes) {
    if (!data)
        return;
    for (dtq_note *n = first(); n; n = next(n)) {
        if (atomic_load(&n->state) == NOTE_MAPPED && n->first == (uintptr_t)data) {
            dtq_note_forget(n);
            break;
        }
    }
    (void)munmap((void *)(uintptr_t)data, bytes);
}

void dtq_remove_unfinished(void) {
    for (dtq_note *n = first(); n; n = next(n))
        if (atomic_load(&n->state) == NOTE_UNFINISHED)
            (void)unlink(n->path);
}

const char *dtq_mapped_path(const void *address) {
    const uintptr_t at = (uintptr_t)address;
    for (dtq_note *n = first(); n; n = next(n))
        if (atomic_load(&n->state) == NOTE_MAPPED && at >= n->first && at < n->last)
            return n->path;
    return NULL;
}
