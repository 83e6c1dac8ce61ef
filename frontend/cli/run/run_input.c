/* Inputs of dtqc run and of executables: texts through the tokeniser, or tensors from a file. */
#include <inttypes.h>
#include <string.h>

#include "frontend/cli/run/run.h"
#include "frontend/files/safetensors.h"
#include "frontend/tokenizer/tokenizers.h"
#include "ir/base/path.h"

enum { MOST_TOKENS = 65536 };

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/* The --pair that follows text `i` before the next --text, or NULL. */
static const char *pair_of(const session *s, size_t i) {
    const option_value *texts = value(s, OPT_text), *pairs = value(s, OPT_pair);
    int from = texts->positions[i], to = i + 1 < texts->count ? texts->positions[i + 1] : INT32_MAX;
    for (size_t k = 0; k < pairs->count; k++)
        if (pairs->positions[k] > from && pairs->positions[k] < to)
            return pairs->texts[k];
    return NULL;
}

static bool check_pairs(session *s) {
    const option_value *texts = value(s, OPT_text), *pairs = value(s, OPT_pair);
    for (size_t k = 0; k < pairs->count; k++) {
        size_t i = texts->count; /* the text it belongs to */
        while (i > 0 && texts->positions[i - 1] > pairs->positions[k])
            i--;
        if (i == 0)
            return usage_error(s, "--pair '%s' has no --text before it", pairs->texts[k]);
        if (pair_of(s, i - 1) != pairs->texts[k])
            return usage_error(s, "--text '%s' has two pairs", texts->texts[i - 1]);
    }
    return true;
}

/* Whether the files that text is read with are those that the program was compiled with. */
static bool vocabulary_is_known(run_state *r) {
    session *s = r->session;
    const dtq_program *p = r->program;
    for (size_t i = 0; r->beside && i < p->file_count; i++) {
        dtq_file now = {.path = path_beside(s->arena, r->beside, p->files[i].path)};
        dtq_error e;
        if (dtq_program_file_has_weights(p, i))
            continue;
        if (!dtq_file_describe(&now, NULL, 1, NULL, &e))
            return runtime_error_at(s, &e, now.path);
        if (now.bytes != p->files[i].bytes || now.hash.high != p->files[i].hash.high ||
            now.hash.low != p->files[i].hash.low)
            return diag_error(
                s->diag, (src_loc){now.path, 0, 0},
                "is not the file that the program was compiled with: the same text may have other tokens; "
                "compile the program again, or give token ids (--input)");
    }
    return true;
}

