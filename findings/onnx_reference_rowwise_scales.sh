#!/usr/bin/env bash
# onnx 1.23.2, ReferenceEvaluator: quantisation by rows in MatMulInteger and QLinearMatMul.
# Expected: the operators' text: a one-dimensional zero point or scale of A, of M elements, is for the M rows of A.
# Seen: it is applied to the columns. With as many rows as columns the result is silently wrong; else it is a broadcasting
# error of numpy. ONNX Runtime takes no zero point by rows at all, so nothing contradicts the reference.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run

a = np.array([[1, 2], [3, 4]], np.uint8)
zero_points = np.array([1, 2], np.uint8)
seen = run("onnx", "MatMulInteger", [a, np.eye(2, dtype=np.int8), zero_points], [TensorProto.INT32])[0]
right = (a.astype(np.int32) - zero_points[:, None]).tolist()
print("MatMulInteger with zero points 1, 2 of the rows:", seen, "by the text:", right)
assert seen == (a.astype(np.int32) - zero_points).tolist() != right

one, zero = np.array(1, np.float32), np.array(0, np.uint8)
inputs = [a, np.array([1, 10], np.float32), np.zeros(2, np.uint8), np.eye(2, dtype=np.uint8), one, zero, one, zero]
seen = run("onnx", "QLinearMatMul", inputs, [TensorProto.UINT8])[0]
print("QLinearMatMul with scales 1, 10 of the rows:", seen, "by the text: [[1, 2], [30, 40]]")
assert seen == [[1, 20], [3, 40]]

try:
    run("onnx", "MatMulInteger", [np.ones((3, 2), np.uint8), np.eye(2, dtype=np.int8), np.ones(3, np.uint8)],
        [TensorProto.INT32])
    raise SystemExit("three rows, two columns: no error any more")
except ValueError as error:
    print("three rows, two columns:", error)
PYTHON
