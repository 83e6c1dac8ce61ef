/* What fuzz targets share. A target is a file fuzz_NAME.c with LLVMFuzzerTestOneInput; with replay.c it is a test
 * (ctest), with libFuzzer it searches by hand (tests/fuzz/run). */
#ifndef DTQ_TESTS_FUZZ_FUZZ_H
#define DTQ_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* ---- mutate.c ---------------------------------------------------------------------------------------------------- */

/** Changes a text of `bytes`, which has `room`, in a few places: numbers, words and lines are changed for others of it,
 *  swapped, doubled or left out. The new length. */
size_t fuzz_mutate_text(char *text, size_t bytes, size_t room, uint64_t seed);

/* ---- commands.c: dtqc in this process (for the targets that are linked to it)
 * ---------------------------------------- */

/** The path of a file of this process's own, which commands find under `name`; valid until the fourth call from here.
 */
const char *fuzz_path(const char *name);
/** Writes such a file. */
void fuzz_write(const char *name, const void *data, size_t bytes);
/** Runs the command of these words, NULL behind the last, without a word on standard output or error, and returns its
 *  exit code. It must not be 3, an internal error: that aborts. `out`: where standard output goes, or NULL. */
int fuzz_command(FILE *out, const char *const *words);
#define FUZZ_COMMAND(...) fuzz_command(NULL, (const char *const[]){__VA_ARGS__, NULL})

/** A program that dtqc made: verify proves it, its cycles are those that it says, and the simulator's numbers are the
 *  reference's for some input. `edited`: made of what somebody changed, which may compute something else, or nothing
 *  that the reference understands. */
void fuzz_check_program(const char *path, bool edited);

/** Aborts with what is wrong in words. */
_Noreturn void fuzz_fail(const char *what);

/* ---- seeds --------------------------------------------------------------------------------------------------------
 */

/** Targets whose good inputs dtqc itself makes define this: writes input `index` to `out`; 0 past the last. */
__attribute__((weak)) int fuzz_seed(size_t index, FILE *out);

#endif
