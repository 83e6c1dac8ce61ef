/* What stands behind the public functions (dtqrt.h) that compute with floating-point numbers,
 * read or print them. entry.c enters the default floating-point mode (float_mode.h) and calls the function of the same
 * name here; the library itself, which is in that mode already, calls these. Private to runtime/.
 *
 * A pair of functions in two files rather than a line at the top of each: no compiler moves arithmetic out of a call of
 * another file, whereas it may move what a function computes itself to before it has changed the mode. */
#ifndef DTQRT_ENTRY_H
#define DTQRT_ENTRY_H

#include "runtime/host/model.h"
#include "runtime/numerics/numerics.h"

bool dtq_do_program_encode(const dtq_program *p, uint8_t **out, size_t *out_bytes, dtq_error *e);
bool dtq_do_program_decode(const uint8_t *data, size_t bytes, dtq_program **out, dtq_error *e);
bool dtq_do_program_load(const char *path, dtq_program **out, dtq_error *e);
bool dtq_do_program_save(const dtq_program *p, const char *path, dtq_error *e);
bool dtq_do_disassemble(const dtq_program *p, const dtq_program_part *part, const char *title, FILE *out, dtq_error *e);
bool dtq_do_assemble(const char *name, const char *text, size_t bytes, dtq_program **out, dtq_error *e);
bool dtq_do_verify(const dtq_program *p, const dtq_stream *s, dtq_error *e);
float dtq_do_exp2(float t);
float dtq_do_rne(float x);
float dtq_do_score_scale(uint32_t head_dim);
bool dtq_do_scale(const float *x, size_t n, size_t stride, unsigned bits, float *scale);
int8_t dtq_do_quantise(float x, float scale, unsigned bits);
bool dtq_do_attention_ref(const dtq_attention *a, dtq_error *e);
bool dtq_do_attention_fp32(const dtq_attention *a, dtq_error *e);
void dtq_do_counts(uint32_t n, double r0, double r8, uint32_t *kept, uint32_t *high);
uint32_t dtq_do_cascade_kept(uint32_t all, size_t layer, size_t layers, double whole, double mean, double first);
dtq_weights *dtq_do_weights_open_with(const dtq_program *p, const dtq_weights_options *o, dtq_error *e);
bool dtq_do_run(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
                const dtq_run_options *options, dtq_output *out, dtq_stats *stats, bool want_events, dtq_error *e);
bool dtq_do_static_cycles(const dtq_program *p, const dtq_stream *s, uint64_t *cycles, dtq_error *e);
bool dtq_do_prove(const dtq_program *p, const dtq_stream *s, dtq_error *e);
bool dtq_do_check(const dtq_program *p, const dtq_stream *s, dtq_weights *weights, const dtq_input *input,
                  const dtq_run_options *options, dtq_error *e);
dtq_host *dtq_do_host_open(const dtq_host_model *model, const dtq_program *plan, const dtq_host_options *options,
                           dtq_error *e);
bool dtq_do_host_run(dtq_host *h, uint32_t seq, const dtq_input *in, bool want_importance, dtq_output *out,
                     dtq_error *e);
bool dtq_do_host_run_stream(dtq_host *h, const dtq_stream *s, const dtq_input *in, dtq_cache *cache,
                            bool want_importance, dtq_output *out, dtq_error *e);
dtq_area dtq_do_machine_area(const dtq_machine *m);
uint64_t dtq_do_machine_dram_cycles(const dtq_machine *m, uint64_t bytes);
bool dtq_do_scheme_value_check(const dtq_scheme_param *p, double value, char *why, size_t room);
const char *dtq_do_scheme_text(const dtq_scheme *s, char *buf);
bool dtq_do_scheme_parse(const char *text, dtq_scheme *out, char *why, size_t room);
bool dtq_do_scheme_check(const dtq_scheme *s, char *why, size_t room);

#endif
