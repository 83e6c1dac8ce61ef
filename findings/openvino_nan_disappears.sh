#!/usr/bin/env bash
# openvino 2026.4.1, CPU: NaN in activations.
# Expected: a NaN stays one, so that a broken row is seen in the output, as in the reference evaluator.
# Seen: Relu makes it 0, Max(NaN, 1) is 1 while Max(1, NaN) is NaN, Exp gives infinity, ReduceMax skips it wherever it stands,
# and Softmax of a row with one NaN is 0, NaN, 0: the other weights look like numbers.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

nan = float("nan")
F = lambda *v: np.array(v, np.float32)
f32 = [TensorProto.FLOAT]
def seen(*arguments, **keywords):
    reference, openvino = both(arguments[0], *arguments, **keywords)
    assert np.isnan(np.array(reference)).all(), reference
    return np.ravel(openvino).tolist()
assert seen("Relu", [F(nan)], f32) == [0]
pair = seen("Max", [F(nan, 1), F(1, nan)], f32)
assert pair[0] == 1 and np.isnan(pair[1])
assert seen("Exp", [F(nan)], f32) == [float("inf")]
assert seen("ReduceMax", [F(nan, 1, 2)], f32, opset=20, keepdims=0) == [2]
row = seen("Softmax", [F(1, nan, 2)[None]], f32)
assert row[0] == 0 and np.isnan(row[1]) and row[2] == 0
PYTHON
