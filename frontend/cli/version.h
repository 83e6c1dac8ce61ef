/* Which dtqc this is. */
#ifndef DTQ_CLI_VERSION_H
#define DTQ_CLI_VERSION_H

typedef struct {
    const char *version; /* the project's, of CMakeLists.txt */
    const char *commit;  /* "" if it was not built from a repository */
    const char *llvm;    /* that its module for host code is linked to */
} dtqc_build;
extern const dtqc_build dtqc_this;

#endif
