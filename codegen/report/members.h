/* The members of a layer by name, which JSON and CSV share. Private to codegen/report/. */
#ifndef DTQ_REPORT_MEMBERS_H
#define DTQ_REPORT_MEMBERS_H

#include "codegen/codegen.h"

typedef enum { MEMBER_U32, MEMBER_U64, MEMBER_REAL, MEMBER_BOOL, MEMBER_LIMIT, MEMBER_LIST } member_kind;

typedef struct {
    const char *object, *name; /* object: "" for a member of the layer itself */
    member_kind kind;
    size_t offset;                            /* in report_layer */
    double (*derived)(const report_layer *l); /* or how it is computed; NULL: it is a member */
    bool of_linears;                          /* there only if the arrays compute linears */
} layer_member;

extern const layer_member layer_members[];
extern const size_t layer_member_count;

/** The member's value where it is a whole number, and where it is none. */
uint64_t member_whole(const report_layer *l, const layer_member *m);
double member_real(const report_layer *l, const layer_member *m);

#endif
