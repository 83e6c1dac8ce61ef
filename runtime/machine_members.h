/* The members of a machine: plain numbers, one for each row of machine.def. Whoever only hands a machine on includes
 * runtime/machine.h, so that a new parameter recompiles what reads parameters alone. */
#ifndef DTQRT_MACHINE_MEMBERS_H
#define DTQRT_MACHINE_MEMBERS_H

#include <stdint.h>

#include "runtime/machine.h"

struct dtq_machine {
    char name[64];
#define MACHINE_INT(section, name, def, lo, hi, unit, doc)  uint64_t section##_##name;
#define MACHINE_REAL(section, name, def, lo, hi, unit, doc) double section##_##name;
#define MACHINE_ENUM(section, name, def, words, doc)        uint64_t section##_##name;
#include "runtime/machine.def"
};

#endif
