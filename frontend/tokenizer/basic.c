/* BERT's basic tokeniser. All Unicode properties come from utf8proc; only BERT's own ranges are written here. */
#include "frontend/tokenizer/basic.h"

#include <stdint.h>
#include <utf8proc.h>

#include "frontend/tokenizer/unicode.h"

typedef enum { CLASS_DROP, CLASS_SPACE, CLASS_PUNCTUATION, CLASS_IDEOGRAPH, CLASS_LETTER } char_class;

/* A word under construction: characters after normalisation. */
typedef struct {
    basic_word_fn give;
    void *user;
    int32_t chars[BASIC_WORD_CHARACTERS];
    size_t count;     /* characters, more than the array holds if the word is too long */
    size_t run_start; /* first character of the run of combining marks at the end, in which NFD sorts */
} word_builder;

/* The ranges BERT calls CJK: ideographs, not kana, not Hangul. */
static const struct {
    int32_t lo, hi;
} ideographs[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                  {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};

static bool is_ideograph(int32_t c) {
    for (size_t i = 0; i < sizeof ideographs / sizeof *ideographs; i++)
        if (c >= ideographs[i].lo && c <= ideographs[i].hi)
            return true;
    return false;
}

static char_class classify_ascii(int32_t c) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        return CLASS_SPACE;
    if (c < ' ' || c == 0x7F)
        return CLASS_DROP;
    bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return alphanumeric ? CLASS_LETTER : CLASS_PUNCTUATION;
}

static char_class classify(int32_t c) {
    if (c < 0x80)
        return classify_ascii(c);
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
        return CLASS_DROP;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return CLASS_SPACE;
    default:
        if (is_punctuation(c))
            return CLASS_PUNCTUATION;
        return c == 0xFFFD ? CLASS_DROP : is_ideograph(c) ? CLASS_IDEOGRAPH : CLASS_LETTER;
    }
}

static void end_word(word_builder *w) {
    if (w->count > BASIC_WORD_CHARACTERS) {
        w->give(w->user, NULL, 0);
    } else if (w->count) {
        char text[BASIC_WORD_CHARACTERS * 4];
        size_t bytes = 0;
        for (size_t i = 0; i < w->count; i++)
            if (w->chars[i] < 0x80)
                text[bytes++] = (char)w->chars[i];
            else
                bytes += (size_t)utf8proc_encode_char(w->chars[i], (utf8proc_uint8_t *)text + bytes);
        w->give(w->user, text, bytes);
    }
    w->count = w->run_start = 0;
}

static void add_char(word_builder *w, int32_t c, int combining_class) {
    if (w->count >= BASIC_WORD_CHARACTERS) {
        w->count = BASIC_WORD_CHARACTERS + 1;
        return;
    }
    size_t at = w->count++;
    if (combining_class == 0)
        w->run_start = w->count;
    else
        for (; at > w->run_start && utf8proc_get_property(w->chars[at - 1])->combining_class > combining_class; at--)
            w->chars[at] = w->chars[at - 1];
    w->chars[at] = c;
}

/* One character after cleaning: into the word, or a word of its own. */
static void put_char(word_builder *w, int32_t c, int combining_class) {
    if (classify(c) == CLASS_PUNCTUATION) {
        end_word(w);
        add_char(w, c, 0);
        end_word(w);
    } else {
        add_char(w, c, combining_class);
    }
}

/* Decomposed and without its accents. */
static void put_stripped(word_builder *w, int32_t c, bool lower_case) {
    int32_t parts[8];
    int boundary = UTF8PROC_BOUNDCLASS_START;
    utf8proc_ssize_t n = utf8proc_decompose_char(c, parts, 8, UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        const utf8proc_property_t *p = utf8proc_get_property(parts[i]);
        if (p->category != UTF8PROC_CATEGORY_MN)
            put_char(w, lower_case ? utf8proc_tolower(parts[i]) : parts[i], p->combining_class);
        else if (p->combining_class == 0)
            w->run_start = w->count; /* sorting does not cross it, though it is gone */
    }
}

/* As it is but for its case; without NFD nothing is reordered. */
static void put_whole(word_builder *w, int32_t c, bool lower_case) {
    enum { CAPITAL_I_WITH_DOT = 0x130, COMBINING_DOT = 0x307 }; /* the one letter that becomes two */
    if (lower_case && c == CAPITAL_I_WITH_DOT) {
        put_char(w, 'i', 0);
        put_char(w, COMBINING_DOT, 0);
    } else {
        put_char(w, lower_case ? utf8proc_tolower(c) : c, 0);
    }
}

static void put_ascii(word_builder *w, int32_t c, char_class class, bool lower_case) {
    if (class == CLASS_PUNCTUATION)
        end_word(w);
    add_char(w, lower_case && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c, 0);
    if (class == CLASS_PUNCTUATION)
        end_word(w);
}

static void put_unicode(word_builder *w, int32_t c, basic_rules rules) {
    if (rules.strip_accents)
        put_stripped(w, c, rules.lower_case);
    else
        put_whole(w, c, rules.lower_case);
}

size_t basic_words(const char *text, size_t bytes, basic_rules rules, basic_word_fn word, void *user) {
    word_builder w = {.give = word, .user = user};
    size_t at = 0;
    while (at < bytes) {
        int32_t c = (unsigned char)text[at];
        utf8proc_ssize_t length = 1;
        if (c >= 0x80) {
            length = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &c);
            if (length < 0)
                return at;
        }
        at += (size_t)length;
        char_class class = classify(c);
        if (class == CLASS_DROP)
            continue;
        if (class == CLASS_SPACE) {
            end_word(&w);
        } else if (c < 0x80) {
            put_ascii(&w, c, class, rules.lower_case);
        } else if (class == CLASS_IDEOGRAPH && rules.split_ideographs) {
            end_word(&w);
            put_unicode(&w, c, rules);
            end_word(&w);
        } else {
            put_unicode(&w, c, rules);
        }
    }
    end_word(&w);
    return bytes;
}
