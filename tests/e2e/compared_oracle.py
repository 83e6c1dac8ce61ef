"""An independent implementation of attention on the compared systems, in whole numbers (runtime/numerics/NUMERICS.md,
"Compared systems"). Needs numpy only. Arrays are q [heads][tokens][dim], k, v [kv heads][tokens][dim], float32; token t has
id t. Every function gives the output, shaped as q, the sums of weights of each key, and a dictionary of counts.

  compared_oracle.py --golden
      The hashes that tests/unit/runtime/test_compared.c holds, from the same random numbers.
"""
import math
import sys

import numpy as np

from oracle import F, exp2

ONE = 1 << 23


def fraction_of(x, bits):
    """The most fraction bits with which the largest number fits."""
    m = float(np.abs(x).max(initial=0))
    if m < 2.0 ** -50:
        return 0
    return next(f for f in range(30, -200, -1) if np.rint(np.ldexp(m, f)) <= 2 ** (bits - 1) - 1)


def codes_of(x, bits, fraction):
    """Integer codes, and how many bits are behind the point."""
    f = fraction_of(x, bits) if fraction is None else fraction
    limit = 2 ** (bits - 1) - 1
    return np.clip(np.rint(np.ldexp(x.astype(np.float64), f)), -limit, limit).astype(np.int64), f


