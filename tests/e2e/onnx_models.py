"""Writes a BERT checkpoint's weights as an ONNX graph, in one of two spellings that exporters use.

usage: onnx_models.py CHECKPOINT plain|primitive OUT.onnx

plain: MatMul and Add, LayerNormalization, scores scaled, keys transposed by one permutation, constant reshapes.
primitive: Gemm between reshapes, layer normalisation from means, queries divided before the product, keys transposed a
second time, reshapes to sizes computed from the shape of the operand, the mask subtracted and multiplied.
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

    def add(self, op, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name


class Encoder(Graph):
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

    def attention(self, x, layer, mask):
        q, k, v = (self.linear(x, f"{layer}attention.self.{name}") for name in ("query", "key", "value"))
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

    def encode(self, layers):
        x, mask = self.embeddings(), self.mask()
        for i in range(layers):
            layer = f"encoder.layer.{i}."
            x = self.norm(self.add("Add", self.attention(x, layer, mask), x), layer + "attention.output.LayerNorm")
            up = self.gelu(self.linear(x, layer + "intermediate.dense"))
            x = self.norm(self.add("Add", self.linear(up, layer + "output.dense"), x), layer + "output.LayerNorm")
        return x


def main():
    checkpoint, spelling, path = sys.argv[1:]
    with open(os.path.join(checkpoint, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    weights = read_safetensors(os.path.join(checkpoint, "model.safetensors"))
    encoder = Encoder({name.removeprefix("bert."): value for name, value in weights.items()}, config,
                      spelling == "primitive")
    encoder.nodes.append(helper.make_node("Identity", [encoder.encode(config["num_hidden_layers"])],
                                          ["last_hidden_state"], name="output"))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT,
                                             ["batch", "sequence", config["hidden_size"]])]
    graph = helper.make_graph(encoder.nodes, "encoder", inputs, outputs, encoder.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    save(model, path)


if __name__ == "__main__":
    main()
