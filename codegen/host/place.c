/* Buffers and scratch of a host program's values, and its text. */
#include "codegen/host/place.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t stride_of(uint32_t width) {
    return (uint32_t)dtq_host_padded(width);
}

/* ---- buffers ---------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t busy_until;
    host_role role;
} buffer_facts;

/* A buffer of the width and role that is free from `first` on: regions work on rows in any order, so a life that ends
 * in a region excludes one that begins there. */
static uint32_t free_buffer(host_program *p, buffer_facts *facts, uint32_t width, const host_life *life) {
    for (uint32_t b = 0; b < p->buffer_count; b++)
        if (p->buffer_widths[b] == width && facts[b].role == life->role && facts[b].busy_until < life->first)
            return b;
    p->buffer_widths[p->buffer_count] = width;
    facts[p->buffer_count].role = life->role;
    return p->buffer_count++;
}

static void place_buffers(arena *a, host_program *p, const host_life *lives) {
    buffer_facts *facts = ARENA_ARRAY(a, buffer_facts, p->value_count + 1);
    p->buffer_widths = ARENA_ARRAY(a, uint32_t, p->value_count + 1);
    for (uint32_t now = 0; now <= 2 * p->layer_count + 1; now++)
        for (uint32_t v = 0; v < p->value_count; v++) {
            if (!lives[v].crosses || lives[v].first != now)
                continue;
            uint32_t b = free_buffer(p, facts, stride_of(p->values[v].width), &lives[v]);
            p->values[v].buffer = b;
            facts[b].busy_until = lives[v].last;
        }
    for (uint32_t i = 0; i < p->layer_count; i++)
        p->attentions[i].operands = p->buffer_count;
    p->buffer_widths[p->buffer_count++] = 0;
}

/* ---- scratch ---------------------------------------------------------------------------------------------------- */

/* The part of a region in which a value lives, in half steps: step s reads at 2 * s and writes at 2 * s + 1, or while
 * it reads, at 2 * s; gathered values are there from 0 on. */
typedef struct {
    uint32_t value, first, last;
} span;

static void note_read(span *spans, uint32_t count, uint32_t value, uint32_t step) {
    for (uint32_t i = 0; i < count; i++)
        if (spans[i].value == value)
            spans[i].last = step;
}

static uint32_t spans_of(const host_program *p, const host_region *r, span *spans) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->input_count; i++)
        spans[count++] = (span){r->inputs[i].to, 0, 0};
    for (uint32_t s = 0; s < r->step_count; s++) {
        bool in_place = r->steps[s].kind >= HOST_AFFINE; /* element by element */
        uint32_t reads = 2 * (s + 1), writes = in_place ? reads + 1 : reads;
        note_read(spans, count, r->steps[s].a, reads);
        note_read(spans, count, r->steps[s].b, reads);
        spans[count++] = (span){r->steps[s].result, writes, writes};
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (p->values[spans[i].value].buffer == HOST_NOTHING)
            spans[kept++] = spans[i];
    return kept;
}

/* First fit below or between what lives at the same time. */
static void place_span(host_program *p, const span *spans, uint32_t index) {
    uint32_t width = stride_of(p->values[spans[index].value].width), offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < index; i++) {
            const host_value *other = &p->values[spans[i].value];
            uint32_t end = other->scratch + stride_of(other->width);
            if (spans[i].last >= spans[index].first && offset < end && other->scratch < offset + width) {
                offset = end;
                moved = true;
            }
        }
    }
    p->values[spans[index].value].scratch = offset;
    if (offset + width > p->scratch_floats)
        p->scratch_floats = offset + width;
}

void host_place(arena *a, host_program *p, const host_life *lives) {
    place_buffers(a, p, lives);
    span *spans = ARENA_ARRAY(a, span, 2 * p->value_count + 1);
    for (uint32_t r = 0; r <= p->layer_count; r++) {
        uint32_t count = spans_of(p, &p->regions[r], spans);
        for (uint32_t i = 0; i < count; i++)
            place_span(p, spans, i);
    }
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

static const char *const step_names[] = {"embed",  "int8",   "float",      "norm", "rmsnorm",
                                         "rotary", "affine", "activation", "add",  "multiply"};

static void print_region(const host_region *r, FILE *out) {
    fprintf(out, "region layer %u%s\n", r->layer, r->gathers ? " gathers" : "");
    for (uint32_t i = 0; i < r->input_count; i++)
        fprintf(out, "  gather %u from %u\n", r->inputs[i].to, r->inputs[i].value);
    for (uint32_t i = 0; i < r->step_count; i++) {
        const host_step *s = &r->steps[i];
        fprintf(out, "  %u = %s %d %d [%u, %u] weights %d %d %d site %d function %u epsilon %a %s\n", s->result,
                step_names[s->kind], (int)s->a, (int)s->b, s->inputs, s->width, (int)s->weight[0], (int)s->weight[1],
                (int)s->weight[2], (int)s->site, s->function, (double)s->epsilon, s->source);
    }
}

const char *host_program_text(arena *a, const host_program *p) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return arena_strdup(a, "");
    fprintf(out, "host %d, %u layers%s, scratch %u\n", DTQ_HOST_ABI, p->layer_count, p->qkv_input ? " of q, k, v" : "",
            p->scratch_floats);
    for (uint32_t i = 0; i < p->value_count; i++)
        fprintf(out, "value %u: width %u buffer %d scratch %d\n", i, p->values[i].width, (int)p->values[i].buffer,
                (int)p->values[i].scratch);
    for (uint32_t i = 0; i < p->weight_count; i++)
        fprintf(out, "weight %u: tensor %llu layout %llu\n", i, (unsigned long long)p->weights[i].tensor,
                (unsigned long long)p->weights[i].layout);
    for (uint32_t i = 0; i < p->site_count; i++)
        fprintf(out, "site %u: kind %llu layer %llu tensor %llu\n", i, (unsigned long long)p->sites[i].kind,
                (unsigned long long)p->sites[i].layer, (unsigned long long)p->sites[i].tensor);
    for (uint32_t r = 0; r <= p->layer_count; r++) {
        print_region(&p->regions[r], out);
        if (r == p->layer_count)
            break;
        const host_attention *t = &p->attentions[r];
        fprintf(out, "%u = attention %u %u %u heads %u/%u of %u%s, operands in %u\n", t->out, t->q, t->k, t->v,
                t->heads, t->kv_heads, t->head_dim, t->causal ? " causal" : "", t->operands);
    }
    fprintf(out, "result %d: value %u width %u pooling %u %s%s %s\n", (int)p->result.kind, p->result.value,
            p->result.width, p->result.pooling, p->result.pool_source, p->result.normalize ? " normalised" : "",
            p->result.normalize_source);
    bool ok = fclose(out) == 0;
    const char *copy = arena_strdup(a, ok ? text : "");
    free(text);
    return copy;
}
