/* Reports that outlive what they were made of. */
#include <string.h>

#include "codegen/report/critical.h"
#include "runtime/machine_members.h"

static void *copied(arena *a, const void *from, size_t bytes) {
    void *to = arena_alloc(a, bytes);
    if (bytes > 0)
        memcpy(to, from, bytes);
    return to;
}

report *report_copy(arena *a, const report *r) {
    report *out = copied(a, r, sizeof *r);
    out->model = arena_strdup(a, r->model);
    dtq_machine *machine = copied(a, r->machine, sizeof *machine);
    out->machine = machine;
    out->target = r->target ? arena_strdup(a, r->target) : NULL;
    out->module = NULL;
    out->critical = r->critical ? critical_copy(a, r->critical, r->layer_count) : NULL;
    out->layers = copied(a, r->layers, r->layer_count * sizeof *r->layers);
    for (size_t i = 0; i < r->layer_count; i++) {
        const report_layer *l = &r->layers[i];
        const report_layer *before = i > 0 ? &out->layers[i - 1] : NULL;
        const size_t bytes = l->segment_count * sizeof *l->segments;
        const bool again = before && before->segment_count == l->segment_count &&
                           (bytes == 0 || memcmp(before->segments, l->segments, bytes) == 0);
        out->layers[i].segments = again ? before->segments : copied(a, l->segments, bytes);
    }
    const diag_entry **remarks = ARENA_ARRAY(a, const diag_entry *, r->remark_count);
    for (size_t i = 0; i < r->remark_count; i++) {
        diag_entry *e = copied(a, r->remarks[i], sizeof *e);
        e->message = arena_strdup(a, e->message);
        e->loc.file = e->loc.file ? arena_strdup(a, e->loc.file) : NULL;
        remarks[i] = e;
    }
    out->remarks = remarks;
    return out;
}
