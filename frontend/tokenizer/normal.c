/* Normalisers. Unicode's normal forms come from utf8proc, but marks are ordered here: its way takes quadratic time on
 * long runs of them. */
#include "frontend/tokenizer/normal.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#include "frontend/tokenizer/unicode.h"

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static const char *prepend(const char *what, arena *a, const char *text, size_t *bytes) {
    size_t n = strlen(what);
    if (!*bytes)
        return text;
    char *joined = arena_alloc(a, n + *bytes);
    memcpy(joined, what, n);
    memcpy(joined + n, text, *bytes);
    *bytes += n;
    return joined;
}

const char *replace_all(const char *from, const char *to, arena *a, const char *text, size_t *bytes) {
    size_t from_bytes = strlen(from), to_bytes = strlen(to), found = 0, n = 0;
    const char *end = text + *bytes;
    for (const char *p = text; (p = memmem(p, (size_t)(end - p), from, from_bytes)); p += from_bytes)
        found++;
    if (!found)
        return text;
    char *out = arena_alloc(a, *bytes - found * from_bytes + found * to_bytes);
    const char *p = text;
    for (const char *at; (at = memmem(p, (size_t)(end - p), from, from_bytes)); p = at + from_bytes) {
        memcpy(out + n, p, (size_t)(at - p));
        n += (size_t)(at - p);
        memcpy(out + n, to, to_bytes);
        n += to_bytes;
    }
    memcpy(out + n, p, (size_t)(end - p));
    *bytes = n + (size_t)(end - p);
    return out;
}

/* ---- normal forms ------------------------------------------------------------------------------------------------ */

/** Orders a run of combining marks by their classes; equal ones keep their order. */
static void order_marks(int32_t *marks, int32_t *spare, size_t count) {
    enum { CLASSES = 256 };
    size_t begin[CLASSES + 1] = {0};
    for (size_t i = 0; i < count; i++)
        begin[utf8proc_get_property(marks[i])->combining_class + 1]++;
    for (size_t c = 0; c < CLASSES; c++)
        begin[c + 1] += begin[c];
    memcpy(spare, marks, count * sizeof *marks);
    for (size_t i = 0; i < count; i++)
        marks[begin[utf8proc_get_property(spare[i])->combining_class]++] = spare[i];
}

static void order_all_marks(int32_t *chars, size_t count, arena *a) {
    int32_t *spare = NULL;
    for (size_t i = 0, run; i < count; i += run + 1) {
        bool ordered = true;
        uint8_t before = 0;
        for (run = 0; i + run < count; run++) {
            uint8_t class = (uint8_t)utf8proc_get_property(chars[i + run])->combining_class;
            if (!class)
                break;
            ordered = ordered && before <= class;
            before = class;
        }
        if (!ordered && !spare)
            spare = ARENA_ARRAY(a, int32_t, count);
        if (!ordered)
            order_marks(chars + i, spare, run);
    }
}

