/* Files read whole and written whole or not at all. */
#include <dirent.h>

#include "frontend_util.h"
#include "ir/base/file.h"

static size_t files_in(const char *directory) {
    size_t count = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

START_TEST(reads) {
    size_t bytes;
    const char *path = put_bytes("f", "ab\0c", 4);
    char *text = file_read(A, D, path, 100, &bytes);
    ck_assert_uint_eq(bytes, 4);
    ck_assert_mem_eq(text, "ab\0c", 5);
    ck_assert_ptr_nonnull(file_read(A, D, path, 4, &bytes));
    ck_assert_ptr_null(file_read(A, D, path, 3, &bytes));
    EXPECT_ERROR("is 4 bytes long; at most 3 are read");
    ck_assert_ptr_nonnull(file_read(A, D, put("empty", ""), 3, &bytes));
    ck_assert_uint_eq(bytes, 0);
    ck_assert_ptr_null(file_read(A, D, "/nonexistent/x", 3, &bytes));
    EXPECT_ERROR("cannot be read: No such file or directory");
    ck_assert_ptr_null(file_read(A, D, scratch, 3, &bytes));
    EXPECT_ERROR("a directory, not a regular file");
    ck_assert_ptr_null(file_read(A, D, "/dev/null", 3, &bytes));
    EXPECT_ERROR("a device, not a regular file");
}
END_TEST

START_TEST(writes_whole) {
    const char *path = put("out", "old");
    file_writer w;
    size_t bytes;
    ck_assert(file_begin(&w, D, path));
    fputs("new", w.out);
    fflush(w.out);
    ck_assert_str_eq(file_read(A, D, path, 100, &bytes), "old");
    ck_assert(file_commit(&w, D));
    ck_assert_str_eq(file_read(A, D, path, 100, &bytes), "new");
    ck_assert_uint_eq(files_in(scratch), 1);
    EXPECT_NO_ERROR();
}
END_TEST

START_TEST(abandons) {
    const char *path = put("out", "old");
    file_writer w;
    size_t bytes;
    ck_assert(file_begin(&w, D, path));
    fputs("new", w.out);
    file_abandon(&w);
    file_abandon(&w);
    ck_assert_str_eq(file_read(A, D, path, 100, &bytes), "old");
    ck_assert_uint_eq(files_in(scratch), 1);
}
END_TEST

START_TEST(cannot_write) {
    file_writer w;
    ck_assert(!file_begin(&w, D, "/nonexistent/x"));
    EXPECT_ERROR("cannot be written: No such file or directory");
    ck_assert(!file_begin(&w, D, scratch));
    EXPECT_ERROR("cannot be written: Is a directory");
    ck_assert(file_begin(&w, D, "/dev/full"));
    fputs("new", w.out);
    ck_assert(!file_commit(&w, D));
    EXPECT_ERROR("cannot be written: No space left on device");
}
END_TEST

START_TEST(keeps_links_and_modes) {
    const char *path = put("target", "old"), *link = arena_printf(A, "%s/link", scratch);
    struct stat st;
    file_writer w;
    size_t bytes;
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert(file_begin(&w, D, link));
    fputs("new", w.out);
    ck_assert(file_commit(&w, D));
    ck_assert_int_eq(lstat(link, &st), 0);
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert_str_eq(file_read(A, D, path, 100, &bytes), "new");
    ck_assert(file_begin(&w, D, "/dev/null"));
    ck_assert(file_commit(&w, D));
    EXPECT_NO_ERROR();
}
END_TEST

TEST_MAIN("file", reads, writes_whole, abandons, cannot_write, keeps_links_and_modes)
