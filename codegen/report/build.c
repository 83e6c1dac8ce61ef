/* The static report of a module: one walk over its layers, whose matmuls are priced whole, and one over its
 * instructions, whose timeline says what the schedule makes of them. REPORT.md defines every number. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/report/counters.h"
#include "codegen/report/format.h"
#include "codegen/report/occupancy.h"
#include "codegen/report/price.h"
#include "runtime/machine_members.h"

const char *report_limit_name(report_limit l) {
    static const char *const names[] = {
        [LIMIT_ARRAY] = "array", [LIMIT_SOFTMAX] = "softmax", [LIMIT_DMA] = "dma",
        [LIMIT_TOPK] = "topk",   [LIMIT_LATENCY] = "latency", [LIMIT_DEPENDENCIES] = "dependencies"};
    return names[l];
}

report_limit report_main_limit(const report *r, double *share) {
    double cycles[LIMIT_COUNT] = {0};
    int most = 0;
    for (size_t i = 0; i < r->layer_count; i++)
        cycles[r->layers[i].limit] += r->layers[i].cycles;
    for (int i = 0; i < LIMIT_COUNT; i++)
        most = cycles[i] > cycles[most] ? i : most;
    *share = r->cycles > 0 ? cycles[most] / r->cycles : 0;
    return (report_limit)most;
}

/** What the walk over the instructions gathers for one layer. */
typedef struct {
    counters counted;
    uint64_t busy[DTQ_ARRAY0];                 /* of the fixed engines */
    uint64_t *array_busy;                      /* [arrays] */
    uint64_t *qk_busy, *pv_busy, *linear_busy; /* [arrays] */
    uint64_t start, end;
    bool any;
    uint32_t key_block;    /* the most keys of one Q.K^T instruction */
    double linear_work;    /* PE-cycles of its linears, at the precisions that the policy asks for */
    uint64_t linear_tiles; /* cycles of one array that they take at least in whole tiles */
} layer_sums;

/** An attention or the linears between two of them, in the order of the list. */
typedef struct {
    uint32_t layer;
    bool linears, any;
    uint64_t end;
} section;

/** The attributes of an instruction that reports look at. */
typedef enum {
    A_QUEUE,
    A_START,
    A_BUSY,
    A_DONE,
    A_LAYER,
    A_ROW,
    A_ROWS,
    A_COL,
    A_COLS,
    A_DEPTH,
    A_NUMBERS,
    A_OPERAND = A_NUMBERS,
    A_SELECT,
    A_TURNED,
    A_SERPENTINE,
    A_SOURCE,
    A_WEIGHT,
    A_COUNT
} attr_slot;

typedef struct {
    int64_t number[A_NUMBERS]; /* -1: not there */
    const char *word[A_COUNT - A_NUMBERS];
} instr_attrs;

typedef struct {
    arena *arena;
    diag *diag;
    const ir_module *module;
    const dtq_machine *machine;
    cost_model *cost;
    layer_facts *facts;
    layer_sums *sums;
    size_t layer_count;
    uint8_t *slot_of; /* [keys]: attr_slot + 1, 0 for keys of no interest */
    occupancy *work;
    const dtq_event *events; /* of the instruction that comes next; NULL: times are the module's */
    section section;         /* under way */
    uint64_t before;         /* end of the sections before it */
    report *report;
} builder;

/** Maps attribute keys to slots, so that an instruction's attributes are read in one pass over them. */
static void map_keys(builder *b) {
    static const char *const names[A_COUNT] = {[A_QUEUE] = "queue",     [A_START] = "start",
                                               [A_BUSY] = "busy",       [A_DONE] = "done",
                                               [A_LAYER] = "layer",     [A_ROW] = "row",
                                               [A_ROWS] = "rows",       [A_COL] = "col",
                                               [A_COLS] = "cols",       [A_DEPTH] = "depth",
                                               [A_OPERAND] = "operand", [A_SELECT] = "select",
                                               [A_TURNED] = "turned",   [A_SERPENTINE] = "serpentine",
                                               [A_SOURCE] = "source",   [A_WEIGHT] = "weight"};
    b->slot_of = arena_alloc(b->arena, ir_key_count());
    for (int i = 0; i < A_COUNT; i++) {
        int key = ir_key_find(names[i], strlen(names[i]));
        if (key >= 0)
            b->slot_of[key] = (uint8_t)(i + 1);
    }
}

