/* A space of designs: axes of choices for keys of target and policy, and what a point must keep to. A file says it:
 *
 *   vssa.rows: [8, 11, 16, 18]                        choices, of any form that the key takes
 *   buffers.*: {from: 16 KiB, to: 4 MiB, times: 2}    from, from * 2, from * 4 ... up to `to`; all keys alike
 *   dram.gb_per_s: {from: 64, to: 512, step: 64}      the same by steps
 *   layers.1-5.ratios: {step: .05, 0: [0, .5]}        all shares of 0, 4 and 8 bits on a grid, within bounds; tied
 * layers layers.1-5.counts: {step: 8, tokens: 128}         the same as numbers of tokens importance: [previous, {rule:
 * probe, per: head}] target: [dtqatten, mine.yaml]                     the whole file constraints: [area_mm2 <= 1.5,
 * loss <= fp32 + .01]
 */
#ifndef DTQ_EXPLORE_SPACE_H
#define DTQ_EXPLORE_SPACE_H

#include "frontend/files/document.h"
#include "frontend/files/edit.h"

enum { AXES_MOST = 256, CONSTRAINTS_MOST = 32, AXIS_VALUES_MOST = 100000 };

typedef enum {
    AXIS_TARGET,     /* names or files of targets */
    AXIS_POLICY,     /* of policies */
    AXIS_TARGET_KEY, /* values of a key */
    AXIS_POLICY_KEY,
} axis_kind;

/** How the values of an axis lie to each other. */
typedef enum {
    AXIS_CHOICES, /* each as far from all others */
    AXIS_NUMBERS, /* ascending numbers, by their order */
    AXIS_SHARES,  /* of 0, 4 and 8 bits */
} axis_form;

typedef struct {
    const char *key;  /* as the file says it */
    const char *path; /* of the change, without target. or policy. */
    src_loc loc;
    axis_kind kind;
    axis_form form;
    size_t count;
    const doc_node **values; /* [count] */
    const char **texts;      /* [count] as tables show them */
    double (*shares)[3];     /* [count] of AXIS_SHARES */
} axis;

typedef enum { BOUND_MOST, BOUND_BELOW, BOUND_LEAST, BOUND_ABOVE } bound_kind;

/** `metric <= value`; or, if `relative`, value more than what float32 has. */
typedef struct {
    const char *metric, *text;
    src_loc loc;
    bound_kind kind;
    bool relative;
    double value;
} constraint;

typedef struct {
    size_t count, constraint_count;
    axis axes[AXES_MOST];
    constraint constraints[CONSTRAINTS_MOST];
} space;

/** Whose key a path begins with, moved past a prefix that says so; AXIS_TARGET_KEY or AXIS_POLICY_KEY. False after an
 *  error. */
typedef bool space_owner(void *context, diag *d, src_loc loc, const char **path, axis_kind *out);

/** Reads a space. NULL after an error. */
space *space_load(arena *a, diag *d, const char *path, space_owner *owner, void *context);
/** Adds an axis of shares on a grid of `step` for a path of policies. */
bool space_add_shares(arena *a, diag *d, space *s, const char *path, double step);

/** Points of the grid, or UINT64_MAX if they are more than that. */
uint64_t space_size(const space *s);
/** The point of that number, [s->count] indices into the axes' values; the last axis turns fastest. */
void space_point(const space *s, uint64_t number, uint32_t *out);
/** The changes that a point makes to the document of `kind` (a key's); memory for s->count of them. */
size_t space_edits(const space *s, const uint32_t *point, axis_kind kind, doc_edit *out);

/** Whether a value keeps to a constraint; `fp32`: what a relative one counts from. Not if it is no number. */
bool constraint_holds(const constraint *c, double value, double fp32);

#endif
