/* Runs a fuzz target over files:  fuzz_NAME [--mutations=N] [--seed=S] [--write-seeds=DIRECTORY] PATH...
 *
 * A PATH is a file or a directory of them; the good inputs that the target makes itself come first. Each input is run
 * as it is and N times with changes (mutate.c) that depend on S and the input alone, so that a failure repeats. What is
 * being run stands on standard error when it fails. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum { PATH_ROOM = 1024, GROWTH = 4096 };

static uint64_t seed = 20260131;
static size_t mutations, inputs, runs;
static char doing[PATH_ROOM + 64];

static void tell(int signal_number) {
    ssize_t n = write(STDERR_FILENO, doing, strlen(doing));
    (void)n;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* In memory of exactly that size, so that sanitizers see what is read beyond. */
static void run_bytes(const uint8_t *data, size_t bytes) {
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        abort();
    memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
    runs++;
}

static void run_input(const char *name, const uint8_t *data, size_t bytes) {
    snprintf(doing, sizeof doing, "%s as it is\n", name);
    inputs++;
    run_bytes(data, bytes);
    char *changed = malloc(bytes + GROWTH);
    if (!changed)
        abort();
    for (size_t i = 0; i < mutations; i++) {
        snprintf(doing, sizeof doing, "%s, --mutations=%zu --seed=%llu: change %zu\n", name, mutations,
                 (unsigned long long)seed, i);
        memcpy(changed, data, bytes);
        run_bytes((const uint8_t *)changed,
                  fuzz_mutate_text(changed, bytes, bytes + GROWTH, seed + i * 0x5851f42d4c957f2du));
    }
    free(changed);
}

static uint8_t *read_whole(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    ssize_t n = f ? getdelim(&text, &room, EOF, f) : -1;
    if (f)
        fclose(f);
    *bytes = n < 0 ? 0 : (size_t)n;
    return text ? (uint8_t *)text : calloc(1, 1);
}

static int visible(const struct dirent *e) {
    return e->d_name[0] != '.';
}

static void run_path(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "%s is not there\n", path);
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        size_t bytes;
        uint8_t *data = read_whole(path, &bytes);
        run_input(path, data, bytes);
        free(data);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, visible, alphasort);
    for (int i = 0; i < count; i++) {
        char below[PATH_ROOM];
        if (snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name) < (int)sizeof below)
            run_path(below);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* Runs the target's own good inputs, or writes them to a directory. */
static void own_seeds(const char *directory) {
    for (size_t i = 0; fuzz_seed; i++) {
        char *text, name[PATH_ROOM];
        size_t bytes;
        FILE *out = open_memstream(&text, &bytes);
        int more = out ? fuzz_seed(i, out) : 0;
        if (!out || fclose(out) != 0)
            abort();
        if (more && directory) {
            snprintf(name, sizeof name, "%s/own-%zu", directory, i);
            FILE *f = fopen(name, "wb");
            if (!f || fwrite(text, 1, bytes, f) != bytes || fclose(f) != 0)
                abort();
        } else if (more) {
            snprintf(name, sizeof name, "own input %zu", i);
            run_input(name, (const uint8_t *)text, bytes);
        }
        free(text);
        if (!more)
            break;
    }
}

int main(int argc, char **argv) {
    const char *write_to = NULL;
    int first = 1;
    for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++)
        if (strncmp(argv[first], "--mutations=", 12) == 0)
            mutations = strtoull(argv[first] + 12, NULL, 10);
        else if (strncmp(argv[first], "--seed=", 7) == 0)
            seed = strtoull(argv[first] + 7, NULL, 10);
        else if (strncmp(argv[first], "--write-seeds=", 14) == 0)
            write_to = argv[first] + 14;
        else
            return 2;
    if (write_to) {
        own_seeds(write_to);
        return 0;
    }
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], tell);
    own_seeds(NULL);
    for (int i = first; i < argc; i++)
        run_path(argv[i]);
    printf("%zu inputs, %zu runs\n", inputs, runs);
    return inputs == 0;
}
