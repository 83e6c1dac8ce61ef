/* Names of what generated host code exports and of the files it is written to. */
#include <string.h>

#include "frontend/cli/host/emit_host.h"

/* Words that a C identifier with external linkage cannot be. */
static const char *const taken[] = {
    "auto",   "break",  "case",     "char",     "const",    "continue", "default",  "do",     "double",
    "else",   "enum",   "extern",   "float",    "for",      "goto",     "if",       "inline", "int",
    "long",   "main",   "register", "restrict", "return",   "short",    "signed",   "sizeof", "static",
    "struct", "switch", "typedef",  "union",    "unsigned", "void",     "volatile", "while",
};

static bool is_taken(const char *name) {
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0)
            return true;
    return false;
}

/* What a character of an identifier may be, in the C locale. */
static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool host_name_is_good(const char *name) {
    if (!is_letter(*name) || is_taken(name))
        return false;
    while (is_letter(*name) || (*name >= '0' && *name <= '9'))
        name++;
    return *name == '\0';
}

const char *host_name_from(arena *a, const char *text) {
    const char *slash = strrchr(text, '/');
    const char *stem = slash ? slash + 1 : text;
    const char *dot = strrchr(stem, '.');
    char *name = arena_printf(a, "%.*s", (int)(dot && dot > stem ? (size_t)(dot - stem) : strlen(stem)), stem);
    for (char *c = name; *c; c++)
        if (!is_letter(*c) && (*c < '0' || *c > '9'))
            *c = '_';
    if (!is_letter(*name))
        return arena_printf(a, "model_%s", name);
    return is_taken(name) ? arena_printf(a, "%s_", name) : name;
}

const char *host_header_path(arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *stem = slash ? slash + 1 : path, *dot = strrchr(stem, '.');
    size_t n = dot && dot > stem ? (size_t)(dot - path) : strlen(path);
    return arena_printf(a, "%.*s.h", (int)n, path);
}
