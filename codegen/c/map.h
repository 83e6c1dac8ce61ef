/* Hash maps of the C printer: from pointers, and from strings. */
#ifndef DTQ_CODEGEN_LLVM_PRINT_C_MAP_H
#define DTQ_CODEGEN_LLVM_PRINT_C_MAP_H

#include "ir/base/arena.h"

typedef struct c_map c_map;

/** An empty map in the arena. */
c_map *c_map_new(arena *a);

/** Where the value of `key`, a pointer by its address, is kept; a new one starts as NULL. Valid until the next call. */
void **c_map_at(c_map *m, const void *key);

/** The value of `key`, or NULL. */
void *c_map_get(const c_map *m, const void *key);

/** The same with strings by their letters. The map keeps `key` itself, not a copy. */
void **c_map_at_string(c_map *m, const char *key);
void *c_map_get_string(const c_map *m, const char *key);

#endif
