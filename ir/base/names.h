/* A hash table from names to numbers; private to ir/. */
#ifndef DTQ_IR_NAMES_H
#define DTQ_IR_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef struct {
    const char *text;
    uint32_t length, number;
    uint64_t hash;
} names_entry;

/** Zero-initialised but for `arena`, which the table grows in. */
typedef struct {
    arena *arena;
    names_entry *slots;
    size_t count, capacity; /* capacity is 0 or a power of two, at least twice the count */
} names;

/** FNV-1a, its high half folded into the low. */
uint64_t names_hash(const char *text, size_t length);

/** The entry of the name. If it is new it is added with `number` and *added is true; the text is not copied and must
 *  outlive the table. `length` < 2^32. The pointer is valid until the next call. */
names_entry *names_add(names *t, const char *text, size_t length, uint32_t number, bool *added);

/** The entry of the name, or NULL. */
const names_entry *names_find(const names *t, const char *text, size_t length);

#endif
