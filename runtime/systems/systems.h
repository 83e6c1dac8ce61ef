/* Other attention accelerators than variable-speed systolic arrays: kinds and parameters. What attention computes on
 * them is in runtime/numerics/, what it takes in codegen/systems/, whose SYSTEMS.md has the sources. */
#ifndef DTQRT_SYSTEMS_H
#define DTQRT_SYSTEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/machine.h"
#include "runtime/schemes/scheme.h"

typedef enum {
#define SYSTEM(id, doc) DTQ_SYSTEM_##id,
#include "runtime/systems/systems.def"
    DTQ_SYSTEM_KINDS
} dtq_system_kind;

#define SYSTEM_INT(section, name, def, lo, hi, unit, doc)  uint64_t section##_##name;
#define SYSTEM_REAL(section, name, def, lo, hi, unit, doc) double section##_##name;
#define SYSTEM_WORD(section, name, def, last, words, doc)  uint64_t section##_##name;
typedef struct {
#include "runtime/systems/common.def"
} dtq_system_common;
typedef struct {
#include "runtime/systems/eyeriss/eyeriss.def"
} dtq_system_eyeriss;
typedef struct {
#include "runtime/systems/spatten/spatten.def"
} dtq_system_spatten;
typedef struct {
#include "runtime/systems/a3/a3.def"
} dtq_system_a3;
typedef struct {
#include "runtime/systems/mnnfast/mnnfast.def"
} dtq_system_mnnfast;
#undef SYSTEM_INT
#undef SYSTEM_REAL
#undef SYSTEM_WORD

/** Parameters of a system. Every kind begins with the common ones. */
typedef union {
    dtq_system_common common;
#define SYSTEM(id, doc) dtq_system_##id id;
#include "runtime/systems/systems.def"
} dtq_system_params;

/** A kind of system: the word behind `kind:`, and its parameters, which lie at their offsets in a dtq_system_params. */
typedef struct {
    const char *name, *doc;
    const dtq_machine_param *params;
    size_t param_count;
} dtq_system_info;
extern const dtq_system_info dtq_system_table[DTQ_SYSTEM_KINDS];

/** All parameters of `kind` at their defaults. */
void dtq_system_init(dtq_system_kind kind, dtq_system_params *out);

/** The scheme of arithmetic that a program for the system carries: all of its parameters, so that the program alone
 * says what it computes and what that takes. */
dtq_scheme dtq_system_scheme(dtq_system_kind kind, const dtq_system_params *p);
/** Its inverse; false for schemes that are no system's. */
bool dtq_scheme_system(const dtq_scheme *s, dtq_system_kind *kind, dtq_system_params *p);
bool dtq_scheme_is_system(const dtq_scheme *s);
/** Whether a system with these parameters has arithmetic that is computed (runtime/systems/compared.c): widths of 2 to
 *  16 bits, and a cascade of its own. */
bool dtq_system_computes(dtq_system_kind kind, const dtq_system_params *p, dtq_error *e);

#endif
