/* Running a stream by one of the engines, and holding one engine against another. */
#include <stdlib.h>
#include <string.h>

#include "runtime/entry.h"
#include "runtime/exec.h"
#include "runtime/finite.h"
#include "runtime/machine_members.h"
#include "runtime/turn.h"

void dtq_stats_free(dtq_stats *s) {
    free(s->events);
    s->events = NULL;
}

/* The cycles of a program whose values the simulator does not compute. */
static bool time_only(const dtq_program *p, const dtq_stream *s, const dtq_run_options *options, dtq_stats *stats,
                      bool want_events, dtq_error *e) {
    dtq_run_options o = *options;
    o.timing_only = true;
    dtq_exec x;
    if (!dtq_exec_init(&x, p, s, NULL, NULL, &o, e))
        return false;
    const bool ok = dtq_run_sim(&x, &o, stats, want_events, e);
    dtq_exec_free(&x);
    return ok;
}

static bool take_turns(dtq_weights *w, dtq_cache *c, dtq_error *e) {
    if (!dtq_turn_take(dtq_weights_turn(w), "this instance of weights", e))
        return false;
    if (!dtq_turn_take(dtq_cache_turn(c), "this cache of keys and values", e)) {
        dtq_turn_end(dtq_weights_turn(w));
        return false;
    }
    return true;
}

static void end_turns(dtq_weights *w, dtq_cache *c) {
    dtq_turn_end(dtq_cache_turn(c));
    dtq_turn_end(dtq_weights_turn(w));
}

/* Runs once more, by the reference, whose numbers are the simulator's, and looks at what every instruction writes.
 * Nobody observes that run. Returns false. */
static bool find_nonfinite(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
                           const dtq_run_options *options, dtq_error *e) {
    dtq_run_options o = *options;
    o.engine = o.engine == DTQ_ENGINE_FP32 ? DTQ_ENGINE_FP32 : DTQ_ENGINE_REF;
    o.observer = NULL;
    dtq_exec x;
    if (!dtq_exec_init(&x, p, s, weights, input, &o, e))
        return false;
    x.watched = true;
    if (dtq_cache_load(o.cache, &x, e) && dtq_run_ref(&x, e)) {
        (void)dtq_fail(e, DTQ_NOT_FINITE,
                       "the output has numbers that are not finite; no instruction of the host wrote them");
    }
    dtq_exec_free(&x);
    return false;
}

static bool run_engine(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
                       const dtq_run_options *o, dtq_output *out, dtq_stats *stats, bool want_events, dtq_error *e) {
    dtq_exec x;
    if (!dtq_exec_init(&x, p, s, weights, input, o, e))
        return false;
    bool ok = o->timing_only || dtq_cache_load(o->cache, &x, e);
    if (ok)
        ok = o->engine == DTQ_ENGINE_SIM ? dtq_run_sim(&x, o, stats, want_events, e) : dtq_run_ref(&x, e);
    if (ok && !o->timing_only)
        ok = dtq_exec_output(&x, out, e);
    if (ok && !o->timing_only && !o->allow_nonfinite && !dtq_all_finite(out->data, out->count)) {
        dtq_output_free(out);
        ok = find_nonfinite(p, s, weights, input, o, e);
    }
    if (ok) {
        out->effects = x.effects;
        x.effects = NULL;
    }
    if (ok && !o->timing_only && o->cache)
        dtq_cache_store(o->cache, &x);
    dtq_exec_free(&x);
    return ok;
}

bool dtq_do_run(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
                const dtq_run_options *options, dtq_output *out, dtq_stats *stats, bool want_events, dtq_error *e) {
    dtq_run_options o = options ? *options : (dtq_run_options){.engine = DTQ_ENGINE_SIM};
    *out = (dtq_output){0};
    if (stats)
        *stats = (dtq_stats){0};
    if (o.timing_only && o.engine != DTQ_ENGINE_SIM)
        return dtq_fail(e, DTQ_BAD_INPUT, "only the simulator can run without data");
    if (o.noise && o.engine != DTQ_ENGINE_REF)
        return dtq_fail(e, DTQ_BAD_INPUT, "only the reference engine adds noise");
    if (o.engine == DTQ_ENGINE_SIM && !o.timing_only && p->scheme.kind != DTQ_SCHEME_MIXED) {
        if (!time_only(p, s, &o, stats, want_events, e))
            return false;
        o.engine = DTQ_ENGINE_REF;
    }
    if (!take_turns(weights, o.cache, e))
        return false;
    const bool ok = run_engine(p, s, weights, input, &o, out, stats, want_events, e);
    end_turns(weights, o.cache);
    return ok;
}

