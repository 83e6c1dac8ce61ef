"""Random attention problems: the simulator and the scalar reference give the bits of oracle.py, permuting the tokens
permutes the results, and under a causal mask no token changes an output before it."""
import time

import numpy as np

import oracle
from problems import (DRAINS, Failure, must, random_bits, read_safetensors, scratch, seed_and_generator, story,
                      write, write_attention, write_policy, write_safetensors, write_target)

CASES, SECONDS = 300, 20


def random_operand(rng, shape):
    """Normal numbers of any magnitude, and what is special: rows all alike, zeros, outliers, ties of codes."""
    x = rng.standard_normal(shape) * 10.0 ** rng.uniform(-6, 6)
    kind = rng.integers(8)
    rows = rng.random(shape[:2]) < 0.3
    if kind == 0:
        x[rows] = x[rows][:, :1]
    elif kind == 1:
        x[rows] = 0
    elif kind == 2:
        x[rows] *= 1e4
    elif kind == 3:
        x[..., rng.integers(shape[2])] *= 30
    elif kind == 4:
        x = rng.integers(-14, 15, size=shape) / 2 * 2.0 ** rng.integers(-20, 20)
    elif kind == 5:
        x[rows] *= 1e-18 # from here on some scales are those of zeros
    return x.astype(np.float32)


class Problem:
    def __init__(self, rng, case):
        self.tokens, self.heads = int(rng.integers(1, 41)), int(rng.integers(1, 5))
        if case % 20 == 0:
            self.tokens = int(rng.integers(60, 200))
        self.kv_heads = int(rng.choice([h for h in range(1, self.heads + 1) if self.heads % h == 0]))
        self.head_dim = int(rng.integers(1, 41))
        self.causal = bool(rng.random() < 0.4)
        self.rule = ("mean", "sum")[int(rng.random() < 0.2)]
        self.prob_bits = ("row", "row", "8", "4")[int(rng.integers(4))]
        self.bits = random_bits(rng, self.tokens)
        self.prune = ("rows", "keys")[int(rng.random() < 0.3)]
        self.q = random_operand(rng, (self.heads, self.tokens, self.head_dim))
        self.k, self.v = (random_operand(rng, (self.kv_heads, self.tokens, self.head_dim)) for _ in "kv")
        if rng.random() < 0.5: # scores of a size that softmax is for
            size = np.abs(self.q).mean() * np.abs(self.k).mean() * np.sqrt(self.head_dim)
            self.k = (self.k / max(size, 1e-9) * rng.uniform(0.5, 4)).astype(np.float32)
        self.late = bool(rng.random() < 0.25)
        self.probe = self.late or (not self.causal and bool(rng.random() < 0.5))
        self.by_head = self.probe and bool(rng.random() < 0.5)
        if self.probe:
            self.choose_itself(rng)
        self.drain = DRAINS[int(rng.integers(3))]
        self.rows, self.cols, self.arrays = (int(x) for x in rng.integers(1, 9, size=3))
        self.buffers = random_buffers(rng, self) if rng.random() < 0.4 and not self.probe else None

    def choose_itself(self, rng):
        """Counts and pins in the place of given precisions."""
        self.prune, self.rule = "keys", "mean"
        kept = int(rng.integers(1, self.tokens + 1)) if rng.random() < 0.8 else self.tokens
        self.high = int(rng.integers(kept + 1))
        self.pinned = sorted({int(i) for i in rng.integers(self.tokens, size=rng.integers(3))})[:kept]
        group = self.heads // self.kv_heads
        sets = [(slice(g * group, (g + 1) * group), slice(g, g + 1)) for g in range(self.kv_heads)] if self.by_head \
            else [(slice(None), slice(None))]
        if self.late and not (kept == self.tokens and self.high in (0, kept)):
            self.late_sets = [oracle.late(self.q[q], self.k[kv], self.v[kv], kept, self.high, self.pinned, self.causal,
                                          self.prob_bits) for q, kv in sets]
            self.importance = np.max([importance for _, importance, _ in self.late_sets], axis=0)
            self.bits = self.late_sets[0][2]
            return
        self.late_sets = None
        importance = [np.zeros(self.tokens, np.uint64) if self.late else oracle.probe(self.q[q], self.k[kv], self.by_head)
                      for q, kv in sets]
        if kept == self.tokens and self.high in (0, kept): # nothing to choose
            importance = [np.zeros(self.tokens, np.uint64)] * len(sets)
        self.sets = [(*heads, oracle.choose(i, kept, self.high, self.pinned)) for heads, i in zip(sets, importance)]
        self.importance, self.bits = np.max(importance, axis=0), self.sets[0][2]

    def __str__(self):
        return (f"{self.tokens} tokens, {self.heads}/{self.kv_heads} heads of {self.head_dim}, causal {self.causal}, "
                f"importance {self.rule}, prune {self.prune}, prob_bits {self.prob_bits}, {self.arrays} arrays {self.rows}x{self.cols}, "
                f"buffers {self.buffers}, probe {self.probe}, late {self.late}, by head {self.by_head}, bits {self.bits.tolist()}")

    def expected(self):
        if self.late and self.late_sets:
            return np.concatenate([out for out, _, _ in self.late_sets]), self.importance
        if self.probe:
            out = [oracle.attention(self.q[q], self.k[kv], self.v[kv], bits, self.causal, self.prob_bits, self.rule, self.prune)[0]
                   for q, kv, bits in self.sets]
            return np.concatenate(out), self.importance
        out, importance = oracle.attention(self.q, self.k, self.v, self.bits, self.causal, self.prob_bits, self.rule,
                                           self.prune)
        return out, importance

    def policy(self):
        if not self.probe:
            return write_policy(self.bits, self.prune)
        counts = ", ".join(f"{bits}: {np.count_nonzero(self.bits == bits)}" for bits in (0, 4, 8))
        per = "head" if self.by_head else "layer"
        return write("policy.yaml", f"importance: {{rule: {'late' if self.late else 'probe'}, per: {per}}}\nprune: keys\nlayers:\n  - {{counts: {{{counts}}}, "
                                    f"pinned: {self.pinned}}}\n")

    def run(self, *options):
        model = write_attention(self.tokens, self.heads, self.head_dim, self.causal, self.kv_heads, self.rule)
        target = write_target(self.rows, self.cols, self.drain, self.prob_bits, self.arrays, self.buffers)
        write_safetensors(scratch("qkv.safetensors"), {"q": self.q, "k": self.k, "v": self.v})
        must("run", model, "--target", target, "--policy", self.policy(), "--input",
             scratch("qkv.safetensors"), "--output", scratch("out.safetensors"), *options)
        result = read_safetensors(scratch("out.safetensors"))
        return result["out"], result["importance"]

    def permuted(self, order):
        """The same problem with token order[i] at position i."""
        other = object.__new__(Problem)
        other.__dict__.update(self.__dict__)
        other.bits = self.bits[order]
        other.q, other.k, other.v = (np.ascontiguousarray(x[:, order]) for x in (self.q, self.k, self.v))
        return other

    def with_other_future(self, rng, now):
        """The same problem with other numbers from token `now` on; what runs at which precision stays."""
        other = object.__new__(Problem)
        other.__dict__.update(self.__dict__)
        other.q, other.k, other.v = (x.copy() for x in (self.q, self.k, self.v))
        for x in (other.q, other.k, other.v):
            x[:, now:] = random_operand(rng, x[:, now:].shape)
        return other


