"""An independent forward pass of decoders in float64, from the files that dtqc reads: checkpoints of llama2.c, GGUF and
Hugging Face directories of GPT-2 and Llama. Needs numpy only.

A model is a dictionary: layers, heads, kv_heads, eps, norm ("layer" or "rms"), base and adjacent of rotary positions, and
tensors under one set of names, matrices as [outputs][inputs]."""
import json
import math
import os
import struct

import numpy as np

from oracle import read_safetensors


# ---- llama2.c ---------------------------------------------------------------------------------------------------------

def read_llama2c(path):
    with open(path, "rb") as file:
        data = file.read()
    dim, ffn, layers, heads, kv_heads, vocabulary, positions = struct.unpack_from("<7i", data)
    shared, vocabulary = vocabulary > 0, abs(vocabulary)
    kv, at = dim // heads * kv_heads, 28
    tensors = {}

    def take(name, *shape):
        nonlocal at
        count = math.prod(shape)
        array = np.frombuffer(data, "<f4", count, at).reshape(shape)
        at += 4 * count
        return tensors.setdefault(name, array)

    words = take("words", vocabulary, dim)
    stacked = [("norm1", dim), ("q", dim, dim), ("k", kv, dim), ("v", kv, dim), ("o", dim, dim), ("norm2", dim),
               ("gate", ffn, dim), ("down", dim, ffn), ("up", ffn, dim)]
    for name, *shape in stacked:
        array = take(name, layers, *shape)
        for layer in range(layers):
            tensors[f"{layer}.{name}"] = array[layer]
    take("norm", dim)
    at += positions * (dim // heads) * 4
    if shared:
        tensors["head"] = words
    else:
        take("head", vocabulary, dim)
    assert at == len(data)
    return {"layers": layers, "heads": heads, "kv_heads": kv_heads, "eps": 1e-5, "norm": "rms", "base": 10000.0,
            "adjacent": True, "tensors": tensors}


# ---- GGUF -------------------------------------------------------------------------------------------------------------

def halves(blocks, at):
    return blocks[:, at:at + 2].copy().view("<f2").astype(np.float64)


def nibbles(blocks, at):
    codes = blocks[:, at:at + 16]
    return np.concatenate([codes & 15, codes >> 4], axis=1).astype(np.float64)


def fifths(blocks, at):
    bits = blocks[:, at:at + 4].copy().view("<u4")
    return ((bits >> np.arange(32, dtype=np.uint32)) & 1) * 16.0


def q6_k(blocks):
    low, high = blocks[:, :128].reshape(-1, 2, 1, 64), blocks[:, 128:192].reshape(-1, 2, 1, 32)
    low = (low >> np.array([0, 4], np.uint8).reshape(1, 1, 2, 1)) & 15
    high = (high >> np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1)) & 3
    codes = low.reshape(-1, 256).astype(np.int64) + 16 * high.reshape(-1, 256) - 32
    scales = blocks[:, 192:208].copy().view("i1").astype(np.float64)
    return halves(blocks, 208) * np.repeat(scales, 16, axis=1) * codes


def k_scales(blocks):
    p = blocks[:, 4:16].astype(np.int64)
    first, second, third = p[:, :4], p[:, 4:8], p[:, 8:]
    scales = np.concatenate([first & 63, (third & 15) | (first >> 6 << 4)], axis=1)
    offsets = np.concatenate([second & 63, (third >> 4) | (second >> 6 << 4)], axis=1)
    return np.repeat(halves(blocks, 0) * scales, 32, axis=1), np.repeat(halves(blocks, 2) * offsets, 32, axis=1)


def k_codes(blocks, at):
    codes = blocks[:, at:at + 128].reshape(-1, 4, 1, 32)
    return ((codes >> np.array([0, 4], np.uint8).reshape(1, 1, 2, 1)) & 15).reshape(-1, 256).astype(np.float64)


def q4_k(blocks):
    scale, offset = k_scales(blocks)
    return scale * k_codes(blocks, 16) - offset


def q5_k(blocks):
    scale, offset = k_scales(blocks)
    high = (blocks[:, 16:48].reshape(-1, 1, 32) >> np.arange(8, dtype=np.uint8).reshape(1, 8, 1)) & 1
    return scale * (k_codes(blocks, 48) + 16.0 * high.reshape(-1, 256)) - offset


