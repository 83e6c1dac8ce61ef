/* The public functions that compute, read or print floating-point numbers: each in the default floating-point mode,
 * whatever the caller's, which is as it was when they return. */
#include "runtime/entry.h"

#include "runtime/float_mode.h"

/* ---- programs ---------------------------------------------------------------------------------------------------- */

bool dtq_program_encode(const dtq_program *p, uint8_t **out, size_t *out_bytes, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_program_encode(p, out, out_bytes, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_program_decode(const uint8_t *data, size_t bytes, dtq_program **out, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_program_decode(data, bytes, out, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_program_load(const char *path, dtq_program **out, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_program_load(path, out, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_program_save(const dtq_program *p, const char *path, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_program_save(p, path, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_disassemble(const dtq_program *p, FILE *out, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_disassemble(p, NULL, NULL, out, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_disassemble_part(const dtq_program *p, const dtq_program_part *part, const char *title, FILE *out,
                          dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_disassemble(p, part, title, out, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_assemble(const char *name, const char *text, size_t bytes, dtq_program **out, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_assemble(name, text, bytes, out, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_verify(const dtq_program *p, const dtq_stream *s, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_verify(p, s, e);
    dtq_float_leave(&caller);
    return result;
}

/* ---- numerics ---------------------------------------------------------------------------------------------------- */

float dtq_exp2(float t) {
    const dtq_float_mode caller = dtq_float_enter();
    const float result = dtq_do_exp2(t);
    dtq_float_leave(&caller);
    return result;
}

float dtq_rne(float x) {
    const dtq_float_mode caller = dtq_float_enter();
    const float result = dtq_do_rne(x);
    dtq_float_leave(&caller);
    return result;
}

float dtq_score_scale(uint32_t head_dim) {
    const dtq_float_mode caller = dtq_float_enter();
    const float result = dtq_do_score_scale(head_dim);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_scale(const float *x, size_t n, size_t stride, unsigned bits, float *scale) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_scale(x, n, stride, bits, scale);
    dtq_float_leave(&caller);
    return result;
}

int8_t dtq_quantise(float x, float scale, unsigned bits) {
    const dtq_float_mode caller = dtq_float_enter();
    const int8_t result = dtq_do_quantise(x, scale, bits);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_attention_ref(const dtq_attention *a, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_attention_ref(a, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_attention_fp32(const dtq_attention *a, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_attention_fp32(a, e);
    dtq_float_leave(&caller);
    return result;
}

void dtq_counts(uint32_t n, double r0, double r8, uint32_t *kept, uint32_t *high) {
    const dtq_float_mode caller = dtq_float_enter();
    dtq_do_counts(n, r0, r8, kept, high);
    dtq_float_leave(&caller);
}

uint32_t dtq_cascade_kept(uint32_t all, size_t layer, size_t layers, double whole, double mean, double first) {
    const dtq_float_mode caller = dtq_float_enter();
    const uint32_t result = dtq_do_cascade_kept(all, layer, layers, whole, mean, first);
    dtq_float_leave(&caller);
    return result;
}

/* ---- weights and runs -------------------------------------------------------------------------------------------- */

dtq_weights *dtq_weights_open_with(const dtq_program *p, const dtq_weights_options *o, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    dtq_weights *result = dtq_do_weights_open_with(p, o, e);
    dtq_float_leave(&caller);
    return result;
}

dtq_weights *dtq_weights_open(const dtq_program *p, const char *directory, dtq_error *e) {
    return dtq_weights_open_with(p, &(dtq_weights_options){.directory = directory}, e);
}

bool dtq_run(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
             const dtq_run_options *options, dtq_output *out, dtq_stats *stats, bool want_events, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_run(p, s, weights, input, options, out, stats, want_events, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_static_cycles(const dtq_program *p, const dtq_stream *s, uint64_t *cycles, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_static_cycles(p, s, cycles, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_prove(const dtq_program *p, const dtq_stream *s, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_prove(p, s, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_check(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
               const dtq_run_options *options, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_check(p, s, weights, input, options, e);
    dtq_float_leave(&caller);
    return result;
}

/* ---- generated host code ----------------------------------------------------------------------------------------- */

dtq_host *dtq_host_open(const dtq_host_model *model, const dtq_program *plan, const dtq_host_options *options,
                        dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    dtq_host *result = dtq_do_host_open(model, plan, options, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_host_run(dtq_host *h, uint32_t seq, const dtq_input *in, bool want_importance, dtq_output *out, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_host_run(h, seq, in, want_importance, out, e);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_host_run_stream(dtq_host *h, const dtq_stream *s, const dtq_input *in, dtq_cache *cache, bool want_importance,
                         dtq_output *out, dtq_error *e) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_host_run_stream(h, s, in, cache, want_importance, out, e);
    dtq_float_leave(&caller);
    return result;
}

/* ---- machines and schemes ---------------------------------------------------------------------------------------- */

dtq_area dtq_machine_area(const dtq_machine *m) {
    const dtq_float_mode caller = dtq_float_enter();
    const dtq_area result = dtq_do_machine_area(m);
    dtq_float_leave(&caller);
    return result;
}

uint64_t dtq_machine_dram_cycles(const dtq_machine *m, uint64_t bytes) {
    const dtq_float_mode caller = dtq_float_enter();
    const uint64_t result = dtq_do_machine_dram_cycles(m, bytes);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_scheme_value_check(const dtq_scheme_param *p, double value, char *why, size_t room) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_scheme_value_check(p, value, why, room);
    dtq_float_leave(&caller);
    return result;
}

const char *dtq_scheme_text(const dtq_scheme *s, char *buf) {
    const dtq_float_mode caller = dtq_float_enter();
    const char *result = dtq_do_scheme_text(s, buf);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_scheme_parse(const char *text, dtq_scheme *out, char *why, size_t room) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_scheme_parse(text, out, why, room);
    dtq_float_leave(&caller);
    return result;
}

bool dtq_scheme_check(const dtq_scheme *s, char *why, size_t room) {
    const dtq_float_mode caller = dtq_float_enter();
    const bool result = dtq_do_scheme_check(s, why, room);
    dtq_float_leave(&caller);
    return result;
}
