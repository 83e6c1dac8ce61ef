/* The strips of an attention layer: which query slots lie on an array at once, which way, and in which order strips
 * follow each other. tile-attention chooses them; the tile ops say them, and whatever comes later reads them there.
 * Private to passes/. */
#ifndef DTQ_PASSES_STRIPS_H
#define DTQ_PASSES_STRIPS_H

#include "passes/layer.h"

/** Query slots [row, row + rows); `turned`: they lie along the array's columns. */
typedef struct {
    uint32_t row, rows;
    bool turned;
} strip;

typedef struct {
    uint32_t count;
    strip *strips;  /* [count] in the order of their ops */
    bool ascending; /* that order is the order of slots */
} strip_list;

/** Strips of at most `height` rows, and of as many as an array takes; cut wherever `l->turned` changes. */
strip_list strips_cut(arena *a, const dtq_machine *machine, const layer_info *l, uint32_t height);

/** The strips that follow the `tile.attention` at `op`. Sets l->turned as they say (NULL if none is). */
strip_list strips_read(arena *a, const ir_module *m, size_t op, layer_info *l);

/** Whether strip `i` can go on in one instruction with the strip before it: its slots follow, it lies the same way, and
 * the one before is as high as the array takes, since an instruction cuts its rows into strips of that height. */
bool strips_join(const dtq_machine *machine, const strip_list *s, uint32_t i);

/** Whether both lists are the same. */
bool strips_alike(const strip_list *a, const strip_list *b);

#endif
