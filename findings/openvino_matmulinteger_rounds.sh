#!/usr/bin/env bash
# openvino 2026.4.1, CPU: MatMulInteger, the product of quantised linear layers.
# Expected: exact sums in int32, as the operator says: the result is an int32 tensor.
# Seen: sums above 2^24 are rounded to float32: 33,388,681 becomes 33,388,680. 1,031 inputs of large codes suffice; with a
# zero point of A the same. MatMul of int32 rounds likewise. So "bit for bit" ends at a few hundred inputs.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

a, b = np.full((1, 1031), 255, np.uint8), np.full((1031, 1), 127, np.int8)
a[0, -1] = 253
exact = int(a.astype(np.int64)[0] @ b.astype(np.int64)[:, 0])
seen = both("MatMulInteger of 1,031 inputs", "MatMulInteger", [a, b], [TensorProto.INT32])
assert seen == [[[[exact]]], [[[int(np.float32(exact))]]]] and exact != int(np.float32(exact))
square = np.array([[4097]], np.int32)
assert both("MatMul of 4097 and 4097 in int32", "MatMul", [square, square], [TensorProto.INT32]) == [
    [[[16785409]]], [[[16785408]]]]
PYTHON