class Layer:
    def __init__(self, q, k, v, bits, fraction, causal):
        self.heads, self.tokens, self.dim = q.shape
        self.group = self.heads // k.shape[0]
        (self.q, fq), (self.k, fk), (self.v, self.fv) = (codes_of(x, bits, fraction) for x in (q, k, v))
        self.scale = np.ldexp(F(math.log2(math.e) / math.sqrt(self.dim)), -(fq + fk)).astype(F)
        self.causal, self.levels = causal, 2 ** (bits - 1) - 1
        self.out = np.zeros(q.shape, F)
        self.importance = np.zeros(self.tokens, np.uint64)

    def seen(self, i):
        return np.arange(self.tokens) <= i if self.causal else np.ones(self.tokens, bool)

    def weights(self, h, i, chosen, k=None):
        """2^(x - max) in 2^-23 for the chosen keys, 0 for others."""
        k = self.k[h // self.group] if k is None else k
        x = ((k @ self.q[h, i]).astype(F) * self.scale).astype(F)
        w = np.zeros(self.tokens, np.int64)
        t = (x[chosen] - x[chosen].max()).astype(F)
        p = np.where(t <= F(-126), F(0), exp2(np.maximum(t, F(-126))))
        w[chosen] = np.rint(np.ldexp(p.astype(np.float64), 23)).astype(np.int64)
        return w

    def probabilities(self, w):
        s = int(w.sum())
        return np.array([(2 * int(x) * self.levels + s) // (2 * s) for x in w], np.int64)

    def put(self, h, i, w, divisor, v=None):
        total = w @ (self.v[h // self.group] if v is None else v)
        self.out[h, i] = (np.ldexp(total.astype(F), -self.fv).astype(F) / F(divisor)).astype(F)
        return int(np.abs(total).sum())

    def add_importance(self, w, total):
        self.importance += w.astype(np.uint64) * np.uint64((1 << 32) // total)


def fixed(q, k, v, causal, bits=16, fraction=None):
    layer, count = Layer(q, k, v, bits, fraction, causal), dict(rows=0, pairs=0)
    for h in range(layer.heads):
        for i in range(layer.tokens):
            seen = layer.seen(i)
            p = layer.probabilities(layer.weights(h, i, seen))
            layer.add_importance(p, layer.levels)
            layer.put(h, i, p, layer.levels)
            count["rows"] += 1
            count["pairs"] += int(seen.sum())
    count["candidates"] = count["survivors"] = count["pairs"]
    return layer.out, layer.importance, count


def candidates(q, keys, seen, steps):
    """Rows whose sum of consumed products is positive; all products, sorted at once."""
    products = keys[seen] * q  # [keys][dim]
    ids = np.flatnonzero(seen)
    rows, columns = np.meshgrid(ids, np.arange(len(q)), indexing="ij")
    flat = sorted(zip(products.ravel().tolist(), columns.ravel().tolist(), rows.ravel().tolist()),
                  key=lambda x: (-abs(x[0]), x[1], x[2]))
    greedy = {int(r): 0 for r in ids}
    for side in (1, -1):
        for product, _, row in [x for x in flat if x[0] * side > 0][:steps]:
            greedy[row] += product
    found = [r for r in greedy if greedy[r] > 0]
    return found or [max(greedy, key=lambda r: (greedy[r], -r))]


def a3(q, k, v, causal, iterations, threshold, bits=9, fraction=4):
    layer = Layer(q, k, v, bits, fraction, causal)
    count = dict(rows=0, pairs=0, candidates=0, survivors=0)
    steps = math.ceil(iterations * layer.tokens)
    for h in range(layer.heads):
        for i in range(layer.tokens):
            seen, chosen = layer.seen(i), np.zeros(layer.tokens, bool)
            chosen[candidates(layer.q[h, i], layer.k[h // layer.group], seen, steps)] = True
            w = layer.weights(h, i, chosen)
            w[w < threshold * ONE] = 0
            p = layer.probabilities(w)
            layer.add_importance(p, layer.levels)
            layer.put(h, i, p, layer.levels)
            count["rows"] += 1
            count["pairs"] += int(seen.sum())
            count["candidates"] += int(chosen.sum())
            count["survivors"] += int((w != 0).sum())
    return layer.out, layer.importance, count


def mnnfast(q, k, v, causal, threshold, chunk, bits=16, fraction=None):
    layer, count = Layer(q, k, v, bits, fraction, causal), dict(rows=0, pairs=0, survivors=0)
    for h in range(layer.heads):
        for i in range(layer.tokens):
            seen = layer.seen(i)
            w = layer.weights(h, i, seen)
            total = int(w.sum())
            layer.add_importance(w, total)
            so_far = np.array([w[: (j // chunk + 1) * chunk].sum() for j in range(layer.tokens)])
            w = np.where(w < threshold * so_far, 0, w)
            layer.put(h, i, w, total)
            count["rows"] += 1
            count["pairs"] += int(seen.sum())
            count["survivors"] += int((w != 0).sum())
    count["candidates"] = count["pairs"]
    return layer.out, layer.importance, count


def kept(total, layer, layers, whole, mean, first=0.0):
    unpruned = max(1, math.ceil(whole * layers - 1e-9))
    if layer < unpruned or mean <= 0:
        return total
    left = layers - unpruned
    p = first + (2 * mean - 2 * first) * ((layer - unpruned) / (left - 1) if left > 1 else 0.5)
    return max(1, math.floor(total * (1 - min(1, max(0, p))) + 1e-9))


class Cascade:
    """What is left of tokens and heads, and what they have gathered."""

    def __init__(self, tokens, heads):
        self.tokens, self.heads = np.ones(tokens, bool), np.ones(heads, bool)
        self.token_score, self.head_score = [0] * tokens, [0.0] * heads

    def prune(self, tokens, heads):
        for alive, score, keep in ((self.tokens, self.token_score, tokens), (self.heads, self.head_score, heads)):
            order = sorted(np.flatnonzero(alive).tolist(), key=lambda x: (-score[x], x))
            for x in order[keep:]:
                alive[x] = False


def spatten(q, k, v, causal, cascade, values_kept=1.0, bits=12, second_bits=0, refetch_below=0.1, fraction=None):
    """Without a causal mask rows of pruned tokens are no operands either."""
    alive = cascade.tokens.copy()
    rows = np.ones_like(alive) if causal else alive
    only = (lambda x: x) if causal else (lambda x: np.where(rows[None, :, None], x, F(0)))
    layer = Layer(only(q), only(k), only(v), bits, fraction, causal)
    count = dict(rows=0, pairs=0, survivors=0, refetched=0, tokens=int(alive.sum()), heads=int(cascade.heads.sum()))
    first_k, first_v = ((x >> second_bits) << second_bits for x in (layer.k, layer.v))
    for h in np.flatnonzero(cascade.heads):
        outputs, kv = 0, h // layer.group
        for i in np.flatnonzero(rows):
            seen = layer.seen(i) & alive
            if not seen.any():
                continue
            w, values = layer.weights(h, i, seen, first_k[kv]), first_v[kv]
            if second_bits and ONE < refetch_below * int(w.sum()):
                w, values = layer.weights(h, i, seen), layer.v[kv]
                count["refetched"] += 1
            p = layer.probabilities(w)
            layer.add_importance(p, layer.levels)
            for j in np.flatnonzero(seen):
                cascade.token_score[j] += int(p[j])
            keep = max(1, math.ceil(values_kept * int(seen.sum()) - 1e-9))
            order = sorted(np.flatnonzero(seen).tolist(), key=lambda j: (-p[j], j))
            p[order[keep:]] = 0
            outputs += layer.put(h, i, p, layer.levels, values)
            count["rows"] += 1
            count["pairs"] += int(seen.sum())
            count["survivors"] += min(keep, int(seen.sum()))
        cascade.head_score[h] += math.ldexp(float(outputs), -layer.fv)
    count["candidates"] = count["pairs"]
    return layer.out, layer.importance, count


# ---- the unit test's numbers ----------------------------------------------------------------------------------------

class Numbers:
    """The generator of tests/unit/numerics_util.h."""

    def __init__(self, state):
        self.state = state

    def floats(self, shape, scale):
        n, mask = int(np.prod(shape)), (1 << 64) - 1
        out = np.empty(n, F)
        for at in range(n):
            self.state = (self.state + 0x9E3779B97F4A7C15) & mask
            z = self.state
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
            z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
            z ^= z >> 31
            out[at] = F(math.ldexp((z >> 40) - (1 << 23), -23)) * F(scale)
        return out.reshape(shape)


def fnv(data):
    h = 14695981039346656037
    for byte in data:
        h = (h ^ byte) * 1099511628211 & (1 << 64) - 1
    return h


GOLDEN = ((37, 3, 1, 16, False), (37, 4, 2, 13, True), (50, 2, 2, 8, False), (24, 2, 1, 8, True))


def golden():
    for case, (tokens, heads, kv_heads, dim, causal) in enumerate(GOLDEN):
        numbers = Numbers(2000 + case)
        q, k, v = (numbers.floats((tokens, h, dim), s).transpose(1, 0, 2)
                   for h, s in ((heads, 4), (kv_heads, 4), (kv_heads, 2)))
        cascade = Cascade(tokens, heads)
        spatten(q, k, v, causal, cascade, 0.5, 10, 4, 0.5)
        cascade.prune(tokens // 2, heads - 1)
        runs = {"fixed": fixed(q, k, v, causal), "a3": a3(q, k, v, causal, 0.5, 0.05),
                "mnnfast": mnnfast(q, k, v, causal, 0.1, 16),
                "spatten": spatten(q, k, v, causal, cascade, 0.5, 10, 4, 0.5)}
        hashes = []
        for name, (out, importance, count) in runs.items():
            out = np.ascontiguousarray(out.transpose(1, 0, 2))
            hashes.append(f"0x{fnv(out.tobytes()):016x}u, 0x{fnv(importance.tobytes()):016x}u")
            print(f"/* {name}: {count} */")
        print("{%d, %d, %d, %d, %s,\n {%s}}," % (tokens, heads, kv_heads, dim, str(causal).lower(), ",\n  ".join(hashes)))


if __name__ == "__main__" and sys.argv[1:] == ["--golden"]:
    golden()
