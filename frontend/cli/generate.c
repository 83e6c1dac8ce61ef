/* dtqc generate: text that a decoder writes, token by token, with a cache of keys and values. The prompt is one run;
 * each step after it computes the row of the newest token alone, and clusters the tokens so far anew. */
#include <string.h>
#include <unistd.h>

#include "codegen/host/plan.h"
#include "frontend/cli/cache_directory.h"
#include "frontend/cli/host/host_cache.h"
#include "frontend/cli/host/host_code.h"
#include "frontend/cli/host/host_model.h"
#include "frontend/cli/sampling.h"
#include "frontend/models/models.h"
#include "frontend/policy.h"
#include "frontend/tokenizer/tokenizers.h"
#include "runtime/host/model.h"

/** Words of --engine. */
enum { GENERATE_HOST, GENERATE_SIM, GENERATE_REF, GENERATE_FP32 };

typedef struct {
    session *session;
    source source;
    const tokenizer *words;
    token_ends ends;  /* of a text */
    uint32_t *tokens; /* [longest] prompt, then what was written */
    uint32_t prompt, count, longest;
    /* what runs: streams of every length, by the simulator or a reference */
    dtq_program *program;
    dtq_weights *weights;
    /* or generated code, with a plan of the prompt and of the longest step: other steps are planned when they come */
    const ir_module *whole; /* the model's graph, without a policy */
    arena *step;            /* of the plan of one step */
    loaded_code code;
    dtq_host *host;
    dtq_cache *cache;
    sampling how;
    /* what came of it */
    double prompt_ms, steps_ms;
    uint64_t prompt_cycles, step_cycles; /* of the simulator */
    bool ended;                          /* by the model's own token for that */
    size_t shown;                        /* bytes of text already on the terminal */
    size_t begin, end; /* bytes of the prompt's text; of the text before what --stop names, if `stopped` */
    bool stopped;
} generation;

/* ---- the prompt -------------------------------------------------------------------------------------------------- */

static bool read_prompt(generation *g) {
    session *s = g->session;
    const model *m = g->source.model;
    tokenizer *t = model_tokenizer(m, s->arena, s->diag);
    token_list list;
    const char *text = value(s, OPT_prompt)->text;
    if (!t || !tokenizer_encode(t, s->arena, s->diag, text, strlen(text), &(encode_options){0}, &list))
        return false;
    uint32_t most = model_positions(m);
    if (list.count == 0 || list.count >= most)
        return diag_error(s->diag, s->place,
                          "the prompt has %zu tokens; 1 to %u are possible, so that one is left to write", list.count,
                          most - 1);
    uint64_t wanted = list.count + (uint64_t)value(s, OPT_tokens)->number;
    g->words = t;
    g->prompt = g->count = (uint32_t)list.count;
    g->longest = wanted < most ? (uint32_t)wanted : most;
    g->tokens = ARENA_ARRAY(s->arena, uint32_t, g->longest);
    memcpy(g->tokens, list.ids, g->prompt * sizeof *g->tokens);
    g->begin = tokenizer_decode(t, s->arena, g->tokens, g->prompt, NULL).bytes;
    return true;
}

