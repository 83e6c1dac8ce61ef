/* Changes to a text that leave most of it as it is: what a hand that edits would do, and worse. */
#include <ctype.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

typedef struct {
    char *text;
    size_t bytes, room;
    uint64_t state; /* of splitmix64 */
} edited;

typedef struct {
    size_t at, bytes;
} span;

static uint64_t next(edited *e) {
    uint64_t z = (e->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(edited *e, size_t n) {
    return n ? (size_t)(next(e) % n) : 0;
}

static int in_number(char c) {
    return isdigit((unsigned char)c);
}
static int in_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}
static int in_line(char c) {
    return c != '\n';
}

/* The span of such characters around the first one at or behind a random place; empty if there is none. */
static span pick(edited *e, int of(char c)) {
    size_t start = below(e, e->bytes), at = start;
    while (at < e->bytes && !of(e->text[at]))
        at++;
    size_t from = at, to = at;
    while (from > 0 && from > start && of(e->text[from - 1]))
        from--;
    if (at == start)
        while (from > 0 && of(e->text[from - 1]))
            from--;
    while (to < e->bytes && of(e->text[to]))
        to++;
    return (span){from, to - from};
}

/* Text instead of a span, if there is room. */
static void replace(edited *e, span old, const char *with, size_t bytes) {
    char copy[4096];
    if (bytes > sizeof copy || e->bytes - old.bytes + bytes > e->room)
        return;
    memcpy(copy, with, bytes); /* it may lie in the text */
    memmove(e->text + old.at + bytes, e->text + old.at + old.bytes, e->bytes - old.at - old.bytes);
    memcpy(e->text + old.at, copy, bytes);
    e->bytes = e->bytes - old.bytes + bytes;
}

static void change_number(edited *e) {
    static const char *const odd[] = {
        "0",     "1",     "2",     "3",          "7",          "8",          "255",
        "256",   "65535", "65536", "2147483648", "4294967295", "4294967296", "18446744073709551615",
        "1e300", "-1",    "0.5"};
    span number = pick(e, in_number);
    char text[24];
    unsigned long long value = 0;
    for (size_t i = 0; i < number.bytes && i < 15; i++)
        value = value * 10 + (unsigned long long)(e->text[number.at + i] - '0');
    size_t how = below(e, 4);
    if (how == 0) {
        const char *with = odd[below(e, sizeof odd / sizeof *odd)];
        replace(e, number, with, strlen(with));
    } else if (how == 1) {
        span other = pick(e, in_number);
        replace(e, number, e->text + other.at, other.bytes);
    } else {
        snprintf(text, sizeof text, "%llu", how == 2 ? value + 1 : value ? value - 1 : 2);
        replace(e, number, text, strlen(text));
    }
}

static void change_line(edited *e) {
    span line = pick(e, in_line);
    if (line.at + line.bytes < e->bytes)
        line.bytes++; /* with its end */
    char copy[4096];
    size_t bytes = line.bytes < sizeof copy ? line.bytes : 0;
    memcpy(copy, e->text + line.at, bytes);
    size_t how = below(e, 3);
    if (how != 0)
        replace(e, line, "", 0);
    if (how != 1) {
        span other = pick(e, in_line);
        replace(e, (span){other.at, 0}, copy, bytes);
    }
}

static void change_word(edited *e) {
    span word = pick(e, in_word), other = pick(e, in_word);
    if (below(e, 4) == 0)
        replace(e, word, "", 0);
    else
        replace(e, word, e->text + other.at, other.bytes);
}

static void change_byte(edited *e) {
    static const char odd[] = "\0\n\t \"'#:,{}[]()<>=%@!-+x.\x80\xff";
    size_t at = below(e, e->bytes + 1);
    span old = {at, at < e->bytes && below(e, 2)};
    char with = odd[below(e, sizeof odd - 1)];
    replace(e, old, &with, below(e, 4) != 0);
}

size_t fuzz_mutate_text(char *text, size_t bytes, size_t room, uint64_t seed) {
    edited e = {text, bytes, room, seed};
    for (size_t i = below(&e, 3) + 1; i > 0 && e.bytes > 0; i--) {
        size_t how = below(&e, 16);
        if (how < 8)
            change_number(&e);
        else if (how < 11)
            change_line(&e);
        else if (how < 15)
            change_word(&e);
        else
            change_byte(&e);
    }
    return e.bytes;
}
