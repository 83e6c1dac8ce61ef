/* Measures for tests/bench/run. Prints one line of numbers.
 *   bench command REPEAT COMMAND ...     best milliseconds, peak MB of all runs
 *   bench timing REPEAT PROGRAM          best milliseconds of the timing simulation, instructions, cycles
 *   bench data REPEAT THREADS PROGRAM    best milliseconds of the functional simulation on made-up tokens */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/dtqrt.h"

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int command(int repeat, char **argv) {
    double best = 1e300, peak = 0;
    for (int i = 0; i < repeat; i++) {
        double from = now_ms();
        pid_t child = fork();
        if (child == 0) {
            int null = open("/dev/null", O_WRONLY);
            dup2(null, STDOUT_FILENO);
            execvp(argv[0], argv);
            _exit(127);
        }
        int status;
        struct rusage use;
        if (child < 0 || wait4(child, &status, 0, &use) < 0) {
            fprintf(stderr, "bench: %s: %s\n", argv[0], strerror(errno));
            return 1;
        }
        double ms = now_ms() - from;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "bench: %s failed\n", argv[0]);
            return 1;
        }
        best = ms < best ? ms : best;
        peak = (double)use.ru_maxrss / 1024 > peak ? (double)use.ru_maxrss / 1024 : peak;
    }
    printf("%.3f %.1f\n", best, peak);
    return 0;
}

static int simulate(int repeat, const char *path, bool timing_only, unsigned threads) {
    dtq_error e = {0};
    dtq_program *p;
    if (!dtq_program_load(path, &p, &e)) {
        fprintf(stderr, "bench: %s: %s\n", path, e.message);
        return 1;
    }
    const dtq_stream *s = &p->streams[0];
    dtq_weights *weights = timing_only ? NULL : dtq_weights_open(p, NULL, &e);
    uint32_t *tokens = calloc(s->seq, sizeof *tokens);
    for (uint32_t i = 0; i < s->seq && p->vocabulary; i++)
        tokens[i] = 1000 + i * 97 % (p->vocabulary - 1000);
    dtq_input input = {.tokens = tokens};
    dtq_run_options options = {.timing_only = timing_only, .threads = threads};
    double best = 1e300;
    int code = timing_only || weights ? 0 : 1;
    uint64_t cycles = 0;
    for (int i = 0; i < repeat && code == 0; i++) {
        dtq_output out = {0};
        dtq_stats stats = {0};
        double from = now_ms();
        code = dtq_run(p, s, weights, &input, &options, &out, &stats, false, &e) ? 0 : 1;
        double ms = now_ms() - from;
        best = ms < best ? ms : best;
        cycles = stats.cycles;
        if (code == 0 && !timing_only)
            dtq_output_free(&out);
        if (code == 0)
            dtq_stats_free(&stats);
    }
    if (code)
        fprintf(stderr, "bench: %s: %s\n", path, e.message);
    else
        printf("%.3f %zu %llu\n", best, s->count, (unsigned long long)cycles);
    free(tokens);
    if (weights)
        dtq_weights_close(weights);
    dtq_program_free(p);
    return code;
}

int main(int argc, char **argv) {
    int repeat = argc > 2 ? atoi(argv[2]) : 0;
    if (argc >= 4 && repeat > 0 && strcmp(argv[1], "command") == 0)
        return command(repeat, argv + 3);
    if (argc == 4 && repeat > 0 && strcmp(argv[1], "timing") == 0)
        return simulate(repeat, argv[3], true, 1);
    if (argc == 5 && repeat > 0 && strcmp(argv[1], "data") == 0)
        return simulate(repeat, argv[4], false, (unsigned)atoi(argv[3]));
    fprintf(stderr, "usage: bench command REPEAT COMMAND ... | timing REPEAT PROGRAM | data REPEAT THREADS PROGRAM\n");
    return 2;
}
