/* Generation: what outlives a run (runtime/cache.c). */
#ifndef DTQRT_CACHE_H
#define DTQRT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/program.h"

/** The keys and values of the tokens so far and the importance they have gathered, layer by layer. Runs of programs
 * made for one (dtq_layer.cached) begin where it ends and add the tokens they compute: a whole sequence first, steps
 * then, by any engine. One run at a time, as of dtq_weights. The sums of importance of a layer are over all rows so
 * far, and a token's mean is over those from its own on, n - id of n. */
typedef struct dtq_cache dtq_cache;
/** An empty cache for models with the layers of `p` and up to `positions` tokens. */
dtq_cache *dtq_cache_open(const dtq_program *p, uint32_t positions, dtq_error *e);
void dtq_cache_close(dtq_cache *c);
/** Tokens in it. */
uint32_t dtq_cache_length(const dtq_cache *c);
/** Forgets them. */
void dtq_cache_clear(dtq_cache *c);
/** Tokens that a stream computes: those it is for, less those it takes from a cache. */
uint32_t dtq_stream_queries(const dtq_stream *s);

#endif
