#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: a NaN under ReduceMax, ArgMax and GlobalMaxPool.
# Expected: NaN, as Max, Relu, Softmax and ReduceLogSumExp of the same runtime give it, and as the reference does.
# Seen: under ReduceMax it depends on where the NaN stands. As the first element it is the result; anywhere else it is
# skipped: the maximum of 1, NaN, 2 is 2. ArgMax does alike, GlobalMaxPool skips it always. A check of activations by their maximum sees a NaN in one place of the row alone.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
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

nan = float("nan")
axis = np.array([1], np.int64)
for row in ([nan, 1, 2], [1, nan, 2]):
    x = np.array([row], np.float32)
    reduced = {e: float(run(e, "ReduceMax", [x, axis], TensorProto.FLOAT, 20, keepdims=0)[0]) for e in ("onnx", "onnxruntime")}
    index = int(run("onnxruntime", "ArgMax", [x], TensorProto.INT64, 20, axis=1, keepdims=0)[0])
    pooled = float(run("onnxruntime", "GlobalMaxPool", [x[None]], TensorProto.FLOAT, 20).ravel()[0])
    print(row, "ReduceMax", reduced, "ArgMax", index, "GlobalMaxPool", pooled)
    assert np.isnan(reduced["onnx"])
    assert np.isnan(reduced["onnxruntime"]) == np.isnan(row[0])
    assert pooled == 2 and (np.isnan(row[0]) or index == 2)
pair = run("onnxruntime", "Max", [np.array([1, nan], np.float32), np.array([nan, 1], np.float32)], TensorProto.FLOAT, 20)
print("Max of 1, NaN and NaN, 1:", pair.tolist())
assert np.isnan(pair).all()
PYTHON
