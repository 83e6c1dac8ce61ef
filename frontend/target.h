/* Targets: machines that programs are made for, and systems to compare them with. */
#ifndef DTQ_FRONTEND_TARGET_H
#define DTQ_FRONTEND_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "runtime/machine.h"
#include "runtime/systems/systems.h"

/** A kind of target: the word behind `kind:`, its parameters, and where they are read to: a struct at its defaults. */
typedef struct {
    const char *name;
    const dtq_machine_param *params;
    size_t param_count;
    void *out;
} target_kind;
/** Reads a target file of any of these kinds; *kind says which, and the name goes to the arena. What a file says
 * wrongly of its kind is answered by `kinds_hint`, "kind must be …". */
bool target_read(arena *a, diag *d, const char *path, const target_kind *kinds, size_t kind_count,
                 const char *kinds_hint, size_t *kind, const char **name);
/** Writes the YAML of a target of that kind, which target_read reads back. */
void target_write(const target_kind *k, const char *name, FILE *out);

/** A target: a machine that programs are made for, or a system that computes attention in a way of its own. */
typedef struct {
    const char *name, *kind; /* kind: "vssa", "systolic", or a row of runtime/systems/systems.def */
    bool is_machine;         /* vssa or systolic: `machine` holds, else `params` of `system` */
    bool cluster;            /* vssa alone: tokens of one precision stand together */
    dtq_machine *machine;    /* in the arena; of a system: the default one, with the system's name and clock */
    dtq_system_kind system;
    dtq_system_params params;
} any_target;
/** Reads a target file of any kind: every key of runtime/machine.def or of the system's table, by its section; missing
 *  ones get their defaults. */
bool target_load(arena *a, diag *d, const char *path, any_target *out);
/** Writes all of its parameters, with units and docs as comments, as YAML that target_load reads back. */
void target_print(const any_target *t, FILE *out);

#endif
