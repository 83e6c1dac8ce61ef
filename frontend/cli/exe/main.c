/* The command line of an executable that `dtqc compile --emit=exe` links: dtqc run on the model that is linked in. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cli/run/run.h"
#include "frontend/cli/signals.h"
#include "ir/base/path.h"

/* The model; dtqc generates it (HOST_EXE_NAME in frontend/cli/host/emit_host.h). */
extern const dtq_host_model dtqc_model;

static const char *own_path(arena *a) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    return n > 0 ? arena_strndup(a, self, (size_t)n) : "./model";
}

/* Names, sizes and lengths are in the plan, which is needed before the model can be opened: texts become tokens first.
 */
static bool read_plan(run_state *r, const char *self, dtq_program **plan) {
    session *s = r->session;
    dtq_error e;
    if (!dtq_program_decode(dtqc_model.plan, dtqc_model.plan_bytes, plan, &e))
        return runtime_error(s, &e, true);
    const dtq_program *p = *plan;
    r->program = p;
    r->vocabulary = *p->tokenizer ? path_beside(s->arena, self, p->tokenizer) : NULL;
    r->beside = self;
    r->lower_case = p->lower_case;
    r->positions = p->positions;
    r->qkv = p->stream_count && p->streams[0].input == DTQ_INPUT_QKV;
    mark(s, "read plan");
    return true;
}

static bool run_model(session *s) {
    if (given(s, OPT_tensors) && is_stdout(value(s, OPT_tensors)->text))
        return usage_error(s, "--output must be a file");
    const char *self = own_path(s->arena);
    if (given(s, OPT_device) && dtqc_model.attention == 0)
        return usage_error(s, "--device needs a model that was compiled with --attention=device");
    const bool on_device = dtqc_model.attention != 0;
    run_state r = {.session = s,
                   .path = s->program,
                   .engine = on_device ? ENGINE_DEVICE : ENGINE_HOST,
                   .device = on_device ? run_device(s) : NULL};
    dtq_program *plan = NULL;
    dtq_host *host = NULL;
    dtq_error e;
    bool ok = read_plan(&r, self, &plan) && run_read_inputs(&r);
    mark(s, "read inputs");
    ok = ok && run_find_streams(&r) &&
         run_open_host(&r, &dtqc_model, plan, directory_of(s->arena, self), NULL, NULL, &host) &&
         run_on_host(&r, host) && (dtq_host_unchanged(host, &e) || runtime_error(s, &e, false)) &&
         (!given(s, OPT_tensors) || run_write_tensors(&r, value(s, OPT_tensors)->text));
    if (ok)
        run_print(&r);
    run_release(&r);
    dtq_host_close(host);
    dtq_program_free(plan);
    mark(s, "finish");
    return ok;
}

static int run_command(arena *a, int argc, char **argv) {
    const char *program = argc > 0 ? argv[0] : "model", *error;
    options *o = ARENA_NEW(a, options);
    if (!options_parse(a, CMD_exe, argc > 0 ? argc - 1 : 0, argv + 1, o, &error)) {
        fprintf(stderr, "%s: error: %s (see `%s --help`)\n", program, error, program);
        return EXIT_USAGE;
    }
    if (o->values[OPT_help].given) {
        help_print(CMD_exe, program, stdout);
        return EXIT_OK;
    }
    phases times;
    session s = {.arena = a,
                 .diag = diag_new(a, stderr),
                 .options = o,
                 .program = program,
                 .place = {program, 0, 0},
                 .words = o->values[OPT_json].given ? stderr : stdout,
                 .times = o->values[OPT_time].given ? &times : NULL};
    diag_ignore_unknown(s.diag); /* what its files ask for was looked at when it was compiled */
    phases_begin(&times);
    bool ok = run_model(&s);
    if (ok && s.times)
        phases_print(&times, stderr);
    return s.usage ? EXIT_USAGE : diag_exit_code(s.diag);
}

int main(int argc, char **argv) {
    signals_install(argc > 0 ? argv[0] : "model");
    arena *a = arena_new();
    int code = run_command(a, argc, argv);
    arena_free(a);
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if (failed) { /* why is forgotten by now: one byte more meets the same */
        clearerr(stdout);
        putchar('\n');
        fflush(stdout);
    }
    int why = errno;
    if (fclose(stdout) != 0 || failed) {
        why = why ? why : errno;
        fprintf(stderr, "%s: error: standard output cannot be written%s%s\n", argc > 0 ? argv[0] : "model",
                why ? ": " : "", why ? strerror(why) : "");
        code = code ? code : EXIT_INPUT;
    }
    return code;
}