/* ---- dtq_check ----------------------------------------------------------------------------------------------- */

/* The instruction that computes the output of a query slot, or the stream's count. */
static size_t find_pv(const dtq_stream *s, uint32_t layer, uint64_t head, uint32_t slot) {
    size_t found = s->count;
    for (size_t i = 0; i < s->count; i++) {
        const dtq_instr *in = &s->instrs[i];
        if (in->op == DTQ_OP_PV && DTQ_GET(in, PV, layer) == layer && DTQ_GET(in, PV, head) == head &&
            DTQ_GET(in, PV, row) <= slot && slot < DTQ_GET(in, PV, row) + DTQ_GET(in, PV, rows)) {
            found = i;
        }
    }
    return found;
}

static bool report_out(const dtq_exec *sim, uint32_t layer, uint32_t slot, uint64_t element, float got, float want,
                       dtq_error *e) {
    const dtq_stream *s = sim->stream;
    const dtq_layer *l = &s->layers[layer];
    const dtq_machine *m = sim->program->machine;
    const uint64_t head = element / l->head_dim, channel = element % l->head_dim;
    const size_t at = find_pv(s, layer, head, slot);
    char tile[160] = "computed by no instruction";
    if (at < s->count && m->vssa_rows != 0 && m->vssa_cols != 0) {
        (void)snprintf(tile, sizeof tile, "tile row %llu, column %llu (%llux%llu) of instruction %zu",
                       (unsigned long long)((slot - DTQ_GET(&s->instrs[at], PV, row)) / m->vssa_rows),
                       (unsigned long long)(channel / m->vssa_cols), (unsigned long long)m->vssa_rows,
                       (unsigned long long)m->vssa_cols, at);
    }
    return dtq_fail(e, DTQ_BAD_PROGRAM,
                    "layer %u, head %llu, slot %u (token %u), %s, element %llu: the simulator has %.9g (%a), the "
                    "reference %.9g (%a)",
                    layer, (unsigned long long)head, slot,
                    dtq_slot_ids(sim, layer, (uint32_t)head / (l->heads / l->kv_heads))[slot], tile,
                    (unsigned long long)channel, (double)got, (double)got, (double)want, (double)want);
}

/* Regions that a later layer writes again hold nothing of this one any more. */
static bool overwritten(const dtq_stream *s, uint32_t layer, uint64_t at, uint64_t bytes) {
    for (uint32_t i = layer + 1; i < s->layer_count; i++) {
        const dtq_layer *l = &s->layers[i];
        const uint64_t out_bytes = (uint64_t)s->seq * l->heads * l->head_dim * sizeof(float);
        if ((l->out < at + bytes && at < l->out + out_bytes) ||
            (l->importance_at < at + bytes &&
             at < l->importance_at + dtq_importance_rows(l) * s->seq * sizeof(uint64_t))) {
            return true;
        }
    }
    return false;
}

static bool same_slots(const dtq_exec *sim, const dtq_exec *ref, uint32_t layer, dtq_error *e) {
    const dtq_slots *a = &sim->slots[layer], *b = &ref->slots[layer];
    if (a->ready != b->ready) {
        return dtq_fail(e, DTQ_BAD_PROGRAM, "layer %u: only the %s has selected its tokens", layer,
                        a->ready ? "simulator" : "reference");
    }
    const uint32_t slots = sim->stream->layers[layer].slots, tables = dtq_tables(&sim->stream->layers[layer]);
    for (uint32_t i = 0; a->ready && i < slots * tables; i++) {
        if (a->ids[i] != b->ids[i]) {
            return dtq_fail(e, DTQ_BAD_PROGRAM,
                            "layer %u, slot %u: the simulator holds token %u, the reference token %u", layer, i % slots,
                            a->ids[i], b->ids[i]);
        }
    }
    for (uint32_t i = 0; a->ready && i < slots; i++) {
        for (int o = 0; o < DTQ_OPERANDS; o++) {
            if (a->bits[o][i] != b->bits[o][i]) {
                return dtq_fail(e, DTQ_BAD_PROGRAM,
                                "layer %u, slot %u: operand %c has %u bits in the simulator, %u in the reference",
                                layer, i, "qkvp"[o], a -> bits[o][i], b -> bits[o][i]);
            }
        }
    }
    return true;
}

