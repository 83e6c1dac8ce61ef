/* Any text: parsed or refused; what is parsed prints to text that parses to the same module, and passes on good modules
 * end in a good module or an error. */
#include <stdlib.h>

#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    ir_module *m = ir_parse(a, d, "fuzz", (const char *)data, bytes);
    if (m && ir_verify(m, d) && m->op_count < 200 && m->header.seq < 300) {
        char *text;
        size_t text_bytes;
        FILE *out = open_memstream(&text, &text_bytes);
        ir_print(m, out);
        fclose(out);
        ir_module *again = ir_parse(a, d, "again", text, text_bytes);
        if (!again || !ir_equal(m, again))
            abort();
        free(text);
        size_t count;
        const char *const *names = passes_pipeline(true, &count);
        pass_options o = {.optimise = true, .dump_level = -1};
        for (size_t i = 0; i < count; i++)
            if (names[i] && !ir_pass_ran(m, names[i]) && !passes_run(a, d, &m, &names[i], 1, &o)) {
                if (diag_exit_code(d) == EXIT_INTERNAL)
                    abort();
                break;
            }
    }
    arena_free(a);
    return 0;
}
