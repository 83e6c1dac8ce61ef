/* dtqc compile to host code. Private to compile.c and the files of its host forms. */
#ifndef DTQ_CLI_EMIT_HOST_H
#define DTQ_CLI_EMIT_HOST_H

#include "frontend/cli/host/backend.h"
#include "frontend/cli/host/host_model.h"

/** What an executable calls its model. */
#define HOST_EXE_NAME "dtqc_model"

/** Words of --emit. */
typedef enum {
    EMIT_STREAM,
    EMIT_ASM,
    EMIT_IR,
    EMIT_LLVM,
    EMIT_HOST_ASM,
    EMIT_OBJECT,
    EMIT_EXECUTABLE,
    EMIT_C,
    EMIT_FORMS
} emit_form;

/** True of the forms of host code. */
bool emit_is_host(emit_form form);
/** True of the forms that are text and go to standard output without --output. */
bool emit_is_text(emit_form form);

/** Everything of `dtqc compile` in a form of host code. `path`: where to, "-" or a file. */
bool compile_to_host(session *s, emit_form form, const char *path);

/* ---- host_names.c ---------------------------------------------------------------------------------------------- */

/** True of an identifier that C allows. */
bool host_name_is_good(const char *name);
/** An identifier from a file's or model's name. */
const char *host_name_from(arena *a, const char *text);
/** The header that stands beside an output file. */
const char *host_header_path(arena *a, const char *path);

/* ---- host_interface.c ------------------------------------------------------------------------------------------ */

/** What generated code is, in words. */
typedef struct {
    const char *name, *cpu, *policy, *arithmetic;
    const char *header; /* file name of the header beside the output, or NULL */
    const dtq_program *plan;
    bool device; /* attention is a device's */
} host_facts;

/** Lines that say what the code is and how it is called; no newline behind the last. */
const char *host_interface_text(arena *a, const host_facts *f);
void host_header_print(arena *a, const host_facts *f, FILE *out);

/* ---- emit_exe.c ------------------------------------------------------------------------------------------------ */

/** Links an object that defines HOST_EXE_NAME to an executable, written whole or not at all; *bytes is its size. */
bool link_executable(session *s, const host_bytes *object, const char *path, long *bytes);

#endif
