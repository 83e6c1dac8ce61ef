"""Schemes of arithmetic, whole encoders to the bit: a small BERT with random weights by dtqc and by the formulas of
NUMERICS.md, "Schemes", in numpy. Integers are Python's own or int64; floats are rounded where the text says so."""
import json
import math
import os

import numpy as np

from oracle import F, exp2
from problems import Failure, must, read_safetensors, scratch, seed_and_generator, story, write, write_safetensors

LAYERS, HIDDEN, HEADS, FFN, VOCABULARY, POSITIONS, EPS = 2, 24, 3, 40, 60, 16, 1e-12
DIM = HIDDEN // HEADS


# ---- the model ------------------------------------------------------------------------------------------------------

def make_model(rng):
    weights = {"embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
               "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
               "embeddings.token_type_embeddings.weight": (2, HIDDEN)}
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name, shape in (("attention.self.query", (HIDDEN, HIDDEN)), ("attention.self.key", (HIDDEN, HIDDEN)),
                            ("attention.self.value", (HIDDEN, HIDDEN)), ("attention.output.dense", (HIDDEN, HIDDEN)),
                            ("intermediate.dense", (FFN, HIDDEN)), ("output.dense", (HIDDEN, FFN))):
            weights[f"{at}{name}.weight"], weights[f"{at}{name}.bias"] = shape, shape[:1]
        norms += [at + "attention.output.LayerNorm", at + "output.LayerNorm"]
    tensors = {name: (rng.standard_normal(shape) * 0.3).astype(F) for name, shape in weights.items()}
    for name in norms:
        tensors[name + ".weight"] = (1 + 0.2 * rng.standard_normal(HIDDEN)).astype(F)
        tensors[name + ".bias"] = (0.2 * rng.standard_normal(HIDDEN)).astype(F)
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN,
              "intermediate_size": FFN, "layer_norm_eps": EPS, "max_position_embeddings": POSITIONS,
              "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "type_vocab_size": 2, "vocab_size": VOCABULARY}
    directory = scratch("model")
    os.makedirs(directory)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    write_safetensors(os.path.join(directory, "model.safetensors"), tensors)
    return directory, tensors