static const char *normal_form(normal_kind kind, arena *a, const char *text, size_t *bytes) {
    enum { MOST_PARTS = 32 }; /* the longest decomposition has 18 characters */
    bool composed = kind == NORMAL_NFC || kind == NORMAL_NFKC, compatible = kind == NORMAL_NFKC || kind == NORMAL_NFKD;
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    bool ascii = true;
    for (size_t i = 0; i < *bytes && ascii; i++)
        ascii = (unsigned char)text[i] < 0x80;
    if (ascii)
        return text;
    size_t capacity = *bytes + MOST_PARTS, count = 0;
    int32_t *chars = ARENA_ARRAY(a, int32_t, capacity);
    for (const char *p = text, *end = text + *bytes; p < end;) {
        if (capacity - count < MOST_PARTS) {
            chars = arena_resize(a, chars, capacity * sizeof *chars, 2 * capacity * sizeof *chars);
            capacity *= 2;
        }
        int32_t c;
        int boundary = UTF8PROC_BOUNDCLASS_START;
        p = next_char(p, &c);
        utf8proc_ssize_t n = utf8proc_decompose_char(c, chars + count, MOST_PARTS, options, &boundary);
        count += n > 0 ? (size_t)n : 0;
    }
    order_all_marks(chars, count, a);
    if (composed)
        count = (size_t)utf8proc_normalize_utf32(chars, (utf8proc_ssize_t)count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    char *out = arena_alloc(a, 4 * count);
    *bytes = 0;
    for (size_t i = 0; i < count; i++)
        *bytes += (size_t)utf8proc_encode_char(chars[i], (utf8proc_uint8_t *)out + *bytes);
    arena_release(a, chars, capacity * sizeof *chars);
    return out;
}

/* ---- case ---------------------------------------------------------------------------------------------------------
 */

static const char *lower_case(arena *a, const char *text, size_t *bytes) {
    enum { CAPITAL_I_WITH_DOT = 0x130, COMBINING_DOT = 0x307, MOST_BYTES = 4 }; /* the one letter that becomes two */
    char *out = arena_alloc(a, MOST_BYTES * *bytes + 1);
    size_t n = 0;
    for (const char *p = text, *end = text + *bytes; p < end;) {
        int32_t c;
        p = next_char(p, &c);
        n += (size_t)utf8proc_encode_char(c == CAPITAL_I_WITH_DOT ? 'i' : utf8proc_tolower(c),
                                          (utf8proc_uint8_t *)out + n);
        if (c == CAPITAL_I_WITH_DOT)
            n += (size_t)utf8proc_encode_char(COMBINING_DOT, (utf8proc_uint8_t *)out + n);
    }
    *bytes = n;
    return out;
}

/* ---- white space ------------------------------------------------------------------------------------------------- */

static const char *strip(const normal_step *s, const char *text, size_t *bytes) {
    const char *begin = text, *end = text + *bytes, *last = text, *next;
    while (s->left && begin < end && kind_at(begin, &next) == CHAR_SPACE)
        begin = next;
    for (const char *p = begin; p < end; p = next) /* behind the last character that is no white space */
        if (kind_at(p, &next) != CHAR_SPACE)
            last = next;
    end = s->right ? (last > begin ? last : begin) : end;
    *bytes = (size_t)(end - begin);
    return begin;
}

static const char *join_spaces(const char *to, arena *a, const char *text, size_t *bytes) {
    const size_t n = strlen(to);
    char *out = arena_alloc(a, *bytes * (n / 2 + 1) + n + 1);
    size_t count = 0;
    for (size_t i = 0, run; i < *bytes; i += run) {
        run = 0;
        while (i + run < *bytes && text[i + run] == ' ')
            run++;
        if (run > 1) {
            memcpy(out + count, to, n);
            count += n;
        } else {
            out[count++] = text[i];
            run = 1;
        }
    }
    *bytes = count;
    return out;
}

const char *normalize(const normal_step *steps, size_t count, arena *a, const char *text, size_t *bytes) {
    for (size_t i = 0; i < count; i++) {
        const normal_step *s = &steps[i];
        if (s->kind == NORMAL_PREPEND)
            text = prepend(s->to, a, text, bytes);
        else if (s->kind == NORMAL_REPLACE)
            text = replace_all(s->from, s->to, a, text, bytes);
        else if (s->kind == NORMAL_LOWER)
            text = lower_case(a, text, bytes);
        else if (s->kind == NORMAL_SPACES)
            text = join_spaces(s->to, a, text, bytes);
        else if (s->kind == NORMAL_STRIP)
            text = strip(s, text, bytes);
        else if (s->kind == NORMAL_CHARSMAP)
            text = charsmap_apply(s->map, a, text, bytes);
        else
            text = normal_form(s->kind, a, text, bytes);
    }
    return text;
}
