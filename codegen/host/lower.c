/* From a model's graph to a host program: row-wise ops gathered into regions between attentions, values placed into
 * buffers and scratch. Everything that differs between layers but not in code (weights, tokens) becomes a number. */
#include <string.h>

#include "codegen/host/place.h"

/* What is known of a value while lowering. */
typedef struct {
    uint32_t region; /* that computes it; of an attention's result the region before it */
    uint32_t uses;   /* by ops of the module */
    uint32_t step;   /* that computes it, in its region; HOST_NOTHING for attention, inputs and gathers */
    bool crosses;    /* needs a buffer */
    host_role role;  /* at an attention */
    uint32_t last;   /* region (2 * r) or attention (2 * r + 1) that reads it last; of a buffer's life */
    uint32_t first;  /* the same of its definition */
} value_facts;

typedef struct {
    arena *arena;
    diag *d;
    const ir_module *m;
    host_program *p;
    value_facts *facts; /* of host values */
    uint32_t value_room;
    uint32_t *value_of;   /* [value_count of the module] host value, HOST_NOTHING: none yet */
    uint32_t *uses;       /* [value_count of the module] */
    uint32_t *arrived;    /* [value_count of the module] host value that stands for it in the current region */
    uint32_t *arrived_in; /* the region that `arrived` is of */
    uint32_t region;      /* current */
    uint32_t step_room, weight_room, site_room;
} lowering;

