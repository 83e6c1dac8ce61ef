"""Decoders as ONNX graphs and as Hugging Face directories, of the same weights: the same bits. Graphs are spelled as exporters
write them, with inputs for earlier tokens among them, and with the operators of ONNX Runtime."""
import json
import math
import os

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from problems import Failure, must, read_safetensors, scratch, story, write_safetensors

WIDTH, HEADS, KV_HEADS, HEAD_DIM, FFN, VOCABULARY, LAYERS, BASE = 32, 4, 2, 8, 40, 50, 2, 500.0
TOKENS = np.array([3, 49, 0, 17, 17, 8, 25, 40, 11], np.int64)
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": LAYERS, "hidden_size": WIDTH,
         "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM, "intermediate_size": FFN,
         "rms_norm_eps": 1e-5, "rope_theta": BASE, "max_position_embeddings": 2048, "vocab_size": VOCABULARY,
         "hidden_act": "silu", "tie_word_embeddings": False}
QWEN3 = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "attention_bias": False}
GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": LAYERS, "n_embd": WIDTH, "n_head": HEADS,
        "n_inner": FFN, "n_positions": 30, "vocab_size": VOCABULARY, "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new"}


class Graph:
    """Nodes, and the weights that a directory has, too."""

    def __init__(self):
        self.nodes, self.constants, self.weights, self.rng = [], [], {}, np.random.default_rng(7)
        self.inputs = [("input_ids", TensorProto.INT64, ["batch", "sequence"]),
                       ("attention_mask", TensorProto.INT64, ["batch", "sequence"])]

    def constant(self, value):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def whole(self, value):
        return self.constant(np.array(value, np.int64))

    def real(self, value):
        return self.constant(np.array(value, np.float32))

    def weight(self, name, *shape, mean=0.0, turned=False):
        if name not in self.weights:
            self.weights[name] = (self.rng.standard_normal(shape) * 0.3 + mean).astype(np.float32)
        value = self.weights[name]
        return self.constant(value.T if turned else value)

    def many(self, op, outputs, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        names = [name] + [f"{name}_{i}" for i in range(1, outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names

    def add(self, op, *inputs, **attributes):
        return self.many(op, 1, *inputs, **attributes)[0]

    def size(self, x, axis):
        return self.add("Gather", self.add("Shape", x), self.whole(axis), axis=0)

    def sizes(self, *parts):
        return self.add("Concat", *[self.add("Unsqueeze", part, self.ints(0)) if isinstance(part, str)
                                    else self.ints(part) for part in parts], axis=0)

    def start(self):
        self.batch, self.length = self.size("input_ids", 0), self.size("input_ids", 1)
        at = self.add("Range", self.whole(0), self.length, self.whole(1))
        later = self.add("Greater", self.add("Unsqueeze", at, self.ints(0)), self.add("Unsqueeze", at, self.ints(1)))
        self.mask = self.add("Where", later, self.real(np.finfo(np.float32).min), self.real(0))
        self.positions = self.add("Unsqueeze", at, self.ints(0))

    def heads(self, x, count):
        return self.add("Transpose", self.add("Reshape", x, self.sizes(self.batch, self.length, count, HEAD_DIM)),
                        perm=[0, 2, 1, 3])

    def attention(self, q, k, v):
        scores = self.add("Mul", self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2])),
                          self.real(1 / math.sqrt(HEAD_DIM)))
        rows = self.add("MatMul", self.add("Softmax", self.add("Add", scores, self.mask), axis=-1), v)
        return self.add("Reshape", self.add("Transpose", rows, perm=[0, 2, 1, 3]),
                        self.sizes(self.batch, self.length, WIDTH))

    def write(self, path, output):
        inputs = [helper.make_tensor_value_info(*given) for given in self.inputs]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "sequence", VOCABULARY])]
        sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        save(helper.make_model(helper.make_graph(self.nodes, "decoder", inputs, outputs, self.constants),
                               opset_imports=sets), path)


