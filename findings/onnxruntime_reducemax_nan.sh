#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: a NaN under ReduceMax, ArgMax and GlobalMaxPool.
# Expected: NaN, as Max, Relu, Softmax and ReduceLogSumExp of the same runtime give it, and as the reference does.
# Seen: under ReduceMax it depends on where the NaN stands. As the first element it is the result; anywhere else it is
# skipped: the maximum of 1, NaN, 2 is 2. ArgMax does alike, GlobalMaxPool skips it always. A check of activations by their
# maximum sees a NaN in one place of the row alone.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run

nan = float("nan")
axis = np.array([1], np.int64)
f32 = [TensorProto.FLOAT]
for row in ([nan, 1, 2], [1, nan, 2]):
    x = np.array([row], np.float32)
    reduced = {e: run(e, "ReduceMax", [x, axis], f32, opset=20, keepdims=0)[0][0] for e in ("onnx", "onnxruntime")}
    index = run("onnxruntime", "ArgMax", [x], [TensorProto.INT64], opset=20, axis=1, keepdims=0)[0][0]
    pooled = float(np.ravel(run("onnxruntime", "GlobalMaxPool", [x[None]], f32, opset=20))[0])
    print(row, "ReduceMax", reduced, "ArgMax", index, "GlobalMaxPool", pooled)
    assert np.isnan(reduced["onnx"])
    assert np.isnan(reduced["onnxruntime"]) == np.isnan(row[0])
    assert pooled == 2 and (np.isnan(row[0]) or index == 2)
pair = run("onnxruntime", "Max", [np.array([1, nan], np.float32), np.array([nan, 1], np.float32)], f32, opset=20)
print("Max of 1, NaN and NaN, 1:", pair)
assert np.isnan(pair).all()
PYTHON
