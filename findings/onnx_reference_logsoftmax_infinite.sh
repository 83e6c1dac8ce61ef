#!/usr/bin/env bash
# onnx 1.23.2, its reference evaluator, beside onnxruntime 1.32.0: LogSoftmax of logits that are far apart.
# Expected: x - max - log(sum(exp(x - max))), which is finite for finite x: of 1000 and 0 it is 0 and -1000.
# Seen: the reference takes the logarithm of the softmax, so that what underflows there becomes -infinity: in float32 all that
# is more than 103 below the largest. A cross-entropy by the reference is infinite where any other runtime gives a number.
# ReduceLogSumExp of the same evaluator is right.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both, run

f32 = [TensorProto.FLOAT]
for low, seen in ((0, -np.inf), (900, -100)):
    x = np.array([[1000, low]], np.float32)
    reference, runtime = both(f"LogSoftmax of 1000 and {low}", "LogSoftmax", [x], f32, engine="onnxruntime")
    assert runtime == [[[0, low - 1000]]] and np.isclose(reference[0][0][1], seen, atol=1)
total = run("onnx", "ReduceLogSumExp", [np.array([1000, 1000], np.float32)], f32, keepdims=0)
print("ReduceLogSumExp of 1000 and 1000:", total)
assert np.allclose(total, 1000 + np.log(2))
PYTHON
