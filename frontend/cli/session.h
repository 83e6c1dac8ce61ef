/* What every sub-command works with: memory, diagnostics, the parsed options, and where its words go. */
#ifndef DTQ_CLI_SESSION_H
#define DTQ_CLI_SESSION_H

#include "codegen/codegen.h"
#include "frontend/cli/options.h"
#include "frontend/cli/phases.h"
#include "frontend/cli/ranks.h"
#include "ir/base/file.h"

typedef struct {
    arena *arena;
    diag *diag;
    const options *options;
    const char *program; /* as it was called: "dtqc run", or an executable's name */
    src_loc place;       /* of errors that have none: nowhere, or an executable's name */
    FILE *words;   /* reports, dumps and remarks for people: stdout, or stderr where stdout carries a result or data */
    phases *times; /* of --time; NULL: nobody asks */
    bool from_ir;  /* the input is IR, which somebody may have edited: what is wrong with it is no fault of ours */
    struct {
        bool looked;           /* cache_directory was asked */
        const char *directory; /* NULL: there is none */
        int fd;                /* of it */
        dtq_known *known;
    } cache;            /* of cache_directory.h */
    const ranks *ranks; /* of processes that mpirun started; NULL: this one runs alone */
    bool usage;         /* the command line turned out to be wrong: exit code 2 */
} session;

/** One file each: runs the sub-command; true if all went well. Errors are in the session's diag, or usage is set. */
#define COMMAND(id, name, operands, least, most, doc, details, example) bool command_##id(session *s);
#define OPTION(id, commands, name, letter, kind, words, missing, doc, example)
#include "frontend/cli/options.def"

/** Runs a whole command line, the program's name first, and returns its exit code. Nothing is left of it, so that one
 *  process may run many; out of memory ends the process. (command_line.c) */
int command_line(int argc, char **argv);

/** True if the option was given; its value. */
bool given(const session *s, option_id id);
const option_value *value(const session *s, option_id id);

/** Prints a mistake in the command line and sets usage; always false. */
bool usage_error(session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Records what the runtime said. An error of kind DTQ_DEADLOCK, or any but DTQ_BAD_INPUT, DTQ_IO and DTQ_NO_MEMORY if
 *  `made_here` (the compiler made the program, and not of IR), is a fault of ours: internal. Always false. */
bool runtime_error(session *s, const dtq_error *e, bool made_here);
/** The same for an error whose message begins with `path` and maybe line and column: they become its place. */
bool runtime_error_at(session *s, const dtq_error *e, const char *path);

/** Ends a phase of --time. */
void mark(session *s, const char *phase);

/** The directory that `path` lies in. */
const char *directory_of(arena *a, const char *path);

/** An output: a file written whole or not at all, or stdout for "-". */
typedef struct {
    file_writer file;
    FILE *out;
} output;
bool output_begin(session *s, output *o, const char *path);
bool output_end(session *s, output *o, bool ok);
/** True if `path` is "-": standard output. */
bool is_stdout(const char *path);

#endif
