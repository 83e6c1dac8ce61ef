"""Fits a classifier to half of a table of labelled sentences: a logistic regression on the [CLS] rows of an encoder,
written as a Hugging Face directory of BertForSequenceClassification; the other half of the table goes beside it, as
rest.tsv, to measure it on.

    DTQC=build/dtqc python3 tests/e2e/sst2_head.py ENCODER_DIRECTORY sst2_dev.tsv OUTPUT_DIRECTORY"""
import json
import os
import subprocess
import sys

import numpy as np

from oracle import read_safetensors, write_safetensors

PENALTY, STEPS = 30.0, 25
LINEAR = 0.1  # deviations of a feature where tanh is linear still


def rows(directory, sentences):
    """[CLS] rows of the last layer, in float32."""
    out = os.path.join(directory, "rows.safetensors")
    texts = [part for sentence in sentences for part in ("--text", sentence)]
    subprocess.run([os.environ["DTQC"], "run", directory, "--engine=fp32", *texts, "--output", out], check=True,
                   stdout=subprocess.DEVNULL)
    tensors = read_safetensors(out)
    os.remove(out)
    return np.array([tensors[f"output.{i}"].ravel() for i in range(len(sentences))], np.float64)


def fit(x, labels):
    """Weights and offset of a ridge logistic regression, by Newton's method."""
    x = np.c_[x, np.ones(len(x))]
    penalty = np.full(x.shape[1], PENALTY)
    penalty[-1] = 0
    w = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (p - labels) + penalty * w
        w -= np.linalg.solve((x.T * (p * (1 - p))) @ x + np.diag(penalty + 1e-9), gradient)
    return w[:-1], w[-1]


def link(source, directory, *names):
    for name in names:
        if os.path.exists(os.path.join(source, name)):
            os.symlink(os.path.abspath(os.path.join(source, name)), os.path.join(directory, name))


def write_json(directory, name, content):
    os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        json.dump(content, file)


def make(source, table, directory, limit=None):
    """Returns the labels of the other half, and what the regression itself says of them."""
    os.makedirs(directory)
    with open(table, encoding="utf-8") as file:
        header, *lines = [line.rstrip("\n") for line in file if line.strip()][:limit and limit + 1]
    known, rest = lines[0::2], lines[1::2]
    with open(os.path.join(directory, "rest.tsv"), "w", encoding="utf-8") as file:
        file.write("\n".join([header, *rest]) + "\n")
    with open(os.path.join(source, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    link(source, directory, "vocab.txt", "tokenizer.json", "tokenizer_config.json")
    encoder = os.path.join(directory, "encoder")
    os.makedirs(encoder)
    link(source, encoder, "config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
    write_json(encoder, "1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    x = rows(encoder, [line.split("\t")[0] for line in known])
    labels, others = (np.array([float(line.split("\t")[1]) for line in half]) for half in (known, rest))
    scale, offset = LINEAR / x.std(0), -LINEAR * x.mean(0) / x.std(0)
    w, b = fit(np.tanh(x * scale + offset) / LINEAR, labels)
    tensors = {("" if name.startswith("bert.") else "bert.") + name: array.astype(np.float32)
               for name, array in read_safetensors(os.path.join(source, "model.safetensors")).items()
               if array.dtype.kind == "f" and "pooler" not in name}
    tensors |= {"bert.pooler.dense.weight": np.diag(scale).astype(np.float32),
                "bert.pooler.dense.bias": offset.astype(np.float32),
                "classifier.weight": np.array([-w, w], np.float32) / (2 * LINEAR),
                "classifier.bias": np.array([-b, b], np.float32) / 2}
    write_json(directory, "config.json", config | {"architectures": ["BertForSequenceClassification"],
                                                   "id2label": {"0": "negative", "1": "positive"}})
    write_safetensors(os.path.join(directory, "model.safetensors"), tensors)
    x = rows(encoder, [line.split("\t")[0] for line in rest])
    return others, np.tanh(x * scale + offset) / LINEAR @ w + b > 0


if __name__ == "__main__":
    make(*sys.argv[1:])
