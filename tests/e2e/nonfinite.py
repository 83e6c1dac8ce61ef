"""NaN and infinities that arise behind the last attention, where nothing is quantised any more: every engine, and the library
with an emitted object, refuses the output and names the op that made the first one; --allow-nonfinite returns it, the same
from all engines."""
import os
import subprocess

import numpy as np

from problems import DTQC, ROOT, Failure, dtqc, must, read_safetensors, scratch, seed_and_generator, story, write, \
    write_safetensors

HIDDEN, FFN, TOKENS = 16, 24, 5
ENGINES = ("sim", "ref", "fp32", "host")
MODEL = """name: faulty
tokens: 40
transformer: {{layers: 1, hidden: 16, heads: 2, ffn: 24, activation: {activation}, norm: {norm}, norm_epsilon: 1e-12, positions: 64,
  position_kind: rotary, vocabulary: 50, types: 0, pooling: {pooling}, normalize: {normalize}, causal: false, qkv_bias: false,
  linear_bias: true}}
weights: {{safetensors: faulty.safetensors}}
"""


def weights(rng, norm):
    tensors = {"embeddings.word": rng.standard_normal((50, HIDDEN))}
    for name, shape in (("query", (HIDDEN, HIDDEN)), ("key", (HIDDEN, HIDDEN)), ("value", (HIDDEN, HIDDEN)),
                        ("attention.output", (HIDDEN, HIDDEN)), ("ffn.up", (FFN, HIDDEN)), ("ffn.down", (HIDDEN, FFN))):
        tensors[f"layer.0.{name}.weight"] = rng.standard_normal(shape) * 0.2
        if name in ("attention.output", "ffn.up", "ffn.down"):
            tensors[f"layer.0.{name}.bias"] = np.zeros(shape[0])
    places = ["layer.0.attention.norm", "layer.0.ffn.norm", "embeddings.norm" if norm == "post" else "final.norm"]
    for place in places:
        tensors[place + ".weight"] = np.ones(HIDDEN)
        tensors[place + ".bias"] = np.zeros(HIDDEN)
    return tensors


def fault(tensors, name, at, value):
    tensors[name].reshape(-1)[at] = value


# What is wrong: the model's form, faults (tensor, elements, value), and the op that makes the first number that is not finite.
NAN, INF, HUGE = float("nan"), float("inf"), 3e38
COLUMN = slice(0, None, HIDDEN)  # of a matrix whose rows are HIDDEN long: its first
CASES = (
    ("post", "mean", "true", (("layer.0.attention.output.bias", 3, INF),), "layer.0.attention.output"),
    ("post", "mean", "true", (("layer.0.ffn.up.weight", 7, NAN),), "layer.0.ffn.up"),
    ("post", "mean", "true", (("layer.0.ffn.up.weight", 7, NAN),), "layer.0.ffn.up"),
    ("post", "first", "false", (("layer.0.ffn.up.weight", COLUMN, 0), ("layer.0.attention.norm.bias", 0, HUGE),
                                ("layer.0.ffn.down.bias", 0, HUGE)), "layer.0.ffn.add"),
    ("post", "none", "false", (("layer.0.ffn.norm.bias", HIDDEN - 1, -INF),), "layer.0.ffn.norm"),
    ("pre", "none", "false", (("final.norm.weight", 5, NAN),), "final.norm"),
    ("post", "mean", "true", (("layer.0.ffn.norm.bias", 2, HUGE),), "pool"),
    ("post", "mean", "false", (("layer.0.ffn.norm.bias", 2, HUGE),), "pool"),
)


def run(engine, *more):
    return dtqc("run", scratch("model.yaml"), "--input", scratch("in.safetensors"), "--output", scratch(f"{engine}.out"),
                f"--engine={engine}", *more)


def first_of(text):
    """Layer, op and token of a message."""
    marker = ": the first value that is not finite"
    if marker not in text:
        raise Failure(f"no word of where it arose: {text}")
    return text[:text.index(marker)].split("error: ")[-1].replace("host_main: ", "").strip()


def library():
    """What a program with the model inside says."""
    must("compile", scratch("model.yaml"), "--emit=obj", "-o", scratch("model.o"), "--name=the_model", "--seq", "40")
    build = os.path.dirname(DTQC)
    sanitized = ["-fsanitize=address,undefined"] if "asan" in build else []
    subprocess.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O1", "-DMODEL=the_model", "-I", ROOT, *sanitized,
                    os.path.join(ROOT, "tests/e2e/host_main.c"), scratch("model.o"), os.path.join(build, "libdtqrt.a"), "-lm",
                    "-lpthread", "-o", scratch("program")], check=True)
    return subprocess.run([scratch("program"), scratch(""), "2", "0", "0", scratch("in.words"), scratch("out.words")],
                          capture_output=True, check=False)


def check(rng, number):
    activation = ("gelu", "relu", "tanh", "silu", "gelu_tanh")[number % 5]  # none of them swallows a NaN
    norm, pooling, normalize, faults, op = CASES[number]
    tensors = weights(rng, norm)
    for each in faults:
        fault(tensors, *each)
    write_safetensors(scratch("faulty.safetensors"), {name: x.astype(np.float32) for name, x in tensors.items()})
    write("model.yaml", MODEL.format(activation=activation, norm=norm, pooling=pooling, normalize=normalize))
    places = {}
    for engine in ENGINES:
        done = run(engine)
        if done.returncode != 1:
            raise Failure(f"case {number}, {engine}: exit code {done.returncode}, not 1: {done.stderr.decode()}")
        places[engine] = first_of(done.stderr.decode())
        if os.path.exists(scratch(f"{engine}.out")):
            raise Failure(f"case {number}, {engine}: an output in spite of the error")
    if number in (0, 6):
        done = library()
        if done.returncode != 1:
            raise Failure(f"case {number}, library: exit code {done.returncode}, not 1")
        places["library"] = first_of(done.stderr.decode())
    for engine, place in places.items():
        words = place.split(", ")  # host code makes a linear and the sum behind it in one, which has both names
        if words[0] != "layer 0" or op not in words:
            raise Failure(f"case {number}, {engine}: '{place}' instead of layer 0, {op}")
    outputs = {}
    for engine in ENGINES:
        done = run(engine, "--allow-nonfinite")
        if done.returncode != 0:
            raise Failure(f"case {number}, {engine} --allow-nonfinite: exit code {done.returncode}: {done.stderr.decode()}")
        out = read_safetensors(scratch(f"{engine}.out"))["output"]
        os.remove(scratch(f"{engine}.out"))
        if np.isfinite(out).all():
            raise Failure(f"case {number}, {engine}: the output is finite after all")
        outputs[engine] = np.where(np.isnan(out), np.float32(0), out).tobytes() + np.isnan(out).tobytes()
    if not outputs["sim"] == outputs["ref"] == outputs["host"]:
        raise Failure(f"case {number}: engines differ in numbers that are not finite")
    print(f"{places['ref']} (host code: {places['host']})")


def main():
    _, rng = seed_and_generator()
    ids = rng.integers(0, 50, TOKENS).astype(np.uint32)
    write_safetensors(scratch("in.safetensors"), {"tokens": ids})
    with open(scratch("in.words"), "wb") as file:
        file.write(np.array([TOKENS, 0], np.uint32).tobytes() + ids.tobytes() + np.zeros(TOKENS, np.uint32).tobytes())
    for number in range(len(CASES)):
        check(rng, number)


story(main)
