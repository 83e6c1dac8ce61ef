/* Memory of one program: allocations that live and die together. */
#ifndef DTQRT_ISA_POOL_H
#define DTQRT_ISA_POOL_H

#include <stddef.h>

typedef struct dtq_pool dtq_pool;

/** An empty pool, or NULL if there is no memory. */
dtq_pool *dtq_pool_new(void);
/** `count` zeroed elements of `size` bytes, aligned for any type; NULL if there is no memory or the product overflows.
 *  A count of 0 gives a pointer that must not be read. */
void *dtq_pool_alloc(dtq_pool *pool, size_t count, size_t size);
/** A copy of `length` bytes with a NUL behind, or NULL. */
char *dtq_pool_string(dtq_pool *pool, const char *text, size_t length);
/** Releases the pool and everything in it; NULL is fine. */
/** What the allocation that failed first wanted of the system; 0: none failed. */
size_t dtq_pool_wanted(const dtq_pool *pool);
void dtq_pool_free(dtq_pool *pool);

#endif
