"""Decoders from their own files: the fp32 engine against an independent forward pass, the simulator against the scalar
reference. Hugging Face directories, a classifier among them, and a GGUF file with every type of block are made here; $DTQ_DATA has a checkpoint of
llama2.c and a GPT-2 with reference tensors by somebody else; $SMOLLM2 is a GGUF file."""
import base64
import json
import os
import struct

import numpy as np

import decoder_oracle as oracle
from problems import Failure, dtqc, must, read_safetensors, scratch, story, write, write_attention, write_safetensors

TOLERANCE = 1e-4
DATA = os.environ.get("DTQ_DATA", "")


def run(model, tokens, *options):
    write_safetensors(scratch("tokens.safetensors"), {"tokens": np.array(tokens, np.int64)})
    must("run", model, "--input", scratch("tokens.safetensors"), "--output", scratch("out.safetensors"), *options,
         timeout=300)
    return read_safetensors(scratch("out.safetensors"))["output"].astype(np.float64)


def near(what, got, want):
    difference = np.abs(got - want).max() / np.abs(want).max()
    if got.shape != want.shape or not difference <= TOLERANCE:
        raise Failure(f"{what}: {difference} from the independent forward pass")
    print(f"{what}: within {difference:.1e}")


def same_bits(what, model, tokens, *options):
    write_safetensors(scratch("tokens.safetensors"), {"tokens": np.array(tokens, np.int64)})
    told = json.loads(must("run", model, "--input", scratch("tokens.safetensors"), "--check", "--json", *options,
                           timeout=300))
    if told["inputs"][0]["check"] != "identical":
        raise Failure(f"{what}: {told['inputs'][0]['check']}")


# ---- made here ---------------------------------------------------------------------------------------------------------

def directory(name, config, *shards):
    path = scratch(name)
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    if len(shards) == 1:
        write_safetensors(f"{path}/model.safetensors", shards[0])
        return path
    where = {}
    for number, shard in enumerate(shards):
        write_safetensors(f"{path}/model-{number}.safetensors", shard)
        where |= {tensor: f"model-{number}.safetensors" for tensor in shard}
    with open(f"{path}/model.safetensors.index.json", "w", encoding="utf-8") as file:
        json.dump({"metadata": {}, "weight_map": where}, file)
    return path


def gpt2(rng, prefix):
    hidden, ffn = 24, 96

    def normal(*shape, mean=0.0):
        return (rng.standard_normal(shape) * 0.3 + mean).astype(np.float32)

    tensors = {"wte.weight": normal(40, hidden), "wpe.weight": normal(20, hidden),
               "ln_f.weight": normal(hidden, mean=1), "ln_f.bias": normal(hidden)}
    for layer in range(2):
        for name, *shape in (("attn.c_attn", hidden, 3 * hidden), ("attn.c_proj", hidden, hidden),
                             ("mlp.c_fc", hidden, ffn), ("mlp.c_proj", ffn, hidden)):
            tensors[f"h.{layer}.{name}.weight"] = normal(*shape)
            tensors[f"h.{layer}.{name}.bias"] = normal(shape[1])
        for name in ("ln_1", "ln_2"):
            tensors[f"h.{layer}.{name}.weight"] = normal(hidden, mean=1)
            tensors[f"h.{layer}.{name}.bias"] = normal(hidden)
    return {prefix + name: array for name, array in tensors.items()}


def gpt2_directories():
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 2, "n_embd": 24, "n_head": 3,
              "n_inner": None, "n_positions": 20, "vocab_size": 40, "layer_norm_epsilon": 1e-5,
              "activation_function": "gelu_new"}
    tokens = [3, 39, 0, 17, 17, 8, 25]
    for prefix in ("", "transformer."):
        path = directory("gpt2" + prefix, config, gpt2(np.random.default_rng(5), prefix))
        near("GPT-2 " + prefix, run(path, tokens, "--engine=fp32"),
             oracle.forward(oracle.read_directory(path), tokens)[1])
        same_bits("GPT-2", path, tokens)
        same_bits("GPT-2, int8", path, tokens, "--linear=int8", "--engine=host")
    path = directory("gpt2-bare", config | {"architectures": ["GPT2Model"]}, gpt2(np.random.default_rng(5), ""))
    near("GPT-2 without head", run(path, tokens, "--engine=fp32"),
         oracle.forward(oracle.read_directory(path), tokens)[0])


