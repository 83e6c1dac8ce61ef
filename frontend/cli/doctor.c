/* dtqc doctor: what of this machine and this installation dtqc uses, and what is missing for which command. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/host/host.h"
#include "frontend/cli/cache_directory.h"
#include "frontend/cli/module.h"
#include "frontend/cli/ranks.h"
#include "frontend/cli/session.h"
#include "frontend/cli/shipped.h"
#include "frontend/cli/version.h"
#include "frontend/explore/surrogate.h"
#include "frontend/files/installed.h"
#include "ir/base/number.h"
#include "runtime/host/model.h"

typedef struct {
    session *session;
    size_t missing; /* parts that a command needs */
} doctor;

static void say(const doctor *d, const char *what, const char *text) {
    fprintf(d->session->words, "%-12s %s\n", what, diag_visible(d->session->arena, text));
}

/* A part that a command cannot do without. */
static void missing(doctor *d, const char *what, const char *text, const char *needed_by) {
    say(d, what, arena_printf(d->session->arena, "MISSING: %s; %s", text, needed_by));
    d->missing++;
}

static void processor(doctor *d) {
    static const char *const levels[DTQ_HOST_LEVELS] = {[DTQ_HOST_PORTABLE] = "none of x86-64's: host code as C alone",
                                                        [DTQ_HOST_V2] = "x86-64-v2",
                                                        [DTQ_HOST_V3] = "x86-64-v3",
                                                        [DTQ_HOST_V4] = "x86-64-v4",
                                                        [DTQ_HOST_VNNI] = "x86-64-v4 with avx512vnni"};
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    say(d, "processor", arena_printf(d->session->arena, "%s, %ld online", levels[dtq_host_detect()], cores));
}

/* Loads a module as the commands that need it do. */
static void module(doctor *d, const char *what, const char *file, const char *entry, const char *has,
                   const char *needed_by, bool optional) {
    arena *a = d->session->arena;
    const char *path = installed_library(a, file), *why = "is not there";
    const bool there = access(path, F_OK) == 0;
    if (there && module_load(a, path, entry, false, &why))
        say(d, what, arena_printf(a, "%s (%s)", path, has));
    else if (optional && !there)
        say(d, what, arena_printf(a, "not built in; %s", needed_by));
    else
        missing(d, what, arena_printf(a, "%s %s", path, why), needed_by);
}

/* The program that `name` stands for on the PATH, or NULL. */
static const char *on_path(arena *a, const char *name) {
    const char *path = getenv("PATH");
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? name : NULL;
    char *list = arena_strdup(a, path ? path : ""), *rest;
    for (char *at = strtok_r(list, ":", &rest); at; at = strtok_r(NULL, ":", &rest)) {
        const char *file = arena_printf(a, "%s/%s", at, name);
        if (access(file, X_OK) == 0)
            return file;
    }
    return NULL;
}

static void linker(doctor *d) {
    static const char needed_by[] = "compile --emit=exe needs it";
    arena *a = d->session->arena;
    const char *own = getenv("CC"), *name = own && *own != '\0' ? own : "cc", *found = on_path(a, name);
    if (!found)
        missing(d, "linker", arena_printf(a, "%s is not on the PATH", name), needed_by);
    else
        say(d, "linker", found);
    static const char *const libraries[] = {"libdtqrt.a", "libdtq_hostmain.a"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        const char *path = installed_library(a, libraries[i]);
        if (access(path, F_OK) == 0)
            say(d, "library", path);
        else
            missing(d, "library", arena_printf(a, "%s is not there", path), needed_by);
    }
}

static void data(doctor *d) {
    static const char *const kinds[] = {"models", "targets", "policies"};
    session *s = d->session;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t count;
        shipped_list(s, kinds[i], &count);
        const char *directory = arena_printf(s->arena, "%s/%s", installed_data(s->arena), kinds[i]);
        if (count > 0)
            say(d, kinds[i], arena_printf(s->arena, "%zu in %s", count, directory));
        else
            missing(d, kinds[i], arena_printf(s->arena, "none in %s", directory),
                    "every command that takes one by name needs them ($DTQC_DATA names the directory)");
    }
}

static void cache(doctor *d) {
    session *s = d->session;
    const char *directory = cache_directory(s);
    if (!directory) {
        say(d, "cache", "none; host code is generated and files are hashed anew by every run");
        return;
    }
    DIR *open = opendir(directory);
    size_t files = 0;
    double bytes = 0;
    for (struct dirent *e = open ? readdir(open) : NULL; e; e = readdir(open)) {
        struct stat st;
        if (fstatat(dirfd(open), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            files++;
            bytes += (double)st.st_size;
        }
    }
    if (open)
        closedir(open);
    char text[NUMBER_MAX];
    say(d, "cache",
        arena_printf(s->arena, "%s: %zu files, %s (`dtqc cache` bounds and empties it)", cache_path(s), files,
                     number_bytes(bytes, text)));
}

bool command_doctor(session *s) {
    doctor d = {.session = s};
    const char *commit = *dtqc_this.commit != '\0' ? dtqc_this.commit : "unknown";
    say(&d, "dtqc", arena_printf(s->arena, "%s, commit %s", dtqc_this.version, commit));
    processor(&d);
    data(&d);
    module(&d, "host code", "libdtq_llvm.so", HOST_BACKEND_ENTRY, arena_printf(s->arena, "LLVM %s", dtqc_this.llvm),
           "run --engine=host, eval and compile --emit=llvm, host-asm, obj, exe and c need it", false);
    module(&d, "searches", "libdtq_gp.so", SURROGATE_ENTRY, "LAPACK, NLopt", "explore --method=bayes needs it", false);
    module(&d, "MPI", "libdtq_mpi.so", RANKS_ENTRY, "for sweep, explore and eval under mpirun",
           "sweep, explore and eval run in one process", true);
    linker(&d);
    cache(&d);
    return d.missing == 0 ||
           diag_error(s->diag, (src_loc){0}, "%zu part%s missing", d.missing, d.missing == 1 ? " is" : "s are");
}
