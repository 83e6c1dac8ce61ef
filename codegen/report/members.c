/* The members of a layer, from layer_members.def. */
#include "codegen/report/members.h"

#include "codegen/report/format.h"

static double report_attention_cycles(const report_layer *l) {
    return l->cycles - l->linear_cycles;
}

#define ROW(object, name, kind, member, linears)                                                                       \
    {object, name, MEMBER_##kind, offsetof(report_layer, member), NULL, linears},
#define MATMUL_ROWS(object, member, linears)                                                                           \
    ROW(object, "iterations", REAL, member.iterations, linears)                                                        \
    ROW(object, "stalled_iterations", REAL, member.stalled_iterations, linears)                                        \
    ROW(object, "stall_ratio_mean", REAL, member.stall_ratio_mean, linears)                                            \
    ROW(object, "step_cycles", REAL, member.step_cycles, linears)                                                      \
    ROW(object, "cycles", REAL, member.cycles, linears)                                                                \
    ROW(object, "bound_cycles", REAL, member.bound_cycles, linears)                                                    \
    ROW(object, "tile_bound_cycles", REAL, member.tile_bound_cycles, linears)

#define MEMBER(object, name, kind, member)        ROW(object, name, kind, member, false)
#define DERIVED(object, name, function)           {object, name, MEMBER_REAL, 0, function, false},
#define LIST(name)                                {"", name, MEMBER_LIST, 0, NULL, false},
#define MATMUL(object, member)                    MATMUL_ROWS(object, member, false)
#define LINEAR_MATMUL(object, member)             MATMUL_ROWS(object, member, true)
#define LINEAR_MEMBER(object, name, kind, member) ROW(object, name, kind, member, true)
#define LINEAR_DERIVED(object, name, function)    {object, name, MEMBER_REAL, 0, function, true},
const layer_member layer_members[] = {
#include "codegen/report/layer_members.def"
};
const size_t layer_member_count = sizeof layer_members / sizeof *layer_members;

uint64_t member_whole(const report_layer *l, const layer_member *m) {
    const void *at = (const char *)l + m->offset;
    return m->kind == MEMBER_U32 ? *(const uint32_t *)at : *(const uint64_t *)at;
}

double member_real(const report_layer *l, const layer_member *m) {
    return m->derived ? m->derived(l) : *(const double *)(const void *)((const char *)l + m->offset);
}
