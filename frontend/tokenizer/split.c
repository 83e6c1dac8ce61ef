/* Pre-tokenisers. Regular expressions are written out by hand: each function matches at one place, alternative by
 * alternative in the expression's order, and returns where the match ends. */
#include "frontend/tokenizer/split.h"

#include <string.h>

#include "frontend/tokenizer/unicode.h"

/* ---- expressions ------------------------------------------------------------------------------------------------- */

/** The end of the run of one class that begins at `p`. */
static const char *run_of(char_kind kind, const char *p, const char *end) {
    for (const char *next; p < end && kind_at(p, &next) == kind;)
        p = next;
    return p;
}

/** `'s|'t|'re|'ve|'m|'ll|'d` at an apostrophe; NULL if none is there. */
static const char *contraction(const char *p, const char *end, bool any_case) {
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    char letters[2] = {0};
    for (int i = 0; i < 2 && p + 1 + i < end; i++)
        letters[i] = any_case && p[1 + i] >= 'A' && p[1 + i] <= 'Z' ? (char)(p[1 + i] - 'A' + 'a') : p[1 + i];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (memcmp(letters, endings[i], n) == 0)
            return p + 1 + n;
    }
    static const char long_s[] = "\u017f"; /* an s in another case */
    if (any_case && end - p >= 3 && memcmp(p + 1, long_s, 2) == 0)
        return p + 3;
    return NULL;
}

/** `\s+(?!\S)|\s+`: white space but for its last character, which goes with the word behind it; one alone stays. */
static const char *white_space(const char *p, const char *end) {
    const char *last = p, *stop = p;
    for (const char *next; stop < end && kind_at(stop, &next) == CHAR_SPACE; stop = next)
        last = stop;
    return stop < end && last > p ? last : stop;
}

/** `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` */
static const char *match_gpt2(const char *p, const char *end) {
    if (*p == '\'') {
        const char *after = contraction(p, end, false);
        if (after)
            return after;
    }
    const char *body = p + (*p == ' '), *next;
    if (body < end) {
        char_kind kind = kind_at(body, &next);
        if (kind != CHAR_SPACE)
            return run_of(kind, next, end);
    }
    return white_space(p, end);
}

static bool is_newline(char c) {
    return c == '\r' || c == '\n';
}

/** `[^\r\n\p{L}\p{N}]?\p{L}+` */
static const char *letters_and_one(const char *p, const char *end) {
    const char *next;
    char_kind kind = kind_at(p, &next);
    if (kind == CHAR_LETTER)
        return run_of(CHAR_LETTER, next, end);
    if (kind == CHAR_NUMBER || is_newline(*p))
        return NULL;
    const char *after = run_of(CHAR_LETTER, next, end);
    return after > next ? after : NULL;
}

/** `\p{N}{1,most}` at a number. */
static const char *numbers(const char *p, const char *end, unsigned most) {
    for (const char *next; most && p < end && kind_at(p, &next) == CHAR_NUMBER; most--)
        p = next;
    return p;
}

/** ` ?[^\s\p{L}\p{N}]+[\r\n]*` */
static const char *others(const char *p, const char *end) {
    const char *body = p + (*p == ' '), *after = run_of(CHAR_OTHER, body, end);
    if (after == body)
        return NULL;
    while (after < end && is_newline(*after))
        after++;
    return after;
}

/** `\s*[\r\n]+`: white space up to its last line end; NULL if it has none. */
static const char *white_lines(const char *p, const char *end) {
    const char *found = NULL;
    for (const char *next; p < end && kind_at(p, &next) == CHAR_SPACE; p = next)
        if (is_newline(*p))
            found = next;
    return found;
}

/** `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|`
 *  `\s+(?!\S)|\s+`, with as many digits as `most`. */
