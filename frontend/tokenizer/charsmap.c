/* Precompiled character maps: a length, the units of a trie (Darts-clone's layout), and the texts behind them. */
#include "frontend/tokenizer/charsmap.h"

#include <string.h>
#include <utf8proc.h>

#include "frontend/tokenizer/unicode.h"

/* ---- base64 ------------------------------------------------------------------------------------------------------ */

static int base64_value(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/** The bytes that a text stands for; NULL if it is no base64. */
static uint8_t *base64_read(arena *a, const char *text, size_t *bytes) {
    size_t length = strlen(text), padding = 0;
    while (padding < 2 && length > 0 && text[length - 1] == '=') {
        length--;
        padding++;
    }
    if ((length + padding) % 4 != 0 || length % 4 == 1)
        return NULL;
    uint8_t *out = arena_alloc(a, length / 4 * 3 + 3);
    uint32_t group = 0;
    *bytes = 0;
    for (size_t i = 0; i < length; i++) {
        const int value = base64_value(text[i]);
        if (value < 0)
            return NULL;
        group = group << 6 | (uint32_t)value;
        if (i % 4 != 0) /* the first character completes no byte */
            out[(*bytes)++] = (uint8_t)(group >> (6 - 2 * (i % 4)));
    }
    return out;
}

/* ---- the map ----------------------------------------------------------------------------------------------------- */

const charsmap *charsmap_read(arena *a, const char *base64, const char **why) {
    size_t bytes = 0;
    const uint8_t *data = base64_read(a, base64, &bytes);
    uint32_t trie_bytes = 0;
    *why = "is no base64";
    if (!data)
        return NULL;
    *why = "is too short for the map that it begins with";
    if (bytes < sizeof trie_bytes)
        return NULL;
    memcpy(&trie_bytes, data, sizeof trie_bytes);
    if (trie_bytes % sizeof(uint32_t) != 0 || trie_bytes == 0 || trie_bytes > bytes - sizeof trie_bytes)
        return NULL;
    charsmap *m = ARENA_NEW(a, charsmap);
    uint32_t *units = ARENA_ARRAY(a, uint32_t, trie_bytes / sizeof(uint32_t));
    memcpy(units, data + sizeof trie_bytes, trie_bytes);
    *m = (charsmap){units, trie_bytes / sizeof(uint32_t), (const char *)data + sizeof trie_bytes + trie_bytes,
                    bytes - sizeof trie_bytes - trie_bytes};
    *why = "has texts that are not UTF-8, or that do not end";
    return m->text_bytes > 0 && m->texts[m->text_bytes - 1] == '\0' &&
                   utf8_check(m->texts, m->text_bytes) == m->text_bytes
               ? m
               : NULL;
}

/** What stands for the shortest beginning of a text that is in the map, or NULL. */
static const char *find(const charsmap *m, const char *text, size_t bytes) {
    enum { LEAF = 1u << 8, WIDE = 1u << 9 };
    static const uint32_t leaf_bit = 1u << 31;
    size_t at = 0;
    uint32_t unit = m->units[0];
    for (size_t i = 0;; i++) {
        at ^= (size_t)(unit >> 10) << ((unit & WIDE) >> 6);
        if (i > 0 && (unit & LEAF) != 0) {
            const uint32_t value = at < m->unit_count ? m->units[at] & ~leaf_bit : UINT32_MAX;
            return value < m->text_bytes ? m->texts + value : NULL;
        }
        if (i == bytes || text[i] == '\0')
            return NULL;
        at ^= (unsigned char)text[i];
        if (at >= m->unit_count)
            return NULL;
        unit = m->units[at];
        if ((unit & (leaf_bit | 0xFF)) != (unsigned char)text[i])
            return NULL;
    }
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/** Where the grapheme cluster ends that begins at `text`. */
static const char *cluster_end(const char *text, const char *end) {
    utf8proc_int32_t state = 0;
    int32_t last;
    const char *p = next_char(text, &last);
    while (p < end) {
        int32_t c;
        const char *after = next_char(p, &c);
        if (utf8proc_grapheme_break_stateful(last, c, &state))
            break;
        last = c;
        p = after;
    }
    return p;
}

typedef struct {
    arena *arena;
    char *text;
    size_t bytes, capacity;
} builder;

static void put(builder *b, const char *text, size_t bytes) {
    if (b->capacity - b->bytes < bytes) {
        const size_t capacity = 2 * (b->capacity + bytes);
        b->text = arena_resize(b->arena, b->text, b->capacity, capacity);
        b->capacity = capacity;
    }
    if (bytes)
        memcpy(b->text + b->bytes, text, bytes);
    b->bytes += bytes;
}

const char *charsmap_apply(const charsmap *m, arena *a, const char *text, size_t *bytes) {
    enum { WHOLE_BELOW = 6 };
    builder b = {.arena = a};
    for (const char *p = text, *end = text + *bytes, *after; p < end; p = after) {
        after = cluster_end(p, end);
        const size_t n = (size_t)(after - p);
        const char *whole = n < WHOLE_BELOW ? find(m, p, n) : NULL;
        if (whole) {
            put(&b, whole, strlen(whole));
            continue;
        }
        for (const char *c = p; c < after; c += char_bytes(*c)) {
            const char *to = find(m, c, char_bytes(*c));
            put(&b, to ? to : c, to ? strlen(to) : char_bytes(*c));
        }
    }
    *bytes = b.bytes;
    return b.text ? b.text : text;
}
