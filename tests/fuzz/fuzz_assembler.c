/* Any text: assembled or refused; what is assembled disassembles to text that assembles again. */
#include <stdlib.h>

#include "runtime/dtqrt.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    dtq_program *p, *again;
    dtq_error e;
    if (!dtq_assemble("fuzz", (const char *)data, bytes, &p, &e))
        return 0;
    char *text;
    size_t text_bytes;
    FILE *out = open_memstream(&text, &text_bytes);
    bool printed = dtq_disassemble(p, out, &e);
    fclose(out);
    if (printed) {
        if (!dtq_assemble("again", text, text_bytes, &again, &e))
            abort();
        dtq_program_free(again);
    }
    free(text);
    dtq_program_free(p);
    return 0;
}
