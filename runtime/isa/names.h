/* From a string to the first index that bears it: how text refers to strings and tensors by name. */
#ifndef DTQRT_ISA_NAMES_H
#define DTQRT_ISA_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An open-addressing table; zero-initialise. The strings are borrowed. */
typedef struct {
    struct dtq_name {
        const char *text;
        size_t length;
        uint32_t index; /* UINT32_MAX: free place */
    } *places;
    size_t size; /* a power of two, or 0 */
    size_t count;
} dtq_names;

/** Adds `text` unless it is there. False if there is no memory. */
bool dtq_names_add(dtq_names *names, const char *text, size_t length, uint32_t index);
/** The index of `text`, or UINT32_MAX. */
uint32_t dtq_names_find(const dtq_names *names, const char *text, size_t length);
/** What the table takes once it holds another string. */
size_t dtq_names_bytes(const dtq_names *names);
void dtq_names_free(dtq_names *names);

#endif