static const char *match_cl100k(const char *p, const char *end, unsigned most) {
    const char *after = *p == '\'' ? contraction(p, end, true) : NULL;
    if (!after)
        after = letters_and_one(p, end);
    if (after)
        return after;
    after = numbers(p, end, most);
    if (after > p)
        return after;
    after = others(p, end);
    if (!after)
        after = white_lines(p, end);
    return after ? after : white_space(p, end);
}

/** `\p{N}{1,most}`, or all that is no number. */
static const char *match_digits(const char *p, const char *end, unsigned most) {
    const char *after = numbers(p, end, most);
    if (after > p)
        return after;
    for (const char *next; p < end && kind_at(p, &next) != CHAR_NUMBER;)
        p = next;
    return p;
}

static bool is_mark(const char *p, const char **next) {
    int32_t c;
    *next = next_char(p, &c);
    return is_punctuation(c) || (c && c < 0x80 && strchr("$+<=>^~|", c));
}

/** `[\p{P}\$\+<=>\^~\|]+`, or all up to the next match. */
static const char *match_marks(const char *p, const char *end) {
    const char *next;
    bool marks = is_mark(p, &next);
    while (next < end && is_mark(next, &p) == marks)
        next = p;
    return next;
}

static bool is_triple(const char *p, const char *end) {
    return end - p >= 3 && p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9' && p[2] >= '0' && p[2] <= '9';
}

/** `[0-9][0-9][0-9]`, or all up to the next match. */
static const char *match_triple(const char *p, const char *end) {
    if (is_triple(p, end))
        return p + 3;
    for (int32_t c; p < end && !is_triple(p, end);)
        p = next_char(p, &c);
    return p;
}

bool split_of_pattern(const char *pattern, split_step *out) {
#define WORDS   "[^\\r\\n\\p{L}\\p{N}]"
#define OTHERS  " ?[^\\s\\p{L}\\p{N}]"
#define SPACES  "|\\s+(?!\\S)|\\s+"
#define ENDINGS "'s|'t|'re|'ve|'m|'ll|'d"
    static const struct {
        const char *pattern;
        split_kind kind;
        unsigned digits;
    } known[] = {
        {ENDINGS "| ?\\p{L}+| ?\\p{N}+|" OTHERS "+" SPACES, SPLIT_GPT2, 0},
        {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+|" OTHERS "+" SPACES, SPLIT_GPT2, 0},
        {"(?i:" ENDINGS ")|" WORDS "?\\p{L}+|\\p{N}{1,3}|" OTHERS "+[\\r\\n]*|\\s*[\\r\\n]+" SPACES, SPLIT_CL100K, 3},
        {"(?i:" ENDINGS ")|" WORDS "?\\p{L}+|\\p{N}|" OTHERS "+[\\r\\n]*|\\s*[\\r\\n]+" SPACES, SPLIT_CL100K, 1},
        {"'(?i:[sdmt]|ll|ve|re)|" WORDS "?+\\p{L}+|\\p{N}{1,3}|" OTHERS "++[\\r\\n]*|\\s*[\\r\\n]" SPACES, SPLIT_CL100K,
         3},
        {"\\p{N}", SPLIT_DIGITS, 1},
        {"\\p{N}{1,3}", SPLIT_DIGITS, 3},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(pattern, known[i].pattern) == 0) {
            *out = (split_step){.kind = known[i].kind, .digits = known[i].digits};
            return true;
        }
    }
    return false;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const split_step *steps;
    size_t count;
    arena *scratch;
    split_word_fn word;
    void *user;
} splitter;

static void run_step(const splitter *s, size_t at, const char *text, size_t bytes, bool first);

