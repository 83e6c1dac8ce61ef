/* Making, keeping and loading a module of hardware. */
#include "frontend/cli/rtl_module.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/child.h"
#include "frontend/cli/host/host_cache.h"
#include "frontend/cli/module.h"
#include "frontend/cli/rtl_text.h"
#include "ir/base/file.h"
#include "runtime/hash.h"
#include "runtime/machine_members.h"

enum { MODULE_BYTES_MOST = 1 << 28, MESSAGE_BYTES = 16384 };

typedef struct {
    const char *file, *text;
} source_text;
#define TEXT_ROW(name, extension) {#name "." extension, rtl_text_##name},
static const source_text texts[] = {RTL_TEXTS(TEXT_ROW)};
#undef TEXT_ROW
enum { TEXTS = sizeof texts / sizeof *texts };

/* Parameters of the hardware, as build.sh takes them. */
static const char *parameters(session *s, const dtq_machine *m) {
    const uint64_t all[] = {m->vssa_rows,  m->vssa_cols,   m->top_drain,    m->topk_accumulate_lanes,
                            m->topk_lanes, m->topk_passes, m->softmax_lanes};
    const char *text = "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        text = arena_printf(s->arena, "%s%s%llu", text, i ? " " : "", (unsigned long long)all[i]);
    return text;
}

static const char *key_of(session *s, const dtq_machine *m) {
    uint64_t hash = DTQ_FNV1A_START;
    for (size_t i = 0; i < TEXTS; i++)
        hash = dtq_fnv1a(hash, texts[i].text, strlen(texts[i].text));
    return arena_printf(s->arena, "rtl %016llx of %s: %s", (unsigned long long)hash, dtq_interface, parameters(s, m));
}

static bool write_texts(session *s, const char *directory) {
    for (size_t i = 0; i < TEXTS; i++) {
        const char *path = arena_printf(s->arena, "%s/%s", directory, texts[i].file);
        FILE *f = fopen(path, "w");
        const bool written = f && fputs(texts[i].text, f) >= 0;
        if ((f && fclose(f) != 0) || !written)
            return diag_error(s->diag, (src_loc){path, 0, 0}, "cannot be written: %s", strerror(errno));
    }
    return true;
}

static void remove_all(session *s, const char *directory) {
    char said[2];
    char *argv[] = {"rm", "-rf", arena_strdup(s->arena, directory), NULL};
    (void)child_run(argv, said, sizeof said);
}

/* The last line of what a tool says, which tells what is wrong. */
static const char *last_line(char *said) {
    size_t n = strlen(said);
    while (n > 0 && said[n - 1] == '\n')
        said[--n] = '\0';
    const char *line = strrchr(said, '\n');
    return line ? line + 1 : said;
}

static bool build(session *s, const dtq_machine *m, const char *directory, host_bytes *out) {
    const char *script = arena_printf(s->arena,
                                      "command -v verilator >/dev/null || { echo 'there is no verilator; "
                                      "`apt-get install verilator g++` brings it'; exit 1; }; "
                                      "exec sh '%s/build.sh' '%s' '%s/module.so' %s %s",
                                      directory, directory, directory, dtq_interface, parameters(s, m));
    char *said = arena_alloc(s->arena, MESSAGE_BYTES);
    char *argv[] = {"sh", "-c", arena_strdup(s->arena, script), NULL};
    if (child_run(argv, said, MESSAGE_BYTES) != 0)
        return diag_error(s->diag, (src_loc){0}, "the module of --engine=rtl cannot be made: %s", last_line(said));
    size_t bytes = 0;
    char *module =
        file_read(s->arena, s->diag, arena_printf(s->arena, "%s/module.so", directory), MODULE_BYTES_MOST, &bytes);
    *out = (host_bytes){(uint8_t *)module, bytes};
    return module != NULL;
}

static bool make(session *s, const dtq_machine *m, host_bytes *out) {
    const char *root = getenv("TMPDIR");
    char *directory = arena_printf(s->arena, "%s/dtqc-rtl-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(directory))
        return diag_error(s->diag, (src_loc){directory, 0, 0}, "cannot be made: %s", strerror(errno));
    fprintf(s->words, "rtl: making a module with Verilator\n");
    fflush(s->words);
    const bool ok = write_texts(s, directory) && build(s, m, directory, out);
    remove_all(s, directory);
    return ok;
}

/* Loads a module from memory, for which the kernel has a name. */
static dtq_rtl_entry *load(session *s, const host_bytes *module) {
    const int fd = memfd_create("dtqc-rtl", MFD_CLOEXEC);
    const char *path = arena_printf(s->arena, "/proc/self/fd/%d", fd), *why = strerror(errno);
    dtq_rtl_entry *entry = NULL;
    size_t done = 0;
    for (ssize_t n; fd >= 0 && done < module->bytes; done += (size_t)n)
        if ((n = write(fd, module->data + done, module->bytes - done)) <= 0) {
            why = strerror(errno);
            break;
        }
    if (fd >= 0 && done == module->bytes)
        entry = (dtq_rtl_entry *)module_load(s->arena, path, DTQ_RTL_ENTRY, false, &why);
    if (fd >= 0)
        close(fd);
    if (!entry)
        diag_error(s->diag, (src_loc){0}, "the module of --engine=rtl %s", why);
    return entry;
}

bool rtl_module_open(session *s, const dtq_machine *m, dtq_rtl *out) {
    enum { PASSES_LEAST = 5 }; /* with fewer a digit is of so many bits that nobody builds its histogram */
    if (m->topk_passes < PASSES_LEAST)
        return diag_error(s->diag, (src_loc){0}, "--engine=rtl needs topk.passes of %d or more, not %llu", PASSES_LEAST,
                          (unsigned long long)m->topk_passes);
    const char *cache = cache_directory(s), *key = key_of(s, m);
    host_bytes module;
    if (!cache || !host_cache_read(s, cache, key, &module)) {
        if (!make(s, m, &module))
            return false;
        if (cache)
            (void)host_cache_write(s, cache, key, &module);
    }
    dtq_rtl_entry *entry = load(s, &module);
    mark(s, "load rtl");
    return entry && (entry(1, NULL, out) || diag_error(s->diag, (src_loc){0}, "the hardware cannot be opened"));
}