static bool check_model(generation *g) {
    session *s = g->session;
    const model *m = g->source.model;
    src_loc loc = {g->source.path, 0, 0};
    if (!m || !model_generates(m))
        return diag_error(s->diag, loc, "cannot generate text: this needs a causal model with scores of all tokens");
    if (!model_vocabulary(m))
        return diag_error(s->diag, loc, "has no vocabulary to read and write text with");
    return model_ends(m, s->arena, s->diag, &g->ends);
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* The policy of a run that computes the last `queries` tokens. Pruned tokens leave as keys: their rows are written
 * already. */
static source source_of(const generation *g, uint32_t queries) {
    source src = g->source;
    policy *p = ARENA_NEW(g->session->arena, policy);
    *p = *src.policy;
    p->prune_keys = true;
    p->queries = queries;
    src.policy = p;
    src.last_row = true;
    return src;
}

static const pass_options quiet = {.dump_level = -1, .optimise = true};

/* Adds a run of the first `length` tokens to a plan: of the prompt, or of the newest token behind it. */
static bool plan_run(generation *g, arena *a, uint32_t length, dtq_program *plan) {
    source src = source_of(g, length == g->prompt ? g->prompt : 1);
    return host_plan_length(g->session, a, &src, g->whole, length, false, &quiet, plan) == HOST_PLANNED;
}

/* Generated code, which is the same for all lengths. Nothing follows the longest one's last token. */
static bool make_code(generation *g) {
    session *s = g->session;
    uint32_t last = g->longest - 1;
    source src = source_of(g, 1);
    compiled made;
    ir_module *whole = build_typed(s, &src, g->longest, true);
    if (!whole || !compile_graph(s, &src, last, true, &quiet, &made) || !identify_weights(s, whole) ||
        !identify_weights(s, made.module))
        return false;
    g->whole = whole;
    g->step = arena_new();
    g->program = host_plan_begin(s->arena, s->diag, whole, 2);
    if (!g->program || !plan_run(g, s->arena, g->prompt, g->program) ||
        (last > g->prompt && !plan_run(g, s->arena, last, g->program)))
        return false;
    host_program *p = host_lower(s->arena, s->diag, made.module);
    return p && host_code_load(s, p, false, &g->code);
}

/* A run of the prompt, and a step for every length but the longest, whose last token nothing follows. */
static bool make_programs(generation *g) {
    session *s = g->session;
    size_t count = g->longest - g->prompt;
    if (value(s, OPT_generate_engine)->word == GENERATE_HOST)
        return make_code(g);
    compiled *made = ARENA_ARRAY(s->arena, compiled, count);
    for (size_t i = 0; i < count; i++) {
        source src = source_of(g, i == 0 ? g->prompt : 1);
        if (!compile_length(s, &src, g->prompt + (uint32_t)i, true, &quiet, &made[i]))
            return false;
    }
    g->program = make_program(s, made, count);
    return g->program != NULL;
}

/* The stream of the tokens so far. That of a step that was not planned before lasts until the next one. */
static const dtq_stream *stream_of(generation *g) {
    const dtq_stream *known = dtq_program_stream(g->program, g->count);
    if (known)
        return known;
    arena_free(g->step);
    g->step = arena_new();
    dtq_program plan = {.streams = ARENA_NEW(g->step, dtq_stream)};
    return plan_run(g, g->step, g->count, &plan) ? plan.streams : NULL;
}

static bool open_engine(generation *g) {
    session *s = g->session;
    dtq_error e;
    g->cache = dtq_cache_open(g->program, g->longest, &e);
    if (!g->cache)
        return runtime_error(s, &e, true);
    if (!g->code.model) {
        g->weights = dtq_weights_open_with(
            g->program,
            &(dtq_weights_options){.known = known_files(s), .threads = (unsigned)value(s, OPT_threads)->number}, &e);
        return g->weights || runtime_error(s, &e, false);
    }
    const char *directory = cache_directory(s);
    dtq_host_options o = {.threads = (unsigned)value(s, OPT_threads)->number,
                          .known = known_files(s),
                          .allow_nonfinite = given(s, OPT_allow_nonfinite),
                          .store = directory ? host_cache_weights(s, directory, g->code.model, g->program) : NULL};
    g->host = dtq_host_open(g->code.model, g->program, &o, &e);
    return g->host || runtime_error(s, &e, true);
}

static void release(generation *g) {
    dtq_cache_close(g->cache);
    if (g->step)
        arena_free(g->step);
    dtq_host_close(g->host);
    host_code_unload(&g->code);
    if (g->weights)
        dtq_weights_close(g->weights);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Runs the tokens so far; *next is the token that is chosen by the scores behind them. */
static bool run(generation *g, uint64_t *cycles, uint32_t *next) {
    session *s = g->session;
    const dtq_stream *stream = stream_of(g);
    dtq_input input = {.tokens = g->tokens};
    dtq_output out = {0};
    dtq_stats stats = {0};
    dtq_error e;
    static const dtq_engine engines[] = {
        [GENERATE_SIM] = DTQ_ENGINE_SIM, [GENERATE_REF] = DTQ_ENGINE_REF, [GENERATE_FP32] = DTQ_ENGINE_FP32};
    int engine = value(s, OPT_generate_engine)->word;
    bool ok;
    if (!stream)
        return false;
    if (engine == GENERATE_HOST) {
        ok = dtq_host_run_stream(g->host, stream, &input, g->cache, false, &out, &e);
    } else {
        dtq_run_options o = {.engine = engines[engine],
                             .threads = (unsigned)value(s, OPT_threads)->number,
                             .cache = g->cache,
                             .allow_nonfinite = given(s, OPT_allow_nonfinite)};
        ok = dtq_run(g->program, stream, g->weights, &input, &o, &out, &stats, false, &e);
    }
    if (ok)
        *next = sampling_choose(&g->how, out.data, stream->output_width, g->tokens, g->count);
    *cycles += stats.cycles;
    dtq_stats_free(&stats);
    dtq_output_free(&out);
    return ok || runtime_error(s, &e, true);
}

static token_string text_of(const generation *g, arena *a) {
    token_string text = tokenizer_decode(g->words, a, g->tokens, g->count, NULL);
    if (g->stopped && g->end < text.bytes)
        text.bytes = g->end;
    return text;
}

/* Looks for what --stop names behind the prompt: the text ends before the first of them. */
static void look_for_stop(generation *g) {
    const option_value *stop = value(g->session, OPT_stop);
    arena *scratch = arena_new();
    token_string text = stop->count ? text_of(g, scratch) : (token_string){0};
    for (size_t i = 0; i < stop->count && text.bytes > g->begin; i++) {
        const char *at = memmem(text.text + g->begin, text.bytes - g->begin, stop->texts[i], strlen(stop->texts[i]));
        if (at && (!g->stopped || (size_t)(at - text.text) < g->end)) {
            g->end = (size_t)(at - text.text);
            g->stopped = true;
        }
    }
    arena_free(scratch);
}

/* Bytes at the end of a text that begin a character and do not finish it. */
static size_t unfinished(const char *text, size_t bytes) {
    for (size_t back = 1; back <= 3 && back <= bytes; back++) {
        unsigned char c = (unsigned char)text[bytes - back];
        size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (c >= 0x80 && c < 0xc0)
            continue;
        return whole > back ? back : 0;
    }
    return 0;
}

/* Bytes at the end of a text that may be the beginning of one at which it ends. */
static size_t maybe_stop(const generation *g, const char *text, size_t bytes) {
    const option_value *stop = value(g->session, OPT_stop);
    size_t most = 0;
    for (size_t i = 0; i < stop->count; i++)
        for (size_t n = strlen(stop->texts[i]); n-- > most + 1;)
            if (n <= bytes && memcmp(text + bytes - n, stop->texts[i], n) == 0)
                most = n;
    return most;
}

/* Shows what is new of the text, of which prompt and all are one. */
static void show(generation *g, bool last) {
    arena *scratch = arena_new();
    token_string text = text_of(g, scratch);
    size_t cut = unfinished(text.text, text.bytes), stop = maybe_stop(g, text.text, text.bytes);
    size_t ready = text.bytes - (last ? 0 : cut > stop ? cut : stop);
    if (ready > g->shown) {
        fwrite(text.text + g->shown, 1, ready - g->shown, stdout);
        fflush(stdout);
        g->shown = ready;
    }
    arena_free(scratch);
}

static bool weights_unchanged(generation *g) {
    dtq_error e;
    return (dtq_weights_unchanged(g->weights, &e) && (!g->host || dtq_host_unchanged(g->host, &e))) ||
           runtime_error(g->session, &e, false);
}

/* Without a list a text ends with its tokeniser's token for that, or where a new one begins. */
static bool ends_text(const generation *g, uint32_t token) {
    for (size_t i = 0; i < g->ends.count; i++)
        if (token == g->ends.ids[i])
            return true;
    return !g->ends.count &&
           (token == tokenizer_role(g->words, TOKEN_EOS) || token == tokenizer_role(g->words, TOKEN_BOS));
}

static bool write_tokens(generation *g) {
    session *s = g->session;
    bool live = !given(s, OPT_json);
    while (g->count < g->longest && !g->ended && !g->stopped) {
        bool prompt = g->count == g->prompt;
        uint32_t next = 0;
        double start = phases_now();
        if (live)
            show(g, false);
        if (!run(g, prompt ? &g->prompt_cycles : &g->step_cycles, &next))
            return false;
        *(prompt ? &g->prompt_ms : &g->steps_ms) += phases_now() - start;
        g->ended = ends_text(g, next);
        if (!g->ended)
            g->tokens[g->count++] = next;
        look_for_stop(g);
    }
    if (live) {
        show(g, true);
        putchar('\n');
    }
    return true;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static uint32_t steps(const generation *g) {
    uint32_t written = g->count - g->prompt + g->ended;
    return written ? written - 1 : 0;
}

static void print_json(generation *g) {
    session *s = g->session;
    json_writer w = {.out = stdout};
    token_string text = text_of(g, s->arena);
    bool sim = value(s, OPT_generate_engine)->word == GENERATE_SIM;
    json_open(&w, NULL, '{');
    json_str(&w, "schema", "dtqc-generate/1");
    json_str(&w, "model", model_name(g->source.model));
    json_str(&w, "target", g->source.target.name);
    json_str(&w, "policy", g->source.policy->name);
    json_int(&w, "prompt_tokens", g->prompt);
    json_bool(&w, "ended", g->ended);
    json_bool(&w, "stopped", g->stopped);
    json_str(&w, "text", arena_strndup(s->arena, text.text, text.bytes));
    json_open(&w, "tokens", '[');
    for (uint32_t i = g->prompt; i < g->count; i++)
        json_int(&w, NULL, g->tokens[i]);
    json_close(&w, ']');
    json_real(&w, "prompt_ms", g->prompt_ms);
    json_real(&w, "ms_per_step", steps(g) ? g->steps_ms / steps(g) : 0);
    if (sim) {
        json_int(&w, "prompt_cycles", (int64_t)g->prompt_cycles);
        json_int(&w, "step_cycles", (int64_t)g->step_cycles);
    }
    json_close(&w, '}');
}

static void print_summary(const generation *g) {
    uint32_t n = steps(g);
    fprintf(stderr, "prompt %u tokens, %.1f ms; %u steps", g->prompt, g->prompt_ms, n);
    if (n)
        fprintf(stderr, ", %.2f ms each", g->steps_ms / n);
    if (value(g->session, OPT_generate_engine)->word == GENERATE_SIM)
        fprintf(stderr, "; %llu cycles of attention in the prompt, %llu in the steps",
                (unsigned long long)g->prompt_cycles, (unsigned long long)g->step_cycles);
    fputs(g->ended ? "; the model ended its text\n" : g->stopped ? "; a text of --stop came\n" : "\n", stderr);
}

static bool open_source(generation *g) {
    session *s = g->session;
    if (!source_open(s, s->options->operands[0], &g->source))
        return false;
    return !source_is_system(&g->source) ||
           usage_error(s, "--target: %s is of kind %s, which has no steps of generation", g->source.target.name,
                       g->source.target.kind);
}

bool command_generate(session *s) {
    if (!host_code_check(s, value(s, OPT_generate_engine)->word == GENERATE_HOST))
        return false;
    if (!given(s, OPT_prompt))
        return usage_error(s, "give a text to continue (--text)");
    generation g = {.session = s};
    if (!sampling_read(s, &g.how))
        return false;
    bool ok = open_source(&g) && check_model(&g) && read_prompt(&g) && make_programs(&g) && open_engine(&g) &&
              write_tokens(&g) && weights_unchanged(&g);
    if (ok && given(s, OPT_json))
        print_json(&g);
    else if (ok)
        print_summary(&g);
    release(&g);
    return ok;
}
