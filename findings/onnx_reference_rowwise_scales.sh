#!/usr/bin/env bash
# onnx 1.23.2, ReferenceEvaluator: quantisation by rows in MatMulInteger and QLinearMatMul.
# Expected: the operators' text: a one-dimensional zero point or scale of A, of M elements, is for the M rows of A.
# Seen: it is applied to the columns. With as many rows as columns the result is silently wrong; else it is a broadcasting
# error of numpy. ONNX Runtime takes no zero point by rows at all, so nothing contradicts the reference.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import warnings
import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

warnings.simplefilter("ignore")  # numpy's, about the very conversions that are shown

def run(engine, op, inputs, out, opset, **attributes):
    names = [f"i{k}" for k in range(len(inputs))]
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
              for n, a in zip(names, inputs)]
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g", values,
                              [helper.make_tensor_value_info("y", out, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    feed = dict(zip(names, inputs))
    if engine == "onnx":
        return ReferenceEvaluator(model).run(None, feed)[0]
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]

a = np.array([[1, 2], [3, 4]], np.uint8)
zero_points = np.array([1, 2], np.uint8)
seen = run("onnx", "MatMulInteger", [a, np.eye(2, dtype=np.int8), zero_points], TensorProto.INT32, 21)
right = a.astype(np.int32) - zero_points[:, None]
print("MatMulInteger with zero points 1, 2 of the rows:", seen.tolist(), "by the text:", right.tolist())
assert seen.tolist() == (a.astype(np.int32) - zero_points).tolist() != right.tolist()

one, zero = np.array(1, np.float32), np.array(0, np.uint8)
inputs = [a, np.array([1, 10], np.float32), np.zeros(2, np.uint8), np.eye(2, dtype=np.uint8), one, zero, one, zero]
seen = run("onnx", "QLinearMatMul", inputs, TensorProto.UINT8, 21)
print("QLinearMatMul with scales 1, 10 of the rows:", seen.tolist(), "by the text: [[1, 2], [30, 40]]")
assert seen.tolist() == [[1, 20], [3, 40]]

try:
    run("onnx", "MatMulInteger", [np.ones((3, 2), np.uint8), np.eye(2, dtype=np.int8), np.ones(3, np.uint8)],
        TensorProto.INT32, 21)
    raise SystemExit("three rows, two columns: no error any more")
except ValueError as error:
    print("three rows, two columns:", error)
PYTHON
