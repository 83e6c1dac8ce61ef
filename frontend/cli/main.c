/* The program dtqc: a command line, and standard output checked at the end. */
#include <errno.h>
#include <string.h>

#include "frontend/cli/session.h"
#include "frontend/cli/signals.h"

int main(int argc, char **argv) {
    signals_install("dtqc");
    int code = command_line(argc, argv);
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if (fclose(stdout) != 0 || failed) {
        fprintf(stderr, "dtqc: error: standard output cannot be written%s%s\n", errno ? ": " : "",
                errno ? strerror(errno) : "");
        code = code ? code : EXIT_INPUT;
    }
    return code;
}