def forward(scheme, tensors, tokens, segments):
    """The encoder in the terms of a scheme, which has embed, linear, add, norm, gelu and attend; the mean of its rows."""
    def linear(x, name):
        return scheme.linear(x, tensors[name + ".weight"], tensors[name + ".bias"])

    def norm(x, name):
        return scheme.norm(x, tensors[name + ".weight"], tensors[name + ".bias"])

    tables = [tensors[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
    x = norm(scheme.embed(*tables, tokens, segments), "embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        q, k, v = (linear(x, f"{at}attention.self.{name}") for name in ("query", "key", "value"))
        context = linear(scheme.attend(q, k, v), at + "attention.output.dense")
        x = norm(scheme.add(context, x), at + "attention.output.LayerNorm")
        hidden = scheme.gelu(linear(x, at + "intermediate.dense"))
        x = norm(scheme.add(linear(hidden, at + "output.dense"), x), at + "output.LayerNorm")
    rows = scheme.floats(x)
    total = np.zeros(HIDDEN, F)
    for row in rows:
        total = total + row
    return total / F(len(rows))


# ---- float32, operation by operation --------------------------------------------------------------------------------

def sum16(x):
    """The 16-lane sum over the last axis."""
    lanes = np.zeros(x.shape[:-1] + (16,), F)
    for k in range(x.shape[-1]):
        lanes[..., k % 16] = lanes[..., k % 16] + x[..., k]
    for half in (8, 4, 2, 1):
        lanes[..., :half] = lanes[..., :half] + lanes[..., half : 2 * half]
    return lanes[..., 0]


def gelu_float(x):
    """Abramowitz and Stegun 7.1.26, as NUMERICS.md has it."""
    z = np.abs(x) * F(float.fromhex("0x1.6a09e6p-1"))
    t = F(1) / (F(1) + F(0.3275911) * z)
    p = np.full_like(x, F(1.061405429))
    for a in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p = p * t + F(a)
    argument = np.maximum(-(z * z) * F(float.fromhex("0x1.715476p+0")), F(-120))
    h = F(0.5) * ((p * t) * exp2(argument))
    return x * np.where(x < 0, h, F(1) - h)


def per_tensor(x):
    largest = np.abs(x).max()
    return F(1) if largest < F(2.0**-50) else F(largest / F(127))


def codes_of(x, scale):
    return np.clip(np.rint(x / scale), F(-127), F(127))


class PerTensor:
    """Q8BERT, and with `bits` and `groups` Q-BERT."""

    def __init__(self, bits=None, groups=None, exact_zero=True):
        self.bits, self.groups, self.exact_zero = bits, groups, exact_zero

    def embed(self, word, position, kind, tokens, segments):
        rounded = [codes_of(table, per_tensor(table)) * per_tensor(table) for table in (word, position, kind)]
        return (rounded[0][tokens] + rounded[1][: len(tokens)]) + rounded[2][segments]

    def weight(self, w):
        """Codes, and a scale and what code 0 stands for, for each output."""
        if self.bits is None:
            scale = per_tensor(w)
            return codes_of(w, scale).astype(np.int64), np.full(len(w), scale), np.zeros(len(w), F)
        half = F(2 ** (self.bits - 1))
        each = -(-len(w) // self.groups)
        codes, scales, shifts = np.zeros(w.shape, np.int64), np.zeros(len(w), F), np.zeros(len(w), F)
        for first in range(0, len(w), each):
            rows = slice(first, first + each)
            scale = (w[rows].max() - w[rows].min()) / (F(2) * half - F(1))
            if self.exact_zero:
                steps = np.rint(w[rows].min() / scale) + half
                shift = steps * scale
                each_code = np.rint(w[rows] / scale) - steps
            else:
                shift = w[rows].min() + half * scale
                each_code = np.rint((w[rows] - shift) / scale)
            codes[rows] = np.clip(each_code, -half, half - F(1))
            scales[rows], shifts[rows] = scale, shift
        return codes, scales, shifts

    def linear(self, x, w, bias):
        scale = per_tensor(x)
        codes = codes_of(x, scale).astype(np.int64)
        weights, scales, shifts = self.weight(w)
        both = scale * scales
        sums = codes @ weights.T + np.rint(bias / both).astype(np.int64)
        y = sums.astype(F) * both
        if self.bits is None:
            return codes_of(y, per_tensor(y)) * per_tensor(y)
        return y + codes.sum(axis=1).astype(F)[:, None] * (scale * shifts)

    def attend(self, q, k, v):
        q, k, v = (codes_of(x, per_tensor(x)) * per_tensor(x) for x in (q, k, v))
        c, out = F(math.log2(math.e) / math.sqrt(DIM)), np.zeros_like(q)
        for head in range(HEADS):
            part = slice(head * DIM, (head + 1) * DIM)
            x = sum16(q[:, None, part] * k[None, :, part]) * c
            e = exp2(x - x.max(axis=1, keepdims=True))
            z, o = np.zeros(len(q), F), np.zeros((len(q), DIM), F)
            for j in range(len(k)):
                z, o = z + e[:, j], o + e[:, j : j + 1] * v[j, part]
            out[:, part] = o / z[:, None]
        return out

    def add(self, a, b):
        return a + b

    def norm(self, x, weight, bias):
        d = x - (sum16(x) / F(HIDDEN))[:, None]
        inverse = F(1) / np.sqrt(sum16(d * d) / F(HIDDEN) + F(EPS))
        return d * inverse[:, None] * weight + bias

    def gelu(self, x):
        return gelu_float(x)

    def floats(self, x):
        return x


# ---- integers and scales ----------------------------------------------------------------------------------------------

class Coded:
    """int64 codes [rows][width], a scale for each column or one; `bits`."""

    def __init__(self, codes, scales, bits):
        self.codes, self.bits, self.uniform = codes, bits, np.ndim(scales) == 0
        self.scales = np.broadcast_to(np.asarray(scales, np.float64), codes.shape[-1:])

    def values(self):
        return self.codes.astype(np.float64) * self.scales


def range_scale(largest, bits):
    return float(F(max(largest, 1e-8) / (2 ** (bits - 1) - 1)))


def dyadic_times(codes, quotient):
    """codes times each column's quotient, m / 2^e with m of 31 bits."""
    mantissa, exponent = np.frexp(quotient)
    m = np.sign(mantissa) * np.floor(np.abs(mantissa) * 2.0**31 + 0.5)
    return np.rint(codes.astype(np.float64) * m / np.ldexp(1.0, 31 - exponent))


def requantise(a, b, bits):
    total = a.values() if b is None else a.values() + b.values()
    scale, most = range_scale(np.abs(total).max(), bits), 2 ** (bits - 1) - 1
    codes = dyadic_times(a.codes, a.scales / scale)
    codes = codes if b is None else codes + dyadic_times(b.codes, b.scales / scale)
    codes = np.clip(codes, -most - 1, most) if bits <= 16 else codes
    return Coded(codes.astype(np.int64), scale, bits)


def at_most(x, bits):
    return x if x.uniform and x.bits <= bits else requantise(x, None, bits)


class IBert:
    embedding_bits, residual_bits, linear_bits, most = 16, 22, None, 126

    def weight(self, w, by_rows):
        largest = np.abs(w).max(axis=1) if by_rows else np.full(len(w), np.abs(w).max())
        scale = (largest / F(127)).astype(F)
        return np.clip(np.rint(w / scale[:, None]), -127, self.most).astype(np.int64), scale

    def embed(self, word, position, kind, tokens, segments):
        total = None
        for table, rows in ((word, tokens), (kind, segments), (position, np.arange(len(tokens)))):
            codes = np.clip(np.rint(table / per_tensor(table)), -127, 126).astype(np.int64)
            chosen = Coded(codes[rows], float(per_tensor(table)), 8)
            total = chosen if total is None else requantise(total, chosen, self.embedding_bits)
        return total

    def linear(self, x, w, bias):
        x = at_most(x, 8)
        codes, scale = self.weight(w, True)
        scales = scale.astype(np.float64) * x.scales[0]
        sums = x.codes @ codes.T + np.rint(bias.astype(np.float64) / scales).astype(np.int64)
        y = Coded(sums, scales, 32)
        return y if self.linear_bits is None else requantise(y, None, self.linear_bits)

    def add(self, a, b):
        return requantise(a, b, self.residual_bits)

    def attend(self, q, k, v):
        q, k, v = (at_most(x, 8) for x in (q, k, v))
        score_scale = q.scales[0] * k.scales[0] / math.sqrt(DIM)
        out = np.zeros_like(q.codes)
        for head in range(HEADS):
            part = slice(head * DIM, (head + 1) * DIM)
            for i in range(len(q.codes)):
                scores = [int(s) for s in k.codes[:, part] @ q.codes[i, part]]
                out[i, part] = np.array(self.softmax(scores, score_scale)) @ v.codes[:, part]
        return Coded(out, self.unit * v.scales[0], 32)

    unit = 2.0**-8

    @staticmethod
    def softmax(scores, scale):
        a, b, c = 0.35815147, 0.96963238 / 0.35815147, 1.0 / 0.35815147
        ln2, b, c = -math.floor(-0.6931 / scale), math.floor(b / scale), math.floor(c / (scale * scale))

        def exp(x):
            x = max(x, -30 * ln2)
            q = -x // ln2
            r = x + ln2 * q
            return max((r * (r + b) + c) * 2 ** (30 - q), 0)

        unit = a * (scale * scale) / 2.0**30
        to16 = unit / range_scale(exp(0) * unit, 16)
        e = [min(int(dyadic_times(np.array(exp(s - max(scores)), np.float64), to16)), 32767) for s in scores]
        factor = 2**32 // sum(e)
        return [x * factor >> 24 for x in e]

    def gelu(self, x):
        codes, scales = np.zeros_like(x.codes), np.zeros(x.codes.shape[1])
        for column in range(x.codes.shape[1]):
            s = x.scales[column] / 1.4142
            b, c = math.floor(-1.769 / s), math.floor(1.0 / -0.2888 / (s * s))
            erf_scale = s * s * -0.2888 * 2**14
            for row, code in enumerate(int(code) for code in x.codes[:, column]):
                sign = (code > 0) - (code < 0)
                erf = sign * ((min(abs(code), -b) + b) ** 2 + c) >> 14
                codes[row, column] = code * (erf + math.floor(1.0 / erf_scale))
            scales[column] = x.scales[column] * erf_scale / 2
        return Coded(codes, scales, 63)

    def norm(self, x, weight, bias):
        x = at_most(x, self.residual_bits)
        n, shift = x.codes.shape[1], 0
        rows = [[int(code) for code in row] for row in x.codes]
        centred = []
        for row in rows:
            below, rest = divmod(sum(row), n)
            centred.append([code - below - (2 * rest > n or (2 * rest == n and below % 2 != 0)) for code in row])
        while any(sum((y >> shift) ** 2 for y in row) >= 2**32 for row in centred):
            shift += 1
        scale = math.sqrt(n) / 2.0**30
        gain = [float(g) for g in weight]
        codes = []
        for row in centred:
            factor = 2**31 // max(math.isqrt(sum((y >> shift) ** 2 for y in row)) << shift, 1)
            codes.append([(y * factor >> 1) + math.floor(float(b) / g / scale) for y, b, g in zip(row, bias, gain)])
        return requantise(Coded(np.array(codes, np.int64), np.array(gain) * scale, 40), None, 8)

    def floats(self, x):
        return x.values().astype(F)


class Fully8(IBert):
    embedding_bits, residual_bits, linear_bits, most, unit = 8, 8, 8, 127, 1.0 / 255
    degree, bias = 3, 3.0

    def softmax(self, scores, scale):
        shifted = [score + int(np.rint(self.bias / scale)) for score in scores]
        largest = max(max(shifted), 0)
        powers = [(255 * s // largest if s > 0 else 0) ** self.degree if largest else 1 for s in shifted]
        return [(255 * p + sum(powers) // 2) // sum(powers) for p in powers]

    def gelu(self, x):
        x = at_most(x, 8)
        inputs = (np.arange(-128, 128) * x.scales[0]).astype(F)
        table = gelu_float(inputs)
        return Coded(codes_of(table, per_tensor(table)).astype(np.int64)[x.codes + 128], float(per_tensor(table)), 8)

    def norm(self, x, weight, bias):
        x = at_most(x, 8)
        n, codes = x.codes.shape[1], []
        gain = weight.astype(np.float64) * (float.fromhex("0x1.988453p-1") / 2.0**15)
        for row in ([int(code) for code in row] for row in x.codes):
            mean = int(np.rint(sum(row) / n))
            y = [code - mean for code in row]
            magnitude = sum(abs(code) for code in y)
            codes.append([int(math.copysign(abs(code) * n * 2**15 // magnitude, code)) for code in y])
        shifts = np.rint(bias.astype(np.float64) / gain).astype(np.int64)
        return requantise(Coded(np.array(codes, np.int64) + shifts, gain, 40), None, 8)


# ---- the story ------------------------------------------------------------------------------------------------------

SCHEMES = {"q8bert": PerTensor(), "q-bert": PerTensor(4, 128), "i-bert": IBert(), "fully-8bit": Fully8(),
           "{name: q-bert, weight_bits: 3, groups: 5}": PerTensor(3, 5),
           "{name: q-bert, weight_bits: 8, groups: 1}": PerTensor(8, 1),
           "{name: q-bert, weight_bits: 4, groups: 9, exact_zero: 0}": PerTensor(4, 9, False)}


def main():
    seed, rng = seed_and_generator()
    directory, tensors = make_model(rng)
    for name, scheme in SCHEMES.items():
        policy = write("policy.yaml", f"scheme: {name}\n")
        for tokens in (1, 7, POSITIONS):
            ids, segments = rng.integers(0, VOCABULARY, tokens), rng.integers(0, 2, tokens)
            write_safetensors(scratch("ids.safetensors"), {"tokens": ids, "segments": segments})
            run = ("run", directory, "--policy", policy, "--input", scratch("ids.safetensors"), "--output",
                   scratch("out.safetensors"))
            must(*run, "--engine=ref")
            got = read_safetensors(scratch("out.safetensors"))["output"]
            with np.errstate(over="ignore"):
                want = forward(scheme, tensors, ids, segments)
            if got.reshape(want.shape).tobytes() != want.astype(F).tobytes():
                different = np.argwhere(got.reshape(want.shape) != want)
                raise Failure(f"{name}, {tokens} tokens, seed {seed}: {len(different)} of {want.size} elements differ, the "
                              f"first at {different[0].tolist()}: {got.reshape(want.shape)[tuple(different[0])]} against "
                              f"{want[tuple(different[0])]}")
            must(*run)
            if read_safetensors(scratch("out.safetensors"))["output"].tobytes() != got.tobytes():
                raise Failure(f"{name}: the simulator gives other values than the reference")
    print(f"{len(SCHEMES)} schemes, {LAYERS} layers: the same bits")


story(main)