class Llama(Graph):
    def __init__(self, operators, past=False, head_norm=False):
        super().__init__()
        self.operators, self.past, self.head_norm = operators, past, head_norm

    def tables(self):
        frequencies = (1 / BASE ** (np.arange(0, HEAD_DIM, 2) / HEAD_DIM)).astype(np.float32)
        if self.operators:
            angles = np.arange(300)[:, None] * frequencies[None].astype(np.float64)
            self.cos = self.constant(np.cos(angles).astype(np.float32))
            self.sin = self.constant(np.sin(angles).astype(np.float32))
            total = self.add("ReduceSum", "attention_mask", self.ints(1), keepdims=0)
            self.lengths = self.add("Cast", self.add("Sub", total, self.whole(1)), to=6)
            self.total = self.add("Cast", self.size("attention_mask", 1), to=6)
            return
        where = self.add("Expand", self.constant(frequencies[None, :, None]), self.sizes(self.batch, HEAD_DIM // 2, 1))
        angles = self.add("MatMul", where, self.add("Cast", self.add("Unsqueeze", self.positions, self.ints(1)), to=1))
        angles = self.add("Transpose", angles, perm=[0, 2, 1])
        angles = self.add("Concat", angles, angles, axis=-1)
        self.cos = self.add("Unsqueeze", self.add("Cos", angles), self.ints(1))
        self.sin = self.add("Unsqueeze", self.add("Sin", angles), self.ints(1))

    def norm(self, x, name, width=WIDTH):
        gamma = self.weight(name + ".weight", width, mean=1)
        if self.operators:
            return self.add("SimplifiedLayerNormalization", x, gamma, axis=-1, epsilon=1e-5)
        mean = self.add("ReduceMean", self.add("Pow", x, self.real(2)), axes=[-1])
        root = self.add("Sqrt", self.add("Add", mean, self.real(1e-5)))
        return self.add("Mul", gamma, self.add("Mul", x, self.add("Div", self.real(1), root)))

    def linear(self, x, name, inputs, outputs):
        return self.add("MatMul", x, self.weight(name + ".weight", outputs, inputs, turned=True))

    def rotate(self, x):
        half, end = HEAD_DIM // 2, np.iinfo(np.int64).max
        first = self.add("Slice", x, self.ints(0), self.ints(half), self.ints(3), self.ints(1))
        second = self.add("Slice", x, self.ints(half), self.ints(end), self.ints(3), self.ints(1))
        turned = self.add("Concat", self.add("Neg", second), first, axis=-1)
        return self.add("Add", self.add("Mul", x, self.cos), self.add("Mul", turned, self.sin))

    def normed(self, x, count, name):
        """Heads, each divided by its root mean square in models of Qwen3."""
        if not self.head_norm:
            return self.heads(x, count)
        x = self.norm(self.add("Reshape", x, self.sizes(self.batch, self.length, count, HEAD_DIM)), name, HEAD_DIM)
        return self.add("Transpose", x, perm=[0, 2, 1, 3])

    def repeat(self, x):
        x = self.add("Expand", self.add("Unsqueeze", x, self.ints(2)),
                     self.sizes(self.batch, KV_HEADS, HEADS // KV_HEADS, self.length, HEAD_DIM))
        return self.add("Reshape", x, self.sizes(self.batch, HEADS, self.length, HEAD_DIM))

    def with_past(self, x, name):
        if not self.past:
            return x
        self.inputs.append((name, TensorProto.FLOAT, ["batch", KV_HEADS, "past", HEAD_DIM]))
        return self.add("Concat", name, x, axis=-2)

    def attend(self, q, k, v, layer):
        if self.operators:
            empty = self.constant(np.zeros((1, KV_HEADS, 0, HEAD_DIM), np.float32))
            return self.many("GroupQueryAttention", 3, q, k, v, empty, empty, self.lengths, self.total, self.cos, self.sin,
                             domain="com.microsoft", num_heads=HEADS, kv_num_heads=KV_HEADS, do_rotary=1)[0]
        q, k = [self.rotate(self.normed(x, count, f"model.layers.{layer}.self_attn.{name}"))
                for x, count, name in ((q, HEADS, "q_norm"), (k, KV_HEADS, "k_norm"))]
        v = self.heads(v, KV_HEADS)
        k = self.repeat(self.with_past(k, f"past_key_values.{layer}.key"))
        return self.attention(q, k, self.repeat(self.with_past(v, f"past_key_values.{layer}.value")))

    def build(self, path):
        self.start()
        self.tables()
        x = self.add("Gather", self.weight("model.embed_tokens.weight", VOCABULARY, WIDTH), "input_ids")
        for layer in range(LAYERS):
            name = f"model.layers.{layer}."
            y = self.norm(x, name + "input_layernorm")
            q, k, v = [self.linear(y, f"{name}self_attn.{part}_proj", WIDTH, heads * HEAD_DIM)
                       for part, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS))]
            x = self.add("Add", x, self.linear(self.attend(q, k, v, layer), name + "self_attn.o_proj", WIDTH, WIDTH))
            y = self.norm(x, name + "post_attention_layernorm")
            gate = self.linear(y, name + "mlp.gate_proj", WIDTH, FFN)
            gate = self.add("Mul", gate, self.add("Sigmoid", gate))
            y = self.add("Mul", gate, self.linear(y, name + "mlp.up_proj", WIDTH, FFN))
            x = self.add("Add", x, self.linear(y, name + "mlp.down_proj", FFN, WIDTH))
        self.write(path, self.linear(self.norm(x, "model.norm"), "lm_head", WIDTH, VOCABULARY))
        return LLAMA | QWEN3 if self.head_norm else LLAMA


class Gpt2(Graph):
    def norm(self, x, name):
        return self.add("LayerNormalization", x, self.weight(name + ".weight", WIDTH, mean=1),
                        self.weight(name + ".bias", WIDTH), axis=-1, epsilon=1e-5)

    def linear(self, x, name, inputs, outputs):
        rows = self.add("Gemm", self.add("Reshape", x, self.ints(-1, inputs)),
                        self.weight(name + ".weight", inputs, outputs), self.weight(name + ".bias", outputs))
        return self.add("Reshape", rows, self.sizes(self.batch, self.length, outputs))

    def gelu(self, x):
        cubic = self.add("Mul", self.add("Pow", x, self.real(3)), self.real(0.044715))
        inner = self.add("Mul", self.add("Add", x, cubic), self.real(math.sqrt(2 / math.pi)))
        return self.add("Mul", self.add("Mul", x, self.real(0.5)), self.add("Add", self.add("Tanh", inner), self.real(1)))

    def build(self, path):
        self.start()
        words = self.weight("wte.weight", VOCABULARY, WIDTH)
        x = self.add("Add", self.add("Gather", words, "input_ids"),
                     self.add("Gather", self.weight("wpe.weight", 30, WIDTH), self.positions))
        for layer in range(LAYERS):
            name = f"h.{layer}."
            rows = self.linear(self.norm(x, name + "ln_1"), name + "attn.c_attn", WIDTH, 3 * WIDTH)
            q, k, v = [self.heads(part, HEADS) for part in self.many("Split", 3, rows, self.ints(*[WIDTH] * 3), axis=2)]
            x = self.add("Add", self.linear(self.attention(q, k, v), name + "attn.c_proj", WIDTH, WIDTH), x)
            y = self.linear(self.norm(x, name + "ln_2"), name + "mlp.c_fc", WIDTH, FFN)
            x = self.add("Add", x, self.linear(self.gelu(y), name + "mlp.c_proj", FFN, WIDTH))
        self.write(path, self.add("MatMul", self.norm(x, "ln_f"), self.add("Transpose", words, perm=[1, 0])))
        return GPT2


def rows(model, *options):
    write_safetensors(scratch("tokens.safetensors"), {"tokens": TOKENS})
    must("run", model, "--input", scratch("tokens.safetensors"), "--output", scratch("out.safetensors"), *options)
    return read_safetensors(scratch("out.safetensors"))["output"]


def main():
    for what, graph in (("llama", Llama(False)), ("llama-past", Llama(False, past=True)),
                        ("llama-operators", Llama(True)), ("qwen3", Llama(False, head_norm=True)), ("gpt2", Gpt2())):
        path = scratch(what + ".onnx")
        config = graph.build(path)
        directory = scratch(what)
        os.makedirs(directory, exist_ok=True)
        with open(f"{directory}/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        write_safetensors(f"{directory}/model.safetensors", graph.weights)
        for options in (["--engine=fp32"], ["--engine=sim", "--linear=int8"], ["--engine=host"]):
            want, have = rows(directory, *options), rows(path, *options)
            if want.shape != (len(TOKENS), VOCABULARY) or not np.array_equal(want, have):
                raise Failure(f"{what} {options}: the graph's bits are not the directory's")
        print(f"{what}: the directory's bits")


story(main)