def random_buffers(rng, p):
    """Room for little more than a strip of queries and a few keys: rows, and often keys, are split."""
    copies, slots = int(rng.integers(1, 4)), int(np.count_nonzero(p.bits))
    keys = int(rng.integers(p.cols, 3 * p.cols + 1))
    token = p.head_dim + 4
    return {"q": copies * p.rows * token + 64, "k": copies * (keys * token + 64),
            "v": copies * (keys * token + 8 * p.head_dim + 64),
            "scores": copies * 4 * (p.rows * keys + p.rows + keys + 16),
            "probs": copies * (p.rows * (16 + slots * (2 if p.causal else 1)) + 64),
            "out": copies * (8 * p.rows * p.head_dim + 64)}


def same(problem, what, mine, theirs):
    for name, a, b in zip(("out", "importance"), mine, theirs):
        if a.dtype != b.dtype or a.shape != b.shape:
            raise Failure(f"{problem}\n  {what}: {name} is {b.dtype} {b.shape}, expected {a.dtype} {a.shape}")
        unequal = a.view(f"u{a.itemsize}") != b.view(f"u{b.itemsize}")
        if unequal.any():
            at = tuple(int(i) for i in np.argwhere(unequal)[0])
            raise Failure(f"{problem}\n  {what}: {name}{list(at)} is {b[at]!r}, expected {a[at]!r} "
                          f"({int(unequal.sum())} of {a.size} differ)")


OPTIONS = ([], ["-O0"], ["--no-cluster"], ["--engine=ref"], ["--engine=ref", "--no-cluster"], ["--shuffle=5"],
           ["-O0", "--no-cluster"], ["-O0", "--engine=ref"])
PROBE_OPTIONS = (["-O0"], ["-O0", "--engine=ref"], ["-O0", "--engine=host"], ["-O0", "--shuffle=5"]) # no promotions


def main():
    seed, rng = seed_and_generator()
    begin, case, split = time.monotonic(), 0, 0
    while case < CASES and time.monotonic() - begin < SECONDS:
        try:
            problem = Problem(rng, case)
            mine = problem.expected()
            for options in PROBE_OPTIONS if problem.probe else ([], ["--engine=ref"], OPTIONS[case % len(OPTIONS)]):
                same(problem, " ".join(["dtqc run", *options]), mine, problem.run(*options))
            if problem.causal and not problem.late: # a choice by all rows knows the future
                now = int(rng.integers(problem.tokens))
                out, _ = problem.with_other_future(rng, now).run(*OPTIONS[case % len(OPTIONS)])
                if out[:, :now].tobytes() != np.ascontiguousarray(mine[0][:, :now]).tobytes():
                    raise Failure(f"{problem}\n  tokens from {now} on change the outputs before")
            elif not problem.probe: # a mean of rows has an order
                order = rng.permutation(problem.tokens)
                out, importance = problem.permuted(order).run(*OPTIONS[case % 3])
                same(problem, f"permuted by {order.tolist()}", (np.ascontiguousarray(mine[0][:, order]),
                                                                mine[1][order]), (out, importance))
        except Failure as failure:
            raise Failure(f"seed {seed}, case {case}: {failure}") from None
        split += problem.buffers is not None
        case += 1
    print(f"{case} problems, {split} with small buffers: all bits as by the oracle")


story(main)
