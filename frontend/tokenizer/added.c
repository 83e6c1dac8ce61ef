/* Added tokens: a tree of their texts, walked at every byte that begins one. */
#include "frontend/tokenizer/added.h"

#include <string.h>

#include "frontend/tokenizer/unicode.h"

enum { NO_TOKEN = UINT32_MAX };

static uint32_t add_node(added_set *s, arena *a, uint8_t byte) {
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 64;
        s->nodes = (added_node *)arena_resize(a, s->nodes, s->capacity * sizeof *s->nodes, capacity * sizeof *s->nodes);
        s->capacity = capacity;
    }
    s->nodes[s->count] = (added_node){0, 0, NO_TOKEN, byte};
    return (uint32_t)s->count++;
}

/** The child of that byte; 0, the root, if there is none. */
static uint32_t child_of(const added_set *s, uint32_t node, uint8_t byte) {
    uint32_t child = s->nodes[node].child;
    while (child && s->nodes[child].byte != byte)
        child = s->nodes[child].sibling;
    return child;
}

void added_insert(added_set *s, arena *a, const char *text, size_t bytes, uint32_t token) {
    if (!s->count)
        add_node(s, a, 0);
    s->starts[(unsigned char)text[0]] = true;
    uint32_t node = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t child = child_of(s, node, (uint8_t)text[i]);
        if (!child) {
            child = add_node(s, a, (uint8_t)text[i]);
            s->nodes[child].sibling = s->nodes[node].child;
            s->nodes[node].child = child;
        }
        node = child;
    }
    if (s->nodes[node].token == NO_TOKEN)
        s->nodes[node].token = token;
}

/** The longest token at the start of the text, or NO_TOKEN; its bytes go to *matched. */
static uint32_t longest_at(const added_set *s, const added_token *tokens, bool literal, const char *text, size_t bytes,
                           size_t *matched) {
    uint32_t best = NO_TOKEN;
    uint32_t node = 0;
    for (size_t i = 0; i < bytes && (node = child_of(s, node, (uint8_t)text[i])); i++) {
        uint32_t token = s->nodes[node].token;
        if (token != NO_TOKEN && !(literal && tokens[token].special)) {
            best = token;
            *matched = i + 1;
        }
    }
    return best;
}

static const char *char_before(const char *begin, const char *p, int32_t *c) {
    do
        p--;
    while (p > begin && ((unsigned char)*p & 0xC0) == 0x80);
    next_char(p, c);
    return p;
}

static bool stands_alone(const char *text, const char *begin, const char *end, const char *text_end) {
    int32_t c;
    if (begin > text) {
        char_before(text, begin, &c);
        if (is_word_char(c))
            return false;
    }
    if (end < text_end) {
        next_char(end, &c);
        if (is_word_char(c))
            return false;
    }
    return true;
}

static const char *space_before(const char *limit, const char *p) {
    int32_t c;
    for (const char *next; p > limit; p = next) {
        const char *after;
        next = char_before(limit, p, &c);
        if (kind_at(next, &after) != CHAR_SPACE)
            break;
    }
    return p;
}

void added_find(const added_set *s, const added_token *tokens, bool literal, const char *text, size_t bytes,
                added_part_fn part, void *user) {
    const char *end = text + bytes, *from = text; /* what is not given out yet */
    for (const char *p = text; s->count && p < end;) {
        size_t matched = 0;
        uint32_t found =
            s->starts[(unsigned char)*p] ? longest_at(s, tokens, literal, p, (size_t)(end - p), &matched) : NO_TOKEN;
        if (found == NO_TOKEN) {
            p++;
            continue;
        }
        const added_token *t = &tokens[found];
        const char *begin = p, *stop = p + matched;
        p = stop; /* the next one may begin with white space that this one takes */
        if (t->single_word && !stands_alone(text, begin, stop, end))
            continue;
        if (t->takes_left)
            begin = space_before(from, begin);
        for (const char *next; t->takes_right && stop < end && kind_at(stop, &next) == CHAR_SPACE;)
            stop = next;
        if (begin > from)
            part(user, NO_TOKEN, from, (size_t)(begin - from));
        part(user, found, begin, (size_t)(stop - begin));
        from = stop > from ? stop : from;
    }
    if (from < end)
        part(user, NO_TOKEN, from, (size_t)(end - from));
}
