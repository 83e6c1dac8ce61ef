/* libdtqrt: the functional simulator runtime of dtqc. What a program is, how it is read, checked, printed and run.
 *
 * This header is all that a user's program needs; each subject has one of its own below it. The library needs libc,
 * libm and threads. No function keeps global state, but for the list of temporary and mapped files that signal handlers
 * ask for; a program, once loaded, may be shared between threads. Shapes are row-major; sizes are in elements unless
 * the name says bytes; cycles are of the machine's clock.
 *
 * Every function computes in the default floating-point mode, whatever the caller's: round to nearest, subnormal
 * numbers kept, exceptions masked. The caller's mode, and which exceptions it has met, are as they were when a function
 * returns. What the library calls (dtq_observer, dtq_device) is called in the default mode.
 */
#ifndef DTQRT_H
#define DTQRT_H

#include "runtime/cache.h"
#include "runtime/device/device.h"
#include "runtime/error.h"
#include "runtime/host/abi.h"
#include "runtime/host/model.h"
#include "runtime/isa/instruction.h"
#include "runtime/layer.h"
#include "runtime/machine.h"
#include "runtime/machine_members.h"
#include "runtime/numerics/numerics.h"
#include "runtime/open_weights.h"
#include "runtime/program.h"
#include "runtime/run.h"
#include "runtime/schemes/scheme.h"
#include "runtime/sim/layout.h"
#include "runtime/weights/file.h"
#include "runtime/weights/tensor.h"

#endif
