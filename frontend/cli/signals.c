/* What dtqc and executables do when they are stopped from outside. Handlers call nothing but what POSIX lets them. */
#include "frontend/cli/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/base/diag.h"
#include "runtime/weights/file.h"

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ};

/* A handler is given nothing but the signal. */
static _Atomic(pid_t) child;
static const char *name = "dtqc";

void signals_child(pid_t group) {
    atomic_store(&child, group);
}

/* It is gone, and writes no more, before its files are removed. */
static void end_child(void) {
    pid_t group = atomic_exchange(&child, 0);
    if (group > 0 && kill(-group, SIGTERM) == 0)
        (void)waitpid(group, NULL, 0);
}

/* SA_RESETHAND: the second time the signal does what it does without a handler. Two signals at once are one after the
 * other, and the second ends the process while the first is being answered: removing twice is no error. */
static void stop(int signal) {
    end_child();
    dtq_remove_unfinished();
    raise(signal);
}

static void say(const char *text) {
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, text, n);
        if (done <= 0)
            return;
        text += done;
        n -= (size_t)done;
    }
}

/* A name, without what would steer a terminal. */
static void say_name(const char *text) {
    for (; *text; text++) {
        char c[2] = {(unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, '\0'};
        say(c);
    }
}

/* Several threads may read the same file: the first one answers, and the others wait for the end. The signal is blocked
 * meanwhile, so a fault in here ends the process. */
static void lost_page(int signo, siginfo_t *info, void *context) {
    static atomic_flag answered = ATOMIC_FLAG_INIT;
    (void)context;
    const char *path = info->si_code > 0 ? dtq_mapped_path(info->si_addr) : NULL;
    if (!path) { /* no file of ours: a fault, or sent from outside; it is delivered when this returns */
        signal(signo, SIG_DFL);
        raise(signo);
        return;
    }
    while (atomic_flag_test_and_set(&answered))
        pause();
    say_name(path);
    say(": error: became shorter while ");
    say_name(name);
    say(" read it, or its disk cannot be read; run it again when nobody writes to the file\n");
    end_child();
    dtq_remove_unfinished();
    _exit(EXIT_INPUT);
}

void signals_install(const char *program) {
    struct sigaction now = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND | SA_NODEFER}, before;
    sigemptyset(&now.sa_mask);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL) /* nohup ignores some */
            sigaction(ending[i], &now, NULL);
    struct sigaction lost = {.sa_sigaction = lost_page, .sa_flags = SA_SIGINFO};
    sigemptyset(&lost.sa_mask);
    sigaction(SIGBUS, &lost, NULL);
    name = program;
    atexit(dtq_remove_unfinished); /* out of memory is an exit in the middle of things */
}
