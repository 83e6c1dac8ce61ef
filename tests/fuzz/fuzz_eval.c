/* Any bytes as data of dtqc eval: each line is read or refused with an error, and texts stand in the line. The first
 * byte chooses the task. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/cli/eval/task.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (!bytes)
        return 0;
    static const eval_task *const tasks[] = {
#define TASK(id) &eval_task_##id,
#include "frontend/cli/eval/tasks.def"
    };
    arena *a = arena_new();
    diag *d = diag_new(a, NULL);
    const eval_task *task = tasks[data[0] % (sizeof tasks / sizeof *tasks)];
    char *text = arena_strndup(a, (const char *)data + 1, bytes - 1);
    eval_reader r = {.diag = d, .loc = {"fuzz.tsv", 1, 1}};
    char *line = text, *next;
    for (bool first = true; line && task->read; line = next, first = false, r.loc.line++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        size_t errors = diag_count(d, DIAG_ERROR);
        if (first && task->header) {
            if (!columns_name(d, r.loc, line, '\t', &r.columns)) {
                if (diag_count(d, DIAG_ERROR) == errors)
                    fuzz_fail("a header is refused without an error");
                break;
            }
            continue;
        }
        const char *end = line + strlen(line);
        eval_sample s = {0};
        eval_line kind = task->read(&r, line, &s);
        if (kind == EVAL_LINE_BAD && diag_count(d, DIAG_ERROR) == errors)
            fuzz_fail("a line is refused without an error");
        for (size_t i = 0; kind == EVAL_LINE_SAMPLE && i < task->inputs && s.texts[i]; i++)
            if (s.texts[i] < line || s.texts[i] > end)
                fuzz_fail("a text lies outside of its line");
        if (kind == EVAL_LINE_SAMPLE && !isfinite(s.label))
            fuzz_fail("a label is no number");
    }
    arena_free(a);
    return 0;
}
