"""Random attention problems on targets of the compared systems: the bits and the shares of compared_oracle.py, and cycles
and energy that follow from those shares by the formulas of SYSTEMS.md, written here once more. In a small encoder of several
layers tokens and heads leave as the cascade says, and a program does what its model does."""
import json
import math
import time

import numpy as np

import compared_oracle as oracle
from problems import (Failure, must, read_safetensors, scratch, seed_and_generator, story, write, write_attention,
                      write_safetensors)

CASES, SECONDS = 200, 20


class Problem:
    def __init__(self, rng):
        self.tokens, self.heads = int(rng.integers(1, 50)), int(rng.integers(1, 5))
        self.kv_heads = int(rng.choice([h for h in range(1, self.heads + 1) if self.heads % h == 0]))
        self.dim, self.causal = int(rng.integers(1, 33)), bool(rng.random() < 0.4)
        size = 10.0 ** rng.uniform(-1, 1)
        self.q = (rng.standard_normal((self.heads, self.tokens, self.dim)) * size).astype(np.float32)
        self.k, self.v = (rng.standard_normal((self.kv_heads, self.tokens, self.dim)).astype(np.float32) for _ in "kv")
        if rng.random() < 0.3:  # ties of codes and of scores
            self.k = np.rint(self.k).astype(np.float32)

    def __str__(self):
        return f"{self.tokens} tokens, {self.heads}/{self.kv_heads} heads of {self.dim}, causal {self.causal}"


class Eyeriss:
    def __init__(self, rng):
        self.bits = int(rng.integers(4, 17))
        self.text = f"kind: eyeriss\narray: {{word_bits: {self.bits}}}\n"

    def expected(self, p):
        return oracle.fixed(p.q, p.k, p.v, p.causal, self.bits)

    def cycles(self, p, count):
        return None


class A3:
    def __init__(self, rng):
        self.iterations, self.threshold = (round(float(x), 3) for x in rng.uniform(0, (1, 0.5)))
        self.fraction = None if rng.random() < 0.3 else int(rng.integers(2, 7))
        form = "point: scaled" if self.fraction is None else f"point: fixed, fraction_bits: {self.fraction}"
        self.text = (f"kind: a3\nsearch: {{iterations: {self.iterations}, threshold: {self.threshold}}}\n"
                     f"pipeline: {{operand_bits: 9, {form}}}\ndram: {{gb_per_s: 1e6}}\n")

    def expected(self, p):
        return oracle.a3(p.q, p.k, p.v, p.causal, self.iterations, self.threshold, 9, self.fraction)

    def cycles(self, p, count):
        n = p.tokens
        scored = count["candidates"] / count["rows"]
        return p.heads * n * (max(math.ceil(self.iterations * n), scored) + 9) + 3 * n + 27


class MNNFast:
    def __init__(self, rng):
        self.threshold, self.chunk = round(float(rng.uniform(0, 0.3)), 3), int(rng.integers(1, 40))
        self.text = (f"kind: mnnfast\nvalues: {{threshold: {self.threshold}, chunk: {self.chunk}}}\n"
                     "dram: {gb_per_s: 1e6}\n")

    def expected(self, p):
        return oracle.mnnfast(p.q, p.k, p.v, p.causal, self.threshold, self.chunk)

    def cycles(self, p, count):
        side = 64
        return p.heads * p.tokens * (math.ceil(p.tokens * p.dim / side)
                                     + count["survivors"] / count["rows"] * p.dim / side)


