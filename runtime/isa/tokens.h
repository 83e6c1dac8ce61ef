/* Which rows host work touches: the tokens that a layer's queries are; private to runtime/isa/. */
#ifndef DTQRT_ISA_TOKENS_H
#define DTQRT_ISA_TOKENS_H

#include "runtime/program.h"

/** What is known at compile time of the query tokens of a stream's layers. */
typedef struct {
    uint32_t *unlike; /* [layer_count] layers up to this one whose tokens are not all those of the layer before */
    uint32_t *strays; /* [layer_count] of them, those that may have a token which the layer before has not */
} dtq_tokens;

/** False if there is no memory. Free with dtq_tokens_free, then too. */
bool dtq_tokens_init(dtq_tokens *t, const dtq_stream *s);
void dtq_tokens_free(dtq_tokens *t);

/** True if every query token of layer `reader` is one of layer `writer`, whatever top-k chooses. */
bool dtq_tokens_within(const dtq_tokens *t, uint32_t reader, uint32_t writer);

/** What is wrong with the queries of a layer that is cached, or NULL: they must be the newest tokens, whatever is
 *  chosen, for the rows of all others come from the cache. */
const char *dtq_tokens_cached_wrong(const dtq_stream *s, const dtq_layer *l);

#endif
