#!/usr/bin/env bash
# onnx 1.23.2, its reference evaluator, beside onnxruntime 1.32.0: Softmax, LogSoftmax and Hardmax of operator sets before 13.
# Expected: what the operators' text says of version 11: the tensor becomes a matrix at `axis` (1 unless given), and a row of
# that matrix sums to 1. Version 13 changed that to one axis.
# Seen: the reference computes version 13 whatever the model's operator set is, with -1 as the axis that is not given. Of the
# tensor [[[1, 2], [3, 4]]] the probabilities sum to 2 instead of 1. A model of an old exporter that is compared with the
# reference looks wrong where it is right.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
import onnxruntime

x = np.array([[[1, 2], [3, 4]]], np.float32)

def sums(op, opset, **attributes):
    """Sums of all results by the reference and by ONNX Runtime."""
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2, 2]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], **attributes)], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = [r.run(None, {"x": x})[0] for r in (ReferenceEvaluator(model), session)]
    return [float(round((np.exp(y) if op == "LogSoftmax" else y).sum(), 4)) for y in results]

for op in ("Softmax", "LogSoftmax", "Hardmax"):
    for attributes in ({}, {"axis": 1}):
        old, new = sums(op, 11, **attributes), sums(op, 13, **attributes)
        print(op, attributes, "sums, opset 11: reference", old[0], "ONNX Runtime", old[1], "opset 13:", new)
        assert old == [2, 1] and new == [2, 2]
PYTHON
