# Writes interface.c, the hash of all declarations that dtqc and its modules share, and version.c. Neither is touched if it
# would be the same.
# cmake -DSOURCE=DIR -DOUT=DIR -DVERSION=0.1.0 -DLLVM=19.1.7 -P interface.cmake
file(GLOB_RECURSE headers RELATIVE ${SOURCE} ${SOURCE}/runtime/*.h ${SOURCE}/runtime/*.def ${SOURCE}/ir/*.h ${SOURCE}/ir/*.def
  ${SOURCE}/codegen/host/*.h ${SOURCE}/frontend/explore/*.h)
list(APPEND headers frontend/cli/ranks.h)
list(SORT headers)
set(all "")
foreach(header ${headers})
  file(SHA256 ${SOURCE}/${header} hash)
  string(APPEND all "${header} ${hash}\n")
endforeach()
string(SHA256 hash "${all}")
file(CONFIGURE OUTPUT ${OUT}/interface.c @ONLY CONTENT [[/* Made by frontend/cli/interface.cmake. */
extern const char dtq_interface[];
const char dtq_interface[] = "@hash@";
]])
set(commit "")
if(EXISTS ${SOURCE}/.git)
  execute_process(COMMAND git -C ${SOURCE} rev-parse --short=10 HEAD OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT ${OUT}/version.c @ONLY CONTENT [[/* Made by frontend/cli/interface.cmake. */
#include "frontend/cli/version.h"

const dtqc_build dtqc_this = {.version = "@VERSION@", .commit = "@commit@", .llvm = "@LLVM@"};
]])
