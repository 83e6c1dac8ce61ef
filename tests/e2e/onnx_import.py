"""A checkpoint and the same weights as ONNX, in many spellings: the same graph, the same bits; near onnxruntime's.
Quantised spellings have other weights: the same graph, and near onnxruntime's."""
import json
import os
import re
import shutil
import struct
import subprocess
import sys

import numpy as np

from onnx_models import read_safetensors

TMP, HERE = os.environ["TMP"], os.path.dirname(os.path.abspath(__file__))
SIDE_FILES = ("config.json", "modules.json", "1_Pooling", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
# Spelling, engines that must give the checkpoint's bits, and the greatest relative difference from onnxruntime, which
# computes dynamic products in eight bits.
SPELLINGS = (("plain", ("fp32", "sim"), 1e-4), ("primitive", ("fp32", "sim"), 1e-4), ("split", ("fp32", "sim"), 1e-4),
             ("packed", ("fp32",), 1e-4), ("contrib", ("fp32",), 1e-4), ("multihead", ("fp32",), 1e-4),
             ("standard", ("fp32",), 1e-4),
             ("weights", (), 1e-4), ("dynamic", (), 0.2))
TEXTS = ("A sentence.", "Somewhere else, something else was said at some length.")


def dtqc(*arguments):
    return subprocess.run([os.environ["DTQC"], *arguments], check=True, capture_output=True, text=True).stdout


def graph(model):
    """The ops as text. Names of weights are dtqc's own in both; files, offsets and locations of the model are not."""
    lines = dtqc("compile", model, "--seq", "16", "--dump-ir=graph").splitlines()
    return [re.sub(r" @ .*", "", line) for line in lines if re.match(r"\s*(%|output|attention)", line)]


def outputs(model, engine, text):
    path = f"{TMP}/out.safetensors"
    dtqc("run", model, f"--engine={engine}", "--text", text, "--output", path)
    return read_safetensors(path)


def write(checkpoint, spelling, beside):
    """DIRECTORY/onnx/model.onnx, and beside its directory what the checkpoint says of pooling, if `beside`."""
    directory = f"{TMP}/{spelling}-{'pooled' if beside else 'bare'}"
    os.makedirs(directory + "/onnx")
    for name in SIDE_FILES if beside else ():
        source = os.path.join(checkpoint, name)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(directory, name))
        elif os.path.exists(source):
            shutil.copy(source, directory)
    path = directory + "/onnx/model.onnx"
    subprocess.run([sys.executable, "-B", f"{HERE}/onnx_models.py", checkpoint, spelling, path], check=True)
    return path


def differs_from_onnxruntime(onnx_model, text):
    """Greatest relative difference of the pooled row from onnxruntime's; None without onnxruntime."""
    try:
        import onnxruntime
    except ImportError:
        return None
    ids = np.random.default_rng(len(text)).integers(1000, 20000, (1, len(text))).astype(np.int64)
    mine, given = f"{TMP}/mine.safetensors", f"{TMP}/ids.safetensors"
    header = json.dumps({"tokens": {"dtype": "I64", "shape": [len(text)], "data_offsets": [0, ids.nbytes]}}).encode()
    with open(given, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + ids.tobytes())
    dtqc("run", onnx_model, "--engine=fp32", "--input", given, "--output", mine)
    mine = read_safetensors(mine)
    options = onnxruntime.SessionOptions()  # optimised, it multiplies by quantised weights in eight bits
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(onnx_model, options, providers=["CPUExecutionProvider"])
    hidden = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids),
                                "token_type_ids": np.zeros_like(ids)})[0][0]
    theirs = hidden.mean(axis=0)
    theirs /= np.linalg.norm(theirs)
    row = next(value for value in mine.values() if value.dtype == np.float32 and value.size == theirs.size)
    return np.abs(row.ravel() - theirs).max() / np.abs(theirs).max()


def main():
    checkpoint = sys.argv[1]
    expected = graph(checkpoint)
    assert len(expected) > 50, f"{len(expected)} ops in the checkpoint's graph"
    quantised = []
    for spelling, engines, bound in SPELLINGS:
        model = write(checkpoint, spelling, True)
        assert graph(model) == expected, f"{spelling}: another graph than the checkpoint's"
        for engine in engines:
            for text in TEXTS:
                want, have = outputs(checkpoint, engine, text), outputs(model, engine, text)
                assert want.keys() == have.keys(), f"{spelling}, {engine}: other outputs"
                for name, value in want.items():
                    assert np.array_equal(value, have[name]), f"{spelling}, {engine}, '{text}': {name} differs"
        if not engines:
            quantised.append(outputs(model, "fp32", TEXTS[1]))
        print(f"{spelling}: the checkpoint's graph, and its bits on {' and '.join(engines) or 'no engine'}")
        for text in TEXTS:
            difference = differs_from_onnxruntime(model, text)
            if difference is None:
                print("onnxruntime is not installed: not compared")
                break
            assert difference < bound, f"{spelling}: {difference} from onnxruntime"
            print(f"{spelling}: {difference:.2g} of the greatest from onnxruntime, {len(text)} tokens")
        if spelling in ("split", "dynamic"):  # weights with strides, weights of codes: the reference's bits in eight, too
            for engine in ("sim", "host"):
                dtqc("run", model, "--linear=int8", f"--engine={engine}", "--check", "--text", TEXTS[0])
        explained = dtqc("analyze", model, "--seq", "16", "--explain")
        for op in ("layer.0.query", "layer.5.attention", "layer.5.ffn.norm", "embeddings"):
            assert re.search(rf": (part of )?(.*, )?{op}\b", explained), f"{spelling}: nothing became {op}"
        assert "cannot be taken" not in explained, f"{spelling}: nodes that cannot be taken"
        shutil.rmtree(os.path.dirname(os.path.dirname(model)))
    first, second = quantised
    assert all(np.array_equal(value, second[name]) for name, value in first.items()), "the same codes, other outputs"


if __name__ == "__main__":
    main()
