"""What is wrong is told in one line with the right exit code, and nothing is half-written."""
import os
import re

import numpy as np

from problems import (Failure, dtqc, must, scratch, story, write, write_attention, write_safetensors, write_target)

POLICY, MODEL = "policy.yaml", "model.yaml"
failures = []


def expect(code, pattern, *arguments, absent=None):
    """The command ends with `code` and one error that matches; no file `absent` and no other file is new."""
    before = set(os.listdir(scratch("")))
    done = dtqc(*arguments)
    told = done.stderr.decode(errors="replace")
    errors = [line for line in told.splitlines() if "error: " in line]
    problem = None
    if done.returncode != code:
        problem = f"exit code {done.returncode}, not {code}"
    elif len(errors) != 1:
        problem = f"{len(errors)} lines with an error"
    elif not re.search(pattern, errors[0]):
        problem = f"the error does not say `{pattern}`"
    elif set(os.listdir(scratch(""))) - before:
        problem = f"left {set(os.listdir(scratch(''))) - before}"
    elif absent and os.path.exists(absent):
        problem = f"{absent} is there"
    if problem:
        failures.append(f"dtqc {' '.join(arguments)}: {problem}\n{told[:1500]}")


def usage():
    for arguments in (["frobnicate"], ["run"], ["compile"], ["analyze", "fig5", "bert-base"],
                      ["compile", "fig5", "--emit=x"],
                      ["analyze", "fig5", "--report=xml"], ["analyze", "fig5", "--seq"], ["analyze", "fig5", "--seq=x"],
                      ["analyze", "fig5", "--no-such"], ["run", "fig5", "--engine=gpu"], ["opt", "x.dtir"], ["target"],
                      ["compile", "fig5", "-O7"], ["run", "fig5", "--threads=-1"], ["disasm"], ["asm"], ["verify"],
                      ["compile", "fig5", "--dump-ir=x"], ["compile", "fig5", "--print-after=x"],
                      ["run", "fig5", "--shuffle=x"]):
        expect(2, "error: ", *arguments)


def files():
    """Outputs that cannot be written, inputs that cannot be read."""
    model, target = write_attention(4, 1, 4), write_target(2, 2)
    arguments = [model, "--target", target]
    write_safetensors(scratch("qkv.safetensors"), {name: np.ones((1, 4, 4), np.float32) for name in "qkv"})
    must("compile", *arguments, "-o", scratch("good.dtq"))
    run = ["run", *arguments, "--input", scratch("qkv.safetensors")]
    missing = scratch("no/such/out")
    for command in (["compile", *arguments], run, ["disasm", scratch("good.dtq")]):
        expect(1, "no/such", *command, "-o", missing, absent=missing)
        expect(1, "/dev/full|No space|cannot write", *command, "-o", "/dev/full")
        expect(1, scratch("")[:-1], *command, "-o", scratch(""))
    expect(1, "no/such", "compile", *arguments, f"--trace={missing}", absent=missing)
    for name in ("no-such-file.yaml", "no-such-model"):
        expect(1, name, "compile", name, "-o", scratch("out"))
    expect(1, "no-such", "run", *arguments, "--input", scratch("no-such.safetensors"), "-o", scratch("out"))
    expect(1, "no-such", "run", scratch("no-such.dtq"), "--input", scratch("qkv.safetensors"), "-o", scratch("out"))
    # what was there stays
    kept = write("kept", "before")
    write_safetensors(scratch("bad.safetensors"), {name: np.full((1, 4, 4), np.nan, np.float32) for name in "qkv"})
    expect(1, "finite|nan", "run", *arguments, "--input", scratch("bad.safetensors"), "-o", kept)
    with open(kept, encoding="utf-8") as file:
        if file.read() != "before":
            raise Failure("a run that failed has changed the file it would have written")


def sequences():
    expect(1, "512", "compile", "bert-base", "--seq", "513", "-o", scratch("out"))
    expect(1, "512", "analyze", "bert-base", "--seq", "500..600")
    must("compile", "minilm", "--seq", "3,5", "-o", scratch("minilm.dtq"))
    for count, pattern in ((4, "4"), (600, "600|512")):
        write_safetensors(scratch("ids.safetensors"), {"tokens": np.ones(count, np.int64)})
        expect(1, pattern, "run", scratch("minilm.dtq"), "--input", scratch("ids.safetensors"), "-o", scratch("out"))
    write_safetensors(scratch("ids.safetensors"), {"tokens": np.array([1, 30522, 2], np.int64)})
    for model in ("minilm", scratch("minilm.dtq")):
        expect(1, "30522", "run", model, "--input", scratch("ids.safetensors"), "-o", scratch("out"))


def operands():
    """Inputs of a bare attention that are no inputs."""
    model, target = write_attention(3, 2, 4), write_target(2, 2)
    good = np.ones((2, 3, 4), np.float32)
    cases = [("q", np.ones((2, 4, 4), np.float32), "q"), ("k", np.ones((1, 3, 4), np.float32), "k"),
             ("v", np.ones((2, 3, 4), np.float64), "v"), ("q", None, "q")]
    for value, pattern in ((np.inf, ""), (-np.inf, ""), (np.nan, ""), (2.0**50, ""), (-(2.0**50), "")):
        for name in "qkv":
            one = good.copy()
            one[1, 2, 3] = value
            cases.append((name, one, pattern))
    for name, array, pattern in cases:
        tensors = {"q": good, "k": good, "v": good, name: array}
        write_safetensors(scratch("in.safetensors"), {n: a for n, a in tensors.items() if a is not None})
        for engine in ("sim", "ref"):
            expect(1, pattern, "run", model, "--target", target, "--input", scratch("in.safetensors"), "-o",
                   scratch("out"), f"--engine={engine}")


def capacity():
    """What no split helps is an error that says which buffer; what a split helps is none."""
    model = write_attention(64, 2, 16)
    for buffer in ("q", "k", "v", "scores", "probs", "out", "importance"):
        expect(1, buffer, "compile", model, "--target", write_target(4, 4, buffers={buffer: 8}), "-o", scratch("out"))


def policies():
    model, target = write_attention(4, 1, 4), write_target(2, 2)
    for text, pattern in (("all: {ratios: {0: .5, 4: .5, 8: .5}}", "1.5|sum"),
                          ("layers:\n  - token_bits: [4, 8]", "2|4"),
                          ("layers:\n  - token_bits: [4, 8, 3, 4]", "3"), ("all: {ratioes: {4: 1}}", "ratios"),
                          ("all: {counts: {4: 3, 8: 4}}", "7|4")):
        expect(1, f"{POLICY}:[0-9]+.*({pattern})", "analyze", model, "--target", target, "--policy",
               write(POLICY, text + "\n"))
    expect(1, "target.yaml:2:[0-9]+: error: .*rows", "analyze", model, "--target",
           write("target.yaml", "kind: vssa\nvssa: {arrays: 1, rows: 0, cols: 2}\n"))
    expect(1, f"{MODEL}:1:[0-9]+: error: .*head_dim", "analyze",
           write(MODEL, "attention: {tokens: 4, heads: 1, head_dim: 2, head_dims: 4}\n"))


def main():
    os.makedirs(scratch(""), exist_ok=True)
    for name in ("ids.safetensors", "in.safetensors", POLICY, MODEL, "target.yaml", "minilm.dtq", "trace"):
        write(name, "")
    for part in (usage, files, sequences, operands, capacity, policies):
        part()
    if failures:
        raise Failure("\n".join(failures))
    print("every mistake is told, with its exit code, and leaves nothing behind")


story(main)
