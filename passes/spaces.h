/* The memories that buffers live in. Private to passes/. */
#ifndef DTQ_PASSES_SPACES_H
#define DTQ_PASSES_SPACES_H

#include <stdint.h>

#include "runtime/machine.h"

enum { SPACE_Q, SPACE_K, SPACE_V, SPACE_SCORES, SPACE_PROBS, SPACE_OUT, SPACE_IMPORTANCE, SPACES, SPACE_DRAM = SPACES };

/** Space by the word in a `space` attribute, or -1; and back. */
int space_find(const char *name);
const char *space_name(int space);

/** Bytes of an on-chip space on a machine. */
uint64_t space_capacity(const dtq_machine *m, int space);

#endif
