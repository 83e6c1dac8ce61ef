/* dtqc analyze --timeline: the schedule as text. */
#ifndef DTQ_CLI_TIMELINE_H
#define DTQ_CLI_TIMELINE_H

#include "frontend/cli/session.h"

/** Whether the options of --timeline fit together; else says what is wrong. */
bool timeline_check(session *s);

/** Prints the timeline of a stream as it ran. */
bool timeline_print(session *s, const dtq_program *p, const dtq_stream *stream, const dtq_event *events);

/** Prints the timelines of a compiled program: of the lengths that --seq names, else of all. */
bool timeline_of_program(session *s, const char *path);

#endif
