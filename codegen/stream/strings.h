/* A table of distinct strings, numbered in the order they were added. Private to codegen/. */
#ifndef DTQ_CODEGEN_STRINGS_H
#define DTQ_CODEGEN_STRINGS_H

#include "ir/base/arena.h"

#include <stdint.h>

typedef struct string_table string_table;
string_table *string_table_new(arena *a);
/** Number of `s`, which is copied if it is new. */
uint32_t string_add(string_table *t, const char *s);
/** The strings by number. */
const char **string_list(string_table *t, size_t *count);

#endif
