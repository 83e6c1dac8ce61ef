/* Modules of dtqc. */
#include "frontend/cli/module.h"

#include <dlfcn.h>
#include <string.h>

void (*module_load(arena *a, const char *path, const char *entry, bool global, const char **why))(void) {
    void *module = dlopen(path, RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL));
    if (!module) {
        const char *said = dlerror();
        const size_t n = strlen(path); /* it begins with the path, too */
        *why = !said                                           ? "cannot be loaded: no reason is known"
               : strncmp(said, path, n) == 0 && said[n] == ':' ? arena_printf(a, "cannot be loaded: %s", said + n + 2)
                                                               : arena_printf(a, "cannot be loaded: %s", said);
        return NULL;
    }
    const char *interface = dlsym(module, DTQ_INTERFACE_SYMBOL);
    if (!interface || strcmp(interface, dtq_interface) != 0) {
        *why = "is of another build than this dtqc; build or install both together";
        return NULL;
    }
    void *symbol = dlsym(module, entry);
    void (*function)(void) = NULL;
    memcpy(&function, &symbol, sizeof function); /* what dlsym is for, but not ISO C */
    if (!function)
        *why = arena_printf(a, "is another module: it has no %s", entry);
    return function;
}