/* Room for one more in an array of the arena: grows by doubling. */
static void *grown(arena *a, void *array, uint32_t count, uint32_t *room, size_t size) {
    if (count < *room)
        return array;
    uint32_t more = *room ? 2 * *room : 16;
    void *bigger = arena_alloc(a, more * size);
    if (count)
        memcpy(bigger, array, count * size);
    *room = more;
    return bigger;
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static uint32_t new_value(lowering *l, uint32_t width, uint32_t region) {
    host_program *p = l->p;
    uint32_t room = l->value_room;
    p->values = grown(l->arena, p->values, p->value_count, &l->value_room, sizeof *p->values);
    l->facts = grown(l->arena, l->facts, p->value_count, &room, sizeof *l->facts);
    p->values[p->value_count] = (host_value){.width = width, .buffer = HOST_NOTHING, .scratch = HOST_NOTHING};
    l->facts[p->value_count] =
        (value_facts){.region = region, .step = HOST_NOTHING, .first = 2 * region, .last = 2 * region};
    return p->value_count++;
}

static uint32_t new_weight(lowering *l, uint64_t tensor, dtq_host_layout layout) {
    host_program *p = l->p;
    for (uint32_t i = 0; i < p->weight_count; i++)
        if (p->weights[i].tensor == tensor && p->weights[i].layout == (uint64_t)layout)
            return i;
    p->weights = grown(l->arena, p->weights, p->weight_count, &l->weight_room, sizeof *p->weights);
    p->weights[p->weight_count] = (dtq_host_weight){tensor, layout};
    return p->weight_count++;
}

static uint32_t new_site(lowering *l, dtq_host_site_kind kind, uint32_t layer, uint64_t tensor) {
    host_program *p = l->p;
    p->sites = grown(l->arena, p->sites, p->site_count, &l->site_room, sizeof *p->sites);
    p->sites[p->site_count] = (dtq_host_site){kind, layer, tensor};
    return p->site_count++;
}

/* Number of the tensor that an attribute names; HOST_NOTHING if the op has none. */
static bool tensor_of(lowering *l, size_t op, unsigned key, uint32_t *out) {
    const char *name = ir_str(l->m, op, key);
    *out = HOST_NOTHING;
    if (!name)
        return true;
    int index = ir_tensor_find(l->m, name);
    if (index < 0)
        return diag_error(l->d, l->m->ops[op].loc, "there is no tensor \"%s\"", name);
    *out = (uint32_t)index;
    return true;
}

static host_region *region(lowering *l) {
    return &l->p->regions[l->region];
}

/* What the model calls an op. */
static const char *source_of(const lowering *l, size_t op) {
    const char *source = ir_str(l->m, op, IR_KEY_source);
    return source ? source : "";
}

static host_step *new_step(lowering *l, size_t op, host_step_kind kind, uint32_t result) {
    host_region *r = region(l);
    r->steps = grown(l->arena, r->steps, r->step_count, &l->step_room, sizeof *r->steps);
    l->facts[result].step = r->step_count;
    r->steps[r->step_count] = (host_step){.kind = kind,
                                          .result = result,
                                          .a = HOST_NOTHING,
                                          .b = HOST_NOTHING,
                                          .width = l->p->values[result].width,
                                          .weight = {HOST_NOTHING, HOST_NOTHING, HOST_NOTHING},
                                          .site = HOST_NOTHING,
                                          .source = source_of(l, op)};
    return &r->steps[r->step_count++];
}

/* ---- operands --------------------------------------------------------------------------------------------------- */

static void reads(lowering *l, uint32_t value, uint32_t when) {
    value_facts *f = &l->facts[value];
    f->last = when > f->last ? when : f->last;
}

/* The host value that stands for a value of the module in region `r`: itself where it is computed there; else a copy of
 * its rows for the tokens that are left, made in every region on the way. */
static uint32_t in_region(lowering *l, ir_value v, uint32_t r) {
    uint32_t made = l->value_of[v];
    if (l->facts[made].region == r && l->facts[made].first == 2 * r)
        return made;
    if (l->arrived[v] != HOST_NOTHING && l->arrived_in[v] == r)
        return l->arrived[v];
    uint32_t home = l->facts[made].region;
    uint32_t before = l->arrived[v] != HOST_NOTHING ? l->arrived[v] : made;
    uint32_t from = l->arrived[v] != HOST_NOTHING ? l->arrived_in[v] : home;
    for (; from < r; from++) {
        host_region *to = &l->p->regions[from + 1];
        l->facts[before].crosses = true;
        reads(l, before, 2 * (from + 1));
        if (!to->gathers) /* the same tokens: read where they lie */
            continue;
        uint32_t room = to->input_count; /* few: an exact fit each time */
        host_gather *inputs = arena_alloc(l->arena, (room + 1) * sizeof *inputs);
        if (room)
            memcpy(inputs, to->inputs, room * sizeof *inputs);
        uint32_t copy = new_value(l, l->p->values[before].width, from + 1);
        inputs[to->input_count++] = (host_gather){before, copy};
        to->inputs = inputs;
        before = copy;
    }
    l->arrived[v] = before;
    l->arrived_in[v] = r;
    return before;
}

static uint32_t operand(lowering *l, size_t op, size_t index) {
    uint32_t v = in_region(l, ir_operand(l->m, op, index), l->region);
    reads(l, v, 2 * l->region);
    return v;
}

/* An operand of attention or the end: it must lie in a buffer. */
static uint32_t buffered(lowering *l, ir_value v, uint32_t when) {
    uint32_t here = in_region(l, v, l->region);
    l->facts[here].crosses = true;
    reads(l, here, when);
    return here;
}

static uint32_t result(lowering *l, size_t op) {
    ir_value v = l->m->ops[op].result;
    uint32_t value = new_value(l, l->m->types[v].dim[1], l->region);
    l->value_of[v] = value;
    l->facts[value].uses = l->uses[v];
    return value;
}

/* ---- ops -------------------------------------------------------------------------------------------------------- */

static bool lower_embed(lowering *l, size_t op) {
    static const unsigned keys[3] = {IR_KEY_tensor, IR_KEY_position_tensor, IR_KEY_type_tensor};
    static const dtq_host_site_kind kinds[3] = {DTQ_HOST_SITE_WORD, DTQ_HOST_SITE_POSITION, DTQ_HOST_SITE_TYPE};
    host_step *s = new_step(l, op, HOST_EMBED, result(l, op));
    for (int i = 0; i < 3; i++) {
        uint32_t tensor;
        if (!tensor_of(l, op, keys[i], &tensor))
            return false;
        if (tensor != HOST_NOTHING)
            s->weight[i] = new_site(l, kinds[i], region(l)->layer, tensor);
    }
    return true;
}

static bool lower_linear(lowering *l, size_t op) {
    const char *arithmetic = ir_str(l->m, op, IR_KEY_arithmetic);
    bool mixed = strcmp(arithmetic, "mixed") == 0, int8 = mixed || strcmp(arithmetic, "int8") == 0;
    uint32_t a = operand(l, op, 0), tensor, bias;
    if (!tensor_of(l, op, IR_KEY_tensor, &tensor) || !tensor_of(l, op, IR_KEY_bias_tensor, &bias))
        return false;
    host_step *s = new_step(l, op, int8 ? HOST_LINEAR_INT8 : HOST_LINEAR_FLOAT, result(l, op));
    s->a = a;
    s->inputs = l->p->values[a].width;
    s->function = mixed;
    s->weight[0] = new_weight(l, tensor, int8 ? DTQ_HOST_I8_CODES : DTQ_HOST_F32);
    if (int8) { /* their numbers follow the codes' */
        new_weight(l, tensor, DTQ_HOST_I8_SCALES);
        new_weight(l, tensor, DTQ_HOST_I8_OFFSET);
    }
    if (bias != HOST_NOTHING)
        s->weight[1] = new_weight(l, bias, DTQ_HOST_VECTOR);
    s->site = int8 ? new_site(l, DTQ_HOST_SITE_LINEAR, region(l)->layer, tensor) : HOST_NOTHING;
    return true;
}

static bool lower_norm(lowering *l, size_t op) {
    uint32_t a = operand(l, op, 0), gamma, beta;
    if (!tensor_of(l, op, IR_KEY_tensor, &gamma) || !tensor_of(l, op, IR_KEY_bias_tensor, &beta))
        return false;
    host_step *s = new_step(l, op, HOST_NORM, result(l, op));
    s->a = a;
    s->weight[0] = new_weight(l, gamma, DTQ_HOST_VECTOR);
    if (beta != HOST_NOTHING)
        s->weight[1] = new_weight(l, beta, DTQ_HOST_VECTOR);
    s->epsilon = (float)ir_real(l->m, op, IR_KEY_epsilon, 0);
    return true;
}

static bool lower_rmsnorm(lowering *l, size_t op) {
    uint32_t a = operand(l, op, 0), gamma;
    if (!tensor_of(l, op, IR_KEY_tensor, &gamma))
        return false;
    host_step *s = new_step(l, op, HOST_RMSNORM, result(l, op));
    s->a = a;
    s->inputs = l->m->tensors[gamma].cols;
    s->weight[0] = new_weight(l, gamma, DTQ_HOST_VECTOR);
    s->epsilon = (float)ir_real(l->m, op, IR_KEY_epsilon, 0);
    return true;
}

static bool lower_affine(lowering *l, size_t op) {
    uint32_t a = operand(l, op, 0), gain, offset;
    if (!tensor_of(l, op, IR_KEY_tensor, &gain) || !tensor_of(l, op, IR_KEY_bias_tensor, &offset))
        return false;
    host_step *s = new_step(l, op, HOST_AFFINE, result(l, op));
    s->a = a;
    s->weight[0] = new_weight(l, gain, DTQ_HOST_VECTOR);
    if (offset != HOST_NOTHING)
        s->weight[1] = new_weight(l, offset, DTQ_HOST_VECTOR);
    return true;
}

/* Number of a word among those of an instruction's field (runtime/isa/isa.def). False after an error. */
static bool word_of(lowering *l, size_t op, unsigned key, dtq_opcode code, size_t field, uint32_t *out) {
    const char *text = ir_str(l->m, op, key), *word;
    size_t length;
    for (*out = 0; (word = dtq_enum_word(&dtq_ops[code].fields[field], *out, &length)); ++*out)
        if (strlen(text) == length && memcmp(word, text, length) == 0)
            return true;
    return diag_internal(l->d, l->m->ops[op].loc, "host code knows no '%s'", text);
}

static bool lower_activation(lowering *l, size_t op) {
    uint32_t a = operand(l, op, 0);
    host_step *s = new_step(l, op, HOST_ACTIVATION, result(l, op));
    s->a = a;
    return word_of(l, op, IR_KEY_function, DTQ_OP_ACT, DTQ_F(ACT, kind), &s->function);
}

static bool lower_rotary(lowering *l, size_t op) {
    uint32_t a = operand(l, op, 0), table;
    if (!tensor_of(l, op, IR_KEY_tensor, &table))
        return false;
    host_step *s = new_step(l, op, HOST_ROTARY, result(l, op));
    s->a = a;
    s->inputs = (uint32_t)ir_int(l->m, op, IR_KEY_head_dim, 0);
    s->weight[0] = new_weight(l, table, DTQ_HOST_VECTOR);
    return word_of(l, op, IR_KEY_pairing, DTQ_OP_ROTARY, DTQ_F(ROTARY, pairs), &s->function);
}

static bool lower_multiply(lowering *l, size_t op) {
    uint32_t a = operand(l, op, 0), b = operand(l, op, 1);
    host_step *s = new_step(l, op, HOST_MULTIPLY, result(l, op));
    s->a = a;
    s->b = b;
    return true;
}

/* The linear of this region that computes `value` for nobody else, if `other` is there before it: the sum can be made
 * where the linear's result is. */
static host_step *linear_that_adds(lowering *l, uint32_t value, uint32_t other) {
    const value_facts *f = &l->facts[value], *g = &l->facts[other];
    if (f->region != l->region || f->step == HOST_NOTHING || f->uses != 1 || value == other)
        return NULL;
    host_step *s = &region(l)->steps[f->step];
    bool linear = s->kind == HOST_LINEAR_INT8 || s->kind == HOST_LINEAR_FLOAT;
    bool before = g->region != l->region || g->step == HOST_NOTHING || g->step < f->step;
    return linear && before && s->b == HOST_NOTHING ? s : NULL;
}

static bool lower_add(lowering *l, size_t op) {
    uint32_t a = operand(l, op, 0), b = operand(l, op, 1);
    host_step *s = linear_that_adds(l, a, b);
    uint32_t residual = b;
    if (!s) {
        s = linear_that_adds(l, b, a);
        residual = a;
    }
    uint32_t sum = result(l, op);
    if (s) {
        l->facts[sum].step = l->facts[s->result].step;
        s->b = residual;
        s->result = sum;
        s->source = arena_printf(l->arena, "%s, %s", s->source, source_of(l, op));
        return true;
    }
    s = new_step(l, op, HOST_ADD, sum);
    s->a = a;
    s->b = b;
    return true;
}

static bool lower_attention(lowering *l, size_t op) {
    const ir_module *m = l->m;
    uint32_t index = l->region;
    host_attention *a = &l->p->attentions[index];
    *a = (host_attention){.heads = (uint32_t)ir_int(m, op, IR_KEY_query_heads, 0),
                          .kv_heads = (uint32_t)ir_int(m, op, IR_KEY_kv_heads, 0),
                          .head_dim = (uint32_t)ir_int(m, op, IR_KEY_head_dim, 0),
                          .causal = strcmp(ir_str(m, op, IR_KEY_mask), "causal") == 0};
    if ((uint32_t)ir_int(m, op, IR_KEY_index, 0) != index)
        return diag_error(l->d, m->ops[op].loc, "attention layers stand out of order; host code takes them in order");
    a->q = buffered(l, ir_operand(m, op, 0), 2 * index + 1);
    a->k = buffered(l, ir_operand(m, op, 1), 2 * index + 1);
    a->v = buffered(l, ir_operand(m, op, 2), 2 * index + 1);
    a->out = result(l, op);
    const uint32_t values[] = {a->q, a->k, a->v, a->out};
    for (int i = 0; i < 4; i++)
        l->facts[values[i]].role = (host_role)(ROLE_Q + i);
    l->facts[a->out].crosses = true;
    l->facts[a->out].first = l->facts[a->out].last = 2 * index + 1;
    l->region++;
    l->step_room = 0;
    return true;
}

static bool lower_input(lowering *l, size_t op) {
    ir_value v = l->m->ops[op].result;
    if (l->m->types[v].elem != IR_ELEM_F32)
        return true;                /* token ids: the embedding reads them from the frame */
    uint32_t value = result(l, op); /* may move the facts */
    l->facts[value].crosses = true;
    return true;
}

static bool lower_output(lowering *l, size_t op) {
    host_result *r = &l->p->result;
    ir_value v = ir_operand(l->m, op, 0);
    size_t def = l->m->defs[v];
    r->pool_source = r->normalize_source = "";
    if (l->m->ops[def].code == IR_NORMALIZE) {
        r->normalize = true;
        r->normalize_source = source_of(l, def);
        v = ir_operand(l->m, def, 0);
        def = l->m->defs[v];
    }
    r->kind = l->p->qkv_input ? DTQ_OUTPUT_ATTENTION : DTQ_OUTPUT_HIDDEN;
    if (l->m->ops[def].code == IR_POOL) {
        r->kind = DTQ_OUTPUT_POOLED;
        r->pool_source = source_of(l, def);
        if (!word_of(l, def, IR_KEY_function, DTQ_OP_POOL, DTQ_F(POOL, kind), &r->pooling))
            return false;
        v = ir_operand(l->m, def, 0);
    }
    r->width = l->m->types[v].dim[1];
    r->value = buffered(l, v, 2 * l->p->layer_count + 1);
    return true;
}

static bool lower_op(lowering *l, size_t op) {
    switch ((ir_opcode)l->m->ops[op].code) {
    case IR_INPUT:
        return lower_input(l, op);
    case IR_EMBED:
        return lower_embed(l, op);
    case IR_LINEAR:
        return lower_linear(l, op);
    case IR_LAYERNORM:
        return lower_norm(l, op);
    case IR_ACTIVATION:
        return lower_activation(l, op);
    case IR_RMSNORM:
        return lower_rmsnorm(l, op);
    case IR_ROTARY:
        return lower_rotary(l, op);
    case IR_AFFINE:
        return lower_affine(l, op);
    case IR_ADD:
        return lower_add(l, op);
    case IR_MULTIPLY:
        return lower_multiply(l, op);
    case IR_ATTENTION:
    case IR_TILES:
        return lower_attention(l, op);
    case IR_OUTPUT:
        return lower_output(l, op);
    case IR_POOL:
    case IR_NORMALIZE: /* part of the output */
    case IR_SELECT:    /* part of the plan, as are the strips */
    case IR_TILE_QK:
    case IR_TILE_SOFTMAX:
    case IR_TILE_IMPORTANCE:
    case IR_TILE_PV:
    case IR_TILE_TOPK:
        return true;
    default:
        return diag_error(l->d, l->m->ops[op].loc, "host code is made of graphs; this is a module of %s level",
                          ir_level_name(l->m->level));
    }
}

host_program *host_lower(arena *a, diag *d, const ir_module *m) {
    lowering l = {.arena = a, .d = d, .m = m, .p = ARENA_NEW(a, host_program)};
    host_program *p = l.p;
    for (size_t op = 0; op < m->op_count; op++)
        p->layer_count += m->ops[op].code == IR_ATTENTION || m->ops[op].code == IR_TILES;
    if (m->level >= IR_SCHEDULE || !p->layer_count) {
        diag_error(d, (src_loc){.file = m->text_file},
                   m->level >= IR_SCHEDULE ? "host code is made of the graph; the module is instructions"
                                           : "the model has no attention; there is nothing to schedule");
        return NULL;
    }
    p->qkv_input = m->header.qkv_input;
    p->attentions = ARENA_ARRAY(a, host_attention, p->layer_count);
    p->regions = ARENA_ARRAY(a, host_region, p->layer_count + 1);
    for (uint32_t r = 0; r <= p->layer_count; r++)
        p->regions[r] = (host_region){.layer = r < p->layer_count ? r : r - 1, .gathers = r > 0 && r < p->layer_count};
    for (uint32_t i = 0; i < 3 * p->layer_count; i++) /* first, so that their numbers are 3 * layer + operand */
        new_site(&l, (dtq_host_site_kind)(DTQ_HOST_SITE_Q + i % 3), i / 3, 0);
    l.value_of = ARENA_ARRAY(a, uint32_t, m->value_count + 1);
    l.arrived = ARENA_ARRAY(a, uint32_t, m->value_count + 1);
    l.arrived_in = ARENA_ARRAY(a, uint32_t, m->value_count + 1);
    l.uses = ARENA_ARRAY(a, uint32_t, m->value_count + 1);
    for (size_t v = 0; v < m->value_count; v++)
        l.value_of[v] = l.arrived[v] = HOST_NOTHING;
    for (size_t op = 0; op < m->op_count; op++)
        for (uint32_t i = 0; i < m->ops[op].operand_count; i++)
            l.uses[ir_operand(m, op, i)]++;
    for (size_t op = 0; op < m->op_count; op++)
        if (!lower_op(&l, op))
            return NULL;
    host_life *lives = ARENA_ARRAY(a, host_life, p->value_count + 1);
    for (uint32_t v = 0; v < p->value_count; v++)
        lives[v] = (host_life){l.facts[v].crosses, l.facts[v].role, l.facts[v].first, l.facts[v].last};
    host_place(a, p, lives);
    return p;
}
