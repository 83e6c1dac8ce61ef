/* Programs with random faults: whatever the verifier accepts runs, in any order of the queues, to the reference's bits.
 * The sanitizer build says whether anything undefined happens on the way. DTQ_SEED repeats a run, DTQ_MUTANTS says how
 * many, DTQ_PROGRAMS=a.dtq:b.dtq takes other programs. */
#include "isa_util.h"

enum { MUTANTS = 1500, DRAM_MOST = 1 << 26, STREAMS_MOST = 64 };

static uint64_t below(uint64_t *seed, uint64_t n) {
    return n ? next_random(seed) % n : 0;
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static void change_field(dtq_stream *s, dtq_instr *in, uint64_t *seed) {
    const dtq_op_info *op = &dtq_ops[in->op];
    if (op->field_count == 0)
        return;
    unsigned f = (unsigned)below(seed, op->field_count);
    uint64_t most = op->fields[f].bits >= 64 ? UINT64_MAX : ((uint64_t)1 << op->fields[f].bits) - 1, x = in->f[f];
    const dtq_instr *other = &s->instrs[below(seed, s->count)];
    switch (below(seed, 8)) {
    case 0:
        x++;
        break;
    case 1:
        x--;
        break;
    case 2:
        x ^= (uint64_t)1 << below(seed, op->fields[f].bits);
        break;
    case 3:
        x = most;
        break;
    case 4:
        x = below(seed, 64);
        break;
    default: /* what another of its kind has */
        x = other->op == in->op ? other->f[f] : x + 1;
    }
    in->f[f] = x & most;
}

static void change_address(dtq_stream *s, dtq_layer *l, uint64_t *seed) {
    uint64_t *const at[] = {&l->q,         &l->k,
                            &l->v,         &l->q_scale,
                            &l->k_scale,   &l->v_scale,
                            &l->out,       &l->importance_at,
                            &s->output_at, &s->input_at[below(seed, 3)]};
    uint64_t *one = at[below(seed, 10)];
    switch (below(seed, 4)) {
    case 0:
        *one += 8 * below(seed, 16);
        break;
    case 1:
        *one -= 4 * below(seed, 16);
        break;
    case 2:
        *one = *at[below(seed, 10)];
        break;
    default:
        *one = 8 * below(seed, s->dram_bytes / 8 + 8);
    }
}

static void change_layer(dtq_layer *l, uint64_t *seed) {
    uint32_t *const counts[] = {&l->slots, &l->high, &l->muted, &l->key_only, &l->heads, &l->kv_heads, &l->head_dim};
    uint8_t *const words[] = {&l->causal, &l->order, &l->importance, &l->prob_bits, &l->cached};
    unsigned which = (unsigned)below(seed, 8);
    if (which == 0 && l->bits[0]) {
        unsigned o = (unsigned)below(seed, DTQ_OPERANDS);
        if (l->bits[o])
            ((uint8_t *)l->bits[o])[below(seed, l->slots)] ^= 12; /* 4 to 8 and back */
    } else if (which == 1 && l->ids) {
        ((uint32_t *)l->ids)[below(seed, l->slots)] = (uint32_t)below(seed, l->slots + 2);
    } else if (which < 4) {
        *words[below(seed, 5)] = (uint8_t)below(seed, 3);
    } else {
        uint32_t *count = counts[below(seed, 7)];
        if (count != &l->slots || *count > 1) /* tables have no more elements */
            *count += count == &l->slots ? UINT32_MAX : (uint32_t)(below(seed, 3) - 1);
    }
}

static void move_instr(dtq_stream *s, uint64_t *seed) {
    size_t from = below(seed, s->count), to = below(seed, s->count);
    dtq_instr in = s->instrs[from];
    if (from < to)
        memmove(s->instrs + from, s->instrs + from + 1, (to - from) * sizeof in);
    else
        memmove(s->instrs + to + 1, s->instrs + to, (from - to) * sizeof in);
    s->instrs[to] = in;
}

static void change(dtq_stream *s, uint64_t *seed) {
    size_t i = below(seed, s->count);
    dtq_layer *l = s->layer_count ? &s->layers[below(seed, s->layer_count)] : NULL;
    switch (below(seed, 12)) {
    case 0:
        s->instrs[i] = s->instrs[below(seed, s->count)];
        break;
    case 1:
        memmove(s->instrs + i, s->instrs + i + 1, (s->count - 1 - i) * sizeof *s->instrs);
        s->count -= s->count > 1;
        break;
    case 2:
    case 3:
        move_instr(s, seed);
        break;
    case 4:
    case 5:
        if (l)
            change_address(s, l, seed);
        break;
    case 6:
    case 7:
        if (l)
            change_layer(l, seed);
        break;
    default:
        change_field(s, &s->instrs[i], seed);
    }
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Of one program and what it is run on. */
typedef struct {
    const char *path;
    const dtq_program *good;
    const dtq_program *mutant;
    const dtq_stream *stream; /* of the mutant */
    dtq_weights *weights;
    float *floats;
    uint32_t *tokens;
} subject;

static dtq_input input_of(const subject *t) {
    const dtq_layer *l = t->stream->layers;
    size_t q = (size_t)t->stream->seq * (l ? l->heads * l->head_dim : 0), k = l ? q / l->heads * l->kv_heads : 0;
    return (dtq_input){.tokens = t->tokens, .q = t->floats, .k = t->floats + q, .v = t->floats + q + k};
}

static void begin_subject(subject *t) {
    const dtq_layer *l = t->stream->layers;
    size_t n = 3 * (size_t)t->stream->seq * (t->stream->layer_count ? (size_t)l->heads * l->head_dim : 1);
    t->floats = malloc((n + 1) * sizeof *t->floats);
    t->tokens = malloc(t->stream->seq * sizeof *t->tokens);
    for (size_t i = 0; i < n; i++)
        t->floats[i] = (float)((int)(i * 37 % 23) - 11) / 7;
    for (uint32_t i = 0; i < t->stream->seq; i++)
        t->tokens[i] = i * 7 % (t->mutant->vocabulary ? t->mutant->vocabulary : 1);
}

/* Keys and values of the tokens in front, by the good program's shorter streams; NULL if the mutant takes none. */
static dtq_cache *cache_for(const subject *t) {
    dtq_error e;
    bool cached = t->stream->layer_count && t->stream->layers[0].cached;
    dtq_cache *c = cached ? dtq_cache_open(t->good, t->stream->seq + 1, &e) : NULL;
    for (size_t i = 0; c && i < t->good->stream_count && t->good->streams[i].seq < t->stream->seq; i++) {
        const dtq_input input = {.tokens = t->tokens};
        const dtq_run_options o = {.engine = DTQ_ENGINE_REF, .threads = 1, .cache = c};
        dtq_output out = {0};
        ck_assert_msg(dtq_run(t->good, &t->good->streams[i], t->weights, &input, &o, &out, NULL, false, &e), "%s: %s",
                      t->path, e.message);
        dtq_output_free(&out);
    }
    return c;
}

static bool run_once(const subject *t, dtq_run_options o, dtq_output *out, dtq_error *e) {
    const dtq_input input = input_of(t);
    o.threads = 1;
    o.cache = cache_for(t);
    bool ok = dtq_run(t->mutant, t->stream, t->weights, &input, &o, out, NULL, false, e);
    if (o.cache)
        dtq_cache_close(o.cache);
    return ok;
}

static bool same(const dtq_output *a, const dtq_output *b) {
    return a->count == b->count && memcmp(a->data, b->data, a->count * sizeof *a->data) == 0;
}

/* In the list's order, in any other, and by the reference. Input that some op refuses is refused in each. */
static void expect_runs(const subject *t, uint64_t start, uint64_t *seed) {
    dtq_output first = {0};
    dtq_error e = {0}, other = {0};
    bool ok = run_once(t, (dtq_run_options){.engine = DTQ_ENGINE_SIM}, &first, &e);
    ck_assert_msg(ok || e.status == DTQ_BAD_INPUT || e.status == DTQ_NOT_FINITE || e.status == DTQ_NO_MEMORY,
                  "%s, seed %llu: accepted, but: %s", t->path, (unsigned long long)start, e.message);
    const dtq_run_options ways[] = {{.engine = DTQ_ENGINE_SIM, .shuffle = true, .seed = next_random(seed)},
                                    {.engine = DTQ_ENGINE_SIM, .shuffle = true, .seed = next_random(seed)},
                                    {.engine = DTQ_ENGINE_REF}};
    for (int i = 0; i < 3; i++) {
        dtq_output again = {0};
        bool fine = run_once(t, ways[i], &again, &other);
        ck_assert_msg(fine == ok && (!ok || same(&first, &again)), "%s, seed %llu: accepted, but %s: %s", t->path,
                      (unsigned long long)start, i == 2 ? "not the reference's bits" : "its bits depend on order",
                      fine ? "" : other.message);
        dtq_output_free(&again);
    }
    dtq_output_free(&first);
}

/* ---- mutants ----------------------------------------------------------------------------------------------------- */

static unsigned accepted, refused, changed;

static void try_mutant(const char *path, const dtq_program *good, const uint8_t *data, size_t bytes, uint64_t *seed) {
    uint64_t start = *seed;
    size_t at = below(seed, good->stream_count), mutant_bytes;
    dtq_program *p, *mutant;
    dtq_error e = {0};
    uint8_t *encoded;
    ck_assert_msg(dtq_program_decode(data, bytes, &p, &e), "%s", e.message);
    for (uint64_t n = 1 + below(seed, 2); n > 0; n--)
        change(&p->streams[at], seed);
    bool whole = dtq_program_encode(p, &encoded, &mutant_bytes, &e);
    if (whole && dtq_program_decode(encoded, mutant_bytes, &mutant, &e)) {
        subject t = {.path = path, .good = good, .mutant = mutant, .stream = &mutant->streams[at]};
        if (t.stream->dram_bytes < DRAM_MOST && dtq_verify(mutant, t.stream, &e)) {
            t.weights = dtq_weights_open(mutant, NULL, &e);
            ck_assert_msg(t.weights, "%s, seed %llu: %s", path, (unsigned long long)start, e.message);
            begin_subject(&t);
            expect_runs(&t, start, seed);
            changed += bytes != mutant_bytes || memcmp(data, encoded, bytes) != 0;
            accepted++;
            free(t.floats);
            free(t.tokens);
            dtq_weights_close(t.weights);
        } else {
            refused++;
        }
        dtq_program_free(mutant);
    } else {
        refused++;
    }
    if (whole)
        free(encoded);
    dtq_program_free(p);
}

static void mutate(const char *path, dtq_program *good, unsigned mutants, uint64_t *seed) {
    size_t bytes;
    uint8_t *data = encode(good, &bytes);
    accepted = refused = changed = 0;
    for (unsigned i = 0; i < mutants; i++)
        try_mutant(path, good, data, bytes, seed);
    printf("%s: %u refused, %u accepted, of which %u are changed\n", path, refused, accepted, changed);
    free(data);
    dtq_program_free(good);
}

START_TEST(what_is_accepted_runs_to_the_references_bits) {
    static const char *const names[] = {"attention", "linears", "steps", "streamed", "late"};
    const char *count = getenv("DTQ_MUTANTS"), *programs = getenv("DTQ_PROGRAMS");
    unsigned mutants = count ? (unsigned)strtoul(count, NULL, 10) : MUTANTS;
    uint64_t seed = test_seed();
    char path[512];
    if (!programs) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            snprintf(path, sizeof path, "%s/tests/isa/good/%s.dtasm", DTQC_SOURCE_DIR, names[i]);
            mutate(path, assemble_file(path), mutants, &seed);
            ck_assert_uint_gt(refused, mutants / 4);
            ck_assert_uint_gt(changed, 0);
        }
        return;
    }
    for (const char *at = programs; *at; at += strcspn(at, ":"), at += *at == ':') {
        dtq_program *p;
        dtq_error e;
        snprintf(path, sizeof path, "%.*s", (int)strcspn(at, ":"), at);
        ck_assert_msg(dtq_program_load(path, &p, &e), "%s", e.message);
        mutate(path, p, mutants, &seed);
    }
}
END_TEST

RUN_TESTS("mutants", what_is_accepted_runs_to_the_references_bits)
