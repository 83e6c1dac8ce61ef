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
    if (failed) { /* why is forgotten by now: one byte more meets the same */
        clearerr(stdout);
        putchar('\n');
        fflush(stdout);
    }
    int why = errno;
    if (fclose(stdout) != 0 || failed) {
        why = why ? why : errno;
        fprintf(stderr, "dtqc: error: standard output cannot be written%s%s\n", why ? ": " : "",
                why ? strerror(why) : "");
        code = code ? code : EXIT_INPUT;
    }
    return code;
}
