"""Random layers whose projections run at each row's precision: the reference and the simulator, with linears on the
host and on the arrays, give the bits of oracle.py."""
import time

import numpy as np

import oracle
from problems import DRAINS, Failure, must, random_bits, read_safetensors, scratch, seed_and_generator, story, write, \
    write_safetensors

CASES, SECONDS, VOCABULARY = 120, 20, 9


class Problem:
    """Words to rows, these to queries, keys and values, attention, and a projection of its rows."""

    def __init__(self, rng):
        self.tokens, self.kv_heads, self.head_dim = (int(x) for x in rng.integers(1, (30, 4, 12)))
        self.heads = self.kv_heads * int(rng.integers(1, 4))
        self.inputs, self.outputs = (int(x) for x in rng.integers(1, (100, 40)))
        self.bits = random_bits(rng, self.tokens)
        self.prune = ("rows", "keys")[int(rng.random() < 0.3)]
        self.words = rng.integers(0, VOCABULARY, self.tokens).astype(np.uint32)
        width, kv_width = self.heads * self.head_dim, self.kv_heads * self.head_dim
        self.table = self.numbers(rng, VOCABULARY, self.inputs)
        self.weights = {"q": (width, self.inputs), "k": (kv_width, self.inputs), "v": (kv_width, self.inputs),
                        "o": (self.outputs, width)}
        self.weights = {name: self.numbers(rng, *shape) for name, shape in self.weights.items()}
        self.biases = {name: self.numbers(rng, 1, len(weight)) if rng.random() < 0.6 else None
                       for name, weight in self.weights.items()}
        self.transposed = {name: bool(rng.random() < 0.3) for name in self.weights}
        self.rows, self.cols, self.arrays = (int(x) for x in rng.integers(1, 9, size=3))
        self.drain = DRAINS[int(rng.integers(3))]
        self.buffers = rng.random() < 0.4

    @staticmethod
    def numbers(rng, rows, cols):
        """Normal numbers of some magnitude, a row of zeros, ties of codes."""
        x = rng.standard_normal((rows, cols)) * 10.0 ** rng.uniform(-3, 3)
        kind = rng.integers(4)
        if kind == 0:
            x[rng.integers(rows)] = 0
        elif kind == 1:
            x = rng.integers(-14, 15, size=x.shape) / 2 * 2.0 ** rng.integers(-8, 8)
        return x.astype(np.float32)

    def active(self):
        """Tokens that are rows."""
        return np.arange(self.tokens) if self.prune == "keys" else np.flatnonzero(self.bits)

    def expected(self):
        rows = self.active()
        bits = np.maximum(self.bits[rows], 4)

        def project(x, name):
            bias = self.biases[name]
            return oracle.linear(x, self.weights[name], None if bias is None else bias[0], bits)

        def heads(x, count):
            whole = np.zeros((self.tokens, x.shape[1]), np.float32)
            whole[rows] = x
            return whole.reshape(self.tokens, count, self.head_dim).transpose(1, 0, 2)

        x = self.table[self.words[rows]]
        q, k, v = (heads(project(x, name), count) for name, count in zip("qkv", (self.heads, *2 * (self.kv_heads,))))
        out, _ = oracle.attention(q, k, v, self.bits, prune=self.prune)
        return project(out.transpose(1, 0, 2).reshape(self.tokens, -1)[rows], "o")

    def module(self, where):
        """As IR: weights in one file, their bytes one after the other."""
        tensors, body = "", b""
        arrays = {"words": (self.table, False)}
        for name, weight in self.weights.items():
            arrays["w" + name] = (weight.T if self.transposed[name] else weight, self.transposed[name])
            if self.biases[name] is not None:
                arrays["b" + name] = (self.biases[name], False)
        size = sum(array.size for array, _ in arrays.values()) * 4
        for name, (array, transposed) in arrays.items():
            tensors += (f'tensor "{name}" {{dtype = F32, rows = {array.shape[0]}, cols = {array.shape[1]}, '
                        f'{"transposed = yes, " if transposed else ""}file = "{scratch("weights")}", '
                        f"offset = {len(body)}, file_bytes = {size}}}\n")
            body += np.ascontiguousarray(array).tobytes()
        with open(scratch("weights"), "wb") as file:
            file.write(body)

        def linear(result, x, name, outputs):
            bias = "" if self.biases[name] is None else f'bias_tensor = "b{name}", '
            return (f'%{result} = linear %{x} {{tensor = "w{name}", {bias}outputs = {outputs}, arithmetic = mixed, '
                    f'source = "{name}"}} : ?\n')

        machine = (f"top.linear = {where}\ntop.drain = {self.drain}\nvssa.arrays = {self.arrays}\n"
                   f"vssa.rows = {self.rows}\nvssa.cols = {self.cols}\n")
        if self.buffers:
            machine += "buffers.q = 2048\nbuffers.k = 2048\nbuffers.out = 2048\n"
        width, kv_width = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return write("problem.dtir", (
            f'dtir 1 graph\nmodel = "m"\nseq = {self.tokens}\nvocabulary = {VOCABULARY}\npositions = {self.tokens}\n'
            f'machine "toy" {{\n{machine}}}\n{tensors}%t = input {{name = "tokens"}} : u32[{self.tokens}]\n'
            '%x = embed %t {tensor = "words"} : ?\n' + linear("q", "x", "q", width) + linear("k", "x", "k", kv_width)
            + linear("v", "x", "v", kv_width)
            + f"%a = attention %q, %k, %v {{index = 0, query_heads = {self.heads}, kv_heads = {self.kv_heads}, "
              f"head_dim = {self.head_dim}, mask = none, importance_rule = mean, prune = {self.prune}, "
              f"promote = none, token_bits = [{', '.join(f'1*{b}' for b in self.bits)}], source = \"attention\"}} : ?\n"
            + linear("o", "a", "o", self.outputs) + 'output %o\n'))

    def run(self, where, engine):
        write_safetensors(scratch("tokens.safetensors"), {"tokens": self.words})
        must("run", self.module(where), "--input", scratch("tokens.safetensors"), "--output",
             scratch("out.safetensors"), f"--engine={engine}")
        return read_safetensors(scratch("out.safetensors"))["output"]

    def __str__(self):
        return (f"{self.tokens} tokens, {self.inputs} inputs, {self.heads}/{self.kv_heads} heads of {self.head_dim}, "
                f"{self.outputs} outputs, prune {self.prune}, {self.arrays} arrays {self.rows}x{self.cols}, "
                f"small buffers {self.buffers}, bits {self.bits.tolist()}")


def main():
    seed, rng = seed_and_generator()
    begin, case = time.monotonic(), 0
    while case < CASES and time.monotonic() - begin < SECONDS:
        problem = Problem(rng)
        mine = problem.expected()
        try:
            for where, engine in (("host", "ref"), ("vssa", "ref"), ("vssa", "sim")):
                theirs = problem.run(where, engine)[problem.active()]
                unequal = mine.view("u4") != theirs.view("u4")
                if unequal.any():
                    at = tuple(int(i) for i in np.argwhere(unequal)[0])
                    raise Failure(f"linear: {where}, {engine}: row {list(at)} is {theirs[at]!r}, expected {mine[at]!r} "
                                  f"({int(unequal.sum())} of {mine.size} differ)")
        except Failure as failure:
            raise Failure(f"seed {seed}, case {case}: {problem}\n  {failure}") from None
        case += 1
    print(f"{case} layers: all bits as by the oracle")


story(main)
