/* Completion of command lines in shells, from the table in options.def. */
#ifndef DTQ_CLI_COMPLETION_H
#define DTQ_CLI_COMPLETION_H

#include "frontend/cli/session.h"

enum { COMPLETION_BASH, COMPLETION_ZSH, COMPLETION_FISH };

/** Prints the script for a shell, whose index in --completion's words is `shell`. Names of shipped files are those that
 *  are there now. */
void completion_print(session *s, int shell, FILE *out);

#endif
