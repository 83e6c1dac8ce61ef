/* Where values of a host program lie. Private to codegen/host. */
#ifndef DTQ_CODEGEN_HOST_PLACE_H
#define DTQ_CODEGEN_HOST_PLACE_H

#include "codegen/host/host.h"

/** When a value lives: from `first` to `last`, both counted as 2 * region for a region and 2 * layer + 1 for the
 * attention behind it. Only values that cross need a buffer. */
typedef enum { ROLE_ANY, ROLE_Q, ROLE_K, ROLE_V, ROLE_OUT } host_role;
typedef struct {
    bool crosses;
    host_role role; /* at an attention: values of one role share a buffer, so that layers share code */
    uint32_t first, last;
} host_life;

/** Gives every value that crosses a buffer, and the others of each region a place in scratch; values that do not live
 * at the same time share. One more buffer takes the operands of the attentions. */
void host_place(arena *a, host_program *p, const host_life *lives);

#endif
