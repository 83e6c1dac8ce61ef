/* allocate-buffers: gives every buffer an address in its space.
 *
 * On chip, the buffers of one space and section (an attention, or a linear on the arrays) have (nearly) one size and
 * live in the order in which they are made, so a space is cut into slots of that size which are used round robin: a new
 * buffer takes the memory that was used longest ago, and the next section's loads do not wait for the memory that the
 * current one still works on. DRAM is a linear
 * scan with first fit over the regions that are live. */
#include <stdlib.h>
#include <string.h>

#include "passes/instr.h"
#include "passes/pass_list.h"
#include "passes/spaces.h"

typedef struct {
    size_t def, first, last; /* op indices: the buffer op, first and last use */
    uint64_t bytes, address;
    int space;
    uint32_t layer, section;
} live_range;

/** Whether an instruction begins a section: the host's first of a probe, an attention, or a linear on the arrays. */
static bool begins_section(const ir_module *m, size_t op, unsigned operand_key) {
    const ir_opcode code = (ir_opcode)m->ops[op].code;
    return code == IR_I_CODES || code == IR_I_PROBE_CODES ||
           (code == IR_I_QUANT && ir_str(m, op, operand_key)[0] == 'q');
}

static live_range *live_ranges(pass_context *ctx, const ir_module *m, size_t *count, uint32_t *sections) {
    unsigned layer_key = (unsigned)ir_key_find("layer", 5), operand_key = (unsigned)ir_key_find("operand", 7);
    live_range *ranges = ARENA_ARRAY(ctx->arena, live_range, m->value_count + 1);
    *count = m->value_count;
    for (size_t v = 0; v < m->value_count; v++) {
        size_t def = m->defs[v];
        ranges[v] = (live_range){.def = def,
                                 .first = SIZE_MAX,
                                 .bytes = (uint64_t)ir_int(m, def, IR_KEY_bytes, 0),
                                 .space = space_find(ir_str(m, def, IR_KEY_space))};
    }
    *sections = 0;
    for (size_t op = 0; op < m->op_count; op++) {
        *sections += begins_section(m, op, operand_key);
        for (size_t i = 0; i < m->ops[op].operand_count; i++) {
            ir_value v = ir_operand(m, op, i);
            if (v == IR_NONE || !ir_is_instr((ir_opcode)m->ops[op].code))
                continue;
            if (ranges[v].first == SIZE_MAX) {
                ranges[v].first = op;
                ranges[v].layer = (uint32_t)ir_int(m, op, layer_key, 0);
                ranges[v].section = *sections;
            }
            ranges[v].last = op;
        }
    }
    return ranges;
}

/* ---- on chip ----------------------------------------------------------------------------------------------------- */

/** Slots of one space during one section. */
typedef struct {
    uint64_t bytes, stride, count, next; /* bytes: the largest block */
    size_t *busy_until;                  /* op index of the last use of what a slot holds */
    size_t capacity;                     /* of busy_until */
    uint32_t section;
    bool started;
} slot_ring;

static bool enter_section(pass_context *ctx, const ir_module *m, slot_ring *ring, int space, const uint64_t *largest,
                          const live_range *r) {
    uint64_t end = ring->started ? ring->next * ring->stride : 0; /* first byte after the last slot handed out */
    uint64_t capacity = space_capacity(m->machine, space);
    ring->bytes = largest[r->section];
    ring->stride = buffer_stride(largest[r->section], capacity);
    ring->count = buffer_fit(largest[r->section], capacity);
    if (!ring->count)
        return diag_error(ctx->diag, m->ops[r->def].loc,
                          "layer %u does not fit: a block of %llu bytes in buffers.%s, which has %llu", r->layer,
                          (unsigned long long)largest[r->section], space_name(space), (unsigned long long)capacity);
    ring->next = (end + ring->stride - 1) / ring->stride;
    ring->section = r->section;
    ring->started = true;
    if (ring->count > ring->capacity) {
        ring->capacity = ring->count < 65536 ? ring->count : 65536;
        ring->busy_until = ARENA_ARRAY(ctx->arena, size_t, ring->capacity);
    }
    if (ring->count > ring->capacity)
        ring->count = ring->capacity;
    memset(ring->busy_until, 0, ring->capacity * sizeof *ring->busy_until);
    return true;
}