class SpAtten:
    def __init__(self, rng):
        self.kept, self.below = round(float(rng.uniform(0.1, 1)), 3), round(float(rng.uniform(0, 1)), 3)
        self.first, self.second = (8, int(rng.choice([0, 0, 4, 2])))
        self.text = (f"kind: spatten\nvalues: {{kept: {self.kept}}}\n"
                     f"dram: {{word_bits: {self.first}, refetch_bits: {self.second}, refetch_below: {self.below}}}\n")

    def expected(self, p):
        bits = self.first + self.second if self.second else 12
        return oracle.spatten(p.q, p.k, p.v, p.causal, oracle.Cascade(p.tokens, p.heads), self.kept, bits, self.second,
                              self.below)

    def cycles(self, p, count):
        n, h, parallel = p.tokens, p.heads, 512 // p.dim
        batches = math.ceil(n / parallel)
        share = count["refetched"] / count["rows"] if self.second else 0
        dram = sum(w * math.ceil(batches * parallel * p.dim * b / 8 // 32 / 16)
                   for w, b in ((1, self.first), (share, self.second)))
        return h * n * batches * (1 + share) + 103 + batches + h * 2 * dram


def same(what, mine, theirs):
    for name, a, b in zip(("out", "importance"), mine, theirs):
        unequal = np.argwhere(a.view(f"u{a.itemsize}") != b.view(f"u{b.itemsize}"))
        if len(unequal):
            at = tuple(int(i) for i in unequal[0])
            raise Failure(f"{what}: {name}{list(at)} is {b[at]!r}, expected {a[at]!r} ({len(unequal)} differ)")


def check(problem, system):
    what = f"{problem}, target\n{system.text}"
    model = write_attention(problem.tokens, problem.heads, problem.dim, problem.causal, problem.kv_heads)
    write_safetensors(scratch("qkv.safetensors"), {"q": problem.q, "k": problem.k, "v": problem.v})
    result = json.loads(must("run", model, "--target", write("own.yaml", system.text), "--input",
                             scratch("qkv.safetensors"), "--output", scratch("out.safetensors"), "--json"))["inputs"][0]
    out, importance, count = system.expected(problem)
    tensors = read_safetensors(scratch("out.safetensors"))
    same(what, (out, importance), (tensors["out"], tensors["importance"]))
    pairs = count["rows"] * problem.tokens
    for name in ("candidates", "survivors"):
        if abs(result["layers"][0][name] - count[name] / pairs) > 1e-9:
            raise Failure(f"{what}: {name} is {result['layers'][0][name]}, expected {count[name] / pairs}")
    cycles = system.cycles(problem, count)
    if cycles is not None and abs(result["cycles"] - cycles) > 1e-6 * cycles:
        raise Failure(f"{what}: {result['cycles']} cycles, expected {cycles}")
    if not result["energy_pj"] > 0:
        raise Failure(f"{what}: no energy")


MODEL = """name: small
tokens: 16
transformer: {layers: %d, hidden: 32, heads: 4, ffn: 64, activation: gelu, norm: post, positions: 64, vocabulary: 100,
  causal: %s}
weights: {seed: %d}
"""


def check_cascade(rng):
    """Tokens and heads of every layer, from the model and from its program, whose bits are the same; which tokens, by the
    importance that the layers before tell; and rows of zeros for those that have left an encoder."""
    layers, tokens = int(rng.integers(2, 9)), int(rng.integers(2, 60))
    mean, whole = (round(float(x), 3) for x in rng.uniform(0, (0.6, 0.5)))
    first = round(float(rng.uniform(0, mean)), 3)  # more as layers go by: what has left does not come back
    heads_mean = round(float(rng.uniform(0, 0.5)), 3)
    text = (f"kind: spatten\ntokens: {{pruned_mean: {mean}, pruned_first: {first}, whole_layers: {whole}}}\n"
            f"heads: {{pruned_mean: {heads_mean}, whole_layers: {whole}}}\n")
    causal = bool(rng.random() < 0.4)
    model = write("small.yaml", MODEL % (layers, str(causal).lower(), rng.integers(1, 1000)))
    target = write("cascade.yaml", text)
    write_safetensors(scratch("ids.safetensors"), {"tokens": rng.integers(100, size=tokens)})
    must("compile", model, "--target", target, "--seq", str(tokens), "-o", scratch("small.dtq"))
    runs = [json.loads(must("run", *what, "--input", scratch("ids.safetensors"), "--output",
                            scratch(f"{len(what)}.safetensors"), "--json"))["inputs"][0]
            for what in ((model, "--target", target), (scratch("small.dtq"),))]
    tensors, others = (read_safetensors(scratch(f"{n}.safetensors")) for n in (3, 1))
    if runs[0] != runs[1] or any(tensors[name].tobytes() != others[name].tobytes() for name in tensors):
        raise Failure(f"the program does otherwise than its model\n{text}")
    scores, left = np.zeros(tokens, np.uint64), np.ones(tokens, bool)
    for layer in range(layers):
        wanted = (oracle.kept(tokens, layer, layers, whole, mean, first), oracle.kept(4, layer, layers, whole, heads_mean))
        got = runs[0]["layers"][layer]
        if (got["tokens"], got["heads"]) != wanted:
            raise Failure(f"layer {layer} of {layers}, {tokens} tokens: {got}, expected {wanted}\n{text}")
        order = sorted(np.flatnonzero(left).tolist(), key=lambda t: (-int(scores[t]), t))
        left[order[wanted[0]:]] = False
        if not np.array_equal(tensors["bits"][layer] != 0, left):
            raise Failure(f"layer {layer} of {layers}: {tensors['bits'][layer]}, expected {left}\n{text}")
        scores += tensors["importance"][layer]
    if not causal and not np.array_equal(tensors["output"].any(axis=1), left):
        raise Failure(f"rows of the output: {tensors['output'].any(axis=1)}, expected {left}\n{text}")


def main():
    seed, rng = seed_and_generator()
    begin, case = time.monotonic(), 0
    systems = (Eyeriss, A3, MNNFast, SpAtten)
    while case < CASES and time.monotonic() - begin < SECONDS:
        try:
            check(Problem(rng), systems[case % len(systems)](rng))
            if case % 8 == 0:
                check_cascade(rng)
        except Failure as failure:
            raise Failure(f"seed {seed}, case {case}: {failure}") from None
        case += 1
    print(f"{case} problems, all bits, shares and cycles as by the oracle")


story(main)
