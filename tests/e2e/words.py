"""BERT's uncased tokeniser, independent of the compiler's."""
import unicodedata


def words(text):
    """BERT's uncased basic tokenisation: lower case, no accents, punctuation and ideographs alone."""
    text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    spaced = ""
    for c in text:
        symbol = c.isascii() and not c.isalnum() and not c.isspace()
        alone = symbol or unicodedata.category(c).startswith("P") or 0x4E00 <= ord(c) <= 0x9FFF
        spaced += f" {c} " if alone else c
    return spaced.split()


def word_pieces(word, vocabulary):
    pieces, begin = [], 0
    while begin < len(word):
        prefix = "##" if begin else ""
        end = next((e for e in range(len(word), begin, -1) if prefix + word[begin:e] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(prefix + word[begin:end])
        begin = end
    return pieces


def tokens_of(text, vocabulary):
    return [vocabulary[piece] for word in words(text) for piece in word_pieces(word, vocabulary)]
