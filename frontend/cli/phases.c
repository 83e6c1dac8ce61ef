/* How long the phases of a command take. */
#include "frontend/cli/phases.h"

#include <string.h>
#include <time.h>

double phases_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

void phases_begin(phases *p) {
    *p = (phases){0};
    p->begun = p->last = phases_now();
}

void phase_end(phases *p, const char *name) {
    double now = phases_now();
    size_t i = 0;
    while (i < p->count && strcmp(p->list[i].name, name) != 0)
        i++;
    if (i == p->count && p->count < PHASES_MOST)
        p->list[p->count++].name = name;
    if (i < p->count)
        p->list[i].ms += now - p->last;
    p->last = now;
}

void phases_print(const phases *p, FILE *out) {
    fprintf(out, "%-20s %10s\n", "phase", "ms");
    for (size_t i = 0; i < p->count; i++)
        fprintf(out, "%-20s %10.3f\n", p->list[i].name, p->list[i].ms);
    fprintf(out, "%-20s %10.3f\n", "total", p->last - p->begun);
}
