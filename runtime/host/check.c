/* Whether a plan is one that a generated model can follow. Generated code is trusted; what tells it how many tokens and
 * layers there are is not. */
#include "runtime/host/host.h"
#include "runtime/isa/program.h"

static bool check_stream(const dtq_stream *s, bool known, dtq_error *e) {
    if (s->seq == 0 || s->seq > DTQ_SLOTS_MAX || s->input > DTQ_INPUT_QKV || s->output > DTQ_OUTPUT_ATTENTION ||
        s->layer_count == 0 || s->output_width == 0) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the plan for %u tokens: %u layers, %u outputs, unknown kinds, or too long",
                        s->seq, s->layer_count, s->output_width);
    }
    for (uint32_t i = 0; i < s->layer_count; i++) {
        const dtq_layer *l = &s->layers[i];
        const char *wrong = known ? NULL : dtq_layer_wrong(l, s->seq);
        if (wrong)
            return dtq_fail(e, DTQ_BAD_PROGRAM, "the plan for %u tokens, layer %u: %s", s->seq, i, wrong);
        if (dtq_chooses(l) && dtq_choice_wrong(s, i)) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "the plan for %u tokens, layer %u: %s", s->seq, i,
                            dtq_choice_wrong(s, i));
        }
        if (!l->ids && !dtq_chooses(l) && (i == 0 || !dtq_selects(&s->layers[i - 1], l))) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "the plan for %u tokens, layer %u: no layer selects its %u tokens",
                            s->seq, i, l->slots);
        }
    }
    const dtq_layer *last = &s->layers[s->layer_count - 1];
    if (s->output == DTQ_OUTPUT_ATTENTION && s->output_width != (uint64_t)last->heads * last->head_dim)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the output's width is not that of the attention heads");
    return true;
}

/* Streams of one model differ in their tokens only. */
static bool check_same(const dtq_stream *a, const dtq_stream *b, dtq_error *e) {
    bool same = a->layer_count == b->layer_count && a->input == b->input && a->output == b->output &&
                a->output_width == b->output_width;
    for (uint32_t i = 0; same && i < a->layer_count; i++) {
        const dtq_layer *x = &a->layers[i], *y = &b->layers[i];
        same =
            x->heads == y->heads && x->kv_heads == y->kv_heads && x->head_dim == y->head_dim && x->causal == y->causal;
    }
    return same ||
           dtq_fail(e, DTQ_BAD_PROGRAM, "the plans for %u and for %u tokens are of different models", a->seq, b->seq);
}

static bool check_input(const dtq_host_model *m, const dtq_stream *s, dtq_error *e) {
    const dtq_layer *l = &s->layers[0];
    for (int o = 0; s->input == DTQ_INPUT_QKV && o < 3; o++) {
        const uint64_t width = (uint64_t)(o == DTQ_Q ? l->heads : l->kv_heads) * l->head_dim;
        const uint64_t stride = dtq_host_padded(width);
        if (m->input_buffers[o] >= m->buffer_count ||
            m->buffers[m->input_buffers[o]].per_row / sizeof(float) < stride) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "the model has no room for its input %c of %llu channels", "qkv"[o],
                            (unsigned long long)width);
        }
    }
    return true;
}

bool dtq_host_check_stream(const dtq_program *plan, const dtq_stream *s, dtq_error *e) {
    return check_stream(s, true, e) && check_same(&plan->streams[0], s, e);
}

bool dtq_host_check(const dtq_host_model *m, const dtq_program *p, bool known, dtq_error *e) {
    if (p->scheme.kind != DTQ_SCHEME_MIXED) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the plan is of the scheme %s, and host code of mixed precision alone",
                        dtq_schemes[p->scheme.kind].word);
    }
    if (p->stream_count == 0)
        return dtq_fail(e, DTQ_BAD_PROGRAM, "the plan has no layers for any length");
    for (size_t i = 0; i < p->stream_count; i++)
        if (!check_stream(&p->streams[i], known, e) || !check_same(&p->streams[0], &p->streams[i], e))
            return false;
    for (uint64_t i = 0; i < m->weight_count; i++) {
        if (m->weights[i].tensor >= p->tensor_count || m->weights[i].layout >= DTQ_HOST_LAYOUTS) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "the model needs tensor %llu, and the plan has %zu",
                            (unsigned long long)m->weights[i].tensor, p->tensor_count);
        }
    }
    for (uint64_t i = 0; i < m->step_count; i++) {
        if (m->steps[i].layer >= p->streams[0].layer_count || m->steps[i].name >= m->names_bytes ||
            m->names[m->names_bytes - 1] != 0) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "step %llu of the model is of no layer, or has no name",
                            (unsigned long long)i);
        }
    }
    for (uint64_t i = 0; i < m->site_count; i++) {
        const dtq_host_site *s = &m->sites[i];
        if (s->kind > DTQ_HOST_SITE_TYPE || s->layer >= p->streams[0].layer_count ||
            (s->kind >= DTQ_HOST_SITE_LINEAR && s->tensor >= p->tensor_count)) {
            return dtq_fail(e, DTQ_BAD_PROGRAM, "the model has a layer %llu or a tensor %llu that the plan has not",
                            (unsigned long long)s->layer, (unsigned long long)s->tensor);
        }
    }
    return check_input(m, &p->streams[0], e);
}
