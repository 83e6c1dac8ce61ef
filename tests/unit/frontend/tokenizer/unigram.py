"""Records unigram_plain.json, unigram_bytes.json and unigram.tsv: Unigram vocabularies, and the ids that tokenizers 0.23 gives.

python unigram.py, with the package tokenizers. Pieces and scores are made up from a seed; the map of characters is built here,
in the layout of Darts-clone that sentencepiece's files have. A row of the table: the file, the text, its ids, and the text that
they stand for; texts are JSON strings.
"""
import base64, json, pathlib, random, struct
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

HERE = pathlib.Path(__file__).parent
MAP = {"ﬁ": "fi", "Ａ": "A", "Ｂ": "B", "e\u0301": "é", "é": "é", "\u00a0": " ", "\u3000": " ", "\u00ad": "", "Ⅳ": "IV", "²": "2",
       "\u1100\u1161": "가", "㎏": "kg", "…": "...", "\t": " ", "\n": " ", "ß": "ss"}
WORDS = ("the token of a mixed precision array is read and its keys stay on chip while rows that no query sees are left out "
         "so every schedule ends with the last store or begins again é ü 가 한국어 中文 日本 привет мир ss IV fi kg").split()


class Trie:
    """A double array: unit = offset << 10 | has_leaf << 8 | label; a leaf is its value with the highest bit set."""

    def __init__(self, values):
        self.units, self.taken, tree = {0: 0}, {0}, {}
        for key, value in values.items():
            node = tree
            for byte in key.encode():
                node = node.setdefault(byte, {})
            node[None] = value
        self.place(0, 0, tree)

    def place(self, at, label, node):
        labels = [0 if key is None else key for key in node]
        offset = next(o for o in range(1, 1 << 20) if all(at ^ o ^ x not in self.taken for x in labels))
        self.taken.update(at ^ offset ^ x for x in labels)
        self.units[at] = offset << 10 | (None in node) << 8 | label
        for key, child in node.items():
            if key is None:
                self.units[at ^ offset] = child | 1 << 31
            else:
                self.place(at ^ offset ^ key, key, child)

    def data(self):
        return b"".join(struct.pack("<I", self.units.get(i, 0)) for i in range(max(self.units) // 256 * 256 + 256))


def charsmap():
    texts, values = b"", {}
    for key, to in MAP.items():
        values[key] = len(texts)
        texts += to.encode() + b"\0"
    trie = Trie(values).data()
    return struct.pack("<I", len(trie)) + trie + texts


def vocabulary(r, first):
    pieces = dict.fromkeys(first, 0.0)
    for word in WORDS:
        marked = "▁" + word
        for _ in range(6):
            begin = r.randrange(len(marked))
            pieces.setdefault(marked[begin:begin + r.randint(1, 6)], -r.randint(20, 140) / 10)
    for c in sorted(set("".join(WORDS)) - set("üx本")):
        pieces.setdefault(c, -r.randint(60, 150) / 10)
    pieces.setdefault("▁", -3.5)
    return list(pieces.items())


def plain(r):
    t = Tokenizer(models.Unigram(vocabulary(r, ["<s>", "<pad>", "</s>", "<unk>"]) + [("<mask>", 0.0)], unk_id=3))
    t.normalizer = normalizers.Precompiled(charsmap())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
                                                     special_tokens=[("<s>", 0), ("</s>", 2)])
    t.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)])
    t.decoder = decoders.Metaspace()
    return t


def with_bytes(r):
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    t = Tokenizer(models.Unigram(vocabulary(r, tokens), unk_id=0, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Precompiled(charsmap()),
                                         normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 2)])
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return t


def texts(r):
    yield from ("", " ", "the", "  two  spaces  ", "<s>a <mask>b</s>", "a <unk> b", "…", "e\u0301\u0302x", "ﬁﬁ\u0301", "\u1100\u1161\u11a8")
    pool = list(MAP) + ["\u0301", "\u0308", "\u200d", "\U0001f469", "\U0001f3fd", "\u2581", "☃", "\u0e33", "\u0915\u094d", "X", ",", " ", " "]
    for _ in range(240):
        yield "".join(r.choice(pool) if r.random() < .3 else r.choice([" ", ""]) + r.choice(WORDS)[:r.randint(1, 9)]
                      for _ in range(r.randint(1, 9)))


with open(HERE / "unigram.tsv", "w", encoding="utf-8") as out:
    for name, make in (("plain", plain), ("bytes", with_bytes)):
        made = make(random.Random(11))
        made.save(str(HERE / f"unigram_{name}.json"), pretty=False)
        for text in texts(random.Random(12)):
            ids = made.encode(text).ids
            print(name, json.dumps(text), *ids, json.dumps(made.decode(ids)), sep="\t", file=out)
