"""Records bert_rules.tsv: which of vocab.txt, tokenizer.json and tokenizer_config.json holds, by transformers' AutoTokenizer.

python bert_rules.py > bert_rules.tsv, with transformers 5 and tokenizers; torch is not needed. A row: whether vocab.txt is there,
the normaliser of tokenizer.json or -, tokenizer_config.json or -, and the ids of each of TEXTS.
"""
import itertools, json, os, tempfile
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] moch ##te möch Moch Möch moc 中 中文 ##文".split()
TEXTS = ["Möchte", "MOCHTE", "möchte", "中文"]
CLASSES = [None, "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"]
SETTINGS = [{}, {"do_lower_case": False}, {"strip_accents": False}, {"do_lower_case": False, "strip_accents": True},
            {"tokenize_chinese_chars": False}]
NORMALIZERS = [(True, None, True), (False, None, True), (True, False, False)]  # lowercase, strip_accents, handle_chinese_chars


def described(lowercase, accents, ideographs):
    t = Tokenizer(models.WordPiece({v: i for i, v in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(True, ideographs, accents, lowercase)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                     special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_special_tokens(VOCABULARY[:5])
    return t.to_str()


def rows():
    for vocabulary, rule in itertools.product((True, False), [None, *NORMALIZERS]):
        if not vocabulary and not rule:
            continue
        yield vocabulary, rule, None
        for name, settings in itertools.product(CLASSES, SETTINGS):
            if rule or name not in ("PreTrainedTokenizerFast", "TokenizersBackend"):
                yield vocabulary, rule, {**({"tokenizer_class": name} if name else {}), **settings}


for vocabulary, rule, config in rows():
    with tempfile.TemporaryDirectory() as d:
        def put(name, text):
            with open(os.path.join(d, name), "w", encoding="utf-8") as f:
                f.write(text)
        put("config.json", json.dumps({"model_type": "bert", "vocab_size": len(VOCABULARY)}))
        if vocabulary:
            put("vocab.txt", "\n".join(VOCABULARY) + "\n")
        if rule:
            put("tokenizer.json", described(*rule))
        if config is not None:
            put("tokenizer_config.json", json.dumps(config))
        t = AutoTokenizer.from_pretrained(d)
        words = json.dumps(dict(zip(("lowercase", "strip_accents", "handle_chinese_chars"), rule))) if rule else "-"
        ids = [" ".join(map(str, t(text)["input_ids"])) for text in TEXTS]
        print(int(vocabulary), words, "-" if config is None else json.dumps(config), *ids, sep="\t")
