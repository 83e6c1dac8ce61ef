#!/usr/bin/python3
"""An independent implementation of the numerics, to hold the compiled programs against. Needs numpy only.

  oracle.py attention IN.safetensors OUT.safetensors --bits 4,8,0,... [--causal] [--prob-bits row|8|4]
                      [--importance mean|sum] [--prune rows|keys]
      Mixed-precision attention. IN holds q [heads][tokens][dim] and k, v [kv heads][tokens][dim]; one precision for
      each token, 0 for a token that takes no part, or none but as a 4-bit query if keys are pruned (a single number
      stands for all). OUT gets `out`, shaped as q, and `importance` [tokens], zero where a token is no key.

  oracle.py bert DIRECTORY --tokens 101,7592,102 [--segments 0,0,0]
      Full-precision (float64) forward pass of a Hugging Face BERT, mean pooling, unit length: a JSON array.

  oracle.py --compare A.safetensors B.safetensors [--tolerance X]
      Exit status 0 if both hold the same tensors: bit for bit, or within an absolute tolerance.
"""
import argparse
import json
import math
import os
import struct
import sys

import numpy as np

F = np.float32
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "U64": "<u8", "I32": "<i4", "U32": "<u4", "I8": "i1",
          "U8": "u1"}


# ---- safetensors ----------------------------------------------------------------------------------------------------

