/* Host code in this process: generated, or from the cache. */
#include "frontend/cli/host/host_code.h"

#include <stdlib.h>

#include "frontend/cli/cache_directory.h"
#include "frontend/cli/host/backend.h"
#include "frontend/cli/host/host_cache.h"

static const char name[] = "dtqc_model";

/* The functions of libdtqrt that generated code calls (runtime/host/abi.h), as addresses. */
static size_t list_symbols(host_symbol *out) {
    const union {
        struct {
            void (*parallel)(dtq_host_frame *, uint64_t, uint64_t, uint64_t, dtq_host_task *, uint64_t);
            void (*select)(dtq_host_frame *, uint64_t);
            void (*probe)(dtq_host_frame *, uint64_t, uint64_t, uint64_t);
            uint64_t (*whole)(dtq_host_frame *, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
            const float *(*row)(dtq_host_frame *, uint64_t, uint64_t, uint64_t, float *);
            void (*bad)(dtq_host_frame *, uint64_t, uint64_t, uint64_t);
            void (*watch)(dtq_host_frame *, uint64_t, const float *, uint64_t, uint64_t);
        } functions;
        void *addresses[7];
    } table = {{dtq_host_parallel, dtq_host_select, dtq_host_probe, dtq_host_whole, dtq_host_row, dtq_host_bad,
                dtq_host_watch}};
    static const char *const names[] = {"dtq_host_parallel", "dtq_host_select", "dtq_host_probe", "dtq_host_whole",
                                        "dtq_host_row",      "dtq_host_bad",    "dtq_host_watch"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        out[i] = (host_symbol){names[i], table.addresses[i]};
    return sizeof names / sizeof *names;
}

/* Everything that decides what the object is. */
static const char *key_of(session *s, const backend *b, const host_program *p, const host_options *o) {
    return arena_printf(s->arena, "%s\n%s\ninterface %d, cpu %s, name %s%s\n%s", b->identity,
                        b->functions->native(s->arena), DTQ_HOST_ABI, o->cpu, o->name,
                        o->device ? ", for a device" : "", host_program_text(s->arena, p));
}

bool host_code_check(session *s, bool generates) {
    static const option_id of_host_code[] = {OPT_host_cpu, OPT_no_cache};
    for (size_t i = 0; !generates && i < sizeof of_host_code / sizeof *of_host_code; i++)
        if (given(s, of_host_code[i]))
            return usage_error(s, "--%s changes nothing where no host code is generated",
                               option_table[of_host_code[i]].name);
    return true;
}

bool host_code_load(session *s, const host_program *p, bool device, loaded_code *out) {
    enum { SYMBOLS_MOST = 8 };
    host_symbol symbols[SYMBOLS_MOST];
    backend b;
    host_bytes object = {0};
    host_options o = {.name = name,
                      .cpu = given(s, OPT_host_cpu) ? value(s, OPT_host_cpu)->text : "native",
                      .banner = "",
                      .device = device};
    if (!backend_load(s, &b))
        return false;
    mark(s, "load backend");
    const char *directory = cache_directory(s);
    const char *key = directory ? key_of(s, &b, p, &o) : NULL;
    bool kept = directory && host_cache_read(s, directory, key, &object);
    if (kept) {
        mark(s, "read cache");
    } else {
        if (!b.functions->object(s->arena, s->diag, p, &o, &object))
            return false;
        mark(s, "generate code");
        if (directory && host_cache_write(s, directory, key, &object))
            mark(s, "write cache");
    }
    *out = (loaded_code){.backend = b.functions};
    out->code = b.functions->load(s->arena, s->diag, object.data, object.bytes, name, symbols, list_symbols(symbols),
                                  &out->model);
    if (!kept)
        free(object.data);
    mark(s, "load code");
    return out->code != NULL;
}

void host_code_unload(loaded_code *c) {
    if (c->code)
        c->backend->unload(c->code);
}
