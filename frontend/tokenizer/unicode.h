/* Characters of well-formed UTF-8 and the classes that pre-tokenisers cut by. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_UNICODE_H
#define DTQ_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** \p{L}, \p{N}, \s of regular expressions, and the rest. */
typedef enum { CHAR_LETTER, CHAR_NUMBER, CHAR_SPACE, CHAR_OTHER } char_kind;

/** The class of a character beyond ASCII. */
char_kind unicode_kind(int32_t c);

/** Bytes of the character that begins with this byte, in well-formed text. */
static inline size_t char_bytes(char first) {
    unsigned char b = (unsigned char)first;
    return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

/** Where the next character of well-formed text begins; `c` gets the one at `text`. */
static inline const char *next_char(const char *text, int32_t *c) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *c = s[0];
        return text + 1;
    }
    if (s[0] < 0xE0) {
        *c = (s[0] & 0x1F) << 6 | (s[1] & 0x3F);
        return text + 2;
    }
    if (s[0] < 0xF0) {
        *c = (s[0] & 0x0F) << 12 | (s[1] & 0x3F) << 6 | (s[2] & 0x3F);
        return text + 3;
    }
    *c = (s[0] & 0x07) << 18 | (s[1] & 0x3F) << 12 | (s[2] & 0x3F) << 6 | (s[3] & 0x3F);
    return text + 4;
}

/** The class of the character at `text`; *next gets where the one behind it begins. */
static inline char_kind kind_at(const char *text, const char **next) {
    static const char ascii[] = "oooooooooSSSSSoooooooooooooooooo"  /* controls; tab, LF, VT, FF, CR are white space */
                                "SoooooooooooooooNNNNNNNNNNoooooo"  /*  !"#$%&'()*+,-./0123456789:;<=>? */
                                "oLLLLLLLLLLLLLLLLLLLLLLLLLLooooo"  /* @ABC...XYZ[\]^_ */
                                "oLLLLLLLLLLLLLLLLLLLLLLLLLLooooo"; /* `abc...xyz{|}~ */
    int32_t c;
    *next = next_char(text, &c);
    if (c >= 0x80)
        return unicode_kind(c);
    return ascii[c] == 'L' ? CHAR_LETTER : ascii[c] == 'o' ? CHAR_OTHER : ascii[c] == 'S' ? CHAR_SPACE : CHAR_NUMBER;
}

/** Whether `\p{P}` matches: punctuation, without symbols. */
bool is_punctuation(int32_t c);
/** Whether `\w` matches: letters, marks, decimal digits, connectors. */
bool is_word_char(int32_t c);

/** Offset of the first byte that is not part of well-formed UTF-8, or `bytes`. */
size_t utf8_check(const char *text, size_t bytes);

/* Byte-level vocabularies spell every byte as one character: printable bytes as themselves, the other 68 as those from
 * U+0100 on. */
static inline int32_t byte_spelling(uint8_t byte) {
    bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    return printable ? byte : byte < 127 ? 256 + byte : byte < 173 ? 289 + (byte - 127) : 323;
}
/** Writes that character as UTF-8 to `out`; returns its bytes, 1 or 2. */
static inline size_t spell_byte(uint8_t byte, char *out) {
    int32_t c = byte_spelling(byte);
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3F));
    return 2;
}
/** The byte that a character spells, or -1. */
static inline int spelled_byte(int32_t c) {
    if (c >= 256)
        return c < 289 ? c - 256 : c < 323 ? 127 + (c - 289) : c == 323 ? 173 : -1;
    return byte_spelling((uint8_t)c) == c ? c : -1;
}

#endif
