/* The accelerator's hardware as a module, which is made with Verilator when it is first asked for (runtime/rtl/RTL.md).
 */
#ifndef DTQ_CLI_RTL_MODULE_H
#define DTQ_CLI_RTL_MODULE_H

#include "frontend/cli/session.h"
#include "runtime/rtl/rtl.h"

/** Opens the hardware of a machine; out->close lets it go. The module is kept in the cache. False after an error, such
 *  as that there is no Verilator. */
bool rtl_module_open(session *s, const dtq_machine *m, dtq_rtl *out);

#endif
