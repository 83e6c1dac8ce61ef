"""The all-MiniLM-L6-v2 checkpoint: texts become the right tokens, float32 embeddings are those of an independent
forward pass, the accelerator's bits are the reference's, and sentences that mean the same are near each other."""
import json
import sys

import numpy as np

from oracle import bert
from problems import Failure, must, read_safetensors, scratch, story, write_safetensors
from words import tokens_of

TOLERANCE = 1e-4
MODEL = sys.argv[1]
SENTENCES = [
    "A man is playing a guitar on the stage.",
    "Someone performs a song with a guitar in front of people.",
    "The central bank raised interest rates again this week.",
    "Borrowing money has become more expensive.",
    "Two dogs chase each other through the snow.",
    "Déjà vu: the CAFÉ's naïve façade (re-)opened, unaffordability notwithstanding!",
    "",
    "x",
    "今日は good-bye ... #42 $3.50 @home <tag> foo_bar supercalifragilisticexpialidocious",
]
PAIRS = [(0, 1), (2, 3)]  # which of them mean the same


def embedding(*options):
    must("run", MODEL, *options, "--output", scratch("out.safetensors"))
    return read_safetensors(scratch("out.safetensors"))["output"]


def same_tokens(what, ids, segments, *text):
    """The text gives the bits that these tokens give."""
    write_safetensors(scratch("ids.safetensors"),
                      {"tokens": np.array(ids, np.int64), "segments": np.array(segments, np.int64)})
    by_ids = embedding("--engine=fp32", "--input", scratch("ids.safetensors"))
    by_text = embedding("--engine=fp32", *text)
    if by_ids.tobytes() != by_text.tobytes():
        raise Failure(f"{what}: not the tokens {ids}")
    difference = np.abs(by_text.astype(np.float64) - bert(MODEL, np.array(ids), np.array(segments))).max()
    if not difference <= TOLERANCE:
        raise Failure(f"{what}: {difference} from the independent forward pass")
    return difference


def similarities(*options):
    texts = [part for text in SENTENCES[:5] for part in ("--text", text)]
    told = json.loads(must("run", MODEL, *texts, *options, "--json"))
    for one in told["inputs"]:
        if "--check" in options and one["check"] != "identical":
            raise Failure(f"{one['text']}: the simulator is not the reference: {one['check']}")
    return np.array(told["similarities"])


def main():
    with open(f"{MODEL}/vocab.txt", encoding="utf-8") as file:
        vocabulary = {line.rstrip("\n"): i for i, line in enumerate(file)}
    first, separator = vocabulary["[CLS]"], vocabulary["[SEP]"]
    if tokens_of("A man is eating food.", vocabulary) != [1037, 2158, 2003, 5983, 2833, 1012]:
        raise Failure("this vocabulary is not BERT's")
    largest = 0
    for text in SENTENCES:
        ids = [first, *tokens_of(text, vocabulary), separator]
        largest = max(largest, same_tokens(repr(text), ids, [0] * len(ids), "--text", text))
    a, b = (tokens_of(SENTENCES[i], vocabulary) for i in PAIRS[0])
    ids, segments = [first, *a, separator, *b, separator], [0] * (len(a) + 2) + [1] * (len(b) + 1)
    largest = max(largest, same_tokens("a pair", ids, segments, "--text", SENTENCES[0], "--pair", SENTENCES[1]))

    margins = {}
    for name, options in (("float32", ["--engine=fp32"]), ("8-bit", ["--policy", "uniform8", "--check"]),
                          ("mixed", ["--policy", "bert-average", "--check"]),
                          ("mixed, int8", ["--policy", "bert-average", "--check", "--linear=int8"])):
        found = similarities(*options)
        alike = [found[i, j] for i, j in PAIRS]
        others = [found[i, j] for i in range(5) for j in range(i) if (j, i) not in PAIRS]
        margins[name] = min(alike) - max(others)
        if margins[name] <= 0:
            raise Failure(f"{name}: sentences that mean the same have similarity {min(alike)}, others {max(others)}")
    print(f"float32 within {largest:.2e} of the independent forward pass; margin between alike and others: " +
          ", ".join(f"{name} {margin:.3f}" for name, margin in margins.items()))


story(main)