def llama_directories():
    rng = np.random.default_rng(6)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 24,
              "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 40,
              "rms_norm_eps": 1e-5, "rope_theta": 500.0, "max_position_embeddings": 30, "vocab_size": 33,
              "hidden_act": "silu", "rope_scaling": None, "tie_word_embeddings": False}

    def normal(*shape, mean=0.0):
        return (rng.standard_normal(shape) * 0.3 + mean).astype(np.float16)

    shards = [{"model.embed_tokens.weight": normal(33, 24), "model.norm.weight": normal(24, mean=1)},
              {"lm_head.weight": normal(33, 24)}]
    for layer in range(2):
        start = f"model.layers.{layer}."
        for name, *shape in (("self_attn.q_proj", 32, 24), ("self_attn.k_proj", 16, 24), ("self_attn.v_proj", 16, 24),
                             ("self_attn.o_proj", 24, 32), ("mlp.gate_proj", 40, 24), ("mlp.up_proj", 40, 24),
                             ("mlp.down_proj", 24, 40)):
            shards[layer][f"{start}{name}.weight"] = normal(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            shards[1 - layer][f"{start}{name}.weight"] = normal(24, mean=1)
    tokens = [32, 0, 5, 5, 19, 2, 2, 31, 7, 1, 30]
    path = directory("llama", config, *shards)
    near("Llama in two files", run(path, tokens, "--engine=fp32"),
         oracle.forward(oracle.read_directory(path), tokens)[1])
    same_bits("Llama", path, tokens)
    del shards[1]["lm_head.weight"]
    path = directory("mistral", config | {"model_type": "mistral", "tie_word_embeddings": True, "sliding_window": 20},
                     shards[0] | shards[1])
    near("Mistral, tied", run(path, tokens, "--engine=fp32"), oracle.forward(oracle.read_directory(path), tokens)[1])
    same_bits("Mistral", path, tokens, "--engine=host")
    biased = dict(shards[0] | shards[1])
    for layer in range(2):
        for name, width in (("q_proj", 32), ("k_proj", 16), ("v_proj", 16)):
            biased[f"model.layers.{layer}.self_attn.{name}.bias"] = normal(width)
    path = directory("qwen2", config | {"model_type": "qwen2", "tie_word_embeddings": True, "sliding_window": 4,
                                        "use_sliding_window": False}, biased)
    near("Qwen2", run(path, tokens, "--engine=fp32"), oracle.forward(oracle.read_directory(path), tokens)[1])
    tied = config | {"tie_word_embeddings": True}
    for bias in (False, True):
        normed = dict(biased if bias else shards[0] | shards[1])
        for layer in range(2):
            for part in ("q_norm", "k_norm"):
                normed[f"model.layers.{layer}.self_attn.{part}.weight"] = normal(8, mean=1)
            if bias:
                normed[f"model.layers.{layer}.self_attn.o_proj.bias"] = normal(24)
        path = directory(f"qwen3-{bias}", tied | {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"],
                                                  "attention_bias": bias, "use_sliding_window": False}, normed)
        near("Qwen3", run(path, tokens, "--engine=fp32"), oracle.forward(oracle.read_directory(path), tokens)[1])
        same_bits("Qwen3", path, tokens)
    plain = run(directory("plain", tied, shards[0] | shards[1]), tokens, "--engine=fp32")
    fused = dict(shards[0] | shards[1])
    for layer in range(2):
        start = f"model.layers.{layer}."
        for name, parts in (("self_attn.qkv_proj", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
                            ("mlp.gate_up_proj", ("mlp.gate_proj", "mlp.up_proj"))):
            fused[f"{start}{name}.weight"] = np.concatenate([fused.pop(f"{start}{part}.weight") for part in parts])
    path = directory("phi3", tied | {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"], "sliding_window": 20}, fused)
    if not np.array_equal(run(path, tokens, "--engine=fp32"), plain):
        raise Failure("Phi-3: weights in one tensor give other numbers than the same in several")
    same_bits("Phi-3", path, tokens, "--engine=host")
    for scaling in ({"rope_type": "linear", "factor": 3.0},
                    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 16},
                    {"rope_type": "longrope", "short_factor": [1, 1.5, 2, 9], "long_factor": [1, 2, 3, 4],
                     "attention_factor": 1.25}):
        kind = scaling["rope_type"]
        path = directory("scaled-" + kind, tied | {"rope_scaling": scaling}, shards[0] | shards[1])
        scores = run(path, tokens, "--engine=fp32")
        near("positions " + kind, scores, oracle.forward(oracle.read_directory(path), tokens)[1])
        if np.abs(scores - plain).max() < 1e-3:
            raise Failure(f"positions {kind}: the scores are those of plain positions")
        same_bits("positions " + kind, path, tokens)


def classifier():
    """A BERT that classifies: what stands behind the [CLS] row of the same BERT without it."""
    rng, hidden, ffn = np.random.default_rng(9), 16, 32

    def normal(*shape, mean=0.0):
        return (rng.standard_normal(shape) * 0.3 + mean).astype(np.float32)

    tensors = {f"embeddings.{name}_embeddings.weight": normal(rows, hidden)
               for name, rows in (("word", 30), ("position", 20), ("token_type", 2))}
    for name in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        tensors |= {f"{name}.LayerNorm.weight": normal(hidden, mean=1), f"{name}.LayerNorm.bias": normal(hidden)}
    for name, rows, cols in (("attention.self.query", hidden, hidden), ("attention.self.key", hidden, hidden),
                             ("attention.self.value", hidden, hidden), ("attention.output.dense", hidden, hidden),
                             ("intermediate.dense", ffn, hidden), ("output.dense", hidden, ffn)):
        tensors |= {f"encoder.layer.0.{name}.weight": normal(rows, cols), f"encoder.layer.0.{name}.bias": normal(rows)}
    tensors |= {"pooler.dense.weight": normal(hidden, hidden), "pooler.dense.bias": normal(hidden)}
    tensors = {"bert." + name: array for name, array in tensors.items()}
    tensors |= {"classifier.weight": normal(3, hidden), "classifier.bias": normal(3)}
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": hidden,
              "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": ffn, "vocab_size": 30,
              "max_position_embeddings": 20, "id2label": {"0": "a", "1": "b", "2": "c"}}
    path, tokens = directory("classifier", config, tensors), [1, 5, 7, 20, 2]
    rows = write("rows.yaml", "transformer: {layers: 1, hidden: 16, heads: 2, ffn: 32, positions: 20, vocabulary: 30, "
                              "types: 2}\nweights: {safetensors: classifier/model.safetensors}\n")
    first = run(rows, tokens, "--engine=fp32")[0]
    first = np.tanh(tensors["bert.pooler.dense.weight"] @ first + tensors["bert.pooler.dense.bias"])
    near("BERT classifier", run(path, tokens, "--engine=fp32"),
         tensors["classifier.weight"] @ first + tensors["classifier.bias"])
    same_bits("BERT classifier", path, tokens)
    same_bits("BERT classifier, host", path, tokens, "--engine=host", "--linear=int8")


def gguf_bytes(values, tensors, version=3):
    def text(string):
        raw = string.encode()
        return struct.pack("<Q", len(raw)) + raw

    def value(v):
        if isinstance(v, str):
            return struct.pack("<I", 8) + text(v)
        return struct.pack("<If", 6, v) if isinstance(v, float) else struct.pack("<II", 4, v)

    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    head += b"".join(text(key) + value(v) for key, v in values.items())
    body = b""
    for name, shape, kind, raw in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1])
        head += struct.pack("<IQ", kind, len(body))
        body += raw + bytes(-len(raw) % 32)
    return head + bytes(-len(head) % 32) + body


