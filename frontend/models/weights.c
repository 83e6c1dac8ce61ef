/* The tensor table of a transformer: synthetic, or found under the names that a family of checkpoints gives. */
#include <math.h>
#include <string.h>

#include "frontend/models/model.h"
#include "frontend/models/models.h"
#include "runtime/hash.h"
#include "runtime/weights/tensor.h"

typedef enum { PLACE_MODEL, PLACE_BLOCK, PLACE_HEAD } weight_place;
typedef enum { FILL_EMBEDDING, FILL_LINEAR, FILL_GAMMA, FILL_BIAS, FILL_ROTARY } weight_fill;

/** How a checkpoint stores a weight. */
typedef struct {
    const char *name; /* NULL: it has none */
    bool turned;      /* inputs before outputs */
    uint32_t part, parts;
    bool bare; /* outside of the prefix, as those of a PLACE_HEAD are */
} stored_as;

/** One weight of one transformer, its shape worked out. */
typedef struct {
    weight_place place;
    weight_fill fill;
    uint32_t rows, cols;
    bool needed;
    const char *name;
    stored_as as[FAMILIES]; /* but for FAMILY_OWN */
} weight_info;

static const struct {
    const char *block;       /* before the number of a block and the name of its weight */
    const char *prefixes[2]; /* of all but the head's weights, the usual one first */
} families[FAMILIES] = {
    [FAMILY_OWN] = {"layer.", {"", NULL}},
    [FAMILY_BERT] = {"encoder.layer.", {"", "bert."}},
    [FAMILY_GPT2] = {"h.", {"", "transformer."}},
    [FAMILY_LLAMA] = {"layers.", {"model.", ""}},
    [FAMILY_GGUF] = {"blk.", {"", NULL}},
    [FAMILY_ROBERTA] = {"encoder.layer.", {"", "roberta."}},
    [FAMILY_DISTILBERT] = {"transformer.layer.", {"", "distilbert."}},
};

