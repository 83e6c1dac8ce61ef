/* The members of a layer, from layer_members.def. */
#include "codegen/report/members.h"

#include "codegen/report/format.h"

static double report_attention_cycles(const report_layer *l) {
    return l->cycles - l->linear_cycles;
}

static double report_near_bits(const report_layer *l) {
    return l->streaming.near_bits;
}

static double report_far_bits(const report_layer *l) {
    return l->streaming.far_bits;
}

#define ROW(object, name, kind, member, where)                                                                         \
    {object, name, MEMBER_##kind, offsetof(report_layer, member), NULL, where},
#define MATMUL_ROWS(object, member, where)                                                                             \
    ROW(object, "iterations", REAL, member.iterations, where)                                                          \
    ROW(object, "stalled_iterations", REAL, member.stalled_iterations, where)                                          \
    ROW(object, "stall_ratio_mean", REAL, member.stall_ratio_mean, where)                                              \
    ROW(object, "step_cycles", REAL, member.step_cycles, where)                                                        \
    ROW(object, "cycles", REAL, member.cycles, where)                                                                  \
    ROW(object, "bound_cycles", REAL, member.bound_cycles, where)                                                      \
    ROW(object, "tile_bound_cycles", REAL, member.tile_bound_cycles, where)

#define MEMBER(object, name, kind, member)          ROW(object, name, kind, member, EVERYWHERE)
#define DERIVED(object, name, function)             {object, name, MEMBER_REAL, 0, function, EVERYWHERE},
#define LIST(name)                                  {"", name, MEMBER_LIST, 0, NULL, EVERYWHERE},
#define MATMUL(object, member)                      MATMUL_ROWS(object, member, EVERYWHERE)
#define LINEAR_MATMUL(object, member)               MATMUL_ROWS(object, member, OF_LINEARS)
#define LINEAR_MEMBER(object, name, kind, member)   ROW(object, name, kind, member, OF_LINEARS)
#define STREAMED_MEMBER(object, name, kind, member) ROW(object, name, kind, member, OF_STREAMED)
#define STREAMED_DERIVED(object, name, function)    {object, name, MEMBER_REAL, 0, function, OF_STREAMED},
#define LINEAR_DERIVED(object, name, function)      {object, name, MEMBER_REAL, 0, function, OF_LINEARS},
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

bool member_is_there(const report *r, const layer_member *m) {
    bool streams = false;
    for (size_t i = 0; i < r->layer_count; i++)
        streams = streams || r->layers[i].streaming.window;
    return m->where == EVERYWHERE || (m->where == OF_LINEARS ? r->linears : streams);
}
