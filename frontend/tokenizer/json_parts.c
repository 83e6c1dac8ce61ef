/* The parts of a tokenizer.json around its model: normaliser, pre-tokeniser, post-processor, decoder. Each part names
 * its type, or is a Sequence of such; a table of types says who reads which. */
#include <string.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/tokenizer/json.h"
#include "frontend/tokenizer/unicode.h"

/** Who reads a part of one type. */
typedef struct {
    const char *type;
    bool (*read)(diag *d, const doc_node *n, text_rules *out);
} part_reader;

enum { MOST_READERS = 12, MOST_NESTED = 4 };

/** What a kind of part is called, and its readers in the order of `types`; Sequence, the last, has none. */
typedef struct {
    const char *part, *list, *types; /* `list`: the key of a Sequence's parts; `types` as messages give them */
    part_reader readers[MOST_READERS];
} part_kind;

static bool read_part(diag *d, const part_kind *k, const doc_node *n, unsigned depth, text_rules *out) {
    int type;
    const doc_node *said = doc_find(n, "type");
    char what[64];
    snprintf(what, sizeof what, "%s.type", k->part);
    if (!doc_kind_is(d, n, k->part, DOC_MAPPING))
        return false;
    if (!said)
        return diag_error(d, n->loc, "%s has no type; it must be %s", k->part, k->types);
    if (!doc_word(d, said, what, k->types, &type))
        return false;
    if (k->readers[type].read)
        return k->readers[type].read(d, n, out);
    const doc_node *list = doc_find(n, k->list);
    if (!list)
        return diag_error(d, n->loc, "a Sequence without %s", k->list);
    if (!doc_kind_is(d, list, k->list, DOC_SEQUENCE))
        return false;
    if (depth == MOST_NESTED)
        return diag_error(d, n->loc, "Sequences stand within each other more than %d deep", MOST_NESTED);
    for (size_t i = 0; i < list->count; i++)
        if (!read_part(d, k, list->items[i], depth + 1, out))
            return false;
    return true;
}

