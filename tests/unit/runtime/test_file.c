/* Files written whole or not at all, private ones, and what is left of a process that is stopped. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "numerics_util.h"
#include "runtime/file.h"

static char directory[64];

static void make_directory(void) {
    (void)snprintf(directory, sizeof directory, "/tmp/dtq_file_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *name, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", directory, name);
    return path;
}

static size_t entries(void) {
    size_t count = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    (void)closedir(d);
    return count;
}

static void expect_text(const char *path, const char *text) {
    char got[256] = {0};
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    (void)fread(got, 1, sizeof got - 1, f);
    (void)fclose(f);
    ck_assert_str_eq(got, text);
}

static bool replace(const char *path, const char *text) {
    return dtq_replace_file(path, &(dtq_part){text, strlen(text)}, 1);
}

static struct stat look(const char *path) {
    struct stat st;
    ck_assert_int_eq(lstat(path, &st), 0);
    return st;
}

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

START_TEST(new_files_have_the_mode_that_the_umask_leaves) {
    static const mode_t masks[] = {022, 077, 0, 027};
    char path[128];
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        const mode_t before = umask(masks[i]);
        dtq_writer w;
        ck_assert(dtq_writer_begin(&w, path_of("new", path)));
        ck_assert(dtq_writer_put(&w, "x", 1));
        ck_assert_uint_eq(look(w.temporary).st_mode & 0777, 0600); /* while it is written nobody else may */
        ck_assert(dtq_writer_commit(&w));
        ck_assert_uint_eq(look(path).st_mode & 0777, 0666 & ~masks[i]);
        ck_assert_int_eq(unlink(path), 0);
        (void)umask(before);
    }
}
END_TEST

START_TEST(modes_survive) {
    static const mode_t modes[] = {0644, 0600, 0755, 0640, 0444, 0666};
    char path[128];
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert(replace(path_of("f", path), "old"));
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        ck_assert(replace(path, "new"));
        expect_text(path, "new");
        ck_assert_uint_eq(look(path).st_mode & 0777, modes[i]);
    }
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(the_longest_names_are_possible) {
    char path[512] = {0};
    (void)snprintf(path, sizeof path, "%s/", directory);
    memset(path + strlen(path), 'n', 255);
    ck_assert(replace(path, "text"));
    expect_text(path, "text");
    ck_assert(dtq_write_private(path, &(dtq_part){"other", 5}, 1));
    expect_text(path, "other");
    ck_assert_uint_eq(entries(), 1);
    memset(path + strlen(path), 'n', 1);
    ck_assert(!replace(path, "text"));
    ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

START_TEST(owners_survive) {
    char path[128];
    if (geteuid() != 0) /* only root can make a file of another's; others are tested by links below */
        return;
    ck_assert(replace(path_of("f", path), "old"));
    ck_assert_int_eq(chown(path, 12345, 54321), 0);
    ck_assert(replace(path, "new"));
    ck_assert(look(path).st_uid == 12345 && look(path).st_gid == 54321);
    expect_text(path, "new");
}
END_TEST

START_TEST(symbolic_links_survive) {
    char path[128], link[128], chain[128];
    ck_assert(replace(path_of("target", path), "old"));
    ck_assert_int_eq(symlink("target", path_of("link", link)), 0);
    ck_assert_int_eq(symlink(link, path_of("chain", chain)), 0);
    ck_assert(replace(chain, "new"));
    expect_text(path, "new");
    ck_assert(S_ISLNK(look(link).st_mode) && S_ISLNK(look(chain).st_mode) && S_ISREG(look(path).st_mode));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(replace(chain, "made")); /* to a file that is not there yet */
    expect_text(path, "made");
    ck_assert(S_ISLNK(look(link).st_mode) && S_ISLNK(look(chain).st_mode));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("chain", path), 0); /* round and round */
    ck_assert(!replace(chain, "never"));
    ck_assert_int_eq(errno, ELOOP);
    ck_assert_uint_eq(entries(), 3);
}
END_TEST

START_TEST(hard_links_survive) {
    static char longer[200000];
    char path[128], other[128];
    memset(longer, 'x', sizeof longer - 1);
    ck_assert(replace(path_of("f", path), "old text"));
    ck_assert_int_eq(link(path, path_of("other", other)), 0);
    ck_assert(replace(path, "new"));
    expect_text(other, "new");
    ck_assert(look(path).st_ino == look(other).st_ino);
    ck_assert(replace(other, longer));
    ck_assert_int_eq(look(path).st_size, sizeof longer - 1);
    ck_assert(replace(path, ""));
    ck_assert_int_eq(look(other).st_size, 0);
    ck_assert_uint_eq(entries(), 2);
}
END_TEST

/* A limit on the size of files stands for a full disk: the write fails half way. Check writes files, too, so that
 * nothing may be asserted while it holds. 0, or the error of the commit. */
static int write_limited(const char *path, bool *put) {
    static char text[5000];
    struct rlimit limit;
    dtq_writer w;
    int error = -1;
    *put = true;
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 1000;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    if (dtq_writer_begin(&w, path)) {
        *put = dtq_writer_put(&w, text, sizeof text) || dtq_writer_put(&w, text, 1); /* once failed, always */
        error = dtq_writer_commit(&w) ? 0 : errno;
    }
    limit.rlim_cur = before;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    return error;
}

