#!/usr/bin/env python3
"""Writes a BERT-like encoder of MiniLM-L6's dimensions with random weights as ONNX, for tests/bench/host.

usage: onnx_encoder.py fp32|int8 FILE.onnx [LAYERS HIDDEN HEADS FFN]

int8: every linear is DynamicQuantizeLinear and MatMulInteger with a scale for each output, as ONNX Runtime's dynamic
quantisation makes them; attention is in float32. Inputs: ids int64 [1, tokens]; output: hidden float32 [1, tokens, H].
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, POSITIONS = 30522, 512


class Graph:
    """Nodes and constants of a graph that is being written; values are names."""

    def __init__(self):
        self.nodes, self.constants, self.codes = [], [], {}
        self.random = np.random.default_rng(7)

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def floats(self, *shape, scale=0.05):
        return (scale * self.random.standard_normal(shape)).astype(np.float32)

    def add(self, operator, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def linear_fp32(self, x, weight):
        return self.add("MatMul", x, self.constant(weight))

    def linear_int8(self, x, weight):
        scales = np.abs(weight).max(axis=0) / np.float32(127)
        codes = np.rint(weight / scales).astype(np.int8)
        if x not in self.codes:  # q, k and v share the codes of their input
            self.codes[x] = self.add("DynamicQuantizeLinear", x, outputs=3)
        x_codes, x_scale, x_zero = self.codes[x]
        zeros = self.constant(np.zeros(len(scales), np.int8))
        sums = self.add("MatMulInteger", x_codes, self.constant(codes), x_zero, zeros)
        scale = self.add("Mul", x_scale, self.constant(scales))
        return self.add("Mul", self.add("Cast", sums, to=TensorProto.FLOAT), scale)

    def norm(self, x, width):
        gamma, beta = np.ones(width, np.float32), np.zeros(width, np.float32)
        return self.add("LayerNormalization", x, self.constant(gamma), self.constant(beta), axis=-1, epsilon=1e-12)


def encoder(kind, layers=6, hidden=384, heads=12, ffn=1536):
    g = Graph()
    product = {"fp32": g.linear_fp32, "int8": g.linear_int8}[kind]
    split = g.constant(np.array([0, 0, heads, hidden // heads], np.int64))
    merge = g.constant(np.array([0, 0, hidden], np.int64))
    half, one, root2 = (g.constant(np.float32(x)) for x in (0.5, 1, np.sqrt(2)))
    score_scale = g.constant(np.float32((hidden / heads) ** -0.5))

    def linear(x, inputs, outputs):
        return g.add("Add", product(x, g.floats(inputs, outputs)), g.constant(g.floats(outputs)))

    def by_head(x, order):
        return g.add("Transpose", g.add("Reshape", x, split), perm=order)

    def gelu(x):
        erf = g.add("Erf", g.add("Div", x, root2))
        return g.add("Mul", g.add("Mul", x, g.add("Add", erf, one)), half)

    tokens = g.add("Gather", g.add("Shape", "ids"), g.constant(np.array([1], np.int64)))
    zero = g.constant(np.array([0], np.int64))
    positions = g.add("Slice", g.constant(g.floats(POSITIONS, hidden)), zero, tokens, zero)
    words = g.add("Gather", g.constant(g.floats(VOCABULARY, hidden)), "ids")
    x = g.norm(g.add("Add", words, positions), hidden)
    for _ in range(layers):
        q, k, v = (by_head(linear(x, hidden, hidden), order) for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        shares = g.add("Softmax", g.add("Mul", g.add("MatMul", q, k), score_scale), axis=-1)
        mixed = g.add("Transpose", g.add("MatMul", shares, v), perm=[0, 2, 1, 3])
        x = g.norm(g.add("Add", linear(g.add("Reshape", mixed, merge), hidden, hidden), x), hidden)
        x = g.norm(g.add("Add", linear(gelu(linear(x, hidden, ffn)), ffn, hidden), x), hidden)
    g.nodes.append(helper.make_node("Identity", [x], ["hidden"]))
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])
    out = helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [1, "tokens", hidden])
    graph = helper.make_graph(g.nodes, "encoder", [ids], [out], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    if len(sys.argv) not in (3, 7) or sys.argv[1] not in ("fp32", "int8"):
        sys.exit(__doc__)
    onnx.save(encoder(sys.argv[1], *map(int, sys.argv[3:])), sys.argv[2])