static instr_attrs read_attrs(const builder *b, const ir_op *op) {
    instr_attrs out;
    memset(out.number, -1, sizeof out.number);
    memset(out.word, 0, sizeof out.word);
    const ir_attr *attrs = b->module->attrs + op->attrs;
    for (unsigned i = 0; i < op->attr_count; i++) {
        unsigned slot = b->slot_of[attrs[i].key];
        if (slot > A_NUMBERS)
            out.word[slot - 1 - A_NUMBERS] = attrs[i].s;
        else if (slot > 0)
            out.number[slot - 1] = attrs[i].i;
    }
    return out;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/** Slots of an operand that run above the precision their token was chosen for (P: above what prob_bits gives it). */
static uint32_t count_promoted(const builder *b, const layer_facts *l, dtq_operand operand) {
    const ir_attr *segments = ir_get(b->module, l->op, IR_KEY_segments);
    uint32_t promoted = 0, slot = 0;
    bool by_token = operand != DTQ_P || b->machine->top_prob_bits == DTQ_PROB_ROW;
    for (uint32_t run = 0; segments && run < segments->count; run++) {
        uint8_t chosen = (uint8_t)segments->runs[run].value;
        if (!by_token)
            chosen = b->machine->top_prob_bits == DTQ_PROB_8 ? 8 : 4;
        for (int64_t i = 0; i < segments->runs[run].count && slot < l->slots; i++, slot++)
            promoted += l->bits[operand][slot] > chosen;
    }
    return promoted;
}

/** Everything about a layer that does not depend on the schedule. */
static void describe_layer(builder *b, uint32_t index) {
    const ir_module *m = b->module;
    const layer_facts *l = &b->facts[index];
    report_layer *out = &b->report->layers[index];
    *out = (report_layer){.index = index,
                          .tokens = l->slots,
                          .pruned = m->header.seq > l->keys ? m->header.seq - l->keys : 0,
                          .muted = l->slots - l->keys,
                          .low = l->keys - l->high,
                          .high = l->high,
                          .streaming = l->streaming,
                          .expected = !l->known};
    if (l->streaming.window)
        out->pairs = dtq_streamed_count(&l->streaming, l->slots);
    const ir_attr *segments = ir_get(m, l->op, IR_KEY_segments);
    if (segments && segments->count) {
        out->segment_count = segments->count;
        out->segments = ARENA_ARRAY(b->arena, ir_run, segments->count);
        memcpy(out->segments, segments->runs, segments->count * sizeof *segments->runs);
    }
    for (int i = 0; l->known && i < DTQ_OPERANDS; i++)
        out->promoted[i] = count_promoted(b, l, (dtq_operand)i);
    uint32_t like = l->like;
    if (like < index && b->facts[like].heads == l->heads) {
        out->qk = b->report->layers[like].qk;
        out->pv = b->report->layers[like].pv;
    } else {
        out->qk = price_matmul(b->machine, b->cost, l, false);
        out->pv = price_matmul(b->machine, b->cost, l, true);
    }
    /* 16 bit products in each PE-cycle of work */
    double bops = 16.0 * (out->qk.bound_cycles + out->pv.bound_cycles) * (double)dtq_machine_pes(b->machine);
    out->bops = (uint64_t)ir_int(m, l->op, IR_KEY_bops, llround(bops));
    const double rows = (double)ir_int(m, l->op, IR_KEY_queries, m->header.seq);
    b->report->dense_ops += 4.0 * rows * m->header.seq * l->head_dim * l->heads;
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

static bool is_of_linear(dtq_opcode op) {
    return op == DTQ_OP_LOAD_ROWS || op == DTQ_OP_LOAD_WEIGHTS || op == DTQ_OP_MATMUL || op == DTQ_OP_STORE_ROWS;
}

/** The layer whose block a linear is part of, by its name "layer.N.…": behind an attention its rows are already those
 * of the next layer's tokens. */
static uint32_t block_of(const builder *b, const instr_attrs *i) {
    static const char prefix[] = "layer.";
    const char *source = i->word[A_SOURCE - A_NUMBERS];
    if (source && strncmp(source, prefix, sizeof prefix - 1) == 0) {
        unsigned long number = strtoul(source + sizeof prefix - 1, NULL, 10);
        if (number < b->layer_count)
            return (uint32_t)number;
    }
    return (uint32_t)i->number[A_LAYER];
}

/** A linear on the arrays begins: its work and what it would be over all tokens. */
static bool add_codes(builder *b, const ir_op *op) {
    instr_attrs i = read_attrs(b, op);
    const char *weight = i.word[A_WEIGHT - A_NUMBERS];
    int64_t layer = i.number[A_LAYER];
    int tensor = weight ? ir_tensor_find(b->module, weight) : -1;
    if (tensor < 0 || layer < 0 || (uint64_t)layer >= b->layer_count)
        return diag_internal(b->diag, op->loc, "report: a linear without its weight or its layer");
    const layer_facts *l = &b->facts[layer];
    const ir_header *h = &b->module->header;
    const ir_tensor *t = &b->module->tensors[tensor];
    const double size = (double)t->rows * t->cols;
    const uint32_t high = l->queries < l->slots ? l->queries : l->high; /* the rows of a step have 8 bits */
    const double dense_rows = l->queries < l->slots ? l->queries : h->seq;
    layer_sums *s = &b->sums[block_of(b, &i)];
    s->linear_work += 2.0 * (l->queries + high) * size; /* weights have 8 bits */
    s->linear_tiles += cost_linear_tiles(b->machine, l->queries, high, t->rows, t->cols);
    b->report->dense_ops += 2 * dense_rows * size;
    b->report->linears = true;
    b->report->layers[block_of(b, &i)].expected |= !l->known; /* behind an attention rows are the next layer's */
    return true;
}

/** What a section adds to the total goes to its layer. */
static void end_section(builder *b) {
    const section *s = &b->section;
    const double cycles = s->end > b->before ? (double)(s->end - b->before) : 0;
    if (s->any && s->linears)
        b->report->layers[s->layer].linear_cycles += cycles;
    b->before = s->end > b->before ? s->end : b->before;
}

static void add_to_section(builder *b, uint32_t layer, bool linears, uint64_t done) {
    section *s = &b->section;
    if (!s->any || s->layer != layer || s->linears != linears) {
        end_section(b);
        *s = (section){.layer = layer, .linears = linears, .any = true};
    }
    s->end = done > s->end ? done : s->end;
}

/** True if the block lies inside its layer, so that nothing is counted out of bounds. */
static bool block_fits(const layer_facts *l, const instr_attrs *i, bool linear) {
    const int64_t row = i->number[A_ROW], rows = i->number[A_ROWS];
    const int64_t col = linear ? 0 : i->number[A_COL], cols = linear ? 0 : i->number[A_COLS];
    return row <= l->slots && rows <= l->slots && row + rows <= l->slots && col <= l->slots && cols <= l->slots &&
           col + cols <= l->slots;
}

static uint32_t or_zero(int64_t value) {
    return value < 0 ? 0 : (uint32_t)value;
}

/** An instruction's time: of a run, or its place on the static timeline. False if it has none. */
static bool when_of(const dtq_event *event, const instr_attrs *i, dtq_event *out) {
    const int64_t start = i->number[A_START], busy = i->number[A_BUSY], done = i->number[A_DONE];
    if (event) {
        *out = *event;
        return true;
    }
    *out = (dtq_event){.start = (uint64_t)start, .busy = (uint64_t)busy, .done = (uint64_t)done};
    return start >= 0 && busy >= 0 && done >= start;
}

/** Adds one instruction of the accelerator to its layer; event: when a run had it, or NULL. */
static bool add_instr(builder *b, counter *count, const ir_op *op, dtq_opcode isa_op, const dtq_event *event) {
    instr_attrs i = read_attrs(b, op);
    const int64_t queue = i.number[A_QUEUE];
    if (queue == DTQ_HOST)
        return isa_op != DTQ_OP_CODES || add_codes(b, op);
    const bool linear = is_of_linear(isa_op);
    if (queue < 0 || (uint64_t)queue >= DTQ_ARRAY0 + b->machine->vssa_arrays)
        return diag_internal(b->diag, op->loc, "report: instruction without a queue of this machine");
    dtq_event when;
    if (!when_of(event, &i, &when))
        return diag_internal(b->diag, op->loc, "report: instruction without a place on the timeline");
    int64_t layer = i.number[A_LAYER];
    if (layer < 0 || (uint64_t)layer >= b->layer_count || !block_fits(&b->facts[layer], &i, linear))
        return diag_internal(b->diag, op->loc, "report: instruction outside the layers of its module");
    const uint32_t row = linear ? block_of(b, &i) : (uint32_t)layer; /* of the report */
    layer_sums *s = &b->sums[row];
    const bool on_array = queue >= DTQ_ARRAY0;
    add_to_section(b, row, linear, when.done);
    occupancy_add(b->work, (unsigned)queue, when.start, when.busy);
    if (on_array) {
        uint64_t *own = linear                                            ? s->linear_busy
                        : isa_op == DTQ_OP_PV || isa_op == DTQ_OP_PV_SEEN ? s->pv_busy
                                                                          : s->qk_busy;
        own[queue - DTQ_ARRAY0] += when.busy;
        s->array_busy[queue - DTQ_ARRAY0] += when.busy;
    } else {
        s->busy[queue] += when.busy;
    }
    s->start = !s->any || when.start < s->start ? when.start : s->start;
    s->end = when.done > s->end ? when.done : s->end;
    s->any = true;
    if (isa_op == DTQ_OP_QK && or_zero(i.number[A_COLS]) > s->key_block)
        s->key_block = or_zero(i.number[A_COLS]);

    const char *operand = i.word[A_OPERAND - A_NUMBERS], *select = i.word[A_SELECT - A_NUMBERS];
    const char *turned = i.word[A_TURNED - A_NUMBERS], *serpentine = i.word[A_SERPENTINE - A_NUMBERS];
    counted_block block = {.layer = (uint32_t)layer,
                           .row = or_zero(i.number[A_ROW]),
                           .rows = or_zero(i.number[A_ROWS]),
                           .col = or_zero(i.number[A_COL]),
                           .cols = or_zero(i.number[A_COLS]),
                           .depth = or_zero(i.number[A_DEPTH]),
                           .operand = operand && *operand == 'v'   ? DTQ_V
                                      : operand && *operand == 'k' ? DTQ_K
                                                                   : DTQ_Q,
                           .select = select && strcmp(select, "yes") == 0,
                           .walk = (turned && strcmp(turned, "yes") == 0 ? WALK_TURNED : 0) |
                                   (serpentine && strcmp(serpentine, "yes") == 0 ? WALK_SERPENTINE : 0)};
    counter_add(count, isa_op, &block, &s->counted);
    return true;
}

static bool walk_instrs(builder *b) {
    const ir_module *m = b->module;
    counter *count = counter_new(b->arena, b->machine, b->cost, b->facts, b->layer_count, b->module->header.seq);
    for (size_t op = 0; op < m->op_count; op++) {
        ir_opcode code = (ir_opcode)m->ops[op].code;
        if (!ir_is_instr(code))
            continue;
        const dtq_event *event = b->events ? &b->events[b->report->instructions] : NULL;
        b->report->instructions++;
        dtq_opcode isa_op = (dtq_opcode)IR_ISA_OP(code);
        if (isa_op != DTQ_OP_WAIT && isa_op != DTQ_OP_SIGNAL && !add_instr(b, count, &m->ops[op], isa_op, event))
            return false;
    }
    end_section(b);
    return true;
}

/* ---- what the schedule makes of a layer -------------------------------------------------------------------------- */

static uint64_t largest(const uint64_t *values, uint64_t count) {
    uint64_t most = 0;
    for (uint64_t i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    return most;
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

/** Linears of a layer: what their instructions cost, and the least they can. */
static void finish_linears(const builder *b, const layer_sums *s, report_layer *out) {
    const counters *c = &s->counted;
    const double pes = (double)dtq_machine_pes(b->machine);
    out->linear = (report_matmul){.iterations = c->linear_tiles,
                                  .stalled_iterations = c->linear_stalled_tiles,
                                  .stall_ratio_mean = ratio(c->linear_stall_ratio_sum, c->linear_tiles),
                                  .step_cycles = c->linear_step_cycles,
                                  .cycles = (double)largest(s->linear_busy, b->machine->vssa_arrays),
                                  .bound_cycles = s->linear_work / pes,
                                  .tile_bound_cycles = (double)s->linear_tiles / (double)b->machine->vssa_arrays};
    out->bops += (uint64_t)llround(16.0 * s->linear_work);
}

static void finish_layer(builder *b, uint32_t index) {
    const uint64_t arrays = b->machine->vssa_arrays;
    const layer_sums *s = &b->sums[index];
    report_layer *out = &b->report->layers[index];
    out->start = s->start;
    out->end = s->end;
    out->array_busy = largest(s->array_busy, arrays);
    out->softmax_busy = s->busy[DTQ_SOFTMAX];
    out->dma_busy = s->busy[DTQ_LOAD] > s->busy[DTQ_STORE] ? s->busy[DTQ_LOAD] : s->busy[DTQ_STORE];
    out->topk_busy = s->busy[DTQ_TOPK];
    uint64_t attention = 0;
    for (uint64_t i = 0; i < arrays; i++) {
        const uint64_t both = s->qk_busy[i] + s->pv_busy[i];
        attention = both > attention ? both : attention;
    }
    b->report->part_busy[0] += (double)attention;
    b->report->part_busy[1] += (double)largest(s->linear_busy, arrays);
    if (arrays > 1) {
        out->qk.cycles = (double)largest(s->qk_busy, arrays);
        out->pv.cycles = (double)largest(s->pv_busy, arrays);
    }
    finish_linears(b, s, out);
    const uint32_t keys = b->facts[index].keys, block = s->key_block;
    out->key_blocks = block > 0 && block < keys ? (keys + block - 1) / block : 1;
    out->dram_bytes = (uint64_t)llround(s->counted.dram_bytes);
}

void report_settle(report *r) {
    uint64_t before = 0;
    for (size_t i = 0; i < r->layer_count; i++) {
        report_layer *l = &r->layers[i];
        l->cycles = l->end > before ? (double)(l->end - before) : 0;
        l->share = ratio(l->cycles, r->cycles);
        l->utilisation = ratio(report_bound(l), fmax(l->cycles, (double)l->array_busy));
        before = l->end > before ? l->end : before;
    }
    r->utilisation = ratio(r->bound_cycles, r->cycles);
}

static void finish_totals(builder *b) {
    report *r = b->report;
    counters all = {0};
    for (size_t i = 0; i < b->layer_count; i++) {
        const counters *c = &b->sums[i].counted;
        const report_layer *l = &r->layers[i];
        all.mac_cycles += c->mac_cycles;
        all.stall_cycles += c->stall_cycles;
        all.buffer_bytes += c->buffer_bytes;
        all.dram_bytes += c->dram_bytes;
        all.probabilities += c->probabilities;
        all.topk_elements += c->topk_elements;
        r->bound_cycles += report_bound(l);
        r->tile_bound_cycles += report_tile_bound(l);
        r->dram_bytes += l->dram_bytes;
        r->bops += l->bops;
        r->cycles = fmax(r->cycles, (double)l->end);
    }
    occupancy_finish(b->work, r);
    report_settle(r);
    r->mac_cycles = (uint64_t)llround(all.mac_cycles);
    r->stall_cycles = (uint64_t)llround(all.stall_cycles);
    r->buffer_bytes = all.buffer_bytes;
    r->probabilities = all.probabilities;
    r->topk_elements = all.topk_elements;
    r->energy_pj = counters_energy(&all, r->cycles, b->machine);
}

static void collect_remarks(report *r, arena *a, const diag *d) {
    const diag_entry **remarks = ARENA_ARRAY(a, const diag_entry *, diag_count(d, DIAG_REMARK));
    size_t total = diag_total(d);
    for (size_t i = 0; i < total; i++) {
        const diag_entry *e = diag_at(d, i);
        if (e->severity == DIAG_REMARK)
            remarks[r->remark_count++] = e;
    }
    r->remarks = remarks;
}

/** Whether layers show what only an optimised schedule has: promotions, turned rows, tiles walked to and fro. */
static bool is_optimised(const builder *b) {
    for (uint32_t i = 0; i < b->layer_count; i++) {
        const layer_facts *l = &b->facts[i];
        bool promoted = false;
        for (int o = 0; l->known && o < DTQ_OPERANDS; o++)
            promoted = promoted || count_promoted(b, l, (dtq_operand)o) > 0;
        if (promoted || l->turned || l->serpentine)
            return true;
    }
    return false;
}

report *report_build(arena *a, diag *d, const ir_module *m) {
    return report_build_run(a, d, m, NULL);
}

report *report_build_run(arena *a, diag *d, const ir_module *m, const dtq_event *events) {
    if (m->level != IR_STREAM) {
        diag_internal(d, (src_loc){0}, "report: the module is at %s level, not at stream level",
                      ir_level_name(m->level));
        return NULL;
    }
    builder b = {
        .arena = a, .diag = d, .module = m, .machine = m->machine, .cost = cost_new(a, m->machine), .events = events};
    if (!facts_read(a, d, m, &b.facts, &b.layer_count))
        return NULL;
    map_keys(&b);
    report *r = b.report = ARENA_NEW(a, report);
    r->model = m->header.model ? m->header.model : "";
    r->target = m->machine->name;
    r->scheme = m->header.scheme.kind != DTQ_SCHEME_MIXED ? dtq_schemes[m->header.scheme.kind].word : NULL;
    r->machine = m->machine;
    r->module = m;
    r->seq = m->header.seq;
    r->clustered = b.layer_count > 0;
    r->optimised = ir_pass_ran(m, "snap-precision") || is_optimised(&b);
    r->layer_count = b.layer_count;
    r->layers = ARENA_ARRAY(a, report_layer, b.layer_count);

    b.work = occupancy_new(a, m->machine);
    b.sums = ARENA_ARRAY(a, layer_sums, b.layer_count);
    const size_t arrays = (size_t)m->machine->vssa_arrays;
    for (uint32_t i = 0; i < b.layer_count; i++) {
        b.sums[i].array_busy = ARENA_ARRAY(a, uint64_t, 4 * arrays);
        b.sums[i].qk_busy = b.sums[i].array_busy + arrays;
        b.sums[i].pv_busy = b.sums[i].qk_busy + arrays;
        b.sums[i].linear_busy = b.sums[i].pv_busy + arrays;
        const char *order = ir_str(m, b.facts[i].op, IR_KEY_order);
        r->clustered = r->clustered && order && strcmp(order, "original") != 0;
        const layer_facts *f = &b.facts[i];
        r->causal |= f->causal && !f->clusters.count;
        r->pairs += (double)f->heads * f->queries * f->keys;
        r->pairs_seen +=
            (double)f->heads * (double)dtq_pairs_seen(&f->clusters, f->first_query, f->queries, f->first_key, f->keys);
        describe_layer(&b, i);
    }
    if (!walk_instrs(&b))
        return NULL;
    for (uint32_t i = 0; i < b.layer_count; i++)
        finish_layer(&b, i);
    finish_totals(&b);
    collect_remarks(r, a, d);
    return r;
}