def blocks(rng, kind, rows, cols):
    """Random blocks of a type with sensible scales."""
    _, elements, size, _ = oracle.GGML[kind]
    if elements == 1:
        array = rng.standard_normal((rows, cols)) * 0.1
        if kind == 30:
            return (array.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        return array.astype("<f4" if kind == 0 else "<f2").tobytes()
    raw = rng.integers(0, 256, (rows * cols // elements, size), dtype=np.uint8)
    scale = np.array([{2: 0.02, 3: 0.02, 6: 0.01, 7: 0.01, 8: 0.001}.get(kind, 0.0001)], "<f2").view(np.uint8)
    raw[:, 208:210] = scale if kind == 14 else raw[:, 208:210]
    raw[:, 0:2] = raw[:, 0:2] if kind == 14 else scale
    if kind in (3, 7, 12, 13):
        raw[:, 2:4] = np.array([0.001 if kind > 7 else -0.15], "<f2").view(np.uint8)
    return raw.tobytes()


def gguf_file():
    rng = np.random.default_rng(7)
    kinds = [2, 3, 6, 7, 8, 12, 13, 14, 1, 30, 0]
    values = {"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 256,
              "llama.attention.head_count": 8, "llama.attention.head_count_kv": 4, "llama.feed_forward_length": 512,
              "llama.context_length": 64, "llama.attention.layer_norm_rms_epsilon": 1e-5,
              "llama.rope.freq_base": 20000.0, "llama.rope.dimension_count": 32}
    tensors = [("token_embd.weight", (50, 256), 8, blocks(rng, 8, 50, 256)),
               ("output.weight", (50, 256), 14, blocks(rng, 14, 50, 256)),
               ("output_norm.weight", (256,), 0, np.ones(256, "<f4").tobytes())]
    for layer in range(2):
        for name, rows, cols in (("attn_q", 256, 256), ("attn_k", 128, 256), ("attn_v", 128, 256),
                                 ("attn_output", 256, 256), ("ffn_gate", 512, 256), ("ffn_up", 512, 256),
                                 ("ffn_down", 256, 512)):
            kinds = kinds[1:] + kinds[:1]
            kind = kinds[0]
            tensors.append((f"blk.{layer}.{name}.weight", (rows, cols), kind, blocks(rng, kind, rows, cols)))
        for name in ("attn_norm", "ffn_norm"):
            gamma = (1 + 0.1 * rng.standard_normal(256)).astype("<f4").tobytes()
            tensors.append((f"blk.{layer}.{name}.weight", (256,), 0, gamma))
    used = {kind for _, _, kind, _ in tensors}
    if used != set(kinds):
        raise Failure(f"types {set(kinds) - used} are not in the file")
    path, tokens = scratch("random.gguf"), [1, 49, 0, 7, 7, 30, 12, 12, 48]
    for version in (2, 3):
        with open(path, "wb") as file:
            file.write(gguf_bytes(values, tensors, version))
        near(f"GGUF version {version} of {len(kinds)} types", run(path, tokens, "--engine=fp32"),
             oracle.forward(oracle.read_gguf(path), tokens)[1])
    values = {key.replace("llama.", "qwen2."): "qwen2" if value == "llama" else value for key, value in values.items()}
    for layer in range(2):
        for name, width in (("attn_q", 256), ("attn_k", 128), ("attn_v", 128)):
            bias = rng.standard_normal(width).astype("<f4").tobytes()
            tensors.append((f"blk.{layer}.{name}.bias", (width,), 0, bias))
    qwen2 = scratch("qwen2.gguf")
    with open(qwen2, "wb") as file:
        file.write(gguf_bytes(values, tensors))
    near("GGUF of Qwen2", run(qwen2, tokens, "--engine=fp32"),
         oracle.forward(oracle.read_gguf(qwen2), tokens)[1])
    same_bits("GGUF", path, tokens)
    same_bits("GGUF, host", path, tokens, "--engine=host")
    same_bits("GGUF, host, int8", path, tokens, "--engine=host", "--linear=int8")


# ---- of others ---------------------------------------------------------------------------------------------------------

def stories260k():
    path = f"{DATA}/models/stories260K/stories260K.bin"
    tokens = [1, 403, 407, 261, 378] + list(np.random.default_rng(8).integers(3, 512, 60))
    near("stories260K", run(path, tokens, "--engine=fp32"), oracle.forward(oracle.read_llama2c(path), tokens)[1])
    same_bits("stories260K", path, tokens)
    must("run", path, "--engine=fp32", "--text", "Once upon a time")


def nano_sort():
    def load(name):
        with open(f"{DATA}/models/gpt-nano-sort/{name}.json", encoding="utf-8") as file:
            entries = json.load(file)
        return {key: np.frombuffer(base64.b64decode(t["data"]), "<f4").reshape(t["shape"])
                for key, t in entries.items() if key != "config"}, entries["config"]

    stored, config = load("gpt-nano-sort-model")
    want, _ = load("gpt-nano-sort-t0-partials")
    tensors = {}
    for name, array in stored.items():
        if name.endswith(".attn.bias"):
            continue  # the mask
        turned = array.ndim == 2 and ".h." in name
        tensors[name] = np.ascontiguousarray(array.T if turned else array).astype(np.float32)
    facts = {"model_type": "gpt2", "n_layer": config["n_layer"], "n_head": config["n_head"], "n_embd": config["n_embd"],
             "n_positions": config["block_size"], "vocab_size": config["vocab_size"], "layer_norm_epsilon": 1e-5,
             "activation_function": "gelu_new", "tie_word_embeddings": False}
    path = directory("nano", facts | {"architectures": ["GPT2LMHeadModel"]}, tensors)
    bare = directory("nano-bare", facts | {"architectures": ["GPT2Model"]}, tensors)
    for i, tokens in enumerate(want["idx"].astype(int)):
        scores = run(path, tokens, "--engine=fp32")
        near(f"nano-sort {i}, scores", scores, want["lm_head"][i])
        p = np.exp(scores - scores.max(-1, keepdims=True))
        near(f"nano-sort {i}, probabilities", p / p.sum(-1, keepdims=True), want["probs"][i])
        near(f"nano-sort {i}, last rows", run(bare, tokens, "--engine=fp32"), want["ln_f"][i])
        same_bits(f"nano-sort {i}", path, tokens)
        tokens, heads, channels = len(tokens), config["n_head"], config["n_embd"] // config["n_head"]
        write_safetensors(scratch("qkv.safetensors"), {name: want[name][i].astype(np.float32) for name in "qkv"})
        must("run", write_attention(tokens, heads, channels, causal=True), "--engine=fp32", "--input",
             scratch("qkv.safetensors"), "--output", scratch("out.safetensors"))
        out = read_safetensors(scratch("out.safetensors"))["out"]
        near(f"nano-sort {i}, attention", out.transpose(1, 0, 2).reshape(tokens, -1), want["y"][i])


def smollm2():
    path, tokens = os.environ["SMOLLM2"], [504, 3575, 282, 4649, 314, 7042, 28, 284]
    near("SmolLM2", run(path, tokens, "--engine=fp32"), oracle.forward(oracle.read_gguf(path), tokens)[1])
    must("run", path, "--engine=fp32", "--text", "The capital of France is", timeout=300)


def main():
    gpt2_directories()
    llama_directories()
    classifier()
    gguf_file()
    if DATA:
        stories260k()
        nano_sort()
    else:
        print("skipped: stories260K and gpt-nano-sort need $DTQ_DATA")
    if os.environ.get("SMOLLM2"):
        smollm2()
    else:
        print("skipped: there is no SmolLM2: run examples/fetch smollm2, or set DTQ_SMOLLM2 to its GGUF file")


story(main)
