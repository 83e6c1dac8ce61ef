/* Scaled rotary positions: the types of Hugging Face's modeling_rope_utils.py, as divisors of frequencies. */
#include "frontend/models/rotary_scaling.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "frontend/files/fields.h"

static const double two_pi = 6.283185307179586;

const char *rotary_frequencies(arena *a, float amplitude, const float *divisors, uint32_t pairs) {
    enum { NUMBER = 24 }; /* a blank and %.9g */
    uint32_t alike = 1;
    while (alike < pairs && divisors[alike] == divisors[0])
        alike++;
    const uint32_t count = alike == pairs ? 1 : pairs;
    const size_t room = 2 * NUMBER + (size_t)count * NUMBER;
    if (count == 1 && divisors[0] == 1 && amplitude == 1)
        return NULL;
    char *text = arena_alloc(a, room);
    size_t used = (size_t)snprintf(text, room, "amplitude %.9g divisors", (double)amplitude);
    for (uint32_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, room - used, " %.9g", (double)divisors[i]);
    return text;
}

double rotary_yarn_amplitude(double factor, double m) {
    return factor <= 1 ? 1 : 1 + .1 * m * log(factor);
}

void rotary_yarn(const yarn_scaling *y, double base, uint32_t columns, float *divisors) {
    double low = columns * log(y->original / (y->fast * two_pi)) / (2 * log(base));
    double high = columns * log(y->original / (y->slow * two_pi)) / (2 * log(base));
    if (y->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, columns - 1.0);
    if (low == high)
        high += .001; /* as the authors do it: a line has no slope there */
    for (uint32_t c = 0; c < columns / 2; c++) {
        const double kept = 1 - fmin(fmax((c - low) / (high - low), 0), 1);
        divisors[c] = (float)(1 / ((1 - kept) / y->factor + kept));
    }
}

/* ---- config.json ------------------------------------------------------------------------------------------------- */

/** What rope_scaling can say, and where what it says goes. */
typedef struct {
    arena *a;
    diag *d;
    const doc_node *config, *node; /* the file, and the mapping in it */
    const char *key;               /* its key */
    transformer *t;
    uint32_t columns; /* channels of a head */
    double positions; /* max_position_embeddings */
    /* keys */
    const char *type, *older_type;
    double base, factor, attention, original, low, high, fast, slow, m, m_all, partial;
    bool truncate;
    double amplitude; /* of cosines and sines */
} scaling;

#define NUMBER(key, member, least) {key, FIELD_REAL, offsetof(scaling, member), least, 1e12, NULL, false}
#define NEEDED(key, member, least) {key, FIELD_REAL, offsetof(scaling, member), least, 1e12, NULL, true}
#define LIST(key)                  {key, FIELD_NODE, 0, 0, 0, NULL, true}
#define TEXT(key, member)          {key, FIELD_STRING, offsetof(scaling, member), 0, 0, NULL, false}
#define COMMON                                                                                                         \
    TEXT("rope_type", type), TEXT("type", older_type), NUMBER("rope_theta", base, 1),                                  \
        NUMBER("partial_rotary_factor", partial, 1)
#define ORIGINAL NUMBER("original_max_position_embeddings", original, 1)

static const field default_fields[] = {COMMON};
static const field linear_fields[] = {COMMON, NEEDED("factor", factor, 1)};
static const field dynamic_fields[] = {COMMON, NEEDED("factor", factor, 1), ORIGINAL};
static const field llama3_fields[] = {
    COMMON,   NEEDED("factor", factor, 1), NEEDED("low_freq_factor", low, 1e-6), NEEDED("high_freq_factor", high, 1e-6),
    ORIGINAL,
};
static const field yarn_fields[] = {
    COMMON,
    NUMBER("factor", factor, 1),
    NUMBER("attention_factor", attention, 1e-6),
    NUMBER("beta_fast", fast, 1e-6),
    NUMBER("beta_slow", slow, 1e-6),
    NUMBER("mscale", m, 0),
    NUMBER("mscale_all_dim", m_all, 0),
    {"truncate", FIELD_BOOL, offsetof(scaling, truncate), 0, 0, NULL, false},
    ORIGINAL,
};
static const field longrope_fields[] = {
    COMMON,
    NUMBER("factor", factor, 1),
    NUMBER("attention_factor", attention, 1e-6),
    LIST("short_factor"),
    LIST("long_factor"),
    ORIGINAL,
};

static const field outside[] = {ORIGINAL};

static bool scale_linear(scaling *s, float *divisors) {
    for (uint32_t c = 0; c < s->columns / 2; c++)
        divisors[c] = (float)s->factor;
    return true;
}

/** Long waves are divided, short ones kept, and those between turn from one into the other. */
static bool scale_llama3(scaling *s, float *divisors) {
    if (!(s->high > s->low))
        return diag_error(s->d, s->node->loc, "%s: high_freq_factor is %g; it must be above low_freq_factor, %g",
                          s->key, s->high, s->low);
    for (uint32_t c = 0; c < s->columns / 2; c++) {
        const double wave = two_pi * pow(s->t->rotary_base, 2.0 * c / s->columns);
        const double kept = fmin(fmax((s->original / wave - s->low) / (s->high - s->low), 0), 1);
        divisors[c] = (float)(1 / ((1 - kept) / s->factor + kept));
    }
    return true;
}