static void weight_table(const transformer *t, weight_info out[WEIGHT_ROLES]) {
#define AS(name)       {name, false, 0, 1, false}
#define BARE(name)     {name, false, 0, 1, true}
#define TURNED(name)   {name, true, 0, 1, false}
#define THIRD(k, name) {name, true, k, 3, false}
#define CLASSIFIER(name)                                                                                               \
    {t->classifier_name == CLASSIFIER_SCORE   ? "score." name                                                          \
     : t->classifier_name == CLASSIFIER_SPANS ? "qa_outputs." name                                                     \
     : t->classifier_name == CLASSIFIER_NEXT  ? "cls.seq_relationship." name                                           \
     : t->classifier_name == CLASSIFIER_OUT   ? "classifier.out_proj." name                                            \
                                              : "classifier." name,                                                      \
     false, 0, 1, false}
#define NONE {NULL, false, 0, 1, false}
    const weight_info table[] = {
#define WEIGHT(role, place, fill, rows, cols, needed, name, ...)                                                       \
    {PLACE_##place, FILL_##fill, rows, cols, needed, name, {AS(name), __VA_ARGS__}},
#include "frontend/models/weights.def"
    };
#undef AS
#undef BARE
#undef TURNED
#undef THIRD
#undef CLASSIFIER
#undef NONE
    memcpy(out, table, sizeof table);
}

static const char *name_in_layer(arena *a, const weight_info *w, uint32_t layer) {
    return w->place != PLACE_BLOCK ? w->name : arena_printf(a, "layer.%u.%s", layer, w->name);
}

const char *weight_name(arena *a, const transformer *t, weight_role role, uint32_t layer) {
    weight_info table[WEIGHT_ROLES];
    weight_table(t, table);
    return table[role].needed ? name_in_layer(a, &table[role], layer) : NULL;
}

void weight_shape(const transformer *t, weight_role role, uint32_t *rows, uint32_t *cols) {
    weight_info table[WEIGHT_ROLES];
    weight_table(t, table);
    *rows = table[role].rows;
    *cols = table[role].cols;
}

bool weight_in_block(weight_role role) {
    static const weight_place places[] = {
#define WEIGHT(role, place, ...) PLACE_##place,
#include "frontend/models/weights.def"
    };
    return places[role] == PLACE_BLOCK;
}

/** Calls for each weight that the model has, blocks in order. Stops at the first false. */
typedef bool (*weight_visit)(void *user, const weight_info *w, uint32_t layer);
static bool weights_each(const transformer *t, weight_visit visit, void *user) {
    weight_info table[WEIGHT_ROLES];
    weight_table(t, table);
    for (int r = 0; r < WEIGHT_ROLES; r++)
        if (table[r].needed && table[r].place != PLACE_BLOCK && !visit(user, &table[r], 0))
            return false;
    for (uint32_t layer = 0; layer < t->layers; layer++)
        for (int r = 0; r < WEIGHT_ROLES; r++)
            if (table[r].needed && table[r].place == PLACE_BLOCK && !visit(user, &table[r], layer))
                return false;
    return true;
}

static ir_tensor *append(arena *a, model *m, const weight_info *w, uint32_t layer) {
    if (!m->tensors)
        m->tensors = ARENA_ARRAY(a, ir_tensor, (size_t)WEIGHT_ROLES * (m->transformer.layers + 1));
    ir_tensor *t = &m->tensors[m->tensor_count++];
    t->name = name_in_layer(a, w, layer);
    t->rows = w->rows;
    t->cols = w->cols;
    t->loc = m->loc;
    if (w->fill == FILL_ROTARY) {
        t->dtype = "rotary";
        t->scale = m->transformer.rotary_base;
        t->frequencies = m->transformer.frequencies;
    }
    return t;
}

/* ---- synthetic --------------------------------------------------------------------------------------------------- */

/** A well-mixed step of splitmix64. */
static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t tensor_seed(uint64_t seed, const char *name) {
    return mix(dtq_fnv1a(DTQ_FNV1A_START, name, strlen(name)) ^ mix(seed));
}

typedef struct {
    arena *a;
    model *m;
    uint64_t seed;
} synthesis;

/** Elements are uniform in mean ± scale. A linear keeps the variance of its input: (scale^2)/3 = 1/inputs. */
static bool synthesise(void *user, const weight_info *w, uint32_t layer) {
    synthesis *s = user;
    ir_tensor *t = append(s->a, s->m, w, layer);
    if (w->fill == FILL_ROTARY)
        return true;
    t->dtype = "synthetic";
    t->seed = tensor_seed(s->seed, t->name);
    switch (w->fill) {
    case FILL_EMBEDDING:
        t->scale = 0.05;
        break;
    case FILL_LINEAR:
        t->scale = (double)(float)sqrt(3.0 / w->cols);
        break;
    case FILL_GAMMA:
        t->mean = 1;
        t->scale = 0.1;
        break;
    case FILL_BIAS:
        t->scale = 0.02;
        break;
    case FILL_ROTARY:
        break;
    }
    return true;
}

void weights_synthetic(arena *a, model *m, uint64_t seed) {
    synthesis s = {a, m, seed};
    weights_each(&m->transformer, synthesise, &s);
}

/* ---- from files -------------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    diag *d;
    model *m;
    const tensor_store *store;
    weight_family family;
    const char *prefix;
} search;

/** The tensor, also under the names of older checkpoints: LayerNorm.gamma and .beta. */
static const stored_tensor *find(const search *s, const char *name) {
    static const char *const renamed[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                             {"LayerNorm.bias", "LayerNorm.beta"}};
    const stored_tensor *t = tensor_store_find(s->store, name);
    for (size_t i = 0; i < 2 && !t; i++) {
        size_t n = strlen(name), tail = strlen(renamed[i][0]);
        if (n >= tail && strcmp(name + n - tail, renamed[i][0]) == 0)
            t = tensor_store_find(s->store, arena_printf(s->a, "%.*s%s", (int)(n - tail), name, renamed[i][1]));
    }
    return t;
}

static const char *shape_text(arena *a, const stored_tensor *t) {
    const char *text = "[";
    for (uint32_t i = 0; i < t->rank; i++)
        text = arena_printf(a, "%s%s%llu", text, i ? ", " : "", (unsigned long long)t->shape[i]);
    return arena_printf(a, "%s]", text);
}

static bool missing(const search *s, const char *name) {
    const char **names = ARENA_ARRAY(s->a, const char *, s->store->count + 1);
    for (size_t i = 0; i < s->store->count; i++)
        names[i] = s->store->tensors[i].name;
    const char *near = diag_nearest(name, names, s->store->count);
    return diag_error(s->d, (src_loc){s->store->path, 0, 0}, "lacks the tensor '%s'%s%s%s", name,
                      near ? "; it has '" : "", near ? near : "",
                      near ? "'" : ", which a model of this description must have");
}

static unsigned dtype_of(const char *word) {
    unsigned type = 0;
    while (type < DTQ_DTYPES &&
           (dtq_dtypes[type].bytes == 0 || dtq_dtype_is_coded(type) || strcmp(dtq_dtypes[type].word, word) != 0))
        type++;
    return type;
}

/** Rows of a stored tensor that are not the weight's: in front of it, and behind it. */
typedef struct {
    uint64_t above, below;
} other_rows;

/** Takes a weight's part of a stored tensor. */
static bool take(const search *s, const weight_info *w, stored_as as, uint32_t layer, other_rows others,
                 const stored_tensor *from) {
    src_loc whole = {from->file, 0, 0};
    /* A vector must be written as one: [n]. */
    bool vector = w->rows == 1 && (w->fill == FILL_GAMMA || w->fill == FILL_BIAS);
    bool turned = as.turned && !vector;
    uint64_t rows = turned ? w->cols : w->rows, cols = turned ? w->rows : w->cols, width = cols * as.parts;
    const uint64_t above = others.above, all = above + rows + others.below;
    bool fits = vector ? from->rank == 1 && from->shape[0] == width
                       : from->rank == 2 && from->shape[0] == all && from->shape[1] == width;
    if (!fits) {
        const char *want = vector
                               ? arena_printf(s->a, "[%llu]", (unsigned long long)width)
                               : arena_printf(s->a, "[%llu, %llu]", (unsigned long long)all, (unsigned long long)width);
        return diag_error(s->d, whole, "tensor '%s' is %s; the model's description needs %s", from->name,
                          shape_text(s->a, from), want);
    }
    unsigned type = dtype_of(from->dtype);
    if (type == DTQ_DTYPES || (as.parts > 1 && dtq_dtypes[type].elements > 1))
        return diag_error(s->d, whole, "tensor '%s' has elements of type %s; weights must be %s", from->name,
                          from->dtype,
                          s->family == FAMILY_GGUF ? "F32, F16, BF16, Q8_0, Q6_K, or Q4 or Q5 with _0, _1 or _K"
                                                   : "F32, F16 or BF16");
    ir_tensor *t = append(s->a, s->m, w, layer);
    t->file = from->file;
    t->file_bytes = from->file_bytes;
    t->file_stamp = from->file_stamp;
    t->offset = from->offset + (as.part + above) * cols * dtq_dtypes[type].bytes; /* parts and rows above never meet */
    t->dtype = dtq_dtypes[type].word;
    t->rows = (uint32_t)rows;
    t->cols = (uint32_t)cols;
    t->stride = vector || as.parts == 1 ? 0 : (uint32_t)width;
    t->transposed = turned;
    return true;
}

/** How a weight is called in the checkpoint. */
static const char *name_of(const search *s, const weight_info *w, const char *name, uint32_t layer) {
    bool bare = w->as[s->family].bare || (w->place == PLACE_HEAD && s->family != FAMILY_OWN);
    const char *prefix = bare ? "" : s->prefix;
    const char *place = w->place == PLACE_BLOCK ? arena_printf(s->a, "%s%u.", families[s->family].block, layer) : "";
    return arena_printf(s->a, "%s%s%s", prefix, place, name);
}

/** Weights that some checkpoints of a family keep in one tensor, one below the other. */
static const struct {
    weight_family family;
    const char *name;
    size_t count;
    weight_role roles[3];
} fused[] = {
    {FAMILY_LLAMA, "self_attn.qkv_proj.weight", 3, {WEIGHT_QUERY, WEIGHT_KEY, WEIGHT_VALUE}},
    {FAMILY_LLAMA, "mlp.gate_up_proj.weight", 2, {WEIGHT_GATE, WEIGHT_UP}},
};

/** The tensor that a weight is one part of, with the rows of the others; NULL: there is none. */
static const stored_tensor *find_fused(const search *s, const weight_info *w, uint32_t layer, other_rows *others) {
    weight_info table[WEIGHT_ROLES];
    weight_table(&s->m->transformer, table);
    for (size_t i = 0; i < sizeof fused / sizeof *fused; i++) {
        other_rows rows = {0, 0};
        bool met = false;
        for (size_t k = 0; k < fused[i].count; k++) {
            const weight_info *part = &table[fused[i].roles[k]];
            const bool own = strcmp(part->name, w->name) == 0;
            *(met ? &rows.below : &rows.above) += own ? 0 : part->rows;
            met |= own;
        }
        const char *name = name_of(s, w, fused[i].name, layer);
        if (met && fused[i].family == s->family && find(s, name)) {
            *others = rows;
            return find(s, name);
        }
    }
    return NULL;
}

static bool look_up(void *user, const weight_info *w, uint32_t layer) {
    const search *s = user;
    if (w->fill == FILL_ROTARY) {
        append(s->a, s->m, w, layer);
        return true;
    }
    stored_as as = w->as[s->family];
    if (!as.name)
        return missing(s, name_of(s, w, w->name, layer));
    const char *name = name_of(s, w, as.name, layer);
    const stored_tensor *found = find(s, name);
    other_rows others = {strcmp(w->name, "embeddings.position") == 0 ? s->m->transformer.first_position : 0, 0};
    if (!found)
        found = find_fused(s, w, layer, &others);
    return found ? take(s, w, as, layer, others, found) : missing(s, name);
}

/** Whether the checkpoint has the table of words under the family's name. */
static bool has_words(search *s, const weight_info *words, weight_family family, const char *prefix) {
    return tensor_store_find(s->store, arena_printf(s->a, "%s%s", prefix, words->as[family].name));
}

/** Chooses what is left open: the family by its table of words, then the prefix. */
static void find_out(search *s, bool any_family, bool any_prefix) {
    weight_info table[WEIGHT_ROLES];
    weight_table(&s->m->transformer, table);
    const weight_info *words = &table[WEIGHT_WORDS];
    for (int f = 0; f < FAMILIES; f++) {
        if (!any_family && f != (int)s->family)
            continue;
        if (!any_prefix && has_words(s, words, (weight_family)f, s->prefix)) {
            s->family = (weight_family)f;
            return;
        }
        for (int p = 0; p < 2 && any_prefix; p++) {
            const char *prefix = families[f].prefixes[p];
            if (prefix && has_words(s, words, (weight_family)f, prefix)) {
                s->family = (weight_family)f;
                s->prefix = prefix;
                return;
            }
        }
    }
}

/** A head that the file has is the one that counts, whatever the description says of tying it to the embeddings. */
static void find_own_head(search *s) {
    transformer *t = &s->m->transformer;
    weight_info table[WEIGHT_ROLES];
    weight_table(t, table);
    const char *name = table[WEIGHT_HEAD].as[s->family].name;
    if (t->head == HEAD_TIED && s->family != FAMILY_OWN && name && tensor_store_find(s->store, name))
        t->head = HEAD_OWN;
}

bool weights_find(arena *a, diag *d, model *m, const tensor_store *from, weight_family family, const char *prefix) {
    search s = {.a = a, .d = d, .m = m, .store = from, .family = family, .prefix = prefix};
    if (family == FAMILIES)
        s.family = m->transformer.norm == NORM_POST ? FAMILY_BERT : FAMILY_OWN;
    if (!prefix)
        s.prefix = families[s.family].prefixes[0];
    find_out(&s, family == FAMILIES, !prefix);
    find_own_head(&s);
    return weights_each(&m->transformer, look_up, &s);
}
