/* The members of a layer by name, which JSON and CSV share. Private to codegen/report/. */
#ifndef DTQ_REPORT_MEMBERS_H
#define DTQ_REPORT_MEMBERS_H

#include "codegen/codegen.h"

typedef enum { MEMBER_U32, MEMBER_U64, MEMBER_REAL, MEMBER_BOOL, MEMBER_LIMIT, MEMBER_LIST } member_kind;

/** In which reports a member is: in all, where the arrays compute linears, where a layer streams. */
typedef enum { EVERYWHERE, OF_LINEARS, OF_STREAMED } member_where;

typedef struct {
    const char *object, *name; /* object: "" for a member of the layer itself */
    member_kind kind;
    size_t offset;                            /* in report_layer */
    double (*derived)(const report_layer *l); /* or how it is computed; NULL: it is a member */
    member_where where;
} layer_member;

extern const layer_member layer_members[];
extern const size_t layer_member_count;

bool member_is_there(const report *r, const layer_member *m);
/** The member's value where it is a whole number, and where it is none. */
uint64_t member_whole(const report_layer *l, const layer_member *m);
double member_real(const report_layer *l, const layer_member *m);

#endif
