#!/usr/bin/env bash
# tokenizers 0.23.2 and sentencepiece 0.2.3: the precompiled map of characters that both read out of one model, as XLM-R's and
# T5's tokenizer.json have it.
# Expected: one text, one normalised text.
# Seen: sentencepiece replaces the longest sequence that the map has, and leaves what follows it. tokenizers replaces a whole
# grapheme cluster of less than six bytes by what stands for its shortest beginning: a combining mark behind a mapped character
# is lost (a full-width A with an acute accent is A, not Á), and of longer clusters each character for itself (half-width
# katakana with a voicing mark stay two characters). The tokens of such texts differ from those that the model was trained on.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv tokenizers==0.23.2 sentencepiece==0.2.3 protobuf==7.36.2
temporary models
# shellcheck disable=SC2154 # temporary sets it
FOLDER=$models python - <<'PYTHON'
import os
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import normalizers

at = os.environ["FOLDER"]
with open(at + "/text", "w") as file:
    file.write("a mark stays where it stands\nthe map is the one that training puts into the model\n" * 20)
sentencepiece.SentencePieceTrainer.train(input=at + "/text", model_prefix=at + "/m", vocab_size=24, model_type="unigram",
                                         normalization_rule_name="nmt_nfkc", add_dummy_prefix=False, minloglevel=2)
own = sentencepiece.SentencePieceProcessor(model_file=at + "/m.model")
proto = sentencepiece_model_pb2.ModelProto()
with open(at + "/m.model", "rb") as file:
    proto.ParseFromString(file.read())
other = normalizers.Precompiled(bytes(proto.normalizer_spec.precompiled_charsmap))
seen = {text: (own.normalize(text), other.normalize_str(text)) for text in ("\uff21", "\uff21\u0301", "\ufb01\u0301", "\uff76\uff9e")}
for text, (longest, shortest) in seen.items():
    print(f"{ascii(text)}: sentencepiece {ascii(longest)}, tokenizers {ascii(shortest)}")
assert list(seen.values()) == [("A", "A"), ("\xc1", "A"), ("fi\u0301", "fi"), ("\u30ac", "\u30ab\u3099")], seen
PYTHON