static void split_at_text(const splitter *s, size_t at, const char *text, size_t bytes, bool first) {
    const split_step *step = &s->steps[at];
    const char *p = text, *end = text + bytes, *begin = text; /* of what goes with the next separator or the end */
    while (p < end) {
        const char *found = memmem(p, (size_t)(end - p), step->text, step->bytes);
        if (!found)
            break;
        const char *after = found + step->bytes;
        const char *stop = step->separator == SEPARATOR_WITH_PREVIOUS ? after : found;
        run_step(s, at + 1, begin, (size_t)(stop - begin), first && begin == text);
        if (step->separator == SEPARATOR_ISOLATED)
            run_step(s, at + 1, found, step->bytes, first && found == text);
        begin = step->separator == SEPARATOR_WITH_NEXT ? found : after;
        p = after;
    }
    run_step(s, at + 1, begin, (size_t)(end - begin), first && begin == text);
}

static void split_at_spaces(const splitter *s, size_t at, const char *text, size_t bytes, bool first) {
    const char *begin = text, *end = text + bytes, *next;
    for (const char *p = text; p < end; p = next) {
        if (kind_at(p, &next) != CHAR_SPACE)
            continue;
        run_step(s, at + 1, begin, (size_t)(p - begin), first && begin == text);
        begin = next;
    }
    run_step(s, at + 1, begin, (size_t)(end - begin), first && begin == text);
}

/** A copy with every U+0020 as the step's text, and one before if the step says so. */
static void mark_spaces(const splitter *s, size_t at, const char *text, size_t bytes, bool first) {
    const split_step *step = &s->steps[at];
    size_t count = 1, n = 0;
    for (size_t i = 0; i < bytes; i++)
        count += text[i] == ' ';
    char *marked = arena_alloc(s->scratch, bytes + count * step->bytes);
    bool has_one = *text == ' ' || (bytes >= step->bytes && memcmp(text, step->text, step->bytes) == 0);
    if (!has_one && (step->prepend == PREPEND_ALWAYS || (step->prepend == PREPEND_FIRST && first))) {
        memcpy(marked, step->text, step->bytes);
        n = step->bytes;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == ' ') {
            memcpy(marked + n, step->text, step->bytes);
            n += step->bytes;
        } else {
            marked[n++] = text[i];
        }
    }
    run_step(s, at + 1, marked, n, first);
}

static void put_space_before(const splitter *s, size_t at, const char *text, size_t bytes, bool first) {
    if (*text == ' ') {
        run_step(s, at + 1, text, bytes, first);
        return;
    }
    char *copy = arena_alloc(s->scratch, bytes + 1);
    copy[0] = ' ';
    memcpy(copy + 1, text, bytes);
    run_step(s, at + 1, copy, bytes + 1, first);
}

static const char *match(const split_step *step, const char *p, const char *end) {
    return step->kind == SPLIT_GPT2     ? match_gpt2(p, end)
           : step->kind == SPLIT_CL100K ? match_cl100k(p, end, step->digits)
           : step->kind == SPLIT_MARKS  ? match_marks(p, end)
           : step->kind == SPLIT_TRIPLE ? match_triple(p, end)
                                        : match_digits(p, end, step->digits);
}

static void run_step(const splitter *s, size_t at, const char *text, size_t bytes, bool first) {
    if (!bytes)
        return;
    if (at == s->count) {
        s->word(s->user, text, bytes);
        return;
    }
    const split_step *step = &s->steps[at];
    if (step->kind == SPLIT_TEXT) {
        split_at_text(s, at, text, bytes, first);
    } else if (step->kind == SPLIT_WORDS) {
        split_at_spaces(s, at, text, bytes, first);
    } else if (step->kind == SPLIT_SPACE) {
        mark_spaces(s, at, text, bytes, first);
    } else if (step->kind == SPLIT_PREFIX) {
        put_space_before(s, at, text, bytes, first);
    } else {
        for (const char *p = text, *end = text + bytes, *after; p < end; p = after) {
            after = match(step, p, end);
            run_step(s, at + 1, p, (size_t)(after - p), first && p == text);
        }
    }
}

void split_text(const split_step *steps, size_t count, arena *scratch, const char *text, size_t bytes, bool first,
                split_word_fn word, void *user) {
    splitter s = {steps, count, scratch, word, user};
    run_step(&s, 0, text, bytes, first);
}
