/* How long the phases of a command take, for --time. */
#ifndef DTQ_CLI_PHASES_H
#define DTQ_CLI_PHASES_H

#include <stdio.h>

enum { PHASES_MOST = 16 };

typedef struct {
    double begun, last; /* milliseconds of a monotonic clock */
    size_t count;
    struct {
        const char *name; /* a literal */
        double ms;
    } list[PHASES_MOST];
} phases;

/** Milliseconds of the monotonic clock. */
double phases_now(void);
/** Starts the clock. */
void phases_begin(phases *p);
/** Ends the phase `name`, which began when the one before it ended. A name that is there already is added to. */
void phase_end(phases *p, const char *name);
void phases_print(const phases *p, FILE *out);

#endif
