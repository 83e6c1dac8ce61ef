/* Every allocation that a command makes fails once, alone and with all behind it. Then the command says that memory is
 * out and how much it needed and exits with 1, or does without and gives the same results as ever; nothing else is left
 * where its output goes. The program itself is linked to this test, and each failure has a process of its own. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/cli/session.h"
#include "tests/faults/failing.h"

#ifdef DTQ_SANITIZED
enum { EVERY = 4 }; /* Sanitizers, which are slow, see every fourth place from which on all allocations fail. */
#else
enum { EVERY = 1 };
#endif

enum { ARGUMENTS = 16, PATH_ROOM = 256, SECONDS = 120, ALIGNMENT = 64 };

/* A command line; its output, if it has one, is the file `out` of the directory that it runs in. */
typedef struct {
    const char *name;
    const char *arguments[ARGUMENTS];
} command;

#define DATA DTQC_SOURCE_DIR "/tests/cli/data/"
#define FIG5 DATA "fig5.yaml", "--target", DATA "array3x3.yaml", "--policy", DATA "fig5-policy.yaml"
#define TINY DATA "tiny.yaml", "--policy", DATA "half.yaml"

static const command commands[] = {
    {"analyze", {"analyze", TINY, "--seq", "6", "--check", "--report=json"}},
    {"compile", {"compile", TINY, "--seq", "6,7", "--threads=1", "-o", "out"}},
    {"compile from IR", {"compile", "tile.dtir", "--emit=asm", "-o", "out"}},
    {"run on the simulator", {"run", FIG5, "--input", DATA "qkv.safetensors", "--check", "--threads=1", "-o", "out"}},
    {"run of a program", {"run", "tiny.dtq", "--input", DATA "ids.safetensors", "--threads=1", "-o", "out"}},
    {"run of host code", {"run", TINY, "--engine=host", "--input", DATA "ids.safetensors", "--threads=1", "-o", "out"}},
    {"verify", {"verify", "tiny.dtq"}},
    {"disasm", {"disasm", "tiny.dtq", "-o", "out"}},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

typedef struct {
    int code; /* of exit; -1: a signal */
    size_t count;
    char *words, *errors, *out; /* what it wrote; out NULL: no file */
    size_t words_bytes, out_bytes;
} result;

static char directory[PATH_ROOM];
static failing *told; /* what children share with this process */

static char *read_whole(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = NULL;
    size_t room = 0;
    ssize_t n = getdelim(&text, &room, EOF, f);
    fclose(f);
    *bytes = n < 0 ? 0 : (size_t)n;
    if (text && n < 0)
        *text = '\0';
    return text ? text : calloc(1, 1);
}

static void redirect(int fd, const char *path) {
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (to < 0 || dup2(to, fd) < 0)
        _exit(99);
    close(to);
}

/* Runs a command in a process of its own, in `directory`. */
static result run(const command *c, size_t fail_at, bool all_later) {
    char *arguments[ARGUMENTS + 2] = {(char *)"dtqc"};
    int count = 1;
    while (count <= ARGUMENTS && c->arguments[count - 1]) {
        arguments[count] = (char *)c->arguments[count - 1];
        count++;
    }
    *told = (failing){.fail_at = fail_at, .all_later = all_later};
    unlink("out");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        redirect(STDOUT_FILENO, "words");
        redirect(STDERR_FILENO, "errors");
        alarm(SECONDS);
        allocations = told;
        exit(command_line(count, arguments));
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    result r = {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .count = told->count};
    size_t bytes;
    r.words = read_whole("words", &r.words_bytes);
    r.errors = read_whole("errors", &bytes);
    r.out = read_whole("out", &r.out_bytes);
    return r;
}

static void free_result(result *r) {
    free(r->words);
    free(r->errors);
    free(r->out);
}

/* A file of the directory that no command should leave, or NULL. */
static const char *left_over(void) {
    static const char *const known[] = {".", "..", "words", "errors", "out", "cache", "tiny.dtq", "tile.dtir"};
    static char name[PATH_ROOM];
    const char *found = NULL;
    DIR *d = opendir(".");
    for (const struct dirent *e; d && (e = readdir(d));) {
        bool ours = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            ours = ours || strcmp(known[i], e->d_name) == 0;
        if (!ours) {
            snprintf(name, sizeof name, "%s", e->d_name);
            found = name;
        }
    }
    if (d)
        closedir(d);
    return found;
}

static bool same_out(const result *a, const result *b) {
    return !a->out == !b->out &&
           (!a->out || (a->out_bytes == b->out_bytes && memcmp(a->out, b->out, a->out_bytes) == 0));
}

/* What is wrong with how a command took a failure, or NULL. `well`: without any. */
static const char *wrong(const result *r, const result *well) {
    if (r->code == 0) {
        bool same = r->words_bytes == well->words_bytes && memcmp(r->words, well->words, r->words_bytes) == 0;
        return same && same_out(r, well) ? NULL : "it succeeds with other results";
    }
    if (r->code != 1)
        return r->code < 0 ? "it is killed by a signal" : "the exit code is not 1";
    if (r->out && !same_out(r, well))
        return "its output is there in part";
    /* A function of the C library that copies a path does not say how long it is. */
    if (!told->bytes || strstr(r->errors, "cannot be written: Cannot allocate memory"))
        return strstr(r->errors, "memory") ? NULL : "it does not say that memory is out";
    const char *words = strstr(r->errors, "out of memory"), *bytes = words ? strstr(words, " bytes") : NULL;
    while (bytes && bytes > words && bytes[-1] >= '0' && bytes[-1] <= '9')
        bytes--;
    if (!bytes || strtoull(bytes, NULL, 10) + ALIGNMENT <= told->bytes)
        return "it does not say how many bytes of memory were needed";
    return NULL;
}

static int problems;

static void fail_each(const command *c, bool all_later) {
    result well = run(c, 0, false);
    ck_assert_msg(well.code == 0, "%s: exit code %d without a failure: %s", c->name, well.code, well.errors);
    size_t refused = 0;
    for (size_t n = 1; n <= well.count; n += all_later ? EVERY : 1) {
        result r = run(c, n, all_later);
        const char *left = left_over(), *what = left ? "it leaves a file" : wrong(&r, &well);
        if (what) {
            fprintf(stderr, "%s, allocation %zu of %zu%s, %s of %zu bytes: %s (exit code %d)%s%s: %.300s\n", c->name, n,
                    well.count, all_later ? " and all later" : "", told->which ? told->which : "none", told->bytes,
                    what, r.code, left ? ": " : "", left ? left : "", r.errors);
            problems++;
        }
        if (left)
            unlink(left);
        refused += r.code != 0;
        free_result(&r);
    }
    printf("%-20s %3zu allocations fail %s: %3zu runs refused, the others did without\n", c->name, well.count,
           all_later ? "with all later" : "by themselves ", refused);
    free_result(&well);
}

START_TEST(every_allocation_fails_once) {
    problems = 0;
    fail_each(&commands[_i], false);
    fail_each(&commands[_i], true);
    ck_assert_int_eq(problems, 0);
}
END_TEST

static void setup(void) {
    static const command make[] = {
        {"", {"compile", TINY, "--seq", "6", "-o", "tiny.dtq"}},
        {"", {"compile", TINY, "--seq", "6", "--emit=ir", "--target", DATA "array3x3.yaml", "-o", "tile.dtir"}},
    };
    const char *tmp = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/allocationsXXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(setenv("DTQC_CACHE", "cache", 1), 0);
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(told, MAP_FAILED);
    for (size_t i = 0; i < sizeof make / sizeof *make; i++) {
        result r = run(&make[i], 0, false);
        ck_assert_msg(r.code == 0, "%s", r.errors);
        free_result(&r);
    }
}

static void teardown(void) {
    char remove[PATH_ROOM + 16];
    snprintf(remove, sizeof remove, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(remove), 0);
}

int main(void) {
    Suite *s = suite_create("allocations");
    TCase *t = tcase_create("allocations");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, every_allocation_fails_once, 0, COMMANDS);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