# ggml's number: name, elements and bytes of a block, and what it is
GGML = {
    0: ("F32", 1, 4, lambda b: b.copy().view("<f4").astype(np.float64)),
    1: ("F16", 1, 2, lambda b: halves(b, 0)),
    2: ("Q4_0", 32, 18, lambda b: halves(b, 0) * (nibbles(b, 2) - 8)),
    3: ("Q4_1", 32, 20, lambda b: halves(b, 0) * nibbles(b, 4) + halves(b, 2)),
    6: ("Q5_0", 32, 22, lambda b: halves(b, 0) * (nibbles(b, 6) + fifths(b, 2) - 16)),
    7: ("Q5_1", 32, 24, lambda b: halves(b, 0) * (nibbles(b, 8) + fifths(b, 4)) + halves(b, 2)),
    8: ("Q8_0", 32, 34, lambda b: halves(b, 0) * b[:, 2:].copy().view("i1")),
    12: ("Q4_K", 256, 144, q4_k),
    13: ("Q5_K", 256, 176, q5_k),
    14: ("Q6_K", 256, 210, q6_k),
    30: ("BF16", 1, 2, lambda b: (b.copy().view("<u2").astype("<u4") << 16).view("<f4").astype(np.float64)),
}
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def gguf_parts(path):
    """Metadata, and the tensors as float64."""
    with open(path, "rb") as file:
        data = file.read()
    at = 4

    def number(code):
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return value

    def text():
        nonlocal at
        size = number("Q")
        at += size
        return data[at - size:at].decode(errors="replace")

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner = number("I")
            return [value(inner) for _ in range(number("Q"))]
        return number(SCALARS[kind])

    assert data[:4] == b"GGUF" and number("I") in (2, 3)
    tensor_count, value_count = number("Q"), number("Q")
    values = {}
    for _ in range(value_count):
        key = text()
        values[key] = value(number("I"))
    rows = []
    for _ in range(tensor_count):
        name = text()
        shape = [number("Q") for _ in range(number("I"))][::-1]
        rows.append((name, shape, number("I"), number("Q")))
    alignment = values.get("general.alignment", 32)
    start = -(-at // alignment) * alignment
    tensors = {}
    for name, shape, kind, offset in rows:
        _, elements, size, widen = GGML[kind]
        blocks = math.prod(shape) // elements
        raw = np.frombuffer(data, np.uint8, blocks * size, start + offset).reshape(blocks, size)
        tensors[name] = widen(raw).reshape(shape)
    return values, tensors


def read_gguf(path):
    values, stored = gguf_parts(path)
    names = {"attn_norm": "norm1", "attn_q": "q", "attn_k": "k", "attn_v": "v", "attn_output": "o", "ffn_norm": "norm2",
             "ffn_gate": "gate", "ffn_up": "up", "ffn_down": "down"}
    tensors = {"words": stored["token_embd.weight"], "norm": stored["output_norm.weight"]}
    tensors["head"] = stored.get("output.weight", tensors["words"])
    kind = values["general.architecture"]
    facts = {key.removeprefix(kind + "."): value for key, value in values.items()}
    for layer in range(facts["block_count"]):
        for theirs, ours in names.items():
            for end in ("weight", "bias"):
                if f"blk.{layer}.{theirs}.{end}" in stored:
                    name = f"{layer}.{ours}" + (".bias" if end == "bias" else "")
                    tensors[name] = stored[f"blk.{layer}.{theirs}.{end}"]
    return {"layers": facts["block_count"], "heads": facts["attention.head_count"],
            "kv_heads": facts["attention.head_count_kv"], "eps": facts["attention.layer_norm_rms_epsilon"],
            "norm": "rms", "base": facts.get("rope.freq_base", 10000.0), "adjacent": kind == "llama",
            "tensors": tensors}


# ---- Hugging Face -------------------------------------------------------------------------------------------------------

def read_directory(path):
    with open(os.path.join(path, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    stored = {}
    for name in os.listdir(path):
        if name.endswith(".safetensors"):
            stored.update(read_safetensors(os.path.join(path, name)))
    stored = {name.removeprefix("transformer.").removeprefix("model."): array for name, array in stored.items()}
    return gpt2_of(config, stored) if config["model_type"] == "gpt2" else llama_of(config, stored)


def gpt2_of(config, stored):
    tensors = {"words": stored["wte.weight"], "positions": stored["wpe.weight"], "norm": stored["ln_f.weight"],
               "norm.bias": stored["ln_f.bias"]}
    tensors["head"] = stored.get("lm_head.weight", tensors["words"])
    names = {"ln_1": "norm1", "ln_2": "norm2", "attn.c_proj": "o", "mlp.c_fc": "up", "mlp.c_proj": "down"}
    for layer in range(config["n_layer"]):
        for theirs, ours in names.items():
            tensors[f"{layer}.{ours}"] = stored[f"h.{layer}.{theirs}.weight"].T
            tensors[f"{layer}.{ours}.bias"] = stored[f"h.{layer}.{theirs}.bias"]
        for part, weight, bias in zip("qkv", np.split(stored[f"h.{layer}.attn.c_attn.weight"], 3, axis=1),
                                      np.split(stored[f"h.{layer}.attn.c_attn.bias"], 3)):
            tensors[f"{layer}.{part}"], tensors[f"{layer}.{part}.bias"] = weight.T, bias
    return {"layers": config["n_layer"], "heads": config["n_head"], "kv_heads": config["n_head"],
            "eps": config["layer_norm_epsilon"], "norm": "layer", "tensors": tensors}


def llama_of(config, stored):
    names = {"input_layernorm": "norm1", "self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v",
             "self_attn.o_proj": "o", "post_attention_layernorm": "norm2", "mlp.gate_proj": "gate",
             "mlp.up_proj": "up", "mlp.down_proj": "down"}
    tensors = {"words": stored["embed_tokens.weight"], "norm": stored["norm.weight"]}
    tensors["head"] = stored.get("lm_head.weight", tensors["words"])
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in names.items():
            tensors[f"{layer}.{ours}"] = stored[f"layers.{layer}.{theirs}.weight"]
            if f"layers.{layer}.{theirs}.bias" in stored:
                tensors[f"{layer}.{ours}.bias"] = stored[f"layers.{layer}.{theirs}.bias"]
        for part in ("q_norm", "k_norm"):
            if f"layers.{layer}.self_attn.{part}.weight" in stored:
                tensors[f"{layer}.{part}"] = stored[f"layers.{layer}.self_attn.{part}.weight"]
    return {"layers": config["num_hidden_layers"], "heads": config["num_attention_heads"],
            "kv_heads": config["num_key_value_heads"], "eps": config["rms_norm_eps"], "norm": "rms",
            "base": config["rope_theta"], "adjacent": False, "scaling": config.get("rope_scaling"), "tensors": tensors}


# ---- forward ------------------------------------------------------------------------------------------------------------

def gelu_new(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def silu(x):
    return x / (1 + np.exp(-x))


def frequencies(base, channels, scaling):
    """Of each pair, with the amplitude of cosines and sines: Llama 3.1's and the linear way to scale them."""
    plain = base ** (-2.0 * np.arange(channels // 2) / channels)
    if not scaling:
        return plain, 1.0
    if scaling["rope_type"] == "linear":
        return plain / scaling["factor"], 1.0
    if scaling["rope_type"] == "longrope":
        return plain / np.array(scaling["short_factor"]), scaling["attention_factor"]
    waves = scaling["original_max_position_embeddings"] * plain / (2 * math.pi)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    smooth = (waves - low) / (high - low)
    between = (1 - smooth) * plain / scaling["factor"] + smooth * plain
    return np.where(waves < low, plain / scaling["factor"], np.where(waves > high, plain, between)), 1.0


def turn(x, base, adjacent, scaling=None):
    """Rotary positions; x is [tokens][heads][channels]."""
    tokens, _, channels = x.shape
    each, amplitude = frequencies(base, channels, scaling)
    angles = np.arange(tokens)[:, None] * each
    cosine, sine = amplitude * np.cos(angles)[:, None, :], amplitude * np.sin(angles)[:, None, :]
    a, b = (x[..., 0::2], x[..., 1::2]) if adjacent else (x[..., :channels // 2], x[..., channels // 2:])
    turned = np.empty_like(x)
    low, high = a * cosine - b * sine, b * cosine + a * sine
    if adjacent:
        turned[..., 0::2], turned[..., 1::2] = low, high
    else:
        turned[..., :channels // 2], turned[..., channels // 2:] = low, high
    return turned


def forward(model, tokens):
    """The last hidden rows, and the scores of all tokens of the vocabulary for each."""
    def get(name):
        return model["tensors"][name].astype(np.float64)

    def linear(x, name):
        y = x @ get(name).T
        return y + get(name + ".bias") if name + ".bias" in model["tensors"] else y

    def norm(x, name):
        if model["norm"] == "rms":
            return x / np.sqrt((x * x).mean(-1, keepdims=True) + model["eps"]) * get(name)
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + model["eps"]) * get(name) + get(name + ".bias")

    count, heads, kv_heads = len(tokens), model["heads"], model["kv_heads"]
    x = get("words")[tokens]
    if "positions" in model["tensors"]:
        x = x + get("positions")[:count]
    seen = np.tril(np.ones((count, count), bool))
    for layer in range(model["layers"]):
        y = norm(x, f"{layer}.norm1")
        q = linear(y, f"{layer}.q").reshape(count, heads, -1)
        k = linear(y, f"{layer}.k").reshape(count, kv_heads, -1)
        v = linear(y, f"{layer}.v").reshape(count, kv_heads, -1)
        if f"{layer}.q_norm" in model["tensors"]:
            q, k = norm(q, f"{layer}.q_norm"), norm(k, f"{layer}.k_norm")
        if "base" in model:
            rotary = model["base"], model["adjacent"], model.get("scaling")
            q, k = turn(q, *rotary), turn(k, *rotary)
        out = np.empty_like(q)
        for head in range(heads):
            shared = head * kv_heads // heads
            scores = np.where(seen, q[:, head] @ k[:, shared].T / math.sqrt(q.shape[2]), -np.inf)
            p = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, head] = p / p.sum(-1, keepdims=True) @ v[:, shared]
        x = x + linear(out.reshape(count, -1), f"{layer}.o")
        y = norm(x, f"{layer}.norm2")
        if f"{layer}.gate" in model["tensors"]:
            y = silu(linear(y, f"{layer}.gate")) * linear(y, f"{layer}.up")
        else:
            y = gelu_new(linear(y, f"{layer}.up"))
        x = x + linear(y, f"{layer}.down")
    x = norm(x, "norm")
    return x, x @ get("head").T
