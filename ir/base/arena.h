/* Arena: memory that lives as long as one compilation and is freed in one call. */
#ifndef DTQ_IR_ARENA_H
#define DTQ_IR_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct arena arena;

/** A new, empty arena; never NULL (out of memory ends the process with exit code 1 and how much was
 *  needed). */
arena *arena_new(void);

/** Frees the arena and everything allocated from it. NULL is allowed. */
void arena_free(arena *a);

/** `bytes` of zeroed memory aligned to 16, owned by the arena; never NULL. */
void *arena_alloc(arena *a, size_t bytes);

/** `count * size` bytes, zeroed; a product that overflows ends the process as out of memory does. */
void *arena_array(arena *a, size_t count, size_t size);

/** `old` (of `old_bytes`, from this arena, or NULL) with room for `new_bytes`, more than before: the new part is
 *  zeroed. Big pools are moved by the kernel, not copied, and leave no hole; pointers into `old` are then invalid. */
void *arena_resize(arena *a, void *old, size_t old_bytes, size_t new_bytes);

/** Gives memory of `bytes` back before the arena goes, if it is big; what is small stays. */
void arena_release(arena *a, void *memory, size_t bytes);

/** A copy of the NUL-terminated `s` (or of its first `n` bytes), NUL-terminated, owned by the arena. */
char *arena_strdup(arena *a, const char *s);
char *arena_strndup(arena *a, const char *s, size_t n);

/** printf into the arena. */
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(arena *a, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/** Bytes handed out so far (what `--time-passes` prints). */
size_t arena_used(const arena *a);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_array((a), (n), sizeof(type)))

#endif
