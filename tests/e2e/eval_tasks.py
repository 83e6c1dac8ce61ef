"""dtqc eval of a language model and of a classifier. The nats of stories260K in float32 are those of an independent
tokeniser, forward pass and softmax; a policy that scores the last rows loses less by importance than at random; 8 bits
lose next to nothing; engines tell the same. The accuracy of a head that was fitted to half of SST-2's sentences is that of the
regression."""
import json
import struct
import sys

import numpy as np

import decoder_oracle
import sst2_head
from problems import Failure, must, scratch, story, write

DATA, MINILM = sys.argv[1:]
STORIES = f"{DATA}/models/stories260K/stories260K.bin"
TEXT_BYTES, PARAGRAPHS, SENTENCES = 20000, 6, 300


def told(model, *options):
    return json.loads(must("eval", model, "--json", *options, timeout=600))


def metrics_of(report, key):
    return [row["metrics"][key] for row in report["rows"]]


def read_pieces():
    with open(f"{DATA}/models/stories260K/tok512.bin", "rb") as file:
        data = file.read()
    at, pieces = 4, []
    while at < len(data):
        score, size = struct.unpack_from("<fi", data, at)
        pieces.append((data[at + 8:at + 8 + size], score))
        at += 8 + size
    return pieces


def tokens_of(text, pieces):
    """llama2.c's: <s>, a space before the text, then the neighbours with the best score merge, until none can."""
    index = {piece: i for i, (piece, _) in reversed(list(enumerate(pieces)))}
    ids = [index[" ".encode()]]
    for c in text:
        raw = c.encode()
        ids += [index[raw]] if raw in index else [byte + 3 for byte in raw]
    while True:
        joined = [index.get(pieces[a][0] + pieces[b][0]) for a, b in zip(ids, ids[1:])]
        best = max((i for i, one in enumerate(joined) if one is not None), key=lambda i: (pieces[joined[i]][1], -i),
                   default=None)
        if best is None:
            return [1, *ids]
        ids[best:best + 2] = [joined[best]]


def independent(paragraphs):
    """Nats of a token, and how many count."""
    model, pieces, nats = decoder_oracle.read_llama2c(STORIES), read_pieces(), []
    for paragraph in paragraphs:
        ids = tokens_of(paragraph, pieces)
        logits = decoder_oracle.forward(model, ids)[1][:-1]
        top = logits.max(-1, keepdims=True)
        nats += list(top[:, 0] + np.log(np.exp(logits - top).sum(-1)) - logits[np.arange(len(logits)), ids[1:]])
    return np.mean(nats), len(nats)


def language():
    with open(f"{DATA}/text/tinystories_val_a.txt", "rb") as file:
        text = file.read(TEXT_BYTES).decode("utf-8", "ignore")
    task = [STORIES, "--task=language"]
    paragraphs = [line.strip() for line in text.splitlines() if line.strip()][:PARAGRAPHS]
    few = write("few.txt", "\n\n".join(paragraphs))
    report = told(*task, "--data", few, "--documents=lines", "--rows=fp32,int8")
    mean, count = independent(paragraphs)
    fp32, int8 = metrics_of(report, "nats_per_token")
    if report["scored_tokens"] != count or not abs(fp32 - mean) < 1e-5:
        raise Failure(f"{report['scored_tokens']} tokens, {fp32} nats; independently {count}, {mean}")
    if not abs(int8 - fp32) < 0.02:
        raise Failure(f"8 bits: {int8} nats, float32: {fp32}")
    last = [*task, "--data", write("text.txt", text), "--window=128", "--score-last=16", "--policy", "gpt2-average"]
    both = told(*last, "--limit=30", "--rows=policy,random", "--seed=0..1")
    chosen, *at_random = metrics_of(both, "nats_per_token")
    if not chosen < min(at_random):
        raise Failure(f"a choice by importance: {chosen} nats, at random: {at_random}")
    rows = [told(*last, "--limit=2", "--rows=policy", f"--engine={engine}")["rows"] for engine in ("host", "sim", "ref")]
    if not rows[0] == rows[1] == rows[2]:
        raise Failure(f"engines differ: {rows}")
    print(f"stories260K: {fp32:.4f} nats, {abs(fp32 - mean):.1e} from the independent ones; of the last 16 tokens "
          f"{chosen:.3f} by importance, {min(at_random):.3f} to {max(at_random):.3f} at random")


def classification():
    directory = scratch("classifier")
    labels, said = sst2_head.make(MINILM, f"{DATA}/text/sst2_glue_dev.tsv", directory, SENTENCES)
    report = told(directory, "--task=classification", "--data", f"{directory}/rest.tsv", "--rows=fp32,int8")
    fp32, int8 = metrics_of(report, "accuracy")
    right = np.mean(labels == said)
    if said.all() or not said.any():
        raise Failure("the regression tells nothing apart")
    if not abs(fp32 - right) < 1e-9:
        raise Failure(f"accuracy {fp32}; the regression's is {right}")
    if not abs(int8 - fp32) <= 0.05:
        raise Failure(f"8 bits: accuracy {int8}, float32: {fp32}")
    print(f"classifier of {len(labels)} sentences: accuracy {fp32:.3f}, with 8 bits {int8:.3f}")


def main():
    language()
    if MINILM:
        classification()


story(main)
