/* Which characters of a text may be sent to a terminal, or stand in text that people read. Strings from files may hold
 * anything: escape sequences that rewrite what was said before, and marks that turn the direction of reading. What is
 * refused here is written as `\x1b`, byte by byte, wherever text is written. */
#ifndef DTQ_VISIBLE_H
#define DTQ_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of the UTF-8 character at `s`, of which `left` are there; 0 if it is none: overlong, cut short, a surrogate,
 *  too large. */
static inline size_t dtq_utf8_length(const char *s, size_t left) {
    const unsigned char a = (unsigned char)s[0];
    const size_t n = a < 0x80 ? 1 : a >= 0xC2 && a < 0xE0 ? 2 : (a & 0xF0) == 0xE0 ? 3 : a >= 0xF0 && a < 0xF5 ? 4 : 0;
    if (left == 0 || n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            return 0;
    const unsigned char b = n > 1 ? (unsigned char)s[1] : 0;
    const bool bad =
        (a == 0xE0 && b < 0xA0) || (a == 0xED && b >= 0xA0) || (a == 0xF0 && b < 0x90) || (a == 0xF4 && b >= 0x90);
    return bad ? 0 : n;
}

/** The character of a well-formed sequence of n bytes. */
static inline uint32_t dtq_code_point(const char *s, size_t n) {
    uint32_t c = (unsigned char)s[0] & (n == 1 ? 0x7Fu : 0x7Fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s[i] & 0x3Fu);
    return c;
}

/** Whether a character changes where or how a terminal writes: controls (C0, DEL, C1), separators of lines and
 *  paragraphs, marks of direction (Unicode's bidirectional algorithm, UAX 9). */
static inline bool dtq_is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/** As dtq_utf8_length, and 0 for what dtq_is_control names. */
static inline size_t dtq_visible_length(const char *s, size_t left) {
    const size_t n = dtq_utf8_length(s, left);
    return n > 0 && dtq_is_control(dtq_code_point(s, n)) ? 0 : n;
}

#endif
