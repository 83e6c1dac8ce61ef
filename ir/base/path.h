/* File names. */
#ifndef DTQ_FRONTEND_PATH_H
#define DTQ_FRONTEND_PATH_H

#include <stdbool.h>

#include "ir/base/arena.h"

/** "examples/models/gpt2-small.yaml" -> "gpt2-small"; of a directory its own name. Owned by the arena. */
const char *path_stem(arena *a, const char *path);
/** `name` as seen from the current directory, if it was written in the file `path`: relative names start beside it. */
const char *path_beside(arena *a, const char *path, const char *name);
/** `directory`/`name`. */
const char *path_join(arena *a, const char *directory, const char *name);
/** True if there is a regular file of that name. */
bool path_is_file(const char *path);

#endif