static bool read_root(diag *d, const part_kind *k, const doc_node *root, text_rules *out) {
    const doc_node *n = doc_find(root, k->part);
    return !n || doc_is_null(n) || read_part(d, k, n, 0, out);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool given(const doc_node *mapping, const char *key, const doc_node **out) {
    *out = doc_find(mapping, key);
    return *out && !doc_is_null(*out);
}

static bool read_bool(diag *d, const doc_node *mapping, const char *key, bool *out) {
    const doc_node *n;
    return !given(mapping, key, &n) || doc_bool(d, n, key, out);
}

/** A text that must be there. */
static bool read_string(diag *d, const doc_node *mapping, const char *key, const char **out) {
    const doc_node *n = doc_find(mapping, key);
    if (!n)
        return diag_error(d, mapping->loc, "%s is missing", key);
    return doc_string(d, n, key, out);
}

static bool read_nonempty(diag *d, const doc_node *mapping, const char *key, const char **out) {
    return read_string(d, mapping, key, out) &&
           (**out || diag_error(d, doc_find(mapping, key)->loc, "%s must not be empty", key));
}

/** The text of {"String": text}: NULL for another kind of pattern, which is an error unless `regex` takes it. */
static bool read_pattern(diag *d, const doc_node *mapping, const char **text, const char **regex) {
    const doc_node *n = doc_find(mapping, "pattern");
    *text = NULL;
    if (!n)
        return diag_error(d, mapping->loc, "pattern is missing");
    if (!doc_kind_is(d, n, "pattern", DOC_MAPPING))
        return false;
    if (doc_find(n, "String"))
        return read_nonempty(d, n, "String", text);
    if (regex && doc_find(n, "Regex"))
        return read_nonempty(d, n, "Regex", regex);
    return diag_error(d, n->loc, "the pattern must be a String%s",
                      regex ? " or a Regex" : "; a Regex is not known here");
}

bool json_id(diag *d, const doc_node *n, const char *what, uint32_t *id) {
    int64_t value;
    if (!doc_int(d, n, what, 0, INT32_MAX, &value))
        return false;
    *id = (uint32_t)value;
    return true;
}

static bool room(diag *d, const doc_node *n, size_t count, const char *what) {
    return count < MOST_STEPS || diag_error(d, n->loc, "more than %d %s", MOST_STEPS, what);
}

/* ---- normaliser -------------------------------------------------------------------------------------------------- */

static bool add_normal(diag *d, const doc_node *n, normal_step s, text_rules *out) {
    if (!room(d, n, out->normal_count, "normalizers"))
        return false;
    out->normal[out->normal_count++] = s;
    return true;
}

static bool normal_nfc(diag *d, const doc_node *n, text_rules *out) {
    return add_normal(d, n, (normal_step){.kind = NORMAL_NFC}, out);
}
static bool normal_nfd(diag *d, const doc_node *n, text_rules *out) {
    return add_normal(d, n, (normal_step){.kind = NORMAL_NFD}, out);
}
static bool normal_nfkc(diag *d, const doc_node *n, text_rules *out) {
    return add_normal(d, n, (normal_step){.kind = NORMAL_NFKC}, out);
}
static bool normal_nfkd(diag *d, const doc_node *n, text_rules *out) {
    return add_normal(d, n, (normal_step){.kind = NORMAL_NFKD}, out);
}

static bool normal_prepend(diag *d, const doc_node *n, text_rules *out) {
    normal_step s = {.kind = NORMAL_PREPEND};
    return read_string(d, n, "prepend", &s.to) && add_normal(d, n, s, out);
}

static bool normal_replace(diag *d, const doc_node *n, text_rules *out) {
    static const char spaces[] = " {2,}";
    normal_step s = {.kind = NORMAL_REPLACE};
    const char *regex = NULL;
    if (!read_pattern(d, n, &s.from, &regex) || !read_string(d, n, "content", &s.to))
        return false;
    if (regex && strcmp(regex, spaces) != 0)
        return diag_error(d, doc_find(n, "pattern")->loc, "the regular expression of a Replace must be \"%s\"", spaces);
    s.kind = regex ? NORMAL_SPACES : NORMAL_REPLACE;
    return add_normal(d, n, s, out);
}

static bool normal_lower(diag *d, const doc_node *n, text_rules *out) {
    return add_normal(d, n, (normal_step){.kind = NORMAL_LOWER}, out);
}

static bool normal_strip(diag *d, const doc_node *n, text_rules *out) {
    normal_step s = {.kind = NORMAL_STRIP};
    return read_bool(d, n, "strip_left", &s.left) && read_bool(d, n, "strip_right", &s.right) &&
           add_normal(d, n, s, out);
}

/** A map of characters as sentencepiece writes it; an empty one does nothing. */
static bool normal_precompiled(diag *d, const doc_node *n, text_rules *out) {
    normal_step s = {.kind = NORMAL_CHARSMAP};
    const char *map, *why;
    if (!read_string(d, n, "precompiled_charsmap", &map))
        return false;
    if (!*map)
        return true;
    s.map = charsmap_read(out->arena, map, &why);
    return s.map ? add_normal(d, n, s, out)
                 : diag_error(d, doc_find(n, "precompiled_charsmap")->loc, "precompiled_charsmap %s", why);
}

bool json_normalizer(diag *d, const doc_node *root, text_rules *out) {
    static const part_kind kind = {"normalizer",
                                   "normalizers",
                                   "NFC|NFD|NFKC|NFKD|Prepend|Replace|Lowercase|Strip|Precompiled|Sequence",
                                   {{"NFC", normal_nfc},
                                    {"NFD", normal_nfd},
                                    {"NFKC", normal_nfkc},
                                    {"NFKD", normal_nfkd},
                                    {"Prepend", normal_prepend},
                                    {"Replace", normal_replace},
                                    {"Lowercase", normal_lower},
                                    {"Strip", normal_strip},
                                    {"Precompiled", normal_precompiled}}};
    return read_root(d, &kind, root, out);
}

/* ---- pre-tokeniser ----------------------------------------------------------------------------------------------- */

static bool add_split(diag *d, const doc_node *n, split_step s, text_rules *out) {
    if (out->byte_level)
        return diag_error(d, n->loc, "no pre_tokenizer can stand behind ByteLevel");
    if (!room(d, n, out->split_count, "pre_tokenizers"))
        return false;
    out->split[out->split_count++] = s;
    return true;
}

static bool split_byte_level(diag *d, const doc_node *n, text_rules *out) {
    bool prefix = true, regex = true;
    if (!read_bool(d, n, "add_prefix_space", &prefix) || !read_bool(d, n, "use_regex", &regex) ||
        (prefix && !add_split(d, n, (split_step){.kind = SPLIT_PREFIX}, out)) ||
        (regex && !add_split(d, n, (split_step){.kind = SPLIT_GPT2}, out)))
        return false;
    out->byte_level = true;
    return true;
}

static bool split_digits(diag *d, const doc_node *n, text_rules *out) {
    bool individual = false;
    return read_bool(d, n, "individual_digits", &individual) &&
           add_split(d, n, (split_step){.kind = SPLIT_DIGITS, .digits = individual ? 1 : UINT32_MAX}, out);
}

static bool split_metaspace(diag *d, const doc_node *n, text_rules *out) {
    split_step mark = {.kind = SPLIT_SPACE}, cut = {.kind = SPLIT_TEXT, .separator = SEPARATOR_WITH_NEXT};
    const doc_node *scheme;
    bool prefix = true, apart = true;
    int prepend = PREPEND_ALWAYS;
    if (!read_nonempty(d, n, "replacement", &mark.text) || !read_bool(d, n, "add_prefix_space", &prefix) ||
        (given(n, "prepend_scheme", &scheme) &&
         !doc_word(d, scheme, "prepend_scheme", "never|first|always", &prepend)) ||
        !read_bool(d, n, "split", &apart))
        return false;
    mark.bytes = strlen(mark.text);
    mark.prepend = prefix ? (split_prepend)prepend : PREPEND_NEVER;
    cut.text = mark.text;
    cut.bytes = mark.bytes;
    return add_split(d, n, mark, out) && (!apart || add_split(d, n, cut, out));
}

/** Expressions that match all of a text cut it alike whether the matches are kept apart or all else is removed. */
static bool split_regex(diag *d, const doc_node *n, const char *regex, int behavior, bool invert, text_rules *out) {
    split_step s;
    if (!split_of_pattern(regex, &s))
        return diag_error(d, doc_find(n, "pattern")->loc,
                          "the regular expression is none that is known: those of GPT-2, cl100k, Llama 3, Qwen 2");
    bool apart = behavior == SEPARATOR_ISOLATED && !invert;
    bool all = behavior == SEPARATOR_REMOVED && invert && s.kind != SPLIT_DIGITS;
    if (!apart && !all)
        return diag_error(d, n->loc, "with this regular expression behavior must be Isolated, or Removed with invert");
    return add_split(d, n, s, out);
}

static bool split_pattern(diag *d, const doc_node *n, text_rules *out) {
    split_step s = {.kind = SPLIT_TEXT};
    const char *regex = NULL;
    const doc_node *said = doc_find(n, "behavior");
    int behavior;
    bool invert = false;
    if (!read_pattern(d, n, &s.text, &regex) || !read_bool(d, n, "invert", &invert))
        return false;
    if (!said)
        return diag_error(d, n->loc, "behavior is missing");
    if (!doc_word(d, said, "behavior", "Isolated|Removed|MergedWithPrevious|MergedWithNext", &behavior))
        return false;
    if (regex)
        return split_regex(d, n, regex, behavior, invert, out);
    if (invert)
        return diag_error(d, n->loc, "invert is only known with a regular expression");
    s.bytes = strlen(s.text);
    s.separator = (split_separator)behavior;
    return add_split(d, n, s, out);
}

static bool split_white_space(diag *d, const doc_node *n, text_rules *out) {
    return add_split(d, n, (split_step){.kind = SPLIT_WORDS}, out);
}

bool json_pre_tokenizer(diag *d, const doc_node *root, text_rules *out) {
    static const part_kind kind = {"pre_tokenizer",
                                   "pretokenizers",
                                   "ByteLevel|Digits|Metaspace|Split|WhitespaceSplit|Sequence",
                                   {{"ByteLevel", split_byte_level},
                                    {"Digits", split_digits},
                                    {"Metaspace", split_metaspace},
                                    {"Split", split_pattern},
                                    {"WhitespaceSplit", split_white_space}}};
    return read_root(d, &kind, root, out);
}

/* ---- decoder ----------------------------------------------------------------------------------------------------- */

static bool add_decode(diag *d, const doc_node *n, decode_step s, text_rules *out) {
    if (!room(d, n, out->decode_count, "decoders"))
        return false;
    out->decode[out->decode_count++] = s;
    return true;
}

static bool decode_byte_level(diag *d, const doc_node *n, text_rules *out) {
    return add_decode(d, n, (decode_step){.kind = DECODE_BYTES}, out);
}
static bool decode_byte_fallback(diag *d, const doc_node *n, text_rules *out) {
    return add_decode(d, n, (decode_step){.kind = DECODE_FALLBACK}, out);
}
static bool decode_fuse(diag *d, const doc_node *n, text_rules *out) {
    return add_decode(d, n, (decode_step){.kind = DECODE_FUSE}, out);
}

static bool decode_replace(diag *d, const doc_node *n, text_rules *out) {
    decode_step s = {.kind = DECODE_REPLACE};
    return read_pattern(d, n, &s.from, NULL) && read_string(d, n, "content", &s.to) && add_decode(d, n, s, out);
}

static bool decode_strip(diag *d, const doc_node *n, text_rules *out) {
    static const field fields[] = {
        {"content", FIELD_STRING, offsetof(decode_step, from), 0, 0, NULL, true},
        {"start", FIELD_U64, offsetof(decode_step, start), 0, INT32_MAX, NULL, false},
        {"stop", FIELD_U64, offsetof(decode_step, stop), 0, INT32_MAX, NULL, false},
    };
    _Static_assert(sizeof(size_t) == sizeof(uint64_t), "a FIELD_U64 is read into a size_t");
    decode_step s = {.kind = DECODE_STRIP};
    if (!fields_read(d, n, "decoder", fields, FIELD_COUNT(fields), FIELDS_NULLS, &s))
        return false;
    if (!*s.from || char_bytes(*s.from) != strlen(s.from))
        return diag_error(d, n->loc, "the content of a Strip decoder must be one character");
    return add_decode(d, n, s, out);
}

static bool decode_metaspace(diag *d, const doc_node *n, text_rules *out) {
    decode_step s = {.kind = DECODE_METASPACE};
    const doc_node *scheme;
    bool prefix = true;
    int prepend = PREPEND_ALWAYS;
    if (!read_nonempty(d, n, "replacement", &s.from) || !read_bool(d, n, "add_prefix_space", &prefix) ||
        (given(n, "prepend_scheme", &scheme) && !doc_word(d, scheme, "prepend_scheme", "never|first|always", &prepend)))
        return false;
    s.start = prefix && prepend != PREPEND_NEVER;
    return add_decode(d, n, s, out);
}

bool json_decoder(diag *d, const doc_node *root, text_rules *out) {
    static const part_kind kind = {"decoder",
                                   "decoders",
                                   "ByteLevel|ByteFallback|Fuse|Replace|Strip|Metaspace|Sequence",
                                   {{"ByteLevel", decode_byte_level},
                                    {"ByteFallback", decode_byte_fallback},
                                    {"Fuse", decode_fuse},
                                    {"Replace", decode_replace},
                                    {"Strip", decode_strip},
                                    {"Metaspace", decode_metaspace}}};
    return read_root(d, &kind, root, out);
}

/* ---- post-processor ---------------------------------------------------------------------------------------------- */

static bool add_piece(diag *d, const doc_node *n, frame *f, frame_kind kind, uint32_t id, uint32_t segment) {
    if (f->count == FRAME_PIECES)
        return diag_error(d, n->loc, "a template of more than %d pieces", FRAME_PIECES);
    f->pieces[f->count++] = (frame_piece){kind, id, segment};
    return true;
}

/** The ids of a special token of a template. */
static bool add_special(diag *d, const doc_node *processor, const doc_node *id, uint32_t segment, frame *f) {
    const doc_node *ids = doc_find(doc_find(doc_find(processor, "special_tokens"), id->text), "ids");
    if (!ids || ids->kind != DOC_SEQUENCE)
        return diag_error(d, id->loc, "special_tokens has no ids for '%.60s'", id->text);
    for (size_t i = 0; i < ids->count; i++) {
        uint32_t value;
        if (!json_id(d, ids->items[i], "the id of a special token", &value) ||
            !add_piece(d, ids, f, FRAME_ID, value, segment))
            return false;
    }
    return true;
}

static bool add_template_piece(diag *d, const doc_node *processor, const doc_node *n, frame *f) {
    const doc_node *special = doc_find(n, "SpecialToken"), *piece = special ? special : doc_find(n, "Sequence");
    const doc_node *id = doc_find(piece, "id"), *type = doc_find(piece, "type_id");
    uint32_t segment = 0;
    int text;
    if (!id || id->kind != DOC_SCALAR)
        return diag_error(d, n->loc, "a piece of a template must be a SpecialToken or a Sequence, with an id");
    if (type && !json_id(d, type, "type_id", &segment))
        return false;
    if (special)
        return add_special(d, processor, id, segment, f);
    return doc_word(d, id, "a Sequence's id", "A|B", &text) &&
           add_piece(d, n, f, text ? FRAME_SECOND : FRAME_FIRST, 0, segment);
}

/** A template: the texts it must have, each once, and ids. */
static bool read_template(diag *d, const doc_node *processor, const char *key, size_t texts, frame *f) {
    const doc_node *list = doc_find(processor, key);
    size_t seen[2] = {0};
    f->count = 0;
    if (!list)
        return diag_error(d, processor->loc, "a template without %s", key);
    if (!doc_kind_is(d, list, key, DOC_SEQUENCE))
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (!add_template_piece(d, processor, list->items[i], f))
            return false;
    for (size_t i = 0; i < f->count; i++)
        if (f->pieces[i].kind != FRAME_ID)
            seen[f->pieces[i].kind == FRAME_SECOND]++;
    return (seen[0] == 1 && seen[1] == texts - 1) ||
           diag_error(d, list->loc, "the template %s must have %s once", key, texts == 1 ? "$A" : "$A and $B");
}

static bool frame_template(diag *d, const doc_node *n, text_rules *out) {
    return read_template(d, n, "single", 1, &out->frames.single) && read_template(d, n, "pair", 2, &out->frames.pair);
}

/** Only positions in the text are its concern. */
static bool frame_byte_level(diag *d, const doc_node *n, text_rules *out) {
    (void)d, (void)n, (void)out;
    return true;
}

/** The ["</s>", 2] of a RobertaProcessing. */
static bool read_named(diag *d, const doc_node *processor, const char *key, uint32_t *id) {
    const doc_node *n = doc_find(processor, key);
    if (!n || n->kind != DOC_SEQUENCE || n->count != 2)
        return diag_error(d, n ? n->loc : processor->loc, "%s must be a list of a token and its id", key);
    return json_id(d, n->items[1], key, id);
}

static bool frame_roberta(diag *d, const doc_node *n, text_rules *out) {
    frame_piece cls = {FRAME_ID, 0, 0}, sep = {FRAME_ID, 0, 0};
    const frame_piece first = {FRAME_FIRST, 0, 0}, second = {FRAME_SECOND, 0, 0};
    if (!read_named(d, n, "sep", &sep.id) || !read_named(d, n, "cls", &cls.id))
        return false;
    out->frames.single = (frame){3, {cls, first, sep}};
    out->frames.pair = (frame){6, {cls, first, sep, sep, second, sep}};
    return true;
}

bool json_post_processor(diag *d, const doc_node *root, text_rules *out) {
    static const part_kind kind = {"post_processor",
                                   "processors",
                                   "ByteLevel|TemplateProcessing|RobertaProcessing|Sequence",
                                   {{"ByteLevel", frame_byte_level},
                                    {"TemplateProcessing", frame_template},
                                    {"RobertaProcessing", frame_roberta}}};
    return read_root(d, &kind, root, out);
}
