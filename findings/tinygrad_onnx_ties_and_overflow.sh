#!/usr/bin/env bash
# tinygrad 0.14.0, device PYTHON: its ONNX runner, beside onnx 1.23.2's reference evaluator and onnxruntime 1.32.0.
# Expected: QuantizeLinear rounds x / scale to even and adds the zero point; ReduceLogSumExp of 1000 and 1000 is 1000.69, as it is
# defined over the largest; LpNormalization of zeros is zero.
# Seen: to uint8, halves do not go to even: 2.5 with zero point 1 becomes code 4, not 3, while 0.5 goes down to 1. ReduceLogSumExp
# is infinite from 89 on, and LpNormalization of a row of zeros is NaN, as for the padding of a batch of embeddings.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
export DEV=PYTHON
venv tinygrad==0.14.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python -W ignore - <<'PYTHON'
import os
import tempfile
import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
import onnxruntime
from tinygrad import Tensor
from tinygrad.nn.onnx import OnnxRunner

def three(op, inputs, out_type, shape, **attributes):
    """The result by the reference, by ONNX Runtime and by tinygrad."""
    names = [f"i{k}" for k in range(len(inputs))]
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in zip(names, inputs)]
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g", values,
                              [helper.make_tensor_value_info("y", out_type, shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    feed = dict(zip(names, inputs))
    with tempfile.NamedTemporaryFile(suffix=".onnx", delete=False) as file:
        file.write(model.SerializeToString())
    last = OnnxRunner(file.name)({n: Tensor(a) for n, a in feed.items()})["y"].numpy()
    os.unlink(file.name)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = [ReferenceEvaluator(model).run(None, feed)[0], session.run(None, feed)[0], last]
    print(op, "of", inputs[0].tolist(), "reference, ONNX Runtime, tinygrad:", [r.tolist() for r in results])
    return results

f32 = np.float32
halves = three("QuantizeLinear", [np.array([0.5, 1.5, 2.5], f32), np.array(1, f32), np.array(1, np.uint8)], TensorProto.UINT8, [3])
assert halves[0].tolist() == halves[1].tolist() == [1, 3, 3] and halves[2].tolist() == [1, 3, 4]
large = three("ReduceLogSumExp", [np.array([1000, 1000], f32)], TensorProto.FLOAT, [], keepdims=0)
assert np.allclose(large[:2], 1000 + np.log(2)) and np.isinf(large[2])
zeros = three("LpNormalization", [np.zeros((1, 2), f32)], TensorProto.FLOAT, [1, 2], p=2)
assert not np.any(zeros[:2]) and np.isnan(zeros[2]).all()
PYTHON