static bool take_slot(pass_context *ctx, const ir_module *m, slot_ring *ring, live_range *r) {
    for (uint64_t tried = 0; tried < ring->count; tried++) {
        uint64_t slot = ring->next >= ring->count ? 0 : ring->next;
        ring->next = slot + 1;
        if (ring->busy_until[slot] > r->first)
            continue;
        ring->busy_until[slot] = r->last;
        r->address = slot * ring->stride;
        return true;
    }
    return diag_error(ctx->diag, m->ops[r->def].loc,
                      "layer %u needs more than %llu blocks of %llu bytes at once in buffers.%s, which has %llu bytes",
                      r->layer, (unsigned long long)ring->count, (unsigned long long)ring->bytes, space_name(r->space),
                      (unsigned long long)space_capacity(m->machine, r->space));
}

static bool allocate_on_chip(pass_context *ctx, const ir_module *m, live_range *ranges, size_t count,
                             uint32_t sections) {
    uint64_t *largest[SPACES];
    slot_ring rings[SPACES] = {{0}};
    for (int s = 0; s < SPACES; s++)
        largest[s] = ARENA_ARRAY(ctx->arena, uint64_t, sections + 1);
    for (size_t v = 0; v < count; v++) {
        const live_range *r = &ranges[v];
        if (r->space != SPACE_DRAM && r->first != SIZE_MAX && r->bytes > largest[r->space][r->section])
            largest[r->space][r->section] = r->bytes;
    }
    for (size_t v = 0; v < count; v++) { /* values are numbered in the order of their first use */
        live_range *r = &ranges[v];
        if (r->space == SPACE_DRAM || r->first == SIZE_MAX)
            continue;
        slot_ring *ring = &rings[r->space];
        if ((!ring->started || ring->section != r->section) &&
            !enter_section(ctx, m, ring, r->space, largest[r->space], r))
            return false;
        if (!take_slot(ctx, m, ring, r))
            return false;
    }
    return true;
}

/* ---- DRAM -------------------------------------------------------------------------------------------------------- */

static int by_first_use(const void *a, const void *b) {
    const live_range *x = *(const live_range *const *)a, *y = *(const live_range *const *)b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/** Inputs are there before the program starts, outputs and the regions of layers after it ends. */
static void pin_named(const ir_module *m, live_range *ranges, size_t count) {
    for (size_t v = 0; v < count; v++)
        if (ranges[v].space == SPACE_DRAM && ir_str(m, ranges[v].def, IR_KEY_name)) {
            ranges[v].first = 0;
            ranges[v].last = m->op_count;
        }
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_LAYER)
            for (size_t i = 0; i < m->ops[op].operand_count; i++) {
                ranges[ir_operand(m, op, i)].first = 0;
                ranges[ir_operand(m, op, i)].last = m->op_count;
            }
}

static void allocate_dram(pass_context *ctx, const ir_module *m, live_range *ranges, size_t count) {
    live_range **order = ARENA_ARRAY(ctx->arena, live_range *, count + 1),
               **live = ARENA_ARRAY(ctx->arena, live_range *, count + 1);
    size_t n = 0, live_count = 0;
    pin_named(m, ranges, count);
    for (size_t v = 0; v < count; v++)
        if (ranges[v].space == SPACE_DRAM && ranges[v].first != SIZE_MAX)
            order[n++] = &ranges[v];
    qsort(order, n, sizeof(live_range *), by_first_use);
    for (size_t i = 0; i < n; i++) {
        live_range *r = order[i];
        size_t kept = 0;
        for (size_t j = 0; j < live_count;
             j++) /* an operand may die where a result is born, but not share its memory */
            if (live[j]->last >= r->first)
                live[kept++] = live[j];
        live_count = kept;
        uint64_t at = 0, need = (r->bytes + 63) / 64 * 64;
        size_t place = 0;
        while (place < live_count && live[place]->address < at + need) {
            at = (live[place]->address + live[place]->bytes + 63) / 64 * 64;
            place++;
        }
        r->address = at;
        memmove(&live[place + 1], &live[place], (live_count - place) * sizeof(live_range *));
        live[place] = r;
        live_count++;
    }
}

static bool allocate(pass_context *ctx, ir_module *m) {
    size_t count;
    uint32_t sections;
    live_range *ranges = live_ranges(ctx, m, &count, &sections);
    if (!allocate_on_chip(ctx, m, ranges, count, sections))
        return false;
    allocate_dram(ctx, m, ranges, count);
    for (size_t v = 0; v < count; v++)
        if (ranges[v].first != SIZE_MAX)
            ir_set_new_ints(m, ranges[v].def, &(const unsigned){IR_KEY_address},
                            &(const int64_t){(int64_t)ranges[v].address}, 1);
    return true;
}

bool pass_allocate_buffers(pass_context *ctx, ir_module **module) {
    pass_context inner = *ctx;
    inner.arena = arena_new(); /* nothing of this stays */
    const bool good = allocate(&inner, *module);
    arena_free(inner.arena);
    return good;
}
