"""dtqc eval on the first sentence pairs of STS-B: correlations of float32 are those of an independent tokeniser, forward
pass and metric; 8 bits lose next to nothing; a choice by importance loses less than one at random; and what engines
tell differs in nothing."""
import json
import sys

import numpy as np

from oracle import bert
from problems import Failure, must, story
from words import tokens_of

MODEL, DATA = sys.argv[1:]
PAIRS = 40
MOST_FROM_ORACLE, MOST_FROM_FP32 = 1e-3, 5e-3


def ranks(x):
    x = np.asarray(x)
    return np.array([(x < one).sum() + ((x == one).sum() + 1) / 2 for one in x])


def told(*options):
    return json.loads(must("eval", MODEL, "--task=similarity", "--data", DATA, "--json", *options, timeout=600))


def metrics_of(report):
    return {row["row"]: row["metrics"] for row in report["rows"]}


def independent():
    """Pearson's and Spearman's correlation."""
    with open(f"{MODEL}/vocab.txt", encoding="utf-8") as file:
        vocabulary = {line.rstrip("\n"): i for i, line in enumerate(file)}

    def output(text):
        ids = [vocabulary["[CLS]"], *tokens_of(text, vocabulary), vocabulary["[SEP]"]]
        return bert(MODEL, np.array(ids), np.zeros(len(ids), np.int64))

    with open(DATA, encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\r\n").split("\t") for _, line in zip(range(PAIRS), file)]
    scores = [float(line[4]) for line in lines]
    cosines = [output(line[5]) @ output(line[6]) for line in lines]
    return np.corrcoef(scores, cosines)[0, 1], np.corrcoef(ranks(scores), ranks(cosines))[0, 1]


def main():
    report = told("--policy", "bert-average", "--limit", str(PAIRS))
    metrics = metrics_of(report)
    pearson, spearman = independent()
    from_oracle = max(abs(metrics["fp32"]["pearson"] - pearson), abs(metrics["fp32"]["spearman"] - spearman))
    if not from_oracle <= MOST_FROM_ORACLE:
        raise Failure(f"float32: {metrics['fp32']}, the independent forward pass {pearson}, {spearman}")
    lost = {row: metrics["fp32"]["pearson"] - values["pearson"] for row, values in metrics.items()}
    if not abs(lost["int8"]) <= MOST_FROM_FP32:
        raise Failure(f"8 bits lose {lost['int8']}")
    if not metrics["policy"]["pearson"] > metrics["random"]["pearson"]:
        raise Failure(f"a random choice is no worse: {metrics}")
    cycles = {row["row"]: row["cycles"] for row in report["rows"]}
    if cycles["policy"] != cycles["random"] or cycles["fp32"] is not None or not cycles["int4"] < cycles["int8"]:
        raise Failure(f"cycles: {cycles}")
    few = ["--policy", "bert-average", "--limit", "3", "--rows=int4,policy,random"]
    rows = [told(*few, f"--engine={engine}")["rows"] for engine in ("host", "sim", "ref")]
    if not rows[0] == rows[1] == rows[2]:
        raise Failure(f"engines differ: {rows}")
    print(f"correlations within {from_oracle:.1e} of the independent ones; points of Pearson's lost: " +
          ", ".join(f"{row} {100 * lost[row]:.2f}" for row in list(lost)[1:]))


story(main)