def read_safetensors(path):
    """A dictionary of arrays. BF16 is widened to float32."""
    with open(path, "rb") as file:
        data = file.read()
    (header_bytes,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_bytes])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = (8 + header_bytes + at for at in entry["data_offsets"])
        raw = data[first:last]
        if entry["dtype"] == "BF16":
            array = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            array = np.frombuffer(raw, DTYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, array in tensors.items():
        dtype = next(key for key, code in DTYPES.items() if np.dtype(code) == array.dtype)
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


# ---- attention ------------------------------------------------------------------------------------------------------

def exp2(t):
    """2^t by the defined polynomial; t is a float32 array of numbers in (-126, 0]."""
    whole = np.rint(t)
    f = (t - whole).astype(F)
    p = np.full_like(f, F(float.fromhex("0x1.5bba14p-10")))
    for coefficient in ("0x1.3cea88p-7", "0x1.c6b752p-5", "0x1.ebf9bcp-3", "0x1.62e42ap-1", "0x1p0"):
        p = (p * f).astype(F) + F(float.fromhex(coefficient))
    return np.ldexp(p, whole.astype(np.int32))


def steps(bits):
    """The largest signed code at each precision."""
    return np.where(bits == 4, F(7), F(127)).astype(F)


def scale_for(largest, qmax):
    return np.where(largest < F(2.0**-50), F(1), largest / qmax).astype(F)


def codes_for(x, scale, qmax):
    return np.clip(np.rint(x / scale), -qmax, qmax).astype(np.int64)


def quantise_tokens(x, bits):
    """x [tokens][dim] -> codes, scales [tokens]: every token by its own largest magnitude."""
    qmax = steps(bits)
    scale = scale_for(np.abs(x).max(axis=1), qmax)
    return codes_for(x, scale[:, None], qmax[:, None]), scale


def check_operands(**operands):
    for name, x in operands.items():
        if not (np.abs(x) < F(2.0**50)).all():
            sys.exit(f"operand {name}: a value is not finite, or 2^50 or more")


def head_probabilities(q, k, q_bits, k_bits, prob_bits, visible, c):
    """One head, a precision for each row of q and k. Returns e = exp2(t), its integer version, Z of each row and the levels of each row."""
    q_codes, q_scale = quantise_tokens(q, q_bits)
    k_codes, k_scale = quantise_tokens(k, k_bits)
    products = (q_codes @ k_codes.T).astype(np.int32).astype(F)
    x = products * ((q_scale * c).astype(F)[:, None] * k_scale[None, :])
    top = np.where(visible, x, -np.inf).max(axis=1).astype(F)
    t = x - np.where(np.isfinite(top), top, F(0))[:, None]
    alive = visible & (t > F(-9))
    e = np.where(alive, exp2(np.where(alive, t, F(0)).astype(F)), F(0)).astype(F)
    levels = np.where(prob_bits == 4, F(15), F(255)).astype(F)
    rounded = np.rint(e * levels[:, None]).astype(np.int64)
    return e, rounded, rounded.sum(axis=1), levels


def value_product(rounded, v, bits, z):
    """Without a mask: a scale for each precision and channel, one integer sum for each precision."""
    total = np.zeros((rounded.shape[0], v.shape[1]), F)
    for precision in (4, 8):
        members = bits == precision
        qmax = F(7 if precision == 4 else 127)
        largest = np.abs(v[members]).max(axis=0, initial=F(0)).astype(F)
        scale = scale_for(largest, qmax)
        acc = rounded[:, members] @ codes_for(v[members], scale, qmax)
        total = total + acc.astype(np.int32).astype(F) * scale
    return total / z.astype(F)[:, None]


def causal_value_product(e, v, bits, z, levels):
    """With a causal mask: a scale for each token, folded into the probabilities."""
    codes, scale = quantise_tokens(v, bits)
    w = e * scale[None, :]
    r = w.max(axis=1)
    r = np.where(r == 0, F(1), r).astype(F)
    weights = np.rint((w / r[:, None]).astype(F) * levels[:, None]).astype(np.int64)
    acc = (weights @ codes).astype(np.int32).astype(F)
    return (acc * r[:, None]) / z.astype(F)[:, None]


def choose(importance, kept, high, pinned=()):
    """Precisions of all tokens by their importance: pinned first, then the most important, then the earliest."""
    ranked = sorted(range(len(importance)), key=lambda i: (i not in pinned, -int(importance[i]), i))
    bits = np.zeros(len(importance), np.int64)
    bits[ranked[:high]] = 8
    bits[ranked[high:kept]] = 4
    return bits


def probe(q, k, by_logits=False):
    """Importance of all tokens [tokens] from a layer's own queries and keys: what the head that looks at a key most,
    with the mean of its queries at 8 bits and all keys at 4, gives it, in parts of 2^32; or by how little its logit lies
    below that head's largest."""
    check_operands(q=q, k=k)
    heads, tokens, dim = q.shape
    c = F(math.log2(math.e) / math.sqrt(dim))
    importance = [0] * tokens
    for head in range(heads):
        mean = np.zeros(dim, F)
        for row in q[head]:
            mean = mean + row
        mean = (mean / F(tokens)).astype(F)
        keys = k[head * k.shape[0] // heads]
        everyone = np.ones((1, tokens), bool)
        if by_logits:
            q_codes, q_scale = quantise_tokens(mean[None], np.array([8]))
            k_codes, k_scale = quantise_tokens(keys, np.full(tokens, 4))
            sums = (q_codes @ k_codes.T).astype(np.int32).astype(F)[0]
            x = (sums * ((q_scale[0] * c).astype(F) * k_scale).astype(F)).astype(F)
            below = (x.max() - x).astype(F).view(np.uint32)
            importance = [max(old, 2**31 - int(bits)) for old, bits in zip(importance, below)]
            continue
        _, rounded, z, _ = head_probabilities(mean[None], keys, np.array([8]), np.full(tokens, 4), np.array([8]), everyone, c)
        for j, code in enumerate(rounded[0]):
            importance[j] = max(importance[j], int(code) * (2**32 // int(z[0])))
    return np.array(importance, np.uint64)


def late(q, k, v, kept, high, pinned, causal=False, prob_bits="row"):
    """Heads that choose together, between softmax and output: by what all rows at 4 bits, as codes of 8, give each key.
    Returns the output, importance and precisions of values."""
    check_operands(q=q, k=k, v=v)
    heads, tokens, dim = q.shape
    c = F(math.log2(math.e) / math.sqrt(dim))
    visible = np.tri(tokens, dtype=bool) if causal else np.ones((tokens, tokens), bool)
    low, eight = np.full(tokens, 4), np.full(tokens, 8)
    codes = []
    votes = [0] * tokens
    for head in range(heads):
        _, rounded, z, _ = head_probabilities(q[head], k[head * k.shape[0] // heads], low, low, eight, visible, c)
        codes.append(rounded)
        for j, column in enumerate((rounded * (2**32 // z)[:, None]).T):
            votes[j] += sum(int(x) for x in column)
    importance = np.array([vote // (tokens * heads) for vote in votes], np.uint64)
    bits = choose(importance, kept, high, pinned)
    out = np.zeros_like(q)
    for head in range(heads):
        values, total = v[head * k.shape[0] // heads], np.zeros((tokens, dim), F)
        p = codes[head] if prob_bits == "8" else (codes[head] + 8) // 17
        z = p[:, bits > 0].sum(axis=1)
        for precision in (4, 8):
            members = bits == precision
            scale = scale_for(np.abs(values).max(axis=0).astype(F), F(7 if precision == 4 else 127))
            total = total + (p[:, members] @ codes_for(values[members], scale, F(7 if precision == 4 else 127))).astype(
                np.int32).astype(F) * scale
        out[head] = np.where(z[:, None] > 0, total / np.maximum(z, 1).astype(F)[:, None], F(0))
    return out, importance, bits


def attention(q, k, v, bits, causal=False, prob_bits="row", rule="mean", prune="rows"):
    """q [heads][tokens][dim], k and v [kv heads][tokens][dim], bits [tokens] of 0, 4, 8. prune: what a token of 0 bits
    leaves with, its row or only its key and value."""
    check_operands(q=q, k=k, v=v)
    heads, tokens, dim = q.shape
    ids = np.flatnonzero(bits)
    rows = np.arange(tokens) if prune == "keys" else ids
    active, row_bits = bits[ids], np.maximum(bits[rows], 4)
    p_bits = row_bits if prob_bits == "row" else np.full_like(row_bits, int(prob_bits))
    c = F(math.log2(math.e) / math.sqrt(dim))
    visible = ids[None, :] <= rows[:, None] if causal else np.ones((len(rows), len(ids)), bool)
    out = np.zeros_like(q)
    importance = [0] * tokens
    for head in range(heads):
        kv = head * k.shape[0] // heads
        values = v[kv][ids]
        e, rounded, z, levels = head_probabilities(q[head][rows], k[kv][ids], row_bits, active, p_bits, visible, c)
        seen = z > 0
        divisor = np.where(seen, z, 1)
        if causal:
            o = causal_value_product(e, values, active, divisor, levels)
        else:
            o = value_product(rounded, values, active, divisor)
        out[head][rows] = np.where(seen[:, None], o, F(0))
        shares = rounded * np.where(seen, 2**32 // divisor, 0)[:, None]
        for slot, share in enumerate(shares.sum(axis=0)):
            importance[ids[slot]] += int(share)
    if rule == "mean":
        for slot, viewers in enumerate(visible.sum(axis=0)):
            importance[ids[slot]] //= int(viewers)
    return out, np.array(importance, np.uint64)


# ---- linears --------------------------------------------------------------------------------------------------------

def linear(x, weight, bias, bits):
    """x [tokens][inputs], each row at its precision, times weight [outputs][inputs] at 8 bits, one scale an output."""
    check_operands(x=x)
    codes, scale = quantise_tokens(x, bits)
    weight_codes, weight_scale = quantise_tokens(weight, np.full(len(weight), 8))
    acc = (codes @ weight_codes.T).astype(np.int32).astype(F)
    y = acc * (scale[:, None] * weight_scale[None, :])
    return y if bias is None else y + bias


# ---- BERT -----------------------------------------------------------------------------------------------------------

def normalise(x, weight, bias, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) * weight + bias


def gelu(x):
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def bert(directory, tokens, segments):
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    raw = read_safetensors(os.path.join(directory, "model.safetensors"))
    weights = {(name[5:] if name.startswith("bert.") else name): array for name, array in raw.items()}
    eps, heads = config["layer_norm_eps"], config["num_attention_heads"]
    if config["hidden_act"] != "gelu":
        sys.exit(f"activation {config['hidden_act']} is not supported")

    def get(name):
        return weights[name].astype(np.float64)

    def linear(x, name):
        return x @ get(name + ".weight").T + get(name + ".bias")

    def norm(x, name):
        return normalise(x, get(name + ".weight"), get(name + ".bias"), eps)

    x = weights["embeddings.word_embeddings.weight"][tokens].astype(np.float64)
    x = x + get("embeddings.position_embeddings.weight")[: len(tokens)]
    x = norm(x + get("embeddings.token_type_embeddings.weight")[segments], "embeddings.LayerNorm")
    split = (len(tokens), heads, x.shape[1] // heads)
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        q, k, v = (linear(x, f"{at}attention.self.{name}").reshape(split) for name in ("query", "key", "value"))
        scores = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(split[2])
        p = np.exp(scores - scores.max(axis=2, keepdims=True))
        p /= p.sum(axis=2, keepdims=True)
        context = np.einsum("hij,jhd->ihd", p, v).reshape(x.shape)
        x = norm(x + linear(context, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        hidden = gelu(linear(x, at + "intermediate.dense"))
        x = norm(x + linear(hidden, at + "output.dense"), at + "output.LayerNorm")
    pooled = x.mean(axis=0)
    return pooled / max(np.linalg.norm(pooled), 1e-12)


# ---- command line ---------------------------------------------------------------------------------------------------

def compare(path_a, path_b, tolerance):
    a, b = read_safetensors(path_a), read_safetensors(path_b)
    if a.keys() != b.keys():
        return f"{path_a} holds {sorted(a)}, {path_b} holds {sorted(b)}"
    for name in a:
        if a[name].shape != b[name].shape or (tolerance is None and a[name].dtype != b[name].dtype):
            return f"{name}: {a[name].dtype} {a[name].shape} against {b[name].dtype} {b[name].shape}"
        if tolerance is None:
            width = a[name].dtype.itemsize
            different = (a[name].view(f"u{width}") != b[name].view(f"u{width}"))
        else:
            different = ~(np.abs(a[name].astype(np.float64) - b[name].astype(np.float64)) <= tolerance)
        if different.any():
            at = tuple(int(i) for i in np.argwhere(different)[0])
            return f"{name}{list(at)}: {a[name][at]!r} against {b[name][at]!r} ({different.sum()} elements differ)"
    return None


def numbers(text):
    return np.array([int(word) for word in text.split(",")])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"))
    parser.add_argument("--tolerance", type=float)
    commands = parser.add_subparsers(dest="command")
    command = commands.add_parser("attention")
    command.add_argument("input")
    command.add_argument("output")
    command.add_argument("--bits", type=numbers, required=True)
    command.add_argument("--causal", action="store_true")
    command.add_argument("--prob-bits", choices=("row", "8", "4"), default="row")
    command.add_argument("--importance", choices=("mean", "sum"), default="mean")
    command.add_argument("--prune", choices=("rows", "keys"), default="rows")
    command = commands.add_parser("bert")
    command.add_argument("directory")
    command.add_argument("--tokens", type=numbers, required=True)
    command.add_argument("--segments", type=numbers)
    arguments = parser.parse_args()
    if arguments.compare:
        problem = compare(*arguments.compare, arguments.tolerance)
        if problem:
            sys.exit(problem)
    elif arguments.command == "attention":
        tensors = read_safetensors(arguments.input)
        q, k, v = (tensors[name].astype(F) for name in "qkv")
        bits = arguments.bits if len(arguments.bits) > 1 else np.repeat(arguments.bits, q.shape[1])
        if len(bits) != q.shape[1] or not np.isin(bits, (0, 4, 8)).all():
            sys.exit(f"--bits takes one of 0, 4, 8 for each of the {q.shape[1]} tokens")
        out, importance = attention(q, k, v, bits, arguments.causal, arguments.prob_bits, arguments.importance,
                                    arguments.prune)
        write_safetensors(arguments.output, {"out": out, "importance": importance})
    elif arguments.command == "bert":
        segments = arguments.segments if arguments.segments is not None else np.zeros_like(arguments.tokens)
        print(json.dumps([float(x) for x in bert(arguments.directory, arguments.tokens, segments)]))
    else:
        parser.error("what to do? attention, bert or --compare")


if __name__ == "__main__":
    main()