static bool scale_yarn(scaling *s, float *divisors) {
    const double factor = s->factor > 0 ? s->factor : s->positions / s->original;
    const bool both = s->m > 0 && s->m_all > 0;
    const double amplitude = both ? rotary_yarn_amplitude(factor, s->m) / rotary_yarn_amplitude(factor, s->m_all)
                                  : rotary_yarn_amplitude(factor, 1);
    const yarn_scaling y = {
        .factor = factor, .original = s->original, .fast = s->fast, .slow = s->slow, .truncate = s->truncate};
    if (!(factor >= 1))
        return diag_error(s->d, s->node->loc, "%s has no factor, and original_max_position_embeddings is %g of %g",
                          s->key, s->original, s->positions);
    if (!(s->t->rotary_base > 1))
        return diag_error(s->d, s->node->loc, "%s of the type 'yarn' needs a rope_theta above 1", s->key);
    rotary_yarn(&y, s->t->rotary_base, s->columns, divisors);
    s->amplitude = s->attention > 0 ? s->attention : amplitude;
    return true;
}

/** A list of as many divisors as a head has pairs of channels. */
static bool read_divisors(const scaling *s, const char *what, float *out) {
    const doc_node *n = doc_find(s->node, what);
    if (!doc_kind_is(s->d, n, what, DOC_SEQUENCE))
        return false;
    if (n->count != s->columns / 2)
        return diag_error(s->d, n->loc, "%s has %zu numbers; heads of %u channels need %u", what, n->count, s->columns,
                          s->columns / 2);
    for (size_t i = 0; i < n->count; i++) {
        double value;
        if (!doc_real(s->d, n->items[i], what, 1e-3, 1e12, &value))
            return false;
        out[i] = (float)value;
    }
    return true;
}

/** Texts as long as those of the first training have the short list. A longer one would have another table for all of
 * its tokens, those before included, so that positions end here. */
static bool scale_longrope(scaling *s, float *divisors) {
    const double factor = s->factor > 0 ? s->factor : s->positions / s->original;
    const double amplitude = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(s->original));
    if (!(s->original >= 2))
        return diag_error(s->d, s->node->loc, "%s: original_max_position_embeddings is %g; it must be from 2 on",
                          s->key, s->original);
    if (!read_divisors(s, "long_factor", divisors) || !read_divisors(s, "short_factor", divisors))
        return false;
    s->amplitude = s->attention > 0 ? s->attention : amplitude;
    if (s->t->positions > s->original) {
        s->t->positions = (uint32_t)s->original;
        diag_remark(s->d, s->node->loc, "huggingface", "texts have at most %u tokens: longer ones need other positions",
                    s->t->positions);
    }
    return true;
}

static const struct {
    const char *type;
    const field *fields;
    size_t count;
    bool (*scale)(scaling *s, float *divisors); /* there are ones where it begins; NULL: they stay */
} types[] = {
    {"default", default_fields, FIELD_COUNT(default_fields), NULL},
    {"linear", linear_fields, FIELD_COUNT(linear_fields), scale_linear},
    /* Up to max_position_embeddings, which no text exceeds here, its frequencies are the plain ones. */
    {"dynamic", dynamic_fields, FIELD_COUNT(dynamic_fields), NULL},
    {"llama3", llama3_fields, FIELD_COUNT(llama3_fields), scale_llama3},
    {"yarn", yarn_fields, FIELD_COUNT(yarn_fields), scale_yarn},
    {"longrope", longrope_fields, FIELD_COUNT(longrope_fields), scale_longrope},
};

/** The word of rope_type, or of `type`, as older files call it. */
static bool read_type(scaling *s, const char **out) {
    const doc_node *n = doc_find(s->node, "rope_type");
    n = n && !doc_is_null(n) ? n : doc_find(s->node, "type");
    *out = "default";
    return !n || doc_is_null(n) || doc_string(s->d, n, "rope_type", out);
}

static bool read_mapping(scaling *s) {
    const char *type;
    if (!doc_kind_is(s->d, s->node, s->key, DOC_MAPPING) || !read_type(s, &type))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i].type) != 0)
            continue;
        /* What stands outside of the mapping holds, as Phi-3 has it. */
        if (!fields_read(s->d, s->node, s->key, types[i].fields, types[i].count, FIELDS_STRICT | FIELDS_NULLS, s) ||
            !fields_read(s->d, s->config, "", outside, FIELD_COUNT(outside), FIELDS_NULLS, s))
            return false;
        if (s->partial != 1)
            return diag_error(s->d, s->node->loc, "%s: partial_rotary_factor must be 1: all channels are turned",
                              s->key);
        s->t->rotary_base = s->base;
        const uint32_t pairs = s->columns / 2;
        float *divisors = ARENA_ARRAY(s->a, float, pairs);
        for (uint32_t c = 0; c < pairs; c++)
            divisors[c] = 1;
        if (types[i].scale && !types[i].scale(s, divisors))
            return false;
        s->t->frequencies = rotary_frequencies(s->a, (float)s->amplitude, divisors, pairs);
        return true;
    }
    return diag_error(s->d, s->node->loc,
                      "%s of the type '%.40s' is not known here; it is one of default, linear, dynamic, llama3, yarn, "
                      "longrope",
                      s->key, type);
}

bool rotary_scaling_read(arena *a, diag *d, const doc_node *config, transformer *t) {
    static const char *const keys[] = {"rope_scaling", "rope_parameters"};
    const double positions = t->positions;
    for (size_t i = 0; i < 2; i++) {
        const doc_node *n = doc_find(config, keys[i]);
        scaling s = {.a = a,
                     .d = d,
                     .config = config,
                     .node = n,
                     .key = keys[i],
                     .t = t,
                     .columns = t->head_dim ? t->head_dim : t->hidden / t->heads,
                     .positions = positions,
                     .base = t->rotary_base,
                     .original = positions,
                     .fast = 32,
                     .slow = 1,
                     .partial = 1,
                     .amplitude = 1,
                     .truncate = true};
        if (!n || doc_is_null(n))
            continue;
        if (!read_mapping(&s))
            return false;
    }
    return true;
}
