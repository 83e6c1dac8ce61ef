/* Other programs that a command runs. */
#include "frontend/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/cli/signals.h"

int child_run(char *const *argv, char *said, size_t room) {
    int ends[2], status = -1;
    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);                             /* so that all of it can be ended at once */
        int nothing = open("/dev/null", O_RDONLY); /* of another group, it would stop where it read from a terminal */
        if (nothing >= 0)
            dup2(nothing, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], argv);
        dprintf(STDERR_FILENO, "%s: %s", argv[0], strerror(errno));
        _exit(127);
    }
    if (child > 0) {
        setpgid(child, child); /* whoever of the two comes first */
        signals_child(child);
    }
    close(ends[1]);
    size_t have = 0;
    char buffer[4096];
    for (ssize_t n; child > 0 && ((n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR));)
        for (ssize_t i = 0; i < n && have + 1 < room; i++)
            said[have++] = buffer[i];
    said[have] = '\0';
    close(ends[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    signals_child(0);
    return child > 0 ? status : -1;
}