static bool same_layer(const dtq_exec *sim, const dtq_exec *ref, uint32_t layer, dtq_error *e) {
    const dtq_stream *s = sim->stream;
    const dtq_layer *l = &s->layers[layer];
    const uint64_t width = (uint64_t)l->heads * l->head_dim;
    if (!same_slots(sim, ref, layer, e))
        return false;
    const bool ready = sim->slots[layer].ready;
    const bool out_kept = !overwritten(s, layer, l->out, s->seq * width * sizeof(float));
    for (uint32_t i = 0; ready && out_kept && i < l->slots; i++) {
        for (uint64_t c = 0; c < width; c++) {
            const uint32_t kv_head = (uint32_t)(c / l->head_dim) / (l->heads / l->kv_heads);
            const uint64_t at = l->out + dtq_slot_ids(sim, layer, kv_head)[i] * width * sizeof(float);
            float got, want;
            memcpy(&got, sim->dram + at + c * sizeof got, sizeof got);
            memcpy(&want, ref->dram + at + c * sizeof want, sizeof want);
            if (memcmp(&got, &want, sizeof got) != 0)
                return report_out(sim, layer, i, c, got, want, e);
        }
    }
    const uint32_t tables = dtq_tables(l);
    const bool importance_kept = !overwritten(s, layer, l->importance_at, tables * s->seq * sizeof(uint64_t));
    for (uint32_t i = 0; ready && importance_kept && i < l->slots * tables; i++) {
        const uint32_t table = i / l->slots, id = sim->slots[layer].ids[i];
        const uint64_t at = l->importance_at + ((uint64_t)table * s->seq + id) * sizeof(uint64_t);
        uint64_t got, want;
        memcpy(&got, sim->dram + at, sizeof got);
        memcpy(&want, ref->dram + at, sizeof want);
        if (got != want) {
            return dtq_fail(e, DTQ_BAD_PROGRAM,
                            "layer %u, slot %u (token %u): importance is %llu in the simulator, %llu in the reference",
                            layer, i % l->slots, id, (unsigned long long)got, (unsigned long long)want);
        }
    }
    return true;
}

static bool same_output(const dtq_exec *sim, const dtq_exec *ref, dtq_error *e) {
    dtq_output a, b;
    if (!dtq_exec_output(sim, &a, e))
        return false;
    if (!dtq_exec_output(ref, &b, e)) {
        dtq_output_free(&a);
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < a.count; i++) {
        if (memcmp(&a.data[i], &b.data[i], sizeof *a.data) != 0) {
            ok =
                dtq_fail(e, DTQ_BAD_PROGRAM, "output element %zu: the simulator has %.9g (%a), the reference %.9g (%a)",
                         i, (double)a.data[i], (double)a.data[i], (double)b.data[i], (double)b.data[i]);
        }
    }
    dtq_output_free(&a);
    dtq_output_free(&b);
    return ok;
}

static bool check_engines(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
                          dtq_run_options o, dtq_error *e) {
    o.engine = DTQ_ENGINE_REF;
    dtq_exec ref, sim;
    if (!dtq_exec_init(&ref, p, s, weights, input, &o, e))
        return false;
    o.engine = DTQ_ENGINE_SIM;
    if (!dtq_exec_init(&sim, p, s, weights, input, &o, e)) {
        dtq_exec_free(&ref);
        return false;
    }
    bool ok = dtq_cache_load(o.cache, &ref, e) && dtq_cache_load(o.cache, &sim, e) && dtq_run_ref(&ref, e) &&
              dtq_run_sim(&sim, &o, NULL, false, e);
    for (uint32_t l = 0; ok && l < s->layer_count; l++)
        ok = same_layer(&sim, &ref, l, e);
    ok = ok && same_output(&sim, &ref, e);
    dtq_exec_free(&sim);
    dtq_exec_free(&ref);
    return ok;
}

bool dtq_do_check(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
                  const dtq_run_options *options, dtq_error *e) {
    dtq_run_options o = options ? *options : (dtq_run_options){0};
    if (p->scheme.kind != DTQ_SCHEME_MIXED) {
        return dtq_fail(e, DTQ_BAD_INPUT, "there is nothing to compare: the reference alone computes the values of %s",
                        dtq_schemes[p->scheme.kind].word);
    }
    o.timing_only = false;
    if (!take_turns(weights, o.cache, e))
        return false;
    const bool ok = check_engines(p, s, weights, input, o, e);
    end_turns(weights, o.cache);
    return ok;
}