static bool read_texts(run_state *r) {
    session *s = r->session;
    const option_value *texts = value(s, OPT_text);
    if (r->qkv)
        return usage_error(s, "%s is a bare attention: its input is q, k and v (--input)", r->path);
    if (!r->vocabulary)
        return usage_error(s, "%s has no vocabulary to read text with; give token ids (--input)", r->path);
    if (!check_pairs(s))
        return false;
    if (!vocabulary_is_known(r))
        return false;
    tokenizer *t = tokenizer_load(s->arena, s->diag, r->vocabulary, &(tokenizer_settings){r->lower_case});
    if (!t)
        return false;
    r->count = texts->count;
    r->cases = ARENA_ARRAY(s->arena, run_case, r->count);
    bool ok = true;
    for (size_t i = 0; i < r->count; i++) {
        run_case *c = &r->cases[i];
        c->text = texts->texts[i];
        c->pair = pair_of(s, i);
        token_list list;
        encode_options o = {.pair = {c->pair, c->pair ? strlen(c->pair) : 0},
                            .limit = tokenizer_limit(t, r->positions)};
        if (!tokenizer_encode(t, s->arena, s->diag, c->text, strlen(c->text), &o, &list)) {
            ok = false;
            continue;
        }
        if (list.count == 0) {
            ok = diag_error(s->diag, s->place, "text %zu has no token; the model needs at least one", i + 1);
            continue;
        }
        c->seq = (uint32_t)list.count;
        c->tokens = list.ids;
        c->segments = list.segments;
        c->truncated = list.truncated;
        if (list.truncated)
            diag_warning(s->diag, s->place, "text %zu is cut to the model's %zu %s", i + 1, list.count,
                         list.count < r->positions ? "tokens (max_seq_length)" : "positions");
    }
    return ok;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static const char *shape_text(arena *a, uint32_t rank, const uint64_t *shape) {
    char *text = arena_strdup(a, "[");
    for (uint32_t i = 0; i < rank; i++)
        text = arena_printf(a, "%s%s%" PRIu64, text, i ? ", " : "", shape[i]);
    return arena_printf(a, "%s]", text);
}

static const st_tensor *need_tensor(session *s, const safetensors *file, const char *name) {
    const st_tensor *t = safetensors_find(file, name);
    if (t)
        return t;
    const char **names = ARENA_ARRAY(s->arena, const char *, file->count);
    char *list = arena_strdup(s->arena, "");
    for (size_t i = 0; i < file->count; i++) {
        names[i] = file->tensors[i].name;
        if (i < 8)
            list = arena_printf(s->arena, "%s%s%.80s", list, i ? ", " : "", names[i]);
    }
    diag_error(s->diag, (src_loc){file->path, 0, 0}, "has no tensor '%s'; it has %s", name, *list ? list : "none");
    return NULL;
}

/* The numbers of a 1-D tensor of integers. */
static const uint32_t *read_ids(session *s, const safetensors *file, const st_tensor *t, size_t *count) {
    src_loc loc = {file->path, 0, 0};
    bool wide = strcmp(t->dtype, "I64") == 0, is_signed = wide || strcmp(t->dtype, "I32") == 0;
    if (!is_signed && strcmp(t->dtype, "U32") != 0) {
        diag_error(s->diag, loc, "tensor '%s' has type %s; it must be I64, U32 or I32", t->name, t->dtype);
        return NULL;
    }
    if (t->rank != 1 || t->shape[0] == 0 || t->shape[0] > MOST_TOKENS) {
        diag_error(s->diag, loc, "tensor '%s' has shape %s; it must be [tokens] with 1 to %d tokens", t->name,
                   shape_text(s->arena, t->rank, t->shape), MOST_TOKENS);
        return NULL;
    }
    *count = (size_t)t->shape[0];
    uint32_t *ids = ARENA_ARRAY(s->arena, uint32_t, *count);
    for (size_t i = 0; i < *count; i++) {
        const uint8_t *at = file->data + t->offset + i * (wide ? 8 : 4);
        int64_t id;
        if (wide) {
            memcpy(&id, at, 8);
        } else {
            uint32_t bits;
            memcpy(&bits, at, 4);
            id = is_signed ? (int32_t)bits : (int64_t)bits;
        }
        if (id < 0 || id > UINT32_MAX) {
            diag_error(s->diag, loc, "tensor '%s' has %" PRId64 " at place %zu; ids are not negative", t->name, id, i);
            return NULL;
        }
        ids[i] = (uint32_t)id;
    }
    return ids;
}

static bool read_tokens(session *s, const safetensors *file, run_case *c) {
    const st_tensor *tokens = need_tensor(s, file, "tokens"), *segments = safetensors_find(file, "segments");
    size_t count, segment_count;
    if (!tokens || !(c->tokens = read_ids(s, file, tokens, &count)))
        return false;
    c->seq = (uint32_t)count;
    if (!segments)
        return true;
    if (!(c->segments = read_ids(s, file, segments, &segment_count)))
        return false;
    return segment_count == count ||
           diag_error(s->diag, (src_loc){file->path, 0, 0}, "%zu segments for %zu tokens; each token needs one",
                      segment_count, count);
}

static bool read_qkv(session *s, const safetensors *file, run_case *c) {
    static const char *const names[3] = {"q", "k", "v"};
    for (int i = 0; i < 3; i++) {
        const st_tensor *t = need_tensor(s, file, names[i]);
        if (!t)
            return false;
        if (strcmp(t->dtype, "F32") != 0 || t->rank != 3 || t->bytes == 0)
            return diag_error(s->diag, (src_loc){file->path, 0, 0},
                              "tensor '%s' is %s %s; F32 [heads, tokens, head_dim] is wanted", t->name, t->dtype,
                              shape_text(s->arena, t->rank, t->shape));
        float *values = arena_alloc(s->arena, t->bytes); /* a copy: tensors in a file need not be aligned */
        memcpy(values, file->data + t->offset, t->bytes);
        c->qkv[i] = values;
        memcpy(c->shapes[i], t->shape, sizeof c->shapes[i]);
    }
    if (c->shapes[0][1] > MOST_TOKENS)
        return diag_error(s->diag, (src_loc){file->path, 0, 0}, "q has %" PRIu64 " tokens; at most %d are possible",
                          c->shapes[0][1], MOST_TOKENS);
    c->seq = (uint32_t)c->shapes[0][1];
    return true;
}

bool run_check_shapes(run_state *r, const run_case *c) {
    static const char *const names[3] = {"q", "k", "v"};
    const dtq_layer *l = &c->stream->layers[0];
    for (int i = 0; r->qkv && i < 3; i++) {
        uint64_t want[3] = {i == 0 ? l->heads : l->kv_heads, c->stream->seq, l->head_dim};
        if (memcmp(want, c->shapes[i], sizeof want) != 0) {
            arena *a = r->session->arena;
            const char *file = value(r->session, OPT_input)->text;
            return diag_error(r->session->diag, (src_loc){file, 0, 0}, "%s has shape %s; %s wants %s", names[i],
                              shape_text(a, 3, c->shapes[i]), r->path, shape_text(a, 3, want));
        }
    }
    return true;
}

static bool read_tensors(run_state *r) {
    session *s = r->session;
    if (given(s, OPT_pair))
        return usage_error(s, "--pair belongs to --text, not to --input");
    safetensors *file = safetensors_open(s->arena, s->diag, value(s, OPT_input)->text);
    if (!file)
        return false;
    r->count = 1;
    r->cases = ARENA_NEW(s->arena, run_case);
    bool ok = r->qkv ? read_qkv(s, file, r->cases) : read_tokens(s, file, r->cases);
    safetensors_close(file);
    return ok;
}

bool run_read_inputs(run_state *r) {
    session *s = r->session;
    if (given(s, OPT_text) && given(s, OPT_input))
        return usage_error(s, "give either --text or --input, not both");
    if (given(s, OPT_text))
        return read_texts(r);
    if (given(s, OPT_input))
        return read_tensors(r);
    return usage_error(s, "there is nothing to run on: %s",
                       r->qkv          ? "give q, k and v (--input)"
                       : r->vocabulary ? "give a text (--text) or token ids (--input)"
                                       : "give token ids (--input)");
}