START_TEST(failed_writes_change_nothing_and_say_why) {
    char path[128], other[128];
    ck_assert(replace(path_of("f", path), "old"));
    for (size_t names = 1; names <= 2; names++) {
        bool put;
        const int error = write_limited(path, &put);
        ck_assert_int_eq(error, EFBIG);
        ck_assert(!put);
        expect_text(path, "old");
        ck_assert_uint_eq(entries(), names);
        if (names == 1)
            ck_assert_int_eq(link(path, path_of("other", other)), 0);
    }
    ck_assert(!replace("/dev/full", "x"));
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert(!replace("/nowhere/x", "x"));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert(!replace(directory, "x"));
    ck_assert_int_eq(errno, EISDIR);
    ck_assert(replace("/dev/null", "x"));
}
END_TEST

/* ---- private files ----------------------------------------------------------------------------------------------- */

START_TEST(private_files_are_this_users_alone) {
    char path[128], link_path[128];
    const mode_t before = umask(0);
    ck_assert(dtq_write_private(path_of("p", path), &(dtq_part){"text", 4}, 1));
    (void)umask(before);
    ck_assert_uint_eq(look(path).st_mode & 0777, 0600);
    static const struct {
        mode_t mode;
        bool good;
    } modes[] = {{0600, true}, {0400, true}, {0644, true}, {0620, false}, {0602, false}, {0666, false}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(path, modes[i].mode), 0);
        const int fd = dtq_private_open(path, O_RDONLY);
        ck_assert_msg((fd >= 0) == modes[i].good, "mode %o", (unsigned)modes[i].mode);
        if (fd >= 0)
            (void)close(fd);
    }
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(symlink("p", path_of("link", link_path)), 0);
    ck_assert_int_lt(dtq_private_open(link_path, O_RDONLY), 0);
    ck_assert_int_lt(dtq_private_open(directory, O_RDONLY), 0);
    ck_assert(dtq_write_private(link_path, &(dtq_part){"other", 5}, 1)); /* the link, not what it points to */
    expect_text(path, "text");
    expect_text(link_path, "other");
    ck_assert(S_ISREG(look(link_path).st_mode));
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(path, 12345, 0), 0);
        ck_assert_int_lt(dtq_private_open(path, O_RDONLY), 0);
    }
}
END_TEST

/* ---- a process that is stopped ----------------------------------------------------------------------------------- */

static void stop(int number) {
    dtq_remove_unfinished();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

START_TEST(nothing_unfinished_is_left) {
    char path[128], finished[128];
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dtq_writer w[40];
        (void)signal(SIGTERM, stop);
        (void)dtq_replace_file(path_of("finished", finished), &(dtq_part){"x", 1}, 1);
        for (int i = 0; i < 40; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "f%d", i);
            if (!dtq_writer_begin(&w[i], path_of(name, path)) || !dtq_writer_put(&w[i], "x", 1))
                _exit(1);
        }
        dtq_writer_abandon(&w[3]);
        if (entries() != 40 || !dtq_writer_commit(&w[7]))
            _exit(2);
        (void)raise(SIGTERM);
        _exit(3);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %x", (unsigned)status);
    ck_assert_uint_eq(entries(), 2);
    expect_text(path_of("finished", finished), "x");
    expect_text(path_of("f7", path), "x");
}
END_TEST

START_TEST(mapped_files_are_known_by_their_addresses) {
    char path[128];
    ck_assert(replace(path_of("f", path), "some bytes"));
    const int fd = open(path, O_RDONLY);
    const uint8_t *first = dtq_map(fd, path, 10, false), *second = dtq_map(fd, "/another/name", 10, true);
    ck_assert(first && second);
    ck_assert_str_eq(dtq_mapped_path(first), path);
    ck_assert_str_eq(dtq_mapped_path(first + 9), path);
    ck_assert_ptr_null(dtq_mapped_path(first + 10));
    ck_assert_str_eq(dtq_mapped_path(second + 5), "/another/name");
    dtq_unmap(first, 10);
    ck_assert_ptr_null(dtq_mapped_path(first));
    ck_assert_str_eq(dtq_mapped_path(second), "/another/name");
    dtq_unmap(second, 10);
    dtq_unmap(NULL, 0);
    ck_assert_ptr_null(dtq_map(-1, path, 10, false));
    ck_assert_ptr_null(dtq_mapped_path(path));
    (void)close(fd);
}
END_TEST

int main(void) {
    Suite *s = suite_create("file");
    TCase *c = tcase_create("file");
    tcase_add_checked_fixture(c, make_directory, remove_directory);
    tcase_add_test(c, new_files_have_the_mode_that_the_umask_leaves);
    tcase_add_test(c, modes_survive);
    tcase_add_test(c, the_longest_names_are_possible);
    tcase_add_test(c, owners_survive);
    tcase_add_test(c, symbolic_links_survive);
    tcase_add_test(c, hard_links_survive);
    tcase_add_test(c, failed_writes_change_nothing_and_say_why);
    tcase_add_test(c, private_files_are_this_users_alone);
    tcase_add_test(c, nothing_unfinished_is_left);
    tcase_add_test(c, mapped_files_are_known_by_their_addresses);
    suite_add_tcase(s, c);
    return run_suite(s);
}
