/* A command line of dtqc: finds the sub-command, parses its options, runs it, and turns what happened into an exit
 * code. */
#include <string.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/session.h"
#include "frontend/cli/version.h"
#include "frontend/files/installed.h"

static bool (*const commands[CMD_COUNT])(session *s) = {
#define COMMAND(id, name, operands, least, most, doc, details, example) command_##id,
#define OPTION(id, commands, name, letter, kind, words, missing, doc, example)
#include "frontend/cli/options.def"
};

static int unknown_command(const char *name, const char *nearest) {
    fputs("dtqc: error: there is no sub-command '", stderr);
    diag_text(stderr, name);
    fputc('\'', stderr);
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?\n", nearest);
    else
        fputs("; `dtqc help` lists them\n", stderr);
    return EXIT_USAGE;
}

/* Whether several processes that mpirun started do a command together. */
static bool command_shares(command_id command) {
    return command == CMD_sweep || command == CMD_explore || command == CMD_eval;
}

static bool join_ranks(session *s, ranks *together) {
    const char *path = installed_library(s->arena, "libdtq_mpi.so"), *why = "";
    if (!ranks_begin(s->arena, path, together, &why))
        return diag_error(s->diag, (src_loc){path, 0, 0}, "cannot be used, and mpirun started this: it %s", why);
    s->ranks = together;
    return true;
}

static int run_command(arena *a, command_id command, int argc, char **argv) {
    options *o = ARENA_NEW(a, options);
    const char *error;
    if (!options_parse(a, command, argc, argv, o, &error)) {
        const char *name = command_table[command].name;
        fprintf(stderr, "dtqc %s: error: %s (see `dtqc %s --help`)\n", name, diag_visible(a, error), name);
        return EXIT_USAGE;
    }
    const char *program = arena_printf(a, "dtqc %s", command_table[command].name);
    if (o->values[OPT_help].given) {
        help_print(command, program, stdout);
        return EXIT_OK;
    }
    session s = {.arena = a, .diag = diag_new(a, stderr), .options = o, .program = program, .words = stdout};
    if (given(&s, OPT_ignore_unknown))
        diag_ignore_unknown(s.diag);
    struct ranks together;
    if (command_shares(command) && ranks_wanted() && !join_ranks(&s, &together))
        return diag_exit_code(s.diag);
    bool ok = commands[command](&s);
    cache_release(&s);
    int code = s.usage ? EXIT_USAGE : diag_exit_code(s.diag);
    if (!ok && code == EXIT_OK) {
        fprintf(stderr, "dtqc %s: internal error: it failed without saying why\n", command_table[command].name);
        code = EXIT_INTERNAL;
    }
    if (s.ranks) {
        fflush(NULL);
        s.ranks->functions->end(code);
    }
    return code;
}

/* "dtqc 0.1.0 (commit 0123456789, LLVM 19.1.7)" */
static void version_print(FILE *out) {
    const char *commit = *dtqc_this.commit ? dtqc_this.commit : "unknown";
    fprintf(out, "dtqc %s (commit %s, LLVM %s)\n", dtqc_this.version, commit, dtqc_this.llvm);
}

int command_line(int argc, char **argv) {
    if (argc < 2) {
        help_print(CMD_COUNT, "dtqc", stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        version_print(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_print(CMD_COUNT, "dtqc", stdout);
        return EXIT_OK;
    }
    if (argv[1][0] == '-') {
        fputs("dtqc: error: '", stderr);
        diag_text(stderr, argv[1]);
        fputs("' stands before the sub-command; see `dtqc help`\n", stderr);
        return EXIT_USAGE;
    }
    const char *nearest = NULL;
    command_id command = command_find(argv[1], &nearest);
    if (command == CMD_COUNT)
        return unknown_command(argv[1], nearest);
    arena *a = arena_new();
    int code = run_command(a, command, argc - 2, argv + 2);
    arena_free(a);
    return code;
}
