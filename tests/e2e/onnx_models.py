"""Writes a BERT checkpoint's weights as an ONNX graph, in one of the spellings that exporters and optimisers use.

usage: onnx_models.py CHECKPOINT SPELLING OUT.onnx

plain: MatMul and Add, LayerNormalization, scores scaled, keys transposed by one permutation, constant reshapes.
primitive: Gemm between reshapes, layer normalisation from means, queries divided before the product, keys transposed a
second time, reshapes to sizes computed from the shape of the operand, the mask subtracted and multiplied.
split, packed: as plain, queries, keys and values made by one product. split cuts its columns; packed reshapes them to
[batch, sequence, 3, heads, head_dim], transposes and gathers.
contrib: the operators of com.microsoft that ONNX Runtime's transformer optimiser makes.
standard: as plain, but attention and GELU are operators, of opset 23.
multihead: as plain, attention by com.microsoft's MultiHeadAttention, biases in it.
weights: as plain, weights are int8 codes with a scale for each output, dequantised first; tables have one for each row.
dynamic: as weights, but products are of codes: DynamicQuantizeLinear, MatMulInteger, Cast, Mul.
"""
import json
import math
import os
import struct
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    kinds = {"F32": np.float32, "U64": np.uint64, "U32": np.uint32, "U8": np.uint8, "I64": np.int64}
    return {name: np.frombuffer(data[entry["data_offsets"][0]:entry["data_offsets"][1]],
                                kinds[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


class Graph:
    def __init__(self):
        self.nodes, self.constants, self.known = [], [], set()

    def constant(self, name, value):
        if name not in self.known:
            self.known.add(name)
            self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def real(self, value):
        return self.constant(f"real_{value}", np.array(value, np.float32))

    def ints(self, *values):
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def add_many(self, op, outputs, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        names = [name] + [f"{name}_{i}" for i in range(1, outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names

    def add(self, op, *inputs, **attributes):
        return self.add_many(op, 1, *inputs, **attributes)[0]


class Encoder(Graph):
    opset = 17

    def __init__(self, weights, config, primitive):
        super().__init__()
        self.weights, self.primitive, self.epsilon = weights, primitive, config["layer_norm_eps"]
        self.hidden, self.heads = config["hidden_size"], config["num_attention_heads"]
        self.head_dim = self.hidden // self.heads

    def weight(self, name, transposed=False):
        value = self.weights[name]
        return self.constant(name, value.T if transposed else value)

    def linear(self, x, name):
        bias = self.weight(name + ".bias")
        if not self.primitive:
            return self.add("Add", self.add("MatMul", x, self.weight(name + ".weight", True)), bias)
        rows = self.add("Reshape", x, self.ints(-1, self.weights[name + ".weight"].shape[1]))
        y = self.add("Gemm", rows, self.weight(name + ".weight"), bias, transB=1)
        return self.add("Reshape", y, self.sizes(x, len(self.weights[name + ".bias"])))

    def sizes(self, x, *last):
        """The batch and length of x and then numbers, as a vector."""
        shape = self.add("Shape", x)
        parts = [self.add("Unsqueeze", self.add("Gather", shape, self.constant(f"at_{i}", np.array(i, np.int64))),
                          self.ints(0)) for i in range(2)]
        return self.add("Concat", *parts, self.ints(*last), axis=0)

    def norm(self, x, name):
        gamma, beta = self.weight(name + ".weight"), self.weight(name + ".bias")
        if not self.primitive:
            return self.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=self.epsilon)
        centered = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
        variance = self.add("ReduceMean", self.add("Pow", centered, self.real(2.0)), axes=[-1])
        deviation = self.add("Sqrt", self.add("Add", variance, self.real(self.epsilon)))
        return self.add("Add", self.add("Mul", self.add("Div", centered, deviation), gamma), beta)

    def gelu(self, x):
        if not self.primitive:
            half = self.add("Mul", x, self.real(0.5))
            return self.add("Mul", half, self.add("Add", self.add("Erf", self.add(
                "Mul", x, self.real(math.sqrt(0.5)))), self.real(1.0)))
        erf = self.add("Erf", self.add("Div", x, self.real(math.sqrt(2))))
        return self.add("Mul", self.add("Mul", x, self.add("Add", erf, self.real(1.0))), self.real(0.5))

    def split(self, x, *perm):
        sizes = self.sizes(x, self.heads, self.head_dim) if self.primitive else self.ints(0, 0, self.heads,
                                                                                            self.head_dim)
        return self.add("Transpose", self.add("Reshape", x, sizes), perm=perm)

    def projections(self, x, layer):
        return [self.linear(x, f"{layer}attention.self.{name}") for name in ("query", "key", "value")]

    def attention(self, x, layer, mask):
        q, k, v = self.projections(x, layer)
        if self.primitive:
            q = self.split(self.add("Div", q, self.real(math.sqrt(self.head_dim))), 0, 2, 1, 3)
            k = self.add("Transpose", self.split(k, 0, 2, 1, 3), perm=[0, 1, 3, 2])
            scores = self.add("MatMul", q, k)
        else:
            scores = self.add("MatMul", self.split(q, 0, 2, 1, 3), self.split(k, 0, 2, 3, 1))
            scores = self.add("Mul", scores, self.real(1 / math.sqrt(self.head_dim)))
        probabilities = self.add("Softmax", self.add("Add", scores, mask), axis=-1)
        context = self.add("Transpose", self.add("MatMul", probabilities, self.split(v, 0, 2, 1, 3)), perm=[0, 2, 1, 3])
        sizes = self.sizes(context, self.hidden) if self.primitive else self.ints(0, 0, self.hidden)
        return self.linear(self.add("Reshape", context, sizes), layer + "attention.output.dense")

    def embeddings(self):
        words = self.add("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        types = self.add("Gather", self.weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
        length = self.add("Gather", self.add("Shape", "input_ids"), self.ints(1))
        table = self.weight("embeddings.position_embeddings.weight")
        if self.primitive:
            numbers = self.constant("position_ids", np.arange(self.weights[table].shape[0])[None].astype(np.int64))
            positions = self.add("Gather", table, self.add("Slice", numbers, self.ints(0), length, self.ints(1)))
        else:
            positions = self.add("Slice", table, self.ints(0), length, self.ints(0))
        return self.norm(self.add("Add", self.add("Add", words, types), positions), "embeddings.LayerNorm")

    def mask(self):
        mask = self.add("Cast", self.add("Unsqueeze", "attention_mask", self.ints(1, 2)), to=TensorProto.FLOAT)
        return self.add("Mul", self.add("Sub", self.real(1.0), mask), self.real(-10000.0))

    def norm_of_sum(self, product, x, name):
        return self.norm(self.add("Add", product, x), name)

    def encode(self, layers):
        x, mask = self.embeddings(), self.mask()
        for i in range(layers):
            layer = f"encoder.layer.{i}."
            x = self.norm_of_sum(self.attention(x, layer, mask), x, layer + "attention.output.LayerNorm")
            up = self.gelu(self.linear(x, layer + "intermediate.dense"))
            x = self.norm_of_sum(self.linear(up, layer + "output.dense"), x, layer + "output.LayerNorm")
        return x


class Fused(Encoder):
    """Queries, keys and values of one product."""

    def stacked(self, layer):
        """Name of the weight [3 outputs, inputs], and its value; the same of the bias."""
        pair = []
        for kind in ("weight", "bias"):
            value = np.concatenate([self.weights[f"{layer}attention.self.{name}.{kind}"]
                                    for name in ("query", "key", "value")])
            pair += [f"{layer}qkv.{kind}", value]
        return pair


class Split(Fused):
    def projections(self, x, layer):
        name, weight, bias_name, bias = self.stacked(layer)
        rows = self.add("Add", self.add("MatMul", x, self.constant(name, weight.T)), self.constant(bias_name, bias))
        if int(layer.split(".")[-2]) % 2:
            return [self.add("Slice", rows, self.ints(i * self.hidden), self.ints((i + 1) * self.hidden), self.ints(2))
                    for i in range(3)]
        return self.add_many("Split", 3, rows, self.ints(*[self.hidden] * 3), axis=-1)


class Packed(Fused):
    def attention(self, x, layer, mask):
        name, weight, bias_name, bias = self.stacked(layer)
        rows = self.add("Reshape", x, self.ints(-1, self.hidden))
        rows = self.add("Gemm", rows, self.constant(name, weight), self.constant(bias_name, bias), transB=1)
        heads = self.add("Reshape", rows, self.sizes(x, 3, self.heads, self.head_dim))
        heads = self.add("Transpose", heads, perm=[2, 0, 3, 1, 4])
        q, k, v = (self.add("Gather", heads, self.constant(f"at_{i}", np.array(i, np.int64)), axis=0) for i in range(3))
        scores = self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.add("Where", self.add("Cast", mask, to=TensorProto.BOOL), self.real(-10000.0),
                          self.add("Mul", scores, self.real(1 / math.sqrt(self.head_dim))))
        context = self.add("Transpose", self.add("MatMul", self.add("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.linear(self.add("Reshape", context, self.ints(0, 0, self.hidden)), layer + "attention.output.dense")


class Contrib(Fused):
    """What ONNX Runtime's optimiser makes of attention, normalisation and GELU."""

    def mask(self):
        return self.add("Cast", "attention_mask", to=TensorProto.INT32)

    def embeddings(self):
        ids, types = (self.add("Cast", name, to=TensorProto.INT32) for name in ("input_ids", "token_type_ids"))
        tables = [self.weight(f"embeddings.{name}_embeddings.weight") for name in ("word", "position", "token_type")]
        norm = [self.weight("embeddings.LayerNorm." + kind) for kind in ("weight", "bias")]
        return self.add_many("EmbedLayerNormalization", 2, ids, types, *tables, *norm, domain="com.microsoft",
                             epsilon=self.epsilon)[0]

    def attention(self, x, layer, mask):
        name, weight, bias_name, bias = self.stacked(layer)
        rows = self.add("Attention", x, self.constant(name, weight.T), self.constant(bias_name, bias), mask,
                        domain="com.microsoft", num_heads=self.heads)
        self.bias = self.weight(layer + "attention.output.dense.bias")
        return self.add("MatMul", rows, self.weight(layer + "attention.output.dense.weight", True))

    def linear(self, x, name):
        self.bias = self.weight(name + ".bias")
        return self.add("MatMul", x, self.weight(name + ".weight", True))

    def gelu(self, x):
        return self.add("BiasGelu", x, self.bias, domain="com.microsoft")

    def norm_of_sum(self, product, x, name):
        return self.add("SkipLayerNormalization", product, x, self.weight(name + ".weight"),
                        self.weight(name + ".bias"), self.bias, domain="com.microsoft", epsilon=self.epsilon)


class MultiHead(Encoder):
    def mask(self):
        return self.add("Cast", "attention_mask", to=TensorProto.INT32)

    def attention(self, x, layer, mask):
        names = [f"{layer}attention.self.{name}" for name in ("query", "key", "value")]
        products = [self.add("MatMul", x, self.weight(name + ".weight", True)) for name in names]
        bias = self.constant(layer + "qkv.bias", np.concatenate([self.weights[name + ".bias"] for name in names]))
        rows = self.add("MultiHeadAttention", *products, bias, mask, domain="com.microsoft",
                        num_heads=self.heads)
        return self.linear(rows, layer + "attention.output.dense")


class Standard(Encoder):
    """Attention and Gelu as the operators that opset 23 has."""
    opset = 23

    def gelu(self, x):
        return self.add("Gelu", x)

    def attention(self, x, layer, mask):
        q, k, v = self.projections(x, layer)
        if int(layer.split(".")[-2]) % 2:
            heads = [self.split(rows, 0, 2, 1, 3) for rows in (q, k, v)]
            context = self.add("Transpose", self.add("Attention", *heads, mask), perm=[0, 2, 1, 3])
            rows = self.add("Reshape", context, self.ints(0, 0, self.hidden))
        else:
            rows = self.add("Attention", q, k, v, mask, q_num_heads=self.heads, kv_num_heads=self.heads)
        return self.linear(rows, layer + "attention.output.dense")

    def mask(self):
        """[batch, 1, sequence, sequence]"""
        square = self.add("Concat", *[self.ints(1), self.ints(1)], *[self.add(
            "Slice", self.add("Shape", "input_ids"), self.ints(1), self.ints(2))] * 2, axis=0)
        return self.add("Expand", super().mask(), square)


class Quantised(Encoder):
    """int8 weights; dynamic: products of codes, else of what the codes stand for."""

    def __init__(self, weights, config, dynamic):
        super().__init__(weights, config, False)
        self.dynamic = dynamic

    def codes(self, name, value, axis):
        """Name of the codes, and their scales along `axis`."""
        scale = (np.abs(value).max(axis=axis, keepdims=True) / 127).astype(np.float32)
        return self.constant(name + "_codes", np.clip(np.rint(value / scale), -127, 127).astype(np.int8)), scale

    def weight(self, name, transposed=False):
        if "embeddings.weight" not in name:
            return super().weight(name, transposed)
        codes, scale = self.codes(name, self.weights[name], 1)
        scale = self.constant(name + "_scale", scale)
        if name not in self.known:
            self.known.add(name)
            self.nodes += [helper.make_node("Cast", [codes], [name + "_f"], name=name + "_cast", to=TensorProto.FLOAT),
                           helper.make_node("Mul", [name + "_f", scale], [name], name=name + "_mul")]
        return name

    def linear(self, x, name):
        value = self.weights[name + ".weight"].T
        codes, scale = self.codes(name + ".weight", value, 0)
        scale = self.constant(name + "_scale", scale[0])
        zero = self.constant(name + ".zeros", np.zeros(value.shape[1], np.int8))
        if self.dynamic:
            rows, rows_scale, rows_zero = self.add_many("DynamicQuantizeLinear", 3, x)
            product = self.add("MatMulInteger", rows, codes, rows_zero, zero)
            product = self.add("Mul", self.add("Cast", product, to=TensorProto.FLOAT),
                               self.add("Mul", rows_scale, scale))
        else:
            product = self.add("MatMul", x, self.add("DequantizeLinear", codes, scale, zero, axis=1))
        return self.add("Add", product, self.weight(name + ".bias"))


SPELLINGS = {
    "plain": lambda weights, config: Encoder(weights, config, False),
    "primitive": lambda weights, config: Encoder(weights, config, True),
    "split": lambda weights, config: Split(weights, config, False),
    "packed": lambda weights, config: Packed(weights, config, False),
    "contrib": lambda weights, config: Contrib(weights, config, False),
    "standard": lambda weights, config: Standard(weights, config, False),
    "multihead": lambda weights, config: MultiHead(weights, config, False),
    "weights": lambda weights, config: Quantised(weights, config, False),
    "dynamic": lambda weights, config: Quantised(weights, config, True),
}


def main():
    checkpoint, spelling, path = sys.argv[1:]
    with open(os.path.join(checkpoint, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    weights = read_safetensors(os.path.join(checkpoint, "model.safetensors"))
    weights = {name.removeprefix("bert."): value for name, value in weights.items()}
    encoder = SPELLINGS[spelling](weights, config)
    encoder.nodes.append(helper.make_node("Identity", [encoder.encode(config["num_hidden_layers"])],
                                          ["last_hidden_state"], name="output"))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT,
                                             ["batch", "sequence", config["hidden_size"]])]
    graph = helper.make_graph(encoder.nodes, "encoder", inputs, outputs, encoder.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", encoder.opset), helper.make_opsetid("com.microsoft", 1)])
    model.ir_version = 8 if encoder.opset < 23 else 11
    save(model, path)


if __name__ == "__main__":
    main()
