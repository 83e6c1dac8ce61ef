/* Identities of files: all bytes count, threads do not, and what is remembered is of a file that nobody has touched. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "numerics_util.h"
#include "runtime/identity.h"

enum { MEGABYTE = 1 << 20 };

static char directory[64];

static void make_directory(void) {
    (void)snprintf(directory, sizeof directory, "/tmp/dtq_identity_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

/* The path of a file there. */
static const char *path_of(const char *name, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", directory, name);
    return path;
}

static uint8_t *pattern(size_t bytes) {
    uint8_t *data = malloc(bytes + 1);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16) * 29);
    return data;
}

static void write_file(const char *name, const uint8_t *data, size_t bytes) {
    char path[128];
    FILE *f = fopen(path_of(name, path), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

static dtq_identity describe(const char *name, dtq_known *known, unsigned threads) {
    char path[128];
    dtq_file file = {.path = path_of(name, path)};
    dtq_error e;
    ck_assert_msg(dtq_file_describe(&file, known, threads, NULL, &e), "%s", e.message);
    return file.hash;
}

static bool equal(dtq_identity a, dtq_identity b) {
    return a.high == b.high && a.low == b.low;
}

/* By another implementation of the definition: Python, with the module xxhash. */
static const struct {
    size_t bytes;
    dtq_identity hash;
} known_values[] = {
    {0, {0x2c0a8a99dc147d54, 0x45c3b49d035665b2}},
    {1, {0x16476410ef09eb84, 0x9b50880692c58c28}},
    {100, {0x1ff0d8c7da3a6eed, 0x833357a7d9abfb4e}},
    {MEGABYTE, {0xf26f4124c6570745, 0x38e8e9b05defc37f}},
    {MEGABYTE + 1, {0xf1dfaa8ffab05e18, 0x0e191c9fb3b97187}},
    {3 * MEGABYTE + 12345, {0xad990ef12af20581, 0x8b958dee40ba07d4}},
};

START_TEST(identities_are_as_defined) {
    const size_t bytes = known_values[_i].bytes;
    uint8_t *data = pattern(bytes);
    write_file("f", data, bytes);
    for (unsigned threads = 0; threads <= 5; threads++) {
        const dtq_identity hash = describe("f", NULL, threads);
        ck_assert_msg(equal(hash, known_values[_i].hash), "%zu bytes, %u threads: %016llx%016llx", bytes, threads,
                      (unsigned long long)hash.high, (unsigned long long)hash.low);
    }
    free(data);
}
END_TEST

START_TEST(every_byte_counts) {
    enum { BYTES = 2 * MEGABYTE + 77 };
    static const size_t places[] = {0, 65535, 65536, MEGABYTE - 1, MEGABYTE, 2 * MEGABYTE, BYTES - 1};
    uint8_t *data = pattern(BYTES);
    write_file("f", data, BYTES);
    const dtq_identity whole = describe("f", NULL, 2);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        data[places[i]] ^= 1;
        write_file("f", data, BYTES);
        ck_assert_msg(!equal(describe("f", NULL, 2), whole), "byte %zu", places[i]);
        data[places[i]] ^= 1;
    }
    write_file("f", data, BYTES);
    ck_assert(equal(describe("f", NULL, 2), whole));
    free(data);
}
END_TEST

START_TEST(what_is_no_file_is_refused) {
    dtq_error e;
    dtq_file file = {.path = directory};
    ck_assert(!dtq_file_describe(&file, NULL, 1, NULL, &e));
    ck_assert(strstr(e.message, "not a regular file"));
    file.path = "/nowhere";
    ck_assert(!dtq_file_describe(&file, NULL, 1, NULL, &e));
    ck_assert(e.status == DTQ_IO && strstr(e.message, "No such file"));
}
END_TEST

/* ---- what is remembered ------------------------------------------------------------------------------------------ */

static const dtq_identity some = {1, 2};

static dtq_stamp stamp(uint64_t inode) {
    return (dtq_stamp){.device = 1, .inode = inode, .bytes = 100, .modified = 5, .changed = 1000};
}

static void remember(dtq_known *k, uint64_t inode) {
    const dtq_stamp s = stamp(inode);
    dtq_known_add(k, &s, &(dtq_identity){inode, 2 * inode}, UINT64_C(10000000000));
}

static bool remembers(dtq_known *k, uint64_t inode) {
    const dtq_stamp s = stamp(inode);
    dtq_identity found;
    return dtq_known_find(k, &s, &found) && found.high == inode && found.low == 2 * inode;
}

static dtq_known *open_known(void) {
    char path[128];
    dtq_error e;
    dtq_known *k = dtq_known_open(path_of("known", path), &e);
    ck_assert_ptr_nonnull(k);
    return k;
}

START_TEST(all_of_a_stamp_counts) {
    dtq_error e;
    dtq_known *k = dtq_known_open(NULL, &e);
    const dtq_stamp s = stamp(3);
    dtq_identity found;
    ck_assert(!dtq_known_find(NULL, &s, &found));
    dtq_known_add(NULL, &s, &some, UINT64_MAX / 2);
    dtq_known_add(k, &s, &some, UINT64_C(10000000000));
    ck_assert(dtq_known_find(k, &s, &found) && equal(found, some));
    const dtq_stamp others[] = {
        {2, 3, 100, 5, 1000}, {1, 4, 100, 5, 1000}, {1, 3, 101, 5, 1000}, {1, 3, 100, 6, 1000}, {1, 3, 100, 5, 1001}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_msg(!dtq_known_find(k, &others[i], &found), "part %zu", i);
        ck_assert(dtq_stamp_number(&others[i]) != dtq_stamp_number(&s));
    }
    dtq_known_close(k);
}
END_TEST

/* Within a tick of the clock a file can be written to twice and keep its stamp. */
START_TEST(young_files_are_not_remembered) {
    dtq_known *k = open_known();
    const dtq_stamp s = {.changed = UINT64_C(9000000000)};
    dtq_identity found;
    dtq_known_add(k, &s, &some, UINT64_C(9000000000));
    dtq_known_add(k, &s, &some, UINT64_C(10999999999));
    dtq_known_add(k, &s, &some, UINT64_C(8000000000)); /* a clock that was set back */
    ck_assert(!dtq_known_find(k, &s, &found));
    dtq_known_add(k, &s, &some, UINT64_C(11000000000));
    ck_assert(dtq_known_find(k, &s, &found));
    dtq_known_close(k);
    uint8_t byte = 1;
    write_file("young", &byte, 1);
    k = open_known();
    const dtq_identity first = describe("young", k, 1);
    byte = 2;
    write_file("young", &byte, 1);
    ck_assert(!equal(describe("young", k, 1), first));
    dtq_known_close(k);
}
END_TEST

START_TEST(the_next_process_knows_it) {
    dtq_known *k = open_known(), *beside = open_known();
    remember(k, 7);
    remember(beside, 8);
    remember(k, 9);
    dtq_known_close(k);
    dtq_known_close(beside);
    k = open_known();
    ck_assert(remembers(k, 7) && remembers(k, 8) && remembers(k, 9) && !remembers(k, 10));
    dtq_known_close(k);
}
END_TEST

/* Whatever byte is damaged, and wherever the file ends, what is left of it is right. */
START_TEST(damaged_records_are_none) {
    enum { RECORD = 64 };
    char path[128];
    for (int at = 0; at < 3 * RECORD; at += 5) {
        dtq_known *k = open_known();
        for (uint64_t i = 0; i < 3; i++)
            remember(k, i);
        dtq_known_close(k);
        const int fd = open(path_of("known", path), O_RDWR);
        uint8_t byte;
        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte ^= 16;
        ck_assert_int_eq(at % 2 ? ftruncate(fd, at) : (int)pwrite(fd, &byte, 1, at) - 1, 0);
        (void)close(fd);
        k = open_known();
        for (int i = 0; i < 3; i++) {
            const bool whole = at % 2 ? at >= (i + 1) * RECORD : at / RECORD != i;
            ck_assert_msg(remembers(k, (uint64_t)i) == whole, "byte %d, record %d", at, i);
        }
        remember(k, 99);
        dtq_known_close(k);
        k = open_known();
        ck_assert_msg(remembers(k, 99), "byte %d", at);
        dtq_known_close(k);
        ck_assert_int_eq(unlink(path), 0);
    }
}
END_TEST

START_TEST(the_list_does_not_grow_for_ever) {
    dtq_known *k = open_known();
    for (uint64_t i = 0; i < 3000; i++)
        remember(k, i);
    ck_assert(remembers(k, 2999) && remembers(k, 2600) && !remembers(k, 0));
    dtq_known_close(k);
    char path[128];
    struct stat st;
    ck_assert_int_eq(stat(path_of("known", path), &st), 0);
    ck_assert_int_le(st.st_size, 1024 * 64);
    k = open_known();
    ck_assert(remembers(k, 2999) && !remembers(k, 0));
    dtq_known_close(k);
}
END_TEST

/* Who may write to the list may say that one file is another. */
START_TEST(lists_that_others_may_write_are_not_believed) {
    char path[128], target[128];
    dtq_known *k = open_known();
    remember(k, 7);
    dtq_known_close(k);
    struct stat st;
    ck_assert_int_eq(stat(path_of("known", path), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(chmod(path, 0620), 0);
    k = open_known();
    ck_assert(!remembers(k, 7));
    remember(k, 8);
    dtq_known_close(k);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600); /* another file took its place */
    ck_assert_int_eq(rename(path, path_of("target", target)), 0);
    ck_assert_int_eq(symlink("target", path), 0);
    k = open_known();
    ck_assert(!remembers(k, 8));
    remember(k, 9);
    dtq_known_close(k);
    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_int_eq(stat(target, &st), 0);
    ck_assert_int_eq(st.st_size, 64); /* what the link pointed to is as it was */
}
END_TEST

int main(void) {
    Suite *s = suite_create("identity");
    TCase *c = tcase_create("identity");
    tcase_add_checked_fixture(c, make_directory, remove_directory);
    tcase_add_loop_test(c, identities_are_as_defined, 0, (int)(sizeof known_values / sizeof *known_values));
    tcase_add_test(c, every_byte_counts);
    tcase_add_test(c, what_is_no_file_is_refused);
    tcase_add_test(c, all_of_a_stamp_counts);
    tcase_add_test(c, young_files_are_not_remembered);
    tcase_add_test(c, the_next_process_knows_it);
    tcase_add_test(c, damaged_records_are_none);
    tcase_add_test(c, the_list_does_not_grow_for_ever);
    tcase_add_test(c, lists_that_others_may_write_are_not_believed);
    suite_add_tcase(s, c);
    return run_suite(s);
}
