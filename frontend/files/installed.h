/* What comes with dtqc, found from where the running program lies: an installed tree may be moved as a whole. */
#ifndef DTQ_FRONTEND_INSTALLED_H
#define DTQ_FRONTEND_INSTALLED_H

#include "ir/base/arena.h"

/** The directory that holds models/, targets/ and policies/: $DTQC_DATA, else share/dtqc of the prefix, else
 *  share/dtqc beside the program, which a build tree has. Owned by the arena; of the last kind if none is there. */
const char *installed_data(arena *a);

/** The shipped file of that kind ("targets") and name ("dtqatten"), whether it is there or not. */
const char *installed_file(arena *a, const char *kind, const char *name);

/** A module or library of dtqc's: beside the program, as in a build tree, else in the prefix's libraries. Owned by the
 *  arena; the name beside the program if it is nowhere. */
const char *installed_library(arena *a, const char *name);

#endif
