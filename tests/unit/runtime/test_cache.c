/* dtq_cache: which streams it is for. That it holds the right numbers is tests/e2e/generate.sh's to show. */
#include "isa_util.h"
#include "runtime/exec.h"

/* Six tokens, of which the last two are the queries of a step. */
static dtq_program *step_program(void) {
    dtq_program *p = assemble_file(DTQC_SOURCE_DIR "/tests/isa/good/attention.dtasm");
    dtq_layer *l = &p->streams[0].layers[0];
    l->causal = l->cached = 1;
    l->key_only = 4;
    return p;
}

static void refused(const dtq_cache *c, const dtq_stream *s, const char *words) {
    dtq_error e = {0};
    ck_assert(!dtq_cache_fits(c, s, &e));
    ck_assert_msg(e.status == DTQ_BAD_INPUT && strstr(e.message, words), "'%s' does not say '%s'", e.message, words);
}

START_TEST(a_cache_is_for_streams_that_go_on_where_it_ends) {
    dtq_program *p = step_program();
    dtq_stream *s = &p->streams[0];
    dtq_error e = {0};
    dtq_cache *c = dtq_cache_open(p, 6, &e);
    ck_assert_msg(c, "%s", e.message);
    ck_assert_uint_eq(dtq_stream_queries(s), 2);
    ck_assert_uint_eq(dtq_cache_length(c), 0);
    refused(NULL, s, "goes on behind 4 tokens and needs their cache");
    refused(c, s, "the cache holds 0 tokens, and the program wants 4");
    dtq_cache_advance(c, 4);
    ck_assert(dtq_cache_fits(c, s, &e));
    dtq_cache_layer(c, 0).importance[3] = 7;
    dtq_cache_clear(c);
    ck_assert_uint_eq(dtq_cache_length(c), 0);
    ck_assert_uint_eq(dtq_cache_layer(c, 0).importance[3], 0);
    s->layers[0].key_only = 0; /* a pass that fills it */
    ck_assert_uint_eq(dtq_stream_queries(s), 6);
    ck_assert(dtq_cache_fits(c, s, &e));
    ck_assert(dtq_cache_fits(NULL, s, &e));
    dtq_cache_close(c);
    dtq_program_free(p);
}
END_TEST

START_TEST(streams_of_other_layers_are_refused) {
    dtq_program *p = step_program(), *none = step_program();
    dtq_stream *s = &p->streams[0];
    dtq_error e = {0};
    dtq_cache *small = dtq_cache_open(p, 5, &e), *c = dtq_cache_open(p, 6, &e);
    ck_assert(small && c);
    refused(small, s, "a cache of 1 layers for 5 tokens, and a program of 1 layers for 6");
    dtq_cache_advance(c, 4);
    s->layers[0].head_dim *= 2;
    refused(c, s, "layer 0 is not of the cache");
    s->layers[0].head_dim /= 2;
    s->layers[0].cached = 0;
    s->layers[0].key_only = 0;
    refused(c, s, "layer 0 is not of the cache: it is compiled without one");
    none->stream_count = 0;
    ck_assert(!dtq_cache_open(none, 6, &e));
    ck_assert(strstr(e.message, "has no layers to keep"));
    none->stream_count = 1;
    dtq_cache_close(small);
    dtq_cache_close(c);
    dtq_cache_close(NULL);
    dtq_program_free(p);
    dtq_program_free(none);
}
END_TEST

RUN_TESTS("cache", a_cache_is_for_streams_that_go_on_where_it_ends, streams_of_other_layers_are_refused)
