/* Decoders: each step changes the list of texts. */
#include "frontend/tokenizer/decode.h"

#include <string.h>

#include "frontend/tokenizer/normal.h"
#include "frontend/tokenizer/tokenizers.h"
#include "frontend/tokenizer/unicode.h"

typedef struct {
    arena *scratch;
    token_string *parts;
    size_t count;
    bool continues;
} list;

static void to_bytes(const decode_step *s, list *l) {
    (void)s;
    for (size_t i = 0; i < l->count; i++) {
        const char *p = l->parts[i].text, *end = p + l->parts[i].bytes;
        char *bytes = arena_alloc(l->scratch, l->parts[i].bytes);
        size_t n = 0;
        int32_t c;
        int byte = 0;
        while (p < end && byte >= 0) {
            p = next_char(p, &c);
            byte = spelled_byte(c);
            bytes[n++] = (char)byte;
        }
        if (byte >= 0)
            l->parts[i] = (token_string){bytes, n};
    }
}

static void replace(const decode_step *s, list *l) {
    for (size_t i = 0; i < l->count; i++)
        l->parts[i].text = replace_all(s->from, s->to, l->scratch, l->parts[i].text, &l->parts[i].bytes);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/** The byte of a token <0xXX>, or -1. */
static int byte_token(token_string t) {
    if (t.bytes != 6 || memcmp(t.text, "<0x", 3) != 0 || t.text[5] != '>')
        return -1;
    int high = hex_digit(t.text[3]), low = hex_digit(t.text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void fall_back(const decode_step *s, list *l) {
    (void)s;
    char *bytes = arena_alloc(l->scratch, l->count);
    size_t kept = 0, run = 0;
    for (size_t i = 0; i < l->count; i++) {
        int byte = byte_token(l->parts[i]);
        if (byte < 0) {
            bytes += run;
            run = 0;
            l->parts[kept++] = l->parts[i];
            continue;
        }
        bytes[run++] = (char)byte;
        kept += run == 1;
        l->parts[kept - 1] = (token_string){bytes, run};
    }
    l->count = kept;
}

static token_string join(arena *a, const token_string *parts, size_t count, const char *between) {
    size_t gap = strlen(between), bytes = count ? gap * (count - 1) : 0, n = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].bytes;
    char *text = arena_alloc(a, bytes + 1);
    for (size_t i = 0; i < count; i++) {
        if (i) {
            memcpy(text + n, between, gap);
            n += gap;
        }
        memcpy(text + n, parts[i].text, parts[i].bytes);
        n += parts[i].bytes;
    }
    return (token_string){text, bytes};
}

static void fuse(const decode_step *s, list *l) {
    (void)s;
    if (!l->count)
        return;
    l->parts[0] = join(l->scratch, l->parts, l->count, "");
    l->count = 1;
}

static void strip(const decode_step *s, list *l) {
    size_t n = strlen(s->from);
    for (size_t i = 0; i < l->count; i++) {
        token_string *t = &l->parts[i];
        for (size_t k = 0; k < s->start && t->bytes >= n && memcmp(t->text, s->from, n) == 0 && !(l->continues && !i);
             k++)
            *t = (token_string){t->text + n, t->bytes - n};
        for (size_t k = 0; k < s->stop && t->bytes >= n && memcmp(t->text + t->bytes - n, s->from, n) == 0; k++)
            t->bytes -= n;
    }
}

static void metaspace(const decode_step *s, list *l) {
    for (size_t i = 0; i < l->count; i++) {
        const char *to = i == 0 && s->start && !l->continues ? "" : " ";
        l->parts[i].text = replace_all(s->from, to, l->scratch, l->parts[i].text, &l->parts[i].bytes);
    }
}

static void words(const decode_step *s, list *l) {
    size_t n = strlen(s->from);
    for (size_t i = 0; i < l->count; i++) {
        token_string *t = &l->parts[i];
        if (i == 0 && !l->continues)
            continue;
        if (t->bytes >= n && memcmp(t->text, s->from, n) == 0) {
            *t = (token_string){t->text + n, t->bytes - n};
        } else {
            token_string spaced[2] = {{" ", 1}, *t};
            *t = join(l->scratch, spaced, 2, "");
        }
    }
}

token_string decode_tokens(const decode_step *steps, size_t step_count, arena *a, token_string *tokens, size_t count,
                           const char *between, bool continues) {
    static void (*const run[])(const decode_step *, list *) = {
        [DECODE_BYTES] = to_bytes, [DECODE_REPLACE] = replace,     [DECODE_FALLBACK] = fall_back, [DECODE_FUSE] = fuse,
        [DECODE_STRIP] = strip,    [DECODE_METASPACE] = metaspace, [DECODE_WORDS] = words,
    };
    list l = {arena_new(), tokens, count, continues};
    for (size_t i = 0; i < step_count; i++)
        run[steps[i].kind](&steps[i], &l);
    token_string text = join(a, l.parts, l.count, between);
    arena_free(l.scratch);
    return text;
}
