/* dtqc help: of all, of one sub-command, or the man page. */
#include "frontend/cli/completion.h"
#include "frontend/cli/session.h"
#include "frontend/cli/version.h"

bool command_help(session *s) {
    if (given(s, OPT_man)) {
        if (s->options->operand_count)
            return usage_error(s, "--man prints the page of all sub-commands; '%s' changes nothing",
                               s->options->operands[0]);
        man_page_print(dtqc_this.version, stdout);
        return true;
    }
    if (given(s, OPT_completion)) {
        if (s->options->operand_count)
            return usage_error(s, "--completion prints the script for all sub-commands; '%s' changes nothing",
                               s->options->operands[0]);
        completion_print(s, value(s, OPT_completion)->word, stdout);
        return true;
    }
    command_id command = CMD_COUNT;
    if (s->options->operand_count) {
        const char *nearest = NULL;
        command = command_find(s->options->operands[0], &nearest);
        if (command == CMD_COUNT)
            return nearest ? usage_error(s, "there is no sub-command '%s'; did you mean '%s'?", s->options->operands[0],
                                         nearest)
                           : usage_error(s, "there is no sub-command '%s'", s->options->operands[0]);
    }
    const char *program =
        command == CMD_COUNT ? "dtqc" : arena_printf(s->arena, "dtqc %s", command_table[command].name);
    help_print(command, program, stdout);
    return true;
}
